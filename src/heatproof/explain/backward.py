"""Rules of one's own for the backward pass of a network as it is: how its calls are seen, guided backprop's rule, and
DeepLIFT's for every call that the networks of timm are made of."""

from collections import Counter
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from heatproof.catalogue.reasons import HIDDEN_RELU, NO_RELU
from heatproof.core.messages import Unsupported

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
        raise Unsupported(
            f"guided backprop cannot reach {hidden} ReLUs of {name}, which are not called in Python", HIDDEN_RELU
        )
    if not called.guided:
        raise Unsupported(f"guided backprop needs ReLUs and {name} has none: there it is the plain gradient", NO_RELU)
    if others:
        found = ", ".join(other.replace("_prelu_kernel", "prelu").removesuffix("_forward") for other in others)
        raise Unsupported(
            f"guided backprop needs ReLUs alone and {name} has {found} too: there it is in part the plain gradient",
            NO_RELU,
        )


class Rescale(Calls):
    """DeepLIFT's backward pass, for a batch of `count` images with as many references behind them."""

    def __init__(self, count: int):
        super().__init__()
        self.count = count

    def answer(self, name: str, function: Callable, values: Tensor, *others, **options) -> Tensor | None:
        if not values.ndim or values.shape[0] % (2 * self.count):
            return None  # the batch is not its first axis
        pair = bool(others) and depends(others[0])
        if name in ELEMENTWISE:
            return None if pair else elementwise(lambda v: function(v, *others, **options), values)
        if name in ("mul", "matmul", "bmm"):
            return product(getattr(torch, name), values, others[0]) if pair else None
        if name == "div":
            return product(torch.mul, values, elementwise(torch.reciprocal, others[0])) if pair else None
        rule = RULES.get(name)
        return rule(values, *others, **options) if rule else None


def elementwise(call: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """The Rescale rule."""
    outputs, slope = value_and_slope(call, values)
    change, far = _change(values)
    multipliers = torch.where(far, _both(_difference(outputs)) / change, slope)
    return Pulled.apply(values, outputs, lambda gradient: gradient * multipliers)


def product(call: Callable[[Tensor, Tensor], Tensor], left: Tensor, right: Tensor) -> Tensor:
    """The rule for what is linear in each of two values."""
    value = call(left.detach(), right.detach())
    pulled = call(left, _mean(right)) + call(_mean(left), right)
    return value + (pulled - pulled.detach())


def max_pool2d(values: Tensor, *others, **options) -> Tensor:
    """Max-pooling of [2 * count, channels, rows, columns]."""
    outputs, places = F.max_pool2d(values.detach(), *others, **options | {"return_indices": True})
    highest = torch.maximum(*outputs.chunk(2))
    added, taken = highest - outputs.chunk(2)[1], outputs.chunk(2)[0] - highest
    change, far = _change(values)

    def place(gradient: Tensor, where: Tensor) -> Tensor:
        flat = torch.zeros_like(values.detach()[: len(gradient)]).flatten(2)
        return flat.scatter_add(2, where.flatten(2), gradient.flatten(2)).view(-1, *values.shape[1:])

    def pull(gradient: Tensor) -> Tensor:
        image, reference = places.chunk(2)
        shares = [place(g * added, image) + place(g * taken, reference) for g in gradient.chunk(2)]
        return torch.where(far, torch.cat(shares) / change, place(gradient, places))

    return Pulled.apply(values, outputs, pull)


def softmax(values: Tensor, dim: int, **_) -> Tensor:
    """Softmax, shifted by the larger maximum of image and reference: both must be shifted alike."""
    shift = _both(torch.maximum(*values.detach().amax(dim, keepdim=True).chunk(2)))
    powers = elementwise(torch.exp, values - shift)
    return product(torch.mul, powers, elementwise(torch.reciprocal, powers.sum(dim, keepdim=True)))


def layer_norm(values: Tensor, shape, weight=None, bias=None, eps: float = 1e-5) -> Tensor:
    """Layer normalization over the last axes."""
    axes = tuple(range(-len(shape), 0))
    centred = values - values.mean(axes, keepdim=True)
    spread = elementwise(torch.square, centred).mean(axes, keepdim=True)
    normed = product(torch.mul, centred, elementwise(lambda v: (v + eps).rsqrt(), spread))
    normed = normed if weight is None else normed * weight
    return normed if bias is None else normed + bias


def group_norm(values: Tensor, groups: int, weight=None, bias=None, eps: float = 1e-5) -> Tensor:
    """Group normalization of [2 * count, channels, ...]."""
    normed = layer_norm(values.reshape(len(values), groups, -1), (values[0].numel() // groups,), eps=eps)
    normed = normed.view(values.shape)
    channels = (-1, *[1] * (values.ndim - 2))
    normed = normed if weight is None else normed * weight.view(channels)
    return normed if bias is None else normed + bias.view(channels)


def attention(query: Tensor, key: Tensor, value: Tensor, attn_mask=None, dropout_p=0.0, **options) -> Tensor | None:
    """Scaled dot-product attention in steps, with a bias or without; None for options that timm does not use."""
    scale = options.pop("scale", None) or query.shape[-1] ** -0.5
    biased = attn_mask is not None and attn_mask.is_floating_point() and not depends(attn_mask)
    if any(options.values()) or not (depends(key) and depends(value)) or not (attn_mask is None or biased):
        return None
    scores = product(torch.matmul, query * scale, key.mT)
    return product(torch.matmul, softmax(scores + attn_mask if biased else scores, -1), value)


def normalize(values: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, **_) -> Tensor | None:
    """Division by the Euclidean norm; None for another norm."""
    if p != 2:
        return None
    length = elementwise(lambda v: v.sqrt().clamp(min=eps), elementwise(torch.square, values).sum(dim, keepdim=True))
    return product(torch.mul, values, elementwise(torch.reciprocal, length))


RULES: dict[str, Callable[..., Tensor | None]] = {
    "max_pool2d": max_pool2d,
    "softmax": softmax,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "normalize": normalize,
    "scaled_dot_product_attention": attention,
}


def _difference(both: Tensor) -> Tensor:
    image, reference = both.detach().chunk(2)
    return image - reference


def _both(half: Tensor) -> Tensor:
    return torch.cat([half, half])


def _mean(both: Tensor) -> Tensor:
    image, reference = both.detach().chunk(2)
    return _both((image + reference) / 2)


def _change(values: Tensor) -> tuple[Tensor, Tensor]:
    """Difference of image and reference, and where it is more than rounding; the -inf that pads a max-pool is not."""
    image, reference = values.detach().chunk(2)
    change = image - reference
    far = change.abs() > 1e-6 * (image.abs() + reference.abs())
    return _both(change), _both(far)
