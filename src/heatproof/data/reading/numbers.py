"""Numbers as spreadsheets write them, with decimal points or commas."""

import math
import re
from collections.abc import Sequence

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
