"""Competence: whether a checkpoint classifies reliably better than chance, so that its heatmaps count.

A model takes part in verdicts only if every one of its checkpoints is competent. This is conservative: a
heatmap of a checkpoint that guesses explains nothing, and leaving out single seeds would choose among seeds
by their result.
"""

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


def f1_macro(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mean over the classes in `present` of 2 TP / (2 TP + FP + FN), of counts [..., classes, classes]."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)[..., present].astype(float)
    claims = (confusion.sum(-1) + confusion.sum(-2))[..., present]  # 2 TP + FP + FN
    return np.divide(2 * hits, claims, out=np.full(hits.shape, np.nan), where=claims > 0).mean(-1)


def bootstrap_interval(
    counts: np.ndarray, present: np.ndarray, draws: int, level: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Percentile interval of the balanced accuracy when whole groups are drawn with replacement.

    Args:
        counts: confusion counts [groups, classes, classes].
        present: which classes the test split holds, bool [classes].
        draws: number of bootstrap draws.
        level: coverage, 0.95 for a 95 % interval.
        rng: source of the draws.

    Returns:
        Low and high. A draw that loses a class has no balanced accuracy and is left out, so the interval is
        conditional on seeing every class; NaN, NaN where more than half of the draws lose one.

    The percentile interval is somewhat narrow for few groups (about .90 instead of .95 at ten).
    """
    kinds, repeats = np.unique(counts.reshape(len(counts), -1), axis=0, return_counts=True)
    # groups with the same counts are exchangeable: drawing kinds by frequency draws groups, in less memory
    drawn = rng.multinomial(len(counts), repeats / repeats.sum(), size=draws) @ kinds
    values = balanced_accuracy(drawn.reshape(draws, *counts.shape[1:]), present)
    kept = values[~np.isnan(values)]
    if kept.size < MIN_KEPT * draws:
        return np.nan, np.nan
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def judge(
    label: np.ndarray,
    predicted: np.ndarray,
    group: np.ndarray,
    classes: int,
    *,
    draws: int,
    level: float,
    margin: float,
    rng: np.random.Generator,
) -> dict[str, float | bool]:
    """Accuracy of one checkpoint on the test split (arrays [images]) and whether it is competent.

    Competent: the low end of the interval of the balanced accuracy exceeds chance + `margin`. Classes without
    a test image are left out of the means and of chance. An interval that cannot be had is not competent.
    """
    counts = confusion_by_group(label, predicted, group, classes)
    total = counts.sum(0)
    present = total.sum(1) > 0
    low, high = bootstrap_interval(counts, present, draws, level, rng)
    return {
        "balanced_accuracy": float(balanced_accuracy(total, present)),
        "low": low,
        "high": high,
        "f1_macro": float(f1_macro(total, present)),
        "competent": bool(low > 1 / present.sum() + margin),
    }
