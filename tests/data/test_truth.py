"""Masks and boxes."""

import numpy as np
import pytest
from data.making import encoded, message, npy
from PIL import Image

from heatproof.data.prepare.preprocess import OddMasks, looks_inverted
from heatproof.data.sources.truth import Box, Lesion, draw_boxes, parse_box, read_boxes, read_mask

LESION = np.zeros((30, 40), bool)
LESION[5:12, 20:33] = True


def picture(array: np.ndarray, mode: str | None = None, kind: str = "PNG") -> bytes:
    image = Image.fromarray(array)
    return encoded(image.convert(mode) if mode else image, kind)


def palette() -> bytes:
    image = Image.fromarray(LESION.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    return encoded(image)


COLOURED = np.where(LESION[..., None], np.array([128, 0, 255]), 0).astype(np.uint8)


@pytest.mark.parametrize(
    "content",
    [
        *(picture((LESION * value).astype(np.uint8)) for value in (1, 255)),
        picture(LESION),
        picture(LESION, "L", "GIF"),
        picture(LESION, "RGB"),
        picture(LESION, "RGBA"),
        picture(COLOURED),
        palette(),
        picture((LESION * 65535).astype(np.uint16)),
        picture(LESION.astype(np.float32), kind="TIFF"),
        *(npy(LESION.astype(kind)) for kind in ("bool", "uint8", "int64", "float32", ">u2")),
        npy(np.asfortranarray(LESION)),
    ],
)
def test_masks(content):
    mask = read_mask(content, "x", (30, 40))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, LESION)


def test_other_values_need_saying_which_is_lesion():
    levels = npy(np.where(LESION, 2, np.arange(40) % 2))
    np.testing.assert_array_equal(read_mask(levels, "x", (30, 40), Lesion(value=2)), LESION)
    np.testing.assert_array_equal(read_mask(npy(LESION * -2.5), "x", (30, 40), Lesion(value=-2.5)), LESION)
    blurred = picture(np.where(LESION, 250, np.arange(40) % 9).astype(np.uint8), "RGB")
    np.testing.assert_array_equal(read_mask(blurred, "x", (30, 40), Lesion(threshold=128)), LESION)
    swapped = picture(np.where(LESION, 0, 255).astype(np.uint8))
    np.testing.assert_array_equal(read_mask(swapped, "x", (30, 40), Lesion(value=0)), LESION)
    said = "x: a mask of 0, 1, 2, not of 0 and 1 or 0 and 255; set data.mask_value to the value of the lesion, or "
    assert message(read_mask, levels, "x", (30, 40)) == f"{said}data.mask_threshold to the least level of the lesion"
    assert "colours" in message(read_mask, picture(COLOURED), "x", (30, 40), Lesion(value=1))


def test_what_looks_inverted_and_what_does_not():
    lesion = np.hypot(*np.mgrid[-32:32, -32:32]) < 12
    large = np.hypot(*np.mgrid[-32:32, -32:32]) < 31  # three quarters of the image
    half = np.zeros((64, 64), bool)
    half[:, :40] = True  # a box: it leaves out nothing inside
    body = np.hypot(*np.mgrid[-32:32, -32:32]) < 30  # what cropping to the body leaves of a swapped mask
    assert [looks_inverted(mask) for mask in (lesion, large, half, ~lesion, np.ones((64, 64), bool))] == [
        False, False, False, True, False,
    ]  # fmt: skip
    assert looks_inverted(body & ~lesion) and looks_inverted(np.pad(~lesion, ((16, 0), (0, 0))))
    odd = OddMasks()
    for name, mask in {"a": lesion, "b": ~lesion, "c": np.ones((64, 64), bool)}.items():
        odd.add(name, mask)
    assert odd == OddMasks(inverted=["b"], full=["c"], count=3)


def test_a_mask_of_the_whole_image():
    assert read_mask(picture(np.full((30, 40), 255, np.uint8)), "x", (30, 40)).all()


@pytest.mark.parametrize("content", [picture(np.zeros((30, 40), np.uint8)), npy(np.zeros((30, 40)))])
def test_a_mask_of_nothing(content):
    mask = read_mask(content, "x", (30, 40))
    assert mask.shape == (30, 40) and not mask.any()


def test_a_mask_is_turned_by_its_own_exif():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    stored = Image.fromarray(LESION.astype(np.uint8) * 255).transpose(Image.Transpose.ROTATE_90)
    np.testing.assert_array_equal(read_mask(encoded(stored, exif=exif), "x", (30, 40)), LESION)


def test_boxes_by_path():
    content = "\ufeffnote,path, x,y,width,height\n,a 肺.png,1,2,3,4\n,.\\b\\c.png,0.5,0,1e1,2\n,a 肺.png,5,5,1,1\n\n"
    assert read_boxes(content.encode(), "x") == {
        "a 肺.png": [Box(1, 2, 3, 4), Box(5, 5, 1, 1)],
        "b/c.png": [Box(0.5, 0, 10, 2)],
    }


@pytest.mark.parametrize(
    "cells", [["1", "2", "3"], ["1"] * 5, ["1", "2", "3", ""], ["1", "2", "nan", "4"], ["inf"] * 4]
)
def test_what_is_no_box(cells):
    assert parse_box(cells) is None


def test_every_pixel_that_a_box_touches():
    """Pixel by pixel: [column, column + 1) x [row, row + 1) meets the box in more than an edge."""
    boxes = [
        Box(20, 5, 13, 7),
        Box(0, 0, 1, 1),
        Box(3.5, 20.2, 2, 0.1),
        Box(39.9, 29.9, 0.1, 0.1),
        Box(0.3, 10, 39.7, 1),
    ]
    expected = np.zeros((30, 40), bool)
    for row in range(30):
        for column in range(40):
            expected[row, column] = any(
                b.x < column + 1 and b.x + b.width > column + 1e-6 and b.y < row + 1 and b.y + b.height > row + 1e-6
                for b in boxes
            )
    np.testing.assert_array_equal(draw_boxes([box.marked("x", "") for box in boxes], "x", (30, 40)), expected)
    np.testing.assert_array_equal(draw_boxes([boxes[0].marked("x", "")], "x", (30, 40)), LESION)


def test_rounding_does_not_push_a_box_outside():
    edge = Box(30.1, 0, 9.9000000001, 30)
    assert edge.x + edge.width > 40
    assert draw_boxes([edge.marked("x", "")], "x", (30, 40)).sum() == 10 * 30
    assert message(draw_boxes, [Box(30.1, 0, 9.91, 30).marked("x", "")], "x", (30, 40)) == (
        "x: box 30.1 0 9.91 30: leaves the image of 40x30 pixels; fix or remove it"
    )
