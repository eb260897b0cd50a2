"""Heatmaps of any classifier, from Python.

>>> from heatproof import explain
>>> model = explain.classifier(timm.create_model("resnet18"))  # doctest: +SKIP
>>> maps = explain.heatmaps(model, images, targets, ["gradcam", "integrated_gradients"])  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # importing the package must not import torch
    from torch import Tensor, nn


def classifier(
    net: nn.Module,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    *,
    task: str = "multiclass",
    output: str | None = None,
) -> nn.Module:
    """Return a classifier that takes pixels in [0, 1], for a network that takes normalized images.

    Networks of one channel or three, in any precision, compiled or wrapped in DataParallel, are taken as they are, and
    so are answers that are dicts, tuples or objects with `logits`. One score for two classes becomes two logits: class
    1 has the score, class 0 its complement.

    Args:
        net: normalized images, float [batch, channels, height, width], to class scores [batch, classes] or [batch].
        mean, std: of its normalization, one number a channel; by default those of its timm configuration.
        task: `multiclass`, an image has one class; or `multilabel`, any number of labels.
        output: what the network returns: `logits`, or probabilities of a `softmax` or of `sigmoid`s; by default
            recognized, with a warning where it is not logits.

    Raises:
        InputError: `mean` and `std` are not given and the network is not timm's.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> classifier(net, mean=[0.5], std=[0.25])(torch.rand(2, 1, 8, 8)).shape  # one score, two classes
    torch.Size([2, 2])
    """
    import torch

    from heatproof.core.messages import InputError
    from heatproof.train.adapter import Adapter

    net = unwrapped(net)
    known = getattr(net, "pretrained_cfg", None) or getattr(net, "default_cfg", None) or {}
    mean, std = mean or known.get("mean"), std or known.get("std")
    if mean is None or std is None:
        raise InputError(f"{type(net).__name__} does not say how its images are normalized: give mean and std")
    with torch.inference_mode(False):  # what is made inside one can never be differentiated
        return Adapter(net, torch.tensor(mean), torch.tensor(std), task, output).eval()


def unwrapped(net: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile` and `DataParallel`, whose layers can be seen."""
    while inner := getattr(net, "_orig_mod", None) or (
        net.module if type(net).__name__ in ("DataParallel", "DistributedDataParallel") else None
    ):
        net = inner
    return net


def available() -> list[str]:
    """Names of all explanation methods."""
    from heatproof.catalogue.methods import METHODS

    return sorted(METHODS)


def heatmaps(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str] = ("gradcam",),
    *,
    layer: nn.Module | str | None = None,
    min_grid: int = 7,
    options: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Tensor]:
    """Compute heatmaps of a batch, one for each image and method. The model is left as it was.

    May be called in training or validation code: `no_grad`, `inference_mode` and autocast around it do not reach it.

    Args:
        model: pixels in [0, 1] to logits, as `classifier` makes it.
        images: float [batch, channels, height, width] in [0, 1], a tensor on the device of the model or an array.
        targets: integers [batch], the class that each map is for.
        methods: names; those of a CAM share one forward and one backward pass.
        layer: what CAMs explain, a module of the network or its name; its output may be a grid with channels first or
            last, or tokens. By default the deepest whose grid is at least `min_grid` a side.
        options: of some methods, `{"integrated_gradients": {"steps": 32}}`.

    Returns:
        Per method raw relevance, float32 [batch, height, width], not normalized; NaN where a map must not be scored
        (DeepLIFT's whose completeness gap is too wide). A method that does not support the network is left out, with a
        warning that says why.

    Raises:
        InputError: a method or an option is not known, images or targets have the wrong form, or no layer can be
            explained.
        Unsupported: none of the methods supports the network; the message says why.
    """
    import warnings

    import torch

    from heatproof.catalogue.methods import METHODS
    from heatproof.catalogue.methods import options as options_of
    from heatproof.catalogue.registry import explanation_methods
    from heatproof.core.geometry import upsample
    from heatproof.core.messages import InputError, Unsupported
    from heatproof.explain.methods import Batch, Explanation
    from heatproof.train.layers import check_answer, find_target_layer, read_layer

    if isinstance(methods, str):
        raise InputError(f"methods: {methods!r} is a text; give a list of names")
    for name in options or {}:
        if name not in methods:
            raise InputError(f"options: {name!r} is not among the methods {', '.join(methods)}")
    for name in methods:
        if name not in METHODS:
            raise InputError(f"no method {name!r}; there are {', '.join(sorted(METHODS))}")
        for option in (options or {}).get(name, {}):
            if option not in options_of(name):
                allowed = ", ".join(options_of(name)) or "none"
                raise InputError(f"{name} has no option {option!r}; it has {allowed}")
    model = unwrapped(model)
    if not hasattr(model, "net"):
        raise InputError(f"{type(model).__name__} takes normalized images: hand explain.classifier(model) in its place")
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise InputError("the model was made in inference mode, so it has no gradients: make it outside")
    parameters = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    training = [module for module in model.modules() if module.training]
    with torch.inference_mode(False), torch.enable_grad(), as_it_is():
        images, targets = check_images(images, targets)
        model.eval().requires_grad_(False)
        try:
            with torch.no_grad():
                classes = check_answer(model, images[:1]).shape[1]
            if targets.max() >= classes:
                raise InputError(f"targets: class {int(targets.max())} of a model of {classes} classes, counted from 0")
            found, size = None, tuple(images.shape[-2:])
            if layer is not None:
                found = read_layer(model, layer, size)
            elif any(METHODS[name].layer for name in methods):
                found = find_target_layer(model, size, min_grid)
            batch = Batch(model, found, images, targets.to(images.device))
            maps, unsupported = {}, []
            for name, method in explanation_methods(list(methods)).items():
                try:
                    result = method(batch, **(options or {}).get(name, {}))
                except Unsupported as error:
                    unsupported.append(f"{name}: {error}")
                    continue
                relevance, _, reasons = result if isinstance(result, Explanation) else Explanation(result)
                maps[name] = upsample(relevance, size).detach()
                maps[name][[bool(reason) for reason in reasons or [""] * len(images)]] = torch.nan
        finally:
            for parameter, wanted in parameters:
                parameter.requires_grad_(wanted)
            for module in training:
                module.training = True
    if unsupported and not maps:
        raise Unsupported("; ".join(unsupported))
    for reason in unsupported:
        warnings.warn(f"left out, because the method does not support this network: {reason}", stacklevel=2)
    return maps


def check_images(images: object, targets: object) -> tuple[Tensor, Tensor]:
    """Return images as float32 [images, channels, height, width] and targets as int64 [images].

    Both may be tensors or arrays; images of any floating precision, targets any integers.

    Raises:
        InputError: images are not pixels in [0, 1], or targets are not one class an image.
    """
    import numpy as np
    import torch

    from heatproof.core.messages import InputError

    images, targets = (
        torch.from_numpy(np.ascontiguousarray(given)) if isinstance(given, np.ndarray) else given
        for given in (images, np.asarray(targets) if isinstance(targets, (list, tuple)) else targets)
    )

    def form(given: object) -> str:
        return f"{given.dtype} {tuple(given.shape)}" if isinstance(given, torch.Tensor) else type(given).__name__

    if not (isinstance(images, torch.Tensor) and images.ndim == 4 and images.is_floating_point() and len(images)):
        raise InputError(f"images: {form(images)}; they must be floats [images, channels, height, width] in [0, 1]")
    if images.shape[1] not in (1, 3):
        raise InputError(f"images: {images.shape[1]} channels; they must have 1 or 3")
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):
        raise InputError(f"images: values from {float(low):g} to {float(high):g}; pixels must lie in [0, 1]")
    whole = isinstance(targets, torch.Tensor) and not (targets.is_floating_point() or targets.dtype == torch.bool)
    if not whole or targets.shape != images.shape[:1]:
        raise InputError(f"targets: {form(targets)}; they must be integers, one class for each of {len(images)} images")
    if targets.min() < 0:
        raise InputError(f"targets: class {int(targets.min())}; classes are counted from 0")
    # cloned, because what was made in inference mode cannot be differentiated
    return images.detach().clone().float(), targets.detach().clone().long()


@contextmanager
def as_it_is() -> Iterator[None]:
    """Leave the autocast around: the model computes in its own precision."""
    import torch

    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield
