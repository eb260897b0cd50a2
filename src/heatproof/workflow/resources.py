"""What jobs need of a machine: GPUs, and memory in MB."""

import os

from heatproof.catalogue.families import FAMILIES
from heatproof.workflow.job import Job

GPU = "HEATPROOF_GPU"  # environment variable: whether the machine that started the run has one


def gpus(job: Job) -> int:
    """Return 1 where a job will compute on a GPU."""
    device = job.study.compute.device
    return int(device == "cuda" or (device == "auto" and os.environ[GPU] == "1"))


def scoring_gpus(job: Job) -> int:
    """Return 1 where a family's metrics will query the model on a GPU."""
    return gpus(job) if FAMILIES[job.family].loads_model else 0


def scoring(job: Job) -> int:
    """Return the memory of scores."""
    return 4000 if FAMILIES[job.family].loads_model else 2000


def training(job: Job) -> int:
    """Return the memory of PyTorch and a large network, and of what a batch leaves in it for the backward pass."""
    return 3000 + int(150 * job.recipe.batch_size * (job.study.data.size / 224) ** 2)
