"""Activation profiles of one checkpoint, in one pass over its test images."""

import argparse

import numpy as np
import pandas as pd
import torch

from heatproof import artifacts, progress
from heatproof.artifacts import Checkpoint
from heatproof.errors import InputError
from heatproof.memory import fitting
from heatproof.profiles import files, groups, layers, numbers
from heatproof.seeds import generator
from heatproof.train.checkpoint import load_trained
from heatproof.train.model import pick_device, prepare


def run(args: argparse.Namespace) -> None:
    """Profile a checkpoint and write the files of `files.CHECKPOINT_FILES`."""
    checkpoint, options = Checkpoint(args.study, args.model, args.seed, args.fold), args.config
    prepare(args.compute["threads"])
    device = pick_device(args.compute["device"])
    model, card = load_trained(checkpoint, device)
    model.requires_grad_(False)
    tested = read_tested(checkpoint)
    table, members = groups.make(tested, card["classes"], options)
    kept = table[table["kept"]].reset_index(drop=True)
    if kept["by"].value_counts().max() < 2 or kept.empty:
        raise InputError(
            f"profiles: of {args.study} no two groups of {', '.join(options['by'])} have {options['min_images']} test"
            f" images of {options['min_patients']} patients: set profiles.min_images and profiles.min_patients lower"
        )
    found = layers.find(model, card["size"], options["layers"])
    pixels = artifacts.read_array(artifacts.data_dir(args.study) / "pixels.npy")
    what = f"{checkpoint}: profiles"
    sums = stream(args.study, model, found, pixels, tested, members, options["bootstrap"], args.compute, device, what)
    write(files.profile_dir(checkpoint), found, sums, table, kept, options["dead"])


def read_tested(checkpoint: Checkpoint) -> pd.DataFrame:
    """Predictions of the test images, sorted by patient, with columns `group` (the patient) and `place` (in pixels)."""
    manifest = artifacts.read_manifest(checkpoint.study, checkpoint.fold)
    manifest = manifest.assign(place=np.arange(len(manifest)))[manifest["split"] == "test"]
    table = artifacts.read_table(checkpoint.predictions, artifacts.PREDICTIONS)
    table = table[table["split"] == "test"]
    if sorted(table["image_id"]) != sorted(manifest["image_id"]):
        raise artifacts.ArtifactError(
            f"{checkpoint.predictions}: its test images are not those of the manifest; delete the file and run again"
        )
    merged = manifest[["image_id", "group", "place"]].merge(table, on="image_id", validate="one_to_one")
    return merged.sort_values(["group", "place"], ignore_index=True)


def stream(study, model, found, pixels, tested, members, draws, compute, device, what) -> dict[str, numbers.Sums]:
    """Layer -> its sums over all test images, which come sorted by patient."""
    sums = {layer.name: numbers.Sums(layer.units, members.shape[1], draws) for layer in found}
    places, patients = tested["place"].to_numpy(), tested["group"].to_numpy()
    last = np.append(patients[1:] != patients[:-1], True)  # of a patient's images
    every, size = np.arange(len(tested)), compute["batch_size"]
    batches = [every[start : start + size] for start in range(0, len(every), size)]
    with layers.watching(model, found) as answers, torch.inference_mode():

        def answer(batch: np.ndarray) -> dict[str, layers.Answer]:
            model(torch.from_numpy(pixels[places[batch]]).to(device).float() / 255)
            return dict(answers)

        for batch in progress.steps(batches, len(batches), f"{what}, batches"):
            for name, found_here in fitting(answer, batch, "compute.batch_size").items():
                sums[name].extremes(found_here.low, found_here.high)
                for image, means in zip(batch, found_here.means, strict=True):
                    sums[name].image(means, members[image])
                    if last[image]:
                        # the same draws in every checkpoint, so that two can be held against each other
                        rng = generator("profiles", study, patients[image])
                        sums[name].close(numbers.weights(draws, rng))
    return sums


def write(folder, found, sums, table: pd.DataFrame, kept: pd.DataFrame, dead: float) -> None:
    """Work out profiles and distances from the sums, a layer and a kind of groups at a time, and write them."""
    profiles, distances, drawn, told = [], [], [], []
    for place, layer in enumerate(found):
        one, depth = sums[layer.name], len(found) - 1 - place
        gone = one.dead(dead)
        rows, columns = layer.reading.grid
        told.append((layer.name, depth, rows, columns, layer.units, int(gone.sum())))
        for by, groups_here in kept.groupby("by", sort=False):
            if len(groups_here) < 2:
                continue
            means, names = one.means(groups_here.index.to_numpy()), list(groups_here["group"])
            profile = numbers.profiles(means[..., ~gone])
            profiles.append(_profiles(layer, by, names, means[0], profile, gone))
            correlation = numbers.correlation_distances(profile)
            a, b = ([names[i] for i in side] for side in zip(*numbers.pairs(len(names)), strict=True))
            found_here = {"layer": layer.name, "depth": depth, "by": by, "a": a, "b": b, "correlation": correlation[0]}
            distances.append(pd.DataFrame(found_here | {"euclidean": numbers.euclidean_distances(profile[0])}))
            drawn.append(correlation[1:])
    artifacts.write_table(folder / "profiles.parquet", pd.concat(profiles, ignore_index=True), files.PROFILES)
    artifacts.write_table(folder / "groups.parquet", table, files.GROUPS)
    artifacts.write_table(folder / "layers.parquet", pd.DataFrame(told, columns=list(files.LAYERS)), files.LAYERS)
    artifacts.write_table(folder / "distances.parquet", pd.concat(distances, ignore_index=True), files.DISTANCES)
    artifacts.write_array(folder / "draws.npy", np.concatenate(drawn, axis=1))


def _profiles(layer, by: str, names: list[str], means: np.ndarray, profile: np.ndarray, dead: np.ndarray):
    """Rows of `files.PROFILES` of one layer and kind: unit by unit, and of each group by group."""
    value, error, rank = (np.full((len(names), layer.units), np.nan) for _ in range(3))
    value[:, ~dead], error[:, ~dead] = profile[0], numbers.errors(profile[1:])
    rank[:, ~dead] = numbers.ranks(profile[0])
    unit, group = np.divmod(np.arange(layer.units * len(names)), len(names))
    columns = {"unit": unit, "by": by, "group": np.array(names, object)[group], "mean": means.T.ravel()}
    columns |= {"profile": value.T.ravel(), "error": error.T.ravel(), "dead": dead[unit]}
    return pd.DataFrame({"layer": layer.name, **columns, "rank": pd.Series(rank.T.ravel()).astype("Int64")})
