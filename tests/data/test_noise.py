"""Noise told from structure, and noise made anew."""

import numpy as np
import pytest
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.data.synthetic.planted import new_noise, split_noise

SIZE = 128
EVERYWHERE = np.ones((SIZE, SIZE), bool)


def correlated(*key, spread: float = 8.0) -> np.ndarray:
    noise = ndimage.gaussian_filter(generator("test", *key).normal(size=(SIZE, SIZE)), 0.7, mode="wrap")
    return noise / noise.std() * spread


def lag(noise: np.ndarray, down: int, right: int) -> float:
    """Correlation of pixels a step apart, by their pairs."""
    here, there = noise[: SIZE - down, : SIZE - right], noise[down:, right:]
    return np.corrcoef(here.ravel(), there.ravel())[0, 1]


def test_new_noise_has_amplitude_and_correlation_of_the_old():
    old = correlated("old")
    new = [new_noise(generator("new", i), old, np.ones_like(old), EVERYWHERE) for i in range(4)]
    assert np.mean([noise.std() for noise in new]) == pytest.approx(old.std(), rel=0.05)
    for step in [(0, 1), (1, 0), (1, 1), (0, 2), (2, 0)]:
        assert np.mean([lag(noise, *step) for noise in new]) == pytest.approx(lag(old, *step), abs=0.06)
    for noise in new:
        assert abs(np.corrcoef(noise.ravel(), old.ravel())[0, 1]) < 0.05


def test_direction_is_kept():
    """Noise in streaks stays in streaks."""
    old = ndimage.gaussian_filter1d(generator("streaks").normal(size=(SIZE, SIZE)), 1.0, axis=1)
    new = new_noise(generator("new"), old, np.ones_like(old), EVERYWHERE)
    assert lag(new, 0, 1) > 0.6 and abs(lag(new, 1, 0)) < 0.1


def test_amplitude_follows_the_place():
    old = correlated("old")
    old[:, SIZE // 2 :] *= 3
    new = new_noise(generator("new"), old, np.ones_like(old), EVERYWHERE)
    left, right = new[:, : SIZE // 2 - 12], new[:, SIZE // 2 + 12 :]
    assert right.std() / left.std() == pytest.approx(3, rel=0.15)


def test_correlation_is_measured_in_the_region_alone():
    old = correlated("old")
    other = old.copy()
    other[:, 70:] = generator("white").normal(size=(SIZE, SIZE - 70)) * 8
    region = np.zeros((SIZE, SIZE), bool)
    region[:, :70] = True
    new = new_noise(generator("new"), other, np.ones_like(old), region)
    assert lag(new, 0, 1) == pytest.approx(lag(old[:, :70].repeat(2, 1)[:, :SIZE], 1, 0), abs=0.1)


def test_without_noise_there_is_none():
    nothing = np.zeros((SIZE, SIZE))
    assert not new_noise(generator("new"), nothing, np.ones_like(nothing), EVERYWHERE).any()
    assert not new_noise(generator("new"), nothing, nothing, np.zeros_like(EVERYWHERE)).any()


def test_structure_is_not_noise():
    """A vessel stays in the structure, and an edge as high as before; of noise without them nearly all is taken."""
    noise = correlated("old", spread=5.0)
    scene = np.full((SIZE, SIZE), 60.0)
    scene[:, :20] = 200
    scene[60:62, 40:100] = 180
    pixels = np.rint(scene + noise).astype(np.uint8)
    taken, smooth = split_noise(pixels, EVERYWHERE)
    assert not taken[60:62, 45:95].any() and not smooth[60:62, 45:95].any()
    structure = pixels - taken
    assert structure[:, 19].mean() == pytest.approx(200, abs=2) and structure[:, 20].mean() == pytest.approx(60, abs=2)
    plain = np.s_[80:, 40:]
    assert smooth[plain].mean() > 0.95
    assert (taken != 0).sum() <= smooth.sum()
    fine = pixels - ndimage.gaussian_filter(pixels.astype(float), 1.5)
    assert (np.abs(taken - fine)[plain][smooth[plain] == 1] < 1).mean() > 0.97
    assert set(np.unique(smooth)) == {0.0, 1.0}


def test_the_spread_is_that_of_the_region():
    """Loud noise elsewhere does not make an edge in the region pass as noise."""
    pixels = np.full((SIZE, SIZE), 60.0) + correlated("old", spread=2.0)
    pixels[:, 64:] += correlated("loud", spread=30.0)[:, 64:]
    pixels[30, 20:40] = 90
    pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    quiet = np.zeros((SIZE, SIZE), bool)
    quiet[:, :60] = True
    assert not split_noise(pixels, quiet)[1][30, 20:40].any()
    assert split_noise(pixels, ~quiet)[1][30, 20:40].all()


def test_noise_beside_a_vessel_has_no_mean():
    """The mean of the surroundings is too bright there."""
    noise = correlated("old", spread=5.0)
    scene = np.full((SIZE, SIZE), 60.0)
    scene[60:62] = 180
    taken, smooth = split_noise(np.rint(scene + noise).astype(np.uint8), EVERYWHERE)
    for row in (57, 58, 63, 64):
        assert abs(taken[row][smooth[row] == 1].mean()) < 1.5
