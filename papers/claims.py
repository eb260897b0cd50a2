"""Every claim of a paper on every study: verdict and evidence, why it cannot be tested, what would decide it.

Stored claims have verdicts and numbers. The evidence is read from the typed results and tables beside them, and who
is compared from the configuration.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, inf, isfinite, nan

import numpy as np
import pandas as pd

from heatproof.config.load import load
from heatproof.config.stages import Claim
from heatproof.core.statements import Statement
from heatproof.stats.claims.checks import check_criteria
from heatproof.stats.results import BLIND, Outcome, StudyResults
from heatproof.stats.statements.general import about, state
from heatproof.stats.tests.power import claim_level, groups_for, groups_for_interval, spread_of
from heatproof.stats.verdicts.rules import BETTER, CONTRADICTED, RELIES, SUPPORTED, UNDECIDED, WORSE, rejects
from heatproof.store.tables import CLAIMS
from heatproof.text import numbers
from heatproof.text.claims import VERDICTS, clauses
from heatproof.text.words import called
from papers.studies import Results, cell, rows

EVEN = 0.5  # the rate of a cue that is as frequent in one class as in the other
NO_CUE = "in training, the cue is as frequent in one class as in the other, so that no model can learn to rely on it"
CUED = "the training images have a planted cue, so that the study is about the cue alone"
UNKNOWN = "the stored results do not tell how many would decide it"
OUTCOMES = {SUPPORTED: "fails", CONTRADICTED: "passes", UNDECIDED: UNDECIDED}  # of a method and model by a criterion
CRITERIA_TESTS = "Holm-corrected over the criteria of a method and a model"
UNITS = {**numbers.UNITS, "lookalike": ("cluster", "clusters")}  # the pages say once of what


@dataclass(frozen=True)
class Evidence:
    """What a verdict is based on, and the tests that its p value is corrected over, in words and as a level."""

    statements: tuple[Statement, ...]
    tests: str = ""
    level: float | None = None


@dataclass(frozen=True)
class Row:
    """A claim on a study: its row of `claims.csv`, the claim as the study asks it, and the parts of a finding."""

    results: Results
    stored: pd.Series
    asked: Claim | None  # None of a finding, which has parts
    parts: tuple["Row", ...] = ()
    part: bool = False  # of a finding: its metric need not be the one that the study tests
    known: Evidence | None = None  # of criteria, whose rows are made here
    margin: float | None = None  # of a claim on accuracy

    @property
    def found(self) -> StudyResults:
        return self.results.found

    @property
    def study(self) -> str:
        return self.results.study

    @property
    def name(self) -> str:
        return self.stored["name"]

    @property
    def claim(self) -> str:
        return self.stored["claim"]

    @property
    def verdict(self) -> str:
        return self.stored["verdict"]

    @property
    def decided(self) -> bool:
        return self.verdict != UNDECIDED

    @property
    def effect(self) -> str:
        return cell(self.stored, ("effect", "low", "high"))

    @property
    def groups(self) -> str:
        """How many groups the test is on, with their unit; a dash where there is no test."""
        return numbers.NONE if pd.isna(self.stored["groups"]) else self._count(self.stored["groups"])

    def _count(self, groups: float) -> str:
        return numbers.counted(int(groups), *UNITS[self.found.groups.kind])

    @property
    def seeds(self) -> int:
        return int(self.stored["seeds"])

    @property
    def askable(self) -> bool:
        return not self.obstacle

    @cached_property
    def obstacle(self) -> str:
        """Why the study cannot test the claim, a clause; "" where it can."""
        if self.found.cue and (self.asked is None or self.asked.check != "shows_cue"):
            return CUED
        if self.decided:
            return ""
        if self.known:
            return clauses(self.known.statements) if pd.isna(self.stored["groups"]) and not self.parts else ""
        if self.asked is None:
            reasons = list(dict.fromkeys(row.obstacle for row in self.parts))
            return "" if "" in reasons else "; ".join(reasons)
        if self.asked.check == "shows_cue":
            return NO_CUE if self.found.cue.rate == EVEN else ""
        if self.asked.check == "falls_within":
            return clauses([state("claim.no_label")]) if pd.isna(self.stored["effect"]) else ""
        found = self._obstacle()
        if found is None:
            return ""
        weak = found.kind in ("claim.no_model", "claim.not_competent")
        return clauses([found]) + (self._competence(found.subjects.get("models", self._named)) if weak else "")

    @property
    def _named(self) -> tuple[str, ...]:
        """The models that the claim is on and the study has."""
        return tuple(model for model in self.asked.models or self.found.models if model in self.found.models)

    @property
    def _judged(self) -> tuple[str, ...]:
        return tuple(model for model in self._named if model in self.found.judged)

    @property
    def _than(self) -> tuple[str, ...]:
        return tuple(model for model in self.asked.than if model in self.found.models)

    def _obstacle(self) -> Statement | None:
        family, metric, method = (self.stored[key] for key in ("family", "metric", "method"))
        if self.results.table("metrics").query("family == @family and metric == @metric").empty and self.part:
            return state("claim.none_of_metric", family=family, metric=metric)
        if family not in self.found.families:
            return state("claim.not_scored", family=family, method=method)
        primary = self.found.families[family].metric
        if not self.part and primary != metric:
            return state("claim.other_metric", metric=metric, family=family, primary=primary)
        if not self.found.judged:
            return state("claim.no_model")
        if not self._named or (self.asked.than and not self._than):
            return state("claim.lacks", names=self.asked.than if self._named else self.asked.models)
        for models in filter(None, (self._named, self._than)):
            if not set(models) & set(self.found.judged):
                return state("claim.not_competent", models=models)
        if self.asked.check == "differ" and len(self._judged) < 2:
            return state("claim.one_model", models=self._judged)
        if self.part or (why := self.found.unjudged(family, method)) is None:
            return None
        kind = "claim.family_blind" if why == BLIND else "claim.not_judged"
        return state(kind, reason=why, **about(self.found, family, method))

    def _competence(self, models: Iterable[str]) -> str:
        """How many groups would show that one of these models at least performs above chance in each run."""
        of, here, needed = self.found.competence, self.found.groups_test, []
        runs = {model: found for model in models if (found := _runs(self.results, model))}
        if of.reason or not runs:
            return ""
        for each in runs.values():
            short = [run for run in each if not run[1] > of.floor]
            if short and all(value > of.floor and isfinite(low) for value, low in short):
                needed.append(max(groups_for_interval(here, *run, of.floor) for run in short))
        if needed:
            count = self._count(numbers.rounded(min(needed)))
            return f" (about {count} would show it if scores stay as they are; {here} here)"
        value = numbers.number(max(min(run[0] for run in each) for each in runs.values()))
        more = UNITS[self.found.groups.kind][1]
        return f" (they need better training, not more {more}: the {of.measure} of a run is {value})"

    @cached_property
    def needed(self) -> tuple[int | None, str] | None:
        """How many groups would decide a claim that is tested and undecided, and by showing what.

        None as number where the difference is next to nothing; None where the stored results do not tell.
        """
        if self.decided or not self.askable:
            return None
        if self.asked is None:
            return self._needed_of_criteria if self.known else None
        if self.asked.check == "shows_cue" and not self._relying:
            for _, top in self._most_reliant.iterrows():
                if top["difference"] > 0:
                    show = "reliance on the cue, if accuracies stay as they are"
                    return groups_for_interval(int(top["groups"]), top["difference"], top["low"], 0.0), show
            return None
        ends, here, level = self.stored[["low", "high"]].astype(float), self.stored["groups"], self.evidence.level
        if ends.isna().any() or pd.isna(here) or level is None:
            return None
        show = f"a difference of {self._margin:g}, the margin, with a power of {self.found.power:.0%}"
        spread = spread_of((ends["low"], ends["high"]), int(here), self.found.interval)
        over_seeds = self._outcome is not None and self._outcome.over_seeds
        ranks = self.found.test == "friedman" and not over_seeds
        return groups_for(self._margin, spread, level, self.found.power, ranks), show

    @property
    def _needed_of_criteria(self) -> tuple[int, str] | None:
        """How many groups would show that every pair of a method and a model fails a criterion, or that one passes all,
        whichever takes fewer, if all differences are as they seem."""
        pairs: dict[tuple[str, str], list[Row]] = {}
        for part in self.parts:
            pairs.setdefault((part.stored["method"], part.known.statements[0].one("model")), []).append(part)
        most, power = max(map(len, pairs.values()), default=0), self.found.power
        whole = self.known.statements[0].numbers.get("unmeasured") is None

        def count(part: Row, sign: int, level: float) -> float:
            effect, low, high = (float(part.stored[key]) for key in ("effect", "low", "high"))
            if sign * effect <= 0:
                return inf
            spread = spread_of((low, high), int(part.stored["groups"]), self.found.interval)
            return groups_for(abs(effect), spread, level, power) or inf

        each = self.found.alpha / max(most, 1)  # Holm's first step over the criteria of a pair
        failing = max((min(count(part, 1, each) for part in of) for of in pairs.values()), default=inf)
        level = self.found.alpha / max(len(pairs), 1)
        passing = {pair: max(count(part, -1, level) for part in of) for pair, of in pairs.items() if len(of) == most}
        least = min(passing, key=lambda pair: passing[pair]) if passing and whole else None
        as_they_are = f"with a power of {power:.0%}, if differences stay as they are"
        if least and passing[least] < failing:
            method, model = map(called, least)
            return int(passing[least]), f"that {method} passes every criterion on {model}, {as_they_are}"
        return (int(failing), f"that every pair fails a criterion, {as_they_are}") if isfinite(failing) else None

    @property
    def _with_seeds(self) -> str:
        """Of an interval over seeds, which patients alone do not narrow: how many seeds as many patients go with."""
        if self.asked is None or self.asked.check == "shows_cue" or not (self._outcome and self._outcome.over_seeds):
            return ""
        seeds = ceil(self.found.seeds.count * self.needed[0] / self.stored["groups"])
        return f", with {numbers.rounded(seeds)} seeds of each model,"

    @property
    def missing(self) -> str:
        """What would decide the claim, a cell of a table; "" where nothing is missing."""
        if self.decided or not self.askable:
            return ""
        parts = [row.verdict for row in self.parts] if not self.known else []
        if SUPPORTED in parts and CONTRADICTED in parts:
            counts = " and ".join(f"{parts.count(word)} {word}" for word in (SUPPORTED, CONTRADICTED))
            return f"of its parts {counts}: as a whole it stays undecided with any number"
        if self.needed is None or self.needed[0] is None:
            left = sum("fails" not in cells for _, _, cells in criteria(self)[1]) if self.known else 0
            pairs = numbers.counted(left, "pair fails no criterion", "pairs fail no criterion")
            whole = not self.known or self.known.statements[0].numbers.get("unmeasured") is None
            why = (
                "none passes all by its differences"
                if whole
                else "the study does not measure every criterion, so that none can pass"
            )
            return f"{pairs} so far, and {why}" if left else UNKNOWN
        return f"about {self._count(numbers.rounded(self.needed[0]))}{self._with_seeds} would show {self.needed[1]}"

    @property
    def _margin(self) -> float:
        if self.asked.check == "shows_cue":
            return self.found.cue.margins[self.stored["metric"]]
        if self.asked.check == "falls_within":
            return self.margin
        return self.found.families[self.stored["family"]].margin

    @property
    def _reliance(self) -> pd.DataFrame:
        table = self.results.table("cue")
        of = rows(table[table["seed"].isna()], method="", metric="accuracy")
        return of[of["model"].isin(self._named)]

    @property
    def _most_reliant(self) -> pd.DataFrame:
        return self._reliance.dropna(subset="difference").nlargest(1, "difference")

    @property
    def _relying(self) -> list[str]:
        return rows(self._reliance, verdict=RELIES)["model"].tolist()

    @cached_property
    def evidence(self) -> Evidence:
        """What the verdict is based on, of a claim that can be tested."""
        if self.known:
            return self.known
        if self.asked is None:
            return self._of_parts()
        if self.asked.check == "shows_cue":
            return self._shows_cue()
        if self.asked.check == "falls_within":
            named = {"models": self._named, "measure": self.found.competence.measure}
            stated = state("claim.falls_within", numbers=self._numbers, unit=self.found.groups.kind, **named)
            return Evidence((stated,), "one planned test", self.found.alpha)
        if pd.isna(self.stored["effect"]):
            return Evidence((state("claim.few_groups", unit=self.found.groups.kind),))
        checks = {"beat_controls": self._beat_controls, "lower": self._lower, "differ": self._differ}
        found = (checks | {"outdo": self._outdo})[self.asked.check]()
        left = [model for model in (*self._named, *self._than) if model not in self.found.judged]
        return (
            replace(found, statements=(*found.statements, state("claim.cannot_judge", models=left))) if left else found
        )

    @property
    def told(self) -> str:
        """The evidence as a clause, with the tests that a p value is corrected over."""
        return "; ".join(filter(None, [clauses(self.evidence.statements), self.evidence.tests]))

    @property
    def _subjects(self) -> dict[str, str]:
        return {"metric": self.stored["metric"], "unit": self.found.groups.kind}

    @property
    def _numbers(self) -> dict[str, float | None]:
        """Effect, p, groups, and the margin where the verdict is based on a difference that is smaller."""
        within = self.verdict == CONTRADICTED and not rejects(self.stored["p"], self.found.alpha)
        found = {key: float(self.stored[key]) for key in ("effect", "p")} | {"groups": int(self.stored["groups"])}
        return found | {"margin": self._margin if within else None}

    @property
    def _outcome(self) -> Outcome | None:
        family, method = self.stored["family"], self.stored["method"]
        return self.found.outcome(family, method) if family in self.found.families else None

    def _pairs(self, factor: str, within: str) -> pd.DataFrame:
        keys = {key: self.stored[key] for key in ("family", "metric")}
        return rows(self.results.table("pairs"), factor=factor, within=within, **keys)

    def _level(self, comparisons: int) -> float:
        return claim_level(self.asked.check, self._outcome and self._outcome.shares, self.found.alpha, comparisons)

    def _beat_controls(self) -> Evidence:
        """The model that decides is the one at the place where `most` begins, in order of its smallest lead."""
        outcome, sign = self._outcome, self.found.families[self.stored["family"]].sign
        verdicts = {model: outcome.verdicts[model] for model in self._judged if model in outcome.verdicts}
        leads = []
        for model in verdicts:
            of = {name: by[model].difference for name, by in outcome.controls.items() if model in by}
            leads.append(min((sign * value, name, model) for name, value in of.items() if value is not None))
        lead, control, model = sorted(leads, reverse=True)[len(leads) // 2]
        counts = {word: list(verdicts.values()).count(word) for word in (BETTER, WORSE)}
        counts |= {"models": len(verdicts), "lead": lead}
        named = {"model": model, "control": control, "family": self.stored["family"]}
        all_models = len(outcome.verdicts)
        tests = f"Holm-corrected over {numbers.counted(all_models, 'model')}"
        told = state("claim.beat_controls", numbers=counts, **named)
        return Evidence((told,), tests, self._level(all_models))

    def _lower(self) -> Evidence:
        lower = self.results.lower_is_better(self.stored["family"], self.stored["metric"])
        than = [model for model in self._than if model in self.found.judged]
        way = "lower" if (self.stored["effect"] > 0) != lower else "higher"
        named = {"models": self._judged, "than": than, "way": way}
        told = state("claim.lower", numbers=self._numbers, **named, **self._subjects)
        return Evidence((told,), "one planned test", self._level(1))

    def _differ(self) -> Evidence:
        outcome, pairs = self._outcome, self._pairs("model", self.stored["method"])
        pairs = pairs[pairs["a"].isin(self._judged) & pairs["b"].isin(self._judged)]
        top = pairs.loc[pairs["difference"].abs().idxmax()]
        counts = self._numbers | {"models": len(self._judged), "complete": outcome.omnibus.groups}
        test = outcome.omnibus.test if len(self._judged) > 2 else ()
        told = state("claim.differ", numbers=counts, models=(top["a"], top["b"]), test=test, **self._subjects)
        return Evidence((told,), "one test over all models" if test else "the only pair", self._level(len(pairs)))

    def _outdo(self) -> Evidence:
        """The model and method that decide are those whose difference is the stored effect."""
        reference, tried, named = self.stored["method"], 0, {}
        for model in self._judged:
            pairs = self._pairs("method", model)
            for method in self.asked.methods:
                pair = pairs[pairs["a"].isin((method, reference)) & pairs["b"].isin((method, reference))]
                tried += len(pair)
                if np.isclose(pair["difference"].abs(), abs(self.stored["effect"]), rtol=0, atol=1e-9).any():
                    named = {"models": model, "methods": method, "method": reference}
        if not named:
            return Evidence(())
        found = self._numbers
        columns = {key: (found[key],) for key in ("effect", "p", "groups")}
        told = [state("claim.outdo", numbers=columns, **named, **self._subjects)]
        if found["margin"]:
            told.append(state("claim.within_margin", numbers={"margin": found["margin"]}))
        tests = f"Holm-corrected over {numbers.counted(tried, 'comparison')} with {called(reference)}"
        return Evidence(tuple(told), tests, self._level(tried))

    def _shows_cue(self) -> Evidence:
        if not self._relying:
            found: list[Statement] = []
            for _, top in self._most_reliant.iterrows():
                ends = {key: float(top[key]) for key in ("difference", "low", "high")}
                found.append(state("claim.no_cue_user", numbers=ends, model=top["model"]))
            return Evidence(tuple(found or [state("claim.no_cue_user")]))
        metric, method, table = self.stored["metric"], self.stored["method"], self.results.table("cue")
        of = table[table["seed"].isna() & table["model"].isin(self._relying) & table["method"].isin(self.found.methods)]
        known = rows(of, metric=metric, method=method).dropna(subset="difference")
        if known.empty:
            return Evidence((state("claim.no_cue_score", models=self._relying, metric=metric, method=method),))
        columns = {key: tuple(known[key].tolist()) for key in ("difference", "low", "high", "groups")}
        named = {"models": known["model"], "verdicts": known["verdict"], "method": method}
        tests = int(of.dropna(subset="p").groupby("model").size().max())
        told = state("claim.cue", numbers=columns, **named, **self._subjects)
        return Evidence((told,), f"Holm-corrected over {tests} methods and metrics", self.found.alpha / tests)

    def _of_parts(self) -> Evidence:
        known = [row for row in self.parts if row.name in self.found.findings[self.name].measured]
        named = {
            word: [row.stored["metric"] or row.stored["family"] for row in known if row.verdict == word]
            for word in VERDICTS
        }
        counts = {"parts": len(known), "unmeasured": len(self.parts) - len(known) or None}
        tested = [row for row in known if not pd.isna(row.stored["effect"])]
        if tested:
            counts |= {"tested": len(tested)} | {key: float(self.stored[key]) for key in ("effect", "low", "high")}
        return Evidence((state("claim.parts", numbers=counts, **named),))


def _of_criteria(results: Results, row: dict) -> Row:
    """A row of `check_criteria`, with its evidence."""
    kept = {key: row[key] for key in CLAIMS if key not in ("evidence", "change")}
    stored = pd.Series({key: nan if value is None else value for key, value in kept.items()})
    return Row(results, stored, None, known=Evidence(tuple(row["evidence"]), CRITERIA_TESTS if row["family"] else ""))


def _runs(results: Results, model: str) -> list[tuple[float, float]]:
    """The measure of competence of each training run, with the low end of its interval."""
    if results.found.multilabel:
        of, value = rows(results.table("multilabel"), model=model, measure="auroc_macro"), "value"
    else:
        of, value = rows(results.table("models"), model=model), "balanced_accuracy"
    return list(of[[value, "low"]].itertuples(index=False, name=None))


def read(studies: Iterable[Results]) -> list[Row]:
    """Return the claims and findings of all studies that have run, claim by claim, in the order of the studies.

    A stored claim that its study's configuration no longer asks is left out.
    """
    there = {results.study: results for results in studies if results.there}
    configured = load(studies=list(there)) if there else {}
    found: dict[str, list[Row]] = {}
    for study, results in there.items():
        asked, table = configured[study].stats, results.table("claims").set_index("name", drop=False)
        for name, claim in asked.claims.items():
            if claim and name in table.index:
                found.setdefault(name, []).append(Row(results, table.loc[name], claim, margin=asked.margin["default"]))
        for name, finding in asked.findings.items():
            if finding and finding.criteria:  # from the stored means, also of results that are older than the finding
                made = check_criteria(name, finding.model_dump(), results.table("metrics"), results.found)
                *parts, whole = (_of_criteria(results, row) for row in made)
                found.setdefault(name, []).append(replace(whole, parts=tuple(parts)))
            elif finding and name in results.found.findings:
                shared = {"source": finding.source, "claim": finding.claim, "check": "lower", "method": "all methods"}
                contrast = shared | {"models": finding.than, "than": finding.models}
                parts = tuple(
                    Row(results, row, Claim(**contrast, family=row["family"], metric=row["metric"]), part=True)
                    for part in results.found.findings[name].parts
                    for row in [table.loc[part]]
                )
                found.setdefault(name, []).append(Row(results, table.loc[name], None, parts))
    return [row for of in found.values() for row in of]


def summary(rows_: Sequence[Row]) -> dict[str, int]:
    """Count the tests of claims: all that can be made, those that are decided, and each verdict."""
    asked = [row for row in rows_ if row.askable]
    counts = {verdict: sum(row.verdict == verdict for row in asked) for verdict in VERDICTS}
    return counts | {"asked": len(asked), "decided": sum(row.decided for row in asked)}


def verdicts(rows_: Iterable[Row]) -> dict[str, dict[str, list[str]]]:
    """Return claim -> verdict -> the studies that have it, of claims that can be tested."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows_:
        if row.askable:
            found.setdefault(row.claim, {}).setdefault(row.verdict, []).append(row.study)
    return found


def untested(rows_: Iterable[Row]) -> list[tuple[list[str], list[str], str]]:
    """Return claims, studies and the reason why these cannot test those, a line for each reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows_:
        if not row.askable:
            found.setdefault((row.claim, row.obstacle), []).append(row.study)
    joined: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for (claim, reason), studies in found.items():
        joined.setdefault((tuple(studies), reason), []).append(claim)
    return [(claims, [*studies], reason) for (studies, reason), claims in joined.items()]


def criteria(row: Row) -> tuple[list[str], list[tuple[str, str, list[str]]]]:
    """Return the metrics of a finding with criteria, and of each method and model whether it fails or passes each."""
    metrics = list(dict.fromkeys(part.stored["metric"] for part in row.parts))
    found: dict[tuple[str, str], dict[str, str]] = {}
    for part in row.parts:
        model = part.known.statements[0].one("model")
        found.setdefault((part.stored["method"], model), {})[part.stored["metric"]] = OUTCOMES[part.verdict]
    return metrics, [(*pair, [of.get(metric, numbers.NONE) for metric in metrics]) for pair, of in found.items()]


def table(rows_: Iterable[Row]) -> pd.DataFrame:
    """Return the claims as a table: what is stored of each, why it cannot be tested, how many groups would decide."""
    kept = [name for name in CLAIMS if name not in ("evidence", "change")]
    return pd.DataFrame(
        [
            {"study": row.study, **row.stored[kept]}
            | {"p_of": row.evidence.tests if row.askable else "", "obstacle": row.obstacle}
            | {"groups_needed": row.needed[0] if row.needed else None}
            for row in rows_
        ],
        columns=["study", *kept, "p_of", "obstacle", "groups_needed"],
    ).astype({"groups_needed": "Int64", "groups": "Int64"})
