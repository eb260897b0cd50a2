"""Damaged files of every kind become what they hold or one line that says what is wrong, never another exception.

FUZZ_EXAMPLES=5000 pytest tests/data/test_fuzz.py looks longer.
"""

import io
import os
import tarfile
import unicodedata
import zipfile
from functools import cache

import numpy as np
import pytest
from data.making import encoded, npy, write_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from heatproof.core.messages import InputError
from heatproof.data.sources import image_table, images
from heatproof.data.sources.records import LEAST, MOST, decode
from heatproof.data.sources.trees import fingerprint, open_tree
from heatproof.data.sources.truth import read_boxes, read_mask

SHAPE = (18, 20)  # height, width
NOISE = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
WINDOWS = [None, (0, 200), (-1000.0, 4095.0)]
fuzz = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@cache
def pictures() -> list[bytes]:
    """One noisy image in every mode and format that Pillow can write."""
    Image.init()
    known = sorted(set(Image.SAVE) - {"IM", "PDF"})  # IM warns that it will go
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F"]
    whole = Image.fromarray(NOISE)
    drawn = {mode: whole.convert("L" if mode in ("I;16", "LAB") else mode) for mode in modes}
    drawn["I;16"] = Image.fromarray(NOISE[..., 0].astype(np.uint16) * 100)
    drawn["LAB"] = Image.frombytes("LAB", SHAPE[::-1], NOISE.tobytes())
    options = [
        *(("TIFF", {"compression": name}) for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", "group4")),
        *(("PNG", {"exif": exif()}), ("JPEG", {"exif": exif(), "progressive": True}), ("WEBP", {"lossless": True})),
        *(("GIF", {"save_all": True, "append_images": [whole]}), ("PNG", {"save_all": True, "append_images": [whole]})),
        *((kind, {}) for kind in known),
    ]
    found = []
    for kind, extra in options:
        for image in drawn.values():
            try:
                found.append(encoded(image, kind, **extra))
            except Exception:  # most formats take some modes only
                continue
    return found


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = 6
    return tags


def archives() -> list[bytes]:
    """Zip and tar archives of two images, in every compression."""
    files = {"a/x 肺.png": encoded(Image.fromarray(NOISE)), "b/y.png": bytes(3000), "masks/y.png": b"", "b/": b""}
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        found.append(buffer.getvalue())
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
                for name, content in files.items():
                    info = tarfile.TarInfo(name if form == tarfile.USTAR_FORMAT else "long " * 30 + name)
                    info.size, info.mtime = len(content), 1.5
                    archive.addfile(info, io.BytesIO(content))
            found.append(buffer.getvalue())
    return found


@st.composite
def damaged(draw, originals: list[bytes]) -> bytes:
    """One of the originals with bytes changed, put in, taken out or cut off; or bytes that only start like one."""
    content = bytearray(draw(st.sampled_from(originals)))
    if draw(st.integers(0, 19)) == 0:
        return bytes(content[: draw(st.integers(0, 16))]) + draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 6))):
        # most of what goes wrong is in headers, at either end
        end = draw(st.sampled_from([16, 64, 600, len(content)]))
        at = draw(st.integers(0, max(0, min(end, len(content)) - 1)))
        at = len(content) - 1 - at if content and draw(st.booleans()) and draw(st.booleans()) else at
        what = draw(st.sampled_from(["flip", "set", "put", "take", "cut", "number"]))
        if what == "flip" and content:
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif what == "set":
            part = draw(st.binary(min_size=1, max_size=4))
            content[at : at + len(part)] = part
        elif what == "number":
            edges = [0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 10_000, 20]
            content[at : at + 4] = draw(st.sampled_from(edges)).to_bytes(4, draw(st.sampled_from(["big", "little"])))
        elif what == "put":
            content[at:at] = draw(st.binary(max_size=8))
        elif what == "take":
            del content[at : at + draw(st.integers(1, 40))]
        else:
            del content[at:]
    return bytes(content)


def one_line(error: InputError, start: str) -> None:
    text = str(error)
    assert text.startswith(start) and text.encode() and len(text) < 2000
    assert not {unicodedata.category(character) for character in text} & {"Cc", "Cs", "Zl", "Zp"}


@fuzz
@given(st.deferred(lambda: damaged(pictures())), st.sampled_from(WINDOWS))
def test_damaged_images(content, window):
    try:
        pixels, facts = decode(content, "x", window)
    except InputError as error:
        return one_line(error, "x: ")
    assert pixels.shape[:2] == (facts.height, facts.width) and pixels.shape[2:] in ((), (3,))
    assert min(pixels.shape[:2]) >= LEAST and pixels[..., None].shape[0] * pixels.shape[1] <= MOST
    assert pixels.dtype == np.uint8 or (window is not None and pixels.ndim == 2 and np.isfinite(pixels).all())
    assert facts.bytes == len(content) and not facts.quality < 1 and not facts.quality > 100


MASK = np.zeros(SHAPE, np.uint8)
MASK[3:9, 4:12] = 255
MASKS = [
    *(npy(MASK.astype(kind)) for kind in ("bool", "uint8", "float32", ">i4")),
    npy(np.asfortranarray(MASK)),
    npy(np.full(SHAPE, None), allow_pickle=True),
    *(encoded(Image.fromarray(MASK), kind) for kind in ("PNG", "TIFF", "GIF", "BMP")),
]


@fuzz
@given(damaged(MASKS))
def test_damaged_masks(content):
    try:
        mask = read_mask(content, "x", SHAPE)
    except InputError as error:
        return one_line(error, "x: ")
    assert mask.shape == SHAPE and mask.dtype == bool


@fuzz
@given(damaged(archives()))
def test_damaged_archives(tmp_path, content):
    source = write_folder(tmp_path, {"in": content}) / "in"
    try:
        assert len(fingerprint(source, "archive")) == 64
    except InputError as error:
        one_line(error, f"{source}: ")
    try:
        tree = open_tree(source, "archive")
    except InputError as error:
        return one_line(error, f"{source}: ")
    with tree:
        assert tree.names
        for name in tree.names:
            assert not name.startswith("/") and ".." not in name.split("/") and "\n" not in name
            name.encode()
            try:
                tree.read(name)
            except InputError as error:
                one_line(error, f"{source}: {name}: ")
        try:
            listed, _ = images.list_records(tree, {"one": "a", "two": "b"}, masks="masks")
        except InputError as error:
            return one_line(error, f"{source}: ")
        for record in listed:
            try:
                record.read()
            except InputError as error:
                one_line(error, f"{source}: ")


TABLES = [
    b'\xef\xbb\xbfpath,label,box,mask\na/x.png,0,1 2 3 4,\n"b, y.png",1,5 5 1 1;1 1 2 2,m.png\n',
    "path,label,box,mask\r\nä.png,0,,\r\nb.png,1,1e3 2 3 4,m.npy\r\n".encode(),
]
COLUMNS = {"path": "path", "label": "label", "patient": None, "mask": "mask", "box": "box"}


@fuzz
@given(damaged(TABLES))
def test_damaged_tables(tmp_path, content):
    source = write_folder(tmp_path, {"t.csv": content, "b.png": encoded(Image.fromarray(NOISE)), "m.npy": MASKS[0]})
    source = source / "t.csv"
    assert len(fingerprint(source, "table")) == 64
    try:
        listed, *_ = image_table.list_records(source, COLUMNS, {"one": "0", "two": "1"})
    except InputError as error:
        for line in str(error).split("\n"):
            one_line(InputError(line), f"{source}: ")
        return
    for record in listed:
        try:
            record.read()
        except InputError as error:
            one_line(error, f"{source}: ")


BOXES = [b"path,x,y,width,height\na.png,1,2,3,4\nb.png,1e9,-2,.5,nan\n"]


@fuzz
@given(damaged(BOXES))
def test_damaged_boxes(content):
    try:
        boxes = read_boxes(content, "x")
    except InputError as error:
        return one_line(error, "x: ")
    assert all(np.isfinite(box).all() for rows in boxes.values() for box in rows)


def test_pictures_are_of_many_kinds():
    assert len(pictures()) > 100
    kinds = set()
    for content in pictures():
        try:
            kinds.add(decode(content, "x", (0, 200))[1].format)
        except InputError:
            continue
    assert kinds == {"BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"}


@pytest.mark.parametrize("content", archives())
def test_whole_archives_are_read(tmp_path, content):
    source = write_folder(tmp_path, {"in": content}) / "in"
    with open_tree(source) as tree:
        assert [len(tree.read(name)) for name in tree.names if name.endswith("b/y.png")] == [3000]
