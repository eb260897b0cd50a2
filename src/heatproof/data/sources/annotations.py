"""Regions by image, label and reader, from annotation files: COCO, CheXlocalize, a table of boxes, DICOM SEG."""

import importlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from heatproof.core.messages import InputError, clean, listed, reason
from heatproof.data.sources.places import stem
from heatproof.data.sources.records import MarkedBox, Record, Region
from heatproof.data.sources.rows import Classes, Findings, read_sheet
from heatproof.data.sources.trees import Tree, found_at, read_file
from heatproof.data.sources.truth import Box, draw_boxes, parse_box

Shape = tuple[int, int]  # height and width of an image
BRANCHES = {"annotations": "heatproof.data.sources.dicom_pixels"}  # of DICOM segmentations (`workflow.code`)
ROTATING = "rotating"  # in place of names of readers: any of them may have drawn the truth
_SLACK = 0.02  # of the side: how far a contour that a hand drew may leave its image; what leaves it is cut
_ASPECT = 0.01  # how much the aspect of the image that contours were drawn on may differ


class Drawn(NamedTuple):
    """A region as its file has it; see `records.Region`."""

    label: str
    draw: Callable[[Shape], np.ndarray] | None
    kind: str  # mask or box
    instances: int | None = None
    points: Callable[[Shape], np.ndarray] | None = None


class Reading(NamedTuple):
    """What one reader drew in one image, nothing included; the reader is "" where the file names none."""

    image: str
    reader: str
    drawn: list[Drawn]


def read_annotations(content: bytes, where: str) -> list[Reading]:
    """Read a file of regions, known by its content.

    COCO: `images`, `categories` and `annotations` with polygons, run lengths or boxes. CheXlocalize: by image and label
    contours (`img_size` beside them), run lengths (`size`, `counts`) or most representative points. A table: the
    columns image, label, x0, y0, x1, y1 in pixels and, if there are several, reader; rows without corners say that a
    reader found nothing. DICOM SEG: segments by label and SOP instance UID, through highdicom.

    Raises:
        InputError: it is none of these, or what is wrong in it, in one line with image and label.

    >>> [reading] = read_annotations(b'{"a": {"Edema": [[[0, 0], [2, 0], [2, 2], [0, 2]]], "img_size": [4, 5]}}', "a")
    >>> int(reading.drawn[0].draw((4, 5)).sum())
    9
    """
    if content[128:132] == b"DICM":
        return _segments(content, where)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        return _table(content, where)
    data = _parsed(content, where)
    if not isinstance(data, dict):
        raise InputError(f"{where}: a JSON list; COCO's and CheXlocalize's files are objects")
    return _coco(data, where) if {"annotations", "images"} & set(data) else _chexlocalize(data, where)


class _Twice(ValueError):
    """An object names a key twice, of which Python keeps the last."""


def _once(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice(f"{Counter(key for key, _ in pairs).most_common(1)[0][0]!r} appears twice in one object")
    return found


def _parsed(content: bytes, where: str) -> object:
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        what = "damaged JSON" if not isinstance(error, _Twice) else "two entries of one name"
        raise InputError(f"{where}: {what} ({reason(error)}); correct it or get it again") from None


def _numbers(value: object, shape: tuple[int | None, ...], where: str, what: str) -> np.ndarray:
    """Finite numbers of a shape, in which None stands for any length above 0; float64."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError, RecursionError):  # ragged
        array = np.empty(0)
    fits = array.ndim == len(shape) and all(b in (None, a) for a, b in zip(array.shape, shape, strict=True))
    if not fits or not array.size or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise InputError(f"{where}: not {what}; correct or remove it")
    return array.astype(np.float64)


def _size(value: object, where: str) -> Shape:
    height, width = _numbers(value, (2,), where, "a height and a width")
    if min(height, width) < 1 or height % 1 or width % 1:
        raise InputError(f"{where}: not a height and a width in whole pixels; correct it")
    return int(height), int(width)


def _chexlocalize(data: dict, where: str) -> list[Reading]:
    found = []
    for image, labels in data.items():
        at = f"{where}: {clean(image)}"
        if not isinstance(labels, dict):
            raise InputError(f"{at}: not an object with regions by label; correct it")
        size = _size(labels["img_size"], f"{at}: img_size") if "img_size" in labels else None
        drawn = [
            _regions(label, value, size, f"{at}: {clean(label)}")
            for label, value in labels.items()
            if label != "img_size"
        ]
        found.append(Reading(image, "", drawn))
    if not found:
        raise InputError(f"{where}: no image in it; get it again")
    return found


def _regions(label: str, value: object, size: Shape | None, where: str) -> Drawn:
    """Contours, run lengths or points of one label."""
    if isinstance(value, dict):
        return Drawn(label, _run_lengths(value, where), "mask")
    if not isinstance(value, list):
        raise InputError(f"{where}: neither contours, points nor run lengths; correct or remove it")
    if value and all(isinstance(part, list) and part and not isinstance(part[0], list) for part in value):
        points = _numbers(value, (None, 2), where, "points [x, y]")
        return Drawn(label, None, "mask", points=partial(_points, points, size, where))
    return Drawn(label, partial(_fill, _contours(value, where), size, where), "mask", len(value))


def _contours(value: list, where: str) -> list[np.ndarray]:
    """Contours, each float32 [points, 2]: a third of the memory of lists."""
    found = [_numbers(part, (None, 2), where, "a contour of points [x, y]").astype(np.float32) for part in value]
    if any(len(contour) < 3 for contour in found):
        raise InputError(f"{where}: a contour of fewer than 3 points; correct or remove it")
    return found


def _scale(size: Shape | None, shape: Shape, where: str) -> tuple[float, float]:
    """How coordinates on an image of `size` become those on one of `shape`: factors of x and y.

    Raises:
        InputError: the images differ in more than their scale.
    """
    if size is None:
        return 1.0, 1.0
    across, down = shape[1] / size[1], shape[0] / size[0]
    if abs(across / down - 1) > _ASPECT:
        raise InputError(_other_size(size, shape, where))
    return across, down


def _other_size(size: Shape, shape: Shape, where: str) -> str:
    drawn, there = (f"{width}x{height} pixels" for height, width in (size, shape))
    return f"{where}: drawn on an image of {drawn}, this one has {there}; take the images that were annotated"


def _fill(contours: list[np.ndarray], size: Shape | None, where: str, shape: Shape) -> np.ndarray:
    """Contours and what they enclose, as CheXlocalize and Pillow draw them, bool [height, width]."""
    height, width = shape
    factors = np.array(_scale(size, shape, where))
    image = Image.new("1", (width, height))
    for contour in contours:
        points = contour * factors
        beyond = np.maximum(-points, points - (width, height)).max() if len(points) else 0
        if beyond > _SLACK * max(shape):
            raise InputError(f"{where}: a contour leaves the image of {width}x{height} pixels; correct or remove it")
        ImageDraw.Draw(image).polygon([tuple(point) for point in points.tolist()], fill=1, outline=1)
    return np.array(image)


def _points(points: np.ndarray, size: Shape | None, where: str, shape: Shape) -> np.ndarray:
    """Points float64 [points, 2] on an image of `shape`."""
    moved = points * _scale(size, shape, where)
    if (moved < 0).any() or (moved >= shape[::-1]).any():
        raise InputError(f"{where}: a point leaves the image of {shape[1]}x{shape[0]} pixels; correct or remove it")
    return moved


def _run_lengths(value: dict, where: str) -> Callable[[Shape], np.ndarray]:
    if not {"size", "counts"} <= set(value):
        raise InputError(f"{where}: run lengths without size and counts; correct or remove them")
    size, counts = _size(value["size"], f"{where}: size"), value["counts"]
    if isinstance(counts, list):
        counts = _numbers(counts, (None,), where, "run lengths").tolist()
    elif not isinstance(counts, str):
        raise InputError(f"{where}: counts are neither text nor numbers; correct or remove them")
    return partial(_decode, size, counts, where)


def _decode(size: Shape, counts: str | list[float], where: str, shape: Shape) -> np.ndarray:
    """COCO's run lengths, column by column, the first of pixels outside; bool [height, width]."""
    if size != shape:
        raise InputError(_other_size(size, shape, where))
    runs = np.array(_uncompressed(counts, where) if isinstance(counts, str) else counts)
    if runs.min(initial=0) < 0 or (runs % 1).any() or runs.sum() != size[0] * size[1]:
        raise InputError(f"{where}: run lengths that do not fill {size[1]}x{size[0]} pixels; correct or get them again")
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs.astype(np.int64))
    return values.reshape(size[::-1]).T


def _uncompressed(text: str, where: str) -> list[int]:
    """Run lengths from COCO's text: groups of 5 bits, low ones first, from the third on as differences to the one
    before the last (cocoapi, rleFrString)."""
    runs, value, bits = [], 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or bits > 40:
            raise InputError(f"{where}: counts that are no run lengths; correct or get them again")
        value |= (code & 31) << bits
        bits += 5
        if not code & 32:
            value -= (code & 16) << (bits - 4)  # the sign
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = bits = 0
    if bits:
        raise InputError(f"{where}: counts that end within a number; get them again")
    return runs


def _boxed(box: Box | MarkedBox, where: str, shape: Shape) -> np.ndarray:
    return draw_boxes([box.marked("", "") if isinstance(box, Box) else box], where, shape)


def _coco(data: dict, where: str) -> list[Reading]:
    images, names, annotations = (_entries(data, key, where) for key in ("images", "categories", "annotations"))
    files = _by_id(images, "file_name", f"{where}: images")
    labels = _by_id(names, "name", f"{where}: categories")
    if twice := [name for name, count in Counter(files.values()).items() if count > 1]:
        raise InputError(f"{where}: images: {listed(twice)}: two entries of one file_name; keep one")
    sizes = {entry["id"]: entry.get("height") and (entry["height"], entry.get("width")) for entry in images}
    drawn: dict[object, list[Drawn]] = {image: [] for image in files}
    for number, entry in enumerate(annotations):
        at = f"{where}: annotation {_shown(entry.get('id', number))}"
        image, category = entry.get("image_id"), entry.get("category_id")
        if not _is_id(image) or image not in files:
            raise InputError(f"{at}: image_id {_shown(image)} is none of images; correct or remove it")
        if not _is_id(category) or category not in labels:
            raise InputError(f"{at}: category_id {_shown(category)} is none of categories; correct or remove it")
        size = _size(sizes[image], f"{where}: image {_shown(image)}") if sizes[image] else None
        drawn[image].append(_annotation(entry, labels[category], size, f"{at} of {clean(files[image])}"))
    return [Reading(files[image], "", regions) for image, regions in drawn.items()]


def _annotation(entry: dict, label: str, size: Shape | None, where: str) -> Drawn:
    parts = entry.get("segmentation")
    if isinstance(parts, dict):
        draw = _run_lengths(parts, where)
        if size and draw.args[0] != size:
            raise InputError(_other_size(draw.args[0], size, where))
        return Drawn(label, draw, "mask", 1)
    if isinstance(parts, list) and parts:
        flat = [_numbers(part, (None,), where, "a polygon x, y, x, y, ...") for part in parts]
        if any(len(part) % 2 or len(part) < 6 for part in flat):
            raise InputError(f"{where}: a polygon of fewer than 3 points, or an x without y; correct or remove it")
        return Drawn(label, partial(_fill, [part.reshape(-1, 2) for part in flat], size, where), "mask", 1)
    box = Box(*_numbers(entry.get("bbox"), (4,), where, "a segmentation or a bbox [x, y, width, height]").tolist())
    return Drawn(label, partial(_boxed, box, where), "box", 1)


def _entries(data: dict, key: str, where: str) -> list[dict]:
    found = data.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputError(f"{where}: COCO without a list of {key}; get it again")
    return found


def _by_id(entries: list[dict], name: str, where: str) -> dict:
    found = {}
    for entry in entries:
        key, value = entry.get("id"), entry.get(name)
        if not _is_id(key) or not isinstance(value, str) or not value:
            raise InputError(f"{where}: an entry without id and {name}; correct it")
        if key in found:
            raise InputError(f"{where}: id {_shown(key)} appears twice; keep one")
        found[key] = value
    return found


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return clean(str(value)[:60])


_CORNERS = ("x0", "y0", "x1", "y1")


def _table(content: bytes, where: str) -> list[Reading]:
    lines, cells = read_sheet(content, where, ["image", "label", *_CORNERS], ["reader"])
    found: dict[tuple[str, str], list[Drawn]] = {}
    bad: dict[str, list[str]] = defaultdict(list)
    seen = set()
    readers = cells.get("reader", [""] * len(lines))
    if any(readers) and not all(readers):
        lost = [f"line {line}" for line, reader in zip(lines, readers, strict=True) if not reader]
        raise InputError(f"{where}: readers without names: {listed(lost)}; fill the cells, or leave the column out")
    for line, image, label, reader, *corners in zip(
        lines, cells["image"], cells["label"], readers, *(cells[key] for key in _CORNERS), strict=True
    ):
        at = f"{where}: line {line}"
        drawn = found.setdefault((image, reader), [])
        corner = parse_box(corners) if any(corners) else None
        if not image or (not label and any(corners)):
            bad["no image or label"].append(f"line {line}")
        elif any(corners) and corner is None:
            bad["corners that are not four numbers"].append(f"line {line}")
        elif (row := (image, label, reader, *corners)) in seen and corner:
            bad["boxes that appear twice"].append(f"line {line}")
        elif corner:
            seen.add(row)
            x0, y0, x1, y1 = corner
            drawn.append(Drawn(label, partial(_boxed, Box(x0, y0, x1 - x0, y1 - y0), at), "box", 1))
    if bad:
        said = "; ".join(f"{what}: {listed(places)}" for what, places in bad.items())
        raise InputError(f"{where}: {said}; correct or remove the rows")
    return [Reading(image, reader, drawn) for (image, reader), drawn in found.items()]


def _segments(content: bytes, where: str) -> list[Reading]:
    """Segments of a DICOM SEG by the SOP instance UIDs of their images; frames are unpacked when they are drawn."""
    try:
        import highdicom
    except ImportError:
        raise InputError(f"{where}: a DICOM SEG needs highdicom: pip install 'heatproof[seg]'") from None
    from io import BytesIO

    from pydicom import dcmread

    quiet = importlib.import_module(BRANCHES["annotations"]).quiet

    try:
        with quiet():
            seg = highdicom.seg.Segmentation.from_dataset(dcmread(BytesIO(content)), copy=False)
            labels = {number: seg.get_segment_description(number).segment_label for number in seg.segment_numbers}
            images = [str(uid) for _, _, uid in seg.get_source_image_uids()]
    except Exception as error:  # of any kind, and it may quote whom the file is of
        raise InputError(f"{where}: no DICOM SEG ({type(error).__name__}); get it again or remove it") from None

    def draw(uid: str, number: int, shape: Shape) -> np.ndarray:
        try:
            with quiet():
                [frame] = seg.get_pixels_by_source_instance(
                    [uid], segment_numbers=[number], ignore_spatial_locations=True
                )
        except Exception as error:  # as above
            why = type(error).__name__
            raise InputError(f"{where}: segment {number} cannot be read ({why}); get it again") from None
        if frame.shape[:2] != shape:
            raise InputError(_other_size(frame.shape[:2], shape, f"{where}: segment {number}"))
        return frame[..., 0] > 0

    return [Reading(u, "", [Drawn(label, partial(draw, u, n), "mask") for n, label in labels.items()]) for u in images]


def open_annotations(
    named: str | Mapping[str, str | Sequence[str]], source: Path, tree: Tree | None
) -> Iterator[tuple[str, str, bytes]]:
    """Read the files that `data.annotations` names, one after another: reader, how errors name the file, content.

    A file or a folder of files is looked for from the working folder, then beside the source, then in it.

    Raises:
        InputError: there is no such file; says where it was looked for.
    """
    for reader, paths in {"": named}.items() if isinstance(named, str) else named.items():
        for path in [paths] if isinstance(paths, str) else paths:
            there = found_at(path, source)
            if there is None and tree is not None and path in tree:
                yield reader, f"{source}: {path}", tree.read(path)
            elif there is None:
                looked = f"in the working folder, in {source.parent}" + (f" and in {source.name}" if tree else "")
                raise InputError(f"data.annotations: {path}: not found; looked for {looked}")
            files = sorted(there.rglob("*")) if there and there.is_dir() else [there] if there else []
            files = [file for file in files if file.is_file() and not file.name.startswith(".")]
            if there and not files:
                raise InputError(
                    f"data.annotations: {path}: a folder without files; name the folder of the annotations"
                )
            for number, file in enumerate(files, 1):
                where = str(there) if len(files) == 1 else f"{there}: file {number}"  # names may be those of patients
                try:
                    yield reader, where, read_file(file)
                except (OSError, ValueError) as error:
                    raise InputError(f"{where}: cannot be read ({reason(error)}); correct its permissions") from None


def marked_boxes(record: Record, classes: Sequence[str], lines: Mapping[str, tuple[int, ...]]) -> tuple[Region, ...]:
    """Return the boxes of a table's row as regions.

    Args:
        classes: names of the labels.
        lines: label to its index and those of all that it is a kind of.
    """
    found: dict[MarkedBox, set[int]] = defaultdict(set)  # one box may be of several labels
    for box in record.boxes:
        if box.label in classes:
            found[replace(box, label="")].update(lines[box.label])
    return tuple(
        Region(tuple(sorted(labels)), partial(_boxed, box, record.source), box.reader, "box", 1)
        for box, labels in found.items()
    )


class Attached(NamedTuple):
    """Records with their regions; regions by SOP instance UID, of DICOM files that name themselves when they are read;
    the readers; and a line for each thing that was left out."""

    records: list[Record]
    by_uid: dict[str, tuple[tuple[Region, ...], tuple[str, ...]]]
    readers: list[str]
    notes: list[str]


def attach(
    records: Sequence[Record],
    files: Iterable[tuple[str, str, bytes]],
    labels: Classes | Findings,
    classes: Mapping[str, str],
    *,
    by_uid: bool = False,
    part: bool = False,
) -> Attached:
    """Join annotation files and boxes of a table to images.

    An image goes by its path or the end of it, with or without its suffix, or with `_` in place of `/`
    (`patient1_study1_view1_frontal`), or by its SOP instance UID.

    Args:
        records: of the study.
        files: as from `open_annotations`.
        labels: of the study; classes: their names and words.
        by_uid: whether images are DICOM files, whose UIDs are known once they are read.
        part: whether the study takes a part of its source, so that a file may name other images.

    Raises:
        InputError: what is wrong in a file; labels unknown to the study; ids that name no image or several.
    """
    found: dict[str, list[tuple[str, Drawn]]] = defaultdict(list)
    readers: dict[str, dict[str, None]] = defaultdict(dict)
    lines = {name: _line(labels, word) for name, word in classes.items()}
    unknown: Counter[str] = Counter()
    where = []
    for reader, file, content in files:
        where.append(file)
        for reading in read_annotations(content, file):
            image, name = _normal(reading.image), reader or reading.reader
            readers[image][name] = None
            for drawn in reading.drawn:
                if drawn.label not in lines:
                    lines[drawn.label] = None if labels.unknown(drawn.label) else _line(labels, drawn.label)
                if lines[drawn.label] is None:
                    unknown[drawn.label] += 1
                elif lines[drawn.label]:
                    found[image].append((name, drawn))
    shown = listed(where)
    if unknown:
        names = listed((f"{clean(name)} ({count})" for name, count in sorted(unknown.items())), 12)
        fix = "add them to data.classes, or to data.synonyms (null: no label of the study)"
        raise InputError(f"{shown}: labels unknown to the study: {names}; {fix}")
    owners: dict[str, list[int]] = defaultdict(list)
    whole = {name: number for number, record in enumerate(records) for name in (record.source, record.image_id)}
    for number, record in enumerate(records):
        for name in dict.fromkeys(_names(record)):
            if name in readers and whole.get(name, number) == number:
                owners[name].append(number)
    several = {key: numbers for key, numbers in owners.items() if len(numbers) > 1}
    if several:
        key, numbers = next(iter(several.items()))
        paths = listed(records[number].source for number in numbers)
        raise InputError(f"{shown}: {key} names {len(numbers)} images ({paths}); give their paths")
    lost = [key for key in readers if key not in owners]
    regions = {
        key: tuple(
            Region(lines[drawn.label], drawn.draw, reader, drawn.kind, drawn.instances, drawn.points)
            for reader, drawn in found[key]
        )
        for key in readers
    }
    notes = []
    if lost and not by_uid:
        lost_line = f"{shown}: {len(lost)} ids name no image: {listed(lost, 5)}"
        if not part or len(lost) == len(readers):
            raise InputError(f"{lost_line}; correct them, or add the images")
        notes.append(f"{lost_line}; left out, as the study takes a part of its source")
    new = list(records)
    for key, [number] in owners.items():
        drawn = (*(new[number].regions or ()), *regions[key])
        looked = tuple(dict.fromkeys([*new[number].readers, *readers[key]]))
        new[number] = replace(new[number], regions=drawn, readers=looked)
    for number, record in enumerate(new):
        if record.boxes or record.readers:
            if record.boxes and record.regions is None and not any(box.label for box in record.boxes):
                continue  # boxes of which nobody says what they are of: the image is read with them
            boxes = marked_boxes(record, list(classes), lines)
            names = dict.fromkeys([*record.readers, *(box.reader for box in record.boxes)])
            new[number] = replace(record, regions=(*(record.regions or ()), *boxes), readers=tuple(names))
    names = sorted({name for record in new for name in record.readers} | {n for key in lost for n in readers[key]})
    waiting = {key: (regions[key], tuple(readers[key])) for key in lost} if by_uid else {}
    return Attached(new, waiting, names, notes)


def _line(labels: Classes | Findings, word: str) -> tuple[int, ...]:
    found = labels.of(word)
    return (found,) if isinstance(found, int) else found


def _normal(image: str) -> str:
    return clean(image.replace("\\", "/")).removeprefix("./")


def _names(record: Record) -> Iterator[str]:
    """What an annotation may call an image."""
    for path in dict.fromkeys((record.source, record.image_id)):
        while path:
            bare = stem(path)
            yield from (path, bare, bare.replace("/", "_"))
            path = path.partition("/")[2]


def check_readers(named: Sequence[str] | str, found: Sequence[str]) -> list[str]:
    """Return the readers in order: the one whose regions are the truth first; in any order where they rotate.

    Args:
        named: `data.readers`.
        found: readers in the annotations, "" where one has no name.

    Raises:
        InputError: several readers that nobody ordered, readers with and without names, or names that are not there.

    >>> check_readers(["staff", "second"], ["second", "staff"]), check_readers("rotating", ["R1", "R2"])
    (['staff', 'second'], ['R1', 'R2'])
    """
    names = [name for name in found if name]
    if names and len(names) < len(found):
        raise InputError(
            f"data.annotations: readers without names beside {listed(names)}; name the reader of each file or row"
        )
    if named == ROTATING:
        if len(names) < 2:
            raise InputError(f"data.readers: rotating: {len(names) or 'no'} reader is named; name at least two")
        return names
    if not named and len(names) > 1:
        raise InputError(
            f"data.readers: not set, and regions are of {len(names)} readers ({listed(names, 5)}); list them, whose "
            "regions are the truth first, or set it to rotating"
        )
    if lost := [name for name in named if name not in found]:
        there = listed(names, 8) or "none"
        raise InputError(f"data.readers: {listed(lost)}: no regions of such a reader; readers there: {there}")
    return list(named or names)
