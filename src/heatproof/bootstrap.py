"""Balanced accuracy of groups of images, and the bootstrap over whole groups that gives its interval."""

import numpy as np
import pandas as pd

MIN_KEPT = 0.5  # share of bootstrap draws that must hold every class


def confusion_by_group(label: np.ndarray, predicted: np.ndarray, group: np.ndarray, classes: int) -> np.ndarray:
    """Confusion counts [groups, classes, classes], true class in rows, of image-level arrays [images]."""
    codes, names = pd.factorize(group)
    counts = np.zeros((len(names), classes, classes), np.int64)
    np.add.at(counts, (codes, label, predicted), 1)
    return counts


def balanced_accuracy(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mean recall over the classes in `present` (bool [classes]), of counts [..., classes, classes].

    NaN where one of those classes has no image.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)[..., present].astype(float)
    images = confusion.sum(-1)[..., present]
    return np.divide(hits, images, out=np.full(hits.shape, np.nan), where=images > 0).mean(-1)


def resample(counts: np.ndarray, present: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Confusion counts [kept, classes, classes] of bootstrap draws of whole groups with replacement.

    Args:
        counts: confusion counts [groups, classes, classes].
        present: which classes the test split holds, bool [classes].
        draws: number of bootstrap draws.
        rng: source of the draws.

    Returns:
        The draws that hold every class, so that intervals are conditional on seeing each of them; none where
        more than half of the draws lose one.
    """
    kinds, repeats = np.unique(counts.reshape(len(counts), -1), axis=0, return_counts=True)
    # groups with the same counts are exchangeable: drawing kinds by frequency draws groups, in less memory
    drawn = rng.multinomial(len(counts), repeats / repeats.sum(), size=draws) @ kinds
    drawn = drawn.reshape(draws, *counts.shape[1:])
    kept = drawn[drawn.sum(-1)[:, present].all(-1)]
    return kept if len(kept) >= MIN_KEPT * draws else kept[:0]


def percentile_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Low and high of the percentile interval of bootstrap values [draws]; NaN, NaN where there are none.

    It is somewhat narrow for few groups (about .90 instead of .95 at ten).
    """
    if not values.size:
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
