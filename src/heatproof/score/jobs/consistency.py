"""Consistency of one model's heatmaps: over its seeds, and with the heatmaps of the other models."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from heatproof.catalogue.families import CONTROLS
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.reasons import (
    ONE_FILE_FOR_MODELS,
    ONE_FILE_FOR_SEEDS,
    ONE_MODEL,
    ONE_SEED,
    OTHER_CLASSES,
    Reason,
    is_unsupported,
)
from heatproof.score import controls, heatmaps
from heatproof.score.heatmaps import Heatmaps, Stack
from heatproof.score.jobs.common import Scoring, first_reason
from heatproof.score.metrics.consistency import METRICS
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint

OTHER_CLASS = OTHER_CLASSES.code
MODELS = ("iou_models", "rank_correlation_models")
SEEDS = ("iou_seeds", "iou_reference", "rank_correlation_seeds")

Stacks = dict[str, Stack]


def run(job: Scoring) -> None:
    torch.set_num_threads(job.compute["threads"])
    of_seeds = [job.checkpoint.at(seed=seed) for seed in job.seeds]
    first = heatmaps.read(job.checkpoint.study, of_seeds[0].heatmaps)
    own = [_opened(one, first, of_seeds[0]) for one in of_seeds]
    rivals = [model for model in job.models if model != job.checkpoint.model]
    others = {model: [_opened(one.at(model=model), first, of_seeds[0]) for one in of_seeds] for model in rivals}
    every = [*own, *(source for sources in others.values() for source in sources)]
    names = list(dict.fromkeys([*first.names, *first.others]))
    kept = job.kept(
        first,
        names,
        lambda method: [source.content(method) for source in every],
        [source.scene for source in every],
        job.seeds,
        list(others),
    )
    new = kept.without(names)
    with job.writing(first, kept) as write:
        for place, chunk in job.parts(first.chunks()):

            def stacks(source: Heatmaps, *draw: int | str, chunk: np.ndarray = chunk) -> Stacks:
                return _stacks(source, first, chunk, new, *draw)

            by_seed = [stacks(source, seed) for seed, source in zip(job.seeds, own, strict=True)]
            # the random controls are those of a seed, equal for all models: another model draws its own here
            theirs = (
                [stacks(source, seed, model) for seed, source in zip(job.seeds, sources, strict=True)]
                for model, sources in others.items()
            )
            # a table has the rows over seeds of all methods before those over models
            compared = _across_seeds(first, chunk, new, by_seed), _across_models(first, chunk, new, by_seed, theirs)
            for step, made in enumerate(map(dict, compared)):
                for name in names:
                    write(kept.rows(name, 2 * place + step) if name in kept else made[name])


def _opened(checkpoint: Checkpoint, first: Heatmaps, reference: Checkpoint) -> Heatmaps:
    """The heatmaps of another checkpoint: of the same images, by the same methods.

    Raises:
        ArtifactError: they are of others.
    """
    source = heatmaps.read(checkpoint.study, checkpoint.heatmaps)
    if first.multilabel and source.multilabel:
        source = source.of_cases(first.images, OTHER_CLASS)  # each may predict labels that the other does not
    if not source.images.image_id.equals(first.images.image_id) or source.methods != first.methods:
        raise artifacts.ArtifactError(
            f"{checkpoint.heatmaps}: other images or methods than "
            f"seed {reference.seed} of {reference.model} has; delete the folder and run again"
        )
    return source


def _stacks(source: Heatmaps, first: Heatmaps, chunk: np.ndarray, names: list[str], *draw: str | int) -> Stacks:
    """Maps of one checkpoint by some methods and controls, and by those methods whose maps the controls show; where it
    explains another class than the first one, the reason says so."""
    same = (source.images.target.to_numpy() == first.images.target.to_numpy())[chunk]
    stacks = {}
    for name in dict.fromkeys([*(first.shown(name) or name for name in names), *names]):
        method = first.shown(name)
        stacks[name] = source.stack(name, chunk, *draw) if method in (None, name) else source.other(method, chunk)
    return {
        method: (maps, [why or ("" if equal else OTHER_CLASS) for why, equal in zip(reasons, same, strict=True)])
        for method, (maps, reasons) in stacks.items()
    }


def _pairs(
    first: Heatmaps, names: list[str], by_seed: list[Stacks], others: list[Stacks]
) -> Iterator[tuple[str, list, list]]:
    """For each method and control the maps by every seed, and those that they are compared with.

    The control `other_image` compares an image's own map with the map of the other image, method by method.
    """
    for name in names:
        left = first.shown(name) or name
        yield name, [stacks[left] for stacks in by_seed], [stacks[name] for stacks in others]


def _maps(stacks: list[Stack]) -> Tensor:
    return torch.stack([maps for maps, _ in stacks])


def _reasons(stacks: list[Stack]) -> list[list[str]]:
    return [reasons for _, reasons in stacks]


def _same(method: str, own: list[Stack], others: list[Stack], why: Reason) -> list[str]:
    """Why maps made elsewhere agree: a file that several checkpoints share would be compared with itself."""
    external = method not in METHODS and method not in CONTROLS
    pairs = list(zip(own, others, strict=False))
    if not external or not pairs or method.startswith(controls.OTHER_IMAGE):
        return [""] * len(own[0][1])
    equal = [(a == b).flatten(1).all(1) for (a, _), (b, _) in pairs]
    return [why.code if found else "" for found in torch.stack(equal).any(0).tolist()]


def _across_seeds(
    first: Heatmaps, chunk: np.ndarray, names: list[str], by_seed: list[Stacks]
) -> Iterator[tuple[str, pd.DataFrame]]:
    for method, own, others in _pairs(first, names, by_seed, by_seed):
        values = {metric: METRICS[metric](_maps(own), _maps(others)) for metric in SEEDS}
        compared = _reasons(own[:-1] + others[1:]) or [[ONE_SEED.code] * len(chunk)]
        compared.append(_same(method, own, others[1:], ONE_FILE_FOR_SEEDS))
        yield method, heatmaps.scores(first.images.iloc[chunk], method, values, first_reason(*compared))


def _across_models(
    first: Heatmaps, chunk: np.ndarray, names: list[str], by_seed: list[Stacks], models: Iterator[list[Stacks]]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """One other model's maps are in memory at a time; one that cannot carry a method is left out of its mean."""
    values: dict[str, list[Tensor]] = {method: [] for method in names}
    reasons: dict[str, list[list[str]]] = {method: [] for method in names}
    for theirs in models:
        for method, own, others in _pairs(first, names, by_seed, theirs):
            if not any(is_unsupported(reason) for part in _reasons(others) for reason in part):
                one = [METRICS[metric](_maps(own), _maps(others)[None]) for metric in MODELS]
                values[method].append(torch.stack(one))
                same = _same(method, own, others, ONE_FILE_FOR_MODELS)
                reasons[method].append(first_reason(*_reasons(own + others), same))
    for method, own, _ in _pairs(first, names, by_seed, by_seed):
        none = torch.full((len(MODELS), len(chunk)), torch.nan, dtype=torch.float64)
        mean = torch.stack(values[method] or [none]).mean(0)
        why = first_reason(*(reasons[method] or [*_reasons(own), [ONE_MODEL.code] * len(chunk)]))
        yield method, heatmaps.scores(first.images.iloc[chunk], method, dict(zip(MODELS, mean, strict=True)), why)
