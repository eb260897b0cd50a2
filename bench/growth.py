"""What more images, methods, models and seeds cost: whether time and memory a unit stay flat.

A job's cost is the CPU time of its process, which a busy machine changes least, and its peak of memory that no file
backs. The ratio is that of what one more unit costs at the large end and at the small end, so that starting Python and
torch does not hide growth: 1 is flat, 1.2 is a fifth dearer.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from functools import cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from heatproof.config.load import load, section
from heatproof.core.messages import line
from heatproof.store import artifacts
from heatproof.train.model import build, save

MODEL, SIZE, CLASSES = "test_resnet", 32, ["a", "b", "c"]
ROOT = Path(__file__).parents[1]
SIZES = {"images": (100, 4_000, 20_000), "methods": (1, 10, 20), "models": (5, 30, 50)}
JOBS = {  # what grows, and the jobs that are timed
    "images": ("data", "explain", "localization", "complexity", "faithfulness"),
    "methods": ("localization", "stats"),
    "models": ("stats",),
}
# ROAD and NAOPC stream as the curves do, and take longest: they are given fewer images
FAITHFULNESS = {"steps": 2, "baselines": ["mean"], "batch_size": 64, "controls": True}
FAITHFULNESS |= {"road": {"images": 100, "percentiles": [90], "noise": 0.01}}
FAITHFULNESS |= {"naopc": {"images": 32, "beam": 1, "cells": 2}, "infidelity": {"images": 100, "samples": 2}}


def _what(kind: str, what: str) -> str:
    sizes, unit = SIZES[what], "pair of models" if what == "models" else what[:-1]
    said = {
        "time": f"CPU time of one more {unit} at the large end / at the small end",
        "memory": "peak anonymous memory at the large end / at the small end",
    }
    return f"{said[kind]}, {sizes[0]:,} to {sizes[-1]:,} {what}, the largest of {', '.join(JOBS[what])}"


ENTRIES = [("time", "images"), ("memory", "images"), ("time", "methods"), ("time", "models")]
WHAT = {f"{kind}_by_{what}": _what(kind, what) for kind, what in ENTRIES}
RUNS = dict.fromkeys(WHAT, 1)


def _write_study(study: str, images: int) -> None:
    """A study of noise with masks, the checkpoint of a tiny network, and maps of noise: no number in it matters."""
    draw = np.random.default_rng(0)
    ids, groups = [f"image{n}" for n in range(images)], [f"patient{n // 2}" for n in range(images)]
    square = {"width": SIZE, "height": SIZE}
    manifest = {"image_id": ids, "sha256": "0", "source": "made", "label": np.arange(images) % 3, "group": groups}
    manifest |= {"fold0": ["train", *["test"] * (images - 1)], "truth": "mask"} | square
    artifacts.write_manifest(study, pd.DataFrame(manifest))
    data = artifacts.data_dir(study)
    facts = {"image_id": ids, "mode": "L", "format": "PNG", "quality": np.nan, "bytes": 1, "truth_kept": np.nan}
    facts |= {"cue": False} | dict.fromkeys(("top", "bottom", "left", "right", "same_pixels"), 0)
    artifacts.write_table(data / "facts.parquet", pd.DataFrame(facts), artifacts.FACTS)
    artifacts.write_array(data / "pixels.npy", draw.integers(0, 256, (images, 1, SIZE, SIZE), np.uint8))
    masks = np.zeros((images, SIZE, SIZE), bool)
    masks[:, 4:12, 8:20] = True
    artifacts.write_array(data / "masks.npy", masks)

    folder = artifacts.Checkpoint(study, MODEL, 0, "fold0").folder
    folder.mkdir(parents=True)
    save(build(MODEL, len(CLASSES), SIZE), folder / "model.safetensors")
    card = {"architecture": MODEL, "classes": CLASSES, "size": SIZE}
    artifacts.write_json(folder / "card.json", card | {"sha256": artifacts.digest(folder / "model.safetensors")})

    index = {"image_id": ids, "group": groups, "method": "noise", "target": 0, "predicted": 0, "layer": "last"}
    index |= {"grid_height": 4, "grid_width": 4, "degenerate": "", "variant": "", "gap": np.nan, "signed": False}
    folder = artifacts.Checkpoint(study, MODEL, 0, "fold0").heatmaps
    artifacts.write_array(folder / "maps.npy", draw.random((images, SIZE, SIZE), np.float32))
    artifacts.write_table(folder / "index.parquet", pd.DataFrame(index | {"row": range(images)}), artifacts.HEATMAPS)


def _anonymous(process: int) -> int:
    """KiB of a process that are not mapped from a file, 0 once it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)


def cost(*job: str) -> tuple[float, int]:
    """CPU seconds of a job and the KiB of its peak, looked at fifty times a second."""
    before, peak = os.times(), 0
    process = subprocess.Popen(
        [sys.executable, "-m", "heatproof", "job", *job], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    while process.poll() is None:
        peak = max(peak, _anonymous(process.pid))
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(process.stderr.read().decode())
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, peak


def _checkpoint(*command: str) -> list[str]:
    compute = json.dumps({"device": "cpu", "threads": 1, "batch_size": 64})
    return [*command, "--model", MODEL, "--seed", "0", "--fold", "fold0", "--compute", compute]


def _data(images: int) -> list[str]:
    data = {"size": SIZE, "phantom": {"patients": images // 2, "slices": 2}}
    tiny = load(ROOT, {"data": data}, ["tiny"])["tiny"]
    resolved = {"class_names": tiny.data.class_names, "group_kind": tiny.group_kind, "fingerprint": None}
    return ["data", "--study", f"of{images}", "--config", section(tiny.data.model_dump(exclude={"audit"}), resolved)]


def _explain(images: int) -> list[str]:
    _write_study(f"of{images}", images)
    options = {"methods": ["gradcam", "integrated_gradients"], "options": {"integrated_gradients": {"steps": 4}}}
    config = load(ROOT, {"explain": options | {"images_per_group": 2, "min_grid": 1}}, ["tiny"])["tiny"].explain
    command = ["explain", "--study", f"of{images}", "--config", section(config.model_dump(exclude={"variants"}))]
    return _checkpoint(*command)


def _score(family: str, images: int, methods: int = 1) -> list[str]:
    study = f"of{images}"
    _write_study(study, images)
    folder = artifacts.Checkpoint(study, MODEL, 0, "fold0").heatmaps
    maps = artifacts.read_array(folder / "maps.npy")
    index = artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS)
    many = [index.assign(method=f"noise{n}", row=index["row"] + n * images) for n in range(methods)]
    artifacts.write_array(folder / "maps.npy", np.concatenate([maps] * methods))
    artifacts.write_table(folder / "index.parquet", pd.concat(many), artifacts.HEATMAPS)
    config = json.dumps({"images": images, **FAITHFULNESS} if family == "faithfulness" else {})
    return _checkpoint("score", family, "--study", study, "--config", config)


def _stats(models: int = 5, seeds: int = 2, methods: int = 1, images: int = 240) -> list[str]:
    """Predictions that are right, and scores that differ between models and patients: of so many cells that the mixed
    model, whose time grows with their cube, is left out at every size."""
    study, names = "tested", [f"model{n}" for n in range(models)]
    of_study = [f"noise{n}" for n in range(methods)]
    _write_study(study, images)
    manifest, draw = artifacts.read_manifest(study), np.random.default_rng(0)
    artifacts.write_json(artifacts.data_dir(study) / "digest.json", {"classes": ["a", "b", "c"]})
    label = manifest["label"].to_numpy("int64")
    sure = pd.DataFrame(np.eye(3)[label], columns=[f"p_{k}" for k in range(3)])
    predictions = manifest[["image_id", "split", "label"]].assign(predicted=label).join(sure)
    test = manifest.loc[manifest["split"] == "test", ["image_id", "group"]]
    easy = dict(zip(test["group"], draw.normal(size=len(test)), strict=True))
    for place, model in enumerate(names):
        level = test["group"].map(easy) + place / models
        for seed in range(seeds):
            path = artifacts.Checkpoint(study, model, seed, "fold0").predictions
            artifacts.write_table(path, predictions, artifacts.PREDICTIONS)
            parts = [
                test.assign(method=method, metric="relevance_rank_accuracy", value=level + draw.normal(size=len(test)))
                for method in [*of_study, "random", "lowres_noise", "center", "other_image"]
            ]
            scores = pd.concat(parts).assign(model=model, seed=seed, reason="")
            artifacts.write_table(
                artifacts.Checkpoint(study, model, seed, "fold0").scores("localization"), scores, artifacts.SCORES
            )
    tiny = load(ROOT, {}, ["tiny"])["tiny"]
    resolved = {"group_kind": "patient", "patients_known": True, "split_by": "patient", "claims": {}}
    score = {"families": ["localization"], "primary": {"localization": "relevance_rank_accuracy"}}
    command = ["stats", "--study", study, "--models", *names, "--seeds", *map(str, range(seeds))]
    command += ["--folds", "fold0", "--methods", *of_study, "--setting", section(tiny.training)]
    return [*command, "--config", section(tiny.stats, resolved), "--score-config", json.dumps(score)]


def called(job: str, what: str, size: int) -> list[str]:
    """Write what a job of that size reads, and say how it is called."""
    if job == "stats":
        return _stats(**{what: size})
    if what == "methods":
        return _score(job, 1_000, size)
    return {"data": _data, "explain": _explain}.get(job, lambda images: _score(job, images))(size)


@cache
def ratios(job: str, what: str) -> dict[str, float]:
    costs = {}
    for size in SIZES[what]:
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            costs[size] = cost(*called(job, what, size))
    seconds, memory = ({size: of[place] for size, of in costs.items()} for place in (0, 1))
    few, _, many = SIZES[what]
    early, late = ((seconds[b] - seconds[a]) / (_units(what, b) - _units(what, a)) for a, b in pairwise(SIZES[what]))
    found = {"time": late / early, "memory": memory[many] / memory[few]}
    said = "; ".join(f"{size:,}: {of[0]:.1f} s, {of[1] / 1024:.0f} MiB" for size, of in costs.items())
    line(f"{job} by {what}: {said}: time {found['time']:.2f}, memory {found['memory']:.2f}")
    return found


def _units(what: str, size: int) -> int:
    """Models are tested in pairs."""
    return size * (size - 1) // 2 if what == "models" else size


def _largest(kind: str, what: str) -> float:
    return max(ratios(job, what)[kind] for job in JOBS[what])


globals().update({f"{kind}_by_{what}": partial(_largest, kind, what) for kind, what in ENTRIES})
