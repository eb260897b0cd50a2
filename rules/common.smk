import os
import sys
from pathlib import Path
from shutil import which

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "src"))

from snakemake.settings.types import DeploymentMethod

from heatproof import artifacts
from heatproof.config import load, section
from heatproof.data.listing import fingerprint
from heatproof.errors import InputError
from heatproof.registry import registered
from heatproof.sources import source_files


def stop(error):
    print(error, file=sys.stderr)
    raise SystemExit(1)


try:
    STUDIES = load(ROOT, overrides=workflow.config_settings.overwrite_config)
except InputError as error:
    stop(error)

# Jobs run this checkout with this Python, unless conda gives them one. They wait passively: two jobs with
# several threads each on as many cores as one of them wants take ten times as long otherwise.
CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
shell.prefix(
    "set -euo pipefail; "
    + ("" if CONDA else f"export PATH='{Path(sys.executable).parent}':$PATH; ")
    + f"export PYTHONPATH='{ROOT / 'src'}' OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0 "
    "CUBLAS_WORKSPACE_CONFIG=:4096:8 MPLBACKEND=Agg; "
)


wildcard_constraints:
    study="[^/]+",
    model="[^/]+",
    seed=r"\d+",


def code(*modules):
    """Paths of the modules that a rule runs, relative to the project."""
    return [os.path.relpath(path, ROOT) for path in source_files(*modules)]


def checkpoints(study):
    """All (model, seed) of a study."""
    return [(model, seed) for model in STUDIES[study].models for seed in STUDIES[study].seeds]


def threads_of(wildcards):
    return STUDIES[wildcards.study].compute.threads


def gpus_of(wildcards):
    """1 where a job will compute on a GPU."""
    device = STUDIES[wildcards.study].compute.device
    return int(device == "cuda" or (device == "auto" and which("nvidia-smi") is not None))


def data_files(study):
    folder = artifacts.data_dir(study)
    return [folder / name for name in ("digest.json", "manifest.parquet", "pixels.npy", "masks.npy", "source.json")]


def stats_files(study):
    folder = artifacts.stats_dir(study)
    return [folder / name for name in STATS_TABLES]


STATS_TABLES = ("models.csv", "metrics.csv", "pairs.csv", "omnibus.csv", "missing.csv", "summary.json")


def score_files(study):
    """Score tables of a study: one a checkpoint and family, or one a model where a family looks across seeds."""
    families = STUDIES[study].score.families
    per_seed = [family for family in families if family != "consistency"]
    files = [artifacts.score_path(study, m, f, k) for m, k in checkpoints(study) for f in per_seed]
    if "consistency" in families:
        files += [artifacts.score_path(study, m, "consistency") for m in STUDIES[study].models]
    return files


def results(study):
    """Everything that a study leaves, so that a file which is gone is made again."""
    models = [artifacts.model_dir(study, m, k) for m, k in checkpoints(study)]
    maps = [artifacts.heatmap_dir(study, m, k) for m, k in checkpoints(study)]
    return [
        *data_files(study),
        *(
            m / name
            for m in models
            for name in ("card.json", "model.safetensors", "predictions.parquet", "history.csv")
        ),
        *(folder / name for folder in maps for name in ("index.parquet", "maps.npy")),
        *score_files(study),
        *stats_files(study),
        artifacts.report_path(study),
    ]


def data_section(wildcards):
    """The section, and what tells whether the images at its source have changed."""
    study = STUDIES[wildcards.study]
    if study.data.kind == "phantom":
        return section(study.data)
    # the source may be gone where its data were pulled: then what was recorded of it stands
    recorded = artifacts.data_dir(wildcards.study) / "source.json"
    source = Path(study.data.source)
    if not source.exists() and recorded.exists():
        return section(study.data, {"fingerprint": artifacts.read_json(recorded)["fingerprint"]})
    try:
        return section(study.data, {"fingerprint": fingerprint(source, study.data.kind)})
    except InputError as error:
        stop(error)


def recipe(wildcards):
    return STUDIES[wildcards.study].train.recipe(wildcards.model)


def weights_file(wildcards):
    """The file that training starts from, where a user gave one."""
    weights = recipe(wildcards).weights
    if weights in ("scratch", "pretrained"):
        return []
    path = Path(weights.format(model=wildcards.model, seed=wildcards.seed))
    if not path.is_file():
        stop(f"{path}: not there; train.weights is scratch, pretrained or the path of a .safetensors file")
    return path


def explain_code(wildcards):
    methods = registered("explain", "method")
    modules = {methods[name].removeprefix("heatproof.") for name in STUDIES[wildcards.study].explain.methods}
    return code("explain.command", *modules)


SCORE_MODULES = ("artifacts", "score.command", "score.heatmaps", "score.controls")
