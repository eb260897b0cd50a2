"""What heatproof's own work costs beside the model's, as ratios within one run.

`make bench` writes `results.json` ({name: {"median", "runs"}}) and the table of `README.md`. What the statistics hold
has `value` and `rows` beside, and tables in `docs/simulations.md`.
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

from bench import audit_bench, cam_bench, growth, road_bench, statistics_bench, study_bench
from heatproof.core.messages import line
from heatproof.explain.cam import gradcam
from heatproof.explain.methods import Batch
from heatproof.score.metrics import faithfulness
from heatproof.train.layers import find_target_layer
from heatproof.train.loop import train
from heatproof.train.model import ImageSet, build, prepare

HERE = Path(__file__).parent
MODULES = (road_bench, cam_bench, growth, audit_bench, study_bench)
RUNS, MODEL, SIZE, IMAGES, STEPS = 3, "resnet50", 224, 2, 28
WHAT = {
    "deletion_insertion_over_model": f"deletion and insertion, {STEPS} steps: wall time / time inside the model",
    "gradcam_over_model": "Grad-CAM: wall time / one plain forward and backward pass of the same batch",
    "training_over_model": "training at 64 px: wall time / its plain steps without data, augmentation and validation",
    **{name: text for module in MODULES for name, text in module.WHAT.items()},
    **statistics_bench.WHAT,
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
        for response in faithfulness.responses(model, iter(cases), steps=STEPS, baselines=["mean"], batch_size=32):
            faithfulness.METRICS["deletion_auc"](response.curves["mean"])
            faithfulness.METRICS["insertion_auc"](response.curves["mean"])

    total = wall(work)
    return total / model.seconds


def gradcam_over_model() -> float:
    model = build(MODEL, 3, SIZE).eval().requires_grad_(False)
    layer = find_target_layer(model, SIZE, 7)
    pixels, targets = torch.rand(IMAGES, 1, SIZE, SIZE), torch.zeros(IMAGES, dtype=torch.long)
    ours = wall(lambda: gradcam(Batch(model, layer, pixels, targets)))
    pixels.requires_grad_()
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
    shown = {name: f"{of['value']:.3f}" if "value" in of else f"{of['median']:.2f}" for name, of in results.items()}
    rows = [f"| {WHAT[name]} | `{name}` | {text} |" for name, text in shown.items()]
    return "\n".join(["| what | name | median, or value |", "| --- | --- | --- |", *rows])


def timed(name: str) -> dict:
    """Median and runs of what is timed, after one to warm up."""
    function = next(vars(module)[name] for module in (sys.modules[__name__], *MODULES) if name in vars(module))
    count = (study_bench.RUNS | growth.RUNS).get(name, RUNS)
    warm = int(count > 1)
    runs = []
    for number in range(count + warm):
        runs.append(function())
        line(f"{name}: run {number + 1 - warm} of {count}{'' if number >= warm else ' (to warm up)'}: {runs[-1]:.3f}")
    return {"median": statistics.median(runs[warm:]), "runs": runs[warm:]}


def main(names: list[str]) -> int:
    """Time what is named and leave the rest of the table as it was, or everything, into a table of its own."""
    prepare(2)
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() and names else {}
    for name in names or WHAT:
        results[name] = vars(statistics_bench)[name]() if name in statistics_bench.WHAT else timed(name)
        ordered = {known: results[known] for known in WHAT if known in results}
        path.write_text(json.dumps(ordered, indent=2) + "\n")  # what is timed stays, whatever comes
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    text = (HERE / "README.md").read_text()
    block = f"<!-- table -->\n{table(ordered)}\n\nMeasured on {machine}.\n<!-- end -->"
    (HERE / "README.md").write_text(re.sub(r"<!-- table -->.*<!-- end -->", lambda _: block, text, flags=re.S))
    statistics_bench.write(ordered)
    print(table(ordered))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
