"""Where a report comes from: code, data, packages, machine, time. Two equal runs may differ in this alone."""

import csv
import hashlib
import json
import math
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psutil

from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table
from heatproof.store import artifacts
from heatproof.store.artifacts import digest
from heatproof.text import numbers
from heatproof.text.numbers import duration
from heatproof.text.words import called


def describe() -> dict:
    """System, name of the CPU, cores, memory in GiB, names of the GPUs; no host, no user, no path."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu(),
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": gpus(),
    }


def cpu() -> str:
    """What the CPU calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or "of unknown name"


def gpus() -> list[str]:
    """Names of NVIDIA's GPUs; none where their driver does not answer."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


BENCHMARKS = Path("benchmarks")
STAGES = {  # of the pipeline, in its order: how the names of their files begin
    "data": ("data", "regions"),
    "audit": ("audit",),
    "train": ("train", "ensemble", "blank"),
    "explain": ("explain", "profiles"),
    "score": ("score",),
    "stats": ("stats",),
    "report": ("report",),
}


class Job(NamedTuple):
    """A measured job: its stage, its place below `benchmarks/<study>/` (`resnet50/0/fold0`), seconds from start to end,
    and the most memory that it held, in MiB (NaN where that was not measured)."""

    stage: str
    place: tuple[str, ...]
    seconds: float
    memory: float


def jobs(
    study: str,
    models: Sequence[str],
    seeds: Sequence[int] | None = None,
    folds: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
) -> list[Job]:
    """The jobs of a study that were measured, each with its last run, in the order of their files.

    Jobs of models, seeds, folds and families that the study no longer has are left out.
    """

    def counts(parts: tuple[str, ...]) -> bool:
        *place, name = parts
        family = re.match(r"score-(\w+)", name)
        return (
            (not place or place[0] in models)
            and not (seeds is not None and any(p.isdigit() and int(p) not in seeds for p in place[1:]))
            and not (folds is not None and any(p.startswith("fold") and p not in folds for p in place[1:]))
            and not (families is not None and family and family[1] not in families)
        )

    folder, found = BENCHMARKS / study, []
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).parts
        begin = re.split(r"[-.]", path.name)[0]
        stage = next((stage for stage, begins in STAGES.items() if begin in begins), None)
        measured = _measured(path)
        if stage and measured and counts(parts):
            found.append(Job(stage, parts[:-1], *measured))
    return found


def read(
    study: str,
    models: Sequence[str],
    seeds: Sequence[int] | None = None,
    folds: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
) -> dict[str, dict | None]:
    """Stage -> how many `jobs` were measured, and in seconds their sum `total` and the `longest`; None without any."""
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for job in jobs(study, models, seeds, folds, families):
        found[job.stage].append(job.seconds)
    return {
        stage: {"jobs": len(all_of), "total": round(sum(all_of), 2), "longest": max(all_of)} if all_of else None
        for stage, all_of in found.items()
    }


def _measured(path: Path) -> tuple[float, float] | None:
    """Seconds and MiB; None of a run that was cut off, which measures nothing."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file, delimiter="\t"))
        seconds = float(row["s"])
    except (OSError, KeyError, StopIteration, TypeError, ValueError):
        return None
    try:
        return seconds, float(row["max_rss"])
    except (KeyError, TypeError, ValueError):  # a job shorter than Snakemake's first look at it
        return seconds, math.nan


LOCK = Path("envs/requirements.lock")
RECORD, CHANGES = artifacts.PROVENANCE
PACKAGES = (
    "heatproof",
    "torch",
    "torchvision",
    "timm",
    "grad-cam",
    "numpy",
    "scipy",
    "pandas",
    "pingouin",
    "matplotlib",
    "pillow",
    "snakemake",
    "dvc",
)


def gather(inputs: Inputs, study_config: dict) -> tuple[dict, bytes]:
    """What the report was made with and from, as JSON can hold it, and what differs from the commit (git's diff)."""
    data = study_config.get("data") or {}
    code = read_revision([path for path in (data.get("source"), data.get("key_file")) if path])
    changes = code.changes or b""
    kept = {"file": CHANGES, "bytes": len(changes), "sha256": hashlib.sha256(changes).hexdigest()}
    record = {
        "study": inputs.study,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": code.commit,
        "dirty": code.dirty,
        "changes": kept if changes else None,
        "left_out": code.left_out,
        "data_sha256": artifacts.digest(artifacts.data_dir(inputs.study) / "digest.json"),
        "lock_sha256": artifacts.digest(LOCK) if LOCK.is_file() else None,
        "packages": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "machine": describe(),
        "threads": (study_config.get("compute") or {}).get("threads"),
        "durations": read(inputs.study, inputs.models, inputs.seeds, inputs.folds, inputs.families),
        "parameters": json.loads(parameters(study_config)),
        "seeds": list(inputs.seeds),
        "methods": list(inputs.methods),
        "layers": {model: [list(one) for one in found] for model, found in inputs.layers.items()},
    }
    return record, changes


def write(study: str, record: dict, changes: bytes) -> None:
    """Keep both beside the results; of a clean tree the changes are an empty file, so that no older ones stay."""
    folder = artifacts.folder(study)
    with artifacts.replacing(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    with artifacts.replacing(folder / CHANGES) as temporary:
        temporary.write_bytes(changes)


def facts(record: dict) -> list[tuple[str, str]]:
    """Name and value of what the report was made with and from."""
    found, lock = record["machine"], record["lock_sha256"]
    gpus = numbers.listed(found["gpus"]) if found["gpus"] else "no NVIDIA GPU"
    versions = ", ".join(f"{name} {number}" for name, number in record["packages"].items())
    return [
        ("Report written", record["written"]),
        ("Code", commit(record)),
        *([("To have that code again", again(record))] if record["commit"] else []),
        *([("Not kept of it", left_out(record))] if record["left_out"] else []),
        ("Data", f"SHA-256 {record['data_sha256']} of digest.json, which holds those below"),
        ("Packages", versions[0].upper() + versions[1:]),
        ("Lock file", f"SHA-256 {lock} of {LOCK}" if lock else f"none: there is no {LOCK} here"),
        (
            "Machine that wrote the report",
            f"{found['system']}, {found['cpu']}, {numbers.counted(found['cores'], 'core')}, "
            f"{found['memory_gib']:.0f} GiB memory, {gpus}",
        ),
        ("Threads of each job", str(record["threads"] or "not recorded")),
        ("Training seeds", ", ".join(map(str, record["seeds"]))),
        ("Explanation methods", ", ".join(map(called, record["methods"]))),
        ("Explained layers", layers(record)),
    ]


def layers(record: dict) -> str:
    """The explained layer of each model, and its grid."""
    stated = [
        f"{called(model)} {layer or '(no layer of its own)'} {height} x {width}"
        for model, found in record["layers"].items()
        for layer, height, width in found
    ]
    return "; ".join(stated)


def commit(record: dict) -> str:
    """The commit of the working folder, and whether anything but results differs from it."""
    if record["commit"] is None:
        return "not under version control, or without a commit"
    stated = {True: "with changes that are not committed", False: "without changes"}
    return f"commit {record['commit']}, {stated.get(record['dirty'], 'and git could not tell what differs from it')}"


def again(record: dict) -> str:
    """The commands that bring the code back."""
    first = f"in a clean clone: git checkout {record['commit']}"
    if not record["changes"]:
        return first
    path = artifacts.folder(record["study"]) / CHANGES
    return f"{first}, then git apply {path} (its SHA-256: {record['changes']['sha256']})"


def left_out(record: dict) -> str:
    """Files that git does not know and that were too large to keep."""
    stated = []
    for entry in record["left_out"]:
        what = f"SHA-256 {entry['sha256']}" if "sha256" in entry else numbers.counted(entry["files"], "file")
        stated.append(f"{_printable(entry['path'])} ({entry['bytes']:,} bytes, {what})")
    return "; ".join(stated)


def _printable(name: str) -> str:
    """A file name without bytes that are no UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def stages(record: dict) -> Table:
    """How long each stage took."""
    rows = []
    for stage, found in record["durations"].items():
        name = f"{stage} (the run before this one)" if stage == "report" else stage
        cells = [duration(found["total"]), duration(found["longest"])] if found else ["not recorded", "–"]
        rows.append([name, f"{found['jobs']:,}" if found else "–", *cells])
    return Table("Run time of the stages", ["stage", "jobs", "total", "longest"], rows)


def _address(url: str) -> str:
    """An address without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not an address)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def data_digest(inputs: Inputs) -> Table | None:
    sums = inputs.digest.get("sha256", {})
    rows = [[name, value] for name, value in sorted(sums.items())]
    return Table("SHA-256 of the data", ["file", "SHA-256"], rows) if rows else None


def cards(inputs: Inputs) -> Table | None:
    """What each training wrote down of itself."""
    rows = []
    for model in inputs.models:
        for seed, fold in product(inputs.seeds, inputs.folds):
            path = artifacts.Checkpoint(inputs.study, model, seed, fold).card
            card = placeless(artifacts.read_json(path)) if path.exists() else {}
            plain = {key: value for key, value in card.items() if isinstance(value, (str, int, float, bool))}
            if plain:
                name = f"{called(model)}, seed {seed}" + (f", {fold}" if len(inputs.folds) > 1 else "")
                rows.append([name, "; ".join(f"{key}: {value}" for key, value in plain.items())])
    return Table("Training runs", ["training run", "card"], rows) if rows else None


def parameters(study_config: dict) -> str:
    """The configuration as it is, but for what an address may hold of user names, passwords and signatures, and for
    the folders of absolute paths."""
    data = study_config.get("data") or {}
    download = data.get("download") or {}
    if download.get("url"):
        data = data | {"download": download | {"url": _address(download["url"])}}
        study_config = study_config | {"data": data}
    return json.dumps(placeless(study_config), indent=2, sort_keys=True, ensure_ascii=False)


def placeless(value: Any) -> Any:
    """Return the same with `.../name` for every absolute path; `patient` holds a regular expression, which is none."""
    if isinstance(value, dict):
        return {key: part if key == "patient" else placeless(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [placeless(part) for part in value]
    if isinstance(value, str) and (found := re.match(r"(hf:)?(/|~[\w.-]*/|[A-Za-z]:[\\/])", value)):
        return f"{found[1] or ''}.../{PureWindowsPath(value).name}"
    return value


LARGEST_UNTRACKED = 1_000_000  # bytes of an untracked file, or of a folder of them, that the difference takes in


@dataclass(frozen=True)
class Revision:
    """`commit` is None without git or a commit; `changes` is None where git could not tell them.

    `left_out` are the untracked files and folders that are not among the changes: `path` and `bytes`; of a file its
    `sha256`, of a folder the number of its `files`.
    """

    commit: str | None = None
    changes: bytes | None = None
    left_out: list[dict] = field(default_factory=list)

    @property
    def dirty(self) -> bool | None:
        return None if self.changes is None else bool(self.changes or self.left_out)


def read_revision(data: Sequence[str] = ()) -> Revision:
    """What the working folder holds beside its commit, without results.

    The user's index and objects stay as they are: git works on an index and objects of its own.

    Args:
        data: paths of the study's data and secrets, which are no code: left out wherever git does not know them.
    """
    head = _git("rev-parse", "--verify", "HEAD")
    if head is None:
        return Revision()
    commit, objects = head.decode().strip(), _git("rev-parse", "--git-path", "objects")
    with TemporaryDirectory() as scratch:
        Path(scratch, "objects").mkdir()
        own = {
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_OBJECT_DIRECTORY": f"{scratch}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(Path(os.fsdecode(objects.strip())).absolute()),
        }
        if _git("read-tree", "HEAD", **own) is None:
            return Revision(commit)
        within = ["--", ".", ":(exclude)results", ":(exclude)dvc.lock", *_unknown(data, own)]
        left_out = _left_out(within, own)
        if _git("add", "--all", *within, *(_without(entry["path"]) for entry in left_out), **own) is None:
            return Revision(commit)
        plain = ("--cached", "--patch", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv")
        return Revision(commit, _git("diff-index", *plain, "HEAD", *within, **own), left_out)


def _without(path: str) -> str:
    return f":(exclude,literal){path.rstrip('/')}"


def _unknown(data: Sequence[str], own: dict[str, str]) -> list[str]:
    """What leaves out those paths of the data that lie in this folder and that git knows nothing of."""
    places = {os.path.relpath(Path(path).expanduser()) for path in data}
    return [_without(path) for path in sorted(places) if path[:2] != ".." and not _git("ls-files", "--", path, **own)]


def _left_out(within: Sequence[str], own: dict[str, str]) -> list[dict]:
    """Untracked files, and folders of them, that are large; repositories inside this one."""
    requested = ("ls-files", "--others", "--exclude-standard", "-z")
    entries = _paths_in(_git(*requested, "--directory", "--no-empty-directory", *within, **own))
    folders = [entry for entry in entries if entry.endswith("/")]
    inside: dict[str, list[str]] = {}
    for name in _paths_in(_git(*requested, *within, **own)):
        inside.setdefault(next((folder for folder in folders if name.startswith(folder)), name), []).append(name)
    found = []
    for entry, names in sorted(inside.items()):
        files = [Path(name) for name in names if not name.endswith("/")]  # a repository ends so, and is not entered
        size = sum(path.lstat().st_size for path in files)
        if size > LARGEST_UNTRACKED or len(files) < len(names):
            what = {"files": len(files)} if entry.endswith("/") else {"sha256": digest(Path(entry))}
            found.append({"path": entry, "bytes": size, **what})
    return found


def _paths_in(output: bytes | None) -> list[str]:
    return [os.fsdecode(name) for name in (output or b"").split(b"\0") if name]


def _git(*arguments: str, **environment: str) -> bytes | None:
    """What git says, or None where it fails or is not there."""
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, env=os.environ | environment, timeout=300)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
