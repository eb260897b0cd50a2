"""Archives and folders with one sub-folder a class."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from heatproof.core.messages import InputError, clean, listed
from heatproof.data.sources.places import (
    SPELLINGS,
    Masks,
    class_depth,
    pattern_for,
    split_above,
    stem,
    suffix,
    suspects,
)
from heatproof.data.sources.records import SUFFIXES, Image, MarkedBox, Record, decode
from heatproof.data.sources.trees import Tree, read_beside
from heatproof.data.sources.truth import PLAIN, Box, Lesion, Line, by_label, draw_boxes, read_boxes, read_mask


def list_records(
    tree: Tree,
    classes: dict[str, str],
    *,
    masks: str | None = None,
    boxes: str | None = None,
    patient: str | None = None,
    window: tuple[float, float] | None = None,
    apart: Iterable[str] = (),
    lesion: Lesion = PLAIN,
    given: bool = False,
    labels: Mapping[str, Line] | None = None,
) -> tuple[list[Record], list[str]]:
    """List the images of the classes.

    An image belongs to the class whose folder is the nearest above it. Its mask lies in a folder called `masks`, with
    the name of the image, suffix aside: `masks/<class folder>/<name>`, `<class folder>/masks/<name>`, `masks/<name>`,
    or in place of the folder that the image is in (`<class folder>/images/<name>`, `<class folder>/masks/<name>`).
    With a pattern such as `{stem}_mask*` it lies beside its image, and with `masks/{stem}_mask*` in such a folder;
    several masks of one image are united. Masks and boxes may exist for some images only; where an image has both, the
    mask is taken, and a mask of nothing is no truth.

    Args:
        classes: class name to the name of its folder.
        masks: name of the folder of masks, or a pattern (see `places.parsed`).
        boxes: CSV of boxes (see `truth.read_boxes`) in the tree, or beside it on disk; its paths start where it
            lies, or at the top of the tree.
        patient: pattern whose first group, found in an image's file name, is the patient, who is unknown where it
            finds nothing.
        window: see `decode`.
        apart: folders or patterns of masks that are not read here.
        lesion: which values of a mask are lesion.
        given: whether folders called train, val and test above the images are their split. An image's id then begins
            with the first of the folders of its split and its class.
        labels: words that `{label}` in a pattern of masks stands for, each with the label that it means.

    Returns:
        records, by path; and a line for each thing that was left out.

    Raises:
        InputError: a class has no image, two images have one id or one mask, a mask or box fits no image, images look
            like masks of others, or an image lies below no folder of a split.
    """
    folders = {clean(folder): label for label, folder in enumerate(classes.values())}
    options = {"folders": folders, "suffixes": SUFFIXES | {".npy"}, "given": given, "words": labels or ()}
    drawn = Masks(tree, clean(masks) if masks else None, **options)
    others_drawn = [Masks(tree, clean(place), **options) for place in {*apart} - {masks}]
    pictures = [
        name
        for name in tree.names
        if suffix(name) in SUFFIXES and not any(each.hold(name) for each in (drawn, *others_drawn))
    ]
    boxed = _boxes(tree, boxes)
    records: dict[str, Record] = {}
    others: dict[str, int] = {}
    unsplit = []
    for name in pictures:
        parts = name.split("/")
        depth = class_depth(parts, folders)
        if depth is None:
            others["/".join(parts[:-1]) or "."] = others.get("/".join(parts[:-1]) or ".", 0) + 1
            continue
        split = split_above(parts, folders) if given else None
        if given and split is None:
            unsplit.append(name)
            continue
        image_id = stem("/".join(parts[_start(parts, depth, folders) if given else depth :]))
        if image_id in records:
            raise InputError(
                f"{tree.source}: {records[image_id].source} and {name} have one id, {image_id}; rename one of them"
            )
        found = drawn.take(parts, depth, stem(parts[-1]))
        match = re.search(patient, parts[-1]) if patient else None
        marked = tuple(box.marked(image_id, list(classes)[folders[parts[depth]]]) for box in boxed.get(name, ()))
        regions = by_label(
            tree.read, drawn, found, stem(parts[-1]), lambda mask: f"{tree.source}: {mask}", lesion, labels
        )
        records[image_id] = Record(
            image_id=image_id,
            source=name,
            label=folders[parts[depth]],
            patient=match[1] or None if match else None,
            read=lambda name=name, found=() if regions else found, marked=marked: read_image(
                tree, name, found, marked, window, lesion
            ),
            split=split,
            boxes=() if found else marked,
            regions=regions,
        )
    if unsplit:
        words = ", ".join(SPELLINGS)
        raise InputError(
            f"{tree.source}: data.split.by: folder: {len(unsplit)} images lie below no folder called {words}: "
            f"{listed(unsplit)}; move them into one, or set data.split.by: auto"
        )
    _check_no_masks(tree, [record.source for record in records.values()])
    _check_classes(tree, pictures, classes, {record.label for record in records.values()})
    drawn.check({stem(name.rpartition("/")[2]) for name in pictures})
    lost = [path for path in boxed if path not in tree]
    if lost:
        raise InputError(f"{tree.source}: data.boxes: {len(lost)} paths fit no image: {listed(sorted(lost))}; fix them")
    return list(records.values()), _notes(tree, others)


def _start(parts: list[str], depth: int, folders: Iterable[str]) -> int:
    """Where an id begins: at the folder of the split or of the class, whichever is further up."""
    named = next(at for at in range(len(parts)) if split_above([*parts[: at + 1], ""], folders))
    return min(named, depth)


def _check_no_masks(tree: Tree, names: list[str]) -> None:
    """Masks that lie beside their images would be images of their class.

    Raises:
        InputError: there are some by their names.
    """
    found = suspects(names)
    if found:
        mask, image = next(iter(found.items()))
        shown = listed(f"{mask} of {image.rpartition('/')[2]}" for mask, image in found.items())
        raise InputError(
            f"{tree.source}: {len(found)} files look like masks of the images beside them: {shown}; set data.masks: "
            f"'{pattern_for(mask, image)}', or rename them if they are images"
        )


def read_image(
    tree: Tree,
    name: str,
    masks: Sequence[str] = (),
    boxes: Sequence[MarkedBox] = (),
    window: tuple[float, float] | None = None,
    lesion: Lesion = PLAIN,
) -> Image:
    """Decode one image of a tree with its truth, at its own size. Several masks are united.

    Raises:
        InputError: what is wrong with the image, or with its mask or box, in one line.
    """
    content = tree.read(name)
    pixels, facts = decode(content, f"{tree.source}: {name}", window)
    shape = pixels.shape[:2]
    truth, drawn = "none", None
    if masks:
        read = [read_mask(tree.read(mask), f"{tree.source}: {mask}", shape, lesion) for mask in masks]
        truth, drawn = "mask", np.logical_or.reduce(read)
    elif boxes:
        truth, drawn = "box", draw_boxes(boxes, f"{tree.source}: {name}", shape)
    if drawn is not None and not drawn.any():  # a mask of nothing
        truth, drawn = "none", None
    digest = hashlib.sha256(content).hexdigest()
    return Image(pixels, drawn, facts, digest, truth, None if window is None else tuple(window))


def _boxes(tree: Tree, boxes: str | None) -> dict[str, list[Box]]:
    """Boxes by name in the tree; a path that is not there stands as it came."""
    if boxes is None:
        return {}
    boxes = clean(boxes)
    content = tree.read(boxes) if boxes in tree else read_beside(tree.source, boxes)
    base = PurePosixPath(boxes).parent if boxes in tree else PurePosixPath()
    found: dict[str, list[Box]] = {}
    for path, rows in read_boxes(content, f"{tree.source}: {boxes}").items():
        beside = (base / path).as_posix()
        found.setdefault(beside if beside in tree else path, []).extend(rows)
    return found


def _check_classes(tree: Tree, names: list[str], classes: dict[str, str], seen: set[int]) -> None:
    empty = [(name, folder) for label, (name, folder) in enumerate(classes.items()) if label not in seen]
    if empty:
        parents = {name.rpartition("/")[0] for name in names}
        there = sorted({Path(path).name for path in parents if path})
        name, folder = empty[0]
        raise InputError(
            f"{tree.source}: data.classes.{name}: no image in a folder called {folder!r}; folders with images there: "
            f"{listed(there, 8) or 'none'}"
        )


def _notes(tree: Tree, others: dict[str, int]) -> list[str]:
    if not others:
        return []
    shown = listed((f"{folder} ({count})" for folder, count in sorted(others.items())), 8)
    return [f"{tree.source}: left out, as data.classes names no folder above them: {shown}"]
