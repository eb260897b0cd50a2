"""Zip archives: their entries, and one entry's bytes."""

import copy
import stat
import zipfile
import zlib
from pathlib import Path

from heatproof.data.reading.members import Member, Opened, safe_files, whole
from heatproof.data.reading.names import NamedError, reason
from heatproof.errors import InputError

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
        what, mend = f"{source}: a truncated or damaged zip archive", "get it again"
        raise NamedError(f"{what} ({reason(error)}); {mend}", f"{what}; {mend}") from None


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
    asked = copy.copy(info)
    asked.file_size += 1
    asked.CRC = None  # checked below, once the length is
    # bzip2 and lzma unpack a whole chunk at once, whatever it becomes: small chunks keep that small
    chunk = 1 << 20 if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else 4096
    content = bytearray()
    with archive.open(asked) as file:
        while len(content) <= info.file_size and (part := file.read(chunk)):
            content += part
    if zlib.crc32(whole(content, info.file_size)) != info.CRC:
        raise ValueError("its checksum is wrong")
    return bytes(content)
