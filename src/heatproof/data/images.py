"""Archives and folders with one sub-folder a class, and the decoding of their images."""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from heatproof.data.listing import list_images, open_zip
from heatproof.data.records import Image, Record
from heatproof.errors import InputError


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

    An image belongs to the class whose folder is the nearest above it. Its mask lies below the folder
    called `masks` at the same place and with the same name, suffix aside: `masks/<class folder>/<name>`,
    or `masks/<name>`.

    Raises:
        InputError: the source is not there or not of its kind, a class has no image, two images
            have one id or one mask, a mask fits no image, or a file name does not hold a patient.
    """
    names = list_images(source, kind)
    opener = open_zip(source).read if kind == "archive" else lambda name: (source / name).read_bytes()
    folders = {folder: label for label, folder in enumerate(classes.values())}
    drawn = _masks(source, names, masks)
    waiting = dict(drawn)
    records: dict[str, Record] = {}
    for name in names:
        parents = PurePosixPath(name).parent.parts
        if masks in parents:
            continue
        depth = max((index for index, part in enumerate(parents) if part in folders), default=None)
        if depth is None:
            continue
        below = PurePosixPath(name).with_suffix("").relative_to(PurePosixPath(*parents[: depth + 1])).as_posix()
        image_id = f"{parents[depth]}/{below}"
        if image_id in records:
            raise InputError(f"{source}: {name} and {records[image_id].source} have one id; rename one of them")
        mask = drawn.get(image_id) or drawn.get(below)
        if mask is not None and waiting.pop(image_id if image_id in drawn else below, None) is None:
            raise InputError(f"{source}: {mask} is the mask of two images; put masks into a folder a class")
        records[image_id] = Record(
            image_id=image_id,
            source=name,
            label=folders[parents[depth]],
            group=_patient(patient, name) if patient else image_id,
            read=lambda name=name, mask=mask: _read(source, opener, name, mask, size, channels, fit),
        )
    _check_classes(source, names, classes, masks, {record.label for record in records.values()})
    stems = {PurePosixPath(name).stem for name in names if masks not in PurePosixPath(name).parent.parts}
    lost = [name for name in waiting.values() if PurePosixPath(name).stem not in stems]
    if masks and (lost or not drawn):
        what = f"{len(lost)} masks fit no image, such as {lost[0]}" if lost else f"no image below a folder {masks!r}"
        raise InputError(f"{source}: data.masks: {what}; a mask has the name of its image")
    return list(records.values())


def _check_classes(source: Path, names: list[str], classes: dict[str, str], masks: str | None, seen: set[int]) -> None:
    for label, (name, folder) in enumerate(classes.items()):
        if label not in seen:
            parents = (PurePosixPath(image).parent for image in names)
            found = sorted({path.name for path in parents if path.name and masks not in path.parts})
            raise InputError(
                f"{source}: data.classes.{name}: no image in a folder called {folder!r}; folders there: "
                f"{', '.join(found[:8]) or 'none'}"
            )


def _masks(source: Path, names: list[str], masks: str | None) -> dict[str, str]:
    """Mask files by their place below the folder of masks, without suffix."""
    found: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        if masks is not None and masks in path.parent.parts:
            below = PurePosixPath(*path.parts[path.parts.index(masks) + 1 :]).with_suffix("").as_posix()
            if found.setdefault(below, name) != name:
                raise InputError(f"{source}: {found[below]} and {name} are masks of one image; rename one of them")
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
    except UnidentifiedImageError:
        raise InputError(f"{source}: {name}: not an image; mend or remove it") from None
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
