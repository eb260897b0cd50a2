"""`heatproof plan`: about how long a run will take on this machine, and how much disk, before it starts.

Each model is built and one training step and one forward pass are timed; images and passes are
counted from the configuration. An estimate: other jobs on the machine make it wrong.
"""

import argparse
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from heatproof import artifacts
from heatproof.config import load
from heatproof.errors import InputError
from heatproof.schema import Recipe, Study

START_SECONDS = 7.0  # of a job: Python, torch and timm
CONTROLS = 4  # scored beside each method


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
        missing = {
            model: [seed for seed in study.seeds if not (artifacts.model_dir(name, model, seed) / "card.json").exists()]
            for model in study.models
        }
        todo = sum(map(len, missing.values()))
        if not todo and artifacts.report_path(name).exists():
            print(f"{name}: every model is trained and the report is there; only what changed will run")
            continue
        images = count_images(study)
        costs = {model: measure(model, study) for model in study.models}
        device = "GPU" if _on_gpu(study) else f"{args.cores} cores"
        minutes = estimate_seconds(study, costs, missing, images, args.cores) / 60
        disk = estimate_bytes(study, costs, images) / 1e9
        free = shutil.disk_usage(Path()).free / 1e9
        print(
            f"{name}: {todo} of {len(study.models) * len(study.seeds)} models to train on about {images} images; "
            f"about {max(1, round(minutes))} minutes on {device}, {disk:.1f} GB of disk ({free:.0f} GB are free)"
        )
        if disk > free:
            raise InputError(f"{name} needs about {disk:.1f} GB and {free:.1f} GB are free: make room first")


def count_images(study: Study) -> int:
    """Images of a study, without decoding any."""
    if study.data.kind == "phantom":
        return study.data.phantom.patients * study.data.phantom.slices
    from heatproof.data.images import list_records

    options = study.data.model_dump(include={"masks", "patient", "size", "channels", "fit"})
    return len(list_records(Path(study.data.source), study.data.kind, study.data.classes, **options))


def _on_gpu(study: Study) -> bool:
    from heatproof.train.model import pick_device

    return pick_device(study.compute.device).type == "cuda"


def measure(model: str, study: Study) -> Cost:
    """Time one small training step and one forward pass, each after one to warm up."""
    import torch

    from heatproof.train.model import build, pick_device, prepare

    prepare(study.compute.threads)
    device = pick_device(study.compute.device)
    classifier = build(model, max(len(study.data.classes), 3), study.data.size)
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


def explained(study: Study, images: int) -> int:
    """Test images that get heatmaps, at most."""
    test = images * study.data.split.test
    if study.data.kind == "phantom":
        return int(min(test, test / study.data.phantom.slices * study.explain.images_per_group))
    return int(test)


def estimate_seconds(
    study: Study, costs: dict[str, Cost], missing: dict[str, list[int]], images: int, cores: int
) -> float:
    """Wall time of what is not there yet, jobs side by side as far as cores and GPU allow."""
    faithful = min(study.score.faithfulness.images, explained(study, images))
    passes = faithful * (len(study.explain.methods) + CONTROLS) * (2 * study.score.faithfulness.steps + 1)
    total = 0.0
    for model, seeds in missing.items():
        recipe: Recipe = study.train.recipe(model)
        cost, split = costs[model], study.data.split
        trained = recipe.epochs * images * (cost.train * split.train + cost.forward * split.val)
        scored = cost.forward * passes + 3 * cost.train * explained(study, images)
        total += len(seeds) * (trained + scored + 4 * START_SECONDS)
    side_by_side = 1 if _on_gpu(study) else max(1, cores // study.compute.threads)
    return total / min(side_by_side, max(1, sum(map(len, missing.values()))))


def estimate_bytes(study: Study, costs: dict[str, Cost], images: int) -> float:
    """Disk of everything a study leaves, and of the state of the trainings that run at a time."""
    pixels = images * study.data.size**2 * (study.data.channels + 1)
    maps = explained(study, images) * study.data.size**2 * 4 * len(study.explain.methods)
    checkpoints = sum(cost.checkpoint + maps for cost in costs.values()) * len(study.seeds)
    return pixels + checkpoints + 2 * 4 * max(cost.checkpoint for cost in costs.values())
