"""Ids of patients in a table, which spreadsheets and hands write in several ways."""

import re
from collections import defaultdict
from collections.abc import Iterable


def spellings(ids: Iterable[str]) -> dict[str, str]:
    """Each id, and the first one that differs from it in nothing but case, spaces, leading zeros or a decimal `.0`.

    Two people whom this takes for one stand in one part of the split, which costs little; one person taken for two may
    stand in two, which is a leak.
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
    name = re.sub(r"\s+", "", name).casefold()
    return re.sub(r"^0+(?=\d)", "", re.sub(r"^(\d+)\.0*$", r"\1", name))
