"""Competence: whether a checkpoint classifies better than chance by a margin, so that its heatmaps count.

A model takes part in verdicts only if every one of its checkpoints is competent. This is conservative: a
heatmap of a checkpoint that guesses explains nothing, and leaving out single seeds would choose among seeds
by their result.
"""

import numpy as np

from heatproof.bootstrap import confusion_by_group
from heatproof.stats.accuracy_interval import MEASURES, accuracy_interval

ENDS = {  # measure -> the columns of its interval
    "accuracy": ("accuracy_low", "accuracy_high"),
    "balanced_accuracy": ("low", "high"),
    "f1_macro": ("f1_low", "f1_high"),
}


def judge(
    label: np.ndarray, predicted: np.ndarray, group: np.ndarray, classes: int, *, level: float, margin: float
) -> dict[str, float | bool]:
    """Accuracies and macro F1 of one checkpoint on the test split (arrays [images]), and whether it is competent.

    `low` and `high` are the interval of the balanced accuracy over groups; `ENDS` names those of the others.

    Competent: the low end of the interval of the balanced accuracy exceeds chance + `margin`. Classes without
    a test image are left out of the means and of chance. An interval that cannot be had (a class with images of one
    group alone) is not competent.
    """
    counts = confusion_by_group(label, predicted, group, classes)
    total = counts.sum(0)
    present = total.sum(1) > 0
    found = {}
    for name, ends in ENDS.items():
        found[name] = float(MEASURES[name][0](total, present))
        interval = accuracy_interval(counts, present, name, level)
        found |= {end: float(value) for end, value in zip(ends, interval, strict=True)}
    return found | {"competent": bool(found["low"] > 1 / present.sum() + margin)}
