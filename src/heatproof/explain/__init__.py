"""Heatmaps of any classifier, from Python.

>>> from heatproof import explain
>>> model = explain.classifier(timm.create_model("resnet18"))  # doctest: +SKIP
>>> maps = explain.heatmaps(model, images, targets, ["gradcam", "integrated_gradients"])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing the package must not import torch
    from torch import Tensor, nn


def classifier(net: nn.Module, mean: Sequence[float] | None = None, std: Sequence[float] | None = None) -> nn.Module:
    """A network that takes normalized images, as one that takes pixels in [0, 1], in evaluation mode.

    Args:
        net: normalized images, float [batch, 3, height, width], to logits [batch, classes].
        mean, std: of its normalization, one number a channel; by default those of its timm configuration.

    Raises:
        InputError: `mean` and `std` are not given and the network is not timm's.
    """
    import torch

    from heatproof.errors import InputError
    from heatproof.train.model import Classifier

    known = getattr(net, "pretrained_cfg", None) or getattr(net, "default_cfg", None) or {}
    mean, std = mean or known.get("mean"), std or known.get("std")
    if mean is None or std is None:
        raise InputError(f"{type(net).__name__} does not say how its images are normalized: give mean and std")
    return Classifier(net, torch.tensor(mean), torch.tensor(std)).eval()


def available() -> list[str]:
    """Names of all explanation methods."""
    from heatproof.registry import registered

    return sorted(registered("explain", "method"))


def heatmaps(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str] = ("gradcam",),
    *,
    layer: nn.Module | None = None,
    min_grid: int = 7,
    options: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Tensor]:
    """Heatmaps of a batch, one for each image and method. The model is left as it was.

    Args:
        model: pixels in [0, 1] to logits, as `classifier` makes it.
        images: float [batch, channels, height, width] in [0, 1], on the device of the model.
        targets: int64 [batch], the class that each map is for.
        methods: names; those of a CAM share one forward and one backward pass.
        layer: the module that CAMs explain, its output [batch, channels, rows, columns]; by default the deepest whose
            grid is at least `min_grid` a side.
        options: of some methods, `{"integrated_gradients": {"steps": 32}}`.

    Returns:
        Per method raw relevance, float32 [batch, height, width], not normalized; NaN where a map must not be scored
        (DeepLIFT's whose completeness gap is too wide).

    Raises:
        InputError: a method or an option is not known, images or targets are not what is asked for, images are not
            square where a layer is looked for, or no layer can be explained.
        Unsupported: the network cannot carry a method; the message says why.
    """
    import torch

    from heatproof.errors import InputError
    from heatproof.explain.methods import Batch, Explanation
    from heatproof.maps import upsample
    from heatproof.registry import attributes, explanation_methods
    from heatproof.train.layers import find_target_layer

    known = attributes("explain", "method")
    if isinstance(methods, str):
        raise InputError(f"methods: {methods!r} is a text; give a list of names")
    for name in options or {}:
        if name not in methods:
            raise InputError(f"options: {name!r} is not among the methods {', '.join(methods)}")
    for name in methods:
        if name not in known:
            raise InputError(f"no method {name!r}; there are {', '.join(sorted(known))}")
        for option in (options or {}).get(name, {}):
            if option not in known[name]["options"]:
                allowed = ", ".join(known[name]["options"]) or "none"
                raise InputError(f"{name} has no option {option!r}; it has {allowed}")
    if layer is None and images.shape[-1] != images.shape[-2]:
        raise InputError(f"images of {tuple(images.shape[-2:])} pixels: make them square, or name the layer")
    check_asked(images, targets)
    if not hasattr(model, "net"):
        raise InputError(f"{type(model).__name__} takes normalized images: hand explain.classifier(model) in its place")
    asked = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    training = [module for module in model.modules() if module.training]
    model.eval().requires_grad_(False)
    try:
        found = find_target_layer(model, images.shape[-1], min_grid) if layer is None else _given(model, layer, images)
        with torch.no_grad():
            classes = model(images[:1]).shape[1]
        if targets.max() >= classes:
            raise InputError(f"targets: class {int(targets.max())} of a model of {classes} classes, counted from 0")
        batch = Batch(model, found, images.detach(), targets.to(images.device))
        maps = {}
        for name, method in explanation_methods(list(methods)).items():
            result = method(batch, **(options or {}).get(name, {}))
            relevance, _, reasons = result if isinstance(result, Explanation) else Explanation(result)
            maps[name] = upsample(relevance, images.shape[-2:]).detach()
            maps[name][[bool(reason) for reason in reasons or [""] * len(images)]] = torch.nan
        return maps
    finally:
        for parameter, wanted in asked:
            parameter.requires_grad_(wanted)
        for module in training:
            module.training = True


def check_asked(images: Tensor, targets: Tensor) -> None:
    """Raise InputError where images are not pixels in [0, 1] or targets are not one class an image."""
    import torch

    from heatproof.errors import InputError

    if not isinstance(images, torch.Tensor) or images.ndim != 4 or images.dtype != torch.float32 or not len(images):
        came = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, torch.Tensor) else type(images).__name__
        raise InputError(f"images: {came}; they must be a float32 tensor [images, channels, height, width]")
    if images.shape[1] not in (1, 3):
        raise InputError(f"images: {images.shape[1]} channels; they must have 1 or 3")
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):
        raise InputError(f"images: values from {float(low):g} to {float(high):g}; pixels must lie in [0, 1]")
    if not isinstance(targets, torch.Tensor) or targets.dtype != torch.int64 or targets.shape != images.shape[:1]:
        came = (
            f"{targets.dtype} {tuple(targets.shape)}" if isinstance(targets, torch.Tensor) else type(targets).__name__
        )
        raise InputError(f"targets: {came}; they must be an int64 tensor, one class for each of {len(images)} images")
    if targets.min() < 0:
        raise InputError(f"targets: class {int(targets.min())}; classes are counted from 0")


def _given(model: nn.Module, layer: nn.Module, images: Tensor):
    """A layer that the caller names: its output is [batch, channels, rows, columns]."""
    import torch

    from heatproof.errors import InputError
    from heatproof.train.layers import TargetLayer

    outputs: list[Tensor] = []
    hook = layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    try:
        with torch.no_grad():
            model(images[:1])
    finally:
        hook.remove()
    if not outputs or not isinstance(outputs[-1], torch.Tensor) or outputs[-1].ndim != 4:
        came = tuple(outputs[-1].shape) if outputs and isinstance(outputs[-1], torch.Tensor) else "no tensor"
        raise InputError(f"layer {type(layer).__name__} gives {came}, not [batch, channels, rows, columns]: leave it")
    name = next((name for name, module in model.named_modules() if module is layer), type(layer).__name__)
    return TargetLayer(name, layer, "NCHW", tuple(outputs[-1].shape[2:]))
