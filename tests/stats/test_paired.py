from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from heatproof.stats.tests.paired import signed_rank, smallest_corrected_p


def noise(groups, seed=0):
    return np.random.default_rng(seed).normal(size=groups)


def test_wilcoxon_by_hand():
    """Differences 1, 2, 3, -4, 5 have R- = 4, so p = 2 * 7 / 32 and effect (11 - 4) / 15."""
    p, effect = signed_rank(np.array([1.0, 2, 3, -4, 5]))
    assert p == pytest.approx(2 * sum(1 for bits in range(32) if _rank_sum(bits) <= 4) / 32)
    assert effect == pytest.approx(7 / 15)


def _rank_sum(bits):
    return sum(rank for rank in range(1, 6) if bits >> (rank - 1) & 1)


def test_wilcoxon_leaves_zero_differences_out():
    moved = noise(20)
    assert signed_rank(np.r_[moved, np.zeros(9)]) == signed_rank(moved)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_wilcoxon_is_antisymmetric_and_cannot_beat_its_smallest_p(values):
    differences = np.array(values, float)
    p, effect = signed_rank(differences)
    assert signed_rank(-differences) == pytest.approx((p, -effect))
    assert -1 <= effect <= 1
    assert smallest_corrected_p(len(values), 1) - 1e-12 <= p <= 1


def test_wilcoxon_agrees_with_scipy_beyond_the_exact_sizes():
    for groups in (50, 51, 90):
        values = noise(groups, seed=2) + 0.3
        assert signed_rank(values)[0] == pytest.approx(stats.wilcoxon(values, correction=True).pvalue)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-3, 3).filter(bool), min_size=1, max_size=9))
def test_wilcoxon_of_ties_counts_all_flips(values):
    values = np.array(values, float)
    ranks = stats.rankdata(np.abs(values))
    sums = np.array([ranks @ signs for signs in product([0, 1], repeat=len(values))])
    seen = ranks[values > 0].sum()
    one_side = min((sums <= seen).mean(), (sums >= seen).mean())
    assert signed_rank(values)[0] == pytest.approx(min(1, 2 * one_side))
