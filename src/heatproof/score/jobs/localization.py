"""Localization of one checkpoint's heatmaps."""

import numpy as np
import pandas as pd
import torch

from heatproof.catalogue.metrics import metrics_of
from heatproof.catalogue.reasons import COVERED, EMPTY, NO_REGION, NO_RELEVANCE
from heatproof.score import controls, heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics.localization import METRICS
from heatproof.score.scene import TOLERANCE, Scene, Truth
from heatproof.store import artifacts


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = heatmaps_of(job.checkpoint)
    folder, wanted = artifacts.data_dir(job.checkpoint.study), job.options.get("regions", [])
    all_masks = artifacts.read_array(folder / "masks.npy")
    all_regions = artifacts.read_array(folder / "regions.npy") if wanted else ()
    groups = _groups(wanted)
    names = [*source.names, controls.CEILING]
    kept = job.kept(source, names)
    with job.writing(source, kept) as write:
        for place, chunk in job.parts(source.chunks()):
            true, places = source.beside.true[chunk], source.beside.places[chunk]  # a box is a mask by now
            asked = source.beside.of_classes(chunk, job.options.get("labels"))
            masks = torch.from_numpy(all_masks[places] & true[:, None, None])
            regions = {
                region: torch.from_numpy(found[places]) for region, found in zip(wanted, all_regions, strict=True)
            }
            truth = Truth(masks, regions, job.options.get("tolerance", TOLERANCE))
            blank = np.where(truth.area == 0, EMPTY.code, COVERED.code)
            missing = {"truth": np.where(true, np.where(truth.covered, "", blank), source.beside.untrue[chunk])}
            for region, found in truth.regions.items():
                missing[region] = np.where(found.any((1, 2)), "", NO_REGION[region].code)
            stacks = source.stacks(chunk, names=kept.without(source.names))
            if controls.CEILING not in kept:
                stacks[controls.CEILING] = heatmaps.checked(controls.ceiling(masks, source.grid))
            made = {}
            for method, (maps, reasons) in stacks.items():
                scene, parts = Scene(maps, truth), []
                for needed, metrics in groups.items():
                    values = {metric: METRICS[metric](scene) for metric in metrics}
                    why = [a or b or c for a, b, c in zip(asked, missing[needed], reasons, strict=True)]
                    parts.append(heatmaps.scores(source.images.iloc[chunk], method, values, why, NO_RELEVANCE.code))
                made[method] = pd.concat(parts)
            write(pd.concat(kept.parts(made, place)))  # together: a table has its cost for each part


def _groups(regions: list[str]) -> dict[str, list[str]]:
    """Metrics by what they need; those of regions that the study has not are left."""
    groups: dict[str, list[str]] = {}
    entries = metrics_of("localization")
    for metric in METRICS:
        needed = entries[metric].region or "truth"
        if needed in ("truth", *regions):
            groups.setdefault(needed, []).append(metric)
    return groups
