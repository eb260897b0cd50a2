"""Tests that speak of architectures: groups and training seeds are both drawn, from at least five seeds.

A cell is the mean of one group, one model and one seed. Groups meet every model and every seed; seeds belong to
their model. So the value of a cell is model + group + group x model + seed within model + residual, all but the model
random, and what the means of models differ by has three sources: group x model, seed, residual.
"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.stats.paired import SAME, holm

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
    (model, a), (_, _), (crossed, b), (seed, c), (residual, e) = _mean_squares(cells).values()
    if max(crossed, seed) < SAME**2:
        equal = model < SAME**2
        return {"statistic": 0.0, "df1": float(a), "df2": float(b), "p": 1.0} if equal else None
    below, df1, df2 = crossed + seed - residual, float(a), _satterthwaite([(crossed, b), (seed, c), (-residual, e)])
    above = model
    if below <= 0:
        above, below = model + residual, crossed + seed
        df1, df2 = _satterthwaite([(model, a), (residual, e)]), _satterthwaite([(crossed, b), (seed, c)])
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
    df, error = _satterthwaite(parts), variance**0.5
    half = stats.t.ppf((1 + level) / 2, df) * error
    p = float(2 * stats.t.sf(abs(mean) / error, df))
    return {"difference": float(mean), "low": float(mean - half), "high": float(mean + half), "df": df, "p": p}


def _mean_squares(cells: np.ndarray) -> dict[str, tuple[float, int]]:
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


def _satterthwaite(parts: list[tuple[float, int]]) -> float:
    """Degrees of freedom of a sum of independent (mean square, degrees of freedom) (Satterthwaite 1946)."""
    return float(sum(part for part, _ in parts) ** 2 / sum(part**2 / free for part, free in parts))
