"""The threshold of a histogram, against every threshold in turn."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heatproof.data.prepare.preprocess import split

LEVELS = np.array([0.0, 1, 2, 5, 5.5, 9])


def within(values: np.ndarray) -> float:
    return values.size * values.var() if values.size else 0.0


@settings(max_examples=100, deadline=None)
@given(arrays(np.int64, len(LEVELS), elements=st.integers(0, 6)))
def test_the_least_variance_within(counts):
    assume((counts > 0).sum() > 1)
    values, place = np.repeat(LEVELS, counts), split(counts, LEVELS)
    found = [within(values[values <= level]) + within(values[values > level]) for level in LEVELS[:-1]]
    assert found[place] <= min(found) + 1e-9
    assert counts[: place + 1].any() and counts[place + 1 :].any()


def test_by_hand():
    assert split(np.array([5, 1, 0, 0, 2, 3]), LEVELS) == 1


def test_one_level_is_not_parted():
    assert split(np.array([0, 0, 4, 0, 0, 0]), LEVELS) is None
    assert split(np.zeros(6, int), LEVELS) is None
