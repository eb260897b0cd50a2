"""The planted cue over the rates of its studies: who rests on it, and which heatmaps give that away."""

from dataclasses import dataclass

import pandas as pd

from heatproof.findings.results import Results
from heatproof.report import words
from heatproof.stats_tables import CUE

ON_CUE, ACCURACY = "inside_cue", "accuracy"
METRICS = (ON_CUE, "outside_body", "outside_lungs", "relevance_rank_accuracy")
SHOWN, HIDDEN, RELIES = "shown", "hidden", "relies"  # verdicts of `stats/cue.py`
TABLE = {"study": "str", "rate": "float64", **CUE}


@dataclass(frozen=True)
class Cheat:
    """`table`: rows of `cue.csv` of all rates that have run, with study and rate; means over seeds alone."""

    table: pd.DataFrame
    relies: dict[tuple[str, float], bool | None]  # (model, rate) -> whether the model surely rests on the cue
    test_rate: float | None
    methods: tuple[str, ...]  # under study; the controls are in the table beside them

    @property
    def rates(self) -> list[float]:
        return sorted(set(self.table["rate"]))

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(self.table["model"]))

    @property
    def metrics(self) -> list[str]:
        return [metric for metric in METRICS if metric in set(self.table["metric"])]

    def used(self, model: str) -> list[str]:
        """The methods that have maps of the model."""
        scored = self.table[(self.table["model"] == model) & self.table["marked"].notna()]
        return [method for method in self.methods if method in set(scored["method"])]

    def rows(self, model: str, method: str, metric: str) -> pd.DataFrame:
        """One line of the figure, by rate."""
        table = self.table
        chosen = (table["model"] == model) & (table["method"] == method) & (table["metric"] == metric)
        return table[chosen].sort_values("rate")

    def learnt(self, model: str) -> list[float]:
        """The rates at which the model surely rests on the cue."""
        return [rate for rate in self.rates if self.relies.get((model, rate))]

    def at(self, model: str, method: str, metric: str) -> list[float]:
        """The rates at which the method shows by the metric that the model rests on the cue, and it surely does."""
        found = self.rows(model, method, metric)
        shown = set(found.loc[found["verdict"] == SHOWN, "rate"])
        return [rate for rate in self.learnt(model) if rate in shown]

    def cell(self, model: str, method: str, metric: str) -> str:
        """The lowest of these rates, and at how many of those at which the model rests on the cue it is shown."""
        learnt, shown = self.learnt(model), self.at(model, method, metric)
        if not learnt:
            return "–"
        if shown:
            return f"{words.number(shown[0])} ({len(shown)} of {len(learnt)})"
        found = self.rows(model, method, metric)
        hidden = set(found.loc[found["verdict"] == HIDDEN, "rate"]) & set(learnt)
        return f"never; surely hidden at {len(hidden)} of {len(learnt)}" if hidden else "never"

    def given_away(self, method: str, metric: str = ON_CUE) -> tuple[int, int]:
        """In how many of the models and rates at which a model surely rests on the cue the method shows it."""
        places = [(model, rate) for model in self.models for rate in self.learnt(model)]
        return sum(rate in self.at(model, method, metric) for model, rate in places), len(places)

    def oftenest(self, metric: str = ON_CUE) -> tuple[str, int]:
        """The method that shows the cue in the most of these cases, and in how many; the first of equals."""
        shown = {method: self.given_away(method, metric)[0] for method in self.methods}
        return max(shown.items(), key=lambda item: item[1])

    @property
    def false_alarms(self) -> list[tuple[str, str, str, float]]:
        """Model, method, metric and rate where a cue is shown on which the model is not surely resting."""
        shown = self.table[(self.table["verdict"] == SHOWN) & self.table["method"].isin(self.methods)]
        keys = (tuple(row) for row in shown[["model", "method", "metric", "rate"]].itertuples(index=False))
        return [key for key in keys if not self.relies.get((key[0], key[3]))]

    @property
    def controls_shown(self) -> list[tuple[str, str]]:
        """Control and metric that show the cue in any model: there the difference says nothing of a model."""
        shown = self.table[(self.table["verdict"] == SHOWN) & ~self.table["method"].isin(["", *self.methods])]
        return list(dict.fromkeys(zip(shown["method"], shown["metric"], strict=True)))

    @property
    def table_rows(self) -> list[dict]:
        """Model x method: a cell a metric."""
        return [
            {"model": model, "method": method, "cells": [self.cell(model, method, metric) for metric in self.metrics]}
            for model in self.models
            for method in self.used(model)
        ]


def read(studies: list[Results]) -> Cheat | None:
    """All studies with a planted cue that have run; None without any."""
    parts, relies, methods, test_rate = [], {}, [], None
    for results in studies:
        if not results.there or not results.summary.get("cue"):
            continue
        cue, table = results.summary["cue"], results.table("cue")
        rate = float(cue["rate"])
        test_rate = cue.get("test_rate")
        methods += [method for method in results.summary["methods"] if method not in methods]
        relies |= {(model, rate): found for model, found in cue["relies"].items()}
        parts.append(table[table["seed"].isna()].assign(study=results.study, rate=rate))
    if not parts:
        return None
    return Cheat(pd.concat(parts, ignore_index=True)[list(TABLE)], relies, test_rate, tuple(methods))
