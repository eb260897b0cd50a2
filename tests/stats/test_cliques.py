from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from heatproof.stats.tests.omnibus import cliques, mean_ranks


def pairs(models, alike):
    """The pairs of the models but for those in `alike` (as two letters): what is told apart."""
    both = combinations(models, 2)
    return {frozenset((a, b)) for a, b in both if a + b not in alike and b + a not in alike}


def ranks(models):
    return pd.Series(np.arange(1.0, len(models) + 1), index=list(models))


def test_mean_ranks_by_hand():
    wide = pd.DataFrame({"a": [0.9, 0.5], "b": [0.1, 0.5], "c": [0.3, 0.8]})
    assert mean_ranks(wide).to_dict() == {"a": 1.75, "c": 1.5, "b": 2.75}
    assert list(mean_ranks(wide).index) == ["c", "a", "b"]
    assert mean_ranks(wide, lower_is_better=True).to_dict() == {"a": 2.25, "c": 2.5, "b": 1.25}


def test_mean_ranks_agree_with_scipy():
    values = np.random.default_rng(0).integers(0, 4, (20, 5)).astype(float)
    expected = rankdata(-values, axis=1).mean(0)
    assert mean_ranks(pd.DataFrame(values))[range(5)].tolist() == pytest.approx(expected.tolist())


def test_ranks_need_complete_groups():
    with pytest.raises(ValueError, match="every model in every group"):
        mean_ranks(pd.DataFrame({"a": [0.9, np.nan], "b": [0.1, 0.5]}))


@pytest.mark.parametrize(
    ("alike", "expected"),
    [
        ([], []),
        (["ab", "bc", "ac", "ad", "bd", "cd"], ["abcd"]),
        (["ab", "cd"], ["ab", "cd"]),
        (["ab", "bc", "ac", "bd", "cd"], ["abc", "bcd"]),
        (["ab", "bc", "cd"], ["ab", "bc", "cd"]),
        (["ac", "bc"], ["bc"]),  # a and c are alike, but b between them is not like a
        (["bc", "cd", "bd", "cb"], ["bcd"]),
    ],
)
def test_cliques_by_hand(alike, expected):
    assert cliques(ranks("abcd"), pairs("dbca", alike)) == [list(run) for run in expected]


def test_one_model_has_no_clique():
    assert cliques(ranks("a"), pairs("a", [])) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=15, max_size=15))
def test_cliques_are_the_maximal_of_all_runs(alike):
    models = "abcdef"
    told = pairs(models, [a + b for (a, b), same in zip(combinations(models, 2), alike, strict=True) if same])
    runs = [models[i:j] for i in range(6) for j in range(i + 2, 7)]
    runs = [run for run in runs if not any(frozenset(pair) in told for pair in combinations(run, 2))]
    expected = [list(run) for run in runs if not any(run != other and run in other for other in runs)]
    assert cliques(ranks(models), told) == expected
