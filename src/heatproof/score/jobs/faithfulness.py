"""Faithfulness of one checkpoint's heatmaps: a part for each way of asking the model, written as the answers come.

Batches are filled across a few images and end with them, so that a shard asks in the same batches as the whole job.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from heatproof.core.draws import spread
from heatproof.core.messages import fitting
from heatproof.score import heatmaps
from heatproof.score.heatmaps import Heatmaps
from heatproof.score.jobs.common import Scoring, heatmaps_of
from heatproof.score.metrics import confidence, faithfulness, infidelity, naopc, road
from heatproof.score.queries import TOGETHER, Case, Forward, Probability, of_class, of_label, on
from heatproof.store.kept import KeptScores
from heatproof.train.checkpoint import load_trained
from heatproof.train.model import pick_device, prepare

Found = tuple[dict[str, Tensor], str]  # of one image: per metric float64 [maps], and why one of them may be NaN
Part = Callable[[Forward, "Asked", dict], Iterator[Found]]


def run(job: Scoring) -> None:
    """Score some images by every metric of faithfulness that the configuration asks for, and keep the curves."""
    options = job.options
    prepare(job.compute["threads"])
    device = pick_device(job.compute["device"])
    model, _ = load_trained(job.checkpoint, device)
    source = heatmaps_of(job.checkpoint)
    forward = partial(fitting, model, setting="score.faithfulness.batch_size")
    probability = of_label if source.multilabel else of_class
    scored = source.names if options["controls"] else list(source.methods)
    kept = job.kept(source, scored)
    names = kept.without(scored)
    kept_curves = replace(kept, table=1)
    with job.writing(source, kept) as write, job.writing_curves(source) as write_curves:
        for place, (part, chosen) in job.parts(list(pieces(source, options))):
            requested = Asked(source, names, chosen, device, probability)
            frame = requested.rows(part(forward, requested, options)) if names else None
            write(_joined(kept, place, frame) if kept.names else frame)
            if part is _curves:
                drawn = requested.curve_rows() if names else None
                write_curves(_joined(kept_curves, place, drawn) if kept.names else drawn)


def pieces(source: Heatmaps, options: dict) -> Iterator[tuple[Part, np.ndarray]]:
    """Yield each part that is asked for, with a few of its images at a time.

    Args:
        options: as `score.faithfulness` of the configuration; a part without its section is left out.
    """
    others = {"road": _road, "naopc": _naopc, "infidelity": _infidelity}
    wanted = [(options[what]["images"], part) for what, part in others.items() if options.get(what)]
    for count, part in [(options["images"], _curves), *wanted]:
        ids, groups = list(heatmaps.cases(source.images)), list(source.images.group)
        chosen = spread(source.study, ids, groups, count, source.beside.present)
        for start in range(0, len(chosen), TOGETHER):
            yield part, chosen[start : start + TOGETHER]


def _joined(kept: KeptScores, place: int, frame: pd.DataFrame | None) -> pd.DataFrame:
    """Return a part of the table, rows that are kept and those that were made: image by image, metric by metric."""
    made = {} if frame is None else dict(iter(frame.groupby("method", sort=False)))
    parts = kept.parts(made, place)
    order = np.arange(len(parts) * len(parts[0])).reshape(len(parts), -1).T.ravel()
    return pd.concat(parts).iloc[order]


@dataclass
class Asked:
    """Images that a part asks about, read one after the other."""

    source: Heatmaps
    names: list[str]  # of the methods and controls that are asked about
    chosen: np.ndarray  # which of the source's images
    device: torch.device
    probability: Probability  # how the model's logits are read
    waiting: deque[dict[str, str]] = field(default_factory=deque)  # of what was read, why a map cannot be scored
    sound: list[list[bool]] = field(default_factory=list)  # of each image that was read, which maps can be scored
    drawn: list[faithfulness.Curves] = field(default_factory=list)  # of the first baseline, an image after the other

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What draws for each image are derived from."""
        return [(self.source.study, image_id) for image_id in self.source.images.image_id.iloc[self.chosen]]

    def cases(self) -> Iterator[Case]:
        targets, beside = self.source.images.target.iloc[self.chosen], self.source.beside
        for image, place, target in zip(self.chosen, beside.places[self.chosen], targets, strict=True):
            stacks = self.source.stacks(np.array([image]), names=self.names)
            self.waiting.append({method: reason for method, (_, (reason,)) in stacks.items()})
            self.sound.append([reason == "" for reason in self.waiting[-1].values()])
            pixels = on(self.device, torch.from_numpy(beside.pixels[place].copy()))
            pixels = pixels if pixels.is_floating_point() else pixels.float() / 255
            yield pixels, torch.cat([maps for maps, _ in stacks.values()]), int(target)

    def rows(self, found: Iterable[Found]) -> pd.DataFrame:
        """Rows of the score table, without model and seed."""
        images = self.source.images[heatmaps.named_columns(self.source.images)].iloc[self.chosen].to_dict("records")
        both = zip(images, found, strict=True)
        return pd.concat([_rows(image, *of_image, self.waiting.popleft()) for image, of_image in both])

    def curve_rows(self) -> pd.DataFrame:
        """Rows of the table of curves: image by image and step by step, all methods together."""
        columns = [name for name in heatmaps.named_columns(self.source.images) if name != "target"]
        images = self.source.images[columns].iloc[self.chosen].to_dict("records")
        each = zip(images, self.drawn, self.sound, strict=True)
        return pd.concat([_steps(image, self.names, curves, sound) for image, curves, sound in each])


def _steps(image: dict[str, object], names: list[str], curves: faithfulness.Curves, sound: list[bool]) -> pd.DataFrame:
    kept = np.array(sound)[:, None]
    both = {name: np.where(kept, getattr(curves, name).numpy(), np.nan).T.ravel() for name in ("deletion", "insertion")}
    steps = {
        "method": np.tile(np.array(names, object), len(curves.share)),
        "share": np.repeat(curves.share.numpy(), len(names)),
    }
    return pd.DataFrame(image | steps | both)


def _rows(image: dict[str, object], values: dict[str, Tensor], undefined: str, reasons: dict[str, str]):
    reason = np.tile(np.array(list(reasons.values()), object), len(values))
    value = np.where(reason == "", torch.cat(list(values.values())).numpy(), np.nan)
    return pd.DataFrame(
        image
        | {
            "method": np.tile(np.array(list(reasons), object), len(values)),
            "metric": np.repeat(np.array(list(values), object), len(reasons)),
            "value": value,
            "reason": np.where((reason == "") & np.isnan(value), undefined, reason),
        }
    )


def _curves(forward: Forward, requested: Asked, options: dict) -> Iterator[Found]:
    """The first baseline's curves by the metrics' names, the others' with its name behind."""
    first, *others = options["baselines"]
    responses = faithfulness.responses(
        forward,
        requested.cases(),
        steps=options["steps"],
        baselines=[first, *others],
        batch_size=options["batch_size"],
        probability=requested.probability,
    )
    for response in responses:
        values = {metric: function(response) for metric, function in confidence.METRICS.items()}
        requested.drawn.append(response.curves[first])
        for baseline, curves in response.curves.items():
            suffix = "" if baseline == first else f"_{baseline}"
            values |= {f"{metric}{suffix}": function(curves) for metric, function in faithfulness.METRICS.items()}
        yield values, faithfulness.UNDEFINED


def _road(forward: Forward, requested: Asked, options: dict) -> Iterator[Found]:
    chosen = options["road"]
    responses = road.road_responses(
        forward,
        requested.cases(),
        percentiles=chosen["percentiles"],
        batch_size=options["batch_size"],
        probability=requested.probability,
        noise=chosen["noise"],
        keys=requested.keys,
    )
    for response in responses:
        yield {metric: function(response) for metric, function in road.METRICS.items()}, faithfulness.UNDEFINED


def _naopc(forward: Forward, requested: Asked, options: dict) -> Iterator[Found]:
    found = naopc.orders(
        forward,
        requested.cases(),
        cells=options["naopc"]["cells"],
        beam=options["naopc"]["beam"],
        baseline=options["baselines"][0],
        batch_size=options["batch_size"],
        probability=requested.probability,
    )
    for orders in found:
        yield {metric: function(orders) for metric, function in naopc.METRICS.items()}, orders.undefined


def _infidelity(forward: Forward, requested: Asked, options: dict) -> Iterator[Found]:
    found = infidelity.perturbed(
        forward,
        requested.cases(),
        keys=requested.keys,
        samples=options["infidelity"]["samples"],
        baseline=options["baselines"][0],
        batch_size=options["batch_size"],
        probability=requested.probability,
    )
    for perturbed in found:
        yield {metric: function(perturbed) for metric, function in infidelity.METRICS.items()}, infidelity.UNDEFINED
