"""Does the relevance in a region tell how much the output falls when the region is removed? (Yeh et al. 2019)

The perturbation: one square at a time, a quarter of the shorter side wide, anywhere in the image with equal chance,
is replaced by the baseline. The same squares for every map and model. All squares have one size because larger ones
lower the output more, and so a map that is equally hot everywhere would foretell the fall of squares of many sizes.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from heatproof.catalogue.reasons import OUTPUT
from heatproof.catalogue.registry import metrics_in
from heatproof.core.draws import generator
from heatproof.score.order import scorable
from heatproof.score.queries import Case, Forward, Probability, of_class, on, outputs, remover

METRICS, metric = metrics_in(__name__)
UNDEFINED = OUTPUT.code  # the only reason left once the map is sound
SIDE = 1 / 4  # of a square, as a share of the shorter side of the image


@dataclass(frozen=True)
class Perturbed:
    """What the model and the maps say of each removed square, float64 on the CPU.

    Attributes:
        drop: [squares], fall of the target's probability.
        relevance: [maps, squares], sum of the raw relevance in the square, divided by the largest absolute value of
            the map; NaN for degenerate maps.
    """

    drop: Tensor
    relevance: Tensor


@metric("infidelity")
def infidelity(perturbed: Perturbed) -> Tensor:
    """`mean_I (β IᵀΦ - (f(x) - f(x - I)))²` of the probability (Yeh et al. 2019); smaller is better, 0 at best.

    I marks the removed square, IᵀΦ is the relevance in it, negative relevance counted as negative, and β is the scale
    that suits the map best, because most methods' maps have no unit: `Σ IᵀΦ (f(x) - f(x - I)) / Σ (IᵀΦ)²`. It is
    captum's `normalize=True` except that β is never below 0, so that a map of the opposite sign is not as good as the
    map: one that foretells nothing has the mean squared fall, which no map exceeds.
    """
    relevance, drop = perturbed.relevance, perturbed.drop
    power = relevance.square().sum(1)
    scale = (relevance * drop).sum(1).clamp(min=0) / power.masked_fill(power == 0, 1)
    return (scale[:, None] * relevance - drop).square().mean(1)


def squares(key: Sequence[str | int], size: Sequence[int], samples: int) -> Tensor:
    """Random squares inside an image, bool [samples, height, width], fixed by `key`."""
    height, width = size
    side = max(1, round(SIDE * min(size)))
    draw = generator("score", "infidelity", *key)
    top = torch.from_numpy(draw.integers(0, height - side + 1, samples))[:, None, None]
    left = torch.from_numpy(draw.integers(0, width - side + 1, samples))[:, None, None]
    y, x = torch.arange(height)[:, None], torch.arange(width)
    return (y >= top) & (y < top + side) & (x >= left) & (x < left + side)


def perturbed(
    forward: Forward,
    cases: Iterable[Case],
    *,
    keys: Iterable[Sequence[str | int]],
    samples: int,
    baseline: str,
    batch_size: int,
    probability: Probability = of_class,
) -> Iterator[Perturbed]:
    """Ask a model about each image with squares of it removed; all maps are scored by the same answers.

    Args:
        forward, cases, probability: as for `faithfulness.responses`.
        keys: per image, what its squares are drawn from: study and image_id, equal for all models.
        samples: squares an image.
        baseline: what removed pixels become, see `queries.remover`.
        batch_size: images in a forward pass, filled across images.

    Yields:
        One answer an image, in order. Forward passes, in images: `samples + 1`, however many maps.

    Raises:
        ValueError: an option is out of range.
    """
    if samples < 1 or batch_size < 1:
        raise ValueError(f"samples ({samples}) and batch_size ({batch_size}) must be at least 1")
    plan: deque[tuple[int, Tensor]] = deque()

    def stacks() -> Iterator[Iterator[Tensor]]:
        for (pixels, maps, target), key in zip(cases, keys, strict=True):
            removed = squares(key, pixels.shape[1:], samples)
            plan.append((target, _relevance(maps, removed)))
            yield _variants(pixels, ~removed, baseline, batch_size)

    for logits in outputs(forward, stacks(), batch_size):
        target, relevance = plan.popleft()
        output = probability(logits.masked_fill(~logits.isfinite(), torch.nan), target)
        yield Perturbed(output[0] - output[1:], relevance)


def _variants(pixels: Tensor, keep: Tensor, baseline: str, batch_size: int) -> Iterator[Tensor]:
    yield pixels[None]
    remove = remover(pixels, baseline)
    for some in keep.split(batch_size):
        yield remove(on(pixels.device, some))


def _relevance(maps: Tensor, removed: Tensor) -> Tensor:
    flat = maps.cpu().flatten(1).double()
    inside, unit = removed.flatten(1).double(), flat / flat.abs().amax(1, keepdim=True)
    sums = torch.stack([inside @ one for one in unit])  # map by map: a product of matrices rounds by their sizes
    return sums.masked_fill(~scorable(maps).cpu()[:, None], torch.nan)
