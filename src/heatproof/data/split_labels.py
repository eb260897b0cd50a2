"""A split of whole groups where an image has several labels: iterative stratification, by groups.

After Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data" (ECML PKDD 2011): the rarest label
is dealt first, each of its groups to the part that lacks most of that label's images.
"""

from collections.abc import Sequence

import numpy as np

from heatproof.errors import InputError
from heatproof.seeds import generator

ENOUGH = 2  # groups of a label that the smallest part is due, so that one group more or less is no miss of its share


def few_groups(truth: np.ndarray, groups: np.ndarray, shares: Sequence[float]) -> dict[int, int]:
    """Labels that too few groups have for the tolerance to hold, and the number of these groups.

    A label is held to the tolerance if the smallest part is due at least `ENOUGH` of its groups.
    """
    held = _counts(truth, groups)[1].astype(bool).sum(0)
    return {label: int(count) for label, count in enumerate(held) if round(count * min(shares), 9) < ENOUGH}


def deal_labels(
    truth: np.ndarray,
    groups: np.ndarray,
    shares: Sequence[float],
    labels: Sequence[str],
    *seed: str | int,
    tolerance: float,
    attempts: int,
) -> np.ndarray:
    """Deal whole groups into parts that hold about the same shares of every label, as `nearest_labels` does.

    Raises:
        InputError: there are fewer groups than parts, or no shuffle comes near enough for the labels that enough groups
            have; see `few_groups`.
    """
    parts, missed = nearest_labels(truth, groups, shares, *seed, tolerance=tolerance, attempts=attempts)
    if missed.size and missed.max() > tolerance:
        worst = int(missed.argmax())
        held = np.asarray(groups)[truth[:, worst]]
        asked = " / ".join(f"{share:g}" for share in shares)
        raise InputError(
            f"data.split: label {labels[worst]!r}: {len(held)} images in {len(set(held))} groups: shares of {asked} "
            f"are missed by {missed[worst]:.2f} at best; raise data.split.tolerance ({tolerance:g}), or mend the shares"
        )
    return parts


def nearest_labels(
    truth: np.ndarray,
    groups: np.ndarray,
    shares: Sequence[float],
    *seed: str | int,
    tolerance: float,
    attempts: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Deal whole groups, the rarest label first, each to the part that lacks most of it.

    Groups are shuffled; a label's are dealt once no rarer label is left; those without any label come last, each to the
    part that lacks most images. The first shuffle that is near enough is taken, else the nearest of all.

    Args:
        truth: bool [images, labels].
        groups: one value an image.
        shares: of the parts, with sum 1.
        seed: what the shuffles are keyed by.
        tolerance: how far a part's share of a label's images may lie from what is asked.
        attempts: the most shuffles.

    Returns:
        parts: int [images], the part of each image; missed: float [labels], by how much the share of a label is missed
        in the worst part; 0 for labels that too few groups have, which fall as they fall.

    Raises:
        InputError: there are fewer groups than parts.
    """
    codes, counts = _counts(truth, groups)
    sizes, wanted = np.bincount(codes), np.asarray(shares)[:, None]
    if len(sizes) < len(shares):
        raise InputError(f"data.split: {len(sizes)} groups are too few for {len(shares)} parts; get more images")
    judged = np.ones(truth.shape[1], bool)
    judged[list(few_groups(truth, groups, shares))] = False
    rng, total = generator("split", *seed), np.maximum(counts.sum(0), 1)
    best, least = None, np.array([np.inf])
    for _ in range(attempts):
        parts = _deal(counts, sizes, wanted, rng.permutation(len(sizes)))
        dealt = np.zeros((len(shares), truth.shape[1]))
        np.add.at(dealt, parts, counts)
        missed = np.where(judged, np.abs(dealt / total - wanted).max(0), 0.0)
        if best is None or missed.max(initial=0) < least.max(initial=0):
            best, least = parts, missed
        if least.max(initial=0) <= tolerance:
            break
    return best[codes], least


def _counts(truth: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Code of each image's group, and images by group and label."""
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.zeros((len(names), truth.shape[1]), int)
    np.add.at(counts, codes, truth.astype(int))
    return codes, counts


def _deal(counts: np.ndarray, sizes: np.ndarray, shares: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The part of each group; shares: [parts, 1]. No part stays empty."""
    parts, waiting, empty = np.empty(len(sizes), int), np.ones(len(sizes), bool), set(range(len(shares)))
    lacking, room = shares * counts.sum(0), shares[:, 0] * sizes.sum()
    while waiting.any():
        left = counts[waiting].astype(bool).sum(0)
        label = int(np.where(left > 0, left, len(sizes) + 1).argmin()) if left.any() else None
        for group in order[waiting[order]]:
            if label is not None and not counts[group, label]:
                continue
            need = np.round(room if label is None else lacking[:, label], 9)
            candidates = sorted(empty) if len(empty) == waiting.sum() else range(len(room))
            part = max(candidates, key=lambda one: (need[one], room[one]))
            parts[group], waiting[group] = part, False
            empty.discard(part)
            lacking[part] -= counts[group]
            room[part] -= sizes[group]
    return parts
