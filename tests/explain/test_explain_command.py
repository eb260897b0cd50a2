import json

import numpy as np
import pandas as pd
import pytest
import shipped
import torch

from heatproof import cli
from heatproof.core.geometry import degeneracy
from heatproof.explain.job import select
from heatproof.store import artifacts
from heatproof.train import command
from heatproof.train.checkpoint import load_trained
from heatproof.train.model import build, save

COMPUTE = {"device": "cpu", "threads": 1, "batch_size": 8}
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
EXPLAIN = {"methods": ["gradcam"], "external": {}, "options": {}, "target": "label"}
EXPLAIN |= {"min_grid": 7, "images_per_group": 1, "batch_size": 4}


def heatproof(*arguments):
    return cli.main([a if isinstance(a, str) else json.dumps(a) for a in arguments])


def train(seed, recipe, fold="fold0", model="test_resnet"):
    stage = ["job", "train", "--study", "s", "--model", model, "--seed", str(seed), "--fold", fold]
    return heatproof(*stage, "--config", recipe, "--compute", COMPUTE)


def explain(seed, fold="fold0", config=EXPLAIN, model="test_resnet"):
    stage = ["job", "explain", "--study", "s", "--model", model, "--seed", str(seed), "--fold", fold]
    return heatproof(*stage, "--config", config, "--compute", COMPUTE)


def write_data():
    """36 images of 18 patients, dealt in two ways; class k has a bright square in a corner of its own."""
    draw, count = np.random.default_rng(0), 36
    patient = np.arange(count) // 2
    label = patient % 3
    pixels = draw.integers(0, 90, (count, 1, 64, 64), dtype=np.uint8)
    for row, k in enumerate(label):
        pixels[row, 0, 32 * (k // 2) :, 32 * (k % 2) :][:20, :20] += 120
    dealt = np.array(["train", "train", "val", "test"])
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{row:02d}" for row in range(count)],
            "sha256": "0",
            "source": "made",
            "label": label,
            "group": [f"p{p:02d}" for p in patient],
            "truth": "none",
            "width": 64,
            "height": 64,
            "fold0": dealt[patient // 3 % 4],
            "fold1": dealt[(patient // 3 + 1) % 4],
            "random0": dealt[np.arange(count) // 2 % 4],
        }
    )
    folder = artifacts.data_dir("s")
    artifacts.write_manifest("s", manifest)
    artifacts.write_array(folder / "pixels.npy", pixels)
    facts = {"classes": ["normal", "benign", "malignant"], "size": 64, "sha256": {"pixels.npy": "0"}}
    artifacts.write_json(folder / "digest.json", facts)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study `s` with data and one trained model."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_data()
        assert train(0, RECIPE) == 0
        yield folder


def test_training_leaves_what_the_contract_says(study):
    folder = artifacts.Checkpoint("s", "test_resnet", 0, "fold0").folder
    card = artifacts.read_json(folder / "card.json")
    assert card["classes"] == ["normal", "benign", "malignant"]
    assert card["sha256"] == artifacts.digest(folder / "model.safetensors")
    history = artifacts.read_table(folder / "history.csv", artifacts.HISTORY)
    assert history["epoch"].tolist() == [1]
    predictions = artifacts.read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
    manifest = artifacts.read_manifest("s")
    held_out = manifest[manifest["split"] != "train"].set_index("image_id")
    assert set(predictions["image_id"]) == set(held_out.index)
    assert (held_out.loc[predictions["image_id"], "label"].to_numpy() == predictions["label"]).all()
    chances = predictions[["p_0", "p_1", "p_2"]].to_numpy()
    np.testing.assert_allclose(chances.sum(1), 1)
    assert (chances.argmax(1) == predictions["predicted"]).all()
    assert not (artifacts.STATE / "train" / "s").exists() or not any((artifacts.STATE / "train" / "s").iterdir())


def test_predictions_are_those_of_the_checkpoint(study):
    model, _ = load_trained(artifacts.Checkpoint("s", "test_resnet", 0, "fold0"), torch.device("cpu"))
    manifest = artifacts.read_manifest("s")
    pixels = artifacts.read_array(artifacts.data_dir("s") / "pixels.npy")
    path = artifacts.Checkpoint("s", "test_resnet", 0, "fold0").predictions
    predictions = artifacts.read_table(path, artifacts.PREDICTIONS).set_index("image_id")
    row = int(np.flatnonzero(manifest["split"] == "test")[0])
    with torch.no_grad():
        chances = model(torch.from_numpy(pixels[[row]]).float() / 255).softmax(1)[0]
    stored = predictions.loc[manifest["image_id"][row], ["p_0", "p_1", "p_2"]].to_numpy(float)
    np.testing.assert_allclose(stored, chances.numpy(), atol=1e-5)


def test_another_fold_is_another_training(study):
    assert train(0, RECIPE, "fold1") == 0
    manifests = {fold: artifacts.read_manifest("s", fold) for fold in ("fold0", "fold1")}
    tested = {}
    for fold, manifest in manifests.items():
        folder = artifacts.Checkpoint("s", "test_resnet", 0, fold).folder
        predictions = artifacts.read_table(folder / "predictions.parquet", artifacts.PREDICTIONS)
        tested[fold] = set(predictions.loc[predictions["split"] == "test", "image_id"])
        assert tested[fold] == set(manifest.loc[manifest["split"] == "test", "image_id"])
        assert set(predictions["image_id"]) == set(manifest.loc[manifest["split"] != "train", "image_id"])
    assert tested["fold0"] and tested["fold1"] and not tested["fold0"] & tested["fold1"]
    assert explain(0, "fold1") == 0
    index = artifacts.Checkpoint("s", "test_resnet", 0, "fold1").heatmaps / "index.parquet"
    assert set(artifacts.read_table(index, artifacts.HEATMAPS)["image_id"]) <= tested["fold1"]


def test_a_fold_draws_its_own_numbers_and_the_first_those_of_a_study_without_folds(study, monkeypatch):
    keys = []
    monkeypatch.setattr(command, "train", lambda *args, key, resume, **kwargs: keys.append((key, resume.path)) or [])
    for fold in ("fold0", "fold1", "random0"):
        assert train(7, RECIPE, fold) == 0
    assert [key for key, _ in keys] == [
        ("s", "test_resnet", 7), ("s", "test_resnet", 7, "fold1"), ("s", "test_resnet", 7, "random0")
    ]  # fmt: skip
    assert len({path for _, path in keys}) == len({path.name for _, path in keys}) == 3
    weights = {
        fold: artifacts.digest(artifacts.Checkpoint("s", "test_resnet", 7, fold).weights) for fold in ("fold0", "fold1")
    }
    assert weights["fold0"] != weights["fold1"]


def test_a_fold_that_the_manifest_does_not_have(study, capsys):
    assert train(0, RECIPE, "fold9") == 1
    assert capsys.readouterr().err == (
        "heatproof train: results/data/s/manifest.parquet: no column fold9; delete the file and run again\n"
    )


def test_test_images_do_not_touch_the_checkpoint(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data()
    folder = artifacts.data_dir("s")
    manifest = artifacts.read_manifest("s")
    pixels = np.array(artifacts.read_array(folder / "pixels.npy"))
    pixels[manifest["split"] == "test"] = 255 - pixels[manifest["split"] == "test"]
    artifacts.write_array(folder / "pixels.npy", pixels)
    assert train(0, RECIPE) == 0
    path = artifacts.Checkpoint("s", "test_resnet", 0, "fold0").weights
    assert artifacts.digest(path) == artifacts.digest(study / path)


def test_a_trained_checkpoint_of_ones_own_is_used_as_it_is(study, capsys):
    own = artifacts.Checkpoint("s", "test_resnet", 0, "fold0").weights
    brought = RECIPE | {"weights": str(own), "epochs": 0}
    assert train(9, brought) == 0
    left = artifacts.Checkpoint("s", "test_resnet", 9, "fold0").folder
    assert artifacts.digest(left / "model.safetensors") == artifacts.digest(own)
    assert artifacts.read_json(left / "card.json")["best_epoch"] == 0
    assert artifacts.read_table(left / "history.csv", artifacts.HISTORY).empty


def test_fine_tuning_names_the_checkpoint_and_the_head_it_replaced(study):
    own = artifacts.Checkpoint("s", "test_resnet", 0, "fold0")
    start = own.folder / "four.safetensors"
    save(build("test_resnet", 4, 64), start)
    for seed, path, facts in ((5, own.weights, {}), (6, start, {"new_head": True})):
        assert train(seed, RECIPE | {"weights": str(path)}) == 0
        card = artifacts.read_json(own.at(seed=seed).card)
        given = {key: card[key] for key in card if key.startswith(("weights", "new"))}
        assert given == {"weights": str(path), "weights_sha256": artifacts.digest(path)} | facts


def test_weights_that_are_not_there_stop_in_one_line(study, capsys):
    assert train(8, RECIPE | {"weights": "nowhere/{model}-{seed}.safetensors"}) == 1
    error = capsys.readouterr().err
    assert error.startswith("heatproof train: nowhere/test_resnet-8.safetensors: not found; train.weights is ")
    assert error.count("\n") == 1


def test_heatmaps_are_of_the_true_class_and_aligned_with_the_index(study):
    assert explain(0) == 0
    folder = artifacts.Checkpoint("s", "test_resnet", 0, "fold0").heatmaps
    maps, index = (
        artifacts.read_array(folder / "maps.npy"),
        artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS),
    )
    manifest = artifacts.read_manifest("s")
    by_id = manifest.set_index("image_id")
    assert maps.shape == (len(index), 64, 64) and maps.dtype == np.float32
    assert index["image_id"].is_unique
    assert (by_id.loc[index["image_id"], "split"] == "test").all()
    assert (by_id.loc[index["image_id"], "label"].to_numpy() == index["target"]).all()
    assert index["group"].is_unique, "images_per_group is 1"
    assert set(zip(index["grid_height"], index["grid_width"], strict=True)) == {(8, 8)}
    path = artifacts.Checkpoint("s", "test_resnet", 0, "fold0").predictions
    predicted = artifacts.read_table(path, artifacts.PREDICTIONS).set_index("image_id")["predicted"]
    assert (predicted.loc[index["image_id"]].to_numpy() == index["predicted"]).all()
    assert index["degenerate"].tolist() == degeneracy(torch.from_numpy(np.array(maps)))


def test_a_study_names_the_layer_of_a_model_and_no_other_job_depends_on_it(study, capsys):
    found, _ = explained(layers={"test_resnet": "layer3"})
    maps, index = explained()
    assert set(index["layer"]) != {"layer3"} and not np.array_equal(found, maps)
    _, index = explained(layers={"test_resnet": "layer3"})
    assert set(zip(index["layer"], index["grid_height"], index["grid_width"], strict=True)) == {("layer3", 4, 4)}
    assert explain(0, config=EXPLAIN | {"layers": {"test_resnet": "layer33"}}) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("heatproof explain: explain.layers.test_resnet: ResNet has no layer 'layer33'; there are ")
    assert "layer3" in error
    plain = {"models": ["test_resnet", "test_vit"], "ensembles": {"both": {"combine": "mean"}}}
    none, one = shipped.study(**plain), shipped.study(**plain, explain={"layers": {"test_resnet": "layer3"}})
    for part in ("variants", "external"):
        assert none.explaining("test_resnet", part) == none.explain.model_dump(exclude={part, "validation"})
        assert one.explaining("test_vit", part) == none.explaining("test_vit", part)
        for model in ("test_resnet", "both"):  # the grid of an ensemble is that of its first member
            assert one.explaining(model, part) == none.explaining(model, part) | {"layers": {"test_resnet": "layer3"}}
    assert explain(0) == 0  # as the other tests of this file find it


def test_heatmaps_twice_are_the_same_bytes(study):
    assert explain(0) == 0
    folder = artifacts.Checkpoint("s", "test_resnet", 0, "fold0").heatmaps
    before = [artifacts.digest(folder / name) for name in ("maps.npy", "index.parquet")]
    assert explain(0) == 0
    assert before == [artifacts.digest(folder / name) for name in ("maps.npy", "index.parquet")]


def test_a_damaged_checkpoint_is_named(study, capsys):
    assert train(5, RECIPE) == 0
    path = artifacts.Checkpoint("s", "test_resnet", 5, "fold0").weights
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert explain(5) == 1
    assert capsys.readouterr().err.endswith(
        f"heatproof explain: {path}: not the file that training wrote; delete {path.parent} and run again\n"
    )


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


def explained(seed=0, model="test_resnet", **config):
    """Maps and index after explaining with a changed configuration."""
    assert explain(seed, config=EXPLAIN | config, model=model) == 0
    folder = artifacts.Checkpoint("s", model, seed, "fold0").heatmaps
    index = artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS)
    return np.array(artifacts.read_array(folder / "maps.npy")), index


def test_several_methods_lie_one_after_the_other_and_each_row_says_where_its_map_is(study):
    alone = {name: explained(methods=[name]) for name in ("gradcam", "saliency", "input_x_gradient")}
    maps, index = explained(methods=list(alone))
    assert index["method"].tolist() == [name for name in alone for _ in range(len(index) // 3)]
    assert index["row"].is_unique and (index["variant"] == "").all()
    for name, (own, of) in alone.items():
        rows = index[index["method"] == name]
        np.testing.assert_array_equal(maps[rows["row"]], own[of["row"]])
    assert index.groupby("method")["signed"].first().to_dict() == {
        "gradcam": False, "saliency": False, "input_x_gradient": True
    }  # fmt: skip


def test_a_method_that_the_network_cannot_carry_is_left_out_with_its_reason(study, capsys):
    assert train(0, RECIPE, model="test_vit") == 0
    _, index = explained(methods=["guided_backprop", "gradcam"], model="test_vit")
    refused = index[index["method"] == "guided_backprop"]
    assert (refused["row"] == -1).all() and (refused["degenerate"] == "no_relu").all()
    assert refused["degenerate"].nunique() == 1 and (index.loc[index["method"] == "gradcam", "row"] >= 0).all()
    said = [line for line in capsys.readouterr().err.splitlines() if "is left out" in line]
    assert len(said) == 1 and "guided backprop needs ReLUs" in said[0]


def test_a_method_explains_as_many_images_as_it_may(study):
    maps, index = explained(methods=["gradcam", "saliency"], options={"saliency": {"images": 2}})
    few = index[index["method"] == "saliency"]
    made = few["row"] >= 0
    assert made.sum() == 2 and len(maps) == len(index) - (~made).sum()
    assert (few.loc[~made, "degenerate"] == "left_out").all()
    whole, all_of = explained(methods=["saliency"])
    rows = all_of.set_index("image_id").loc[few.loc[made, "image_id"], "row"]
    np.testing.assert_allclose(maps[few.loc[made, "row"]], whole[rows], rtol=1e-4, atol=1e-7)


def test_options_reach_the_method(study):
    one, _ = explained(methods=["integrated_gradients"], options={"integrated_gradients": {"steps": 2}})
    other, index = explained(methods=["integrated_gradients"], options={"integrated_gradients": {"steps": 16}})
    assert not np.allclose(one, other)
    assert index["gap"].notna().all()


def test_the_predicted_class_is_explained_where_a_study_asks(study):
    _, index = explained(target="predicted")
    assert (index["target"] == index["predicted"]).all()


def test_maps_made_elsewhere_are_stored_like_any_method(study):
    maps, index = explained()
    mine = {image: maps[row][::2, ::2] for image, row in zip(index["image_id"], index["row"], strict=True)}
    first, second, *_ = mine
    mine[second] = np.zeros((64, 64))
    path = study / "mine-test_resnet-0.npz"
    np.savez(path, **{name: mine[name] for name in list(mine)[:2]})
    stored, index = explained(external={"mine": str(study / "mine-{model}-{seed}.npz")})
    of = index[index["method"] == "mine"].set_index("image_id")
    assert of.loc[first, "degenerate"] == "" and of.loc[second, "degenerate"] == "all_zero"
    assert (of["degenerate"].drop([first, second]) == "no_external_map").all()
    assert (of["row"].drop([first, second]) == -1).all() and not of["signed"].any()
    up = torch.nn.functional.interpolate(torch.tensor(mine[first])[None, None], (64, 64), mode="bilinear")[0, 0]
    np.testing.assert_allclose(stored[of.loc[first, "row"]], up, rtol=1e-6)
