import numpy as np
import pytest

from heatproof.core.draws import balanced_accuracy, confusion_by_group, generator, percentile_interval, resample


def test_confusion_counts_by_hand():
    label, predicted, group = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), np.array(["b", "a", "b", "a"])
    counts = confusion_by_group(label, predicted, group, 2)
    assert counts.tolist() == [[[1, 0], [0, 1]], [[0, 1], [0, 1]]]  # groups in the order they come
    assert balanced_accuracy(counts.sum(0), np.array([True, True])) == pytest.approx((1 / 2 + 1) / 2)


def test_draws_are_sums_of_whole_groups_that_hold_every_class():
    counts = np.array([[[2, 0], [0, 0]], [[0, 0], [3, 5]]])  # one group of each class
    drawn = resample(counts, np.ones(2, bool), 1000, generator("t"))
    assert (drawn == counts.sum(0)).all()  # other draws lose a class: one of each is all that can be kept
    assert 450 < len(drawn) < 550


def test_percentile_interval_by_hand():
    assert percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5.0, 95.0))
    assert np.isnan(percentile_interval(np.empty(0), 0.9)).all()
