"""The code that a job runs, found by following its imports, and the digest of it.

A job starts at its module (`cli.JOBS`), with the methods or the family of metrics that it computes. Imports count
wherever they stand, in functions too. A module with a table `BRANCHES`, name -> module, imports one of them by name
as it runs: of these a job counts what it takes. Templates and tables beside a module count with it. Of the catalogue,
statistics and report count everything, other jobs the entries that they use, and of those what is computed with: no
title and no citation; and no code of `text`.
"""

import ast
import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from functools import cache
from pathlib import Path

from heatproof import cli
from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.methods import METHODS, Method
from heatproof.catalogue.metrics import Metric, metrics_of
from heatproof.catalogue.reasons import REASONS
from heatproof.config.study import Study
from heatproof.workflow.job import Job

PACKAGE = Path(__file__).parents[1]
TABLE = "BRANCHES"
WORDS = ("heatproof.catalogue.", "heatproof.text.")  # what things are called and how findings are put
KEYS = ("contents", "shortcut", "annotations")  # of the section `data`, whose branches a job takes where they are set
WORDED = ("stats", "report")  # commands that put what the catalogue says in words


def _source(study: Study) -> tuple[str, ...]:
    """Return the branches that a data job takes."""
    data = study.data
    named = ("dicom",) if data.key_file else ()  # a table names DICOM files with a key alone
    return (data.kind, data.base, *named, *(key for key in (*KEYS, "download") if getattr(data, key)))


def _opened(job: Job) -> tuple[str, ...]:
    """Return the branch that opens a model which was trained elsewhere, where a study has one."""
    return ("source",) if job.study.networks else ()


def _methods(job: Job) -> list[Method]:
    """Return the explanation methods that a job runs: a study's, or one; an external one runs nothing."""
    names = [job.method] if job.method else job.study.explain.methods
    return [METHODS[name] for name in names if name in METHODS]


def _paths(entries: Iterable[Method]) -> list[str]:
    """Return the modules of some methods."""
    return sorted({method.path for method in entries})


# job -> its name on the command line, the modules that it runs besides, and keys of the branches that it takes
JOBS: dict[str, Callable[[Job], tuple[str, ...]]] = {
    "data": lambda job: ("data", *_source(job.study)),
    # masks of lungs are read by what reads the source
    "regions": lambda job: ("regions", *(("lungs", *_source(job.study)) if job.study.data.lungs else ())),
    "audit": lambda job: ("audit", job.study.data.kind),
    "train": lambda job: ("train", *_opened(job)),
    "blank": lambda job: ("blank", *_opened(job)),
    "ensemble": lambda job: ("ensemble",),
    "explain": lambda job: ("explain", *_paths(_methods(job)), *_opened(job)),
    "variants": lambda job: ("variants", *_paths(_methods(job)), *_opened(job)),
    "score": lambda job: ("score", FAMILIES[job.family].job, *_opened(job)),
    "consistency": lambda job: ("score", FAMILIES["consistency"].job),
    "stats": lambda job: ("stats",),
    "profile": lambda job: ("profile", *_opened(job)),
    "profiles": lambda job: ("profiles",),
    "report": lambda job: ("report",),
}
# what jobs compute with, of the catalogue
KNOWN: dict[str, Callable[[Job], str]] = {
    "explain": lambda job: _computed(_methods(job), "explain"),
    "variants": lambda job: _computed(_methods(job), "explain"),
    "score": lambda job: _computed(metrics_of(job.family).values(), "explain", "score"),
    "consistency": lambda job: _computed(metrics_of("consistency").values(), "explain", "score"),
}


def code(name: str, job: Job) -> str:
    """Return the digest of the code that a job runs, by the job's name in `JOBS`."""
    return _digest(*JOBS[name](job), known=KNOWN[name](job) if name in KNOWN else "")


def code_by_method(name: str, job: Job) -> str:
    """Return the digest of the code behind each method, as JSON: a job keeps the heatmaps of one whose is unchanged."""
    return json.dumps({method: code(name, job.at(method=method)) for method in job.study.explain.names})


@cache  # called for every job of a rule
def _digest(command: str, *taken: str, known: str) -> str:
    """Return the SHA-256 over names and contents of the files that a command runs, and over what else it knows. Names
    are those of modules: no path of an installation is in it."""
    found, files = (
        hashlib.sha256(known.encode()),
        source_files([f"heatproof.{cli.JOBS[command].module}", *taken], taken),
    )
    for name, path in [*sorted(files.items()), *_beside(files.values())]:
        if command in WORDED or not name.startswith(WORDS):
            found.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def _beside(modules: Iterable[Path]) -> list[tuple[str, Path]]:
    """Return name and path of the files that are no code in the folders of some modules and their `templates`."""
    folders = {place for path in modules for place in (path.parent, path.parent / "templates")}
    paths = [path for place in folders if place.is_dir() for path in place.iterdir() if path.is_file()]
    return sorted((path.relative_to(PACKAGE).as_posix(), path) for path in paths if path.suffix not in (".py", ".pyc"))


def source_files(start: Iterable[str], taken: Collection[str] = ()) -> dict[str, Path]:
    """Return name and path of each module that some modules import, themselves among them.

    Args:
        start: their names; what is no module of heatproof is passed over.
        taken: keys of branches.
    """
    found: dict[str, Path] = {}
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        path = _path(name)
        if path is None or name in found:
            continue
        found[name] = path
        imported, branches = _imports(path)
        waiting += [*imported, *(branches[key] for key in taken if key in branches)]
    return found


@cache
def _imports(path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the names that a file imports, and its table of branches."""
    tree, imported, branches = ast.parse(path.read_text(encoding="utf-8")), [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            imported += [name if _path(name) else node.module for name in inner]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == TABLE:
            branches = ast.literal_eval(node.value)
    return imported, branches


def _path(name: str) -> Path | None:
    """Return the file of a module of heatproof; a package itself is one where a name of its own is imported."""
    if name != "heatproof" and not name.startswith("heatproof."):
        return None
    place = PACKAGE.joinpath(*name.split(".")[1:])
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _computed(entries: Iterable[Method | Metric], *stages: str) -> str:
    """Return what jobs compute with, of some entries and of the reasons that some stages give."""
    facts = {entry.name: [entry.path, *(getattr(entry, name) for name in entry.COMPUTED)] for entry in entries}
    given = [code for code, reason in REASONS.items() if reason.stage in stages]
    return json.dumps([facts, given], sort_keys=True)
