"""Classifiers too simple to see disease, cross-validated: nearest neighbour and a linear model.

What they get right, a network can get right the same way.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from heatproof.data.lookalikes import centre
from heatproof.data.split import nearest_deal

_BLOCK = 2048  # images
_DECIMALS = 6  # of a score: what differs by rounding is a tie, and the first class wins it


class TooFewGroups(ValueError):
    """A class has no second group to test on; the message says which."""


def deal_folds(
    labels: np.ndarray, groups: np.ndarray, folds: int, classes: Sequence[str], *seed: str | int
) -> np.ndarray:
    """Deal whole groups into folds that hold about as many images of every class; see `nearest_deal`.

    Args:
        labels, groups: int and any [images].
        folds: the most folds; fewer where a class is in fewer groups, so that every class is in every fold.
        classes: names of the labels.
        seed: what the shuffle is keyed by.

    Returns:
        int8 [images], the fold of each image.

    Raises:
        TooFewGroups: a class that has images is in fewer than two groups, or all images are of one class.
    """
    present, found = np.unique(labels, return_inverse=True)
    if len(present) < 2:
        raise TooFewGroups("there is but one class")
    names = [classes[label] for label in present]
    held = pd.DataFrame({"label": found, "group": pd.factorize(groups)[0]}).drop_duplicates()["label"].value_counts()
    for count in range(min(folds, held.min(), 127), 1, -1):
        shares = [1 / count] * count
        parts, missed = nearest_deal(found, groups, shares, names, "folds", *seed, tolerance=0.02, attempts=20)
        if np.isfinite(missed).all():
            return parts.astype(np.int8)
    few = names[held.idxmin()]
    raise TooFewGroups(
        f"class {few!r} is in {held.min()} group{'' if held.min() == 1 else 's'}, one to learn from and one to test on "
        f"are needed"
    )


def main_class(labels: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class that most images of each group have (ties: the lower), and the size of each group.

    Args:
        labels, codes: int [images], from 0 without a gap.
    """
    counts = np.zeros((codes.max() + 1, labels.max() + 1), np.int64)
    np.add.at(counts, (codes, labels), 1)
    return counts.argmax(1), counts.sum(1)


def nearest_rows(thumbnails: np.ndarray, assignments: Sequence[np.ndarray], *, block: int = _BLOCK) -> np.ndarray:
    """The image of another fold whose thumbnail correlates most with each image's.

    Ties go to the earlier image; a constant thumbnail correlates with none (0). Neither blocks nor threads change
    anything: the matrix products are exact (see `lookalikes`).

    Args:
        thumbnails: uint8 [images, 32, 32].
        assignments: several ways to deal the images into folds, each int8 [images].

    Returns:
        int32 [assignments, images], rows.
    """
    count, pixels = len(thumbnails), prod(thumbnails.shape[1:])
    dealt = np.array(assignments, np.int8).reshape(len(assignments), count)
    rows = np.zeros(dealt.shape, np.int32)
    best = np.full(dealt.shape, -np.inf, np.float32)
    for start in range(0, count, block):
        here = slice(start, start + block)
        left = centre(thumbnails[here])
        for other in range(0, count, block):
            there = slice(other, other + block)
            right = left if other == start else centre(thumbnails[there])
            similarity = left.values @ right.values.T  # of a row's with all others, but for the row's own norm
            similarity *= np.float32(pixels)
            similarity -= np.multiply.outer(left.rest.astype(np.float32), right.rest.astype(np.float32))
            similarity *= np.where(right.norm > 0, 1 / np.maximum(right.norm, 1e-9), 0).astype(np.float32)
            for index, folds in enumerate(dealt):
                allowed = np.where(folds[here, None] != folds[there], similarity, -np.inf)
                found = allowed.argmax(1)
                value = allowed[np.arange(len(found)), found]
                better = value > best[index, here]
                rows[index, here][better] = found[better] + other
                best[index, here][better] = value[better]
    return rows


def linear_predictions(features: np.ndarray, labels: np.ndarray, folds: np.ndarray, alpha: float) -> np.ndarray:
    """Predictions of a ridge classifier for each fold from the others.

    Features are standardized, classes weigh the same; a class scores the least-squares fit to being it (as
    scikit-learn's `RidgeClassifier(class_weight="balanced")` after `StandardScaler`).

    Args:
        features: [images, features], finite.
        labels: int [images].
        folds: int [images].
        alpha: penalty, of the standardized features' squared weights.

    Returns:
        int [images], labels.
    """
    predicted = np.empty(len(labels), labels.dtype)
    with threadpool_limits(1, "blas"):  # sums are those of one thread, which on small products is the fastest too
        for fold in np.unique(folds):
            train, test = folds != fold, folds == fold
            classes, codes = np.unique(labels[train], return_inverse=True)
            weights = (len(codes) / len(classes) / np.bincount(codes))[codes]
            targets = np.eye(len(classes))[codes]
            coefficients, intercept = _ridge(features, np.flatnonzero(train), targets, weights, alpha)
            scores = np.round(features[test] @ coefficients + intercept, _DECIMALS)
            predicted[test] = classes[scores.argmax(1)]
    return predicted


def _ridge(features, rows, targets, weights, alpha) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients [features, classes] and intercept [classes] of a weighted fit to standardized features."""
    width = features.shape[1]
    mean, centre_, square = np.zeros(width), np.zeros(width), np.zeros(width)
    chunks = [slice(start, start + _BLOCK) for start in range(0, len(rows), _BLOCK)]
    for chunk in chunks:
        part = features[rows[chunk]].astype(float)
        mean += part.sum(0) / len(rows)
        centre_ += weights[chunk] @ part / weights.sum()
    for chunk in chunks:
        square += ((features[rows[chunk]] - mean) ** 2).sum(0) / len(rows)
    scale = np.sqrt(square)
    flat = scale <= 1e-9 * np.maximum(1, np.abs(mean))
    scale = np.where(flat, np.inf, scale)  # a constant feature counts for nothing
    gram, moment = alpha * np.eye(width), np.zeros((width, targets.shape[1]))
    level = weights @ targets / weights.sum()
    for chunk in chunks:
        part = (features[rows[chunk]] - centre_) / scale
        weighted = part.T * weights[chunk]
        gram += weighted @ part
        moment += weighted @ (targets[chunk] - level)
    coefficients = np.linalg.solve(gram, moment) / scale[:, None]
    return coefficients, level - centre_ @ coefficients
