"""What an explainer must know of an architecture, learnt from the model itself: the layer to explain and its grid."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import torch
from torch import Tensor, nn

from heatproof.core.messages import InputError

Layout = Literal["NCHW", "NHWC", "tokens"]
PROBES = 3
MOST_PREFIX_TOKENS = 16
# Over all families of timm, positions in the image's order agree at .6 to 1 where they differ by half their mean or
# more, and those in another order (Hiera's inner blocks) at .1 or less; by chance 16 positions agree at 0 ± .25.
AGREES, DISAGREES, DIFFER, ENOUGH = 0.6, 0.3, 0.5, 16


@dataclass(frozen=True)
class Reading:
    """One way to read an output as a grid.

    Attributes:
        layout: what kind of output it is.
        grid: rows and columns.
        prefix_tokens: tokens before the first position (class and register tokens).
        axes: the order of batch (B), positions (N) and channels (C) where `layout` is tokens.
    """

    layout: Layout
    grid: tuple[int, int]
    prefix_tokens: int = 0
    axes: str = "BNC"

    def to_grid(self, output: Tensor) -> Tensor:
        """The output, or its gradient, as [batch, channels, rows, columns]; what is no position is left out."""
        if self.layout == "NCHW":
            return output
        if self.layout == "NHWC":
            return output.permute(0, 3, 1, 2)
        tokens = output.permute([self.axes.index(axis) for axis in "BCN"])
        positions = tokens[:, :, self.prefix_tokens : self.prefix_tokens + math.prod(self.grid)]
        return positions.unflatten(2, self.grid)


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


def probes(height: int, width: int | None = None) -> Tensor:
    """Return noise, the same with its left half drawn anew, and with its top half drawn anew: [3, 1, height, width]."""
    width = width or height
    noise, other = torch.rand(2, 1, height, width, generator=torch.Generator().manual_seed(0))
    left, top = noise.clone(), noise.clone()
    left[..., : width // 2] = other[..., : width // 2]
    top[..., : height // 2, :] = other[..., : height // 2, :]
    return torch.stack([noise, left, top])


def agreement(grid: Tensor) -> tuple[float, float]:
    """How well a grid's positions answer where the probes differ, and by how much they differ in their answers.

    The answer of a position is its mean absolute change over channels, relative to the mean over positions. Left
    change minus top change must be positive at the bottom left, negative at the top right and 0 elsewhere.

    Args:
        grid: what `probes` gave, float [3, channels, rows, columns].

    Returns:
        The cosine with that pattern: 1 where positions see what lies under them, around 0 where the axes are no rows
        and columns or the positions are in another order than the image's. And the root mean square of the
        difference: near 0 where all positions see the whole image, so that the cosine says nothing.
    """
    rows, columns = grid.shape[2:]
    change = (grid[1:] - grid[:1]).double().abs().mean(1)
    left, top = change / change.mean((1, 2), keepdim=True).clamp(min=1e-30)
    difference = left - top
    below = torch.linspace(-1, 1, rows, dtype=torch.float64, device=grid.device).sign()[:, None]
    right = torch.linspace(-1, 1, columns, dtype=torch.float64, device=grid.device).sign()
    expected = (below - right) / 2
    cosine = (difference * expected).sum() / (difference.norm() * expected.norm()).clamp(min=1e-30)
    return float(cosine), float(difference.square().mean().sqrt())


def read(
    output: Tensor, prefix_tokens: int, patches: tuple[int, int] | None, sure: bool = False, aspect: float = 1.0
) -> Reading | None:
    """Find how the output of `probes` is to be read, or None where it is no grid or its positions are not in order.

    The plainest reading that the shape allows is taken unless another one is told by its positions' answers: that
    of a network with few positions, or whose positions all see the whole image, cannot be told.

    Args:
        output: of a layer, for the three probes.
        prefix_tokens: how many the network says that it has.
        patches: the grid of the network's patches, where it has one.
        sure: take none that its positions' answers do not confirm. A square number of hidden states is no grid.
        aspect: height of the images over their width.
    """
    readings = list(dict.fromkeys(_readings(output.shape, prefix_tokens, patches, aspect)))
    answers = {one: agreement(one.to_grid(output)) for one in readings if math.prod(one.grid) >= ENOUGH}
    plain = next((one for one in readings if _is_plain(one, output.shape, prefix_tokens)), None)
    agrees, differs = answers.get(plain, (0.0, 0.0))
    best = max(answers, key=lambda one: answers[one][0], default=None)
    if best is not None and answers[best][0] >= AGREES and answers[best][1] >= DIFFER:
        # tokens moved by one place agree nearly as well as those that were not
        return best if answers[best][0] > agrees + 0.02 else plain
    if sure and plain is not None and (plain in answers or plain.layout == "tokens"):
        by_chance = 4 / math.sqrt(math.prod(plain.grid))
        return plain if agrees >= min(AGREES, max(DISAGREES, by_chance)) else None
    return None if agrees < DISAGREES and differs >= DIFFER else plain


def _is_plain(reading: Reading, shape: torch.Size, prefix_tokens: int) -> bool:
    """Whether no answers are needed to believe it: tokens are [batch, tokens, channels], and before the positions
    stand as many others as the network says, or none, or, where there are positions enough, one."""
    places = math.prod(reading.grid)
    usual = {0, prefix_tokens, 1 if places >= ENOUGH else 0}
    return reading.layout != "tokens" or (
        reading.axes == "BNC" and reading.prefix_tokens == shape[1] - places and reading.prefix_tokens in usual
    )


def _readings(
    shape: torch.Size, prefix_tokens: int, patches: tuple[int, int] | None, aspect: float
) -> Iterator[Reading]:
    """Yield all readings that a shape allows, the plainest first. Grids are of the images' aspect, or the patches'."""

    def is_grid(rows: int, columns: int) -> bool:
        return (rows, columns) == patches or _has_aspect(rows, columns, aspect)

    if len(shape) == 4 and shape[0] == PROBES:
        if is_grid(shape[2], shape[3]):
            yield Reading("NCHW", (shape[2], shape[3]))
        if is_grid(shape[1], shape[2]):
            yield Reading("NHWC", (shape[1], shape[2]))
    elif len(shape) == 3:
        for axes in ("BNC", "BCN", "NBC"):
            if shape[axes.index("B")] == PROBES:
                for prefix, grid in _token_grids(shape[axes.index("N")], prefix_tokens, patches, aspect):
                    yield Reading("tokens", grid, prefix, axes)


def _has_aspect(rows: int, columns: int, aspect: float) -> bool:
    """Whether a grid is of the images' aspect, to one row or column, by which strides may round."""
    return rows == columns if aspect == 1 else min(abs(rows - columns * aspect), abs(columns - rows / aspect)) <= 1


def _token_grids(
    count: int, prefix_tokens: int, patches: tuple[int, int] | None, aspect: float
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield prefix tokens and grid of so many tokens. Tokens without a position may stand before or after them."""
    for extra in dict.fromkeys([prefix_tokens, *range(MOST_PREFIX_TOKENS + 1)]):
        places = count - extra
        rows = round(math.sqrt(max(places, 0) * aspect))
        if patches is not None and math.prod(patches) == places:
            grid = tuple(patches)
        elif rows > 0 and places % rows == 0 and _has_aspect(rows, places // rows, aspect):
            grid = (rows, places // rows)
        else:
            continue
        yield extra, grid
        if extra != prefix_tokens:
            yield 0, grid
