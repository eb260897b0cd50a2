"""What `heatproof judge` and `heatproof audit` know of images from options: the section `data` of a study."""

import argparse
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from heatproof.core.messages import InputError
from heatproof.data.sources.places import STEM
from heatproof.text.numbers import counted

MOST = 50  # classes
TABLES = (".csv", ".tsv", ".csv.gz")
DICOM = (".dcm", ".dicom")
OPTIONS = {  # what errors name in place of keys of a study
    "data.source": "",
    "data.patient": "--patient",
    "data.masks": "--masks",
    "data.key_file": "--key",
    "classes": "--classes",
}
LAYOUTS = "images must be in one folder per class, or listed in a table (CSV) with the columns path and label"


def is_table(path: Path) -> bool:
    """Return whether a path is that of a table of images."""
    return path.is_file() and path.name.lower().endswith(TABLES)


def file_of(path: str, option: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(f"{option}: {path}: not found; give the path of a file")
    return str(found.resolve())


def data_of(args: argparse.Namespace, option: str = "") -> tuple[dict[str, Any], dict[str, int | str]]:
    """Return the section `data`, and the output of each class where the options give it.

    A table whose images may have several labels has a key `task` too.

    Args:
        args: `images`, `masks`, `patient`, `key` and `classes`.
        option: what errors say before the path of the images, such as `--images: `.

    Raises:
        InputError: an option is out of bounds, or the images are not in classes.
    """
    path = Path(args.images).expanduser()
    if not path.exists():
        raise InputError(f"{option}{args.images}: not found; give a folder, an archive or a table of images")
    pairs = [one.partition("=") for one in args.classes]
    if len({bool(equals) for _, equals, _ in pairs}) > 1:
        raise InputError("--classes: give NAME=OUTPUT for all classes, or for none")
    outputs = {name: int(value) if value.isdecimal() else value for name, equals, value in pairs if equals}
    named = [name for name, *_ in pairs]
    data, there = (_table if is_table(path) else _folder)(path, args, option)
    if len(there) < 2:
        raise InputError(f"{option}{args.images}: only one class ({there[0]}); at least two are needed: {LAYOUTS}")
    if lost := [name for name in named if name not in there]:
        raise InputError(f"--classes: {lost[0]}: no such class in {args.images}; choose from {', '.join(there)}")
    if len(named or there) > MOST:
        raise InputError(f"{option}{args.images}: {len(there)} classes; name at most {MOST} with --classes")
    return {"source": str(path.resolve())} | data | {"classes": {name: name for name in named or there}}, outputs


def _masks(where: str, images: Path, names: Iterable[str]) -> str:
    """Return `data.masks`: a folder or pattern inside the images, or the whole path of a folder elsewhere."""
    folder, _, pattern = where.rpartition("/") if STEM in where else (where, "", "")
    inside = any(folder in PurePosixPath(name).parts[:-1] for name in names)
    if not folder or inside:
        return where
    there = Path(folder).expanduser()
    if not there.exists():
        raise InputError(f"--masks: {folder}: not found, neither inside the images nor as a folder; fix the path")
    there = there.resolve()
    within = there != images.resolve() and there.is_relative_to(images.resolve())
    return "/".join(filter(None, [there.name if within else str(there), pattern]))


def _table(path: Path, args: argparse.Namespace, option: str) -> tuple[dict[str, Any], list[str]]:
    """Return the section of a table, known by its columns or with the usual names of others, and its labels, sorted."""
    from heatproof.data.sources.image_table import find_labels
    from heatproof.data.sources.rows import read_sheet
    from heatproof.data.sources.trees import read_file

    if args.masks:
        raise InputError("--masks: not read for a table; name the masks in its column mask")
    patient = args.patient or "patient"
    required = [patient] if args.patient else []
    sheet = read_sheet(read_file(path), f"{option}{path}", required, [patient, "mask", "box"])
    wanted = {"patient": patient, "mask": "mask", "box": "box"}
    data: dict[str, Any] = {"kind": "table"}
    if columns := {key: name for key, name in wanted.items() if name in sheet.columns}:
        data["columns"] = columns
    if args.key:
        data["key_file"] = file_of(args.key, "--key")
    there, several, bare = find_labels(path, columns)
    if bare:  # then they may lie in any folder below the table
        data |= {"source": str(path.resolve().parent), "table": path.name}
    if several:
        data["task"] = "multilabel"
    chosen = {one.partition("=")[0] for one in args.classes}
    if chosen and not several and (others := [label for label in there if label not in chosen]):
        data["leave_out"] = others
    return data, there or ["none"]


def _folder(path: Path, args: argparse.Namespace, option: str) -> tuple[dict[str, Any], list[str]]:
    """Return the section of a folder or an archive, and its classes (the folders directly above the images), sorted."""
    from heatproof.core.messages import listed
    from heatproof.data.audit.material import MASKS, mask_files
    from heatproof.data.sources.decode import SUFFIXES
    from heatproof.data.sources.places import pattern_for, suspects
    from heatproof.data.sources.trees import open_tree

    try:
        with open_tree(path) as tree:
            names = list(tree.names)
    except InputError as error:
        raise InputError(f"{option}{error}") from None
    dicom = [name for name in names if PurePosixPath(name).suffix.lower() in DICOM]
    kind = "dicom" if dicom else "folder" if path.is_dir() else "archive"
    if dicom and not args.key:
        raise InputError("--key: DICOM needs a file with a secret: head -c 32 /dev/urandom > heatproof.key")
    pictures = dicom or [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]
    beside = suspects(pictures)
    drawn = mask_files(pictures) | {*beside}
    if drawn and not args.masks:
        mask = min(drawn)
        place = (
            pattern_for(mask, beside[mask])
            if mask in beside
            else next(part for part in PurePosixPath(mask).parts if part.lower() in MASKS)
        )
        raise InputError(
            f"--masks: {counted(len(drawn), 'file')} such as {mask} look like masks: add --masks '{place}'"
        )
    pictures = [name for name in pictures if name not in drawn]
    if not pictures:
        raise InputError(
            f"{option}{path}: no image among {counted(len(names), 'file')} ({listed(sorted(SUFFIXES), 9)})"
        )
    folders = [PurePosixPath(name).parent.name for name in pictures]
    if bare := folders.count(""):
        raise InputError(
            f"{option}{path}: {counted(bare, 'image')} without a label: {LAYOUTS}. Images without labels are not "
            f"judged: without accuracy it is unknown whether a model performs above chance"
        )
    data = {"kind": kind, "masks": args.masks and _masks(args.masks, path, names), "patient": args.patient}
    data["key_file"] = file_of(args.key, "--key") if dicom else None
    return {key: value for key, value in data.items() if value}, sorted(set(folders))
