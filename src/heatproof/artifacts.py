"""Paths and formats of everything below `results/`: checked on write and on read, written whole or not at all."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from heatproof.errors import InputError

RESULTS = Path("results")
STATE = Path(".heatproof")  # what a stopped job needs to go on; never a result


def data_dir(study: str) -> Path:
    return RESULTS / "data" / study


def model_dir(study: str, model: str, seed: int | str) -> Path:
    return RESULTS / "models" / study / model / str(seed)


def heatmap_dir(study: str, model: str, seed: int | str) -> Path:
    return RESULTS / "heatmaps" / study / model / str(seed)


def score_path(study: str, model: str, family: str, seed: int | str | None = None) -> Path:
    """Scores of one metric family; without a seed, of a family that looks across seeds."""
    folder = RESULTS / "scores" / study / model
    return (folder if seed is None else folder / str(seed)) / f"{family}.parquet"


def stats_dir(study: str) -> Path:
    return RESULTS / "stats" / study


def report_path(study: str) -> Path:
    return RESULTS / "report" / f"{study}.html"


class ArtifactError(InputError):
    """A file below `results/` is missing, damaged or not of its format; the message says which and what to do."""


TEXT, INTEGER, NUMBER, FLAG = "str", "Int64", "float64", "bool"

MANIFEST = {
    "image_id": TEXT,
    "sha256": TEXT,
    "source": TEXT,
    "label": INTEGER,
    "group": TEXT,
    "split": TEXT,
    "truth": TEXT,
    "width": INTEGER,
    "height": INTEGER,
}
HISTORY = {
    "epoch": INTEGER,
    "lr": NUMBER,
    "train_loss": NUMBER,
    "val_loss": NUMBER,
    "val_balanced_accuracy": NUMBER,
}
PREDICTIONS = {"image_id": TEXT, "split": TEXT, "label": INTEGER, "predicted": INTEGER}  # and p_0, p_1, ...
HEATMAPS = {
    "image_id": TEXT,
    "group": TEXT,
    "method": TEXT,
    "target": INTEGER,
    "predicted": INTEGER,
    "layer": TEXT,
    "grid_height": INTEGER,
    "grid_width": INTEGER,
    "degenerate": TEXT,
}
SCORES = {
    "image_id": TEXT,
    "group": TEXT,
    "model": TEXT,
    "seed": INTEGER,
    "method": TEXT,
    "metric": TEXT,
    "value": NUMBER,
    "reason": TEXT,
}
MODELS_TABLE = {
    "model": TEXT,
    "seed": INTEGER,
    "balanced_accuracy": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "f1_macro": NUMBER,
    "competent": FLAG,
}
METRICS_TABLE = {
    "family": TEXT,
    "metric": TEXT,
    "method": TEXT,
    "model": TEXT,
    "mean": NUMBER,
    "low": NUMBER,
    "high": NUMBER,
    "groups": INTEGER,
    "missing": INTEGER,
    "random": NUMBER,
    "center": NUMBER,
}
PAIRS_TABLE = {
    "metric": TEXT,
    "method": TEXT,
    "a": TEXT,
    "b": TEXT,
    "difference": NUMBER,
    "effect": NUMBER,
    "p_corrected": NUMBER,
}
OMNIBUS_TABLE = {
    "family": TEXT,
    "metric": TEXT,
    "method": TEXT,
    "models": INTEGER,
    "groups": INTEGER,
    "statistic": NUMBER,
    "df": NUMBER,
    "kendall_w": NUMBER,
    "p": NUMBER,
}
MISSING_TABLE = {"metric": TEXT, "method": TEXT, "model": TEXT, "reason": TEXT, "scores": INTEGER}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder that takes the place of `path` once it is written whole.

    Its name is always the same: what a killed job left, the next one overwrites.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _checked(frame: pd.DataFrame, schema: dict[str, str], path: Path) -> pd.DataFrame:
    missing = [column for column in schema if column not in frame]
    if missing:
        raise ArtifactError(f"{path}: no column {', '.join(missing)}; delete the file and run again")
    extra = [c for c in frame if c not in schema and not (schema is PREDICTIONS and c.startswith("p_"))]
    if extra:
        raise ArtifactError(f"{path}: unknown column {', '.join(extra)}; delete the file and run again")
    flags = {column: "boolean" for column, kind in schema.items() if kind == FLAG}  # bool takes any text for true
    try:
        return frame.astype(schema | flags).astype(schema)
    except (TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{path}: not of its format ({' '.join(str(error).split())}); delete the file and run again")


def write_table(path: Path, frame: pd.DataFrame, schema: dict[str, str]) -> None:
    """Write a table as parquet or CSV, by the suffix of `path`."""
    frame = _checked(frame, schema, path)
    with replacing(path) as temporary:
        if path.suffix == ".csv":
            frame.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
        else:
            frame.to_parquet(temporary, index=False)


def read_table(path: Path, schema: dict[str, str]) -> pd.DataFrame:
    """Read a table that `write_table` wrote."""
    try:
        if path.suffix == ".csv":
            kinds = {column: kind for column, kind in schema.items() if kind in (TEXT, INTEGER)}
            blank = {column: [""] for column, kind in schema.items() if kind != TEXT}
            frame = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=blank)
        else:
            frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not there; run snakemake to make it") from None
    except (OSError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error
    return _checked(frame, schema, path)


def write_array(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


@contextmanager
def writing_array(path: Path, shape: tuple[int, ...], dtype: str) -> Iterator[np.memmap]:
    """A memory-mapped array to fill row by row; in place once it is filled."""
    with replacing(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        yield array
        array.flush()


def read_array(path: Path) -> np.ndarray:
    """Map an array into memory, read-only."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not there; run snakemake to make it") from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def write_json(path: Path, value: object) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not there; run snakemake to make it") from None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
