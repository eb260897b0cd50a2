"""Methods that hide parts of the image and query the model again. They explain the target's logit."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from captum.attr import Occlusion
from torch import Tensor

from heatproof.catalogue.registry import methods_in
from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.explain.methods import Batch, start_from

METHODS, method = methods_in(__name__)
PASS = 32  # images a forward pass, unless the batch is larger


@method("occlusion")
def occlusion(batch: Batch, *, window: float = 0.125, stride: float = 0.0625, baseline: str = "zero") -> Tensor:
    """Occlusion (Zeiler & Fergus, ECCV 2014, section 4.2): how far the target's logit falls while a square is hidden;
    at each pixel the mean over the squares that cover it. Positive where the pixels speak for the target.

    Args:
        window: side of the square, as a share of the image's shorter side where it is below 1, else in pixels.
        stride: step from one square to the next, likewise; not above the window. Where the step does not fit, the
            last square of a row is cut off at the image's edge.
        baseline: what a hidden pixel shows: "zero", black; "mean", the mean of its channel over the image; or "blur",
            the blurred image.

    Returns:
        Float [batch, height, width]. A forward pass of the image for each square: 225 at the default options.

    Raises:
        InputError: options that cannot be.
    """
    pixels = batch.pixels.detach()
    side = min(pixels.shape[2:])
    size, step = _in_pixels(window, side), _in_pixels(stride, side)
    if not 1 <= step <= size <= side:
        raise InputError(
            f"explain.options.occlusion: window {window} and stride {stride} are {size} and {step} pixels of {side}: "
            f"the stride must be at least 1 and at most the window, the window at most the image"
        )
    hidden = start_from("occlusion", pixels, baseline)
    maps = Occlusion(batch.model).attribute(
        pixels,
        sliding_window_shapes=(pixels.shape[1], size, size),
        strides=(pixels.shape[1], step, step),
        baselines=hidden,
        target=batch.targets,
        perturbations_per_eval=max(1, PASS // len(pixels)),
    )
    return maps[:, 0]  # a square hides all channels, so that they are alike


@method("rise")
def rise(batch: Batch, *, masks: int = 400, grid: int = 7, share: float = 0.5) -> Tensor:
    """RISE (Petsiuk et al., BMVC 2018, Eq. 6): the mean of random masks, weighted by the target's logit under each.

    Masks are drawn from the image's key: cells of a grid are kept with probability `share`, enlarged bilinearly and
    shifted at random. Of the logits their mean over the masks is subtracted: in expectation that moves the map by a
    constant alone, and it takes away the noise which that constant adds.

    Args:
        masks: number of masks, a forward pass each.
        grid: cells a side.
        share: of the cells that are kept.

    Returns:
        Float [batch, height, width]. Positive where the target's logit is larger if the pixel is shown.

    Raises:
        InputError: options that cannot be.
    """
    height, width = batch.pixels.shape[2:]
    if not (masks >= 2 and 1 <= grid <= min(height, width) and 0 < share < 1):
        raise InputError(
            f"explain.options.rise: masks {masks}, grid {grid} and share {share}: masks must be at least 2, grid at "
            f"most {min(height, width)}, and share between 0 and 1"
        )
    maps = []
    for place, key in enumerate(batch.keys):
        drawn = _masks(generator("rise", *key), masks, grid, share, height, width).to(batch.pixels)
        with torch.no_grad():
            answers = [batch.model(batch.pixels[place] * part[:, None]) for part in drawn.split(PASS)]
        scores = torch.cat(answers)[:, batch.targets[place]]
        maps.append(torch.einsum("n,nhw->hw", scores - scores.mean(), drawn) / (masks * share))
    return torch.stack(maps)


def _masks(draw: np.random.Generator, count: int, grid: int, share: float, height: int, width: int) -> Tensor:
    """Draw masks, float [count, height, width] in [0, 1]."""
    rows, columns = math.ceil(height / grid), math.ceil(width / grid)
    cells = torch.from_numpy((draw.random((count, 1, grid + 1, grid + 1)) < share).astype(np.float32))
    large = F.interpolate(cells, ((grid + 1) * rows, (grid + 1) * columns), mode="bilinear", align_corners=False)[:, 0]
    tops, lefts = draw.integers(0, rows, count), draw.integers(0, columns, count)
    pairs = zip(large, tops, lefts, strict=True)
    return torch.stack([one[top : top + height, left : left + width] for one, top, left in pairs])


def _in_pixels(length: float, side: int) -> int:
    return round(length * side) if length < 1 else int(length)
