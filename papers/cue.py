"""Planted cues: which models rely on them and which heatmaps reveal them, over the rates of one cue, and by kind of cue
next to networks that have no reason to rely on it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from scipy.stats import binomtest

from heatproof.store.tables import CUE
from heatproof.text import numbers
from papers.studies import Results, rows

ON_CUE, ACCURACY = "inside_cue", "accuracy"
METRICS = (ON_CUE, "outside_body", "outside_lungs", "relevance_rank_accuracy")
SHOWN, HIDDEN, RELIES = "shown", "hidden", "relies"  # verdicts of `stats/claims/cue.py`


@dataclass(frozen=True)
class Cue:
    """`table`: rows of `cue.csv` of all rates that have run, with study and rate; means over seeds alone."""

    table: pd.DataFrame
    relies: dict[tuple[str, float], bool | None]  # (model, rate) -> whether the model relies on the cue
    test_rate: float | None
    methods: tuple[str, ...]  # the controls are in the table, too

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
        """Return the methods that have maps of the model."""
        scored = set(rows(self.table, model=model).dropna(subset="marked")["method"])
        return [method for method in self.methods if method in scored]

    def line(self, model: str, method: str, metric: str) -> pd.DataFrame:
        """Return one line of the figure, by rate."""
        return rows(self.table, model=model, method=method, metric=metric).sort_values("rate")

    def relied(self, model: str) -> list[float]:
        """Return the rates at which the model relies on the cue."""
        return [rate for rate in self.rates if self.relies.get((model, rate))]

    def at(self, model: str, method: str, metric: str, verdict: str = SHOWN) -> list[float]:
        """Return the rates at which the model relies on the cue and the method shows, or hides, it."""
        found = set(rows(self.line(model, method, metric), verdict=verdict)["rate"])
        return [rate for rate in self.relied(model) if rate in found]

    def cell(self, model: str, method: str, metric: str) -> str:
        """Return the lowest rate that is shown, and at how many of the rates at which the model relies on the cue."""
        relied, shown = len(self.relied(model)), self.at(model, method, metric)
        if not relied:
            return "–"
        if shown:
            return f"{numbers.number(shown[0])} ({len(shown)} of {relied})"
        hidden = len(self.at(model, method, metric, HIDDEN))
        return f"never; hidden at {hidden} of {relied}" if hidden else "never"

    @property
    def cases(self) -> int:
        """Models and rates at which the model relies on the cue."""
        return sum(len(self.relied(model)) for model in self.models)

    def given_away(self, method: str) -> int:
        """Return in how many of the cases the method shows the cue."""
        return sum(len(self.at(model, method, ON_CUE)) for model in self.models)

    @property
    def best(self) -> str:
        """The method that shows the cue in most cases; the first of equals."""
        return max(self.methods, key=self.given_away)

    @property
    def false_alarms(self) -> list[tuple[str, str, str, float]]:
        """Model, method, metric and rate where a cue is shown on which the model does not rely."""
        shown = rows(self.table[self.table["method"].isin(self.methods)], verdict=SHOWN)
        keys = shown[["model", "method", "metric", "rate"]].itertuples(index=False, name=None)
        return [key for key in keys if not self.relies.get((key[0], key[3]))]

    @property
    def controls_shown(self) -> list[tuple[str, str]]:
        """Control and metric that show the cue in any model: there the difference is not evidence about a model."""
        shown = rows(self.table[~self.table["method"].isin(["", *self.methods])], verdict=SHOWN)
        return list(dict.fromkeys(zip(shown["method"], shown["metric"], strict=True)))


def read(studies: list[Results]) -> Cue | None:
    """Read all studies with a planted cue that have run; None without any."""
    parts, relies, methods, test_rate = [], {}, {}, None
    for results in studies:
        if not results.there or not results.found.cue:
            continue
        entry, table = results.found.cue, results.table("cue")
        rate, test_rate = entry.rate, entry.test_rate
        methods |= dict.fromkeys(results.found.methods)
        relies |= {(model, rate): found for model, found in entry.relies.items()}
        parts.append(table[table["seed"].isna()].assign(study=results.study, rate=rate))
    if not parts:
        return None
    return Cue(pd.concat(parts, ignore_index=True)[["study", "rate", *CUE]], relies, test_rate, tuple(methods))


CLEAN = "_clean"  # behind the name of a study with a cue: the study whose cue tells nothing


@dataclass(frozen=True)
class Share:
    """How many training runs of how many have heatmaps that differ with the cue; Clopper-Pearson's 95 % interval."""

    runs: int
    of: int

    @property
    def ends(self) -> tuple[float, float]:
        found = binomtest(self.runs, self.of).proportion_ci(method="exact")
        return found.low, found.high

    def __str__(self) -> str:
        return f"{self.runs} of {self.of}"


@dataclass(frozen=True)
class Kind:
    """One kind of cue.

    Attributes:
        fall: accuracy where the cue agrees less that where it conflicts, with interval, mean over training runs.
        relying: the training runs that rely on the cue, and those that were trained with it.
        revealed: method -> of the runs that rely on the cue, those whose heatmaps reveal it.
        accused: method -> of the clean runs, those whose heatmaps seem to reveal it.
    """

    study: str
    name: str
    fall: tuple[float, float, float]
    relying: Share
    revealed: dict[str, Share]
    accused: dict[str, Share]


def read_kinds(cues: Mapping[str, Results], clean: Mapping[str, Results], names: Mapping[str, str]) -> list[Kind]:
    """Read the kinds of cues whose two studies have run.

    Args:
        cues: study -> its results; `clean`: by the same names, the results where the cue tells nothing.
        names: study -> the name of its cue.
    """
    found = []
    for study, results in cues.items():
        if not (results.there and clean[study].there and results.found.cue and clean[study].found.cue):
            continue
        table = results.table("cue")
        runs = rows(table, metric=ACCURACY)
        (mean,) = runs[runs["seed"].isna()].to_dict("records")
        seeds = runs.dropna(subset="seed")
        relying = set(rows(seeds, verdict=RELIES)["seed"])
        methods, by_run = results.found.methods, _by_run(table)
        found.append(
            Kind(
                study,
                names[study],
                (mean["difference"], mean["low"], mean["high"]),
                Share(len(relying), len(seeds)),
                _revealed(by_run[by_run["seed"].isin(relying)], methods),
                _revealed(_by_run(clean[study].table("cue")), methods),
            )
        )
    return found


def _by_run(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of single training runs: those over all seeds where there is but one."""
    seeds = table["seed"].dropna().unique()
    return table.dropna(subset="seed") if len(seeds) > 1 else table.assign(seed=table["seed"].fillna(*seeds))


def _revealed(table: pd.DataFrame, methods: tuple[str, ...]) -> dict[str, Share]:
    """Count by method the runs in which any measure shows the cue, corrected over methods and measures of the run."""
    found = {}
    for method in methods:
        runs = rows(table, method=method)
        runs = runs[runs["groups"] > 0].groupby(["model", "seed"])["verdict"].agg(lambda words: SHOWN in set(words))
        if len(runs):
            found[method] = Share(int(runs.sum()), len(runs))
    return found
