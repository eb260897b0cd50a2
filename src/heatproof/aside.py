"""Results that the configuration no longer names: set aside, and brought back when it names them again.

Each goes with its digest and with what Snakemake knows of it, so that nothing is trusted that another run has made.
"""

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
    named, count = set(named), 0
    for stage in artifacts.STAGES:
        for path in sorted((artifacts.RESULTS / stage / study).rglob("*"), reverse=True):  # files before their folders
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in named and record(path).exists():
                count += 1
                for part in (path, sidecar(path), record(path)):
                    _move(part, FOLDER / part)
    return count


def bring_back(named: Iterable[Path]) -> None:
    """Move back what the configuration names, is not there and was set aside."""
    if not FOLDER.exists():
        return
    for path in named:
        if (FOLDER / path).exists() and not path.exists():
            for part in (path, sidecar(path), record(path)):
                _move(FOLDER / part, part)


def _move(source: Path, target: Path) -> None:
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
