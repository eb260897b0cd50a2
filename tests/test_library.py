"""What the README shows of the library, and what it says of wrong input."""

import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import timm
import torch
from torch import nn

from heatproof import explain, score
from heatproof.core.geometry import upsample
from heatproof.core.messages import InputError, Unsupported
from heatproof.train.layers import find_target_layer

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
    torch.testing.assert_close(given, explain.heatmaps(model, IMAGES, TARGETS, layer="layer1")["gradcam"])


class Arranged(nn.Module):
    """The same features with channels first, channels last and as tokens; the class is read of the last."""

    def __init__(self):
        super().__init__()
        self.first, self.last, self.tokens = nn.Conv2d(3, 6, 8, 8), nn.Identity(), nn.Identity()
        self.head = nn.Linear(6, 3)

    def forward(self, images):
        last = self.last(self.first(images).relu().permute(0, 2, 3, 1))
        return self.head(self.tokens(last.flatten(1, 2)).square().mean(1))


@pytest.mark.parametrize("size", [(64, 64), (48, 80)])
def test_a_layer_is_read_whatever_the_order_of_its_axes(size):
    torch.manual_seed(0)
    model = explain.classifier(Arranged(), mean=[0.5], std=[0.25])
    images = torch.rand(2, 3, *size)
    last, tokens = (explain.heatmaps(model, images, [0, 1], layer=one)["gradcam"] for one in ("last", "tokens"))
    assert last.shape == (2, *size) and last.flatten(1).std(1).min() > 0
    torch.testing.assert_close(tokens, last)
    by_hand = model.net.first((images - 0.5) / 0.25).relu().detach()
    weights = (2 * by_hand * model.net.head.weight[:2, :, None, None]).mean((2, 3), keepdim=True)
    expected = upsample((weights * by_hand).sum(1).clamp(min=0), size)
    cosine = torch.nn.functional.cosine_similarity(last.flatten(1), expected.flatten(1))
    assert cosine.min() > 0.999
    assert explain.heatmaps(model, images, [0, 1], ["saliency"])["saliency"].shape == (2, *size)


def test_a_layer_with_channels_last_that_is_named_is_the_one_that_is_found():
    torch.manual_seed(0)
    model = explain.classifier(timm.create_model("test_mambaout", num_classes=3))
    found = find_target_layer(model, 64, 7)
    assert found.layout == "NHWC"
    own = explain.heatmaps(model, IMAGES, TARGETS)["gradcam"]
    torch.testing.assert_close(explain.heatmaps(model, IMAGES, TARGETS, layer=found.module)["gradcam"], own)


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
    "layer": ({"layer": "layr2"}, "ResNet has no layer 'layr2'; there are layer2, "),
    "layer without a grid": ({"layer": "fc"}, r"layer fc of ResNet gives \[3, 3\], no grid of positions"),
    "another's layer": ({"layer": nn.ReLU()}, "ResNet has no layer ReLU; there are, for instance, conv1, "),
    "few targets": (
        {"targets": TARGETS[:2]},
        r"targets: torch.int64 \(2,\); they must be integers, one class for each of 4 images",
    ),
    "float targets": ({"targets": TARGETS.float()}, r"targets: torch.float32 \(4,\); they must be integers"),
    "no such class": ({"targets": TARGETS + 5}, "targets: class 7 of a model of 3 classes, counted from 0"),
    "negative class": ({"targets": TARGETS - 1}, "targets: class -1; classes are counted from 0"),
    "grey levels": ({"images": IMAGES * 255}, r"images: values from .* to 25.*; pixels must lie in \[0, 1\]"),
    "bytes": (
        {"images": (IMAGES * 255).byte()},
        r"images: torch.uint8 \(4, 3, 64, 64\); they must be floats",
    ),
    "two channels": ({"images": IMAGES[:, :2]}, "images: 2 channels; they must have 1 or 3"),
    "a text": ({"methods": "gradcam"}, "methods: 'gradcam' is a text; give a list of names"),
    "another's options": ({"options": {"saliency": {}}}, "options: 'saliency' is not among the methods gradcam"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_one_line(model, case):
    given, message = WRONG[case]
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


def test_a_model_with_a_module_in_training_mode_is_not_scored(model):
    try:
        model.net.layer1[0].bn1.train()
        with pytest.raises(ValueError, match=r"call model\.eval\(\)$"):
            score.evaluate(torch.rand(4, 64, 64), model=model, images=IMAGES, targets=TARGETS)
    finally:
        model.eval()


def test_a_method_that_does_not_support_the_network_loses_no_other():
    vit = explain.classifier(timm.create_model("test_vit", num_classes=3, img_size=64))
    with pytest.warns(UserWarning, match=r"^left out, .*: guided_backprop: guided backprop needs ReLUs"):
        assert set(explain.heatmaps(vit, IMAGES, TARGETS, ["guided_backprop", "gradcam"])) == {"gradcam"}
    with pytest.raises(Unsupported, match=r"^guided_backprop: "):
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


def evaluated(net, targets=TARGETS, **options):
    """Scores of random maps by a network that takes pixels."""
    maps = torch.rand(4, 64, 64, generator=torch.Generator().manual_seed(1))
    return score.evaluate(maps, model=net.eval(), images=IMAGES, targets=targets, steps=4, **options)


class Answering(nn.Module):
    """What `form` makes of logits that follow the mean brightness of the quarters of an image."""

    def __init__(self, form, columns=3):
        super().__init__()
        self.form, self.columns = form, columns
        self.scale = nn.Parameter(torch.tensor([20.0, -7.0, 9.0, 3.0])[:columns])

    def forward(self, images):
        return self.form(
            (images.mean(1).unflatten(1, (2, -1)).unflatten(3, (2, -1)).mean((2, 4)).flatten(1) - 0.5)[
                :, : self.columns
            ]
            * self.scale
        )


FORMS = {
    "dict": lambda logits: {"features": logits.sum(1), "logits": logits},
    "nameless dict": lambda logits: {"out": logits},
    "tuple": lambda logits: (logits, logits[:, :1]),
    "object": lambda logits: SimpleNamespace(logits=logits),
    "half precision": lambda logits: logits.double(),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_an_answer_does_not_matter(form):
    plain = evaluated(Answering(lambda logits: logits))
    pd.testing.assert_frame_equal(evaluated(Answering(FORMS[form])), plain)
    assert plain.attrs == {"output": "logits", "activation": "softmax"} and plain["srg"].abs().min() > 1e-4


@pytest.mark.parametrize("squeeze", [False, True])
def test_one_score_is_a_sigmoid_and_its_complement(squeeze):
    one = Answering(lambda z: z[:, 0] if squeeze else z, 1)
    two = Answering(lambda z: torch.cat([torch.zeros_like(z), z], 1), 1)
    single, both = evaluated(one, TARGETS % 2), evaluated(two, TARGETS % 2)
    assert single.attrs == {"output": "logits", "activation": "sigmoid"}
    curves = ["deletion_auc", "insertion_auc", "srg", "average_drop", "faithfulness_probability"]
    pd.testing.assert_frame_equal(single[curves], both[curves])
    of_one, of_other = evaluated(one, TARGETS * 0 + 1), evaluated(one, TARGETS * 0)
    torch.testing.assert_close(torch.tensor(of_one["srg"]), -torch.tensor(of_other["srg"]))
    model = explain.classifier(timm.create_model("test_resnet", num_classes=1))
    for_it, against_it = (explain.heatmaps(model, IMAGES, [one] * 4, ["input_x_gradient"]) for one in (1, 0))
    torch.testing.assert_close(for_it["input_x_gradient"], -against_it["input_x_gradient"])


def test_several_labels_are_scored_by_their_own_sigmoid():
    net = Answering(lambda logits: logits, 4)
    table = evaluated(net, task="multilabel")
    assert table.attrs["activation"] == "sigmoid"
    alone = pd.concat(
        [evaluated(Answering(lambda z, t=t: z[:, t], 4), TARGETS * 0 + 1).loc[[i]] for i, t in enumerate(TARGETS)]
    )
    pd.testing.assert_frame_equal(table, alone)
    model = explain.classifier(Arranged(), mean=[0.5], std=[0.25], task="multilabel")
    maps = torch.rand(4, 64, 64)
    assert score.evaluate(maps, model=model, images=IMAGES, targets=TARGETS, steps=2).attrs["activation"] == "sigmoid"
    with pytest.raises(
        ValueError, match=r"^task: 'multiclass', but explain\.classifier made the model for 'multilabel'$"
    ):
        score.evaluate(maps, model=model, images=IMAGES, targets=TARGETS, task="multiclass")


def _opaque(probabilities):
    return torch.from_numpy(probabilities.detach().numpy())


PROBABILITIES = {
    "softmax": (lambda z: z.softmax(1), {}),
    "softmax, averaged": (lambda z: (z.softmax(1) + z.softmax(1)) / 2, {}),
    "softmax, without autograd": (lambda z: _opaque(z.softmax(1)), {}),
    "sigmoid of labels": (lambda z: z.sigmoid(), {"task": "multilabel"}),
    "sigmoid of labels, without autograd": (lambda z: _opaque(z.sigmoid()), {"task": "multilabel"}),
    "sigmoid of one score": (lambda z: z[:, :1].sigmoid(), {}),
    "sigmoid of one score, squeezed": (lambda z: z[:, 0].sigmoid().squeeze(), {}),
}


@pytest.mark.parametrize("form", PROBABILITIES)
def test_probabilities_are_not_made_probabilities_again(form):
    make, options = PROBABILITIES[form]
    kind = form.split()[0].rstrip(",")
    targets = TARGETS % 2 if "one score" in form else TARGETS
    with pytest.warns(UserWarning, match=rf"^the model returns probabilities \({kind}\), and they are read as such"):
        found = evaluated(Answering(make), targets, **options)
    logits = Answering(lambda z: z[:, 0] if "one score" in form else z)
    expected = evaluated(logits, targets, **options)
    assert found.attrs == {"output": kind, "activation": expected.attrs["activation"]}
    columns = ["deletion_auc", "insertion_auc", "srg", "average_drop"]
    pd.testing.assert_frame_equal(found[columns], expected[columns], rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluated(Answering(make), targets, output=kind, **options).attrs == found.attrs
        assert evaluated(Answering(make), targets, output="logits", **options).attrs["output"] == "logits"


def test_logits_that_lie_between_zero_and_one_by_chance_are_logits():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert evaluated(Answering(lambda z: 0.5 + z / 1000), task="multilabel").attrs["output"] == "logits"
        assert evaluated(Answering(lambda z: 0.5 + z[:, 0] / 1000), TARGETS % 2).attrs["output"] == "logits"


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (lambda z: z.softmax(0), "the model ends in a softmax, but its classes do not sum to 1"),
        (lambda z: z[:, :, None, None].expand(-1, -1, 8, 8), r"the model returns \[4, 3, 8, 8\] for 4 images"),
        (lambda z: {"a": z, "b": z}, r"the model returns dict with 2 tensors \[images, classes\]: wrap it"),
        (lambda z: None, "the model returns NoneType with no tensors"),
    ],
)
def test_what_holds_no_class_scores_is_refused(form, message):
    with pytest.raises(InputError, match=f"^{message}"):
        evaluated(Answering(form))


WRAPPED = {
    "DataParallel": lambda net: nn.DataParallel(net),
    "compiled": lambda net: torch.compile(net),
    "one channel": lambda net: net,
    "bfloat16": lambda net: net.bfloat16(),
}


@pytest.mark.parametrize("case", WRAPPED)
def test_ordinary_networks_are_explained_and_scored(case):
    torch.manual_seed(0)
    net = timm.create_model("test_resnet", num_classes=3, in_chans=1 if case == "one channel" else 3)
    mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
    images = IMAGES[:, :1] if case == "one channel" else IMAGES
    model = explain.classifier(WRAPPED[case](net), mean, std)
    maps = explain.heatmaps(model, images, TARGETS, ["gradcam", "saliency"])
    assert all(of.dtype == torch.float32 and of.isfinite().all() and of.any() for of in maps.values())
    assert score.evaluate(maps["saliency"], model=model, images=images, targets=TARGETS, steps=2)["srg"].notna().all()
    if case == "one channel":
        with pytest.raises(InputError, match=r"^images: 3 channels; ResNet takes 1$"):
            explain.heatmaps(model, IMAGES, TARGETS)


def test_what_is_around_a_call_does_not_reach_it(model):
    methods, options = ["gradcam", "integrated_gradients"], {"integrated_gradients": {"steps": 2}}

    def compute():
        own = explain.classifier(model.net)  # made in here, and so are the images
        images = IMAGES[:2] * 1
        maps = explain.heatmaps(own, images, TARGETS[:2], methods, options=options)
        scores = score.evaluate(maps["gradcam"], model=own, images=images, targets=TARGETS[:2], steps=2)
        return maps, scores

    expected, scores = compute()
    for around in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)):
        with around:
            maps, again = compute()
        pd.testing.assert_frame_equal(again, scores)
        for name, of in expected.items():
            torch.testing.assert_close(maps[name], of)


def test_a_model_made_in_inference_mode_is_refused():
    with torch.inference_mode():
        net = timm.create_model("test_resnet", num_classes=3)
    with pytest.raises(InputError, match=r"^the model was made in inference mode, so it has no gradients"):
        explain.heatmaps(explain.classifier(net), IMAGES, TARGETS)


def test_arrays_and_maps_with_a_channel_are_scored(model):
    maps, masks = explain.heatmaps(model, IMAGES, TARGETS)["gradcam"], torch.zeros(4, 64, 64)
    masks[:, 10:20, 10:20] = 1
    expected = score.evaluate(maps, masks=masks, model=model, images=IMAGES, targets=TARGETS, steps=2)
    arrays = {"images": IMAGES.numpy().astype("float64"), "targets": TARGETS.numpy().astype("int16")}
    found = score.evaluate(maps.numpy()[:, None], masks=masks.numpy() > 0, model=model, steps=2, **arrays)
    pd.testing.assert_frame_equal(found, expected)
    made = explain.heatmaps(model, arrays["images"], arrays["targets"].tolist())["gradcam"]
    torch.testing.assert_close(made, maps)
    assert score.evaluate(maps.bfloat16(), masks=masks)["iou"].notna().all()


def test_masks_are_binary_or_have_a_threshold_and_are_neither_empty_nor_full():
    maps, soft = torch.rand(3, 64, 64), torch.zeros(3, 64, 64)
    soft[0, 10:30, 10:30], soft[0, 15:25, 15:25], soft[1] = 0.2, 0.9, 1
    with pytest.raises(ValueError, match=r"^masks: values from 0 to 1 that are neither .*: give mask_threshold"):
        score.evaluate(maps, masks=soft)
    table = score.evaluate(maps, masks=soft, mask_threshold=0.5)
    localization = [name for name in table if name not in score.evaluate(maps)]
    assert table.loc[[1, 2], localization].isna().all(axis=None)  # full, empty
    for same in (soft > 0.5, (soft > 0.5) * 255, (soft > 0.5).byte(), (soft > 0.5).double()):
        pd.testing.assert_frame_equal(score.evaluate(maps, masks=same), table)


def test_shapes_that_do_not_fit_are_refused(model):
    maps = torch.rand(4, 64, 64)
    for given, message in [
        ({"masks": torch.zeros(4, 32, 32)}, r"maps \(4, 64, 64\) and masks \(4, 32, 32\) differ"),
        ({"model": model}, "faithfulness asks the model: give images and targets with it"),
        ({"model": model, "images": IMAGES[:3], "targets": TARGETS[:3]}, r"maps \(4, 64, 64\) do not fit images"),
    ]:
        with pytest.raises(ValueError, match=f"^{message}"):
            score.evaluate(maps, **given)
    with pytest.raises(ValueError, match=r"^maps \(64, 64\): they must be \[images, height, width\]$"):
        score.evaluate(maps[0])
