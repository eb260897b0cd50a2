"""Faithfulness of one checkpoint's heatmaps: a part for each way of asking the model, written as the answers come."""

import argparse
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from heatproof import artifacts, progress
from heatproof.score import confidence, faithfulness, infidelity, naopc, road
from heatproof.score.asking import Case, grouped, on
from heatproof.score.heatmaps import Heatmaps
from heatproof.score.jobs.common import heatmaps_of, name, writing_scores
from heatproof.subset import spread
from heatproof.train.checkpoint import load_trained
from heatproof.train.model import pick_device, prepare

WRITTEN = 16  # images whose rows are written together

Found = tuple[dict[str, Tensor], str]  # of one image: per metric float64 [maps], and why one of them may be NaN


def run(args: argparse.Namespace) -> None:
    """Score some images by every metric of faithfulness that the configuration asks for."""
    options = args.config
    prepare(args.compute["threads"])
    device = pick_device(args.compute["device"])
    model, _ = load_trained(args.study, args.model, args.seed, args.fold, device)
    source = heatmaps_of(args, beside=True)
    pixels = artifacts.read_array(artifacts.data_dir(args.study) / "pixels.npy")
    parts = {"faithfulness": (options["images"], _curves)}
    for what, part in {"road": _road, "naopc": _naopc, "infidelity": _infidelity}.items():
        if options.get(what):
            parts[what] = (options[what]["images"], part)
    with writing_scores(args) as write:
        for what, (count, part) in parts.items():
            chosen = spread(args.study, list(source.images.image_id), list(source.images.group), count)
            asked = _Asked(source, chosen, source.beside.places[chosen], pixels, device)
            found = progress.steps(part(model, asked, options), len(chosen), f"{name(args)}: {what}, images")
            for rows in asked.rows(found):
                write(rows)


@dataclass
class _Asked:
    """The images that a part asks about, read one after the other."""

    source: Heatmaps
    chosen: np.ndarray  # which of the source's images
    places: np.ndarray  # where they lie in `pixels`
    pixels: np.ndarray
    device: torch.device
    waiting: deque[dict[str, str]] = field(default_factory=deque)  # of what was read, why a map cannot be scored

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What draws for each image are derived from."""
        return [(self.source.study, image_id) for image_id in self.source.images.image_id.iloc[self.chosen]]

    def cases(self) -> Iterator[Case]:
        targets = self.source.images.target.iloc[self.chosen]
        for image, place, target in zip(self.chosen, self.places, targets, strict=True):
            stacks = self.source.stacks(np.array([image]))
            self.waiting.append({method: reason for method, (_, (reason,)) in stacks.items()})
            pixels = on(self.device, torch.from_numpy(self.pixels[place].copy())).float() / 255
            yield pixels, torch.cat([maps for maps, _ in stacks.values()]), int(target)

    def rows(self, found: Iterable[Found]) -> Iterator[pd.DataFrame]:
        """Rows of the score table, without model and seed, of a few images at a time."""
        images = self.source.images[["image_id", "group"]].iloc[self.chosen]
        for some in grouped(zip(images.itertuples(index=False), found, strict=True), WRITTEN):
            yield pd.concat([_rows(*image, *of_image, self.waiting.popleft()) for image, of_image in some])


def _rows(image_id: str, group: str, values: dict[str, Tensor], undefined: str, reasons: dict[str, str]):
    reason = np.tile(np.array(list(reasons.values()), object), len(values))
    value = np.where(reason == "", torch.cat(list(values.values())).numpy(), np.nan)
    return pd.DataFrame(
        {
            "image_id": image_id,
            "group": group,
            "method": np.tile(np.array(list(reasons), object), len(values)),
            "metric": np.repeat(np.array(list(values), object), len(reasons)),
            "value": value,
            "reason": np.where((reason == "") & np.isnan(value), undefined, reason),
        }
    )


def _curves(model: nn.Module, asked: _Asked, options: dict) -> Iterator[Found]:
    """The first baseline's curves by the metrics' names, the others' with its name behind."""
    first, *others = options["baselines"]
    responses = faithfulness.responses(
        model, asked.cases(), steps=options["steps"], baselines=[first, *others], batch_size=options["batch_size"]
    )
    for response in responses:
        values = {metric: function(response) for metric, function in confidence.METRICS.items()}
        for baseline, curves in response.curves.items():
            suffix = "" if baseline == first else f"_{baseline}"
            values |= {f"{metric}{suffix}": function(curves) for metric, function in faithfulness.METRICS.items()}
        yield values, faithfulness.UNDEFINED


def _road(model: nn.Module, asked: _Asked, options: dict) -> Iterator[Found]:
    chosen = options["road"]
    responses = road.road_responses(
        model,
        asked.cases(),
        percentiles=chosen["percentiles"],
        batch_size=options["batch_size"],
        noise=chosen["noise"],
        keys=asked.keys,
    )
    for response in responses:
        yield {metric: function(response) for metric, function in road.METRICS.items()}, faithfulness.UNDEFINED


def _naopc(model: nn.Module, asked: _Asked, options: dict) -> Iterator[Found]:
    found = naopc.orders(
        model,
        asked.cases(),
        cells=options["naopc"]["cells"],
        beam=options["naopc"]["beam"],
        baseline=options["baselines"][0],
        batch_size=options["batch_size"],
    )
    for orders in found:
        yield {metric: function(orders) for metric, function in naopc.METRICS.items()}, orders.undefined


def _infidelity(model: nn.Module, asked: _Asked, options: dict) -> Iterator[Found]:
    found = infidelity.perturbed(
        model,
        asked.cases(),
        keys=asked.keys,
        samples=options["infidelity"]["samples"],
        baseline=options["baselines"][0],
        batch_size=options["batch_size"],
    )
    for perturbed in found:
        yield {metric: function(perturbed) for metric, function in infidelity.METRICS.items()}, infidelity.UNDEFINED
