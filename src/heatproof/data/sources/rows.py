"""Tables that a user wrote, or a spreadsheet exported: one reader for those of images, of boxes and of scores."""

import codecs
import csv
import gzip
import io
import math
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from heatproof.core.messages import InputError, bare, listed, reason
from heatproof.data.sources.archives import LARGEST

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how .xlsx (and .ods) and .xls begin
_NOT_AVAILABLE = {"#n/a", "#nv", "#n/d", "#n/b"}  # in English, German, French or Italian or Spanish, and Dutch
_BROKEN = re.compile("#[A-ZÀ-Þ/0¡¿]+[!?]")  # what a formula shows that failed: #REF!, #DIV/0!, #NAME?, #WERT!
_HEAD = 1 << 16  # characters in which the header ends


def is_table(path: Path) -> bool:
    """Return whether a path is that of a table of images."""
    return path.is_file() and path.name.lower().endswith((".csv", ".tsv", ".csv.gz"))


class NoColumn(InputError):
    """A table lacks columns, `missing`."""

    def __init__(self, where: str, missing: Sequence[str], there: Iterable[str], hint: str = ""):
        self.missing, self.there = list(missing), list(filter(None, there))
        shown = listed(self.there, 8) or "none"
        super().__init__(f"{where}: no column {listed(missing, 8)}; columns there: {shown}{hint}")


class Sheet(NamedTuple):
    """A table as text.

    Attributes:
        lines: number of the line of each row that is not blank.
        columns: stripped cells by column; `#N/A` is "".
    """

    lines: list[int]
    columns: dict[str, list[str]]


def read_sheet(content: bytes, where: str, required: Sequence[str], optional: Collection[str] = ()) -> Sheet:
    """Read a delimited table with a header, as hands, programs and spreadsheets write it.

    Cells are separated by commas, semicolons or tabs: whichever finds the columns. Gzip and UTF-16 are unpacked; a
    first line `sep=;`, blank rows and blank columns at the end are ignored; a row may lack optional cells at its end.

    Args:
        content: the bytes of the file.
        where: names the file in errors.
        required: columns that must be there. A header names a column exactly, or else but for case, blanks and
            punctuation.
        optional: columns that may be there, once.

    Returns:
        All columns; those of `required` and `optional` by these names.

    Raises:
        InputError: it is not such a table, lacks a column or has it twice, a row has too few or too many cells, or a
            formula failed in one of these columns.

    >>> read_sheet(b"Patient ID;Value;\\n3;0,5;\\n", "s.csv", ["value"]).columns
    {'Patient ID': ['3'], 'value': ['0,5']}
    """
    text = _text(content, where)
    skipped, separator = _layout(text, {bare(name) for name in (*required, *optional)})
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    lines, rows, clean = [], [], _Cells()
    try:
        for _ in range(skipped):
            next(reader)
        header = [clean[cell] for cell in next(reader, [])]
        for row in reader:
            if any(cells := [clean[cell] for cell in row]):
                lines.append(reader.line_num)
                rows.append(cells)
    except csv.Error as error:
        raise InputError(f"{where}: line {reader.line_num}: not a CSV ({reason(error)}); correct it") from None
    places = find_columns(header, where, required, optional)
    _fit(rows, len(header), 1 + max((places[name] for name in required), default=-1), lines, where)
    names = {place: name for name, place in places.items()}
    columns = {
        names.get(place, head): [row[place] for row in rows]
        for place, head in enumerate(header)
        if head and (place in names or head not in places)
    }
    if broken := {cell for cell in clean if _BROKEN.fullmatch(cell)}:
        for name in places:
            for line, cell in zip(lines, columns[name], strict=True):
                if cell in broken:
                    raise InputError(f"{where}: line {line}: {name} is {cell}; correct the formula and export it again")
    return Sheet(lines, columns)


def read_rows(content: bytes, where: str, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Number of the line, and cells by column, of each row of a table; see `read_sheet`."""
    lines, cells = read_sheet(content, where, columns)
    rows = zip(*cells.values(), strict=True)
    return [(line, dict(zip(cells, row, strict=True))) for line, row in zip(lines, rows, strict=True)]


def _text(content: bytes, where: str) -> str:
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.GzipFile(fileobj=io.BytesIO(content)).read(LARGEST + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{where}: damaged gzip file ({reason(error)}); get it again") from None
        if len(content) > LARGEST:
            raise InputError(f"{where}: unpacks to more than {LARGEST // 10**9} GB; split it")
    if content.startswith(_WORKBOOKS):
        raise InputError(f"{where}: an Excel workbook or another archive; save the sheet as CSV UTF-8")
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # Excel's "Unicode text"
    try:
        return content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.start} is 0x{content[error.start]:02x}"
        raise InputError(f"{where}: not UTF-8 ({place}); save it as UTF-8 (in Excel: CSV UTF-8)") from None


def _layout(text: str, wanted: Collection[str]) -> tuple[int, str]:
    """Lines before the header, and what separates cells: what finds most of the columns, or else makes most cells."""
    head = text[:_HEAD]
    if stated := re.match(r'"?sep=([,;\t])"?\r?\n', head, re.IGNORECASE):
        return 1, stated[1]

    def fit(separator: str) -> tuple[int, int]:
        try:
            header = next(csv.reader(io.StringIO(head, newline=""), delimiter=separator), [])
        except csv.Error:
            return 0, 0
        return len({bare(cell) for cell in header} & wanted), len(header)

    return 0, max(",;\t", key=fit)


class _Cells(dict):
    """Cell -> the cell without blanks around it, "" for `#N/A`; equal ones share their memory."""

    def __missing__(self, cell: str) -> str:
        stripped = cell.strip()
        if stripped != cell:
            self[cell] = self[stripped]
        else:
            self[cell] = "" if cell.lower() in _NOT_AVAILABLE else cell
        return self[cell]


def find_columns(
    header: Sequence[str], where: str, required: Sequence[str], optional: Iterable[str] = ()
) -> dict[str, int]:
    """Find where columns are in a header: an exact name, or else one that differs in case, blanks and punctuation.

    Raises:
        NoColumn: one that is required is not there.
        InputError: one is there twice.
    """
    wanted, found = list(dict.fromkeys([*required, *optional])), {}
    for name in wanted:
        exact = [place for place, head in enumerate(header) if head == name]
        alike = [p for p, head in enumerate(header) if head not in wanted and bare(head) == bare(name) != ""]
        found[name] = exact or alike
    if missing := [name for name in dict.fromkeys(required) if not found[name]]:
        raise NoColumn(where, missing, header)
    if twice := [name for name, places in found.items() if len(places) > 1]:
        raise InputError(f"{where}: two columns are called {listed(twice)}; rename one of them")
    return {name: places[0] for name, places in found.items() if places}


def _fit(rows: list[list[str]], width: int, least: int, lines: Sequence[int], where: str) -> None:
    """Cut blank cells beyond the header, and fill up rows that spreadsheets cut short after the last cell in use."""
    ragged = []
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            if len(row) < least or any(row[width:]):
                ragged.append(f"line {line}")
            row[width:] = []
            row += [""] * (width - len(row))
    if ragged:
        raise InputError(f"{where}: not {width} cells as in the header: {listed(ragged)}; correct them")


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")  # 1,234 in English; 1.234 where the comma is decimal
_WORDS = dict.fromkeys(("", "na", "n/a", "nan", "none", "null"), math.nan) | {"true": 1.0, "false": 0.0}


def parse_numbers(cells: Sequence[str]) -> list[float]:
    """Parse the cells of one column, which share a decimal mark; NaN where there is none.

    Raises:
        ValueError: a cell is no finite number, or the column does not show what its commas are; says what to do.

    >>> parse_numbers(["0,5", "1", "-2e-3", "NA"])
    [0.5, 1.0, -0.002, nan]
    """
    commas = [cell for cell in cells if "," in cell]
    if commas and (point := next((cell for cell in cells if "." in cell), "")):
        raise ValueError(f"holds {commas[0]!r} and {point!r}; write all numbers with the same decimal mark")
    if commas and all(map(_GROUPED.fullmatch, commas)):
        raise ValueError(f"holds {commas[0]!r}, with a comma that is decimal or groups thousands; write it without")
    return [_parse(cell) for cell in cells]


def _parse(cell: str) -> float:
    text = cell.replace(",", ".").replace("\N{MINUS SIGN}", "-")
    if _NUMBER.fullmatch(text):
        return float(text)
    if (word := cell.casefold()) in _WORDS:
        return _WORDS[word]
    raise ValueError(f"holds {cell!r}; it must be a number")


def spellings(ids: Iterable[str]) -> dict[str, str]:
    """Map each id to the first one that differs from it in nothing but case, spaces, leading zeros or a decimal `.0`.

    Two people whom this takes for one are in one part of the split and one group of a test, which costs little; one
    person taken for two may be in two parts, which is a leak, and counts twice, which makes p values too small.

    >>> spellings(["3", "3.0", "03", "P01", "p01 "])
    {'3': '3', '3.0': '3', '03': '3', 'P01': 'P01', 'p01 ': 'P01'}
    """
    first: dict[str, str] = {}
    return {name: first.setdefault(_plain(name), name) for name in dict.fromkeys(ids)}


def united(names: dict[str, str]) -> list[str]:
    """The ids that are one patient, `17 = 17.0` for each."""
    groups = defaultdict(list)
    for name, first in names.items():
        groups[first].append(name)
    return [" = ".join(group) for group in groups.values() if len(group) > 1]


def _plain(name: str) -> str:
    name = re.sub(r"\s+", "", unicodedata.normalize("NFKC", name)).casefold()
    return re.sub(r"^0+(?=\d)", "", re.sub(r"^(\d+)(\.0*|,00?)$", r"\1", name))


Row = tuple[int, dict[str, str]]  # number of the line, cells by column


class LeftOut(NamedTuple):
    """Rows that a key of the study leaves out for what stands in a column, and how many they are."""

    key: str
    column: str
    value: str
    rows: int


def words(cell: str, separators: str = ",/") -> list[str]:
    """The parts of a cell, `COVID-19, ARDS` or `Pneumonia/Viral/COVID-19`, without blank ones."""
    return [word for part in re.split(f"[{separators}]", cell) if (word := part.strip())]


def select(
    rows: Iterable[Row], keep: dict[str, list[str]], label: str, leave_out: Iterable[str], separators: str = ",/"
) -> tuple[list[Row], list[LeftOut]]:
    """The rows that are taken, and those that are not by the rule and the value that tell so.

    Args:
        keep: column to the values whose rows are taken.
        label: the column of `leave_out`.
        leave_out: findings, whole or a part, whose rows are not taken; "" for blank ones.
        separators: what separates the findings of a cell.
    """
    kept, counts = [], Counter()
    unwanted = set(leave_out)
    for line, row in rows:
        out = next(((f"data.keep.{c}", c, row[c]) for c, values in keep.items() if row[c] not in values), None)
        held = (row[label], *words(row[label], separators)) if unwanted and out is None else ()
        if (found := next((word for word in held if word in unwanted), None)) is not None:
            out = ("data.leave_out", label, found)
        if out is None:
            kept.append((line, row))
        else:
            counts[out] += 1
    order = {key: place for place, key in enumerate([*(f"data.keep.{column}" for column in keep), "data.leave_out"])}
    ordered = sorted(counts.items(), key=lambda item: (order[item[0][0]], -item[1], item[0]))
    return kept, [LeftOut(*out, count) for out, count in ordered]


class Classes:
    """The labels of cells that hold one word each: a class.

    Args:
        classes: class to its word.
        synonyms: word to the class that it means, None where it means none.
    """

    wrong = "labels that data.classes does not list"

    def __init__(self, classes: dict[str, str], synonyms: Mapping[str, str | None] = MappingProxyType({})):
        self._classes = classes
        self._labels = {value: label for label, value in enumerate(classes.values())}
        self._labels |= {w: () if name is None else list(classes).index(name) for w, name in synonyms.items()}

    def __contains__(self, word: str) -> bool:
        return word in self._labels

    def unknown(self, cell: str) -> list[str]:
        """What no class is called."""
        return [] if cell in self._labels else [cell]

    def of(self, cell: str) -> int | tuple[()]:
        """Index of the class, () of a word that means none."""
        return self._labels[cell]

    def without(self, cells: Iterable[str]) -> list[str]:
        """A line for each class that no cell has."""
        seen = set(cells)
        return [f"data.classes.{k}: no row with the label {v!r}" for k, v in self._classes.items() if v not in seen]


class Findings:
    """The labels of cells that hold several words, each a label with all that it is a kind of.

    Args:
        classes: label to its word.
        parents: label to the label that it is a kind of.
        synonyms: word to the label that it means, None where it means no label of the study.
        separators: what separates the words of a cell.
        vocabulary: words of the table that mean no label where the study names none.
    """

    wrong = "findings that the study does not know"

    def __init__(
        self,
        classes: dict[str, str],
        parents: dict[str, str],
        synonyms: dict[str, str | None],
        separators: str = ",/",
        vocabulary: Iterable[str] = (),
    ):
        self._classes, self._separators = classes, separators
        places = {label: place for place, label in enumerate(classes)}

        def line(label: str | None) -> set[int]:
            return {places[label]} | line(parents.get(label)) if label is not None else set()

        self._labels: dict[str, set[int]] = {word: set() for word in vocabulary}
        self._labels |= {word: line(label) for label, word in classes.items()}
        self._labels |= {word: line(label) for word, label in synonyms.items()}

    def unknown(self, cell: str) -> list[str]:
        """The words that mean nothing here."""
        return [word for word in self._words(cell) if word not in self._labels]

    def mixed(self, word: str) -> bool:
        """Whether a word that means nothing is several that do, separated in another way than the cell's others."""
        parts = words(word, "|;,/")
        return len(parts) > 1 and all(part in self._labels for part in parts)

    def of(self, cell: str) -> tuple[int, ...]:
        """Indices of the labels, ascending; none where all words are such that mean no label."""
        return tuple(sorted(set().union(*(self._labels[word] for word in self._words(cell)))))

    def without(self, cells: Iterable[str]) -> list[str]:
        """A line for each label that no cell has."""
        seen = set().union(*(self.of(cell) for cell in set(cells)))
        said = "no row with this label or one that is a kind of it; leave it out"
        return [f"data.classes.{label}: {said}" for place, label in enumerate(self._classes) if place not in seen]

    def _words(self, cell: str) -> list[str]:
        return [cell] if cell in self._labels else words(cell, self._separators)
