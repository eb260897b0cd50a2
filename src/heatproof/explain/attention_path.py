"""How attention carries tokens from the patches to the class, learnt from the network itself, and the attention weights
of a transformer, captured as it runs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from heatproof.catalogue.reasons import NO_ATTENTION, OTHER_ATTENTION
from heatproof.core.messages import Unsupported

MOST_PREFIX_TOKENS = 6  # class, distillation and four register tokens
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
    `attn_drop`: its softmax is taken. The attention of PyTorch (torchvision) and of transformers hides the weights in a
    fused kernel, which is computed step by step here. In evaluation mode the captured tensor is the very one that
    the network goes on with, so that gradients with respect to it are those of the network.
    """
    dropping = {module.attn_drop: module for module in model.modules() if _drops_attention(module)}
    others = [
        module
        for module in model.modules()
        if (hasattr(module, "fused_attn") or _hides_weights(module))
        and not _drops_attention(module)
        and not hasattr(module, "attn_drop")
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


def _hides_weights(module: nn.Module) -> bool:
    """Whether a module is an attention of PyTorch or of transformers."""
    if isinstance(module, nn.MultiheadAttention):
        return module.in_proj_weight is not None and module.bias_k is None and not module.add_zero_attn
    inner = (part for part in module.modules() if part is not module)
    return hasattr(module, "num_attention_heads") and not any(hasattr(part, "num_attention_heads") for part in inner)


class _SoftmaxCapture(TorchFunctionMode):
    """Hands over what softmax gives inside the modules that were entered, that of fused attention included."""

    def __init__(self, sink: Sink):
        super().__init__()
        self.sink = sink
        self.inside: list[nn.Module] = []

    def enter(self, module: nn.Module, inputs: tuple) -> None:
        self.inside.append(module)

    def leave(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        self.inside.pop()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if self.inside and function is F.scaled_dot_product_attention:
            return self._attention(*args, **(kwargs or {}))
        if self.inside and function is F.multi_head_attention_forward and args[0] is args[1] is args[2]:
            return self._of_pytorch(*args, **(kwargs or {}))
        output = function(*args, **(kwargs or {}))
        if self.inside and function in (Tensor.softmax, torch.softmax, F.softmax):
            self.sink(self.inside[-1], output)
        return output

    def _of_pytorch(
        self, tokens, _, __, size, heads, weight, bias, bias_k, bias_v, zero, dropout, out_weight, out_bias, **named
    ) -> tuple[Tensor, None]:
        """Compute what `nn.MultiheadAttention` does with tokens [tokens, batch, channels] that ask each other."""
        split = F.linear(tokens, weight, bias).unflatten(-1, (3, heads, size // heads)).permute(2, 1, 3, 0, 4)
        read = self._attention(*split, attn_mask=named.get("attn_mask"), is_causal=named.get("is_causal", False))
        return F.linear(read.permute(2, 0, 1, 3).flatten(2), out_weight, out_bias), None

    def _attention(self, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, **_) -> Tensor:
        """Compute what the fused kernel does, in evaluation mode."""
        scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if attn_mask is not None:
            hidden = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if hidden else scores + attn_mask
        with torch._C.DisableTorchFunction():
            weights = scores.softmax(-1)
        self.sink(self.inside[-1], weights)
        return weights @ value


Kind = Literal["self", "class", "pool"]


@dataclass(frozen=True)
class Step:
    """One attention, in the order in which they run.

    `self`: every token asks every token [heads, tokens, tokens]. `class`: the class token alone asks them
    [heads, 1, tokens]. `pool`: latent queries outside the sequence ask them [heads, latents, tokens].
    """

    kind: Kind
    tokens: int
    distribution: bool  # weights are not negative, and those of one query add up to 1


@dataclass(frozen=True)
class AttentionPath:
    """A sequence of tokens that only attention mixes.

    Attributes:
        steps: the attentions, first to last.
        grid: rows and columns of the patches, which are the last tokens of every step, row by row.
        read: places, in the last step's tokens, that the class scores are read from; empty where the last step
            is a pool, which reads them by its weights.
    """

    steps: tuple[Step, ...]
    grid: tuple[int, int]
    read: tuple[int, ...]

    def to_grid(self, relevance: Tensor) -> Tensor:
        """Relevance of tokens [batch, tokens] as maps [batch, rows, columns]: the prefix tokens are left out."""
        return relevance[:, -self.grid[0] * self.grid[1] :].unflatten(1, self.grid)


@dataclass
class _Call:
    module: nn.Module
    weights: Tensor
    inputs: Tensor | None = None
    output: Tensor | None = None


@dataclass
class _Run:
    pixels: Tensor
    logits: Tensor
    calls: list[_Call]
    features: Tensor | None  # what `forward_features` gives, where the network has it


_KNOWN: WeakKeyDictionary[nn.Module, dict[tuple[int, ...], AttentionPath | str]] = WeakKeyDictionary()


def attention_path(model: nn.Module, pixels: Tensor) -> AttentionPath:
    """Learn the path from one forward pass of noise and the zeros of a few gradients; kept per model and size.

    What is asked: do the weights mix tokens (not channels, windows or a reduced grid); does nothing but
    attention mix them, from the first attention to the class; do the patches lie on the image row by row;
    which tokens are the class scores read from.

    Args:
        model: pixels to logits, in evaluation mode.
        pixels: float [batch, channels, height, width], for the shape alone.

    Raises:
        Unsupported: one line that says what is not so.
    """
    known = _KNOWN.setdefault(model, {})
    shape = tuple(pixels.shape[1:])
    if shape not in known:
        try:
            known[shape] = _learn(model, pixels)
        except Unsupported as refusal:
            known[shape] = refusal.with_traceback(None)  # it would keep the network alive
    path = known[shape]
    if isinstance(path, Unsupported):
        raise Unsupported(str(path), path.reason)
    return path


def _learn(model: nn.Module, pixels: Tensor) -> AttentionPath:
    net = getattr(model, "net", model)
    kind = type(net).__name__
    noise = torch.rand((1, *pixels.shape[1:]), generator=torch.Generator().manual_seed(0))
    run = _run(model, net, noise.to(pixels))
    if not run.calls:
        raise Unsupported(f"{kind} has no attention over tokens whose weights can be read", NO_ATTENTION)
    _check_shapes(kind, run.calls)
    grid = _grid(net, kind, run)
    steps = _steps(kind, run.calls)
    for before, after in pairwise(run.calls):
        _check_between(kind, before, after.inputs)
    _check_tail(kind, run)
    return AttentionPath(tuple(steps), grid, _read(kind, run, steps, grid))


def _run(model: nn.Module, net: nn.Module, noise: Tensor) -> _Run:
    """One forward pass with the graph from pixels to logits, by way of the attentions."""
    calls: list[_Call] = []
    with torch.enable_grad(), ExitStack() as stack:
        stack.enter_context(_watching(net, calls))
        features: list[Tensor] = []
        if hasattr(net, "forward_features"):
            stack.enter_context(_noting(net, "forward_features", features))
        pixels = noise.requires_grad_()
        logits = model(pixels)
    plain = features[0] if features and isinstance(features[0], Tensor) else None
    return _Run(pixels, logits, calls, plain)


@contextmanager
def _noting(net: nn.Module, name: str, outputs: list) -> Iterator[None]:
    """Note what a method of the network returns."""
    original = getattr(net, name)

    def noted(*args, **kwargs):
        outputs[:] = [original(*args, **kwargs)]
        return outputs[0]

    net.__dict__[name] = noted
    try:
        yield
    finally:
        del net.__dict__[name]


@contextmanager
def _watching(net: nn.Module, calls: list[_Call]) -> Iterator[None]:
    """Note weights, input and output of every attention."""

    def weights(module: nn.Module, weights: Tensor) -> None:
        calls.append(_Call(module, weights if weights.requires_grad else weights.requires_grad_()))

    def ends(module: nn.Module, inputs: tuple, named: dict, output: Tensor | tuple) -> None:
        for call in calls:
            if call.module is module and call.output is None:
                call.inputs = inputs[0] if inputs else next(iter(named.values()))
                call.output = output[0] if isinstance(output, tuple) else output

    owners = [
        module
        for module in net.modules()
        if hasattr(module, "attn_drop") or hasattr(module, "fused_attn") or _hides_weights(module)
    ]
    with ExitStack() as stack:
        for owner in owners:
            stack.callback(owner.register_forward_hook(ends, with_kwargs=True).remove)
        stack.enter_context(capturing(net, weights))
        yield


def _check_shapes(kind: str, calls: list[_Call]) -> None:
    """Every attention: [1, heads, queries, keys] over the tokens of its input, all of one sequence."""
    for call in calls:
        name = type(call.module).__name__
        tokens, shape = call.inputs, call.weights.shape
        if tokens.ndim != 3:
            raise Unsupported(
                f"{kind}: {name} works on a grid of features, not on one sequence of tokens", OTHER_ATTENTION
            )
        if call.weights.ndim != 4 or len(tokens) != 1 or shape[0] != 1:
            raise Unsupported(
                f"{kind}: {name} attends within windows or groups, not over one sequence of tokens", OTHER_ATTENTION
            )
        if shape[3] != tokens.shape[1] or (shape[2] not in (1, shape[3]) and not _latent(call)):
            raise Unsupported(
                f"{kind}: {name} attends over channels or a reduced grid, not over its tokens", OTHER_ATTENTION
            )
        if shape[1] != getattr(call.module, "num_heads", shape[1]):
            raise Unsupported(
                f"{kind}: {name} subtracts attentions from each other, which the method does not define",
                OTHER_ATTENTION,
            )
        if not _latent(call):
            _check_rows(kind, call)
    lengths = [call.weights.shape[3] for call in calls if not _latent(call)]
    if any(after < before for before, after in pairwise(lengths)):
        raise Unsupported(
            f"{kind} merges its tokens on the way: its attentions are not over one sequence", OTHER_ATTENTION
        )


def _latent(call: _Call) -> bool:
    """Whether the queries are the module's own, outside the sequence: no hook on `attn_drop` saw the weights."""
    return isinstance(getattr(call.module, "latent", None), nn.Parameter)


def _check_rows(kind: str, call: _Call) -> None:
    """The weights of query q must act on token q of the output alone, or they mix something else."""
    name = type(call.module).__name__
    if not _hides_weights(call.module) and not isinstance(getattr(call.module, "attn_drop", None), nn.Module):
        raise Unsupported(
            f"{kind}: the weights of {name} do not pass its attn_drop, so they cannot be read", NO_ATTENTION
        )
    queries = call.weights.shape[2]
    if call.output.ndim != 3 or call.output.shape[1] not in (queries, call.inputs.shape[1]):
        raise Unsupported(f"{kind}: {name} does not give one output a token", OTHER_ATTENTION)
    gradient = _gradient(call.output[:, 0], call.weights)
    if gradient[:, :, 0].abs().max() == 0 or gradient[:, :, 1:].count_nonzero() > 0:
        raise Unsupported(f"{kind}: {name} attends over channels, not over its tokens", OTHER_ATTENTION)


def _steps(kind: str, calls: list[_Call]) -> list[Step]:
    steps = []
    for call in calls:
        weights = call.weights.detach()
        sums = weights.sum(-1)
        distribution = bool(weights.min() >= 0 and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))
        what: Kind = "pool" if _latent(call) else "self" if weights.shape[2] == weights.shape[3] else "class"
        if steps and steps[-1].kind == "pool":
            raise Unsupported(f"{kind} attends again after it pooled its tokens", OTHER_ATTENTION)
        steps.append(Step(what, weights.shape[3], distribution))
    return steps


def _grid(net: nn.Module, kind: str, run: _Run) -> tuple[int, int]:
    """Rows and columns of the patches, checked on the pixels that two corner patches see."""
    tokens = run.calls[0].inputs
    height, width = run.pixels.shape[2:]
    prefix = getattr(net, "num_prefix_tokens", 0)
    stated = getattr(getattr(net, "patch_embed", None), "grid_size", None)
    for count in dict.fromkeys(tokens.shape[1] - each for each in (prefix, *range(MOST_PREFIX_TOKENS))):
        rows = round((max(count, 0) * height / width) ** 0.5)
        for grid in (tuple(stated or ()), (rows, count // max(rows, 1))):
            if len(grid) == 2 and count > 0 and grid[0] * grid[1] == count and _lies_so(run, grid):
                return grid
    raise Unsupported(f"{kind}: its {tokens.shape[1]} tokens do not lie on the image row by row", OTHER_ATTENTION)


def _lies_so(run: _Run, grid: tuple[int, int]) -> bool:
    """Whether the end of the first row and the start of the last see most of those places of the image, and
    the tokens before the patches none of it."""
    rows, columns = grid
    tokens = run.calls[0].inputs
    prefix = tokens.shape[1] - rows * columns
    if prefix and _gradient(tokens[:, :prefix], run.pixels).count_nonzero() > 0:
        return False
    for row, column in {(0, columns - 1), (rows - 1, 0)}:
        seen = _gradient(tokens[:, prefix + row * columns + column], run.pixels).abs().sum(1, keepdim=True)
        cells = nn.functional.adaptive_avg_pool2d(seen, grid)[0, 0]
        if cells.argmax().item() != row * columns + column:
            return False
    return True


def _check_between(kind: str, before: _Call, tokens: Tensor) -> None:
    """From one attention to the next: a token goes on as itself, no other token comes in."""
    middle = -1 - tokens.shape[1] // 3  # a patch off the middle; patches are last, so it has one place in both
    own = middle if before.output.shape[1] >= -middle else None
    gradient = _gradient(tokens[:, middle], before.output)
    reached = gradient.abs().amax(2)[0]
    if own is not None and reached[own] == 0:
        raise Unsupported(
            f"{kind} runs attentions side by side, on the same tokens: their order is not defined", OTHER_ATTENTION
        )
    if own is not None:
        reached[own] = 0
    if reached.count_nonzero() > 0:
        raise Unsupported(f"{kind} mixes its tokens other than by attention, between its attentions", OTHER_ATTENTION)


def _check_tail(kind: str, run: _Run) -> None:
    """From the last self-attention to what is pooled."""
    last = [call for call in run.calls if not _latent(call)][-1]
    features = run.features
    if features is None or len(last.output) != len(run.pixels):
        return
    if features.ndim != 3 or features.shape[1] != last.inputs.shape[1]:
        if features.ndim == 3 or features.ndim == 4:
            raise Unsupported(f"{kind} merges its tokens after its last attention", OTHER_ATTENTION)
        return  # pooled already
    if last.output.shape[1] == features.shape[1]:
        _check_between(kind, last, features)


def _read(kind: str, run: _Run, steps: list[Step], grid: tuple[int, int]) -> tuple[int, ...]:
    """Places that the class scores are read from: those whose token moves them after the last attention."""
    if steps[-1].kind == "pool":
        return ()
    if steps[-1].kind == "class":
        return (0,)
    gradient = _gradient(run.logits, run.calls[-1].output)
    moved = tuple(gradient.abs().amax(2)[0].nonzero().flatten().tolist())
    tokens = steps[-1].tokens
    prefix = tokens - grid[0] * grid[1]
    if not moved or (max(moved) >= prefix and not set(range(prefix, tokens)) <= set(moved)):
        raise Unsupported(f"{kind} reads its classes from some patches and not from others", OTHER_ATTENTION)
    return moved


def _gradient(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Gradient of a random mixture of the outputs: zero exactly where nothing depends on an input."""
    mixture = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1)).to(outputs)
    (gradient,) = torch.autograd.grad(
        (outputs * mixture).sum(), inputs, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient
