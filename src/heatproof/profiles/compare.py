"""How alike two checkpoints order the groups: feature maps of two models do not match, distances between groups do."""

from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product

import numpy as np
import pandas as pd

from heatproof.bootstrap import MIN_KEPT, percentile_interval
from heatproof.profiles import files
from heatproof.profiles.numbers import agreement

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
                rows.append(where | {"seed_a": seed_a, "seed_b": seed_b, "reason": reason} | _told(value, level))
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


def _told(value: np.ndarray, level: float, name: str = "agreement", start: str = "") -> dict[str, float]:
    low, high = interval(value[1:], level) if np.isfinite(value[0]) else (np.nan, np.nan)
    return {name: value[0], f"{start}low": low, f"{start}high": high}


def _mean_row(a: str, b: str, means: dict[tuple[str, str], tuple[dict, np.ndarray]], level: float) -> dict:
    where, value = means[a, b]
    row = where | {"seed_a": pd.NA, "seed_b": pd.NA, "reason": "" if np.isfinite(value[0]) else MISSING}
    if where["groups"] < FEWEST_GROUPS:
        row["reason"] = TOO_FEW
    row |= _told(value, level)
    if a != b and (a, a) in means and (b, b) in means:
        gap = (means[a, a][1] + means[b, b][1]) / 2 - value
        row |= _told(gap, level, "gap", "gap_")
    return row
