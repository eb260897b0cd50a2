"""How a heatmap is read: one definition of scale, sign, order and ties for every metric.

Maps are relevance, float [images, height, width], raw: of any scale, and of both signs where the method is signed.
What holds for all metrics:

- **One map is one image and one target**, and is read alone: nothing is taken over a batch, so that a batch of one
  gives what a larger one does. An image that is explained for several targets is that many maps, each with its truth.
- **A map that is all zero, constant or not finite has no score**: NaN, never a hit or a miss.
- **Negative relevance speaks against the target.** What goes by order (`ranks`, `midranks`, the peak) reads raw values,
  so it comes last; what adds up relevance in favour of the target reads `positive`, where it counts as none; what is
  scaled to [0, 1] (`unit_scale`) keeps the order, the most negative value becoming 0; and what describes the spread of
  a map, whatever it speaks for, reads `magnitude`.
- **Ties.** What a metric says of equal pixels is its expected value over all orders of them (`midranks`). Where one
  order must be chosen, because a model is asked pixel by pixel or a peer's number is to be matched, they follow raster
  order (`ranks`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def scorable(maps: Tensor) -> Tensor:
    """Bool [images], on the device of the maps: True where a map [images, height, width] is not degenerate.

    It is True where `heatproof.core.geometry.degeneracy` has no reason, in one pass: NaN and infinity are extremes.
    """
    low, high = maps.flatten(1).aminmax(dim=1)
    return low.isfinite() & high.isfinite() & (low < high)


def unit_scale(maps: Tensor) -> Tensor:
    """Min-max to [0, 1] per image, float64: the L of arXiv 2601.12826. A degenerate map becomes NaN."""
    low, high = maps.double().flatten(1).aminmax(dim=1)
    return (maps.double() - low[:, None, None]) / (high - low)[:, None, None]


def binarized(maps: Tensor) -> Tensor:
    """Bool of the same shape: 1[L >= 0.5]. Never empty for a map that is not degenerate."""
    return unit_scale(maps) >= 0.5


def positive(maps: Tensor) -> Tensor:
    """Relevance in favour of the target, float64: negative values count as none."""
    return maps.double().clamp(min=0)


def magnitude(maps: Tensor) -> Tensor:
    """Relevance for or against the target, float64: absolute values."""
    return maps.double().abs()


def ranks(maps: Tensor) -> Tensor:
    """Place of each pixel, int64 of the same shape: 0 is the most relevant, ties follow raster order."""
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view(maps.shape)


def midranks(maps: Tensor) -> Tensor:
    """Rank of each pixel, float64 [images, pixels], 1 the least relevant; equal pixels share their ranks' mean."""
    flat = maps.flatten(1).contiguous()
    ordered = flat.sort(dim=1).values
    below = torch.searchsorted(ordered, flat)
    return (below + torch.searchsorted(ordered, flat, right=True) + 1).double() / 2


def pool(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Covered share of each cell, float32 [images, rows, columns], of bool masks [images, height, width]."""
    return F.adaptive_avg_pool2d(masks.float(), grid)
