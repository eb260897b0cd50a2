"""`heatproof plan`: about how long a run will take on this machine, and how much disk, before it starts.

Each model is built, and one training step, one forward pass and each explanation method are timed; images and passes
are counted from the configuration. An estimate: other jobs on the machine make it wrong.
"""

import argparse
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from heatproof.catalogue.families import CONTROLS, families_with
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.registry import explanation_methods
from heatproof.commands.check import records_of, to_download
from heatproof.config.data import Split
from heatproof.config.load import load
from heatproof.config.study import Study
from heatproof.core.messages import InputError, Unsupported
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint
from heatproof.text.numbers import data_size
from heatproof.workflow.files import trainings

SMALL = 96  # pixels: up to this side eight images are timed at once, above it two: small ones are cheaper together
# measured on the committed runs of quickstart and phantom, in units of importing PyTorch and timm, so that they follow
# the machine: a job of one checkpoint beside what its model computes, and what a study has once (data, audit, tests,
# report, the first imports)
JOB, ONCE = 0.12, 5.0
LONG = 2 * 3600  # seconds of a job that is worth cutting


@dataclass(frozen=True)
class Cost:
    """Seconds an image, and bytes of a checkpoint, of one model on this machine.

    train: a step's share, the optimizer's too; methods: a heatmap by each.
    """

    train: float
    forward: float
    checkpoint: int
    methods: dict[str, float] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="name of a study (default: those of params.yaml)")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="number of cores for snakemake")


def run(args: argparse.Namespace) -> None:
    if args.cores < 1:
        raise InputError(f"--cores {args.cores}: must be a number above 0")
    for name, study in load(studies=args.studies).items():
        left = Left.of(name, study)
        if not left and artifacts.report_path(name).exists():
            print(f"{name}: all models are trained and explained, and the report exists; only changes will run")
            continue
        images = count_images(name, study)
        if images is None:
            print(f"{name}: {study.data.source} will be downloaded first; its number of images is not known yet")
            continue
        unit = import_seconds()
        costs = {model: measure(model, study) for model in study.models}
        device = "GPU" if _on_gpu(study) else f"{args.cores} cores"
        minutes = estimate_seconds(study, costs, left, images, args.cores, unit) / 60
        disk = estimate_bytes(study, costs, images)
        free = shutil.disk_usage(Path()).free
        print(
            f"{name}: {_models(study, left)} on about {images} images; "
            f"about {max(1, round(minutes))} minutes on {device}, {data_size(disk)} of disk "
            f"({data_size(free)} are free)"
        )
        seconds, model = longest_job(study, costs, images)
        if seconds > LONG:
            shards = math.ceil(seconds * study.compute.shards / LONG)
            print(
                f"{name}: one job of heatmaps or scores of {model} will take about {seconds / 3600:.0f} hours; "
                f"compute.shards: {shards} splits it into parts with identical results"
            )
        if disk > free:
            raise InputError(
                f"{name} needs about {data_size(disk)} and {data_size(free)} are free: free some space first"
            )


def _models(study: Study, left: "Left") -> str:
    """How many models are to be trained, and how many are the user's own."""
    given = [model for model in study.models if study.recipe(model).epochs == 0]
    todo = sum(len(jobs) for model, jobs in left.trainings.items() if model not in given)
    every = len(trainings(study)) * (len(study.models) - len(given))
    parts = [f"{todo} of {every} models to train"] if every else []
    return " and ".join(parts + ([f"{len(given) * len(study.seeds)} trained models to explain"] if given else []))


@dataclass(frozen=True)
class Left:
    """What is not there yet, by model: the (seed, fold) that are to be trained, explained, explained in variants for
    robustness and sanity, and asked for faithfulness."""

    trainings: dict[str, list[tuple[int, str]]]
    heatmaps: dict[str, list[tuple[int, str]]]
    variants: dict[str, list[tuple[int, str]]]
    faithfulness: dict[str, list[tuple[int, str]]]

    def __bool__(self) -> bool:
        return any(jobs for part in vars(self).values() for jobs in part.values())

    @classmethod
    def of(cls, name: str, study: Study) -> "Left":
        """Look which artifacts of a study are missing."""
        explained = [(seed, fold) for seed in study.seeds for fold in study.data.split.names]
        families = set(study.score.families)

        def missing(path: Callable[[Checkpoint], Path], models: list[str], jobs: list) -> dict[str, list]:
            return {m: [one for one in jobs if not path(Checkpoint(name, m, *one)).exists()] for m in models}

        return cls(
            missing(lambda one: one.card, study.models, trainings(study)),
            missing(lambda one: one.heatmaps / "maps.npy", study.named, explained),
            missing(
                lambda one: one.variants / "maps.npy",
                study.models,
                explained if families & {*families_with("needs_variants")} else [],
            ),
            missing(
                lambda one: one.scores("faithfulness"), study.named, explained if "faithfulness" in families else []
            ),
        )


def count_images(name: str, study: Study) -> int | None:
    """Images of a study, without decoding any; None where they are still to be downloaded."""
    data = study.data
    if data.drawn:
        return data.phantom.patients * data.phantom.slices
    return None if to_download(study) else len(records_of(name, study))


def _on_gpu(study: Study) -> bool:
    from heatproof.train.model import pick_device

    return pick_device(study.compute.device).type == "cuda"


@cache  # of several studies the second would find both imported
def import_seconds() -> float:
    """Return the seconds that importing PyTorch and timm takes here, which measures the machine, too."""
    started = time.perf_counter()
    import timm  # noqa: F401

    return time.perf_counter() - started


def measure(model: str, study: Study) -> Cost:
    """Time a training step and a forward pass on noise, each after one to warm up, and then each explanation method."""
    import torch

    from heatproof.explain.job import chosen_layer
    from heatproof.explain.methods import Batch
    from heatproof.train.loop import autocast, new_optimizer
    from heatproof.train.model import build, pick_device, prepare
    from heatproof.train.sources import load as open_model

    prepare(study.compute.threads)
    device = pick_device(study.compute.device)
    recipe = study.recipe(model, study.seeds[0]).model_dump()
    size = study.data.size
    if model in study.networks:
        options = {key: value for key, value in recipe.items() if key != "source"}
        classes, task = study.data.class_names, study.task
        classifier = open_model(recipe["source"], options, classes=classes, task=task).net.to(device)
    else:
        classifier = build(model, len(study.data.class_names), size)
        classifier.to(device, memory_format=torch.channels_last)
    pixels = torch.rand(8 if size <= SMALL else 2, 1, size, size, device=device)

    def seconds(step: Callable[[], object], times: int = 2) -> float:
        for _ in range(times):
            started = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
        return time.perf_counter() - started

    def gradients() -> None:
        with autocast(recipe, device):
            loss = classifier(pixels).logsumexp(1).sum()
        loss.backward()

    training = update = 0.0
    if model not in study.networks:
        training, optimizer = seconds(gradients) / len(pixels), new_optimizer(classifier, recipe)
        update = seconds(lambda: (torch.nn.utils.clip_grad_norm_(classifier.parameters(), 1.0), optimizer.step()))
        update /= recipe["batch_size"]
    classifier.eval().requires_grad_(False)
    with torch.inference_mode():
        forward = seconds(lambda: classifier(pixels)) / len(pixels)
    layer = chosen_layer(model, classifier, size, study.explaining(model, without="external"))
    methods = {}
    for name, function in explanation_methods(study.explain.methods).items():
        if METHODS[name].layer and not layer.name:  # as of ONNX
            methods[name] = 0.0
            continue
        options = dict(study.explain.model_dump()["options"].get(name) or {})
        options.pop("images", None)
        batch = partial(Batch, classifier, layer, pixels, torch.zeros(len(pixels), dtype=torch.long, device=device))
        try:
            methods[name] = seconds(lambda f=function, b=batch, o=options: f(b(), **o), 1) / len(pixels)
        except Unsupported:
            methods[name] = 0.0
    checkpoint = 4 * sum(p.numel() for p in classifier.parameters())
    return Cost(training + update, forward, checkpoint, methods)


def shares(split: Split) -> tuple[float, float, float]:
    """Of train, val and test in each fold."""
    folds = split.folds
    if split.test == "all":
        return 0.0, 0.0, 1.0
    return (split.train, split.val, split.test) if folds == 1 else (1 - 2 / folds, 1 / folds, 1 / folds)


def explained(study: Study, images: int) -> int:
    """Test images of one fold that get heatmaps, at most."""
    test = images * shares(study.data.split)[2]
    if study.data.drawn:
        return int(min(test, test / study.data.phantom.slices * study.explain.images_per_group))
    return int(test)


def faithfulness_passes(study: Study, images: int, most: int | None = None) -> int:
    """Forward passes of the faithfulness job of one checkpoint; `most` images have heatmaps, where that is known."""
    options, most = study.score.faithfulness, most or explained(study, images)
    beside = len(CONTROLS) - 2 if options.controls else 0  # ceiling and second reader are a matter of localization
    maps = len(study.explain.names) + beside
    steps = 2 * options.steps * len(options.baselines) + 1
    passes = min(options.images, most) * maps * steps
    if options.road:
        passes += min(options.road.images, most) * maps * 2 * len(options.road.percentiles)
    if options.infidelity:
        passes += min(options.infidelity.images, most) * maps * options.infidelity.samples
    if options.naopc:
        cells = options.naopc.cells**2
        passes += min(options.naopc.images, most) * (options.naopc.beam * cells * (cells + 1) + maps * 2 * cells)
    return passes if "faithfulness" in study.score.families else 0


def longest_job(study: Study, costs: dict[str, Cost], images: int) -> tuple[float, str]:
    """Seconds of the longest job of those that `compute.shards` cuts, and the model that it works on."""
    passes, maps = faithfulness_passes(study, images), explained(study, images)
    seconds = {model: max(cost.forward * passes, sum(cost.methods.values()) * maps) for model, cost in costs.items()}
    slowest = max(seconds, key=seconds.__getitem__)
    return seconds[slowest] / study.compute.shards, slowest


def varied_maps(study: Study, images: int, most: int | None = None) -> int:
    """Heatmaps of changed images and models, by each method of one checkpoint."""
    variants, most = study.explain.variants, most or explained(study, images)
    if not {*families_with("needs_variants")} & {*study.score.families}:
        return 0
    changes = len(variants.transforms) + (variants.sensitivity.draws if variants.sensitivity else 0)
    changes += variants.randomize.layers * (variants.randomize.cascade + variants.randomize.independent)
    changes += variants.random_target + variants.random_labels
    return min(variants.images, most) * changes


def explained_maps(study: Study, images: int, most: int | None = None) -> int:
    """Heatmaps of one checkpoint, those of changed images and models among them; `most` as above."""
    count = (most or explained(study, images)) + varied_maps(study, images, most) + study.explain.validation
    return count * len(study.explain.methods)


def estimate_seconds(study: Study, costs: dict[str, Cost], left: Left, images: int, cores: int, unit: float) -> float:
    """Wall time of what is not there yet, jobs side by side as far as cores and GPU allow.

    Args:
        unit: seconds that importing PyTorch and timm takes.
    """
    train, val, test = shares(study.data.split)
    passes, maps = faithfulness_passes(study, images), explained(study, images)
    jobs: list[float] = []

    def add(parts: dict[str, list[tuple[int, str]]], seconds: Callable[[str], float]) -> None:
        for model, of_model in parts.items():
            jobs.extend([seconds(model) + JOB * unit] * len(of_model))

    def training(model: str) -> float:
        cost, epochs = costs[model], study.recipe(model).epochs
        return images * (epochs * (cost.train * train + cost.forward * val) if epochs else cost.forward * test)

    def over_members(model: str, seconds: Callable[[Cost], float]) -> float:
        return sum(seconds(costs[m]) for m in ([model] if model in costs else study.members(model)))

    add(left.trainings, training)
    add(left.heatmaps, lambda model: over_members(model, lambda cost: sum(cost.methods.values())) * maps)
    add(left.variants, lambda model: sum(costs[model].methods.values()) * varied_maps(study, images))
    add(left.faithfulness, lambda model: over_members(model, lambda cost: cost.forward) * passes)
    others = set(study.score.families) - {"faithfulness"}
    add(left.heatmaps, lambda model: (len(others) - 1) * JOB * unit)
    side_by_side = 1 if _on_gpu(study) else max(1, cores // study.compute.threads)
    return ONCE * unit + max(sum(jobs) / side_by_side, max(jobs, default=0))


def estimate_bytes(study: Study, costs: dict[str, Cost], images: int) -> float:
    """Disk of everything a study leaves, and of the state of the trainings that run at a time."""
    pixels = images * study.data.size**2 * (study.data.channels + 1)
    supplied = explained(study, images) * len(study.explain.external)
    maps = (explained_maps(study, images) + supplied) * study.data.size**2 * 4
    checkpoints = sum(cost.checkpoint for cost in costs.values()) * len(trainings(study))
    heated = maps * len(costs) * len(study.seeds) * study.data.split.folds
    return pixels + checkpoints + heated + 2 * 4 * max(cost.checkpoint for cost in costs.values())
