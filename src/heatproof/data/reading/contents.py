"""Whether a source holds the very files that a study was made for, whichever mirror it comes from."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from heatproof.data.reading.names import listed, reason
from heatproof.errors import InputError

Entry = tuple[str, str]  # name, SHA-256 in hex


def read_contents(path: Path) -> list[Entry]:
    """Name and SHA-256 of each file, from lines as `sha256sum` writes them.

    Raises:
        InputError: the file is not there, or a line is not a SHA-256, two spaces and a name.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({reason(error)}); set data.contents to a file that sha256sum wrote"
        ) from None
    entries = []
    for number, line in enumerate(lines, 1):
        digest, _, name = line.partition(" ")
        if not line.strip():
            continue
        if len(digest) != 64 or set(digest.lower()) - set("0123456789abcdef") or not name[1:].strip():
            raise InputError(f"{path}: line {number}: not a SHA-256, two spaces and a name; write it with sha256sum")
        entries.append((name[1:], digest.lower()))
    if not entries:
        raise InputError(f"{path}: no line in it; write it with sha256sum")
    return entries


def check_contents(expected: list[Entry], found: list[Entry], where: str | Path) -> None:
    """Compare files by digest, whatever the folders above are called. Files of equal bytes count as often as they are.

    Raises:
        InputError: one line that names files which are missing, changed (the same last two parts of the path, another
            digest) or unknown.
    """
    by_tail = defaultdict(list)
    for name in _without(found, expected):
        by_tail[tail(name)].append(name)
    changed, missing = [], []
    for name in _without(expected, found):
        others = by_tail[tail(name)]
        (changed if others else missing).append(name)
        del others[-1:]
    unknown = sorted(name for names in by_tail.values() for name in names)
    parts = [
        f"{len(names)} {what} ({listed(names, 5)})"
        for what, names in (("missing", missing), ("changed", changed), ("unknown", unknown))
        if names
    ]
    if parts:
        raise InputError(
            f"{where}: not the {len(expected)} files of data.contents: {'; '.join(parts)}; get the source again"
        )


def tail(name: str) -> str:
    """The last two parts of a path, by which files are known in whatever folder they lie."""
    return "/".join(name.split("/")[-2:])


def _without(entries: Iterable[Entry], others: Iterable[Entry]) -> list[str]:
    """Names of the entries that no entry of the others stands for: one of equal digest, if it can be of equal name."""
    waiting = defaultdict(list)
    for name, digest in others:
        waiting[digest].append(tail(name))
    left, rest = [], []
    for name, digest in entries:
        if tail(name) in waiting[digest]:
            waiting[digest].remove(tail(name))
        else:
            rest.append((name, digest))
    for name, digest in rest:
        if waiting[digest]:
            waiting[digest].pop()
        else:
            left.append(name)
    return sorted(left)
