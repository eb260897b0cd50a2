"""Does the model use what the heatmap marks? Pixels are removed or inserted and the probability is watched.

`responses` asks the model once for everything; a metric is a function of what it answered, so that no forward
pass is made twice. Metrics here are functions of the `Curves` of one baseline, those of `confidence.py` of a
`Response`. All return float64 [maps], NaN for degenerate maps and where an output is not finite.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from heatproof.catalogue.reasons import OUTPUT
from heatproof.catalogue.registry import metrics_in
from heatproof.core.geometry import filled
from heatproof.score.order import ranks, scorable, unit_scale
from heatproof.score.queries import EMPTIED, Case, Forward, Probability, by_map, of_class, on, remover

METRICS, metric = metrics_in(__name__)
UNDEFINED = OUTPUT.code  # the only reason left once the map is sound


@dataclass(frozen=True)
class Curves:
    """Probability of the target as pixels of one image make way for one baseline, float64 on the CPU.

    Attributes:
        share: [steps + 1], share of the pixels removed, or inserted, from 0 to 1.
        deletion: [maps, steps + 1], with that share removed, most relevant first.
        insertion: [maps, steps + 1], with that share inserted into the baseline, most relevant first.
    """

    share: Tensor
    deletion: Tensor
    insertion: Tensor


@dataclass(frozen=True)
class Response:
    """What a model answers for the target of one image, float64 on the CPU; NaN for degenerate maps.

    Attributes:
        curves: by baseline.
        logit: [], of the whole image.
        logit_without: [maps], of the image times (1 - L), L being the map in [0, 1].
        probability: [], of the whole image.
        probability_without: [maps], of the image times (1 - L).
        probability_within: [maps], of the image times L.
    """

    curves: dict[str, Curves]
    logit: Tensor
    logit_without: Tensor
    probability: Tensor
    probability_without: Tensor
    probability_within: Tensor


@metric("deletion_auc")
def deletion_auc(curves: Curves) -> Tensor:
    """Area under the deletion curve by the trapezoid rule (Petsiuk et al. 2018); smaller is better."""
    return torch.trapezoid(curves.deletion, curves.share)


@metric("insertion_auc")
def insertion_auc(curves: Curves) -> Tensor:
    """Area under the insertion curve by the trapezoid rule (Petsiuk et al. 2018); larger is better."""
    return torch.trapezoid(curves.insertion, curves.share)


@metric("srg")
def srg(curves: Curves) -> Tensor:
    """Symmetric relevance gain (Blücher et al. 2024), in [-1, 1]; 0 for an order that tells nothing.

    To insert the most relevant pixels first is to remove the least relevant first, so the gain,
    least minus most relevant first, is insertion minus deletion area. Comparable between models,
    where raw areas are not.
    """
    return insertion_auc(curves) - deletion_auc(curves)


@metric("aopc_morf")
def aopc_morf(curves: Curves) -> Tensor:
    """Mean drop of the probability, most relevant removed first (Samek et al. 2017); larger is better.

    `1 / (L + 1) Σ_k f(x) - f(x_k)` over k = 0 to L steps. It reads the deletion curve: where the steps are equally
    wide, `(L + 1) (f(x) - aopc_morf) = L deletion_auc + (f(x) + f(x_L)) / 2`.
    """
    return (curves.deletion[:, :1] - curves.deletion).mean(1)


@metric("aopc_lerf")
def aopc_lerf(curves: Curves) -> Tensor:
    """Mean drop of the probability, least relevant removed first (Samek et al. 2017); smaller is better.

    It reads the insertion curve backwards: `(L + 1) (f(x) - aopc_lerf) = L insertion_auc + (f(x) + f(x_L)) / 2`
    where the steps are equally wide.
    """
    return (curves.insertion[:, -1:] - curves.insertion).mean(1)


def _ends(baselines: Sequence[str]) -> list[str]:
    """The baselines whose image with nothing left is asked: two that share it ask it once."""
    return list(dict.fromkeys(EMPTIED.get(baseline, baseline) for baseline in baselines))


@dataclass(frozen=True)
class _Image:
    """One case, and how its pixels are removed by each baseline."""

    pixels: Tensor
    maps: Tensor
    target: int
    usable: Tensor
    counts: list[int]
    removers: list[Callable[[Tensor], Tensor]]

    def variants(self, place: int) -> Iterator[Tensor]:
        """For each baseline deletions and insertions by one map, then `x ⊙ (1 - L)` and `x ⊙ L`."""
        heat = on(self.pixels.device, self.maps[place : place + 1])
        inner = on(self.pixels.device, torch.tensor(self.counts[1:-1])).view(-1, 1, 1)
        keep = torch.cat([ranks(heat) >= inner, ranks(heat) < inner])
        yield from (remove(keep) for remove in self.removers)
        scale = unit_scale(heat)[0]
        yield self.pixels * torch.stack([1 - scale, scale]).to(self.pixels.dtype)[:, None]


def _image(case: Case, steps: int, baselines: Sequence[str]) -> _Image:
    pixels, maps, target = case
    area = pixels[0].numel()
    counts = [round(step * area / steps) for step in range(steps + 1)]
    removers = [remover(pixels, baseline) for baseline in baselines]
    return _Image(pixels, maps, target, scorable(maps).cpu(), counts, removers)


def _response(logits: Tensor, image: _Image, baselines: Sequence[str], probability: Probability) -> Response:
    """Sort the logits of one image into curves; maps that are not usable get NaN."""
    target, usable, counts = image.target, image.usable, image.counts
    inner = len(counts) - 2
    ends = _ends(baselines)
    first, each = 1 + len(ends), 2 * inner * len(baselines) + 2
    logits = logits.masked_fill(~logits.isfinite(), torch.nan)

    def parts(output: Tensor) -> tuple[Tensor, Tensor]:
        of_map = torch.full((len(usable), each), torch.nan, dtype=torch.float64)
        of_map[usable] = output[first:].view(-1, each)
        return output[:first], of_map

    logit, logits_of_map = parts(logits[:, target])
    whole, of_map = parts(probability(logits, target))
    share = torch.tensor(counts, dtype=torch.float64) / counts[-1]
    start, *emptied = (torch.where(usable, value, torch.nan)[:, None] for value in whole)
    curves = {}
    for b, baseline in enumerate(baselines):
        end = emptied[ends.index(EMPTIED.get(baseline, baseline))]
        deletion, insertion = of_map[:, 2 * inner * b :][:, :inner], of_map[:, 2 * inner * b + inner :][:, :inner]
        curves[baseline] = Curves(
            share, torch.cat([start, deletion, end], dim=1), torch.cat([end, insertion, start], dim=1)
        )
    return Response(
        curves=curves,
        logit=logit[0],
        logit_without=logits_of_map[:, -2],
        probability=whole[0],
        probability_without=of_map[:, -2],
        probability_within=of_map[:, -1],
    )


def responses(
    forward: Forward,
    cases: Iterable[Case],
    *,
    steps: int,
    baselines: Sequence[str],
    batch_size: int,
    probability: Probability = of_class,
) -> Iterator[Response]:
    """Ask a model about each image with parts of it removed.

    Pixels are removed by the order of the map alone, ties in raster order. The whole image is asked once, with
    nothing left once a baseline (`imputation` shares that of `mean`), and a degenerate map not at all.

    Args:
        forward: pixels [batch, channels, height, width] in [0, 1] to logits [batch, classes].
        cases: per image float pixels [channels, height, width] in [0, 1] on the device of `forward`, raw relevance
            [maps, height, width] there or on the CPU (which a GPU need not wait for), and the index of the target
            class, all with as many maps. Memory holds `asking.TOGETHER` of them, the variants of one map, and a batch.
        steps: parts into which the pixels are divided.
        baselines: what removed pixels become, see `queries.remover`.
        batch_size: images in a forward pass, filled across images, map by map (`queries.by_map`).
        probability: how logits are read; `queries.of_label` where an image can have several labels.

    Yields:
        One response an image, in order. Forward passes, in images: at most `1 + baselines`, and for each
        map `2 baselines (steps - 1) + 2`.

    Raises:
        ValueError: an option is out of range.
    """
    if steps < 1 or batch_size < 1:
        raise ValueError(f"steps ({steps}) and batch_size ({batch_size}) must be at least 1")
    if not baselines or len(set(baselines)) < len(baselines):
        raise ValueError(f"baselines must be at least one, each once, not {list(baselines)}")

    def whole(image: _Image) -> Iterator[Tensor]:
        yield image.pixels[None]
        yield from (filled(image.pixels, end)[None] for end in _ends(baselines))

    def of_map(images: Sequence[_Image], place: int) -> Iterator[Iterator[Tensor]]:
        return (image.variants(place) for image in images)

    images = (_image(case, steps, baselines) for case in cases)
    for image, logits in by_map(forward, images, batch_size, whole, of_map):
        yield _response(logits, image, baselines, probability)
