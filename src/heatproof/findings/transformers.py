"""Methods within one model, held against a reference method."""

from dataclasses import dataclass

import pandas as pd

from heatproof.catalogue.families import families_with
from heatproof.findings.results import Results
from heatproof.findings.roles import Transformer
from heatproof.report import words

BETTER, WORSE, UNCLEAR = "better", "worse", "no difference shown"


@dataclass(frozen=True)
class Lead:
    """How far a method is ahead of the reference: above zero it is better, whatever the metric's direction."""

    study: str
    family: str
    metric: str
    method: str
    groups: int
    value: str
    reference: str
    difference: float
    low: float
    high: float
    p: float
    verdict: str

    @property
    def ahead(self) -> str:
        return words.interval(self.difference, self.low, self.high)

    @property
    def p_said(self) -> str:
        return words.p_value(self.p)


def read(results: Results, asked: Transformer) -> list[Lead]:
    """Every method of `asked` that has a pair with the reference, by the primary metric of each family.

    A difference is real where `summary["methods_apart"]` names it: the statistics' own verdict, after Holm's
    correction over all methods and models of a family.
    """
    if not results.there:
        return []
    found, table = [], results.table("pairs")
    table = table[(table["factor"] == "method") & (table["within"] == asked.model)]
    for family in families_with("rates_maps"):
        metric = results.primary(family)
        sign = -1 if results.summary["primary"].get(family, {}).get("lower_is_better") else 1
        told = results.summary["methods_apart"].get(family, [])
        apart = {(one["over"], one["under"]) for one in told if one["model"] == asked.model}
        for method in asked.methods:
            pair = _pair(table[(table["family"] == family) & (table["metric"] == metric)], method, asked.reference)
            if pair is None:
                continue
            turned = sign * (1 if pair["a"] == method else -1)
            ends = ("seeds_low", "seeds_high") if pd.notna(pair["seeds_low"]) else ("low", "high")
            low, high = sorted(turned * float(pair[end]) for end in ends)
            verdict = (
                BETTER
                if (method, asked.reference) in apart
                else WORSE
                if (asked.reference, method) in apart
                else UNCLEAR
            )
            p = pair["p_seeds"] if pd.notna(pair["p_seeds"]) else pair["p_corrected"]
            values = (_value(results, family, metric, name, asked.model) for name in (method, asked.reference))
            numbers = (turned * float(pair["difference"]), low, high, float(p))
            found.append(Lead(results.study, family, metric, method, int(pair["groups"]), *values, *numbers, verdict))
    return found


def _pair(table: pd.DataFrame, one: str, other: str) -> pd.Series | None:
    rows = table[((table["a"] == one) & (table["b"] == other)) | ((table["a"] == other) & (table["b"] == one))]
    rows = rows.dropna(subset="difference")
    return None if rows.empty else rows.iloc[0]


def _value(results: Results, family: str, metric: str, method: str, model: str) -> str:
    row = results.metric(family, metric, method, model)
    return "–" if row is None else words.interval(*(float(row[key]) for key in ("mean", "low", "high")))
