"""DeepLIFT's rules, for every call that the networks of timm are made of.

An image and its reference pass through the network as one batch, images first. Each rule gives a call multipliers m
with `sum(m * difference of inputs) = difference of outputs`, so that they chain to a map that is complete:

- Rescale (Shrikumar et al., ICML 2017), for what acts on each value alone: m = difference of outputs /
  difference of inputs, the derivative where the inputs hardly differ. As in Captum, for more functions.
- Max-pooling, as in Captum and SHAP: what the image's maximum adds goes to its place, what the reference's takes away
  to its own. Captum overwrites where windows overlap, and its hooks lose a rule where a pool follows an activation at
  once: its maps of ResNets miss 8 to 96 % of the difference. Here shares add up, and there are no hooks.
- A product of two values that both depend on the pixels (gates, attention): each factor's difference times the mean
  of the other, which is its Shapley value (Lundberg & Lee, NeurIPS 2017, in SHAP's DeepExplainer). Captum has no rule
  here and takes the derivative.
- Softmax and normalizations, in steps: exponential or square, sum, reciprocal or root, product.

What has no rule here keeps its derivative. If it is not linear, the completeness gap tells.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from heatproof.explain.calls import ELEMENTWISE, Calls, Pulled, depends, value_and_slope


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
