"""Guided backprop's rule, and whether a network is one that it was made for."""

from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from heatproof.errors import Unsupported
from heatproof.explain.calls import Calls, Pulled, value_and_slope

# what torch computes for the activations that are no ReLU, below its Python interface: selu and celu are elu
OTHER = frozenset(
    ["leaky_relu", "_prelu_kernel", "elu", "silu", "mish", "gelu", "hardswish", "softplus", "log_sigmoid_forward"]
)


class Guided(Calls):
    """At each ReLU (or ReLU6, or clamping at zero) the gradient goes back where the input was positive, as ever, and
    where it is positive itself."""

    def answer(self, name: str, function: Callable, values: Tensor, *others, **options) -> Tensor | None:
        if not rectifies(name, *others, **options):
            return None
        outputs, slope = value_and_slope(lambda v: function(v, *others, **options), values)
        return Pulled.apply(values, outputs, lambda gradient: (gradient * slope).clamp(min=0))


class Rectifiers(Calls):
    """Counts the ReLUs that are called in Python, and changes nothing."""

    def __init__(self):
        super().__init__()
        self.count, self.guided = 0, 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += getattr(function, "__name__", "").strip("_") == "relu"
        return super().__torch_function__(function, types, args, kwargs)

    def answer(self, name: str, function: Callable, values: Tensor, *others, **options) -> None:
        self.guided += rectifies(name, *others, **options)


class Computed(TorchDispatchMode):
    """Counts what is computed below Python, in scripted code too."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[function.overloadpacket.__name__.rstrip("_")] += 1
        return function(*args, **kwargs or {})


def rectifies(name: str, *others, **options) -> bool:
    """Whether a call of this name with these arguments is zero below zero, and its argument above, up to a bound."""
    if name in ("relu", "relu6"):
        return True
    lowest = {"hardtanh": "min_val", "clamp": "min", "clip": "min", "clamp_min": "min", "threshold": "threshold"}
    if name not in lowest:
        return False
    low = others[0] if others else options.get(lowest[name])
    below = low if name != "threshold" else others[1] if len(others) > 1 else options["value"]
    return isinstance(low, (int, float)) and low == below == 0


def check_rectifiers(model: nn.Module, pixels: Tensor) -> None:
    """Run the model once and refuse a network for which guided backprop is not defined.

    Args:
        model: any classifier; where it holds a timm network as `net`, that one is named.
        pixels: float [images, channels, height, width].

    Raises:
        Unsupported: it has no ReLU, or activations that are none, or ReLUs that cannot be reached.
    """
    with torch.enable_grad(), Rectifiers() as called, Computed() as computed:
        model(pixels.detach().clone().requires_grad_())
    name = type(getattr(model, "net", model)).__name__
    others = sorted(OTHER & computed.counts.keys())
    if hidden := computed.counts["relu"] - called.count:
        raise Unsupported(f"guided backprop cannot reach {hidden} ReLUs of {name}, which are not called in Python")
    if not called.guided:
        raise Unsupported(f"guided backprop needs ReLUs and {name} has none: there it is the plain gradient")
    if others:
        found = ", ".join(other.replace("_prelu_kernel", "prelu").removesuffix("_forward") for other in others)
        raise Unsupported(
            f"guided backprop needs ReLUs alone and {name} has {found} too: there it is in part the plain gradient"
        )
