"""The jobs of models that were trained elsewhere: checkpoint, heatmaps, variants and scores; one that fails is one
line that names it."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from heatproof import cli
from heatproof.catalogue.reasons import NO_REDRAW, RUNTIME_GRADIENT, RUNTIME_LAYER
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint
from heatproof.train.checkpoint import load_trained

SIZE, COUNT = 32, 6
NETWORK = {
    "weights": None, "mean": [0.0], "std": [1.0], "channels": None, "size": None, "output": None, "part": None,
    "layer": None, "classes": None, "arguments": {}, "trust": [],
}  # fmt: skip
COMPUTE = {"device": "cpu", "threads": 1, "batch_size": 4}
VARIANTS = {
    "images": 2, "transforms": ["flip"], "sensitivity": None, "random_target": True, "random_labels": False,
    "randomize": {"cascade": True, "independent": False, "layers": 2},
}  # fmt: skip
EXPLAIN = {
    "methods": ["gradcam", "saliency", "attention_rollout", "attnlrp", "occlusion"], "options": {}, "target": "label",
    "min_grid": 7, "images_per_group": 2, "batch_size": 3, "layers": {},
}  # fmt: skip
CODE = """import time
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self, wrong=""):
        super().__init__(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
        self.wrong = wrong

    def forward(self, pixels):
        if self.wrong == "slow":
            time.sleep(60)
        if self.wrong == "fails":
            raise RuntimeError("broken here")
        z = super().forward(pixels)
        if self.wrong == "some":  # of one image
            z = torch.where(pixels[:, 0, :1, 0] > 0.9, torch.inf, z)
        return z * float("nan") if self.wrong == "nan" else z


def build(wrong=""):
    torch.manual_seed(0)
    return Net(wrong)
"""


def job(name, model, config, *more):
    """Run a job of a model's first seed; None, or the exit code."""
    arguments = ["--study", "s", "--model", model, "--seed", "0", "--fold", "fold0", "--config", json.dumps(config)]
    return cli.main(["job", *name.split(), *arguments, "--compute", json.dumps(COMPUTE), *more])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two models, opened, explained and explained in variants: a function of the user, and a graph of it."""
    folder, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = {"sha256": "0", "source": "made", "truth": "none", "width": SIZE, "height": SIZE, "fold0": "test"}
        rows = [{"image_id": f"i{n}", "label": n % 3, "group": f"p{n // 2}", **given} for n in range(COUNT)]
        artifacts.write_manifest("s", pd.DataFrame(rows))
        pixels = rng.integers(0, 200, (COUNT, 1, SIZE, SIZE), dtype=np.uint8)
        pixels[-1, 0, 0, 0] = 255
        artifacts.write_array(artifacts.data_dir("s") / "pixels.npy", pixels)
        facts = {"classes": ["a", "b", "c"], "size": SIZE, "sha256": {}}
        artifacts.write_json(artifacts.data_dir("s") / "digest.json", facts)
        Path("nets.py").write_text(CODE)
        space: dict = {}
        exec(CODE, space)
        net, shapes = space["build"]().eval(), ({0: torch.export.Dim("batch")},)
        sample = (torch.rand(2, 1, SIZE, SIZE),)
        torch.export.save(torch.export.export(net, sample, dynamic_shapes=shapes), "net.pt2")
        sources = {"ours": {"source": "nets.py:build"}, "graph": {"source": "net.pt2", "trust": ["net.pt2"]}}
        if all(importlib.util.find_spec(package) for package in ("onnx", "onnxruntime", "onnxscript")):
            torch.onnx.export(net, sample, "net.onnx", dynamic_shapes=shapes, external_data=False, verbose=False)
            sources["onnx"] = {"source": "net.onnx"}
        for name, source in sources.items():
            assert not job("train", name, NETWORK | source, "--timeout", "60")
            assert not job("explain", name, EXPLAIN | {"external": {}})
            assert not job("variants", name, EXPLAIN | {"variants": VARIANTS})
        yield list(sources)


def index(name, part="heatmaps"):
    folder = getattr(Checkpoint("s", name, 0, "fold0"), part)
    return artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS)


def reasons(table):
    return {name: set(of["degenerate"]) for name, of in table.groupby("method")}


def test_a_checkpoint_says_what_it_is_and_predicts_every_test_image(study):
    card = artifacts.read_json(Checkpoint("s", "ours", 0, "fold0").card)
    assert card["normalization"] == "one channel, at the size that they have, mean 0, standard deviation 1 (by given)"
    assert (card["source"], card["epochs"], set(card["files"])) == ("nets.py:build", 0, {"nets.py"})
    tables = [artifacts.read_table(Checkpoint("s", n, 0, "fold0").predictions, artifacts.PREDICTIONS) for n in study]
    for table in tables:
        assert len(table) == COUNT
        np.testing.assert_allclose(table[["p_0", "p_1", "p_2"]], tables[0][["p_0", "p_1", "p_2"]], atol=1e-5)


def test_one_network_has_the_same_heatmaps_whatever_it_came_in(study):
    found = {}
    for name in study:
        table = index(name)
        maps = artifacts.read_array(Checkpoint("s", name, 0, "fold0").heatmaps / "maps.npy")
        found[name] = {method: maps[of["row"]] for method, of in table[table["row"] >= 0].groupby("method")}
    for name in study[1:]:
        for method in found[name]:
            np.testing.assert_allclose(found[name][method], found["ours"][method], atol=1e-5)
    assert set(found["graph"]) == set(found["ours"]) >= {"gradcam", "saliency", "occlusion"}


def test_what_a_graph_of_another_runtime_does_not_support_is_left_out_with_its_reason(study):
    if "onnx" not in study:
        pytest.skip("onnxruntime, onnx or onnxscript is not installed: pip install 'heatproof[onnx]' onnx onnxscript")
    why = reasons(index("onnx"))
    assert why["gradcam"] == {RUNTIME_LAYER.code} and why["saliency"] == {RUNTIME_GRADIENT.code}
    assert why["occlusion"] == {""} and not any(code == "" for code in why["attnlrp"] | why["attention_rollout"])
    assert set(index("onnx")["layer"]) == {""} and set(index("onnx")["grid_height"]) == {SIZE}


def test_weights_are_drawn_anew_where_it_is_known_how(study):
    ours = index("ours", "variants")
    assert sum(name.startswith("cascade:") for name in ours["variant"].unique()) == 2
    cascade = ours[ours["variant"].str.startswith("cascade:") & (ours["method"] == "saliency")]
    assert (cascade["row"] >= 0).all()
    for name in study[1:]:
        table = index(name, "variants")
        assert reasons(table[table["variant"] == "cascade:"])["occlusion"] == {NO_REDRAW.code}
        assert not job("score sanity", name, {})
        scores = pd.read_parquet(Checkpoint("s", name, 0, "fold0").scores("sanity"))
        found = scores[(scores["metric"] == "rank_correlation_cascade") & (scores["method"] == "occlusion")]
        assert set(found["reason"]) == {NO_REDRAW.code} and found["value"].isna().all() and len(found) == 2
        target = scores[(scores["metric"] == "rank_correlation_random_target") & (scores["method"] == "occlusion")]
        assert target["value"].notna().any()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("fails", "models.bad: Net takes no images of 32 pixels (broken here): set models.bad.size to another size"),
        ("nan", "models.bad: Net gives logits that are not finite: its weights cannot be used"),
        ("some", "models.bad: its logits of 1 of 6 images are not finite: its weights cannot be used"),
        ("that", "models.bad: nets.py:build: cannot be opened: TypeError: "),
    ],
)
def test_a_model_that_fails_is_one_line_that_names_it(wrong, message, study, capsys):
    arguments = {"wrong": wrong} if wrong != "that" else {"other": 1}
    assert job("train", "bad", NETWORK | {"source": "nets.py:build", "arguments": arguments}) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1] and "Traceback" not in "\n".join(said)
    assert not Checkpoint("s", "bad", 0, "fold0").card.exists()


@pytest.mark.slow
def test_a_model_that_takes_too_long_is_one_line_that_names_it(study):
    import subprocess
    import sys

    config = NETWORK | {"source": "nets.py:build", "arguments": {"wrong": "slow"}}
    arguments = ["--study", "s", "--model", "bad", "--seed", "0", "--fold", "fold0", "--config", json.dumps(config)]
    command = [sys.executable, "-m", "heatproof", "job", "train", *arguments, "--compute", json.dumps(COMPUTE)]
    done = subprocess.run([*command, "--timeout", "2"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "models.bad: opening it, or one batch of it, took longer than compute.timeout (2 s)"
    )


def test_named_layers_and_sizes_reach_the_heatmaps(study):
    config = NETWORK | {"source": "nets.py:build", "size": [16, 48]}
    assert not job("train", "tall", config)
    assert not job("explain", "tall", EXPLAIN | {"external": {}, "methods": ["gradcam"], "layers": {"tall": "1"}})
    table = index("tall")
    assert set(zip(table["layer"], table["grid_height"], table["grid_width"], strict=True)) == {("1", 16, 48)}
    model, card = load_trained(Checkpoint("s", "tall", 0, "fold0"), torch.device("cpu"))
    assert model.size == (16, 48) and card["options"]["size"] == [16, 48]
