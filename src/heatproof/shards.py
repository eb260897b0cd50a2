"""Long work cut into shards, each a job of its own, and joined.

A shard is a run of whole pieces of work (a batch of images, a part of a table), in order, so that nothing is computed
in other company than without shards: what is joined has the bytes of what is made at once.
"""

import argparse
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Piece = TypeVar("Piece")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shards", type=int, default=1, help="jobs that share the work; without --shard, join theirs")
    parser.add_argument("--shard", type=int, help="which of them this is, from 1")


@dataclass(frozen=True)
class Share:
    """Which part of the work is a job's.

    Attributes:
        shards: how many jobs share it.
        shard: which of them this is, from 1; None of the job that joins theirs, or does all of it.
    """

    shards: int = 1
    shard: int | None = None

    @property
    def joining(self) -> bool:
        """Whether the job joins what others made."""
        return self.shards > 1 and self.shard is None

    def mine(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """Return the pieces that are this job's; none where there are more shards than pieces."""
        if self.shard is None:
            return pieces
        first, last = ((shard * len(pieces)) // self.shards for shard in (self.shard - 1, self.shard))
        return pieces[first:last]

    def written(self, path: Path) -> Path:
        """Return what this job writes in place of `path`."""
        return path if self.shard is None else folder(path, self.shard, self.shards) / path.name

    def parts(self, path: Path) -> list[Path]:
        """Return what the shards wrote in place of `path`, in order."""
        return [folder(path, shard, self.shards) / path.name for shard in range(1, self.shards + 1)]

    def sweep(self, path: Path) -> None:
        """Once `path` is whole, remove what a stopped run has left of another number of shards."""
        for found in path.parent.glob(f"{path.stem}.*of*"):
            cut = re.fullmatch(r"\.\d+of(\d+)", found.suffix)
            if self.shard is None and cut and int(cut[1]) != self.shards:
                shutil.rmtree(found)


def folder(path: Path, shard: int | str, shards: int | str) -> Path:
    """Return where a shard lays its part of `path`, and of the files beside it: `maps.1of4/` for `maps.npy`."""
    return path.with_suffix(f".{shard}of{shards}")
