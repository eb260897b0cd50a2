"""docs/how-to/external-models.md at its word: each model that its blocks name can be opened, from files of random
weights."""

import importlib.util
import re

import pytest
import torch
import torchvision
import yaml
from shipped import PARAMS
from workflow.howto import steps

from heatproof.config.load import load as configured
from heatproof.train.libraries import MAKERS, Options
from heatproof.train.sources import load
from heatproof.train.specs import EXTRAS, Spec

CLASSES = ["normal", "tumour"]
BLOCKS = [
    yaml.safe_load(step.text)["models"]
    for step in steps("external-models")
    if not step.file and step.language == "yaml"
]
MODELS = [(name, model) for block in BLOCKS for name, model in block.items()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"studies": ["page"]}, sort_keys=False))
    code = next(step.text for step in steps("external-models") if step.file == "my_models.py")
    (tmp_path / "my_models.py").write_text(code)
    return tmp_path


def write(model):
    """The files that a model names, with random weights."""
    spec, options = (
        Spec.parse(model["source"]),
        {k: v for k, v in model.items() if k in ("arguments", "size", "channels")},
    )
    net = torchvision.models.squeezenet1_1(num_classes=2).eval()
    if spec.kind == "export":
        torch.export.save(torch.export.export(net, (torch.rand(1, 3, 64, 64),)), spec.name)
    elif spec.kind == "onnx":
        torch.onnx.export(net, (torch.rand(1, 3, 64, 64),), spec.name, external_data=False, verbose=False)
    elif spec.kind == "hf":
        from transformers import ViTConfig, ViTForImageClassification

        small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = ViTConfig(**small, image_size=32, patch_size=8, id2label=dict(enumerate(CLASSES)))
        ViTForImageClassification(config).save_pretrained(spec.name)
    elif "weights" in model:
        outputs = None if spec.kind == "xrv" else 2
        state = MAKERS[spec.kind](spec.name, Options.of(options), own=False, outputs=outputs).net.state_dict()
        if model["weights"].endswith("safetensors"):
            import safetensors.torch

            safetensors.torch.save_file(state, model["weights"])
        else:
            torch.save(state, model["weights"])


LARGE = ("torchvision:vit_b_16",)  # takes as long as the others together


def params():
    for name, model in MODELS:
        marks = [pytest.mark.slow] if model["source"] in LARGE else []
        yield pytest.param(name, model, marks=marks, id=model["source"])


@pytest.mark.parametrize(("name", "model"), params())
def test_a_model_of_the_page_is_opened(name, model, folder):
    needed = [EXTRAS.get(Spec.parse(model["source"]).kind), *(["onnxscript"] if "onnx" in model["source"] else [])]
    if lacking := [package for package in needed if package and importlib.util.find_spec(package) is None]:
        pytest.skip(f"{lacking[0]} is not installed")
    write(model)
    study = {"models": {name: model}, "seeds": [0], "data": {"split": {"test": "all"}}}
    (folder / "studies/page.yaml").write_text(yaml.safe_dump(study))
    network = configured(studies=["page"])["page"].recipe(name, 0)
    found = load(network.source, network.model_dump(exclude={"source"}), classes=CLASSES)
    assert found.check(found.size or 64).shape == (3, 2)


def test_every_key_and_every_source_is_on_the_page():
    from workflow.howto import PAGES

    from heatproof.config.study import Network

    text = (PAGES / "external-models.md").read_text(encoding="utf-8")
    listed = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `")))
    assert set(listed) == set(Network.model_fields)
    assert {Spec.parse(model["source"]).kind for _, model in MODELS} == {*MAKERS}
