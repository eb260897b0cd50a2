"""What images become, and what their files tell."""

import io

import numpy as np
import pytest
from data.making import deep, encoded, gray, message
from PIL import Image

from heatproof.data.sources.records import LEAST, decode, jpeg_quality

RED = (255, 0, 0)


def plain(mode: str, color) -> Image.Image:
    return Image.new(mode, (20, 30), color)


@pytest.mark.parametrize(
    ("image", "kind", "value"),
    [
        (plain("L", 90), "PNG", 90),
        (plain("L", 90), "TIFF", 90),
        (plain("L", 90), "BMP", 90),
        (plain("L", 90), "PPM", 90),
        (plain("1", 1), "PNG", 255),
        (plain("LA", (90, 255)), "PNG", 90),
    ],
    ids=["PNG", "TIFF", "BMP", "PGM", "1 bit", "opaque alpha"],
)
def test_grays(image, kind, value):
    pixels, facts = decode(encoded(image, kind), "x")
    assert pixels.dtype == np.uint8 and pixels.shape == (30, 20) and (pixels == value).all()
    assert (facts.width, facts.height, facts.mode, facts.format) == (20, 30, image.mode, kind)
    assert facts.bytes == len(encoded(image, kind)) and np.isnan(facts.quality)


@pytest.mark.parametrize(
    ("image", "kind", "options"),
    [
        (plain("RGB", RED), "PNG", {}),
        (plain("RGB", RED), "WEBP", {"lossless": True}),
        (plain("RGB", RED), "PPM", {}),
        (plain("RGBA", (*RED, 255)), "PNG", {}),
        (plain("RGB", RED).convert("P", palette=Image.Palette.ADAPTIVE), "PNG", {}),
        (plain("RGB", RED).convert("P", palette=Image.Palette.ADAPTIVE), "GIF", {}),
        (plain("RGB", RED).convert("P", palette=Image.Palette.ADAPTIVE), "PNG", {"transparency": 200}),
        (plain("CMYK", (0, 255, 255, 0)), "TIFF", {}),
    ],
    ids=["PNG", "WebP", "PPM", "opaque alpha", "palette", "GIF", "transparent colour of no pixel", "CMYK"],
)
def test_colours(image, kind, options):
    pixels, facts = decode(encoded(image, kind, **options), "x")
    assert pixels.dtype == np.uint8 and pixels.shape == (30, 20, 3) and (pixels == RED).all()
    assert facts.format == kind and facts.mode == image.mode


def test_a_cmyk_jpeg_is_not_inverted():
    pixels, facts = decode(encoded(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), "x")
    assert facts.mode == "CMYK" and np.abs(pixels.astype(int) - RED).max() < 6


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (deep(3000), np.uint16),
        (deep(3000, kind="TIFF"), np.uint16),
        (encoded(Image.fromarray(np.full((30, 40), 3000, ">u2")), "TIFF"), np.uint16),
        (encoded(Image.fromarray(np.full((30, 40), 3000, np.int32)), "TIFF"), np.int32),
        (encoded(Image.fromarray(np.full((30, 40), 3000, np.float32)), "TIFF"), np.float32),
    ],
    ids=["PNG", "TIFF", "big-endian", "int32", "float32"],
)
def test_more_than_8_bits_keep_their_values(content, kind):
    pixels, _ = decode(content, "x", (0, 4095))
    assert pixels.dtype == kind and pixels.shape == (30, 40) and (pixels == 3000).all()


def test_8_bits_go_with_a_window_within_them():
    pixels, _ = decode(gray(90), "x", (50, 200))
    assert pixels.dtype == np.uint8 and (pixels == 90).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns(kind, orientation):
    """Each of the eight orientations shows the same picture: its upper left quarter is white."""
    upright = np.zeros((32, 64), np.uint8)
    upright[:16, :32] = 255
    stored = {  # what a camera held that way stores, by the names of TIFF 6.0: where row 0 and column 0 lie
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, facts = decode(encoded(Image.fromarray(stored), kind, exif=exif), "x")
    assert (facts.width, facts.height) == (64, 32)
    flat = pixels if pixels.ndim == 2 else pixels[..., 0]
    assert np.abs(flat.astype(int) - upright).max() < 60, "JPEG and WebP lose a little"


def test_the_format_is_told_by_the_content():
    assert decode(gray(), "x.jpg")[1].format == "PNG"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_the_quality_of_a_jpeg_is_exact_for_libjpeg(mode):
    for quality in range(1, 101):
        content = encoded(plain(mode, 90 if mode == "L" else RED), "JPEG", quality=quality)
        assert decode(content, "x")[1].quality == quality


def test_the_quality_of_other_tables():
    assert np.isnan(jpeg_quality(None)) and np.isnan(jpeg_quality({})) and np.isnan(jpeg_quality({0: [1, 2]}))
    assert jpeg_quality({0: [1] * 64}) == 100 and jpeg_quality({0: [255] * 64}) < 6
    doubled = encoded(plain("L", 9), "JPEG", qtables=[[16] * 64])
    assert 70 < decode(doubled, "x")[1].quality < 100


def test_the_smallest_image():
    assert decode(gray(1, (LEAST, LEAST)), "x")[0].shape == (16, 16)
    assert message(decode, gray(1, (LEAST - 1, 99)), "x").startswith("x: 15x99 pixels, and nothing is seen below 16")


def test_decoding_says_nothing_else(capfd, recwarn):
    """Pillow warns of damaged metadata, and libtiff writes to standard error."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0e\x01\x02\0\xff\xff\0\0\0\0"
    broken = bytearray(encoded(plain("L", 9), "TIFF", compression="tiff_lzw"))
    broken[8:40] = b"\xff" * 32
    for content in (encoded(plain("L", 9), "JPEG", exif=exif), bytes(broken)):
        try:
            decode(content, "x")
        except ValueError as error:
            assert str(error).startswith("x: ")
    said = capfd.readouterr()
    assert said.out == said.err == "" and not recwarn.list


def test_errors_of_any_kind_become_one_line(monkeypatch):
    for error in (MemoryError(), RecursionError("deep\ndown"), SyntaxError("broken"), KeyError(3)):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr("PIL.Image.open", fail)
        text = " ".join(str(error).split()) or type(error).__name__
        assert message(decode, b"x", "x") == f"x: cannot be decoded ({text}); fix or remove it"


def test_pixels_may_be_written_to():
    pixels, _ = decode(gray(), "x")
    pixels[0] = 1
    assert io.BytesIO(pixels.tobytes()).read(1) == b"\x01"
