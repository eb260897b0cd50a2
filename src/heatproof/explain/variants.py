"""`heatproof job variants`: heatmaps of changed images and of changed models, for robustness and sanity."""

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import astuple, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from heatproof.catalogue.reasons import NO_REDRAW
from heatproof.core.geometry import Key
from heatproof.core.messages import InputError, line, steps
from heatproof.explain.changes import (
    absent_targets,
    depths,
    other_targets,
    perturbed,
    replaced,
    transformed,
    units,
    untrained,
)
from heatproof.explain.job import Job, open_job, recipes, some
from heatproof.explain.methods import Batch
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint, truth
from heatproof.store.kept import KeptMaps
from heatproof.store.sealing import Share
from heatproof.train.checkpoint import opened


class Variant(NamedTuple):
    """One change: of the pixels, of the class that is explained, or of some of the model's tensors; or why it cannot be
    made."""

    name: str
    pixels: Callable[[Tensor, Sequence[Key]], Tensor] | None = None
    targets: Callable[[Tensor, Sequence[Key]], Tensor] | None = None
    tensors: tuple[str, ...] = ()
    missing: str = ""


class Chosen(NamedTuple):
    """Images of the job: their places among its rows, and the class explained of each, which no variant changes."""

    places: np.ndarray
    targets: Tensor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    Checkpoint.add_arguments(parser)
    parser.add_argument("--config", required=True, type=json.loads, help="section explain, as JSON")
    parser.add_argument("--compute", required=True, type=json.loads, help="section compute, as JSON")
    parser.add_argument(
        "--code", type=json.loads, help="digest of the code behind each method, as JSON; without it nothing is kept"
    )
    parser.add_argument("--random-labels", action="store_true", help="explain a model of shuffled labels too")


def run(args: argparse.Namespace) -> None:
    """Explain a seeded subset of the images under every variant and write `<heatmaps>/variants/`.

    Maps are stored as the method gave them, in the frame of the changed image. Random draws of a method are those of
    the plain map: what differs is the variant alone.

    Raises:
        InputError: no variant is requested, or an artifact is missing or damaged.
    """
    checkpoint, section, compute, random_labels = Checkpoint.of(args), args.config, args.compute, args.random_labels
    job, config = open_job(checkpoint, section, compute), section["variants"]
    images = job.manifest.iloc[job.rows]
    places = some(checkpoint.study, images, job.cases, config["images"])
    size = section["batch_size"]
    parts = [places[start : start + size] for start in range(0, len(places), size)]
    chosen = [Chosen(part, job.batch(part).targets) for part in parts]
    requested = _requested(job, config)
    models = {variant.tensors for variant in requested if variant.tensors}
    fresh = _untrained(checkpoint, job) if models else None
    count = sum(not (variant.tensors or variant.missing) for variant in requested) + len(models) + random_labels
    if not (requested or random_labels):
        raise InputError(
            "explain.variants: no variant is configured; name transforms, or leave out the families of scores"
        )
    paths = checkpoint.variants / "maps.npy", checkpoint.variants / "index.parquet"
    known = recipes(checkpoint, section, compute, args.code, shuffled=random_labels)
    kept = KeptMaps.of(f"{checkpoint}: variants", paths, known)
    shape = (count * sum(int(job.chosen[name][places].sum()) for name in job.methods), job.size, job.size)
    frames: list[pd.DataFrame] = []
    made: dict[tuple[str, ...], pd.DataFrame] = {}  # the head alone ends the shortest cascade, too
    with artifacts.writing_array(paths[0], shape, "float32") as array:
        for variant in steps(requested, len(requested), f"{job.name}: variants"):
            if variant.tensors in made:
                frames.append(made[variant.tensors].assign(variant=variant.name))
                continue
            with replaced(job.model, fresh, variant.tensors) if variant.tensors else nullcontext():
                frames.append(_explained(job, variant, chosen, array, frames, kept))
            if variant.tensors:
                made[variant.tensors] = frames[-1]
        if random_labels:
            shuffled = checkpoint.at(fold=checkpoint.fold.replace("fold", artifacts.SHUFFLED))
            other = open_job(shuffled, section, compute)
            job = replace(other, rows=job.rows, cases=job.cases, chosen=job.chosen)  # it may predict other labels
            frames.append(_explained(job, Variant("random_labels"), chosen, array, frames, kept))
    artifacts.write_table(paths[1], pd.concat(frames, ignore_index=True), artifacts.HEATMAPS)
    kept.store(Share())


def _untrained(checkpoint: Checkpoint, job: Job) -> nn.Module:
    """The model as it starts before training."""
    if "source" in job.card:
        return opened("source").untrained(job.card, "explain", "randomize", *astuple(checkpoint))
    return untrained(checkpoint.model, len(job.classes), job.size, *astuple(checkpoint))


def _requested(job: Job, config: dict) -> list[Variant]:
    """The variants of one checkpoint, as `explain.variants` asks for them."""
    found = [Variant(name, pixels=partial(transformed, name)) for name in config["transforms"]]
    if sensitivity := config["sensitivity"]:
        for draw in range(sensitivity["draws"]):
            change = partial(perturbed, draw=draw, radius=sensitivity["radius"])
            found.append(Variant(f"perturbed{draw}", pixels=change))
    randomize = config["randomize"]
    if job.card.get("fixed") and (randomize["cascade"] or randomize["independent"]):
        kinds = [kind for kind in ("cascade", "independent") if randomize[kind]]
        line(f"{job.name}: no randomized weights: {NO_REDRAW.text}")
        found += [Variant(f"{kind}:", missing=NO_REDRAW.code) for kind in kinds]
        randomize = dict.fromkeys(randomize, 0)
    layers = units(job.model, job.batch(np.arange(1)).pixels) if randomize["layers"] else []
    for depth in depths(len(layers), randomize["layers"]):
        name, above = layers[depth].name, layers[: depth + 1]
        if randomize["cascade"]:
            found.append(Variant(f"cascade:{name}", tensors=tuple(t for unit in above for t in unit.tensors)))
        if randomize["independent"]:
            found.append(Variant(f"independent:{name}", tensors=layers[depth].tensors))
    if config["random_target"]:
        found.append(Variant("random_target", targets=partial(_others, job, len(job.classes))))
    return found


def _explained(
    job: Job,
    variant: Variant,
    chosen: list[Chosen],
    array: np.ndarray,
    before: list[pd.DataFrame],
    kept: KeptMaps,
) -> pd.DataFrame:
    """Fill the array with the maps of one variant, behind those of `before`, and give their index."""
    filled = 1 + max((frame["row"].max() for frame in before), default=-1)
    parts, done = [], 0
    for places, targets in chosen:
        batch = None
        if variant.missing or not kept.names.issuperset(job.methods):
            batch = _batch(job, variant, places, targets)
        rows = np.arange(done, done := done + len(places))
        for name in job.methods:
            if variant.missing:
                empty = {"degenerate": variant.missing, "gap": np.nan, "row": -1, "variant": variant.name}
                parts.append(job.index(name, places, batch, **empty))
                continue
            if name in kept:
                part, maps = kept.part(name, rows, variant.name)
            else:
                part, maps = job.part(name, places, batch, variant.name)
            parts.append(part.assign(row=part["row"].where(part["row"] < 0, part["row"] + filled)))
            array[filled : filled + len(maps)] = maps
            filled += len(maps)
    return pd.concat(parts, ignore_index=True)


def _others(job: Job, classes: int, targets: Tensor, keys: Sequence[Key]) -> Tensor:
    """Of each image another class than the one explained; where it can have several labels, one that it has not."""
    if job.cases is None:
        return other_targets(targets, classes, keys)
    there = pd.DataFrame(truth(job.manifest, classes), index=job.manifest["image_id"])
    return absent_targets(targets, torch.from_numpy(there.loc[[key[-1] for key in keys]].to_numpy()), keys)


def _batch(job: Job, variant: Variant, places: np.ndarray, targets: Tensor) -> Batch:
    rows = job.rows[places]
    keys = [(job.study, image_id) for image_id in job.manifest["image_id"].iloc[rows]]
    pixels = torch.from_numpy(job.pixels[rows]).to(job.device).float() / 255
    pixels = variant.pixels(pixels, keys) if variant.pixels else pixels
    targets = variant.targets(targets, keys) if variant.targets else targets
    return Batch(job.model, job.layer, pixels, targets, keys)
