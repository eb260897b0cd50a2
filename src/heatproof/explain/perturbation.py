"""Methods that hide parts of the image and ask the model again, through Captum. They explain the target's logit."""

import torch
from captum.attr import Occlusion
from torch import Tensor

from heatproof.catalogue.registry import methods_in
from heatproof.core.messages import InputError
from heatproof.explain.methods import Batch

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
        baseline: what a hidden pixel shows: "zero", black, or "mean", the mean of its channel over the image.

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
    if baseline not in ("zero", "mean"):
        raise InputError(f"explain.options.occlusion.baseline: {baseline!r} is neither zero nor mean")
    hidden = torch.zeros_like(pixels) if baseline == "zero" else pixels.mean((2, 3), keepdim=True).expand_as(pixels)
    maps = Occlusion(batch.model).attribute(
        pixels,
        sliding_window_shapes=(pixels.shape[1], size, size),
        strides=(pixels.shape[1], step, step),
        baselines=hidden,
        target=batch.targets,
        perturbations_per_eval=max(1, PASS // len(pixels)),
    )
    return maps[:, 0]  # a square hides all channels, so that they are alike


def _in_pixels(length: float, side: int) -> int:
    return round(length * side) if length < 1 else int(length)
