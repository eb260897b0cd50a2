"""Moves against NumPy and SciPy, and what must hold for any picture."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from heatproof.core.geometry import ANGLE, SCALE, SHIFT, Move, defined, draw_move, moved

SIZE = (12, 16)
PICTURE = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 2, *SIZE))).float()
moves = st.builds(
    Move,
    mirror=st.booleans(),
    angle=st.floats(-30, 30),
    scale=st.floats(0.7, 1.4),
    shift=st.tuples(st.integers(-5, 5), st.integers(-5, 5)),
)


def test_values_by_hand():
    picture = torch.arange(12.0).view(1, 1, 3, 4)
    assert torch.equal(moved(picture, [Move(mirror=True)]), picture.flip(3))
    down = moved(picture, [Move(shift=(1, 0))])[0, 0]
    assert down.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]  # the border is repeated
    right = defined([Move(shift=(0, 1)), Move(shift=(-1, 0))], (3, 4))
    assert right[0].all(0).tolist() == [False, True, True, True] and right[1].all(1).tolist() == [True, True, False]
    square = torch.arange(16.0).view(1, 1, 4, 4)
    turned = moved(square, [Move(angle=90.0)])
    torch.testing.assert_close(turned[0, 0], torch.rot90(square[0, 0]), atol=1e-5, rtol=0)  # both counter-clockwise
    wide = torch.tensor([0.0, 1, 2, 3]).expand(4, 4)[None, None]
    twice = moved(wide, [Move(scale=2.0)])[0, 0, 0]  # places -1.5, -.5, .5, 1.5 come from half as far
    torch.testing.assert_close(twice, torch.tensor([0.75, 1.25, 1.75, 2.25]))


@settings(max_examples=40, deadline=None)
@given(move=moves)
def test_scipy_gives_the_same(move):
    """Its affine_transform takes the matrix from places of the result to places of the picture."""
    angle, centre = math.radians(move.angle), (np.array(SIZE) - 1) / 2
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) / move.scale
    matrix = np.diag([1, -1 if move.mirror else 1]) @ turn
    offset = centre - matrix @ (centre + move.shift)
    for ours, theirs in zip(moved(PICTURE.double(), [move])[0], PICTURE.double()[0].numpy(), strict=True):
        other = ndimage.affine_transform(theirs, matrix, offset, order=1, mode="nearest")
        np.testing.assert_allclose(ours.numpy(), other, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(move=moves)
def test_what_is_defined_does_not_depend_on_what_lies_outside(move):
    inside = defined([move], SIZE)[0]
    padded = torch.full((1, 1, SIZE[0] + 40, SIZE[1] + 40), 1e6)
    padded[..., 20:-20, 20:-20] = PICTURE[:, :1]
    seen = moved(padded, [move])[..., 20:-20, 20:-20]
    torch.testing.assert_close(seen[0, 0][inside], moved(PICTURE, [move])[0, 0][inside], atol=1e-4, rtol=0)
    assert (seen[0, 0][~inside] > 10).float().mean() > 0.5 if (~inside).any() else True


def test_a_move_is_the_same_for_picture_and_map_and_for_each_of_a_batch():
    both = [Move(angle=7.0), Move(mirror=True, shift=(2, -3))]
    pictures = torch.cat([PICTURE, PICTURE.flip(2)])
    together = moved(pictures, both)
    for i, move in enumerate(both):
        for channel in range(2):
            alone = moved(pictures[i : i + 1, channel : channel + 1], [move])
            assert torch.equal(together[i, channel], alone[0, 0])
    assert moved(PICTURE.half(), both[:1]).dtype == torch.float16


@pytest.mark.parametrize("name", ["flip", "shift", "rotate", "scale", "noise", "window"])
def test_draws_have_a_fixed_size_and_a_direction_of_the_image(name):
    drawn = {draw_move(name, (64, 32), ("study", f"image{i}")) for i in range(40)}
    expected = {
        "flip": {Move(mirror=True)},
        "shift": {Move(shift=(a * round(64 * SHIFT), b * round(32 * SHIFT))) for a in (-1, 1) for b in (-1, 1)},
        "rotate": {Move(angle=ANGLE), Move(angle=-ANGLE)},
        "scale": {Move(scale=SCALE), Move(scale=1 / SCALE)},
    }
    assert drawn == expected.get(name, {Move()})
    assert draw_move(name, (64, 32), ("s", "a")) == draw_move(name, (64, 32), ("s", "a"))


def test_nothing_moves_under_no_move():
    assert torch.equal(moved(PICTURE, [Move()]), PICTURE) and defined([Move()], SIZE).all()
