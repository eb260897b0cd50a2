"""What a job of the workflow is about, what it needs of a machine, and the environment that it runs in."""

import configparser
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which

from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.methods import METHODS
from heatproof.config.study import Network, Recipe, Study
from heatproof.core.messages import InputError
from heatproof.store.artifacts import Checkpoint


@dataclass(frozen=True)
class Job:
    """A study by its name; where it is about a checkpoint, its model, seed and fold; of scores, their family; of one
    method alone, which one; of a part of the images, which one.

    Wildcards of the rules have these names.
    """

    name: str
    study: Study
    model: str = ""
    seed: str = ""
    fold: str = ""
    family: str = ""
    method: str = ""
    shard: str = ""
    running: frozenset[str] = frozenset()  # names of the studies of this run

    @classmethod
    def of(cls, studies: Mapping[str, Study], wildcards: Mapping[str, str]) -> "Job":
        """Return the job of a rule's wildcards."""
        known = {"model", "seed", "fold", "family", "shard"} & set(wildcards)
        found = {key: wildcards[key] for key in known}
        return cls(wildcards["study"], studies[wildcards["study"]], **found, running=frozenset(studies))

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, with its paths."""
        return Checkpoint(self.name, self.model, self.seed, self.fold)

    @property
    def recipe(self) -> Recipe | Network:
        """How the model is trained, or where it comes from."""
        return self.study.recipe(self.model, self.seed or None)

    def at(self, **changed: str | int) -> "Job":
        """Return the same job of another model, seed, fold or family."""
        return replace(self, **{key: str(value) for key, value in changed.items()})


GPU = "HEATPROOF_GPU"  # environment variable: whether the machine that started the run has one


def gpus(job: Job) -> int:
    """Return 1 where a job will compute on a GPU."""
    device = job.study.compute.device
    return int(device == "cuda" or (device == "auto" and os.environ[GPU] == "1"))


def scoring_gpus(job: Job) -> int:
    """Return 1 where a family's metrics will query the model on a GPU."""
    return gpus(job) if FAMILIES[job.family].loads_model else 0


def scoring_memory(job: Job) -> int:
    """Return the memory of scores."""
    return 4000 if FAMILIES[job.family].loads_model else 2000


def training_memory(job: Job) -> int:
    """Return the memory of PyTorch and a large network, and of what a batch leaves in it for the backward pass."""
    recipe = job.recipe
    batch = 4 if isinstance(recipe, Network) else recipe.batch_size  # nothing is left for a backward pass
    return 3000 + int(150 * batch * (job.study.data.size / 224) ** 2)


KILLED = (
    "killed from outside (signal 9), most likely for want of memory: let fewer jobs run at once (--cores, or"
    " --resources mem_mb=), or set a smaller train.batch_size, explain.batch_size or compute.batch_size"
)
# Snakemake quotes this with the command of each job that fails, so the hint itself is a variable
PREFIX = "set -euo pipefail; trap 'test $? != 137 || echo \"$HEATPROOF_KILLED\" >&2' EXIT; "


def variables(root: Path, conda: bool) -> dict[str, str]:
    """Return the variables of jobs: they run this Python, unless conda has one, and the checkout below `root` if there
    is one; else what is installed.

    They wait passively: two jobs with several threads each on as many cores as one of them wants take ten times as long
    otherwise.
    """
    source = str(root / "src") if (root / "src").is_dir() else ""
    return {
        **({} if conda else {"PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"}),
        # before what the user has there, which may be how a plugin of Snakemake's is found, by jobs too
        "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])),
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
    found |= {"heatproof.train.sources"} if any(study.networks for study in studies) else set()
    return sorted(found | {"heatproof.explain.job", "heatproof.explain.variants"})


# the first that sets the type holds
CONFIGS = [Path(".dvc/config.local"), Path(".dvc/config"), Path("~/.config/dvc/config"), Path("/etc/xdg/dvc/config")]


def check_type() -> None:
    """Refuse hard and symbolic links: Snakemake writes its records in place, through a link into the cache.

    Raises:
        InputError: `cache.type` allows links.
    """
    for path in CONFIGS:
        config = configparser.ConfigParser(interpolation=None, strict=False)
        with suppress(configparser.Error, OSError):  # DVC reports what is wrong with its configuration
            config.read(path.expanduser())
        if config.has_option("cache", "type"):
            types = config["cache"]["type"].strip(" \"'")
            if not {kind.strip() for kind in types.split(",")} <= {"reflink", "copy"}:
                raise InputError(
                    f"{path}: cache.type: {types}: jobs would write through links into DVC's cache; run"
                    " `dvc config --local cache.type reflink,copy && dvc checkout --relink`"
                )
            return
