"""Does the model use what the heatmap marks? Pixels are removed or inserted and the output is watched.

`responses` asks the model once for everything; a metric is a function of a `Response`, so that no
forward pass is made twice. Metrics return float64 [maps].
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from heatproof.score.maps import ranks, scorable, unit_scale
from heatproof.score.registry import registry

METRICS, metric = registry()
UNDEFINED = "output not finite"  # the only reason left once the map is sound
BLUR = 10 / 224  # standard deviation as a share of the shorter side (Fong and Vedaldi 2017: 10 of 224 pixels)

Forward = Callable[[Tensor], Tensor]
Case = tuple[Tensor, Tensor, int]  # pixels [channels, height, width], maps [maps, height, width], target


@dataclass(frozen=True)
class Response:
    """What a model answers for the target of one image, float64 on the CPU; NaN for degenerate maps.

    Attributes:
        share: [steps + 1], share of the pixels removed, or inserted, from 0 to 1.
        deletion: [maps, steps + 1], probability with that share removed, most relevant first.
        insertion: [maps, steps + 1], probability with that share inserted into the baseline,
            most relevant first.
        logit: [], of the whole image.
        logit_without: [maps], of the image times (1 - L), L being the map in [0, 1].
        probability: [], of the whole image.
        probability_without: [maps], of the image times (1 - L).
    """

    share: Tensor
    deletion: Tensor
    insertion: Tensor
    logit: Tensor
    logit_without: Tensor
    probability: Tensor
    probability_without: Tensor


@metric("faithfulness_logit")
def faithfulness_logit(response: Response) -> Tensor:
    """`f(x)_y - f(x ⊙ (1 - L))_y` of the logit (arXiv 2601.12826, Eq. 5); larger is better."""
    return response.logit - response.logit_without


@metric("faithfulness_probability")
def faithfulness_probability(response: Response) -> Tensor:
    """`f(x)_y - f(x ⊙ (1 - L))_y` of the probability (arXiv 2601.12826, Eq. 5); larger is better."""
    return response.probability - response.probability_without


@metric("deletion_auc")
def deletion_auc(response: Response) -> Tensor:
    """Area under the deletion curve by the trapezoid rule (Petsiuk et al. 2018); smaller is better."""
    return torch.trapezoid(response.deletion, response.share)


@metric("insertion_auc")
def insertion_auc(response: Response) -> Tensor:
    """Area under the insertion curve by the trapezoid rule (Petsiuk et al. 2018); larger is better."""
    return torch.trapezoid(response.insertion, response.share)


@metric("srg")
def srg(response: Response) -> Tensor:
    """Symmetric relevance gain (Blücher et al. 2024), in [-1, 1]; 0 for an order that tells nothing.

    To insert the most relevant pixels first is to remove the least relevant first, so the gain,
    least minus most relevant first, is insertion minus deletion area. Comparable between models,
    where raw areas are not.
    """
    return insertion_auc(response) - deletion_auc(response)


def baseline_image(pixels: Tensor, baseline: str) -> Tensor:
    """What stands where pixels were removed.

    Args:
        pixels: float [channels, height, width] in [0, 1].
        baseline: `zero` (black), `mean` (each channel's mean over the image), or `blur` (the image
            under a Gaussian of `BLUR`).

    Returns:
        float of the same shape.

    Raises:
        ValueError: the baseline has another name.
    """
    if baseline == "zero":
        return torch.zeros_like(pixels)
    if baseline == "mean":
        return pixels.mean((1, 2), keepdim=True).expand_as(pixels)
    if baseline == "blur":
        sigma = BLUR * min(pixels.shape[1:])
        return gaussian_blur(pixels, [2 * round(3 * sigma) + 1] * 2, [sigma] * 2)
    raise ValueError(f"a baseline is zero, mean or blur, not {baseline!r}")


def _variants(pixels: Tensor, maps: Tensor, counts: list[int], baseline: str) -> Tensor:
    """The image, the fully removed image, then per map: deletions, insertions, and `x ⊙ (1 - L)`."""
    inner = torch.tensor(counts[1:-1], device=maps.device).view(1, -1, 1, 1)
    place = ranks(maps)[:, None]
    keep = torch.cat([place >= inner, place < inner], dim=1)[:, :, None]
    removed = baseline_image(pixels, baseline)
    hard = torch.where(keep, pixels, removed)
    soft = pixels * (1 - unit_scale(maps)).to(pixels.dtype)[:, None]
    return torch.cat([pixels[None], removed[None], torch.cat([hard, soft[:, None]], dim=1).flatten(0, 1)])


def _response(logits: Tensor, target: int, usable: Tensor, counts: list[int]) -> Response:
    """Sort the logits of `_variants` into curves; maps that are not usable get NaN."""
    steps = len(counts) - 1
    logits = logits.masked_fill(~logits.isfinite(), torch.nan)

    def parts(output: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        of_map = torch.full((len(usable), 2 * steps - 1), torch.nan, dtype=torch.float64)
        of_map[usable] = output[2:].view(-1, 2 * steps - 1)
        return output[0], output[1], of_map

    logit, _, logits_of_map = parts(logits[:, target])
    whole, removed, curves = parts(logits.softmax(1)[:, target])
    start, end = (torch.where(usable, value, torch.nan)[:, None] for value in (whole, removed))
    return Response(
        share=torch.tensor(counts, dtype=torch.float64) / counts[-1],
        deletion=torch.cat([start, curves[:, : steps - 1], end], dim=1),
        insertion=torch.cat([end, curves[:, steps - 1 : -1], start], dim=1),
        logit=logit,
        logit_without=logits_of_map[:, -1],
        probability=whole,
        probability_without=curves[:, -1],
    )


def _outputs(forward: Forward, stacks: Iterable[Tensor], batch_size: int) -> Iterator[Tensor]:
    """Logits of each stack, float64 on the CPU, from batches of one size that are cut across stacks."""
    sizes: deque[int] = deque()
    waiting: list[Tensor] = []
    done: list[Tensor] = []

    def evaluate() -> None:
        with torch.inference_mode():
            done.extend(forward(torch.stack(waiting[:batch_size])).double().cpu())
        del waiting[:batch_size]

    def finished() -> Iterator[Tensor]:
        while sizes and len(done) >= sizes[0]:
            size = sizes.popleft()
            yield torch.stack(done[:size])
            del done[:size]

    for stack in stacks:
        sizes.append(len(stack))
        waiting.extend(stack)
        while len(waiting) >= batch_size:
            evaluate()
        yield from finished()
    while waiting:
        evaluate()
    yield from finished()


def responses(
    forward: Forward, cases: Iterable[Case], *, steps: int, baseline: str, batch_size: int
) -> Iterator[Response]:
    """Ask a model about each image with parts of it removed.

    Pixels are removed by the order of the map alone, ties in raster order. The whole image and the
    fully removed one are evaluated once an image, and a degenerate map not at all.

    Args:
        forward: pixels [batch, channels, height, width] in [0, 1] to logits [batch, classes].
        cases: per image, all on the device of `forward`: float pixels [channels, height, width] in
            [0, 1], raw relevance [maps, height, width], and the index of the target class. Read one
            at a time: memory holds one image's `2 + maps * (2 * steps - 1)` variants and a batch.
        steps: parts into which the pixels are divided.
        baseline: see `baseline_image`.
        batch_size: images in a forward pass, filled across maps and images.

    Yields:
        One response an image, in order.

    Raises:
        ValueError: an option is out of range.
    """
    if steps < 1 or batch_size < 1:
        raise ValueError(f"steps ({steps}) and batch_size ({batch_size}) must be at least 1")
    plan: deque[tuple[int, Tensor, list[int]]] = deque()

    def stacks() -> Iterator[Tensor]:
        for pixels, maps, target in cases:
            usable = scorable(maps)
            area = pixels[0].numel()
            counts = [round(step * area / steps) for step in range(steps + 1)]
            plan.append((target, usable.cpu(), counts))
            yield _variants(pixels, maps[usable], counts, baseline)

    for logits in _outputs(forward, stacks(), batch_size):
        yield _response(logits, *plan.popleft())
