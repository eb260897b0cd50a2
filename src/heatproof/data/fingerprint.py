"""What tells whether a source of images has changed, without decoding it."""

import hashlib
import zipfile
from pathlib import Path

from heatproof.errors import InputError


def fingerprint(source: Path, kind: str) -> str:
    """SHA-256 over the source's file names with their checksums (archive) or sizes (folder)."""
    digest = hashlib.sha256()
    if kind == "archive":
        with open_zip(source) as archive:
            entries = sorted((info.filename, info.CRC) for info in archive.infolist())
    else:
        entries = sorted((name, (source / name).stat().st_size) for name in list_folder(source))
    for entry in entries:
        digest.update(repr(entry).encode())
    return digest.hexdigest()


def list_folder(source: Path) -> list[str]:
    """Files of a folder and of those in it, relative to it, or say that it is not there."""
    if not source.is_dir():
        raise InputError(f"{source}: not a folder; set data.source to the folder with one sub-folder a class")
    return [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]


def open_zip(source: Path) -> zipfile.ZipFile:
    """Open a zip archive, or say what is wrong with it."""
    try:
        return zipfile.ZipFile(source)
    except FileNotFoundError:
        raise InputError(f"{source}: not there; set data.source to the path of the archive") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{source}: not a zip archive ({error}); set data.source to one") from None
