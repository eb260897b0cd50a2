"""Probes: how well classifiers that cannot see disease tell the classes, or one label after another, apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.catalogue.reasons import NO_INTERVAL, NO_LABEL
from heatproof.core.draws import balanced_accuracy, confusion_by_group, generator, percentile_interval, resample
from heatproof.data.audit import trivial
from heatproof.data.audit.results import Column, Probe
from heatproof.data.audit.trivial import TooFewGroups, deal_folds, linear_margins, linear_scores, nearest_rows
from heatproof.data.prepare.split import nearest_labels
from heatproof.data.sources.rows import parse_numbers

BARE = "none of the labels"
Folds = np.ndarray | TooFewGroups  # int8 [images], or why there are none


def label_sets(truth: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The set of labels of each image as a class: int [images], and the names of the sets.

    Args:
        truth: bool [images, labels].
    """
    sets, codes = np.unique(truth, axis=0, return_inverse=True)
    called = [" + ".join(name for name, held in zip(names, each, strict=True) if held) or BARE for each in sets]
    return codes.ravel().astype(np.int64), called


def probed(truth: np.ndarray, groups: np.ndarray, folds: int) -> np.ndarray:
    """Labels that at least `folds` groups have, and as many have in none of their images: their indices."""
    every = len(np.unique(groups))
    held = np.array([len(np.unique(groups[has])) for has in truth.T], int)
    return np.flatnonzero((held >= folds) & (every - held >= folds))


def deal_label_folds(truth: np.ndarray, groups: np.ndarray, folds: int, *seed: str | int) -> np.ndarray:
    """Folds of whole groups that hold about as many images of every label, int8 [images]; see `nearest_labels`.

    Raises:
        TooFewGroups: there is no label to ask for.
    """
    if not truth.shape[1]:
        raise TooFewGroups(NO_LABEL.code)
    options = {"tolerance": 0.02, "attempts": 20}
    return nearest_labels(truth, groups, [1 / folds] * folds, "folds", *seed, **options)[0].astype(np.int8)


def one_by_one(*matrices: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, ...]:
    """Answers to each label as classes of their own: 2k and 2k + 1 for label k that is missing and there.

    Their balanced accuracy is the mean over the labels of each one's own, as sensitivity and specificity are recalls.

    Args:
        matrices: truth or predictions, bool [images, labels].

    Returns:
        int [images x labels] for each matrix, and the groups of these answers.
    """
    labels = matrices[0].shape[1]
    found = [(2 * np.arange(labels) + matrix.astype(int)).ravel() for matrix in matrices]
    return *found, np.repeat(groups, labels)


LEVEL = 0.95
SWAPS = 399  # of splits in groups
EXAMPLES = 3  # images that an alarm names
_SIZES = 20  # the most frequent sizes of images that a linear model sees as such


@dataclass(frozen=True)
class View:
    """What one stage shows of the images.

    thumbnails: uint8 [images, 32, 32]; margins: int [images, 4], constant lines at the top, bottom, left and right;
    facts: width, height, mode, format, quality and bytes, one row an image; None where all images share them.
    """

    thumbnails: np.ndarray
    margins: np.ndarray
    facts: pd.DataFrame | None = None


def deal_both(
    labels: np.ndarray, groups: np.ndarray, classes: Sequence[str], folds: int, *key: str | int
) -> dict[str, Folds]:
    """Folds of images (`random`) and of whole groups (`grouped`), or why there are none; see `deal_folds`."""
    units = {"random": np.arange(len(labels)), "grouped": groups}
    return {split: folds_or_why(labels, each, classes, folds, *key, split) for split, each in units.items()}


def folds_or_why(labels: np.ndarray, groups: np.ndarray, classes: Sequence[str], folds: int, *key: str | int) -> Folds:
    """Return folds of whole groups, or why there are none."""
    try:
        if labels.ndim == 2:
            return deal_label_folds(labels, groups, folds, *key)
        return deal_folds(labels, groups, folds, classes, *key)
    except TooFewGroups as error:
        return error


def neighbour_labels(thumbnails: np.ndarray, labels: np.ndarray, assigned: Sequence[Folds]) -> list[Folds]:
    """Predictions of the nearest neighbour for several dealings, or why there are none; compared only once."""
    possible = [folds for folds in assigned if isinstance(folds, np.ndarray)]
    found = iter(labels[nearest_rows(thumbnails, possible)] if possible else [])
    return [next(found) if isinstance(folds, np.ndarray) else folds for folds in assigned]


def probe_stage(
    stage: str,
    view: View,
    nearest: dict[str, Folds],
    assigned: dict[str, Folds],
    labels: np.ndarray,
    groups: np.ndarray,
    image_ids: np.ndarray,
    *,
    draws: int,
    key: tuple[str | int, ...],
) -> list[Probe]:
    """All probes of one stage, under both splits.

    Args:
        stage: raw or preprocessed.
        nearest: by split, what `neighbour_labels` gives.
        dealt: by split, folds or why there are none.
        labels, groups: int and any [images]; labels bool [images, labels] where an image may have several.
        image_ids: any [images].
        draws: of the bootstrap.
        key: what random numbers are keyed by.

    Returns:
        One each. `p` is of the linear models with whole groups apart, where there are `trivial.LEAST` of them;
        `examples` are images that such a model knows best.
    """
    found = []
    for probe in ("neighbour", *LINEAR):
        features = None if probe == "neighbour" else LINEAR[probe](view)
        for split, folds in assigned.items():
            name = (probe, stage, split)
            rng = generator("probe", *key, *name)
            if isinstance(folds, TooFewGroups):
                found.append(missing(name, folds, labels, groups))
            elif features is None:
                found.append(Probe(*name, **measure(labels, nearest[split], groups, draws, rng)))
            else:
                row = probe_linear(features, labels, groups, folds, split == "grouped", draws, rng)
                examples = tuple(map(str, image_ids[row.pop("examples", [])]))
                found.append(Probe(*name, **row, examples=examples))
    return found


def probe_linear(
    features: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    folds: np.ndarray,
    tested: bool,
    draws: int,
    rng: np.random.Generator,
) -> dict:
    """Train the linear model, measure it, and test it if `tested`; the penalty serves 30 as well as 768 features.

    Args:
        features: [images, features].
        labels: int [images], or bool [images, labels].
        groups, folds: of images; where the model is tested, all of a group in one fold.

    Returns:
        As `measure`, with p where it is tested, and `examples`, rows of images.
    """
    sets, codes = np.unique(labels, axis=0, return_inverse=True)
    codes, alpha = codes.ravel(), float(max(1, features.shape[1]))
    questions = sets.T.astype(int) if labels.ndim == 2 else np.arange(len(sets))[None]  # answers to each, by set

    def scores(given: np.ndarray) -> list[np.ndarray]:
        return [linear_scores(features, answers[given], folds, alpha) for answers in questions]

    def statistic(given: np.ndarray) -> np.ndarray:
        pairs = zip(scores(given), questions, strict=True)
        return np.mean([linear_margins(score, answers[given]) for score, answers in pairs], 0)

    seen = [score[0] for score in scores(codes[None])]
    best = [score.argmax(1) for score in seen]
    predicted = np.stack(best, 1).astype(bool) if labels.ndim == 2 else sets[best[0]]
    found = measure(labels, predicted, groups, draws, rng)
    if not tested:
        return found
    found["p"] = trivial.p_value(statistic, codes, groups, folds, rng.spawn(1)[0])
    rows = np.arange(len(codes))
    sure = np.mean([score[rows, answers[codes]] for score, answers in zip(seen, questions, strict=True)], 0)
    right = (predicted == labels).reshape(len(codes), -1).all(1)
    return found | {"examples": _examples(codes, groups, np.where(right, sure, -np.inf))}


def _examples(codes: np.ndarray, groups: np.ndarray, sure: np.ndarray) -> list[int]:
    """Rows of the images that are known best, of several classes and groups; -inf is never one."""
    chosen: list[int] = []
    for row in np.argsort(-sure, kind="stable"):
        if len(chosen) == EXAMPLES or np.isinf(sure[row]):
            break
        if codes[row] not in codes[chosen[-1:]] and groups[row] not in groups[chosen]:
            chosen.append(int(row))
    return chosen


def measure(
    labels: np.ndarray, predicted: np.ndarray, groups: np.ndarray, draws: int, rng: np.random.Generator
) -> dict:
    """Balanced accuracy with the interval of a bootstrap over groups, chance, and the number of groups.

    Of several labels an image: the mean of their balanced accuracies. The fields of `Probe` but for its name.
    """
    chance = chance_of(labels)
    if labels.ndim == 2:
        labels, predicted, groups = one_by_one(labels, predicted, groups=groups)
    present = np.unique(labels)
    codes, guesses = np.searchsorted(present, labels), np.searchsorted(present, predicted)
    counts = confusion_by_group(codes, guesses, groups, len(present))
    every = np.ones(len(present), bool)
    drawn = resample(counts, every, draws, rng)
    low, high = percentile_interval(balanced_accuracy(drawn, every), LEVEL)
    return {
        "balanced_accuracy": float(balanced_accuracy(counts.sum(0), every)),
        "low": None if np.isnan(low) else low,
        "high": None if np.isnan(high) else high,
        "chance": chance,
        "p": None,
        "groups": len(counts),
        "reason": "" if len(drawn) else NO_INTERVAL.code,
    }


def memory_p(
    labels: np.ndarray, random: np.ndarray, grouped: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> float | None:
    """Test whether the nearest neighbour is right more often under the random split, by swapping splits in groups.

    Args:
        labels, random, grouped: the classes of the images, and what is predicted under either split.

    Returns:
        The p value; None of fewer than `null.LEAST` groups.
    """
    if labels.ndim == 2:
        labels, random, grouped, groups = one_by_one(labels, random, grouped, groups=groups)
    codes, names = pd.factorize(groups)
    if len(names) < trivial.LEAST:
        return None
    present, of = np.unique(labels, return_inverse=True)
    gain = ((random == labels).astype(float) - (grouped == labels)) / np.bincount(of)[of] / len(present)
    gains = np.bincount(codes, gain)
    swapped = rng.choice([-1, 1], (SWAPS, len(names))) @ gains
    return float((1 + (swapped >= gains.sum() - 1e-9).sum()) / (1 + SWAPS))


def chance_of(labels: np.ndarray) -> float:
    """Balanced accuracy of guessing a class, or whether a label is there."""
    return 0.5 if labels.ndim == 2 else 1 / len(np.unique(labels))


def missing(name: tuple[str, str, str], why: TooFewGroups, labels: np.ndarray, groups: np.ndarray) -> Probe:
    """Return a probe that could not be measured.

    Args:
        name: probe, stage and split.
    """
    none = dict.fromkeys(("balanced_accuracy", "low", "high", "p"))
    chance, count = chance_of(labels), len(pd.unique(groups))
    return Probe(*name, **none, chance=chance, groups=count, reason=why.reason, lacks=why.lacks)


def shape_features(view: View) -> np.ndarray:
    """float64 [images, features]: margins, and width, height, aspect and the frequent sizes where they differ."""
    columns = [view.margins.astype(float)]
    if view.facts is not None:
        width, height = (view.facts[name].to_numpy(float) for name in ("width", "height"))
        columns += [np.stack([width, height, np.log(width / height), width != height], 1)]
        sizes = view.facts["width"].astype(str) + "x" + view.facts["height"].astype(str)
        columns += [indicators(sizes, _SIZES)]
    return np.concatenate(columns, 1)


def facts_features(view: View) -> np.ndarray:
    """float64 [images, features]: those of the shape and the border, mean, mode, format, JPEG quality and bytes."""
    mean = view.thumbnails.reshape(len(view.thumbnails), -1).mean(1)
    columns = [shape_features(view), mean[:, None], border_features(view).astype(float)]
    if view.facts is not None:
        quality = view.facts["quality"].to_numpy(float)
        weight = np.log1p(view.facts["bytes"].to_numpy(float))
        columns += [np.stack([np.nan_to_num(quality), np.isnan(quality), weight], 1)]
        columns += [indicators(view.facts[name].astype(str), _SIZES) for name in ("mode", "format")]
    return np.concatenate(columns, 1)


def border_features(view: View) -> np.ndarray:
    """uint8 [images, 124]: the outer ring of the thumbnail."""
    ring = np.ones(view.thumbnails.shape[1:], bool)
    ring[1:-1, 1:-1] = False
    return view.thumbnails[:, ring]


def outside_features(view: View) -> np.ndarray:
    """uint8 [images, 768]: the thumbnail without its middle half."""
    height, width = view.thumbnails.shape[1:]
    kept = np.ones((height, width), bool)
    kept[height // 4 : height - height // 4, width // 4 : width - width // 4] = False
    return view.thumbnails[:, kept]


LINEAR = {
    "facts": facts_features,
    "shape": shape_features,
    "border": border_features,
    "outside": outside_features,
}


def indicators(values: pd.Series, most: int) -> np.ndarray:
    """A column of 0 and 1 for each of the most frequent values (ties: in order of the values)."""
    counts = values.value_counts().rename_axis("value").reset_index(name="count")
    kept = counts.sort_values(["count", "value"], ascending=[False, True])["value"].head(most)
    return np.stack([values.to_numpy() == value for value in kept], 1).astype(float)


VALUES = 20  # the most frequent values of a column that a linear model sees as such
TOGETHER = 0.95  # of the images of a class, and of those with a value: they go together
GROUPS = 5  # that a class must be in to go together with a value
BLANK = "(blank)"


def audit_columns(
    about: dict[str, np.ndarray],
    labels: np.ndarray,
    held: np.ndarray,
    names: Sequence[str],
    groups: np.ndarray,
    assigned: dict[str, Folds],
    *,
    draws: int,
    key: tuple[str | int, ...],
) -> tuple[Column, ...]:
    """Ask of each column how well it alone tells the classes apart, and which class goes with which value.

    Args:
        about: column to the cell of each image.
        labels: what is told apart, int [images], or bool [images, labels].
        held: bool [images, names], which classes or labels each image has.
        groups: any [images].
        dealt: folds by split, random and grouped.
        draws: of the bootstrap.
        key: what random numbers are keyed by.
    """
    found = []
    for name, cells in about.items():
        values = pd.Series([str(cell).strip() or BLANK for cell in cells])
        features, probes = column_features(values), []
        for split, folds in assigned.items():
            row = (f"column {name}", "raw", split)
            if isinstance(folds, TooFewGroups):
                probes.append(missing(row, folds, labels, groups))
            else:
                rng = generator("column", *key, name, split)
                measured = probe_linear(features, labels, groups, folds, split == "grouped", draws, rng)
                measured.pop("examples", None)
                probes.append(Probe(*row, **measured))
        found.append(Column(name, values.nunique(), tuple(probes), *strongest(values.to_numpy(), held, names, groups)))
    return tuple(found)


def column_features(values: pd.Series) -> np.ndarray:
    """float64 [images, features]: a number and whether it is missing, where all are and many differ; else indicators.

    >>> column_features(pd.Series(["AP", "PA", "AP"])).tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    try:
        numbers = np.array(parse_numbers(["" if value == BLANK else value for value in values]))
    except ValueError:
        numbers = np.full(len(values), np.nan)
    known = ~np.isnan(numbers)
    if len(np.unique(numbers[known])) > VALUES and known.mean() > 0.5:
        return np.stack([np.where(known, numbers, numbers[known].mean()), ~known], 1)
    return indicators(values, VALUES)


def strongest(
    values: np.ndarray, held: np.ndarray, names: Sequence[str], groups: np.ndarray
) -> tuple[str, str, float, float, bool]:
    """Find the value and the class that go together most.

    Args:
        values: str [images].
        held: bool [images, names].

    Returns:
        Value and class; the value's share of the images of the class and of all others; and whether they go together:
        nearly all images of the class, of at least `GROUPS` groups, have the value, and nearly no others.
    """
    best = ("", "", 0.0, 0.0, False)
    for value, count in pd.Series(values).value_counts(sort=False).items():
        has = values == value
        for index, name in enumerate(names):
            of = held[:, index]
            if not 0 < of.sum() < len(of):
                continue
            share, others = float(has[of].mean()), float(has[~of].mean())
            together = (
                share >= TOGETHER and (has & of).sum() >= TOGETHER * count and len(np.unique(groups[of])) >= GROUPS
            )
            if share - others > best[2] - best[3]:
                best = (str(value), name, share, others, bool(together))
    return best
