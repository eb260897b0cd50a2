"""Class activation maps: weights for the channels of a layer, by pytorch-grad-cam's own formulas.

All explain the target's logit, lie on the layer's grid, and keep the positive part alone: evidence against the
target is not shown. pytorch-grad-cam's min-max scaling is left to the scores, because it hides which maps are all
zero. Its own passes are not run: `Batch` brings activations and gradients, from one forward and one backward pass
for all of them.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from pytorch_grad_cam import GradCAM, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.base_cam import BaseCAM
from torch import Tensor, nn

from heatproof.catalogue.registry import methods_in
from heatproof.core.draws import generator
from heatproof.explain.methods import Batch

METHODS, method = methods_in(__name__)
PASS = 32  # images a forward pass of Score-CAM and Ablation-CAM


@method("gradcam")
def gradcam(batch: Batch) -> Tensor:
    """Grad-CAM (Selvaraju et al., ICCV 2017, Eq. 1 and 2): the weight of a channel is its mean gradient.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    return _by_grad_cam(GradCAM, batch)


@method("gradcam_plus_plus")
def gradcam_plus_plus(batch: Batch) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al., WACV 2018, Eq. 19), for the exponential of the logit: with gradient g
    and channel sum s of the activations, the weight is the sum of relu(g) / (2 + g s).

    pytorch-grad-cam has g^2 / (2 g^2 + s g^3 + 1e-6) for 1 / (2 + g s). Its constant is no small number: behind the
    mean over a 7x7 grid g^2 is near 1e-8, and its weights become those of g^3. Ours are the formula's; with
    gradients far above 1e-3 the two agree (tested). The formula wants activations that are not negative, where they
    may be the denominator may vanish, and such a map is not finite.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    gradients, activations = batch.gradients, batch.activations
    slopes = gradients.clamp(min=0) / (2 + gradients * activations.sum((2, 3), keepdim=True))
    return _weighted(slopes.sum((2, 3)), activations)


@method("hirescam")
def hirescam(batch: Batch) -> Tensor:
    """HiResCAM (Draelos & Carin, 2020, arXiv 2011.08891): gradient times activation, summed over channels. The paper
    keeps the negative part, pytorch-grad-cam and this do not.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    return _by_grad_cam(HiResCAM, batch)


@method("layercam")
def layercam(batch: Batch) -> Tensor:
    """LayerCAM (Jiang et al., IEEE TIP 2021): positive gradient times activation, summed over channels.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    return _by_grad_cam(LayerCAM, batch)


@method("xgradcam")
def xgradcam(batch: Batch) -> Tensor:
    """XGrad-CAM (Fu et al., BMVC 2020): the weight of a channel is the mean of its gradient, weighted by the
    channel's share of activation at each place.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    return _by_grad_cam(XGradCAM, batch)


@method("eigencam")
def eigencam(batch: Batch) -> Tensor:
    """Eigen-CAM (Muhammad & Yeasin, IJCNN 2020): the activations projected on their first principal component.

    It does not see the class. A component has no sign: the one is taken under which the largest absolute value of the
    map is positive (Chung & Ying, Appl. Sci. 2025, 15(13), 7562, Eq. 13); pytorch-grad-cam's EigenCAM takes whichever
    LAPACK returns. So activations of the other sign give the same map.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    return _first_component(batch.activations).clamp(min=0)


@method("eigengradcam")
def eigengradcam(batch: Batch) -> Tensor:
    """Eigen-CAM of gradient times activation (pytorch-grad-cam's EigenGradCAM).

    The sign is the one under which the map goes with gradient times activation summed over channels, the evidence
    for the target: their inner product is positive. pytorch-grad-cam takes whichever sign LAPACK returns, and may
    show the evidence against the target. Where the inner product is zero, the largest absolute value is positive.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    products = batch.gradients * batch.activations
    maps = _first_component(products)
    evidence = products.sum(1)
    agrees = (maps * (evidence - evidence.mean((1, 2), keepdim=True))).sum((1, 2), keepdim=True)
    return torch.where(agrees < 0, -maps, maps).clamp(min=0)


@method("scorecam")
def scorecam(batch: Batch, *, channels: int = 32) -> Tensor:
    """Score-CAM (Wang et al., CVPR workshops 2020): the weight of a channel is the softmax, over channels, of the
    target's logit for the image times the channel's activation, at image size and min-max scaled. What a channel
    hides is black.

    Args:
        channels: at most so many channels, drawn from the image's key; the softmax is over them, the others weigh
            nothing. As many forward passes of one image.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    drawn = _draw("scorecam", batch, channels)
    size = batch.pixels.shape[-2:]

    def masked(rows: Tensor, chosen: Tensor) -> Tensor:
        grids = batch.activations[rows, chosen][:, None]
        masks = F.interpolate(grids, size=size, mode="bilinear", align_corners=True)  # as pytorch-grad-cam does
        low, high = masks.amin((2, 3), True), masks.amax((2, 3), True)
        return batch.model(batch.pixels[rows] * ((masks - low) / (high - low + 1e-8)))

    scores = _scores(batch, drawn, masked)
    weights = torch.zeros_like(batch.activations[:, :, 0, 0]).scatter(1, drawn, scores.softmax(1))
    return _weighted(weights, batch.activations)


@method("ablationcam")
def ablationcam(batch: Batch, *, channels: int = 32) -> Tensor:
    """Ablation-CAM (Desai & Ramaswamy, WACV 2020): the weight of a channel is the fall of the target's logit
    when the channel is zero everywhere (class token included), over the absolute value of the logit.

    The paper divides by the logit itself, which turns the map over where it is negative. pytorch-grad-cam does so too,
    and where activations may be negative it sets the channel to -1e7, not zero.

    Args:
        channels: at most so many channels, drawn from the image's key; the others weigh nothing. As many forward
            passes of one image.

    Returns:
        Float [batch, rows, columns], never negative.
    """
    drawn = _draw("ablationcam", batch, channels)
    axis = batch.layer.channel_axis

    def ablated(rows: Tensor, chosen: Tensor) -> Tensor:
        def zero(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
            kept = torch.arange(output.shape[axis], device=output.device) != chosen[:, None]
            kept = kept.view([size if i in (0, axis) else 1 for i, size in enumerate(output.shape)])
            return torch.where(kept, output, 0)

        hook = batch.layer.module.register_forward_hook(zero)
        try:
            return batch.model(batch.pixels[rows])
        finally:
            hook.remove()

    logits = batch.logits.gather(1, batch.targets[:, None])
    falls = (logits - _scores(batch, drawn, ablated)) / torch.where(logits == 0, 1, logits.abs())
    weights = torch.zeros_like(batch.activations[:, :, 0, 0]).scatter(1, drawn, falls)
    return _weighted(weights, batch.activations)


def _by_grad_cam(kind: type[BaseCAM], batch: Batch) -> Tensor:
    """The map of one of pytorch-grad-cam's classes, from activations and gradients that are there."""
    arrays = batch.activations.cpu().numpy(), batch.gradients.cpu().numpy()
    cam = kind(nn.Linear(1, 1), [])  # it asks for a model and for layers to hook, and here it needs neither
    summed = cam.get_cam_image(None, None, [], *arrays, eigen_smooth=False)
    return torch.from_numpy(summed).to(batch.pixels.device).clamp(min=0)


def _weighted(weights: Tensor, activations: Tensor) -> Tensor:
    """Positive part of the channels' weighted sum, from [batch, channels] and [batch, channels, rows, columns]."""
    return torch.einsum("bc,bchw->bhw", weights, activations).clamp(min=0)


def _first_component(features: Tensor) -> Tensor:
    """Features [batch, channels, rows, columns] as points of channel space, centred and projected on their first
    principal component: [batch, rows, columns], the largest absolute value positive.

    It is pytorch-grad-cam's `get_2d_projection_with_sign_correction` without its full square matrix of right singular
    vectors (2048 x 2048 for a ResNet-50): the eigenvector of the places' inner products holds the projection.
    An image whose features are not finite gets a map that is not.
    """
    points = features.flatten(2).transpose(1, 2).double()
    finite = points.isfinite().all(2).all(1)[:, None, None]
    points = torch.where(finite, points, 0)
    points = points - points.mean(1, keepdim=True)
    if points.shape[1] <= points.shape[2]:
        values, vectors = torch.linalg.eigh(points @ points.mT)
        flat = vectors[:, :, -1] * values[:, -1:].clamp(min=0).sqrt()
    else:
        flat = (points @ torch.linalg.eigh(points.mT @ points)[1][:, :, -1:])[:, :, 0]
    flat = torch.where(flat.amin(1, True).abs() > flat.amax(1, True).abs(), -flat, flat)
    return torch.where(finite[:, 0], flat, torch.nan).view(len(flat), *features.shape[2:]).to(features.dtype)


def _draw(name: str, batch: Batch, channels: int) -> Tensor:
    """Channels of each image, int64 [batch, at most `channels`], in rising order."""
    every = batch.activations.shape[1]
    drawn = [generator(name, *key).choice(every, min(channels, every), replace=False) for key in batch.keys]
    return torch.stack([torch.from_numpy(d) for d in drawn]).sort(1).values.to(batch.pixels.device)


@torch.no_grad()
def _scores(batch: Batch, drawn: Tensor, respond: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The target's logit for each drawn channel of each image, of the shape of `drawn`, PASS of them a pass.

    `respond` takes rows of the batch and a channel for each, and returns logits.
    """
    rows = torch.arange(len(drawn), device=drawn.device)[:, None].expand_as(drawn).flatten()
    chunks = zip(rows.split(PASS), drawn.flatten().split(PASS), strict=True)
    return torch.cat([respond(r, c).gather(1, batch.targets[r][:, None]) for r, c in chunks]).view(drawn.shape)
