"""Who computes in this folder: one Snakemake, and its jobs, each known by a lock that the kernel drops when it dies.

Snakemake's own locks stay behind when it is killed and say nothing of jobs that live on. A lock of flock(2) is gone
with its process, whatever ended it, and a shared file system carries it to the other nodes of a cluster.
"""

import errno
import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

from heatproof.errors import InputError
from heatproof.progress import line

FOLDER = Path(".heatproof/running")
MAIN = "snakemake"
SNAKEMAKES = Path(".snakemake/locks")
GRACE = 10.0  # seconds from asking an orphan to end until it is ended
UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
_held: list[TextIO] = []  # locks of this process, kept open until it ends


def begin(clear: Callable[[], None] = lambda: None) -> None:
    """Make this process the one Snakemake of the folder, and see to it that no job of a killed one still writes.

    Args:
        clear: takes jobs of a killed Snakemake from the queue of a cluster, before those that run are waited for.

    Raises:
        InputError: another Snakemake runs here, or the folder is another user's.
    """
    if not _take(MAIN, wait=False):
        raise InputError(
            f"another Snakemake ({_holder(FOLDER / MAIN)}) runs in this folder: wait until it is done, or stop it"
        )
    if _known():
        _unlock()  # this lock says all that Snakemake's say, and it does not stay behind
    clear()
    for path in sorted(FOLDER.iterdir()):
        if path.name != MAIN:
            _outlive(path)


@contextmanager
def idle() -> Iterator[bool]:
    """Whether no Snakemake computes in this folder, and none begins to meanwhile; locks that a killed one left are
    taken away."""
    file = _locked(FOLDER / MAIN)
    if file is not None and _known():
        _unlock()
    try:
        yield file is not None
    finally:
        if file is not None:
            file.close()


@contextmanager
def job(name: str) -> Iterator[None]:
    """Hold the lock of a job; wait where the same job still runs, orphaned by a shell that was killed."""
    path = FOLDER / name.replace("/", "_")
    if not _take(path.name, wait=False):
        line(f"{name}: the same job still runs ({_holder(path)}); waits for it")
        _take(path.name, wait=True)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _unlock() -> None:
    for path in SNAKEMAKES.glob("*.lock"):
        path.unlink(missing_ok=True)


def _known() -> bool:
    """Whether this file system knows such locks."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=FOLDER) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            return False
    return True


def _take(name: str, *, wait: bool) -> bool:
    file = _locked(FOLDER / name, wait=wait)
    if file is None:
        return False
    file.truncate(0)
    file.write(f"{socket.gethostname()} {os.getpid()}")
    file.flush()
    _held.append(file)
    return True


def _locked(path: Path, *, wait: bool = False) -> TextIO | None:
    """The open file with its lock, or None where another process holds it."""
    while True:
        file = _opened(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            return None
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            return file  # a file system without locks: Snakemake's own have to do
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # its last holder has removed it meanwhile


def _opened(path: Path) -> TextIO:
    """Open a lock for whoever may write in its folder: users of one group share them."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
        if os.fstat(file.fileno()).st_uid == os.geteuid():
            os.fchmod(file.fileno(), 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise InputError(
            f"{error.filename}: cannot be written, and has to say who computes here: make it writable, for a group by"
            f" chmod -R g+rwX {FOLDER.parent}"
        ) from error
    return file


def _holder(path: Path) -> str:
    host, process = _owner(path)
    return f"process {process}" if host == socket.gethostname() else f"process {process} on {host}"


def _owner(path: Path) -> tuple[str, str]:
    try:
        host, process = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return "?", "?"
    return host, process


def _outlive(path: Path) -> None:
    """End a job that has outlived its Snakemake, or wait for it where it runs on another machine."""
    file = _locked(path)
    if file is None:
        here = _ours(*_owner(path))
        what = "it is ended" if here else "waits for it"
        line(f"{path.name}: still runs ({_holder(path)}) though its Snakemake was killed; {what}")
        if here:
            _end(int(_owner(path)[1]), path)
        file = _locked(path, wait=True)
    path.unlink(missing_ok=True)
    file.close()


def _ours(host: str, process: str) -> bool:
    """Whether a process may be ended: one of this machine (of this container, if it is one) that runs heatproof."""
    try:
        return host == socket.gethostname() and b"heatproof" in Path("/proc", process, "cmdline").read_bytes()
    except OSError:
        return False


def _end(process: int, path: Path) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(process, how)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            file = _locked(path)
            if file is not None:
                file.close()
                return
            time.sleep(0.05)
