"""The second paper's study, whose images have several labels: F1, the paper's finding, heatmaps and profiles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from heatproof.stats.results import Ensemble, StudyResults
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from heatproof.text.words import called
from papers.claims import Row
from papers.facts import PUBLISHED, Splits, read_splits
from papers.studies import Results, cell, rows

MICRO, AUROC = "f1_micro", "auroc_macro"
RANDOM_MAP = "random"  # the control that is shown next to heatmaps
GRIDS = {  # part of the page -> family and metric of its table
    "agreement": ("agreement", "rank_correlation_methods"),
    "outside": ("localization", "outside_body"),
}
KINDS = {"label": "label", "prediction": "predicted label", "outcome": "correct or not"}


@dataclass(frozen=True)
class Xray:
    """What the page states of a study that is there."""

    results: Results
    splits: Splits | None
    findings: tuple[Row, ...] = ()
    claims: tuple[Row, ...] = ()  # without parts

    @property
    def found(self) -> StudyResults:
        return self.results.found

    @property
    def networks(self) -> list[str]:
        """The trained models."""
        return list(self.found.models)

    @property
    def ensembles(self) -> dict[str, Ensemble]:
        return self.found.ensembles

    def ensemble_sentences(self, name: str) -> list[str]:
        """Return how an ensemble classifies, and where its heatmaps differ from its best member's."""
        return [sentence(one) for one in self.found.about("ensemble", ensemble=name)]

    @property
    def competent(self) -> list[str]:
        return [model for model in self.networks if self.results.competent(model)]

    def above_chance(self, model: str) -> bool:
        """Return whether a network or an ensemble performs above chance."""
        made = self.ensembles.get(model)
        return made.quality.competent if made else self.results.competent(model)

    @property
    def unit(self) -> tuple[str, str]:
        """What a group is called, and several of them."""
        return numbers.UNITS.get(self.found.groups.kind, ("group", "groups"))

    def micro(self, models: list[str], split: str | None = None) -> tuple[float, float]:
        """Return the lowest and the highest micro F1 of these models, here unless it is that which is published."""
        return self.splits.span(MICRO, split or self.splits.grouped, models)

    @property
    def rows(self) -> list[tuple[str, float, str, str, str]]:
        """A model with its micro F1, published and here, macro AUROC, and whether it performs above chance."""
        models = self.splits.models if self.splits else [*self.networks, *self.ensembles]
        found = []
        for model in models:
            published, here = math.nan, numbers.NONE
            if self.splits:
                published = self.splits.number(model, MICRO, PUBLISHED)
                here = self.splits.value(model, MICRO, self.splits.grouped)
            known = model in self.networks or model in self.ensembles
            shown = ("yes" if self.above_chance(model) else "not shown") if known else numbers.NONE
            found.append((model, published, here, numbers.interval(*self.auroc(model)), shown))
        return found

    def auroc(self, model: str) -> tuple[float, float, float]:
        """Return macro AUROC, the mean over seeds, from the lowest end of their intervals to the highest."""
        found = rows(self.results.table("multilabel"), model=model, measure=AUROC)
        return tuple(
            map(float, (found["value"].mean(), found["low"].min(skipna=False), found["high"].max(skipna=False)))
        )

    @property
    def sources(self) -> dict[str, tuple[list[str], list[tuple[str, list[str]]]]]:
        """Return column of the source's table -> its values, and of each model the balanced accuracy on all images and
        on those of each value."""
        found: dict[str, tuple[list[str], list[tuple[str, list[str]]]]] = {}
        within = self.found.sources.within if self.found.sources else ()
        for column in dict.fromkeys(row.column for row in within):
            of = [row for row in within if row.column == column]
            values = list(dict.fromkeys(row.value for row in of))
            cells = {(row.model, row.value): (row.balanced_accuracy, row.low, row.high) for row in of}
            models = dict.fromkeys(row.model for row in of)
            lines = [(model, [_accuracy(cells.get((model, value))) for value in values]) for model in models]
            found[column] = ([value or "all images" for value in values], lines)
        return found

    def grid(self, part: str) -> dict | None:
        """Return the table of a part of the page: a metric by method and model above chance; random maps come last."""
        family, metric = GRIDS[part]
        table = rows(self.results.table("metrics"), family=family, metric=metric).dropna(subset="mean")
        methods = [method for method in self.found.methods if method in set(table["method"])]
        scored = set(table.loc[table["method"].isin(methods), "model"])
        models = [model for model in self.results.models if model in scored and self.above_chance(model)]
        if not models:
            return None
        cells = {
            method: [cell(self.results.metric(family, metric, method, model)) for model in models]
            for method in (*methods, RANDOM_MAP)
        }
        lower = self.results.lower_is_better(family, metric)
        return {"metric": metric, "lower": lower, "models": models, "rows": cells}

    def verdicts(self, family: str) -> dict[str, dict[str, list[str]]]:
        """Return verdict against every control -> method -> models, by the family's primary metric."""
        found: dict[str, dict[str, list[str]]] = {"better": {}, "worse": {}, "unclear": {}}
        for method, outcome in self.found.families[family].outcomes.items():
            for model, verdict in outcome.verdicts.items():
                found[verdict].setdefault(method, []).append(model)
        return found

    @property
    def dead(self) -> list[dict]:
        """Of each network its feature maps, those that are dead in each training run, and those of its last layer."""
        found = []
        for model, of in self.results.profiles("layers").groupby("model", sort=False):
            trained, last = of.groupby(["seed", "fold"], sort=False), rows(of, depth=0)
            found.append(
                {
                    "model": model,
                    "layers": int(of["layer"].nunique()),
                    "units": int(trained["units"].sum().iloc[0]),
                    "dead": ", ".join(str(int(count)) for count in trained["dead"].sum()),
                    "share": float(of["dead"].sum() / of["units"].sum()),
                    "last": float(last["dead"].sum() / last["units"].sum()),
                }
            )
        return found

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        """Means over pairs of seeds, of the last layers and the first fold."""
        table = rows(self.results.profiles("models"), depth=0)
        table = table[table["seed_a"].isna()]
        return rows(table, fold=table["fold"].iloc[0]) if len(table) else table

    @property
    def kinds(self) -> dict[str, str]:
        """The kinds of groups by which some networks are compared."""
        known = set(self._pairs.dropna(subset="agreement")["by"])
        return {by: kind for by, kind in KINDS.items() if by in known}

    @property
    def alike(self) -> list[tuple[str, list[str]]]:
        """Two networks, or one and its seeds, and how far they agree on which groups are near: a cell a kind."""
        found = []
        for (a, b), of in self._pairs.groupby(["model_a", "model_b"], sort=False):
            if of["agreement"].notna().any():
                by = of.set_index("by")
                cells = [_agreement(by.loc[kind]) if kind in by.index else "–" for kind in self.kinds]
                found.append((f"{called(a)}, its seeds" if a == b else f"{called(a)} and {called(b)}", cells))
        return found


def _agreement(row: pd.Series) -> str:
    return (pd.isna(row["agreement"]) and row["reason"]) or cell(row, ("agreement", "low", "high"))


def _accuracy(ends: tuple[float | None, ...] | None) -> str:
    return numbers.NONE if ends is None or ends[0] is None else numbers.interval(*ends)


def read(study: str, claims: Sequence[Row]) -> Xray | None:
    """Read the study, with its rows of the claims; None where it has not run."""
    results = Results(study)
    own = [row for row in claims if row.study == study and not row.known]
    findings, others = (tuple(row for row in own if bool(row.parts) == parts) for parts in (True, False))
    return Xray(results, read_splits(results), findings, others) if results.there else None
