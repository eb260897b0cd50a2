"""The second paper's study, whose images have several labels: F1, the paper's finding, heatmaps and profiles."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from heatproof.report import words
from heatproof.stats.results import Ensemble, StudyResults
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from papers.facts import PUBLISHED, Splits, described, read_splits
from papers.studies import Results, cell, rows

MICRO, AUROC = "f1_micro", "auroc_macro"
OF_LABEL = "f1:"  # before the label, in `published.csv`
RANDOM_MAP = "random"  # the control that is shown next to heatmaps
GRIDS = {  # part of the page -> family and metric of each of its tables
    "agreement": (("agreement", "rank_correlation_methods"), ("consistency", "rank_correlation_models")),
    "outside": (("localization", "outside_body"), ("localization", "on_border")),
}
KINDS = {"label": "label", "prediction": "predicted label", "outcome": "right or wrong"}


@dataclass(frozen=True)
class Xray:
    """What the page states of a study that is there."""

    results: Results
    splits: Splits | None

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

    def surely(self, model: str) -> bool:
        """Return whether a network or an ensemble is surely better than guessing."""
        made = self.ensembles.get(model)
        return made.quality.competent if made else self.results.competent(model)

    @property
    def unit(self) -> tuple[str, str]:
        """What a group is called, and several of them."""
        return numbers.UNITS.get(self.found.groups.kind, ("group", "groups"))

    @property
    def measures(self) -> dict[str, str]:
        """Micro F1 and the F1 of every label that is published -> how it is called."""
        known = dict.fromkeys(self.splits.table["measure"])
        return {MICRO: "micro"} | {name: name[len(OF_LABEL) :] for name in known if name.startswith(OF_LABEL)}

    @property
    def f1_rows(self) -> list[tuple[str, str, list[str]]]:
        """A model, `published` or `here`, and a cell a measure; without what is not published."""
        found = []
        for model in self.splits.models:
            published = [numbers.number(self.splits.number(model, measure, PUBLISHED)) for measure in self.measures]
            here = [self.splits.value(model, measure, self.splits.grouped) for measure in self.measures]
            found += [(model, PUBLISHED, published)] if set(published) != {numbers.number(None)} else []
            found.append((model, "here", here))
        return found

    def micro(self, models: list[str], split: str | None = None) -> tuple[float, float]:
        """Return the lowest and the highest micro F1 of these models, here unless it is that which is published."""
        return self.splits.span(MICRO, split or self.splits.grouped, models)

    def auroc(self, model: str) -> tuple[float, float, float]:
        """Return macro AUROC, the mean over seeds, from the lowest end of their intervals to the highest."""
        found = rows(self.results.table("multilabel"), model=model, measure=AUROC)
        return tuple(
            map(float, (found["value"].mean(), found["low"].min(skipna=False), found["high"].max(skipna=False)))
        )

    @property
    def labels(self) -> list[dict]:
        """Each label with its test images and groups: the same of every model, so those of the first."""
        table = self.results.table("labels").drop_duplicates("label")
        return table[["label", "images", "groups", "counted"]].to_dict("records")

    @property
    def findings(self) -> list[dict]:
        """A finding in words, its verdict, and the rows of its parts."""
        table, found = self.results.table("claims").assign(study=self.results.study), []
        for name, entry in self.found.findings.items():
            (whole,) = described(rows(table, name=name))
            parts = table[table["name"].isin(entry.parts)]
            metrics = [words.inline(words.metric(metric).name) if metric else "" for metric in parts["metric"]]
            named = [part | {"metric": metric} for part, metric in zip(described(parts), metrics, strict=True)]
            found.append(whole | {"parts": named})
        return found

    def grids(self, part: str) -> list[dict]:
        """Return the tables of a part of the page: a metric of every method and model; random maps in the last row."""
        found = []
        for family, metric in GRIDS[part]:
            table = rows(self.results.table("metrics"), family=family, metric=metric).dropna(subset="mean")
            methods = [method for method in self.found.methods if method in set(table["method"])]
            scored = set(table.loc[table["method"].isin(methods), "model"])
            models = [model for model in self.results.models if model in scored]
            if methods:
                cells = {
                    method: [cell(self.results.metric(family, metric, method, model)) for model in models]
                    for method in (*methods, RANDOM_MAP)
                }
                lower = self.results.lower_is_better(family, metric)
                found.append({"family": family, "metric": metric, "lower": lower, "models": models, "rows": cells})
        return found

    def verdicts(self, family: str) -> dict[str, dict[str, list[str]]]:
        """Return verdict against every control -> method -> models, by the family's primary metric."""
        found: dict[str, dict[str, list[str]]] = {"better": {}, "worse": {}, "unclear": {}}
        for method, outcome in self.found.families[family].outcomes.items():
            for model, verdict in outcome.verdicts.items():
                found[verdict].setdefault(method, []).append(model)
        return found

    @property
    def dead(self) -> list[dict]:
        """Of each network its feature maps, those that are dead in each training, and those of its last layer."""
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
                found.append((f"{a}, its seeds" if a == b else f"{a} and {b}", cells))
        return found


def _agreement(row: pd.Series) -> str:
    return (pd.isna(row["agreement"]) and row["reason"]) or cell(row, ("agreement", "low", "high"))


def read(study: str) -> Xray | None:
    """Read the study; None where it has not run."""
    results = Results(study)
    return Xray(results, read_splits(results)) if results.there else None
