"""Training and scoring on a GPU: throughput next to timm's own steps, how busy the GPU is, and memory.

`python -m bench.gpu --device cuda --json gpu.json`; `bench/gpu_check.sh` calls it. On a CPU the sizes are small: it
shows that the commands work.
"""

import argparse
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from timm.optim import create_optimizer_v2

from heatproof.report.paper.provenance import describe
from heatproof.score.metrics import faithfulness
from heatproof.train.loop import train
from heatproof.train.model import ImageSet, build, prepare

MODEL = {"cuda": "resnet50", "cpu": "test_resnet"}
SIZE, IMAGES, BATCH = {"cuda": 224, "cpu": 64}, {"cuda": 512, "cpu": 32}, {"cuda": 64, "cpu": 8}
STEPS, SCORED = 28, {"cuda": 64, "cpu": 4}
RECIPE = {"epochs": 2, "lr": 1e-3, "weight_decay": 0.05, "warmup_epochs": 0, "clip_norm": 1.0, "balance": False}
RECIPE |= {"augment": {"flip": True, "rotate": 10, "scale": 0.1, "shift": 0.05, "intensity": 0.1}}


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def throughput(device: torch.device, precision: str) -> dict[str, float]:
    """Images a second of heatproof's training loop, data and augmentation included, and of timm's step on one batch."""
    name, size, count, batch = (of[device.type] for of in (MODEL, SIZE, IMAGES, BATCH))
    draw = np.random.default_rng(0)
    labels = torch.from_numpy(draw.integers(0, 3, count))
    images = ImageSet(draw.integers(0, 256, (count, 1, size, size), np.uint8), np.arange(count), labels)
    few = ImageSet(images.pixels, np.arange(batch), labels[:batch])
    times: list[float] = []

    def tell(_: str) -> None:
        wait(device)
        times.append(time.perf_counter())

    options = {"key": ("bench", name, 0), "device": device, "eval_batch_size": batch, "tell": tell}
    train(build(name, 3, size), images, few, RECIPE | {"batch_size": batch, "precision": precision}, **options)
    ours = count / (times[-1] - times[-2])  # the last epoch

    net = timm.create_model(name, num_classes=3).to(device, memory_format=torch.channels_last).train()
    optimizer = create_optimizer_v2(net, opt="adamw", lr=1e-3, weight_decay=0.05)
    pixels = torch.rand(batch, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)
    target = labels[:batch].to(device)

    def step() -> None:  # as in timm's train.py, with its --amp
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = F.cross_entropy(net(pixels), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    steps = count // batch
    step()
    wait(device)
    started = time.perf_counter()
    for _ in range(steps):
        step()
    wait(device)
    theirs = steps * batch / (time.perf_counter() - started)
    return {"images_per_second": ours, "timm_images_per_second": theirs, "share": ours / theirs}


@contextmanager
def busy() -> Iterator[list[float]]:
    """Utilization of the first GPU in percent, looked at ten times a second; empty without nvidia-smi."""
    found: list[float] = []
    done = threading.Event()
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]

    def watch() -> None:
        while not done.wait(0.1):
            found.append(float(subprocess.run(query, capture_output=True, text=True, check=True).stdout))

    thread = threading.Thread(target=watch, daemon=True)
    if shutil.which("nvidia-smi"):
        thread.start()
    try:
        yield found
    finally:
        done.set()
        if thread.is_alive():
            thread.join()


def scoring(device: torch.device) -> dict[str, float | None]:
    """Forward passes a second while deletion and insertion curves are scored, and how busy the GPU is meanwhile."""
    name, size, count, batch = (of[device.type] for of in (MODEL, SIZE, SCORED, BATCH))
    model = build(name, 3, size).to(device, memory_format=torch.channels_last).eval()
    draw = torch.Generator().manual_seed(0)
    cases = [(torch.rand(1, size, size, generator=draw).to(device), torch.rand(10, size, size, generator=draw), 0)]
    options = {"steps": STEPS, "baselines": ["mean"], "batch_size": batch}
    list(faithfulness.responses(model, iter(cases), **options))
    with busy() as samples:
        started = time.perf_counter()
        list(faithfulness.responses(model, iter(cases * count), **options))
        wait(device)
        seconds = time.perf_counter() - started
    passes = count * (10 * 2 * STEPS + 1)
    return {"passes_per_second": passes / seconds, "gpu_busy": float(np.mean(samples)) / 100 if samples else None}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--json", type=Path, required=True)
    args = parser.parse_args()
    device = torch.device(args.device)
    prepare(4)
    found = {"machine": describe(), "torch": torch.__version__, "model": MODEL[args.device], "size": SIZE[args.device]}
    found["training"] = {name: throughput(device, name) for name in ("float32", "bfloat16")}
    found["scoring"] = scoring(device)
    if device.type == "cuda":
        found["peak_memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
    args.json.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
