"""Activation profiles from activations that stream by, and how alike two checkpoints order the groups: feature maps of
two models do not match, distances between groups do."""

import warnings
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from heatproof.core.draws import MIN_KEPT, percentile_interval
from heatproof.profiles import files

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


FEWEST_GROUPS = 4  # six distances: of three a rank correlation can only be -1, -.5, .5 or 1
TOO_FEW = f"fewer than {FEWEST_GROUPS} groups in common"
MISSING = "a distance between two groups is missing"


@dataclass(frozen=True)
class Distances:
    """Of one checkpoint: `table` has the columns of `files.DISTANCES`; `drawn` is float64 [1 + draws, its rows], the
    column `correlation` and then its value in each bootstrap draw."""

    table: pd.DataFrame
    drawn: np.ndarray

    def of(self, by: str, depth: int) -> tuple[list[tuple[str, str]], np.ndarray]:
        """Pairs of groups of one layer, and their distances [1 + draws, pairs]."""
        here = np.flatnonzero((self.table["by"] == by) & (self.table["depth"] == depth))
        rows = self.table.iloc[here]
        return list(zip(rows["a"], rows["b"], strict=True)), self.drawn[:, here]


def interval(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """Percentile interval of bootstrap values [draws]; NaN, NaN where more than half of them are missing."""
    kept = drawn[np.isfinite(drawn)]
    return percentile_interval(kept if len(kept) >= MIN_KEPT * len(drawn) else kept[:0], level)


def models(found: dict[tuple[str, int], Distances], fold: str, level: float) -> pd.DataFrame:
    """Agreement of all checkpoints of one fold, pair by pair, then of models, as means over their pairs of seeds.

    Layers are paired from the last one backwards: that is where stages of equal stride stand in most networks.
    A model is held against itself too, over its seeds: how much two trainings of one model agree. The `gap` of two
    models is the mean of what each agrees with itself less what they agree with each other.

    Args:
        found: (model, seed) -> distances, drawn for the same patients in every checkpoint.

    Returns:
        Table of `files.MODELS`.
    """
    names = list(dict.fromkeys(model for model, _ in found))
    seeds = {name: [seed for model, seed in found if model == name] for name in names}
    kinds = dict.fromkeys(by for one in found.values() for by in one.table["by"])
    rows = []
    for by, depth in product(kinds, range(max(one.table["depth"].max() for one in found.values()) + 1)):
        means = {}
        for a, b in combinations_with_replacement(names, 2):
            pairs = combinations(seeds[a], 2) if a == b else product(seeds[a], seeds[b])
            values, fewest = [], np.inf
            for seed_a, seed_b in pairs:
                groups, value, reason = compared(found[a, seed_a], found[b, seed_b], by, depth)
                if not groups:
                    continue
                where = {"fold": fold, "by": by, "depth": depth, "model_a": a, "model_b": b, "groups": groups}
                rows.append(
                    where | {"seed_a": seed_a, "seed_b": seed_b, "reason": reason} | _interval_row(value, level)
                )
                values.append(value)
                fewest = min(fewest, groups)
            if values:
                means[a, b] = where | {"groups": fewest}, np.mean(values, axis=0)
        rows += [_mean_row(a, b, means, level) for a, b in means]
    return pd.DataFrame(rows).reindex(columns=list(files.MODELS))


def compared(first: Distances, second: Distances, by: str, depth: int) -> tuple[int, np.ndarray, str]:
    """Groups in common, agreement [1 + draws] and the reason why there is none, or ""; no groups where one of the two
    has no such layer or kind."""
    (pairs_a, drawn_a), (pairs_b, drawn_b) = first.of(by, depth), second.of(by, depth)
    shared = [pair for pair in pairs_a if pair in set(pairs_b)]
    groups = len({name for pair in shared for name in pair})
    if groups < FEWEST_GROUPS:
        return (groups if pairs_a and pairs_b else 0), np.full(len(drawn_a), np.nan), TOO_FEW
    value = agreement(*(d[:, [p.index(pair) for pair in shared]] for p, d in ((pairs_a, drawn_a), (pairs_b, drawn_b))))
    return groups, value, "" if np.isfinite(value[0]) else MISSING


def _interval_row(value: np.ndarray, level: float, name: str = "agreement", start: str = "") -> dict[str, float]:
    low, high = interval(value[1:], level) if np.isfinite(value[0]) else (np.nan, np.nan)
    return {name: value[0], f"{start}low": low, f"{start}high": high}


def _mean_row(a: str, b: str, means: dict[tuple[str, str], tuple[dict, np.ndarray]], level: float) -> dict:
    where, value = means[a, b]
    row = where | {"seed_a": pd.NA, "seed_b": pd.NA, "reason": "" if np.isfinite(value[0]) else MISSING}
    if where["groups"] < FEWEST_GROUPS:
        row["reason"] = TOO_FEW
    row |= _interval_row(value, level)
    if a != b and (a, a) in means and (b, b) in means:
        gap = (means[a, a][1] + means[b, b][1]) / 2 - value
        row |= _interval_row(gap, level, "gap", "gap_")
    return row
