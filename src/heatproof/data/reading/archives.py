"""Archives: zip or tar, told apart by their content, as names mislead."""

import zipfile
from pathlib import Path

from heatproof.data.reading.members import Opened
from heatproof.data.reading.names import reason
from heatproof.data.reading.tars import is_tar, open_tar, tar_facts
from heatproof.data.reading.zips import is_zip, open_zip, zip_facts
from heatproof.errors import InputError


def open_archive(source: Path) -> Opened:
    """Open a zip archive, or a tar archive: plain, gzip, bzip2 or xz.

    Raises:
        InputError: not an archive, truncated or damaged, or not safe to read (see `members.safe_files`).
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
        raise InputError(f"{source}: cannot be read ({reason(error)}); mend its permissions or get it again") from None
    raise InputError(f"{source}: not a zip or tar archive; set data.source to one or a folder of images")
