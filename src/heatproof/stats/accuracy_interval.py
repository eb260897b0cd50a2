"""Accuracy of a classifier on groups of images, with intervals that cover at ten groups and where all are right.

The percentile bootstrap is too narrow for few groups, and a point where no image is wrong. Here the statistic is
linearized over groups, and its variance goes into Wilson's interval as an effective number of images: what surveys do
with proportions of clustered samples (Korn & Graubard 1998; Dean & Pagano 2015). `docs/statistics.md` has the coverage.
"""

from collections.abc import Callable

import numpy as np
from scipy import stats

from heatproof.bootstrap import balanced_accuracy

# What is assumed before errors are seen: images of one group are right or wrong together, by this correlation; as much
# as so many errors would tell. Without it an interval rests on where two or three errors happen to lie.
PRIOR_CORRELATION, PRIOR_ERRORS = 0.7, 2.0


def accuracy(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Share of all images that are right, of counts [..., classes, classes]; NaN without an image.

    A class that is not in `present` (bool [classes]) has no image, and so no part in it.
    """
    images = confusion.sum((-1, -2))
    hits = np.trace(confusion, axis1=-2, axis2=-1).astype(float)
    return np.divide(hits, images, out=np.full(hits.shape, np.nan), where=images > 0)


def f1_macro(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mean over the classes in `present` of 2 TP / (2 TP + FP + FN), of counts [..., classes, classes]."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)[..., present].astype(float)
    claims = (confusion.sum(-1) + confusion.sum(-2))[..., present]  # 2 TP + FP + FN
    return np.divide(2 * hits, claims, out=np.full(hits.shape, np.nan), where=claims > 0).mean(-1)


def accuracy_slope(total: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Derivative of the accuracy by each count of `total` [..., classes, classes]."""
    share = np.nan_to_num(accuracy(total, present))[..., None, None]
    return (np.eye(len(present)) - share) / np.maximum(total.sum((-1, -2)), 1)[..., None, None]


def balanced_accuracy_slope(total: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Derivative of the balanced accuracy by each count of `total` [..., classes, classes]; 0 for absent classes."""
    images = np.maximum(total.sum(-1), 1)[..., None]
    recall = np.diagonal(total, axis1=-2, axis2=-1)[..., None] / images
    return present[:, None] * (np.eye(len(present)) - recall) / images / present.sum()


def f1_macro_slope(total: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Derivative of the macro F1 by each count of `total` [..., classes, classes]."""
    claims = np.maximum(total.sum(-1) + total.sum(-2), 1)
    by_hit = present * 2 / claims
    by_claim = present * -2 * np.diagonal(total, axis1=-2, axis2=-1) / claims**2
    return (np.eye(len(present)) * by_hit[..., None] + by_claim[..., :, None] + by_claim[..., None, :]) / present.sum()


MEASURES: dict[str, tuple[Callable, Callable]] = {  # the measure and its slope
    "accuracy": (accuracy, accuracy_slope),
    "balanced_accuracy": (balanced_accuracy, balanced_accuracy_slope),
    "f1_macro": (f1_macro, f1_macro_slope),
}


def accuracy_interval(
    counts: np.ndarray, present: np.ndarray, measure: str, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high of the interval over groups of a measure of accuracy, given how many images each class has.

    Args:
        counts: confusion counts [..., groups, classes, classes], true class in rows.
        present: which classes the test split holds, bool [classes].
        measure: one of `MEASURES`.
        level: coverage.

    Returns:
        Both [...], within [0, 1]; NaN where a class in `present` has images of fewer than two groups.
    """
    value, slope = MEASURES[measure]
    total, of_class, size = counts.sum(-3), counts.sum(-1), counts.sum((-1, -2))
    images, share = size.sum(-1), value(total, present)
    of_one = share * (1 - share)  # variance of one image, were the measure a share of images
    seen = _variance(counts, slope(total, present))
    per_image = np.divide(seen, of_one, out=np.zeros(seen.shape), where=of_one > 0)
    per_image = np.maximum(per_image, 1 / images)  # no more is known than so many independent images tell
    effect = 1 + PRIOR_CORRELATION * ((size**2).sum(-1) / images - 1)  # design effect (Kish 1965)
    weight = PRIOR_ERRORS / (PRIOR_ERRORS + images * np.minimum(share, 1 - share))
    mixed = (1 - weight) * per_image + weight * effect / images
    groups = (of_class > 0).sum(-2)[..., present]
    enough = (groups > 1).all(-1)
    # Satterthwaite: only the part that was seen is uncertain itself
    df = _degrees(np.maximum(groups, 2)) * (mixed / np.maximum((1 - weight) * per_image, 1e-12)) ** 2
    low, high = wilson(share, 1 / mixed, stats.t.ppf((1 + level) / 2, np.minimum(df, 1e6)))
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def wilson(share: np.ndarray, number: np.ndarray, quantile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval (1927) of a share seen in so many independent images, which need not be whole."""
    pull = quantile**2 / number
    middle, half = share + pull / 2, np.sqrt(pull * (share * (1 - share) + pull / 4))
    return np.maximum((middle - half) / (1 + pull), 0), np.minimum((middle + half) / (1 + pull), 1)


def _variance(counts: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Variance [...] between groups of a measure with this `slope`, given the images of each class.

    A group's part is taken from its class's mean, and enlarged by its own share of the class, as that mean follows it
    (the correction CR2 of Bell & McCaffrey 2002).
    """
    part = np.einsum("...gij,...ij->...gi", counts, slope)
    of_class = counts.sum(-1)
    share = of_class / np.maximum(of_class.sum(-2, keepdims=True), 1)
    part = (part - share * part.sum(-2, keepdims=True)) / np.sqrt(np.maximum(1 - share, 1e-9))
    return (part.sum(-1) ** 2).sum(-1)


def _degrees(groups: np.ndarray) -> np.ndarray:
    """Degrees of freedom [...] of a mean over classes that have so many groups [..., classes] (Satterthwaite)."""
    return (1 / groups).sum(-1) ** 2 / (1 / groups**2 / (groups - 1)).sum(-1)
