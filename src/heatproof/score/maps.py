"""How a heatmap is read: one definition of scale, sign and order for every metric.

Maps are relevance, float [images, height, width], raw: of any scale, and of both signs where the
method is signed.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from heatproof.maps import degeneracy


def scorable(maps: Tensor) -> Tensor:
    """Bool [images], on the device of the maps: True where a map [images, height, width] is not degenerate."""
    return torch.tensor([not reason for reason in degeneracy(maps)], dtype=torch.bool, device=maps.device)


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


def ranks(maps: Tensor) -> Tensor:
    """Place of each pixel, int64 of the same shape: 0 is the most relevant, ties follow raster order."""
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view(maps.shape)


def pool(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Covered share of each cell, float32 [images, rows, columns], of bool masks [images, height, width]."""
    return F.adaptive_avg_pool2d(masks.float(), grid)
