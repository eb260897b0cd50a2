"""Images, folders and archives that tests make."""

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from heatproof.core.messages import InputError


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gray(value: int = 100, size: tuple[int, int] = (40, 30)) -> bytes:
    return encoded(Image.new("L", size, value))


CLASSES = {"normal": "Normal cases", "malignant": "Malignant"}
FILES = {"Normal cases/a 1.png": gray(10), "Malignant/肺.png": gray(200)}
NOISE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
Case = Callable[[Path], tuple[Path, Callable[[], object]]]  # from a folder to the source, and what must fail


def deep(value: int = 3000, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """16 bits a pixel."""
    return encoded(Image.fromarray(np.full(size[::-1], value, np.uint16)), kind)


def array(values, dtype=np.uint8, kind: str = "PNG", **options) -> bytes:
    return encoded(Image.fromarray(np.asarray(values, dtype)), kind, **options)


def npy(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def write_folder(top: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)
    return top


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w", **facts) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in facts.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return path


def patch_zip(path: Path, *, flags: int | None = None, method: int | None = None, size: int | None = None) -> Path:
    """Change what the headers of the first entry say of it, and leave its bytes."""
    content = bytearray(path.read_bytes())
    for signature, start in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(signature) + start
        if flags is not None:
            struct.pack_into("<H", content, at, flags)
        if method is not None:
            struct.pack_into("<H", content, at + 2, method)
        if size is not None:
            struct.pack_into("<I", content, at + 16, size)
    path.write_bytes(content)
    return path


def message(function, *args, **options) -> str:
    """What the InputError says that a call must raise, in one line."""
    with pytest.raises(InputError) as caught:
        function(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
