"""Where the files of the project lie: the Snakefile with `rules/`, `params.yaml`, `profiles/` and `studies/`.

A clone has them at its root, a wheel inside the package. The working directory is the user's: what lies there is
written there, and a file of the project that it has goes before the installed one.
"""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def installed() -> Path:
    """Return the folder of the project's files that belong to this code: the clone's root, or the folder in a wheel.

    >>> (installed() / "params.yaml").is_file()
    True
    """
    inside = PACKAGE / "project"
    return inside if inside.is_dir() else PACKAGE.parents[1]


def studies(working: Path = Path()) -> dict[str, Path]:
    """Return name -> file of the studies that can run: those of the working directory go before the installed ones.

    A working directory with a `params.yaml` of its own is a project, whose studies are its own alone.
    """
    folders = [working] if (working / "params.yaml").is_file() else [installed(), working]
    return {path.stem: path for folder in folders for path in sorted((folder / "studies").glob("*.yaml"))}
