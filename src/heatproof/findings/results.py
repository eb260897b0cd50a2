"""What a study left in `results/stats/<study>/`, as the findings quote it."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from heatproof import artifacts
from heatproof.profiles import files
from heatproof.stats_tables import TABLES


class Results:
    """Tables and summary of one study, each read when it is first asked for.

    A table that is there is checked against its digest and its columns; `ArtifactError` names one that was altered.
    """

    def __init__(self, study: str):
        self.study = study
        self._folder = artifacts.stats_dir(study)
        self._tables: dict[Path, pd.DataFrame] = {}

    @property
    def there(self) -> bool:
        return (self._folder / "summary.json").exists()

    @cached_property
    def summary(self) -> dict:
        return artifacts.read_json(self._folder / "summary.json")

    def table(self, name: str) -> pd.DataFrame:
        """One of `stats_tables`; without rows where the study has not made it."""
        return self._read(self._folder / f"{name}.csv", TABLES[name])

    def profiles(self, name: str) -> pd.DataFrame:
        """One of the tables of activation profiles; without rows where the study has none."""
        return self._read(files.study_dir(self.study) / f"{name}.csv", files.STUDY_TABLES[name])

    def _read(self, path: Path, schema: dict[str, str]) -> pd.DataFrame:
        if path not in self._tables:
            there = path.exists()
            self._tables[path] = artifacts.read_table(path, schema) if there else pd.DataFrame(columns=list(schema))
        return self._tables[path]

    @property
    def models(self) -> list[str]:
        """All models of the study, in its order."""
        return list(dict.fromkeys(self.table("metrics")["model"]))

    @property
    def lead(self) -> str:
        """The method that the study speaks of first."""
        return self.summary["lead"]

    @property
    def unit(self) -> str:
        return self.summary["groups"]["kind"]

    def competent(self, model: str) -> bool:
        return self.summary["models"].get(model, {}).get("competent", False)

    def primary(self, family: str) -> str | None:
        """The metric that is tested."""
        return self.summary["primary"].get(family, {}).get("metric")

    def metric(self, family: str, metric: str, method: str, model: str) -> pd.Series | None:
        """The row of `metrics.csv`, if it has a value. A control made for each method is that of the lead."""
        table = self.table("metrics")
        table = table[(table["family"] == family) & (table["metric"] == metric) & (table["model"] == model)]
        rows = table[table["method"] == method].dropna(subset="mean")
        return None if rows.empty else rows.iloc[0]

    def controls(self, metric: str, method: str, model: str) -> pd.DataFrame:
        """The rows of `controls.csv` of one metric, method and model."""
        table = self.table("controls")
        return table[(table["metric"] == metric) & (table["method"] == method) & (table["model"] == model)]
