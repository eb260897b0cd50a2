"""What `explain` and `score` hold true of a heatmap alike: how it moves with its image, when it is degenerate, how a
grid reaches image size."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from heatproof.catalogue.reasons import ALL_ZERO, CONSTANT, NOT_FINITE
from heatproof.core.draws import generator

# as far as training images are moved by default (`train.augment` in params.yaml): small, and nothing new to a model
SHIFT = 0.05  # of the side, along both axes, in whole pixels
ANGLE = 10.0  # degrees
SCALE = 1.1  # times as large, or as small

Key = tuple[str | int, ...]  # study and image, so that every model meets the same move


class Move(NamedTuple):
    """A mirror of left and right, then a turn and a change of size about the centre, then a shift.

    Attributes:
        mirror: whether left and right are swapped.
        angle: degrees, counter-clockwise as one looks at the picture.
        scale: how many times as large the picture becomes.
        shift: whole pixels down and to the right.
    """

    mirror: bool = False
    angle: float = 0.0
    scale: float = 1.0
    shift: tuple[int, int] = (0, 0)


def draw_move(name: str, size: tuple[int, int], key: Key) -> Move:
    """The move of one transformation: its size is fixed, its direction drawn from the key.

    Args:
        name: flip, shift, rotate or scale; any other transformation moves nothing.
        size: height and width in pixels.
        key: of the image.
    """
    down, right = (int(sign) for sign in generator("geometry", name, *key).choice([-1, 1], 2))
    if name == "flip":
        return Move(mirror=True)
    if name == "shift":
        rows, columns = (max(1, round(SHIFT * side)) for side in size)
        return Move(shift=(down * rows, right * columns))
    if name == "rotate":
        return Move(angle=down * ANGLE)
    return Move(scale=SCALE**down) if name == "scale" else Move()


def moved(pictures: Tensor, moves: Sequence[Move]) -> Tensor:
    """Pictures [images, channels, height, width], each by its own move; what comes from outside repeats the border,
    as in training."""
    return torch.stack([_sampled(picture, move) for picture, move in zip(pictures, moves, strict=True)])


def defined(moves: Sequence[Move], size: tuple[int, int]) -> Tensor:
    """Bool [moves, height, width]: pixels of the moved picture that come from inside the frame."""
    height, width = size
    inside = []
    for move in moves:
        y, x = _sources(move, height, width)
        inside.append((y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1))
    return torch.stack(inside)


def _sources(move: Move, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Row and column, float64 [height, width], where each pixel of the moved picture comes from."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) - (height - 1) / 2 - move.shift[0],
        torch.arange(width, dtype=torch.float64) - (width - 1) / 2 - move.shift[1],
        indexing="ij",
    )
    cos, sin = math.cos(math.radians(move.angle)) / move.scale, math.sin(math.radians(move.angle)) / move.scale
    y, x = cos * y + sin * x, cos * x - sin * y
    return y + (height - 1) / 2, (-x if move.mirror else x) + (width - 1) / 2


def _sampled(picture: Tensor, move: Move) -> Tensor:
    """One picture [channels, height, width], in its own type."""
    height, width = picture.shape[-2:]
    y, x = (place.to(picture.device) for place in _sources(move, height, width))
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    top, left = y.floor().long(), x.floor().long()
    below, right = (top + 1).clamp(max=height - 1), (left + 1).clamp(max=width - 1)
    v, u = y - top, x - left
    values = picture.double()
    upper = values[:, top, left] * (1 - u) + values[:, top, right] * u
    lower = values[:, below, left] * (1 - u) + values[:, below, right] * u
    return (upper * (1 - v) + lower * v).to(picture.dtype)


DEGENERATE = (NOT_FINITE.code, ALL_ZERO.code, CONSTANT.code)


def degeneracy(maps: Tensor) -> list[str]:
    """Why each map [images, height, width] cannot be scored: not finite, all zero, constant, or "" if it can."""
    flat = maps.flatten(1)
    finite = flat.isfinite().all(1).tolist()
    zero = (flat == 0).all(1).tolist()
    constant = (flat == flat[:, :1]).all(1).tolist()
    return [
        NOT_FINITE.code if not f else ALL_ZERO.code if z else CONSTANT.code if c else ""
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


BLUR = 10 / 224  # standard deviation as a share of the shorter side (Fong and Vedaldi 2017: 10 of 224 pixels)
FILLS = ("zero", "mean", "blur")


def filled(pixels: Tensor, fill: str) -> Tensor:
    """Return what stands for an image whose content is taken away.

    Args:
        pixels: float [..., channels, height, width] in [0, 1].
        fill: `zero` (black), `mean` (each channel's mean over the image), or `blur` (the image under a Gaussian of
            `BLUR`).

    Returns:
        float of the same shape.

    Raises:
        ValueError: there is no such fill.

    >>> filled(torch.tensor([[[0.0, 1.0]]]), "mean").tolist()
    [[[0.5, 0.5]]]
    """
    if fill == "zero":
        return torch.zeros_like(pixels)
    if fill == "mean":
        return pixels.mean((-2, -1), keepdim=True).expand_as(pixels)
    if fill == "blur":
        from torchvision.transforms.functional import gaussian_blur  # jobs that blur nothing import no torchvision

        sigma = BLUR * min(pixels.shape[-2:])
        return gaussian_blur(pixels, [2 * round(3 * sigma) + 1] * 2, [sigma] * 2)
    raise ValueError(f"{fill!r} is none of {', '.join(FILLS[:-1])} and {FILLS[-1]}")
