"""Paths and formats of everything below `results/`: checked on write and on read, written whole or not at all."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from heatproof.errors import InputError
from heatproof.tables import (  # noqa: F401 (other modules read them from here)
    AUDIT,
    AUDIT_PAIRS,
    DEALT,
    FACTS,
    FLAG,
    HEATMAPS,
    HISTORY,
    INTEGER,
    MANIFEST,
    NUMBER,
    PREDICTIONS,
    QUARANTINE,
    SCORES,
    TEXT,
)

RESULTS = Path("results")
FOLD = r"(fold|random)\d+"  # fold0, ...: explained and scored; random0, ...: trained and tested beside them
SHUFFLED = "shuffled"  # shuffled0, ...: trained on the images of fold0, ... under shuffled labels, to be explained
TRAINED = rf"(?:{FOLD}|{SHUFFLED}\d+)"
STATE = Path(".heatproof")  # what a stopped job needs to go on; never a result


def data_dir(study: str) -> Path:
    return RESULTS / "data" / study


def model_dir(study: str, model: str, seed: int | str, fold: str) -> Path:
    return RESULTS / "models" / study / model / str(seed) / fold


def heatmap_dir(study: str, model: str, seed: int | str, fold: str) -> Path:
    return RESULTS / "heatmaps" / study / model / str(seed) / fold


def variants_dir(study: str, model: str, seed: int | str, fold: str) -> Path:
    """Heatmaps of changed images and of changed models."""
    return heatmap_dir(study, model, seed, fold) / "variants"


def score_path(study: str, model: str, family: str, fold: str, seed: int | str | None = None) -> Path:
    """Scores of one metric family; without a seed, of a family that looks across seeds."""
    folder = RESULTS / "scores" / study / model
    return (folder if seed is None else folder / str(seed)) / fold / f"{family}.parquet"


def stats_dir(study: str) -> Path:
    return RESULTS / "stats" / study


def report_path(study: str) -> Path:
    return RESULTS / "report" / f"{study}.html"


class ArtifactError(InputError):
    """A file below `results/` is missing, damaged or not of its format; the message says which and what to do."""


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


def _more(schema: dict[str, str]) -> str:
    """Pattern of the columns that a table may have beside those of its schema."""
    return r"p_\d+" if schema is PREDICTIONS else FOLD if schema is DEALT else "(?!)"


def _checked(frame: pd.DataFrame, schema: dict[str, str], path: Path) -> pd.DataFrame:
    missing = [column for column in schema if column not in frame]
    if missing:
        raise ArtifactError(f"{path}: no column {', '.join(missing)}; delete the file and run again")
    extra = [c for c in frame if c not in schema and not re.fullmatch(_more(schema), str(c))]
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


@contextmanager
def writing_table(path: Path, schema: dict[str, str]) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A parquet table written part by part, so that it never lies in memory whole; in place once it is closed."""
    with replacing(path) as temporary:
        empty = pa.Table.from_pandas(_checked(pd.DataFrame(columns=list(schema)), schema, path), preserve_index=False)
        with pq.ParquetWriter(temporary, empty.schema) as writer:

            def write(frame: pd.DataFrame) -> None:
                part = _checked(frame, schema, path)[list(schema)]
                writer.write_table(pa.Table.from_pandas(part, schema=empty.schema, preserve_index=False))

            yield write


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


def write_manifest(study: str, frame: pd.DataFrame) -> None:
    """Write a manifest, `MANIFEST` with a column `fold0`, `fold1`, ..., `random0`, ... a fold in place of `split`."""
    path = data_dir(study) / "manifest.parquet"
    for fold in (column for column in frame if re.fullmatch(FOLD, str(column))):
        _check_splits(frame[fold], path)
    write_table(path, frame, DEALT)


def read_manifest(study: str, fold: str = "fold0") -> pd.DataFrame:
    """The manifest with the columns of `MANIFEST`: `split` is that of one fold."""
    path, fold = data_dir(study) / "manifest.parquet", fold.replace(SHUFFLED, "fold")
    frame = read_table(path, DEALT)
    if fold not in frame or fold in MANIFEST:
        raise ArtifactError(f"{path}: no column {fold}; delete the file and run again")
    _check_splits(frame[fold], path)
    return frame.assign(split=frame[fold]).astype({"split": TEXT})[list(MANIFEST)]


def _check_splits(column: pd.Series, path: Path) -> None:
    other = column[~column.isin(["train", "val", "test"])]
    if len(other):
        raise _damaged(path, ValueError(f"{column.name} holds {other.iloc[0]!r}"))


def write_array(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


@contextmanager
def writing_array(path: Path, shape: tuple[int, ...], dtype: str) -> Iterator[np.memmap]:
    """A memory-mapped array to fill row by row; in place once it is filled."""
    with replacing(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        with temporary.open("r+b") as file:  # a full disk must be an error now, not a killed process later
            os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
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
