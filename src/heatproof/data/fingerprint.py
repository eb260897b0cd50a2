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
        entries = sorted((str(p.relative_to(source)), p.stat().st_size) for p in source.rglob("*") if p.is_file())
    for entry in entries:
        digest.update(repr(entry).encode())
    return digest.hexdigest()


def open_zip(source: Path) -> zipfile.ZipFile:
    """Open a zip archive, or say what is wrong with it."""
    try:
        return zipfile.ZipFile(source)
    except FileNotFoundError:
        raise InputError(f"{source}: not there; set data.source to the path of the archive") from None
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{source}: not a zip archive ({error}); set data.source to one") from None
