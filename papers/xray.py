"""The second paper's study, whose images have several labels: F1, the paper's finding, heatmaps and profiles."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from heatproof.findings import claims, splits
from heatproof.findings.results import Results
from heatproof.report import words

MICRO, AUROC = "f1_micro", "auroc_macro"
OF_LABEL = "f1:"  # before the label, in `published.csv`
RANDOM_MAP = "random"  # the control that stands beside heatmaps
GRIDS = {  # part of the page -> family and metric of each of its tables
    "agreement": (("agreement", "rank_correlation_methods"), ("consistency", "rank_correlation_models")),
    "outside": (("localization", "outside_body"), ("localization", "on_border")),
}
KINDS = {"label": "label", "prediction": "predicted label", "outcome": "right or wrong"}


@dataclass(frozen=True)
class Grid:
    """A metric of every method and model: mean with interval over groups; the last row is that of random maps."""

    family: str
    metric: str
    lower: bool
    models: list[str]
    rows: dict[str, list[str]]

    @property
    def title(self) -> str:
        return words.metric(self.metric).name


@dataclass(frozen=True)
class Xray:
    """What the page says of a study that is there."""

    results: Results

    @property
    def summary(self) -> dict:
        return self.results.summary

    @cached_property
    def splits(self) -> splits.Splits | None:
        return splits.read(self.results)

    @property
    def networks(self) -> list[str]:
        """The trained models."""
        return list(self.summary["models"])

    @property
    def ensembles(self) -> dict[str, dict]:
        return self.summary.get("ensembles", {})

    @property
    def competent(self) -> list[str]:
        return [model for model in self.networks if self.results.competent(model)]

    @property
    def unit(self) -> tuple[str, str]:
        """What a group is, and many of them."""
        return words.GROUPS.get(self.results.unit, ("group", "groups"))

    # F1 and AUROC

    @property
    def measures(self) -> dict[str, str]:
        """Micro F1 and the F1 of every label that is published -> how it is called."""
        known = dict.fromkeys(self.splits.table["measure"]) if self.splits else ()
        found = {name: name.removeprefix(OF_LABEL) for name in known if name.startswith(OF_LABEL)}
        return {MICRO: "micro"} | found

    @property
    def f1_rows(self) -> list[tuple[str, str, list[str]]]:
        """A model, `published` or `here`, and a cell a measure; without what is not published."""
        rows = []
        for model in self.splits.models:
            published = [words.number(self.splits.published(model, measure)) for measure in self.measures]
            here = [self.splits.value(model, measure, self.splits.grouped) for measure in self.measures]
            rows += [(model, "published", published)] if set(published) != {words.number(None)} else []
            rows.append((model, "here", here))
        return rows

    def micro(self, models: list[str]) -> tuple[float, float]:
        """The lowest and highest micro F1 of these."""
        rows = [self.splits.row(model, MICRO, self.splits.grouped) for model in models]
        found = [float(row["value"]) for row in rows if row is not None and pd.notna(row["value"])]
        return (min(found), max(found)) if found else (float("nan"),) * 2

    @property
    def micro_published(self) -> tuple[float, float]:
        """The lowest and highest published micro F1 of the trained models."""
        found = [self.splits.published(model, MICRO) for model in self.networks]
        found = [value for value in found if value == value]
        return (min(found), max(found)) if found else (float("nan"),) * 2

    def auroc(self, model: str) -> tuple[float, float, float]:
        """Macro AUROC, the mean over seeds, from the lowest end of their intervals to the highest."""
        table = self.results.table("multilabel")
        rows = table[(table["model"] == model) & (table["measure"] == AUROC)]
        return tuple(map(float, (rows["value"].mean(), rows["low"].min(skipna=False), rows["high"].max(skipna=False))))

    def surely(self, model: str) -> bool:
        """Whether a network or an ensemble is surely better than guessing."""
        return self.ensembles.get(model, {}).get("competent", False) or self.results.competent(model)

    @property
    def labels(self) -> list[dict]:
        """Each label with its test images and groups: the same of every model, so those of the first."""
        table = self.results.table("labels").drop_duplicates("label")
        return table[["label", "images", "groups", "counted"]].to_dict("records")

    # the paper's finding

    @property
    def findings(self) -> list[dict]:
        """A finding in words, its verdict, and the rows of its parts."""
        table = self.results.table("claims").assign(study=self.results.study)
        found = []
        for name, told in self.summary.get("findings", {}).items():
            (whole,) = claims.rows(table[table["name"] == name])
            parts = table[table["name"].isin(told["parts"])]
            named = [words.inline(words.metric(metric).name) if metric else "" for metric in parts["metric"]]
            rows = [row | {"metric": metric} for row, metric in zip(claims.rows(parts), named, strict=True)]
            found.append(whole | {"parts": rows})
        return found

    # heatmaps

    def grids(self, part: str) -> list[Grid]:
        """The tables of a part of the page that have a value."""
        found = [self._grid(family, metric) for family, metric in GRIDS[part]]
        return [grid for grid in found if grid.rows]

    def _grid(self, family: str, metric: str) -> Grid:
        table = self.results.table("metrics")
        table = table[(table["family"] == family) & (table["metric"] == metric)].dropna(subset="mean")
        asked = [method for method in self.summary["methods"] if (table["method"] == method).any()]
        have = set(table.loc[table["method"].isin(asked), "model"])
        models = [model for model in self.results.models if model in have]
        rows = {
            method: [self._cell(family, metric, method, model) for model in models]
            for method in [*asked, *([RANDOM_MAP] if asked else [])]
        }
        lower = self.summary["better"].get(family, {}).get(metric) == "lower"
        return Grid(family, metric, lower, models, rows)

    def _cell(self, *key: str) -> str:
        row = self.results.metric(*key)
        return "–" if row is None else words.interval(*(float(row[end]) for end in ("mean", "low", "high")))

    def verdicts(self, family: str) -> dict[str, dict[str, list[str]]]:
        """Verdict against every control -> method -> models, by the family's primary metric."""
        found: dict[str, dict[str, list[str]]] = {"better": {}, "worse": {}, "unclear": {}}
        for method, of in self.summary["verdicts"].get(family, {}).items():
            for model, word in of.items():
                found[word].setdefault(method, []).append(model)
        return found

    # neuron activation profiles

    @property
    def dead(self) -> list[dict]:
        """Of each network its feature maps, those that are dead in each training, and those of its last layer."""
        table, rows = self.results.profiles("layers"), []
        for model, of in table.groupby("model", sort=False):
            trained = of.groupby(["seed", "fold"], sort=False)
            last = of[of["depth"] == 0]
            rows.append(
                {
                    "model": model,
                    "layers": int(of["layer"].nunique()),
                    "units": int(trained["units"].sum().iloc[0]),
                    "dead": ", ".join(str(int(count)) for count in trained["dead"].sum()),
                    "share": float(of["dead"].sum() / of["units"].sum()),
                    "last": float(last["dead"].sum() / last["units"].sum()),
                }
            )
        return rows

    @cached_property
    def _pairs(self) -> pd.DataFrame:
        """Means over pairs of seeds, of the last layers and the first fold."""
        table = self.results.profiles("models")
        table = table[table["seed_a"].isna() & (table["depth"] == 0)]
        return table[table["fold"] == table["fold"].iloc[0]] if len(table) else table

    @property
    def kinds(self) -> dict[str, str]:
        """The kinds of groups by which some networks are compared."""
        known = set(self._pairs.dropna(subset="agreement")["by"])
        return {by: said for by, said in KINDS.items() if by in known}

    @property
    def alike(self) -> list[tuple[str, list[str]]]:
        """Two networks, or one and its seeds, and how far they agree on which groups are near: a cell a kind."""
        rows = []
        for (a, b), of in self._pairs.groupby(["model_a", "model_b"], sort=False):
            if of["agreement"].isna().all():
                continue
            by = of.set_index("by")
            cells = [_agreement(by.loc[kind]) if kind in by.index else "–" for kind in self.kinds]
            rows.append((f"{a}, its seeds" if a == b else f"{a} and {b}", cells))
        return rows


def _agreement(row: pd.Series) -> str:
    if pd.isna(row["agreement"]):
        return row["reason"] or "–"
    return words.interval(*(float(row[key]) for key in ("agreement", "low", "high")))


def read(results: Results) -> Xray | None:
    return Xray(results) if results.there else None
