"""Which images are scored where not all of them can be."""

from collections.abc import Sequence

import numpy as np

from heatproof.seeds import derive


def spread(study: str, image_ids: Sequence[str], groups: Sequence[str], count: int) -> np.ndarray:
    """Indices of up to `count` images, int64 in rising order: spread over groups, equal for all models.

    Each image has a key drawn for the study. The first image of every group, by key, comes before
    the second of any; within a round images are taken by key. A larger count keeps those of a smaller.
    """
    keys = [derive("score", "subset", study, image_id) for image_id in image_ids]
    seen: dict[str, int] = {}
    rounds = {}
    for i in sorted(range(len(keys)), key=keys.__getitem__):
        rounds[i] = seen[groups[i]] = seen.get(groups[i], 0) + 1
    chosen = sorted(rounds, key=lambda i: (rounds[i], keys[i]))[:count]
    return np.sort(np.array(chosen, np.int64))
