"""Accuracy and F1 as published, and as measured under a random and a grouped split."""

from dataclasses import dataclass

import pandas as pd

from heatproof.findings.results import Results
from heatproof.report import words

RANDOM = "random"
SIMPLE = ("nearest neighbour", "most frequent class")  # rows of no network
MEASURES = {"accuracy": "accuracy", "f1_macro": "F1 (macro)"}


@dataclass(frozen=True)
class Splits:
    """The rows of `published.csv` of one source, and the name of the split that keeps groups together."""

    table: pd.DataFrame
    source: str
    grouped: str
    told: dict  # summary["published"][name]

    @property
    def models(self) -> list[str]:
        """Networks, then what needs none."""
        return list(dict.fromkeys(self.table["model"]))

    @property
    def networks(self) -> list[str]:
        return [model for model in self.models if model not in SIMPLE]

    def row(self, model: str, measure: str, split: str) -> pd.Series | None:
        rows = self.table[(self.table["model"] == model) & (self.table["measure"] == measure)]
        rows = rows[rows["split"] == split]
        return None if rows.empty else rows.iloc[0]

    def value(self, model: str, measure: str, split: str) -> str:
        """`0.52 [0.41 to 0.63]`."""
        row = self.row(model, measure, split)
        return "–" if row is None else words.interval(*(float(row[key]) for key in ("value", "low", "high")))

    def published(self, model: str, measure: str) -> float:
        rows = self.table[(self.table["model"] == model) & (self.table["measure"] == measure)]
        return float(rows["published"].max()) if len(rows) else float("nan")

    def span(self, measure: str, split: str) -> tuple[float, float]:
        """The lowest and highest value of the networks under a split; `published` for what is published."""
        if split == "published":
            found = [self.published(model, measure) for model in self.networks]
        else:
            rows = (self.row(model, measure, split) for model in self.networks)
            found = [float(row["value"]) for row in rows if row is not None]
        found = [value for value in found if value == value]
        return (min(found), max(found)) if found else (float("nan"),) * 2

    def size(self, split: str) -> tuple[int, int]:
        """Test images and groups."""
        rows = self.table[(self.table["split"] == split) & self.table["groups"].notna()]
        return (int(rows["images"].iloc[0]), int(rows["groups"].iloc[0])) if len(rows) else (0, 0)


def read(results: Results) -> Splits | None:
    """The first source of published numbers that a study names; None where it has none or has not run."""
    if not results.there or not results.summary.get("published"):
        return None
    name, told = next(iter(results.summary["published"].items()))
    table = results.table("published")
    table = table[table["name"] == name]
    if table.empty:
        return None
    grouped = next((split for split in dict.fromkeys(table["split"]) if split != RANDOM), RANDOM)
    return Splits(table, told["source"], grouped, told)
