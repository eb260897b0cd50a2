"""Jobs without a start of their own: one process imports PyTorch and timm, and forks for each job.

Importing them takes several CPU seconds, more than most jobs compute. Snakemake's main process calls `start`; a job
that is one of `WARM` calls `hand_over`, which sends its arguments, environment and standard streams to the
server and waits for the exit code of the fork. The server imports nothing until the first job asks, and ends with
Snakemake. A job runs in its own process, as without a server, wherever none answers: on another node of a cluster, in
an environment of conda, or after the code was edited.
"""

import ctypes
import importlib
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

ADDRESS = "HEATPROOF_WORKERS"  # environment variable: where the server listens
WARM = ("train", "ensemble", "explain", "variants", "score", "profile")  # the jobs that import torch
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LARGEST = 1 << 17  # bytes of a request; a larger one is not handed over
MESSAGES = socket.SOCK_SEQPACKET  # keeps them whole
PR_SET_PDEATHSIG = 1  # of prctl(2): a fork ends with the server
STOPS = (signal.SIGINT, signal.SIGTERM)


def start(modules: Iterable[str], threads: int = 1) -> None:
    """Start the server, and tell the jobs of this process where it listens.

    Args:
        modules: names of what the server imports before its first fork, such as `heatproof.train.command`.
        threads: of each job. Libraries read it as they load, and Snakemake sets it for a job's own process.
    """
    import atexit

    folder = Path(tempfile.mkdtemp(prefix="heatproof-"))  # this user's alone: who connects runs code
    listener = socket.socket(socket.AF_UNIX, MESSAGES)
    listener.bind(str(folder / "jobs"))
    listener.listen(64)
    command = [sys.executable, "-m", "heatproof.workflow.workers", str(listener.fileno()), *modules]
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], env=environment)
    listener.close()
    os.environ[ADDRESS] = str(folder / "jobs")

    def stop() -> None:
        server.stdin.close()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)


def hand_over(arguments: list[str]) -> int | None:
    """Let the server run a command, and return its exit code; None where no server takes it."""
    address = os.environ.get(ADDRESS)
    command, job = [*arguments, "", ""][:2]
    if not address or command != "job" or job not in WARM:
        return None
    request = json.dumps({"arguments": arguments, "environment": dict(os.environ), "folder": str(Path.cwd())}).encode()
    if len(request) > LARGEST:
        return None
    with socket.socket(socket.AF_UNIX, MESSAGES) as server:
        try:
            server.connect(address)
            socket.send_fds(server, [request], [0, 1, 2])
        except OSError:
            return None
        for number in STOPS:  # the fork is ended, and its exit code is waited for
            signal.signal(number, lambda *_: server.shutdown(socket.SHUT_WR))
        try:
            answer = server.recv(64)
        except ConnectionResetError:
            answer = b""
    if not answer:
        print("heatproof: the process that runs the jobs was killed: run again to continue", file=sys.stderr)
        return 128 + signal.SIGKILL
    return json.loads(answer)


class Server:
    """Accepts jobs on a listening socket and forks for each, until standard input ends and no job is left."""

    def __init__(self, listener: socket.socket, modules: list[str]):
        self.listener, self.modules = listener, modules
        self.sources: dict[str, int] | None = None  # of the modules of heatproof: when each file was written
        self.jobs: dict[int, tuple[int, socket.socket]] = {}  # descriptor of a fork -> its id and who waits for it
        self.selector = selectors.DefaultSelector()

    def serve(self) -> int | None:
        """Return None in the server once it is done, and in each fork the exit code of its job."""
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(0, selectors.EVENT_READ, self._close)
        while self.listener.fileno() >= 0 or self.jobs:
            for key, _ in self.selector.select():
                code = key.data(key.fileobj) if key.fileobj in self.selector.get_map() else None
                if code is not None:
                    return code
        return None

    def _accept(self, listener: socket.socket) -> int | None:
        waiting, _ = listener.accept()
        waiting.settimeout(10)
        try:
            request, streams, *_ = socket.recv_fds(waiting, LARGEST, 3)
        except OSError:
            request, streams = b"", []
        if not request or len(streams) != 3 or not self._ready():
            with suppress(OSError):
                waiting.send(b"null")
            waiting.close()
            for stream in streams:
                os.close(stream)
            return None
        job = os.fork()
        if job == 0:
            waiting.close()
            return self._work(json.loads(request), streams)
        for stream in streams:
            os.close(stream)
        descriptor = os.pidfd_open(job)
        self.jobs[descriptor] = job, waiting
        self.selector.register(descriptor, selectors.EVENT_READ, self._ended)
        self.selector.register(waiting, selectors.EVENT_READ, lambda _: self._unwanted(descriptor))
        return None

    def _ready(self) -> bool:
        """Import what jobs need, once; whether the code is still what was imported."""
        if self.sources is None:
            for module in self.modules:
                with suppress(Exception):  # the job that needs it says what is wrong
                    importlib.import_module(module)
            files = {getattr(module, "__file__", None) for name, module in sys.modules.items() if _own(name)}
            self.sources = {file: _written(file) for file in files if file}
        return all(_written(file) == then for file, then in self.sources.items())

    def _work(self, request: dict, streams: list[int]) -> int:
        """What a fork does: run the command as a process of its own would."""
        self.selector.close()
        self.listener.close()
        for _, waiting in self.jobs.values():
            waiting.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        for number in STOPS:
            signal.signal(number, _stop)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])
        sys.argv = ["heatproof", *request["arguments"]]
        from heatproof.cli import main

        return main(request["arguments"])

    def _ended(self, descriptor: int) -> None:
        job, waiting = self.jobs.pop(descriptor)
        self.selector.unregister(descriptor)
        os.close(descriptor)
        code = os.waitstatus_to_exitcode(os.waitpid(job, 0)[1])
        with suppress(KeyError):
            self.selector.unregister(waiting)
        with suppress(OSError):
            waiting.send(json.dumps(code if code >= 0 else 128 - code).encode())
        waiting.close()

    def _unwanted(self, descriptor: int) -> None:
        """End a job on request, or one that nobody waits for."""
        _, waiting = self.jobs[descriptor]
        self.selector.unregister(waiting)
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)

    def _close(self, _) -> None:
        """End with Snakemake: take no more jobs, and end those that run."""
        self.selector.unregister(0)
        self.selector.unregister(self.listener)
        self.listener.close()
        for descriptor in self.jobs:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)


def _stop(*_) -> None:
    """End a job once: Ctrl-C reaches it from the terminal and through the server."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _own(module: str) -> bool:
    return module.partition(".")[0] == "heatproof"


def _written(file: str) -> int:
    try:
        return os.stat(file).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the jobs; the server ends with Snakemake
    listener = socket.socket(fileno=int(sys.argv[1]))
    try:
        code = Server(listener, sys.argv[2:]).serve()
    except SystemExit as error:  # of a fork: wrong usage
        code = error.code
    except KeyboardInterrupt:  # of a fork that is stopped before its command has begun
        code = 128 + signal.SIGINT
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    if code is None:
        return
    import atexit

    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the fork's memory is the kernel's to take back


if __name__ == "__main__":
    _main()
