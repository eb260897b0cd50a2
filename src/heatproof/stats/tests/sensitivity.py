"""What verdicts hang on: scores that are missing, counted as the worst; metrics that claim the same; methods within a
model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.catalogue.families import families_with
from heatproof.catalogue.metrics import METRICS, better
from heatproof.stats.results import Agreement, is_expected
from heatproof.stats.tables.groups import group_means, seed_group_means
from heatproof.stats.tests.analysis import TESTS, Compared, all_pairs, compare_one, omnibus_row
from heatproof.stats.tests.architectures import MIN_SEEDS, seed_differences
from heatproof.stats.tests.omnibus import DECIMALS, holm
from heatproof.stats.verdicts.judge import words_of
from heatproof.stats.verdicts.rules import Design


def worst_ranked(scores: pd.DataFrame, lower_is_better: bool = False) -> tuple[pd.DataFrame, int]:
    """Scores in which each value that is missing for a reason of the heatmap's own is the worst that was observed.

    A degenerate map says something about its method and model, so leaving it out favours them (Lachin 1999, worst-rank
    score analysis). Tests read the ranks of group means, and a mean does depend on the value put in: one far below all
    scores would make any group with a single such image the last, however good its others. The worst observed score
    keeps the scale of the metric, and no image ranks below it. A score that was never to be had (`results.is_expected`)
    stays missing.

    Args:
        scores: per-image scores of one metric, columns as in `artifacts.SCORES` and family: of the methods and models
            that are compared, since the worst is taken over all of them.

    Returns:
        A copy with the values put in, their reasons kept; and how many were.
    """
    reasons = scores["reason"].astype(str)
    stated = {reason: not is_expected(reason) for reason in reasons.unique()}
    informative = scores["value"].isna() & reasons.map(stated).astype(bool)
    observed = scores["value"].dropna()
    if observed.empty or not informative.any():
        return scores.copy(), 0
    worst = observed.max() if lower_is_better else observed.min()
    return scores.assign(value=scores["value"].mask(informative, worst)), int(informative.sum())


NONE = "none"


@dataclass(frozen=True)
class Worst:
    """A comparison beside the one in which missing scores are the worst; `lost` counts them by model."""

    main: Compared
    again: Compared
    lost: dict[str, int]


def worst_compared(scores: pd.DataFrame, compared: Iterable[Compared], design: Design) -> dict[tuple[str, str], Worst]:
    """Comparisons again, with scores without a value counted as the worst, by (family, method).

    A map that is constant or all zero failed; leaving it out of a mean flatters its model.

    Args:
        scores: scores of images, as `groups.compact` gives them.
        compared: the primary metric of each family and method.

    Returns:
        Nothing of a method where no score that was to be had is missing.
    """
    found = {}
    for one in compared:
        seen = design.seen(one.family)
        of = scores[(scores["family"] == one.family) & (scores["metric"] == one.metric)]
        own = (of["method"] == one.method) & of["model"].isin(seen.models)
        worst, replaced = worst_ranked(of[own], lower_is_better=(one.family, one.metric) in design.lower)
        if replaced:
            beside = pd.concat([worst, of[~own]])
            again = compare_one(seed_group_means(worst), beside, one.family, one.metric, one.method, seen)
            found[one.family, one.method] = Worst(one, again, _lost(of[own], worst))
    return found


def sensitivity(worst: Iterable[Worst], design: Design) -> pd.DataFrame:
    """Every verdict beside the one that counts scores without a value as the worst: `stats_tables.SENSITIVITY`."""
    rows: list[dict] = []
    for found in worst:
        one, seen = found.main, design.seen(found.main.family)
        main, other = words_of(one, seen), words_of(found.again, seen)
        for question, subject in dict.fromkeys([*main, *other]):
            said, would = (words.get((question, subject), NONE) for words in (main, other))
            names = {"family": one.family, "metric": one.metric, "method": one.method}
            names |= {"question": question, "subject": subject}
            names["missing"] = sum(found.lost.get(name, 0) for name in _models(subject, one, found.again))
            rows.append(names | {"main": said, "worst_rank": would, "changed": said != would})
    return pd.DataFrame(rows)


def _models(subject: str, *compared: Compared) -> list[str]:
    """The model, or both models, that a verdict speaks of; a name may hold a dash itself."""
    pairs = {f"{a} - {b}": [a, b] for one in compared for a, b in zip(one.pairs["a"], one.pairs["b"], strict=True)}
    return pairs.get(subject, [subject])


def _lost(scores: pd.DataFrame, worst: pd.DataFrame) -> dict[str, int]:
    """Model -> scores that were counted as the worst."""
    filled = scores["value"].isna().to_numpy() & worst["value"].notna().to_numpy()
    return {str(model): int(count) for model, count in scores.loc[filled, "model"].value_counts().items()}


MOST = 20  # metrics in one matrix: more cannot be read
LEAST = 5  # images below which a rank correlation says nothing
BLOCK = ["model", "seed", "method"]


def agreement(scores: pd.DataFrame, models: Sequence[str], methods: Sequence[str]) -> Agreement | None:
    """Spearman's correlation of each pair of metrics over images, mean over models, seeds and methods.

    Images of one model, seed and method are ranked by each metric, the better first, so that 1 is the same order. Only
    maps under study enter: that all metrics find controls bad would look like agreement.

    Args:
        scores: columns model, seed, method, image_id, family, metric, value.

    Returns:
        `metrics`, `correlation` (rows of a symmetric matrix, None where no block has `LEAST` images with both values
        and unequal ones) and `blocks`, how many were averaged at most; None for fewer than two metrics.
    """
    rows = scores[scores["model"].isin(models) & scores["method"].isin(methods) & scores["value"].notna()]
    named = rows[["family", "metric"]].drop_duplicates()
    directions = {m: better(f, m) for f, m in zip(named["family"], named["metric"], strict=True)}
    signs = {metric: -1 if way == "lower" else 1 for metric, way in directions.items() if way != "none"}
    names = list(signs)[:MOST]
    if len(names) < 2:
        return None
    rows = rows[rows["metric"].isin(names)]
    wide = rows.pivot(index=[*BLOCK, "image_id"], columns="metric", values="value")[names] * pd.Series(signs)[names]
    blocks = [_spearman(block.to_numpy()) for _, block in wide.groupby(BLOCK, sort=False, observed=True, dropna=False)]
    stack = np.stack(blocks)
    counts = np.isfinite(stack).sum(0)
    mean = np.divide(np.nansum(stack, 0), counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    matrix = tuple(tuple(None if np.isnan(value) else float(round(value, 6)) for value in row) for row in mean)
    return Agreement(tuple(names), matrix, len(blocks))


def _spearman(values: np.ndarray) -> np.ndarray:
    """Correlation of the ranks of each pair of columns [images, metrics], over the images with both values."""
    frame = pd.DataFrame(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return frame.corr(method="spearman", min_periods=LEAST).to_numpy()


def by_family(
    scores: pd.DataFrame, models: Sequence[str], methods: Sequence[str], primary: dict[str, str]
) -> dict[str, Agreement]:
    """`agreement` within the families whose metrics claim the same, and as `primary` between the primary metrics.

    Variants of a metric (another baseline) are left out, and families scored across seeds.
    """
    scores = scores[scores["seed"].notna()]
    found = {}
    for family in families_with("rates_maps"):
        of = scores[scores["family"] == family]
        found[family] = agreement(of[of["metric"].isin(METRICS)], models, methods)
    tested = scores["metric"].isin(list(primary.values()))
    found["primary"] = agreement(scores[tested], models, methods)
    return {name: table for name, table in found.items() if table}


CORRECTED = {"p_corrected": "p", "p_seeds": "p_seeds"}
SEED_COLUMNS = {"seeds_low": "low", "seeds_high": "high", "p_seeds": "p"}


def compare_methods(per_seed: pd.DataFrame, design: Design) -> Iterator[tuple[dict, list[dict], pd.DataFrame]]:
    """The methods within each model that takes part, by every metric; pairs by primary metrics alone.

    Holm's correction is over all pairs of a metric in all models: one family of tests.

    Yields:
        family, metric and `within` (the model); rows of tests over all methods; the pairs, with `p_corrected` still
        over one model where the metric is not primary (none then).
    """
    if len(design.methods) < 2:
        return
    chosen = per_seed[per_seed["method"].isin(design.methods) & per_seed["model"].isin(design.models)]
    for (family, metric), rows in chosen.groupby(["family", "metric"], sort=False, observed=True):
        found, means, primary = [], group_means(rows), design.is_primary(family, metric)
        for model in design.seen(family).models if primary else design.models:
            wide = means[means["model"] == model].pivot(index="group", columns="method", values="value")
            wide = wide.reindex(columns=[m for m in design.methods if m in wide]).dropna(axis=1, how="all")
            wide = wide.dropna(how="all").round(DECIMALS).sort_index()
            complete = wide.dropna()
            names = {"family": family, "metric": metric, "factor": "method", "within": model}
            pairs = all_pairs(wide if primary else wide[:0], None, design.margin(metric), design.settings, design.alpha)
            pairs = _within(rows[rows["model"] == model], pairs, design.settings["interval"])
            found.append((names, [omnibus_row(name, test(complete), wide) for name, test in TESTS.items()], pairs))
        together = pd.concat([pairs for _, _, pairs in found]) if found else pd.DataFrame()
        corrected = {name: _holm(together[raw]) for name, raw in CORRECTED.items() if len(together)}
        for names, omnibus, pairs in found:
            part = {name: p[: len(pairs)] for name, p in corrected.items()}
            corrected = {name: p[len(pairs) :] for name, p in corrected.items()}
            yield names, omnibus, pairs.assign(**part)


def _holm(p: pd.Series) -> np.ndarray:
    """Holm's correction of those that are there."""
    found, known = p.to_numpy(float, copy=True), p.notna().to_numpy()
    if known.any():
        found[known] = holm(found[known].tolist())
    return found


def _within(rows: pd.DataFrame, pairs: pd.DataFrame, level: float) -> pd.DataFrame:
    """Pairs of methods within one model, also against the variance between its seeds, which both methods share."""
    if rows["seed"].nunique() < MIN_SEEDS:
        return pairs
    wide, found = rows.pivot(index="group", columns=["method", "seed"], values="value"), []
    for a, b in zip(pairs["a"], pairs["b"], strict=True):
        test = seed_differences((wide[a] - wide[b]).dropna().to_numpy(float), level)
        found.append(test or dict.fromkeys(("low", "high", "p"), np.nan))
    ends = {name: [test[key] for test in found] for name, key in SEED_COLUMNS.items()}
    return pairs.assign(**ends)
