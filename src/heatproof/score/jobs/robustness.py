"""Robustness of one checkpoint's heatmaps: under transformations of known effect, and under small noise."""

from collections.abc import Callable, Iterator

import pandas as pd
import torch

from heatproof.core.geometry import defined, draw_move, moved
from heatproof.score import controls, heatmaps
from heatproof.score.heatmaps import Stack
from heatproof.score.jobs import common
from heatproof.score.jobs.common import Scoring
from heatproof.score.metrics.changes import METRICS, UNDEFINED

NEIGHBOUR = "perturbed"
TRANSFORMS = ("flip", "shift", "rotate", "scale", "noise", "window")


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    source = common.read(job.checkpoint)
    chunks = source.chunks()
    kept = job.kept(source.plain, source.names, source.content, source.scene)
    with job.writing(source.plain, kept) as write:
        for place, chunk in job.parts(chunks):
            images = source.images.iloc[chunk]
            for method in source.names:
                if method in kept:
                    for frame in kept.run(method, place, len(chunks)):
                        write(frame)
                    continue
                plain, changed = source.pair(method, chunk)
                for rows in (_transforms, _sensitivity):
                    for frame in rows(source, images, method, plain, changed):
                        write(frame)


def _transforms(
    source: common.Variants,
    images: pd.DataFrame,
    method: str,
    plain: Stack,
    changed: Callable[[str], Stack],
) -> Iterator[pd.DataFrame]:
    """Rows of one method: one correlation a transformation, and their mean."""
    every, whys = [], []
    for transform in (t for t in TRANSFORMS if t in source.stored):
        maps, reasons = plain
        others, other_reasons = changed(transform)
        size = tuple(maps.shape[1:])
        moves = [draw_move(transform, size, (source.plain.study, image_id)) for image_id in images.image_id]
        metric = f"rank_correlation_{transform}"
        if method.startswith(controls.OTHER_IMAGE):  # it stands in for a map that has moved
            others = moved(others[:, None], moves)[:, 0]
        value = METRICS[metric](moved(maps[:, None], moves)[:, 0], others, defined(moves, size))
        why = common.undefined(value, common.first_reason(reasons, other_reasons), UNDEFINED)
        yield heatmaps.scores(images, method, {metric: value}, why)
        every.append(value)
        whys.append(why)
    if every:
        mean = {"rank_correlation_transforms": METRICS["rank_correlation_transforms"](torch.stack(every))}
        yield heatmaps.scores(images, method, mean, common.first_reason(*whys))


def _sensitivity(
    source: common.Variants,
    images: pd.DataFrame,
    method: str,
    plain: Stack,
    changed: Callable[[str], Stack],
) -> Iterator[pd.DataFrame]:
    """Rows of one method."""
    stacks = [changed(neighbour) for neighbour in source.names_of(NEIGHBOUR)]
    if stacks:
        value = METRICS["max_sensitivity"](plain[0], torch.stack([maps for maps, _ in stacks]))
        why = common.first_reason(plain[1], *(reasons for _, reasons in stacks))
        yield heatmaps.scores(images, method, {"max_sensitivity": value}, why)
