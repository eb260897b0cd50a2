"""What statements on one family and method must hold: against the controls, between models, and of the means."""

from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
from stats.checking import Rules
from stats.generated import ALPHA, EMPTY, LEVEL, MARGIN, POWER, REFUSED, TRUTHLESS, Study

from heatproof.core.statements import Statement
from heatproof.stats.tests.power import groups_for, spread_of

NO_ROWS = pd.DataFrame(columns=["control", "verdict", "smallest_p"])
rule = Rules()


@dataclass(eq=False)
class Told:
    """A family and a method of a study."""

    study: Study
    family: str
    method: str

    @classmethod
    def of(cls, study: Study, one: Statement) -> "Told":
        return told_of(study, one.one("family"), one.one("method"))

    @property
    def metric(self) -> str:
        return self.study.given.primary[self.family]

    @property
    def good(self) -> int:
        return self.study.good(self.family)

    def mean(self, method: str, model: str) -> float:
        return self.study.mean(self.family, method, model)

    def means(self, method: str, models: list[str]) -> list[float]:
        """Those that are there."""
        found = [self.mean(method, model) for model in models]
        return [mean for mean in found if np.isfinite(mean)]

    def scored(self) -> list[str]:
        return [m for m in self.study.competent if np.isfinite(self.mean(self.method, m))]

    def seen(self) -> list[str]:
        return [m for m in self.scored() if m not in self.blind()]

    def blind(self) -> list[str]:
        return self.unvalidated() if self.family == "localization" else []

    def unvalidated(self) -> list[str]:
        """Models on whose images the metric does not tell the truth from noise, of those with scores."""
        return [m for m in self.scored() if self.separates(m) is False]

    def separates(self, model: str) -> bool | None:
        """By signs alone, as every group of a model that passes leads; None from too few groups to tell."""
        return self.study.results.families[self.family].separates.get(model)

    def of_table(self, name: str, **keys) -> pd.DataFrame:
        table = self.study.tables[name]
        keys = {"family": self.family, "metric": self.metric} | keys
        for key, value in keys.items() if len(table) else ():
            table = table[table[key] == value]
        return table

    @cached_property
    def against(self) -> dict[str, pd.DataFrame]:
        table = self.of_table("controls", method=self.method)
        return dict(list(table.groupby("model"))) if len(table) else {}

    def rows(self, model: str) -> pd.DataFrame:
        """Against the controls."""
        return self.against.get(model, NO_ROWS)

    def word(self, model: str) -> str:
        """better, worse, unclear; "" of a model without a row."""
        found = set(self.rows(model)["verdict"])
        return "worse" if "worse" in found else "better" if found == {"better"} else "unclear" if found else ""

    def having(self, word: str) -> list[str]:
        return [m for m in self.study.competent if self.word(m) == word]

    def controls(self) -> list[str]:
        return list(dict.fromkeys(name for m in self.study.competent for name in self.rows(m)["control"]))

    @cached_property
    def compared(self) -> pd.DataFrame:
        return self.of_table("pairs", factor="model", within=self.method)

    def pairs(self) -> pd.DataFrame:
        return self.compared

    def declared(self) -> pd.Series | None:
        """The test over all models that counts; None where it could not be made."""
        test = "quasi_f" if self.complete_seeds() else self.study.given.settings["test"]
        rows = self.of_table("omnibus", factor="model", within=self.method, test=test)
        return rows.iloc[0] if len(rows) else None

    def complete_seeds(self) -> bool:
        """Whether there are five seeds, and two groups or more with a score of every model in each of them."""
        scores = self.study.scores[self.study.scores["family"] == self.family]
        groups = [set(self.study.by_group[self.family, self.method, m].index) for m in self.seen()]
        return bool(groups) and scores["seed"].nunique() >= 5 and len(set.intersection(*groups)) > 1

    def share(self, question: str) -> float:
        """The part of alpha: half each, all of it where the other question is not open."""
        first = ALPHA / 2 if len(self.seen()) > 1 else ALPHA
        if not self.controls():
            return ALPHA
        settled = not self.having("unclear")
        return first if question == "controls" else ALPHA if settled else first

    def apart(self) -> pd.DataFrame:
        pairs, test = self.pairs(), self.declared()
        if pairs.empty or (len(self.seen()) > 2 and (test is None or test["p"] > self.share("models"))):
            return pairs[:0]
        return pairs[pairs[self.p()] <= self.share("models")]

    def over_seeds(self) -> bool:
        """Whether verdicts are on architectures."""
        return self.complete_seeds() or (len(self.pairs()) > 0 and self.p() == "p_seeds")

    def p(self) -> str:
        return "p_seeds" if self.pairs()["p_seeds"].notna().any() else "p_corrected"

    def smallest(self) -> float:
        """The p of Wilcoxon's test where all differences have one sign, times the pairs; t tests have no limit."""
        groups = self.pairs()["groups"].max()
        if self.p() == "p_seeds" or self.study.given.settings["test"] == "rm_anova":
            return 0.0 if groups > 1 else 1.0
        return min(1.0, len(self.pairs()) * 2.0 ** (1 - groups))

    def seed_means(self, model: str) -> list[float]:
        of = self.study.scores.query("family == @self.family and method == @self.method and model == @model")
        return list(of.groupby(["seed", "group"])["value"].mean().groupby("seed").mean().dropna())

    def missing(self, model: str) -> tuple[int, Counter]:
        """Scores that could be had, and the reasons of those that are missing."""
        of = self.study.scores.query("family == @self.family and method == @self.method and model == @model")
        lost = Counter(reason for reason in of["reason"] if reason == EMPTY)
        return len(of) - sum(of["reason"].isin([TRUTHLESS, REFUSED])), lost

    def named(self) -> dict:
        return {"family": self.family, "method": self.method, "metric": self.metric}

    def scope(self) -> dict:
        """Whom verdicts speak of."""
        if self.over_seeds():
            assert self.study.seeds >= 5
            return {"scope": "architectures"}
        return {"scope": "trained" if all(self.study.given.setting.epochs.values()) else "checkpoints"}


@cache
def told_of(study: Study, family: str, method: str) -> Told:
    return Told(study, family, method)


def led(study: Study, one: Statement) -> dict:
    """With the method that a statement of the answer is by, where there are several."""
    return {"by": study.results.lead} if "by" in one.subjects and len(study.methods) > 1 else {}


# against the controls


@rule("family.not_judged")
def _(study, one):
    told = Told.of(study, one)
    assert not told.scored()
    of = study.scores.query("family == @told.family and method == @told.method and model in @study.competent")
    counts = Counter(of.loc[of["value"].isna(), "reason"])
    most = [reason for reason in sorted(counts) if counts[reason] == max(counts.values())]
    reason = "not_competent" if not study.competent else one.reason if one.reason in most else "no_scores"
    assert reason != "no_scores" or not counts
    return told.named() | led(study, one) | {"reason": reason}


def _against(study, one, word: str, models: list[str] | None = None) -> dict:
    told = Told.of(study, one)
    found = told.having(word)
    models = found if models is None else models
    assert models and set(models) <= set(found)
    if word != "unclear":
        way = told.good * (1 if word == "better" else -1)
        rows = pd.concat([of[of["verdict"] == word] for of in map(told.rows, models)])
        assert (way * rows["difference"] > 0).all() and (rows["p_corrected"] <= told.share("controls")).all()
    numbers: dict = {"seeds": study.seeds}
    named = told.named() | told.scope() | {"unit": "patient", "models": models, "controls": told.controls()}
    if "mean" in one.numbers:
        table = told.of_table("metrics", method=told.method).set_index("model").loc[models]
        assert np.allclose(table["mean"], [told.mean(told.method, model) for model in models])
        numbers |= {name: table[name].tolist() for name in ("mean", "low", "high")}
        beside, controls = hardest(told, models, one)
        numbers, named = numbers | beside, named | controls
    else:
        assert one in study.results.answer
    return named | led(study, one) | {"numbers": numbers}


def hardest(told: Told, models: list[str], one: Statement) -> tuple[dict, dict]:
    """The means of the controls, of more than two only those of the one that is hardest to beat, any of equal ones."""
    means = {name: of for name in told.controls() if (of := told.means(name, models))}
    role = "beside"
    if len(means) > 2:
        sizes, best, role = {name: told.good * np.mean(of) for name, of in means.items()}, one.one("hardest"), "hardest"
        assert sizes[best] > max(sizes.values()) - 1e-9
        means = {best: means[best]}
    numbers = {"control_low": [min(of) for of in means.values()], "control_high": [max(of) for of in means.values()]}
    return numbers, {role: list(means)}


@rule("controls.better")
def _(study, one):
    return _against(study, one, "better")


@rule("controls.no_evidence")
def _(study, one):
    return _against(study, one, "unclear")


@rule("controls.worse")
def _(study, one):
    told = Told.of(study, one)
    by = {m: [*told.rows(m).query("verdict == 'worse'")["control"]] for m in told.having("worse")}
    beaten_by = by[one.one("models")]
    models = [model for model, names in by.items() if names == beaten_by]
    return _against(study, one, "worse", models) | {"beaten_by": beaten_by}


@rule("controls.none")
def _(study, one):
    told = Told.of(study, one)
    assert all(told.rows(model).empty for model in study.competent)
    return told.named() | led(study, one)


@rule("controls.too_few")
def _(study, one):
    told = Told.of(study, one)
    rows = pd.concat([told.rows(model) for model in told.having("unclear")])
    assert (rows["smallest_p"] > told.share("controls")).all()
    return told.named() | told.scope() | {"unit": "patient"} | led(study, one)


@rule("controls.blind")
def _(study, one):
    """With the models where others have a verdict, or of all that have scores."""
    told = Told.of(study, one)
    assert told.blind()
    if "models" not in one.subjects:
        assert told.blind() == told.scored()
        return told.named() | led(study, one)
    return told.named() | told.scope() | {"unit": "patient", "models": told.blind()} | led(study, one)


@rule("controls.unvalidated")
def _(study, one):
    """All of them in the scores; one by one where both answers are decided."""
    told = Told.of(study, one)
    models = told.unvalidated()
    for model in models:
        truth, noise = (study.by_group[told.family, name, model] for name in ("truth", "random"))
        leads = (told.good * (truth - noise)).dropna()
        assert not ((leads > 0).all() and len(study.competent) * 2.0 ** (1 - len(leads)) <= ALPHA)
    if "combined" in one.evidence:
        models = [model for model in models if model == one.one("models")]
    return told.named() | led(study, one) | {"models": models or None}


# the models


def _compared(told: Told, one: Statement, **more) -> dict:
    """With the means that the answer gives."""
    numbers, named = more.pop("numbers", {}), {}
    if "lowest" in one.numbers:
        assert one in told.study.results.answer
        means = told.means(told.method, told.seen())
        beside, named = hardest(told, told.seen(), one)
        numbers = numbers | {"lowest": min(means), "highest": max(means)} | beside
        named |= {"better": "lower"} if told.good < 0 else {}
    named = told.named() | told.scope() | {"unit": "patient"} | named | led(told.study, one)
    return named | more | {"numbers": numbers}


@rule("pairs.single")
def _(study, one):
    told = Told.of(study, one)
    assert len(told.seen()) == 1
    return _compared(told, one)


@rule("pairs.no_common")
def _(study, one):
    told = Told.of(study, one)
    assert told.pairs().empty and len(told.seen()) > 1
    return _compared(told, one)


@rule("pairs.apart")
def _(study, one):
    told = Told.of(study, one)
    apart = told.apart()
    top = apart.loc[apart["difference"].abs().idxmax()]
    over, under = (top["a"], top["b"]) if top["difference"] > 0 else (top["b"], top["a"])
    if study.scores["value"].notna().all():
        assert told.mean(told.method, over) > told.mean(told.method, under)
    numbers = {"apart": len(apart), "tested": len(told.pairs()), "difference": abs(top["difference"])}
    numbers["effect"] = np.sign(top["difference"]) * top["effect"]
    return _compared(told, one, over=over, under=under, numbers=numbers)


@rule("pairs.as_a_set")
def _(study, one):
    told = Told.of(study, one)
    assert told.apart().empty and len(told.pairs()) and told.declared()["p"] <= told.share("models")
    return _compared(told, one)


@rule("pairs.too_few", "pairs.no_evidence")
def _(study, one):
    told = Told.of(study, one)
    assert told.apart().empty and len(told.pairs())
    assert told.declared() is None or told.declared()["p"] > told.share("models") or len(told.seen()) < 3
    assert (one.kind == "pairs.too_few") == (told.smallest() > told.share("models"))
    return _compared(told, one)


def _tested(told: Told, numbers: dict, **more) -> dict:
    return told.named() | told.scope() | {"unit": "patient", "numbers": numbers} | more


@rule("test.over_all")
def _(study, one):
    told = Told.of(study, one)
    row = told.declared()
    numbers = {name: row[name] for name in ("statistic", "df1", "df2", "effect", "p", "groups")}
    numbers = {name: value for name, value in numbers.items() if not pd.isna(value)}
    return _tested(told, numbers | {"models": row["levels"], "level": told.share("models")}, test=row["test"])


@rule("test.largest")
def _(study, one):
    told = Told.of(study, one)
    row = told.apart().loc[told.apart()["difference"].abs().idxmax()]
    effect = np.sign(row["difference"]) * row["effect"]
    return _tested(told, {"effect": effect, "p": row[told.p()], "tested": len(told.pairs())})


def _sides(pairs: pd.DataFrame) -> dict:
    assert len(pairs)
    return {"a": list(pairs["a"]), "b": list(pairs["b"])}


@rule("test.equivalent")
def _(study, one):
    told = Told.of(study, one)
    same = told.pairs().query("p_equivalent <= @ALPHA")
    assert (same["difference"].abs() < MARGIN).all()
    return _tested(told, {"margin": MARGIN}, **_sides(same))


@rule("test.within_seeds")
def _(study, one):
    told = Told.of(study, one)
    spread = {model: np.ptp(told.seed_means(model) or [0]) for model in study.competent}
    rest = told.pairs().drop(told.apart().index)
    close = [abs(row.difference) < min(spread[row.a], spread[row.b]) for row in rest.itertuples()]
    return _tested(told, {}, **_sides(rest[close]))


@rule("test.too_few")
def _(study, one):
    told = Told.of(study, one)
    assert told.smallest() > told.share("models")
    numbers = {"groups": told.pairs()["groups"].max(), "tested": len(told.pairs()), "smallest_p": told.smallest()}
    return _tested(told, numbers)


@rule("test.detectable")
def _(study, one):
    told = Told.of(study, one)
    row = told.pairs().loc[told.pairs()["detectable"].astype(float).idxmax()]
    assert len(told.apart()) < len(told.pairs()) and not told.over_seeds()
    numbers = {"groups": row["groups"], "detectable": row["detectable"], "power": POWER}
    if row["detectable"] > MARGIN:  # from the interval of that pair
        spread, level = spread_of((row["low"], row["high"]), row["groups"], LEVEL), told.share("models")
        ranks = study.given.settings["test"] == "friedman"
        enough = groups_for(MARGIN, spread, level / len(told.pairs()), POWER, ranks)
        numbers |= {"margin": MARGIN, "enough": enough}
    return _tested(told, numbers)


@rule("test.dropped")
def _(study, one):
    told = Told.of(study, one)
    groups = [set(study.by_group[told.family, told.method, model].index) for model in told.seen()]
    every, shared = set.union(*groups), set.intersection(*groups)
    assert every != shared
    return _tested(told, {"dropped": len(every - shared), "groups": len(every)})


@rule("methods.no_evidence")
def _(study, one):
    told = Told.of(study, one)
    assert not _ahead(told)
    return told.named() | {"lead": study.results.lead}


@rule("methods.apart")
def _(study, one):
    told, found = Told.of(study, one), {}
    for model, difference in _ahead(told).items():
        way = "better" if difference * told.good > 0 else "worse"
        found.setdefault(way, {})[model] = abs(difference)
    assert found
    numbers = {way: list(of.values()) for way, of in found.items()}
    return told.named() | {"lead": study.results.lead, "numbers": numbers} | {w: list(of) for w, of in found.items()}


def _ahead(told: Told) -> dict[str, float]:
    """Model -> this method's mean less that of the lead, where the two can be told apart."""
    rows, found = told.of_table("pairs", factor="method"), {}
    for row in rows.itertuples():
        p = row.p_seeds if rows["p_seeds"].notna().any() else row.p_corrected
        if {row.a, row.b} == {told.study.results.lead, told.method} and p <= ALPHA:
            found[row.within] = row.difference if row.a == told.method else -row.difference
    return found


# what a mean hides


@rule("scores.missing")
def _(study, one):
    told, model = Told.of(study, one), one.one("models")
    count, lost = told.missing(model)
    share = sum(lost.values()) / count
    assert model in study.competent and share > 0.05
    mean = told.mean(told.method, model)
    numbers = {"share": share} | ({"mean": mean} if np.isfinite(mean) else {})
    return told.named() | {"models": model, "unit": "patient", "reason": EMPTY, "numbers": numbers}


@rule("scores.worst")
def _(study, one):
    told = Told.of(study, one)
    rows = told.of_table("sensitivity", method=told.method).query("changed")
    lost = sum(sum(told.missing(model)[1].values()) for model in study.competent if model not in told.blind())
    assert lost > 0
    ends = {"of": rows["subject"], "main": rows["main"], "worst": rows["worst_rank"]}
    return told.named() | {"numbers": {"missing": lost}} | ends


@rule("scores.ceiling")
def _(study, one):
    told = Told.of(study, one)
    means = {model: told.mean("ceiling", model) for model in study.competent}
    low, high = one.subjects["models"]
    assert means[low] < min(means.values()) + 1e-9 and means[high] > max(means.values()) - 1e-9
    assert means[high] - means[low] > 0.05
    return told.named() | {"models": [low, high], "numbers": {"mean": [means[low], means[high]]}}


@rule("scores.seed_spread")
def _(study, one):
    told = Told.of(study, one)
    spreads = {m: np.ptp(of) for m in told.scored() if len(of := told.seed_means(m)) > 1}
    means = told.means(told.method, told.scored())
    model = one.one("models")
    assert spreads[model] > max(spreads.values()) - 1e-9
    numbers = {"spread": spreads[model]} | ({"apart": np.ptp(means)} if len(means) > 1 else {})
    return told.named() | {"models": model, "numbers": numbers}
