"""What an explainer must know of an architecture, learnt from the model itself: the layer to explain and its grid."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from heatproof.core.messages import InputError
from heatproof.train.layout import Layout, Reading, probes, read


@dataclass(frozen=True)
class TargetLayer:
    """A layer whose output is a grid of features.

    `to_grid` turns the layer's output (or its gradient) into [batch, channels, grid height, grid width].

    Attributes:
        axes: order of batch (B), positions (N) and channels (C) in the output, where `layout` is tokens.
    """

    name: str
    module: nn.Module
    layout: Layout
    grid: tuple[int, int]
    prefix_tokens: int = 0
    axes: str = "BNC"

    def to_grid(self, output: Tensor) -> Tensor:
        return Reading(self.layout, self.grid, self.prefix_tokens, self.axes).to_grid(output)

    @property
    def channel_axis(self) -> int:
        """Where the layer's own output keeps its channels."""
        return {"NCHW": 1, "NHWC": 3, "tokens": self.axes.index("C")}[self.layout]


def find_target_layer(model: nn.Module, size: int | tuple[int, int], min_grid: int) -> TargetLayer:
    """Find the layer to explain: the deepest whose grid is at least `min_grid` a side, or the deepest there is.

    timm says which modules end a stage (`feature_info`); one forward and backward pass of noise says
    what they give and whether the class depends on it. A stage whose spatial positions get no gradient
    (the last block of a transformer that reads its class token alone) is entered: the last of its
    children that does get one is taken, `norm1` of a ViT's last block. Where the network names no stages, or
    wrong ones, or one of them gives no grid (but several tensors), a second pass looks at all modules.

    Args:
        model: a `Classifier`, in evaluation mode.
        size: of its images in pixels, the side of a square or (height, width).

    Raises:
        InputError: the architecture takes no images of that size, gives no logits, or has no layer with a grid
            that its classes depend on.
    """
    net = model.net
    stages = _stages(net)
    found: list[TargetLayer] = []
    if stages:
        trace = _Trace(model, size, lambda name: name in stages or name.rpartition(".")[0] in stages)
        ran = sorted((name for name in set(stages) if name in trace.order), key=trace.order.get, reverse=True)
        for stage in ran if stages[-1] in trace.order else ():
            whole = trace.layer(stage)
            # parts of a stage that is a grid itself may be larger by padding alone (windows of attention)
            names = () if whole else trace.children(stage)
            layers = [whole] if whole else [layer for name in names if (layer := trace.layer(name))]
            for layer in layers:
                if min(layer.grid) >= min_grid:
                    return layer
            found += layers
            if not layers:
                break
        else:
            if found:
                return _deepest(found)
    trace = _Trace(model, size, lambda name: True)
    for sure, everywhere in ((True, False), (True, True), (False, False)):
        for layer in trace.walk(min_grid, sure, everywhere):
            if min(layer.grid) >= min_grid:
                return layer
            found.append(layer)
        if found and everywhere:
            break
    if not found:
        raise InputError(f"{type(net).__name__} has no layer with a grid that its classes depend on{trace.untrained}")
    return _deepest(found)


def read_layer(model: nn.Module, layer: nn.Module | str, size: int | tuple[int, int]) -> TargetLayer:
    """Find out how the output of a layer that the user names becomes a grid, whatever the order of its axes.

    Args:
        model: a `Classifier`, in evaluation mode.
        layer: a module of its network, or its name there.
        size: of its images in pixels, the side of a square or (height, width).

    Raises:
        InputError: there is no such layer, or its output is no grid that the classes depend on.
    """
    modules = dict(model.net.named_modules())
    name = layer if isinstance(layer, str) else next((n for n, module in modules.items() if module is layer), None)
    kind = type(model.net).__name__
    if not name or name not in modules:
        called = repr(layer) if isinstance(layer, str) else type(layer).__name__
        near = get_close_matches(layer, modules, 3) if isinstance(layer, str) else []
        names = ", ".join(near or [name for name, _ in model.net.named_children()])
        raise InputError(f"{kind} has no layer {called}; there {'are' if near else 'are, for instance,'} {names}")
    trace = _Trace(model, size, lambda one: one == name)
    found = trace.layer(name)
    if found is not None:
        return found
    if name not in trace.order:
        raise InputError(f"layer {name} of {kind} does not run: choose another, or leave it out")
    if name in trace.found and not trace.found[name][1].any():
        reason = trace.untrained or ": choose another, or leave it out"
        raise InputError(f"the classes of {kind} do not depend on the positions of layer {name}{reason}")
    gave = trace.shapes.get(name, "no tensor, or several")
    raise InputError(f"layer {name} of {kind} gives {gave}, no grid of positions: choose another, or leave it out")


def _deepest(layers: list[TargetLayer]) -> TargetLayer:
    """The first with more than one place, where there is one: the map of a single place is constant."""
    return next((layer for layer in layers if min(layer.grid) > 1), layers[0])


def _stages(net: nn.Module) -> list[str]:
    """Names of the modules that end a stage, as timm tells them; empty where it tells none."""
    info = getattr(net, "feature_info", None) or []
    entries = info if isinstance(info, (list, tuple)) else info.get_dicts()
    return [entry["module"] for entry in entries if isinstance(entry, dict) and entry.get("module")]


class _Trace:
    """What modules gave for the probes in one pass, and the gradient of a class with respect to it.

    Attributes:
        order: name -> when the module was last left, of those that ran.
        shapes: name -> that of its output for the three probes, where it is a tensor.
        untrained: the end of a sentence where the classes do not depend on the pixels at all, else "".
    """

    def __init__(self, model: nn.Module, size: int | tuple[int, int], wanted: Callable[[str], bool]):
        self.net = model.net
        size = getattr(model, "size", None) or size  # the network's own, where it resizes its images
        height, width = (size, size) if isinstance(size, int) else size
        self.aspect = height / width
        pixels = probes(height, width).to(_device(model))
        if hasattr(model, "outputs_for"):
            model.outputs_for(pixels)  # a pass of its own, which is not to be counted
        outputs: dict[str, object] = {}
        runs: Counter[str] = Counter()

        def keep(name: str, output: object) -> None:
            runs[name] += 1
            outputs.pop(name, None)
            outputs[name] = output

        hooks = [
            module.register_forward_hook(lambda _, __, output, name=name: keep(name, output))
            for name, module in self.net.named_modules()
            if name and wanted(name)
        ]
        try:
            pixels.requires_grad_()
            with torch.enable_grad():
                logits = check_answer(model, pixels)
        finally:
            for hook in hooks:
                hook.remove()
        self.shapes = {name: list(output.shape) for name, output in outputs.items() if isinstance(output, Tensor)}
        self.order = {name: place for place, name in enumerate(outputs)}
        # what runs more than once has no output of its own
        usable = {
            name: output
            for name, output in outputs.items()
            if runs[name] == 1 and isinstance(output, Tensor) and output.requires_grad and output.ndim in (3, 4)
        }
        gradients, self.untrained = (), ""
        if usable and logits.requires_grad:
            wanted = [pixels, *usable.values()]
            of_pixels, *gradients = torch.autograd.grad(logits[:, 0].sum(), wanted, allow_unused=True)
            if of_pixels is not None and not of_pixels.any():
                self.untrained = ": its logits do not change with the image. Is it trained?"
        self.found = {
            name: (usable[name].detach(), gradient)
            for name, gradient in zip(usable, gradients)  # noqa: B905
            if gradient is not None
        }

    def children(self, name: str) -> list[str]:
        """Names of a module's children, the last to run first."""
        return sorted((one for one in self.order if one.rpartition(".")[0] == name), key=self.order.get, reverse=True)

    def layer(self, name: str, sure: bool = False) -> TargetLayer | None:
        """The layer, or None where its output is no grid (none for sure) or its positions get no gradient."""
        if name not in self.found:
            return None
        output, gradient = self.found[name]
        patches = getattr(getattr(self.net, "patch_embed", None), "grid_size", None)
        prefix_tokens = getattr(self.net, "num_prefix_tokens", 0)
        reading = read(output, prefix_tokens, tuple(patches) if patches else None, sure, self.aspect)
        if reading is None or not reading.to_grid(gradient).abs().max() > 0:
            return None
        return TargetLayer(
            name, self.net.get_submodule(name), reading.layout, reading.grid, reading.prefix_tokens, reading.axes
        )

    def walk(self, min_grid: int, sure: bool, everywhere: bool, inside: str = "") -> Iterator[TargetLayer]:
        """Layers of all modules, the last to run first: of what is inside a module only where it is none itself.

        Containers whose own grid is too small are entered too, and with `everywhere` all that have too small a one.
        Linear projections are passed over: they are parts of attention, and what they read says more.
        """
        for name in self._parts(inside):
            module = self.net.get_submodule(name)
            layer = None if isinstance(module, nn.Linear) else self.layer(name, sure)
            if layer is not None and min(layer.grid) > 1:
                yield layer
                if min(layer.grid) >= min_grid or not (everywhere or isinstance(module, nn.Sequential)):
                    continue
            yield from self.walk(min_grid, sure, everywhere, name)

    def _parts(self, inside: str) -> list[str]:
        """Names of a module's children, the one that something ran in last first; containers do not run themselves."""
        start = f"{inside}." if inside else ""
        last = {start + name[len(start) :].partition(".")[0]: 0 for name in self.order if name.startswith(start)}
        for name, place in self.order.items():
            if name.startswith(start):
                part = start + name[len(start) :].partition(".")[0]
                last[part] = max(last[part], place)
        return sorted(last, key=last.get, reverse=True)


def _device(model: nn.Module) -> torch.device:
    return next(iter([*model.parameters(), *model.buffers()])).device


def check_answer(model: nn.Module, pixels: Tensor) -> Tensor:
    """Return the logits of some images.

    Raises:
        InputError: the network takes no images of that size, or returns no finite logits.
    """
    kind = type(model.net).__name__
    try:
        logits = model(pixels)
    except (torch.OutOfMemoryError, InputError):
        raise
    except Exception as error:  # whatever a network raises where its grid does not divide
        height, width = pixels.shape[-2:]
        own = (getattr(model.net, "pretrained_cfg", None) or {}).get("input_size", (0,))[-1]
        size = f"{height}" if height == width else f"{height} x {width}"
        fix = f"{model.resize} {own}" if own and (own, own) != (height, width) else f"{model.resize} another size"
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{kind} takes no images of {size} pixels{f' ({reason})' if reason else ''}: {fix}") from error
    classes = model.num_classes
    if not isinstance(logits, Tensor) or logits.ndim != 2 or (classes and logits.shape[1] != classes):
        gave = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"{kind} gives no logits [images, {classes or 'classes'}] but {gave}: it is no classifier")
    if not logits.isfinite().all():
        raise InputError(f"{kind} gives logits that are not finite: its weights cannot be used")
    return logits
