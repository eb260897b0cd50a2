"""A metric of localization of every model, beside its controls and the ceiling."""

from dataclasses import dataclass, field

import pandas as pd

from heatproof.catalogue.controls import BEATABLE, own_name
from heatproof.findings.results import Results
from heatproof.report import words

FAMILY = "localization"
VERDICTS = {"better": "better than every control", "worse": "worse than a control", "": "described only"}


@dataclass(frozen=True)
class Row:
    """One model by one method: mean with interval over groups, and means of the controls."""

    model: str
    competent: bool
    mean: float
    low: float
    high: float
    groups: int
    verdict: str  # better, worse, unclear; "" where the metric is not tested
    marks: dict[str, float] = field(default_factory=dict)
    hardest: str = ""  # the control that it leads by least, or is furthest behind
    lead: tuple[float, float, float] = (float("nan"),) * 3  # over the hardest control, with its interval

    @property
    def value(self) -> str:
        return words.interval(self.mean, self.low, self.high)

    @property
    def said(self) -> str:
        if not self.competent:
            return "left out: not surely better than guessing"
        return VERDICTS.get(self.verdict, "no verdict")


def read(results: Results, metric: str, method: str) -> list[Row]:
    """A row of every model of the study that has a value."""
    lower = results.summary["better"].get(FAMILY, {}).get(metric) == "lower"
    said = results.summary["verdicts"].get(FAMILY, {}).get(method, {}) if metric == results.primary(FAMILY) else {}
    rows = []
    for model in results.models:
        found = results.metric(FAMILY, metric, method, model)
        if found is None:
            continue
        beside = {
            name: results.metric(FAMILY, metric, own, model) if own else None
            for name in (*BEATABLE, "ceiling")
            for own in [_own(results, metric, name, method, model)]
        }
        marks = {name: float(row["mean"]) for name, row in beside.items() if row is not None}
        against = results.controls(metric, method, model)
        hardest, lead = _hardest(against, -1 if lower else 1)
        numbers = (float(found[key]) for key in ("mean", "low", "high"))
        competent = results.competent(model)
        verdict = said.get(model, "") if competent else ""
        rows.append(Row(model, competent, *numbers, int(found["groups"]), verdict, marks, hardest, lead))
    return rows


def _own(results: Results, metric: str, control: str, method: str, model: str) -> str:
    """The name under which a control of the method stands in `metrics.csv`; one made for the method goes first."""
    table = results.table("metrics")
    names = set(table.loc[(table["metric"] == metric) & (table["model"] == model), "method"])
    return next((name for name in (own_name(control, method), control) if name in names), "")


def _hardest(against: pd.DataFrame, sign: int) -> tuple[str, tuple[float, float, float]]:
    known = against.dropna(subset="difference")
    if known.empty:
        return "", (float("nan"),) * 3
    row = known.loc[(sign * known["difference"]).idxmin()]
    low, high = sorted((sign * row["low"], sign * row["high"]))
    return row["control"], (float(sign * row["difference"]), float(low), float(high))


def counted(results: Results, method: str) -> dict[str, int]:
    """Verdict -> how many models have it, by the primary metric of localization."""
    said = results.summary["verdicts"].get(FAMILY, {}).get(method, {})
    return {word: sum(found == word for found in said.values()) for word in ("better", "unclear", "worse")}
