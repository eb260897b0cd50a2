"""The Python API: heatmaps of any network, what it says of wrong input, and that every example runs."""

import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from shipped import PARAMS
from torch import nn

import heatproof as hp
from heatproof.api.scores import DEFAULTS
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import METRICS
from heatproof.core.geometry import upsample
from heatproof.core.messages import InputError, Unsupported
from heatproof.train.layers import find_target_layer

IMAGES, TARGETS = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0])
MASKS = torch.zeros(4, 64, 64, dtype=torch.bool)
MASKS[:, 10:20, 10:20] = True


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return hp.Classifier(timm.create_model("test_resnet", num_classes=3))


def message(call, *arguments, **options) -> str:
    """The one line that wrong input gets."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_maps_are_of_the_size_of_the_images_and_the_model_is_left_alone(model):
    model.train().requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    maps = hp.heatmaps(model, IMAGES, TARGETS, ["gradcam", "saliency"])
    assert {name: tuple(of.shape) for name, of in maps.items()} == {"gradcam": (4, 64, 64), "saliency": (4, 64, 64)}
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    model.eval()


def test_a_layer_of_ones_own_is_explained(model):
    given = hp.heatmaps(model, IMAGES, TARGETS, layer=model.net.layer1)["gradcam"]
    assert not torch.allclose(given, hp.heatmaps(model, IMAGES, TARGETS)["gradcam"])
    torch.testing.assert_close(given, hp.heatmaps(model, IMAGES, TARGETS, layer="layer1")["gradcam"])


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
    model = hp.Classifier(Arranged(), mean=[0.5], std=[0.25])
    images = torch.rand(2, 3, *size)
    last, tokens = (hp.heatmaps(model, images, [0, 1], layer=one)["gradcam"] for one in ("last", "tokens"))
    assert last.shape == (2, *size) and last.flatten(1).std(1).min() > 0
    torch.testing.assert_close(tokens, last)
    by_hand = model.net.first((images - 0.5) / 0.25).relu().detach()
    weights = (2 * by_hand * model.net.head.weight[:2, :, None, None]).mean((2, 3), keepdim=True)
    expected = upsample((weights * by_hand).sum(1).clamp(min=0), size)
    cosine = torch.nn.functional.cosine_similarity(last.flatten(1), expected.flatten(1))
    assert cosine.min() > 0.999
    assert hp.heatmaps(model, images, [0, 1], ["saliency"])["saliency"].shape == (2, *size)


def test_a_layer_with_channels_last_that_is_named_is_the_one_that_is_found():
    torch.manual_seed(0)
    model = hp.Classifier(timm.create_model("test_mambaout", num_classes=3))
    found = find_target_layer(model, 64, 7)
    assert found.layout == "NHWC"
    own = hp.heatmaps(model, IMAGES, TARGETS)["gradcam"]
    torch.testing.assert_close(hp.heatmaps(model, IMAGES, TARGETS, layer=found.module)["gradcam"], own)


def test_any_network_with_its_normalization_is_a_classifier():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    with pytest.raises(InputError, match=r"^Sequential does not say how its images are normalized: give mean and std$"):
        hp.Classifier(net)
    model = hp.Classifier(net, mean=[0.5] * 3, std=[0.25] * 3)
    torch.testing.assert_close(model(IMAGES), net((IMAGES - 0.5) / 0.25))
    assert hp.heatmaps(model, IMAGES, TARGETS, layer=net[1])["gradcam"].isfinite().all()


WRONG = {
    "method": ({"methods": ["gradcan"]}, "no method 'gradcan'; did you mean gradcam or "),
    "name of a paper": ({"methods": ["Grad-CAM"]}, "no method 'Grad-CAM'; did you mean "),
    "option": ({"options": {"gradcam": {"steps": 3}}}, "gradcam has no options"),
    "option's name": (
        {"methods": ["integrated_gradients"], "options": {"integrated_gradients": {"step": 3}}},
        "no option of integrated_gradients 'step'; did you mean steps?",
    ),
    "layer": ({"layer": "layr2"}, "ResNet has no layer 'layr2'; there are layer2, "),
    "layer without a grid": ({"layer": "fc"}, "layer fc of ResNet gives [3, 3], no grid of positions"),
    "another's layer": ({"layer": nn.ReLU()}, "ResNet has no layer ReLU; there are, for instance, conv1, "),
    "few targets": (
        {"targets": TARGETS[:2]},
        "targets: int64 [2]; they must be integers, one class for each of 4 images",
    ),
    "float targets": ({"targets": TARGETS.float()}, "targets: float32 [4]; they must be integers"),
    "no such class": ({"targets": TARGETS + 5}, "targets: class 7 of a model of 3 classes, counted from 0"),
    "negative class": ({"targets": TARGETS - 1}, "targets: class -1; classes are counted from 0"),
    "names of classes": ({"targets": ["ill"] * 4}, "targets: list is no tensor or array of numbers"),
    "grey levels": ({"images": IMAGES * 255}, "images: values from "),
    "not a number": ({"images": IMAGES * torch.nan}, "images: 4 of 4 hold NaN or infinite values"),
    "bytes": ({"images": (IMAGES * 255).byte()}, "images: uint8 [4, 3, 64, 64]; they must be floats in [0, 1]: divide"),
    "two channels": ({"images": IMAGES[:, :2]}, "images: 2 channels in float32 [4, 2, 64, 64]; there must be 1 or 3"),
    "channels last": ({"images": IMAGES.permute(0, 2, 3, 1)}, "images: 64 channels in float32 [4, 64, 64, 3]; there"),
    "no channels": ({"images": IMAGES[:, 0]}, "images: float32 [4, 64, 64]; they must be [images, channels, height"),
    "no images": ({"images": IMAGES[:0]}, "images: float32 [0, 3, 64, 64]; they must be "),
    "a path": ({"images": "images.npy"}, "images: str is no tensor or array of numbers"),
    "a text": ({"methods": "gradcam"}, "methods: 'gradcam'; give a list of names"),
    "no methods": ({"methods": []}, "methods: []; give a list of names"),
    "another's options": ({"options": {"saliency": {}}}, "options: 'saliency' is not among the methods gradcam"),
    "no batch": ({"batch_size": 0}, "batch_size: 0; it must be at least 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_gets_one_line(model, case):
    given, line = WRONG[case]
    assert message(hp.heatmaps, model, **({"images": IMAGES, "targets": TARGETS} | given)).startswith(line)


def test_what_is_no_network_or_no_classifier_is_refused(model):
    line = "model: ResNet is no hp.Classifier; give hp.Classifier(net, mean=..., std=...)"
    assert message(hp.heatmaps, model.net, IMAGES, TARGETS) == line
    assert message(hp.scores, MASKS, model=model.net, images=IMAGES, targets=TARGETS) == line
    assert message(hp.Classifier, "resnet18") == "net: str is no torch.nn.Module"
    assert message(hp.Classifier, model) == "net: it is an hp.Classifier already"
    assert message(hp.Classifier, model.net, mean="0.5").startswith("mean: '0.5'; give one number a channel")
    assert message(hp.Classifier, model.net, std=[0, 1, 1]) == "std: [0, 1, 1]; it must be finite, and above 0"


def test_a_map_that_must_not_be_scored_is_not_a_number(model, monkeypatch):
    from heatproof.explain import gradients
    from heatproof.explain.methods import Explanation

    def wide(batch):
        return Explanation(torch.rand(4, 8, 8), torch.ones(4), ["", "gap", "", "gap"])

    monkeypatch.setitem(gradients.METHODS, "deeplift", wide)
    maps = hp.heatmaps(model, IMAGES, TARGETS, ["deeplift"])["deeplift"]
    assert maps.isnan().flatten(1).all(1).tolist() == [False, True, False, True]


def test_the_size_of_batches_does_not_matter(model):
    methods, options = ["gradcam", "smoothgrad"], {"smoothgrad": {"samples": 2}}
    one, all_at_once = (hp.heatmaps(model, IMAGES, TARGETS, methods, options=options, batch_size=n) for n in (1, 4))
    for name in methods:
        torch.testing.assert_close(one[name], all_at_once[name])


def test_a_method_that_does_not_support_the_network_loses_no_other(model):
    vit = hp.Classifier(timm.create_model("test_vit", num_classes=3, img_size=64))
    with pytest.warns(UserWarning, match=r"^guided_backprop does not support this network and is left out: "):
        maps = hp.heatmaps(vit, IMAGES, TARGETS, ["guided_backprop", "gradcam"])
    assert set(maps) == {"gradcam"} and set(maps.unsupported) == {"guided_backprop"} and maps.grid == (4, 4)
    assert "ReLU" in maps.unsupported["guided_backprop"]
    with pytest.raises(Unsupported, match=r"^guided_backprop: "):
        hp.heatmaps(vit, IMAGES, TARGETS, ["guided_backprop"])


def test_a_network_without_a_grid_has_no_cam_but_gradients():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3))
    flat = hp.Classifier(net, mean=[0.5], std=[0.25])
    with pytest.warns(
        UserWarning, match=r"^gradcam does not support this network and is left out: Sequential has no la"
    ):
        maps = hp.heatmaps(flat, IMAGES, TARGETS, ["gradcam", "saliency"])
    assert set(maps) == {"saliency"} and maps.grid is None
    table = hp.scores(maps, model=flat, images=IMAGES, targets=TARGETS, metrics=["srg"], controls=["lowres_noise"])
    assert set(table.loc[table["method"] == "lowres_noise", "reason"]) == {"no_model"}


def test_importing_is_light_and_lists_what_there_is():
    code = (
        "import sys, heatproof as hp; hp.available('metrics'), dir(hp.metrics), dir(hp.methods), hp.__version__; print("
    )
    code += "{'torch', 'pandas', 'numpy'} & {*sys.modules}); hp.analyze, hp.load_study; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\nFalse\n", done.stderr
    assert set(dir(hp)) == {*hp.__all__, "__version__"} and hp.__version__[0].isdigit()
    assert dir(hp.metrics) == sorted(METRICS) and dir(hp.methods) == sorted(METHODS)
    assert message(hp.available, "metric") == "no kind of name 'metric'; did you mean metrics?"
    assert message(hp.available, "metrics", "faith").startswith(
        "no family of metrics 'faith'; did you mean faithfulness"
    )
    for module, name in ((hp, "heatmap"), (hp.metrics, "iouu"), (hp.methods, "gradcan")):
        with pytest.raises(AttributeError, match=name):
            getattr(module, name)


@pytest.mark.slow
def test_every_public_function_runs_whatever_has_been_imported():
    """No function is hidden by a package of its name; each has an example, which is run."""
    package = Path(hp.__file__).parent
    folders = {path.name for path in package.iterdir() if path.is_dir()} | {path.stem for path in package.glob("*.py")}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        if parts[-1] not in ("__main__", "__init__"):
            importlib.import_module(".".join(parts))
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(verbose=False)
    others = ("methods", "metrics", "Findings", "Judgement")
    functions = {name: getattr(hp, name) for name in hp.__all__ if name not in others}
    assert not folders & {*functions}
    functions |= {f"metrics.{name}": getattr(hp.metrics, name) for name in dir(hp.metrics)}
    functions |= {f"methods.{name}": getattr(hp.methods, name) for name in dir(hp.methods)}
    functions |= {module.__name__: module for module in (hp, hp.metrics, hp.methods)}
    for name, function in functions.items():
        (example,) = finder.find(function, name, globs={}, module=False)
        assert example.examples, f"{name} has no example"
        failed, tried = runner.run(example)
        assert tried and not failed, name


def test_defaults_are_those_of_params_yaml():
    faithfulness = {key: DEFAULTS[key] for key in ("steps", "baselines", "batch_size", "road", "naopc", "infidelity")}
    for name, value in faithfulness.items():
        given = PARAMS["score"]["faithfulness"][name]
        assert value == ({k: v for k, v in given.items() if k != "images"} if isinstance(given, dict) else given), name
    assert DEFAULTS["tolerance"] == PARAMS["score"]["localization"]["tolerance"]
    for function, section in ((hp.heatmaps, PARAMS["explain"]), (hp.analyze, PARAMS["stats"])):
        named = {name: one.default for name, one in inspect.signature(function).parameters.items() if name in section}
        named = {name: value for name, value in named.items() if name not in ("methods", "options")}
        assert len(named) > 1
        for name, value in named.items():
            assert value == (section[name]["default"] if isinstance(section[name], dict) else section[name]), name
