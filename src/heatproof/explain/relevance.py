"""Layer-wise relevance propagation through a transformer, read on the grid of its patches."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from heatproof.errors import Unsupported
from heatproof.explain.methods import Batch
from heatproof.explain.relevance_rules import Rules, check_ruled
from heatproof.registry import methods_in

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
        raise Unsupported(f"{type(net).__name__} has no patch embedding (`patch_embed`), where AttnLRP reads relevance")
    patches: list[Tensor] = []

    def start(_, __, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or patches:
            raise Unsupported(f"{type(net).__name__}: its patch embedding does not give one tensor")
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
    raise Unsupported(f"{type(net).__name__}: its {count} patches are no grid over the image")


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
