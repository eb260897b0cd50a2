"""What the split lets through: copies, look-alikes and label conflicts, the share of test images that have a look-alike
among the training images, by threshold, and patients that file names give away."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.catalogue.reasons import TOO_MANY_PAIRS
from heatproof.core.messages import InputError
from heatproof.data.audit.material import Material, Settings
from heatproof.data.audit.probes import folds_or_why
from heatproof.data.audit.results import Copies, Crossing, Pair, Series, Step
from heatproof.data.audit.trivial import TooFewGroups, main_class
from heatproof.data.prepare.lookalikes import Pairs, clusters
from heatproof.data.prepare.split import ATTEMPTS, nearest_deal, nearest_labels
from heatproof.data.sources.places import suffix
from heatproof.data.sources.records import SUFFIXES

CONFLICTS = 50  # that audit.json lists
NAMED = 5  # pairs of every other kind
LISTED = 100_000  # pairs that audit_pairs.csv lists


def count_duplicates(keys: np.ndarray, labels: np.ndarray) -> Copies:
    """Pairs of images with one key, the images in them, and the pairs across classes; none is listed for it."""
    codes = pd.factorize(keys)[0]
    sizes = np.bincount(codes)
    same = np.unique(np.stack([codes, labels]), axis=1, return_counts=True)[1]
    total, within = ((each * (each - 1) // 2).sum() for each in (sizes, same))
    return Copies(int(total), int(sizes[sizes > 1].sum()), int(total - within))


def count_pairs(pairs: Pairs, material: Material) -> Copies:
    """Pairs that look alike, the images in them, and the pairs across classes, groups and, in any fold, splits."""
    groups, splits = pd.factorize(material.groups)[0], material.used
    across = np.zeros(len(pairs), bool)
    for split in splits.values():
        across |= split[pairs.a] != split[pairs.b]
    return Copies(
        pairs=len(pairs),
        images=len(np.unique(np.concatenate([pairs.a, pairs.b]))),
        across_classes=int((material.labels[pairs.a] != material.labels[pairs.b]).sum()),
        across_groups=int((groups[pairs.a] != groups[pairs.b]).sum()),
        across_splits=int(across.sum()) if splits else None,
    )


def count_crossing(pairs: Pairs, material: Material) -> Crossing:
    """Count patients and pairs of look-alikes that stand in two parts of the split, and the test images concerned."""
    split = pd.Series(material.splits["fold0"])
    patients = of = test_images = None
    if material.group_kind == "patient":
        parts = split.groupby(material.groups).transform("nunique") > 1
        patients, of = len(set(material.groups[parts])), len(set(material.groups))
        test_images = int((parts & (split == "test")).sum())
    return Crossing(patients, of, test_images, int((split.to_numpy()[pairs.a] != split.to_numpy()[pairs.b]).sum()))


def pair_kinds(material: Material, pairs: Pairs) -> np.ndarray:
    """For each pair the strongest that holds: `bytes` (one file), `pixels` (one picture) or `lookalike`."""
    files, pictures = pd.factorize(material.sha256)[0], pd.factorize(material.pictures)[0]
    return np.select(
        [files[pairs.a] == files[pairs.b], pictures[pairs.a] == pictures[pairs.b]], ["bytes", "pixels"], "lookalike"
    )


def named_pairs(material: Material, pairs: Pairs, kinds: np.ndarray) -> dict[str, tuple[Pair, ...]]:
    """The most alike pairs by what they mean.

    Returns:
        `conflicts`: in different classes, at most `CONFLICTS`. At most `NAMED` each: `alike`, in one class;
        `strangers`, of different groups; `leaks`, one image in the test part and one in the training part of a fold.
    """
    across = material.labels[pairs.a] != material.labels[pairs.b]
    groups, leaking = pd.factorize(material.groups)[0], np.zeros(len(pairs), bool)
    for split in material.used.values():
        a, b = split[pairs.a], split[pairs.b]
        leaking |= ((a == "test") & (b == "train")) | ((a == "train") & (b == "test"))
    order = np.argsort(-pairs.similarity, kind="stable")
    chosen = {
        "conflicts": order[across[order]][:CONFLICTS],
        "alike": order[~across[order]][:NAMED],
        "strangers": order[(groups[pairs.a] != groups[pairs.b])[order]][:NAMED],
        "leaks": order[leaking[order]][:NAMED],
    }
    return {name: _named(material, pairs, kinds, rows) for name, rows in chosen.items()}


def _named(material: Material, pairs: Pairs, kinds: np.ndarray, chosen: np.ndarray) -> tuple[Pair, ...]:
    ids, names = material.image_ids, [material.classes[label] for label in material.labels]
    columns = zip(pairs.a[chosen], pairs.b[chosen], pairs.similarity[chosen], kinds[chosen], strict=True)
    return tuple(
        Pair(str(ids[a]), str(ids[b]), int(a), int(b), names[a], names[b], float(similarity), str(kind))
        for a, b, similarity, kind in columns
    )


def list_pairs(material: Material, pairs: Pairs, kinds: np.ndarray) -> pd.DataFrame:
    """At most `LISTED` pairs, those across classes first, then the most alike; splits are those of `fold0`."""
    same = material.labels[pairs.a] == material.labels[pairs.b]
    order = np.lexsort((-pairs.similarity, same))[:LISTED]
    a, b = pairs.a[order], pairs.b[order]
    names = np.array(material.classes, object)[material.labels]
    split = material.splits.get("fold0", np.full(len(names), ""))
    return pd.DataFrame(
        {
            "image_a": material.image_ids[a],
            "image_b": material.image_ids[b],
            "similarity": pairs.similarity[order],
            "kind": kinds[order],
            "label_a": names[a],
            "label_b": names[b],
            "split_a": split[a],
            "split_b": split[b],
        }
    )


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


FEWER = 50  # shuffles that are tried at a threshold that is not the one in use, where a data job tries `ATTEMPTS`


def sweep_row(
    material: Material,
    requested: np.ndarray,
    every: Pairs,
    threshold: float,
    floor: float,
    settings: Settings,
    key: tuple,
) -> tuple[Step, np.ndarray | TooFewGroups]:
    """A row of the sweep but for what all rows share, and the folds of a probe on clusters at this threshold.

    asked: what the probe tells, int [images] or bool [images, labels].
    """
    if threshold < floor:
        return Step(threshold, reason=TOO_MANY_PAIRS.code), TooFewGroups(TOO_MANY_PAIRS.code)
    pairs, labels = every.above(threshold), material.labels
    groups = clusters(len(labels), pairs.a, pairs.b)
    main, sizes = main_class(labels, groups)
    by_class = np.bincount(main, minlength=len(material.classes))
    if material.truth is not None:  # clusters with the label
        by_class = np.array([len(np.unique(groups[has])) for has in material.truth.T])
    attempts = ATTEMPTS if threshold == settings.threshold else FEWER
    possible, worst = try_split(labels, groups, material.classes, settings, key, attempts, material.truth)
    row = Step(
        threshold,
        clusters=len(sizes),
        largest=int(sizes.max()),
        pairs=len(pairs),
        clusters_by_class=dict(zip(material.names, by_class.tolist(), strict=True)),
        split=possible,
        worst_share=worst,
    )
    return row, folds_or_why(requested, groups, material.classes, settings.folds, *key, "grouped")


def try_split(
    labels: np.ndarray,
    groups: np.ndarray,
    classes: list[str],
    settings: Settings,
    key: tuple,
    attempts: int = ATTEMPTS,
    truth: np.ndarray | None = None,
) -> tuple[bool, float | None]:
    """Whether whole groups can be split in the shares asked for, and how far a part's share of a class is off.

    Where no split is near enough that is the least of all attempts; None where a class has too few groups.
    """
    options = {"tolerance": settings.tolerance, "attempts": attempts}
    try:
        if truth is None:
            worst = nearest_deal(labels, groups, settings.shares, classes, *key, **options)[1].max()
        else:  # labels in few groups fall as they fall
            worst = nearest_labels(truth, groups, settings.shares, *key, **options)[1].max()
    except InputError:
        return False, None
    return bool(worst <= settings.tolerance), float(worst) if np.isfinite(worst) else None


ENDS = (r"[-_ ]\(?\d+\)?", r"[-_ ][A-Za-z]", r"[-_ ][A-Za-z]+[-_ ]?\d+")  # -12 and (12); -a; -day-12 and _slice12
SHARE = 0.5  # of a class's images: a stem that more of them have numbers the class
FEWEST = 2  # stems


def pattern(end: str) -> str:
    """The pattern whose first group, found in a file name, is the stem: as `--patient` and `data.patient` take it."""
    return rf"^(.+?)(?:{end})?\.\w+$"


def find_series(names: Sequence[str], labels: np.ndarray, splits: dict[str, np.ndarray]) -> Series | None:
    """Look for names that are numbered or lettered within a stem.

    Args:
        names: of images, with folders; with or without their suffix.
        labels: int [images].
        splits: train, val or test, by fold.

    Returns:
        The series, with examples on both sides of the split where there are such; None where there are none.

    >>> find_series(["p1-a.png", "p1-b.png", "p2-a.png", "p2-b.png"], np.array([0, 0, 1, 1]), {}) is None
    True
    >>> found = find_series([f"p{n // 2}-{'ab'[n % 2]}.png" for n in range(12)], np.arange(12) // 2 % 2, {})
    >>> found.stems, found.images, found.examples
    (6, 12, ('p0-a.png', 'p0-b.png'))
    """
    files = [name.rpartition("/")[2] for name in names]
    files = [name if suffix(name) in SUFFIXES else f"{name}.x" for name in files]
    sizes = Counter(labels.tolist())
    best, kept = None, np.zeros(len(files), bool)
    for end in ENDS:
        stems = np.array([re.match(pattern(end), name)[1] for name in files], object)
        held = pd.DataFrame({"stem": stems, "label": labels}).value_counts()
        numbering = {stem for (stem, label), count in held.items() if count > SHARE * sizes[label]}
        counts = Counter(stems.tolist())
        several = np.array([counts[stem] > 1 and stem not in numbering for stem in stems])
        if several.sum() >= max(1, kept.sum()) and len(set(stems[several])) >= FEWEST:
            best, kept, found = end, several, stems
    if best is None:
        return None
    stem = np.where(kept, found, "")
    most, pair = None, np.flatnonzero(stem == found[kept][0])[:2]
    for split in splits.values():
        tested = split == "test"
        crossing = tested & kept & np.isin(stem, stem[(split == "train") & kept])
        share = float(crossing.sum() / max(1, tested.sum()))
        if most is None or share > most:
            most = share
            if crossing.any():
                one = np.flatnonzero(crossing)[0]
                pair = [one, np.flatnonzero((stem == stem[one]) & (split == "train"))[0]]
    examples = tuple(str(names[row]) for row in pair)
    return Series(pattern(best), len(set(found[kept])), int(kept.sum()), most, examples)
