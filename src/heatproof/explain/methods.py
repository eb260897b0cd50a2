"""What an explanation method is, and the decorator that gives it its name."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor, nn


class Layer(Protocol):
    """The layer to explain: its module, and how its output becomes [batch, channels, height, width]."""

    module: nn.Module

    def to_grid(self, output: Tensor) -> Tensor: ...


class Method(Protocol):
    """Explain a batch.

    Args:
        model: pixels in [0, 1] to logits, in evaluation mode.
        layer: the layer to explain, for methods that explain one.
        pixels: float [batch, channels, height, width] in [0, 1].
        targets: int64 [batch], the class that each map is for.

    Returns:
        Relevance, float [batch, rows, columns] at the resolution of the method, not normalized.
    """

    def __call__(self, model: nn.Module, layer: Layer, pixels: Tensor, targets: Tensor) -> Tensor: ...


def registry() -> tuple[dict[str, Method], Callable[[str], Callable[[Method], Method]]]:
    """A module's table of methods and the decorator that fills it."""
    methods: dict[str, Method] = {}

    def method(name: str) -> Callable[[Method], Method]:
        def register(function: Method) -> Method:
            methods[name] = function
            return function

        return register

    return methods, method
