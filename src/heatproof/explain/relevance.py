"""Layer-wise relevance propagation through a transformer by the rules of AttnLRP, put into the backward pass of the
network as it is, read on the grid of its patches."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode

from heatproof.catalogue.reasons import NO_PATCHES, NO_RULE
from heatproof.catalogue.registry import methods_in
from heatproof.core.messages import Unsupported
from heatproof.explain.methods import Batch

# functions whose gradient is their rule: linear ones (the epsilon rule, Eq. 8, with epsilon 0, which cancels in
# gradient times activation), those that only move values, and softmax (Proposition 3.1)
# fmt: off
PLAIN = frozenset([
    "__add__", "__getitem__", "__get__", "__iadd__", "__len__", "__neg__", "__radd__", "__rsub__", "__sub__",
    "adaptive_avg_pool2d", "add", "add_", "avg_pool2d", "cat", "chunk", "clone", "concat", "contiguous", "conv1d",
    "conv2d", "detach", "dim", "dropout", "expand", "expand_as", "flatten", "flip", "float", "interpolate",
    "is_contiguous", "mean", "movedim", "narrow", "neg", "numel", "pad", "permute", "repeat", "repeat_interleave",
    "reshape", "roll", "select", "size", "softmax", "split", "squeeze", "stack", "stride", "sub", "sum", "to",
    "transpose", "type_as", "unbind", "unflatten", "unsqueeze", "view", "view_as",
])
# fmt: on
ACTIVATIONS = {"gelu", "silu", "relu", "relu_", "leaky_relu", "elu", "hardswish", "mish", "tanh"}
PRODUCTS = {"mul", "mul_", "__mul__", "__rmul__", "__imul__", "matmul", "__matmul__", "bmm"}
QUOTIENTS = {"div", "__truediv__", "div_", "__itruediv__"}


class Rules(TorchFunctionMode):
    """While active, functions have the gradients of AttnLRP instead of their own; values stay.

    Args:
        gamma: of the generalized gamma rule in linear layers; 0 is the epsilon rule.
    """

    def __init__(self, gamma: float = 0.0):
        super().__init__()
        self.gamma = gamma

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        moving = [value for value in _flat((*args, *kwargs.values())) if value.requires_grad]
        if not moving or not torch.is_grad_enabled():
            return function(*args, **kwargs)
        name = function.__name__
        if name == "linear" and self.gamma:
            return _gamma_linear(self.gamma, *args, **kwargs)
        if name in PLAIN or name == "linear":
            return function(*args, **kwargs)
        if name in ACTIVATIONS:
            return _Identity.apply(function, kwargs, *args)
        if name in PRODUCTS:
            if len(moving) > 1 and name.endswith("l_"):
                raise Unsupported("AttnLRP has no rule for a product in place of two features", NO_RULE)
            output = function(*args, **kwargs)
            return _Shared.apply(output, 2) if len(moving) > 1 else output  # the uniform rule, Eq. 7
        if name in QUOTIENTS and not _moves(args[1]):
            return function(*args, **kwargs)
        if name == "layer_norm":
            return _layer_norm(*args, **kwargs)
        if name == "rms_norm":
            return _rms_norm(*args, **kwargs)
        if name == "scaled_dot_product_attention":
            return _attention(*args, **kwargs)
        if name == "batch_norm" and not kwargs.get("training", len(args) > 5 and args[5]):
            return function(*args, **kwargs)
        raise Unsupported(
            f"AttnLRP has no rule for the function {name}, which this network passes its features through",
            NO_RULE,
        )


def check_ruled(output: Tensor) -> None:
    """Refuse a network with a differentiation of its own (an `autograd.Function`): no rule sees into it."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if isinstance(node, BackwardCFunction) and node._forward_cls not in (_Shared, _Identity, _GammaLinear):
            raise Unsupported(
                f"AttnLRP has no rule for {node._forward_cls.__name__}, which this network differentiates", NO_RULE
            )
        waiting.extend(before for before, _ in node.next_functions)


def _flat(values) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _flat(value)


def _moves(value) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


class _Shared(Function):
    """The value as it is; its gradient divided by `parts`."""

    @staticmethod
    def forward(ctx, value: Tensor, parts: int) -> Tensor:
        ctx.parts = parts
        return value.view_as(value)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient / ctx.parts, None


class _Identity(Function):
    """The identity rule (Eq. 9): all relevance goes through, so the gradient is output / input."""

    @staticmethod
    def forward(ctx, function, options: dict, value: Tensor, *rest) -> Tensor:
        before = value.clone() if options.get("inplace") or function.__name__.endswith("_") or True in rest else value
        output = function(value, *rest, **options)
        if output is value:
            ctx.mark_dirty(value)
        # these functions are 0 at 0: nothing is there to pass on
        ctx.save_for_backward(torch.where(before == 0, 0, output / before))
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (ratio,) = ctx.saved_tensors
        return None, None, gradient * ratio, *(None,) * (len(ctx.needs_input_grad) - 3)


def _layer_norm(
    value: Tensor, shape, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """The identity rule for the standard deviation (Proposition 3.4): it counts as a constant."""
    dims = tuple(range(-len(shape), 0))
    centred = value - value.mean(dims, keepdim=True)
    normed = centred * (centred.detach().square().mean(dims, keepdim=True) + eps).rsqrt()
    scaled = normed if weight is None else normed * weight
    return scaled if bias is None else scaled + bias


def _rms_norm(value: Tensor, shape, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    dims = tuple(range(-len(shape), 0))
    eps = torch.finfo(value.dtype).eps if eps is None else eps
    normed = value * (value.detach().square().mean(dims, keepdim=True) + eps).rsqrt()
    return normed if weight is None else normed * weight


def _attention(query: Tensor, key: Tensor, value: Tensor, *args, **kwargs) -> Tensor:
    """Softmax between two products: values have half, and queries and keys share the other."""
    scores = 2 if _moves(query) and _moves(key) else 1
    outer = 2 if _moves(value) and (_moves(query) or _moves(key)) else 1
    query, key = (_Shared.apply(side, scores * outer) if _moves(side) else side for side in (query, key))
    value = _Shared.apply(value, outer) if _moves(value) else value
    return F.scaled_dot_product_attention(query, key, value, *args, **kwargs)


def _gamma_linear(gamma: float, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return _GammaLinear.apply(gamma, input, weight, bias)


class _GammaLinear(Function):
    """The generalized gamma rule for a linear layer and inputs of either sign (Montavon et al. 2019; Andeol et al.
    2021; zennit's `Gamma`): contributions that have the output's sign count 1 + gamma times, also those of biases."""

    @staticmethod
    def forward(ctx, gamma: float, value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        output = F.linear(value, weight, bias)
        ctx.gamma, ctx.bias = gamma, bias
        ctx.save_for_backward(value, weight, output)
        return output

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        value, weight, output = ctx.saved_tensors
        relevance = gradient * output
        more, less = weight + ctx.gamma * weight.clamp(min=0), weight + ctx.gamma * weight.clamp(max=0)
        plus, minus = value.clamp(min=0), value.clamp(max=0)
        to_plus, to_minus = torch.zeros_like(value), torch.zeros_like(value)
        for chosen, same, other, bound in (
            (output > 0, more, less, {"min": 0}),
            (output < 0, less, more, {"max": 0}),
        ):
            bias = None if ctx.bias is None else ctx.bias + ctx.gamma * ctx.bias.clamp(**bound)
            summed = F.linear(plus, same, bias) + F.linear(minus, other)  # of the output's sign, and larger
            share = torch.where(chosen, relevance / torch.where(chosen, summed, 1), 0)
            to_plus += share @ same
            to_minus += share @ other
        return None, torch.where(value > 0, to_plus, to_minus), None, None


METHODS, method = methods_in(__name__)


@method("attnlrp")
def attnlrp(batch: Batch, *, gamma: float = 0.05) -> Tensor:
    """AttnLRP (Achtibat et al., ICML 2024): relevance of the patches for the target's logit, by layer-wise
    propagation with the paper's rules for attention: products share relevance evenly (Eq. 7), softmax is expanded
    at its input (Proposition 3.1), normalizations and activations pass it on (Proposition 3.4, Eq. 9), and linear
    layers follow the gamma rule, which the paper takes for vision transformers because the epsilon rule
    (`gamma` 0) is noisy there.

    Read at the output of the patch embedding, before positions are added, summed over channels. **Signed**:
    positive relevance speaks for the target, negative against it. It does not add up to the logit: what goes to
    biases, to the class token, to positions and to the constant part of the softmax lies on no patch.

    Args:
        gamma: how much more contributions of the output's sign count in linear layers.

    Returns:
        Float [batch, rows, columns] on the grid of the patch embedding.

    Raises:
        Unsupported: the network embeds no patches, or passes features through a function without a rule.
    """
    net = getattr(batch.model, "net", batch.model)
    embedding = getattr(net, "patch_embed", None)
    if not isinstance(embedding, nn.Module) or isinstance(embedding, (nn.ModuleList, nn.Identity)):
        raise Unsupported(
            f"{type(net).__name__} has no patch embedding (`patch_embed`), where AttnLRP reads relevance", NO_PATCHES
        )
    patches: list[Tensor] = []

    def start(_, __, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or patches:
            raise Unsupported(f"{type(net).__name__}: its patch embedding does not give one tensor", NO_PATCHES)
        patches.append(output.detach().requires_grad_())
        return patches[0].clone()  # what follows may work in place

    hook = embedding.register_forward_hook(start)
    try:
        with torch.enable_grad(), _frozen(batch.model):
            with Rules(gamma):
                logits = batch.model(batch.pixels.detach())
            check_ruled(logits)
            chosen = logits.gather(1, batch.targets[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, patches)
    finally:
        hook.remove()
    return _to_grid(net, embedding, patches[0].detach() * gradient, batch.pixels)


def _to_grid(net: nn.Module, embedding: nn.Module, relevance: Tensor, pixels: Tensor) -> Tensor:
    """Summed over channels: [batch, tokens, channels], or a grid with its channels last or first."""
    height, width = pixels.shape[2:]
    if relevance.ndim == 4:
        last = relevance.shape[1] * width == relevance.shape[2] * height and relevance.shape[3] != relevance.shape[2]
        return relevance.sum(3 if last else 1)
    count = relevance.shape[1]
    rows = round((count * height / width) ** 0.5)
    for grid in (tuple(getattr(embedding, "grid_size", None) or ()), (rows, count // max(rows, 1))):
        if relevance.ndim == 3 and len(grid) == 2 and grid[0] * grid[1] == count:
            return relevance.sum(2).unflatten(1, grid)
    raise Unsupported(f"{type(net).__name__}: its {count} patches are no grid over the image", NO_PATCHES)


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """What asks for a gradient depends on the patches: parameters do not ask, for the while."""
    asking = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
