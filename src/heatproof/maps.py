"""What `explain` and `score` hold true of a heatmap alike: when it is degenerate, how a grid reaches image size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from heatproof.catalogue.reasons import ALL_ZERO, CONSTANT, NOT_FINITE

DEGENERATE = (NOT_FINITE.text, ALL_ZERO.text, CONSTANT.text)


def degeneracy(maps: Tensor) -> list[str]:
    """Why each map [images, height, width] cannot be scored: not finite, all zero, constant, or "" if it can."""
    flat = maps.flatten(1)
    finite = flat.isfinite().all(1).tolist()
    zero = (flat == 0).all(1).tolist()
    constant = (flat == flat[:, :1]).all(1).tolist()
    return [
        NOT_FINITE.text if not f else ALL_ZERO.text if z else CONSTANT.text if c else ""
        for f, z, c in zip(finite, zero, constant, strict=True)
    ]


def upsample(grids: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps [images, rows, columns] at image size (height, width), float32: bilinear between the cells' centres.

    What has that size stays as it is.
    """
    if tuple(grids.shape[1:]) == tuple(size):
        return grids.float()
    large = F.interpolate(grids[:, None].float(), size=size, mode="bilinear", align_corners=False)[:, 0]
    first = grids[:, :1, :1].float()
    constant = (grids == grids[:, :1, :1]).flatten(1).all(1)[:, None, None]
    return torch.where(constant, first, large)  # whose interpolation would be noise of rounding
