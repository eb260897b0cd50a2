"""Paths and formats of everything below `results/`: checked on write and on read, written whole or not at all."""

import argparse
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from heatproof.catalogue.families import families_with
from heatproof.store.sealing import REBUILT, ArtifactError, digest, replacing, seal, sealed, sealing, verify  # noqa: F401 (other modules read them from here)  # noqa: F401 (as below)
from heatproof.store.tables import (  # noqa: F401 (other modules read them from here)
    AUDIT,
    AUDIT_PAIRS,
    BLANKED,
    CURVES,
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
    READINGS,
    SCORES,
    TEXT,
)

RESULTS = Path("results")
FOLD = r"(fold|random)\d+"  # fold0, ...: explained and scored; random0, ...: trained and tested beside them
SHUFFLED = "shuffled"  # shuffled0, ...: trained on the images of fold0, ... under shuffled labels, to be explained
TRAINED = rf"(?:{FOLD}|{SHUFFLED}\d+)"
STAGES = ("data", "models", "heatmaps", "scores", "stats", "report")  # folders below results, one a stage
STATE = Path(".heatproof")  # what a stopped job needs to go on; never a result


def data_dir(study: str) -> Path:
    return RESULTS / "data" / study


@dataclass(frozen=True)
class Checkpoint:
    """A model of a study, trained from a seed on a fold, and where its files lie.

    Without a seed it stands for those of all seeds. Of wildcards it gives the patterns of the rules.
    """

    study: str
    model: str
    seed: int | str | None
    fold: str

    def __str__(self) -> str:
        """Return study/model/seed/fold, for lines of progress."""
        return "/".join(str(part) for part in astuple(self) if part is not None)

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declare the arguments that name the checkpoint of a job."""
        parser.add_argument("--study", required=True)
        parser.add_argument("--model", required=True)
        parser.add_argument("--seed", required=True, type=int)
        parser.add_argument("--fold", required=True, help="which split: a column of the manifest")

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Checkpoint":
        """Return the checkpoint that a job's arguments name."""
        return cls(args.study, args.model, args.seed, args.fold)

    def at(self, **changed: int | str) -> "Checkpoint":
        """Return the checkpoint of another model, seed or fold."""
        return replace(self, **changed)

    @property
    def folder(self) -> Path:
        return self._below("models")

    @property
    def card(self) -> Path:
        return self.folder / "card.json"

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"

    @property
    def blanked(self) -> Path:
        """Where predictions on images with a blanked part lie."""
        return self.folder / "blanked.parquet"

    @property
    def heatmaps(self) -> Path:
        return self._below("heatmaps")

    @property
    def variants(self) -> Path:
        """Where the heatmaps of changed images and of changed models lie."""
        return self.heatmaps / "variants"

    @property
    def validation(self) -> Path:
        """Where the heatmaps of validation images lie, which thresholds are tuned on."""
        return self.heatmaps / "validation"

    def scores(self, family: str) -> Path:
        """Return where the scores of one metric family lie."""
        return self._below("scores") / f"{family}.parquet"

    def curves(self, family: str) -> Path:
        """Return where the curves behind the scores of a family lie."""
        return self._below("scores") / f"{family}_curves.parquet"

    def _below(self, stage: str) -> Path:
        return RESULTS / stage / str(self)


def stats_dir(study: str) -> Path:
    return RESULTS / "stats" / study


def report_path(study: str) -> Path:
    return RESULTS / "report" / f"{study}.html"


def check_writable(studies: Iterable[str]) -> None:
    """Make sure that results can be written before anything is computed.

    Raises:
        ArtifactError: a folder of the studies below `results/` can be read only.
    """
    for study in studies:
        for folder in (RESULTS, *(RESULTS / stage for stage in STAGES), *(RESULTS / stage / study for stage in STAGES)):
            if folder.exists() and not os.access(folder, os.W_OK):
                raise ArtifactError(f"{folder}: can be read only; make it writable (chmod, mount -o remount,rw)")


ABOUT = "about "  # before the name of a column of the source's table, in facts.parquet
_MORE = (  # `label` of heatmaps and scores: which of an image's labels they are of, in a multilabel study
    (PREDICTIONS, r"p_\d+|label_\d+|predicted_\d+"),
    (BLANKED, r"p_\d+|label_\d+|predicted_\d+"),
    (FACTS, rf"(?s){ABOUT}.+"),
    (DEALT, rf"{FOLD}|label_\d+|marks_\d+"),
    (HEATMAPS, "label"),
    (SCORES, "label"),
    (CURVES, "label"),
)


ROWS = 4096  # of a table that are checked and encoded together


def _more(schema: dict[str, str]) -> str:
    """Pattern of the columns that a table may have beside those of its schema."""
    return next((more for known, more in _MORE if known is schema), "(?!)")


def _checked(frame: pd.DataFrame, schema: dict[str, str], path: Path) -> pd.DataFrame:
    missing = [column for column in schema if column not in frame]
    if missing:
        raise ArtifactError(f"{path}: no column {', '.join(missing)}; {REBUILT}")
    extra = [c for c in frame if c not in schema and not re.fullmatch(_more(schema), str(c))]
    if extra:
        raise ArtifactError(f"{path}: unknown column {', '.join(extra)}; {REBUILT}")
    flags = [column for column, kind in schema.items() if kind == FLAG]
    try:
        typed = frame.astype(schema | dict.fromkeys(flags, "boolean"))  # bool takes any text for true
        return typed.astype(dict.fromkeys(flags, FLAG)) if flags else typed
    except (TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(f"{path}: not of its format ({' '.join(str(error).split())}); {REBUILT}")


def write_table(path: Path, frame: pd.DataFrame, schema: dict[str, str]) -> None:
    """Write a table as parquet or CSV, by the suffix of `path`."""
    with sealing(path) as temporary:
        if path.suffix == ".csv":
            checked = _checked(frame, schema, path)
            checked.to_csv(temporary, index=False, float_format="%.10g", lineterminator="\n")
            return
        first = pa.Table.from_pandas(_checked(frame[:ROWS], schema, path), preserve_index=False)
        with pq.ParquetWriter(temporary, first.schema) as writer:
            writer.write_table(first)
            for start in range(ROWS, len(frame), ROWS):
                part = _checked(frame[start : start + ROWS], schema, path)
                writer.write_table(pa.Table.from_pandas(part, schema=first.schema, preserve_index=False))


@contextmanager
def writing_table(
    path: Path, schema: dict[str, str], more: dict[str, str] | None = None
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A parquet table written part by part, so that it never lies in memory whole; in place once it is closed. `more`
    are columns that it has beside those of its schema."""
    schema = schema | (more or {})
    with sealing(path) as temporary:
        empty = pa.Table.from_pandas(_checked(pd.DataFrame(columns=list(schema)), schema, path), preserve_index=False)
        with pq.ParquetWriter(temporary, empty.schema) as writer:

            def write(frame: pd.DataFrame) -> None:
                part = _checked(frame, schema, path)[list(schema)]
                writer.write_table(pa.Table.from_pandas(part, schema=empty.schema, preserve_index=False))

            yield write


def read_table(path: Path, schema: dict[str, str]) -> pd.DataFrame:
    """Read a table that `write_table` wrote."""
    verify(path)
    return parse_table(path, schema)


def parse_table(path: Path, schema: dict[str, str]) -> pd.DataFrame:
    """Read a table of the source tree, which has no digest beside it."""
    try:
        if path.suffix == ".csv":
            kinds = {column: kind for column, kind in schema.items() if kind in (TEXT, INTEGER)}
            blank = {column: [""] for column, kind in schema.items() if kind != TEXT}
            frame = pd.read_csv(path, dtype=kinds, keep_default_na=False, na_values=blank)
        else:
            frame = pd.read_parquet(path)
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
        raise ArtifactError(f"{path}: no column {fold}; {REBUILT}")
    _check_splits(frame[fold], path)
    labels = [column for column in frame if re.fullmatch(r"(label|marks)_\d+", str(column))]
    return frame.assign(split=frame[fold]).astype({"split": TEXT})[[*MANIFEST, *labels]]


def _check_splits(column: pd.Series, path: Path) -> None:
    other = column[~column.isin(["train", "val", "test"])]
    if len(other):
        raise _damaged(path, ValueError(f"{column.name} holds {other.iloc[0]!r}"))


def write_array(path: Path, array: np.ndarray) -> None:
    with sealing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


@contextmanager
def writing_array(path: Path, shape: tuple[int, ...], dtype: str) -> Iterator[np.memmap]:
    """A memory-mapped array to fill row by row; in place once it is filled."""
    with sealing(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
        with temporary.open("r+b") as file:  # a full disk must be an error now, not a killed process later
            os.posix_fallocate(file.fileno(), 0, temporary.stat().st_size)
        yield array
        array.flush()


def read_array(path: Path) -> np.ndarray:
    """Map an array into memory, read-only."""
    verify(path)
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def write_json(path: Path, value: object, *, sort_keys: bool = True) -> None:
    with sealing(path) as temporary:
        text = json.dumps(value, indent=2, sort_keys=sort_keys, allow_nan=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    verify(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


@dataclass(frozen=True)
class Readings:
    """What readers drew by image and label.

    Attributes:
        table: columns `READINGS`, indexed by image_id and label.
        masks: bool [rows, size, size], mapped from disk.
    """

    table: pd.DataFrame
    masks: np.ndarray

    @cached_property
    def _by_case(self) -> dict[tuple[str, int], list[tuple]]:
        """Image and label -> the readings of it, the truth first: row, truth, instances, points."""
        found: dict[tuple[str, int], list[tuple]] = {}
        for key, *reading in self.table.sort_values("place", kind="stable")[
            ["row", "truth", "instances", "points"]
        ].itertuples(name=None):
            found.setdefault(key, []).append(tuple(reading))
        return found

    def truth(self, cases: Iterable[tuple[str, int]]) -> np.ndarray:
        """Return which of the masks is the truth of each case, an image and its label; -1 where there is none."""
        return np.array([self._by_case[case][0][0] if case in self._by_case else -1 for case in cases], np.int64)

    def others(self, cases: Iterable[tuple[str, int]]) -> list[list[tuple[int, str]]]:
        """Return row (-1: drew nothing) and points of all readers of each case but the one who drew its truth."""
        return [[(int(row), points) for row, _, _, points in self._by_case.get(case, [])[1:]] for case in cases]

    def of_image(self, image_id: str, labels: Iterable[int]) -> list[tuple[tuple[int], str, float, np.ndarray]]:
        """Return the truths of some labels in an image: label, mask or box, instances (NaN: not known), mask."""
        found = ((label, *self._by_case[image_id, label][0]) for label in labels)
        return [
            ((label,), kind, np.nan if pd.isna(number) else float(number), self.masks[row])
            for label, row, kind, number, _ in found
        ]


def read_readings(study: str) -> Readings | None:
    """Read what readers drew by label, None where a study's truth is one mask an image."""
    folder = data_dir(study)
    described = folder / "digest.json"
    if not described.exists() or "readings.npy" not in read_json(described).get("sha256", {}):
        return None
    table = read_table(folder / "readings.parquet", READINGS)
    return Readings(table.set_index(["image_id", "label"]), read_array(folder / "readings.npy"))


FIGURES = ("accuracy", *families_with("judged"), *(f"{family}_ranks" for family in families_with("judged")))
TABLES = ("models", "scores", "pairs", "claims")  # LaTeX; their CSV twins lie in results/stats/<study>/
TEXTS = ("methods.md", "references.bib")
SCORECARD = ("scorecard.json", "scorecard.md")
PROVENANCE = ("provenance.json", "changes.diff")  # of the report; the only ones that differ between two equal runs
NAMES = (
    *(f"{figure}.{kind}" for figure in FIGURES for kind in ("svg", "png")),
    *(f"{table}.tex" for table in TABLES),
    *TEXTS,
    *SCORECARD,
)


def folder(study: str) -> Path:
    return RESULTS / "report" / study


def paths(study: str) -> list[Path]:
    """Every file; `{study}` as the name makes the patterns of the rule's outputs."""
    return [folder(study) / name for name in NAMES]


def provenance(study: str) -> list[Path]:
    """Where the report comes from, for machines, and what its code had that its commit has not."""
    return [folder(study) / name for name in PROVENANCE]


def is_multilabel(frame: pd.DataFrame) -> bool:
    """Whether a manifest or a table of predictions has several labels an image."""
    return "label_0" in frame


def truth(frame: pd.DataFrame, classes: int) -> np.ndarray:
    """Which labels each image has, bool [images, classes]."""
    return _matrix(frame, "label", classes)


def predicted(frame: pd.DataFrame, classes: int) -> np.ndarray:
    """Which labels each image is predicted to have, bool [images, classes]."""
    return _matrix(frame, "predicted", classes)


def multihot(prefix: str, matrix: np.ndarray, index: pd.Index | None = None) -> pd.DataFrame:
    """Columns `<prefix>_0`, `<prefix>_1`, ... of a matrix [images, classes]."""
    return pd.DataFrame(np.asarray(matrix, bool), index=index).add_prefix(f"{prefix}_")


def marked(row: pd.Series) -> tuple[int, ...]:
    """Indices of the labels that the mask or box of an image is of, from its row of a multilabel manifest."""
    return tuple(k for k in range(len(row)) if row.get(f"marks_{k}", False))


def marks(frame: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """Whether the mask or box of each row's image is of a label, bool [rows].

    Args:
        frame: rows of a multilabel manifest; without its columns `marks_0`, ... nothing is declared, and none is.
        labels: index of the label asked for in each row, int [rows].
    """
    declared = frame.reindex(columns=[f"marks_{k}" for k in range(1 + max(labels, default=0))], fill_value=False)
    return declared.to_numpy(bool)[np.arange(len(frame)), labels]


def case_name(image_id: str, label: str) -> str:
    """What a case is called where one name must do: an image, and the name of the label that is explained of it."""
    return f"{image_id} [{label}]"


def _matrix(frame: pd.DataFrame, prefix: str, classes: int) -> np.ndarray:
    if f"{prefix}_0" in frame:
        return frame[[f"{prefix}_{k}" for k in range(classes)]].to_numpy(bool)
    return frame[prefix].to_numpy(int)[:, None] == np.arange(classes)
