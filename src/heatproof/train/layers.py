"""What an explainer must know of an architecture, learnt from the model itself: the layer to explain and its grid."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from heatproof.errors import InputError
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


def find_target_layer(model: nn.Module, size: int, min_grid: int) -> TargetLayer:
    """Find the layer to explain: the deepest whose grid is at least `min_grid` a side, or the deepest there is.

    timm says which modules end a stage (`feature_info`); one forward and backward pass of noise says
    what they give and whether the class depends on it. A stage whose spatial positions get no gradient
    (the last block of a transformer that reads its class token alone) is entered: the last of its
    children that does get one is taken, `norm1` of a ViT's last block. Where the network names no stages, or
    wrong ones, or one of them gives no grid (but several tensors), a second pass looks at all modules.

    Args:
        model: a `Classifier`, in evaluation mode.
        size: side of its images in pixels.

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
        raise InputError(f"{type(net).__name__} has no layer with a grid that its classes depend on")
    return _deepest(found)


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
    """

    def __init__(self, model: nn.Module, size: int, wanted: Callable[[str], bool]):
        self.net = model.net
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
            with torch.enable_grad():
                logits = _answer(model, size)
        finally:
            for hook in hooks:
                hook.remove()
        self.order = {name: place for place, name in enumerate(outputs)}
        # what runs more than once has no output of its own
        usable = {
            name: output
            for name, output in outputs.items()
            if runs[name] == 1 and isinstance(output, Tensor) and output.requires_grad and output.ndim in (3, 4)
        }
        gradients = ()
        if usable and logits.requires_grad:
            gradients = torch.autograd.grad(logits[:, 0].sum(), list(usable.values()), allow_unused=True)
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
        reading = read(output, prefix_tokens, tuple(patches) if patches else None, sure)
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


def _answer(model: nn.Module, size: int) -> Tensor:
    """Logits of the probes."""
    kind = type(model.net).__name__
    pixels = probes(size).to(next(model.parameters()).device).requires_grad_()
    try:
        logits = model(pixels)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a network raises where its grid does not divide
        own = (getattr(model.net, "pretrained_cfg", None) or {}).get("input_size", (0,))[-1]
        mend = f"set data.size to {own}" if own and own != size else "set data.size to another"
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{kind} takes no images of {size} pixels{f' ({reason})' if reason else ''}: {mend}"
        ) from error
    classes = getattr(model.net, "num_classes", None)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or (classes and logits.shape[1] != classes):
        gave = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"{kind} gives no logits [images, {classes or 'classes'}] but {gave}: it is no classifier")
    if not logits.isfinite().all():
        raise InputError(f"{kind} gives logits that are not finite: its weights cannot be used")
    return logits
