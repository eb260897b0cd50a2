"""Changes of an image whose effect on its heatmap is known, drawn for the study and the image alone.

`flip`, `shift`, `rotate` and `scale` move the image, and the map has to follow; under `noise` and `window` it has to
stay.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from heatproof.geometry import Key, draw_move, moved
from heatproof.seeds import derive, generator

NOISE = 0.02  # standard deviation, of the range of values
WINDOW = 0.9  # share of the range of values that is stretched over all of it


def transformed(name: str, pixels: Tensor, keys: Sequence[Key]) -> Tensor:
    """Images under a transformation, each by its own draw.

    Args:
        name: flip, shift, rotate, scale (`geometry.Move`); noise: Gaussian, independent from pixel to pixel; window:
            the lower or the upper nine tenths of the range become the whole, what lies beyond is cut off.
        pixels: float [images, channels, height, width] in [0, 1].
        keys: one an image: study and image id.

    Returns:
        float of the same shape, in [0, 1].

    Raises:
        ValueError: there is no such transformation.
    """
    if name == "noise":
        return (pixels + NOISE * _drawn("noise", pixels, keys, np.random.Generator.standard_normal)).clamp(0, 1)
    if name == "window":
        low = [(1 - WINDOW) * (derive("explain", "window", *key) % 2) for key in keys]
        return ((pixels - torch.tensor(low).to(pixels).view(-1, 1, 1, 1)) / WINDOW).clamp(0, 1)
    if name not in ("flip", "shift", "rotate", "scale"):
        raise ValueError(f"no transformation {name!r}")
    return moved(pixels, [draw_move(name, tuple(pixels.shape[-2:]), key) for key in keys])


def perturbed(pixels: Tensor, keys: Sequence[Key], draw: int, radius: float) -> Tensor:
    """Images with uniform noise of at most `radius` on every value, cut to [0, 1], which takes none further away: the
    neighbours of max-sensitivity. `draw` counts the neighbours of one image."""

    def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(-radius, radius, shape)

    return (pixels + _drawn(f"perturbed{draw}", pixels, keys, uniform)).clamp(0, 1)


def absent_targets(targets: Tensor, present: Tensor, keys: Sequence[Key]) -> Tensor:
    """For each case a label that its image has not, int64 [cases], all of them equally likely; of an image that has all
    labels any other.

    Args:
        present: bool [cases, labels].
    """
    found = []
    for target, there, key in zip(targets.tolist(), present, keys, strict=True):
        others = [k for k in range(len(there)) if k != target]
        absent = [k for k in others if not there[k]] or others
        found.append(absent[derive("explain", "random target", *key) % len(absent)])
    return torch.tensor(found, device=targets.device)


def other_targets(targets: Tensor, classes: int, keys: Sequence[Key]) -> Tensor:
    """For each image a class other than its target, int64 [images], all others equally likely.

    Raises:
        ValueError: there is one class alone.
    """
    if classes < 2:
        raise ValueError("one class: there is no other target")
    steps = [1 + derive("explain", "random target", *key) % (classes - 1) for key in keys]
    return (targets + torch.tensor(steps, device=targets.device)) % classes


def _drawn(purpose: str, pixels: Tensor, keys: Sequence[Key], draw) -> Tensor:
    """Random numbers of the images' shape, each image's from its own stream: `draw(generator, shape)`."""
    shape = tuple(pixels.shape[1:])
    return torch.from_numpy(np.stack([draw(generator("explain", purpose, *key), shape) for key in keys])).to(pixels)
