"""Nodules: where they lie and how they look."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.data.synthetic.phantom import Lesion
from heatproof.data.synthetic.planted import Nodule, draw_nodule, largest_radius, render

SIZE = 96


def lungs() -> np.ndarray:
    """Two discs, the larger with a radius of 20 pixels."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return (np.hypot(y - 48, x - 24) < 20) | (np.hypot(y - 48, x - 72) < 12)


def draw(seed: int, radius=(0.03, 0.08), structure=None) -> Nodule:
    return draw_nodule(
        generator("nodule", seed), lungs(), np.zeros((SIZE, SIZE)) if structure is None else structure, radius
    )


def by_hand(nodule: Nodule, size: int) -> np.ndarray:
    """The share of each pixel, from points of the whole image."""
    finer = max(2, 512 // size)
    axis = (np.arange(size * finer) + 0.5) / (size * finer) * 2 - 1
    inside = nodule.outline.inside(*np.meshgrid(axis, axis), scale=1.0)
    return ndimage.gaussian_filter(inside.reshape(size, finer, size, finer).mean(axis=(1, 3)), nodule.blur)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9999), st.sampled_from([48, 96, 130]))
def test_rendering_a_part_of_the_image_is_rendering_all_of_it(seed, size):
    nodule = draw(seed)
    np.testing.assert_allclose(render(nodule, size), by_hand(nodule, size), atol=1e-12)


@pytest.mark.parametrize("size", [64, 96, 224, 600])
def test_a_disc_has_its_area_at_its_place(size):
    disc = Nodule(Lesion(x=-0.2, y=0.3, radius=0.15, density=0.0, waves=(), spikes=()), blur=0.6)
    share = render(disc, size)
    assert share.sum() == pytest.approx(np.pi * (0.15 / 2 * size) ** 2, rel=0.01)
    centre = ndimage.center_of_mass(share)
    assert centre == pytest.approx(((1.3 / 2) * size - 0.5, (0.8 / 2) * size - 0.5), abs=0.05)
    assert share.max() <= 1 + 1e-12 and share.min() >= 0


def test_a_nodule_beyond_the_edge_is_cut():
    cut = Nodule(Lesion(x=-0.98, y=0.99, radius=0.2, density=0.0, waves=(), spikes=()), blur=0.6)
    np.testing.assert_allclose(render(cut, 64), by_hand(cut, 64), atol=1e-12)


def test_nodules_lie_in_the_lungs():
    """Their centres at least a radius and a bit from the edge, in either lung; smooth ones wholly inside."""
    right = 0
    for seed in range(200):
        nodule = draw(seed).outline
        column, row = (nodule.x + 1) / 2 * SIZE, (nodule.y + 1) / 2 * SIZE
        rooms = [20 - np.hypot(row - 48.5, column - 24.5), 12 - np.hypot(row - 48.5, column - 72.5)]
        assert max(rooms) > 1.15 * nodule.radius / 2 * SIZE - 1.5
        assert 0.03 * 2 <= nodule.radius <= 0.08 * 2
        right += rooms[1] > rooms[0]
        if len(nodule.waves) == 1:
            assert not (render(draw(seed), SIZE) > 0.5)[~lungs()].any()
    assert 10 < right < 100  # the smaller lung has less room


def test_every_shape_is_drawn():
    outlines = [draw(seed).outline for seed in range(120)]
    spiculated = [outline for outline in outlines if outline.spikes]
    lobed = [outline for outline in outlines if len(outline.waves) == 4]
    smooth = [outline for outline in outlines if len(outline.waves) == 1]
    assert len(spiculated) + len(lobed) + len(smooth) == 120
    assert min(len(spiculated), len(lobed), len(smooth)) > 20

    def roughness(outline):
        """Perimeter squared to area, 4 pi for a disc."""
        shape = render(Nodule(outline, blur=0.5), 512) > 0.5
        rim = shape & ~ndimage.binary_erosion(shape)
        return rim.sum() ** 2 / shape.sum() / (4 * np.pi)

    means = [np.mean([roughness(outline) for outline in kind[:15]]) for kind in (smooth, lobed, spiculated)]
    assert means[0] < means[1] < means[2]


def test_no_nodule_lies_on_the_brightest_quarter():
    """A large vessel across half of a lung is left alone."""
    structure = np.zeros((SIZE, SIZE))
    structure[46:50] = 150
    for seed in range(60):
        nodule = draw(seed, radius=(0.03, 0.03), structure=structure).outline
        assert not 46 <= (nodule.y + 1) / 2 * SIZE < 50


@pytest.mark.parametrize("side", [0, 5, 16, 41])
def test_the_largest_radius(side):
    """A square of n pixels has room for n / 2 less the half pixel to the next one's middle, and a margin of 15 %."""
    square = np.zeros((80, 80), bool)
    square[10 : 10 + side, 20 : 20 + side] = True
    assert largest_radius(square) == pytest.approx((side + 1) // 2 / 80 / 1.15)


def test_the_largest_radius_can_be_drawn():
    room = largest_radius(lungs())
    for seed in range(20):
        assert draw(seed, radius=(room, room)).outline.radius == pytest.approx(2 * room)
        assert draw(seed, radius=(room, 0.5)).outline.radius == pytest.approx(2 * room)
