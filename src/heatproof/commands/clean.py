"""`heatproof clean`: results that the configuration does not name. They stay until they are removed here."""

import argparse
import re
import shutil
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from heatproof.config.load import known_studies, load
from heatproof.core.messages import InputError
from heatproof.store import artifacts, kept, locks
from heatproof.store.sealing import sidecar
from heatproof.text.numbers import data_size
from heatproof.workflow.files import named, record
from heatproof.workflow.job import Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.add_argument("--remove", action="store_true", help="remove the listed results (this cannot be undone)")


def run(args: argparse.Namespace) -> None:
    """List what Snakemake made and no study names, a line a folder, and remove it if requested.

    Raises:
        InputError: the configuration is wrong, or Snakemake runs in this folder.
    """
    studies = load(studies=[*known_studies()])
    with locks.idle() as free:
        if args.remove and not free:
            raise InputError("Snakemake is running in this folder: wait until it has finished, or stop it")
        found = leftovers({path for name, study in studies.items() for path in named(Job(name, study))})
        sizes = {path: path.stat().st_size for path in found if path.is_file()}
        for folder, count in sorted(Counter(path.parent for path in found).items()):
            print(f"{folder}: {count}, {data_size(sum(sizes.get(p, 0) for p in found if p.parent == folder))}")
        if args.remove:
            _remove(found)
        what = "removed" if args.remove else "belong to no study; heatproof clean --remove removes them"
        print(f"{len(found)} results, {data_size(sum(sizes.values()))}: {what}" if found else "nothing to clean")


def leftovers(named: Collection[Path]) -> list[Path]:
    """Return the files that Snakemake made and are not named, and the shards that a killed run has left."""
    paths = [path for stage in artifacts.STAGES for path in sorted((artifacts.RESULTS / stage).rglob("*"))]
    return [
        path for path in paths if (_left(path, named) if path.is_dir() else path not in named and record(path).exists())
    ]


def _left(folder: Path, named: Collection[Path]) -> bool:
    """Return whether a folder is a shard of no use: what it was for is whole by now, or no longer named."""
    if not re.fullmatch(r".+\.\d+of\d+", folder.name):
        return False
    whole = [path for path in named if path.parent == folder.parent and path.stem == folder.stem]
    return not whole or whole[0].exists()


def _remove(paths: Collection[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        for part in (path, sidecar(path), record(path), *kept.links(path)):
            part.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == artifacts.RESULTS or any(folder.iterdir()):
                break
            folder.rmdir()
