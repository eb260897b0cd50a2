"""Where activation profiles lie, and the columns of their tables."""

from pathlib import Path

from heatproof.store import artifacts
from heatproof.store.tables import FLAG, INTEGER, NUMBER, TEXT

# of one checkpoint
PROFILES = {
    "layer": TEXT, "unit": INTEGER,
    "by": TEXT,  # kind of groups
    "group": TEXT, "mean": NUMBER,
    "profile": NUMBER,  # mean less the mean over the groups of that kind; NaN of a dead unit
    "error": NUMBER,  # bootstrap standard error of `profile` over patients
    "dead": FLAG,
    "rank": INTEGER,  # by the mean absolute profile over the groups of that kind, 1 first; NA of a dead unit
}  # fmt: skip
GROUPS = {"by": TEXT, "group": TEXT, "images": INTEGER, "patients": INTEGER, "kept": FLAG}
LAYERS = {
    "layer": TEXT,
    "depth": INTEGER,  # layers behind it: 0 is the last
    "rows": INTEGER, "columns": INTEGER, "units": INTEGER, "dead": INTEGER,
}  # fmt: skip
DISTANCES = {
    "layer": TEXT, "depth": INTEGER, "by": TEXT, "a": TEXT, "b": TEXT, "correlation": NUMBER, "euclidean": NUMBER,
}  # fmt: skip

# of a study
CHECKPOINT = {"model": TEXT, "seed": INTEGER, "fold": TEXT}
INTERVAL = {"low": NUMBER, "high": NUMBER}
MODELS = {
    "fold": TEXT, "by": TEXT, "depth": INTEGER, "model_a": TEXT,
    "seed_a": INTEGER,  # NA in a row of means over all pairs of seeds
    "model_b": TEXT, "seed_b": INTEGER,
    "groups": INTEGER,  # that both have
    "agreement": NUMBER,  # Spearman's correlation of the two tables of distances between groups
    **INTERVAL,
    "gap": NUMBER,  # how much less two models agree than two trainings of each do; in rows of means alone
    "gap_low": NUMBER, "gap_high": NUMBER,
    "reason": TEXT,  # why there is no agreement
}  # fmt: skip
STUDY_TABLES = {
    "layers": CHECKPOINT | LAYERS,
    "groups": CHECKPOINT | GROUPS,
    "distances": CHECKPOINT | DISTANCES | INTERVAL,
    "models": MODELS,
}
CHECKPOINT_FILES = ("profiles.parquet", "groups.parquet", "layers.parquet", "distances.parquet", "draws.npy")


def study_dir(study: str) -> Path:
    """The tables of a study, in git with its other statistics."""
    return artifacts.stats_dir(study) / "profiles"


def profile_dir(checkpoint: artifacts.Checkpoint) -> Path:
    """Profiles of one checkpoint, beside its heatmaps: the files of `CHECKPOINT_FILES`.

    `draws.npy` holds, float64 [draws, rows of distances.parquet], the column `correlation` in each bootstrap draw.
    """
    return checkpoint.heatmaps / "profiles"


def page_path(study: str) -> Path:
    return artifacts.RESULTS / "report" / f"{study}_profiles.html"


def study_files(study: str) -> list[Path]:
    """What a study leaves beside the files of its checkpoints."""
    return [*(study_dir(study) / f"{name}.csv" for name in STUDY_TABLES), page_path(study)]
