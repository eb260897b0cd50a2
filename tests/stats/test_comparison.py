"""Random beside grouped split, from accuracies written by hand."""

import numpy as np
import pandas as pd
import pytest

from heatproof.stats.accuracy.published import compare_splits, comparison_table


def judged(*rows):
    return pd.DataFrame(rows, columns=["model", "seed", "balanced_accuracy", "low", "high"])


GROUPED = judged(("a", 0, 0.5, 0.4, 0.6), ("a", 1, 0.7, 0.6, 0.8), ("b", 0, 0.8, 0.7, 0.9), ("b", 1, 0.6, 0.5, 0.7))
RANDOM = judged(("a", 0, 0.9, 0.85, 0.95), ("a", 1, 1.0, 0.9, 1), ("b", 0, 0.9, 0.85, 1), ("b", 1, 0.9, 0.8, 1))


def test_numbers_by_hand():
    table = comparison_table(GROUPED, RANDOM, "patient")
    assert table["split"].tolist() == ["random", "patient"] * 4
    assert table["balanced_accuracy"].tolist() == [0.9, 0.5, 1.0, 0.7, 0.9, 0.8, 0.9, 0.6]
    found = compare_splits(table, ["b", "a"])
    assert list(found.random) == ["b", "a"]
    assert found.random == pytest.approx({"a": 0.95, "b": 0.9})
    assert found.grouped == pytest.approx({"a": 0.6, "b": 0.7})
    assert found.fall == pytest.approx({"a": 0.35, "b": 0.2})
    assert found.clear == ("a",)  # the intervals of b overlap in its first checkpoint


def test_an_interval_that_cannot_be_had_shows_nothing():
    unknown = RANDOM.assign(low=[np.nan, 0.9, 0.85, 0.8])
    assert compare_splits(comparison_table(GROUPED, unknown, "patient"), ["a", "b"]).clear == ()


def test_nothing_to_compare():
    table = comparison_table(GROUPED[:0], RANDOM[:0], "lookalike")
    assert table.empty and "split" in table
    assert compare_splits(table, ["a", "b"]) is None
