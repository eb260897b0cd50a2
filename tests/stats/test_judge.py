"""What the summary says of one family and method, beside the tables that it rests on."""

from dataclasses import replace

import numpy as np
import pytest
from stats.made import compared, design, scores

from heatproof.stats.results import Shares
from heatproof.stats.verdicts.judge import judge, words_of

LEVELS = {"a": 0.5, "b": 0.4, "c": 0.41}


def told(levels=None, spread=None, **given):
    """What is said of a made study; `given` goes to `scores` and to `design`."""
    ours = {key: given.pop(key) for key in ("test", "lower", "margin", "alpha") if key in given}
    controls = given.pop("judged", ("random", "center"))
    of = design(list(levels or LEVELS), controls=controls, **ours)
    one = compared(scores(levels or LEVELS, **given), of)
    return judge(one, of, spread or {}), one, of


def test_shares_and_verdicts_against_controls():
    found, one, _ = told()
    assert found.verdicts == dict.fromkeys("abc", "better")
    assert found.shares == Shares(0.025, 0.05)
    assert found.controls["random"]["a"].p_corrected == one.controls["p_corrected"].iloc[0]
    assert told(controls={"center": 0.45})[0].shares.models == 0.025  # c is not told from the centre
    assert told(judged=())[0].shares == Shares(0.05, 0.05)


def test_the_first_question_has_half_of_alpha():
    """p of both models is .03: enough at .05, not at its half; a single model has all of it."""
    two = told({"a": 0.5, "b": 0.4}, groups=7)[0]  # 2 ** -6 each, Holm over two: .031
    assert two.controls["random"]["a"].p_corrected == pytest.approx(2 * 2.0**-6)
    assert two.verdicts == {"a": "unclear", "b": "unclear"}
    assert told({"a": 0.5}, groups=6)[0].verdicts == {"a": "better"}  # 2 ** -5


def test_pairs_are_those_of_the_table():
    found, one, _ = told(groups=20, noise=0.02)
    pairs, table = found.pairs, one.pairs.set_index(["a", "b"])
    assert pairs.tested == 3 and pairs.told_apart == (("a", "b"), ("a", "c"))
    assert (table["p_corrected"] <= 0.05).tolist() == [True, True, False]
    assert (pairs.largest.a, pairs.largest.b) == ("a", "b")
    assert pairs.detectable == table["detectable"].max() and pairs.margin == 0.05
    assert pairs.equivalent == (("b", "c"),)
    assert pairs.smallest_p == pytest.approx(3 * 2.0**-19) and pairs.groups == 20


def test_within_seeds_is_said_of_pairs_that_are_not_told_apart():
    found, *_ = told(groups=20, noise=0.02, spread=dict.fromkeys("abc", 0.2))
    assert found.pairs.within_seeds == (("b", "c"),)


def test_no_pair_where_the_test_over_all_models_is_silent():
    """The same pairs, with p .06 in the test over all: neither told apart nor apart in the diagram."""
    found, one, of = told(groups=20, noise=0.02)
    silent = replace(one, omnibus=[row | {"p": 0.06} for row in one.omnibus])
    other = judge(silent, of, {})
    assert len(found.pairs.told_apart) == 2
    assert other.pairs.largest is None and other.pairs.told_apart == ()
    assert [set(names) for names in other.ranks.cliques] == [set("abc")]
    of_pairs = {word for (question, _), word in words_of(silent, of).items() if question == "models"}
    assert of_pairs == {"no difference shown"}


@pytest.mark.parametrize(("test", "smallest"), [("friedman", 3 * 2.0**-5), ("rm_anova", 0.0)])
def test_only_rank_tests_have_a_smallest_p(test, smallest):
    found, *_ = told(groups=6, test=test)
    assert found.pairs.smallest_p == pytest.approx(smallest)
    assert found.omnibus.test == test


def test_what_could_be_found_is_at_the_share_that_the_pairs_have():
    """Where a model's verdict is open, pairs have half of alpha: a larger difference is needed."""
    settled, *_ = told({"a": 0.5, "b": 0.4}, groups=15)
    open_, *_ = told({"a": 0.5, "b": 0.4}, groups=15, controls={"center": 0.45})
    assert (settled.shares.models, open_.shares.models) == (0.05, 0.025)
    assert open_.pairs.detectable > settled.pairs.detectable


def test_what_could_be_found_is_told_with_the_groups_of_its_pair():
    found, one, _ = told({"a": 0.5, "b": 0.4, "c": 0.45}, groups=20, lost={"c": range(8)})
    top = one.pairs.loc[one.pairs.detectable.idxmax()]
    assert found.pairs.groups == 20 and top["groups"] == 12  # a pair with c needs the largest difference
    assert found.pairs.detectable_groups == 12 and found.pairs.detectable == top["detectable"]


def test_architectures_have_no_detectable_difference_of_checkpoints():
    found, one, _ = told(seeds=5, between=0.01)
    assert found.population == "architectures" and found.pairs.detectable is None
    assert found.pairs.smallest_p == 0.0 and one.pairs.detectable.notna().all()


@pytest.mark.parametrize("lower", [False, True])
def test_ranks_begin_with_the_best(lower):
    found, one, _ = told({"a": 0.7, "b": 0.3, "c": 0.5}, lower=lower, groups=15)
    values = one.wide.to_numpy()
    place = (
        (values[:, :, None] < values[:, None, :]).sum(2) + 1
        if not lower
        else ((values[:, :, None] > values[:, None, :]).sum(2) + 1)
    )
    assert list(found.ranks.models) == (["b", "c", "a"] if lower else ["a", "c", "b"])
    assert found.ranks.models == pytest.approx(dict(zip("abc", place.mean(0), strict=True)))
    assert found.ranks.cliques == ()


def test_cliques_hold_what_is_not_declared_different():
    found, *_ = told(groups=20, noise=0.02)
    assert [set(names) for names in found.ranks.cliques] == [{"b", "c"}]


def test_one_model_has_nothing_to_be_compared_with():
    found, *_ = told({"a": 0.5})
    assert found.omnibus.levels == 1 and found.omnibus.p is None
    assert found.pairs.tested == 0 and found.ranks is None
    assert found.pairs.largest is None and found.pairs.detectable is None


def test_a_model_without_any_map_is_not_compared():
    found, *_ = told(lost={"c": range(12)})
    assert found.omnibus.levels == 2 and list(found.verdicts) == ["a", "b"]


def test_groups_that_no_two_models_share():
    found, one, _ = told({"a": 0.5, "b": 0.4}, lost={"a": range(6), "b": range(6, 12)})
    assert found.pairs.tested == 0 and found.omnibus.groups == 0 and found.omnibus.dropped == 12
    assert np.isnan(one.wide.to_numpy()).sum() == 12


def test_words_say_who_is_ahead():
    _, one, of = told(groups=20, noise=0.02)
    assert words_of(one, of) == {
        ("controls", "a"): "better",
        ("controls", "b"): "better",
        ("controls", "c"): "better",
        ("models", "a - b"): "a over b",
        ("models", "a - c"): "a over c",
        ("models", "b - c"): "no difference shown",
    }
