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


def read(
    study: str,
    models: Sequence[str],
    seeds: Sequence[int] | None = None,
    folds: Sequence[str] | None = None,
    families: Sequence[str] | None = None,
) -> dict[str, dict | None]:
    """Stage -> how many `jobs` were measured, and in seconds their sum `total` and the `longest`; None without any.

    A job counts with its last run. Jobs of models, seeds, folds and families that the study no longer has do not.
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

    folder = BENCHMARKS / study
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for path in sorted(folder.rglob("*.tsv")):
        parts = path.relative_to(folder).parts
        begin = re.split(r"[-.]", path.name)[0]
        stage = next((stage for stage, begins in STAGES.items() if begin in begins), None)
        seconds = _seconds(path)
        if stage and seconds is not None and counts(parts):
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
