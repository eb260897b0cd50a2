"""Whether verdicts hang on the heatmaps that could not be scored."""

import pytest
from stats.made import METRIC, compared, design, gathered, scores

from heatproof.stats.results import Sensitivity
from heatproof.stats.tests.sensitivity import sensitivity, worst_compared

LEVELS = {"a": 0.6, "b": 0.4, "c": 0.4}


def changes(table):
    return {row.subject: (row.main, row.worst_rank) for row in table[table["changed"]].itertuples()}


def test_a_lead_that_rests_on_what_is_missing():
    """a is ahead wherever it has a map, and has none for half of the groups."""
    made = gathered(scores(LEVELS, groups=24, lost={"a": range(12)}), design(list(LEVELS)))
    tables = made.tables
    family = made.families["localization"]
    found = tables["sensitivity"]
    assert found[["question", "subject", "missing"]].to_numpy().tolist() == [
        ["controls", "a", 12],
        ["controls", "b", 0],
        ["controls", "c", 0],
        ["models", "a - b", 12],
        ["models", "a - c", 12],
        ["models", "b - c", 0],
    ]
    assert changes(found)["a - b"] == ("a over b", "no difference shown")
    assert changes(found)["a - c"] == ("a over c", "no difference shown")
    told = family.outcomes["gradcam"].sensitivity
    assert told.missing == 12 and {row.subject for row in told.changed} == set(changes(found))


def test_one_map_of_many_changes_nothing():
    table = scores(LEVELS, groups=24, lost={"a": [3]})
    made = gathered(table, design(list(LEVELS)))
    tables = made.tables
    family = made.families["localization"]
    assert len(tables["sensitivity"]) == 6 and not tables["sensitivity"]["changed"].any()
    assert family.outcomes["gradcam"].sensitivity == Sensitivity(1, ())


@pytest.mark.parametrize("lower", [False, True])
def test_the_worst_is_where_the_bad_end_is(lower):
    """a scores below its control where it has a map: bad or good; counted as the worst, its lead is gone if good."""
    table = scores({"a": 0.0, "b": 0.4}, groups=24, controls={"random": 0.2, "center": 0.2}, lost={"a": range(12)})
    tables = gathered(table, design(["a", "b"], lower=lower)).tables
    found = changes(tables["sensitivity"])
    if lower:
        assert found["a"][0] == "better" and found["a"][1] != "better"
        assert found["a - b"] == ("b over a", "no difference shown")  # the mean of b is above that of a
    else:
        assert "a" not in found and "a - b" not in found  # worse, and behind b, as before


def test_a_model_without_any_map_gets_a_verdict_there_alone():
    tables = gathered(scores(LEVELS, lost={"c": range(12)}), design(list(LEVELS))).tables
    assert changes(tables["sensitivity"])["c"][0] == "none"
    assert changes(tables["sensitivity"])["a - c"][0] == "none"


def test_nothing_is_asked_where_nothing_is_missing_or_was_to_be_had():
    table = scores(LEVELS)
    assert gathered(table, design(list(LEVELS))).tables["sensitivity"].empty
    untold = table.assign(value=table["value"].mask(table["group"] == "p03"))
    untold["reason"] = untold["reason"].mask(untold["value"].isna(), "no_truth")
    made = gathered(untold, design(list(LEVELS)))
    tables = made.tables
    family = made.families["localization"]
    assert tables["sensitivity"].empty and family.outcomes["gradcam"].sensitivity is None


def test_scores_are_counted_without_controls_too():
    made = gathered(scores(LEVELS, lost={"b": [1, 2]}), design(list(LEVELS), controls=()))
    family = made.families["localization"]
    assert family.outcomes["gradcam"].sensitivity.missing == 2


def test_names_may_hold_a_dash():
    levels = {"net - big": 0.6, "net": 0.4}
    table = scores(levels, lost={"net - big": [1], "net": [2, 3]})
    of = design(list(levels))
    found = sensitivity(worst_compared(table, [compared(table, of)], of).values(), of).set_index("subject")["missing"]
    assert found.to_dict() == {"net - big": 1, "net": 2, "net - big - net": 3}


def test_the_controls_of_a_failed_map_come_back():
    """In the main analysis a control counts only where the heatmap has a value; here everywhere."""
    table = scores({"a": 0.5}, groups=12, lost={"a": [0, 1]})
    tables = gathered(table, design(["a"])).tables
    assert (tables["controls"]["groups"] == 10).all() and set(tables["controls"]["metric"]) == {METRIC}
    assert tables["sensitivity"]["main"].tolist() == ["better"]
