"""`heatproof run`: run a study with Snakemake, and show what came out."""

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from heatproof.commands import show
from heatproof.config.load import installed, load
from heatproof.core.messages import InputError
from heatproof.store import artifacts

# options of Snakemake that compute nothing: they print something else
PRINTS = {"-n", "--dry-run", "--dryrun", "-S", "--summary", "-D", "--detailed-summary", "-l", "--list-rules", "--list"}
PRINTS |= {"--dag", "--rulegraph", "--filegraph", "--lint", "--report", "--unlock", "-h", "--help", "-v", "--version"}
CONFIG = ("--config", "-C")  # Snakemake takes the last of several
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.usage = "heatproof run [STUDY ...] [--cores N] [-- OPTIONS OF SNAKEMAKE]"
    parser.add_argument("studies", nargs="*", metavar="STUDY", help="name of a study (default: those of params.yaml)")
    parser.add_argument("--cores", default="all", metavar="N", help="number of cores for Snakemake (default: all)")


def run(args: argparse.Namespace) -> int:
    """Run Snakemake in the working directory, then print what the studies found.

    Returns:
        Exit code of Snakemake.

    Raises:
        InputError: a study that is not known or not valid, or Snakemake is not installed.
        KeyboardInterrupt: it was stopped, and Snakemake and its jobs have ended.
    """
    studies = load(studies=args.studies)
    if importlib.util.find_spec("snakemake") is None:
        raise InputError("Snakemake is not installed: run `make install`, or `pip install snakemake`")
    if args.cores != "all" and not (args.cores.isdecimal() and int(args.cores)):
        raise InputError(f"--cores {args.cores}: must be a number above 0, or all")
    judged = any(study.networks for study in studies.values())  # of these, one that fails does not stop the others
    options = [*(["--keep-going"] if judged else []), *args.snakemake]
    code = _wait(command(list(studies) if args.studies else [], args.cores, options))
    finished = all((artifacts.stats_dir(name) / "summary.json").exists() for name in studies)
    if code == 0 and finished and not PRINTS.intersection(args.snakemake):
        show.conclude(studies)
    return code


def command(studies: list[str], cores: str, options: list[str]) -> list[str]:
    """Return the command of Snakemake.

    Args:
        studies: names; none for those of params.yaml.
        cores: a number, or "all".
        options: more of Snakemake's.

    >>> command(["phantom"], "2", ["--config", "seeds=[0]"])[3:]
    ['--cores', '2', '--logger', 'heatproof', '--config', 'studies=phantom', 'seeds=[0]']

    Outside a clone the Snakefile is the one that came with heatproof.
    """
    own = [] if Path("Snakefile").is_file() else ["--snakefile", str(installed() / "Snakefile")]
    place = next((place + 1 for place, option in enumerate(options) if option in CONFIG), None)
    if studies:
        named = f"studies={','.join(studies)}"
        options = ["--config", named, *options] if place is None else [*options[:place], named, *options[place:]]
    quiet = [] if PRINTS.intersection(options) or "--logger" in options else ["--logger", "heatproof"]
    colour = ["--nocolor"] if os.environ.get("NO_COLOR") else []
    return [sys.executable, "-m", "snakemake", *own, "--cores", cores, *quiet, *colour, *options]


def _wait(command: list[str]) -> int:
    """Return the exit code of a command, which is a group of processes of its own: it is stopped by this one alone, and
    not by the terminal as well."""
    engine, stopped = None, []

    def stop(*_: object) -> None:
        stopped.append(True)
        if engine is not None:
            with suppress(ProcessLookupError):
                os.killpg(engine.pid, signal.SIGINT)

    heard = [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        out = subprocess.DEVNULL if "heatproof" in command else None  # its lines are on standard error
        engine = subprocess.Popen(command, stdout=out, start_new_session=True)
        if stopped:
            stop()
        code = engine.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped:
        raise KeyboardInterrupt
    return code if code >= 0 else 128 - code  # as a shell counts signals
