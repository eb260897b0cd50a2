"""Whether the memory that scoring takes grows with the number of images."""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd

from heatproof import artifacts
from heatproof.train.model import build, save

FEW, MANY, MODEL, SIZE, CLASSES = 100, 2000, "test_resnet", 32, ["a", "b", "c"]
WHAT = {
    "memory_growth": f"localization and faithfulness of {MANY:,} images: peak anonymous memory / that of {FEW} images, "
    "the larger ratio of the two jobs",
}
CONFIG = {  # ROAD and NAOPC stream as the others do; they are given fewer images because they take longest
    "localization": {},
    "faithfulness": {
        "images": MANY,
        "steps": 2,
        "baselines": ["mean"],
        "batch_size": 64,
        "road": {"images": 200, "percentiles": [90], "noise": 0.01},
        "naopc": {"images": 32, "beam": 1, "cells": 2},
        "infidelity": {"images": MANY, "samples": 2},
    },
}


def _write_study(study: str, images: int) -> None:
    """A study of noise with masks, the checkpoint of a tiny network, and maps of noise: no number in it matters."""
    draw = np.random.default_rng(0)
    ids, groups = [f"image{n}" for n in range(images)], [f"patient{n // 2}" for n in range(images)]
    square = {"width": SIZE, "height": SIZE}
    manifest = {"image_id": ids, "sha256": "0", "source": "made", "label": np.arange(images) % 3, "group": groups}
    manifest |= {"fold0": ["train", *["test"] * (images - 1)], "truth": "mask"} | square
    artifacts.write_manifest(study, pd.DataFrame(manifest))
    data = artifacts.data_dir(study)
    artifacts.write_array(data / "pixels.npy", draw.integers(0, 256, (images, 1, SIZE, SIZE), np.uint8))
    masks = np.zeros((images, SIZE, SIZE), bool)
    masks[:, 4:12, 8:20] = True
    artifacts.write_array(data / "masks.npy", masks)

    folder = artifacts.model_dir(study, MODEL, 0, "fold0")
    folder.mkdir(parents=True)
    save(build(MODEL, len(CLASSES), SIZE), folder / "model.safetensors")
    card = {"architecture": MODEL, "classes": CLASSES, "size": SIZE}
    artifacts.write_json(folder / "card.json", card | {"sha256": artifacts.digest(folder / "model.safetensors")})

    index = {"image_id": ids, "group": groups, "method": "noise", "target": 0, "predicted": 0, "layer": "last"}
    index |= {"grid_height": 4, "grid_width": 4, "degenerate": "", "variant": "", "gap": np.nan, "signed": False}
    folder = artifacts.heatmap_dir(study, MODEL, 0, "fold0")
    artifacts.write_array(folder / "maps.npy", draw.random((images, SIZE, SIZE), np.float32))
    artifacts.write_table(folder / "index.parquet", pd.DataFrame(index | {"row": range(images)}), artifacts.HEATMAPS)


def _anonymous(process: int) -> int:
    """KiB of a process that are not mapped from a file, 0 once it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)


def _peak(family: str, study: str) -> int:
    """The most anonymous memory that a job has while it runs, in KiB, looked at a hundred times a second."""
    job = ["score", family, "--study", study, "--model", MODEL, "--seed", "0", "--fold", "fold0"]
    job += ["--config", json.dumps(CONFIG[family]), "--compute", json.dumps({"device": "cpu", "threads": 1})]
    process = subprocess.Popen([sys.executable, "-m", "heatproof", *job], stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _anonymous(process.pid))
        time.sleep(0.01)
    if process.returncode:
        raise RuntimeError(process.stderr.read())
    return peak


def memory_growth() -> float:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for images in (FEW, MANY):
            _write_study(f"of{images}", images)
        return max(_peak(family, f"of{MANY}") / _peak(family, f"of{FEW}") for family in CONFIG)
