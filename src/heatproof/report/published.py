"""What others report of the same architectures beside what they score here, and what needs no network at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from heatproof.report import data_words, words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table

MEASURES = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}
F1 = {"f1_micro": "micro", "f1_macro": "macro"}  # and `f1:<label>`: of several labels an image
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
        if inputs.multilabel:
            tables = _of_labels(inputs, rows, told)
        else:
            tables = [_table(inputs, rows[rows["measure"] == measure], measure, told) for measure in MEASURES]
        found.append(Beside(title, told["sentence"] if told else "", told["note"] if told else "", tables))
    return found


def _of_labels(inputs: Inputs, rows: pd.DataFrame, told: dict | None) -> list[Table]:
    """Where images have several labels: the accuracy (of all labels at once) if it is published, and one table of every
    F1 for each split."""
    accuracy = rows[rows["measure"] == "accuracy"]
    tables = [_table(inputs, accuracy, "accuracy", told)] if accuracy["published"].notna().any() else []
    for split, of in rows[rows["measure"].str.startswith("f1")].groupby("split", sort=False):
        known = [
            m for m in of["measure"].unique() if told is None or of.loc[of["measure"] == m, "published"].notna().any()
        ]
        by = of.set_index(["model", "measure"])
        body = [
            [SIMPLE.get(model, model), *(cell for measure in known for cell in _pair(by.loc[(model, measure)], told))]
            for model in of["model"].unique()
        ]
        names = [F1.get(measure, measure.removeprefix("f1:")) for measure in known]
        columns = [f"{name}{end}" for name in names for end in ((", published", ", here") if told else ("",))]
        caption = _caption(inputs, "f1", [split], of["seeds"].max(), told)
        if of["split"].nunique() < rows["split"].nunique():
            caption += f", {data_words.SPLITS.get(split, split)}"
        tables.append(Table(caption, ["classifier", *columns], body))
    return tables


def _pair(row: pd.Series, told: dict | None) -> list[str]:
    """What is published, where anything is, and what is measured here."""
    here = words.interval(*map(float, row[["value", "low", "high"]]))
    return [words.number(row["published"]), here] if told else [here]


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
    return f"{(MEASURES | {'f1': 'F1'})[measure]}{where} here{on}{several}"
