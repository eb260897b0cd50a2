"""What downloads need of the disk and of the terminal: room, an atomic last step, progress in bytes."""

import errno
import os
import shutil
import sys
import time
from pathlib import Path

from heatproof.errors import InputError
from heatproof.progress import line


def readable(count: int) -> str:
    """A number of bytes as people write it: 12.3 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


def check_disk(what: str, needed: int, *folders: Path) -> None:
    """Refuse to write `needed` bytes into any of the folders that has less room.

    Raises:
        InputError: there is less.
    """
    for folder in folders:
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise InputError(
                f"{what}: no disk left: {readable(needed)} are to come and {readable(free)} are free at {folder}; "
                "make room, or set data.source to another disk, and run again"
            )


def is_full(error: OSError) -> bool:
    """Whether an error says that a disk or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def no_disk(what: str, folder: Path) -> InputError:
    """The error for a disk that became full while it was written to."""
    return InputError(f"{what}: no disk left at {folder}; make room, or set data.source to another disk, and run again")


def place(made: Path, target: Path) -> None:
    """Move a file or folder to its place in one step, from another disk by way of a copy beside the place."""
    try:
        made.replace(target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    beside = target.with_name(f".{target.name}.part")
    if made.is_dir():
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(made, beside)
        beside.replace(target)
        shutil.rmtree(made)
        return
    with made.open("rb") as source, beside.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())
    beside.replace(target)
    made.unlink()


class Meter:
    """Progress in bytes: a bar on a terminal, else a line a tenth of the way, at most one in two seconds.

    Where the total is not known, a line every ten seconds.
    """

    def __init__(self, what: str, total: int | None, done: int = 0):
        self.what, self.total, self.done = what, total, done
        self._bar = None
        self._told, self._next = time.monotonic(), (done / total if total else 0.0) + 0.1
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, desc=what, unit="B", unit_scale=True, leave=False)

    def update(self, count: int) -> None:
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
            return
        now = time.monotonic()
        share = self.done / self.total if self.total else 0.0
        due = share >= self._next and (share >= 1 or now - self._told > 2) if self.total else now - self._told > 10
        if due:
            of = f" of {readable(self.total)}" if self.total else ""
            line(f"{self.what}: {readable(self.done)}{of}")
            self._told, self._next = now, share + 0.1

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()
