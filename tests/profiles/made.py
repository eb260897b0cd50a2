"""A network of a few numbers whose profiles can be worked out by hand, and a study of untrained networks."""

import argparse

import numpy as np
import pandas as pd
import torch
from torch import nn

from heatproof.profiles import measure
from heatproof.store import artifacts
from heatproof.train import model as models
from heatproof.train.checkpoint import labelled

LABELS = ("covid", "viral", "bacterial", "<b>clear</b>")
OPTIONS = {
    "by": ["label", "prediction", "outcome"],
    "layers": [],
    "dead": 1e-30,
    "min_images": 2,
    "min_patients": 2,
    "bootstrap": 20,
}
COMPUTE = {"device": "cpu", "threads": 1, "batch_size": 4}


class ByHand(nn.Module):
    """Three feature maps of an image: twice its values, three less its values, and one that is always 7."""

    def __init__(self, maps=((2.0, 0.0), (-1.0, 3.0), (0.0, 7.0))):
        super().__init__()
        self.net = nn.Sequential()
        self.net.add_module("maps", nn.Conv2d(1, len(maps), 1))
        self.net.add_module("head", nn.Flatten())
        slope, shift = torch.tensor(maps).T
        with torch.no_grad():
            self.net.maps.weight.copy_(slope[:, None, None, None])
            self.net.maps.bias.copy_(shift)
        self.requires_grad_(False).eval()

    def forward(self, pixels):
        return self.net(pixels)


def stream(pixels, patients, members, *, draws=0, batch_size=4, model=None):
    """The sums of the network's maps over images, uint8 [images, 1, height, width], sorted by patient."""
    model = model or ByHand()
    found = measure.find(model, pixels.shape[-1], ["maps"])
    tested = pd.DataFrame({"place": np.arange(len(pixels)), "group": patients})
    compute = COMPUTE | {"batch_size": batch_size}
    device = torch.device("cpu")
    members = np.asarray(members, bool)
    return measure.stream("study", model, found, pixels, tested, members, draws, compute, device, "test")["maps"]


def images(*values):
    """An image of 2 x 2 positions for each list of four values in [0, 1], which are multiples of a fifth."""
    return np.stack([np.round(255 * np.reshape(one, (1, 2, 2))).astype(np.uint8) for one in values])


def write_study(name="made", architectures=("test_resnet", "test_vit"), seeds=(0, 1), patients=16, size=64):
    """A multilabel study of untrained networks: all images are tested, two of a patient; labels overlap."""
    count = 2 * patients
    rng = np.random.default_rng(0)
    matrix = np.stack([np.arange(count) // 2 % 4 == 0, np.arange(count) // 2 % 4 <= 1], 1)
    matrix = np.concatenate(
        [matrix, (np.arange(count) // 2 % 4 == 2)[:, None], (np.arange(count) % 8 == 6)[:, None]], 1
    )
    frame = pd.DataFrame({"image_id": [f"i{i:03}" for i in range(count)]})
    frame = frame.assign(sha256="", source="", label=pd.NA, fold0="test", truth="none", width=size, height=size)
    frame["group"] = [f"p{i // 2:02}" for i in range(count)]
    folder = artifacts.data_dir(name)
    artifacts.write_manifest(name, frame.join(artifacts.multihot("label", matrix)))
    artifacts.write_array(folder / "pixels.npy", rng.integers(0, 256, (count, 1, size, size), dtype=np.uint8))
    manifest = artifacts.read_manifest(name)
    for architecture in architectures:
        for seed in seeds:
            torch.manual_seed(seed)
            here = artifacts.Checkpoint(name, architecture, seed, "fold0").folder
            here.mkdir(parents=True)
            models.save(models.build(architecture, len(LABELS), size), here / "model.safetensors")
            digest = artifacts.digest(here / "model.safetensors")
            card = {"architecture": architecture, "classes": list(LABELS), "size": size, "sha256": digest}
            artifacts.write_json(here / "card.json", card | {"task": "multilabel", "thresholds": [0.5] * len(LABELS)})
            told = np.where(matrix, 0.9, 0.1)
            told[rng.random(told.shape) < 0.3] = 0.6
            table, _ = labelled(manifest, told, np.full(len(LABELS), 0.5))
            artifacts.write_table(here / "predictions.parquet", table, artifacts.PREDICTIONS)


def asked(model="test_resnet", seed=0, compute=(), **options):
    """Arguments of the command for one checkpoint of the made study."""
    one = {"model": model, "seed": seed, "fold": "fold0", "compute": COMPUTE | dict(compute)}
    return argparse.Namespace(study="made", config=OPTIONS | options, **one)


def asked_study(architectures=("test_resnet", "test_vit"), seeds=(0, 1), **options):
    config = {key: value for key, value in OPTIONS.items() if key != "layers"} | {"top": 3}
    more = {"interval": 0.95, "group_kind": "patient", "title": "Made <up>"}
    return argparse.Namespace(
        study="made", config=config | options, models=list(architectures), seeds=list(seeds), folds=["fold0"], **more
    )
