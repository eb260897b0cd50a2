"""Archives: zip or tar, told apart by their content, as names mislead; which entries are safe to read, and their
bytes."""

import bz2
import copy
import gzip
import lzma
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from heatproof.core.messages import InputError, NamedError, clean, list_error, reason, setting

RATIO = 200  # an archive may unpack to this many times its weight: images to 1-20 times, masks to 100
FREE = 256_000_000  # bytes that any archive may unpack to
LARGEST = 1_000_000_000  # bytes of one file

JUNK = {"thumbs.db", "desktop.ini"}


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
    for names, what, fix in (
        (outside, "names that lead out of the archive", "pack it again without them"),
        (links, "links in an archive", "pack what they point to (tar --dereference --hard-dereference)"),
        (others, "neither files nor folders", "pack it again without them"),
        (locked, "encrypted", "pack it again without a password"),
        (twice, "two files of one name", "pack it again with one of them"),
        (large, f"more than {LARGEST // 10**9} GB in one file", "pack it again without"),
    ):
        if names:
            raise list_error(f"{source}: {what}", names, fix)
    if not files:
        raise InputError(f"{source}: an archive without files; get it again")
    check_weight(source, sum(member.size for member in members))
    return {name: member.handle for name, member in files.items()}


def check_weight(source: Path, unpacked: int) -> None:
    """Refuse an archive that unpacks to far more bytes than it has."""
    if unpacked > max(FREE, RATIO * source.stat().st_size):
        raise InputError(
            f"{source}: unpacks to more than {RATIO} times its weight and {FREE // 10**6} MB, as archives made to do "
            f"harm do; if you trust it, unpack it yourself and {setting('data.source', 'its folder')}"
        )


def whole(content: bytes | bytearray, size: int) -> bytes | bytearray:
    """The content, if it is as long as its header says."""
    if len(content) != size:
        raise ValueError(f"{'more' if len(content) > size else 'fewer'} bytes than the {size} in its header")
    return content


def open_archive(source: Path) -> Opened:
    """Open a zip archive, or a tar archive: plain, gzip, bzip2 or xz.

    Raises:
        InputError: not an archive, truncated or damaged, or not safe to read (see `archives.safe_files`).
    """
    return open_zip(source) if _is_zip(source) else open_tar(source)


def archive_facts(source: Path) -> list[tuple]:
    """What changes with the content of an archive, without unpacking it."""
    return zip_facts(source) if _is_zip(source) else tar_facts(source)


def _is_zip(source: Path) -> bool:
    try:
        if source.stat().st_size == 0:
            raise InputError(f"{source}: an empty file; get the archive again")
        if is_zip(source):
            return True
        if is_tar(source):  # before the next question: a tar may hold a zip near its end
            return False
        if zipfile.is_zipfile(source):  # something stands before it, as in a self-extracting one
            return True
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({reason(error)}); fix its permissions or get it again") from None
    raise InputError(f"{source}: not a zip or tar archive; {setting('data.source', 'one or a folder of images')}")


_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def is_zip(source: Path) -> bool:
    """Whether a file starts as a zip archive does."""
    with source.open("rb") as file:
        return file.read(4) in _MAGIC


def open_zip(source: Path) -> Opened:
    """The files of a zip archive; refuses what `safe_files` does."""
    archive = _zip_file(source)
    try:
        members = [Member(_name(info), info.file_size, _kind(info), info) for info in archive.infolist()]
        return Opened(safe_files(source, members), lambda info: _read(archive, info), archive.close)
    except InputError:
        archive.close()
        raise


def zip_facts(source: Path) -> list[tuple]:
    """Names and checksums."""
    with _zip_file(source) as archive:
        return sorted((info.filename, info.CRC) for info in archive.infolist())


def _zip_file(source: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except Exception as error:  # of any kind: zipfile lets through whatever a damaged file causes
        what, fix = f"{source}: a truncated or damaged zip archive", "get it again"
        raise NamedError(f"{what} ({reason(error)}); {fix}", f"{what}; {fix}") from None


def _name(info: zipfile.ZipInfo) -> str:
    """A name's bytes are UTF-8 where its flag says so; many tools forget the flag."""
    if info.flag_bits & 0x800 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


def _kind(info: zipfile.ZipInfo) -> str:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    if info.filename.endswith(("/", "\\")) or stat.S_ISDIR(mode):
        return "folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "other"
    return "locked" if info.flag_bits & 1 else "file"


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # asked for one byte more than the header says: zipfile would cut off what is beyond it, without a word
    requested = copy.copy(info)
    requested.file_size += 1
    requested.CRC = None  # checked below, once the length is
    # bzip2 and lzma unpack a whole chunk at once, whatever it becomes: small chunks keep that small
    chunk = 1 << 20 if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else 4096
    content = bytearray()
    with archive.open(requested) as file:
        while len(content) <= info.file_size and (part := file.read(chunk)):
            content += part
    if zlib.crc32(whole(content, info.file_size)) != info.CRC:
        raise ValueError("its checksum is wrong")
    return bytes(content)


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
    what, fix = f"{source}: a truncated or damaged tar archive", "get it again"
    return NamedError(f"{what} ({reason(error)}); {fix}", f"{what}; {fix}")


def is_junk(name: str) -> bool:
    """Whether a file is hidden, or one that macOS or Windows leaves beside others."""
    parts = name.split("/")
    return parts[-1].lower() in JUNK or any(part.startswith(".") or part == "__MACOSX" for part in parts)
