"""Tests of paired differences, group by group, and Holm's correction of a family of them."""

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
    return _flips(ranks, positive), float(2 * positive / total - 1)


def _flips(ranks: np.ndarray, positive: float) -> float:
    """Two-sided p of a sum of positive ranks among all flips of the signs, counted by their sums.

    The shift algorithm of Streitberg and Roehmel (1986).
    """
    doubled = np.rint(2 * ranks).astype(int)  # midranks are halves
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    smaller = round(min(2 * positive, doubled.sum() - 2 * positive))
    return float(min(1.0, 2 * ways[: smaller + 1].sum() / 2.0 ** len(ranks)))


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
