"""Which files of a source are images, and what tells whether they have changed, without decoding any."""

import hashlib
import zipfile
from pathlib import Path, PurePosixPath

from heatproof.errors import InputError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def list_images(source: Path, kind: str) -> list[str]:
    """Image files of an archive or a folder, relative to it, sorted; hidden ones and macOS's copies left out.

    Raises:
        InputError: the source is not there or not of its kind.
    """
    return [name for name, *_ in _entries(source, kind)]


def fingerprint(source: Path, kind: str) -> str:
    """SHA-256 over the names of the images with their checksums (archive) or sizes and times (folder)."""
    return hashlib.sha256(repr(_entries(source, kind)).encode()).hexdigest()


def open_zip(source: Path) -> zipfile.ZipFile:
    """Open a zip archive, or say what is wrong with it."""
    try:
        return zipfile.ZipFile(source)
    except FileNotFoundError:
        raise InputError(f"{source}: not there; set data.source to the path of the archive") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{source}: not a zip archive ({error}); set data.source to one") from None


def _entries(source: Path, kind: str) -> list[tuple]:
    if kind == "archive":
        with open_zip(source) as archive:
            return sorted((info.filename, info.CRC) for info in archive.infolist() if _is_image(info.filename))
    if not source.is_dir():
        raise InputError(f"{source}: not a folder; set data.source to the folder with one sub-folder a class")
    names = {path.relative_to(source).as_posix(): path.stat() for path in source.rglob("*") if path.is_file()}
    return sorted((name, facts.st_size, facts.st_mtime_ns) for name, facts in names.items() if _is_image(name))


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden and not name.endswith("/")
