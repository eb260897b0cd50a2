"""Measures of several labels on draws of whole groups: by hand, beside scikit-learn, and their intervals' coverage."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from heatproof.stats.accuracy import multilabel
from heatproof.stats.accuracy.multilabel import auroc, draw_groups, f1, interval, sensitivity, specificity


def test_measures_by_hand():
    counts = np.array([[3, 1, 2, 4], [0, 0, 0, 5], [0, 2, 0, 3], [0, 0, 4, 1]])  # TP, FP, FN, TN
    assert f1(counts) == pytest.approx([6 / 9, np.nan, 0, 0], nan_ok=True)
    assert sensitivity(counts) == pytest.approx([3 / 5, np.nan, np.nan, 0], nan_ok=True)
    assert specificity(counts) == pytest.approx([4 / 5, 1, 3 / 5, 1])


def test_auroc_by_hand_with_ties_and_weights():
    truth, probability = np.array([True, True, False, False]), np.array([0.9, 0.5, 0.5, 0.1])
    once = np.ones((1, 4), int)
    assert auroc(truth, probability, np.arange(4), once) == pytest.approx([3.5 / 4])  # one tie
    # the tied one without the label thrice, the other never: half, and a win, of two
    assert auroc(truth, probability, np.arange(4), np.array([[1, 1, 3, 0]])) == pytest.approx([0.75])
    lacking = np.array([[0, 0, 2, 2], [2, 2, 0, 0]])
    assert np.isnan(auroc(truth, probability, np.arange(4), lacking)).all()


def test_auroc_on_draws_is_that_of_repeated_images(monkeypatch):
    rng = np.random.default_rng(0)
    truth, group = rng.random(60) < 0.4, rng.integers(0, 12, 60)
    probability = np.round(rng.random(60) + 0.3 * truth, 1)  # with ties
    weights = draw_groups(12, rng, 20)
    expected = [
        roc_auc_score(np.repeat(truth, drawn[group]), np.repeat(probability, drawn[group])) for drawn in weights
    ]
    found = auroc(truth, probability, group, weights)
    assert found == pytest.approx(expected)
    monkeypatch.setattr(multilabel, "_CELLS", 100)  # one draw at a time
    assert (auroc(truth, probability, group, weights) == found).all()


def test_draws_are_of_as_many_groups():
    weights = draw_groups(7, np.random.default_rng(1))
    assert weights.shape == (multilabel.DRAWS, 7) and (weights.sum(1) == 7).all()
    assert weights.mean() == 1 and weights.std() == pytest.approx(np.sqrt(6 / 7), abs=0.02)


def test_a_case_solved_by_hand():
    """Two groups, one always right and one always wrong: drawn twice, once or never, a quarter, half and quarter."""
    right = np.array([[1, 0, 0, 0], [0, 1, 1, 0]])
    weights = draw_groups(2, np.random.default_rng(2), 4000)
    values = f1(weights @ right)
    assert set(np.unique(values)) == {0.0, 0.5, 1.0}
    assert [(values == value).mean() for value in (0, 0.5, 1)] == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    assert interval(values, 0.5, 2, 0.95) == (0.0, 1.0)


def test_the_interval_is_as_wide_as_students_t():
    """Bootstrap values of a mean are normal with the spread sqrt((n - 1) / n) s / sqrt(n)."""
    values = stats.norm.ppf(np.linspace(0.5 / 100_000, 1 - 0.5 / 100_000, 100_000))
    low, high = interval(0.5 + 0.01 * values, 0.5, 6, 0.95)
    half = stats.t.ppf(0.975, 5) * 0.01 * np.sqrt(6 / 5)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=2e-4)


def test_where_nothing_went_wrong_the_exact_bound_stands_in():
    low, high = interval(np.ones(100), 1.0, 10, 0.95)
    assert (low, high) == (pytest.approx(stats.binomtest(10, 10).proportion_ci(0.95).low), 1.0)
    assert interval(np.zeros(100), 0.0, 10, 0.95) == (0.0, pytest.approx(1 - low))


def test_no_interval_from_one_group_or_from_few_draws():
    values = np.linspace(0, 1, 100)
    assert np.isnan(interval(values, 0.5, 1, 0.95)).all()
    assert np.isnan(interval(np.where(np.arange(100) < 51, np.nan, values), 0.5, 9, 0.95)).all()
    assert np.isfinite(interval(np.where(np.arange(100) < 50, np.nan, values), 0.5, 9, 0.95)).all()
    assert np.isnan(interval(values, np.nan, 9, 0.95)).all()
