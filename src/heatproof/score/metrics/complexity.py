"""How much of the image does a heatmap take up? Descriptive: nobody can say which value is the better one.

Metrics take raw relevance [images, height, width] and return float64 [images], NaN where a map is degenerate. All read
|relevance|, as the papers do: what speaks against the target takes up as much as what speaks for it.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import entr
from torch import Tensor

from heatproof.catalogue.registry import metrics_in
from heatproof.score.order import magnitude, scorable

METRICS, metric = metrics_in(__name__)


def _of_shares(maps: Tensor, value: Callable[[np.ndarray], float], ordered: bool = False) -> Tensor:
    """A value of each pixel's share in |relevance|, float64 [pixels], image by image."""
    values = np.full(len(maps), np.nan)
    for i in np.flatnonzero(scorable(maps).cpu().numpy()):
        amounts = magnitude(maps[i]).flatten().cpu().numpy()
        amounts = np.sort(amounts) if ordered else amounts
        amounts = amounts / amounts.max()  # so that no sum overflows
        values[i] = value(amounts / amounts.sum())
    return torch.from_numpy(values)


@metric("sparseness")
def sparseness(maps: Tensor) -> Tensor:
    """Gini index of |relevance| (Chalasani et al. 2020; Hurley and Rickard 2009, Table I).

    `1 - 2 Σ_k a_(k) / |a|_1 (n - k + 1/2) / n`, a_(1) the least of n pixels: 0 where all pixels are equal, 1 - 1/n
    where one has everything.
    """
    return _of_shares(maps, lambda p: (p * np.arange(1 - len(p), len(p), 2)).sum() / len(p), ordered=True)


@metric("entropy")
def entropy(maps: Tensor) -> Tensor:
    """Entropy of |relevance| as a distribution over pixels, in nats (Bhatt et al. 2020, complexity, Def. 4).

    0 where one pixel has everything, the logarithm of the number of pixels where all are equal.
    """
    return _of_shares(maps, lambda p: entr(p).sum())


@metric("effective_area")
def effective_area(maps: Tensor) -> Tensor:
    """`(Σ|a|)² / (n Σ a²)`: the share of the image that |relevance| would take up if it were spread evenly.

    The inverse participation ratio (optics calls it the effective area of a mode): 1/n where one of n pixels has
    everything, 1 where all are equal, k/n for a mask of k pixels.
    """
    return _of_shares(maps, lambda p: 1 / (len(p) * (p * p).sum()))
