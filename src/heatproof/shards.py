"""Long work cut into shards, each a job of its own, and joined.

A shard is a run of whole pieces of work (a batch of images, a part of a table), in order, so that nothing is computed
in other company than without shards: what is joined has the bytes of what is made at once.
"""

import argparse
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

Piece = TypeVar("Piece")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shards", type=int, default=1, help="jobs that share the work; without --shard, join theirs")
    parser.add_argument("--shard", type=int, help="which of them this is, from 1")


def joining(args: argparse.Namespace) -> bool:
    """Whether the job joins what others made."""
    return args.shards > 1 and args.shard is None


def mine(pieces: Sequence[Piece], args: argparse.Namespace) -> Sequence[Piece]:
    """The pieces that are this job's; none where there are more shards than pieces."""
    if args.shard is None:
        return pieces
    first, last = ((shard * len(pieces)) // args.shards for shard in (args.shard - 1, args.shard))
    return pieces[first:last]


def folder(path: Path, shard: int | str, shards: int | str) -> Path:
    """Where a shard lays its part of `path`, and of the files beside it: `maps.1of4/` for `maps.npy`."""
    return path.with_suffix(f".{shard}of{shards}")


def written(path: Path, args: argparse.Namespace) -> Path:
    """What this job writes in place of `path`."""
    return path if args.shard is None else folder(path, args.shard, args.shards) / path.name


def parts(path: Path, args: argparse.Namespace) -> list[Path]:
    """What the shards wrote in place of `path`, in order."""
    return [folder(path, shard, args.shards) / path.name for shard in range(1, args.shards + 1)]


def sweep(path: Path, args: argparse.Namespace) -> None:
    """Once `path` is whole, remove what a stopped run has left of another number of shards."""
    for found in path.parent.glob(f"{path.stem}.*of*"):
        cut = re.fullmatch(r"\.\d+of(\d+)", found.suffix)
        if args.shard is None and cut and int(cut[1]) != args.shards:
            shutil.rmtree(found)
