"""Heatmaps of any classifier: raw relevance by method."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from heatproof.api.inputs import (
    check_classes,
    check_images,
    check_model,
    check_options,
    check_targets,
    device_of,
    frozen,
    plain_precision,
    unwrapped,
)
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.methods import options as options_of
from heatproof.catalogue.reasons import RUNTIME_LAYER
from heatproof.catalogue.registry import explanation_methods
from heatproof.core.geometry import upsample
from heatproof.core.messages import InputError, Unsupported, check_names, unknown
from heatproof.explain.methods import Batch, Explanation
from heatproof.train.adapter import Adapter, Output, Task
from heatproof.train.layers import TargetLayer, find_target_layer, read_layer


class Classifier(Adapter):
    """A classifier that takes pixels in [0, 1], made of a network that takes normalized images.

    Networks of one channel or three, in any precision, compiled or wrapped in DataParallel, are taken as they are, and
    so are answers that are dicts, tuples or objects with `logits`. One score for two classes becomes two logits: class
    1 has the score, class 0 its complement. The classifier is in evaluation mode.

    Args:
        net: normalized images, float [batch, channels, height, width], to class scores [batch, classes] or [batch].
        mean: of its normalization, one number per channel; by default that of its timm configuration.
        std: standard deviation of its normalization, likewise.
        task: `multiclass`, an image has one class; or `multilabel`, any number of labels.
        output: what the network returns: `logits`, or probabilities of a `softmax` or of `sigmoid`s; by default
            recognized, with a warning where it is not logits.
        reading: `channels`, `size`, `part`, `chosen`: what else is not seen from the network, as in `Adapter`.

    Raises:
        InputError: it is no network, or `mean` and `std` are not given and the network is not timm's.

    >>> import torch
    >>> import heatproof as hp
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    >>> hp.Classifier(net, mean=[0.5], std=[0.25])(torch.rand(2, 1, 8, 8)).shape  # one score, two classes
    torch.Size([2, 2])
    """

    def __init__(
        self,
        net: nn.Module,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        *,
        task: Task = "multiclass",
        output: Output | None = None,
        **reading: Any,
    ):
        if not isinstance(net, nn.Module):
            raise InputError(f"net: {type(net).__name__} is no torch.nn.Module")
        net = unwrapped(net)
        if isinstance(net, Adapter):
            raise InputError("net: it is an hp.Classifier already")
        known = getattr(net, "pretrained_cfg", None) or getattr(net, "default_cfg", None) or {}
        mean, std = known.get("mean") if mean is None else mean, known.get("std") if std is None else std
        if mean is None or std is None:
            raise InputError(f"{type(net).__name__} does not say how its images are normalized: give mean and std")
        with torch.inference_mode(False):  # what is made inside one can never be differentiated
            super().__init__(net, _channels("mean", mean), _channels("std", std), task, output, **reading)
        self.eval()

    @classmethod
    def load(cls, source: str, *, task: Task = "multiclass", **options: Any) -> "Classifier":
        """Open a model that was trained elsewhere.

        Args:
            source: `torchvision:vit_b_16`, `timm:NAME`, `hf:FOLDER`, `monai:CLASS`, `xrv:NAME`,
                `package.module:function`, `file.py:function`, `file.pt2` or `file.onnx`
                (docs/how-to/external-models.md).
            task: multiclass, an image has one class; or multilabel, any number of labels.
            options: of the model, where it does not say them itself: `weights`, `mean`, `std`, `channels`, `size`,
                `output`, `part`, `classes`, `arguments`, `trust`.

        Raises:
            InputError: it cannot be opened, or something must be stated that it does not say; one line.

        >>> import torch, torchvision
        >>> import heatproof as hp
        >>> torch.save(torchvision.models.resnet18(num_classes=2).state_dict(), "mine.pt")  # doctest: +SKIP
        >>> hp.Classifier.load("torchvision:resnet18", weights="mine.pt")  # doctest: +SKIP
        """
        from heatproof.train.sources import load

        with torch.inference_mode(False):
            found = load(source, options, task=task, joint=False).net
        model = cls(
            found.net, found.mean.flatten(), found.std.flatten(), task=task, output=found.output,
            channels=found.channels, size=found.size, part=found.part, chosen=found.chosen,
        )  # fmt: skip
        model.has_gradients, model.has_modules = found.has_gradients, found.has_modules
        return model


def _channels(name: str, given: object) -> Tensor:
    """Return the numbers of a normalization, float32 [channels]."""
    try:
        values = torch.as_tensor(given, dtype=torch.float32).reshape(-1)
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{name}: {given!r}; give one number a channel, such as [0.5, 0.5, 0.5]") from None
    if not values.isfinite().all() or (name == "std" and (values <= 0).any()):
        raise InputError(f"{name}: {given!r}; it must be finite{', and above 0' if name == 'std' else ''}")
    return values


class Heatmaps(dict[str, Tensor]):
    """Raw relevance by method, float32 [images, height, width].

    Attributes:
        unsupported: methods that do not support the network, each with the reason.
        grid: rows and columns of the explained layer; None where no method explains a layer.
    """

    def __init__(self, maps: Mapping[str, Tensor], unsupported: dict[str, str], grid: tuple[int, int] | None):
        super().__init__(maps)
        self.unsupported, self.grid = unsupported, grid


def heatmaps(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str] = ("gradcam",),
    *,
    layer: nn.Module | str | None = None,
    min_grid: int = 7,
    batch_size: int = 32,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Heatmaps:
    """Compute heatmaps, one for each image and method. The model is left as it was.

    May be called in training or validation code: `no_grad`, `inference_mode` and autocast around it do not reach it.

    Args:
        model: a `Classifier`.
        images: float [images, channels, height, width] in [0, 1], a tensor or an array.
        targets: integers [images], the class that each map is for; or one class for all.
        methods: names, see `available("methods")`; those of a CAM share one forward and one backward pass.
        layer: what CAMs explain, a module of the network or its name; its output may be a grid with channels first or
            last, or tokens. By default the deepest whose grid is at least `min_grid` a side.
        batch_size: images that are explained together.
        options: of some methods, `{"integrated_gradients": {"steps": 32}}`.

    Returns:
        Per method raw relevance, float32 [images, height, width], not normalized; NaN where a map must not be scored
        (DeepLIFT's whose completeness gap is too wide). A method that does not support the network is left out, with a
        warning; `unsupported` has the reason.

    Raises:
        InputError: a method or an option is not known, images or targets have the wrong form, or no layer can be
            explained.
        Unsupported: none of the methods supports the network; the message says why.

    >>> import timm
    >>> import torch
    >>> import heatproof as hp
    >>> model = hp.Classifier(timm.create_model("test_resnet", num_classes=2))
    >>> maps = hp.heatmaps(model, torch.rand(3, 3, 64, 64), [0, 1, 1], ["gradcam", "saliency"])
    >>> {name: tuple(found.shape) for name, found in maps.items()}
    {'gradcam': (3, 64, 64), 'saliency': (3, 64, 64)}
    >>> maps.unsupported
    {}
    """
    names, given = check_names(methods, "methods"), dict(options or {})
    for name in names:
        if name not in METHODS:
            raise unknown("method", name, METHODS)
        check_options(given.get(name, {}), options_of(name), name)
    if unused := [name for name in given if name not in names]:
        raise InputError(f"options: {unused[0]!r} is not among the methods {', '.join(names)}")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size: {batch_size!r}; it must be at least 1")
    model = check_model(model)
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise InputError("the model was made in inference mode, so it has no gradients: make it outside")
    with plain_precision(), torch.enable_grad(), frozen(model):
        images = check_images(images).to(device_of(model))
        targets = check_targets(targets, len(images)).to(images.device)
        check_classes(model, images, targets)
        explained, without = _layer(model, layer, tuple(images.shape[-2:]), min_grid, names)
        parts: dict[str, list[Tensor]] = {name: [] for name in names}
        unsupported = {name: without for name in names if without and METHODS[name].layer}
        for start in range(0, len(images), batch_size):
            some = slice(start, start + batch_size)
            keys = [("batch", i) for i in range(len(images))[some]]
            batch = Batch(model, explained, images[some], targets[some], keys)
            for name, method in explanation_methods([name for name in names if name not in unsupported]).items():
                try:
                    parts[name].append(_explain(method, batch, given.get(name, {})))
                except Unsupported as error:
                    unsupported[name] = str(error)
    maps = {name: torch.cat(found) for name, found in parts.items() if name not in unsupported}
    if not maps:
        raise Unsupported("; ".join(f"{name}: {reason}" for name, reason in unsupported.items()))
    for name, reason in unsupported.items():
        warnings.warn(f"{name} does not support this network and is left out: {reason}", stacklevel=2)
    return Heatmaps(maps, unsupported, explained.grid if explained else None)


def _layer(
    model: nn.Module, layer: nn.Module | str | None, size: tuple[int, int], min_grid: int, names: Sequence[str]
) -> tuple[TargetLayer | None, str]:
    """Return the layer that is explained, None where no method explains one; or the reason why there is none."""
    if not model.has_modules:
        return None, RUNTIME_LAYER.text
    if layer is not None:
        return read_layer(model, layer, size), ""
    if not any(METHODS[name].layer for name in names):
        return None, ""
    try:
        return find_target_layer(model, size, min_grid), ""
    except InputError as error:
        return None, str(error)


def _explain(method: Callable, batch: Batch, given: Mapping[str, Any]) -> Tensor:
    """Return the maps of a batch at image size, NaN where a map must not be scored."""
    found = method(batch, **given)
    relevance, _, reasons = found if isinstance(found, Explanation) else Explanation(found)
    maps = upsample(relevance, tuple(batch.pixels.shape[-2:])).detach()
    maps[[bool(reason) for reason in reasons or [""] * len(batch)]] = torch.nan
    return maps
