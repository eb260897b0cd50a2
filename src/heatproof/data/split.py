"""Train, validation and test: whole groups, the same shares of every class."""

from collections import Counter

import numpy as np
import pandas as pd

from heatproof.errors import InputError
from heatproof.seeds import generator

SPLITS = ("train", "val", "test")


def split_groups(
    labels: pd.Series, groups: pd.Series, shares: dict[str, float], classes: list[str], *seed: str | int
) -> pd.Series:
    """Assign each image to a split.

    A group counts for the class that most of its images have (ties: the lower index). In each class
    the groups are shuffled and dealt out by largest remainder, so that each split's number of groups
    lies within one of its share.

    Args:
        labels, groups: one value an image.
        shares: of train, val and test, with sum 1.
        seed: what the shuffle is keyed by.

    Returns:
        "train", "val" or "test" for each image.

    Raises:
        InputError: a class has fewer than three groups, so that a split would go without it.
    """
    main = labels.groupby(groups).agg(lambda values: min(Counter(values).items(), key=lambda it: (-it[1], it[0]))[0])
    assigned: dict[str, str] = {}
    for label, name in enumerate(classes):
        members = sorted(main.index[main == label])
        if len(members) < len(SPLITS):
            raise InputError(
                f"data.classes: class {name!r} has {len(members)} group(s); train, val and test need one each, "
                f"so at least three"
            )
        order = generator("split", *seed, label).permutation(len(members))
        counts = _deal(len(members), [shares[split] for split in SPLITS])
        names = np.repeat(SPLITS, counts)
        assigned.update((members[index], str(split)) for index, split in zip(order, names, strict=True))
    return groups.map(assigned)


def _deal(total: int, shares: list[float]) -> list[int]:
    """Whole numbers with the given sum, by largest remainder, none of them zero."""
    exact = [total * share for share in shares]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: counts[i] - exact[i])
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    while 0 in counts:
        counts[counts.index(max(counts))] -= 1
        counts[counts.index(0)] += 1
    return counts
