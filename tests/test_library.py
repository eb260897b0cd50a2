"""What the README shows of the library, and what it says of wrong input."""

import re
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch
from torch import nn

from heatproof import explain, score
from heatproof.errors import InputError, Unsupported

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return explain.classifier(timm.create_model("test_resnet", num_classes=3))


IMAGES, TARGETS = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])


def test_the_lines_of_the_readme_run(capsys):
    block = re.search(r"```python\n(import timm.*?)```", README, re.S)[1]
    lines = [line for line in block.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 10
    names: dict = {}
    torch.manual_seed(0)
    exec(block, names)
    scored = names["table"]["srg"].notna()  # of random weights a Grad-CAM may be all zero
    assert len(scored) == 4 and scored.any()
    assert (scored == names["maps"]["gradcam"].flatten(1).any(1).numpy()).all()
    assert capsys.readouterr().out.splitlines()[0].split() == ["relevance_rank_accuracy", "srg"]


def test_importing_the_packages_imports_no_torch():
    import subprocess
    import sys

    snippet = "import sys; from heatproof import explain, score; print('torch' in sys.modules, 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True).stdout == "False False\n"


def test_maps_are_of_the_size_of_the_images_and_the_model_is_left_alone(model):
    model.train().requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    maps = explain.heatmaps(model, IMAGES, TARGETS, ["gradcam", "saliency"])
    assert {name: tuple(of.shape) for name, of in maps.items()} == {"gradcam": (4, 64, 64), "saliency": (4, 64, 64)}
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    model.eval()


def test_a_layer_of_ones_own_is_explained(model):
    given = explain.heatmaps(model, IMAGES, TARGETS, layer=model.net.layer1)["gradcam"]
    assert not torch.allclose(given, explain.heatmaps(model, IMAGES, TARGETS)["gradcam"])
    wide = torch.rand(2, 3, 64, 96)
    assert explain.heatmaps(model, wide, TARGETS[:2], layer=model.net.layer1)["gradcam"].shape == (2, 64, 96)


def test_any_network_with_its_normalization_is_a_classifier():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(InputError, match=r"^Sequential does not say how its images are normalized: give mean and std$"):
        explain.classifier(net)
    model = explain.classifier(net, mean=[0.5] * 3, std=[0.25] * 3)
    torch.testing.assert_close(model(IMAGES), net((IMAGES - 0.5) / 0.25))
    assert explain.heatmaps(model, IMAGES, TARGETS, layer=net[1])["gradcam"].isfinite().all()


WRONG = {
    "method": ({"methods": ["gradcan"]}, "no method 'gradcan'; there are ablationcam, "),
    "option": (
        {"options": {"gradcam": {"steps": 3}}},
        "gradcam has no option 'steps'; it has none",
    ),
    "shape": (
        {"images": torch.rand(4, 3, 64, 60)},
        r"images of \(64, 60\) pixels: make them square, or name the layer",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(model, case):
    given, message = WRONG[case]
    with pytest.raises(InputError, match=f"^{message}"):
        explain.heatmaps(model, **({"images": IMAGES, "targets": TARGETS} | given))


FAULTS = {
    "few targets": (
        {"targets": TARGETS[:2]},
        r"targets: torch.int64 \(2,\); they must be an int64 tensor, one class for ",
    ),
    "float targets": ({"targets": TARGETS.float()}, r"targets: torch.float32 \(4,\); they must be an int64 tensor"),
    "no such class": ({"targets": TARGETS + 5}, "targets: class 7 of a model of 3 classes, counted from 0"),
    "negative class": ({"targets": TARGETS - 1}, "targets: class -1; classes are counted from 0"),
    "grey levels": ({"images": IMAGES * 255}, r"images: values from .* to 25.*; pixels must lie in \[0, 1\]"),
    "bytes": (
        {"images": (IMAGES * 255).byte()},
        r"images: torch.uint8 \(4, 3, 64, 64\); they must be a float32 tensor",
    ),
    "two channels": ({"images": IMAGES[:, :2]}, "images: 2 channels; they must have 1 or 3"),
    "a text": ({"methods": "gradcam"}, "methods: 'gradcam' is a text; give a list of names"),
    "another's options": ({"options": {"saliency": {}}}, "options: 'saliency' is not among the methods gradcam"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_asked_wrongly_is_said(model, case):
    given, message = FAULTS[case]
    with pytest.raises(InputError, match=f"^{message}"):
        explain.heatmaps(model, **({"images": IMAGES, "targets": TARGETS} | given))


def test_a_network_that_normalizes_outside_is_refused(model):
    with pytest.raises(InputError, match=r"takes normalized images: hand explain\.classifier\(model\) in its place$"):
        explain.heatmaps(model.net, IMAGES, TARGETS)


def test_a_map_that_must_not_be_scored_is_not_a_number(model, monkeypatch):
    from heatproof.explain import gradients
    from heatproof.explain.methods import Explanation

    def wide(batch):
        return Explanation(torch.rand(4, 8, 8), torch.ones(4), ["", "gap", "", "gap"])

    monkeypatch.setitem(gradients.METHODS, "deeplift", wide)
    maps = explain.heatmaps(model, IMAGES, TARGETS, ["deeplift"])["deeplift"]
    assert maps.isnan().flatten(1).all(1).tolist() == [False, True, False, True]


def test_a_model_in_training_mode_is_not_scored(model):
    model.train()
    with pytest.raises(ValueError, match=r"call model\.eval\(\)$"):
        score.evaluate(torch.rand(4, 64, 64), model=model, images=IMAGES, targets=TARGETS)
    model.eval()


def test_a_layer_without_a_grid_is_refused(model):
    with pytest.raises(InputError, match=r"^layer Linear gives \(1, 3\), not \[batch, channels, rows, columns\]"):
        explain.heatmaps(model, IMAGES, TARGETS, layer=model.net.fc)


def test_a_method_that_the_network_cannot_carry_raises():
    vit = explain.classifier(timm.create_model("test_vit", num_classes=3, img_size=64))
    with pytest.raises(Unsupported):
        explain.heatmaps(vit, IMAGES, TARGETS, ["guided_backprop"])


def test_scores_are_a_row_an_image(model):
    maps, masks = explain.heatmaps(model, IMAGES, TARGETS)["gradcam"].clone(), torch.zeros(4, 64, 64, dtype=torch.bool)
    maps[1], masks[:, 10:20, 10:20], masks[2] = 0, True, False
    table = score.evaluate(maps, masks=masks, model=model, images=IMAGES, targets=TARGETS, steps=4)
    assert isinstance(table, pd.DataFrame) and len(table) == 4
    assert table.loc[1].isna().all()  # an all-zero map has no score, whatever the metric
    assert table.loc[[0, 3], ["srg", "iou", "sparseness"]].notna().all(axis=None)
    assert table.loc[2, "iou"] != table.loc[2, "iou"] and table.loc[2, "srg"] == table.loc[2, "srg"]
    alone = score.evaluate(maps[3:], masks=masks[3:], model=model, images=IMAGES[3:], targets=TARGETS[3:], steps=4)
    pd.testing.assert_series_equal(alone.loc[0], table.loc[3], check_names=False, rtol=1e-4)
    assert not set(score.evaluate(maps)) & {"srg", "iou"}


def test_shapes_that_do_not_fit_are_refused(model):
    maps = torch.rand(4, 64, 64)
    for given, message in [
        ({"masks": torch.zeros(4, 32, 32)}, r"maps \(4, 64, 64\) and masks \(4, 32, 32\) differ"),
        ({"model": model}, "faithfulness asks the model: give images and targets with it"),
        ({"model": model, "images": IMAGES[:3], "targets": TARGETS}, r"maps \(4, 64, 64\) do not fit images"),
    ]:
        with pytest.raises(ValueError, match=f"^{message}"):
            score.evaluate(maps, **given)
    with pytest.raises(ValueError, match=r"^maps \(64, 64\): they must be \[images, height, width\]$"):
        score.evaluate(maps[0])
