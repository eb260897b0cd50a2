"""Which images are scored where not all of them can be."""

from collections.abc import Sequence

import numpy as np

from heatproof.seeds import derive


def spread(
    study: str,
    images: Sequence[str | tuple[str, int]],
    groups: Sequence[str],
    count: int,
    first: Sequence[bool] | None = None,
) -> np.ndarray:
    """Indices of up to `count` images, int64 in rising order: spread over groups, equal for all models.

    Each image has a key drawn for the study. The first image of every group, by key, comes before
    the second of any; within a round images are taken by key. A larger count keeps those of a smaller.

    Args:
        images: the id of each; of a case its image's and its label.
        first: which are taken before all others, because every model has them: a label that an image has is explained
            of every model, one that it is predicted to have of some.
    """
    keys = [derive("score", "subset", study, *((image,) if isinstance(image, str) else image)) for image in images]
    late = [False] * len(keys) if first is None else [not one for one in first]
    seen: dict[str, int] = {}
    rounds = {}
    for i in sorted(range(len(keys)), key=lambda i: (late[i], keys[i])):
        rounds[i] = seen[groups[i]] = seen.get(groups[i], 0) + 1
    chosen = sorted(rounds, key=lambda i: (late[i], rounds[i], keys[i]))[:count]
    return np.sort(np.array(chosen, np.int64))
