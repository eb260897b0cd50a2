"""Where a histogram parts into two classes."""

import numpy as np


def split(counts: np.ndarray, levels: np.ndarray) -> int | None:
    """The last place of the lower class, where two classes have the least variance within them.

    Source: N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9 (1979) 62.

    Args:
        counts: how many values a level has [levels].
        levels: the levels, rising.

    Returns:
        None where all values have one level.
    """
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * levels)
    parted = (below > 0) & (above > 0)
    if not parted.any():
        return None
    between = np.zeros(len(below))
    apart = sums[:-1][parted] / below[parted] - (sums[-1] - sums[:-1][parted]) / above[parted]
    between[parted] = below[parted] * above[parted] * apart**2
    return int(np.argmax(between))
