"""A CSV that lists images, their labels, and what else is known of each."""

import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from heatproof.core.messages import InputError
from heatproof.data.sources.archives import Opened
from heatproof.data.sources.cells import Classes, Findings, LeftOut, select, spellings, united
from heatproof.data.sources.images import read_image
from heatproof.data.sources.names import clean, listed
from heatproof.data.sources.places import split_of
from heatproof.data.sources.records import Record
from heatproof.data.sources.rows import read_rows
from heatproof.data.sources.trees import Tree, open_tree, read_file
from heatproof.data.sources.truth import PLAIN, Box, Lesion, mask_regions, parse_box


class Table(NamedTuple):
    """The images by row, a line for each thing that was left out, and the rows that a rule left out."""

    records: list[Record]
    notes: list[str]
    left_out: list[LeftOut]


def list_records(
    source: Path,
    columns: dict[str, str | None],
    classes: dict[str, str],
    *,
    findings: Findings | None = None,
    inside: str | None = None,
    keep: dict[str, list[str]] | None = None,
    leave_out: Iterable[str] = (),
    window: tuple[float, float] | None = None,
    others: str = "refuse",
    lesion: Lesion = PLAIN,
) -> Table:
    """List the images of a table, one a row. A file that is not there is missed when it is read.

    Args:
        source: the CSV (see `rows.read_rows`), or the folder or archive that holds it.
        columns: names of its columns: path and label; and patient, mask, box, marks, folder, license and split, or
            None. Paths are relative to its folder and stay below it; a folder's cell goes before them. An empty cell
            for mask or box: no truth of that image; for patient or license: unknown. Masks are paths and boxes
            `x y width height` in pixels, several of either separated by semicolons; where an image has both, the masks
            are taken. marks: the labels that they mark, in the words of the label's column.
        classes: class name to the value of its label.
        findings: what the cells mean where they name several labels, in place of `classes`.
        inside: path of the CSV in the source, or in its one top folder.
        keep, leave_out: which rows are taken; see `cells.select`.
        window: see `decode.decode`.
        others: refuse rows with labels of no class, or skip them.
        lesion: which values of a mask are lesion.

    Raises:
        InputError: with a line for each kind of mistake: not a CSV, no such column, empty cells, labels of no class,
            paths that stand there twice or leave the folder, DICOM files, boxes that are none, splits that are none of
            train, val and test, a class without rows.
    """
    labels, keep = findings or Classes(classes), keep or {}
    named = {key: column for key, column in columns.items() if column}
    tree, content, shown = (None, _content(source), str(source)) if inside is None else _inside(source, inside)
    rows, left_out = select(
        read_rows(content, shown, [*named.values(), *(keep or {})]), keep or {}, named["label"], leave_out
    )
    if left_out and not rows:
        raise InputError(f"{shown}: data.keep and data.leave_out leave no row; mend their values")
    rows = [(line, _normal_row({key: row[column] for key, column in named.items()})) for line, row in rows]
    skipped = Counter(
        row["label"] for _, row in rows if others == "skip" and row["label"] and labels.unknown(row["label"])
    )
    rows = [(line, row) for line, row in rows if row["label"] not in skipped]
    files = {path: path for _, row in rows for path in (row["path"], *_masks(row)) if path}
    if tree is None:
        files = {path: _find(source.parent, path) for path in files}
        tree = Tree(source, Opened(files, read_file, lambda: None))
    top = os.path.realpath(source.parent) if inside is None else None
    found: dict[str, list[str]] = {}
    for what, place in _mistakes(rows, labels, files, top):
        found.setdefault(what, []).append(place)
    most = {Findings.wrong: sys.maxsize}  # all of them are to be mended at once
    lines = [f"{shown}: {what}: {listed(places, most.get(what, 5))}; {_MENDS[what]}" for what, places in found.items()]
    if not lines:
        lines = [f"{shown}: {said}" for said in labels.without(row["label"] for _, row in rows)]
    if lines:
        raise InputError("\n".join(lines))
    patients = spellings(row["patient"] for _, row in rows if row.get("patient"))
    records = [_record(tree, row, labels, patients, window, lesion) for _, row in rows]
    return Table(records, _notes(shown, skipped, left_out, united(patients), records), left_out)


def _content(source: Path) -> bytes:
    try:
        return read_file(source)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(f"{source}: cannot be read ({said}); set data.source to the path of a CSV") from None


def files_beside(source: Path, inside: str | None) -> Tree:
    """Return the files in the folder of a table and below it, by their paths in the table.

    Args:
        source, inside: as for `list_records`.
    """
    return open_tree(source.parent, "folder") if inside is None else _inside(source, inside)[0]


def _inside(source: Path, inside: str) -> tuple[Tree, bytes, str]:
    """What lies in the folder of a table in a source, the table's bytes, and how errors name it."""
    tree, path = open_tree(source, "archive"), _normal(inside)
    found = [name for name in tree.names if name == path] or [n for n in tree.names if n.partition("/")[2] == path]
    if len(found) != 1:
        there = listed([name for name in tree.names if name.lower().endswith(".csv")], 5) or "none"
        said = f"{len(found)} such files ({listed(found)})" if found else f"not there (CSV files there: {there})"
        raise InputError(f"{source}: data.table: {inside}: {said}; give its path in the source")
    folder = found[0][: found[0].rfind("/") + 1]
    return tree.below(folder), tree.read(found[0]), f"{source}: {found[0]}"


def _normal_row(row: dict[str, str]) -> dict[str, str]:
    """A row whose paths are normal, that of the image below its folder."""
    if folder := row.get("folder"):
        row = row | {"path": f"{folder}/{row['path']}" if row["path"] else ""}
    masks = {"mask": ";".join(map(_normal, row["mask"].split(";")))} if "mask" in row else {}
    return row | masks | {"path": _normal(row["path"])}


def _masks(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(mask for part in row.get("mask", "").split(";") if (mask := part.strip()))


_MENDS = {
    "no path": "fill the cells",
    "no label": "fill the cells",
    Classes.wrong: "add them there or remove the rows",
    Findings.wrong: "add them to data.classes, data.synonyms or data.leave_out",
    "paths that stand there twice": "keep one row an image",
    "paths that leave its folder": "put the files below it",
    "DICOM files": "set data.kind to dicom, or convert them to PNG",
    "boxes that are not x y width height": "mend them",
    "splits that are none of train, val and test": "mend the cells",
    "marked labels that the image does not have": "mend the cells of data.columns.marks",
}


def _mistakes(
    rows: list[tuple[int, dict[str, str]]], labels: Classes | Findings, files: dict[str, Path | str], top: str | None
) -> Iterator[tuple[str, str]]:
    """Each mistake and where it stands."""
    lines: dict[str, int] = {}
    unknown = {""}
    for line, row in rows:
        path, label = row["path"], row["label"]
        for key in ("path", "label"):
            if not row[key]:
                yield f"no {key}", f"line {line}"
        for word in labels.unknown(label):
            if word not in unknown:
                unknown.add(word)
                yield labels.wrong, f"{word!r} (line {line})"
        if path and lines.setdefault(path, line) != line:
            yield "paths that stand there twice", f"{path} (lines {lines[path]} and {line})"
        if path.lower().endswith((".dcm", ".dicom")):
            yield "DICOM files", f"{path} (line {line})"
        if "split" in row and split_of(row["split"]) is None:
            yield "splits that are none of train, val and test", f"{row['split']!r} (line {line})"
        if (marked := row.get("marks")) and not _marks(row, labels) <= _held(label, labels):
            yield "marked labels that the image does not have", f"{marked!r} (line {line})"
        for file in filter(None, (path, *_masks(row))):
            if _leaves(file, files[file], top):
                yield "paths that leave its folder", f"{file} (line {line})"
        if None in _boxes(row):
            yield "boxes that are not x y width height", f"{row['box']!r} (line {line})"


def _boxes(row: dict[str, str]) -> list[Box | None]:
    return [parse_box(part.split()) for part in row.get("box", "").split(";") if part.strip()]


def _held(cell: str, labels: Classes | Findings) -> set[int]:
    """The labels of a cell; none where it has words that the study does not know, which are a mistake of their own."""
    found = () if labels.unknown(cell) else labels.of(cell)
    return {found} if isinstance(found, int) else set(found)


def _marks(row: dict[str, str], labels: Classes | Findings) -> set[int]:
    """The labels that masks and boxes of a row mark; -1 where a word of them is none."""
    cell = row["marks"]
    return {-1} if labels.unknown(cell) else _held(cell, labels)


def _record(
    tree: Tree,
    row: dict[str, str],
    labels: Classes | Findings,
    patients: dict[str, str],
    window: tuple[float, float] | None,
    lesion: Lesion,
) -> Record:
    path, masks, boxes = row["path"], _masks(row), _boxes(row)
    regions = None
    if lesion.labels:
        regions = mask_regions(tree.read, masks, lambda mask: f"{tree.source}: {mask}", lesion, None)
        masks = ()
    return Record(
        image_id=path,
        source=path,
        label=labels.of(row["label"]),
        patient=patients.get(row.get("patient", "")),
        read=lambda: read_image(tree, path, masks, boxes, window, lesion),
        license=row.get("license") or None,
        split=split_of(row["split"]) if "split" in row else None,
        marks=tuple(sorted(_marks(row, labels))) if "marks" in row else None,
        regions=regions,
    )


def _notes(
    source: str, skipped: Counter[str], left_out: list[LeftOut], same: list[str], records: list[Record]
) -> list[str]:
    found = []
    for key in dict.fromkeys(out.key for out in left_out):
        values = [f"{out.value or 'blank'} ({out.rows})" for out in left_out if out.key == key]
        found.append(f"{source}: rows left out by {key}: {listed(values, 12)}")
    if skipped:
        shown = listed((f"{label} ({count})" for label, count in sorted(skipped.items())), 8)
        found.append(f"{source}: left out, as data.classes does not list their labels: {shown}")
    if same:
        found.append(f"{source}: taken for one patient, as nothing but the spelling differs: {listed(same, 8)}")
    bare = sum(record.label == () for record in records)
    return found + ([f"{source}: rows with none of the labels: {bare}"] if bare else [])


def _normal(path: str) -> str:
    """POSIX, composed, without what says nothing."""
    path = clean(path.replace("\\", "/"))
    absolute = "/" if path.startswith("/") else ""
    return absolute + "/".join(part for part in path.split("/") if part not in ("", "."))


def _leaves(path: str, file: Path | str, top: str | None) -> bool:
    """Whether a path leads out of the folder, by what it says or, on a disk, by a link."""
    if path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path):
        return True
    return top is not None and not os.path.realpath(file).startswith(top.rstrip(os.sep) + os.sep)


def _find(folder: Path, path: str) -> Path:
    """The file, whether its name is stored composed or decomposed, as macOS does."""
    file = folder / path
    if path.isascii() or file.exists():
        return file
    decomposed = folder / unicodedata.normalize("NFD", path)
    return decomposed if decomposed.exists() else file
