"""Images that cannot be used, and what is said of them; {at} stands for the source."""

import struct
import zlib
from pathlib import Path

import numpy as np
from data.making import CLASSES, FILES, NOISE, Case, array, deep, encoded, gray, write_folder
from PIL import Image

from heatproof.data.sources import images
from heatproof.data.sources.trees import open_tree


def image(content: bytes, suffix: str = ".png", **options) -> Case:
    def case(folder: Path) -> tuple:
        source = write_folder(folder / "in", FILES | {f"Malignant/b c{suffix}": content})
        listed = {record.image_id: record for record in images.list_records(open_tree(source), CLASSES, **options)[0]}
        return source, listed["Malignant/b c"].read

    return case


def wide_png(kind: int, channels: int) -> bytes:
    """16 bits a channel in a PNG of that colour type, which Pillow reads as 8 bits without a word."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = zlib.compress((b"\0" + b"\x0b\xb8" * channels * 20) * 20)
    head = struct.pack(">IIBBBBB", 20, 20, 16, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


NAN = np.full((30, 40), np.nan, np.float32)
TRANSPARENT = "{at}: Malignant/b c.png: transparent pixels; flatten it onto the background that it is meant to have"
WINDOW = "; set data.window to the values that become black and white, or convert it to 8 bits"
FRAMES = [Image.new("L", (40, 30), value) for value in (1, 2, 3)]
COLOUR = " bits a channel, in colour or with alpha; convert it to 8 bits"
MANY = "{at}: Malignant/b c.png: more than 89 million pixels, a decompression bomb; shrink or remove it"
NO_IMAGE = "{at}: Malignant/b c.png: not an image (BMP, GIF, JPEG, PNG, PNM, TIFF or WebP); fix or remove it"
EPS = encoded(Image.new("L", (40, 30)), "EPS")
IMAGES = {
    "empty": (image(b""), "{at}: Malignant/b c.png: an empty file; fix or remove it"),
    "no image": (image(b"not an image"), NO_IMAGE),
    "a program (PostScript)": (image(EPS), NO_IMAGE),
    "no PNG but its head": (image(b"\x89PNG\r\n\x1a\n" + bytes(40)), NO_IMAGE),
    "truncated PNG": (
        image(array(NOISE)[:900]),
        "{at}: Malignant/b c.png: truncated; fix or remove it",
    ),
    "truncated JPEG": (
        image(array(NOISE, kind="JPEG")[:900], ".jpg"),
        "{at}: Malignant/b c.jpg: truncated; fix or remove it",
    ),
    "damaged PNG": (
        image(gray()[:60] + b"\0\0\0" + gray()[63:]),
        "{at}: Malignant/b c.png: cannot be decoded (broken data stream when reading image file); fix or remove it",
    ),
    "bomb": (image(encoded(Image.new("1", (10_000, 10_000)))), MANY),
    "larger bomb": (image(encoded(Image.new("1", (20_000, 10_000)))), MANY),
    "1x1": (
        image(gray(1, (1, 1))),
        "{at}: Malignant/b c.png: 1x1 pixels, and nothing is seen below 16 a side; remove it",
    ),
    "narrow": (
        image(gray(1, (900, 15))),
        "{at}: Malignant/b c.png: 900x15 pixels, and nothing is seen below 16 a side; remove it",
    ),
    "16 bits": (image(deep()), "{at}: Malignant/b c.png: more than 8 bits a pixel (mode I;16)" + WINDOW),
    "16 bits in a TIFF": (
        image(deep(kind="TIFF"), ".tif"),
        "{at}: Malignant/b c.tif: more than 8 bits a pixel (mode I;16)" + WINDOW,
    ),
    "32 bits": (
        image(array(NAN, np.float32, "TIFF"), ".tiff"),
        "{at}: Malignant/b c.tiff: more than 8 bits a pixel (mode F)" + WINDOW,
    ),
    "not finite": (
        image(array(NAN, np.float32, "TIFF"), ".tiff", window=(0, 1)),
        "{at}: Malignant/b c.tiff: values that are not finite; fix or remove it",
    ),
    "16 bits in colour": (image(wide_png(2, 3)), "{at}: Malignant/b c.png: 16" + COLOUR),
    "16 bits with alpha": (image(wide_png(4, 2), window=(0, 9)), "{at}: Malignant/b c.png: 16" + COLOUR),
    "16 bits, white as 0": (
        image(
            encoded(Image.fromarray(np.zeros((30, 40), np.uint16)), "TIFF", tiffinfo={262: 0}), ".tif", window=(0, 9)
        ),
        "{at}: Malignant/b c.tif: 16 bits a pixel with white as 0; convert it to 16-bit gray PNG",
    ),
    "16 bits in a PGM": (
        image(array(np.zeros((30, 40)), np.uint16, "PPM"), ".pgm", window=(0, 9)),
        "{at}: Malignant/b c.pgm: more than 8 bits a channel in a PNM file; convert it to PNG",
    ),
    "8 bits with a window for 16": (
        image(gray(), window=(-50, 4095)),
        "{at}: Malignant/b c.png: 8 bits a pixel, and data.window is [-50, 4095]; set it within 0 to 255, or keep such "
        "images apart",
    ),
    "transparent": (image(encoded(Image.new("RGBA", (40, 30), (255, 0, 0, 254)))), TRANSPARENT),
    "transparent gray": (image(encoded(Image.new("LA", (40, 30), (255, 0)))), TRANSPARENT),
    "transparent colour of a palette": (image(encoded(Image.new("P", (40, 30), 0), transparency=0)), TRANSPARENT),
    "transparent 16 bits": (
        image(
            array(np.full((30, 40), 7), np.uint16, transparency=7),
            window=(0, 9),
        ),
        TRANSPARENT,
    ),
    "animated": (
        image(encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]), ".gif"),
        "{at}: Malignant/b c.gif: 3 frames in one file; store one image a file",
    ),
    "many pages": (
        image(encoded(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), ".tif"),
        "{at}: Malignant/b c.tif: 3 frames in one file; store one image a file",
    ),
}
