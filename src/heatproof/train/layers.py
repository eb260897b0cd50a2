"""What an explainer must know of an architecture, learnt from the model itself: its layers' layout and grid."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from heatproof.errors import InputError

Layout = Literal["NCHW", "NHWC", "tokens"]


@dataclass(frozen=True)
class TargetLayer:
    """A layer whose output is a grid of features.

    `to_grid` turns the layer's output (or its gradient) into [batch, channels, grid height, grid width].
    """

    name: str
    module: nn.Module
    layout: Layout
    grid: tuple[int, int]
    prefix_tokens: int = 0

    def to_grid(self, output: Tensor) -> Tensor:
        if self.layout == "NCHW":
            return output
        if self.layout == "NHWC":
            return output.permute(0, 3, 1, 2)
        patches = output[:, self.prefix_tokens :]
        return patches.transpose(1, 2).unflatten(2, self.grid)


def find_target_layer(model: nn.Module, size: int, min_grid: int) -> TargetLayer:
    """Find the layer to explain: the deepest whose grid is at least `min_grid` a side, or the deepest there is.

    timm says which modules end a stage (`feature_info`); one forward and backward pass of noise says
    what they give and whether the class depends on it. A stage whose spatial positions get no gradient
    (the last block of a transformer that reads its class token alone) is entered: the last of its
    children that does get one is taken, `norm1` of a ViT's last block.

    Args:
        model: a `Classifier`, in evaluation mode.
        size: side of its images in pixels.

    Raises:
        InputError: the architecture has no layer with a grid that its classes depend on.
    """
    net = model.net
    info = getattr(net, "feature_info", None)
    if not info:
        raise InputError(f"{type(net).__name__} names no stages (timm's feature_info): its layers cannot be explained")
    dicts = info if isinstance(info, list) else info.get_dicts()
    stages = [entry["module"] for entry in dicts if entry.get("module")]
    outputs = _trace(model, size, stages)
    found: list[TargetLayer] = []
    for stage in reversed(stages):
        children = [name for name in outputs if name.rpartition(".")[0] == stage]
        for name in [stage, *reversed(children)]:
            layer = _describe(net, name, outputs)
            if layer is not None and min(layer.grid) >= min_grid:
                return layer
            if layer is not None:
                found.append(layer)
    if not found:
        raise InputError(f"{type(net).__name__} has no layer with a grid that its classes depend on")
    return found[0]


def _trace(model: nn.Module, size: int, stages: list[str]) -> dict[str, tuple[Tensor, Tensor | None]]:
    """Output and gradient of each stage and of its children, in the order in which they ran."""
    outputs: dict[str, Tensor] = {}
    wanted = set(stages)
    hooks = [
        module.register_forward_hook(lambda _, __, output, name=name: outputs.__setitem__(name, output))
        for name, module in model.net.named_modules()
        if name in wanted or name.rpartition(".")[0] in wanted
    ]
    device = next(model.parameters()).device
    noise = torch.rand(2, 1, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    try:
        with torch.enable_grad():
            logits = model(noise.requires_grad_())
    finally:
        for hook in hooks:
            hook.remove()
    usable = {name: out for name, out in outputs.items() if isinstance(out, Tensor) and out.requires_grad}
    gradients = torch.autograd.grad(logits[:, 0].sum(), list(usable.values()), allow_unused=True)
    return {name: (usable[name], gradient) for name, gradient in zip(usable, gradients, strict=True)}


def _describe(net: nn.Module, name: str, outputs: dict[str, tuple[Tensor, Tensor | None]]) -> TargetLayer | None:
    """The layer, or None where its output is no grid or its positions get no gradient."""
    if name not in outputs:
        return None
    output, gradient = outputs[name]
    if gradient is None:
        return None
    module = net.get_submodule(name)
    if output.ndim == 4:
        # timm's NHWC networks keep rows and columns equal on square images; channels differ from them
        channels_last = output.shape[1] == output.shape[2] != output.shape[3]
        rows, columns = (output.shape[1:3]) if channels_last else output.shape[2:4]
        layer = TargetLayer(name, module, "NHWC" if channels_last else "NCHW", (rows, columns))
    elif output.ndim == 3:
        prefix = getattr(net, "num_prefix_tokens", 0)
        count = output.shape[1] - prefix
        grid = getattr(getattr(net, "patch_embed", None), "grid_size", None)
        if grid is None or grid[0] * grid[1] != count:
            side = round(max(count, 0) ** 0.5)
            grid = (side, side)
        if count <= 0 or grid[0] * grid[1] != count:
            return None
        layer = TargetLayer(name, module, "tokens", tuple(grid), prefix)
    else:
        return None
    return layer if min(layer.grid) > 0 and layer.to_grid(gradient).abs().max() > 0 else None
