import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heatproof.train.layers import Reading, agreement, probes, read


def pooled(side, channels=5):
    """What a layer without any mixing gives for the probes: [3, channels, side, side]."""
    cells = torch.nn.functional.adaptive_avg_pool2d(probes(64), side)
    return cells * torch.linspace(0.5, 2, channels)[:, None, None]


def test_probes_differ_where_they_say():
    noise, left, top = probes(9)[:, 0]
    assert not (noise == left)[:, :4].any() and (noise == left)[:, 4:].all()
    assert not (noise == top)[:4].any() and (noise == top)[4:].all()


def test_agreement_by_hand():
    # only the left column answers the first change, only the top row the second
    base = torch.zeros(1, 2, 2)
    grid = torch.stack([base, torch.tensor([[[3.0, 0], [3, 0]]]), torch.tensor([[[1.0, 1], [0, 0]]])])
    # relative to their means: [[2, 0], [2, 0]] - [[2, 2], [0, 0]] = [[0, -2], [2, 0]]; expected [[0, -1], [1, 0]]
    assert agreement(grid) == pytest.approx((1, math.sqrt((4 + 4) / 4)))
    assert agreement(grid.flip(3)) == pytest.approx((0, math.sqrt(2)))
    assert agreement(grid.flip(2).flip(3))[0] == pytest.approx(-1)


def test_positions_that_all_see_everything_say_nothing():
    assert agreement(torch.arange(3).float().view(3, 1, 1, 1).expand(3, 4, 6, 6)) == (0, 0)
    assert agreement(torch.ones(3, 4, 6, 6)) == (0, 0)


@settings(deadline=None)
@given(
    side=st.integers(4, 9),
    channels=st.integers(1, 90),
    layout=st.sampled_from(["NCHW", "NHWC", "BNC", "BCN", "NBC"]),
    before=st.integers(0, 6),
    declared=st.booleans(),
)
def test_any_layout_is_read_as_what_it_is(side, channels, layout, before, declared):
    """Whatever the number of channels: as many as rows, or a square number."""
    grid = pooled(side, channels)
    if layout in ("NCHW", "NHWC"):
        output, prefix = (grid if layout == "NCHW" else grid.permute(0, 2, 3, 1)), 0
    else:
        tokens = torch.cat([torch.randn(1, channels, before).expand(3, -1, -1), grid.flatten(2)], 2)
        output, prefix = tokens.permute(["BCN".index(axis) for axis in layout]), before
    reading = read(output, prefix if declared else 0, None)
    assert reading is not None
    torch.testing.assert_close(reading.to_grid(output), grid, rtol=0, atol=0)
    assert reading.layout == (layout if layout in ("NCHW", "NHWC") else "tokens")


def test_tokens_after_the_positions_are_left_out():
    grid = pooled(7, 20)
    tokens = torch.cat([grid.flatten(2), torch.ones(3, 20, 1)], 2).transpose(1, 2)
    reading = read(tokens, 0, None)
    assert (reading.prefix_tokens, reading.grid) == (0, (7, 7))
    assert torch.equal(reading.to_grid(tokens), grid)


def test_the_patches_grid_need_not_be_a_square():
    tokens = torch.zeros(3, 33, 8)
    assert read(tokens, 1, (8, 4)) == Reading("tokens", (8, 4), 1)
    assert read(torch.zeros(3, 8, 16, 5), 0, (8, 16)) == Reading("NHWC", (8, 16))


def test_positions_in_another_order_are_no_grid():
    grid = pooled(8).flatten(2)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    assert read(grid.transpose(1, 2), 0, None) == Reading("tokens", (8, 8))
    assert read(grid[:, :, order].transpose(1, 2), 0, None) is None


def test_who_wants_to_be_sure_gets_no_grid_that_answers_nothing():
    states = torch.arange(3).float().view(3, 1, 1).expand(3, 49, 6)
    assert read(states, 0, None) == Reading("tokens", (7, 7))
    assert read(states, 0, None, sure=True) is None
    assert read(pooled(7).flatten(2).transpose(1, 2), 0, None, sure=True) == Reading("tokens", (7, 7))


@pytest.mark.parametrize("shape", [(3, 10), (3, 4, 2, 8, 8), (3, 5, 8, 4), (12, 49, 8), (12, 8, 7, 7), (3, 0, 5)])
def test_what_is_no_grid_of_the_batch_is_refused(shape):
    assert read(torch.zeros(shape), 0, None) is None
