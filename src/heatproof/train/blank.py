"""`heatproof job blank`: what a checkpoint predicts of test images whose border or background is blanked."""

import argparse
import json

import numpy as np
import pandas as pd
import torch

from heatproof.store import artifacts
from heatproof.train.checkpoint import classified, labelled, load_trained
from heatproof.train.model import ImageSet, pick_device, predict, prepare

REGIONS = {"border": "border", "background": "body"}  # what is blanked -> the region that it is, or is all but


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    artifacts.Checkpoint.add_arguments(parser)
    parser.add_argument("--blank", required=True, nargs="+", choices=REGIONS, help="what is blanked, one after another")
    parser.add_argument("--regions", required=True, nargs="+", help="regions of the study, in the order of their file")
    parser.add_argument("--compute", required=True, type=json.loads, help="section compute, as JSON")


class Blanked:
    """Pixels of images whose blanked part has the mean level of the rest.

    Args:
        pixels: uint8 [images, channels, height, width].
        blank: bool [images, height, width], True where an image is blanked.
    """

    def __init__(self, pixels: np.ndarray, blank: np.ndarray):
        self._pixels, self._blank = pixels, blank

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        found = self._pixels[rows]
        for image, blank in zip(found, self._blank[rows], strict=True):
            image[:, blank] = np.rint(image[:, ~blank].mean(1, keepdims=True)).astype(np.uint8)
        return found


def run(args: argparse.Namespace) -> None:
    """Write `blanked.parquet`: predictions on test images, for each part that is blanked.

    Images in which no body was found have no background, and are left out of it.
    """
    checkpoint = artifacts.Checkpoint.of(args)
    prepare(args.compute["threads"])
    device, folder = pick_device(args.compute["device"]), artifacts.data_dir(args.study)
    manifest = artifacts.read_manifest(args.study, args.fold)
    pixels, regions = (artifacts.read_array(folder / name) for name in ("pixels.npy", "regions.npy"))
    model, card = load_trained(checkpoint, device)
    tests, tables = np.flatnonzero(manifest["split"] == "test"), []
    for name in args.blank:
        region = regions[args.regions.index(REGIONS[name])]
        rows = np.array([row for row in tests if 0 < region[row].mean() < 1], int)
        blank = _Inverted(region) if name == "background" else region
        images = ImageSet(Blanked(pixels, blank), rows, torch.zeros(len(rows)))
        logits = (
            predict(model, images, args.compute["batch_size"], device)
            if len(rows)
            else torch.zeros(0, len(card["classes"]))
        )
        tables.append(_table(manifest.iloc[rows], logits, card).assign(region=name))
    artifacts.write_table(checkpoint.blanked, pd.concat(tables, ignore_index=True), artifacts.BLANKED)


class _Inverted:
    """All but a region, read as it is used."""

    def __init__(self, region: np.ndarray):
        self._region = region

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return ~self._region[rows]


def _table(rows: pd.DataFrame, logits: torch.Tensor, card: dict) -> pd.DataFrame:
    if "thresholds" in card:
        return labelled(rows, logits.double().sigmoid().numpy(), np.array(card["thresholds"]))[0]
    return classified(rows, logits.double().softmax(1).numpy())
