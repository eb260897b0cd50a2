"""Connected parts of a mask or of a map: lesions, their boxes, and how far a pixel lies from the nearest of them."""

from functools import cached_property

import numpy as np
from scipy import ndimage

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
