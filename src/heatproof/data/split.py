"""Train, validation and test: whole groups, the same shares of every class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.data.split_labels import deal_labels
from heatproof.errors import InputError
from heatproof.labels import is_multilabel, truth
from heatproof.seeds import generator

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
            dealt = np.select([parts == fold, parts == (fold + 1) % folds], ["test", "val"], "train")
            columns[f"{name}{fold}"] = pd.Series(dealt, frame.index)
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
        asked = " / ".join(f"{share:g}" for share in shares)
        raise InputError(
            f"data.split: class {classes[worst]!r}: {len(held)} images in {held.nunique()} groups, the largest with "
            f"{held.value_counts().max()} of them: shares of {asked} are missed by {min(missed[worst], 1):.2f} at "
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
        dealt = np.zeros((len(shares), len(classes)), int)
        np.add.at(dealt, parts, counts)
        missed = np.where((dealt > 0).all(0), np.abs(dealt / total - np.asarray(shares)[:, None]).max(0), np.inf)
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
