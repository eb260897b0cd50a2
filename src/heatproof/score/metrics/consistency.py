"""Does a model that is trained again, or another architecture, show the same heatmap? Maps of one method are compared.

Metrics return one value an image, float64 [images], larger is better; NaN where there is nothing to compare with, and
where any map compared is degenerate.

Across seeds they take raw relevance `maps` [seeds, images, height, width] and `others` of the same shape, where a pair
of seeds (a, b), a before b, compares `maps[a]` with `others[b]`: for a model's own consistency, give the same maps
twice. Across architectures `others` are the maps of the other models, [models, seeds, images, height, width], and a
map is compared with those of the same seed.
"""

from collections.abc import Callable, Iterable
from itertools import combinations

import torch
from torch import Tensor

from heatproof.catalogue.registry import metrics_in
from heatproof.score.order import binarized, scorable

METRICS, metric = metrics_in(__name__)


def average_ranks(values: Tensor) -> Tensor:
    """Rank of each value of a row, float64 of the same shape [rows, values]; equal values share the mean of theirs."""
    ordered, order = values.sort(dim=1)
    places = torch.arange(values.shape[1], device=values.device)
    opens = torch.ones_like(ordered, dtype=torch.bool)
    opens[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = (places * opens).cummax(1).values
    last = torch.where(opens.roll(-1, 1), places, len(places)).flip(1).cummin(1).values.flip(1)
    shared = (first + last).double() / 2
    return torch.empty_like(shared).scatter_(1, order, shared)


def binary_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of `1[L >= 0.5]` of two maps [images, height, width]: float64 [images], NaN where either is degenerate."""
    hot_a, hot_b = binarized(a).flatten(1), binarized(b).flatten(1)
    value = (hot_a & hot_b).sum(1).double() / (hot_a | hot_b).sum(1)
    return value.masked_fill(~(scorable(a) & scorable(b)), torch.nan)


def rank_correlation(a: Tensor, b: Tensor, inside: Tensor | None = None) -> Tensor:
    """Spearman's correlation of two maps [images, height, width]: float64 [images], NaN where either is degenerate.

    With `inside`, bool of the same shape, over those pixels alone; NaN too where a map is constant on them.
    """
    shape = a.flatten(1).shape
    where = torch.ones(shape, dtype=torch.bool, device=a.device) if inside is None else inside.flatten(1)
    count = where.sum(1, keepdim=True)
    centred = []
    for maps in (a, b):
        # what is outside ranks behind everything else, and then counts for nothing
        ranks = average_ranks(maps.flatten(1).masked_fill(~where, torch.inf)) * where
        centred.append((ranks - ranks.sum(1, keepdim=True) / count) * where)
    x, y = centred
    value = ((x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1))).clamp(-1, 1)
    return value.masked_fill(~(scorable(a) & scorable(b)), torch.nan)


Measure = Callable[[Tensor, Tensor], Tensor]


def _over_seeds(measure: Measure, maps: Tensor, others: Tensor, pairs: Iterable[tuple[int, int]]) -> Tensor:
    values = [measure(maps[a], others[b]) for a, b in pairs]
    return torch.stack(values).mean(0) if values else torch.full(maps.shape[1:2], torch.nan).double()


def _over_models(measure: Measure, maps: Tensor, others: Tensor) -> Tensor:
    values = [measure(*pair) for other in others for pair in zip(maps, other, strict=True)]
    return torch.stack(values).mean(0) if values else torch.full(maps.shape[1:2], torch.nan).double()


@metric("iou_seeds")
def iou_seeds(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over all pairs of seeds of the IoU of the maps binarized at 0.5."""
    return _over_seeds(binary_iou, maps, others, combinations(range(len(maps)), 2))


@metric("iou_reference")
def iou_reference(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over the other seeds of the IoU with the reference, the first seed (arXiv 2601.12826, Eq. 6)."""
    return _over_seeds(binary_iou, maps, others, ((0, b) for b in range(1, len(maps))))


@metric("rank_correlation_seeds")
def rank_correlation_seeds(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over all pairs of seeds of Spearman's correlation, equal pixels sharing their mean rank."""
    return _over_seeds(rank_correlation, maps, others, combinations(range(len(maps)), 2))


@metric("iou_models")
def iou_models(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over the other models and all seeds of the IoU with their maps of the same seed, binarized at 0.5."""
    return _over_models(binary_iou, maps, others)


@metric("rank_correlation_models")
def rank_correlation_models(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over the other models and all seeds of Spearman's correlation with their maps of the same seed."""
    return _over_models(rank_correlation, maps, others)


def _over_methods(measure: Measure, maps: Tensor, others: Tensor) -> Tensor:
    values = [measure(maps, other) for other in others]
    return torch.stack(values).nanmean(0) if values else torch.full(maps.shape[:1], torch.nan).double()


@metric("rank_correlation_methods")
def rank_correlation_methods(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over the other methods of Spearman's correlation, equal pixels sharing their mean rank."""
    return _over_methods(rank_correlation, maps, others)


@metric("iou_methods")
def iou_methods(maps: Tensor, others: Tensor) -> Tensor:
    """Mean over the other methods of the IoU of the maps binarized at 0.5."""
    return _over_methods(binary_iou, maps, others)
