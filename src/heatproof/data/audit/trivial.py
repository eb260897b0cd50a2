"""Classifiers too simple to see disease, cross-validated, and permutation tests: would labels that have nothing to do
with the images score as high?"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from math import prod

import numpy as np
import pandas as pd
from threadpoolctl import ThreadpoolController

from heatproof.catalogue.reasons import FEW_GROUPS, ONE_CLASS
from heatproof.data.prepare.lookalikes import centre
from heatproof.data.prepare.split import nearest_deal

_BLOCK = 2048  # images
_NUMBERS = 2**21  # at once
_FAR = 1e3  # a margin over no other class
_DECIMALS = 6  # of a score: what differs by rounding is a tie, and the first class wins it


class TooFewGroups(ValueError):
    """A class has no second group to test on.

    Attributes:
        reason: code of `catalogue.reasons`.
        lacks: the class that has too few.
    """

    def __init__(self, reason: str, lacks: str = ""):
        super().__init__(reason, lacks)
        self.reason, self.lacks = reason, lacks


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
        raise TooFewGroups(ONE_CLASS.code)
    names = [classes[label] for label in present]
    held = pd.DataFrame({"label": found, "group": pd.factorize(groups)[0]}).drop_duplicates()["label"].value_counts()
    for count in range(min(folds, held.min(), 127), 1, -1):
        shares = [1 / count] * count
        parts, missed = nearest_deal(found, groups, shares, names, "folds", *seed, tolerance=0.02, attempts=20)
        if np.isfinite(missed).all():
            return parts.astype(np.int8)
    raise TooFewGroups(FEW_GROUPS.code, names[held.idxmin()])


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
    assigned = np.array(assignments, np.int8).reshape(len(assignments), count)
    rows = np.zeros(assigned.shape, np.int32)
    best = np.full(assigned.shape, -np.inf, np.float32)
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
            for index, folds in enumerate(assigned):
                allowed = np.where(folds[here, None] != folds[there], similarity, -np.inf)
                found = allowed.argmax(1)
                value = allowed[np.arange(len(found)), found]
                better = value > best[index, here]
                rows[index, here][better] = found[better] + other
                best[index, here][better] = value[better]
    return rows


def linear_scores(features: np.ndarray, labels: np.ndarray, folds: np.ndarray, alpha: float) -> np.ndarray:
    """Score each fold's images with ridge classifiers trained on the others, for several labellings at once.

    Features are standardized, classes weigh the same; a class scores the least-squares fit to being it (as
    scikit-learn's `RidgeClassifier(class_weight="balanced")` after `StandardScaler`).

    Args:
        features: [images, features], finite.
        labels: int [draws, images], from 0 without a gap.
        folds: int [images].
        alpha: penalty, of the standardized features' squared weights.

    Returns:
        float [draws, images, classes]; the highest is predicted, the first of several.
    """
    classes = np.arange(labels.max() + 1)
    found = np.full((*labels.shape, len(classes)), -np.inf)
    # sums are those of one thread, which on small products is the fastest too
    with _threads().limit(limits=1, user_api="blas"):
        for fold in np.unique(folds):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            learnt, seen = _standardized(features, train, test)
            step = max(1, _NUMBERS // max(1, learnt.size))
            for first in range(0, len(labels), step):
                given = labels[first : first + step, train]
                is_class = (given[..., None] == classes).astype(float)
                counts = is_class.sum(1)  # [draws, classes]
                level = (counts > 0) / (counts > 0).sum(1, keepdims=True)
                weights = np.take_along_axis(len(train) * level / np.maximum(counts, 1), given, 1)
                centre_ = weights @ learnt / len(train)
                rooted = np.sqrt(weights)[..., None] * (learnt - centre_[:, None])
                gram = rooted.transpose(0, 2, 1) @ rooted + alpha * np.eye(learnt.shape[1])
                moment = learnt.T @ (weights[..., None] * (is_class - level[:, None]))
                coefficients = np.linalg.solve(gram, moment)
                scores = level[:, None] + seen @ coefficients - centre_[:, None] @ coefficients
                scores = np.where(counts[:, None] > 0, np.round(scores, _DECIMALS), -np.inf)
                found[first : first + step, test] = scores
    return found


@cache  # to look for the libraries takes longer than a small fit
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def _standardized(features: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of training and test images, standardized as the former ask, in no more dimensions than they have."""
    learnt, seen = features[train].astype(float), features[test].astype(float)
    mean = learnt.mean(0)
    learnt -= mean
    seen -= mean
    scale = np.sqrt((learnt**2).mean(0))
    flat = scale <= 1e-9 * np.maximum(1, np.abs(mean))
    scale = np.where(flat, np.inf, scale)  # a constant feature counts for nothing
    learnt /= scale
    seen /= scale
    if len(train) >= features.shape[1]:
        return learnt, seen
    values, vectors = np.linalg.eigh(learnt @ learnt.T)
    kept = values > 1e-9 * max(1.0, values[-1])
    root, vectors = np.sqrt(values[kept]), vectors[:, kept]
    return vectors * root, seen @ (learnt.T @ vectors / root)


def linear_margins(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return balanced accuracy and, to tell equal ones apart, the mean margin by which images' own classes win.

    Args:
        scores: float [draws, images, classes]; labels: int [draws, images], each with all classes.

    Returns:
        float [draws, 2].
    """
    own = np.take_along_axis(scores, labels[..., None], 2)
    rest = scores.copy()
    np.put_along_axis(rest, labels[..., None], -np.inf, 2)
    margin = np.clip(own[..., 0] - rest.max(2), -_FAR, _FAR)
    right = scores.argmax(2) == labels
    found = np.zeros((len(labels), 2))
    classes = np.arange(scores.shape[2])
    for label in classes:
        held = labels == label
        found += np.stack([(held & right).sum(1), (held * margin).sum(1)], 1) / held.sum(1)[:, None]
    return found / len(classes)


LEVEL = 0.025  # of a test, one-sided
LEAST = 20  # groups: with fewer nothing is tested
DRAWS = 79  # at most: (1 + 1) / (79 + 1) is the level
ENOUGH = 5  # draws that score as high: more would not change what is said

BATCH, NUMBERS = 16, 2**20  # draws at once, fewer of many images

Statistic = Callable[[np.ndarray], np.ndarray]  # of labels [draws, images], values [draws, keys]


def parts(labels: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find what stays together: the images of one group and one label.

    Args:
        labels, groups: int and any [images].

    Returns:
        the part of each image, int [images]; label and group of each part, int [parts].
    """
    pairs = np.stack([pd.factorize(groups)[0], labels])
    found, part = np.unique(pairs, axis=1, return_inverse=True)
    return part.ravel(), found[1], found[0]


def permuted(
    labels: np.ndarray, groups: np.ndarray, folds: np.ndarray | None, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Draw labels of the images under the null hypothesis, int [images], without end.

    Args:
        labels, groups: int and any [images].
        folds: int [images], all images of a group in one; None: groups exchange labels with any.
    """
    part, held, of = parts(labels, groups)
    assigned = np.zeros(len(held), int)
    if folds is not None:
        assigned[part] = folds
    _, start, size = np.unique(of, return_index=True, return_counts=True)  # a group's parts are in a row
    kinds = np.unique(np.stack([assigned[start], size]), axis=1).T
    blocks = [start[(assigned[start] == fold) & (size == count), None] + np.arange(count) for fold, count in kinds]
    while True:
        drawn = held.copy()
        for rows in blocks:  # [groups, parts of a group]
            given = held[rows[rng.permutation(len(rows))]]
            drawn[rows] = rng.permuted(given, axis=1)
        yield drawn[part]


def p_value(
    statistic: Statistic,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray | None,
    rng: np.random.Generator,
    draws: int = DRAWS,
    enough: int = ENOUGH,
) -> float | None:
    """Return how often permuted labels score at least as high as the labels do, which count as a draw themselves.

    Draws end once `enough` of them score as high, which keeps the p value exact (Besag and Clifford 1991, Biometrika
    78).

    Args:
        statistic: of labels, higher where a probe tells them better; where first values are equal the next decide.
        labels, groups, folds: as `permuted` takes them.

    Returns:
        the p value, at least 1 / (1 + draws); None of fewer than `LEAST` groups.

    >>> side = np.arange(40) % 2
    >>> agreement = lambda labels: (labels == side).mean(1)[:, None]
    >>> p_value(agreement, side, np.arange(40), None, np.random.default_rng(0))
    0.0125
    """
    if len(pd.unique(groups)) < LEAST:
        return None
    seen, higher, count = None, 0, 0
    source = chain([labels], islice(permuted(labels, groups, folds, rng), draws))
    while batch := list(islice(source, max(1, min(BATCH, NUMBERS // len(labels))))):
        for values in np.round(statistic(np.stack(batch)), 9).tolist():
            if seen is None:
                seen = values
                continue
            count += 1
            higher += values >= seen
            if higher == enough:
                return enough / count
    return (1 + higher) / (1 + draws)
