"""What an archive's entry is, and which entries are not safe to read."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from heatproof.data.reading.names import clean, is_junk, list_error
from heatproof.errors import InputError

RATIO = 200  # an archive may unpack to this many times its weight: images to 1-20 times, masks to 100
FREE = 256_000_000  # bytes that any archive may unpack to
LARGEST = 1_000_000_000  # bytes of one file


class Opened(NamedTuple):
    """The files of an archive or folder by their clean names, how to read one, and how to close it."""

    members: dict[str, Any]
    read: Callable[[Any], bytes]
    close: Callable[[], object]


class Member(NamedTuple):
    """One entry of an archive: its name as stored, its size in bytes, what it is, and its handle."""

    name: str
    size: int
    kind: str  # file, folder, link, locked (encrypted), other
    handle: Any


def safe_files(source: Path, members: list[Member]) -> dict[str, Any]:
    """Handles of the files by clean name, what is hidden left out. A backslash is taken for a slash.

    Raises:
        InputError: names that lead out of the archive, links, devices, encrypted files, two files of one name,
            no file at all, a file above `LARGEST`, or more than `RATIO` times the archive's weight in all.
    """
    files: dict[str, Member] = {}
    outside, links, others, locked, twice = [], [], [], [], []
    for member in members:
        parts = member.name.replace("\\", "/").split("/")
        if parts[0] == "" or re.match(r"[A-Za-z]:", parts[0]) or ".." in parts:
            outside.append(clean(member.name))
        elif member.kind in ("link", "other"):
            (links if member.kind == "link" else others).append(clean(member.name))
        elif member.kind != "folder":
            name = clean("/".join(part for part in parts if part not in ("", ".")))
            if is_junk(name):
                continue
            if member.kind == "locked":
                locked.append(name)
            if name in files:
                twice.append(name)
            files[name] = member
    large = [name for name, member in files.items() if member.size > LARGEST]
    for names, what, mend in (
        (outside, "names that lead out of the archive", "pack it again without them"),
        (links, "links in an archive", "pack what they point to (tar --dereference --hard-dereference)"),
        (others, "neither files nor folders", "pack it again without them"),
        (locked, "encrypted", "pack it again without a password"),
        (twice, "two files of one name", "pack it again with one of them"),
        (large, f"more than {LARGEST // 10**9} GB in one file", "pack it again without"),
    ):
        if names:
            raise list_error(f"{source}: {what}", names, mend)
    if not files:
        raise InputError(f"{source}: an archive without files; get it again")
    check_weight(source, sum(member.size for member in members))
    return {name: member.handle for name, member in files.items()}


def check_weight(source: Path, unpacked: int) -> None:
    """Refuse an archive that unpacks to far more bytes than it has."""
    if unpacked > max(FREE, RATIO * source.stat().st_size):
        raise InputError(
            f"{source}: unpacks to more than {RATIO} times its weight and {FREE // 10**6} MB, as archives made to do "
            "harm do; if you trust it, unpack it yourself and set data.kind to folder"
        )


def whole(content: bytes | bytearray, size: int) -> bytes | bytearray:
    """The content, if it is as long as its header says."""
    if len(content) != size:
        raise ValueError(f"{'more' if len(content) > size else 'fewer'} bytes than the {size} that its header says")
    return content
