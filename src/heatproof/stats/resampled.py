"""Measures of several labels an image on bootstrap draws of whole groups, and the intervals that they give."""

import numpy as np
from scipy import stats

from heatproof.bootstrap import MIN_KEPT

DRAWS = 2000
_CELLS = 4_000_000  # numbers of one block of draws: it bounds the memory and changes nothing else


def draw_groups(groups: int, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """How often each group is drawn, int [draws, groups], when as many are drawn with replacement as there are."""
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=draws)


def f1(counts: np.ndarray) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) of counts [..., 4] of TP, FP, FN, TN; NaN where nothing is there and nothing is said."""
    hits, claims = 2 * counts[..., 0], 2 * counts[..., 0] + counts[..., 1] + counts[..., 2]
    return _share(hits, claims)


def sensitivity(counts: np.ndarray) -> np.ndarray:
    """TP / (TP + FN) of counts [..., 4]; NaN where no image has the label."""
    return _share(counts[..., 0], counts[..., 0] + counts[..., 2])


def specificity(counts: np.ndarray) -> np.ndarray:
    """TN / (TN + FP) of counts [..., 4]; NaN where every image has the label."""
    return _share(counts[..., 3], counts[..., 3] + counts[..., 1])


def auroc(truth: np.ndarray, probability: np.ndarray, group: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve [draws]: how often a case with the label is given more than one without, ties half.

    Counted in whole numbers, so that it is exact. NaN in draws that lack cases of either kind.

    Args:
        truth: bool [cases].
        probability: float [cases].
        group: int [cases], the column of `weights` that a case belongs to.
        weights: int [draws, groups], as from `draw_groups`.
    """
    if not len(truth):
        return np.full(len(weights), np.nan)
    order = np.argsort(probability, kind="stable")
    truth, group = truth[order], group[order]
    starts = np.flatnonzero(np.r_[True, np.diff(probability[order]) > 0])  # of equal probabilities
    block = max(1, _CELLS // len(truth))
    parts = []
    for first in range(0, len(weights), block):
        drawn = weights[first : first + block][:, group]
        there = np.add.reduceat(drawn * truth, starts, axis=1)
        absent = np.add.reduceat(drawn * ~truth, starts, axis=1)
        won = (there * (2 * np.cumsum(absent, axis=1) - absent)).sum(1)
        parts.append(_share(won, 2 * there.sum(1) * absent.sum(1)))
    return np.concatenate(parts)


def interval(values: np.ndarray, value: float, units: int, level: float) -> tuple[float, float]:
    """Low and high of a measure in [0, 1], from its bootstrap values [draws].

    The percentile interval is too narrow for few groups: its quantiles are moved out as Student's t and the factor
    n / (n - 1) ask for (the expanded percentile interval, Hesterberg 2015, doi 10.1080/00031305.2015.1089789). Where no
    draw errs, or none is right, resampling knows nothing of errors that were not seen: the exact bound of so many
    groups without one stands in (Clopper & Pearson 1934).

    Args:
        values: of draws without a value (NaN) the interval knows nothing; NaN, NaN where they are more than half.
        value: of the images themselves.
        units: independent groups that it rests on; NaN, NaN from fewer than two.
        level: coverage.
    """
    known = values[np.isfinite(values)]
    if units < 2 or not np.isfinite(value) or len(known) < MIN_KEPT * len(values):
        return np.nan, np.nan
    if value in (0, 1) and (known == value).all():
        reach = 1 - ((1 - level) / 2) ** (1 / units)
        return (1 - reach, 1.0) if value == 1 else (0.0, reach)
    tail = stats.norm.cdf(-np.sqrt(units / (units - 1)) * stats.t.ppf((1 + level) / 2, units - 1))
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)
