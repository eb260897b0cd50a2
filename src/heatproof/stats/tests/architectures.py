"""Tests that speak of architectures: groups and training seeds are both drawn, from at least five seeds; and the mixed
model beside them."""

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats

from heatproof.stats.tests.paired import SAME, holm

MIN_SEEDS = 5  # of a model: fewer say too little of the variance between them, and verdicts speak of checkpoints
PAIR_COLUMNS = ["a", "b", "difference", "low", "high", "df", "p", "p_corrected"]


def quasi_f(cells: np.ndarray) -> dict[str, float] | None:
    """Quasi-F of complete cells [groups, models, seeds]: do models differ by more than groups and seeds explain?

    No mean square is the error of the models alone; together three are: E[group x model + seed - residual] is what
    E[model] is under the null hypothesis. F' = MS model / (MS group x model + MS seed - MS residual), its denominator
    with Satterthwaite's degrees of freedom. Where that is not positive, F'' = (MS model + MS residual) / (MS group x
    model + MS seed), with Satterthwaite's for both (Winer 1971, Statistical Principles in Experimental Design, ch. 5;
    Clark 1973). F' comes first because it stays nearer to alpha: over 10, 30 and 100 groups, 3 and 5 models, 5
    seeds, group x model sd 1, seed sd 0 to 1, residual sd 0.3 to 2 it rejects .033 to .058 of true null hypotheses
    at .05, F'' .027 to .056, and F' with negative components set to zero .029 to .057 (4,000 draws each). Variances
    are taken as equal over models, as in any F test; `seed_pairs` does not need that.

    Returns:
        statistic, df1, df2, p. None for fewer than three models (the pair stands alone), two groups or five seeds, and
        where models differ but no group and no seed does, so that there is nothing to test against.
    """
    groups, models, seeds = cells.shape
    if models < 3 or groups < 2 or seeds < MIN_SEEDS:
        return None
    (model, a), (_, _), (crossed, b), (seed, c), (residual, e) = mean_squares(cells).values()
    if max(crossed, seed) < SAME**2:
        equal = model < SAME**2
        return {"statistic": 0.0, "df1": float(a), "df2": float(b), "p": 1.0} if equal else None
    below, df1, df2 = crossed + seed - residual, float(a), satterthwaite([(crossed, b), (seed, c), (-residual, e)])
    above = model
    if below <= 0:
        above, below = model + residual, crossed + seed
        df1, df2 = satterthwaite([(model, a), (residual, e)]), satterthwaite([(crossed, b), (seed, c)])
    statistic = above / below
    return {"statistic": statistic, "df1": df1, "df2": df2, "p": float(stats.f.sf(statistic, df1, df2))}


def seed_pairs(cells: np.ndarray, models: list[str], level: float) -> pd.DataFrame:
    """All pairs of models: a, b, difference (mean of a - b), low, high, df, p, p_corrected (Holm over the pairs).

    The difference has variance s2_groups / groups + s2_seeds,a / seeds + s2_seeds,b / seeds, where s2_groups is that of
    the groups' differences (means over seeds) and s2_seeds that of a model's seeds (means over groups). Both hold the
    residual: it is taken off the part of the seeds, which is not less than 0. t with Welch's and Satterthwaite's
    degrees of freedom; no variance is taken as equal in two models.

    Args:
        cells: [groups, models, seeds], complete.
        models: the names of its second axis.
        level: of the intervals, such as .95.

    Returns:
        No rows for fewer than two models, two groups or five seeds.
    """
    rows = []
    if cells.shape[0] >= 2 and cells.shape[2] >= MIN_SEEDS:
        for a, b in combinations(range(len(models)), 2):
            found = _across(cells[:, a].mean(1) - cells[:, b].mean(1), [cells[:, a], cells[:, b]], level)
            rows.append({"a": models[a], "b": models[b], **found})
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    if rows:
        table["p_corrected"] = holm(table["p"].tolist())
    return table


def seed_differences(differences: np.ndarray, level: float) -> dict[str, float] | None:
    """A model against a control, differences [groups, seeds] complete: difference (mean), low, high, df, p.

    As in `seed_pairs`, with the seeds of one model: a control of the same seed is in its difference. None for fewer
    than two groups or five seeds.
    """
    groups, seeds = differences.shape
    if groups < 2 or seeds < MIN_SEEDS:
        return None
    return _across(differences.mean(1), [differences], level)


def seed_contrast(cells: np.ndarray, weights: np.ndarray, level: float) -> dict[str, float]:
    """A planned contrast of models, cells [groups, models, seeds] complete and weights [models]: as in `seed_pairs`."""
    tables = [weight * cells[:, m] for m, weight in enumerate(weights) if weight]
    return _across(cells.mean(2) @ weights, tables, level)


def _across(by_group: np.ndarray, tables: list[np.ndarray], level: float) -> dict[str, float]:
    """Mean of differences [groups], tested against their spread and that of the seeds of each table [groups, seeds]."""
    groups = len(by_group)
    parts, mean = [(by_group.var(ddof=1) / groups, groups - 1)], by_group.mean()
    for table in tables:
        seeds = table.shape[1]
        by_seed = table.mean(0).var(ddof=1) / seeds
        rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
        free = (groups - 1) * (seeds - 1)
        twice = (rest**2).sum() / free / (groups * seeds)
        if by_seed > twice:
            parts += [(by_seed, seeds - 1), (-twice, free)]
    variance = sum(part for part, _ in parts)
    if variance < SAME**2:
        # all groups and seeds agree: no t; what flipping the signs of the groups gives
        p = 1.0 if abs(mean) < SAME else 2.0 ** (1 - groups)
        return {"difference": mean, "low": mean, "high": mean, "df": groups - 1.0, "p": p}
    df, error = satterthwaite(parts), variance**0.5
    half = stats.t.ppf((1 + level) / 2, df) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df))
    return {"difference": float(mean), "low": float(mean - half), "high": float(mean + half), "df": df, "p": p}


def mean_squares(cells: np.ndarray) -> dict[str, tuple[float, int]]:
    """Mean square and degrees of freedom of each source; a source without any has NaN."""
    groups, models, seeds = cells.shape
    grand, group, model = cells.mean(), cells.mean((1, 2)), cells.mean((0, 2))
    crossed, seed = cells.mean(2), cells.mean(0)
    rest = cells - crossed[:, :, None] - seed[None] + model[None, :, None]
    of = {
        "model": (groups * seeds * ((model - grand) ** 2).sum(), models - 1),
        "group": (models * seeds * ((group - grand) ** 2).sum(), groups - 1),
        "group x model": (seeds * ((crossed - group[:, None] - model + grand) ** 2).sum(), (groups - 1) * (models - 1)),
        "seed": (groups * ((seed - model[:, None]) ** 2).sum(), models * (seeds - 1)),
        "residual": ((rest**2).sum(), (groups - 1) * models * (seeds - 1)),
    }
    return {name: (float(total / free) if free else float("nan"), free) for name, (total, free) in of.items()}


def satterthwaite(parts: list[tuple[float, int]]) -> float:
    """Degrees of freedom of a sum of independent (mean square, degrees of freedom) (Satterthwaite 1946)."""
    return float(sum(part for part, _ in parts) ** 2 / sum(part**2 / free for part, free in parts))


CELLS = 1000  # 8 seconds on one core; the time grows with the cube of the cells
TERMS = {"group": "0 + C(group)", "group x model": "0 + C(group):C(model)", "seed": "0 + C(model):C(seed)"}


def mixed_model(long: pd.DataFrame) -> dict:
    """Linear mixed model by REML (statsmodels): model fixed; group, group x model and seed within model random.

    Groups and seeds are crossed, so all cells are one group to statsmodels and each term a variance component (Pinheiro
    and Bates 2000, section 4.2.2). Terms that cannot be told from the residual are left out: seed where no model has
    two, group x model where no group has two cells of a model; the residual holds them. On complete cells the
    components equal those of the analysis of variance where none is negative.

    The test is Wald's, with the variances taken as known: its p is too small where there are few groups or few seeds.
    It confirms; it is not what verdicts rest on.

    Args:
        long: columns group, model, seed, value: one row a cell at most; rows without a value are left out.

    Returns:
        statistic (Wald's chi-square / df1), df1, p, components (name -> variance; the last is residual), reason: "", or
        why there is no result, with all numbers None and no components.
    """
    cells = long.dropna(subset=["value"])[["group", "model", "seed", "value"]].sort_values(["group", "model", "seed"])
    cells = cells.assign(**{name: pd.factorize(cells[name])[0] for name in ("group", "model", "seed")})
    spread = cells["value"].std()
    if reason := _unfit(cells, spread):
        return _none(reason)
    # in units of the spread, so that the optimizer's tolerances mean the same for any metric
    cells = cells.assign(value=(cells["value"] - cells["value"].mean()) / spread, all=0)
    terms = {name: TERMS[name] for name in _told_apart(cells)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = smf.mixedlm("value ~ C(model)", cells, groups="all", re_formula="0", vc_formula=terms)
            # by gradient it stops short of a component of zero, and calls that converged
            fit = model.fit(reml=True, method="nm")
            fixed = np.asarray(fit.cov_params())[1 : fit.k_fe, 1 : fit.k_fe]
            effects = np.asarray(fit.fe_params)[1:]
            chi_square = float(effects @ np.linalg.solve(fixed, effects))
        except (np.linalg.LinAlgError, ValueError):
            return _none("the fit of the mixed model failed")
    if not fit.converged or not np.isfinite(chi_square):
        return _none("the fit of the mixed model did not converge")
    found = dict(zip(model.exog_vc.names, fit.vcomp, strict=True)) | {"residual": fit.scale}
    return {
        "statistic": chi_square / len(effects),
        "df1": float(len(effects)),
        "p": float(stats.chi2.sf(chi_square, len(effects))),
        "components": {name: float(found[name] * spread**2) for name in [*terms, "residual"]},
        "reason": "",
    }


def _unfit(cells: pd.DataFrame, spread: float) -> str:
    if cells["model"].nunique() < 2:
        return "fewer than two models"
    if cells["group"].nunique() < 2:
        return "fewer than two groups"
    if len(cells) > CELLS:
        return f"{len(cells)} cells are too many for the mixed model: it takes up to {CELLS}"
    return "" if spread > SAME else "all values are equal"


def _told_apart(cells: pd.DataFrame) -> list[str]:
    names = ["group"]
    if (cells.groupby(["group", "model"]).size() > 1).any():
        names.append("group x model")
    if (cells.groupby("model")["seed"].nunique() > 1).any():
        names.append("seed")
    return names


def _none(reason: str) -> dict:
    return {"statistic": None, "df1": None, "p": None, "components": {}, "reason": reason}
