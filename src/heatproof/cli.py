"""The command `heatproof`: it only dispatches."""

import argparse
import errno
import importlib
import os
import sys
from pathlib import Path

from heatproof.errors import InputError

STAGES = {
    "data": "make the manifest, the pixels and the masks of a study",
    "train": "train one model from one seed and predict with it",
    "explain": "make the heatmaps of one trained model",
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
}
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
    return parser


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("heatproof")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"


def _module(command: str):
    places = {"audit": "data.audit.command", "regions": "data.regions"} | {name: f"{name}.command" for name in STAGES}
    return importlib.import_module(f"heatproof.{places.get(command, command)}")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 for bad input (one line says what to mend) or 2 for wrong usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = next((a for a in arguments if a in STAGES or a in TOOLS), None)
    parsed = _parser(command).parse_args(arguments)
    try:
        _module(parsed.command).run(parsed)
        sys.stdout.flush()
    except InputError as error:
        print(f"heatproof {parsed.command}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `| head` has seen enough; what is left must not fail again as Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or Path.cwd()
        print(
            f"heatproof {parsed.command}: no room left on the disk of {where}: make some and run again", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print(f"heatproof {parsed.command}: stopped; run again to go on", file=sys.stderr)
        return 130
    return 0
