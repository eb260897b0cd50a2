"""Masks that most likely are mistakes: the whole image is lesion, or lesion and background are swapped."""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

_LARGE = 0.4  # of the image: a mask that covers less is no swapped one
_EDGE = 0.9  # of the outline of a mask's bounding box
_HOLE = 0.01  # of the mask: what is smaller is noise


def looks_inverted(mask: np.ndarray) -> bool:
    """Tell whether a mask looks as if lesion and background were swapped.

    It covers much of the image but not all of it, and either holds nearly all of the outline of its own bounding box,
    or surrounds something that it leaves out. A large lesion does neither.

    Args:
        mask: bool [height, width].

    >>> swapped = np.ones((20, 20), bool)
    >>> swapped[8:12, 8:12] = False
    >>> looks_inverted(swapped), looks_inverted(~swapped), looks_inverted(np.ones((20, 20), bool))
    (True, False, False)
    """
    if mask.mean() < _LARGE or mask.all():
        return False
    box = mask[ndimage.find_objects(mask.astype(np.uint8))[0]]
    edge = np.concatenate([box[0], box[-1], box[1:-1, 0], box[1:-1, -1]])
    if not box.all() and edge.mean() >= _EDGE:
        return True
    return bool((ndimage.binary_fill_holes(mask) & ~mask).sum() >= _HOLE * mask.sum())


@dataclass
class OddMasks:
    """Names of masks that most likely are mistakes, and how many masks were looked at."""

    inverted: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, name: str, mask: np.ndarray) -> None:
        """Look at a mask, bool [height, width]; not at boxes, which are full where they say so."""
        self.count += 1
        if mask.all():
            self.full.append(name)
        elif looks_inverted(mask):
            self.inverted.append(name)
