import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from heatproof.core.draws import balanced_accuracy, confusion_by_group, percentile_interval, resample
from heatproof.stats.accuracy.competence import MEASURES, accuracy, accuracy_interval, f1_macro, judge, wilson

OPTIONS = {"level": 0.95, "margin": 0.1}
EVERY = np.ones(3, bool)


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
    assert accuracy(total, present) == pytest.approx(accuracy_score(label, predicted))
    if set(predicted) <= set(label) and len(labels) > 1:
        assert balanced_accuracy(total, present) == pytest.approx(balanced_accuracy_score(label, predicted))


def test_by_hand():
    counts = np.array([[3, 1], [2, 2]])
    assert balanced_accuracy(counts, np.array([True, True])) == pytest.approx((3 / 4 + 2 / 4) / 2)
    assert f1_macro(counts, np.array([True, True])) == pytest.approx((6 / 9 + 4 / 7) / 2)
    assert accuracy(counts, np.array([True, True])) == 5 / 8
    assert np.isnan(accuracy(0 * counts, np.array([True, True])))


def test_a_lost_class_has_no_balanced_accuracy():
    assert np.isnan(balanced_accuracy(np.array([[3, 1], [0, 0]]), np.array([True, True])))


def _clusters(rng, groups, accuracy, correlation):
    """Counts [1, groups, 3, 3] of one class a group, 1 to 6 images; right ones are beta-binomial."""
    images = rng.integers(1, 7, groups)
    strength = (1 - correlation) / correlation
    right = rng.binomial(images, rng.beta(accuracy * strength, (1 - accuracy) * strength, groups))
    counts, label = np.zeros((groups, 3, 3), int), np.arange(groups) % 3
    counts[np.arange(groups), label, label] = right
    counts[np.arange(groups), label, (label + 1) % 3] = images - right
    return counts


def test_interval_covers_where_the_percentile_bootstrap_does_not():
    """At ten groups, 1,000 draws: a share of .95 has a standard error of .007."""
    rng, found = np.random.default_rng(5), {"ours": [], "percentile": []}
    for _ in range(1000):
        counts = _clusters(rng, 10, 0.85, 0.3)
        drawn = balanced_accuracy(resample(counts, EVERY, 200, rng), EVERY)
        ends = {"ours": accuracy_interval(counts, EVERY, "balanced_accuracy", 0.95)}
        ends["percentile"] = percentile_interval(drawn, 0.95)
        for name, (low, high) in ends.items():
            found[name].append(low <= 0.85 <= high)
    assert 0.93 < np.mean(found["ours"]) < 0.985
    assert np.mean(found["percentile"]) < 0.9


@pytest.mark.parametrize("groups", [20, 50])
@pytest.mark.parametrize("share", [0.5, 0.85])
@pytest.mark.parametrize("measure", ["accuracy", "balanced_accuracy"])
def test_interval_covers(groups, share, measure):
    rng = np.random.default_rng(groups)
    counts = np.stack([_clusters(rng, groups, share, 0.3) for _ in range(1500)])
    low, high = accuracy_interval(counts, EVERY, measure, 0.95)
    assert 0.93 < np.mean((low <= share) & (share <= high)) < 0.98


@pytest.mark.parametrize("measure", list(MEASURES))
def test_slopes_are_those_of_finite_differences(measure):
    total = np.random.default_rng(1).integers(1, 30, (3, 3)).astype(float)
    value, slope = MEASURES[measure]
    steps = 1e-5 * np.eye(9).reshape(9, 3, 3)
    plain = [(value(total + step, EVERY) - value(total - step, EVERY)) / 2e-5 for step in steps]
    assert slope(total, EVERY).ravel() == pytest.approx(plain, abs=1e-8)


def test_more_images_of_the_same_groups_tell_little_more():
    """Twenty images of a patient that are right or wrong together are no more evidence than one."""
    label = np.tile([0, 1], 24)
    predicted = np.where(np.arange(48) % 7 > 1, label, 1 - label)
    group, both = np.arange(48), np.ones(2, bool)
    once = confusion_by_group(label, predicted, group, 2)
    often = confusion_by_group(label.repeat(20), predicted.repeat(20), group.repeat(20), 2)
    one, twenty, apart = (
        np.subtract(*accuracy_interval(counts, both, "balanced_accuracy", 0.95)[::-1])
        for counts in (once, often, confusion_by_group(label.repeat(20), predicted.repeat(20), np.arange(960), 2))
    )
    assert twenty == pytest.approx(one, rel=0.1) and apart < 0.3 * one


def test_wilson_by_hand():
    """Eight of ten, 1.96: the interval of Newcombe (1998), .4902 to .9433."""
    assert wilson(0.8, 10, 1.959964) == pytest.approx((0.4902, 0.9433), abs=5e-5)
    assert wilson(1.0, 10, 1.959964) == pytest.approx((0.7225, 1.0), abs=5e-5)


@pytest.mark.parametrize("measure", list(MEASURES))
def test_interval_is_no_point_where_all_are_right(measure):
    label, group = np.repeat([0, 1, 2], 10), np.repeat(np.arange(15), 2)
    low, high = accuracy_interval(confusion_by_group(label, label, group, 3), EVERY, measure, 0.95)
    # 30 images in pairs with a correlation of .7 count as 30 / 1.7
    assert (low, high) == pytest.approx(wilson(1.0, 30 / 1.7, 1.959964), abs=1e-6) and 0.8 < low < 0.85
    low, high = accuracy_interval(confusion_by_group(label, (label + 1) % 3, group, 3), EVERY, measure, 0.95)
    assert low == 0 and 0.15 < high < 0.2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 6)), min_size=8, max_size=40))
def test_interval_holds_the_estimate_and_stays_within_bounds(rows):
    label, predicted, group = np.array(rows).T
    counts = confusion_by_group(label, predicted, group, 3)
    present = np.isin(np.arange(3), label)
    for name, (value, _) in MEASURES.items():
        low, high = accuracy_interval(counts, present, name, 0.95)
        if all(len(set(group[label == k])) > 1 for k in np.flatnonzero(present)):
            assert 0 <= low <= value(counts.sum(0), present) + 1e-12 and value(counts.sum(0), present) <= high + 1e-12
            assert high <= 1 and low < high
        else:
            assert np.isnan(low) and np.isnan(high)


def test_judge_gives_both_measures_with_their_intervals():
    rng = np.random.default_rng(3)
    label, group = rng.integers(0, 3, 90), np.repeat(np.arange(30), 3)
    predicted = np.where(rng.random(90) < 0.7, label, 0)  # class 0 is claimed too often: F1 and recall part ways
    counts = confusion_by_group(label, predicted, group, 3)
    found = judge(label, predicted, group, 3, **OPTIONS)
    assert found["f1_macro"] == pytest.approx(f1_score(label, predicted, average="macro"))
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(label, predicted))
    assert (found["low"], found["high"]) == accuracy_interval(counts, EVERY, "balanced_accuracy", 0.95)
    assert found["accuracy"] == pytest.approx(accuracy_score(label, predicted))
    assert (found["accuracy_low"], found["accuracy_high"]) == accuracy_interval(counts, EVERY, "accuracy", 0.95)
    assert (found["f1_low"], found["f1_high"]) == accuracy_interval(counts, EVERY, "f1_macro", 0.95)
    assert found["f1_low"] < found["f1_macro"] < found["f1_high"] and found["f1_low"] != found["low"]


def test_interval_is_missing_where_a_class_has_one_group():
    label, group = np.array([0, 0, 0, 1]), np.arange(4)
    judged = judge(label, label, group, 3, **OPTIONS)
    assert not judged["competent"] and np.isnan([judged[key] for key in ("low", "high", "f1_low", "f1_high")]).all()


def test_competence_asks_for_more_than_chance_and_margin():
    label, group = np.tile([0, 1], 50), np.arange(100)
    good = judge(label, np.where(np.arange(100) < 85, label, 1 - label), group, 2, **OPTIONS)
    guess = judge(label, np.where(np.arange(100) < 62, label, 1 - label), group, 2, **OPTIONS)
    assert good["competent"] and good["low"] < 0.85 < good["high"]
    assert guess["balanced_accuracy"] > 0.6 and not guess["competent"]


def test_a_class_without_test_images_does_not_lower_chance():
    label, group = np.tile([0, 1], 30), np.arange(60)
    constant = judge(label, np.zeros(60, int), group, 3, **OPTIONS)
    assert constant["balanced_accuracy"] == 0.5 and not constant["competent"]


def test_the_interval_that_the_documentation_gives_is_the_one_that_comes_out():
    text = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
    told = re.search(r"Thirty images of ten\s+patients, all right, give an interval from (\.\d+) to 1\.", text)
    group = np.repeat(np.arange(10), 3)
    counts = confusion_by_group(group % 3, group % 3, group, 3)
    assert f"{float(accuracy_interval(counts, EVERY, 'balanced_accuracy', 0.95)[0]):.2f}" == f"0{told[1]}"
