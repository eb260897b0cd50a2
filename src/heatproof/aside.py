"""Results that the configuration no longer names: set aside, and brought back when it names them again.

Each goes with its digest and with what Snakemake knows of it, so that nothing is trusted that another run has made.
"""

import re
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from pathlib import Path

from heatproof import artifacts
from heatproof.sealing import sidecar

FOLDER = artifacts.STATE / "removed"
LONGEST = 254  # characters of a file's name, as Snakemake cuts them


def record(path: Path) -> Path:
    """Where Snakemake keeps what it knows of an output."""
    name = urlsafe_b64encode(str(path).encode()).decode()
    *folders, last = (name[start : start + LONGEST] for start in range(0, len(name), LONGEST))
    return Path(".snakemake/metadata", *(f"@{folder}" for folder in folders), last)


def set_aside(study: str, named: Iterable[Path]) -> int:
    """Move what Snakemake made of a study and the configuration does not name, and say how many files there were."""
    named, found = set(named), []
    for stage in artifacts.STAGES:
        for path in sorted((artifacts.RESULTS / stage / study).rglob("*"), reverse=True):  # files before their folders
            if path.is_dir():
                if _left(path, named):
                    shutil.rmtree(path)
                    record(path).unlink(missing_ok=True)
            elif path not in named and record(path).exists():
                found.append(path)
                put_away([path])
    return len(found)


def _left(folder: Path, named: set[Path]) -> bool:
    """Whether a folder is a shard that a killed run has left: what it was for is whole by now, or no longer named."""
    if not re.fullmatch(r".+\.\d+of\d+", folder.name):
        return False
    whole = [path for path in named if path.parent == folder.parent and path.stem == folder.stem]
    return not whole or whole[0].exists()


def put_away(paths: Iterable[Path]) -> None:
    """Move files where `bring_back` finds them, and leave no empty folder behind."""
    for path in paths:
        for part in (path, sidecar(path), record(path)):
            _move(part, FOLDER / part)
        for folder in path.parents:
            if folder == artifacts.RESULTS or any(folder.iterdir()):
                break
            folder.rmdir()


def bring_back(named: Iterable[Path]) -> list[Path]:
    """Move back what the configuration names, is not there and was set aside; say which."""
    found = [path for path in named if (FOLDER / path).exists() and not path.exists()] if FOLDER.exists() else []
    for path in found:
        for part in (record(path), sidecar(path), path):  # the file last: what is cut off is done again
            _move(FOLDER / part, part)
    return found


def _move(source: Path, target: Path) -> None:
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
