"""The files of a source by name, whatever holds them: a zip or tar archive, or a folder."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heatproof.core.messages import InputError, NamedError, clean, list_error, reason, setting
from heatproof.data.sources.archives import LARGEST, Opened, archive_facts, is_junk, open_archive
from heatproof.data.sources.rows import read_sheet


class Tree:
    """Files by name, to be read one by one, in any order.

    source: path of the archive or folder; names: of its regular files, relative to it, POSIX, sorted, composed
    Unicode (NFC); hidden files and what macOS and Windows leave beside them are left out. Not for several threads.
    """

    def __init__(self, source: Path, opened: Opened):
        self.source = source
        self._opened = opened
        self.names = sorted(opened.members)

    def __contains__(self, name: str) -> bool:
        return name in self._opened.members

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            InputError: it is not there, damaged, or larger than `LARGEST`.
        """
        if name not in self:
            raise InputError(f"{self.source}: {name}: not found; fix the name or add the file")
        try:
            return self._opened.read(self._opened.members[name])
        except Exception as error:  # of any kind: zipfile lets through whatever a damaged file causes
            raise InputError(f"{self.source}: {name}: cannot be read ({reason(error)}); fix or remove it") from None

    def below(self, folder: str) -> "Tree":
        """The files whose names start with `folder`, by what is left of their names; it is closed with this one."""
        members = {n.removeprefix(folder): member for n, member in self._opened.members.items() if n.startswith(folder)}
        return Tree(self.source, Opened(members, self._opened.read, self._opened.close))

    def including(self, folder: str, other: "Tree") -> "Tree":
        """These files, and those of another tree in a folder of that name; both are closed with it."""
        reads = {name: (self._opened.read, member) for name, member in self._opened.members.items()}
        added = other._opened
        reads |= {f"{folder}/{name}": (added.read, member) for name, member in added.members.items()}

        def close() -> None:
            self.close()
            other.close()

        return Tree(self.source, Opened(reads, lambda found: found[0](found[1]), close))

    def close(self) -> None:
        self._opened.close()

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def place(source: str | Path) -> Path:
    """The path that a configuration names, `~` expanded."""
    try:
        return Path(source).expanduser()
    except RuntimeError:
        raise InputError(f"{source}: no home folder of that user; {setting('data.source', 'a whole path')}") from None


def open_tree(source: Path, kind: str | None = None) -> Tree:
    """Open a zip or tar archive or a folder.

    A link in a folder is followed as long as it stays inside; one in an archive is refused.

    Args:
        kind: archive or folder: what is missed where nothing is there. Either is taken for the other: a download may
            leave a folder where somebody else has the archive. Of dicom, errors name no files.

    Raises:
        InputError: it is not there; an unsafe or damaged archive (see `open_archive`);
            a link that leads out of the folder, to nothing, or to a folder above itself.
    """
    source = place(source)
    _check_there(source, kind)
    with _discretion(kind):
        return Tree(source, _open_folder(source) if source.is_dir() else open_archive(source))


def fingerprint(source: Path, kind: str) -> str:
    """A text that changes with the files of a source, without decoding any.

    SHA-256 over names with checksums (zip) or with sizes and times (folder), over what `tar_facts` gives, or
    over a table's bytes, and the sizes and times of the files that its cells name.

    Args:
        kind: archive, folder, table, or dicom (an archive or a folder).
    """
    source = place(source)
    if kind == "table":
        return _table_fingerprint(source)
    _check_there(source, kind)
    with _discretion(kind):
        if source.is_dir():
            return _digest(sorted(_fact(path, name) for name, path in _open_folder(source).members.items()))
        return _digest(archive_facts(source))


@contextmanager
def _discretion(kind: str | None) -> Iterator[None]:
    """Names of DICOM files often are those of patients: errors give counts instead."""
    try:
        yield
    except NamedError as error:
        raise (InputError(error.discreet) if kind == "dicom" else error) from None


def read_beside(source: Path, name: str) -> bytes:
    """The bytes of a file in the folder that the source stands in, for what belongs to a source but not into it.

    Raises:
        InputError: it is not there, or cannot be read.
    """
    path = source.parent / name
    try:
        return read_file(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: {name}: neither in it nor beside it ({reason(error)}); fix the name") from None


def parents(table: Path) -> list[Path]:
    """The folders in which the files that a table names are looked for: its own, and the two above it."""
    return [table.parent, *table.absolute().parent.parents[:2]]


def found_at(path: str, source: Path) -> Path | None:
    """Return where a file or folder beside a source lies on disk, None where it is not there."""
    return next((one for one in (place(path), source.parent / path) if one.exists()), None)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode("utf-8", "backslashreplace")).hexdigest()


def _table_fingerprint(source: Path) -> str:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); set data.source to the path of a CSV") from None
    try:
        columns = read_sheet(content, str(source), ()).columns
    except InputError:  # which the data job reports
        columns = {}
    cells = {cell for cells in columns.values() for cell in cells}
    paths = {part.strip() for cell in cells for part in {cell, *cell.split(";")}}  # several masks in one cell
    places = parents(source)
    facts = {next(filter(None, (_fact(place / path, path) for place in places)), ()) for path in paths if path}
    return _digest((hashlib.sha256(content).hexdigest(), sorted(facts - {()})))


def _fact(path: Path, name: str) -> tuple:
    """Name, size and time of a file; empty where the name is not that of a file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    return (name, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else ()


def _check_there(source: Path, kind: str | None) -> None:
    wanted = {"archive": "the path of the archive", "folder": "the folder with one sub-folder a class"}.get(
        kind, "an archive or a folder"
    )
    try:
        there = source.exists()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); fix its permissions") from None
    if not there:
        raise InputError(f"{source}: not found; {setting('data.source', wanted)}")


def _open_folder(source: Path) -> Opened:
    members: dict[str, Path] = {}
    twice, astray = [], []
    top = os.path.realpath(source)
    waiting = [("", (top,))]  # names so far, and the folders above, the last of which is to be listed
    while waiting:
        above, within = waiting.pop()
        try:
            entries = list(os.scandir(within[-1]))
        except OSError as error:
            said = f"cannot be read ({error.strerror}); fix its permissions"
            raise NamedError(f"{source}: {above or '.'}: {said}", f"{source}: a folder in it {said}") from None
        for entry in entries:
            if is_junk(entry.name):
                continue
            name, real = above + clean(entry.name), entry.path
            if entry.is_symlink():
                real = os.path.realpath(entry.path)
                inside = real.startswith(top.rstrip(os.sep) + os.sep)
                if not inside or real in within or not Path(real).exists():
                    astray.append(name)
                    continue
            if entry.is_dir():
                waiting.append((name + "/", (*within, real)))
            elif entry.is_file():
                if name in members:
                    twice.append(name)
                members[name] = Path(real)
    if astray:
        what = f"{source}: links that lead out of the folder, to nothing or in a circle"
        raise list_error(what, sorted(astray), "put what they point to in their place")
    if twice:
        raise list_error(f"{source}: two files of one name", sorted(twice), "rename one of them")
    if not members:
        raise InputError(f"{source}: a folder without files; {setting('data.source', 'the folder of the images')}")
    return Opened(members, read_file, lambda: None)


def read_file(path: Path) -> bytes:
    """The bytes of a file on disk, of at most `LARGEST`."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"more than {LARGEST // 10**9} GB")
    return path.read_bytes()
