"""Tables that a user wrote, or a spreadsheet exported: one reader for those of images, of boxes and of scores."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from heatproof.core.messages import InputError
from heatproof.data.sources.archives import LARGEST
from heatproof.data.sources.names import bare, listed, reason

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how .xlsx (and .ods) and .xls begin
_NOT_AVAILABLE = {"#n/a", "#nv", "#n/d", "#n/b"}  # in English, German, French or Italian or Spanish, and Dutch
_BROKEN = re.compile("#[A-ZÀ-Þ/0¡¿]+[!?]")  # what a formula shows that failed: #REF!, #DIV/0!, #NAME?, #WERT!
_HEAD = 1 << 16  # characters in which the header ends


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
