"""What tells, before any job runs, whether the images of a study have changed."""

import hashlib
from pathlib import Path

from heatproof import artifacts
from heatproof.data.reading.trees import fingerprint, place
from heatproof.schema import Data


def data_fingerprint(data: Data, recorded: Path) -> str | None:
    """A text that changes with what a study reads, without decoding any of it; None for phantoms.

    What is downloaded is known by what is declared of it (its address, its SHA-256, the list of its contents), so
    that the text is the same before and after; what comes unchecked is read again once it is there. Where the source,
    or the key of its pseudonyms, is not there, as in a clone that pulled the data, what was recorded of it stands.

    Args:
        data: the section `data` of the study.
        recorded: `source.json`, which the data stage writes.

    Raises:
        InputError: the source is not there or not of its kind, and nothing was recorded of it.
    """
    if data.kind == "phantom":
        return None
    source, key = place(data.source), place(data.key_file) if data.key_file else None
    known = data.download and not data.download.unchecked  # by what is declared of it
    needed = [path for path in (key, None if known else source) if path]
    if recorded.exists() and not all(path.exists() for path in needed):
        return artifacts.read_json(recorded)["fingerprint"]
    kind = "archive" if data.table else data.base  # a table in an archive counts with its files
    declared = known or (data.download and not source.exists())
    new = {"unchecked"} if known else None  # since 0.7; what was recorded before stands
    files = data.download.model_dump_json(exclude=new) if declared else fingerprint(source, kind)
    boxes = source.parent / data.boxes if data.boxes else None  # inside the source they count with its files
    parts = [files, *map(_digest, (place(data.contents) if data.contents else None, boxes)), _of_key(key)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _digest(path: Path | None) -> str:
    return artifacts.digest(path) if path and path.is_file() else ""


def _of_key(path: Path | None) -> str:
    """Tells one key from another, slowly: it is stored with the results, and must not help to guess a key."""
    if not path or not path.is_file():
        return ""
    return hashlib.scrypt(path.read_bytes(), salt=b"heatproof", n=2**14, r=8, p=1, dklen=8).hex()
