"""What the studies took, and an estimate of what the full one would.

`python -m papers --collect` writes two tables, in git because `benchmarks/` is not: what jobs measured, and the
operations of every model. Seconds are those from the start of a job to its end. A job runs `compute.threads` threads,
one by default, so its seconds are core-seconds at most; waiting for other work on the machine is in them. An estimate
scales measured seconds by the number of operations: a training by its own, heatmaps and scores by the passes that they
take.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from heatproof.config.study import Study
from heatproof.report.paper import provenance
from heatproof.store import artifacts
from heatproof.store.tables import INTEGER, NUMBER, TEXT
from papers.studies import Roles, rows

HOUR = 3600
BACKWARD = 2  # a backward pass in forward passes: gradients of what goes in, and of the weights
METHOD_PASSES = 16  # forward and backward passes of a heatmap: between those of a CAM and of an integral
EXPLAINED = ("explain", "score")
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
TABLES = {"cost": (Path("docs/findings/cost.csv"), COST), "work": (Path("docs/findings/flops.csv"), WORK)}


@dataclass(frozen=True)
class Estimate:
    """The full study of one model: operations in PFLOP, hours of one core, hours of one GPU."""

    model: str
    trainings: int
    epochs: int
    petaflop: float
    core_hours: float
    gpu_hours: float


def read(name: str) -> pd.DataFrame:
    """Read `cost` or `work`; without rows where nothing was collected yet."""
    path, schema = TABLES[name]
    return artifacts.parse_table(path, schema) if path.exists() else pd.DataFrame(columns=list(schema))


def write(name: str, found: list[dict]) -> None:
    path, schema = TABLES[name]
    table = pd.DataFrame(found, columns=list(schema)).astype(schema)
    with artifacts.replacing(path) as temporary:
        temporary.write_text(table.to_csv(index=False, float_format="%.10g", lineterminator="\n"), encoding="utf-8")


def estimate(work: pd.DataFrame, measured: str, full: str, tflops: float) -> list[Estimate]:
    """Estimate every model of the study `full` that was measured in the study `measured`.

    Core hours: measured seconds times the ratio of operations, trainings and heatmaps apart. GPU hours: operations over
    `tflops` (10^12 floating-point operations a second).
    """
    small, found = rows(work, study=measured).set_index("model"), []
    for _, row in rows(work, study=full).iterrows():
        if row["model"] not in small.index:
            continue
        here = small.loc[row["model"]]
        trained, mapped = row["training_flop"] * row["trainings"], row["heatmap_flop"]
        seconds = here["training_seconds"] * trained / here["training_flop"]
        seconds += here["heatmap_seconds"] * mapped / here["heatmap_flop"]
        total = float(trained + mapped)
        hours = (float(seconds) / HOUR, total / (tflops * 1e12) / HOUR)
        found.append(Estimate(row["model"], int(row["trainings"]), int(row["epochs"]), total / 1e15, *hours))
    return found


def collect(roles: Roles) -> None:
    """Write both tables anew.

    Raises:
        ArtifactError: the study's manifest is not there, which lists the images that it trains on.
    """
    from heatproof.config.load import load

    studies = load(studies=[*roles.studies, roles.full])
    jobs = {
        name: provenance.jobs(name, of.models, of.seeds, of.data.split.names, of.score.families)
        for name, of in studies.items()
        if name != roles.full
    }
    write("cost", stages(jobs))
    real = work(roles.real, studies[roles.real], roles.real, jobs[roles.real])
    write("work", real + work(roles.full, studies[roles.full], roles.real, []))


def stages(jobs: dict[str, Sequence[provenance.Job]]) -> list[dict]:
    """Return a row a study and stage: the time of its jobs, and the most memory."""
    found = []
    for study, of in jobs.items():
        for stage in provenance.STAGES:
            seconds = [job.seconds for job in of if job.stage == stage]
            if seconds:
                memory = pd.Series([job.memory for job in of if job.stage == stage]).max()
                numbers = {"jobs": len(seconds), "seconds": sum(seconds), "longest": max(seconds), "memory": memory}
                found.append({"study": study, "stage": stage} | numbers)
    return found


def work(name: str, study: Study, manifest: str, jobs: Sequence[provenance.Job]) -> list[dict]:
    """Return a row a model: its operations in the study, and what was measured of it."""
    from heatproof.commands import plan
    from heatproof.workflow import files

    table = artifacts.read_manifest(manifest)
    images, splits = len(table), table["split"].value_counts()
    tested = rows(table, split="test").groupby("group").size()
    most = int(tested.clip(upper=study.explain.images_per_group).sum())
    passes, maps = (count(study, images, most) for count in (plan.faithfulness_passes, plan.explained_maps))
    trainings, found = files.trainings(study), []
    explained = sum(fold in study.data.split.names for _, fold in trainings)
    for model in study.models:
        forward = forward_flop(model, len(study.data.class_names), study.data.size)
        epochs, step = study.train.recipe(model).epochs, (1 + BACKWARD) * forward
        own = [job for job in jobs if job.place[:1] == (model,)]
        found.append(
            {
                "study": name,
                "model": model,
                "size": study.data.size,
                "epochs": epochs,
                "trainings": len(trainings),
                "images": int(splits["train"]),
                "forward_flop": forward,
                "training_flop": epochs * (step * splits["train"] + forward * splits["val"]),
                "heatmap_flop": explained * (forward * passes + step * METHOD_PASSES * maps),
                "training_seconds": pd.Series(
                    [job.seconds for job in own if job.stage == "train"], dtype=float
                ).median(),
                "heatmap_seconds": sum(job.seconds for job in own if job.stage in EXPLAINED) or math.nan,
            }
        )
    return found


def forward_flop(model: str, classes: int, size: int) -> int:
    """Count the floating-point operations of one image's forward pass without computing any."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from heatproof.train.model import build

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(model, classes, size).eval()(torch.empty(1, 1, size, size))
    return counter.get_total_flops()
