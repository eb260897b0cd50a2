"""The list of references: its entries, `references.bib`, and what is cited for an architecture.

What is cited for methods and metrics stands in the catalogue.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import bibtexparser
from bibtexparser.middlewares import LatexDecodingMiddleware

# what a timm name starts with -> the paper of the architecture; others go by timm alone
ARCHITECTURES = {
    "resnet": ("he2016",),
    "densenet": ("huang2017",),
    "efficientnet": ("tan2019",),
    "vit_": ("dosovitskiy2021",),
}


_MARK = re.compile(r"\[@([\w,-]+)\]")


class Entry(NamedTuple):
    """A BibTeX entry: its source, and its fields as plain text."""

    key: str
    source: str
    fields: dict[str, str]


@cache
def entries() -> dict[str, Entry]:
    """Read all entries, by key."""
    library = bibtexparser.parse_file(
        str(Path(__file__).with_name("references.bib")), append_middleware=[LatexDecodingMiddleware()]
    )
    if library.failed_blocks:
        raise ValueError(f"references.bib: {library.failed_blocks[0].raw}")
    return {
        entry.key: Entry(entry.key, entry.raw, {field.key: field.value for field in entry.fields})
        for entry in library.entries
    }


def architecture(model: str) -> tuple[str, ...]:
    return next((keys for start, keys in ARCHITECTURES.items() if model.startswith(start)), ())


def written(entry: Entry) -> str:
    """One line of a list of references."""
    fields = entry.fields
    where = fields.get("journal") or fields.get("booktitle")
    where = None if where == "arXiv preprint" else where
    source = f"arXiv:{fields['eprint']}" if "eprint" in fields else None
    source = source or (f"doi:{fields['doi']}" if "doi" in fields else fields.get("url"))
    parts = [_authors(fields["author"]), fields["title"], where, fields["year"], source]
    return " ".join(part if part[-1] in ".?!" else f"{part}." for part in parts if part)


def _authors(text: str) -> str:
    """`Jiang P-T, Zhang C-B, Hou Q, et al`: of more than four the first three."""
    names = text.split(" and ")
    short = [_short(name) for name in names if name not in ("others", "contributors")]
    if len(names) > len(short) or len(short) > 4:
        return ", ".join(short[:3]) + ", et al"
    return ", ".join(short)


def _short(name: str) -> str:
    family, _, given = name.partition(", ")
    initials = "".join("-".join(part[0] for part in word.split("-")) for word in given.split())
    return f"{family} {initials}".strip()


def cite(keys: Iterable[str]) -> str:
    """A mark that `numbered` turns into ` [1, 3]`, or nothing where there is nothing to cite."""
    keys = list(dict.fromkeys(keys))
    return f" [@{','.join(keys)}]" if keys else ""


def numbered(text: str) -> tuple[str, list[str]]:
    """The text with numbers in the place of marks, in the order in which they are first cited; and the keys."""
    keys = list(dict.fromkeys(key for found in _MARK.findall(text) for key in found.split(",")))
    place = {key: i for i, key in enumerate(keys, 1)}
    for key in keys:
        entries()[key]  # a key that is not there is a mistake of the code
    return _MARK.sub(
        lambda found: f"[{', '.join(map(str, sorted(place[k] for k in found[1].split(','))))}]", text
    ), keys


def listed(keys: Iterable[str]) -> str:
    return "\n".join(f"{i}. {written(entries()[key])}" for i, key in enumerate(keys, 1))


def bibtex(keys: Iterable[str]) -> str:
    return "\n\n".join(entries()[key].source for key in keys) + "\n"
