"""Where a report comes from: code, data, packages, machine, time. Two equal runs may differ in this alone."""

import hashlib
import json
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from heatproof import artifacts, paper_files
from heatproof.report import durations, machine, revision, words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table

LOCK = Path("envs/requirements.lock")
RECORD, CHANGES = paper_files.PROVENANCE
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
    code = revision.read([path for path in (data.get("source"), data.get("key_file")) if path])
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
        "machine": machine.describe(),
        "threads": (study_config.get("compute") or {}).get("threads"),
        "durations": durations.read(inputs.study, inputs.models, inputs.seeds, inputs.folds, inputs.families),
        "parameters": json.loads(parameters(study_config)),
        "seeds": list(inputs.seeds),
        "methods": list(inputs.methods),
        "layers": {model: [list(one) for one in found] for model, found in inputs.layers.items()},
    }
    return record, changes


def write(study: str, record: dict, changes: bytes) -> None:
    """Keep both beside the results; of a clean tree the changes are an empty file, so that no older ones stay."""
    folder = paper_files.folder(study)
    with artifacts.replacing(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    with artifacts.replacing(folder / CHANGES) as temporary:
        temporary.write_bytes(changes)


def facts(record: dict) -> list[tuple[str, str]]:
    """Name and value of what the report was made with and from."""
    found, lock = record["machine"], record["lock_sha256"]
    gpus = words.listed(found["gpus"]) if found["gpus"] else "no NVIDIA GPU"
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
            f"{found['system']}, {found['cpu']}, {words.count(found['cores'], 'core')}, {found['memory_gib']:.0f} GiB "
            f"memory, {gpus}",
        ),
        ("Threads of each job", str(record["threads"] or "not recorded")),
        ("Training seeds", ", ".join(map(str, record["seeds"]))),
        ("Explanation methods", ", ".join(record["methods"])),
        ("Explained layers", layers(record)),
    ]


def layers(record: dict) -> str:
    """The explained layer of each model, and its grid."""
    told = [
        f"{model} {layer or '(no layer of its own)'} {height} x {width}"
        for model, found in record["layers"].items()
        for layer, height, width in found
    ]
    return "; ".join(told)


def commit(record: dict) -> str:
    """The commit of the working folder, and whether anything but results differs from it."""
    if record["commit"] is None:
        return "not under version control, or without a commit"
    told = {True: "with changes that are not committed", False: "without changes"}
    return f"commit {record['commit']}, {told.get(record['dirty'], 'and git could not tell what differs from it')}"


def again(record: dict) -> str:
    """The commands that bring the code back."""
    first = f"in a clean clone: git checkout {record['commit']}"
    if not record["changes"]:
        return first
    path = paper_files.folder(record["study"]) / CHANGES
    return f"{first}, then git apply {path} (its SHA-256: {record['changes']['sha256']})"


def left_out(record: dict) -> str:
    """Files that git does not know and that were too large to keep."""
    told = []
    for entry in record["left_out"]:
        what = f"SHA-256 {entry['sha256']}" if "sha256" in entry else words.count(entry["files"], "file")
        told.append(f"{_printable(entry['path'])} ({entry['bytes']:,} bytes, {what})")
    return "; ".join(told)


def _printable(name: str) -> str:
    """A file name without bytes that are no UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def stages(record: dict) -> Table:
    """How long each stage took."""
    rows = []
    for stage, found in record["durations"].items():
        name = f"{stage} (the run before this one)" if stage == "report" else stage
        cells = [durations.told(found["total"]), durations.told(found["longest"])] if found else ["not recorded", "–"]
        rows.append([name, f"{found['jobs']:,}" if found else "–", *cells])
    return Table("How long the stages took", ["stage", "jobs", "all of them together", "the longest"], rows)


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
            card = artifacts.read_json(path) if path.exists() else {}
            plain = {key: value for key, value in card.items() if isinstance(value, (str, int, float, bool))}
            if plain:
                name = f"{model}, seed {seed}" + (f", {fold}" if len(inputs.folds) > 1 else "")
                rows.append([name, "; ".join(f"{key}: {value}" for key, value in plain.items())])
    return Table("Trainings", ["training", "its card"], rows) if rows else None


def parameters(study_config: dict) -> str:
    """The configuration as it is, but for what an address may hold of user names, passwords and signatures, and for
    the folders of absolute paths."""
    data = study_config.get("data") or {}
    download = data.get("download") or {}
    if download.get("url"):
        data = data | {"download": download | {"url": _address(download["url"])}}
        study_config = study_config | {"data": data}
    return json.dumps(_placeless(study_config), indent=2, sort_keys=True, ensure_ascii=False)


def _placeless(value: Any) -> Any:
    """The same with `.../name` for every absolute path; `patient` holds a regular expression, which is none."""
    if isinstance(value, dict):
        return {key: part if key == "patient" else _placeless(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_placeless(part) for part in value]
    if isinstance(value, str) and re.match(r"/|~[\w.-]*/|[A-Za-z]:[\\/]", value):
        return f".../{PureWindowsPath(value).name}"
    return value
