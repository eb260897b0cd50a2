"""Everything that the templates may say: read from the artifacts, and from nothing else."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pandas as pd

from heatproof.findings import cheat, claims, cost, regions, splits, transformers, xray
from heatproof.findings.results import Results
from heatproof.findings.roles import Roles
from heatproof.report import durations, words

OUTSIDE = ("outside_lungs", "outside_body")
GIBIBYTE = 1024


class Answer(NamedTuple):
    """What came out for the methods made for one model, by family of metrics: methods by verdict."""

    family: str
    study: str
    better: list[str]
    worse: list[str]
    unclear: list[str]


@dataclass(frozen=True)
class Facts:
    """One reading of all studies; a part that has not run is None or empty."""

    roles: Roles

    @cached_property
    def real(self) -> Results:
        return Results(self.roles.real)

    @cached_property
    def truth(self) -> Results:
        return Results(self.roles.truth)

    @cached_property
    def synthetic(self) -> Results:
        return Results(self.roles.synthetic)

    @cached_property
    def attention(self) -> Results:
        return Results(self.roles.attention)

    @cached_property
    def cued(self) -> list[Results]:
        return [Results(study) for study in self.roles.cue]

    @cached_property
    def studies(self) -> list[Results]:
        return [self.real, self.truth, *self.cued, self.synthetic, self.attention]

    @property
    def settings(self) -> dict[str, list[str]]:
        """The sentence on a setting -> the studies that have it."""
        found: dict[str, list[str]] = {}
        for results in self.studies:
            if results.there and "setting" in results.summary:
                found.setdefault(results.summary["setting"]["sentence"], []).append(f"`{results.study}`")
        return found

    @cached_property
    def splits(self) -> splits.Splits | None:
        return splits.read(self.real)

    @cached_property
    def claims_table(self) -> pd.DataFrame:
        return claims.collect([self.real, self.truth, self.synthetic, self.attention], self.cued)

    @property
    def claims(self) -> list[dict]:
        return claims.rows(self.claims_table)

    def claimed(self, *verdicts: str) -> list[dict]:
        return [row for row in self.claims if row["verdict"] in verdicts]

    @cached_property
    def localization(self) -> list[regions.Row]:
        """The primary metric where the truth is known, by the method that the study leads with."""
        metric = self.truth.primary(regions.FAMILY) if self.truth.there else None
        return regions.read(self.truth, metric, self.truth.lead) if metric else []

    def located(self, method: str) -> dict[str, int]:
        return regions.counted(self.truth, method)

    @cached_property
    def outside(self) -> dict[str, list[regions.Row]]:
        """Metric -> rows of the real study: relevance where no lesion can be."""
        if not self.real.there:
            return {}
        found = {metric: regions.read(self.real, metric, self.real.lead) for metric in OUTSIDE}
        return {metric: rows for metric, rows in found.items() if rows}

    @cached_property
    def cheat(self) -> cheat.Cheat | None:
        return cheat.read(self.cued)

    @property
    def cue_missing(self) -> list[str]:
        return [results.study for results in self.cued if not results.there or not results.summary.get("cue")]

    @cached_property
    def xray(self) -> xray.Xray | None:
        return xray.read(Results(self.roles.xray))

    @cached_property
    def leads(self) -> list[transformers.Lead]:
        asked = (self.attention, self.truth, self.real)
        return [lead for results in asked for lead in transformers.read(results, self.roles.transformer)]

    @property
    def answers(self) -> list[Answer]:
        keys = dict.fromkeys((lead.family, lead.study) for lead in self.leads)
        found = []
        for family, study in keys:
            own = [lead for lead in self.leads if (lead.family, lead.study) == (family, study)]
            by = [
                [lead.method for lead in own if lead.verdict == verdict]
                for verdict in (transformers.BETTER, transformers.WORSE, transformers.UNCLEAR)
            ]
            found.append(Answer(family, study, *by))
        return found

    @property
    def took(self) -> list[dict]:
        """A row a study: time and peak memory by stage, and the sum."""
        table, rows = cost.read("cost"), []
        for study in dict.fromkeys(table["study"]):
            own = table[table["study"] == study].set_index("stage")
            cells = [_taken(own.loc[stage]) if stage in own.index else "–" for stage in durations.STAGES]
            jobs, total = int(own["jobs"].sum()), durations.told(float(own["seconds"].sum()))
            rows.append({"study": study, "cells": cells, "jobs": jobs, "total": total})
        return rows

    @property
    def stages(self) -> list[str]:
        return list(durations.STAGES)

    @cached_property
    def work(self) -> pd.DataFrame:
        return cost.read("work")

    @cached_property
    def estimates(self) -> list[cost.Estimate]:
        return cost.estimate(self.work, self.roles.real, self.roles.full, self.roles.gpu.sustained_tflops)

    def of_full(self, column: str):
        """A column of the full study's rows in `flops.csv`, which all its models share."""
        return self.work.loc[self.work["study"] == self.roles.full, column].iloc[0]

    def of_real(self, column: str):
        return self.work.loc[self.work["study"] == self.roles.real, column].iloc[0]


def _taken(row: pd.Series) -> str:
    memory = f", {row['memory'] / GIBIBYTE:.1f} GiB" if pd.notna(row["memory"]) else ""
    return f"{durations.told(float(row['seconds']))}{memory}"


def span(ends: tuple[float, float]) -> str:
    """`0.52 to 0.63`, or one number where they are the same."""
    return " to ".join(dict.fromkeys(words.number(end) for end in ends))
