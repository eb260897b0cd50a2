"""The audit of a study's images: what makes an accuracy on them mean less than it seems.

Duplicates, label conflicts, leaks between splits, and shortcuts.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from heatproof.catalogue.reasons import NO_MARGIN, SAME_PIXELS
from heatproof.core.draws import generator
from heatproof.core.messages import line
from heatproof.data.audit import trivial
from heatproof.data.audit.leaks import (
    TEST,
    TRAIN,
    VAL,
    Neighbours,
    count_crossing,
    count_duplicates,
    count_pairs,
    find_series,
    leak_rate,
    list_pairs,
    named_pairs,
    neighbours,
    pair_kinds,
    random_leaks,
    sweep_row,
)
from heatproof.data.audit.material import Material, Settings
from heatproof.data.audit.probes import (
    EXAMPLES,
    audit_columns,
    border_features,
    deal_both,
    memory_p,
    missing,
    neighbour_labels,
    outside_features,
    probe_linear,
    probe_stage,
    probed,
    shape_features,
)
from heatproof.data.audit.results import (
    Audit,
    Column,
    Duplicates,
    Leak,
    Masks,
    NonSquare,
    Probe,
    Spread,
    Step,
    TruthLost,
)
from heatproof.data.audit.statements import findings
from heatproof.data.audit.trivial import TooFewGroups
from heatproof.data.prepare.lookalikes import Pairs, clusters, pairs_down_to, too_many
from heatproof.data.sources.places import GIVEN

SHOWN = 3  # images with odd masks that are named
KEPT = 0.9  # of the truth's area: below it preprocessing has cut into what is marked
_CODES = {"train": TRAIN, "val": VAL, "test": TEST}


def audit(material: Material, settings: Settings, key: tuple[str | int, ...], **known) -> tuple[Audit, pd.DataFrame]:
    """Look into the images of a study.

    Args:
        key: what random numbers are keyed by.
        known: what the images do not show: `kind` of the source, `quarantined` files, `seams`, the `shortcut`.

    Returns:
        What was found, and the pairs that look alike, columns of `AUDIT_PAIRS`, those across classes first.

    Raises:
        InputError: more pairs look alike at the threshold than can be held.
    """
    labels, threshold = material.labels, settings.threshold
    line("audit: comparing all images with each other")
    floor, every = pairs_down_to(material.raw.thumbnails, [threshold, *settings.sweep], limit=settings.limit)
    if floor is None or floor > threshold:
        raise too_many(threshold, settings.limit, settings.option)
    pairs = every.above(threshold)
    kinds = pair_kinds(material, pairs)
    linked = clusters(len(labels), pairs.a, pairs.b)
    if material.groups is None:
        material = replace(material, groups=linked)
    groups = linked if material.group_kind == "image" else material.groups  # shows what a random split hides
    line("audit: random splits, and trivial classifiers")
    found = neighbours(len(labels), every)
    rng = generator("leaks", *key)
    drawn = random_leaks(labels, settings.three_shares, found, [threshold, *settings.sweep], settings.draws, rng)
    probes, memory, sweep, columns = _probes_and_sweep(material, groups, every, floor, drawn[:, 1:], settings, key)
    multilabel, odd = material.truth is not None, material.odd_masks
    asked_for = probed(material.truth, groups, settings.folds) if multilabel else ()
    result = Audit(
        images=len(labels),
        groups=len(pd.unique(material.groups)),
        group_kind=material.group_kind,
        split_by=material.split_by,
        crop=settings.crop,
        fit=settings.fit,
        patients_known=material.patients_known,
        threshold=threshold,
        classes=tuple(material.names),
        counts=dict(zip(material.names, material.held.sum(0).tolist(), strict=True)),
        duplicates=Duplicates(
            count_duplicates(material.sha256, labels),
            count_duplicates(material.pictures, labels),
            count_pairs(pairs, material),
        ),
        **named_pairs(material, pairs, kinds),
        leak=Leak(
            {fold: _leak(split, found, threshold) for fold, split in material.splits.items()}, _spread(drawn[:, 0])
        ),
        sweep=tuple(sweep),
        probes=tuple(probes),
        memory_p=memory,
        series=None if material.patients_known else find_series(material.image_ids.tolist(), labels, material.used),
        nonsquare=nonsquare(material, groups, settings, key),
        truth_lost=truth_lost(material),
        odd_masks=odd and Masks(len(odd.inverted), len(odd.full), odd.count, (*odd.inverted, *odd.full)[:SHOWN]),
        crossing=count_crossing(pairs, material) if material.split_by in GIVEN else None,
        multilabel=multilabel,
        sets=len(material.classes) if multilabel else None,
        probed=tuple(material.names[label] for label in asked_for),
        columns=columns,
        **known,
    )
    return replace(result, findings=findings(result)), list_pairs(material, pairs, kinds)


def _probes_and_sweep(
    material: Material,
    groups: np.ndarray,
    every: Pairs,
    floor: float,
    leaks: np.ndarray,
    settings: Settings,
    key: tuple[str | int, ...],
) -> tuple[list[Probe], float | None, list[Step], tuple[Column, ...]]:
    """The probes, the p value of what memory gains by a random split, the sweep, and the table's columns.

    All at once: the nearest neighbours of all their folds are found in one pass over the thumbnails.

    leaks: of random splits [draws, thresholds of the sweep].
    """
    labels = requested(material, groups, settings)
    assigned = deal_both(labels, groups, material.classes, settings.folds, *key)
    swept = [sweep_row(material, labels, every, each, floor, settings, key) for each in settings.sweep]
    every_folds = [*assigned.values(), *(folds for _, folds in swept)]
    predicted = neighbour_labels(material.raw.thumbnails, labels, every_folds)
    nearest = {"raw": predicted[: len(assigned)]}
    nearest["preprocessed"] = neighbour_labels(material.fitted.thumbnails, labels, list(assigned.values()))
    probes = []
    for stage, view in {"raw": material.raw, "preprocessed": material.fitted}.items():
        by_split = dict(zip(assigned, nearest[stage], strict=True))
        more = {"draws": settings.bootstrap, "key": key}
        probes += probe_stage(stage, view, by_split, assigned, labels, groups, material.image_ids, **more)
    raw = dict(zip(assigned, nearest["raw"], strict=True))
    memory = None
    if not any(isinstance(guesses, TooFewGroups) for guesses in raw.values()):
        memory = memory_p(labels, raw["random"], raw["grouped"], groups, generator("memory", *key))
    sweep = [
        replace(
            row,
            leak_random=None if row.reason else _mean(leak),
            neighbour=None if isinstance(guesses, TooFewGroups) else _accuracy(labels, guesses),
        )
        for (row, _), leak, guesses in zip(swept, leaks.T, predicted[len(assigned) :], strict=True)
    ]
    more = {"draws": settings.bootstrap, "key": key}
    columns = audit_columns(material.about, labels, material.held, material.names, groups, assigned, **more)
    return probes, memory, sweep, columns


def requested(material: Material, groups: np.ndarray, settings: Settings) -> np.ndarray:
    """What the probes tell: the class of each image; of several labels an image those that enough groups have."""
    if material.truth is None:
        return material.labels
    return material.truth[:, probed(material.truth, groups, settings.folds)]


def _leak(split: np.ndarray, found: Neighbours, threshold: float) -> float | None:
    if not (split == "train").any():  # nothing leaks from images that are not known here
        return None
    codes = pd.Series(split).map(_CODES).to_numpy()
    return _mean(leak_rate(codes, found, [threshold]))


def truth_lost(material: Material) -> TruthLost | None:
    """Images whose truth preprocessing cut into or took away, of those with truth; None without truth."""
    kept = np.array([]) if material.truth_kept is None else material.truth_kept
    if np.isnan(kept).all():
        return None
    worst = [row for row in np.argsort(kept, kind="stable")[:EXAMPLES] if kept[row] < KEPT]  # NaN comes last
    counts = (int(count) for count in ((kept < KEPT).sum(), (kept == 0).sum(), (~np.isnan(kept)).sum()))
    return TruthLost(*counts, tuple(material.image_ids[worst].tolist()))


def nonsquare(material: Material, groups: np.ndarray, settings: Settings, key: tuple) -> NonSquare | None:
    """Whether images that are not square tell the classes apart, and whether linear models still know them.

    `p` is of a permutation test over groups: do some classes have more of them than others? The models know them by
    shape and margins before preprocessing; after it by the margins that are left, by the outermost pixels, and by
    all but the middle half. They are asked about the images of the classes that have such images, so that what else
    tells these classes from others does not count. None where every image is square.
    """
    odd = (material.raw.facts["width"] != material.raw.facts["height"]).to_numpy()
    if not odd.any():
        return None
    among = np.isin(material.labels, np.unique(material.labels[odd]))
    labels, units = odd[among].astype(int), groups[among]
    assigned = deal_both(labels, units, ["square", "not square"], settings.folds, *key, "nonsquare")
    folds, probes = assigned["grouped"], []
    for which, (probe, stage, features, constant) in {
        "raw": ("nonsquare", "raw", shape_features(material.raw), NO_MARGIN),
        "preprocessed": ("nonsquare", "preprocessed", shape_features(material.fitted), NO_MARGIN),
        "border": ("nonsquare_border", "preprocessed", border_features(material.fitted), SAME_PIXELS),
        "outside": ("nonsquare_outside", "preprocessed", outside_features(material.fitted), SAME_PIXELS),
    }.items():
        name = (probe, stage, "grouped")
        if isinstance(folds, TooFewGroups):
            probes.append(missing(name, folds, labels, units))
        elif not np.ptp(features[among], axis=0).any():
            probes.append(missing(name, TooFewGroups(constant.code), labels, units))
        else:
            rng = generator("nonsquare", *key, which)
            row = probe_linear(features[among], labels, units, folds, True, settings.bootstrap, rng)
            row.pop("examples")
            probes.append(Probe(*name, **row))
    return NonSquare(
        images=int(odd.sum()),
        by_class=dict(zip(material.names, material.held[odd].sum(0).tolist(), strict=True)),
        groups=len(pd.unique(groups[odd])),
        of=len(pd.unique(groups)),
        p=uneven_p(odd, material.labels, material.held, groups, generator("nonsquare", *key, "classes")),
        examples=tuple(material.image_ids[odd][:EXAMPLES].tolist()),
        probes=tuple(probes),
    )


def uneven_p(
    odd: np.ndarray, labels: np.ndarray, held: np.ndarray, groups: np.ndarray, rng: np.random.Generator
) -> float | None:
    """Test by permutation whether some classes have more of the `odd` images than others.

    Args:
        odd: bool [images].
        labels: int [images], the class of an image, or its set of labels.
        held: bool [images, names], the classes or labels that an image has.
        groups: any [images].

    Returns:
        The p value; None where there is one class, or fewer than `null.LEAST` groups.
    """
    if not np.ptp(labels):
        return None
    names = np.zeros((labels.max() + 1, held.shape[1]))
    names[labels] = held  # which of the names each class, or set of labels, has

    def statistic(drawn: np.ndarray) -> np.ndarray:
        having = names[drawn]  # [draws, images, names]
        images, those = having.sum(1), odd @ having
        return ((those - images * odd.mean()) ** 2 / np.maximum(images, 1)).sum(1, keepdims=True)

    return trivial.p_value(statistic, labels, groups, None, rng)


def _accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    if labels.ndim == 2:
        return float(np.mean([_accuracy(*pair) for pair in zip(labels.T, predicted.T, strict=True)]))
    return float(np.mean([(predicted[labels == label] == label).mean() for label in np.unique(labels)]))


def _mean(values: np.ndarray) -> float | None:
    mean = float(np.mean(values))
    return None if np.isnan(mean) else mean


def _spread(values: np.ndarray) -> Spread:
    """Mean, and the percentiles that 95 % of the draws lie between."""
    if np.isnan(values).any():
        return Spread(None, None, None, len(values))
    low, high = np.quantile(values, [0.025, 0.975])
    return Spread(float(values.mean()), float(low), float(high), len(values))
