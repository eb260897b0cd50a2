"""From which probability a label counts as predicted: chosen on the validation images, never on those that test."""

import numpy as np

HALF = 0.5


def best_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The threshold of each label with the highest F1 on some images.

    Halfway between two neighbouring probabilities, or the lowest of all; of several that are equally good the one
    nearest to one half. A label that none or all of the images have gets one half: nothing there says more.

    Args:
        probabilities: float [images, labels].
        labels: bool of the same shape.

    Returns:
        float [labels]; predicted is what reaches it.
    """
    return np.array([_best(p, y) for p, y in zip(probabilities.T, labels.T, strict=True)])


def _best(probability: np.ndarray, there: np.ndarray) -> float:
    if not 0 < there.sum() < len(there):
        return HALF
    known = np.unique(probability)
    candidates = np.array([*(known[1:] + known[:-1]) / 2, HALF, known[0]])  # the last takes all
    predicted = probability >= candidates[:, None]  # [candidates, images]
    hits = (predicted & there).sum(1)
    f1 = 2 * hits / (predicted.sum(1) + there.sum())
    good = candidates[f1 >= f1.max() - 1e-12]
    return float(good[np.abs(good - HALF).argmin()])
