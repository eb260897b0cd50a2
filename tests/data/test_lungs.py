"""Lungs in slices, found without knowing the window."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as Pillow
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.data.prepare.regions import dilate, erode, find_lungs, otsu
from heatproof.data.synthetic import phantom

ARCHIVE = Path(__file__).parents[3] / "shared/data/iq_oth_nccd.zip"


def phantom_slice(patient: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A slice without lesion, and the ellipses of its lungs less the heart, in its pixels."""
    anatomy, _ = phantom.draw_patient("toy", 0, patient, "normal")
    pixels, _ = phantom.render(anatomy, None, 0.0, size, generator("noise", patient))
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    lungs = np.any([phantom._ellipse(x, y, *lung) for lung in anatomy.lungs], axis=0)
    heart_x, heart_y, heart_r = anatomy.heart
    return pixels, lungs & (np.hypot(x - heart_x, y - heart_y) >= heart_r)


@pytest.mark.parametrize("size", [48, 64, 96, pytest.param(224, marks=pytest.mark.slow)])
def test_lungs_of_phantoms(size):
    """At least one lung, but for its rim (a pixel at least), and nothing else; the other may be open to the air."""
    shares = []
    for patient in range(16):
        pixels, truth = phantom_slice(patient, size)
        found = find_lungs(pixels)
        assert (found & truth).sum() > 0.99 * found.sum()
        shares.append((found & truth).sum() / truth.sum())
    assert min(shares) > 0.25 and max(shares) > 0.75


def test_the_window_of_grey_levels_does_not_matter():
    pixels, _ = phantom_slice(1, 96)
    darker = np.rint(pixels * 0.5 + 20).astype(np.uint8)
    found, again = find_lungs(pixels), find_lungs(darker)
    assert (found ^ again).sum() < 0.02 * found.sum()


def test_a_couch_and_a_black_surround_do_not_matter():
    pixels, _ = phantom_slice(2, 96)
    found = find_lungs(pixels)
    couch = pixels.copy()
    couch[88:94, 5:91] = 255
    couch[90:92, 7:89] = 0  # hollow: dark, and enclosed by something bright
    np.testing.assert_array_equal(find_lungs(couch), found)
    body = ndimage.binary_fill_holes(ndimage.gaussian_filter(pixels.astype(float), 1) > 90)
    cut = np.where(ndimage.binary_dilation(body, iterations=2), pixels, 0).astype(np.uint8)
    assert (find_lungs(cut) ^ found).sum() < 0.02 * found.sum()


def test_what_lungs_enclose_is_not_lung():
    """Lungs that meet in front of and behind the heart; a vessel in them belongs to them."""
    y, x = np.mgrid[:96, :96] - 47.5
    pixels = np.full((96, 96), 10, np.uint8)
    pixels[np.hypot(x, y) < 44] = 200
    pixels[np.hypot(x, y) < 36] = 40
    pixels[np.hypot(x, y) < 16] = 200
    pixels[np.hypot(x - 26, y) < 2] = 200
    found = find_lungs(pixels)
    assert not found[np.hypot(x, y) < 15].any()
    assert found[np.hypot(x - 26, y) < 2].all()
    assert found[(np.hypot(x, y) > 19) & (np.hypot(x, y) < 33)].all()


def test_the_windpipe_is_not_lung():
    pixels, _ = phantom_slice(3, 96)
    found = find_lungs(pixels)
    y, x = np.mgrid[:96, :96]
    pipe = np.hypot(y - 60, x - 48) < 3.5
    assert not found[dilate(pipe, 3)].any()  # a place between the lungs
    pixels[pipe] = 0
    again = find_lungs(pixels)
    assert not again[dilate(pipe, 3)].any() and (again ^ found).sum() < 5


@pytest.mark.parametrize("pixels", [np.zeros((64, 64), np.uint8), np.full((64, 64), 255, np.uint8)])
def test_no_lung(pixels):
    assert not find_lungs(pixels).any()
    disc = np.hypot(*(np.mgrid[:64, :64] - 31.5)) < 25
    assert not find_lungs(np.where(disc, 200, pixels.min() // 2).astype(np.uint8)).any()


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, (40, 40)))
def test_anything_else_is_no_error(pixels):
    found = find_lungs(pixels)
    assert found.shape == (40, 40) and found.dtype == bool


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, 60, elements=st.integers(0, 255)))
def test_otsu_leaves_the_least_variance_within(values):
    """Against every threshold in turn, but for what a histogram of 256 bins rounds."""

    def within(threshold):
        parts = [values[values <= threshold], values[values > threshold]]
        return sum(part.size * part.var() for part in parts if part.size)

    least = min(within(threshold) for threshold in np.unique(values))
    assert least - 1e-6 <= within(otsu(values.astype(float))) <= 1.02 * least + 1e-6


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (17, 23)), st.sampled_from([1, 1.5, 2, 3.7]))
def test_dilation_and_erosion_by_discs(region, radius):
    """Against SciPy's with a disc as the structure; beyond the image erosion sees more of the region."""
    axis = np.arange(-4, 5)
    disc = np.hypot(*np.meshgrid(axis, axis)) <= radius
    np.testing.assert_array_equal(dilate(region, radius), ndimage.binary_dilation(region, disc))
    np.testing.assert_array_equal(erode(region, radius), ndimage.binary_erosion(region, disc, border_value=1))


@pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"the archive of IQ-OTH/NCCD is not at {ARCHIVE}")
def test_lungs_of_real_slices():
    """Of every tenth normal slice: found, dark, symmetric about the middle of the body more or less."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if "Normal cases" in name and name.endswith(".jpg"))
        slices = [Pillow.open(io.BytesIO(archive.read(name))).convert("L") for name in names[::10]]
    for image in slices:
        pixels = np.asarray(image.resize((96, 96), Pillow.Resampling.BILINEAR))
        found = find_lungs(pixels)
        assert 0.02 < found.mean() < 0.3
        assert np.median(pixels[found]) + 40 < np.median(pixels[dilate(found, 6) & ~dilate(found, 2)])
        assert 30 < np.argwhere(found)[:, 1].mean() < 66
