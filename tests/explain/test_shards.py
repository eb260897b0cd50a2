"""Heatmaps and scores made in shards have the bytes of those made at once."""

import json
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shipped
import torch
from explain.test_explain_command import COMPUTE, EXPLAIN, write_data
from hypothesis import given
from hypothesis import strategies as st

from heatproof import cli
from heatproof.commands import plan
from heatproof.score import heatmaps
from heatproof.score.jobs import faithfulness
from heatproof.store import artifacts, sealing
from heatproof.train.model import build, save

MODEL, COUNTS = "test_vit", [2, 5]  # there are three batches of images: of five shards some are empty
METHODS = ["gradcam", "guided_backprop", "integrated_gradients"]  # the second is refused, the third leaves images out
CONFIG = EXPLAIN | {"methods": METHODS, "images_per_group": 2, "batch_size": 2, "external": {"mine": "mine.npz"}}
CONFIG |= {"options": {"integrated_gradients": {"steps": 2, "images": 2}}}
SCORE = {
    "localization": {},
    "complexity": {},
    "faithfulness": {
        "images": 5,
        "steps": 3,
        "baselines": ["mean"],
        "batch_size": 7,
        "controls": True,
        "road": {"images": 3, "percentiles": [50], "noise": 0.01},
        "naopc": {"images": 2, "beam": 1, "cells": 2},
        "infidelity": {"images": 4, "samples": 3},
    },
}


def job(*arguments):
    checkpoint = ["--study", "s", "--model", MODEL, "--seed", "0", "--fold", "fold0", "--compute", json.dumps(COMPUTE)]
    assert cli.main(["job", *arguments, *checkpoint]) == 0


def in_shards(count, *arguments):
    for shard in range(1, count + 1):
        job(*arguments, "--shards", str(count), "--shard", str(shard))
    job(*arguments, "--shards", str(count))


def content(*paths):
    return {path: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A study with a checkpoint that was never trained, and its heatmaps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("study"))
        write_data()
        manifest = artifacts.read_table(artifacts.data_dir("s") / "manifest.parquet", artifacts.DEALT)
        artifacts.write_manifest("s", manifest.assign(truth="mask"))
        masks = np.zeros((len(manifest), 64, 64), bool)
        masks[:, 10:30, 20:40] = True
        artifacts.write_array(artifacts.data_dir("s") / "masks.npy", masks)
        draw = np.random.default_rng(0)
        np.savez("mine.npz", **{name: draw.random((8, 8)) for name in manifest["image_id"][::2]})
        folder = artifacts.Checkpoint("s", MODEL, 0, "fold0").folder
        folder.mkdir(parents=True)
        torch.manual_seed(0)
        save(build(MODEL, 3, 64), folder / "model.safetensors")
        card = {"architecture": MODEL, "classes": ["a", "b", "c"], "size": 64}
        artifacts.write_json(folder / "card.json", card | {"sha256": artifacts.digest(folder / "model.safetensors")})
        job("explain", "--config", json.dumps(CONFIG))
        yield Path.cwd()


@pytest.fixture
def study(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setattr(heatmaps, "CHUNK", 2)
    monkeypatch.setattr(faithfulness, "TOGETHER", 2)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.slow
def test_heatmaps_in_shards_have_the_same_bytes(study, count):
    folder = artifacts.Checkpoint("s", MODEL, 0, "fold0").heatmaps
    maps, index = folder / "maps.npy", folder / "index.parquet"
    rows = artifacts.read_table(index, artifacts.HEATMAPS)
    whys = rows.groupby("method")["degenerate"].agg(set)
    assert whys["guided_backprop"] == {"no_relu"} and "left_out" in whys["integrated_gradients"]
    assert rows["row"].max() + 1 < len(artifacts.read_array(maps)), "what was refused leaves room behind the others"
    at_once = content(maps, index)
    in_shards(count, "explain", "--config", json.dumps(CONFIG))
    assert content(maps, index) == at_once


@pytest.mark.parametrize("family", SCORE)
@pytest.mark.slow
def test_scores_in_shards_have_the_same_bytes(study, family):
    path = artifacts.Checkpoint("s", MODEL, 0, "fold0").scores(family)
    arguments = ["score", family, "--config", json.dumps(SCORE[family])]
    job(*arguments)
    at_once = path.read_bytes()
    for count in COUNTS:
        path.unlink()
        in_shards(count, *arguments)
        assert path.read_bytes() == at_once
        parts = sealing.Share(count).parts(path)
        assert len(pd.concat(map(pd.read_parquet, parts))) == len(pd.read_parquet(path))
    assert not sealing.folder(path, 1, COUNTS[0]).exists(), "another number of shards leaves nothing"


@given(st.lists(st.integers(), max_size=30), st.integers(1, 12))
def test_every_piece_is_done_once_and_in_order(pieces, count):
    done = [sealing.Share(count, shard + 1).mine(pieces) for shard in range(count)]
    assert list(chain(*done)) == pieces
    assert max(map(len, done)) - min(map(len, done)) <= 1


def test_the_plan_names_the_key_where_a_job_takes_hours():
    costs = {"quick": plan.Cost(0.001, 0.001, 1), "slow": plan.Cost(0.5, 0.5, 1, {"gradcam": 2.0, "saliency": 3.0})}
    given = {"models": ["test_resnet"], "data": {"phantom": {"patients": 900, "slices": 2}}}
    study = shipped.study(**given)
    seconds, model = plan.longest_job(study, costs, 1800)
    maps = plan.explained(study, 1800)
    assert model == "slow"
    assert seconds == pytest.approx(max(0.5 * plan.faithfulness_passes(study, 1800), 5.0 * maps))
    cut = shipped.study(**given, compute={"shards": 4})
    assert plan.longest_job(cut, costs, 1800)[0] == pytest.approx(seconds / 4)


def pages(process, path):
    """Bytes of a file that a process has mapped, and its share of them among all who have (`Rss` and `Pss`)."""
    found = {"Rss": 0, "Pss": 0}
    of_file = False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            of_file = line.endswith(str(path))
        elif of_file and line.split(":")[0] in found:
            found[line.split(":")[0]] += 1024 * int(line.split()[1])
    return found["Rss"], found["Pss"]


READER = """
import sys
from heatproof.store.artifacts import read_array
pixels = read_array(__import__("pathlib").Path("pixels.npy"))
print(pixels.sum(), flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_jobs_share_the_decoded_pixels(tmp_path):
    """Two processes that read all pixels have half of their pages each: one copy in memory, the page cache's."""
    path = tmp_path / "pixels.npy"
    artifacts.write_array(path, np.ones((64, 1, 512, 512), np.uint8))
    size = path.stat().st_size
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": tmp_path}
    jobs = [subprocess.Popen([sys.executable, "-c", READER], **pipes) for _ in range(2)]
    try:
        for job in jobs:
            assert int(job.stdout.readline()) == 64 * 512 * 512
        for job in jobs:
            resident, shared = pages(job.pid, path)
            assert resident == pytest.approx(size, rel=0.01)
            assert shared == pytest.approx(size / 2, rel=0.01)
    finally:
        for job in jobs:
            job.communicate()
