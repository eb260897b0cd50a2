"""`heatproof plan`: about how long a run will take on this machine, and how much disk, before it starts.

Each model is built and one training step and one forward pass are timed; images and passes are
counted from the configuration. An estimate: other jobs on the machine make it wrong.
"""

import argparse
import math
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from heatproof import artifacts
from heatproof.config import load
from heatproof.errors import InputError
from heatproof.registry import CONTROLS
from heatproof.schema import Recipe, Study
from heatproof.schema_data import Split

START_SECONDS = 7.0  # of a job: Python, torch and timm
METHOD_PASSES = 16  # forward and backward passes of a method for one image: a guess between a CAM's and an integral's

LONG = 2 * 3600  # seconds of a job that is worth cutting


@dataclass(frozen=True)
class Cost:
    """Seconds an image, and bytes of a checkpoint, of one model on this machine."""

    train: float
    forward: float
    checkpoint: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studies", nargs="*", help="names of studies; without any, those of params.yaml")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="cores that snakemake may use")


def run(args: argparse.Namespace) -> None:
    for name, study in load(studies=args.studies).items():
        missing = untrained(name, study)
        todo = sum(map(len, missing.values()))
        if not todo and artifacts.report_path(name).exists():
            print(f"{name}: every model is trained and the report is there; only what changed will run")
            continue
        images = count_images(name, study)
        if images is None:
            print(f"{name}: {study.data.source} will be downloaded first; its images are not counted yet")
            continue
        costs = {model: measure(model, study) for model in study.models}
        device = "GPU" if _on_gpu(study) else f"{args.cores} cores"
        minutes = estimate_seconds(study, costs, missing, images, args.cores) / 60
        disk = estimate_bytes(study, costs, images) / 1e9
        free = shutil.disk_usage(Path()).free / 1e9
        print(
            f"{name}: {todo} of {len(trainings(study)) * len(study.models)} models to train on about {images} images; "
            f"about {max(1, round(minutes))} minutes on {device}, {disk:.1f} GB of disk ({free:.0f} GB are free)"
        )
        seconds, model = longest_job(study, costs, images)
        if seconds > LONG:
            shards = math.ceil(seconds * study.compute.shards / LONG)
            print(
                f"{name}: one job of heatmaps or scores of {model} will take about {seconds / 3600:.0f} hours; "
                f"compute.shards: {shards} cuts it into parts, with the same bytes"
            )
        if disk > free:
            raise InputError(f"{name} needs about {disk:.1f} GB and {free:.1f} GB are free: make room first")


def trainings(study: Study) -> list[tuple[int, str]]:
    """(seed, fold) of every training of each model: those of a random split and of shuffled labels too."""
    folds = study.data.split.names
    wanted = [(seed, fold) for seed in study.seeds for fold in folds + study.data.split.compared]
    varied = {"robustness", "sanity"} & set(study.score.families)
    if study.explain.variants.random_labels and varied:
        wanted += [(study.seeds[0], fold.replace("fold", artifacts.SHUFFLED)) for fold in folds]
    return wanted


def untrained(name: str, study: Study) -> dict[str, list[tuple[int, str]]]:
    """Model -> the (seed, fold) that are to be trained."""
    return {
        model: [one for one in trainings(study) if not (artifacts.model_dir(name, model, *one) / "card.json").exists()]
        for model in study.models
    }


def count_images(name: str, study: Study) -> int | None:
    """Images of a study, without decoding any; None where they are still to be downloaded."""
    data = study.data
    if data.kind == "phantom":
        return data.phantom.patients * data.phantom.slices
    if data.download and not Path(data.source).expanduser().exists():
        return None
    from heatproof.data.reading.sources import list_records

    resolved = {"class_names": data.class_names, "group_kind": data.group_kind, "task": study.task}
    return len(list_records(name, data.model_dump() | resolved)[1])


def _on_gpu(study: Study) -> bool:
    from heatproof.train.model import pick_device

    return pick_device(study.compute.device).type == "cuda"


def measure(model: str, study: Study) -> Cost:
    """Time one small training step and one forward pass, each after one to warm up."""
    import torch

    from heatproof.train.model import build, pick_device, prepare

    prepare(study.compute.threads)
    device = pick_device(study.compute.device)
    classifier = build(model, len(study.data.class_names), study.data.size)
    classifier.to(device, memory_format=torch.channels_last)
    pixels = torch.rand(8, 1, study.data.size, study.data.size, device=device)

    def seconds(step) -> float:
        for _ in range(2):
            started = time.perf_counter()
            step()
            if device.type == "cuda":
                torch.cuda.synchronize()
        return (time.perf_counter() - started) / len(pixels)

    training = seconds(lambda: classifier(pixels).logsumexp(1).sum().backward())
    classifier.eval()
    with torch.inference_mode():
        forward = seconds(lambda: classifier(pixels))
    return Cost(training, forward, 4 * sum(p.numel() for p in classifier.parameters()))


def shares(split: Split) -> tuple[float, float, float]:
    """Of train, val and test in each fold."""
    folds = split.folds
    return (split.train, split.val, split.test) if folds == 1 else (1 - 2 / folds, 1 / folds, 1 / folds)


def explained(study: Study, images: int) -> int:
    """Test images of one fold that get heatmaps, at most."""
    test = images * shares(study.data.split)[2]
    if study.data.kind == "phantom":
        return int(min(test, test / study.data.phantom.slices * study.explain.images_per_group))
    return int(test)


def faithfulness_passes(study: Study, images: int, most: int | None = None) -> int:
    """Forward passes of the faithfulness job of one checkpoint; `most` images have heatmaps, where that is known."""
    options, most = study.score.faithfulness, most or explained(study, images)
    maps = len(study.explain.names) + len(CONTROLS) - 1  # the ceiling is a matter of localization
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
    passes, maps = faithfulness_passes(study, images), explained(study, images) * len(study.explain.methods)
    seconds = {model: max(cost.forward * passes, cost.train * METHOD_PASSES * maps) for model, cost in costs.items()}
    slowest = max(seconds, key=seconds.__getitem__)
    return seconds[slowest] / study.compute.shards, slowest


def explained_maps(study: Study, images: int, most: int | None = None) -> int:
    """Heatmaps of one checkpoint, those of changed images and models among them; `most` as above."""
    config, most = study.explain, most or explained(study, images)
    count = most * len(config.methods)
    if {"robustness", "sanity"} & set(study.score.families):
        variants = config.variants
        changes = len(variants.transforms) + (variants.sensitivity.draws if variants.sensitivity else 0)
        changes += variants.randomize.layers * (variants.randomize.cascade + variants.randomize.independent)
        changes += variants.random_target + variants.random_labels
        count += min(variants.images, most) * changes * len(config.methods)
    return count


def estimate_seconds(
    study: Study, costs: dict[str, Cost], missing: dict[str, list[tuple[int, str]]], images: int, cores: int
) -> float:
    """Wall time of what is not there yet, jobs side by side as far as cores and GPU allow."""
    passes, maps = faithfulness_passes(study, images), explained_maps(study, images)
    total = 0.0
    train, val, _ = shares(study.data.split)
    for model, jobs in missing.items():
        recipe: Recipe = study.train.recipe(model)
        cost, heated = costs[model], sum(fold in study.data.split.names for _, fold in jobs)
        trained = recipe.epochs * images * (cost.train * train + cost.forward * val)
        scored = cost.forward * passes + cost.train * METHOD_PASSES * maps
        total += len(jobs) * (trained + START_SECONDS) + heated * (
            scored + (len(study.score.families) + 2) * START_SECONDS
        )
    for name in study.ensembles:  # asked what its members are asked, once more
        members = study.members(name)
        times = sum(fold in study.data.split.names for _, fold in missing[members[0]])
        total += times * sum(costs[m].forward * passes + costs[m].train * METHOD_PASSES * maps for m in members)
    side_by_side = 1 if _on_gpu(study) else max(1, cores // study.compute.threads)
    return total / min(side_by_side, max(1, sum(map(len, missing.values()))))


def estimate_bytes(study: Study, costs: dict[str, Cost], images: int) -> float:
    """Disk of everything a study leaves, and of the state of the trainings that run at a time."""
    pixels = images * study.data.size**2 * (study.data.channels + 1)
    brought = explained(study, images) * len(study.explain.external)
    maps = (explained_maps(study, images) + brought) * study.data.size**2 * 4
    checkpoints = sum(cost.checkpoint for cost in costs.values()) * len(trainings(study))
    heated = maps * len(costs) * len(study.seeds) * study.data.split.folds
    return pixels + checkpoints + heated + 2 * 4 * max(cost.checkpoint for cost in costs.values())
