"""What an explanation method is, and what it may ask of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from heatproof.core.geometry import FILLS, filled
from heatproof.core.messages import InputError


class Layer(Protocol):
    """The layer to explain: its module, and how its output becomes [batch, channels, rows, columns]."""

    name: str
    module: nn.Module
    layout: str
    grid: tuple[int, int]
    prefix_tokens: int
    channel_axis: int  # of the layer's own output

    def to_grid(self, output: Tensor) -> Tensor: ...


@dataclass
class Batch:
    """Images to explain, and what the model answers for them: asked once, whatever number of methods reads it.

    Attributes:
        model: pixels in [0, 1] to logits, in evaluation mode, its parameters without gradients.
        layer: the layer to explain; None where no method explains one.
        pixels: float [batch, channels, height, width] in [0, 1].
        targets: int64 [batch], the class that each map is for; what is explained is its logit.
        keys: one an image, what random draws are derived from, so that no draw depends on the other images.
    """

    model: nn.Module
    layer: Layer | None
    pixels: Tensor
    targets: Tensor
    keys: Sequence[tuple[str | int, ...]] = ()

    def __post_init__(self):
        if not self.keys:
            self.keys = [("batch", i) for i in range(len(self.pixels))]

    def __len__(self) -> int:
        return len(self.pixels)

    def part(self, kept: Sequence[int]) -> "Batch":
        """Some of the images."""
        keys = [self.keys[i] for i in kept]
        return Batch(self.model, self.layer, self.pixels[kept], self.targets[kept], keys)

    @property
    def logits(self) -> Tensor:
        """Float [batch, classes]."""
        if self.layer is None:
            with torch.no_grad():
                return self.model(self.pixels)
        return self._pass[0]

    @property
    def activations(self) -> Tensor:
        """The layer's output, float [batch, channels, rows, columns]."""
        return self._pass[1]

    @property
    def gradients(self) -> Tensor:
        """Gradient of each image's target logit with respect to `activations`, of the same shape."""
        return self._pass[2]

    @cached_property
    def _pass(self) -> tuple[Tensor, Tensor, Tensor]:
        """One forward pass, and one backward pass that ends at the layer: no graph is kept below it."""
        outputs: list[Tensor] = []

        def cut(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
            outputs[:] = [output.detach().requires_grad_()]
            return outputs[0].clone()  # what follows may work in place

        hook = self.layer.module.register_forward_hook(cut)
        try:
            with torch.enable_grad():
                logits = self.model(self.pixels.detach())
                chosen = logits.gather(1, self.targets[:, None]).sum()
                (gradient,) = torch.autograd.grad(chosen, outputs)
        finally:
            hook.remove()
        activations, gradients = (self.layer.to_grid(part.detach()).float() for part in (outputs[0], gradient))
        return logits.detach(), activations, gradients


class Explanation(NamedTuple):
    """Maps with what else a method knows of them.

    Attributes:
        maps: float [batch, rows, columns], raw, at the method's own resolution.
        gap: float [batch], |sum of the map - difference of outputs| / |difference of outputs|, where the method
            promises that they are equal.
        reasons: why each map must not be scored, "" where it may.
    """

    maps: Tensor
    gap: Tensor | None = None
    reasons: list[str] | None = None


class Method(Protocol):
    """Explain a batch: relevance, float [batch, rows, columns] at the method's own resolution, not normalized.

    Its keyword-only arguments are its options, `explain.options.<name>` in the configuration.

    Raises:
        Unsupported: the network cannot carry the method.
    """

    def __call__(self, batch: Batch, /, **options) -> Tensor | Explanation: ...


def start_from(method: str, pixels: Tensor, baseline: str) -> Tensor:
    """Return the images [batch or 1, channels, height, width] that a method compares with.

    Raises:
        InputError: the baseline is not known.
    """
    if baseline not in FILLS:
        allowed = f"{', '.join(FILLS[:-1])} or {FILLS[-1]}"
        raise InputError(f"explain.options.{method}.baseline: {baseline!r} is not {allowed}")
    return filled(pixels[:1] if baseline == "zero" else pixels, baseline)
