"""A CSV that lists images, their labels, and what else is known of each."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from heatproof.data.reading.images import read_image
from heatproof.data.reading.members import Opened
from heatproof.data.reading.names import clean, listed
from heatproof.data.reading.rows import read_rows
from heatproof.data.reading.trees import Tree, read_file
from heatproof.data.reading.truth import Box, parse_box
from heatproof.data.records import Record
from heatproof.errors import InputError


def list_records(
    source: Path,
    columns: dict[str, str | None],
    classes: dict[str, str],
    *,
    window: tuple[float, float] | None = None,
    others: str = "refuse",
) -> tuple[list[Record], list[str]]:
    """List the images of a table, one a row. A file that is not there is missed when it is read.

    Args:
        source: the CSV (see `rows.read_rows`).
        columns: names of its columns: path and label; and patient, mask and box, or None. Paths are relative to its
            folder and stay below it. An empty cell for mask or box: no truth of that image; for patient: unknown. A
            box is `x y width height` in pixels, several separated by semicolons; where an image has both, the mask
            is taken.
        classes: class name to the value of its label.
        window: see `decode.decode`.
        others: refuse rows with labels of no class, or skip them.

    Returns:
        records, in the order of the rows; and a line for what was left out.

    Raises:
        InputError: with a line for each kind of mistake: not a CSV, no such column, empty cells, labels of no class,
            paths that stand there twice or leave the folder, DICOM files, boxes that are none, a class without rows.
    """
    rows = _read(source, {key: column for key, column in columns.items() if column})
    labels = {value: label for label, value in enumerate(classes.values())}
    skipped = Counter(row["label"] for _, row in rows if others == "skip" and row["label"] not in {"", *labels})
    rows = [(line, row) for line, row in rows if row["label"] not in skipped]
    files = {path: _find(source.parent, path) for _, row in rows for path in (row["path"], row.get("mask")) if path}
    found: dict[str, list[str]] = {}
    for what, place in _mistakes(rows, labels, files, os.path.realpath(source.parent)):
        found.setdefault(what, []).append(place)
    lines = [f"{source}: {what}: {listed(places, 5)}; {_MENDS[what]}" for what, places in found.items()]
    seen = {row["label"] for _, row in rows}
    lines += [f"{source}: data.classes.{k}: no row with the label {v!r}" for k, v in classes.items() if v not in seen]
    if lines:
        raise InputError("\n".join(lines))
    tree = Tree(source, Opened(files, read_file, lambda: None))
    return [_record(tree, row, labels[row["label"]], window) for _, row in rows], _notes(source, skipped)


def _read(source: Path, columns: dict[str, str]) -> list[tuple[int, dict[str, str]]]:
    """Line and cells of each row, by what they are; paths normal."""
    try:
        content = read_file(source)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(f"{source}: cannot be read ({said}); set data.source to the path of a CSV") from None
    rows = read_rows(content, str(source), list(columns.values()))
    named = [(line, {key: row[column] for key, column in columns.items()}) for line, row in rows]
    return [(line, row | {key: _normal(row[key]) for key in ("path", "mask") if key in row}) for line, row in named]


_MENDS = {
    "no path": "fill the cells",
    "no label": "fill the cells",
    "labels that data.classes does not list": "add them there or remove the rows",
    "paths that stand there twice": "keep one row an image",
    "paths that leave its folder": "put the files below it",
    "DICOM files": "set data.kind to dicom, or convert them to PNG",
    "boxes that are not x y width height": "mend them",
}


def _mistakes(
    rows: list[tuple[int, dict[str, str]]], labels: dict[str, int], files: dict[str, Path], top: str
) -> Iterator[tuple[str, str]]:
    """Each mistake and where it stands."""
    lines: dict[str, int] = {}
    unknown = {""}
    for line, row in rows:
        path, label = row["path"], row["label"]
        for key in ("path", "label"):
            if not row[key]:
                yield f"no {key}", f"line {line}"
        if label not in labels and label not in unknown:
            unknown.add(label)
            yield "labels that data.classes does not list", f"{label!r} (line {line})"
        if path and lines.setdefault(path, line) != line:
            yield "paths that stand there twice", f"{path} (lines {lines[path]} and {line})"
        if path.lower().endswith((".dcm", ".dicom")):
            yield "DICOM files", f"{path} (line {line})"
        for file in filter(None, (path, row.get("mask"))):
            if _leaves(file, files[file], top):
                yield "paths that leave its folder", f"{file} (line {line})"
        if None in _boxes(row):
            yield "boxes that are not x y width height", f"{row['box']!r} (line {line})"


def _boxes(row: dict[str, str]) -> list[Box | None]:
    return [parse_box(part.split()) for part in row.get("box", "").split(";") if part.strip()]


def _record(tree: Tree, row: dict[str, str], label: int, window: tuple[float, float] | None) -> Record:
    path, mask, boxes = row["path"], row.get("mask") or None, _boxes(row)
    return Record(path, path, label, row.get("patient") or None, lambda: read_image(tree, path, mask, boxes, window))


def _notes(source: Path, skipped: Counter[str]) -> list[str]:
    shown = listed((f"{label} ({count})" for label, count in sorted(skipped.items())), 8)
    return [f"{source}: left out, as data.classes does not list their labels: {shown}"] if skipped else []


def _normal(path: str) -> str:
    """POSIX, composed, without what says nothing."""
    path = clean(path.replace("\\", "/"))
    absolute = "/" if path.startswith("/") else ""
    return absolute + "/".join(part for part in path.split("/") if part not in ("", "."))


def _leaves(path: str, file: Path, top: str) -> bool:
    """Whether a path leads out of the folder, by what it says or by a link."""
    if path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path):
        return True
    return not os.path.realpath(file).startswith(top.rstrip(os.sep) + os.sep)


def _find(folder: Path, path: str) -> Path:
    """The file, whether its name is stored composed or decomposed, as macOS does."""
    file = folder / path
    if path.isascii() or file.exists():
        return file
    decomposed = folder / unicodedata.normalize("NFD", path)
    return decomposed if decomposed.exists() else file
