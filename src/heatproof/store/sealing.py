"""Files that are written whole or not at all, with the SHA-256 beside each that tells readers what was written; and
long work cut into shards, each a job of its own, and joined to the same bytes."""

import argparse
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from heatproof.core.messages import InputError


class ArtifactError(InputError):
    """A file below `results/` is missing, damaged or not of its format; the message says which and what to do."""


_verified: dict[Path, tuple[int, int, int]] = {}  # what this process has read whole, as it then was


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sidecar(path: Path) -> Path:
    """Where the digest of a file lies, in the format of `sha256sum`."""
    return path.with_name(f".{path.name}.sha256")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that takes the place of `path` once it is written whole.

    Its name is always the same: what a killed job left, the next one overwrites.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        umask = os.umask(0)  # safetensors lets nobody else read, whatever the user wants
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except Exception as error:
        code = _code(error)
        if code is None or isinstance(error, InputError) or getattr(error, "filename", None):
            raise
        raise OSError(code, os.strerror(code), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _code(error: Exception) -> int | None:
    """The system's number of an error; safetensors and Arrow give it in words, NumPy not even so."""
    said = re.search(r"\((?:os error|errno) (\d+)\)|\[errno (\d+)\]", str(error))
    if said:
        return int(said[1] or said[2])
    if re.fullmatch(r"\d+ requested and \d+ written", str(error)):
        return errno.ENOSPC
    return error.errno if isinstance(error, OSError) else None


@contextmanager
def sealing(path: Path) -> Iterator[Path]:
    """As `replacing`, and the digest of what was written is stored beside it."""
    with replacing(path) as temporary:
        yield temporary
        seal(path, temporary)


def seal(path: Path, content: Path | None = None) -> None:
    """Store the digest of what a file holds, or will hold once `content` takes its place."""
    written = digest(content or path)
    with replacing(sidecar(path)) as note:
        note.write_text(f"{written}  {path.name}\n", encoding="utf-8")


def sealed(path: Path) -> str:
    """Return the digest that is stored beside a file.

    Raises:
        ArtifactError: there is none.
    """
    try:
        return sidecar(path).read_text(encoding="utf-8").split(" ")[0]
    except (OSError, UnicodeDecodeError):
        raise ArtifactError(f"{path}: {sidecar(path).name} is not beside it; {REBUILT}") from None


def verify(path: Path) -> None:
    """Make sure that a file holds what was written.

    Raises:
        ArtifactError: it is not there, it has no digest, or its digest is another one.
    """
    try:
        facts = path.stat()
        state = (facts.st_size, facts.st_mtime_ns, facts.st_ino)
        if _verified.get(path.absolute()) == state:
            return
        found = digest(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not found; run snakemake to make it") from None
    except OSError as error:
        fix = "make it readable" if error.errno == errno.EACCES else REBUILT
        raise ArtifactError(f"{path}: cannot be read ({error.strerror}); {fix}") from error
    if found != sealed(path):
        raise ArtifactError(
            f"{path}: truncated or altered since it was written (another SHA-256); bring it back by `dvc checkout"
            f" {path}` if DVC has it, or {REBUILT}"
        )
    _verified[path.absolute()] = state


REBUILT = "delete the file and run again"


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
