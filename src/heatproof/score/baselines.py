"""What stands where pixels were removed. Every one is wrong in its own way, so a study scores several."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from heatproof.score.imputation import impute

BLUR = 10 / 224  # standard deviation as a share of the shorter side (Fong and Vedaldi 2017: 10 of 224 pixels)
BASELINES = ("zero", "mean", "blur", "imputation")
EMPTIED = {"imputation": "mean"}  # what an image becomes where no pixel is left to fill in from


def baseline_image(pixels: Tensor, baseline: str) -> Tensor:
    """What stands where pixels were removed, for the baselines that do not depend on which ones were.

    Args:
        pixels: float [channels, height, width] in [0, 1].
        baseline: `zero` (black), `mean` (each channel's mean over the image), or `blur` (the image
            under a Gaussian of `BLUR`).

    Returns:
        float of the same shape.

    Raises:
        ValueError: the baseline has another name.
    """
    if baseline == "zero":
        return torch.zeros_like(pixels)
    if baseline == "mean":
        return pixels.mean((1, 2), keepdim=True).expand_as(pixels)
    if baseline == "blur":
        sigma = BLUR * min(pixels.shape[1:])
        return gaussian_blur(pixels, [2 * round(3 * sigma) + 1] * 2, [sigma] * 2)
    raise ValueError(f"a baseline is {', '.join(BASELINES[:-1])} or {BASELINES[-1]}, not {baseline!r}")


def remover(pixels: Tensor, baseline: str) -> Callable[[Tensor], Tensor]:
    """A function that removes pixels from one image.

    Args:
        pixels: float [channels, height, width] in [0, 1].
        baseline: one of `BASELINES`. `imputation` fills in from the pixels that are left (noise-free linear
            imputation, Rong et al. 2022); where none is left it is each channel's mean.

    Returns:
        Takes keep, bool [variants, height, width], to float [variants, channels, height, width].

    Raises:
        ValueError: the baseline has another name.
    """
    if baseline == "imputation":
        return lambda keep: impute(pixels.expand(len(keep), *pixels.shape), ~keep)
    removed = baseline_image(pixels, baseline)
    return lambda keep: torch.where(keep[:, None], pixels, removed)
