import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from heatproof.bootstrap import balanced_accuracy, confusion_by_group, percentile_interval, resample
from heatproof.seeds import generator
from heatproof.stats.competence import f1_macro, judge

OPTIONS = {"draws": 500, "level": 0.95, "margin": 0.1}


def interval(counts, present, draws, rng, score=balanced_accuracy):
    return percentile_interval(score(resample(counts, present, draws, rng), present), 0.95)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 4)), min_size=3, max_size=40))
def test_agrees_with_scikit_learn(rows):
    label, predicted, group = np.array(rows).T
    total = confusion_by_group(label, predicted, group, 3).sum(0)
    present = np.isin(np.arange(3), label)
    labels = np.flatnonzero(present)
    recall = np.mean([np.mean(predicted[label == k] == k) for k in labels])
    assert balanced_accuracy(total, present) == pytest.approx(recall)
    f1 = f1_score(label, predicted, labels=labels, average="macro", zero_division=0)
    assert f1_macro(total, present) == pytest.approx(f1)
    if set(predicted) <= set(label) and len(labels) > 1:
        assert balanced_accuracy(total, present) == pytest.approx(balanced_accuracy_score(label, predicted))


def test_by_hand():
    counts = np.array([[3, 1], [2, 2]])
    assert balanced_accuracy(counts, np.array([True, True])) == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert f1_macro(counts, np.array([True, True])) == pytest.approx((6 / 9 + 4 / 7) / 2)


def test_a_lost_class_has_no_balanced_accuracy():
    assert np.isnan(balanced_accuracy(np.array([[3, 1], [0, 0]]), np.array([True, True])))


def test_interval_draws_whole_groups():
    """Twenty images of a patient are no more evidence than one."""
    label = np.tile([0, 1], 12)
    predicted = np.where(np.arange(24) < 16, label, 1 - label)
    group = np.repeat(np.arange(12), 2)
    once = confusion_by_group(label, predicted, group, 2)
    often = confusion_by_group(label.repeat(20), predicted.repeat(20), group.repeat(20), 2)
    present = np.array([True, True])
    narrow, wide = (interval(c, present, 4000, generator("t", 0)) for c in (once, often))
    assert narrow == wide


@pytest.mark.parametrize("score", [balanced_accuracy, f1_macro])
def test_interval_is_that_of_a_plain_bootstrap(score):
    rng = np.random.default_rng(3)
    label, group = rng.integers(0, 3, 90), np.repeat(np.arange(30), 3)
    predicted = np.where(rng.random(90) < 0.7, label, rng.integers(0, 3, 90))
    counts, present = confusion_by_group(label, predicted, group, 3), np.ones(3, bool)
    draws = counts[rng.integers(0, 30, (4000, 30))].sum(1)
    plain = np.nanquantile(score(draws, present), [0.025, 0.975])
    assert interval(counts, present, 4000, generator("t", 0), score) == pytest.approx(plain, abs=0.015)


def test_judge_takes_both_intervals_from_the_same_draws():
    rng = np.random.default_rng(3)
    label, group = rng.integers(0, 3, 90), np.repeat(np.arange(30), 3)
    predicted = np.where(rng.random(90) < 0.7, label, 0)  # class 0 is claimed too often: F1 and recall part ways
    counts, present = confusion_by_group(label, predicted, group, 3), np.ones(3, bool)
    found = judge(label, predicted, group, 3, **OPTIONS, rng=generator("t", 0))
    draws = resample(counts, present, OPTIONS["draws"], generator("t", 0))
    values = np.array([f1_score(*_expanded(draw), average="macro") for draw in draws[:200]])
    assert f1_macro(draws[:200], present) == pytest.approx(values)
    assert (found["low"], found["high"]) == percentile_interval(balanced_accuracy(draws, present), 0.95)
    assert (found["f1_low"], found["f1_high"]) == percentile_interval(f1_macro(draws, present), 0.95)
    assert found["f1_low"] < found["f1_macro"] < found["f1_high"] and found["f1_low"] != found["low"]


def _expanded(counts):
    """Labels and predictions of a confusion matrix."""
    return (axis.ravel().repeat(counts.ravel()) for axis in np.indices(counts.shape))


def test_interval_is_missing_where_most_draws_lose_a_class():
    label, group = np.array([0, 0, 0, 1]), np.arange(4)  # one group with class 1: lost in 32 % of draws
    four = confusion_by_group(label, label, group, 2)
    assert interval(four, np.ones(2, bool), 500, generator("t")) == (1.0, 1.0)
    label, group = np.arange(3), np.arange(3)  # all three in 3!/27 = 22 % of draws
    three = confusion_by_group(label, label, group, 3)
    assert np.isnan(interval(three, np.ones(3, bool), 500, generator("t"))).all()
    judged = judge(label, label, group, 3, **OPTIONS, rng=generator("t"))
    assert not judged["competent"] and np.isnan([judged["f1_low"], judged["f1_high"]]).all()


def test_competence_asks_for_more_than_chance_and_margin():
    label, group = np.tile([0, 1], 50), np.arange(100)
    good = judge(label, np.where(np.arange(100) < 85, label, 1 - label), group, 2, **OPTIONS, rng=generator("t"))
    guess = judge(label, np.where(np.arange(100) < 62, label, 1 - label), group, 2, **OPTIONS, rng=generator("t"))
    assert good["competent"] and good["low"] < 0.85 < good["high"]
    assert guess["balanced_accuracy"] > 0.6 and not guess["competent"]


def test_a_class_without_test_images_does_not_lower_chance():
    label, group = np.tile([0, 1], 30), np.arange(60)
    constant = judge(label, np.zeros(60, int), group, 3, **OPTIONS, rng=generator("t"))
    assert constant["balanced_accuracy"] == 0.5 and not constant["competent"]
