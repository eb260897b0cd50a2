"""Models that were trained elsewhere: what is found out from them, what is asked for, and what is refused."""

import importlib.util
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torchvision
from torch import nn

import heatproof as hp
from heatproof.catalogue.reasons import RUNTIME_GRADIENT
from heatproof.core.messages import InputError, Unsupported, deadline
from heatproof.explain.gradients import saliency
from heatproof.explain.methods import Batch
from heatproof.store.artifacts import ArtifactError
from heatproof.train.libraries import Options, read_tensors
from heatproof.train.sources import described, load, reopen, tensors_of, untrained
from heatproof.train.specs import Spec

CLASSES = ["benign", "malign"]
PLAIN = {"mean": [0.0], "std": [1.0]}
CODE = """import torch
from helpers import width
from torch import nn


class Net(nn.Module):
    def __init__(self, outputs, answer):
        super().__init__()
        layers = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 8, 3, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(8, outputs)
        self.answer = answer

    def forward(self, pixels):
        z = self.head(self.body(pixels).mean((2, 3)))
        return {"logits": z, "softmax": z.softmax(1), "sigmoid": z.sigmoid(), "dict": {"a": z, "b": 2 * z}}[self.answer]


def build(outputs=2, answer="logits"):
    torch.manual_seed(1)
    return Net(outputs, answer)


def number():
    return 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("models.py").write_text(CODE)
    Path("helpers.py").write_text("width = 4\n")
    return tmp_path


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=2).eval()


@pytest.fixture
def pixels():
    return torch.rand(3, 1, 48, 48, generator=torch.Generator().manual_seed(2))


def own(**options):
    """The user's own function, opened."""
    arguments = {key: options.pop(key) for key in ("outputs", "answer") if key in options}
    return load("models.py:build", {**PLAIN, "arguments": arguments, **options}, classes=CLASSES)


@pytest.mark.parametrize(
    ("text", "kind", "name", "label"),
    [
        ("resnet50", "timm", "resnet50", "resnet50"),
        ("timm:resnet50.a1_in1k", "timm", "resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("torchvision:vit_b_16", "torchvision", "vit_b_16", "torchvision_vit_b_16"),
        ("hf:models/my vit", "hf", "models/my vit", "hf_my_vit"),
        ("xrv:densenet121-res224-all", "xrv", "densenet121-res224-all", "xrv_densenet121-res224-all"),
        ("my_package.my_module:build", "module", "my_package.my_module:build", "my_package.my_module_build"),
        ("code/net.py:build", "module", "code/net.py:build", "net_build"),
        ("models/a.pt2", "export", "models/a.pt2", "a"),
        ("models/b-{seed}.onnx", "onnx", "models/b-{seed}.onnx", "b-_seed"),
    ],
)
def test_a_specification_says_where_a_model_comes_from(text, kind, name, label):
    spec = Spec.parse(text)
    assert (spec.kind, spec.name, spec.label) == (kind, name, label)


@pytest.mark.parametrize("text", ["", "torchvsion:resnet18", "hf:", "a b:c d", "models/resnet", "x.py:", "model.h5"])
def test_what_is_no_specification_is_refused_in_a_line(text):
    with pytest.raises(InputError, match=r"is (no model|a file of weights, not a model): ") as caught:
        found = Spec.parse(text)
        raise AssertionError(found)
    assert "\n" not in str(caught.value)


WRITTEN = {
    "safetensors": lambda state, path: safetensors.torch.save_file(state, path),
    "pt": torch.save,
    "within a checkpoint": lambda state, path: torch.save({"epoch": 3, "state_dict": state}, path),
    "of Lightning": lambda state, path: torch.save(
        {"state_dict": {f"model.{key}": value for key, value in state.items()} | {"loss.weight": torch.ones(2)}}, path
    ),
    "of DataParallel": lambda state, path: torch.save({f"module.{key}": value for key, value in state.items()}, path),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_weights_are_read_whatever_a_trainer_puts_around_them(form, resnet, pixels):
    path = "weights.safetensors" if form == "safetensors" else "weights.pt"
    WRITTEN[form](resnet.state_dict(), path)
    found = load("torchvision:resnet18", {"weights": path}, classes=CLASSES)
    mean, std = (torch.tensor(found.preprocessing.__getattribute__(name)).view(1, 3, 1, 1) for name in ("mean", "std"))
    assert torch.allclose(found.net(pixels), resnet((pixels.expand(-1, 3, -1, -1) - mean) / std), atol=1e-5)
    assert found.net.num_classes == 2 and found.assumed and found.provenance["weights"] == path
    assert found.preprocessing.origin.startswith("torchvision")


def test_a_classifier_of_heatproof_brings_its_normalization(pixels):
    model = hp.Classifier(timm.create_model("test_resnet", num_classes=2), mean=[0.1] * 3, std=[0.7] * 3)
    safetensors.torch.save_file(model.state_dict(), "mine.safetensors")
    found = load("timm:test_resnet", {"weights": "mine.safetensors"}, classes=CLASSES)
    assert torch.allclose(found.net(pixels), model(pixels)) and found.preprocessing.std == pytest.approx([0.7] * 3)


class Evil:
    def __reduce__(self):
        return os.system, ("touch ran",)


def test_what_can_only_be_unpickled_is_read_where_it_is_trusted_alone(resnet):
    torch.save({"state_dict": resnet.state_dict(), "args": Evil()}, "evil.pt")
    torch.save(resnet, "whole.pt")
    for path in ("evil.pt", "whole.pt"):
        with pytest.raises(InputError, match=rf"{path}: cannot be read as tensors alone.* --trust {path}"):
            load("torchvision:resnet18", {"weights": path}, classes=CLASSES)
    assert not Path("ran").exists()
    found = load("torchvision:resnet18", {"weights": "whole.pt", "trust": ["./whole.pt"]}, classes=CLASSES)
    assert torch.equal(found.net.net.fc.weight, resnet.fc.weight)
    with pytest.raises(InputError, match=r"--trust evil\.pt"):
        read_tensors(Path("evil.pt"), ["whole.pt"])


@pytest.mark.parametrize("answer", ["logits", "softmax"])
def test_outputs_are_read_as_logits(answer, pixels):
    plain = own()
    if answer == "softmax":
        with pytest.warns(UserWarning, match="returns probabilities"):
            logits = own(answer=answer).net(pixels)
    else:
        logits = own(answer=answer).net(pixels)
    torch.testing.assert_close(logits.softmax(1), plain.net(pixels).softmax(1))


def test_one_logit_is_the_probability_of_the_class_that_is_named(pixels):
    z = own(outputs=1).net.net(pixels)
    second = own(outputs=1)
    first = own(outputs=1, classes=["benign"])
    torch.testing.assert_close(second.net(pixels).softmax(1), torch.cat([(-z).sigmoid(), z.sigmoid()], 1))
    torch.testing.assert_close(first.net(pixels).softmax(1), torch.cat([z.sigmoid(), (-z).sigmoid()], 1))
    assert second.assumed and not first.assumed
    plain = hp.Classifier.load("models.py:build", arguments={"outputs": 1}, **PLAIN)
    torch.testing.assert_close(plain(pixels), torch.cat([-z, z], 1))


def test_classes_are_found_by_name_or_place_in_any_order(pixels):
    both = own().net(pixels)
    turned = own(classes=["malign", "Benign"])
    assert not turned.assumed and torch.equal(turned.net(pixels), both[:, [1, 0]])
    of_five = own(outputs=5, classes={"malign": 0, "benign": 3})
    assert torch.equal(of_five.net(pixels), of_five.net.net(pixels)[:, [3, 0]])


def test_some_outputs_of_a_softmax_are_a_softmax_of_these(pixels):
    some = own(outputs=4, answer="softmax", output="softmax", classes={"benign": 2, "malign": 1})
    every = own(outputs=4, classes={"benign": 2, "malign": 1})
    torch.testing.assert_close(some.net(pixels).softmax(1), every.net(pixels).softmax(1))


REFUSED = {
    "no normalization": (
        {"mean": None},
        r"models.py:build does not say how its images are normalized: give mean and std",
    ),
    "classes that are no outputs": (
        {"classes": ["fat", "skin"]},
        r"its outputs are 'fat', 'skin', and the classes are benign, malign: state which .* classes: \{benign: 'fat'",
    ),
    "a class that is none": ({"classes": {"malignant": 0}}, "no class 'malignant'; did you mean malign"),
    "a part that is not there": (
        {"answer": "dict", "part": "c"},
        r"part: 'c' is not in what .* dict with \['a', 'b'\]",
    ),
    "an answer of two parts": ({"answer": "dict"}, r"the model returns dict with 2 tensors .* name one with part"),
    "a function that is not there": (
        {"source": "models.py:biuld"},
        "no function of models.py 'biuld'; did you mean build",
    ),
    "a file that is not there": ({"source": "nothing.py:build"}, "nothing.py: not found; give the path of a file"),
    "a module that is not there": (
        {"source": "no.such:build"},
        "no.such:build: there is no module no.such; run in the",
    ),
    "no network": ({"source": "models.py:number"}, "models.py:number returns int, not a torch.nn.Module"),
    "a wrong argument": ({"arguments": {"classes": 2}}, "models.py:build: cannot be opened: TypeError: "),
    "weights of another": ({"weights": "other.pt"}, r"weights: they do not fit module:models.py:build \(lacks: "),
    "no weights there": ({"weights": "none.pt"}, r"none.pt: not found; weights is the path of a \.safetensors file"),
    "no tensors": ({"weights": "list.pt"}, r"list.pt: holds no tensors by name, as model\.state_dict\(\) has them"),
    "no safetensors": ({"weights": "text.safetensors"}, r"text.safetensors: cannot be read as safetensors"),
    "a std of 0": ({"std": [0.0]}, r"std: \[0.0\]; it must be finite, and above 0"),
    "a size of three": ({"size": [1, 2, 3]}, r"size: \[1, 2, 3\]; give the side of a square, or \[height, width\]"),
    "two channels": ({"channels": 2}, "channels: 2; it must be 1 or 3"),
    "an option that is none": ({"wieghts": "a"}, "no option of a model 'wieghts'; did you mean weights"),
    "a timm model": ({"source": "timm:resnet1x"}, "no model of timm 'resnet1x'; did you mean resnet1"),
    "a torchvision model": (
        {"source": "torchvision:resnet19"},
        "no model of torchvision 'resnet19'; did you mean resnet1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_judged_is_refused_in_a_line(case, pixels):
    options, message = REFUSED[case]
    torch.save({"a": torch.ones(2)}, "other.pt")
    torch.save([1, 2], "list.pt")
    Path("text.safetensors").write_text("no")
    options = dict(options)
    source = options.pop("source", "models.py:build")
    arguments = {key: options.pop(key) for key in ("outputs", "answer") if key in options}
    with pytest.raises(InputError, match=message) as caught:
        load(source, {**PLAIN, "arguments": arguments, **options}, classes=CLASSES).net(pixels)
    assert "\n" not in str(caught.value)


def test_another_number_of_outputs_needs_the_classes(resnet):
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), "five.pt")
    with pytest.raises(InputError, match=r"^it has 5 outputs, and .* classes: \{benign: 0, malign: 1\}$"):
        load("torchvision:resnet18", {"weights": "five.pt"}, classes=CLASSES)


def test_images_are_resized_to_the_size_of_the_network(pixels):
    tall = own(size=[32, 64])
    seen = []
    tall.net.net.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    assert tall.net(pixels).shape == (3, 2) and seen[-1] == (3, 1, 32, 64)
    assert tall.layer_at(48).grid == (32, 64) and str(tall.preprocessing).startswith("one channel, resized to 32 x 64")
    maps = hp.heatmaps(
        hp.Classifier.load("models.py:build", size=[32, 64], **PLAIN), pixels, 0, ["saliency", "gradcam"]
    )
    assert maps["saliency"].shape == (3, 48, 48) and maps.grid == (32, 64)


def test_the_layer_is_the_one_that_is_named():
    assert own(layer="body.1").layer.name == "body.1"
    with pytest.raises(InputError, match=r"^Net has no layer 'body\.9'; there are body"):
        own(layer="body.9").layer  # noqa: B018


def carded(found, options, pixels):
    """A checkpoint of a model, opened again."""
    found.net(pixels)
    card = json.loads(json.dumps({**described(found, options), "classes": CLASSES}))
    safetensors.torch.save_file(tensors_of(found), "checkpoint.safetensors")
    return card


def test_a_checkpoint_gives_the_same_logits_and_another_when_it_is_untrained(pixels):
    options = {**PLAIN, "size": 32}
    found = load("models:build", options, classes=CLASSES)
    card = carded(found, options, pixels)
    again = reopen(card, Path("checkpoint.safetensors"))
    assert torch.equal(again(pixels), found.net(pixels)) and again.size == (32, 32)
    state = torch.get_rng_state()
    fresh, same, other = (untrained(card, key) for key in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(fresh(pixels), same(pixels)) and not torch.equal(fresh(pixels), other(pixels))
    assert all(not torch.equal(a, b) for a, b in zip(fresh.parameters(), again.parameters(), strict=True))


def test_changed_code_of_the_user_is_seen(pixels):
    found = load("models.py:build", PLAIN, classes=CLASSES)
    assert set(found.provenance["files"]) == {"models.py", "helpers.py"}
    card = carded(found, PLAIN, pixels)
    Path("helpers.py").write_text("width = 4  # as before\n")
    with pytest.raises(
        ArtifactError, match=r"^helpers\.py: not as it was when models\.py:build was loaded; run again$"
    ):
        reopen(card, Path("checkpoint.safetensors"))


def test_only_modules_beside_the_users_own_count_as_its_files():
    Path("package").mkdir()
    Path("package/__init__.py").write_text("")
    Path("package/net.py").write_text("import torch\nfrom . import parts\nfrom package.more import x\n")
    Path("package/parts.py").write_text("")
    Path("package/more.py").write_text("import json\n")
    Path("package/unused.py").write_text("")
    names = {path.name for path in Spec.parse("package.net:build").files()}
    assert names == {"net.py", "parts.py", "more.py", "__init__.py"}


def test_weights_of_a_seed_are_filled_in(resnet):
    torch.save(resnet.state_dict(), "weights-7.pt")
    assert load("torchvision:resnet18", {"weights": "weights-{seed}.pt"}, classes=CLASSES, seed=7).assumed
    with pytest.raises(InputError, match=r"^weights-8\.pt: not found"):
        load("torchvision:resnet18", {"weights": "weights-{seed}.pt"}, classes=CLASSES, seed=8)


def exported(path, batch):
    shapes = None if batch else ({0: torch.export.Dim("batch")},)
    net = own().net.net
    program = torch.export.export(net, (torch.rand(batch or 2, 1, 48, 48),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return net


@pytest.mark.parametrize("batch", [None, 1, 2])
def test_a_file_of_torch_export_is_judged_where_it_is_trusted(batch, pixels):
    net = exported("net.pt2", batch)
    with pytest.raises(InputError, match=r"^net\.pt2: is a file of torch\.export, and unpickling.* --trust net\.pt2"):
        load("net.pt2", PLAIN, classes=CLASSES)
    options = {**PLAIN, "trust": ["net.pt2"]}
    found = load("net.pt2", options, classes=CLASSES)
    torch.testing.assert_close(found.net(pixels), net(pixels))
    assert found.size == (48, 48) and found.has_gradients and found.has_modules == (batch is None)
    maps = saliency(Batch(found.net, None, pixels, torch.tensor([0, 1, 1])))
    torch.testing.assert_close(maps, saliency(Batch(own().net, None, pixels, torch.tensor([0, 1, 1]))))
    if batch is None:
        assert found.layer.name == own().layer_at(48).name
    card = carded(found, options, pixels)
    Path("net.pt2").unlink()  # the checkpoint holds it
    assert torch.equal(reopen(card, Path("checkpoint.safetensors"))(pixels), found.net(pixels))
    with pytest.raises(Unsupported, match="cannot be randomized"):
        untrained(card, 0)


needs_onnx = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript")),
    reason="onnxruntime, onnx or onnxscript is not installed: pip install 'heatproof[onnx]' onnx onnxscript",
)


@needs_onnx
@pytest.mark.parametrize("batch", [None, 2])
def test_a_model_of_onnx_answers_and_has_neither_gradients_nor_layers(batch, pixels):
    net = own().net.net
    shapes = None if batch else ({0: torch.export.Dim("batch")},)
    sample = torch.rand(batch or 2, 1, 48, 48)
    torch.onnx.export(net, (sample,), "net.onnx", dynamic_shapes=shapes, external_data=False, verbose=False)
    found = load("net.onnx", PLAIN, classes=CLASSES)
    torch.testing.assert_close(found.net(pixels), net(pixels), rtol=1e-4, atol=1e-5)
    assert found.layer is None and found.grid is None and not found.has_gradients and found.size == (48, 48)
    with pytest.raises(Unsupported) as caught:
        saliency(Batch(found.net, None, pixels, torch.tensor([0, 1, 1])))
    assert caught.value.reason == RUNTIME_GRADIENT
    card = carded(found, PLAIN, pixels)
    assert torch.equal(reopen(card, Path("checkpoint.safetensors"))(pixels), found.net(pixels))
    model = hp.Classifier.load("net.onnx", **PLAIN)
    with pytest.warns(UserWarning, match="gradcam does not support this network and is left out"):
        maps = hp.heatmaps(model, pixels, [0, 1, 1], ["gradcam", "occlusion"])
    assert list(maps) == ["occlusion"] and maps["occlusion"].any()


@needs_onnx
def test_what_is_no_onnx_is_refused():
    Path("net.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"^net\.onnx: cannot be opened: "):
        load("net.onnx", PLAIN, classes=CLASSES)


@pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="transformers is not installed: pip install 'heatproof[hf]'",
)
def test_a_folder_of_hugging_face_says_all_that_is_needed(pixels):
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ViTConfig(**small, image_size=32, patch_size=8, id2label={0: "Malign", 1: "BENIGN"})
    net = ViTForImageClassification(config).eval()
    net.save_pretrained("vit")
    processor = {"image_mean": [0.5] * 3, "image_std": [0.2] * 3, "size": {"height": 32, "width": 32}}
    Path("vit/preprocessor_config.json").write_text(json.dumps(processor))
    found = load("hf:vit", {}, classes=CLASSES)
    assert (found.size, found.classes, found.assumed) == ((32, 32), CLASSES, False)
    seen = nn.functional.interpolate(pixels, (32, 32), mode="bilinear", antialias=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(found.net(pixels), net((seen - 0.5) / 0.2).logits[:, [1, 0]], rtol=1e-4, atol=1e-5)
    card = carded(found, {}, pixels)
    os.rename("vit", "elsewhere")  # noqa: PTH104
    assert torch.equal(reopen(card, Path("checkpoint.safetensors"))(pixels), found.net(pixels))
    with pytest.raises(InputError, match=r"^hf:\./vit: no such folder; give one with config\.json"):
        load("hf:./vit", {}, classes=CLASSES)


@pytest.mark.parametrize(("scale", "factor"), [(1.0, 1 / 255), (255 / 127.5, 1 / 127.5)])
def test_a_processor_is_read_for_pixels_between_zero_and_one(scale, factor):
    from heatproof.train.libraries import _processing

    mean, std, size = _processing({"image_mean": [0.5], "image_std": [0.25], "rescale_factor": factor, "size": 9})
    x = np.linspace(0, 1, 5)
    np.testing.assert_allclose((x - mean[0]) / std[0], (x * 255 * factor - 0.5) / 0.25)
    assert size == (9, 9) and scale == pytest.approx(255 * factor)


@pytest.mark.skipif(
    importlib.util.find_spec("torchxrayvision") is None,
    reason="torchxrayvision is not installed: pip install 'heatproof[xrv]'",
)
def test_torchxrayvision_gives_logits_of_its_own_range_without_thresholds(tmp_path, monkeypatch):
    import torchxrayvision as xrv

    name = "densenet121-res224-rsna"
    torch.manual_seed(0)
    net = xrv.models.DenseNet(num_classes=18, in_channels=1).eval()
    monkeypatch.setattr(xrv.utils, "get_cache_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match=rf"^xrv:{name}: .*: not found; download https://"):
        load(f"xrv:{name}", {}, classes=["Pneumonia"], task="multilabel")
    path = tmp_path / Path(xrv.models.model_urls[name]["weights_url"]).name
    torch.save(net, path)
    with pytest.raises(InputError, match="cannot be read as tensors alone"):
        load(f"xrv:{name}", {}, classes=["Pneumonia"], task="multilabel")
    found = load(f"xrv:{name}", {"trust": [str(path)]}, classes=["Lung Opacity", "Pneumonia"], task="multilabel")
    pixels = torch.rand(1, 1, 224, 224)
    places = [net.targets.index(label) for label in ("Lung Opacity", "Pneumonia")]
    torch.testing.assert_close(found.net(pixels), net((pixels * 2 - 1) * 1024)[:, places], rtol=1e-3, atol=1e-4)
    assert found.channels == 1 and found.size == (224, 224) and not found.assumed


@pytest.mark.parametrize("kind", ["hf", "monai", "xrv", "onnx"])
def test_a_library_that_is_not_installed_is_named_with_its_extra(kind, monkeypatch):
    monkeypatch.setattr("heatproof.train.specs.find_spec", lambda name: None)
    source = "net.onnx" if kind == "onnx" else f"{kind}:anything"
    with pytest.raises(InputError, match=rf"not installed: pip install 'heatproof\[{kind}\]'$"):
        load(source, {}, classes=CLASSES)


def test_work_that_takes_too_long_ends_the_process(capfd):
    child = os.fork()
    if child == 0:
        with deadline(0.2, "models.slow: took longer than compute.timeout (0.2 s)") as again:
            for _ in range(3):
                time.sleep(0.1)
                again()
            time.sleep(30)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert capfd.readouterr().err == "models.slow: took longer than compute.timeout (0.2 s)\n"


def test_options_are_those_of_a_study():
    from dataclasses import fields

    from heatproof.config.study import Network

    assert {one.name for one in fields(Options)} == set(Network.model_fields) - {"source"}
