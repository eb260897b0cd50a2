"""What the localization metrics of one batch share, worked out when it is first asked for, and once: scale, order, and
the connected parts of masks and maps."""

import math
from collections.abc import Callable, Mapping
from functools import cached_property, wraps
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

_TOUCHING = np.ones((3, 3), bool)  # eight neighbours


class Parts:
    """Connected parts (8 neighbours) of one bool mask [height, width], numbered from 1 on; 0 stands for the rest.

    Attributes:
        labels: int32 [height, width], the part that a pixel belongs to.
        at: int64 [pixels], flat index of the pixels that belong to one; of: int32 [pixels], to which.
    """

    def __init__(self, mask: np.ndarray):
        self.labels, self.count = ndimage.label(mask, _TOUCHING)
        self.at = np.flatnonzero(mask)
        self.of = self.labels.ravel()[self.at]

    def __len__(self) -> int:
        return self.count

    @cached_property
    def largest(self) -> np.ndarray:
        """The numbers of the largest parts: one, or those that share the largest area; none of an empty mask."""
        area = np.bincount(self.of, minlength=1)
        return np.flatnonzero((area == area.max()) & (area > 0))

    def boxes(self, chosen: np.ndarray) -> np.ndarray:
        """First row, first column, last row and last column of some parts, int64 [parts, 4]."""
        found = []
        for part in chosen:
            rows, columns = np.divmod(self.at[self.of == part], self.labels.shape[1])
            found.append((rows[0], columns.min(), rows[-1], columns.max()))  # `at` goes down row by row
        return np.array(found, np.int64).reshape(-1, 4)


def distances(mask: np.ndarray) -> np.ndarray:
    """Pixels from the centre of each pixel to that of the nearest one in the mask, float64 [height, width].

    Exact and Euclidean; 0 inside; NaN where the mask is empty.
    """
    return ndimage.distance_transform_edt(~mask) if mask.any() else np.full(mask.shape, np.nan)


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box [4] with others [boxes, 4]; rows and columns as in `Parts.boxes`."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + 1
    shared = shared.clip(min=0).prod(1)
    return shared / ((box[2:] - box[:2] + 1).prod() + (others[:, 2:] - others[:, :2] + 1).prod(1) - shared)


def hits(values: np.ndarray, hot: Parts, lesions: Parts) -> np.ndarray:
    """How probable it is that a mark lies in each lesion, float64 [lesions].

    Every part of `hot` makes one mark, at its highest value; where several of its pixels share that, at one of them
    picked at random, for each part by itself.

    Args:
        values: relevance [height, width].
        hot: parts of the map; lesions: parts of the mask, of the same image.
    """
    value = values.ravel()[hot.at]
    top = np.full(len(hot) + 1, -np.inf, value.dtype)
    np.maximum.at(top, hot.of, value)
    mark = value == top[hot.of]
    part, lesion = hot.of[mark], lesions.labels.ravel()[hot.at[mark]]
    chances = np.zeros((len(lesions) + 1, len(hot) + 1))
    np.add.at(chances, (lesion, part), 1)
    missed = 1 - chances[1:, 1:] / np.bincount(part, minlength=len(hot) + 1)[1:]
    return 1 - missed.prod(1)


TOLERANCE = 0.067  # of the shorter side: 15 of 224 pixels (Zhang et al. 2018)


class Truth:
    """What maps are compared with.

    Args:
        masks: bool [images, height, width], all lesions of an image, or boxes filled; empty where there is no truth.
        regions: `body`, `lungs`: bool of the same shape; empty where an image has none.
        tolerance: how far beside the mask a peak may lie, as a share of the image's shorter side.
    """

    def __init__(
        self, masks: Tensor, regions: Mapping[str, Tensor] = MappingProxyType({}), tolerance: float = TOLERANCE
    ):
        self.masks = masks.cpu().numpy()
        self.regions = {name: region.cpu().numpy() for name, region in regions.items()}
        self.reach = tolerance * min(masks.shape[1:])

    @cached_property
    def covered(self) -> np.ndarray:
        """Bool [images]: where a truth tells some pixels from others, being neither empty nor the whole image."""
        return (self.area > 0) & (self.area < math.prod(self.masks.shape[1:]))

    @cached_property
    def area(self) -> np.ndarray:
        """Int64 [images], pixels."""
        return np.array([len(pixels) for pixels in self.pixels], np.int64)

    @cached_property
    def pixels(self) -> list[np.ndarray]:
        """Flat indices of each mask's pixels."""
        return [np.flatnonzero(mask) for mask in self.masks]

    @cached_property
    def outside(self) -> dict[str, list[np.ndarray]]:
        """For each region the flat indices of each image's pixels that lie outside it."""
        return {name: [np.flatnonzero(~mask) for mask in masks] for name, masks in self.regions.items()}

    @cached_property
    def distance(self) -> list[np.ndarray]:
        """For each image float64 [height, width], see `distances`."""
        return [distances(mask) for mask in self.masks]

    @cached_property
    def lesions(self) -> list[Parts]:
        return [Parts(mask) for mask in self.masks]

    @cached_property
    def boxes(self) -> list[np.ndarray]:
        """The box around each lesion of each image, see `Parts.boxes`."""
        return [lesions.boxes(np.arange(1, len(lesions) + 1)) for lesions in self.lesions]


class Cut(NamedTuple):
    """The |M| most relevant pixels, the last of which may be tied; each int64 [images].

    Attributes:
        tied: pixels that share the value of the last; left: how many of those are taken.
        above_inside: pixels of the mask above that value; tied_inside: pixels of the mask that share it.
    """

    tied: np.ndarray
    left: np.ndarray
    above_inside: np.ndarray
    tied_inside: np.ndarray


class Scene:
    """Maps, raw relevance [images, height, width], and the `Truth` that they are compared with.

    thresholds: float [images], from which share of its range on a map is hot in `above`; NaN where that is not known.
    """

    def __init__(self, maps: Tensor, truth: Truth | Tensor, thresholds: np.ndarray | None = None):
        self.thresholds = np.full(len(maps), np.nan) if thresholds is None else thresholds
        maps = maps.detach().cpu()
        self.maps = (maps if maps.dtype in (torch.float32, torch.float64) else maps.float()).numpy()
        self.flat = self.maps.reshape(len(self.maps), -1)
        self.truth = truth if isinstance(truth, Truth) else Truth(truth)

    @cached_property
    def usable(self) -> np.ndarray:
        """Bool [images]: where the map is not degenerate; NaN is sorted last."""
        low, high = self.ordered[:, 0], self.ordered[:, -1]
        return np.isfinite(low) & np.isfinite(high) & (low < high)

    @cached_property
    def known(self) -> np.ndarray:
        """Bool [images]: where the map is not degenerate and the mask neither empty nor full."""
        return self.usable & self.truth.covered

    @cached_property
    def ordered(self) -> np.ndarray:
        """Values [images, pixels], rising."""
        return np.sort(self.flat, axis=1)

    @cached_property
    def inside(self) -> list[np.ndarray]:
        """The values in each mask, rising."""
        return [np.sort(row[pixels]) for row, pixels in zip(self.flat, self.truth.pixels, strict=True)]

    @cached_property
    def below(self) -> list[np.ndarray]:
        """For each of the values in the mask: how many pixels of the image are less."""
        return [row.searchsorted(values) for row, values in zip(self.ordered, self.inside, strict=True)]

    @cached_property
    def up_to(self) -> list[np.ndarray]:
        """For each of the values in the mask: how many pixels of the image are not more."""
        return [row.searchsorted(values, "right") for row, values in zip(self.ordered, self.inside, strict=True)]

    @cached_property
    def hot(self) -> np.ndarray:
        """Bool [images, height, width]: 1[L >= 0.5], as `binarized` has it."""
        return self.above(np.full(len(self.maps), 0.5))

    def above(self, shares: np.ndarray) -> np.ndarray:
        """Bool [images, height, width]: 1[L >= t] of each map, scaled to [0, 1]; nowhere where t is NaN."""
        rows = zip(self.ordered, self.usable & np.isfinite(shares), shares, strict=True)
        least = [_least(row, share) if known else np.inf for row, known, share in rows]
        return self.maps >= np.array(least, self.maps.dtype)[:, None, None]

    @cached_property
    def hot_parts(self) -> list[Parts]:
        return [Parts(hot) for hot in self.hot]

    @cached_property
    def peak(self) -> list[np.ndarray]:
        """Flat indices of the pixels that share each map's maximum."""
        return [np.flatnonzero(row == high) for row, high in zip(self.flat, self.ordered[:, -1], strict=True)]

    @cached_property
    def mass(self) -> np.ndarray:
        """Sum of the positive relevance, float64 [images]."""
        return np.array([positive_sum(row[row.searchsorted(0) :]) for row in self.ordered])

    @cached_property
    def cut(self) -> Cut:
        rows = [_cut(row, values) for row, values in zip(self.ordered, self.inside, strict=True)]
        return Cut(*np.array(rows, np.int64).reshape(-1, len(Cut._fields)).T)


def positive_sum(values: np.ndarray) -> float:
    """Sum of the positive ones, float64 whatever the values are."""
    return np.maximum(values, 0).sum(dtype=np.float64)


def _least(ordered: np.ndarray, share: float) -> float:
    """The least value of a map that is at least `share` once the map is scaled to [0, 1] in float64."""
    low, high = ordered[[0, -1]].astype(np.float64)
    if not np.isfinite(high - low):
        return ordered[-1]

    def is_hot(value: float) -> bool:
        return (np.float64(value) - low) / (high - low) >= share

    place = ordered.searchsorted(low + (high - low) * share)  # where it must be, but for rounding
    while place and is_hot(ordered[place - 1]):
        place = ordered.searchsorted(ordered[place - 1])
    while not is_hot(ordered[place]):
        place = ordered.searchsorted(ordered[place], "right")
    return ordered[place]


def _cut(ordered: np.ndarray, inside: np.ndarray) -> tuple[int, ...]:
    if not len(inside):
        return (0,) * len(Cut._fields)
    last = ordered[len(ordered) - len(inside)]
    (least, most), (least_inside, most_inside) = (
        (len(values) - values.searchsorted(last), len(values) - values.searchsorted(last, "right"))
        for values in (ordered, inside)
    )
    return least - most, len(inside) - most, most_inside, least_inside - most_inside


def of_truth(metric: Callable[[Scene], np.ndarray]) -> Callable[..., Tensor]:
    """Let a metric of a `Scene` take maps and masks, and be NaN where a map is degenerate or a mask empty or full."""

    @wraps(metric)
    def measured(maps: Tensor | Scene, masks: Tensor | Truth | None = None) -> Tensor:
        scene = maps if isinstance(maps, Scene) else Scene(maps, masks)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # of what is NaN in the end
            values = np.array(metric(scene), np.float64).reshape(len(scene.maps))
        return torch.from_numpy(np.where(scene.known, values, np.nan))

    return measured
