"""Tests of paired differences, group by group, Holm's correction of a family of them, and what a test that finds
nothing leaves open: equivalence within a margin."""

from functools import lru_cache

import numpy as np
from scipy import stats

DECIMALS = 12  # rounding that makes equal scores tie although their sums were taken in another order
SAME = 10.0 ** (1 - DECIMALS)  # spread below it is what that rounding left of zero
EXACT = 50  # differences up to which Wilcoxon's p is exact


def signed_rank(differences: np.ndarray) -> tuple[float, float]:
    """Two-sided Wilcoxon signed-rank test of differences [groups] (finite).

    Returns:
        p and the matched-pairs rank-biserial correlation (Kerby 2014), positive where positive differences
        prevail. Zero differences are left out (Wilcoxon 1945). p is exact for up to 50 others, tied ones too; beyond,
        normal with continuity correction. Where all are zero every flip of signs gives the same statistic: p = 1,
        effect 0.
    """
    moved = differences[differences != 0]
    if not moved.size:
        return 1.0, 0.0
    if moved.size > EXACT:
        import pingouin as pg  # not at the top: the report reads a constant from here, and no test

        test = pg.wilcoxon(moved).iloc[0]
        return float(test["p_val"]), float(test["RBC"])
    # what pingouin gives for untied differences, at a tenth of its time; for tied ones it is exact up to 13 only
    ranks = stats.rankdata(np.abs(moved))
    total, positive = ranks.sum(), ranks[moved > 0].sum()
    return two_sided(ranks, positive), float(2 * positive / total - 1)


def _ways(doubled: np.ndarray) -> np.ndarray:
    """Number of flips of the signs by the sum of the positive ranks, twice each: Streitberg and Roehmel (1986)."""
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    return ways


def two_sided(ranks: np.ndarray, positive: float) -> float:
    """Two-sided p of a sum of positive ranks among all flips of the signs."""
    doubled = np.rint(2 * ranks).astype(int)  # midranks are halves
    smaller = round(min(2 * positive, doubled.sum() - 2 * positive))
    return float(min(1.0, 2 * _ways(doubled)[: smaller + 1].sum() / 2.0 ** len(ranks)))


@lru_cache(maxsize=4096)
def attained_level(groups: int, level: float) -> float:
    """Return the largest p up to a level that a signed-rank test of untied differences can have; 0 if none.

    >>> attained_level(8, 0.05), attained_level(5, 0.05), attained_level(60, 0.05)
    (0.0390625, 0.0, 0.05)
    """
    if groups > EXACT:
        return level
    p = 2 * np.cumsum(_ways(2 * np.arange(1, groups + 1))) / 2.0**groups
    return float(p[p <= level].max(initial=0.0))


def paired_t(differences: np.ndarray) -> np.ndarray:
    """Two-sided p [pairs] of paired t tests of differences [groups, pairs].

    Where all groups of a pair have the same difference there is no t: p is what flipping signs gives, 2^(1 - groups),
    and 1 for a difference of 0. 1 for one group.
    """
    groups, mean = len(differences), differences.mean(0)
    spread = differences.std(0, ddof=1) if groups > 1 else np.zeros_like(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(mean) / spread * np.sqrt(groups), groups - 1)
    return np.where(spread > SAME, p, np.where(np.abs(mean) > SAME, 2.0 ** (1 - groups), 1.0))


def holm(p: list[float]) -> np.ndarray:
    """Holm's step-down correction of a family of p values."""
    import pingouin as pg

    return pg.multicomp(p, method="holm")[1]


def smallest_corrected_p(groups: int, tests: int) -> float:
    """The smallest Holm-corrected p that two-sided signed-rank tests on so many groups can reach."""
    return min(1.0, tests * 2.0 ** (1 - groups))


def t_interval(differences: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Student's t interval of the mean of differences [groups, pairs]; NaN for one group."""
    groups, mean = len(differences), differences.mean(0)
    if groups < 2:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = stats.t.ppf((1 + level) / 2, groups - 1) * differences.std(0, ddof=1) / np.sqrt(groups)
    return mean - half, mean + half


WILCOXON_TO_T = 3 / np.pi  # asymptotic relative efficiency on normal differences (Hodges and Lehmann 1956)


def equivalent_p(differences: np.ndarray, margin: float) -> np.ndarray:
    """Two one-sided t tests of differences [groups, pairs] against -margin and margin (Schuirmann 1987).

    Returns:
        [pairs], the larger p of the two: small where the mean difference is surely within the margin. Where all groups
        of a pair have the same difference there is no t: within the margin p is what flipping signs gives, 2^-groups;
        beyond it, and for fewer than two groups, 1.
    """
    groups = len(differences)
    mean = differences.mean(0)
    if groups < 2:
        return np.ones_like(mean)
    spread = differences.std(0, ddof=1)
    inside = margin - np.abs(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = stats.t.sf(inside / spread * np.sqrt(groups), groups - 1)
    return np.where(spread > SAME, p, np.where(inside > 0, 0.5**groups, 1.0))


def below_p(differences: np.ndarray, margin: float) -> float:
    """One-sided t test of differences [groups] against a margin: small where their mean is surely below it.

    As in `equivalent_p`, p of differences without spread is 2^-groups below the margin and 1 beyond it.
    """
    groups, mean = len(differences), differences.mean() if len(differences) else np.nan
    if groups < 2:
        return 1.0
    spread = differences.std(ddof=1)
    if spread > SAME:
        return float(stats.t.sf((margin - mean) / spread * np.sqrt(groups), groups - 1))
    return 0.5**groups if mean < margin else 1.0


def equivalent_over_seeds(found: dict[str, float], margin: float, level: float) -> float:
    """The same of a difference with an interval over groups and seeds, as `architectures` gives it.

    Args:
        found: difference, low, high and df.
        level: coverage of the interval.
    """
    return _within(margin - abs(found["difference"]), found, level)


def below_over_seeds(found: dict[str, float], margin: float, level: float, sign: int = 1) -> float:
    """Test a difference over groups and seeds against a margin, as `below_p` does over groups.

    Args:
        found: low, high and df, as `architectures.seed_differences` gives them.
        level: coverage of the interval.
        sign: -1 where a low score is good, so that the difference is counted the other way.
    """
    return _within(margin - sign * (found["low"] + found["high"]) / 2, found, level)


def _within(inside: float, found: dict[str, float], level: float) -> float:
    """One-sided p of how far a difference lies inside a margin, with the error of its interval."""
    error = (found["high"] - found["low"]) / 2 / stats.t.ppf((1 + level) / 2, found["df"])
    return float(stats.t.sf(inside / error, found["df"])) if error > 0 else float(inside <= 0)
