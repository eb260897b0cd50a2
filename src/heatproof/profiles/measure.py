"""`heatproof job profile`: activation profiles of one checkpoint, in one pass over its test images: the layers, each
reduced as it runs, and which images make a group."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from heatproof.core import messages
from heatproof.core.draws import generator
from heatproof.core.messages import InputError, fitting, line
from heatproof.profiles import distances as numbers
from heatproof.profiles import files
from heatproof.store import artifacts
from heatproof.store.artifacts import Checkpoint
from heatproof.train.checkpoint import load_trained
from heatproof.train.layers import Reading, probes, read
from heatproof.train.model import pick_device, prepare

UNLABELLED, UNPREDICTED = "no label", "nothing predicted"
OUTCOMES = {  # of a label: what is true of it, what is predicted
    "true positive": (True, True),
    "false negative": (True, False),
    "false positive": (False, True),
    "true negative": (False, False),
}


def make(frame: pd.DataFrame, classes: Sequence[str], options: dict) -> tuple[pd.DataFrame, np.ndarray]:
    """The groups that images fall into; with several labels an image is in several groups of a kind.

    Args:
        frame: predictions of some images, with a column `group`: the patient.
        classes: names of the labels.
        options: section `profiles`: `by` (kinds), `min_images`, `min_patients`.

    Returns:
        Table with columns by, group, images, patients, kept: whether it has images and patients enough to be
        profiled. And bool [images, kept groups], which images are in each.
    """
    found = [(by, name, members) for by in options["by"] for name, members in _groups(by, frame, classes)]
    rows = [
        {"by": by, "group": name, "images": int(members.sum()), "patients": frame.loc[members, "group"].nunique()}
        for by, name, members in found
    ]
    table = pd.DataFrame(rows)
    table["kept"] = (table["images"] >= options["min_images"]) & (table["patients"] >= options["min_patients"])
    members = [one for (_, _, one), kept in zip(found, table["kept"], strict=True) if kept]
    return table, np.array(members, bool).reshape(len(members), len(frame)).T


def _groups(by: str, frame: pd.DataFrame, classes: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and members, bool [images], of the groups of one kind."""
    truth, predicted = artifacts.truth(frame, len(classes)), artifacts.predicted(frame, len(classes))
    if by == "outcome":
        for name, has, stated in zip(classes, truth.T, predicted.T, strict=True):
            yield from ((f"{name}: {what}", (has == a) & (stated == b)) for what, (a, b) in OUTCOMES.items())
        return
    matrix, none = (truth, UNLABELLED) if by == "label" else (predicted, UNPREDICTED)
    yield from zip(classes, matrix.T, strict=True)
    if artifacts.is_multilabel(frame):
        yield none, ~matrix.any(1)


@dataclass(frozen=True)
class Layer:
    name: str
    reading: Reading
    units: int


class Answer(NamedTuple):
    """A layer's answer to some images: mean over positions [images, units], and the extremes [units] over all."""

    means: np.ndarray
    low: np.ndarray
    high: np.ndarray


def find(model: nn.Module, size: int, names: Sequence[str] = ()) -> list[Layer]:
    """The layers to profile, in the order in which they run: the ends of stages as timm names them, unless named.

    A stage whose output is no grid of feature maps (several tensors, positions in another order) is left out.

    Args:
        model: a `Classifier`, in evaluation mode.
        size: side of its images in pixels.
        names: of modules of its network, from `profiles.layers`.

    Raises:
        InputError: a named layer is not there or gives no grid, or no stage gives one.
    """
    net, kind = model.net, type(model.net).__name__
    modules = dict(net.named_modules())
    if lost := [name for name in names if name not in modules]:
        raise InputError(f"profiles.layers: {lost[0]}: {kind} has no such module; model.named_modules() lists them")
    outputs, runs = {}, Counter()

    def keep(name: str, output: object) -> None:
        runs[name] += 1
        outputs[name] = output.clone() if isinstance(output, Tensor) else None  # what follows may write into it

    with _hooked(net, names or [name for name in _stages(net) if name in modules], keep), torch.inference_mode():
        model(probes(size).to(next(model.parameters()).device))
    patches = getattr(getattr(net, "patch_embed", None), "grid_size", None)
    prefix_tokens = getattr(net, "num_prefix_tokens", 0)
    found = []
    for name, output in outputs.items():
        once = output is not None and runs[name] == 1 and output.ndim in (3, 4)
        reading = read(output, prefix_tokens, tuple(patches) if patches else None) if once else None
        if reading is not None:
            found.append(Layer(name, reading, reading.to_grid(output).shape[1]))
        elif not names:
            line(f"profiles: {name} of {kind} gives no grid of feature maps, and is left out")
    for name in names:
        if name not in {layer.name for layer in found}:
            raise InputError(f"profiles.layers: {name}: gives no grid of feature maps in {kind}; name another module")
    if not found:
        raise InputError(f"{kind} names no stages that give a grid of feature maps: name its layers in profiles.layers")
    return found


@contextmanager
def watching(model: nn.Module, layers: Sequence[Layer]) -> Iterator[dict[str, Answer]]:
    """What each layer answered to the batch that ran last."""
    answers: dict[str, Answer] = {}
    readings = {layer.name: layer.reading for layer in layers}

    def keep(name: str, output: Tensor) -> None:
        grid = readings[name].to_grid(output)
        means, low, high = grid.mean((2, 3), dtype=torch.float64), grid.amin((0, 2, 3)), grid.amax((0, 2, 3))
        answers[name] = Answer(*(one.double().cpu().numpy() for one in (means, low, high)))

    with _hooked(model.net, list(readings), keep):
        yield answers


@contextmanager
def _hooked(net: nn.Module, names: Sequence[str], keep) -> Iterator[None]:
    hooks = [
        net.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: keep(name, output))
        for name in dict.fromkeys(names)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _stages(net: nn.Module) -> list[str]:
    """Names of the modules that end a stage, as timm tells them; empty where it tells none."""
    info = getattr(net, "feature_info", None) or []
    entries = info if isinstance(info, (list, tuple)) else info.get_dicts()
    return [entry["module"] for entry in entries if isinstance(entry, dict) and entry.get("module")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    Checkpoint.add_arguments(parser)
    parser.add_argument("--config", required=True, type=json.loads, help="section profiles, as JSON")
    parser.add_argument("--compute", required=True, type=json.loads, help="section compute, as JSON")


def run(args: argparse.Namespace) -> None:
    """Profile a checkpoint and write the files of `files.CHECKPOINT_FILES`."""
    checkpoint, options = Checkpoint.of(args), args.config
    prepare(args.compute["threads"])
    device = pick_device(args.compute["device"])
    model, card = load_trained(checkpoint, device)
    model.requires_grad_(False)
    tested = read_tested(checkpoint)
    table, members = make(tested, card["classes"], options)
    kept = table[table["kept"]].reset_index(drop=True)
    if kept["by"].value_counts().max() < 2 or kept.empty:
        raise InputError(
            f"profiles: of {args.study} no two groups of {', '.join(options['by'])} have {options['min_images']} test"
            f" images of {options['min_patients']} patients: set profiles.min_images and profiles.min_patients lower"
        )
    found = find(model, card["size"], options["layers"])
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
    with watching(model, found) as answers, torch.inference_mode():

        def answer(batch: np.ndarray) -> dict[str, Answer]:
            model(torch.from_numpy(pixels[places[batch]]).to(device).float() / 255)
            return dict(answers)

        for batch in messages.steps(batches, len(batches), f"{what}, batches"):
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
    profiles, distances, drawn, stated = [], [], [], []
    for place, layer in enumerate(found):
        one, depth = sums[layer.name], len(found) - 1 - place
        gone = one.dead(dead)
        rows, columns = layer.reading.grid
        stated.append((layer.name, depth, rows, columns, layer.units, int(gone.sum())))
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
    artifacts.write_table(folder / "layers.parquet", pd.DataFrame(stated, columns=list(files.LAYERS)), files.LAYERS)
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
