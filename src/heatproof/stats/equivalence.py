"""What a test that finds nothing leaves open: equivalence within a margin, and what so many groups could find."""

from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from heatproof.stats.paired import SAME

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


@lru_cache(maxsize=1024)
def detectable_effect(groups: int, alpha: float, power: float) -> float:
    """The true mean difference, in standard deviations of the differences, that a two-sided paired t test finds.

    Args:
        groups: at least two.
        alpha: the level of the test.
        power: how often it is to be found, at least .5: then what is found on the wrong side does not count.
    """
    df = groups - 1
    critical = stats.t.ppf(1 - alpha / 2, df)

    def lacking(effect: float) -> float:
        return stats.nct.sf(critical, df, effect * np.sqrt(groups)) - power

    upper = 1.0
    while lacking(upper) < 0:
        upper *= 2
    return float(brentq(lacking, 0, upper))
