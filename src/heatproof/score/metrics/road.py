"""ROAD, remove and debias (Rong et al. 2022): deletion where removed pixels are imputed from those around
them, so that neither an unnatural baseline nor the shape of the hole tells the model what was there.

`road_responses` asks the model once for everything; a metric is a function of a `RoadResponse`. Metrics
return float64 [maps]. Values are those of pytorch-grad-cam's ROAD with the target's probability on maps
without ties; on maps with ties that removes every pixel that ties with the threshold, ours as many as counted.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from heatproof.catalogue.registry import metrics_in
from heatproof.core import draws
from heatproof.score.imputation import impute
from heatproof.score.order import ranks, scorable
from heatproof.score.queries import Case, Forward, Probability, by_map, grouped, of_class, on

METRICS, metric = metrics_in(__name__)
TOGETHER = 256  # imputed images at once: the more, the fewer lanes of `imputation` stay empty

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class RoadResponse:
    """What a model answers for the target of one image, float64 on the CPU; NaN for degenerate maps.

    Attributes:
        share: [steps], share of the pixels removed, in the order of the percentiles.
        morf: [maps, steps], probability with that share of the most relevant pixels imputed.
        lerf: [maps, steps], probability with that share of the least relevant pixels imputed.
        probability: [], of the whole image.
    """

    share: Tensor
    morf: Tensor
    lerf: Tensor
    probability: Tensor


@metric("road_morf")
def road_morf(response: RoadResponse) -> Tensor:
    """Change of the probability, after less before, as the most relevant pixels go, mean over percentiles:
    in [-1, 1], negative where they mattered; smaller is better (Rong et al. 2022, MoRF)."""
    return (response.morf - response.probability).mean(1)


@metric("road_lerf")
def road_lerf(response: RoadResponse) -> Tensor:
    """Change of the probability, after less before, as the least relevant pixels go, mean over percentiles:
    in [-1, 1], near 0 where they did not matter; larger is better (Rong et al. 2022, LeRF)."""
    return (response.lerf - response.probability).mean(1)


@metric("road")
def road(response: RoadResponse) -> Tensor:
    """(LeRF - MoRF) / 2, pytorch-grad-cam's ROADCombined: in [-1/2, 1/2], 0 for an order that tells nothing;
    larger is better."""
    return (road_lerf(response) - road_morf(response)) / 2


def removed_count(area: int, percentile: float) -> int:
    """Pixels at or above that percentile of a map without ties, of linear interpolation between ranks:
    `area - ceil((area - 1) percentile / 100)`, by exact arithmetic."""
    return area - math.ceil((area - 1) * Fraction(str(percentile)) / 100)


@dataclass(frozen=True)
class _Image:
    """One case, and what is added to its imputed pixels."""

    pixels: Tensor
    maps: Tensor
    target: int
    usable: Tensor
    noise: Tensor | None


def _imputed(images: Sequence[_Image], place: int, counts: list[int]) -> Iterator[Tensor]:
    """For each image the most relevant pixels of one map imputed, one image a count, then the least relevant."""
    area, each = images[0].pixels[0].numel(), 2 * len(counts)

    def repeated(tensors: Iterable[Tensor]) -> Tensor:
        return torch.cat([tensor.expand(each, *tensor.shape) for tensor in tensors])

    for some in grouped(images, max(1, TOGETHER // each)):
        device = some[0].pixels.device
        number = on(device, torch.tensor(counts)).view(1, -1, 1, 1)
        order = ranks(on(device, torch.stack([image.maps[place] for image in some])))[:, None]
        removed = torch.cat([order < number, order >= area - number], dim=1).flatten(0, 1)
        noise = None if some[0].noise is None else repeated(image.noise for image in some)
        yield from impute(repeated(image.pixels for image in some), removed, noise=noise).split(each)


def _response(logits: Tensor, image: _Image, counts: list[int], columns: list[int], read: Probability) -> RoadResponse:
    usable = image.usable
    probability = read(logits.masked_fill(~logits.isfinite(), torch.nan), image.target)
    curves = torch.full((len(usable), 2, len(columns)), torch.nan, dtype=torch.float64)
    curves[usable] = probability[1:].view(int(usable.sum()), 2, len(counts))[:, :, columns]
    morf, lerf = curves.unbind(1)
    share = torch.tensor(counts, dtype=torch.float64)[columns] / image.pixels[0].numel()
    return RoadResponse(share=share, morf=morf, lerf=lerf, probability=probability[0])


def road_responses(
    forward: Forward,
    cases: Iterable[Case],
    *,
    percentiles: Sequence[float],
    batch_size: int,
    noise: float = 0.0,
    keys: Iterable[Key] | None = None,
    probability: Probability = of_class,
) -> Iterator[RoadResponse]:
    """Ask a model about each image with its most, and its least, relevant pixels imputed.

    Pixels are removed by the order of the map alone, ties in raster order: removing the least relevant first
    is the reverse of removing the most relevant first. The whole image is evaluated once, two percentiles
    that remove as many pixels once, and a degenerate map not at all.

    Args:
        forward: pixels [batch, channels, height, width] in [0, 1] to logits [batch, classes].
        cases: as in `faithfulness.responses`, all of one size; memory holds about `TOGETHER` imputed images besides.
        percentiles: in (0, 100], one a step: pixels below that percentile of relevance stay (most relevant
            first), or those above 100 less it (least), as in pytorch-grad-cam; 90 removes a tenth.
        batch_size: images in a forward pass, filled across images, map by map (`queries.by_map`).
        noise: standard deviation of what is added to imputed pixels, in units of pixels; pytorch-grad-cam
            and the authors have 0.01, on normalized pixels. Drawn once an image, the same at each step.
        keys: what each image's noise is drawn from, one an image; needed where there is noise.

    Yields:
        One response an image, in order. Forward passes, in images: 1, and for each map 2 a percentile.

    Raises:
        ValueError: an option is out of range, or there are more or fewer keys than cases.
    """
    if not percentiles or not all(0 < percentile <= 100 for percentile in percentiles):
        raise ValueError(f"percentiles ({list(percentiles)}) must lie above 0 and up to 100")
    if batch_size < 1 or noise < 0 or (noise and keys is None):
        raise ValueError(f"batch_size ({batch_size}) must be at least 1, noise ({noise}) at least 0, and with keys")

    def images() -> Iterator[_Image]:
        pairs = zip(cases, keys, strict=True) if noise else ((case, ()) for case in cases)
        for (pixels, maps, target), key in pairs:
            yield _Image(pixels, maps, target, scorable(maps).cpu(), _draw(pixels, noise, key) if noise else None)

    def counts_of(image: _Image) -> tuple[list[int], list[int]]:
        wanted = [removed_count(image.pixels[0].numel(), percentile) for percentile in percentiles]
        counts = sorted(set(wanted))
        return counts, [counts.index(count) for count in wanted]

    def of_map(some: Sequence[_Image], place: int) -> Iterator[list[Tensor]]:
        return ([block] for block in _imputed(some, place, counts_of(some[0])[0]))

    for image, logits in by_map(forward, images(), batch_size, lambda image: [image.pixels[None]], of_map):
        yield _response(logits, image, *counts_of(image), probability)


def _draw(pixels: Tensor, noise: float, key: Key) -> Tensor:
    generator = torch.Generator().manual_seed(draws.derive("road", *key))  # on the CPU: the same on any device
    return noise * torch.randn(pixels.shape, generator=generator).to(pixels)
