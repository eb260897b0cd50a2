"""Ids of patients in a table, which spreadsheets and hands write in several ways."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable


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
