"""Where a report comes from: code, packages, machine. The only part of the page that differs between two runs."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from urllib.parse import urlsplit, urlunsplit

import psutil

from heatproof import artifacts
from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table

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


def facts(inputs: Inputs) -> list[tuple[str, str]]:
    """Name and value of what the report was made with and from."""
    memory = psutil.virtual_memory().total / 2**30
    cores = words.count(os.cpu_count() or 1, "core")
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return [
        ("Report written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("Code", commit()),
        ("Packages", f"Python {platform.python_version()}, {versions}"),
        (
            "Machine that wrote the report",
            f"{platform.system()} {platform.machine()}, {cores}, {memory:.0f} GiB memory",
        ),
        ("Training seeds", ", ".join(map(str, inputs.seeds))),
        ("Explanation methods", ", ".join(inputs.methods)),
    ]


def commit() -> str:
    """The commit of the working folder, and whether anything but results differs from it."""
    head = _git("rev-parse", "HEAD")
    if head is None:
        return "not under version control, or without a commit"
    changed = _git("status", "--porcelain", "--", ".", ":(exclude)results", ":(exclude)dvc.lock")
    return f"commit {head}, {'with changes that are not committed' if changed else 'without changes'}"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "--no-optional-locks", *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


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
            path = artifacts.model_dir(inputs.study, model, seed, fold) / "card.json"
            card = artifacts.read_json(path) if path.exists() else {}
            plain = {key: value for key, value in card.items() if isinstance(value, (str, int, float, bool))}
            if plain:
                name = f"{model}, seed {seed}" + (f", {fold}" if len(inputs.folds) > 1 else "")
                rows.append([name, "; ".join(f"{key}: {value}" for key, value in plain.items())])
    return Table("Trainings", ["training", "its card"], rows) if rows else None


def parameters(study_config: dict) -> str:
    """The configuration as it is, but for what an address may hold of user names, passwords and signatures."""
    data = study_config.get("data") or {}
    download = data.get("download") or {}
    if download.get("url"):
        data = data | {"download": download | {"url": _address(download["url"])}}
        study_config = study_config | {"data": data}
    return json.dumps(study_config, indent=2, sort_keys=True, ensure_ascii=False)
