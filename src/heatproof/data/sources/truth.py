"""Where the lesion is: masks and boxes."""

import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from heatproof.core.messages import InputError, bare, clean, listed
from heatproof.data.sources.places import Masks
from heatproof.data.sources.records import MarkedBox, Region, open_image
from heatproof.data.sources.rows import parse_numbers, read_rows

_SLACK = 1e-6  # pixels: what rounding may add to a box


class Box(NamedTuple):
    """In pixels of the image as decoded, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    def marked(self, image: str, label: str) -> MarkedBox:
        """The box as a finding."""
        return MarkedBox(image, label, self.x, self.y, self.x + self.width, self.y + self.height)


Line = tuple[int, ...]  # indices of a label and of all that it is a kind of


class Lesion(NamedTuple):
    """Which values of a mask are lesion: this one, or all from a threshold on; without either, 1 or the highest level
    (255, or 65535 of 16 bits) beside 0. Of a map of labels, the values of each label."""

    value: float | None = None
    threshold: float | None = None
    labels: tuple[tuple[Line, tuple[float, ...]], ...] = ()


PLAIN = Lesion()


def read_mask(content: bytes, where: str, shape: tuple[int, int], lesion: Lesion = PLAIN) -> np.ndarray:
    """Decode a mask: an image, turned by its own EXIF, or an NPY array (known by its first bytes).

    Args:
        shape: (height, width) of its image.
        lesion: which values are lesion. 0 and 1, 0 and 255, booleans, and black and one colour need no saying.

    Returns:
        bool [height, width]; nowhere true where all is background, as some data sets have it for images without
        lesions.

    Raises:
        InputError: damaged, of another size, or of other values that are not said to be lesion.
    """
    values = _read(content, where, shape)
    if lesion.threshold is not None:
        return (values.max(axis=2) if values.ndim == 3 else values) >= lesion.threshold
    if lesion.value is not None:
        if values.ndim == 3:
            raise InputError(f"{where}: a mask in colours, and data.mask_value is a grey level; save it in grey")
        return values == lesion.value
    if not _plain(values):  # in a JPEG, whose edges blur, hundreds
        wanted = "data.mask_threshold to the least level of the lesion"
        if values.ndim == 2:
            wanted = f"data.mask_value to the value of the lesion, or {wanted}"
        shown = listed(map(_text, np.unique(values.reshape(-1, *values.shape[2:]), axis=0)), 5)
        raise InputError(f"{where}: a mask of {shown}, not of 0 and 1 or 0 and 255; set {wanted}")
    return values.any(axis=2) if values.ndim == 3 else values != 0


def _read(content: bytes, where: str, shape: tuple[int, int]) -> np.ndarray:
    values = _read_npy(content, where, shape) if content.startswith(b"\x93NUMPY") else _read_picture(content, where)
    if values.shape[:2] != shape:
        raise _other_size(where, values.shape, shape)
    return values


def mask_regions(
    read: Callable[[str], bytes],
    masks: Sequence[str],
    where: Callable[[str], str],
    lesion: Lesion,
    of_name: Callable[[str], Line] | None,
) -> tuple[Region, ...]:
    """Return the regions by label that masks of one image hold; they are read when they are drawn.

    Args:
        read: takes a mask to its bytes; where: to what errors call it.
        lesion: which values are lesion, of which label.
        of_name: takes a mask to the label that its name says, none where that means no label of the study; None where
            names say none, and the values of `lesion.labels` do.
    """
    if of_name is None:
        return tuple(
            Region(line, partial(_of_values, read, mask, where(mask), values), "", "mask")
            for mask in masks
            for line, values in lesion.labels
        )
    lines = ((mask, of_name(mask)) for mask in masks)
    return tuple(
        Region(line, partial(_drawn, read, mask, where(mask), lesion._replace(labels=())), "", "mask")
        for mask, line in lines
        if line
    )


def by_label(
    read: Callable[[str], bytes],
    drawn: Masks,
    masks: Sequence[str],
    image: str,
    where: Callable[[str], str],
    lesion: Lesion,
    labels: Mapping[str, Line] | None,
) -> tuple[Region, ...] | None:
    """Return the regions of the masks of one image by label, None where neither names nor values of masks say labels.

    Args:
        image: what masks call it.
        read, where, lesion: as in `mask_regions`; labels: words of names, each with the label that it means.
    """
    if not (drawn.labelled or lesion.labels):
        return None
    lines = {bare(word): line for word, line in (labels or {}).items()}
    of_name = (lambda mask: lines[bare(drawn.label(mask, image))]) if drawn.labelled else None
    return mask_regions(read, masks, where, lesion, of_name)


def _drawn(read: Callable, mask: str, where: str, lesion: Lesion, shape: tuple[int, int]) -> np.ndarray:
    return read_mask(read(mask), where, shape, lesion)


def _of_values(read: Callable, mask: str, where: str, values: tuple[float, ...], shape: tuple[int, int]) -> np.ndarray:
    return np.isin(_last_read(read, mask, where, shape), values)


@lru_cache(maxsize=1)  # a map of many labels is decoded once for all of them
def _last_read(read: Callable, mask: str, where: str, shape: tuple[int, int]) -> np.ndarray:
    found = _read(read(mask), where, shape)
    if found.ndim == 3:
        raise InputError(f"{where}: a mask in colours, and data.mask_value names grey levels; save it in grey")
    return found


def _plain(values: np.ndarray) -> bool:
    """Whether a mask needs no saying which of its values is lesion."""
    if values.ndim == 3:
        drawn = values[values.any(axis=2)]
        return bool((drawn == drawn[:1]).all())
    found = np.unique(values)
    return any(np.isin(found, (0, top)).all() for top in (1, 255, 65535))


def _text(value: np.ndarray) -> str:
    return f"({' '.join(f'{part:g}' for part in value)})" if value.ndim else f"{float(value):g}"


def _other_size(where: str, found: tuple[int, ...], shape: tuple[int, int]) -> InputError:
    return InputError(
        f"{where}: {found[1]}x{found[0]} pixels, its image has {shape[1]}x{shape[0]}; fix or remove the mask"
    )


def _read_picture(content: bytes, where: str) -> np.ndarray:
    """[height, width], or [height, width, 3] where it has colours."""
    image, _ = open_image(content, where)
    if image.mode.startswith(("I", "F")):
        return _finite(np.array(image), where)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:
            raise InputError(f"{where}: transparent pixels; flatten it, the lesion white and the rest black")
    values = np.array(image.convert("RGB"))
    gray = (values[..., 0] == values[..., 1]).all() and (values[..., 1] == values[..., 2]).all()
    return values[..., 0] if gray else values


def _read_npy(content: bytes, where: str, shape: tuple[int, int]) -> np.ndarray:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        found, by_columns, kind = read(file)
    except Exception:  # of any kind: a damaged header causes many
        raise InputError(f"{where}: not an NPY array; fix or remove it") from None
    if len(found) != 2 or kind.kind not in "buif":
        raise InputError(f"{where}: an array {found} of {kind}; a mask has two dimensions and numbers or booleans")
    if found != shape:
        raise _other_size(where, found, shape)
    values = content[file.tell() :]
    if len(values) != kind.itemsize * shape[0] * shape[1]:
        raise InputError(f"{where}: an NPY array with {len(values)} bytes of values; fix or remove it")
    return _finite(np.frombuffer(values, kind).reshape(shape, order="F" if by_columns else "C"), where)


def _finite(values: np.ndarray, where: str) -> np.ndarray:
    if not np.isfinite(values).all():
        raise InputError(f"{where}: values that are not finite; fix or remove it")
    return values


def parse_box(cells: Iterable[str]) -> Box | None:
    """A box from four texts; None if they are not four finite numbers."""
    try:
        box = Box(*parse_numbers(list(cells)))
    except (TypeError, ValueError):
        return None
    return box if all(map(math.isfinite, box)) else None


def read_boxes(content: bytes, where: str) -> dict[str, list[Box]]:
    """Boxes by path, from a CSV with the columns path, x, y, width, height; an image may have several rows."""
    boxes: dict[str, list[Box]] = {}
    bad = []
    for line, row in read_rows(content, where, ["path", *Box._fields]):
        box = parse_box(row[field] for field in Box._fields)
        if box is None or not row["path"]:
            bad.append(f"line {line}")
        else:
            boxes.setdefault(clean(row["path"].replace("\\", "/")).removeprefix("./"), []).append(box)
    if bad:
        raise InputError(f"{where}: not a path and four numbers: {listed(bad)}; fix them")
    return boxes


def draw_boxes(boxes: Iterable[MarkedBox], where: str, shape: tuple[int, int]) -> np.ndarray:
    """bool [height, width]: every pixel that a box touches.

    Raises:
        InputError: a box has no area or leaves the image.
    """
    height, width = shape
    mask = np.zeros(shape, bool)
    for box in boxes:
        across, down = (width / box.size[0], height / box.size[1]) if box.size else (1, 1)
        left, top, right, bottom = box.x0 * across, box.y0 * down, box.x1 * across - _SLACK, box.y1 * down - _SLACK
        shown = f"{where}: box {' '.join(f'{value:g}' for value in (box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0))}"
        if box.x1 <= box.x0 or box.y1 <= box.y0:
            raise InputError(f"{shown}: no area; width and height must be above 0")
        if left < 0 or top < 0 or right > width or bottom > height:
            of = f", in pixels of {box.size[0]:g}x{box.size[1]:g}" if box.size else ""
            raise InputError(f"{shown}{of}: leaves the image of {width}x{height} pixels; fix or remove it")
        mask[math.floor(top) : math.ceil(bottom), math.floor(left) : math.ceil(right)] = True
    return mask
