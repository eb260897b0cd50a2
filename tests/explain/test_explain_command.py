import json

import numpy as np
import pandas as pd
import pytest
import torch

from heatproof import artifacts, cli
from heatproof.explain.command import degenerate, select
from heatproof.train.checkpoint import load_trained

COMPUTE = {"device": "cpu", "threads": 1, "batch_size": 8}
DATA = {
    "kind": "phantom",
    "size": 64,
    "channels": 1,
    "seed": 0,
    "phantom": {"patients": 18, "slices": 2},
    "split": {"train": 0.5, "val": 0.25, "test": 0.25},
}
RECIPE = {
    "weights": "scratch",
    "epochs": 1,
    "batch_size": 4,
    "lr": 1e-3,
    "weight_decay": 0.05,
    "warmup_epochs": 0,
    "clip_norm": 1.0,
    "balance": True,
    "augment": {"flip": True, "rotate": 0, "scale": 0, "shift": 0, "intensity": 0},
}
EXPLAIN = {"methods": ["gradcam"], "min_grid": 7, "images_per_group": 1, "batch_size": 4}


def heatproof(*arguments):
    return cli.main([a if isinstance(a, str) else json.dumps(a) for a in arguments])


def train(seed, recipe, model="test_resnet"):
    stage = ["train", "--study", "s", "--model", model, "--seed", str(seed)]
    return heatproof(*stage, "--config", recipe, "--compute", COMPUTE)


def explain(seed, config=EXPLAIN, model="test_resnet"):
    stage = ["explain", "--study", "s", "--model", model, "--seed", str(seed)]
    return heatproof(*stage, "--config", config, "--compute", COMPUTE)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study `s` with data and one trained model, made by the commands themselves."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert heatproof("data", "--study", "s", "--config", DATA) == 0
        assert train(0, RECIPE) == 0
        yield folder


def test_training_leaves_what_the_contract_says(study):
    folder = artifacts.model_dir("s", "test_resnet", 0)
    card = artifacts.read_json(folder / "card.json")
    assert card["classes"] == ["normal", "benign", "malignant"]
    assert card["sha256"] == artifacts.digest(folder / "model.safetensors")
    history = artifacts.read_table(folder / "history.csv", artifacts.HISTORY)
    assert history["epoch"].tolist() == [1]
    predictions = artifacts.read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
    manifest = artifacts.read_table(artifacts.data_dir("s") / "manifest.parquet", artifacts.MANIFEST)
    held_out = manifest[manifest["split"] != "train"].set_index("image_id")
    assert set(predictions["image_id"]) == set(held_out.index)
    assert (held_out.loc[predictions["image_id"], "label"].to_numpy() == predictions["label"]).all()
    chances = predictions[["p_0", "p_1", "p_2"]].to_numpy()
    np.testing.assert_allclose(chances.sum(1), 1)
    assert (chances.argmax(1) == predictions["predicted"]).all()
    assert not (artifacts.STATE / "train" / "s").exists() or not any((artifacts.STATE / "train" / "s").iterdir())


def test_predictions_are_those_of_the_checkpoint(study):
    model, _ = load_trained("s", "test_resnet", 0, torch.device("cpu"))
    manifest = artifacts.read_table(artifacts.data_dir("s") / "manifest.parquet", artifacts.MANIFEST)
    pixels = artifacts.read_array(artifacts.data_dir("s") / "pixels.npy")
    path = artifacts.model_dir("s", "test_resnet", 0) / "predictions.parquet"
    predictions = artifacts.read_table(path, artifacts.PREDICTIONS).set_index("image_id")
    row = int(np.flatnonzero(manifest["split"] == "test")[0])
    with torch.no_grad():
        chances = model(torch.from_numpy(pixels[[row]]).float() / 255).softmax(1)[0]
    stored = predictions.loc[manifest["image_id"][row], ["p_0", "p_1", "p_2"]].to_numpy(float)
    np.testing.assert_allclose(stored, chances.numpy(), atol=1e-5)


def test_test_images_do_not_touch_the_checkpoint(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert heatproof("data", "--study", "s", "--config", DATA) == 0
    folder = artifacts.data_dir("s")
    manifest = artifacts.read_table(folder / "manifest.parquet", artifacts.MANIFEST)
    pixels = np.array(artifacts.read_array(folder / "pixels.npy"))
    pixels[manifest["split"] == "test"] = 255 - pixels[manifest["split"] == "test"]
    artifacts.write_array(folder / "pixels.npy", pixels)
    assert train(0, RECIPE) == 0
    path = artifacts.model_dir("s", "test_resnet", 0) / "model.safetensors"
    assert artifacts.digest(path) == artifacts.digest(study / path)


def test_a_trained_checkpoint_of_ones_own_is_used_as_it_is(study, capsys):
    own = artifacts.model_dir("s", "test_resnet", 0) / "model.safetensors"
    brought = RECIPE | {"weights": str(own), "epochs": 0}
    assert train(9, brought) == 0
    left = artifacts.model_dir("s", "test_resnet", 9)
    assert artifacts.digest(left / "model.safetensors") == artifacts.digest(own)
    assert artifacts.read_json(left / "card.json")["best_epoch"] == 0
    assert artifacts.read_table(left / "history.csv", artifacts.HISTORY).empty


def test_weights_that_are_not_there_stop_in_one_line(study, capsys):
    assert train(8, RECIPE | {"weights": "nowhere/{model}-{seed}.safetensors"}) == 1
    error = capsys.readouterr().err
    assert error.startswith("heatproof train: nowhere/test_resnet-8.safetensors: not there; train.weights is ")
    assert error.count("\n") == 1


def test_heatmaps_are_of_the_true_class_and_aligned_with_the_index(study):
    assert explain(0) == 0
    folder = artifacts.heatmap_dir("s", "test_resnet", 0)
    maps, index = (
        artifacts.read_array(folder / "maps.npy"),
        artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS),
    )
    manifest = artifacts.read_table(artifacts.data_dir("s") / "manifest.parquet", artifacts.MANIFEST)
    by_id = manifest.set_index("image_id")
    assert maps.shape == (len(index), 64, 64) and maps.dtype == np.float32
    assert index["image_id"].is_unique
    assert (by_id.loc[index["image_id"], "split"] == "test").all()
    assert (by_id.loc[index["image_id"], "label"].to_numpy() == index["target"]).all()
    assert index["group"].is_unique, "images_per_group is 1"
    assert set(zip(index["grid_height"], index["grid_width"], strict=True)) == {(8, 8)}
    path = artifacts.model_dir("s", "test_resnet", 0) / "predictions.parquet"
    predicted = artifacts.read_table(path, artifacts.PREDICTIONS).set_index("image_id")["predicted"]
    assert (predicted.loc[index["image_id"]].to_numpy() == index["predicted"]).all()
    for row, reason in zip(maps, index["degenerate"], strict=True):
        assert reason == degenerate(torch.from_numpy(np.array(row)))


def test_heatmaps_twice_are_the_same_bytes(study):
    assert explain(0) == 0
    folder = artifacts.heatmap_dir("s", "test_resnet", 0)
    before = [artifacts.digest(folder / name) for name in ("maps.npy", "index.parquet")]
    assert explain(0) == 0
    assert before == [artifacts.digest(folder / name) for name in ("maps.npy", "index.parquet")]


def test_a_damaged_checkpoint_is_named(study, capsys):
    assert train(5, RECIPE) == 0
    path = artifacts.model_dir("s", "test_resnet", 5) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert explain(5) == 1
    assert capsys.readouterr().err.endswith(
        f"heatproof explain: {path}: not the file that training wrote; delete {path.parent} and run again\n"
    )


@pytest.mark.parametrize(
    ("relevance", "reason"),
    [
        (torch.zeros(2, 2), "all zero"),
        (torch.full((2, 2), 0.5), "constant"),
        (torch.tensor([[0.0, float("nan")]]), "not finite"),
        (torch.tensor([[0.0, float("inf")]]), "not finite"),
        (torch.tensor([[0.0, 1e-20]]), ""),
    ],
)
def test_degenerate_maps_are_named(relevance, reason):
    assert degenerate(relevance) == reason


def test_select_caps_each_group_and_takes_only_test_images():
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in range(9)],
            "group": ["a"] * 4 + ["b"] * 1 + ["c"] * 4,
            "split": ["test"] * 5 + ["train"] * 4,
        }
    )
    rows = select(manifest, "s", 2)
    assert manifest["group"].iloc[rows].value_counts().to_dict() == {"a": 2, "b": 1}
    assert rows.tolist() == sorted(rows)
    assert set(rows) <= set(select(manifest, "s", 3)), "a larger cap keeps those of a smaller one"
    shuffled = manifest.sample(frac=1, random_state=0).reset_index(drop=True)
    assert set(shuffled["image_id"].iloc[select(shuffled, "s", 2)]) == set(manifest["image_id"].iloc[rows])
