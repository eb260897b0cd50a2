"""How maps are read."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from heatproof.core.geometry import degeneracy
from heatproof.score import order as reading

few = arrays(np.float32, (2, 3, 4), elements=st.integers(-3, 3))


def test_what_is_degenerate_cannot_be_scored():
    maps = torch.stack([torch.zeros(2, 2), torch.full((2, 2), torch.nan), torch.tensor([[0.0, 0], [0, 1e-30]])])
    assert reading.scorable(maps).tolist() == [False, False, True]


def test_unit_scale_is_per_image_and_keeps_the_sign_order():
    maps = torch.tensor([[[-2.0, 0], [2, 6]], [[0.0, 10], [20, 40]]])
    assert reading.unit_scale(maps).tolist() == [[[0, 0.25], [0.5, 1]], [[0, 0.25], [0.5, 1]]]
    assert reading.binarized(maps).tolist() == [[[False, False], [True, True]]] * 2


def test_unit_scale_of_extreme_maps_does_not_overflow():
    maps = torch.tensor([[[-3e38, 3e38]], [[1e-45, 0]]])
    assert reading.unit_scale(maps).tolist() == [[[0, 1]], [[1, 0]]]


def test_positive_drops_negative_relevance():
    assert reading.positive(torch.tensor([[[-1.0, 2]]])).tolist() == [[[0, 2]]]


@settings(max_examples=40, deadline=None)
@given(few)
def test_ranks_are_those_of_a_stable_sort(values):
    found = reading.ranks(torch.from_numpy(values))
    for image, places in zip(values, found, strict=True):
        order = sorted(range(image.size), key=lambda i: (-image.flat[i], i))
        assert [order.index(i) for i in range(image.size)] == places.flatten().tolist()


def test_pool_is_the_covered_share_of_a_cell():
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 0, :3] = True
    assert reading.pool(mask, (2, 2)).tolist() == [[[0.5, 0.25], [0, 0]]]


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (1, 2, 3), elements=st.sampled_from([0, -1, 2, 1e-40, 3e38, -3e38, np.inf, -np.inf, np.nan])))
def test_scorable_is_what_has_no_reason(values):
    maps = torch.from_numpy(values)
    assert reading.scorable(maps).tolist() == [not reason for reason in degeneracy(maps)]


def test_magnitude_forgets_the_sign():
    assert reading.magnitude(torch.tensor([[[-1.0, 2]]])).tolist() == [[[1, 2]]]


@settings(max_examples=40, deadline=None)
@given(few)
def test_midranks_are_scipys(values):
    found = reading.midranks(torch.from_numpy(values))
    for image, places in zip(values, found, strict=True):
        assert places.tolist() == rankdata(image.ravel()).tolist()
