"""Changes whose effect on a heatmap is known: of the image, and of the weights, put back layer by layer to what they
were before training (Adebayo et al. 2018)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from heatproof.core.draws import derive, generator
from heatproof.core.geometry import Key, draw_move, moved
from heatproof.train.model import Classifier, build

NOISE = 0.02  # standard deviation, of the range of values
WINDOW = 0.9  # share of the range of values that is stretched over all of it


def transformed(name: str, pixels: Tensor, keys: Sequence[Key]) -> Tensor:
    """Images under a transformation, each by its own draw.

    Args:
        name: flip, shift, rotate, scale (`geometry.Move`); noise: Gaussian, independent from pixel to pixel; window:
            the lower or the upper nine tenths of the range become the whole, what lies beyond is cut off.
        pixels: float [images, channels, height, width] in [0, 1].
        keys: one an image: study and image id.

    Returns:
        float of the same shape, in [0, 1].

    Raises:
        ValueError: there is no such transformation.
    """
    if name == "noise":
        return (pixels + NOISE * _drawn("noise", pixels, keys, np.random.Generator.standard_normal)).clamp(0, 1)
    if name == "window":
        low = [(1 - WINDOW) * (derive("explain", "window", *key) % 2) for key in keys]
        return ((pixels - torch.tensor(low).to(pixels).view(-1, 1, 1, 1)) / WINDOW).clamp(0, 1)
    if name not in ("flip", "shift", "rotate", "scale"):
        raise ValueError(f"no transformation {name!r}")
    return moved(pixels, [draw_move(name, tuple(pixels.shape[-2:]), key) for key in keys])


def perturbed(pixels: Tensor, keys: Sequence[Key], draw: int, radius: float) -> Tensor:
    """Images with uniform noise of at most `radius` on every value, cut to [0, 1], which takes none further away: the
    neighbours of max-sensitivity. `draw` counts the neighbours of one image."""

    def uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(-radius, radius, shape)

    return (pixels + _drawn(f"perturbed{draw}", pixels, keys, uniform)).clamp(0, 1)


def absent_targets(targets: Tensor, present: Tensor, keys: Sequence[Key]) -> Tensor:
    """For each case a label that its image has not, int64 [cases], all of them equally likely; of an image that has all
    labels any other.

    Args:
        present: bool [cases, labels].
    """
    found = []
    for target, there, key in zip(targets.tolist(), present, keys, strict=True):
        others = [k for k in range(len(there)) if k != target]
        absent = [k for k in others if not there[k]] or others
        found.append(absent[derive("explain", "random target", *key) % len(absent)])
    return torch.tensor(found, device=targets.device)


def other_targets(targets: Tensor, classes: int, keys: Sequence[Key]) -> Tensor:
    """For each image a class other than its target, int64 [images], all others equally likely.

    Raises:
        ValueError: there is one class alone.
    """
    if classes < 2:
        raise ValueError("one class: there is no other target")
    steps = [1 + derive("explain", "random target", *key) % (classes - 1) for key in keys]
    return (targets + torch.tensor(steps, device=targets.device)) % classes


def _drawn(purpose: str, pixels: Tensor, keys: Sequence[Key], draw) -> Tensor:
    """Random numbers of the images' shape, each image's from its own stream: `draw(generator, shape)`."""
    shape = tuple(pixels.shape[1:])
    return torch.from_numpy(np.stack([draw(generator("explain", purpose, *key), shape) for key in keys])).to(pixels)


class Unit(NamedTuple):
    """A layer or block that is randomized whole: its name, and its tensors' names in the network's state."""

    name: str
    tensors: tuple[str, ...]


def untrained(name: str, classes: int, size: int, *key: str | int) -> Classifier:
    """The architecture as it starts before training, drawn from the key; torch's own stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive("explain", "randomize", *key))
        return build(name, classes, size).eval()


def units(model: nn.Module, pixels: Tensor) -> list[Unit]:
    """What a network is randomized by, the head first, the layer that reads the pixels last.

    Learnt from the network: its children in the order in which a forward pass calls them, where a plain container
    (`Sequential`, `ModuleList`, `ModuleDict`) of several children with weights is opened. What has no weights but
    vectors (norms) goes with the layer before it; a container's own tensors (class token, position embedding) with its
    first. Every tensor of the network lies in one unit, whether the pass called its module or not.

    Args:
        model: a `Classifier`, or a network that takes pixels; it is not changed.
        pixels: float [images, channels, height, width], anything that the network accepts.
    """
    net = _network(model)
    called = _call_order(model, net, pixels)
    state = net.state_dict()
    found: list[tuple[int, str, list[str]]] = []
    for name, loose in _opened(net, "", state):
        order = min((called[n] for n in called if n == name or n.startswith(f"{name}.")), default=-1)
        if order < 0 and found:  # never called by itself: with its neighbour, as it may be read all the same
            found[-1][2].extend(loose)
        else:
            found.append((order, name, loose))
    merged: list[Unit] = []
    waiting: list[str] = []
    for _, name, tensors in sorted(found, key=lambda unit: unit[0]):
        if any(state[tensor].ndim >= 2 for tensor in tensors):
            merged.append(Unit(name, (*waiting, *tensors)))
            waiting = []
        elif merged:
            merged[-1] = Unit(merged[-1].name, (*merged[-1].tensors, *tensors))
        else:
            waiting += tensors
    return _one_head(net, merged[::-1])


def _one_head(net: nn.Module, layers: list[Unit]) -> list[Unit]:
    """Two heads that answer together (distilled transformers) are one layer."""
    heads = net.get_classifier() if hasattr(net, "get_classifier") else None
    if not isinstance(heads, (tuple, list)):
        return layers
    named = {module: name for name, module in net.named_modules()}
    together = [unit for unit in layers if unit.name in {named.get(head) for head in heads}]
    if len(together) < 2:
        return layers
    first = Unit(together[0].name, tuple(tensor for unit in together for tensor in unit.tensors))
    return [first, *(unit for unit in layers if unit not in together)]


def depths(count: int, wanted: int) -> list[int]:
    """At most `wanted` of the places 0 to count - 1, evenly spaced: the last, and the first where two or more are."""
    if wanted >= count:
        return list(range(count))
    return sorted({round((count - 1) * (1 - i / max(wanted - 1, 1))) for i in range(wanted)})


@contextmanager
def replaced(model: nn.Module, source: nn.Module, tensors: Sequence[str]) -> Iterator[None]:
    """While it lasts, some tensors of the model are those of `source`; after it, even an error, its own again.

    Parameters and buffers alike: the running statistics of a batch norm that is randomized become those of a new
    network (mean 0, variance 1), because the old ones describe activations that are no more. Those of layers that
    keep their weights stay.
    """
    net, donor = _network(model), _network(source).state_dict()
    state = net.state_dict()
    kept = {name: state[name].clone() for name in tensors}
    try:
        _fill(net, state, {name: donor[name] for name in tensors})
        yield
    finally:
        _fill(net, state, kept)


@torch.no_grad()
def _fill(net: nn.Module, state: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    for name, value in values.items():
        state[name].copy_(value)
    # LeViT and its kin keep what they computed from weights until they are put into training mode
    modes = [(module, module.training) for module in net.modules()]
    net.train()
    for module, mode in modes:
        module.training = mode


def _network(model: nn.Module) -> nn.Module:
    return model.net if isinstance(model, Classifier) else model


def _call_order(model: nn.Module, net: nn.Module, pixels: Tensor) -> dict[str, int]:
    """Modules by name, with the place of their first call in a forward pass."""
    order: dict[str, int] = {}

    def note(name: str) -> None:
        order.setdefault(name, len(order))

    hooks = [
        module.register_forward_pre_hook(lambda _, __, name=name: note(name))
        for name, module in net.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            model(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return order


def _opened(module: nn.Module, prefix: str, state: dict[str, Tensor]) -> Iterator[tuple[str, list[str]]]:
    """Units below a module in the order of its definition, each with its tensors; a container's own go to its first."""
    children = {
        name: [tensor for tensor in state if tensor.startswith(f"{prefix}{name}.")]
        for name, _ in module.named_children()
    }
    children = {name: tensors for name, tensors in children.items() if tensors}
    below = {tensor for tensors in children.values() for tensor in tensors}
    own = [tensor for tensor in state if tensor.startswith(prefix) and tensor not in below]
    for name, tensors in children.items():
        child = module.get_submodule(name)
        weighty = sum(
            any(state[t].ndim >= 2 for t in tensors if t.startswith(f"{prefix}{name}.{n}."))
            for n, _ in child.named_children()
        )
        opened = isinstance(child, (nn.Sequential, nn.ModuleList, nn.ModuleDict)) and weighty > 1
        for unit, found in _opened(child, f"{prefix}{name}.", state) if opened else [(prefix + name, tensors)]:
            yield unit, own + found
            own = []
    if own:
        yield prefix.rstrip(".") or type(module).__name__, own
