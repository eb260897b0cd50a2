"""Archives and folders with one sub-folder a class."""

import hashlib
import re
from pathlib import Path, PurePosixPath

from heatproof.data.reading.decode import SUFFIXES, decode
from heatproof.data.reading.names import clean, listed
from heatproof.data.reading.trees import Tree, read_beside
from heatproof.data.reading.truth import Box, draw_boxes, read_boxes, read_mask
from heatproof.data.records import Image, Record
from heatproof.errors import InputError


def list_records(
    tree: Tree,
    classes: dict[str, str],
    *,
    masks: str | None = None,
    boxes: str | None = None,
    patient: str | None = None,
    window: tuple[float, float] | None = None,
) -> tuple[list[Record], list[str]]:
    """List the images of the classes.

    An image belongs to the class whose folder is the nearest above it. Its mask lies in a folder called `masks`, with
    the name of the image, suffix aside: `masks/<class folder>/<name>`, `<class folder>/masks/<name>`, `masks/<name>`,
    or in place of the folder that the image is in (`<class folder>/images/<name>`, `<class folder>/masks/<name>`).
    Masks and boxes may exist for some images only; where an image has both, the mask is taken, and a mask of
    nothing is no truth.

    Args:
        classes: class name to the name of its folder.
        masks: name of the folder of masks.
        boxes: CSV of boxes (see `truth.read_boxes`) in the tree, or beside it on disk; its paths start where it
            lies, or at the top of the tree.
        patient: pattern whose first group, found in an image's file name, is the patient.
        window: see `decode`.

    Returns:
        records, by path; and a line for each thing that was left out.

    Raises:
        InputError: a class has no image, two images have one id or one mask, a mask or box fits no image, or
            a file name does not hold a patient.
    """
    folders = {clean(folder): label for label, folder in enumerate(classes.values())}
    masks = clean(masks) if masks else None
    pictures = [name for name in tree.names if _suffix(name) in SUFFIXES]
    drawn = _masks(tree, folders, masks)
    boxed = _boxes(tree, boxes)
    used: set[str] = set()
    records: dict[str, Record] = {}
    others: dict[str, int] = {}
    nameless = []
    for name in pictures:
        parts = name.split("/")
        if masks in parts[:-1]:
            continue
        depth = _class_depth(parts, folders)
        if depth is None:
            others["/".join(parts[:-1]) or "."] = others.get("/".join(parts[:-1]) or ".", 0) + 1
            continue
        image_id = _stem("/".join(parts[depth:]))
        if image_id in records:
            raise InputError(
                f"{tree.source}: {records[image_id].source} and {name} have one id, {image_id}; rename one of them"
            )
        below = _stem("/".join(parts[depth + 1 :]))
        keys = (image_id, below, _stem("/".join([*parts[:-2], "*", parts[-1]])))
        mask = next((drawn[key] for key in keys if key in drawn), None)
        if mask in used:
            raise InputError(f"{tree.source}: {mask} is the mask of two images; put masks into a folder a class")
        used.update([mask] if mask else [])
        match = re.search(patient, parts[-1]) if patient else None
        if patient and not (match and match[1]):
            nameless.append(name)
        records[image_id] = Record(
            image_id=image_id,
            source=name,
            label=folders[parts[depth]],
            patient=match[1] if match else None,
            read=lambda name=name, mask=mask: read_image(tree, name, mask, boxed.get(name), window),
        )
    if nameless:
        raise InputError(
            f"{tree.source}: data.patient {patient!r} finds no patient in {len(nameless)} file "
            f"names: {listed(nameless)}"
        )
    _check_classes(tree, pictures, classes, masks, {record.label for record in records.values()})
    _check_masks(tree, pictures, masks, set(drawn.values()) - used, bool(drawn))
    lost = [path for path in boxed if path not in tree]
    if lost:
        raise InputError(
            f"{tree.source}: data.boxes: {len(lost)} paths fit no image: {listed(sorted(lost))}; mend them"
        )
    return list(records.values()), _notes(tree, others)


def read_image(
    tree: Tree,
    name: str,
    mask: str | None = None,
    boxes: list[Box] | None = None,
    window: tuple[float, float] | None = None,
) -> Image:
    """Decode one image of a tree with its truth, at its own size.

    Raises:
        InputError: what is wrong with the image, or with its mask or box, in one line.
    """
    content = tree.read(name)
    pixels, facts = decode(content, f"{tree.source}: {name}", window)
    shape = pixels.shape[:2]
    truth, drawn = "none", None
    if mask is not None:
        truth, drawn = "mask", read_mask(tree.read(mask), f"{tree.source}: {mask}", shape)
    elif boxes:
        truth, drawn = "box", draw_boxes(boxes, f"{tree.source}: {name}", shape)
    if drawn is not None and not drawn.any():  # a mask of nothing
        truth, drawn = "none", None
    digest = hashlib.sha256(content).hexdigest()
    return Image(pixels, drawn, facts, digest, truth, None if window is None else tuple(window))


def _suffix(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:].lower() if dot > name.rfind("/") + 1 else ""


def _stem(name: str) -> str:
    """The name without its suffix."""
    return name[: -len(suffix)] if (suffix := _suffix(name)) else name


def _class_depth(parts: list[str], folders: dict[str, int]) -> int | None:
    """Index of the nearest folder above that is a class's."""
    return next((index for index in range(len(parts) - 2, -1, -1) if parts[index] in folders), None)


def _masks(tree: Tree, folders: dict[str, int], masks: str | None) -> dict[str, str]:
    """Mask files by the ids, places below a class, or paths (with * for the folder) of the images that they fit."""
    found: dict[str, str] = {}
    for name in tree.names:
        if masks is None or _suffix(name) not in SUFFIXES | {".npy"}:
            continue
        parts = name.split("/")
        if masks not in parts[:-1]:
            continue
        at = parts.index(masks)
        before, after = parts[:at], parts[at + 1 :]
        above = _class_depth([*before, ""], folders)
        named = above is not None and _class_depth(after, folders) is None
        key = _stem("/".join([*before[above:], *after] if named else after))
        if found.setdefault(key, name) != name:
            raise InputError(f"{tree.source}: {found[key]} and {name} are masks of one image; rename one of them")
        found.setdefault(_stem("/".join([*before, "*", *after])), name)
    return found


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


def _check_classes(tree: Tree, names: list[str], classes: dict[str, str], masks: str | None, seen: set[int]) -> None:
    empty = [(name, folder) for label, (name, folder) in enumerate(classes.items()) if label not in seen]
    if empty:
        parents = {name.rpartition("/")[0] for name in names}
        there = sorted({Path(path).name for path in parents if path and masks not in path.split("/")})
        name, folder = empty[0]
        raise InputError(
            f"{tree.source}: data.classes.{name}: no image in a folder called {folder!r}; folders with images there: "
            f"{listed(there, 8) or 'none'}"
        )


def _check_masks(tree: Tree, names: list[str], masks: str | None, unused: set[str], any_drawn: bool) -> None:
    """Masks of images that belong to no class are no mistake."""
    if masks is None:
        return
    stems = {_stem(name.rpartition("/")[2]) for name in names if masks not in name.split("/")[:-1]}
    lost = sorted(name for name in unused if _stem(name.rpartition("/")[2]) not in stems)
    if lost or not any_drawn:
        what = f"{len(lost)} masks fit no image: {listed(lost)}" if lost else f"no image below a folder {masks!r}"
        raise InputError(f"{tree.source}: data.masks: {what}; a mask has the name of its image")


def _notes(tree: Tree, others: dict[str, int]) -> list[str]:
    if not others:
        return []
    shown = listed((f"{folder} ({count})" for folder, count in sorted(others.items())), 8)
    return [f"{tree.source}: left out, as data.classes names no folder above them: {shown}"]
