"""Does the heatmap lie on the truth? Every metric takes a batch and returns one value an image.

Maps are raw relevance [images, height, width], masks bool of the same shape; values are float64
[images] in [0, 1], larger is better, and NaN where a map is degenerate, a mask is empty, or the
metric is undefined (`UNDEFINED` names the reason).
"""

import torch
from torch import Tensor

from heatproof.score.maps import binarized, positive, scorable
from heatproof.score.registry import registry

METRICS, metric = registry()

UNDEFINED = "no positive relevance"  # the only reason left once map and mask are sound


def _scored(values: Tensor, maps: Tensor, masks: Tensor) -> Tensor:
    return values.double().masked_fill(~(scorable(maps) & masks.flatten(1).any(1)), torch.nan)


def _count(pixels: Tensor) -> Tensor:
    return pixels.flatten(1).sum(1, dtype=torch.float64)


@metric("localization_accuracy")
def localization_accuracy(maps: Tensor, masks: Tensor) -> Tensor:
    """`|1[L >= 0.5] ∩ M| / |M|` (arXiv 2601.12826, Eq. 4).

    Recall alone: a map that covers everything but one pixel scores 1.
    """
    return _scored(_count(binarized(maps) & masks) / _count(masks), maps, masks)


@metric("iou")
def iou(maps: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of `1[L >= 0.5]` and the mask."""
    hot = binarized(maps)
    return _scored(_count(hot & masks) / _count(hot | masks), maps, masks)


@metric("pointing_game")
def pointing_game(maps: Tensor, masks: Tensor) -> Tensor:
    """Does the maximum lie in the mask? (Zhang et al. 2018, without their tolerance of 15 pixels.)

    Where several pixels share the maximum: the share of them in the mask, which is the expected
    hit of a maximum picked among them at random, and so does not depend on where a map saturates.
    """
    peak = maps == maps.flatten(1).amax(1)[:, None, None]
    return _scored(_count(peak & masks) / _count(peak), maps, masks)


@metric("relevance_mass_accuracy")
def relevance_mass_accuracy(maps: Tensor, masks: Tensor) -> Tensor:
    """Share of the positive relevance that lies in the mask (Arras et al. 2022).

    NaN where a map has no positive relevance.
    """
    mass = positive(maps)
    scale = mass.flatten(1).amax(1)[:, None, None]
    mass = mass / scale  # 0 / 0 is NaN, and no sum overflows
    return _scored(_count(mass * masks) / _count(mass), maps, masks)


@metric("relevance_rank_accuracy")
def relevance_rank_accuracy(maps: Tensor, masks: Tensor) -> Tensor:
    """Share of the |M| most relevant pixels that lie in the mask (Arras et al. 2022).

    Where the last places are shared by equal pixels, as the zeros of Grad-CAM often are: the
    expected value over all orders of them.
    """
    flat, inside = maps.flatten(1), masks.flatten(1)
    places = inside.sum(1).clamp(min=1)
    last = flat.sort(dim=1, descending=True).values.gather(1, places[:, None] - 1)
    above, tied = flat > last, flat == last
    left = places - _count(above)
    hits = _count(above & inside) + left * _count(tied & inside) / _count(tied)
    return _scored(hits / places, maps, masks)
