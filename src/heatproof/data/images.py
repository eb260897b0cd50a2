"""Archives and folders with one sub-folder a class, and the decoding of their images."""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from heatproof.data.fingerprint import list_folder, open_zip
from heatproof.data.records import Image, Record
from heatproof.errors import InputError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def list_records(
    source: Path,
    kind: str,
    classes: dict[str, str],
    *,
    masks: str | None,
    patient: str | None,
    size: int,
    channels: int,
    fit: str,
) -> list[Record]:
    """List the images of a zip archive or a folder.

    An image belongs to the class whose folder name is the name of the folder that it lies in. A
    mask has the image's name (its suffix aside) and lies below the folder called `masks`, either
    at once or in a folder of the class's name.

    Raises:
        InputError: the source is not there or not of its kind, a class has no image, two images
            have one id or one mask, no image has one, or a file name does not hold a patient.
    """
    names, opener = _archive(source) if kind == "archive" else _folder(source)
    folders = {folder: label for label, folder in enumerate(classes.values())}
    mask_names = _mask_names(source, names, masks)
    masked: dict[str, str] = {}
    records: dict[str, Record] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.suffix.lower() not in SUFFIXES or _hidden(path) or (masks and masks in path.parts):
            continue
        label = folders.get(path.parent.name)
        if label is None:
            continue
        image_id = f"{path.parent.name}/{path.stem}"
        if image_id in records:
            raise InputError(f"{source}: {name} and {records[image_id].source} have one id; rename one of them")
        mask = mask_names.get((path.parent.name, path.stem)) or mask_names.get(("", path.stem))
        if mask is not None and masked.setdefault(mask, name) != name:
            raise InputError(
                f"{source}: {mask} is the mask of {masked[mask]} and of {name}; put masks into a folder a class"
            )
        records[image_id] = Record(
            image_id=image_id,
            source=name,
            label=label,
            group=_patient(patient, name) if patient else image_id,
            read=lambda name=name, mask=mask: _read(source, opener, name, mask, size, channels, fit),
        )
    counts = [sum(record.label == label for record in records.values()) for label in range(len(folders))]
    for (label, folder), count in zip(classes.items(), counts, strict=True):
        if not count:
            shown = (PurePosixPath(name) for name in names)
            found = sorted({path.parent.name for path in shown if path.parent.name and not _hidden(path)})
            raise InputError(
                f"{source}: data.classes.{label}: no image in a folder called {folder!r}; folders there: "
                f"{', '.join(found[:8]) or 'none'}"
            )
    if masks and not masked:
        raise InputError(f"{source}: data.masks: no file below a folder called {masks!r} has the name of an image")
    return list(records.values())


def _archive(source: Path) -> tuple[list[str], Callable[[str], bytes]]:
    archive = open_zip(source)
    return [info.filename for info in archive.infolist() if not info.is_dir()], archive.read


def _folder(source: Path) -> tuple[list[str], Callable[[str], bytes]]:
    return list_folder(source), lambda name: (source / name).read_bytes()


def _hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _mask_names(source: Path, names: list[str], masks: str | None) -> dict[tuple[str, str], str]:
    """Mask files by (class folder or nothing, stem)."""
    found: dict[tuple[str, str], str] = {}
    for name in names:
        path = PurePosixPath(name)
        if masks and masks in path.parts and path.suffix.lower() in SUFFIXES and not _hidden(path):
            parent = path.parent.name
            key = ("" if parent == masks else parent, path.stem)
            if found.setdefault(key, name) != name:
                raise InputError(f"{source}: {found[key]} and {name} are masks of one image; rename one of them")
    return found


def _patient(pattern: str, name: str) -> str:
    match = re.search(pattern, PurePosixPath(name).name)
    if not match or not match[1]:
        raise InputError(f"{name}: data.patient {pattern!r} finds no patient in this file name")
    return match[1]


def _decode(source: Path, opener: Callable[[str], bytes], name: str) -> tuple[Pillow.Image, str]:
    try:
        content = opener(name)
        image = ImageOps.exif_transpose(Pillow.open(io.BytesIO(content)))
    except Exception as error:  # of any kind: Pillow and zipfile let through whatever a damaged file causes
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{source}: {name}: cannot be decoded ({reason}); mend or remove it") from None
    if image.mode.startswith("I") or image.mode == "F":
        raise InputError(f"{source}: {name}: more than 8 bits a pixel ({image.mode}); convert it to 8 bits")
    return image, hashlib.sha256(content).hexdigest()


def _read(source, opener, name, mask_name, size, channels, fit) -> Image:
    image, sha256 = _decode(source, opener, name)
    width, height = image.size
    pixels = np.asarray(resize(image.convert("L" if channels == 1 else "RGB"), size, fit))
    mask = None
    if mask_name is not None:
        drawn = _decode(source, opener, mask_name)[0]
        if drawn.size != image.size:
            raise InputError(
                f"{source}: {mask_name}: {drawn.size[0]}x{drawn.size[1]} pixels, its image has {width}x{height}"
            )
        binary = drawn.convert("L").point(lambda value: 255 * (value > 0))
        mask = np.asarray(resize(binary, size, fit)) >= 128
    return Image(pixels.reshape(size, size, channels).transpose(2, 0, 1), mask, width, height, sha256)


def resize(image: Pillow.Image, size: int, fit: str) -> Pillow.Image:
    """Make an image square: `crop` its middle, `pad` it with black, or `squash` it (its shape is lost)."""
    method = Pillow.Resampling.BILINEAR
    if fit == "crop":
        return ImageOps.fit(image, (size, size), method)
    if fit == "pad":
        return ImageOps.pad(image, (size, size), method, color=0)
    return image.resize((size, size), method)
