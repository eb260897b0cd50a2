"""What is drawn at random: seeds derived from what they are for, which images are scored where not all can be, and the
bootstrap over whole groups."""

import hashlib
from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd


def derive(*parts: str | int) -> int:
    """A 63-bit seed that depends on every part and on nothing else."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose, as in `generator("phantom", 0, "noise", 12)`."""
    return np.random.default_rng(derive(*parts))


def spread(
    study: str,
    images: Sequence[str | tuple[str, int]],
    groups: Sequence[str],
    count: int,
    first: Sequence[bool] | None = None,
) -> np.ndarray:
    """Indices of up to `count` images, int64 in rising order: spread over groups, equal for all models.

    Each image has a key drawn for the study. The first image of every group, by key, comes before
    the second of any; within a round images are taken by key. A larger count keeps those of a smaller.

    Args:
        images: the id of each; of a case its image's and its label.
        first: which are taken before all others, because every model has them: a label that an image has is explained
            of every model, one that it is predicted to have of some.
    """
    keys = [derive("score", "subset", study, *((image,) if isinstance(image, str) else image)) for image in images]
    late = [False] * len(keys) if first is None else [not one for one in first]
    seen: dict[str, int] = {}
    rounds = {}
    for i in sorted(range(len(keys)), key=lambda i: (late[i], keys[i])):
        rounds[i] = seen[groups[i]] = seen.get(groups[i], 0) + 1
    chosen = sorted(rounds, key=lambda i: (late[i], rounds[i], keys[i]))[:count]
    return np.sort(np.array(chosen, np.int64))


def sample_groups(groups: Sequence[str], labels: Sequence[Hashable], count: int, *key: str | int) -> np.ndarray:
    """Return the images of `count` groups, bool [images]: groups of every label in turn.

    Each group has a key drawn from `key`. The first of every label, by key, come before the second of any. A larger
    count keeps the groups of a smaller.

    Args:
        groups, labels: one an image; a group counts for the label of its first image.

    >>> sample_groups(["p", "p", "q", "r"], [0, 0, 1, 0], 2, "example").tolist()
    [True, True, True, False]
    """
    codes, names = pd.factorize(np.asarray(groups, object))
    first = dict(zip(codes[::-1], labels[::-1], strict=True))
    ranks: dict[Hashable, int] = {}
    place = np.empty(len(names))
    for rank, code in enumerate(sorted(range(len(names)), key=lambda code: derive(*key, names[code]))):
        ranks[first[code]] = ranks.get(first[code], -1) + 1
        place[code] = ranks[first[code]] + rank / len(names)
    return np.isin(codes, np.argsort(place)[:count])


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
