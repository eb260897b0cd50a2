"""From the bytes of a file to pixels, or to one line that says what is wrong with them; how strongly a JPEG was
compressed."""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from heatproof.core.messages import InputError, reason, setting
from heatproof.data.sources.records import Facts

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MOST = 89_478_485  # pixels, Pillow's own limit: a decompression bomb above it
LEAST = 16  # pixels a side
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # others run programs (EPS) or are no pictures
_GRAY = ("1", "L", "LA", "La")
logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it has to say comes as one line of ours


def decode(content: bytes, where: str, window: tuple[float, float] | None = None) -> tuple[np.ndarray, Facts]:
    """Decode one image as a viewer shows it: turned by its EXIF, palette and CMYK as colours, 1 bit as 0 and 255.

    What a file is, its content tells and not its name. An alpha channel must be opaque everywhere, and is dropped:
    what stands behind a transparent pixel is not known.

    Args:
        content: of the file.
        where: names the file in errors.
        window: the values that will become black and white; needed by, and only of wider use for, more than 8 bits.

    Returns:
        pixels: [height, width] or [height, width, 3] uint8, or [height, width] of a wider type.
        facts: mode and format of the file; width and height of the pixels.

    Raises:
        InputError: not an image or damaged; smaller than `LEAST` a side or above `MOST` pixels; more than one
            frame; transparent; more than 8 bits in colour, or in gray without a window; values not finite;
            8 bits with a window beyond 0 to 255.
    """
    image, facts = open_image(content, where)
    if min(image.size) < LEAST:
        raise InputError(
            f"{where}: {image.width}x{image.height} pixels, and nothing is seen below {LEAST} a side; remove it"
        )
    if image.mode.startswith(("I", "F")):
        return _wide_pixels(image, facts, where, window), facts
    if window is not None and not (window[0] >= 0 and window[1] <= 255):
        raise InputError(
            f"{where}: 8 bits a pixel, and {setting('data.window')} is [{window[0]:g}, {window[1]:g}]; set it within "
            "0 to 255, or keep such images apart"
        )
    with _one_line(where):
        return np.array(_opaque(image, where).convert("L" if image.mode in _GRAY else "RGB")), facts


def open_image(content: bytes, where: str) -> tuple[Pillow.Image, Facts]:
    """Decode the one frame of an image, turned as its EXIF says, in the mode that it has.

    Raises:
        InputError: as `decode`, where it does not depend on a window or the image's use.
    """
    if not content:
        raise InputError(f"{where}: an empty file; fix or remove it")
    with _one_line(where):
        image = Pillow.open(io.BytesIO(content), formats=_FORMATS)
        if image.width * image.height > MOST:
            raise Pillow.DecompressionBombError
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise InputError(f"{where}: {frames} frames in one file; store one image a file")
        _check_depth(image, content, where)
        mode, kind, quality = image.mode, image.format or "", jpeg_quality(getattr(image, "quantization", None))
        with _quiet() if kind == "TIFF" else nullcontext():
            image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return image, Facts(image.width, image.height, mode, kind, quality, len(content))


@contextmanager
def _quiet() -> Iterator[None]:
    """libtiff writes what it thinks of a damaged file to standard error; the exception that follows is enough."""
    with Path(os.devnull).open("w") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    """Whatever a damaged file causes becomes one line; Pillow lets through exceptions of any kind."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except Pillow.DecompressionBombError:
        raise InputError(
            f"{where}: more than {MOST // 10**6} million pixels, a decompression bomb; shrink or remove it"
        ) from None
    except UnidentifiedImageError:
        raise InputError(f"{where}: not an image (BMP, GIF, JPEG, PNG, PNM, TIFF or WebP); fix or remove it") from None
    except Exception as error:
        if "truncated" in str(error).lower():
            raise InputError(f"{where}: truncated; fix or remove it") from None
        raise InputError(f"{where}: cannot be decoded ({reason(error)}); fix or remove it") from None


def _check_depth(image: Pillow.Image, content: bytes, where: str) -> None:
    """Refuse more than 8 bits where Pillow would cut them to 8 without a word, or change their values."""
    tags = getattr(image, "tag_v2", {})
    wide = image.mode.startswith(("I", "F"))
    if image.format == "PPM":
        arguments = image.tile[0][3]
        if wide or (isinstance(arguments, tuple) and arguments[-1] > 255):  # the largest value
            raise InputError(f"{where}: more than 8 bits a channel in a PNM file; convert it to PNG")
        return
    bits = content[content.index(b"IHDR") + 12] if image.format == "PNG" else max(np.atleast_1d(tags.get(258, 8)))
    if bits > 8 and not wide:
        raise InputError(f"{where}: {bits} bits a channel, in colour or with alpha; convert it to 8 bits")
    if wide and tags.get(262) == 0:
        raise InputError(f"{where}: {bits} bits a pixel with white as 0; convert it to 16-bit gray PNG")


def _wide_pixels(image: Pillow.Image, facts: Facts, where: str, window: tuple[float, float] | None) -> np.ndarray:
    if window is None:
        raise InputError(
            f"{where}: more than 8 bits a pixel (mode {facts.mode}); "
            f"{setting('data.window', 'the values that become black and white')}, or convert it to 8 bits"
        )
    with _one_line(where):
        pixels = np.array(image)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    if not np.isfinite(pixels).all():
        raise InputError(f"{where}: values that are not finite; fix or remove it")
    if (pixels == image.info.get("transparency")).any():
        raise _transparent(where)
    return pixels


def _opaque(image: Pillow.Image, where: str) -> Pillow.Image:
    if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] < 255:
        raise _transparent(where)
    return image


def _transparent(where: str) -> InputError:
    return InputError(f"{where}: transparent pixels; flatten it onto the background that it is meant to have")


# Table K.1 of ITU-T T.81, by rows: what the IJG library (libjpeg) scales for a quality
_LUMINANCE = np.array(
    [
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    ]
)


def _tables() -> np.ndarray:
    """[100, 64]: the table of each quality from 1 to 100, as libjpeg's `jpeg_set_quality` makes it."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((_LUMINANCE * scale[:, None] + 50) // 100, 1, 255)


def jpeg_quality(quantization: dict[int, list[int]] | None) -> float:
    """The IJG quality, 1 to 100, whose luminance table is nearest (sum of absolute differences).

    Exact for what libjpeg wrote; an estimate for other encoders, which have tables of their own.

    Args:
        quantization: tables by number, as Pillow gives them; 0 is the luminance.

    Returns:
        NaN without a table of 64 values.
    """
    table = (quantization or {}).get(0)
    if table is None or len(table) != 64:
        return float("nan")
    return float(np.abs(_tables() - np.asarray(table)).sum(axis=1).argmin() + 1)
