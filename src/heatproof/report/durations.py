"""How long each stage took, from what the jobs measured (`benchmarks/<study>/`)."""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

BENCHMARKS = Path("benchmarks")
STAGES = {  # of the pipeline, in its order: how the names of their files begin
    "data": ("data", "regions"),
    "audit": ("audit",),
    "train": ("train", "ensemble"),
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


def told(seconds: float) -> str:
    """A duration as people write it: 7.3 s, 4 min 12 s, 3 h 05 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
