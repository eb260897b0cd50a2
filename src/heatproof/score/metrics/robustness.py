"""Does the heatmap do what the image does? Maps of changed images against the maps of the images, changed alike.

Maps are raw relevance [images, height, width]; values are float64 [images], NaN where a map is degenerate.
"""

import torch
from torch import Tensor

from heatproof.catalogue.reasons import EVEN
from heatproof.catalogue.registry import metrics_in
from heatproof.score.metrics.consistency import rank_correlation
from heatproof.score.order import scorable

METRICS, metric = metrics_in(__name__)

UNDEFINED = EVEN.code


@metric("rank_correlation_flip")
@metric("rank_correlation_shift")
@metric("rank_correlation_rotate")
@metric("rank_correlation_scale")
@metric("rank_correlation_noise")
@metric("rank_correlation_window")
def rank_correlation_changed(maps: Tensor, changed: Tensor, inside: Tensor) -> Tensor:
    """Spearman's correlation of the moved map of the image and the map of the moved image.

    Over the pixels that were in the frame before and after; noise and window move nothing. In [-1, 1].

    Args:
        maps: of the images, moved as the images were (`geometry.moved`).
        changed: of the changed images.
        inside: bool [images, height, width], where the moved maps are defined (`geometry.defined`).
    """
    return rank_correlation(maps, changed, inside)


@metric("rank_correlation_transforms")
def rank_correlation_transforms(values: Tensor) -> Tensor:
    """Mean rank correlation over the transformations, of values [transformations, images].

    NaN where one of them has none, as means over different transformations cannot be compared.
    """
    return values.double().mean(0)


@metric("max_sensitivity")
def max_sensitivity(maps: Tensor, perturbed: Tensor) -> Tensor:
    """`max_d ||map(x + d) - map(x)|| / ||map(x)||`, Euclidean norms (Yeh et al. 2019; relative, as in Captum).

    At least 0, no upper bound: the largest of the draws, so it grows with their number.

    Args:
        maps: of the images.
        perturbed: [draws, images, height, width], of the images with noise; not scaled, as a change of scale counts.
    """
    flat, others = maps.double().flatten(1), perturbed.double().flatten(2)
    value = (others - flat).norm(dim=2).amax(0) / flat.norm(dim=1)
    sound = torch.stack([scorable(maps), *map(scorable, perturbed)]).all(0)
    return value.masked_fill(~sound, torch.nan)
