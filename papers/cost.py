"""What the studies took, and an estimate of what the full one would; `collect.py` writes the tables that are read here.

Both tables lie in `docs/findings/` and are in git, because `benchmarks/` is not. An estimate scales measured seconds by
the number of operations: a training by its own, heatmaps and scores by the passes that they take.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from heatproof import artifacts
from heatproof.findings.roles import FOLDER
from heatproof.tables import INTEGER, NUMBER, TEXT

HOUR = 3600
COST = {
    "study": TEXT,
    "stage": TEXT,
    "jobs": INTEGER,
    "seconds": NUMBER,  # of all jobs, each from its start to its end
    "longest": NUMBER,  # seconds of one job
    "memory": NUMBER,  # the most that one job held, MiB
}
WORK = {
    "study": TEXT,
    "model": TEXT,
    "size": INTEGER,  # side of the images, pixels
    "epochs": INTEGER,
    "trainings": INTEGER,  # over seeds, folds and splits
    "images": INTEGER,  # of one training's training split
    "forward_flop": NUMBER,  # of one image: a multiplication and an addition are two
    "training_flop": NUMBER,  # of one training, validation among it
    "heatmap_flop": NUMBER,  # of all heatmaps and scores of the model in the study
    "training_seconds": NUMBER,  # median of the trainings measured
    "heatmap_seconds": NUMBER,  # of all jobs of explain and score
}
PATHS = {"cost": (FOLDER / "cost.csv", COST), "work": (FOLDER / "flops.csv", WORK)}


@dataclass(frozen=True)
class Estimate:
    """The full study of one model: operations in PFLOP, hours of one core, hours of one GPU."""

    model: str
    trainings: int
    epochs: int
    petaflop: float
    core_hours: float
    gpu_hours: float


def read(name: str, root: Path = Path()) -> pd.DataFrame:
    """`cost` or `work`; without rows where nothing was collected yet."""
    path, schema = PATHS[name]
    if not (root / path).exists():
        return pd.DataFrame(columns=list(schema))
    return artifacts.parse_table(root / path, schema)


def write(name: str, frame: pd.DataFrame, root: Path = Path()) -> None:
    path, schema = PATHS[name]
    text = frame[list(schema)].astype(schema).to_csv(index=False, float_format="%.10g", lineterminator="\n")
    with artifacts.replacing(root / path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def estimate(work: pd.DataFrame, measured: str, full: str, tflops: float) -> list[Estimate]:
    """Hours of every model of `full` that was measured in the study `measured`.

    Core hours: measured seconds times the ratio of operations, trainings and heatmaps apart. GPU hours: operations over
    `tflops` (10^12 floating-point operations a second).
    """
    small, found = work[work["study"] == measured].set_index("model"), []
    for _, row in work[work["study"] == full].iterrows():
        if row["model"] not in small.index:
            continue
        here = small.loc[row["model"]]
        trained, mapped = row["training_flop"] * row["trainings"], row["heatmap_flop"]
        seconds = here["training_seconds"] * trained / here["training_flop"]
        seconds += here["heatmap_seconds"] * mapped / here["heatmap_flop"]
        total = trained + mapped
        hours = (float(seconds) / HOUR, float(total) / (tflops * 1e12) / HOUR)
        found.append(Estimate(row["model"], int(row["trainings"]), int(row["epochs"]), float(total) / 1e15, *hours))
    return found
