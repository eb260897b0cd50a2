"""What every source of images gives: records that are listed first and decoded one by one, from the bytes of a file to
pixels, or to one line that says what is wrong with them."""

import hashlib
import io
import logging
import mmap
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from heatproof.core.messages import InputError, reason, setting

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
MOST = 89_478_485  # pixels, Pillow's own limit: a decompression bomb above it
LEAST = 16  # pixels a side
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # others run programs (EPS) or are no pictures
_GRAY = ("1", "L", "LA", "La")
logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it has to say comes as one line of ours


@dataclass(frozen=True)
class Facts:
    """What a file tells about itself.

    width, height: in pixels; mode: Pillow's, or a DICOM photometric interpretation; format: JPEG, PNG, DICOM, ...;
    quality: estimate of the JPEG quality, 1 to 100, NaN where there is none; bytes: size of the file.
    """

    width: int
    height: int
    mode: str
    format: str = ""
    quality: float = float("nan")
    bytes: int = 0


@dataclass(frozen=True)
class Image:
    """One decoded image, at its own size.

    pixels: [height, width] or [height, width, 3], uint8, or of another number type with a window;
    mask: bool [height, width], or None without truth; truth: mask, box or none;
    sha256: of its file, or of its pixels where there is none; window: the values that become 0 and 255;
    patient: as its header tells, pseudonymized; uid: SOP instance UID of a DICOM file, to find its regions, likewise;
    about: what the study reads of a DICOM header by name, such as the view.
    """

    pixels: np.ndarray
    mask: np.ndarray | None
    facts: Facts
    sha256: str
    truth: str = "none"
    window: tuple[float, float] | None = None
    patient: str | None = None
    uid: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Region:
    """What one reader drew of one label in an image.

    labels: indices of the label and of all that it is a kind of; draw: takes (height, width) of the image as decoded to
    bool [height, width], raises InputError, None where there are points alone; reader: "" where nobody is named;
    kind: mask or box; instances: how many were drawn, None: as many as there are connected parts; points: takes
    (height, width) to the most representative points, float64 [points, 2], x and y in pixels, or None.
    """

    labels: tuple[int, ...]
    draw: Callable[[tuple[int, int]], np.ndarray] | None
    reader: str
    kind: str
    instances: int | None = None
    points: Callable[[tuple[int, int]], np.ndarray] | None = None


@dataclass(frozen=True, slots=True)
class MarkedBox:
    """A finding that somebody boxed, in pixels of the original image from its upper left corner.

    image: id of its record; label: its name in `data.classes`, "" where that is not declared; reader: who marked it,
    "" where nobody is named; size: width and height of the original image where the source states them, None: those
    of the image as decoded.
    """

    image: str
    label: str
    x0: float
    y0: float
    x1: float
    y1: float
    reader: str = ""
    size: tuple[float, float] | None = None


@dataclass(frozen=True)
class Record:
    """One image to be decoded.

    Its id, where it stands in the source, its label's index (of a multilabel study the indices of all its labels), its
    patient, if known, and its licence, None where the source names none; its split, train, val or test, where that is
    given; the indices of the labels that its mask or box marks, None where that is not declared; its boxes, of several
    labels and readers, where no mask is taken before them; what else a table holds of it, by column, such as the view;
    its regions by label and reader, from annotation files, boxes or masks by label, None where there are none of these;
    and the readers who looked at it, whether they drew or not.
    """

    image_id: str
    source: str
    label: int | tuple[int, ...]
    patient: str | None
    read: Callable[[], Image]
    license: str | None = None
    split: str | None = None
    marks: tuple[int, ...] | None = None
    boxes: tuple[MarkedBox, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[Region, ...] | None = None
    readers: tuple[str, ...] = ()


class Rows:
    """What is known of each image, row by row, in a file that goes by itself: memory does not grow with the images.

    Args:
        most: the most rows there can be.
        several: whether `label` holds the indices of several labels.
    """

    BATCH = 128  # rows that are written together

    def __init__(self, most: int, several: bool = False):
        text, number = pa.large_string(), pa.int64()  # as pandas holds text: nothing is copied
        columns = dict.fromkeys(("image_id", "sha256", "source"), text)
        columns |= {"label": pa.list_(number) if several else number, "patient": text, "truth": text}
        columns |= {"width": number, "height": number, "mode": text, "format": text, "quality": pa.float64()}
        columns |= dict.fromkeys(("bytes", "top", "bottom", "left", "right"), number)
        self._schema = pa.schema(columns | {"truth_kept": pa.float64(), "cue": pa.bool_()})
        self._waiting: list[dict] = []
        self._pixels = np.empty(most, np.uint64)  # the first 64 bits of each digest
        self._count = 0

    def __enter__(self) -> Self:
        self._file = TemporaryFile()
        self._writer = pa.ipc.new_stream(self._file, self._schema)
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, row: dict, pixels: bytes) -> None:
        """Add a row: the columns of the table, and the image's decoded pixels with their shape as bytes."""
        self._pixels[self._count] = int.from_bytes(hashlib.sha256(pixels).digest()[:8])
        self._count += 1
        self._waiting.append(row)
        if len(self._waiting) == self.BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._waiting, schema=self._schema))
            self._waiting = []

    def frame(self) -> pd.DataFrame:
        """All rows, read from the file as they are used, and `same_pixels`: the first row with equal decoded pixels."""
        self._flush()
        self._writer.close()
        self._file.flush()
        found = pa.ipc.open_stream(pa.py_buffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)))
        table = found.read_all()
        frame = table.to_pandas(split_blocks=True, self_destruct=True)
        _, first, which = np.unique(self._pixels[: self._count], return_index=True, return_inverse=True)
        return frame.assign(same_pixels=first[which])


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
