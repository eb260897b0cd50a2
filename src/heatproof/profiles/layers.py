"""The layers that are profiled, and what each answers to a batch: reduced as the layer runs, never kept whole."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from heatproof.errors import InputError
from heatproof.progress import line
from heatproof.train.layout import Reading, probes, read


@dataclass(frozen=True)
class Layer:
    name: str
    reading: Reading
    units: int


class Answer(NamedTuple):
    """A layer's answer to some images: mean over positions [images, units], and the extremes [units] over all."""

    means: np.ndarray
    low: np.ndarray
    high: np.ndarray


def find(model: nn.Module, size: int, names: Sequence[str] = ()) -> list[Layer]:
    """The layers to profile, in the order in which they run: the ends of stages as timm names them, unless named.

    A stage whose output is no grid of feature maps (several tensors, positions in another order) is left out.

    Args:
        model: a `Classifier`, in evaluation mode.
        size: side of its images in pixels.
        names: of modules of its network, from `profiles.layers`.

    Raises:
        InputError: a named layer is not there or gives no grid, or no stage gives one.
    """
    net, kind = model.net, type(model.net).__name__
    modules = dict(net.named_modules())
    if lost := [name for name in names if name not in modules]:
        raise InputError(f"profiles.layers: {lost[0]}: {kind} has no such module; model.named_modules() lists them")
    outputs, runs = {}, Counter()

    def keep(name: str, output: object) -> None:
        runs[name] += 1
        outputs[name] = output.clone() if isinstance(output, Tensor) else None  # what follows may write into it

    with _hooked(net, names or [name for name in _stages(net) if name in modules], keep), torch.inference_mode():
        model(probes(size).to(next(model.parameters()).device))
    patches = getattr(getattr(net, "patch_embed", None), "grid_size", None)
    prefix_tokens = getattr(net, "num_prefix_tokens", 0)
    found = []
    for name, output in outputs.items():
        once = output is not None and runs[name] == 1 and output.ndim in (3, 4)
        reading = read(output, prefix_tokens, tuple(patches) if patches else None) if once else None
        if reading is not None:
            found.append(Layer(name, reading, reading.to_grid(output).shape[1]))
        elif not names:
            line(f"profiles: {name} of {kind} gives no grid of feature maps, and is left out")
    for name in names:
        if name not in {layer.name for layer in found}:
            raise InputError(f"profiles.layers: {name}: gives no grid of feature maps in {kind}; name another module")
    if not found:
        raise InputError(f"{kind} names no stages that give a grid of feature maps: name its layers in profiles.layers")
    return found


@contextmanager
def watching(model: nn.Module, layers: Sequence[Layer]) -> Iterator[dict[str, Answer]]:
    """What each layer answered to the batch that ran last."""
    answers: dict[str, Answer] = {}
    readings = {layer.name: layer.reading for layer in layers}

    def keep(name: str, output: Tensor) -> None:
        grid = readings[name].to_grid(output)
        means, low, high = grid.mean((2, 3), dtype=torch.float64), grid.amin((0, 2, 3)), grid.amax((0, 2, 3))
        answers[name] = Answer(*(one.double().cpu().numpy() for one in (means, low, high)))

    with _hooked(model.net, list(readings), keep):
        yield answers


@contextmanager
def _hooked(net: nn.Module, names: Sequence[str], keep) -> Iterator[None]:
    hooks = [
        net.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: keep(name, output))
        for name in dict.fromkeys(names)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _stages(net: nn.Module) -> list[str]:
    """Names of the modules that end a stage, as timm tells them; empty where it tells none."""
    info = getattr(net, "feature_info", None) or []
    entries = info if isinstance(info, (list, tuple)) else info.get_dicts()
    return [entry["module"] for entry in entries if isinstance(entry, dict) and entry.get("module")]
