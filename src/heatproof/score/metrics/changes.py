"""Compare maps of changed images, models or classes with the plain maps.

Sanity: a map that stays when weights are randomized, labels are shuffled or another class is explained shows the image,
not the model (Adebayo et al. 2018): lower is better, and 1 is the worst, which an edge detector gets. These metrics
take raw relevance `maps` [images, height, width] and `changed` [changes, images, height, width] and return one value
an image, float64 [images] in [-1, 1]: the mean over the changes whose map is not degenerate (Grad-CAM of random weights
often is all zero), NaN where none is left or the plain map is degenerate.

Robustness: a map should move as its image does. NaN where a map is degenerate.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from heatproof.catalogue.reasons import EVEN
from heatproof.catalogue.registry import metrics_in
from heatproof.score.metrics.consistency import rank_correlation
from heatproof.score.order import scorable, unit_scale

METRICS, metric = metrics_in(__name__)
UNDEFINED = EVEN.code  # of robustness

_SIDE, _SIGMA = 11, 1.5  # of the window, in pixels
_C1, _C2 = 0.01**2, 0.03**2  # of a range of 1


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity (Wang et al. 2004, Eq. 13) of maps scaled to [0, 1] each by its own min and max.

    Their Gaussian window of 11 pixels, standard deviation 1.5, at all places where it lies inside the map whole.

    Args:
        a, b: raw relevance [images, height, width], at least 11 pixels a side.

    Returns:
        float64 [images] in [-1, 1], NaN where either map is degenerate.

    Raises:
        ValueError: the maps are smaller than the window.
    """
    if min(a.shape[1:]) < _SIDE:
        raise ValueError(f"SSIM needs maps of at least {_SIDE} pixels a side, not {tuple(a.shape[1:])}")
    x, y = unit_scale(a), unit_scale(b)
    mean_x, mean_y = _windowed(x), _windowed(y)
    var_x, var_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)
    below = (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    return (above / below).flatten(1).mean(1).masked_fill(~(scorable(a) & scorable(b)), torch.nan)


def _windowed(maps: Tensor) -> Tensor:
    """Weighted mean of the window around each place."""
    offsets = torch.arange(_SIDE, dtype=maps.dtype, device=maps.device) - _SIDE // 2
    weights = torch.exp(-0.5 * (offsets / _SIGMA) ** 2)
    weights = weights / weights.sum()
    rows = F.conv2d(maps[:, None], weights.view(1, 1, -1, 1))
    return F.conv2d(rows, weights.view(1, 1, 1, -1))[:, 0]


@metric("ssim_cascade")
@metric("ssim_independent")
@metric("ssim_random_labels")
@metric("ssim_random_target")
def ssim_changed(maps: Tensor, changed: Tensor) -> Tensor:
    """SSIM with the maps of changed models, or for another class: the mean over the changes."""
    return torch.stack([ssim(maps, one) for one in changed]).nanmean(0)


@metric("rank_correlation_cascade")
@metric("rank_correlation_independent")
@metric("rank_correlation_random_labels")
@metric("rank_correlation_random_target")
def rank_correlation_changed(maps: Tensor, changed: Tensor) -> Tensor:
    """Spearman's correlation with the maps of changed models, or for another class: the mean over the changes."""
    return torch.stack([rank_correlation(maps, one) for one in changed]).nanmean(0)


@metric("rank_correlation_flip")
@metric("rank_correlation_shift")
@metric("rank_correlation_rotate")
@metric("rank_correlation_scale")
@metric("rank_correlation_noise")
@metric("rank_correlation_window")
def rank_correlation_moved(maps: Tensor, changed: Tensor, inside: Tensor) -> Tensor:
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
