"""Does a model that is trained again show the same heatmap? Maps of one method by all seeds are compared.

Metrics take raw relevance `maps` [seeds, images, height, width] and `others` of the same shape,
where a pair of seeds (a, b), a before b, compares `maps[a]` with `others[b]`: for a model's own
consistency, give the same maps twice. They return one value an image, float64 [images], larger is
better; NaN with one seed, and where any map compared is degenerate.
"""

from collections.abc import Callable, Iterable
from itertools import combinations

import torch
from torch import Tensor

from heatproof.score.maps import binarized, scorable
from heatproof.score.registry import registry

METRICS, metric = registry()


def _average_ranks(maps: Tensor) -> Tensor:
    """Rank of each pixel, float64 [images, pixels]; equal pixels share the mean of their ranks."""
    flat = maps.flatten(1).contiguous()
    ordered = flat.sort(dim=1).values
    first = torch.searchsorted(ordered, flat)
    return (first + torch.searchsorted(ordered, flat, right=True)).double() / 2


def binary_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of `1[L >= 0.5]` of two maps [images, height, width]: float64 [images], NaN where either is degenerate."""
    hot_a, hot_b = binarized(a).flatten(1), binarized(b).flatten(1)
    value = (hot_a & hot_b).sum(1).double() / (hot_a | hot_b).sum(1)
    return value.masked_fill(~(scorable(a) & scorable(b)), torch.nan)


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's correlation of two maps [images, height, width]: float64 [images], NaN where either is degenerate."""
    x, y = (ranks - ranks.mean(1, keepdim=True) for ranks in (_average_ranks(a), _average_ranks(b)))
    value = ((x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))).clamp(-1, 1)
    return value.masked_fill(~(scorable(a) & scorable(b)), torch.nan)


def _mean(
    measure: Callable[[Tensor, Tensor], Tensor],
    maps: Tensor,
    others: Tensor,
    pairs: Iterable[tuple[int, int]],
) -> Tensor:
    values = [measure(maps[a], others[b]) for a, b in pairs]
    return torch.stack(values).mean(0) if values else torch.full(maps.shape[1:2], torch.nan).double()


@metric("iou_seeds")
def iou_seeds(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over all pairs of seeds of the IoU of the maps binarized at 0.5."""
    return _mean(binary_iou, maps, others, combinations(range(len(maps)), 2))


@metric("iou_reference")
def iou_reference(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over the other seeds of the IoU with the reference, the first seed (arXiv 2601.12826, Eq. 6)."""
    return _mean(binary_iou, maps, others, ((0, b) for b in range(1, len(maps))))


@metric("rank_correlation_seeds")
def rank_correlation_seeds(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over all pairs of seeds of Spearman's correlation, equal pixels sharing their mean rank."""
    return _mean(rank_correlation, maps, others, combinations(range(len(maps)), 2))
