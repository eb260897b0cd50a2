"""Random changes to training images that keep their class."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def augment(
    pixels: Tensor, draw: torch.Generator, *, flip: bool, rotate: float, scale: float, shift: float, intensity: float
) -> Tensor:
    """Change each image of a batch by its own random affine map and intensity.

    Args:
        pixels: float [batch, channels, height, width] in [0, 1].
        draw: source of the random numbers, on the CPU whatever the device of `pixels`.
        flip: mirror left and right in half of the images.
        rotate: largest angle, in degrees.
        scale: largest relative change of size.
        shift: largest shift, as a share of the side.
        intensity: largest relative change of contrast and absolute change of brightness.

    Returns:
        float of the same shape, in [0, 1]; what comes from outside the image repeats its border.
    """
    count = len(pixels)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=draw) * 2 - 1) * limit

    angle = uniform(math.radians(rotate))
    size = 1 + uniform(scale)
    mirror = torch.where(uniform(1) < 0, -1.0, 1.0) if flip else torch.ones(count)
    cos, sin = angle.cos() * size, angle.sin() * size
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, uniform(2 * shift)], 1),
            torch.stack([sin * mirror, cos, uniform(2 * shift)], 1),
        ],
        1,
    )
    contrast, brightness = (1 + uniform(intensity)), uniform(intensity)
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False).to(pixels.device)
    moved = F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    view = (count, 1, 1, 1)
    return (moved * contrast.view(view).to(pixels) + brightness.view(view).to(pixels)).clamp(0, 1)
