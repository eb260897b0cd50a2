"""Checks of what a caller of the Python API gives: every mistake is one line that says how to fix it."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from heatproof.core.messages import InputError, unknown
from heatproof.train.adapter import PROBED, Adapter
from heatproof.train.layers import check_answer

MAPS = "[images, height, width]"
IMAGES = "[images, channels, height, width]"


def as_tensor(name: str, given: object) -> Tensor:
    """Return numbers as a detached tensor: a tensor, an array, or nested lists.

    Raises:
        InputError: it is none of these.
    """
    try:
        return torch.as_tensor(given if isinstance(given, Tensor) else np.asarray(given, order="C")).detach()
    except (TypeError, ValueError, RuntimeError):
        raise InputError(f"{name}: {type(given).__name__} is no tensor or array of numbers") from None


def form(tensor: Tensor) -> str:
    """Return type and shape of a tensor, as messages show them."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def check_images(given: object) -> Tensor:
    """Return images as float32 [images, channels, height, width] in [0, 1].

    Raises:
        InputError: they have another form, or values that are not in [0, 1].
    """
    images = as_tensor("images", given)
    if images.ndim != 4 or not images.numel():
        hint = "; add the axis of channels with images[:, None]" if images.ndim == 3 else ""
        raise InputError(f"images: {form(images)}; they must be {IMAGES}{hint}")
    if images.shape[1] not in (1, 3):
        hint = ": move the channels to the front with permute(0, 3, 1, 2)" if images.shape[3] in (1, 3) else ""
        raise InputError(f"images: {images.shape[1]} channels in {form(images)}; there must be 1 or 3{hint}")
    if not images.is_floating_point():
        raise InputError(f"images: {form(images)}; they must be floats in [0, 1]: divide grey levels by their maximum")
    if broken := int((~images.isfinite()).flatten(1).any(1).sum()):
        raise InputError(f"images: {broken} of {len(images)} hold NaN or infinite values; pixels must be in [0, 1]")
    low, high = images.aminmax()
    if low < 0 or high > 1:
        raise InputError(
            f"images: values from {float(low):g} to {float(high):g}; pixels must be in [0, 1], before normalization"
        )
    return images.clone().float()  # what was made in inference mode cannot be differentiated


def check_targets(given: object, images: int) -> Tensor:
    """Return targets as int64 [images], one class for each image; one number is the class of all.

    Raises:
        InputError: they are not one class an image, counted from 0.
    """
    targets = as_tensor("targets", given)
    targets = targets.expand(images) if not targets.ndim else targets
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool or targets.shape != (images,):
        raise InputError(f"targets: {form(targets)}; they must be integers, one class for each of {images} images")
    if targets.min() < 0:
        raise InputError(f"targets: class {int(targets.min())}; classes are counted from 0")
    return targets.clone().long()


def check_classes(model: nn.Module, images: Tensor, targets: Tensor) -> None:
    """Check that the model has the classes that are explained.

    Raises:
        InputError: the network does not take such images, or a target is not below the number of its classes.
    """
    with torch.no_grad():
        classes = check_answer(model, images[:PROBED]).shape[1]
    if targets.max() >= classes:
        raise InputError(f"targets: class {int(targets.max())} of a model of {classes} classes, counted from 0")


def check_model(model: object) -> Adapter:
    """Return the classifier inside wrappers.

    Raises:
        InputError: it is no `Classifier`.
    """
    inner = unwrapped(model) if isinstance(model, nn.Module) else model
    if not isinstance(inner, Adapter):
        raise InputError(
            f"model: {type(inner).__name__} is no hp.Classifier; give hp.Classifier(net, mean=..., std=...)"
        )
    return inner


def check_evaluation(model: nn.Module) -> None:
    """Check that no module is in training mode.

    Raises:
        InputError: one is.
    """
    if training := [name for name, module in model.named_modules() if module.training]:
        module = f", its module {name}," if (name := training[0]) else ""
        raise InputError(f"model: it{module} is in training mode, where images change each other's scores: call eval()")


def device_of(model: nn.Module) -> torch.device:
    """Return the device that a model computes on."""
    return next(iter([*model.parameters(), *model.buffers()])).device


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode without gradients of its parameters, and leave it as it was."""
    parameters = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    training = [module for module in model.modules() if module.training]
    try:
        model.eval().requires_grad_(False)
        yield
    finally:
        for parameter, wanted in parameters:
            parameter.requires_grad_(wanted)
        for module in training:
            module.training = True


def unwrapped(net: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile` and `DataParallel`, whose layers can be seen."""
    while inner := getattr(net, "_orig_mod", None) or (
        net.module if type(net).__name__ in ("DataParallel", "DistributedDataParallel") else None
    ):
        net = inner
    return net


def check_maps(given: object, name: str = "maps") -> Tensor:
    """Return heatmaps as float32 or float64 [images, height, width], on the CPU.

    Raises:
        InputError: they have another form.
    """
    maps = as_tensor(name, given).cpu()
    maps = maps[:, 0] if maps.ndim == 4 and maps.shape[1] == 1 else maps
    if maps.ndim != 3 or not maps.numel() or maps.is_complex():
        raise InputError(f"{name}: {form(maps)}; they must be {MAPS}")
    return maps if maps.dtype in (torch.float32, torch.float64) else maps.float()


def check_masks(
    given: object, shape: tuple[int | None, ...], threshold: float | None = None, name: str = "masks"
) -> Tensor:
    """Return masks as bool [images, height, width].

    Args:
        shape: that they must have; None where any length will do.
        threshold: from which on a pixel belongs to the mask, of values other than {0, 1} and {0, 255}.

    Raises:
        InputError: they have another shape or other values, or all of them are empty.
    """
    masks = as_tensor(name, given).cpu()
    masks = masks[:, 0] if masks.ndim == 4 and masks.shape[1] == 1 else masks
    if masks.ndim != 3 or not all(wanted in (None, side) for side, wanted in zip(masks.shape, shape, strict=True)):
        wanted = str(list(shape)).replace("None", "any number")
        raise InputError(f"{name}: {form(masks)}; they must be {wanted}, as the maps are")
    if threshold is not None:
        masks = masks >= threshold
    elif not (values := set(masks.unique()[:3].tolist())) <= {0, 1} and not values <= {0, 255}:
        low, high = masks.min().item(), masks.max().item()
        raise InputError(
            f"{name}: values from {low:g} to {high:g} that are neither {{0, 1}} nor {{0, 255}}: give mask_threshold, "
            f"from which on a pixel belongs to the mask"
        )
    if not masks.any():
        raise InputError(f"{name}: all {len(masks)} are empty, so nothing can be localized; leave {name} out")
    return masks.bool()


def check_options(given: Mapping[str, object], known: Mapping[str, object], owner: str) -> None:
    """Check that options are known.

    Raises:
        InputError: one is not.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"options of {owner}: {given!r}; give names and values")
    for option in given:
        if option not in known:
            raise unknown(f"option of {owner}", option, known) if known else InputError(f"{owner} has no options")


def check_rows(name: str, given: object) -> list:
    """Return what is given for each image as a list.

    Raises:
        InputError: it is a text, or no sequence.
    """
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise InputError(f"{name}: {given!r}; give one for each image")
    return list(given)


@contextmanager
def plain_precision() -> Iterator[None]:
    """Leave autocast and inference mode around a call: the model computes in its own precision, with gradients."""
    with torch.inference_mode(False), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield
