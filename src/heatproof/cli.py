"""The command `heatproof`: it only dispatches."""

import argparse
import difflib
import errno
import importlib
import os
import re
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from heatproof.core.messages import InputError


class Command(NamedTuple):
    """A module below `heatproof` with `add_arguments` and `run`, and what it does."""

    module: str
    help: str

    @property
    def sentence(self) -> str:
        """What it does, as a sentence."""
        return f"{self.help[0].upper()}{self.help[1:]}."

    def load(self) -> ModuleType:
        """Import the module."""
        return importlib.import_module(f"heatproof.{self.module}")


COMMANDS = {  # what people type
    "judge": Command("commands.judge", "judge the heatmaps of a trained model on a folder of images, in ten minutes"),
    "audit": Command("commands.audit", "check a folder or an archive of images for leaks and shortcuts"),
    "analyze": Command("commands.analyze", "test your own table of scores, without a study"),
    "power": Command("commands.power", "plan the number of patients, seeds and images of a study"),
    "check": Command("commands.check", "check a study's configuration and input files, without running it"),
    "plan": Command("commands.plan", "estimate the run time and disk space of a study"),
    "run": Command("commands.run", "run a study with Snakemake, and print its conclusion"),
    "show": Command(
        "commands.show", "list the studies of this folder with their progress, or print the conclusion of one"
    ),
    "diff": Command("commands.compare", "compare the results of two runs or machines"),
    "gate": Command("commands.gate", "decide whether a candidate's heatmaps are as good as a baseline's, for CI"),
    "verify": Command("commands.verify", "check results and DVC's cache against their digests"),
    "clean": Command("commands.clean", "list or remove results that belong to no study"),
}
JOBS = {  # what Snakemake's rules call: `heatproof job NAME`
    "data": Command("data.command", "prepare the manifest, pixels and masks of a study"),
    "regions": Command("data.prepare.regions", "segment body and lungs in the images of a study"),
    "audit": Command("data.audit.command", "check the images of a study for leaks and shortcuts"),
    "train": Command("train.command", "train one model from one seed and predict with it"),
    "blank": Command("train.blank", "predict images whose border or background is blanked"),
    "ensemble": Command("train.ensemble_command", "combine the predictions of a study's models"),
    "explain": Command("explain.command", "compute the heatmaps of one trained model"),
    "variants": Command("explain.variants", "compute the heatmaps of changed images and models"),
    "score": Command("score.command", "score heatmaps by one family of metrics"),
    "stats": Command("stats.command", "test the differences between the models of a study"),
    "profile": Command("profiles.measure", "measure the responses of the feature maps of one trained model"),
    "profiles": Command("profiles.page", "write the tables and the page of a study's activation profiles"),
    "report": Command("report.command", "write the report of a study"),
}
# names in earlier versions
MOVED = {name: f"job {name}" for name in JOBS if name not in COMMANDS}
MOVED |= {"headline": "show", "compare": "diff", "stats": "analyze"}
NO_ROOM = "the disk is full: free some space and run again"
READ_ONLY = "no permission to write: make it writable and run again"
FIXES = {errno.ENOSPC: NO_ROOM, errno.EDQUOT: NO_ROOM, errno.EROFS: READ_ONLY, errno.EACCES: READ_ONLY}
UNKNOWN = 2000  # MB of a job of which nothing is known
IDENTITY = ("family", "study", "model", "seed", "fold", "shard")  # arguments that identify a job
SHELLS = ("bash", "zsh")
DESCRIPTION = """\
heatproof tests whether the heatmaps (such as Grad-CAM) of your image classifiers can be trusted. It
trains the models, explains their predictions, scores every heatmap and tests the differences.

    heatproof judge --model SPEC --images PATH
                               judge your trained model on your images, in ten minutes
    heatproof audit PATH       check a folder of images for leaks and shortcuts (do this first)
    heatproof run STUDY        run a study of studies/, or an installed one
    heatproof show STUDY       print its conclusion and the path to its report
"""
EPILOG = """\
exit codes:
  0    done
  1    bad input or failure; one line names the file or key, and the fix
  2    wrong usage
  3    `heatproof diff`: a verdict differs, or a difference exceeds the tolerance
  130  stopped by Ctrl-C; run again to continue
`heatproof run` returns the exit code of Snakemake, `heatproof gate` 0 non-inferior, 1 worse, 2 undecided, 3 bad input.

`heatproof COMMAND --help` lists the options of a command; `heatproof job --help` lists the jobs that Snakemake calls.
Tab completion in bash: eval "$(heatproof --print-completion bash)"
"""


class _Completion(argparse.Action):
    """Print the script of a shell, and end."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: object, shell: str, option: str | None = None):
        print(completion(shell))
        parser.exit()


def _parser(commands: Iterable[str] = (), jobs: Iterable[str] = ()) -> argparse.ArgumentParser:
    """Return the parser; of commands and jobs other than these the options are not known, nor are they imported."""
    parser = argparse.ArgumentParser(
        prog="heatproof", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument(
        "--print-completion", action=_Completion, choices=SHELLS, help="print the script for tab completion in a shell"
    )
    listed = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = listed.add_parser(name, help=command.help, description=command.sentence)
        if name in commands:
            command.load().add_arguments(sub)
    hidden = listed.add_parser("job", description="Run one job of a study, as Snakemake's rules do.")  # has no help
    listed = hidden.add_subparsers(dest="job", metavar="JOB", required=True)
    for name, job in JOBS.items():
        sub = listed.add_parser(name, help=job.help, description=job.sentence)
        if name in jobs:
            job.load().add_arguments(sub)
            sub.add_argument("--log", type=Path, help="log of this job; time and memory go to benchmarks/")
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("heatproof")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"


def completion(shell: str) -> str:
    """Return the script that completes commands, options, files and names of studies in a shell."""
    import shtab

    studies = {
        "bash": '_heatproof_studies() { compgen -W "$(cd studies 2>/dev/null && printf \'%s \' *.yaml)" -- "$1" '
        "| sed 's/\\.yaml$//'; }",
        "zsh": "_heatproof_studies() { compadd studies/*.yaml(N:t:r) }",
    }
    parser = _parser(COMMANDS)
    listed = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for action in (action for sub in listed.choices.values() for action in sub._actions):
        if action.dest in ("study", "studies"):
            action.complete = dict.fromkeys(SHELLS, "_heatproof_studies")
        elif action.metavar in ("PATH", "FILE", "FOLDER"):
            action.complete = shtab.FILE
    return shtab.complete(parser, shell, preamble=studies)


def _unknown(name: str) -> str:
    """Return what is wrong with the name of a command, in a line; nothing of an option."""
    if name.startswith("-") or name in ("", "job", *COMMANDS):
        return ""
    if name in MOVED:
        return f"{name}: now `heatproof {MOVED[name]}`"
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"{name}: no such command; {f'did you mean {near[0]}?' if near else '`heatproof --help` lists them'}"


@contextmanager
def _alone(parsed: argparse.Namespace) -> Iterator[None]:
    """Keep a job from running twice at once, and from taking cores and memory that the jobs of other runs have."""
    if parsed.command != "job":
        yield
        return
    from heatproof.store import locks

    parts = (str(value) for value in (getattr(parsed, key, None) for key in IDENTITY) if value is not None)
    name = "-".join((parsed.job, *parts))
    threads = os.environ.get("OMP_NUM_THREADS", "")  # Snakemake sets it for each job
    with locks.job(name), locks.share(name, int(threads) if threads.isdecimal() else 1, _memory(parsed.log)):
        yield


def _memory(log: Path | None) -> int:
    """Return the most memory [MB] that jobs of this kind took before, of the same model if it has one."""
    parts = log.parts[1:-1][:2] if log else ()
    before = Path("benchmarks", *parts).rglob(f"{log.stem}.tsv") if parts else ()
    peaks = (re.search(r"\t(\d+)$", path.read_text(encoding="utf-8"), re.M) for path in before)
    return max((int(found[1]) for found in peaks if found), default=UNKNOWN)


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


def _fix(error: BaseException) -> str | None:
    """What a user can do about a machine that has no more to give; None of an error that is another's."""
    from heatproof.core.messages import ELSE, ran_out

    if ran_out(error):
        return f"memory ran out ({' '.join(str(error).split())[:100]}): set smaller batches, or {ELSE}"
    if isinstance(error, OSError) and error.errno in FIXES:
        return f"{error.filename or Path.cwd()}: {FIXES[error.errno]}"
    return None


def _complain(name: str, text: object) -> None:
    """Print what went wrong on standard error; in red on a terminal, unless NO_COLOR is set."""
    prefix = f"{name}:"
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        prefix = f"\x1b[31m{prefix}\x1b[0m"
    print(f"{prefix} {text}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code, as `EPILOG` lists them."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    command, job = [*arguments, "", ""][:2]
    if wrong := _unknown(command):
        _complain("heatproof", wrong)
        return 2
    engine: list[str] = []
    if command == "run" and "--" in arguments:  # what follows is Snakemake's
        cut = arguments.index("--")
        arguments, engine = arguments[:cut], arguments[cut + 1 :]
    name = f"heatproof {job if command == 'job' else command}"
    try:
        parsed = _parser([command], [job]).parse_args(arguments, argparse.Namespace(snakemake=engine))
        called = JOBS[job] if command == "job" else COMMANDS[command]
        with _alone(parsed), _measured(getattr(parsed, "log", None)):
            code = called.load().run(parsed)
        sys.stdout.flush()
    except InputError as error:
        _complain(name, error)
        return error.code
    except BrokenPipeError:  # `| head` has seen enough; what is left must not fail again as Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MemoryError, OSError, RuntimeError) as error:
        fix = _fix(error)
        if fix is None:
            raise
        _complain(name, fix)
        return 1
    except KeyboardInterrupt:
        _complain(name, "stopped; run again to continue")
        return 130
    return code or 0
