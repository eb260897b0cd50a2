"""From an image as it came to a square: windows, margins, the body, fits."""

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.data.prepare.preprocess import find_body, margins, preprocess, resize, thumbnail, to_uint8
from heatproof.data.sources.records import Facts, Image
from heatproof.data.synthetic import phantom


def image(pixels: np.ndarray, window=None) -> Image:
    return Image(pixels, None, Facts(pixels.shape[1], pixels.shape[0], "L"), "", window=window)


def test_a_window_by_hand():
    hounsfield = image(np.array([[-2000, -1000, -300, 400, 3000]], np.int16), window=(-1000.0, 400.0))
    assert to_uint8(hounsfield).tolist() == [[0, 0, 128, 255, 255]]  # -300 is half of the way: 127.5, to even
    assert to_uint8(hounsfield, (-300.0, 3000.0)).tolist() == [[0, 0, 0, 54, 255]]  # the study's goes before
    assert to_uint8(image(np.array([[0, 50, 100, 200]], np.uint8)), (50.0, 100.0)).tolist() == [[0, 0, 255, 255]]


def test_eight_bits_without_a_window_stay_as_they_are():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert to_uint8(image(pixels)) is pixels


def test_a_thumbnail_is_the_mean_over_boxes():
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96), dtype=np.uint8)
    means = pixels.reshape(32, 2, 32, 3).mean((1, 3))
    assert np.abs(thumbnail(pixels) - means).max() <= 1  # Pillow rounds twice
    colour = np.repeat(pixels[..., None], 3, axis=2)
    assert (thumbnail(colour) == thumbnail(pixels)).all()


@pytest.mark.parametrize("edges", [(0, 0, 0, 0), (3, 0, 0, 0), (0, 4, 0, 0), (0, 0, 5, 0), (0, 0, 0, 6), (1, 2, 3, 4)])
def test_margins_by_hand(edges):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    top, bottom, left, right = edges
    pixels = np.pad(pixels, ((top, bottom), (left, right)), constant_values=7)
    assert margins(pixels) == edges
    pixels[0, 0] += 2  # two grey levels are noise, three are not
    assert margins(pixels) == edges
    pixels[0, 0] += 1
    assert margins(pixels)[0] == 0 and margins(pixels)[2] == 0


def test_the_margins_of_a_flat_image_are_the_image():
    assert margins(np.full((5, 8), 9, np.uint8)) == (5, 5, 8, 8)


def slice_of(height=256, width=320, *, table=True, noise=6.0, air=30) -> tuple[np.ndarray, np.ndarray]:
    """A body with two lungs on a table, and where the body is."""
    y, x = np.mgrid[:height, :width]
    body = ((x - 160) / 120) ** 2 + ((y - 120) / 80) ** 2 < 1
    pixels = np.where(body, 190.0, air)
    for side in (-1, 1):
        pixels[((x - 160 - 55 * side) / 35) ** 2 + ((y - 120) / 45) ** 2 < 1] = 55
    if table:
        pixels[214:217, 20:300] = 200
    pixels += np.random.default_rng(0).normal(scale=noise, size=pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8), body


@pytest.mark.parametrize(("noise", "air"), [(0, 0), (6, 30), (25, 40)])
def test_the_body_is_found_without_the_table_and_with_its_lungs(noise, air):
    pixels, body = slice_of(noise=noise, air=air)
    found = find_body(pixels)
    assert (found & body).sum() / (found | body).sum() > 0.95
    assert not found[214:217].any()


def test_a_body_at_the_edge_of_the_image_is_found():
    pixels, body = slice_of(table=False)
    rows, columns = (slice(45, 195), slice(60, 260))  # cuts the body on all sides
    found = find_body(pixels[rows, columns])
    assert (found == body[rows, columns]).mean() > 0.97


def test_the_body_of_a_phantom():
    anatomy, _ = phantom.draw_patient("toy", 0, 0, "normal")
    pixels, _ = phantom.render(anatomy, None, 0.0, 128, generator("noise"))
    half_width, half_height = anatomy.body
    axis = (np.arange(128) + 0.5) / 64 - 1
    body = (axis[None] / half_width) ** 2 + (axis[:, None] / half_height) ** 2 < 1
    found = find_body(pixels)
    assert (found & body).sum() / (found | body).sum() > 0.9


def test_no_body():
    assert find_body(np.zeros((64, 64), np.uint8)) is None
    speck = np.zeros((64, 64), np.uint8)
    speck[30:40, 30:40] = 200
    assert find_body(speck) is None


OPTIONS = {"size": 64, "channels": 1, "crop": "body", "fit": "squash"}


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_how_much_air_an_image_had_cannot_be_seen_after_the_crop(fit):
    """The same slice with its table in a wide image, cut tight, and padded with black."""
    pixels, body = slice_of(noise=0)
    rows, columns = (slice(values.min(), values.max() + 1) for values in np.nonzero(body))
    shapes = [pixels, pixels[rows, columns], np.pad(pixels[rows, columns], ((0, 0), (90, 10)))]
    seen = [preprocess(shape, None, **OPTIONS | {"fit": fit})[0][0].astype(int) for shape in shapes]
    for other in seen[1:]:
        assert np.abs(seen[0] - other).mean() < 5
        assert np.abs(seen[0] - preprocess(pixels, None, size=64, channels=1, crop="none", fit=fit)[0][0]).mean() > 10


def test_what_is_not_body_is_black():
    pixels, _ = slice_of(air=60)
    seen = preprocess(pixels, None, **OPTIONS)[0]
    assert seen[0][:3, :3].max() == 0 and seen[0][-3:, -3:].max() == 0


def test_an_image_without_a_body_stays_whole():
    pixels = np.zeros((64, 64), np.uint8)
    pixels[30:40, 30:40] = 200
    assert (preprocess(pixels, None, **OPTIONS)[0][0] == pixels).all()


def test_the_mask_goes_where_the_lesion_goes():
    pixels, _ = slice_of(noise=0)
    mask = np.zeros(pixels.shape, bool)
    mask[110:122, 95:107] = True
    pixels[mask] = 255
    for crop in ("none", "body"):
        for fit in ("crop", "pad", "squash"):
            seen, moved = preprocess(pixels, mask, size=128, channels=1, crop=crop, fit=fit)[:2]
            bright = np.array(ndimage.center_of_mass(seen[0] >= 240))
            assert np.abs(bright - ndimage.center_of_mass(moved)).max() < 1, (crop, fit)


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ("crop", np.s_[:, 16:32]),
        ("pad", np.s_[8:24, 16:24]),
        ("squash", np.s_[:, 16:24]),
    ],
)
def test_a_box_lands_where_geometry_says_in_image_and_mask(fit, expected):
    """A white box from 64 to 96 in an image of 128x64 pixels."""
    drawn = np.zeros((64, 128), np.uint8)
    drawn[:, 64:96] = 255
    truth = np.zeros((32, 32), bool)
    truth[expected] = True
    seen, mask, _ = preprocess(drawn, drawn > 0, size=32, channels=1, crop="none", fit=fit)
    np.testing.assert_array_equal(mask, truth)
    np.testing.assert_array_equal(seen[0] >= 128, truth)


def test_upright_images_are_fitted_as_well():
    drawn = Pillow.new("L", (32, 64))
    drawn.paste(255, (0, 32, 32, 64))
    assert np.asarray(resize(drawn, 32, "pad"))[:, :8].max() == 0
    assert np.asarray(resize(drawn, 32, "crop"))[17:].min() > 200
    assert resize(drawn, 32, "squash").size == (32, 32)


def test_channels():
    colour = np.zeros((40, 40, 3), np.uint8)
    colour[..., 0] = 200
    grey = np.full((40, 40), 77, np.uint8)
    options = {"size": 40, "crop": "none", "fit": "pad"}
    assert preprocess(colour, None, channels=3, **options)[0][:, 0, 0].tolist() == [200, 0, 0]
    assert preprocess(colour, None, channels=1, **options)[0][:, 0, 0].tolist() == [60]  # .299 * 200
    assert preprocess(grey, None, channels=3, **options)[0][:, 0, 0].tolist() == [77, 77, 77]


def test_how_much_of_the_truth_is_left():
    """A lesion of 20x20 pixels in an image of 100x200: in the middle, half out of the square, and at the edge."""
    drawn = np.full((100, 200), 100, np.uint8)

    def kept(left: int, fit: str = "crop", size: int = 50) -> float:
        mask = np.zeros(drawn.shape, bool)
        mask[40:60, left : left + 20] = True
        return preprocess(drawn, mask, size=size, channels=1, crop="none", fit=fit)[2]

    assert (kept(90), kept(40), kept(0)) == (1, 0.5, 0)
    assert kept(0, "pad") == kept(0, "squash") == 1
    assert np.isnan(preprocess(drawn, None, size=32, channels=1, crop="none", fit="pad")[2])
    speck = np.zeros((1000, 1000), bool)
    speck[500:503, 500:503] = True  # a third of a pixel at 32 px
    assert preprocess(speck.astype(np.uint8), speck, size=32, channels=1, crop="none", fit="pad")[2] == 0


def test_truth_outside_of_the_body_is_lost_with_what_it_marks():
    pixels, body = slice_of(noise=0)
    mask = np.zeros(pixels.shape, bool)
    mask[214:217, 20:300] = True  # the table
    _, moved, kept = preprocess(pixels, mask, size=64, channels=1, crop="body", fit="pad")
    assert kept == 0 and not moved.any()
    kept = preprocess(pixels, body, size=64, channels=1, crop="body", fit="pad")[2]
    assert 0.97 < kept <= 1


def test_a_long_thin_image_is_no_crash():
    seen = preprocess(np.zeros((16, 7000), np.uint8), None, size=32, channels=1, crop="body", fit="pad")[0]
    assert seen.shape == (1, 32, 32)
