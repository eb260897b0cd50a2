"""Competence: whether a checkpoint classifies better than chance by a margin, so that its heatmaps count.

A model takes part in verdicts only if every one of its checkpoints is competent. This is conservative: a
heatmap of a checkpoint that guesses explains nothing, and leaving out single seeds would choose among seeds
by their result.
"""

import numpy as np

from heatproof.bootstrap import balanced_accuracy, confusion_by_group, percentile_interval, resample


def f1_macro(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Mean over the classes in `present` of 2 TP / (2 TP + FP + FN), of counts [..., classes, classes]."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)[..., present].astype(float)
    claims = (confusion.sum(-1) + confusion.sum(-2))[..., present]  # 2 TP + FP + FN
    return np.divide(2 * hits, claims, out=np.full(hits.shape, np.nan), where=claims > 0).mean(-1)


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
