"""Tar archives, plain or compressed: their entries, and one entry's bytes."""

import bz2
import gzip
import lzma
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from heatproof.data.reading.members import Member, Opened, check_weight, safe_files, whole
from heatproof.data.reading.names import NamedError, reason
from heatproof.errors import InputError

_PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}


def is_tar(source: Path) -> bool:
    """Whether a file starts as a tar archive does, or as something compressed."""
    with source.open("rb") as file:
        return _unpacker(file) is not None or tarfile.is_tarfile(file)


def open_tar(source: Path) -> Opened:
    """The files of a tar archive; refuses what `safe_files` does.

    A compressed one is unpacked once into a temporary file without a name (in TMPDIR), so that its files can
    be read in any order without unpacking from the start each time.
    """
    file = _plain(source)
    try:
        files = safe_files(source, _members(source, file))
    except InputError:
        file.close()
        raise

    def read(info: tarfile.TarInfo) -> bytes:
        if info.sparse is not None:
            raise ValueError("a sparse file")
        file.seek(info.offset_data)
        return whole(file.read(info.size), info.size)

    return Opened(files, read, file.close)


def tar_facts(source: Path) -> list[tuple]:
    """Size and time; of a compressed one its size, first and last bytes, where checksums of its content stand."""
    found = source.stat()
    with source.open("rb") as file:
        if _unpacker(file) is None:
            return [(found.st_size, found.st_mtime_ns)]
        head = file.read(4096)
        file.seek(max(0, found.st_size - 65536))
        return [(found.st_size, head, file.read())]


def _unpacker(file: BinaryIO) -> Callable | None:
    head = file.read(6)
    file.seek(0)
    return next((opener for magic, opener in _PACKED.items() if head.startswith(magic)), None)


def _plain(source: Path) -> BinaryIO:
    """The plain tar: the file itself, or a temporary one."""
    file = source.open("rb")
    unpacker = _unpacker(file)
    if unpacker is None:
        return file
    target = tempfile.TemporaryFile(prefix="heatproof-")  # noqa: SIM115, closed with the tree
    try:
        with file, unpacker(file) as packed:
            while part := packed.read(1 << 20):
                check_weight(source, target.tell() + len(part))
                _write(source, target, part)
    except InputError:
        target.close()
        raise
    except Exception as error:  # of any kind: damaged files cause many
        target.close()
        raise _damaged(source, error) from None
    return target


def _write(source: Path, target: BinaryIO, part: bytes) -> None:
    try:
        target.write(part)
        target.flush()
    except OSError as error:
        raise InputError(
            f"{source}: cannot be unpacked in {tempfile.gettempdir()} ({error.strerror}); "
            "set TMPDIR to a folder with more room"
        ) from None


def _members(source: Path, file: BinaryIO) -> list[Member]:
    """Every entry. tarfile takes a damaged header, or the end of the file, for the end of the archive."""
    members, offset = [], -1
    try:
        file.seek(0)
        archive = tarfile.TarFile(fileobj=file, encoding="utf-8", errors="surrogateescape")
        while (info := archive.next()) is not None:
            if not (offset < info.offset < archive.offset and info.size >= 0):
                raise ValueError("a header that points backwards")
            offset = info.offset
            kind = "link" if info.issym() or info.islnk() else "folder" if info.isdir() else "other"
            members.append(Member(info.name, info.size, "file" if info.isreg() else kind, info))
            archive.members = []  # tarfile would keep each of them too
        file.seek(archive.offset)
        if file.read(512) != bytes(512):
            raise ValueError("no end mark")
    except Exception as error:  # of any kind, as above
        raise _damaged(source, error) from None
    return members


def _damaged(source: Path, error: Exception) -> NamedError:
    what, mend = f"{source}: a truncated or damaged tar archive", "get it again"
    return NamedError(f"{what} ({reason(error)}); {mend}", f"{what}; {mend}")
