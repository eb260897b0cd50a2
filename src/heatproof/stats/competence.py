"""Competence: whether a checkpoint classifies better than chance by a margin, so that its heatmaps count.

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
    """Accuracy and macro F1 of one checkpoint on the test split (arrays [images]), and whether it is competent.

    `low` and `high` are the interval of the balanced accuracy, `f1_low` and `f1_high` that of F1 from the same draws.

    Competent: the low end of the interval of the balanced accuracy exceeds chance + `margin`. Classes without
    a test image are left out of the means and of chance. An interval that cannot be had is not competent.
    """
    counts = confusion_by_group(label, predicted, group, classes)
    total = counts.sum(0)
    present = total.sum(1) > 0
    drawn = resample(counts, present, draws, rng)
    low, high = percentile_interval(balanced_accuracy(drawn, present), level)
    f1_low, f1_high = percentile_interval(f1_macro(drawn, present), level)
    return {
        "balanced_accuracy": float(balanced_accuracy(total, present)),
        "low": low,
        "high": high,
        "f1_macro": float(f1_macro(total, present)),
        "f1_low": f1_low,
        "f1_high": f1_high,
        "competent": bool(low > 1 / present.sum() + margin),
    }
