"""The attention weights of a transformer, captured as it runs: which modules make them, with what."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Sink = Callable[[nn.Module, Tensor], None]


@contextmanager
def unfused(model: nn.Module) -> Iterator[None]:
    """Have this model's timm attention modules compute their weights instead of the fused kernel.

    timm gives every module its own `fused_attn`; its global setting is not touched. Restored even on error.
    """
    switched = [module for module in model.modules() if getattr(module, "fused_attn", False) is True]
    try:
        for module in switched:
            module.fused_attn = False
        yield
    finally:
        for module in switched:
            module.fused_attn = True


@contextmanager
def capturing(model: nn.Module, sink: Sink) -> Iterator[None]:
    """Hand the attention weights [batch, heads, queries, keys] to `sink(module, weights)` as they are made.

    timm passes the weights through the module's `attn_drop` just before they meet the values, after all that
    is done to them (talking heads, gates, biases). A pool with a latent query (`AttentionPoolLatent`) has no
    `attn_drop`: its softmax is taken. In evaluation mode the captured tensor is the very one that the network
    goes on with, so that gradients with respect to it are those of the network.
    """
    dropping = {module.attn_drop: module for module in model.modules() if _drops_attention(module)}
    others = [
        module
        for module in model.modules()
        if hasattr(module, "fused_attn") and not _drops_attention(module) and not hasattr(module, "attn_drop")
    ]
    with ExitStack() as stack:
        stack.enter_context(unfused(model))
        for dropout, owner in dropping.items():
            hook = dropout.register_forward_hook(lambda _, __, output, owner=owner: sink(owner, output))
            stack.callback(hook.remove)
        if others:
            mode = _SoftmaxCapture(sink)
            for module in others:
                stack.callback(module.register_forward_pre_hook(mode.enter).remove)
                stack.callback(module.register_forward_hook(mode.leave, always_call=True).remove)
            stack.enter_context(mode)
        yield


def _drops_attention(module: nn.Module) -> bool:
    return isinstance(getattr(module, "attn_drop", None), nn.Module)


class _SoftmaxCapture(TorchFunctionMode):
    """Hands over what softmax gives inside the modules that were entered."""

    def __init__(self, sink: Sink):
        super().__init__()
        self.sink = sink
        self.inside: list[nn.Module] = []

    def enter(self, module: nn.Module, inputs: tuple) -> None:
        self.inside.append(module)

    def leave(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.inside.pop()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if self.inside and function in (Tensor.softmax, torch.softmax, F.softmax):
            self.sink(self.inside[-1], output)
        return output
