"""What others report of the same architectures beside what they score here, and what needs no network at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.report import data_words, words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table

MEASURES = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}
ALONE = "What needs no network"
SIMPLE = {  # as the table of the stage before names them -> as the page does
    "nearest neighbour": "nearest thumbnail",
    "most frequent class": "most frequent class",
}


@dataclass(frozen=True)
class Beside:
    """One source with a table a measure; without a source the study's own numbers, and no sentence."""

    title: str
    sentence: str
    note: str
    tables: list[Table]


def make(inputs: Inputs) -> list[Beside]:
    """A part a source; one without a source where the study compares splits and nothing is published beside it."""
    table = inputs.tables["published"]
    found = []
    for name, rows in table.groupby("name", sort=False):
        told = inputs.summary["published"].get(name)
        title = f"Beside what {told['source']} reports" if told else ALONE
        tables = [_table(inputs, rows[rows["measure"] == measure], measure, told) for measure in MEASURES]
        found.append(Beside(title, told["sentence"] if told else "", told["note"] if told else "", tables))
    return found


def _table(inputs: Inputs, rows: pd.DataFrame, measure: str, told: dict | None) -> Table:
    """A row a model or simple classifier, a column for what is published and for each split."""
    splits = rows["split"].unique()
    reported = rows["published"].notna().any()
    by = rows.set_index(["model", "split"])
    body = []
    for model in rows["model"].unique():
        of = [by.loc[(model, split)] for split in splits]
        cells = [words.interval(*map(float, row[["value", "low", "high"]])) for row in of]
        body.append([SIMPLE.get(model, model), *([words.number(of[0]["published"])] if reported else []), *cells])
    head = ["classifier", *(["published"] if reported else []), *(data_words.SPLITS.get(s, s) for s in splits)]
    return Table(_caption(inputs, measure, splits, rows["seeds"].max(), told if reported else None), head, body)


def _caption(inputs: Inputs, measure: str, splits: Sequence[str], seeds: float, told: dict | None) -> str:
    place = f" ({told['table']})" if told and told["table"] else ""
    where = f" as {told['source']} reports it{place} and as it is" if told else ""
    level = f"{inputs.summary['interval']:.0%}"
    if pd.notna(seeds) and np.greater(seeds, 1):
        several = f": mean over {seeds} seeds, from the lowest end of their {level} intervals to the highest"
    else:
        several = f", with {level} intervals"
    on = " under both splits" if len(splits) > 1 else ""
    return f"{MEASURES[measure]}{where} here{on}{several}"
