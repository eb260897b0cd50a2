"""`make reproduce`: one study computed twice in clean clones, as differently as one machine can, and compared.

What DVC hashed is compared file by file. Left out are what holds times: `.snakemake/metadata` and `benchmarks`, the
report's provenance block and the two files beside it that say the same.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from heatproof.config.load import load
from heatproof.core.messages import InputError
from heatproof.store import artifacts
from heatproof.store.artifacts import PROVENANCE
from heatproof.store.sealing import sidecar

BLOCK = re.compile(rb"<!-- provenance -->.*?<!-- /provenance -->", re.DOTALL)
SHOWN = 40  # lines of a log that tell why a run failed


@dataclass(frozen=True)
class Run:
    """How one of the two runs differs from the other."""

    folder: str  # of its clone, below a temporary one
    cores: int | None  # None: all
    umask: int
    environment: dict[str, str]
    profile: dict  # options of Snakemake, beside those of the project's profile


def runs(study: str, last: Sequence[str]) -> list[Run]:
    """The two runs. `last` are files that the second makes as early as it can."""
    ascii_only = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    first = ascii_only | {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"}  # 26 hours apart: never one date
    second = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "Etc/GMT+12", "PYTHONHASHSEED": "2"}
    return [
        Run("one", 1, 0o022, first, {}),
        Run("two/a much deeper/folder", None, 0o077, second, {"scheduler": "greedy", "prioritize": list(last)}),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 for the same bytes; 1 where a file differs or something failed."""
    parser = argparse.ArgumentParser(prog="reproduce", description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="tiny", help="a study that is in git (tiny)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the clones there, and leave them")
    args = parser.parse_args(arguments)
    try:
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            return reproduce(args.study, args.keep.resolve())
        with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
            return reproduce(args.study, Path(folder))
    except InputError as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 1


def reproduce(study: str, folder: Path) -> int:
    """Clone, compute and compare; 1 where a file differs."""
    left = _git(Path(), "status", "--porcelain", "--", ".", ":(exclude)results", ":(exclude)dvc.lock").splitlines()
    print(f"{study} of commit {_git(Path(), 'rev-parse', '--short', 'HEAD')}, twice in clean clones")
    print("".join(f"left out, as it is not committed: {line}\n" for line in left), end="")
    clones = []
    for run in runs(study, late(study)):
        started = time.monotonic()
        clones.append(compute(study, folder, run))
        told = ", ".join(f"{key}={value}" for key, value in run.environment.items())
        cores = f"{run.cores or 'all'} of {len(os.sched_getaffinity(0))} cores"
        took = f"{time.monotonic() - started:.0f} s"
        print(f"{run.folder}: {cores}, umask {run.umask:03o}, {told}: {took}", flush=True)
    orders = [trained(clone, study) for clone in clones]
    print(f"models in {'another order' if orders[0] != orders[1] else 'the same order'}: {'; '.join(orders[1])}")
    differ = 0
    for line, files in compared(*clones, study):
        print("\n".join([line, *(f"  {name}" for name in files)]))
        differ += len(files)
    print("left out: .snakemake/metadata, benchmarks, logs, the report's provenance: they hold times and the machine")
    print(f"{differ} files differ" if differ else "the same bytes")
    return int(differ > 0)


def late(study: str) -> list[str]:
    """The card of the last model that the configuration names, from its last seed."""
    config = load(studies=[study])[study]
    last = artifacts.Checkpoint(study, config.models[-1], config.seeds[-1], config.data.split.names[-1])
    return [str(last.card)]


def compute(study: str, folder: Path, run: Run) -> Path:
    """Clone the commit that is checked out and run `dvc repro` on one study.

    Raises:
        InputError: the commit does not have the study, or the run failed; the message has the end of what it said.
    """
    clone = folder / run.folder
    if clone.exists():
        raise InputError(f"{clone}: is there already; name an empty folder")
    clone.parent.mkdir(parents=True, exist_ok=True)
    _git(Path(), "clone", "--quiet", str(Path.cwd()), str(clone), umask=run.umask)
    if not (clone / "studies" / f"{study}.yaml").exists():
        raise InputError(f"studies/{study}.yaml: not in the commit that is checked out; commit it first")
    parameters = clone / "params.yaml"
    text = parameters.read_text(encoding="utf-8")
    parameters.write_text(re.sub(r"(?m)^studies: .*$", f"studies: [{study}]", text), encoding="utf-8")
    profile = clone.parent / "profile"
    profile.mkdir(exist_ok=True)
    (profile / "config.yaml").write_text(yaml.safe_dump(run.profile), encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHON", "DVC_"))}
    environment |= run.environment | {"DVC_SITE_CACHE_DIR": str(clone.parent / "site"), "DVC_NO_ANALYTICS": "1"}
    environment |= {"SNAKEMAKE_PROFILE": str(profile)} if run.profile else {}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    cores = sorted(os.sched_getaffinity(0))[: run.cores]
    with (clone.parent / "log.txt").open("w+", encoding="utf-8", errors="replace") as log:
        done = subprocess.run(
            ["dvc", "repro"],
            cwd=clone,
            env=environment,
            umask=run.umask,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),  # so `--cores all` is as many
        )
        log.seek(0)
        if done.returncode:
            said = "".join(log.readlines()[-SHOWN:])
            raise InputError(f"dvc repro failed in {run.folder} ({done.returncode}); the end of what it said:\n{said}")
    return clone


def trained(clone: Path, study: str) -> list[str]:
    """The trainings in the order in which they ended."""
    cards = (clone / "results" / "models" / study).rglob("card.json")
    ended = sorted(cards, key=lambda path: path.stat().st_mtime_ns)
    return ["/".join(path.parts[-4:-1]) for path in ended]


def compared(one: Path, two: Path, study: str) -> Iterator[tuple[str, list[str]]]:
    """Of two clones, a line a stage, with the files that differ or that only one has.

    Raises:
        InputError: DVC has not recorded what lies in a clone.
    """
    here, there = recorded(one, study), recorded(two, study)
    for stage in artifacts.STAGES:
        names = sorted(here[stage].keys() | there[stage].keys())
        differ = [name for name in names if here[stage].get(name) != there[stage].get(name)]
        yield f"{stage}: {len(names)} files, " + (f"{len(differ)} differ" if differ else "the same bytes"), differ


def recorded(clone: Path, study: str) -> dict[str, dict[str, str]]:
    """Stage -> path -> DVC's MD5 of the files of a study; of the report's page, of all but its provenance block."""
    lock = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))
    outs = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    found = {}
    for stage in artifacts.STAGES:
        path = str(artifacts.RESULTS / stage)
        names = _listed(clone, path, outs.get(path, ""))
        found[stage] = {name: md5 for name, md5 in names.items() if name.split("/")[0] in (study, f"{study}.html")}
    page = f"{study}.html"
    if not found["report"] or any(not names for names in found.values()):
        raise InputError(f"{clone}: {study} has not left every stage; nothing can be said")
    text = (clone / artifacts.RESULTS / "report" / page).read_bytes()
    own = [Path(study, name) for name in PROVENANCE]
    for name in (Path(page), *own):
        found["report"].pop(sidecar(name).as_posix(), None)
        found["report"].pop(name.as_posix(), None)
    found["report"][page] = hashlib.md5(BLOCK.sub(b"", text), usedforsecurity=False).hexdigest()
    return found


def _listed(clone: Path, path: str, md5: str) -> dict[str, str]:
    """Path -> MD5 of the files of one out: from DVC's cache, or made as DVC makes it where an out is in git alone."""
    cached = clone / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    if cached.is_file():
        listed = json.loads(cached.read_text(encoding="utf-8"))
        return {entry["relpath"]: entry["md5"] for entry in listed}
    folder = clone / path
    names = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    names.pop(".gitignore", None)
    found = {name: hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest() for name, file in names.items()}
    listed = [{"md5": found[name], "relpath": name} for name in sorted(found, key=lambda name: tuple(name.split("/")))]
    tree = json.dumps(listed, sort_keys=True).encode()
    if hashlib.md5(tree, usedforsecurity=False).hexdigest() + ".dir" != md5:
        raise InputError(f"{folder}: not as DVC recorded it; run dvc repro there")
    return found


def _git(folder: Path, *arguments: str, umask: int = -1) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, umask=umask, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"git {arguments[0]}: {done.stderr.strip()}; run it in a clone of the project")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
