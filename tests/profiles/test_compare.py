"""Agreement of models on distances between groups, and its uncertainty."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from heatproof.profiles import distances as compare
from heatproof.profiles import files

NAMES = ["a", "b", "c", "d"]


def distances(drawn, names=NAMES, depth=0):
    """Distances [1 + draws, pairs] of a checkpoint with one layer."""
    drawn = np.asarray(drawn, float)
    a, b = zip(*combinations(names, 2), strict=True)
    table = pd.DataFrame({"layer": "last", "depth": depth, "by": "label", "a": a, "b": b})
    return compare.Distances(table.assign(correlation=drawn[0], euclidean=1.0), drawn)


UP, DOWN = [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]


def test_a_gap_is_what_models_agree_less_than_their_own_seeds():
    rows = [UP] * 11
    found = {("m", 0): distances(rows), ("m", 1): distances(rows)}
    found |= {("n", 0): distances([DOWN] * 11), ("n", 1): distances([DOWN] * 6 + [UP] * 5)}
    table = compare.models(found, "fold0", 0.5)
    assert list(table) == list(files.MODELS) and len(table) == 1 + 4 + 1 + 3
    means = table[table["seed_a"].isna()].set_index(["model_a", "model_b"])
    assert means.loc[("m", "m"), "agreement"] == 1 and means.loc[("n", "n"), "agreement"] == 1
    assert means.loc[("m", "n"), "agreement"] == -1 and means.loc[("m", "n"), "gap"] == 2
    # in half of the draws the second seed of n agrees with m: within (1 + -1) / 2, between 0
    assert (means.loc[("m", "n"), "gap_low"], means.loc[("m", "n"), "gap_high"]) == (0, 2)
    assert np.isnan(means.loc[("m", "m"), "gap"])


def test_one_seed_each_has_an_agreement_and_no_gap():
    table = compare.models({("m", 0): distances([UP] * 5), ("n", 0): distances([UP] * 5)}, "fold0", 0.95)
    assert table["agreement"].tolist() == [1, 1] and table["gap"].isna().all()


def test_groups_in_common_alone_are_compared():
    first = distances([[1, 2, 3, 9, 4, 5, 9, 6, 9, 9]] * 3, [*NAMES, "e"])
    groups, value, reason = compare.compared(first, distances([UP] * 3), "label", 0)
    assert groups == 4 and reason == "" and value.tolist() == [1, 1, 1]


def test_too_few_groups_and_missing_distances_have_a_reason():
    three = distances([[1, 2, 3]] * 3, NAMES[:3])
    assert compare.compared(three, distances([UP] * 3), "label", 0)[2] == compare.TOO_FEW
    lost = distances([[np.nan, 2, 3, 4, 5, 6]] * 3)
    assert compare.compared(lost, distances([UP] * 3), "label", 0)[2] == compare.MISSING
    table = compare.models({("m", 0): three, ("n", 0): three}, "fold0", 0.95)
    assert set(table["reason"]) == {compare.TOO_FEW} and table["agreement"].isna().all()


def test_layers_that_only_one_has_are_not_compared():
    table = compare.models({("m", 0): distances([UP] * 3), ("n", 0): distances([UP] * 3, depth=1)}, "fold0", 0.95)
    assert table.empty and list(table) == list(files.MODELS)


@pytest.mark.parametrize(("lost", "known"), [(4, True), (6, False)])
def test_an_interval_needs_half_of_its_draws(lost, known):
    drawn = np.array([np.nan] * lost + [1.0] * (10 - lost))
    assert np.isfinite(compare.interval(drawn, 0.95)).all() == known


def test_means_over_seeds_say_the_fewest_groups_of_their_pairs():
    three = distances([[1, 2, 3]] * 3, NAMES[:3])
    found = {("m", 0): three, ("m", 1): distances([UP] * 3), ("m", 2): distances([UP] * 3)}
    mean = compare.models(found, "fold0", 0.95).iloc[-1]
    assert (mean["groups"], mean["reason"]) == (3, compare.TOO_FEW) and np.isnan(mean["agreement"])
