"""Methods that read the gradient at the pixels, through Captum.

All explain the target's logit at the resolution of the image. A method that is signed keeps its sign and sums over
channels; one that is not takes the largest absolute value over channels. The reference of what compares two images
is the black one, zero in every channel, unless an option names another.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from captum.attr import DeepLift, InputXGradient, IntegratedGradients, Saliency
from torch import Tensor, nn

from heatproof.catalogue.reasons import INCOMPLETE
from heatproof.catalogue.registry import methods_in
from heatproof.core.draws import generator
from heatproof.explain.backward import Guided, Rescale, check_rectifiers
from heatproof.explain.methods import Batch, Explanation, start_from

METHODS, method = methods_in(__name__)
ALLOWED_GAP = 0.01


@method("saliency")
def saliency(batch: Batch) -> Tensor:
    """Saliency (Simonyan et al., ICLR workshops 2014, section 3.1): the gradient's absolute value, the largest over
    channels.

    Returns:
        Float [batch, height, width], never negative.
    """
    with frozen(batch.model):
        return Saliency(batch.model).attribute(_leaf(batch), batch.targets, abs=True).amax(1)


@method("input_x_gradient")
def input_x_gradient(batch: Batch) -> Tensor:
    """Input x gradient (Shrikumar et al., 2016, arXiv 1605.01713): the gradient times the pixel. Positive where more
    brightness speaks for the target; black pixels have none.

    Returns:
        Float [batch, height, width], summed over channels.
    """
    with frozen(batch.model):
        return InputXGradient(batch.model).attribute(_leaf(batch), batch.targets).detach().sum(1)


@method("smoothgrad")
def smoothgrad(batch: Batch, *, samples: int = 16, noise: float = 0.15) -> Tensor:
    """SmoothGrad (Smilkov et al., 2017, arXiv 1706.03825): the mean gradient of noisy copies, then the absolute value,
    the largest over channels.

    Args:
        samples: noisy copies of an image, as many forward and backward passes. Their noise comes from its key.
        noise: its standard deviation, as a share of the image's range.

    Returns:
        Float [batch, height, width], never negative.
    """
    draws = [generator("smoothgrad", *key) for key in batch.keys]
    scale = noise * (batch.pixels.amax((1, 2, 3), True) - batch.pixels.amin((1, 2, 3), True))
    total = torch.zeros_like(batch.pixels)
    with frozen(batch.model):
        gradient = Saliency(batch.model)
        for _ in range(samples):
            normal = torch.stack([torch.from_numpy(draw.standard_normal(batch.pixels.shape[1:])) for draw in draws])
            noisy = batch.pixels + scale * normal.to(batch.pixels)
            total += gradient.attribute(noisy.requires_grad_(), batch.targets, abs=False)
    return (total / samples).abs().amax(1)


@method("guided_backprop")
def guided_backprop(batch: Batch) -> Tensor:
    """Guided backpropagation (Springenberg et al., ICLR workshops 2015): the gradient, kept where it is positive at
    every ReLU on its way back.

    Returns:
        Float [batch, height, width], summed over channels.

    Raises:
        Unsupported: the network has no ReLU, or other activations beside them: there the map would be the plain
            gradient, in whole or in part.
    """
    check_rectifiers(batch.model, batch.pixels[:1])
    with frozen(batch.model), Guided():
        return Saliency(batch.model).attribute(_leaf(batch), batch.targets, abs=False).sum(1)


@method("integrated_gradients")
def integrated_gradients(batch: Batch, *, steps: int = 16, baseline: str = "zero") -> Explanation:
    """Integrated gradients (Sundararajan et al., ICML 2017, Eq. 1) from a baseline, by Gauss-Legendre quadrature.

    Args:
        steps: points of the path, as many forward and backward passes.
        baseline: where the path starts: "zero", the black image; "mean", the mean of each channel over the image, so
            that black pixels can have relevance; or "blur", the blurred image (Sturmfels et al., Distill 2020).

    Returns:
        Maps, float [batch, height, width], summed over channels; and the completeness gap, which more steps make
        smaller.

    Raises:
        InputError: the baseline is not known.
    """
    pixels = batch.pixels.detach()
    start = start_from("integrated_gradients", pixels, baseline)
    with frozen(batch.model):
        maps = IntegratedGradients(batch.model).attribute(
            _leaf(batch), start, batch.targets, n_steps=steps, internal_batch_size=len(pixels)
        )
    maps = maps.detach().sum(1)
    return Explanation(maps, completeness_gap(batch, maps, start))


@method("gradient_shap")
def gradient_shap(batch: Batch, *, samples: int = 16, noise: float = 0.05) -> Tensor:
    """GradientSHAP (Lundberg & Lee, NeurIPS 2017; expected gradients, Erion et al. 2021) from the black image: the
    mean gradient at points drawn at random between the black and the noisy image, times the pixel.

    Args:
        samples: points, as many forward and backward passes; drawn from the image's key.
        noise: standard deviation of the noise, as a share of the image's range.

    Returns:
        Float [batch, height, width], summed over channels.
    """
    draws = [generator("gradient_shap", *key) for key in batch.keys]
    scale = noise * (batch.pixels.amax((1, 2, 3), True) - batch.pixels.amin((1, 2, 3), True))
    total = torch.zeros_like(batch.pixels)
    with frozen(batch.model):
        gradient = Saliency(batch.model)
        for _ in range(samples):
            along = torch.tensor([draw.random() for draw in draws]).to(batch.pixels).view(-1, 1, 1, 1)
            normal = torch.stack([torch.from_numpy(draw.standard_normal(batch.pixels.shape[1:])) for draw in draws])
            point = along * (batch.pixels + scale * normal.to(batch.pixels))
            total += gradient.attribute(point.detach().requires_grad_(), batch.targets, abs=False)
    return (total / samples * batch.pixels).sum(1)


@method("deeplift")
def deeplift(batch: Batch) -> Explanation:
    """DeepLIFT (Shrikumar et al., ICML 2017) from the black image, with the rules of `backward`.

    Captum runs it, our rules stand in for those of its hooks. An image whose map is not complete, because something in
    the network has no rule, gets a reason: it must not be scored.

    Returns:
        Maps, float [batch, height, width], summed over channels; the completeness gap; and the reasons.
    """
    with frozen(batch.model), warnings.catch_warnings(), Rescale(len(batch.pixels)):
        warnings.filterwarnings("ignore", message="Setting forward, backward hooks")
        maps = _DeepLift(batch.model).attribute(_leaf(batch), 0.0, batch.targets)
    maps = maps.detach().sum(1)
    gap = completeness_gap(batch, maps, torch.zeros_like(batch.pixels[:1]))
    reasons = ["" if share <= ALLOWED_GAP else INCOMPLETE.code for share in gap.tolist()]
    return Explanation(maps, gap, reasons)


class _DeepLift(DeepLift):
    """Captum's DeepLIFT without hooks on activations."""

    def _can_register_hook(self, module: nn.Module) -> bool:
        return False


@torch.no_grad()
def completeness_gap(batch: Batch, maps: Tensor, start: Tensor) -> Tensor:
    """|sum of the map - difference of the target's logit from another image's| / |that difference|, float [batch].

    Zero where both are zero, infinite where the difference alone is.

    Args:
        start: the other images, [batch or 1, channels, height, width].
    """
    difference = (batch.logits - batch.model(start)).gather(1, batch.targets[:, None])[:, 0].double()
    missing = (maps.double().sum((1, 2)) - difference).abs()
    return torch.where(missing == 0, 0, missing / difference.abs())


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Parameters ask for no gradient, and do so again after: what then needs one depends on the pixels."""
    requested = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in requested:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in requested:
            parameter.requires_grad_(True)


def _leaf(batch: Batch) -> Tensor:
    return batch.pixels.detach().clone().requires_grad_()
