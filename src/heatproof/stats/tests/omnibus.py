"""Tests between models on group means: Friedman and Wilcoxon pairs, or repeated-measures ANOVA and t pairs; their
counterparts where groups have some models only, or one each, and over several data sets; and bars over models that are
that do not differ significantly (Demsar 2006)."""

from collections.abc import Collection
from itertools import combinations
from math import factorial, sqrt

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.stats.tests.architectures import satterthwaite
from heatproof.stats.tests.paired import (
    DECIMALS,
    SAME,
    WILCOXON_TO_T,
    below_over_seeds,
    below_p,
    equivalent_p,
    holm,
    paired_t,
    signed_rank,
    smallest_corrected_p,
    t_interval,
)
from heatproof.stats.tests.power import detectable_effect

PAIR_COLUMNS = ["a", "b", "groups", "difference", "low", "high", "effect", "cles", "p", "p_corrected", "margin"]
PAIR_COLUMNS += ["p_equivalent", "detectable"]
LEAST_GROUPS = 20  # from which a t test may say that nothing is gained: fewer often miss all of a few large gains
CONTROL_COLUMNS = ["model", "control", "groups", "difference", "low", "high", "effect", "p", "p_corrected"]
CONTROL_COLUMNS += ["smallest_p", "side", "complete", "p_below", "p_no"]
UNTESTED = {"low": np.nan, "high": np.nan, "p": 1.0}  # a control without seeds enough to test against their variance


def wide_table(means: pd.DataFrame, metric: str, method: str, models: list[str]) -> pd.DataFrame:
    """Group means of one metric and method as [groups, models], NaN where a model has none for a group.

    Models without any value are no column, groups without any (no truth, say) no row; rows by group name.
    """
    chosen = means[(means["metric"] == metric) & (means["method"] == method)]
    wide = chosen.pivot(index="group", columns="model", values="value").reindex(columns=models)
    return wide.dropna(axis=1, how="all").dropna(how="all").round(DECIMALS).sort_index()


def compare_pairs(
    wide: pd.DataFrame,
    *,
    test: str = "friedman",
    level: float = 0.95,
    margin: float = 0.05,
    tested_at: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """All pairs of models of a table [groups, models] without NaN.

    Args:
        test: `friedman` for Wilcoxon's signed-rank p, `rm_anova` for that of the paired t test.
        level: of the intervals.
        margin: the difference below which two models count as equivalent.
        tested_at: level of the family of pairs, which `detectable` is for.
        power: how often `detectable` would be found.

    Returns:
        a, b, groups; difference (mean over groups of a - b) with its Student t interval low, high; effect
        (rank-biserial); cles (share of all pairs of groups in which a is above b, ties half: Vargha and Delaney 2000);
        p, p_corrected (Holm over the pairs); margin, p_equivalent (two one-sided t tests, Holm over the pairs);
        detectable: the smallest true difference that this many groups with this spread find in a share `power` of
        studies at the level of Holm's first step, tested_at / pairs; for Wilcoxon that of t over the root of its
        efficiency. NaN where nothing could be found, and where no spread was seen. No rows for fewer than two models or
        no groups.
    """
    pairs = list(combinations(range(wide.shape[1]), 2)) if len(wide) else []
    if not pairs:
        return pd.DataFrame(columns=PAIR_COLUMNS)
    values, groups = wide.to_numpy(float), len(wide)
    first, second = np.transpose(pairs)
    differences = (values[:, first] - values[:, second]).round(DECIMALS)
    ranked = [signed_rank(column) for column in differences.T]
    p = [p for p, _ in ranked] if test == "friedman" else paired_t(differences).tolist()
    low, high = t_interval(differences, level)
    return pd.DataFrame(
        {
            "a": wide.columns[first],
            "b": wide.columns[second],
            "groups": groups,
            "difference": differences.mean(0),
            "low": low,
            "high": high,
            "effect": [effect for _, effect in ranked],
            "cles": [float(np.sign(values[:, [i]] - values[:, j]).mean() + 1) / 2 for i, j in pairs],
            "p": p,
            "p_corrected": holm(p),
            "margin": margin,
            "p_equivalent": holm(equivalent_p(differences, margin).tolist()),
            "detectable": _detectable(differences, test, tested_at, power),
        }
    )


def _detectable(differences: np.ndarray, test: str, tested_at: float, power: float) -> np.ndarray:
    groups, pairs = differences.shape
    ranks = test == "friedman"
    if groups < 2 or (ranks and smallest_corrected_p(groups, pairs) > tested_at):
        return np.full(pairs, np.nan)
    spread = differences.std(0, ddof=1)
    effect = detectable_effect(groups, tested_at / pairs, power) / (sqrt(WILCOXON_TO_T) if ranks else 1.0)
    return np.where(spread > SAME, effect * spread, np.nan)


def friedman(wide: pd.DataFrame) -> dict[str, float] | None:
    """Friedman's test of a table [groups, models] without NaN: statistic (chi-square), df1, effect (Kendall's W), p.

    None for fewer than three models (the pair stands alone) or fewer than two groups. Where every group gives
    all models the same value each permutation gives the same statistic: statistic and W are 0, p = 1.
    """
    groups, models = wide.shape
    if models < 3 or groups < 2:
        return None
    if (wide.nunique(axis=1) == 1).all():
        found = {"statistic": 0.0, "df1": models - 1.0, "effect": 0.0, "p": 1.0}
    else:
        statistic, p = stats.friedmanchisquare(*wide.to_numpy(float).T)
        effect = statistic / (groups * (models - 1))
        found = {"statistic": float(statistic), "df1": models - 1.0, "effect": float(effect), "p": float(p)}
    return found


def rm_anova(wide: pd.DataFrame) -> dict[str, float] | None:
    """Repeated-measures analysis of variance of a table [groups, models] without NaN, Greenhouse-Geisser-corrected.

    Returns:
        statistic (F), df1 and df2 (both times epsilon), effect (generalized eta squared: Bakeman 2005), epsilon, p.
        None for fewer than three models (the pair stands alone) or fewer than three groups, from which no covariance
        can be told. Where models differ by the same in every group there is no error to test against: F is taken
        against that of rounding, and p is what shuffling the models within each group gives; equal models have F = 0
        and p = 1.
    """
    groups, models = wide.shape
    if models < 3 or groups < 3:
        return None
    values = wide.to_numpy(float)
    of_groups, of_models = values.mean(1, keepdims=True), values.mean(0, keepdims=True)
    spread = ((of_models - values.mean()) ** 2).sum() * groups
    rest = values - of_groups - of_models + values.mean()
    if np.abs(rest).max() < SAME:
        found = {"statistic": 0.0, "df1": models - 1.0, "df2": (models - 1.0) * (groups - 1), "epsilon": 1.0}
        if np.ptp(of_models) < SAME:
            return found | {"effect": 0.0, "p": 1.0}
        effect = spread / ((values - values.mean()) ** 2).sum()
        return found | {
            "statistic": float(spread / (models - 1) / SAME**2),
            "effect": float(effect),
            "p": float(factorial(models)) ** (1 - groups),
        }
    error, between = (rest**2).sum(), ((of_groups - values.mean()) ** 2).sum() * models
    import pingouin as pg  # not at the top: the report reads a constant from here, and no test

    epsilon = float(pg.epsilon(wide, correction="gg"))
    df1, df2 = (models - 1) * epsilon, (models - 1) * (groups - 1) * epsilon
    statistic = spread / (error / (groups - 1))
    return {
        "statistic": float(statistic),
        "df1": df1,
        "df2": df2,
        "effect": float(spread / (spread + between + error)),
        "epsilon": epsilon,
        "p": float(stats.f.sf(statistic, df1, df2)),
    }


def linked(wide: pd.DataFrame) -> list[list[str]]:
    """Return the models of a table [groups, models] that groups with several of them link, directly or by others."""
    sets: list[set[str]] = [{model} for model in wide.columns]
    for there in wide.notna().drop_duplicates().to_numpy():
        together = set(wide.columns[there])
        apart = [one for one in sets if not one & together]
        sets = [*apart, set.union(together, *(one for one in sets if one & together))]
    return sorted(([model for model in wide.columns if model in one] for one in sets if one), key=len, reverse=True)


def rank_sums(wide: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return Skillings and Mack's adjusted rank sums [models] and their covariance without a difference.

    Groups with fewer than two models hold no comparison. Ties get their mean rank, which makes the test conservative.
    """
    there = wide.notna().to_numpy()
    there = there & (there.sum(1, keepdims=True) > 1)
    sizes = there.sum(1, keepdims=True)
    ranks = wide.rank(axis=1).to_numpy() - (sizes + 1) / 2
    sums = np.where(there, ranks * np.sqrt(12 / (sizes + 1)), 0.0).sum(0)
    both = there.T.astype(float) @ there
    np.fill_diagonal(both, 0.0)
    return sums, np.diag(both.sum(1)) - both


def skillings_mack(wide: pd.DataFrame) -> dict[str, float] | None:
    """Test of Skillings and Mack (1981) of a table [groups, models] that lacks values: Friedman's, if it lacks none.

    Returns:
        statistic (chi-square), df1, p, groups (those with two models or more). None for fewer than three models or two
        such groups, and where groups do not link all models.
    """
    groups = int((wide.notna().sum(axis=1) > 1).sum())
    if wide.shape[1] < 3 or groups < 2 or len(linked(wide)) > 1:
        return None
    statistic, df = _form(*rank_sums(wide))
    return {"statistic": statistic, "df1": df, "p": float(stats.chi2.sf(statistic, df)), "groups": groups}


def _form(sums: np.ndarray, covariance: np.ndarray) -> tuple[float, float]:
    """Quadratic form of rank sums, and the rank of their covariance."""
    rank = float(np.linalg.matrix_rank(covariance))
    return float(sums @ np.linalg.pinv(covariance) @ sums), rank


def heterogeneity(wide: pd.DataFrame, data_sets: pd.Series) -> dict[str, float] | None:
    """Test whether models rank differently in different data sets: what their rank sums vary by beyond those of all.

    The sum of each data set's chi-square, less that of all. It is conservative where models differ, because ranks then
    vary less than without a difference.

    Args:
        wide: [groups, models], which may hold NaN.
        data_sets: the data set of each group.

    Returns:
        statistic, df1, p. None where fewer than two data sets compare models.
    """
    parts = [_form(*rank_sums(rows)) for _, rows in wide.groupby(data_sets.reindex(wide.index).to_numpy())]
    whole, df = _form(*rank_sums(wide))
    free = sum(part for _, part in parts) - df
    if free <= 0:
        return None
    statistic = max(0.0, sum(part for part, _ in parts) - whole)
    return {"statistic": statistic, "df1": free, "p": float(stats.chi2.sf(statistic, free))}


def over_data_sets(means: pd.DataFrame) -> dict[str, float] | None:
    """Demsar's (2006) test of means [data sets, models]: Friedman's chi-square as Iman and Davenport's F.

    As there, the chi-square is not corrected for ties.

    Returns:
        chi_square, statistic (F), df1, df2, p. Where all data sets have the same order F is infinite: it is NaN, and p
        what shuffling the models within each gives. None for fewer than three models or two data sets.
    """
    (sets, models), df = means.shape, means.shape[1] - 1
    if models < 3 or sets < 2:
        return None
    ranks = means.rank(axis=1).mean().to_numpy()
    chi_square = 12 * sets / (models * (models + 1)) * float((ranks**2).sum() - models * (models + 1) ** 2 / 4)
    left, df2 = sets * df - chi_square, df * (sets - 1)
    found = {"chi_square": chi_square, "df1": float(df), "df2": float(df2)}
    if left < SAME:
        return found | {"statistic": float("nan"), "p": float(factorial(models)) ** (1 - sets)}
    statistic = (sets - 1) * chi_square / left
    return found | {"statistic": statistic, "p": float(stats.f.sf(statistic, df, df2))}


def unpaired(wide: pd.DataFrame, test: str) -> dict[str, float] | None:
    """Test of models on disjoint groups, [groups, models] with one value a row: Kruskal and Wallis's test, or Welch's
    analysis of variance for `rm_anova`. None for fewer than three models, or two groups of any."""
    samples = [wide[model].dropna().to_numpy() for model in wide]
    if len(samples) < 3 or min(map(len, samples)) < 2:
        return None
    groups = sum(map(len, samples))
    if np.ptp(np.concatenate(samples)) < SAME:
        return {"statistic": 0.0, "df1": len(samples) - 1.0, "p": 1.0, "groups": groups}
    if test == "friedman":
        found = stats.kruskal(*samples)
        return {
            "statistic": float(found.statistic),
            "df1": len(samples) - 1.0,
            "p": float(found.pvalue),
            "groups": groups,
        }
    from statsmodels.stats.oneway import anova_oneway

    found = anova_oneway(samples, use_var="unequal", welch_correction=True)
    numbers = {"statistic": float(found.statistic), "df1": float(found.df_num), "df2": float(found.df_denom)}
    return numbers | {"p": float(found.pvalue), "groups": groups}


def unpaired_pairs(wide: pd.DataFrame, *, test: str, level: float, margin: float) -> pd.DataFrame:
    """All pairs of models on disjoint groups, as `compare_pairs` gives them, of models with two groups or more.

    p is that of Mann and Whitney's test, or of Welch's t test for `rm_anova`; intervals and equivalence are Welch's.
    """
    rows = []
    for a, b in combinations(wide.columns, 2):
        first, second = wide[a].dropna().to_numpy(), wide[b].dropna().to_numpy()
        if min(len(first), len(second)) < 2:
            continue
        larger = stats.mannwhitneyu(first, second)
        share = float(larger.statistic) / (len(first) * len(second))
        mean, parts = (
            first.mean() - second.mean(),
            [(one.var(ddof=1) / len(one), len(one) - 1) for one in (first, second)],
        )
        error = sqrt(sum(part for part, _ in parts))
        if error < SAME:
            continue  # no spread to test against
        df = satterthwaite(parts)
        half = stats.t.ppf((1 + level) / 2, df) * error
        p = larger.pvalue if test == "friedman" else 2 * stats.t.sf(abs(mean) / error, df)
        row = {"a": a, "b": b, "groups": len(first) + len(second), "difference": mean, "effect": 2 * share - 1}
        row |= {"low": mean - half, "high": mean + half, "cles": share, "p": float(p), "margin": margin}
        rows.append(row | {"p_equivalent": float(stats.t.sf((margin - abs(mean)) / error, df)), "detectable": np.nan})
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    if rows:
        table["p_corrected"], table["p_equivalent"] = holm(table["p"].tolist()), holm(table["p_equivalent"].tolist())
    return table


def against_controls(
    heat: pd.DataFrame,
    controls: dict[str, pd.DataFrame],
    *,
    test: str = "friedman",
    level: float = 0.95,
    margin: float = 0.05,
    lower_is_better: bool = False,
    over_seeds: dict[tuple[str, str], dict[str, float]] | None = None,
) -> pd.DataFrame:
    """Each model against all controls of the same images, tables [groups, models] that may hold NaN.

    One p a model. Where all differences are to the good side it is the largest of its controls: better than each
    (intersection-union: Berger 1982). Else it is the smallest among the controls that do better, times the number of
    its controls (Bonferroni), and 1 where none does. A difference has a side where its mean and its ranks agree.
    Two-sided p values, Holm over the models. `rules.beats_controls` makes verdicts of them.

    Args:
        heat: group means of the heatmaps.
        controls: control -> its group means.
        test: `friedman` for Wilcoxon's signed-rank p, `rm_anova` for that of the paired t test.
        margin: a lead over a control that would not matter.
        over_seeds: (model, control) -> what `architectures.seed_differences` gives, to stand in for the test of the
            checkpoints.

    Returns:
        A row for each model and control that share a group: groups, difference (mean of heatmap - control), low, high,
        effect (rank-biserial), p; p_corrected, that of the model, in the rows that it is made from (NaN in the others;
        1 in all where it is made from none); smallest_p, what p_corrected so many groups can reach; side, `better` or
        `worse` in the rows that p_corrected is made from, else ""; complete: the model has every control; p_below
        (one-sided t test that the lead over this control is smaller than the margin; 1 from fewer than `LEAST_GROUPS`
        groups) and the model's p_no, that its lead over the strongest control is: the smallest p_below, doubled because
        it shares alpha with `better`, times the number of controls, Holm over the models.
    """
    rows: dict[str, list[dict]] = {}
    good = -1 if lower_is_better else 1
    for model in heat.columns:
        for control, wide in controls.items():
            if model not in wide:
                continue
            differences = (heat[model] - wide[model]).dropna().round(DECIMALS).to_numpy()
            if differences.size:
                row = {"model": model, "control": control} | _one(differences, test, level)
                row["p_below"] = below_p(good * differences, margin)
                if over_seeds is not None:
                    over = over_seeds.get((model, control))
                    row["p_below"] = below_over_seeds(over, margin, level, good) if over else 1.0
                    row |= over or UNTESTED
                if differences.size < LEAST_GROUPS:
                    row["p_below"] = 1.0
                rows.setdefault(model, []).append(row)
    judged = [_model_p(of, good) for of in rows.values()]
    corrected = holm([p for p, _, _ in judged]) if judged else []
    none = holm([min(1.0, 2 * len(of) * min(row["p_below"] for row in of)) for of in rows.values()]) if judged else []
    most = max(map(len, rows.values()), default=0)
    for of, (_, verdict, made), p, p_no in zip(rows.values(), judged, corrected, none, strict=True):
        floor = min(_reachable(of, test if over_seeds is None else "rm_anova") * len(rows), 1.0)
        for row, part in zip(of, made, strict=True):
            shown = float(p) if part or not any(made) else np.nan
            row.update(p_corrected=shown, smallest_p=floor, p_no=float(p_no))
            row.update(side=verdict if part else "", complete=len(of) == most)
    return pd.DataFrame([row for of in rows.values() for row in of], columns=CONTROL_COLUMNS)


def _one(differences: np.ndarray, test: str, level: float) -> dict[str, float]:
    p, effect = signed_rank(differences)
    column = differences[:, None]
    low, high = t_interval(column, level)
    return {
        "groups": differences.size,
        "difference": float(differences.mean()),
        "low": float(low[0]),
        "high": float(high[0]),
        "effect": effect,
        "p": p if test == "friedman" else float(paired_t(column)[0]),
    }


def _model_p(rows: list[dict], good: int) -> tuple[float, str, list[bool]]:
    """The p of a model, what it would find, and which rows it rests on."""
    sides = [np.sign(row["difference"]) * good * (np.sign(row["difference"]) == np.sign(row["effect"])) for row in rows]
    if all(side > 0 for side in sides):
        return max(row["p"] for row in rows), "better", [True] * len(rows)
    least = min((row["p"] for row, side in zip(rows, sides, strict=True) if side < 0), default=1.0)
    made = [side < 0 and row["p"] <= least for row, side in zip(rows, sides, strict=True)]
    return min(1.0, least * len(rows)), "worse", made


def _reachable(rows: list[dict], test: str) -> float:
    """The smallest p that a model can have: t tests of two groups or more have no such limit."""
    sizes = [row["groups"] for row in rows]
    if test != "friedman":
        return 0.0 if min(sizes) > 1 else 1.0
    return min(smallest_corrected_p(min(sizes), 1), smallest_corrected_p(max(sizes), len(sizes)))


def mean_ranks(wide: pd.DataFrame, lower_is_better: bool = False) -> pd.Series:
    """Mean rank of each model over the groups of a table [groups, models], best first: 1 is best, ties get their mean.

    Raises:
        ValueError: a value is NaN, so that ranks would be among different models in different groups.
    """
    if wide.isna().any(axis=None):
        raise ValueError("ranks need a value of every model in every group")
    return wide.rank(axis=1, ascending=lower_is_better).mean().sort_values(kind="stable")


def cliques(ranks: pd.Series, apart: Collection[frozenset[str]]) -> list[list[str]]:
    """Return the longest runs of models, neighbours by mean rank, in which no pair is told apart.

    Pairs are told apart by tests of their own, not by Nemenyi's critical difference, which depends on the other models
    in the diagram (Benavoli, Corani and Mangili 2016). A bar joins all that it covers, so where the first and the third
    of three models are alike but the second differs from one of them, no bar joins the three.

    Args:
        ranks: mean rank by model, as from `mean_ranks`.
        apart: the pairs that are told apart.

    Returns:
        Runs of two models or more, none within another, best first.
    """
    order = ranks.sort_values(kind="stable").index.tolist()
    runs: list[list[str]] = []
    reached = 0  # the end of the last run: a run that ends there too lies within it
    for start, first in enumerate(order):
        end = start + 1
        while end < len(order) and not any(frozenset((order[end], model)) in apart for model in order[start:end]):
            end += 1
        if end > max(reached, start + 1):
            runs.append([first, *order[start + 1 : end]])
            reached = end
    return runs
