"""Maps that know nothing of the image or of the model, which a score has to beat, and a yardstick for a grid's cost.

Every control is fixed by the study and the image, so that all models meet the same one:
`random`, `center`, `mean_mask`, `edges` and the choice of `other_image` are equal for all models, `lowres_noise` for
all models of one grid. `truth` need not be beaten: it is the ceiling of localization.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from heatproof.core.draws import derive, generator
from heatproof.core.geometry import upsample
from heatproof.score.order import pool

RANDOM, LOWRES_NOISE, CENTER, OTHER_IMAGE = "random", "lowres_noise", "center", "other_image"
MEAN_MASK, EDGES, CEILING, TRUTH, READER = "mean_mask", "edges", "ceiling", "truth", "second_reader"

_BATCH = 256  # masks that are read at a time

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


def mean_mask(masks: np.ndarray, rows: np.ndarray) -> Tensor:
    """Where lesions are in the training images: the mean of their masks, float32 [height, width].

    All zero, and so degenerate, where none of them has a mask.

    Args:
        masks: bool [all images, height, width], read a few at a time.
        rows: which of them are training images of the fold with a truth, int [images].
    """
    total = np.zeros(masks.shape[1:])
    for start in range(0, len(rows), _BATCH):
        total += masks[rows[start : start + _BATCH]].sum(0)
    return torch.from_numpy(total / max(len(rows), 1)).float()


def edges(pixels: Tensor) -> Tensor:
    """Edges of the images: the length of Sobel's gradient of the channels' mean, float32 [images, height, width].

    Beyond the image its outermost pixels go on, so that the frame is no edge.

    Args:
        pixels: uint8 or float [images, channels, height, width].
    """
    grey = F.pad(pixels.float().mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    kernels = torch.stack([across, across.T])[:, None]
    return F.conv2d(grey, kernels).square().sum(1).sqrt()


def truth(masks: Tensor) -> Tensor:
    """The mask itself as a map, float32 [images, height, width]: no localization metric may rate another map higher."""
    return masks.float()


def reading(mask: np.ndarray, points: np.ndarray, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A reader's region as a map, and one whose only maximum is the reader's most representative point.

    The region is as hot all over, but for a thousandth by which a pixel is hotter the farther it lies inside, so that
    pixels have an order and the maximum is the most interior point. That point stands for one that was not set; of
    several that were set the nearest to the truth counts, as a hit of any is one (Saporta et al. 2022).

    Args:
        mask: bool [height, width], what the reader drew.
        points: float [points, 2], x and y that the reader set; none in most data.
        distance: float [height, width], from each pixel to the truth.

    Returns:
        Two maps, float32 [height, width]; all zero, and so degenerate, where there is neither region nor point.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    region = (mask + 1e-3 * depth / max(depth.max(), 1)).astype(np.float32)
    if not len(points):
        return region, region
    columns, rows = np.floor(points).astype(int).T
    nearest = np.argmin(distance[rows, columns])
    peak = np.zeros_like(region)
    peak[rows[nearest], columns[nearest]] = 1
    return region, peak
