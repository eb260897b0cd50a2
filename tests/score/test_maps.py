"""How maps are read."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heatproof.score import maps as reading

few = arrays(np.float32, (2, 3, 4), elements=st.integers(-3, 3))


def test_degeneracy_names_the_reason():
    maps = torch.stack(
        [
            torch.zeros(2, 2),
            torch.full((2, 2), -0.5),
            torch.tensor([[0.0, torch.nan], [1, 2]]),
            torch.tensor([[0.0, torch.inf], [1, 2]]),
            torch.tensor([[0.0, 0], [0, 1e-30]]),
        ]
    )
    assert reading.degeneracy(maps) == ["all zero", "constant", "not finite", "not finite", ""]
    assert reading.scorable(maps).tolist() == [False, False, False, False, True]


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


def _bilinear(grid, size):
    """Corners not aligned, written out."""
    height, width = size
    out = np.zeros(size)
    for y in range(height):
        for x in range(width):
            at_y = max((y + 0.5) * grid.shape[0] / height - 0.5, 0)
            at_x = max((x + 0.5) * grid.shape[1] / width - 0.5, 0)
            top, left = int(at_y), int(at_x)
            down, right = min(top + 1, grid.shape[0] - 1), min(left + 1, grid.shape[1] - 1)
            v, u = at_y - top, at_x - left
            out[y, x] = (1 - v) * ((1 - u) * grid[top, left] + u * grid[top, right]) + v * (
                (1 - u) * grid[down, left] + u * grid[down, right]
            )
    return out


def test_upsample_matches_bilinear_written_out():
    grids = torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(0))
    found = reading.upsample(grids, (7, 8))
    for grid, image in zip(grids.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(image, _bilinear(grid, (7, 8)), atol=1e-6)


def test_pool_is_the_covered_share_of_a_cell():
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 0, :3] = True
    assert reading.pool(mask, (2, 2)).tolist() == [[[0.5, 0.25], [0, 0]]]
