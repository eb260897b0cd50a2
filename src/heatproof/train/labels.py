"""Labels that say nothing: what a model learns from them is no disease."""

import numpy as np
from torch import Tensor

from heatproof.seeds import generator


def shuffled(labels: Tensor, rows: np.ndarray, *key: str | int) -> Tensor:
    """Labels permuted among some images: every class keeps its count there, and no image its own label but by chance.

    Single images, not whole groups, as in the random-label test of Adebayo et al. (2018): look-alikes with labels of
    their own can only be learnt by heart.

    Args:
        labels: int64 [all images]; not changed.
        rows: int [images], which of them are permuted, each at most once.
        key: what the permutation is drawn from, such as study and seed.

    Returns:
        int64 [all images]; outside `rows` as before.
    """
    order = generator("train", "shuffled labels", *key).permutation(len(rows))
    result = labels.clone()
    result[rows] = labels[rows][order]
    return result
