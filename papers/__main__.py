"""`heatproof findings`: its pages, their figures and tables and the README's block, from committed results."""

import argparse

from heatproof.errors import InputError
from heatproof.findings import pages, roles

MEND = "run `make findings` and commit what it changes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--collect", action="store_true", help="read benchmarks/ and count operations first: docs/findings/*.csv"
    )
    group.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file is not as it would be written"
    )


def run(args: argparse.Namespace) -> None:
    """Write what changed and name it.

    Raises:
        InputError: a study or an artifact cannot be read; with `--check`, a file differs.
    """
    played = roles.read()
    if args.collect:
        from heatproof.findings import collect

        collect.run(played)
    made = pages.render(played)
    if args.check:
        differing = pages.differing(made)
        if differing:
            raise InputError("\n".join(f"{path}: not what results/stats says; {MEND}" for path in differing))
        return
    changed = pages.write(made)
    print("\n".join(map(str, changed)) or "nothing changed")
