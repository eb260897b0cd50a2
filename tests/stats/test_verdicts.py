"""Each rule on numbers written by hand."""

import numpy as np
import pandas as pd
import pytest

from heatproof.stats.verdicts import rules

ALPHA = 0.05


def controls(**words):
    """Rows as `against_controls` gives them: model -> one letter a control."""
    names = {"b": "better", "w": "worse", "u": "unclear"}
    rows = [(model, place, names[letter]) for model, text in words.items() for place, letter in enumerate(text)]
    return pd.DataFrame(rows, columns=["model", "control", "verdict"])


def pairs(p, p_seeds=np.nan, p_equivalent=1.0, difference=0.1):
    """Rows of the pairs a-b, a-c, b-c."""
    table = pd.DataFrame({"a": list("aab"), "b": list("bcc"), "p_corrected": p})
    return table.assign(p_seeds=p_seeds, p_equivalent=p_equivalent, difference=difference)


def names(table):
    return ["".join(pair) for pair in table[["a", "b"]].to_numpy()]


@pytest.mark.parametrize(
    ("models", "found", "shares"),
    [
        (3, controls(a="bb", b="bb", c="bb"), (0.025, 0.05)),
        (3, controls(a="bb", b="uw", c="ww"), (0.025, 0.05)),
        (3, controls(a="bb", b="uu", c="bb"), (0.025, 0.025)),
        (3, controls(a="uu", b="uu", c="uu"), (0.025, 0.025)),
        (3, controls(), (0.05, 0.05)),
        (2, controls(a="bb", b="bb"), (0.025, 0.05)),
        (1, controls(a="uu"), (0.05, 0.05)),
    ],
)
def test_two_questions_share_alpha(models, found, shares):
    """Half each; all of it for the second where the first is settled for every model, or is not asked."""
    assert rules.levels(ALPHA, models, found) == pytest.approx(shares)


def test_a_model_is_worse_by_one_control_and_better_by_all():
    found = rules.by_model(controls(a="bb", b="uw", c="uu", d="bu"))
    assert found == {"a": "better", "b": "worse", "c": "unclear", "d": "unclear"}
    assert rules.by_model(controls()) == {}


@pytest.mark.parametrize(
    ("p", "told"),
    [(0.04, ["ab", "bc"]), (0.05, ["ab", "bc"]), (0.0500001, []), (1.0, []), (None, ["ab", "bc"])],
)
def test_pairs_wait_for_the_test_over_all_models(p, told):
    """None is two models: no such test."""
    assert names(rules.pairs_apart(pairs([0.01, 0.2, 0.05]), p, ALPHA)) == told


def test_a_test_that_gave_no_number_does_not_reject():
    assert names(rules.pairs_apart(pairs([0.01, 0.2, 0.05]), float("nan"), ALPHA)) == []


def test_where_there_are_seeds_enough_they_decide():
    table = pairs([0.01, 0.01, 0.01], p_seeds=[0.5, 0.03, np.nan])
    assert rules.p_column(table) == "p_seeds"
    assert names(rules.pairs_apart(table, 0.01, ALPHA)) == ["ac"]
    assert rules.p_column(pairs([0.01, 0.01, 0.01])) == "p_corrected"


def test_equivalent_is_a_test_of_its_own():
    table = pairs([1.0, 1.0, 0.001], p_equivalent=[0.05, 0.06, 0.001])
    assert names(rules.equivalent(table, ALPHA)) == ["ab", "bc"]


def test_within_seeds_is_below_the_smaller_spread_of_both():
    """a moves by .2 from seed to seed and b by .1; c has one seed."""
    table = pairs([1.0] * 3, difference=[-0.09, 0.0, 0.0])
    assert names(rules.within_seeds(table, {"a": 0.2, "b": 0.1})) == ["ab"]
    assert names(rules.within_seeds(table.assign(difference=0.15), {"a": 0.2, "b": 0.1})) == []
    assert rules.within_seeds(table[:0], {"a": 0.2}).empty


def test_a_metric_must_tell_truth_from_noise():
    rows = pd.DataFrame({"model": list("abc"), "control": "random", "side": ["better", "better", "worse"]})
    rows = rows.assign(p_corrected=[0.01, 0.2, 0.01], smallest_p=[0.001, 0.001, 0.001], complete=True)
    assert rules.separates(rows, ALPHA) == {"a": True, "b": False, "c": False}
    assert rules.separates(rows.assign(smallest_p=[0.001, 0.5, 0.001]), ALPHA) == {"a": True, "c": False}


@pytest.mark.parametrize(("found", "yes"), [("bbw", True), ("bw", False), ("bbww", False), ("b", True), ("", False)])
def test_most_is_more_than_half(found, yes):
    assert rules.most(list(found), "b") == yes
