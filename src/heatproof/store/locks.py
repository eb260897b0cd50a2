"""Who computes in this folder: one Snakemake, and its jobs, each known by a lock that the kernel drops when it dies;
which jobs of several folders share the cores and memory of this machine; and what a killed Snakemake left in the queue
of a Slurm."""

import errno
import fcntl
import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from heatproof.core.messages import InputError, line

FOLDER = Path(".heatproof/running")
MAIN = "snakemake"
SNAKEMAKES = Path(".snakemake/locks")
GRACE = 10.0  # seconds that an orphan has to end after each signal
GLANCE = 0.5  # seconds, longer than a look at the lock holds it
FOREVER = -1.0
UNSUPPORTED = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
_held: list[FileLock] = []  # locks of this process, kept until it ends


@dataclass(frozen=True)
class Run:
    """The last run of a folder."""

    running: bool
    begun: float  # seconds since the epoch
    log: Path  # of Snakemake
    studies: tuple[str, ...]


def begin(clear: Callable[[], None] = lambda: None, log: Path | str = os.devnull, studies: Iterable[str] = ()) -> None:
    """Make this process the one Snakemake of the folder, and end jobs that a killed one has left.

    Args:
        clear: takes jobs of a killed Snakemake from the queue of a cluster, before those that run are waited for.
        log: of this Snakemake, and `studies`, the names of what it computes: `last_run` returns them.

    Raises:
        InputError: another Snakemake runs here, or the folder is another user's.
    """
    lock = _take(FOLDER / MAIN, [str(log), *studies], wait=GLANCE)
    if lock is None:
        raise InputError(
            f"another Snakemake ({_holder(FOLDER / MAIN)}) runs in this folder: wait until it is done, or stop it"
        )
    _held.append(lock)
    _unlock(lock)
    clear()
    for path in sorted(FOLDER.iterdir()):
        if path.name != MAIN:
            _outlive(path)


def last_run() -> Run | None:
    """Return the last run of this folder, without disturbing it; None where none is known."""
    path = FOLDER / MAIN
    try:
        with path.open(encoding="utf-8") as file:
            owner, log, *studies = file.read().splitlines()
            begun = os.fstat(file.fileno()).st_mtime
            return Run(_is_held(file.fileno(), owner), begun, Path(log), tuple(studies))
    except (OSError, ValueError):  # no file, or one of an older version
        return None


def _is_held(file: int, owner: str) -> bool:
    """Return whether another process has locked an open file; without locks, whether its owner runs on this machine."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        host, process = owner.split()
        return host == socket.gethostname() and Path("/proc", process).exists()
    return False


@contextmanager
def idle() -> Iterator[bool]:
    """Yield whether no Snakemake computes in this folder, and let none begin meanwhile."""
    lock = _locked(FOLDER / MAIN)
    if lock is not None:
        _unlock(lock)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def job(name: str) -> Iterator[None]:
    """Hold the lock of a job; wait where the same job still runs, orphaned by a shell that was killed."""
    path = FOLDER / name.replace("/", "_")
    lock = _take(path)
    if lock is None:
        line(f"{name}: the same job still runs ({_holder(path)}); waits for it")
        lock = _take(path, wait=FOREVER)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _unlock(lock: FileLock) -> None:
    """Remove Snakemake's own locks, which may outlive it, where this one replaces them."""
    if lock.is_locked:
        for path in SNAKEMAKES.glob("*.lock"):
            path.unlink(missing_ok=True)


def _take(path: Path, about: Iterable[str] = (), *, wait: float = 0.0) -> FileLock | None:
    lock = _locked(path, wait=wait)
    if lock is not None:
        path.write_text("\n".join([f"{socket.gethostname()} {os.getpid()}", *about]), encoding="utf-8")
    return lock


def _locked(path: Path, *, wait: float = 0.0) -> FileLock | None:
    """Return the lock of a file, or None where another process holds it after `wait` seconds.

    On a file system without locks it is returned unlocked: Snakemake's own have to do.
    """
    lock = FileLock(path, mode=0o666, fallback_to_soft=False)  # users of one group share it
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait)
    except Timeout:
        return None
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return lock
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise InputError(
            f"{error.filename or path}: cannot be written, and has to say who computes here: make it writable, for a"
            f" group by chmod -R g+rwX {FOLDER.parent}"
        ) from error
    return lock


def _holder(path: Path) -> str:
    host, process = _owner(path)
    return f"process {process}" if host == socket.gethostname() else f"process {process} on {host}"


def _owner(path: Path) -> tuple[str, str]:
    try:
        host, process, *_ = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return "?", "?"
    return host, process


def _outlive(path: Path) -> None:
    """End a job that has outlived its Snakemake, or wait for it where it runs on another machine."""
    lock = _locked(path)
    if lock is None:
        host, process = _owner(path)
        here = _is_job(host, process)
        what = "it is ended" if here else "waits for it"
        line(f"{path.name}: still runs ({_holder(path)}) though its Snakemake was killed; {what}")
        for how in (signal.SIGTERM, signal.SIGKILL) if here else ():
            if lock is None:
                with suppress(ProcessLookupError):
                    os.kill(int(process), how)
                lock = _locked(path, wait=GRACE)
        lock = lock or _locked(path, wait=FOREVER)
    path.unlink(missing_ok=True)
    lock.release()


def _is_job(host: str, process: str) -> bool:
    """Return whether a process is one of heatproof's on this machine (in this container, if it is one)."""
    try:
        return host == socket.gethostname() and b"heatproof" in Path("/proc", process, "cmdline").read_bytes()
    except OSError:
        return False


POOL = "HEATPROOF_POOL"  # environment variable of jobs: folder of the locks by which runs share a machine; empty: none
TURN = "turn"
PAUSE = 0.3  # seconds between two looks for a core or memory
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Holder:
    """A job that computes on this machine: its process, the memory that it may take [MB], its folder, and its name."""

    process: int
    memory: int
    folder: str
    name: str

    @property
    def reserved(self) -> float:
        """What it has not taken yet of its memory [MB]."""
        try:
            used = int(Path("/proc", str(self.process), "statm").read_text().split()[1]) * PAGE / 1e6
        except OSError:  # it has just ended
            return 0.0
        return max(self.memory - used, 0.0)


def pool() -> Path | None:
    """Return the folder of the locks by which the runs of this user share this machine; None where they do not.

    It is not in the home folder, which several machines may share, nor in /run/user, which goes at logout.
    """
    folder = os.environ.get(POOL, f"/tmp/heatproof-{os.getuid()}")
    return Path(folder) if folder else None


@contextmanager
def share(name: str, cores: int, memory: int) -> Iterator[None]:
    """Hold cores of this machine, each a lock, as long as a job computes; wait for them, and for memory.

    One job collects at a time, and those that compute wait for nothing, so no two wait for each other. Where no other
    job computes, nothing is waited for.

    Args:
        name: of the job, which those that wait show.
        cores: number; at most those that this process may use.
        memory: that it may take [MB].
    """
    folder = pool() if POOL in os.environ else None  # a run sets it for its jobs, but not on a cluster
    if folder is None or not _private(folder):
        yield
        return
    allowed = [folder / f"core{core}" for core in sorted(os.sched_getaffinity(0))]
    turn = _locked(folder / TURN, wait=GLANCE)
    if turn is None:
        line(f"{name}: waits for {_busy(allowed)}")
        turn = _locked(folder / TURN, wait=FOREVER)
    with ExitStack() as held:
        try:
            _collect(held, allowed, min(cores, len(allowed)), memory, name)
        finally:
            turn.release()
        yield


def holders(paths: Iterable[Path] | None = None) -> list[Holder]:
    """Return the jobs that hold these cores of this machine, or any, each as often as it holds one."""
    if paths is None:
        paths = sorted(everywhere.glob("core*")) if (everywhere := pool()) else ()
    found = []
    for path in paths:
        with suppress(OSError, ValueError), path.open(encoding="utf-8") as file:  # none has held it, or just takes it
            owner, memory, folder, name = file.read().splitlines()
            if _is_held(file.fileno(), owner):
                found.append(Holder(int(owner.split()[1]), int(memory), folder, name))
    return found


def _private(folder: Path) -> bool:
    """Return whether a folder is this user's, and make it; another's may hold locks for ever."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder.stat().st_uid == os.getuid()
    except OSError:
        return False


def _collect(held: ExitStack, allowed: list[Path], count: int, memory: int, name: str) -> None:
    """Take as many locks as requested, and keep them while there is too little memory."""
    taken: set[Path] = set()
    lack = ""
    while True:
        for path in allowed:
            if len(taken) < count and path not in taken and (lock := _take(path, [str(memory), str(Path.cwd()), name])):
                held.callback(lock.release)
                taken.add(path)
        others = _others(holders())
        free = _available() - sum(one.reserved for one in {one.process: one for one in others}.values())
        if len(taken) == count and (free >= memory or not others):
            return
        if not lack:
            short = f"{memory} MB of memory: {max(free, 0):.0f} MB are left by {_named(others)}"
            lack = _busy(allowed) if len(taken) < count else short
            line(f"{name}: waits for {lack}")
        time.sleep(PAUSE)


def _others(found: Iterable[Holder]) -> list[Holder]:
    return [one for one in found if one.process != os.getpid()]


def _available() -> float:
    """Return the memory of this machine that can be taken without swapping [MB]."""
    return int(re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.M)[1]) * 1024 / 1e6


def _busy(allowed: list[Path]) -> str:
    using = _others(holders(allowed))
    return f"a core: {len(using)} of {len(allowed)} in use by {_named(using)}" if using else "its turn"


def _named(using: Iterable[Holder]) -> str:
    return ", ".join(dict.fromkeys(f"{one.name} in {one.folder}" for one in using))


LOGS = Path(".snakemake/slurm_logs")  # Snakemake's plugin for Slurm has been at work in this folder


def clear() -> None:
    """Cancel the jobs of this folder that are queued or run, and wait until none is left."""
    if not LOGS.is_dir() or shutil.which("squeue") is None:
        return
    if left := _left():
        line(f"{len(left)} jobs of a killed Snakemake are in Slurm's queue ({', '.join(left)}): they are cancelled")
        subprocess.run(["scancel", *left], check=False)
    while _left():
        time.sleep(1)


def _left() -> list[str]:
    command = ["squeue", "--noheader", "--user", getpass.getuser(), "--format", "%A|%k|%Z"]
    requested = subprocess.run(command, capture_output=True, text=True)
    if requested.returncode != 0:
        line(f"Slurm's queue cannot be searched for jobs of a killed Snakemake: {requested.stderr.strip()}")
        return []
    jobs = (one.split("|") for one in requested.stdout.splitlines() if one.count("|") == 2)
    return [number for number, rule, folder in jobs if rule.startswith("rule_") and folder == str(Path.cwd())]
