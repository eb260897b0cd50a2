"""`heatproof explain`: the heatmaps of one checkpoint."""

import argparse
import json

import numpy as np
import pandas as pd
import torch

from heatproof import artifacts
from heatproof.maps import degeneracy, upsample
from heatproof.progress import line, steps
from heatproof.registry import explanation_methods
from heatproof.seeds import derive
from heatproof.train.checkpoint import load_trained
from heatproof.train.layers import find_target_layer
from heatproof.train.model import pick_device, prepare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--fold", required=True, help="which split: a column of the manifest")
    parser.add_argument("--config", required=True, type=json.loads, help="section explain, as JSON")
    parser.add_argument("--compute", required=True, type=json.loads, help="section compute, as JSON")


def run(args: argparse.Namespace) -> None:
    config = args.config
    prepare(args.compute["threads"])
    device = pick_device(args.compute["device"])
    model, card = load_trained(args.study, args.model, args.seed, args.fold, device)
    model.requires_grad_(False)
    layer = find_target_layer(model, card["size"], config["min_grid"])
    what = f"{args.study}/{args.model}/{args.seed}/{args.fold}"
    line(f"{what}: explains {layer.name}, grid {layer.grid[0]}x{layer.grid[1]}")
    manifest = artifacts.read_manifest(args.study, args.fold)
    pixels = artifacts.read_array(artifacts.data_dir(args.study) / "pixels.npy")
    rows = select(manifest, args.study, config["images_per_group"])
    methods = explanation_methods(config["methods"])
    size = config["batch_size"]
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    folder = artifacts.heatmap_dir(args.study, args.model, args.seed, args.fold)
    parts = []
    with artifacts.writing_array(
        folder / "maps.npy", (len(methods) * len(rows), card["size"], card["size"]), "float32"
    ) as maps:
        filled = 0
        for name, method in methods.items():
            for batch in steps(batches, len(batches), f"{what}: {name}, batches"):
                inputs = (torch.from_numpy(pixels[batch]).to(device).float() / 255).requires_grad_()
                targets = torch.tensor(manifest["label"].to_numpy("int64")[batch], device=device)
                relevance = upsample(method(model, layer, inputs, targets), maps.shape[1:]).detach().cpu()
                with torch.no_grad():
                    predicted = model(inputs).argmax(1).tolist()
                maps[filled : filled + len(batch)] = relevance.numpy()
                filled += len(batch)
                part = manifest.iloc[batch][["image_id", "group"]].assign(
                    method=name,
                    target=targets.tolist(),
                    predicted=predicted,
                    layer=layer.name,
                    grid_height=layer.grid[0],
                    grid_width=layer.grid[1],
                    degenerate=degeneracy(relevance),
                )
                parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    artifacts.write_table(folder / "index.parquet", frame, artifacts.HEATMAPS)


def select(manifest: pd.DataFrame, study: str, per_group: int) -> np.ndarray:
    """Rows of the test images to explain, in the manifest's order: at most `per_group` a group, drawn from
    the study's name and the image's id alone, so that every model explains the same ones."""
    test = manifest[manifest["split"] == "test"]
    keys = test["image_id"].map(lambda image_id: derive("explain", study, image_id))
    order = keys.groupby(test["group"]).rank(method="first")
    return np.flatnonzero((manifest["split"] == "test") & (order.reindex(manifest.index) <= per_group))
