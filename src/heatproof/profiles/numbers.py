"""Activation profiles from activations that stream by: no array here grows with the number of images.

A profile is what a unit (a feature map) answers to a group of images, less what it answers to all groups: Krug and
Stober (arXiv 2002.08125), Krug et al. (Electronics 2021, 10(11), 1350), as arXiv 2006.02570 uses them.
"""

import warnings
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

FEWEST_UNITS = 3  # that a correlation of two profiles needs
DIGITS = 9  # of a distance: groups of the same images are equally near, whatever rounding leaves of them


class Sums:
    """Sums of one layer's mean activations over patients, group by group, in the sample and in bootstrap draws.

    Images come sorted by patient. A patient counts once in a group, however many images there are of that patient:
    what is summed is the mean over them. In a draw each patient counts as often as a Poisson number of mean 1 says,
    which is a bootstrap of patients that needs no second look at any of them (Chamandy et al. 2012).

    Attributes:
        low, high: float64 [units], the least and the largest activation over all images and positions.
        weight: float64 [1 + draws, groups], patients in each group: in the sample, then in each draw.
        total: float64 [1 + draws, groups, units], their activations summed.
    """

    def __init__(self, units: int, groups: int, draws: int):
        self.low, self.high = np.full(units, np.inf), np.full(units, -np.inf)
        self.weight, self.total = np.zeros((1 + draws, groups)), np.zeros((1 + draws, groups, units))
        self._images, self._sum = np.zeros(groups), np.zeros((groups, units))

    def extremes(self, low: np.ndarray, high: np.ndarray) -> None:
        """Take in the extremes of some images, [units] each."""
        np.minimum(self.low, low, out=self.low)
        np.maximum(self.high, high, out=self.high)

    def image(self, means: np.ndarray, members: np.ndarray) -> None:
        """Add an image of the current patient: its mean over positions [units], and its groups, bool [groups]."""
        self._sum[members] += means
        self._images[members] += 1

    def close(self, weights: np.ndarray) -> None:
        """The current patient is done; `weights` [1 + draws] say how often the patient counts, 1 first."""
        here = np.flatnonzero(self._images)
        for group in here:
            self.total[:, group] += weights[:, None] * (self._sum[group] / self._images[group])
        self.weight[:, here] += weights[:, None]
        self._images[:], self._sum[:] = 0, 0

    def dead(self, most: float) -> np.ndarray:
        """Units whose activation varies by no more than `most` over all images and positions: bool [units]."""
        return ~(self.high - self.low > most)

    def means(self, groups: np.ndarray) -> np.ndarray:
        """Mean over patients for some groups, [1 + draws, groups, units]; NaN where a draw has none of its patients."""
        weight = self.weight[:, groups, None]
        total = self.total[:, groups]
        return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)


def weights(draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often one patient counts in the sample (once) and in each bootstrap draw: float64 [1 + draws]."""
    return np.concatenate([[1.0], rng.poisson(1.0, draws)])


def profiles(means: np.ndarray) -> np.ndarray:
    """Means [..., groups, units] less their mean over groups, in which a group counts as one whatever its size."""
    return means - means.mean(-2, keepdims=True)


def ranks(profile: np.ndarray) -> np.ndarray:
    """Rank of each unit by its mean absolute profile over groups, the largest first: int [units], from 1; of equal
    ones the first unit comes first. `profile` is [groups, units]."""
    order = np.argsort(-np.abs(profile).mean(0), kind="stable")
    found = np.empty(len(order), int)
    found[order] = np.arange(1, len(order) + 1)
    return found


def pairs(groups: int) -> list[tuple[int, int]]:
    """Pairs of groups in the order in which distances stand."""
    return list(combinations(range(groups), 2))


def correlation_distances(profile: np.ndarray) -> np.ndarray:
    """1 less Pearson's correlation over units for each pair of groups: float64 [..., pairs], from 0 to 2.

    The dissimilarity of Kriegeskorte et al. (2008). NaN where a profile is constant, or has fewer than three units.

    Args:
        profile: [..., groups, units], without dead units.
    """
    a, b = np.array(pairs(profile.shape[-2])).reshape(-1, 2).T
    if profile.shape[-1] < FEWEST_UNITS:
        return np.full((*profile.shape[:-2], len(a)), np.nan)
    centred = profile - profile.mean(-1, keepdims=True)
    length = np.sqrt((centred**2).sum(-1, keepdims=True))
    unit = np.divide(centred, length, out=np.full(centred.shape, np.nan), where=length > 0)
    # not by a matrix product: how many threads that takes is part of its last digits
    likeness = np.einsum("...gu,...hu->...gh", unit, unit)[..., a, b]
    return np.round(np.clip(1 - likeness, 0, 2), DIGITS)


def euclidean_distances(profile: np.ndarray) -> np.ndarray:
    """Root mean square difference over units for each pair of groups, in units of activation: float64 [..., pairs].

    The mean instead of the sum, so that layers of different widths can be held against each other.
    """
    a, b = np.array(pairs(profile.shape[-2])).reshape(-1, 2).T
    if not profile.shape[-1]:
        return np.full((*profile.shape[:-2], len(a)), np.nan)
    return np.sqrt(((profile[..., a, :] - profile[..., b, :]) ** 2).mean(-1))


def errors(drawn: np.ndarray) -> np.ndarray:
    """Standard deviation over draws that hold all groups, [groups, units], of profiles [draws, groups, units]."""
    whole = drawn[np.isfinite(drawn).all((1, 2))]
    return whole.std(0, ddof=1) if len(whole) > 1 else np.full(drawn.shape[1:], np.nan)


def agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation of two sets of distances, row by row: [rows] of [rows, pairs] each; NaN of a row that
    lacks a distance, or has all equal. Representational similarity analysis (Kriegeskorte et al. 2008)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        a, b = (rankdata(one, axis=1, nan_policy="propagate") for one in (first, second))
        a, b = (one - one.mean(1, keepdims=True) for one in (a, b))
        return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
