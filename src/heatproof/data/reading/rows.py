"""The rows of a CSV that a user wrote."""

import csv
import io

from heatproof.data.reading.names import listed, reason
from heatproof.errors import InputError


def read_rows(content: bytes, where: str, columns: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Number of the line, and stripped cells by column, of each row that is not blank.

    Args:
        content: UTF-8, with or without a byte order mark, separated by commas, with a header.
        where: names the file in errors.
        columns: that must be there; others are kept too.

    Raises:
        InputError: it is not such a file, lacks a column or has it twice, or a row has too few or too many cells.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where}: not UTF-8 (byte {error.start} is 0x{content[error.start]:02x}); save it as UTF-8"
        ) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        body = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise InputError(f"{where}: line {reader.line_num}: not a CSV ({reason(error)}); mend it") from None
    missing = [column for column in columns if column not in header]
    for mark, name in ((";", "semicolons"), ("\t", "tabs")):
        if missing and len(header) == 1 and mark in header[0]:
            raise InputError(f"{where}: separated by {name}; save it with commas")
    if missing:
        there = listed(filter(None, header), 8) or "none"
        raise InputError(f"{where}: no column {listed(missing, 8)}; columns there: {there}")
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise InputError(f"{where}: two columns called {listed(twice)}; rename one of them")
    body = [(line, row) for line, row in body if any(row)]
    ragged = [f"line {line}" for line, row in body if len(row) != len(header)]
    if ragged:
        raise InputError(f"{where}: not {len(header)} cells as in the header: {listed(ragged)}; mend them")
    return [(line, dict(zip(header, row, strict=True))) for line, row in body]
