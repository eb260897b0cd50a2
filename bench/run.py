"""What heatproof's own work costs beside the model's, as ratios within one run.

`make bench` writes `results.json` ({name: {"median", "runs"}}) and the table of `README.md`.
"""

import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from bench import audit_bench
from heatproof.explain.cam import gradcam
from heatproof.progress import line
from heatproof.score import faithfulness
from heatproof.train.layers import find_target_layer
from heatproof.train.loop import train
from heatproof.train.model import ImageSet, build, prepare

HERE = Path(__file__).parent
RUNS, MODEL, SIZE, IMAGES, STEPS = 5, "resnet50", 224, 8, 28
WHAT = {
    "deletion_insertion_over_model": f"deletion and insertion, {STEPS} steps: wall time / time inside the model",
    "gradcam_over_model": "Grad-CAM: wall time / one plain forward and backward pass of the same batch",
    "training_over_model": "training at 64 px: wall time / its plain steps without data, augmentation and validation",
    **audit_bench.WHAT,
}


class Timed(torch.nn.Module):
    """A model that adds up the seconds spent inside it."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model, self.seconds = model, 0.0

    def forward(self, pixels):
        started = time.perf_counter()
        logits = self.model(pixels)
        self.seconds += time.perf_counter() - started
        return logits


def wall(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def deletion_insertion_over_model() -> float:
    model = Timed(build(MODEL, 3, SIZE).eval())
    draw = torch.Generator().manual_seed(0)
    pixels, maps = (torch.rand(IMAGES, *shape, generator=draw) for shape in [(1, SIZE, SIZE), (1, SIZE, SIZE)])
    cases = [(image, relevance, 0) for image, relevance in zip(pixels, maps, strict=True)]

    def work():
        for response in faithfulness.responses(model, iter(cases), steps=STEPS, baseline="mean", batch_size=32):
            faithfulness.METRICS["deletion_auc"](response)
            faithfulness.METRICS["insertion_auc"](response)

    total = wall(work)
    return total / model.seconds


def gradcam_over_model() -> float:
    model = build(MODEL, 3, SIZE).eval().requires_grad_(False)
    layer = find_target_layer(model, SIZE, 7)
    pixels = torch.rand(IMAGES, 1, SIZE, SIZE).requires_grad_()
    targets = torch.zeros(IMAGES, dtype=torch.long)
    ours = wall(lambda: gradcam(model, layer, pixels, targets))
    return ours / wall(lambda: model(pixels)[:, 0].sum().backward())


def training_over_model() -> float:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (128, 1, 64, 64), np.uint8)
    labels = torch.from_numpy(draw.integers(0, 3, 128))
    images = ImageSet(pixels, np.arange(128), labels)
    recipe = {"epochs": 1, "batch_size": 16, "lr": 1e-3, "weight_decay": 0.05, "warmup_epochs": 0, "clip_norm": 1.0}
    recipe |= {"balance": True}
    recipe["augment"] = {"flip": True, "rotate": 10, "scale": 0.1, "shift": 0.05, "intensity": 0.1}
    validation = ImageSet(pixels, np.arange(16), labels[:16])
    options = {"key": ("bench", MODEL, 0), "device": torch.device("cpu"), "eval_batch_size": 16}
    ours = wall(lambda: train(build(MODEL, 3, 64), images, validation, recipe, **options))
    model = build(MODEL, 3, 64).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    batch = torch.from_numpy(pixels[:16]).float() / 255

    def plain():
        for _ in range(8):
            optimizer.zero_grad()
            F.cross_entropy(model(batch), labels[:16]).backward()
            optimizer.step()

    return ours / wall(plain)


def table(results: dict) -> str:
    rows = [f"| {WHAT[name]} | `{name}` | {found['median']:.2f} |" for name, found in results.items()]
    return "\n".join(["| what | name | median |", "| --- | --- | --- |", *rows])


def main() -> int:
    prepare(2)
    results = {}
    for name in WHAT:
        runs = []
        for number in range(RUNS + 1):
            runs.append((globals().get(name) or getattr(audit_bench, name))())
            line(f"{name}: run {number} of {RUNS}{' (to warm up)' if not number else ''}: {runs[-1]:.3f}")
        results[name] = {"median": statistics.median(runs[1:]), "runs": runs[1:]}
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    text = (HERE / "README.md").read_text()
    block = f"<!-- table -->\n{table(results)}\n\nMeasured on {machine}.\n<!-- end -->"
    (HERE / "README.md").write_text(re.sub(r"<!-- table -->.*<!-- end -->", lambda _: block, text, flags=re.S))
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
