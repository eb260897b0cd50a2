"""heatproof's tests over many studies at once, [draws, groups, ...]; `check` holds them to heatproof's own, one by one.

Half a million studies are tested; one at a time through pandas that takes an hour.
"""

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.stats.tests import omnibus as compare
from heatproof.stats.tests.paired import DECIMALS, EXACT, holm, paired_t, signed_rank

CHECKED = 10  # studies of each setting that are tested one by one as well


def friedman(tables: np.ndarray) -> np.ndarray:
    """p [draws] of Friedman's test of [draws, groups, models], ties as in Conover (1999)."""
    models = tables.shape[2]
    ranks = stats.rankdata(tables.round(DECIMALS), axis=2) - (models + 1) / 2
    spread = (ranks**2).sum((1, 2))
    statistic = (models - 1) * (ranks.sum(1) ** 2).sum(1) / np.where(spread > 0, spread, 1)
    return np.where(spread > 0, stats.chi2.sf(statistic, models - 1), 1.0)


def rm_anova(tables: np.ndarray, *, lecoutre: bool = False) -> np.ndarray:
    """p [draws] of repeated-measures analysis of variance of [draws, groups, models], Greenhouse-Geisser-corrected.

    With `lecoutre` by Huynh and Feldt's epsilon as Lecoutre (1991) mended it, which is less conservative.
    """
    _, groups, models = tables.shape
    centred = tables - tables.mean(2, keepdims=True)
    of_models = centred.mean(1, keepdims=True)
    rest = centred - of_models
    errors = np.einsum("dgi,dgj->dij", rest, rest)
    trace = np.trace(errors, axis1=1, axis2=2)
    epsilon = trace**2 / (models - 1) / (errors**2).sum((1, 2))
    if lecoutre:
        free = (models - 1) * epsilon
        epsilon = np.minimum(1, (groups * free - 2) / (models - 1) / (groups - 1 - free))
    statistic = groups * (of_models**2).sum((1, 2)) * (groups - 1) / trace
    return stats.f.sf(statistic, epsilon * (models - 1), epsilon * (models - 1) * (groups - 1))


def wilcoxon(differences: np.ndarray) -> np.ndarray:
    """p [draws, pairs] of signed-rank tests of [draws, groups, pairs]; tied ones go to heatproof's own."""
    draws, groups, pairs = differences.shape
    rows = differences.round(DECIMALS).transpose(0, 2, 1).reshape(-1, groups)
    size = np.sort(np.abs(rows), 1)
    tied = (size[:, 0] == 0) | (np.diff(size, axis=1) == 0).any(1)
    p = np.empty(len(rows))
    p[tied] = [signed_rank(row)[0] for row in rows[tied]]
    if (~tied).any():
        method = "exact" if groups <= EXACT else "asymptotic"
        p[~tied] = stats.wilcoxon(rows[~tied], axis=1, correction=groups > EXACT, method=method).pvalue
    return p.reshape(draws, pairs)


def rank_sum(differences: np.ndarray) -> np.ndarray:
    """Sum of signed ranks [draws, pairs] of [draws, groups, pairs], zeros left out: the side that ranks are on."""
    sizes = np.where(differences == 0, np.nan, np.abs(differences))
    ranks = stats.rankdata(sizes, axis=1, nan_policy="omit") if np.isnan(sizes).any() else stats.rankdata(sizes, axis=1)
    return np.nansum(np.sign(differences) * ranks, 1)


def t_test(differences: np.ndarray) -> np.ndarray:
    """p [draws, pairs] of paired t tests of [draws, groups, pairs], by heatproof's own function."""
    draws, groups, pairs = differences.shape
    return paired_t(differences.round(DECIMALS).transpose(1, 0, 2).reshape(groups, -1)).reshape(draws, pairs)


def holm_rows(p: np.ndarray) -> np.ndarray:
    """Holm's correction of each row of p values [draws, tests]."""
    order, tests = np.argsort(p, 1), p.shape[1]
    steps = np.maximum.accumulate(np.take_along_axis(p, order, 1) * (tests - np.arange(tests)), 1)
    return np.take_along_axis(np.minimum(steps, 1), np.argsort(order, 1), 1)


def pairs(tables: np.ndarray) -> np.ndarray:
    """Differences [draws, groups, pairs] of all pairs of models of [draws, groups, models], in heatproof's order."""
    a, b = np.triu_indices(tables.shape[2], 1)
    return tables[:, :, a] - tables[:, :, b]


OMNIBUS = {"friedman": friedman, "rm_anova": rm_anova}
PAIRED = {"friedman": wilcoxon, "rm_anova": t_test}


def check(tables: np.ndarray) -> None:
    """Hold the first of some complete tables [draws, groups, models] to what heatproof gives for each.

    Raises:
        AssertionError: a p value is another one.
    """
    some = tables[:CHECKED]
    for name, omnibus in OMNIBUS.items():
        all_at_once, corrected = omnibus(some), holm_rows(PAIRED[name](pairs(some)))
        for row, table in enumerate(some):
            wide = pd.DataFrame(table).round(DECIMALS)
            one = vars(compare)[name](wide)["p"]
            np.testing.assert_allclose(all_at_once[row], one, rtol=1e-6, atol=1e-12, err_msg=name)
            found = compare.compare_pairs(wide, test=name)["p_corrected"]
            np.testing.assert_allclose(corrected[row], found, rtol=1e-6, atol=1e-12, err_msg=f"pairs of {name}")
            np.testing.assert_allclose(corrected[row], holm(PAIRED[name](pairs(table[None]))[0]), rtol=1e-9)
