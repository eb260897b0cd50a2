"""`heatproof findings --collect`: what jobs measured (`benchmarks/`) and the operations of every model, as tables.

Seconds are those from the start of a job to its end. A job runs `compute.threads` threads, one by default, so its
seconds are core-seconds at most; waiting for other work on the machine is in them.
"""

from collections.abc import Sequence

import pandas as pd

from heatproof import artifacts, plan
from heatproof.config import load
from heatproof.findings import cost
from heatproof.findings.roles import Roles
from heatproof.report import durations
from heatproof.schema import Study
from heatproof.workflow import files

BACKWARD = 2  # a backward pass in forward passes: gradients of what goes in, and of the weights
METHOD_PASSES = 16  # forward and backward passes of a heatmap: between those of a CAM and of an integral
HEATED = ("explain", "score")


def run(roles: Roles) -> None:
    """Write `docs/findings/cost.csv` and `flops.csv` anew.

    Raises:
        ArtifactError: the study's manifest is not there, which says how many images it trains on.
    """
    studies = load(studies=[*roles.studies, roles.full])
    jobs = {name: _jobs(name, studies[name]) for name in roles.studies}
    cost.write("cost", pd.DataFrame(_stages(jobs), columns=list(cost.COST)))
    rows = [*_work(roles.real, studies[roles.real], roles.real, jobs[roles.real])]
    rows += _work(roles.full, studies[roles.full], roles.real, [])
    cost.write("work", pd.DataFrame(rows, columns=list(cost.WORK)))


def _jobs(name: str, study: Study) -> list[durations.Job]:
    return durations.jobs(name, study.models, study.seeds, study.data.split.names, study.score.families)


def _stages(jobs: dict[str, Sequence[durations.Job]]) -> list[dict]:
    rows = []
    for name, found in jobs.items():
        for stage in durations.STAGES:
            seconds = [job.seconds for job in found if job.stage == stage]
            if seconds:
                memory = pd.Series([job.memory for job in found if job.stage == stage]).max()
                numbers = {"jobs": len(seconds), "seconds": sum(seconds), "longest": max(seconds), "memory": memory}
                rows.append({"study": name, "stage": stage} | numbers)
    return rows


def _work(name: str, study: Study, manifest: str, jobs: Sequence[durations.Job]) -> list[dict]:
    """A row a model: its operations in the study, and what was measured of it."""
    table = artifacts.read_manifest(manifest)
    images, splits = len(table), table["split"].value_counts()
    tested = table[table["split"] == "test"].groupby("group").size()
    most = int(tested.clip(upper=study.explain.images_per_group).sum())
    passes, maps = (count(study, images, most) for count in (plan.faithfulness_passes, plan.explained_maps))
    trainings, rows = files.trainings(study), []
    heated = sum(fold in study.data.split.names for _, fold in trainings)
    for model in study.models:
        forward = forward_flop(model, len(study.data.class_names), study.data.size)
        epochs = study.train.recipe(model).epochs
        own = [job for job in jobs if job.place and job.place[0] == model]
        trained = pd.Series([job.seconds for job in own if job.stage == "train"], dtype=float)
        step = (1 + BACKWARD) * forward
        rows.append(
            {
                "study": name,
                "model": model,
                "size": study.data.size,
                "epochs": epochs,
                "trainings": len(trainings),
                "images": int(splits["train"]),
                "forward_flop": forward,
                "training_flop": epochs * (step * splits["train"] + forward * splits["val"]),
                "heatmap_flop": heated * (forward * passes + step * METHOD_PASSES * maps),
                "training_seconds": trained.median(),
                "heatmap_seconds": sum(job.seconds for job in own if job.stage in HEATED) or float("nan"),
            }
        )
    return rows


def forward_flop(model: str, classes: int, size: int) -> int:
    """Floating-point operations of one image's forward pass, counted without computing any."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from heatproof.train.model import build

    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(model, classes, size).eval()(torch.empty(1, 1, size, size))
    return counter.get_total_flops()
