"""A CSV that lists images, their labels, and what else is known of each."""

import importlib
import os
import re
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from heatproof.core.messages import InputError, clean, listed
from heatproof.data.sources.archives import Opened
from heatproof.data.sources.forms import (
    JOINED,
    OWN,
    BoxRow,
    Form,
    box_rows,
    join,
    recognize,
    separators,
    wide_labels,
)
from heatproof.data.sources.images import read_image
from heatproof.data.sources.places import split_of, stem, suffix
from heatproof.data.sources.records import SUFFIXES, Image, MarkedBox, Record, Region
from heatproof.data.sources.rows import (
    Classes,
    Findings,
    LeftOut,
    NoColumn,
    Sheet,
    find_columns,
    read_sheet,
    select,
    spellings,
    united,
    words,
)
from heatproof.data.sources.trees import Tree, open_tree, parents, read_file
from heatproof.data.sources.truth import PLAIN, Lesion, draw_boxes, mask_regions, parse_box


class Table(NamedTuple):
    """The images by row, a line for each thing that was left out, the rows that a rule left out, and the form."""

    records: list[Record]
    notes: list[str]
    left_out: list[LeftOut]
    form: Form


# role -> cell; boxes: of each its label's cell and its `BoxRow`; readers: who looked for boxes; about: column -> cell
Row = dict[str, Any]
Lined = tuple[int, Row]  # number of the line, row

BRANCHES = {"dicom": "heatproof.data.sources.dicom"}  # of a table with a key (`workflow.code`)
DICOM = (".dcm", ".dicom")
LABELS = "labels by column"  # the column that `wide_labels` gives


def list_records(
    source: Path,
    columns: dict[str, str | None],
    classes: dict[str, str],
    *,
    findings: Callable[[str, Iterable[str]], Findings] | None = None,
    inside: str | None = None,
    joined: Sequence[str] = (),
    boxes: str | None = None,
    marked: bool = True,
    patient: str | None = None,
    about: Sequence[str] = (),
    uncertain: str = "absent",
    blank: str = "absent",
    keep: dict[str, list[str]] | None = None,
    leave_out: Iterable[str] = (),
    window: tuple[float, float] | None = None,
    others: str = "refuse",
    lesion: Lesion = PLAIN,
    key_file: str | None = None,
) -> Table:
    """List the images of a table. A file that is not there is missed when it is read.

    A table has a row an image, or a row a box or a reader: an image then has the labels of all its rows.

    Args:
        source: the CSV (see `rows.read_rows`), or the folder or archive that holds it.
        columns: names of its columns by role, or None; those of a form that is recognized need no name (see
            `forms.recognize`). Paths are relative to the table's folder, one above it, or the source, and stay below
            it; in a source a bare name may lie anywhere, with any suffix. A folder's cell goes before them. An empty
            cell for mask or box: no truth of that image; for patient or license: unknown. Masks are paths and boxes
            `x y width height` in pixels, several of either separated by semicolons; where an image has both, the masks
            are taken. marks: the labels that they mark, in the words of the label's column.
        classes: class name to the value of its label.
        findings: makes, of separators and vocabulary, what the cells mean where they name several labels.
        inside: path of the CSV in the source, or in its one top folder.
        joined: CSVs beside it, joined by the columns that both have.
        boxes: CSV beside it with a row a box.
        marked: whether boxes are read.
        patient: pattern whose first group, found in the patient's cell or else the path, is the patient.
        about: columns that `Record.about` holds, with those that tell the view.
        uncertain, blank: see `forms.wide_labels`.
        keep, leave_out: which rows are taken; see `rows.select`.
        window: see `decode.decode`.
        others: refuse rows with labels of no class, or skip them.
        lesion: which values of a mask are lesion.
        key_file: keys the pseudonyms of DICOM files, which a table can name with it alone.

    Raises:
        InputError: with a line for each kind of mistake: not a CSV, no such column, empty cells, labels of no class,
            paths that appear twice or leave the folder, DICOM files without a key, boxes that are none, splits
            that are none of train, val and test, a class without rows.
    """
    files, named = Files(source, inside, key_file), {role: column for role, column in columns.items() if column}
    shown, keep = files.shown, keep or {}
    sheet, notes = _sheet(files, [*named.values(), *keep, *about], joined)
    form, roles = recognize(sheet.columns, shown, named, classes)
    if form.name != OWN:
        notes.insert(0, f"{shown}: read as {form.name}, by its columns {listed(form.columns.values(), 6)}")
    if "path" not in roles:
        raise NoColumn(shown, ["that names images"], sheet.columns, "; set data.join to the table that has it")
    marks = box_rows(sheet, shown, roles, form) if marked else None
    if form.wide:
        cells, stated = wide_labels(sheet, shown, classes, uncertain, blank)
        sheet, notes = sheet._replace(columns=sheet.columns | {LABELS: cells}), notes + stated
        roles["label"] = LABELS
    repeated = marks is not None or "reader" in roles or form.repeated
    parted = JOINED if form.wide else separators(set(sheet.columns[roles["label"]]), repeated)
    labels = findings(parted, form.vocabulary) if findings else Classes(classes)
    about = list(dict.fromkeys([*about, *(name for name in form.view if name in sheet.columns)]))
    numbered = [
        (place, dict(zip(sheet.columns, cells, strict=True)))
        for place, cells in enumerate(zip(*sheet.columns.values(), strict=True))
    ]
    uncertain_rows = [row for row in numbered if row[1][roles["label"]] is None]
    if uncertain_rows:
        notes.append(f"{shown}: left out, by data.uncertain and data.blank: {len(uncertain_rows):,} rows")
        numbered = [row for row in numbered if row[1][roles["label"]] is not None]
    kept, left_out = select(numbered, keep, roles["label"], leave_out, parted)
    if left_out and not kept:
        raise InputError(f"{shown}: data.keep and data.leave_out leave no row; fix their values")
    plain = {role: column for role, column in roles.items() if role in ROLES}
    rows = [
        (
            sheet.lines[place],
            _normal_row({role: cells[column] for role, column in plain.items()})
            | {"about": {name: cells[name] for name in about}}
            | {"boxes": [(cells[roles["label"]], marks[place])] if marks and marks[place] else []}
            | {"readers": [cells[roles["reader"]]] if marks and cells.get(roles.get("reader")) else []},
        )
        for place, cells in kept
    ]
    skipped = Counter(
        row["label"] for _, row in rows if others == "skip" and row["label"] and labels.unknown(row["label"])
    )
    rows = [(line, row) for line, row in rows if row["label"] not in skipped]
    wrong: list[tuple[str, str]] = []
    if repeated:
        rows, wrong = _gathered(rows, form, parted, files)
    found: dict[str, list[str]] = {}
    for what, place in (*wrong, *_mistakes(rows, labels, files, form)):
        found.setdefault(what, []).append(place)
    most = {Findings.wrong: sys.maxsize}  # all of them are to be fixed at once
    lines = [f"{shown}: {what}: {listed(places, most.get(what, 5))}; {_MENDS[what]}" for what, places in found.items()]
    if not lines:
        lines = [f"{shown}: {said}" for said in labels.without(row["label"] for _, row in rows)]
    if lines:
        raise InputError("\n".join(lines))
    if boxes and marked:
        notes += _add_boxes(files, boxes, rows, labels, form, classes)
    persons = [_person(row, patient) for _, row in rows]
    patients = spellings(filter(None, persons))
    reader = Reader(files, list(classes), labels, window, lesion)
    records = [
        reader.record(line, row, patients.get(person)) for (line, row), person in zip(rows, persons, strict=True)
    ]
    notes += _notes(shown, skipped, left_out, [] if key_file else united(patients), records)
    for _, cells in numbered:  # of rows that are left out, too
        files.find(_normal_row({role: cells[column] for role, column in plain.items()})["path"])
    return Table(records, notes + files.notes(), left_out, form)


def find_labels(source: Path, columns: dict[str, str | None] | None = None) -> tuple[list[str], bool, bool]:
    """Return the labels that a table names, sorted, whether one cell names several, and whether images have no folder.

    Args:
        source: the CSV.
        columns: names of its columns by role, as for `list_records`.

    Raises:
        InputError: not a CSV, or no table that is known by its columns.
    """
    files, named = Files(source, None), {role: column for role, column in (columns or {}).items() if column}
    sheet, _ = _sheet(files, list(named.values()), ())
    form, roles = recognize(sheet.columns, files.shown, named, {})
    cells = set(sheet.columns[roles["label"]])
    repeated = form.repeated or "reader" in roles or box_rows(sheet, files.shown, roles, form) is not None
    bare = not any("/" in cell for cell in sheet.columns[roles["path"]])
    parted = [words(cell, separators(cells, repeated)) for cell in cells]
    return sorted({word for held in parted for word in held}), any(len(held) > 1 for held in parted), bare


ROLES = ("path", "label", "patient", "mask", "box", "marks", "folder", "license", "split")  # of an image, not of a box


def _sheet(files: "Files", required: Sequence[str], joined: Sequence[str]) -> tuple[Sheet, list[str]]:
    """The table, with those that are joined to it, and a line for each that lacks rows."""
    sheet, notes = read_sheet(files.content, files.shown, () if joined else required), []
    for name in joined:
        content, where = files.beside(name, "data.join")
        sheet, lost = join(sheet, read_sheet(content, where, ()), files.shown, where)
        if lost:
            notes.append(f"{files.shown}: left out, as {name} has none for them: {lost:,} rows")
    if joined:
        places, header = find_columns(list(sheet.columns), files.shown, required), list(sheet.columns)
        names = {header[place]: name for name, place in places.items()}
        sheet = Sheet(sheet.lines, {names.get(name, name): cells for name, cells in sheet.columns.items()})
    return sheet, notes


def _gathered(rows: list[Lined], form: Form, parted: str, files: "Files") -> tuple[list[Lined], list[tuple[str, str]]]:
    """The rows of each image as one, with the labels of all; and where they do not agree."""
    found: dict[str, Lined] = {}
    cells: dict[str, dict[str, None]] = defaultdict(dict)
    wrong = []
    for line, row in rows:
        first, kept = found.setdefault(row["path"], (line, row))
        cells[row["path"]][row["label"]] = None
        if kept is row:
            continue
        for role in ROLES[2:]:
            if kept.get(role) != row.get(role):
                wrong.append(
                    (f"rows of one image that differ in {role}", files.name(row["path"], f"{first} and {line}"))
                )
        for role in ("boxes", "readers"):
            kept[role] += [one for one in row[role] if one not in kept[role]]
    for path, (_, row) in found.items():
        held = [cell for cell in cells[path] if cell != form.normal] or list(cells[path])
        row["label"] = parted[0].join(filter(None, held))
    return list(found.values()), wrong


def _person(row: Row, pattern: str | None) -> str | None:
    """The patient of an image, None where nobody is known."""
    cell = row.get("patient") if "patient" in row else row["path"] if pattern else None
    if not pattern or not cell:
        return cell or None
    match = re.search(pattern, cell)
    return match[1] or None if match else None


def _add_boxes(
    files: "Files",
    boxes: str,
    rows: list[Lined],
    labels: Classes | Findings,
    form: Form,
    classes: dict[str, str],
) -> list[str]:
    """Give images the boxes of a table of their own, joined by path, name or stem; a line for those left out."""
    content, shown = files.beside(boxes, "data.boxes")
    sheet = read_sheet(content, shown, ())
    kind, roles = recognize(sheet.columns, shown, {}, {})
    marks = box_rows(sheet, shown, roles, kind)
    if marks is None:
        raise InputError(f"{shown}: data.boxes: no boxes in it (read as {kind.name}); give a table with a row a box")
    images: dict[str, list[Row]] = defaultdict(list)
    for _, row in rows:
        last = row["path"].rpartition("/")[2]
        for name in dict.fromkeys((row["path"], last, stem(last))):
            images[name].append(row)
    known = {*classes.values(), *form.vocabulary, *kind.vocabulary}
    lost, absent, unknown, several = [], [], [], []
    taken = 0
    readers = sheet.columns[roles["reader"]] if "reader" in roles else [""] * len(marks)
    for line, path, word, mark, reader in zip(
        sheet.lines, sheet.columns[roles["path"]], sheet.columns[roles["label"]], marks, readers, strict=True
    ):
        path, word = _normal(path), kind.synonyms.get(word, word)
        fitting = images.get(path) or images.get(stem(path)) or []
        if reader and len(fitting) == 1 and reader not in fitting[0]["readers"]:
            fitting[0]["readers"].append(reader)  # whether there is a box or not
        if mark is None:
            continue
        held = _held(word, labels)
        if not held and word not in known:
            unknown.append(f"{word!r} (line {line})")
        elif len(fitting) > 1:
            several.append(files.name(path, line))
        elif not fitting:
            lost.append(f"line {line}")
        elif not held & _held(fitting[0]["label"], labels):
            absent.append(f"line {line}")
        elif (word, mark) not in fitting[0]["boxes"]:
            fitting[0]["boxes"].append((word, mark))
            taken += 1
    for places, what, fix in (
        (unknown, "labels unknown to the study", "add them to data.classes or data.synonyms"),
        (several, "names of several images", "give their paths"),
    ):
        if places:
            raise InputError(f"{shown}: {what}: {listed(places)}; {fix}")
    if not taken:
        raise InputError(
            f"{shown}: data.boxes: none of {len(marks)} boxes is of an image and a label of the study; fix it"
        )
    counts = ((lost, "of images that the study has not"), (absent, "of labels that their image has not, or the study"))
    return [f"{shown}: read as {kind.name}"] + [
        f"{shown}: left out, boxes {what}: {len(places):,} ({listed(places)})" for places, what in counts if places
    ]


class Files:
    """The files that a table names: in a source, or on the disk that the table lies on.

    content: the table's bytes; shown: how errors name it.
    """

    def __init__(self, source: Path, inside: str | None, key_file: str | None = None):
        self._source, self._inside, self._discreet = source, inside is not None, bool(key_file)
        self._found: dict[str, str | None] = {}
        self.several: dict[str, list[str]] = {}  # bare names to the files called so
        if inside is None:
            self.content, self.shown = _content(source), str(source)
            self._folders, self._paths = parents(source), {}
            self.tree = Tree(source, Opened(self._paths, read_file, lambda: None))
        else:
            self.tree, self._table = _inside(source, inside)
            self.content, self.shown = self.tree.read(self._table), f"{source}: {self._table}"
            parts = self._table.split("/")[:-1]
            self._folders = ["".join(f"{part}/" for part in parts[:count]) for count in range(len(parts), -1, -1)]
        self._called: dict[str, list[str]] | None = None
        self.pseudonyms, self.said = None, set()
        if key_file:
            reader = importlib.import_module(BRANCHES["dicom"])
            self.dicom: ModuleType = reader
            self.pseudonyms = reader.Pseudonyms(reader.read_key(key_file))

    def beside(self, name: str, key: str) -> tuple[bytes, str]:
        """The bytes of a table in the folder of this one, and how errors name it."""
        path = _normal(name)
        if self._inside:
            if (beside := self._folders[0] + path) in self.tree:
                return self.tree.read(beside), f"{self._source}: {beside}"
            there = listed([each for each in self.tree.names if each.lower().endswith((".csv", ".csv.gz"))], 5)
            raise InputError(f"{self.shown}: {key}: {name}: not beside it (tables there: {there}); fix the name")
        try:
            return read_file(self._folders[0] / path), str(self._folders[0] / path)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(f"{self.shown}: {key}: {name}: not beside it ({why}); fix the name") from None

    def find(self, path: str) -> str | None:
        """The name of a file in `tree`; None where it is not there."""
        if path not in self._found:
            self._found[path] = (
                None if _leads_out(path) else self._in_tree(path) if self._inside else self._on_disk(path)
            )
        return self._found[path]

    def _on_disk(self, path: str) -> str | None:
        for folder in self._folders:
            if (file := _stored(folder / path)) is not None:
                self._paths[path] = file
                return path
        return None

    def _in_tree(self, path: str) -> str | None:
        for folder in self._folders:
            if folder + path in self.tree:
                return folder + path
        if "/" in path:
            return None
        called = self._by_name()
        names = called.get(path) or called.get(stem(path) if suffix(path) in IMAGES else path) or []
        if len(names) > 1:
            self.several[path] = names
        return names[0] if names else None

    def _by_name(self) -> dict[str, list[str]]:
        """Files by their name and, of images, by their stem."""
        if self._called is None:
            self._called = defaultdict(list)
            for name in self.tree.names:
                last = name.rpartition("/")[2]
                self._called[last].append(name)
                if suffix(last) in IMAGES:
                    self._called[stem(last)].append(name)
        return self._called

    def leaves(self, path: str) -> bool:
        """Whether a path leads out of the folders, by what it says or, on a disk, by a link."""
        if _leads_out(path):
            return True
        if self._inside or not self.find(path):
            return False
        real = os.path.realpath(self._paths[path])
        return not any(real.startswith(os.path.realpath(top).rstrip(os.sep) + os.sep) for top in self._folders)

    def is_dicom(self, path: str) -> bool:
        """Whether a file is DICOM by its name; with a key all are that are not called like pictures."""
        end = suffix(self.find(path) or path)
        return end in DICOM or (self._discreet and end not in SUFFIXES)

    def name(self, path: str, lines: int | str) -> str:
        """How errors name a file and its line; names of DICOM files often are those of patients."""
        said = f"line{'s' if isinstance(lines, str) else ''} {lines}"
        return said if self._discreet else f"{path} ({said})"

    def missing(self, path: str, line: int) -> InputError:
        """The error of a file that is not there."""
        places = [str(folder).rstrip("/") or "." for folder in self._folders]
        anywhere = ", and by its name in all of the source" if self._inside and "/" not in path else ""
        named = f"line {line}" if self._discreet else path
        return InputError(
            f"{self._source}: {named}: not found (looked in {listed(places, 4)}{anywhere}); fix the name or add the "
            "file"
        )

    def notes(self) -> list[str]:
        """A line on the images of the source that no row names."""
        if not self._inside:
            return []
        named = {*self._found.values()}
        left = [name for name in self.tree.names if suffix(name) in IMAGES and name not in named]
        shown = "" if self._discreet else f", such as {left[0]}" if left else ""
        return [f"{self.shown}: images of the source that no row names: {len(left):,}{shown}"] if left else []


IMAGES = (*SUFFIXES, *DICOM)


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
    if inside is None:
        return open_tree(source.parent, "folder")
    tree, table = _inside(source, inside)
    return tree.below(table[: table.rfind("/") + 1])


def _inside(source: Path, inside: str) -> tuple[Tree, str]:
    """A source, and the name of a table in it."""
    tree, path = open_tree(source, "archive"), _normal(inside)
    found = [name for name in tree.names if name == path] or [n for n in tree.names if n.partition("/")[2] == path]
    if len(found) != 1:
        there = listed([name for name in tree.names if name.lower().endswith(".csv")], 5) or "none"
        said = f"{len(found)} such files ({listed(found)})" if found else f"not found (CSV files there: {there})"
        raise InputError(f"{source}: data.table: {inside}: {said}; give its path in the source")
    return tree, found[0]


def _normal_row(row: Row) -> Row:
    """A row whose paths are normal, that of the image below its folder."""
    if folder := row.get("folder"):
        row = row | {"path": f"{folder}/{row['path']}" if row["path"] else ""}
    masks = {"mask": ";".join(map(_normal, row["mask"].split(";")))} if "mask" in row else {}
    return row | masks | {"path": _normal(row["path"])}


def _masks(row: Row) -> tuple[str, ...]:
    return tuple(mask for part in row.get("mask", "").split(";") if (mask := part.strip()))


_MENDS = {
    "no path": "fill the cells",
    "no label": "fill the cells",
    Classes.wrong: "add them there or remove the rows",
    Findings.wrong: "add them to data.classes, data.synonyms or data.leave_out",
    "labels separated in two ways": "separate all with the same character",
    "images with several labels": "set task: multilabel, or keep one label an image",
    "images without a label of the study": "set data.leave_out: [''], or task: multilabel",
    "paths that appear twice": "keep one row an image",
    "paths that leave its folder": "put the files below it",
    "names of several files": "set data.columns.folder, or rename the files",
    "DICOM files": "set data.key_file, which keys their pseudonyms, or convert them to PNG",
    "boxes that are not x y width height": "fix them",
    "splits that are none of train, val and test": "fix the cells",
    "marked labels that the image does not have": "fix the cells of data.columns.marks",
} | {f"rows of one image that differ in {role}": "correct the cells" for role in ROLES}


def _mistakes(rows: list[Lined], labels: Classes | Findings, files: Files, form: Form) -> Iterator[tuple[str, str]]:
    """Each mistake and where it stands."""
    lines: dict[str, int] = {}
    unknown = {""}
    for line, row in rows:
        path, label = row["path"], row["label"]
        if not path:
            yield "no path", f"line {line}"
        if not label and not form.wide:
            yield "no label", f"line {line}"
        if form.wide and isinstance(labels, Classes) and not label:
            yield "images without a label of the study", files.name(path, line)
        for word in labels.unknown(label):
            if isinstance(labels, Classes) and all(part in labels for part in label.split(JOINED)):
                yield "images with several labels", files.name(path, line)
            elif isinstance(labels, Findings) and labels.mixed(word):
                yield "labels separated in two ways", f"{label!r} (line {line})"
            elif word not in unknown:
                unknown.add(word)
                yield labels.wrong, f"{word!r} (line {line})"
        if path and (first := lines.setdefault(files.find(path) or path, line)) != line:
            yield "paths that appear twice", files.name(path, f"{first} and {line}")
        if files.is_dicom(path) and not files.pseudonyms:
            yield "DICOM files", f"{path} (line {line})"
        if "split" in row and split_of(row["split"]) is None:
            yield "splits that are none of train, val and test", f"{row['split']!r} (line {line})"
        if (marked := row.get("marks")) and not _marks(row, labels) <= _held(label, labels):
            yield "marked labels that the image does not have", f"{marked!r} (line {line})"
        for file in filter(None, (path, *_masks(row))):
            if files.leaves(file):
                yield "paths that leave its folder", files.name(file, line)
            elif file in files.several:
                yield "names of several files", files.name(f"{file}: {listed(files.several[file])}", line)
        if None in _cell_boxes(row):
            yield "boxes that are not x y width height", f"{row['box']!r} (line {line})"


def _cell_boxes(row: Row) -> list[BoxRow | None]:
    boxes = [parse_box(part.split()) for part in row.get("box", "").split(";") if part.strip()]
    return [box and BoxRow((box.x, box.y, box.x + box.width, box.y + box.height), "", None) for box in boxes]


def _held(cell: str, labels: Classes | Findings) -> set[int]:
    """The labels of a cell; none where it has words that the study does not know, which are a mistake of their own."""
    found = () if labels.unknown(cell) else labels.of(cell)
    return {found} if isinstance(found, int) else set(found)


def _marks(row: Row, labels: Classes | Findings) -> set[int]:
    """The labels that masks and boxes of a row mark; -1 where a word of them is none."""
    cell = row["marks"]
    return {-1} if labels.unknown(cell) else _held(cell, labels)


class Reader(NamedTuple):
    """What makes records of rows."""

    files: Files
    classes: list[str]
    labels: Classes | Findings
    window: tuple[float, float] | None
    lesion: Lesion

    def record(self, line: int, row: Row, patient: str | None) -> Record:
        """The record of a row. Of DICOM files names and patients are pseudonyms, as `dicom.list_records` has them."""
        path, names = row["path"], self.files.pseudonyms
        image_id = path
        if names and self.files.is_dicom(path):
            image_id, patient = names.file(self.files.find(path) or path), patient and names.patient(patient)
        boxes, masks = self._boxes(image_id, row), _masks(row)
        drawn = () if self.lesion.labels else masks
        return Record(
            image_id=image_id,
            source=image_id,
            label=self.labels.of(row["label"]),
            patient=patient,
            read=lambda: self._read(line, path, image_id, drawn, boxes),
            license=row.get("license") or None,
            split=split_of(row["split"]) if "split" in row else None,
            marks=tuple(sorted(_marks(row, self.labels))) if "marks" in row else None,
            boxes=() if masks else boxes,
            about=row["about"],
            regions=self._regions(line, image_id, masks) if self.lesion.labels else None,
            readers=() if masks else tuple(row["readers"]),
        )

    def _regions(self, line: int, image_id: str, masks: tuple[str, ...]) -> tuple[Region, ...]:
        """The regions by label of masks whose values say their labels."""

        def read(mask: str) -> bytes:
            if (name := self.files.find(mask)) is None:
                raise self.files.missing(mask, line)
            return self.files.tree.read(name)

        source, pseudonym = self.files.tree.source, self.files.pseudonyms and f"{image_id}: mask"
        return mask_regions(read, masks, lambda mask: f"{source}: {pseudonym or mask}", self.lesion, None)

    def _boxes(self, image_id: str, row: Row) -> tuple[MarkedBox, ...]:
        """The boxes of an image, one a label that each marks."""
        marked = row["boxes"] + [(row.get("marks", ""), box) for box in _cell_boxes(row)]
        found = []
        for cell, (corners, reader, size) in marked:
            held = _held(cell or row["label"], self.labels)
            names = [self.classes[k] for k in sorted(held)] if cell or isinstance(self.labels, Classes) else [""]
            found += [MarkedBox(image_id, name, *corners, reader, size) for name in names]
        return tuple(found)

    def _read(self, line: int, path: str, image_id: str, masks: tuple[str, ...], boxes: tuple[MarkedBox, ...]) -> Image:
        """Decode an image with its truth, at its own size."""
        names = [self.files.find(each) for each in (path, *masks)]
        for each, name in zip((path, *masks), names, strict=True):
            if name is None:
                raise self.files.missing(each, line)
        name, *drawn = names
        options = {"window": self.window, "lesion": self.lesion}
        if not (self.files.pseudonyms and self.files.is_dicom(path)):
            return read_image(self.files.tree, name, tuple(drawn), boxes, **options)
        more = {"names": self.files.pseudonyms, "said": self.files.said, "named": False}
        image = self.files.dicom.read_dicom(self.files.tree, name, image_id, tuple(drawn), **more, **options)
        if masks or not boxes:
            return image
        mask = draw_boxes(boxes, f"{self.files.tree.source}: {image_id}", image.pixels.shape[:2])
        return replace(image, mask=mask, truth="box")


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
        found.append(f"{source}: counted as one patient, because only the spelling differs: {listed(same, 8)}")
    bare = sum(record.label == () for record in records)
    return found + ([f"{source}: rows with none of the labels: {bare}"] if bare else [])


def _normal(path: str) -> str:
    """POSIX, composed, without what says nothing."""
    path = clean(path.replace("\\", "/"))
    absolute = "/" if path.startswith("/") else ""
    return absolute + "/".join(part for part in path.split("/") if part not in ("", "."))


def _leads_out(path: str) -> bool:
    """Whether a path says that it leads out of its folder."""
    return path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:", path) is not None


def _stored(file: Path) -> Path | None:
    """The file, whether its name is stored composed or decomposed, as macOS does; None where it is not there."""
    names = (file, file.with_name(unicodedata.normalize("NFD", file.name)))
    return next((name for name in (names if not file.name.isascii() else names[:1]) if _is_there(name)), None)


def _is_there(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # a name too long, a null byte
        return False
