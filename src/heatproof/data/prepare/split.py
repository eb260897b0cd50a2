"""Train, validation and test: whole groups, the same shares of every class, or of every label by iterative
stratification."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.store.artifacts import is_multilabel, truth

SPLITS = ("train", "val", "test")
ATTEMPTS = 200


def arrange(
    frame: pd.DataFrame,
    config: dict,
    classes: list[str],
    study: str,
    seed: int,
    given: pd.Series | None = None,
    trained: bool = True,
) -> pd.DataFrame:
    """Every way in which a study deals its images: a column `fold0` (`fold1`, ...) and, to compare, `random0` (...).

    Args:
        frame: one row an image, with image_id, label and group; `label_0`, `label_1`, ... where it may have several.
        config: section `data.split`: by, shares, tolerance, folds and compare.
        given: the user's own split of each image, which stays as it is; None: there is none.
        trained: whether the study trains a model, which needs images to train on and to choose the epoch by.

    Returns:
        "train", "val" or "test" for each image; with k folds each group is tested once, is validated on once,
        and the shares are those of k equal parts.

    Raises:
        InputError: no split of whole groups comes near enough to the shares, or the given one has no images to test or
            to train on.
    """
    columns = {}
    if config["test"] == "all":
        return pd.DataFrame({"fold0": "test"}, index=frame.index)
    grouped = frame["image_id"] if config["by"] == "random" else frame["group"]
    for name, groups in {"fold": grouped, config["compare"]: frame["image_id"]}.items():
        if name is None:
            continue
        keys = (study, seed) if name == "fold" else (study, seed, name)
        folds, tolerance = config["folds"], config["tolerance"]
        if name == "fold" and given is not None:
            columns["fold0"] = _completed(given, frame, groups, config, classes, *keys, trained=trained)
            continue
        parts = _deal_images(frame, groups, part_shares(config), classes, *keys, tolerance=tolerance)
        if folds == 1:
            columns[f"{name}0"] = pd.Series(np.array(SPLITS)[parts], frame.index)
            continue
        for fold in range(folds):
            assigned = np.select([parts == fold, parts == (fold + 1) % folds], ["test", "val"], "train")
            columns[f"{name}{fold}"] = pd.Series(assigned, frame.index)
    return pd.DataFrame(columns, index=frame.index)


def _completed(
    given: pd.Series,
    frame: pd.DataFrame,
    groups: pd.Series,
    config: dict,
    classes: list[str],
    *seed: str | int,
    trained: bool,
) -> pd.Series:
    """A given split. Where it has no validation images and models are trained, whole groups of its training images
    become them, in the shares of `val` and `train`; its test images are never touched."""
    by, counts = f"data.split.by: {config['by']}", given.value_counts()
    if "test" not in counts:
        raise InputError(f"{by}: none of {len(given)} images is test; add test images, or set data.split.by: auto")
    if not trained:
        return given
    if "train" not in counts:
        raise InputError(
            f"{by}: none of {len(given)} images is train, and models are trained; add training images, or set "
            f"train.epochs: 0 for checkpoints that are trained already"
        )
    if "val" in counts:
        return given
    rows = (given == "train").to_numpy()
    share = config["val"] / (config["train"] + config["val"])
    options = {"tolerance": config["tolerance"]}
    parts = _deal_images(frame[rows], groups[rows], [1 - share, share], classes, *seed, "val", **options)
    given = given.copy()
    given[rows] = np.array(["train", "val"])[parts]
    return given


def part_shares(config: dict) -> list[float]:
    """The shares of train, val and test, or of each part of a cross-validation."""
    return [config[split] for split in SPLITS] if config["folds"] == 1 else [1 / config["folds"]] * config["folds"]


def _deal_images(
    frame: pd.DataFrame, groups: pd.Series, shares: list[float], classes: list[str], *seed: str | int, tolerance: float
) -> np.ndarray:
    if not is_multilabel(frame):
        return deal(frame["label"], groups, shares, classes, *seed, tolerance=tolerance)
    held = truth(frame, len(classes))
    return deal_labels(held, groups, shares, classes, *seed, tolerance=tolerance, attempts=ATTEMPTS)


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
    """Deal whole groups into parts that hold the same shares of every class, as `nearest_deal` does.

    Raises:
        InputError: a class is in fewer groups than there are parts, or no shuffle comes near enough.
    """
    parts, missed = nearest_deal(labels, groups, shares, classes, *seed, tolerance=tolerance)
    worst = int(np.argmax(missed))
    if missed[worst] > tolerance:
        held = groups[labels == worst]
        requested = " / ".join(f"{share:g}" for share in shares)
        raise InputError(
            f"data.split: class {classes[worst]!r}: {len(held)} images in {held.nunique()} groups, the largest with "
            f"{held.value_counts().max()} of them: shares of {requested} are missed by {min(missed[worst], 1):.2f} at "
            f"best; raise data.split.tolerance ({tolerance:g}), or data.lookalike where groups are look-alikes"
        )
    return parts


def nearest_deal(
    labels: pd.Series | np.ndarray,
    groups: pd.Series | np.ndarray,
    shares: Sequence[float],
    classes: Sequence[str],
    *seed: str | int,
    tolerance: float,
    attempts: int = ATTEMPTS,
) -> tuple[np.ndarray, np.ndarray]:
    """Deal whole groups into parts that hold about the same shares of every class.

    Groups are taken by the class that most of their images have (ties: the lower index; classes with fewer groups than
    parts together), shuffled, and dealt one by one to the part that is furthest below its share. The first shuffle that
    is near enough for the images of every class is taken, so that large groups are in no part more often than their
    size asks; else the nearest of all.

    Args:
        labels, groups: one value an image.
        shares: of the parts, with sum 1.
        classes: names of the labels.
        seed: what the shuffles are keyed by.
        tolerance: how far a part's share of a class's images may lie from what is asked.

    Returns:
        parts: int [images], the part of each image; missed: float [classes], by how much the share of a class is missed
        in the worst part, infinite where a part has none of its images.

    Raises:
        InputError: a class is in fewer groups than there are parts.
    """
    codes, names = pd.factorize(pd.Series(groups), sort=True)
    counts = np.zeros((len(names), len(classes)), int)
    np.add.at(counts, (codes, np.asarray(labels, int)), 1)
    for name, held in zip(classes, (counts > 0).sum(0), strict=True):
        if held < len(shares):
            raise InputError(
                f"data.split: class {name!r} has {held} group{'' if held == 1 else 's'}; {len(shares)} parts need one "
                f"each, so at least {len(shares)}"
            )
    main, sizes, total = counts.argmax(1), counts.sum(1), counts.sum(0)
    few = np.bincount(main, minlength=len(classes)) < len(shares)  # classes that are the main one of too few groups
    strata = [np.flatnonzero(main == label) for label in np.flatnonzero(~few)] + [np.flatnonzero(few[main])]
    draws = [generator("split", *seed, label) for label in [*np.flatnonzero(~few).tolist(), len(classes)]]
    best, least = None, np.full(len(classes), np.inf)
    for _ in range(attempts):
        parts = np.empty(len(names), int)
        for members, rng in zip(strata, draws, strict=True):
            parts[members] = _fill(sizes[members], rng.permutation(len(members)), shares)
        assigned = np.zeros((len(shares), len(classes)), int)
        np.add.at(assigned, parts, counts)
        missed = np.where((assigned > 0).all(0), np.abs(assigned / total - np.asarray(shares)[:, None]).max(0), np.inf)
        if best is None or missed.max() < least.max():
            best, least = parts, missed
        if least.max() <= tolerance:
            break
    return best[codes], least


def _fill(images: np.ndarray, order: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """The part of each group: in this order, each to the part that is furthest below its share; none stays empty."""
    parts, room, empty = np.empty(len(images), int), np.asarray(shares) * images.sum(), set(range(len(shares)))
    for left, group in zip(range(len(order), 0, -1), order, strict=True):
        candidates = sorted(empty) if len(empty) == left else range(len(shares))
        parts[group] = max(candidates, key=lambda part: room[part])
        room[parts[group]] -= images[group]
        empty.discard(parts[group])
    return parts


def crossing(a: np.ndarray, b: np.ndarray, split: np.ndarray) -> int:
    """How many pairs (rows `a`, rows `b`) stand in two different splits."""
    return int((split[a] != split[b]).sum())


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
        wanted = " / ".join(f"{share:g}" for share in shares)
        raise InputError(
            f"data.split: label {labels[worst]!r}: {len(held)} images in {len(set(held))} groups: shares of {wanted} "
            f"are missed by {missed[worst]:.2f} at best; raise data.split.tolerance ({tolerance:g}), or fix the shares"
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
        assigned = np.zeros((len(shares), truth.shape[1]))
        np.add.at(assigned, parts, counts)
        missed = np.where(judged, np.abs(assigned / total - wanted).max(0), 0.0)
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
