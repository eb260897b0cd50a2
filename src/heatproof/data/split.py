"""Train, validation and test: whole groups, the same shares of every class."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.errors import InputError
from heatproof.seeds import generator

SPLITS = ("train", "val", "test")
_ATTEMPTS = 200


def arrange(frame: pd.DataFrame, config: dict, classes: list[str], study: str, seed: int) -> pd.DataFrame:
    """Every way in which a study deals its images: a column `fold0` (`fold1`, ...) and, to compare, `random0` (...).

    Args:
        frame: one row an image, with image_id, label and group.
        config: section `data.split`: by, shares, tolerance, folds and compare.

    Returns:
        "train", "val" or "test" for each image; with k folds each group is tested once, is validated on once,
        and the shares are those of k equal parts.

    Raises:
        InputError: no split of whole groups comes near enough to the shares.
    """
    columns = {}
    grouped = frame["image_id"] if config["by"] == "random" else frame["group"]
    for name, groups in {"fold": grouped, config["compare"]: frame["image_id"]}.items():
        if name is None:
            continue
        keys = (study, seed) if name == "fold" else (study, seed, name)
        folds, tolerance = config["folds"], config["tolerance"]
        if folds == 1:
            shares = {split: config[split] for split in SPLITS}
            columns[f"{name}0"] = split_groups(frame["label"], groups, shares, classes, *keys, tolerance=tolerance)
            continue
        parts = deal(frame["label"], groups, [1 / folds] * folds, classes, *keys, tolerance=tolerance)
        for fold in range(folds):
            dealt = np.select([parts == fold, parts == (fold + 1) % folds], ["test", "val"], "train")
            columns[f"{name}{fold}"] = pd.Series(dealt, frame.index)
    return pd.DataFrame(columns, index=frame.index)


def split_groups(
    labels: pd.Series,
    groups: pd.Series,
    shares: dict[str, float],
    classes: list[str],
    *seed: str | int,
    tolerance: float = 0.1,
) -> pd.Series:
    """Assign each image to train, val or test; see `deal`."""
    parts = deal(labels, groups, [shares[split] for split in SPLITS], classes, *seed, tolerance=tolerance)
    return pd.Series(np.array(SPLITS)[parts], labels.index)


def deal(
    labels: pd.Series,
    groups: pd.Series,
    shares: Sequence[float],
    classes: list[str],
    *seed: str | int,
    tolerance: float,
) -> np.ndarray:
    """Deal whole groups into parts that hold the same shares of every class.

    A group counts for the class that most of its images have (ties: the lower index). The groups of a class are
    shuffled and dealt one by one to the part that is furthest below its share of the class's images. The first of
    200 shuffles that is near enough is taken, so that large groups are in no part more often than their size asks.

    Args:
        labels, groups: one value an image.
        shares: of the parts, with sum 1.
        seed: what the shuffle is keyed by.
        tolerance: how far a part's share of a class's images may lie from what is asked.

    Returns:
        The part's index for each image.

    Raises:
        InputError: a class has fewer groups than there are parts, or no shuffle comes near enough.
    """
    main = labels.groupby(groups).agg(lambda values: min(Counter(values).items(), key=lambda it: (-it[1], it[0]))[0])
    sizes = groups.value_counts()
    assigned: dict[str, int] = {}
    for label, name in enumerate(classes):
        members = sorted(main.index[main == label])
        if len(members) < len(shares):
            raise InputError(
                f"data.classes: class {name!r} has {len(members)} group(s); {len(shares)} parts need one each, so at "
                f"least {len(shares)}"
            )
        images = sizes[members].to_numpy()
        rng, best, least = generator("split", *seed, label), None, np.inf
        for _ in range(_ATTEMPTS):
            parts = _fill(images, rng.permutation(len(members)), shares)
            missed = np.abs(np.bincount(parts, images, len(shares)) / images.sum() - shares).max()
            if missed < least:
                best, least = parts, missed
            if least <= tolerance:
                break
        else:
            asked = " / ".join(f"{share:g}" for share in shares)
            raise InputError(
                f"data.split: class {name!r}: {images.sum()} images in {len(members)} groups, the largest of "
                f"{images.max()}: shares of {asked} are missed by {least:.2f} at best; raise data.split.tolerance "
                f"({tolerance:g}), or data.lookalike where groups are look-alikes"
            )
        assigned.update(zip(members, best.tolist(), strict=True))
    return groups.map(assigned).to_numpy()


def _fill(images: np.ndarray, order: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """The part of each group: in this order, each to the part that is furthest below its share; none stays empty."""
    parts, room = np.empty(len(images), int), np.asarray(shares) * images.sum()
    left = len(order)
    for group in order:
        empty = [part for part in range(len(shares)) if room[part] == shares[part] * images.sum()]
        candidates = np.array(empty if len(empty) == left else range(len(shares)))
        parts[group] = candidates[np.argmax(room[candidates])]
        room[parts[group]] -= images[group]
        left -= 1
    return parts


def crossing(a: np.ndarray, b: np.ndarray, split: np.ndarray) -> int:
    """How many pairs (rows `a`, rows `b`) stand in two different splits."""
    return int((split[a] != split[b]).sum())
