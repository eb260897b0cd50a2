"""The command `heatproof`: it only dispatches."""

import argparse
import errno
import importlib
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from heatproof.core.messages import InputError

STAGES = {
    "data": "make the manifest, the pixels and the masks of a study",
    "train": "train one model from one seed and predict with it",
    "ensemble": "let the models of a study answer as one",
    "explain": "make the heatmaps of one trained model",
    "profiles": "profile what the feature maps of one trained model answer to, or write a study's page of it",
    "score": "score heatmaps for one family of metrics",
    "stats": "test the differences between models",
    "report": "write the report of a study",
}
TOOLS = {
    "check": "check params.yaml and studies/ without running anything",
    "audit": "look for leaks and shortcuts in a folder or an archive of images",
    "regions": "find body and lungs in the images of a study",
    "plan": "say about how long a run will take here, and how much disk",
    "headline": "print what a finished study found, and where its report is",
    "compare": "tell how far the results of two runs or machines lie apart",
    "clean": "list results that no study names, and remove them",
    "verify": "check results and DVC's cache against their digests",
}
MODULES = {name: f"{name}.command" for name in STAGES} | {name: f"commands.{name}" for name in TOOLS}
MODULES |= {"audit": "data.audit.command", "ensemble": "train.ensemble_command", "regions": "data.prepare.regions"}
NO_ROOM = "no room left on its disk: make some and run again"
READ_ONLY = "cannot be written: make it writable and run again"
MENDS = {errno.ENOSPC: NO_ROOM, errno.EDQUOT: NO_ROOM, errno.EROFS: READ_ONLY, errno.EACCES: READ_ONLY}
IDENTITY = ("family", "study", "model", "seed", "fold", "shard", "variants")  # arguments that tell one job from another
DESCRIPTION = """\
heatproof tells whether the heatmaps (such as Grad-CAM) of your image classifiers hold: it trains
the models, explains their predictions, scores every heatmap and tests the differences.

Most people never call these commands themselves. In the project's folder, run

    snakemake --cores all      everything that params.yaml asks for
    heatproof headline         what came out, and where the report is

Before that, `heatproof audit PATH` tells what an accuracy measured on your images would be worth.
"""


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="heatproof",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="`heatproof COMMAND --help` shows the options of one command.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in (TOOLS | STAGES).items():
        kind = "" if name in TOOLS else " (a stage of the pipeline; run by snakemake)"
        sub = commands.add_parser(name, help=text + kind, description=text)
        if name == command:
            _module(name).add_arguments(sub)
            if _by_snakemake(name):
                sub.add_argument("--log", type=Path, help="the log of this job: what it took is noted in benchmarks/")
    return parser


def _by_snakemake(command: str) -> bool:
    return command in STAGES or command in ("audit", "regions")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("heatproof")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"


def _module(command: str):
    return importlib.import_module(f"heatproof.{MODULES[command]}")


def _alone(parsed: argparse.Namespace) -> AbstractContextManager:
    """Where a command writes results, the lock that keeps the same job from running twice at once."""
    if getattr(parsed, "study", None) is None or not _by_snakemake(parsed.command):
        return nullcontext()
    from heatproof.store import locks

    parts = (str(value) for value in (getattr(parsed, key, None) for key in IDENTITY) if value not in (None, False))
    return locks.job("-".join((parsed.command, *parts)))


@contextmanager
def _measured(log: Path | None) -> Iterator[None]:
    """Note what a job took in `benchmarks/`, in Snakemake's columns: its own measurement samples, misses short jobs and
    does not see into the forks of `workers`."""
    started = time.monotonic()
    yield
    if log is None:
        return
    seconds, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    path = Path("benchmarks", *log.with_suffix(".tsv").parts[1:])
    path.parent.mkdir(parents=True, exist_ok=True)
    row = f"{seconds:.3f}\t{used.ru_utime + used.ru_stime:.2f}\t{used.ru_maxrss / 1024:.0f}"
    path.write_text(f"s\tcpu_time\tmax_rss\n{row}\n", encoding="utf-8")


def _mend(error: BaseException) -> str | None:
    """What a user can do about a machine that has no more to give; None of an error that is another's."""
    from heatproof.core.messages import ELSE, ran_out

    if ran_out(error):
        return f"memory ran out ({' '.join(str(error).split())[:100]}): set smaller batches, or {ELSE}"
    if isinstance(error, OSError) and error.errno in MENDS:
        return f"{error.filename or Path.cwd()}: {MENDS[error.errno]}"
    return None


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for bad input (one line says what to mend) or 2 for wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = next((a for a in arguments if a in STAGES or a in TOOLS), None)
    parsed = _parser(command).parse_args(arguments)
    try:
        with _alone(parsed), _measured(getattr(parsed, "log", None)):
            _module(parsed.command).run(parsed)
        sys.stdout.flush()
    except InputError as error:
        print(f"heatproof {parsed.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough; what is left must not fail again as Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MemoryError, OSError, RuntimeError) as error:
        mend = _mend(error)
        if mend is None:
            raise
        print(f"heatproof {parsed.command}: {mend}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"heatproof {parsed.command}: stopped; run again to go on", file=sys.stderr)
        return 130
    return 0
