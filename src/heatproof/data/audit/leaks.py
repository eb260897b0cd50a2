"""Leak rate: the share of test images that have a look-alike among the training images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatproof.data.lookalikes import Pairs

TRAIN, VAL, TEST = range(3)
NONE = -1.0  # the similarity of an image without look-alikes to its nearest


@dataclass(frozen=True)
class Neighbours:
    """Each image's look-alikes, the most alike first: those of row i are rows[start[i]:start[i + 1]]."""

    start: np.ndarray
    rows: np.ndarray
    similarity: np.ndarray


def neighbours(count: int, pairs: Pairs) -> Neighbours:
    """The look-alikes of each of `count` images."""
    order = np.argsort(-pairs.similarity, kind="stable")
    here = np.stack([pairs.a[order], pairs.b[order]], 1).ravel()
    there = np.stack([pairs.b[order], pairs.a[order]], 1).ravel()
    by_row = np.argsort(here, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(here, minlength=count))])
    return Neighbours(start, there[by_row], np.repeat(pairs.similarity[order], 2)[by_row])


def nearest_in(train: np.ndarray, rows: np.ndarray, found: Neighbours) -> np.ndarray:
    """Similarity of each of `rows` to its most alike image where `train` (bool [images]) holds; -1 where none is.

    The neighbours are tried in turn: with most images in train, few tries are needed, however many pairs there are.
    """
    nearest = np.full(len(rows), NONE)
    waiting, step = np.arange(len(rows)), 0
    while len(waiting):
        at = found.start[rows[waiting]] + step
        inside = at < found.start[rows[waiting] + 1]
        waiting, at = waiting[inside], at[inside]
        hit = train[found.rows[at]]
        nearest[waiting[hit]] = found.similarity[at[hit]]
        waiting, step = waiting[~hit], step + 1
    return nearest


def leak_rate(splits: np.ndarray, found: Neighbours, thresholds: Sequence[float]) -> np.ndarray:
    """Share of the test images with a look-alike in train, at each threshold; NaN without test images.

    Args:
        splits: int [images], `TRAIN`, `VAL` or `TEST`.
        found: look-alikes at the lowest of the thresholds.
    """
    nearest = nearest_in(splits == TRAIN, np.flatnonzero(splits == TEST), found)
    if not len(nearest):
        return np.full(len(thresholds), np.nan)
    return np.array([(nearest >= threshold).mean() for threshold in thresholds])


def random_leaks(
    labels: np.ndarray,
    shares: Sequence[float],
    found: Neighbours,
    thresholds: Sequence[float],
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Leak rates [draws, thresholds] of plain random splits: images, not groups, the same shares of every class."""
    return np.stack([leak_rate(random_split(labels, shares, rng), found, thresholds) for _ in range(draws)])


def random_split(labels: np.ndarray, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """A stratified random split of images, int8 [images]; `shares` are those of train, val and test."""
    splits = np.empty(len(labels), np.int8)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        ends = np.rint(np.cumsum(shares) * len(members)).astype(int)
        for split, part in enumerate(np.split(members, ends[:-1])):
            splits[part] = split
    return splits
