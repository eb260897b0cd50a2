"""Do several methods show the same place of one image, by one model?

Metrics take raw relevance `maps` [images, height, width] of one method, and that of the others, [methods, images,
height, width]. They return one value an image, float64 [images], larger is better: the mean over the other methods
whose map is not degenerate. It is NaN where there is none of them, and where the map itself is degenerate.

Agreement is no truth: methods that are all wrong in the same way agree, and methods that answer different questions
need not.
"""

import torch
from torch import Tensor

from heatproof.catalogue.registry import metrics_in
from heatproof.score.metrics.consistency import Measure, binary_iou, rank_correlation

METRICS, metric = metrics_in(__name__)


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
