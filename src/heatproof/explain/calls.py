"""How the calls of a network's forward pass are seen, and given a backward pass of one's own.

Captum changes the backward pass by hooks on modules: it misses functional calls, stops at modules that are used
twice, and knows few activations. A `TorchFunctionMode` sees each call of torch's Python interface instead, of a module
or not, in place or not, and touches nothing of the model.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# torch's names for what acts on each value alone, without the underscores of methods, operators and in-place calls
_ELEMENTWISE = """
    relu relu6 hardtanh threshold leaky_relu prelu elu selu celu silu mish gelu hardswish softplus log_sigmoid
    logsigmoid sigmoid hardsigmoid tanh softsign exp expm1 log log1p sqrt rsqrt square reciprocal pow rpow rdiv abs
    clamp clamp_min clamp_max clip erf sin cos
"""
ELEMENTWISE = frozenset(_ELEMENTWISE.split())
SAME = {"imul": "mul", "rmul": "mul", "multiply": "mul", "imatmul": "matmul", "ipow": "pow"} | dict.fromkeys(
    ("idiv", "itruediv", "truediv", "true_divide", "divide"), "div"
)


class Calls(TorchFunctionMode):
    """While it is entered, calls whose first argument depends on the pixels may be answered otherwise."""

    def answer(self, name: str, function: Callable, values: Tensor, *others, **options) -> Tensor | None:
        """A new tensor in place of `function(values, *others, **options)`, or None to leave it.

        Args:
            name: `relu` for F.relu, torch.relu_ and Tensor.relu_ alike; `mul` for `*` and `*=`.
            function: what was called; it may work in place.
        """
        raise NotImplementedError

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if not args or not depends(args[0]):
            return function(*args, **kwargs)
        raw = getattr(function, "__name__", "")
        name = raw.strip("_")
        in_place = raw.startswith("__i") if raw.startswith("__") else raw.endswith("_")
        if name in ELEMENTWISE:  # F.relu(x, inplace=True), F.hardswish(x, True)
            in_place = in_place or bool(kwargs.get("inplace")) or any(argument is True for argument in args[1:])
        answer = self.answer(SAME.get(name, name), function, *args, **kwargs)
        if answer is None:
            return function(*args, **kwargs)
        return args[0].copy_(answer) if in_place else answer


class Pulled(torch.autograd.Function):
    """A value whose gradient reaches its origin through `pull`, a function of the gradient."""

    @staticmethod
    def forward(context, origin: Tensor, value: Tensor, pull: Callable[[Tensor], Tensor]) -> Tensor:
        context.pull = pull
        return value.detach()

    @staticmethod
    def backward(context, gradient: Tensor):
        return context.pull(gradient), None, None


def depends(value: object) -> bool:
    """Whether a gradient flows from this value to the pixels: parameters are frozen."""
    return isinstance(value, Tensor) and value.requires_grad and torch.is_grad_enabled()


def value_and_slope(call: Callable[[Tensor], Tensor], values: Tensor) -> tuple[Tensor, Tensor]:
    """What an elementwise call, in place or not, gives, and its derivative, both without a graph."""
    leaf = values.detach().requires_grad_()
    with torch.enable_grad():
        value = call(leaf.clone())
        (slope,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), slope
