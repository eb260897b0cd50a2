"""Maps that know nothing of the image or of the model, which a score has to beat, and a yardstick for a grid's cost.

Every control is fixed by the study and the image, so that all models meet the same one:
`random`, `center` and the choice of `other_image` are equal for all models, `lowres_noise` for all
models of one grid.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from heatproof.maps import upsample
from heatproof.score.maps import pool
from heatproof.seeds import derive, generator

RANDOM, LOWRES_NOISE, CENTER, OTHER_IMAGE, CEILING = (
    "random",
    "lowres_noise",
    "center",
    "other_image",
    "ceiling",
)

Key = tuple[str | int, ...]  # what a draw is for: study, image_id, and the seed where draws must differ by it


def _noise(purpose: str, keys: Sequence[Key], shape: tuple[int, int]) -> Tensor:
    draws = [generator("score", purpose, *key).random(shape, dtype=np.float32) for key in keys]
    return torch.from_numpy(np.stack(draws))


def random_maps(keys: Sequence[Key], size: tuple[int, int]) -> Tensor:
    """Independent uniform noise, float32 [keys, height, width]."""
    return _noise(RANDOM, keys, size)


def lowres_noise(keys: Sequence[Key], grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Uniform noise at a model's own grid, brought to image size as its heatmaps are, float32 [keys, height, width]."""
    return upsample(_noise(LOWRES_NOISE, keys, grid), size)


def center_blob(size: tuple[int, int]) -> Tensor:
    """Gaussian around the centre, standard deviation a quarter of each side, float32 [height, width]."""
    y, x = (torch.arange(1 - side, side, 2) / side for side in size)  # -1 to 1, exactly symmetric
    return torch.exp(-2 * (y[:, None].square() + x.square()))


def other_images(study: str, image_ids: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """For each image the index of another one, int64 [images]: a fixed permutation that maps none to itself.

    Sorted by group, in an order drawn for the study, every image takes the one that lies as far on
    as the largest group is long: always one of another group, unless a group holds more than half
    of the images, and then as often as can be. A lone image has no other: its index is its own.
    """
    count = len(image_ids)
    by_group = sorted(
        range(count),
        key=lambda i: (
            derive("score", OTHER_IMAGE, study, groups[i]),
            derive("score", OTHER_IMAGE, study, image_ids[i]),
        ),
    )
    largest = max(Counter(groups).values())
    shift = largest if largest < count else 1
    partners = np.empty(count, np.int64)
    partners[by_group] = np.roll(by_group, -shift)
    return partners


def ceiling(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """The truth as a model of this grid could show it: pooled to the grid and brought back to image size.

    A yardstick for what a grid costs, not a strict bound: a map may concentrate beyond it.

    Args:
        masks: bool [images, height, width].
        grid: rows and columns of the explained layer.

    Returns:
        float32 [images, height, width].
    """
    return upsample(pool(masks, grid), masks.shape[-2:])
