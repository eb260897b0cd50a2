"""The environment of all jobs, and what the server imports that forks for them."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from shutil import which

from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.methods import METHODS
from heatproof.schema import Study
from heatproof.workflow.resources import GPU

KILLED = (
    "killed from outside (signal 9), most likely for want of memory: let fewer jobs run at once (--cores, or"
    " --resources mem_mb=), or set a smaller train.batch_size, explain.batch_size or compute.batch_size"
)
# Snakemake quotes this with the command of each job that fails, so the hint itself is a variable
PREFIX = "set -euo pipefail; trap 'test $? != 137 || echo \"$HEATPROOF_KILLED\" >&2' EXIT; "


def variables(root: Path, conda: bool) -> dict[str, str]:
    """Return the variables of jobs: they run the checkout below `root` with this Python, unless conda has them.

    They wait passively: two jobs with several threads each on as many cores as one of them wants take ten times as long
    otherwise.
    """
    return {
        **({} if conda else {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"}),
        # before what the user has there, which may be how a plugin of Snakemake's is found, by jobs too
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root / "src"), os.environ.get("PYTHONPATH")])),
        "HEATPROOF_KILLED": KILLED,
        # a job on a node of a cluster must not come to another answer than the machine where the run was started
        GPU: os.environ.get(GPU, str(int(which("nvidia-smi") is not None))),
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "MPLBACKEND": "Agg",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own keeps what it has had
    }


def warm_modules(studies: Iterable[Study]) -> list[str]:
    """Return the modules with PyTorch that jobs of these studies import."""
    studies = list(studies)
    found = {METHODS[name].path for study in studies for name in study.explain.methods}
    found |= {FAMILIES[family].job for study in studies for family in study.score.families}
    found |= {f"heatproof.{stage}.command" for stage in ("train", "explain", "score")}
    return sorted(found | {"heatproof.explain.job", "heatproof.explain.variants"})
