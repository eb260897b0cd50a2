"""Localization of one checkpoint's heatmaps."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
import torch

from heatproof.catalogue.metrics import metrics_of
from heatproof.catalogue.reasons import COVERED, EMPTY, NO_READER, NO_REGION, NO_RELEVANCE, NOT_TUNED, NOTHING_DRAWN
from heatproof.score import controls, heatmaps
from heatproof.score.heatmaps import Heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics.localization import GRID, METRICS, tuned
from heatproof.score.scene import TOLERANCE, Scene, Truth
from heatproof.store import artifacts


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    folder, wanted = artifacts.data_dir(job.checkpoint.study), job.options.get("regions", [])
    regions = dict(zip(wanted, artifacts.read_array(folder / "regions.npy") if wanted else (), strict=True))
    names = [*source.names, controls.CEILING, *([controls.READER] if source.beside.readings else [])]
    tuning = heatmaps_of(job.checkpoint, validation=True) if job.options.get("tune") else None
    if tuning is None:
        kept, thresholds = job.kept(source, names), {}
    else:
        kept = job.kept(source, names, lambda method: [source.content(method), tuning.content(method)], tuning.scene)
        thresholds = tune(tuning, kept.without(names))
    options = {"labels": job.options.get("labels"), "tolerance": job.options.get("tolerance", TOLERANCE)}
    options |= {"thresholds": thresholds}
    with job.writing(source, kept) as write:
        for place, chunk in job.parts(source.chunks()):
            made = rows(source, chunk, kept.without(names), regions, **options)
            write(pd.concat(kept.parts(made, place)))  # together: a table has its cost for each part


def rows(
    source: Heatmaps,
    chunk: np.ndarray,
    names: Iterable[str],
    regions: Mapping[str, np.ndarray],
    *,
    labels: list[int] | None = None,
    tolerance: float = TOLERANCE,
    thresholds: Mapping[str, Mapping[int, float]] = MappingProxyType({}),
) -> dict[str, pd.DataFrame]:
    """Return the rows of each of these methods and controls, as `heatmaps.scores` gives them, for some images.

    Args:
        regions: `body`, `lungs`: bool [all images, height, width], in the order of `source.beside.masks`.
        labels: the classes whose images are scored; None for all.
        tolerance: of `Truth`.
        thresholds: of `iou_tuned`, by method or control and label; without any it is left out.
    """
    beside = source.beside
    true, places = beside.true[chunk], beside.places[chunk]  # a box is a mask by now
    masks = beside.truth(chunk)
    here = {region: torch.from_numpy(found[places]) for region, found in regions.items()}
    truth, requested = Truth(masks, here, tolerance), beside.of_classes(chunk, labels)
    blank = np.where(truth.area == 0, EMPTY.code, COVERED.code)
    missing = {"truth": np.where(true, np.where(truth.covered, "", blank), beside.untrue[chunk])}
    for region, found in truth.regions.items():
        missing[region] = np.where(found.any((1, 2)), "", NO_REGION[region].code)
    rows = {}
    for name in names:
        if name == controls.READER:
            why = [a or b for a, b in zip(requested, missing["truth"], strict=True)]
            rows[name] = _of_readers(source, chunk, truth, why, bool(thresholds))
            continue
        if name == controls.CEILING:
            maps, reasons = heatmaps.checked(controls.ceiling(masks, source.grid))
        else:
            maps, reasons = source.stack(name, chunk)
        found = thresholds.get(name, {})
        scene = Scene(maps, truth, np.array([found.get(label, np.nan) for label in beside.labels[chunk]]))
        untuned = np.where(np.isfinite(scene.thresholds), "", NOT_TUNED.code)
        missing["tuned"] = np.where(missing["truth"] == "", untuned, missing["truth"])
        parts = []
        for needed, metrics in _groups(regions, bool(thresholds)).items():
            values = {metric: METRICS[metric](scene) for metric in metrics}
            why = [a or b or c for a, b, c in zip(requested, missing[needed], reasons, strict=True)]
            parts.append(heatmaps.scores(source.images.iloc[chunk], name, values, why, NO_RELEVANCE.code))
        rows[name] = pd.concat(parts)
    return rows


def tune(source: Heatmaps, names: Iterable[str]) -> dict[str, dict[int, float]]:
    """Return the threshold of `iou_tuned` of each label, by method or control, from heatmaps of validation images."""
    found: dict[str, dict[int, float]] = {}
    labels = source.beside.labels
    for name in names:
        if name == controls.READER:
            continue
        ious = {share: np.full(len(source), np.nan) for share in GRID}
        for chunk in source.chunks():
            masks = source.beside.truth(chunk)
            maps = controls.ceiling(masks, source.grid) if name == controls.CEILING else source.stack(name, chunk)[0]
            scene = Scene(maps, masks)
            for share, values in ious.items():
                scene.thresholds = np.full(len(chunk), share)
                values[chunk] = METRICS["iou_tuned"](scene).numpy()
        found[name] = {
            int(label): tuned({share: values[labels == label] for share, values in ious.items()})
            for label in np.unique(labels)
        }
    return found


def _of_readers(source: Heatmaps, chunk: np.ndarray, truth: Truth, missing: Sequence[str], tuned: bool) -> pd.DataFrame:
    """Rows of what the other readers of some images score against the truth: the mean over those of an image."""
    beside, entries = source.beside, metrics_of("localization")
    readings = [beside.readings[image] for image in chunk]
    chosen = [name for name in METRICS if not entries[name].region and (tuned or not entries[name].tuned)]
    whole = np.full(len(chunk), 0.5)  # a reader's region has no threshold to tune
    sums, counts = (np.zeros((len(chosen), len(chunk))) for _ in range(2))
    for turn in range(max(map(len, readings))):
        here = np.array([turn < len(found) for found in readings])
        maps, peaks = np.zeros((2, *truth.masks.shape), np.float32)
        blank = np.zeros(len(chunk), bool)
        for i in np.flatnonzero(here & truth.covered):
            row, text = readings[i][turn]
            points = np.array([point.split() for point in text.split(";") if point], float).reshape(-1, 2)
            mask = beside.read[row] if row >= 0 else np.zeros(truth.masks.shape[1:], bool)
            maps[i], peaks[i] = controls.reading(mask, points, truth.distance[i])
            blank[i] = row < 0 and not len(points)
        scenes = [Scene(torch.from_numpy(of), truth, whole) for of in (maps, peaks)]
        for place, name in enumerate(chosen):
            value = METRICS[name](scenes[entries[name].peak]).numpy()
            value = np.where(blank & entries[name].blank, 0, value)
            known = here & np.isfinite(value)
            sums[place, known] += value[known]
            counts[place] += known
    with np.errstate(invalid="ignore"):
        values = dict(zip(chosen, torch.from_numpy(sums / counts), strict=True))
    why = [reason or ("" if found else NO_READER.code) for reason, found in zip(missing, readings, strict=True)]
    return heatmaps.scores(source.images.iloc[chunk], controls.READER, values, why, NOTHING_DRAWN.code)


def _groups(regions: Iterable[str], thresholds: bool) -> dict[str, list[str]]:
    """Metrics by what they need; left are those of regions that are not there, and tuned ones without thresholds."""
    groups: dict[str, list[str]] = {}
    entries = metrics_of("localization")
    for metric in METRICS:
        needed = entries[metric].region or ("tuned" if entries[metric].tuned else "truth")
        if needed in ("truth", *(["tuned"] if thresholds else []), *regions):
            groups.setdefault(needed, []).append(metric)
    return groups
