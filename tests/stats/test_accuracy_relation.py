"""Accuracy beside scores: exact p by hand and by SciPy, deviations by a plain loop, and what cannot be told."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from stats.made import design, stated

from heatproof.stats.results import Family
from heatproof.stats.statements.relations import accuracy
from heatproof.stats.tests.relations import accuracy_and, permutation_test
from heatproof.stats.verdicts.gather import Gathered

SETTINGS = {"alpha": 0.05, "seed": 0}
RNG = np.random.default_rng


def study(shares, score, seeds=2, wobble=0.0, family="faithfulness"):
    """Checkpoints and group means of models whose means are given; seeds lie `wobble` to either side of both."""
    models = [f"m{i}" for i in range(len(shares))]
    checkpoints, means = [], []
    for model, a, y in zip(models, shares, score, strict=True):
        for seed in range(seeds):
            off = wobble * (seed - (seeds - 1) / 2)
            checkpoints.append((model, seed, a + off))
            means += [(family, "srg", "cam", model, seed, f"g{g}", y + off + (g - 1) / 10) for g in range(3)]
    names = ["family", "metric", "method", "model", "seed", "group", "value"]
    per_seed = pd.DataFrame(means, columns=names).astype({"seed": "Int64"})
    return pd.DataFrame(checkpoints, columns=["model", "seed", "balanced_accuracy"]), per_seed, models


def judged(*args, **kwargs):
    checkpoints, per_seed, models = study(*args, **kwargs)
    return related(checkpoints, per_seed, models)


def related(checkpoints, per_seed, models):
    found = accuracy_and("s", checkpoints, per_seed, ["cam"], models, {"faithfulness": "srg"}, SETTINGS)
    return found["faithfulness"]["cam"]


def told(found):
    """What is stated of it in a study."""
    results = stated(Gathered({}, {"faithfulness": Family("srg")}, {}, {}), design(["a"], ["cam"]), ["a"])
    return accuracy(results, "faithfulness", "cam", found)


def test_five_models_in_order_have_two_of_120_orders():
    found = permutation_test(np.arange(5.0), np.arange(5.0) ** 2, 0.05, RNG(0))
    assert found["rho"] == 1 and found["p"] == pytest.approx(2 / 120) and found["smallest_p"] == pytest.approx(2 / 120)
    assert found["critical"] == 1  # 0.9 has p = 10 / 120


@pytest.mark.parametrize("models", [3, 4, 5, 6])
def test_p_is_that_of_all_orders(models):
    x, y = RNG(models).normal(size=(2, models))
    rho = abs(stats.spearmanr(x, y).statistic)
    all_rho = [abs(stats.spearmanr(x, order).statistic) for order in itertools.permutations(y)]
    assert permutation_test(x, y, 0.05, RNG(0))["p"] == pytest.approx(np.mean(np.array(all_rho) >= rho - 1e-9))


def test_ties_are_in_the_orders():
    x, y = np.array([0.9, 0.9, 0.7, 0.6]), np.array([1.0, 2.0, 3.0, 4.0])
    peer = stats.permutation_test((x,), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings")
    found = permutation_test(x, y, 0.05, RNG(0))
    assert found["rho"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found["p"] == pytest.approx(peer.pvalue)


def test_many_models_are_drawn_with_the_observed_order_among_them():
    x = np.arange(10.0)
    y = x + RNG(1).normal(0, 4, 10)
    found, again = (permutation_test(x, y, 0.05, RNG(seed)) for seed in (0, 0))
    assert found == again and found["p"] == pytest.approx(stats.spearmanr(x, y).pvalue, abs=0.02)
    assert permutation_test(x, x, 0.05, RNG(0))["p"] >= 1 / 10_001


def test_critical_is_where_p_reaches_alpha():
    """Tables of Spearman's rho, two-sided 5 %: .886 for six, .786 for seven (Zar 1972)."""
    for models, critical in ((6, 0.886), (7, 0.786)):
        found = permutation_test(np.arange(models), RNG(0).permutation(models), 0.05, RNG(0))
        assert found["critical"] == pytest.approx(critical, abs=0.001)
    assert permutation_test(np.arange(4), np.arange(4), 0.05, RNG(0))["critical"] is None


def test_points_are_means_over_groups():
    found = judged([0.9, 0.8, 0.7], [0.5, 0.4, 0.3])
    assert [point.score for point in found.points] == pytest.approx([0.5, 0.5, 0.4, 0.4, 0.3, 0.3])
    assert [(point.model, point.seed) for point in found.points][:3] == [("m0", 0), ("m0", 1), ("m1", 0)]


def test_across_and_within_can_point_apart():
    """Better models score lower; of one model, the better training scores higher."""
    found = judged([0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5], wobble=0.02)
    assert found.rho == -1 and found.within == pytest.approx(1) and found.checkpoints == 10
    assert told(found).kind == "accuracy.found" and told(found).numbers["rho"] == -1


def test_within_is_the_correlation_of_what_is_left():
    checkpoints, per_seed, models = study([0.9, 0.8, 0.7], [0.1, 0.5, 0.3], seeds=3)
    noise = RNG(5)
    checkpoints["balanced_accuracy"] += noise.normal(0, 0.02, 9)
    per_seed["value"] += np.repeat(noise.normal(0, 0.02, 9), 3)
    x, y = [], []
    for model in models:
        a = checkpoints.loc[checkpoints["model"] == model, "balanced_accuracy"]
        s = per_seed[per_seed["model"] == model].groupby("seed")["value"].mean()
        x += list(a - a.mean())
        y += list(s - s.mean())
    assert related(checkpoints, per_seed, models).within == pytest.approx(stats.pearsonr(x, y).statistic)


def test_not_shown_is_never_none():
    found = judged([0.9, 0.8, 0.7, 0.6, 0.5], [0.3, 0.5, 0.1, 0.4, 0.2])
    assert found.p > 0.05 and found.critical == 1
    assert told(found).kind == "accuracy.no_evidence"


@pytest.mark.parametrize(
    ("shares", "score", "kind"),
    [
        ([0.9, 0.8], [0.1, 0.2], "too_few"),
        ([0.9, 0.8, 0.7], [0.2, 0.2, 0.2], "no_variation"),
        ([0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4], "out_of_reach"),
    ],
)
def test_what_cannot_be_told(shares, score, kind):
    found = judged(shares, score, seeds=1)
    assert told(found).kind == f"accuracy.{kind}" and found.within is None


def test_a_score_of_no_seed_is_held_against_the_models_mean():
    checkpoints, per_seed, models = study([0.9, 0.8, 0.7], [0.1, 0.2, 0.3], wobble=0.02)
    per_seed = per_seed[per_seed["seed"] == 0].assign(seed=pd.array([pd.NA] * 9, "Int64"))
    found = related(checkpoints, per_seed, models)
    assert [point.balanced_accuracy for point in found.points] == pytest.approx([0.9, 0.8, 0.7])
    assert {point.seed for point in found.points} == {None} and found.within is None


def test_only_models_of_the_verdicts_enter():
    checkpoints, per_seed, models = study([0.9, 0.8, 0.7, 0.4], [0.1, 0.2, 0.3, 0.9])
    assert related(checkpoints, per_seed, models[:3]).models == 3
