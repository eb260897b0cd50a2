"""Maps from a transformer's own attention, on the grid of its patches.

They are defined where global self-attention, and nothing else, mixes one sequence of tokens;
`attention_path` checks that and says in one line what is not so. Relevance is read where the classes are: in the
class token's row; in the mean row of class and distillation token; in the mean row of the patches where the
network averages them; by the weights of a latent query where one pools the tokens.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from heatproof.catalogue.reasons import NEGATIVE_ATTENTION, OTHER_ATTENTION
from heatproof.catalogue.registry import methods_in
from heatproof.core.messages import Unsupported
from heatproof.explain.attention_path import AttentionPath, Step, attention_path, capturing
from heatproof.explain.methods import Batch

METHODS, method = methods_in(__name__)


@method("attention_rollout")
def attention_rollout(batch: Batch) -> Tensor:
    """Attention rollout (Abnar and Zuidema, ACL 2020, Sec. 3): the product over the layers of (A + I) / 2, where
    A are the attention weights averaged over the heads, and I stands for the residual connection.

    **Not class-dependent, by definition**: it asks for no gradient, and all targets have one map. Never
    negative. A pool with a latent query has no residual connection: its weights read the tokens as they are.

    Returns:
        Float [batch, rows, columns] on the grid of the patches.

    Raises:
        Unsupported: not attention alone mixes the tokens, or its weights are no distribution (heads mixed after
            the softmax, as in CaiT, give negative ones).
    """
    path = attention_path(batch.model, batch.pixels)
    if not all(step.distribution for step in path.steps):
        raise Unsupported(
            "attention rollout needs weights that are distributions: here heads are mixed after the softmax, "
            "which makes some negative",
            NEGATIVE_ATTENTION,
        )
    layers: list[Tensor] = []
    with torch.no_grad(), capturing(batch.model, lambda _, weights: layers.append(weights.mean(1))):
        batch.model(batch.pixels)
    carried = _read(path, layers[-1])
    for step, layer in _backwards(path, layers):
        carried = _fit(carried, step.tokens)
        halved = carried.clone()
        halved[:, : layer.shape[1]] /= 2  # the tokens that ask: all, or the class token
        carried = halved + _requested(halved, layer)
    return path.to_grid(carried)


@method("generic_attention")
def generic_attention(batch: Batch) -> Tensor:
    """Gradient-weighted attention (Chefer et al., ICCV 2021, "Generic attention-model explainability", Eq. 5
    and 6, the rule for self-attention): R starts as the identity and becomes R + E_h[(dy/dA * A)^+] R with every
    layer, where y is the target's logit, A the attention weights, and E_h the mean over the heads.

    Class-dependent; never negative. The identity that R starts with is left out of the map: it is nothing in a
    class token's row, and the same in every patch where rows of patches are averaged. A pool with a latent
    query is the paper's Eq. 10 without its normalization: the pool's weighted attention times R.

    Returns:
        Float [batch, rows, columns] on the grid of the patches.

    Raises:
        Unsupported: not attention alone mixes the tokens.
    """
    path = attention_path(batch.model, batch.pixels)
    layers = _weighted(batch)
    start = _read(path, layers[-1])
    carried = torch.zeros_like(start)  # the row of R without the identity's
    if path.steps[-1].kind == "pool":
        start, carried = carried, start
    for step, layer in _backwards(path, layers):
        start, carried = _fit(start, step.tokens), _fit(carried, step.tokens)
        carried = carried + _requested(start + carried, layer)
    return path.to_grid(carried)


@method("legrad")
def legrad(batch: Batch) -> Tensor:
    """LeGrad (Bousselham et al., ICCV 2025, Eq. 5 to 8): after every block the class score is read from its tokens, by
    what follows the last block; the map is the mean over blocks, heads and queries of the positive gradient of that
    score with respect to the attention weights.

    Class-dependent; never negative. The paper's scaling to [0, 1] is left to the scores.

    Returns:
        Float [batch, rows, columns] on the grid of the patches.

    Raises:
        Unsupported: not attention alone mixes the tokens, or the blocks are no chain of like modules.
    """
    path = attention_path(batch.model, batch.pixels)
    weights: list[Tensor] = []
    outputs: list[Tensor] = []
    modules: list[nn.Module] = []

    def keep(_, made: Tensor) -> None:
        weights.append(made if made.requires_grad else made.requires_grad_())

    with torch.no_grad(), capturing(batch.model, lambda module, _: modules.append(module)):
        batch.model(batch.pixels[:1])
    count = sum(step.kind != "pool" for step in path.steps)  # a pool is part of what follows the blocks
    blocks = _blocks(batch.model, modules[:count])
    with ExitStack() as stack:
        for block in blocks:
            hook = block.register_forward_hook(lambda _, __, output: outputs.append(_tokens(output)))
            stack.callback(hook.remove)
        with torch.enable_grad(), capturing(batch.model, keep):
            logits = [batch.model(batch.pixels.detach())]
    found = []
    for place, (made, tokens) in enumerate(zip(weights[:count], list(outputs), strict=True)):
        with torch.enable_grad():
            answer = logits[0] if place == len(blocks) - 1 else _from(batch, blocks[-1], tokens)
            chosen = answer.gather(1, batch.targets[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, made, retain_graph=True)
        found.append(_fit(gradient.clamp(min=0).mean((1, 2)), path.steps[-1].tokens))
    return path.to_grid(torch.stack(found).mean(0).detach())


def _blocks(model: nn.Module, attentions: list[nn.Module]) -> list[nn.Module]:
    """The block of each attention: the children of one list of modules.

    Raises:
        Unsupported: they are in several lists, or two are in one block.
    """
    names = {module: name for name, module in model.named_modules()}
    places = [_in_list(model, names[one]) for one in attentions]
    lists = {place.rpartition(".")[0] for place in places}
    if not all(places) or len(lists) > 1 or len(set(places)) < len(places):
        raise Unsupported("LeGrad needs blocks with one attention each, in one list of modules", OTHER_ATTENTION)
    return [model.get_submodule(place) for place in places]


def _in_list(model: nn.Module, name: str) -> str:
    """The place, in the first list of modules on the way to a module, that leads there; "" without a list."""
    parts = name.split(".")
    for depth in range(len(parts)):
        if isinstance(model.get_submodule(".".join(parts[:depth])), (nn.ModuleList, nn.Sequential)):
            return ".".join(parts[: depth + 1])
    return ""


def _tokens(output: Tensor | tuple) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _from(batch: Batch, last: nn.Module, tokens: Tensor) -> Tensor:
    """What the network answers where its last block gives these tokens."""

    def replace(_, __, output: Tensor | tuple) -> Tensor | tuple:
        return (tokens, *output[1:]) if isinstance(output, tuple) else tokens

    hook = last.register_forward_hook(replace)
    try:
        return batch.model(batch.pixels.detach())
    finally:
        hook.remove()


def _weighted(batch: Batch) -> list[Tensor]:
    """Of each layer the mean over heads of the positive part of gradient times weights."""
    weights: list[Tensor] = []

    def keep(_, made: Tensor) -> None:
        # the graph starts at the first weights: parameters and pixels ask for no gradient
        weights.append(made if made.requires_grad else made.requires_grad_())

    with torch.enable_grad(), capturing(batch.model, keep):
        logits = batch.model(batch.pixels.detach())
        chosen = logits.gather(1, batch.targets[:, None]).sum()
        gradients = torch.autograd.grad(chosen, weights, allow_unused=True, materialize_grads=True)
    pairs = zip(weights, gradients, strict=True)
    return [(gradient * made.detach()).clamp(min=0).mean(1) for made, gradient in pairs]


def _read(path: AttentionPath, last: Tensor) -> Tensor:
    """How much each of the last step's tokens is read, [batch, tokens]."""
    if path.steps[-1].kind == "pool":
        return last.mean(1)
    read = last.new_zeros(len(last), path.steps[-1].tokens)
    read[:, list(path.read)] = 1 / len(path.read)
    return read


def _backwards(path: AttentionPath, layers: list[Tensor]) -> Iterator[tuple[Step, Tensor]]:
    """The attentions within the sequence with their weights [batch, queries, tokens], last to first."""
    for step, layer in reversed(list(zip(path.steps, layers, strict=True))):
        if step.kind != "pool":
            yield step, layer


def _requested(carried: Tensor, layer: Tensor) -> Tensor:
    """What the tokens that ask pass on: [batch, tokens] times [batch, queries, tokens], queries being first."""
    return torch.einsum("bq,bqk->bk", carried[:, : layer.shape[1]], layer)


def _fit(carried: Tensor, tokens: int) -> Tensor:
    """To a step of more or fewer prefix tokens: patches are last. A token put in later comes from no patch."""
    missing = tokens - carried.shape[1]
    return torch.nn.functional.pad(carried, (missing, 0))  # a negative pad cuts
