"""Everything that the templates may state: read from the artifacts, and from nothing else."""

import math
from dataclasses import dataclass

import pandas as pd

from heatproof.catalogue.families import BEATABLE, families_with, own_name
from heatproof.stats.results import Published
from heatproof.text import numbers
from heatproof.text.numbers import duration
from heatproof.text.sentences import sentence
from papers import claims, cost, cue
from papers.studies import Results, Roles, Transformer, cell, rows

PUBLISHED, RANDOM = "published", "random"  # the other split is the one that keeps groups together
SIMPLE = ("nearest neighbour", "most frequent class")  # rows of no network
MEASURES = {"accuracy": "accuracy", "f1_macro": "F1 (macro)"}
LOCALIZATION = "localization"
VERDICTS = {"better": "better than every control", "worse": "worse than a control", "": "not tested"}
BETTER, WORSE, UNCLEAR = "better", "worse", "no evidence of a difference"
GIBIBYTE = 1024


@dataclass(frozen=True)
class Splits:
    """Accuracy and F1 as published (rows of one source in `published.csv`), and as measured under each split."""

    table: pd.DataFrame
    grouped: str  # the split that keeps groups together
    entry: Published
    sentence: str  # how much of it a nearest neighbour explains, "" where nothing is explained

    @property
    def models(self) -> list[str]:
        """Networks, then what needs none."""
        return list(dict.fromkeys(self.table["model"]))

    @property
    def networks(self) -> list[str]:
        return [model for model in self.models if model not in SIMPLE]

    def row(self, model: str, measure: str, split: str) -> pd.Series | None:
        found = rows(self.table, model=model, measure=measure, split=split)
        return None if found.empty else found.iloc[0]

    def number(self, model: str, measure: str, split: str) -> float:
        """Return what is published, or measured under a split; NaN where it is neither."""
        if split == PUBLISHED:
            return float(rows(self.table, model=model, measure=measure)["published"].max())
        row = self.row(model, measure, split)
        return math.nan if row is None else float(row["value"])

    def value(self, model: str, measure: str, split: str) -> str:
        return cell(self.row(model, measure, split), ("value", "low", "high"))

    def span(self, measure: str, split: str, models: list[str] | None = None) -> tuple[float, float]:
        """Return the lowest and the highest number of these models, by default of the networks."""
        found = [self.number(model, measure, split) for model in (self.networks if models is None else models)]
        found = [value for value in found if math.isfinite(value)] or [math.nan]
        return min(found), max(found)

    def size(self, split: str) -> tuple[int, int]:
        """Return test images and groups."""
        found = rows(self.table, split=split).dropna(subset="groups")
        return (int(found["images"].iloc[0]), int(found["groups"].iloc[0])) if len(found) else (0, 0)


def read_splits(results: Results) -> Splits | None:
    """Read the first source of published numbers that a study names; None where it has none or has not run."""
    if not results.there or not results.found.published:
        return None
    name, entry = next(iter(results.found.published.items()))
    table = rows(results.table("published"), name=name)
    told = " ".join(map(sentence, results.found.about("published", name=name)))
    if table.empty:
        return None
    return Splits(table, next((split for split in table["split"] if split != RANDOM), RANDOM), entry, told)


@dataclass(frozen=True)
class Localized:
    """A metric of localization of one model by the study's first method, next to its controls and the ceiling."""

    model: str
    competent: bool
    numbers: tuple[float, float, float]  # mean with its interval over groups
    value: str
    verdict: str  # better, worse, unclear; "" where the metric is not tested
    marks: dict[str, float]  # control or ceiling -> mean
    hardest: str  # the control that it leads by least, or is furthest behind
    lead: tuple[float, float, float]  # over the hardest control, with its interval

    @property
    def outcome(self) -> str:
        if not self.competent:
            return "not above chance"
        return VERDICTS.get(self.verdict, "undecided")


def localized(results: Results, metric: str) -> list[Localized]:
    """Return a row of every model of the study that has a value."""
    tested = metric == results.primary(LOCALIZATION)
    outcome = results.found.outcome(LOCALIZATION, results.lead) if tested else None
    verdicts = outcome.verdicts if outcome else {}
    found = []
    for model in results.models:
        row = results.metric(LOCALIZATION, metric, results.lead, model)
        if row is None:
            continue
        marks = {}
        for control in (*BEATABLE, "ceiling"):
            for name in (control, own_name(control, results.lead)):  # one made for the method goes first
                beside = results.metric(LOCALIZATION, metric, name, model)
                marks |= {} if beside is None else {control: float(beside["mean"])}
        competent, values = results.competent(model), tuple(float(row[key]) for key in ("mean", "low", "high"))
        verdict = verdicts.get(model, "") if competent else ""
        found.append(Localized(model, competent, values, cell(row), verdict, marks, *_hardest(results, metric, model)))
    return found


def _hardest(results: Results, metric: str, model: str) -> tuple[str, tuple[float, float, float]]:
    known = rows(results.table("controls"), metric=metric, method=results.lead, model=model).dropna(subset="difference")
    if known.empty:
        return "", (math.nan,) * 3
    sign = -1 if results.lower_is_better(LOCALIZATION, metric) else 1
    row = known.loc[(sign * known["difference"]).idxmin()]
    return row["control"], (float(sign * row["difference"]), *sorted(float(sign * row[end]) for end in ("low", "high")))


@dataclass(frozen=True)
class Lead:
    """How far a method is ahead of the reference: above zero it is better, whatever the metric's direction."""

    study: str
    family: str
    metric: str
    method: str
    groups: int
    difference: float
    low: float
    high: float
    p: float
    verdict: str
    values: tuple[str, str]  # of the method and of the reference

    @property
    def ahead(self) -> str:
        return numbers.interval(self.difference, self.low, self.high)


def read_leads(results: Results, wanted: Transformer) -> list[Lead]:
    """Compare every method that has a pair with the reference, by the primary metric of each family.

    A difference is real where `methods_apart` names it: the statistics' own verdict, after Holm's
    correction over all methods and models of a family.
    """
    found = []
    for family in families_with("rates_maps") if results.there else ():
        metric = results.primary(family)
        of = results.found.families.get(family)
        sign = of.sign if of else 1
        apart = [pair for pair in (of.methods_apart if of else ()) if pair.model == wanted.model]
        verdicts = {(pair.over, pair.under): BETTER for pair in apart}
        verdicts |= {(pair.under, pair.over): WORSE for pair in apart}
        pairs = rows(results.table("pairs"), factor="method", within=wanted.model, family=family, metric=metric)
        for method in wanted.methods:
            both = (method, wanted.reference)
            pair = pairs[pairs["a"].isin(both) & pairs["b"].isin(both)].dropna(subset="difference")
            if pair.empty:
                continue
            pair = pair.iloc[0]
            turned = sign * (1 if pair["a"] == method else -1)
            ends = ("seeds_low", "seeds_high") if pd.notna(pair["seeds_low"]) else ("low", "high")
            low, high = sorted(turned * float(pair[end]) for end in ends)
            p = float(pair["p_seeds"] if pd.notna(pair["p_seeds"]) else pair["p_corrected"])
            measured = (int(pair["groups"]), turned * float(pair["difference"]), low, high, p)
            values = tuple(cell(results.metric(family, metric, name, wanted.model)) for name in both)
            verdict = verdicts.get(both, UNCLEAR)
            found.append(Lead(results.study, family, metric, method, *measured, verdict, values))
    return found


class Facts:
    """One reading of all studies; a part that has not run is None or empty."""

    def __init__(self, roles: Roles):
        self.roles = roles
        self.real, self.tuned, self.truth = Results(roles.real), Results(roles.tuned), Results(roles.truth)
        self.synthetic, self.attention = Results(roles.synthetic), Results(roles.attention)
        self.cued = [Results(study) for study in roles.cue]
        self.studies = [self.real, self.tuned, self.truth, *self.cued, self.synthetic, self.attention]
        self.splits = read_splits(self.real)
        more = [Results(study) for study in roles.more]
        self.all_claims = claims.read([*self.studies, *more, Results(roles.xray)])
        self.claims = [row for row in self.all_claims if row.asked]
        metric = self.truth.primary(LOCALIZATION) if self.truth.there else None
        self.localization = localized(self.truth, metric) if metric else []
        there = [results for results in (self.real, self.tuned) if results.there]
        self.outside = {results: localized(results, results.primary(LOCALIZATION)) for results in there}
        self.cue = cue.read(self.cued)
        kinds, clean = ({name: Results(name + end) for name in roles.cues} for end in ("", cue.CLEAN))
        self.kinds = cue.read_kinds(kinds, clean, roles.cues)
        compared = (self.attention, self.truth, self.real, self.tuned)
        self.leads = [lead for results in compared for lead in read_leads(results, roles.transformer)]
        work = cost.read("work")
        self.sizes = dict(zip(work["study"], work["size"], strict=True))  # of images, in pixels
        self.estimates = cost.estimate(work, roles.real, roles.full, roles.gpu.sustained_tflops)

    @property
    def settings(self) -> dict[str, list[str]]:
        """The sentence on a setting -> the studies that have it."""
        found: dict[str, list[str]] = {}
        for results in self.studies:
            if results.there:
                found.setdefault(results.stated("setting.full"), []).append(f"`{results.study}`")
        return found

    def located(self, method: str) -> dict[str, int]:
        """Count the models of each verdict where the truth is known, by the primary metric of localization."""
        outcome = self.truth.found.outcome(LOCALIZATION, method)
        verdicts = list(outcome.verdicts.values()) if outcome else []
        return {verdict: verdicts.count(verdict) for verdict in ("better", "unclear", "worse")}

    @property
    def answers(self) -> list[dict]:
        """By family and study: the methods made for the model by verdict."""
        found: dict[tuple[str, str], dict] = {}
        for lead in self.leads:
            new = {"family": lead.family, "study": lead.study, BETTER: [], WORSE: [], "unclear": []}
            answer = found.setdefault((lead.family, lead.study), new)
            answer[lead.verdict if lead.verdict in answer else "unclear"].append(lead.method)
        return list(found.values())

    @property
    def took(self) -> dict | None:
        """What all studies took: studies, jobs, the sum of their time, and the most memory that one held."""
        table = cost.read("cost")
        if table.empty:
            return None
        found = {"studies": table["study"].nunique(), "jobs": int(table["jobs"].sum())}
        return found | {"time": duration(float(table["seconds"].sum())), "gib": float(table["memory"].max()) / GIBIBYTE}
