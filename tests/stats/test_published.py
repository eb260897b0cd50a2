"""What others report beside what was measured: rows, shares and sentences, from numbers written by hand."""

import numpy as np
import pandas as pd
import pytest

from heatproof.stats.accuracy.published import explain_published, published_table, split_name
from heatproof.store import tables

PAPER = {"source": "a paper", "table": "Table I", "note": "n", "accuracy": {"a": 0.9, "c": 0.7}, "f1_macro": {"a": 0.6}}


def judged(**values):
    """Model -> accuracies of its seeds; intervals reach .1 to either side."""
    rows = [(model.replace("_", " "), seed, value) for model, of in values.items() for seed, value in enumerate(of)]
    table = pd.DataFrame(rows, columns=["model", "seed", "accuracy"]).assign(images=20, groups=5)
    table = table.assign(accuracy_low=table["accuracy"] - 0.1, accuracy_high=table["accuracy"] + 0.1)
    return table.assign(f1_macro=0.5, f1_low=0.4, f1_high=0.6)


def make(random=0.9, grouped=0.5, base=0.4, published=PAPER, models=("a", "b")):
    splits = {
        "random": judged(a=[0.9, 1.0], b=[0.8, 0.8], nearest_neighbour=[random], most_frequent_class=[base]),
        "lookalike": judged(a=[0.6, 0.8], b=[0.5, 0.5], nearest_neighbour=[grouped], most_frequent_class=[base]),
    }
    named = {"paper": published} if published else {}
    table = published_table(named, splits, models)
    return table, explain_published(named, table)


def test_the_table_by_hand():
    table, _ = make()
    assert list(table) == list(tables.PUBLISHED)
    rows = table[table["measure"] == "accuracy"]
    assert list(rows["model"].unique()) == ["a", "b", "c", "nearest neighbour", "most frequent class"]
    by = rows.set_index(["model", "split"])
    assert by.loc[("a", "lookalike"), ["published", "value", "low", "high"]].tolist() == pytest.approx(
        [0.9, 0.7, 0.5, 0.9]
    )
    assert by.loc[("a", "random"), ["images", "groups", "seeds"]].tolist() == [20, 5, 2]
    assert np.isnan(by.loc[("b", "random"), "published"]) and by.loc[("b", "random"), "value"] == pytest.approx(0.8)
    absent = by.loc[("c", "random")]
    assert absent["published"] == 0.7 and pd.isna(absent[["value", "low", "high", "images", "seeds"]]).all()
    simple = by.loc[("nearest neighbour", "random")]
    assert np.isnan(simple["published"]) and simple["seeds"] == 0 and simple["value"] == 0.9
    assert table[table["measure"] == "f1_macro"].set_index("model")["published"].dropna().to_dict() == {"a": 0.6}


def test_a_model_with_a_tag_is_found_by_its_architecture():
    splits = {"random": judged(nearest_neighbour=[0.9], most_frequent_class=[0.4], **{"a.in1k": [0.5]})}
    table = published_table({"paper": PAPER}, splits, ["a.in1k"])
    assert table.set_index(["measure", "model"]).loc[("accuracy", "a.in1k"), "published"] == 0.9
    assert "a" not in set(table["model"])


def test_shares_by_hand():
    _, found = make()
    shares = found["paper"].explained
    # published .8 on average, .4 without looking: a nearest neighbour of .9 goes .5 of the .4 on the way
    ends = {split: (one.share, one.low, one.high) for split, one in shares.items()}
    assert ends["random"] == pytest.approx((1.25, 1.0, 1.5))
    assert ends["lookalike"] == pytest.approx((0.25, 0.0, 0.5))
    assert (found["paper"].source, found["paper"].table, found["paper"].note) == ("a paper", "Table I", "n")
    assert found["paper"].measure == "accuracy" and found["paper"].reported == tuple(PAPER["accuracy"].values())


def test_a_neighbour_that_knows_nothing_explains_nothing():
    share = make(grouped=0.3)[1]["paper"].explained["lookalike"]
    assert (share.share, share.low, share.high) == pytest.approx((-0.25, -0.5, 0.0))


def test_there_is_nothing_to_explain_where_the_most_frequent_class_does_as_well():
    _, found = make(base=0.8)
    assert found["paper"].explained["random"].share is None


def test_an_interval_that_cannot_be_had_is_left_out():
    table, _ = make()
    known = table["model"] == "nearest neighbour"
    found = explain_published({"paper": PAPER}, table.assign(low=table["low"].where(~known)))
    assert found["paper"].explained["lookalike"].low is None
    assert found["paper"].explained["lookalike"].share == pytest.approx(0.25)


def test_without_a_source_the_numbers_stand_alone():
    table, found = make(published=None)
    assert found == {} and set(table["name"]) == {""} and table["published"].isna().all()
    assert len(table) == 2 * 2 * 4
    assert published_table({}, {}, ["a"]).empty


def test_the_split_goes_by_what_it_keeps_together():
    assert split_name({"split_by": "random", "group_kind": "patient"}) == "random"
    assert split_name({"split_by": "auto", "group_kind": "lookalike"}) == "lookalike"
