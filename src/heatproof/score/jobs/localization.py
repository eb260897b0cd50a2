"""Localization of one checkpoint's heatmaps."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import torch

from heatproof.catalogue.metrics import metrics_of
from heatproof.catalogue.reasons import COVERED, EMPTY, NO_REGION, NO_RELEVANCE
from heatproof.score import controls, heatmaps
from heatproof.score.heatmaps import Heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics.localization import METRICS
from heatproof.score.scene import TOLERANCE, Scene, Truth
from heatproof.store import artifacts


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    folder, wanted = artifacts.data_dir(job.checkpoint.study), job.options.get("regions", [])
    regions = dict(zip(wanted, artifacts.read_array(folder / "regions.npy") if wanted else (), strict=True))
    names = [*source.names, controls.CEILING]
    kept = job.kept(source, names)
    options = {"labels": job.options.get("labels"), "tolerance": job.options.get("tolerance", TOLERANCE)}
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
) -> dict[str, pd.DataFrame]:
    """Return the rows of each of these methods and controls, as `heatmaps.scores` gives them, for some images.

    Args:
        regions: `body`, `lungs`: bool [all images, height, width], in the order of `source.beside.masks`.
        labels: the classes whose images are scored; None for all.
        tolerance: of `Truth`.
    """
    beside = source.beside
    true, places = beside.true[chunk], beside.places[chunk]  # a box is a mask by now
    masks = torch.from_numpy(beside.masks[places] & true[:, None, None])
    here = {region: torch.from_numpy(found[places]) for region, found in regions.items()}
    truth, asked = Truth(masks, here, tolerance), beside.of_classes(chunk, labels)
    blank = np.where(truth.area == 0, EMPTY.code, COVERED.code)
    missing = {"truth": np.where(true, np.where(truth.covered, "", blank), beside.untrue[chunk])}
    for region, found in truth.regions.items():
        missing[region] = np.where(found.any((1, 2)), "", NO_REGION[region].code)
    rows = {}
    for name in names:
        if name == controls.CEILING:
            maps, reasons = heatmaps.checked(controls.ceiling(masks, source.grid))
        else:
            maps, reasons = source.stack(name, chunk)
        scene, parts = Scene(maps, truth), []
        for needed, metrics in _groups(regions).items():
            values = {metric: METRICS[metric](scene) for metric in metrics}
            why = [a or b or c for a, b, c in zip(asked, missing[needed], reasons, strict=True)]
            parts.append(heatmaps.scores(source.images.iloc[chunk], name, values, why, NO_RELEVANCE.code))
        rows[name] = pd.concat(parts)
    return rows


def _groups(regions: Iterable[str]) -> dict[str, list[str]]:
    """Metrics by what they need; those of regions that the study has not are left."""
    groups: dict[str, list[str]] = {}
    entries = metrics_of("localization")
    for metric in METRICS:
        needed = entries[metric].region or "truth"
        if needed in ("truth", *regions):
            groups.setdefault(needed, []).append(metric)
    return groups
