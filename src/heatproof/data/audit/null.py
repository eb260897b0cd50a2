"""Permutation tests of probes: would labels that have nothing to do with the images score as high?

Whole groups exchange their labels, within a fold, so that every fold keeps its classes and nothing is split again. A
group whose images have several labels exchanges them with groups of as many labels, and among its own parts: images of
one group and one label stay together. So dependence within a group is respected (exchangeability blocks: Winkler et al.
2015, NeuroImage 123). The probe is trained again on each draw, since the folds of a cross-validation share training
images.
"""

from collections.abc import Callable, Iterator
from itertools import chain, islice

import numpy as np
import pandas as pd

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
    dealt = np.zeros(len(held), int)
    if folds is not None:
        dealt[part] = folds
    _, start, size = np.unique(of, return_index=True, return_counts=True)  # a group's parts are in a row
    kinds = np.unique(np.stack([dealt[start], size]), axis=1).T
    blocks = [start[(dealt[start] == fold) & (size == count), None] + np.arange(count) for fold, count in kinds]
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
