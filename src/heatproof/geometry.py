"""How a picture and its heatmap move alike: what `explain` does to an image and `score` to the map of the image.

A move tells for each pixel of the moved picture where it comes from. Pictures and maps are read there by the same
bilinear interpolation between pixel centres; a mirror and a shift by whole pixels copy values and change none.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from heatproof.seeds import generator

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
