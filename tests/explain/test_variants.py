"""`heatproof job variants` on a tiny study: each map is that of what its name says was changed."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from heatproof import cli
from heatproof.catalogue.registry import explanation_methods
from heatproof.core.draws import spread
from heatproof.core.geometry import degeneracy, upsample
from heatproof.explain.changes import other_targets, perturbed, replaced, transformed, units, untrained
from heatproof.explain.job import select
from heatproof.explain.methods import Batch
from heatproof.store import artifacts
from heatproof.train.checkpoint import load_trained
from heatproof.train.layers import find_target_layer
from heatproof.train.model import build, save

SIZE, COUNT = 64, 10
METHODS = ["gradcam", "saliency"]
VARIANTS = {
    "images": 4,
    "transforms": ["flip", "shift", "rotate", "scale", "noise", "window"],
    "sensitivity": {"draws": 2, "radius": 0.02},
    "randomize": {"cascade": True, "independent": True, "layers": 3},
    "random_target": True,
    "random_labels": False,
}
EXPLAIN = {"methods": METHODS, "options": {}, "target": "label", "min_grid": 7, "images_per_group": 2, "batch_size": 3}
COMPUTE = {"device": "cpu", "threads": 1, "batch_size": 4}
LAYERS = ["fc", "layer1", "conv1.0"]  # the head, the middle and the last of eight


def write_data():
    folder, rng = artifacts.data_dir("s"), np.random.default_rng(0)
    manifest = pd.DataFrame(
        {
            "image_id": [f"i{n}" for n in range(COUNT)],
            "sha256": "0",
            "source": "made",
            "label": [n % 3 for n in range(COUNT)],
            "group": [f"p{n // 2}" for n in range(COUNT)],
            "truth": "none",
            "width": SIZE,
            "height": SIZE,
            "fold0": "test",
        }
    )
    artifacts.write_manifest("s", manifest)
    artifacts.write_array(folder / "pixels.npy", rng.integers(0, 256, (COUNT, 1, SIZE, SIZE), dtype=np.uint8))


def write_checkpoint(name, fold):
    folder = artifacts.Checkpoint("s", name, 0, fold).folder
    folder.mkdir(parents=True)
    torch.manual_seed(len(fold))
    model = build(name, 3, SIZE)
    for tensor in model.net.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.05 * torch.rand_like(tensor))
    save(model, folder / "model.safetensors")
    card = {"architecture": name, "classes": ["a", "b", "c"], "size": SIZE}
    artifacts.write_json(folder / "card.json", card | {"sha256": artifacts.digest(folder / "model.safetensors")})


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_data()
        write_checkpoint("test_resnet", "fold0")
        write_checkpoint("test_resnet", "shuffled0")
        write_checkpoint("test_vit", "fold0")
        yield folder


def explain(*options, model="test_resnet", variants=VARIANTS, **config):
    """Maps and index after the job."""
    command = ["job", "variants", "--study", "s", "--model", model, "--seed", "0", "--fold", "fold0", *options]
    config = EXPLAIN | config | {"variants": variants}
    assert cli.main([*command, "--config", json.dumps(config), "--compute", json.dumps(COMPUTE)]) == 0
    folder = artifacts.Checkpoint("s", model, 0, "fold0").variants
    index = artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS)
    return np.array(artifacts.read_array(folder / "maps.npy")), index


class Plain:
    """The same images, checkpoint and layer, asked by hand."""

    def __init__(self, fold="fold0", name="test_resnet"):
        self.model, _ = load_trained(artifacts.Checkpoint("s", name, 0, fold), torch.device("cpu"))
        self.model.requires_grad_(False)
        self.layer = find_target_layer(self.model, SIZE, 7)
        manifest = artifacts.read_manifest("s")
        rows = select(manifest, "s", 2)
        images = manifest.iloc[rows]
        self.images = images.iloc[spread("s", list(images["image_id"]), list(images["group"]), 4)]
        pixels = artifacts.read_array(artifacts.data_dir("s") / "pixels.npy")[self.images.index]
        self.pixels = torch.from_numpy(pixels).float() / 255
        self.targets = torch.tensor(self.images["label"].to_numpy())
        self.keys = [("s", image_id) for image_id in self.images["image_id"]]

    def maps(self, method, pixels=None, targets=None):
        pixels, targets = (self.pixels if pixels is None else pixels), (self.targets if targets is None else targets)
        relevance = explanation_methods([method])[method](Batch(self.model, self.layer, pixels, targets, self.keys))
        return upsample(relevance, (SIZE, SIZE)).numpy()


def stored(maps, index, plain, method, variant):
    """In the order of the images."""
    found = index[(index["method"] == method) & (index["variant"] == variant)].set_index("image_id")
    return maps[found.loc[plain.images["image_id"], "row"].to_numpy(int)]


def same(a, b):
    np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max(), rtol=1e-4)


@pytest.mark.slow
def test_each_variant_is_what_its_name_says(study):
    maps, index = explain()
    plain = Plain()
    names = [*VARIANTS["transforms"], "perturbed0", "perturbed1"]
    names += [f"{kind}:{layer}" for layer in LAYERS for kind in ("cascade", "independent")] + ["random_target"]
    assert list(index["variant"].unique()) == names
    assert len(index) == len(names) * len(METHODS) * 4 and set(index["image_id"]) == set(plain.images["image_id"])
    of_id = plain.images.set_index("image_id")["label"]
    others = other_targets(plain.targets, 3, plain.keys)
    for (variant, image), rows in index.groupby(["variant", "image_id"]):
        target = others[list(plain.images["image_id"]).index(image)] if variant == "random_target" else of_id[image]
        assert (rows["target"] == int(target)).all()
    assert index["degenerate"].tolist() == degeneracy(torch.from_numpy(maps[index["row"].to_numpy(int)]))
    found = units(plain.model, plain.pixels)
    at = {unit.name: place for place, unit in enumerate(found)}
    fresh = untrained("test_resnet", 3, SIZE, "s", "test_resnet", 0, "fold0")
    for method in METHODS:
        for name in VARIANTS["transforms"]:
            expected = plain.maps(method, transformed(name, plain.pixels, plain.keys))
            same(stored(maps, index, plain, method, name), expected)
        for draw in range(2):
            expected = plain.maps(method, perturbed(plain.pixels, plain.keys, draw, 0.02))
            same(stored(maps, index, plain, method, f"perturbed{draw}"), expected)
        same(stored(maps, index, plain, method, "random_target"), plain.maps(method, targets=others))
        for layer in LAYERS:
            above = [tensor for unit in found[: at[layer] + 1] for tensor in unit.tensors]
            for kind, tensors in (("cascade", above), ("independent", found[at[layer]].tensors)):
                with replaced(plain.model, fresh, tensors):
                    same(stored(maps, index, plain, method, f"{kind}:{layer}"), plain.maps(method))


def test_the_head_alone_is_asked_once(study):
    maps, index = explain()
    rows = {name: index.loc[index["variant"] == name, "row"].tolist() for name in index["variant"].unique()}
    assert rows["cascade:fc"] == rows["independent:fc"]
    assert rows["cascade:conv1.0"] != rows["independent:conv1.0"]
    assert sorted(set(index["row"])) == list(range(len(maps)))


@pytest.mark.slow
def test_twice_are_the_same_bytes(study):
    paths = [
        artifacts.Checkpoint("s", "test_resnet", 0, "fold0").variants / name for name in ("maps.npy", "index.parquet")
    ]
    explain()
    before = [path.read_bytes() for path in paths]
    explain()
    assert [path.read_bytes() for path in paths] == before


def test_the_model_of_shuffled_labels_explains_the_same_classes(study):
    maps, index = explain("--random-labels", variants=VARIANTS | {"transforms": [], "sensitivity": None})
    plain = Plain("shuffled0")
    for method in METHODS:
        same(stored(maps, index, plain, method, "random_labels"), plain.maps(method))
    assert not np.allclose(
        stored(maps, index, plain, "saliency", "random_labels"), Plain().maps("saliency"), rtol=1e-2, atol=0
    )


@pytest.mark.slow
def test_the_predicted_class_is_that_of_the_model_and_image_unchanged(study):
    _, index = explain(target="predicted")
    plain = Plain()
    predicted = plain.model(plain.pixels).argmax(1)
    of_id = dict(zip(plain.images["image_id"], predicted.tolist(), strict=True))
    rest = index[index["variant"] != "random_target"]
    assert (rest["target"] == rest["image_id"].map(of_id)).all()


def test_what_a_network_cannot_carry_and_what_is_left_out_has_its_reason_in_every_variant(study):
    config = {"methods": ["guided_backprop", "gradcam"], "options": {"gradcam": {"images": 2}}}
    small = VARIANTS | {"transforms": ["flip"], "sensitivity": None, "random_target": False}
    maps, index = explain(model="test_vit", variants=small, **config)
    refused, few = (index[index["method"] == name] for name in config["methods"])
    assert (refused["degenerate"] == "no_relu").all() and (refused["row"] == -1).all()
    assert (few.groupby("variant")["row"].apply(lambda rows: (rows >= 0).sum()) == 2).all()
    assert set(few.loc[few["row"] < 0, "degenerate"]) == {"left_out"}
    whole, all_of = explain(model="test_vit", variants=small, methods=["gradcam"])
    kept = few[few["row"] >= 0].set_index(["variant", "image_id"])["row"]
    rows = all_of.set_index(["variant", "image_id"])["row"].loc[kept.index]
    np.testing.assert_allclose(maps[kept.to_numpy(int)], whole[rows.to_numpy(int)], rtol=1e-3, atol=1e-6)


def test_nothing_asked_for_is_said(study, capsys):
    nothing = {"cascade": False, "independent": False, "layers": 1}
    config = {"images": 4, "transforms": [], "sensitivity": None, "randomize": nothing}
    config |= {"random_target": False, "random_labels": False}
    command = ["job", "variants", "--study", "s", "--model", "test_resnet", "--seed", "0", "--fold", "fold0"]
    config = json.dumps(EXPLAIN | {"variants": config})
    assert cli.main([*command, "--config", config, "--compute", json.dumps(COMPUTE)]) == 1
    assert "explain.variants: no variant is configured" in capsys.readouterr().err.splitlines()[-1]
