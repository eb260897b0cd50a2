"""Does the heatmap lie on the truth? Every metric takes a batch and returns one value an image, float64 [images].

`metric(maps, masks)` takes raw relevance [images, height, width] and bool masks of the same shape, or a `Truth` that
holds regions and options too; `metric(Scene(maps, truth))` shares what several metrics need. Values lie in [0, 1] and
larger is better, except where a metric says otherwise. They are NaN where a map is degenerate, a mask is empty or
covers the image (every map would find it), or the metric is undefined (`NO_RELEVANCE`). `heatproof.score.order` says
how maps are read.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from heatproof.catalogue.registry import metrics_in
from heatproof.score.scene import Scene, Truth, hits, of_truth, overlap, positive_sum

METRICS, metric = metrics_in(__name__)


@metric("localization_accuracy")
@of_truth
def localization_accuracy(scene: Scene) -> np.ndarray:
    """`|1[L >= 0.5] ∩ M| / |M|` (arXiv 2601.12826, Eq. 4).

    Recall alone: a map that covers everything but one pixel scores 1.
    """
    return (scene.hot & scene.truth.masks).sum((1, 2)) / scene.truth.area


@metric("iou")
@of_truth
def iou(scene: Scene) -> np.ndarray:
    """Intersection over union of `1[L >= 0.5]` and the mask."""
    return (scene.hot & scene.truth.masks).sum((1, 2)) / (scene.hot | scene.truth.masks).sum((1, 2))


@metric("iou_tuned")
@of_truth
def iou_tuned(scene: Scene) -> np.ndarray:
    """Intersection over union of `1[L >= t]` and the mask, t tuned per label on validation patients (`tuned`).

    cheXlocalize's mIoU is the mean of it over images (Saporta et al. 2022). NaN where no threshold is known.
    """
    hot = scene.above(scene.thresholds)
    values = (hot & scene.truth.masks).sum((1, 2)) / (hot | scene.truth.masks).sum((1, 2))
    return np.where(np.isfinite(scene.thresholds), values, np.nan)


GRID = tuple(round(0.2 + 0.1 * step, 1) for step in range(7))  # the thresholds that Saporta et al. 2022 try


def tuned(ious: Mapping[float, np.ndarray]) -> float:
    """Return the threshold with the largest mean IoU, of equal ones the least; NaN where no image has an IoU.

    Args:
        ious: threshold -> IoU of the validation images [images], NaN where an image has none.

    >>> tuned({0.2: np.array([0.1, 0.3]), 0.3: np.array([0.5, np.nan])})
    0.3
    """
    means = {share: np.nanmean(values) for share, values in ious.items() if np.isfinite(values).any()}
    return max(means, key=means.get, default=np.nan)


@metric("iou_area")
@of_truth
def iou_area(scene: Scene) -> list[float]:
    """Intersection over union of the |M| most relevant pixels and the mask, so that no threshold has a say.

    Where the last places are shared by equal pixels: the expected value over all orders of them, exactly (the pixels
    taken that lie in the mask follow a hypergeometric distribution).
    """
    rows = zip(scene.truth.area, *scene.cut, strict=True)
    return [_expected_iou(*map(int, row)) if row[0] else np.nan for row in rows]


def _expected_iou(area: int, tied: int, left: int, above_inside: int, tied_inside: int) -> float:
    fewest, most = max(0, left - (tied - tied_inside)), min(left, tied_inside)
    taken = np.arange(fewest, most + 1)  # of the pixels that are tied, how many lie in the mask
    shared = above_inside + taken
    x = taken[:-1]  # each probability as a multiple of the one before: a product for each term would be far slower
    ratio = (tied_inside - x) * (left - x) / ((x + 1) * (tied - tied_inside - left + x + 1))
    logs = np.concatenate([[0.0], np.log(ratio).cumsum()])
    chances = np.exp(logs - logs.max())
    return (shared / (2 * area - shared) * chances).sum() / chances.sum()


@metric("relevance_rank_accuracy")
@of_truth
def relevance_rank_accuracy(scene: Scene) -> np.ndarray:
    """Share of the |M| most relevant pixels that lie in the mask (Arras et al. 2022).

    Where the last places are shared by equal pixels, as the zeros of Grad-CAM often are: the
    expected value over all orders of them.
    """
    cut = scene.cut
    return (cut.above_inside + cut.left * cut.tied_inside / np.maximum(cut.tied, 1)) / scene.truth.area


@metric("relevance_mass_accuracy")
@of_truth
def relevance_mass_accuracy(scene: Scene) -> np.ndarray:
    """Share of the positive relevance that lies in the mask (Arras et al. 2022).

    NaN where a map has no positive relevance.
    """
    return np.array([positive_sum(values) for values in scene.inside]) / scene.mass


@metric("energy_pointing_game")
@of_truth
def energy_pointing_game(scene: Scene) -> np.ndarray:
    """Share of L that lies in the mask (Wang et al. 2020, Score-CAM, section 4.3).

    L is the map min-max scaled to [0, 1], so unlike in `relevance_mass_accuracy` the least relevant pixel is the zero:
    a map that is positive everywhere loses its floor, and relevance against the target counts by how little it does.
    The two agree on maps whose least value is 0. The paper sums over a box, here over the mask.
    """
    least = scene.ordered[:, 0].astype(np.float64)
    inside, everywhere = (
        np.array([(values - low).sum() for values, low in zip(rows, least, strict=True)])
        for rows in (scene.inside, scene.ordered)
    )
    return inside / everywhere


@metric("pixel_auroc")
@of_truth
def pixel_auroc(scene: Scene) -> np.ndarray:
    """Probability that a pixel in the mask is more relevant than one outside, equal ones counting half.

    The area under the ROC curve of the pixels (Mann-Whitney's U by midranks); 0.5 is chance.
    """
    inside, outside = scene.truth.area, scene.flat.shape[1] - scene.truth.area
    ranks = [(below + up_to + 1).sum() / 2 for below, up_to in zip(scene.below, scene.up_to, strict=True)]
    return (np.array(ranks) - inside * (inside + 1) / 2) / (inside * outside)


@metric("pixel_auprc")
@of_truth
def pixel_auprc(scene: Scene) -> list[float]:
    """Average precision of the pixels: the area under the precision-recall curve, by steps, without interpolation.

    Equal pixels enter together (Davis and Goadrich 2006; scikit-learn's `average_precision_score`). Chance is |M| over
    the number of pixels.
    """
    pixels, values = scene.flat.shape[1], []
    for inside, below in zip(scene.inside, scene.below, strict=True):
        found = len(inside) - inside.searchsorted(inside)  # of the mask, at least as relevant as each of its pixels
        values.append((found / (pixels - below)).sum() / max(len(inside), 1))
    return values


@metric("pointing_game")
@of_truth
def pointing_game(scene: Scene) -> list[float]:
    """Does the maximum lie in the mask? (Zhang et al. 2018, without their tolerance of 15 pixels.)

    Where several pixels share the maximum: the share of them in the mask, which is the expected
    hit of a maximum picked among them at random, and so does not depend on where a map saturates.
    """
    return _mean_at_peak(scene, scene.truth.masks)


@metric("pointing_game_tolerance")
@of_truth
def pointing_game_tolerance(scene: Scene) -> list[float]:
    """Does the maximum lie in the mask or near it? (Zhang et al. 2018: within 15 of about 224 pixels.)

    Near is `tolerance`, a share of the image's shorter side, from the nearest pixel of the mask. Several maxima count
    as in `pointing_game`.
    """
    return _mean_at_peak(scene, [distance <= scene.truth.reach for distance in scene.truth.distance])


@metric("hit_rate")
@of_truth
def hit_rate(scene: Scene) -> np.ndarray:
    """Does the maximum lie in the mask: 1 or 0, of several maxima the first in raster order (Saporta et al. 2022).

    cheXlocalize's hit rate is the mean of it over images. `pointing_game` differs where the maximum is shared.
    """
    masks = scene.truth.masks.reshape(scene.flat.shape)
    return np.take_along_axis(masks, scene.flat.argmax(1)[:, None], axis=1)


@metric("peak_distance")
@of_truth
def peak_distance(scene: Scene) -> list[float]:
    """Pixels of the model's image from the maximum to the nearest pixel of a lesion; 0 inside, smaller is better.

    Euclidean, between pixel centres. Where several pixels share the maximum: their mean.
    """
    return _mean_at_peak(scene, scene.truth.distance)


def _mean_at_peak(scene: Scene, values: np.ndarray | list[np.ndarray]) -> list[float]:
    """Mean of values, each [height, width], over the pixels that share a map's maximum."""
    rows = zip(values, scene.peak, scene.known, strict=True)
    return [value.flat[peak].mean() if known else np.nan for value, peak, known in rows]


@metric("lesion_hit_rate")
@of_truth
def lesion_hit_rate(scene: Scene) -> list[float]:
    """Share of an image's lesions that a mark lies in: the lesion localization fraction of FROC studies.

    Lesions are the mask's connected parts (8 neighbours). The map makes one mark a connected part of `1[L >= 0.5]`, at
    its highest pixel (Chakraborty and Winter 1990: a mark in a lesion localizes it). Where several pixels of a part
    share its maximum: the expected value. Recall alone: marks elsewhere cost nothing.
    """
    rows = zip(scene.maps, scene.hot_parts, scene.truth.lesions, scene.known, strict=True)
    return [hits(values, hot, lesions).mean() if known else np.nan for values, hot, lesions, known in rows]


@metric("box_iou")
@of_truth
def box_iou(scene: Scene) -> list[float]:
    """IoU of the box around the largest connected part of `1[L >= 0.5]` with the box of a lesion (Zhou et al. 2016).

    With several lesions: with the box that it fits best (Choe et al. 2020). Parts have 8 neighbours; of several largest
    parts: the mean. Truth that was given as boxes is compared with those, where they do not touch.
    """
    values = []
    for hot, boxes, known in zip(scene.hot_parts, scene.truth.boxes, scene.known, strict=True):
        found = hot.boxes(hot.largest) if known else []
        values.append(np.mean([overlap(box, boxes).max() for box in found]) if known else np.nan)
    return values


@metric("outside_body")
def outside_body(maps: Tensor | Scene, truth: Truth | None = None) -> Tensor:
    """Share of the positive relevance that lies outside the body, where a model has nothing to see; smaller is better.

    It needs no lesion truth, but a `Truth` with the region `body`. NaN where that is empty or not given.
    """
    return _outside(maps, truth, "body")


@metric("outside_lungs")
def outside_lungs(maps: Tensor | Scene, truth: Truth | None = None) -> Tensor:
    """Share of the positive relevance that lies outside the lungs; smaller is better, of diseases of the lung.

    It needs no lesion truth, but a `Truth` with the region `lungs`. NaN where that is empty or not given.
    """
    return _outside(maps, truth, "lungs")


@metric("on_border")
def on_border(maps: Tensor | Scene, truth: Truth | None = None) -> Tensor:
    """Share of the positive relevance on the image's border, where scanners write letters and padding begins.

    Smaller is better; the share of the image that the border takes up is what an even map has. It needs no lesion
    truth, but a `Truth` with the region `border`.
    """
    return 1 - _outside(maps, truth, "border")


@metric("inside_cue")
def inside_cue(maps: Tensor | Scene, truth: Truth | None = None) -> Tensor:
    """Share of the positive relevance that lies where a planted cue is, or would be (`data.shortcut`).

    High is right where the model uses the cue, and wrong where it does not. It needs a `Truth` with the region `cue`.
    """
    return 1 - _outside(maps, truth, "cue")


def _outside(maps: Tensor | Scene, truth: Truth | None, name: str) -> Tensor:
    scene = maps if isinstance(maps, Scene) else Scene(maps, truth)
    if name not in scene.truth.regions:
        return torch.full((len(scene.maps),), torch.nan, dtype=torch.float64)
    known = scene.usable & scene.truth.regions[name].any((1, 2))
    sums = [positive_sum(row[pixels]) for row, pixels in zip(scene.flat, scene.truth.outside[name], strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return torch.from_numpy(np.where(known, np.array(sums) / scene.mass, np.nan))
