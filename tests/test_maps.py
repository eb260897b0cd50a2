"""Degenerate maps, and grids brought to image size."""

import numpy as np
import pytest
import torch

from heatproof.core.geometry import degeneracy, upsample


@pytest.mark.parametrize("value", [0.37, -1e-3, 3e5])
def test_a_constant_grid_stays_constant(value):
    """Interpolated, it would be noise of rounding, and be scored."""
    grids = torch.stack([torch.full((5, 5), value), torch.rand(5, 5)])
    large = upsample(grids, (64, 64))
    assert degeneracy(large) == ["constant", ""] and (large[0] == value).all()


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
    assert degeneracy(maps) == ["all_zero", "constant", "not_finite", "not_finite", ""]


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
    found = upsample(grids, (7, 8))
    for grid, image in zip(grids.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(image, _bilinear(grid, (7, 8)), atol=1e-6)


def test_upsample_is_bilinear_between_cell_centres():
    grid = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    assert upsample(grid, (4, 4))[0, 0].tolist() == [0.0, 0.25, 0.75, 1.0]
    assert torch.equal(upsample(grid, (2, 2)), grid)
    assert upsample(grid.to(torch.bfloat16), (2, 2)).dtype == upsample(grid.double(), (4, 4)).dtype == torch.float32


def test_a_map_of_the_right_size_keeps_each_value_beside_an_infinite_one():
    grid = torch.tensor([[[torch.inf, 1.0], [2.0, 3.0]]])
    assert upsample(grid, (2, 2))[0].tolist() == [[torch.inf, 1.0], [2.0, 3.0]]
