"""Which study plays which part (`papers/studies.yaml`), and what a study left in `results/stats/`."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

import pandas as pd
import yaml
from pydantic import AfterValidator, Field, ValidationError

from heatproof.config.base import Section
from heatproof.config.load import StrictLoader
from heatproof.core.messages import InputError
from heatproof.profiles import files
from heatproof.stats.results import StudyResults, read
from heatproof.store import artifacts
from heatproof.store.tables import TABLES
from heatproof.text import numbers
from heatproof.text.sentences import sentence

ROLES = Path("papers/studies.yaml")


def _configured(name: str) -> str:
    if not Path(f"studies/{name}.yaml").exists():
        raise ValueError(f"no file studies/{name}.yaml; write it or name another study")
    return name


Study = Annotated[str, AfterValidator(_configured)]


class Transformer(Section):
    """The model whose heatmaps by `methods` are compared with those by `reference`."""

    model: str
    reference: str
    methods: Annotated[list[str], Field(min_length=1)]


class Gpu(Section):
    """What the estimate for a GPU assumes, and why."""

    sustained_tflops: Annotated[float, Field(gt=0)]
    reason: str


class Roles(Section):
    """The studies by their parts; those of `cue` from the lowest rate up, `cues` with the names of theirs."""

    real: Study
    tuned: Study
    full: Study
    truth: Study
    cue: Annotated[list[Study], Field(min_length=1)]
    cues: dict[Study, str]
    synthetic: Study
    attention: Study
    xray: Study
    more: list[Study]
    machine: Annotated[str, Field(pattern=r"\S")]
    transformer: Transformer
    gpu: Gpu

    @property
    def studies(self) -> list[str]:
        """Those of the first paper that run here, in the order of the text."""
        return [self.real, self.tuned, self.truth, *self.cue, self.synthetic, self.attention]


def read_roles(path: Path = ROLES) -> Roles:
    """Read and check the parts.

    Raises:
        InputError: the file is not there or not YAML, or a key is missing, unknown or wrong; a line for each mistake.
    """
    try:
        return Roles.model_validate(yaml.load(path.read_text(encoding="utf-8"), StrictLoader))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; run in the root of heatproof's repository") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())}); fix it") from None
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise InputError("\n".join(lines)) from None


def rows(table: pd.DataFrame, **values) -> pd.DataFrame:
    """Return the rows whose columns have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def cell(row: pd.Series | None, columns: Sequence[str] = ("mean", "low", "high")) -> str:
    """Return a value with its interval, `0.52 [0.41 to 0.63]`; a dash where there is none."""
    values = [math.nan] * 3 if row is None else [float(row[column]) for column in columns]
    return numbers.interval(*values) if math.isfinite(values[0]) else "–"


class Results:
    """Tables and summary of one study, each read once, checked against its digest and its columns.

    Raises:
        ArtifactError: as a table or the summary that was altered is read.
    """

    def __init__(self, study: str):
        self.study = study
        self._folder = artifacts.stats_dir(study)
        self._tables: dict[Path, pd.DataFrame] = {}

    @property
    def there(self) -> bool:
        return (self._folder / "summary.json").exists()

    @cached_property
    def found(self) -> StudyResults:
        return read(self.study)

    def table(self, name: str) -> pd.DataFrame:
        """Return one of `stats_tables`; without rows where the study has not made it."""
        return self._read(self._folder / f"{name}.csv", TABLES[name])

    def profiles(self, name: str) -> pd.DataFrame:
        """Return a table of activation profiles; without rows where the study has none."""
        return self._read(files.study_dir(self.study) / f"{name}.csv", files.STUDY_TABLES[name])

    def _read(self, path: Path, schema: dict[str, str]) -> pd.DataFrame:
        if path not in self._tables:
            there = path.exists()
            self._tables[path] = artifacts.read_table(path, schema) if there else pd.DataFrame(columns=list(schema))
        return self._tables[path]

    def stated(self, kind: str) -> str:
        """Return the sentences of a kind of statement, "" where nothing is stated."""
        return " ".join(sentence(one) for one in self.found.statements if one.kind == kind)

    @property
    def left_out(self) -> list[str]:
        """The models that take part in no verdict."""
        return [model for model in self.found.models if model not in self.found.judged]

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(self.table("metrics")["model"]))

    @property
    def lead(self) -> str:
        """The method that the study names first."""
        return self.found.lead

    def competent(self, model: str) -> bool:
        return model in self.found.judged

    def primary(self, family: str) -> str | None:
        """Return the metric that is tested."""
        return self.found.families[family].metric if family in self.found.families else None

    def lower_is_better(self, family: str, metric: str) -> bool:
        return self.found.better.get(family, {}).get(metric) == "lower"

    def metric(self, family: str, metric: str, method: str, model: str) -> pd.Series | None:
        """Return the row of `metrics.csv`, if it has a value."""
        found = rows(self.table("metrics"), family=family, metric=metric, model=model, method=method)
        found = found.dropna(subset="mean")
        return None if found.empty else found.iloc[0]
