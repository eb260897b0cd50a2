"""How long each stage took, from what Snakemake measured of its jobs (`benchmarks/<study>/`)."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

BENCHMARKS = Path("benchmarks")
STAGES = {  # of the pipeline, in its order: how the names of their files begin
    "data": ("data", "regions"),
    "audit": ("audit",),
    "train": ("train",),
    "explain": ("explain",),
    "score": ("score",),
    "stats": ("stats",),
    "report": ("report",),
}


def read(study: str, models: Sequence[str]) -> dict[str, dict | None]:
    """Stage -> how many `jobs` were measured, and in seconds their sum `total` and the `longest`; None without any.

    A job counts with its last run. Files of models that the study no longer has are left aside.
    """
    folder = BENCHMARKS / study
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).parts
        begin = re.split(r"[-.]", path.name)[0]
        stage = next((stage for stage, begins in STAGES.items() if begin in begins), None)
        seconds = _seconds(path)
        if stage and seconds is not None and (len(parts) == 1 or parts[0] in models):
            found[stage].append(seconds)
    return {
        stage: {"jobs": len(all_of), "total": round(sum(all_of), 2), "longest": max(all_of)} if all_of else None
        for stage, all_of in found.items()
    }


def _seconds(path: Path) -> float | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return float(next(csv.DictReader(file, delimiter="\t"))["s"])
    except (OSError, KeyError, StopIteration, TypeError, ValueError):
        return None  # a run that was cut off measures nothing


def told(seconds: float) -> str:
    """A duration as people write it: 7.3 s, 4 min 12 s, 3 h 05 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
