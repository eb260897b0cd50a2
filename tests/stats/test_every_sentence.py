"""Every sentence of the statistics against the numbers that it speaks of, over studies drawn at random.

A sentence is read by the one rule that its words match, and the rule works out from the tables and the raw scores
whether it is true. A sentence that no rule reads fails as well: new words need a rule.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from heatproof.stats.sentences import words
from stats.generated import EMPTY, LOWER, PRIMARY, REFUSED, TRUTHLESS, Study, draw
from stats.made import SETTINGS
from stats.reading import NAMES, NUMBER, SPAN, Rules, every, is_p, named, near, spans

from heatproof.catalogue.controls import BEATABLE
from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.metrics import judged_by_truth
from heatproof.report import tables
from heatproof.report import words as report_words
from heatproof.report.sections import overview, trust
from heatproof.report.sections import told as left_out

ALPHA = SETTINGS["alpha"]
METRICS = {words.plain(metric).lower(): family for family, metric in PRIMARY.items()}
METRIC = f"(?P<metric>{'|'.join(map(re.escape, METRICS))})"
CLAIM = f"(?:{'|'.join(re.escape(family.claim) for family in FAMILIES.values() if family.claim)})"
CONTROL = [*map(words.control_name, BEATABLE), "the heatmap of another image"]
CONTROLS = f"(?:every control|(?:{'|'.join(map(re.escape, CONTROL))})(?: and (?:{'|'.join(map(re.escape, CONTROL))}))*)"
WHO = r"(?:As trained here, |Over (?P<seeds>\d+) training seeds, )?"
BESIDE = r"(?: \((?P<beside>.*)\))?"
MANY = r"(?P<many>models|architectures)"
rule = Rules()


@dataclass
class Told:
    """What a sentence is told of: one study, and a family and a method of it ("" where it is of all)."""

    study: Study
    family: str
    method: str

    @property
    def tables(self):
        return self.study.made[0]

    @property
    def summary(self):
        return self.study.made[1]

    @property
    def metric(self):
        return PRIMARY[self.family]

    @property
    def good(self):
        return -1 if self.family in LOWER else 1

    def mean(self, method: str, model: str) -> float:
        return self.study.means.get((self.family, method, model), np.nan)

    def scored(self) -> list[str]:
        return [m for m in self.study.competent if np.isfinite(self.mean(self.method, m))]

    def seen(self) -> list[str]:
        return [m for m in self.scored() if m not in self.blind()]

    def blind(self) -> list[str]:
        return self.unvalidated() if judged_by_truth(self.family, self.metric) else []

    def unvalidated(self) -> list[str]:
        return [m for m in self.scored() if self.summary["separates"].get(self.family, {}).get(m) is False]

    def rows(self, model: str) -> pd.DataFrame:
        table = self.tables["controls"]
        if table.empty:
            return pd.DataFrame(columns=["control", "verdict", "difference", "smallest_p"])
        named = (table["family"] == self.family) & (table["method"] == self.method)
        return table[named & (table["model"] == model)]

    def word(self, model: str) -> str:
        """better, worse, unclear; "" of a model without a row."""
        found = set(self.rows(model)["verdict"])
        return "worse" if "worse" in found else "better" if found == {"better"} else "unclear" if found else ""

    def having(self, word: str) -> set[str]:
        return {m for m in self.study.competent if self.word(m) == word}

    def pairs(self) -> pd.DataFrame:
        table = self.tables["pairs"]
        if table.empty:
            return table
        of = (table["family"] == self.family) & (table["metric"] == self.metric)
        return table[of & (table["factor"] == "model") & (table["within"] == self.method)]

    def omnibus(self, test: str) -> pd.Series | None:
        table = self.tables["omnibus"]
        if table.empty:
            return None
        of = (table["family"] == self.family) & (table["metric"] == self.metric) & (table["test"] == test)
        rows = table[of & (table["factor"] == "model") & (table["within"] == self.method)]
        return rows.iloc[0] if len(rows) else None

    def declared(self) -> pd.Series | None:
        quasi = self.omnibus("quasi_f")
        over = self.summary["population"][self.family][self.method] == "architectures"
        assert not over or self.study.seeds >= 5
        return quasi if quasi is not None else self.omnibus("friedman")

    def share(self, question: str) -> float:
        return self.summary["shares"][self.family][self.method][question]

    def apart(self) -> pd.DataFrame:
        pairs, test = self.pairs(), self.declared()
        if pairs.empty or (len(self.seen()) > 2 and (test is None or test["p"] > self.share("models"))):
            return pairs[:0]
        return pairs[pairs[self.p()] <= self.share("models")]

    def p(self) -> str:
        return "p_seeds" if self.pairs()["p_seeds"].notna().any() else "p_corrected"


# one family and method: against the controls


@rule(r"(?P<family>\w+) is not judged: no model is competent with all its trainings\.")
def _(told, found):
    assert not told.study.competent


@rule(r"(?P<family>\w+) cannot be judged: (?P<why>.*)\.")
def _(told, found):
    told.family = found["family"].lower()
    assert told.study.competent and not told.scored()
    of = told.study.scores
    of = of[(of["family"] == told.family) & (of["method"] == told.method) & of["model"].isin(told.study.competent)]
    counts = Counter(of.loc[of["value"].isna(), "reason"])
    reasons = {words.cause(reason) for reason in counts if counts[reason] == max(counts.values())}
    assert found["why"] in (reasons or {"there are no scores"})


@rule(
    rf"{METRIC} does not tell the true region from a random map on (?:this data|the images of "
    rf"(?P<names>{NAMES})): no verdict\.(?: Either .*)?"
)
def _(told, found):
    told.family = METRICS[found["metric"].lower()]
    assert set(told.blind()) == set(named(found["names"]) if found["names"] else told.scored()) != set()


@rule(
    rf"{METRIC} cannot be validated on the images of (?P<names>{NAMES}): it does not rank the true region above a "
    rf"random map\. Either the metric fails there, or the (?P<who>models? uses?) something else "
    rf"than the marked region\."
)
def _(told, found):
    assert named(found["names"]) == told.unvalidated() and METRICS[found["metric"].lower()] == told.family
    assert found["who"] == ("model uses" if len(told.unvalidated()) == 1 else "models use")


@rule(rf"{WHO}the heatmaps of (?P<names>{NAMES}) {CLAIM} (?P<controls>{CONTROLS}){BESIDE}\.")
def _(told, found):
    assert set(named(found["names"])) == told.having("better")
    for model in named(found["names"]):
        assert (told.good * told.rows(model)["difference"] > 0).all() and len(told.rows(model))
    beside(told, found)


@rule(
    rf"{WHO}the heatmaps of (?P<names>{NAMES}) (?:do worse than|fail the sanity check: .* than) "
    rf"(?P<controls>{CONTROLS}(?: and {CONTROLS}|, {CONTROLS})*){BESIDE}\."
)
def _(told, found):
    for model in named(found["names"]):
        worse = told.rows(model).query("verdict == 'worse'")
        names = {words.control_name(name, told.family) for name in worse["control"]}
        assert {name for name in CONTROL if name in found["controls"]} == names != set()
        assert (told.good * worse["difference"] < 0).all()
    beside(told, found)


@rule(rf"That the heatmaps of (?P<names>{NAMES}) {CLAIM} (?P<controls>{CONTROLS}) could not be shown{BESIDE}\.")
def _(told, found):
    assert set(named(found["names"])) == told.having("unclear")
    beside(told, found)


def beside(told, found):
    """The controls, and means in brackets."""
    every = {name for m in told.study.competent for name in told.rows(m)["control"]}
    if found["controls"] == "every control":
        assert len(every) > 2
    if found.groupdict().get("seeds"):
        assert int(found["seeds"]) == told.study.seeds >= 5
    if not found["beside"]:
        return
    head, *rest = found["beside"].split("; ")
    metric, _, means = head.partition(": ")
    assert METRICS[metric.lower()] == told.family
    parts = re.findall(rf"(\w+) ({NUMBER})(?: \[({NUMBER}), ({NUMBER})\])?", means)
    assert [model for model, *_ in parts] == named(found["names"])
    table = told.tables["metrics"].set_index(["metric", "method", "model"])
    for model, mean, low, high in parts:
        row = table.loc[(told.metric, told.method, model)]
        assert near(mean, told.mean(told.method, model))
        assert not low or (near(low, row["low"]) and near(high, row["high"]))
    hardest(told, rest, named(found["names"]), lambda name, span: f"{name} {span}")


def hardest(told, texts, models, form):
    for text in texts:
        (control,) = [name for name in BEATABLE if words.control_name(name, told.family) in text]
        (span,) = re.findall(rf"(?<![\w.]){SPAN}", text)
        values = [told.mean(control, model) for model in models]
        assert spans(span, [value for value in values if np.isfinite(value)])
        if "the hardest control" in text:
            others = [n for n in {n for m in models for n in told.rows(m)["control"]} if n != control]
            best = told.good * np.nanmean(values)
            assert all(best >= told.good * np.nanmean([told.mean(n, m) for m in models]) - 1e-9 for n in others)


@rule(r"There are too few patients for these tests to find anything\.")
def _(told, found):
    rows = pd.concat([told.rows(model) for model in told.having("unclear")])
    assert (rows["smallest_p"] > told.share("controls")).all()


@rule(r"There is no control to hold these heatmaps against\.")
def _(told, found):
    assert all(told.rows(model).empty for model in told.study.competent)


# the models


def means_beside(told, text):
    """`(mean IoU 0.2 to 0.4; 0.3 for a random map)` behind the comparison of the headline."""
    if not text:
        return
    head, *rest = text.split("; ")
    models = told.seen()
    assert ("lower is better" in head) == (told.family in LOWER)
    assert spans(re.search(rf"{SPAN}$", head)[0], [told.mean(told.method, model) for model in models])
    hardest(told, rest, models, None)


END = r"(?: \((?P<beside>mean .*)\))?\."


@rule(rf"Only one model takes part, so there is nothing to compare{END}")
def _(told, found):
    assert len(told.seen()) == 1
    means_beside(told, found["beside"])


@rule(rf"The models cannot be compared: none of the patients has a value for every model{END}")
def _(told, found):
    assert told.pairs().empty and len(told.scored()) > 1
    means_beside(told, found["beside"])


@rule(
    rf"The (?P<two>two )?{MANY} differ: (?:(?P<count>\d+) of (?P<all>\d+) pairs can be told apart; the "
    rf"largest difference is )?(?P<a>\w+) over (?P<b>\w+) by (?P<by>{NUMBER})(?P<carried> in the mean, "
    rf"which a few large differences carry: by ranks, which the test uses, \w+ is ahead)?{END}"
)
def _(told, found):
    apart, top = told.apart(), told.apart()["difference"].abs().max()
    assert len(apart) == int(found["count"] or 1) and len(told.pairs()) == int(found["all"] or 1)
    assert bool(found["two"]) == (len(told.pairs()) == 1)
    higher, lower = told.mean(told.method, found["a"]), told.mean(told.method, found["b"])
    row = apart[[{found["a"], found["b"]} == {x, y} for x, y in zip(apart["a"], apart["b"], strict=True)]].iloc[0]
    assert near(found["by"], abs(row["difference"])) and abs(row["difference"]) == top
    assert (row["difference"] > 0) == (row["a"] == found["a"])
    if told.study.scores["value"].notna().all():
        assert higher > lower
    assert bool(found["carried"]) == (row["effect"] * row["difference"] < 0)
    means_beside(told, found["beside"])


@rule(rf"As a set the {MANY} differ, but no single pair can be told apart{END}")
def _(told, found):
    assert told.apart().empty and told.declared()["p"] <= told.share("models")
    means_beside(told, found["beside"])


@rule(rf"There are too few patients to tell whether the {MANY} differ{END}")
def _(told, found):
    assert told.apart().empty and len(told.pairs())
    assert told.pairs()["groups"].max() <= 2 or smallest(told) > told.share("models")
    means_beside(told, found["beside"])


@rule(rf"No difference between {MANY} could be shown, which does not mean that they are the same{END}")
def _(told, found):
    assert told.apart().empty and len(told.pairs()) and smallest(told) <= told.share("models")
    means_beside(told, found["beside"])


def smallest(told) -> float:
    """The p of Wilcoxon's test where all differences have one sign, times the pairs; t tests have no limit."""
    groups = told.pairs()["groups"].max()
    if told.p() == "p_seeds":
        return 0.0 if groups > 1 else 1.0
    return min(1.0, len(told.pairs()) * 2.0 ** (1 - groups))


@rule(
    rf"(?P<test>Friedman's test|Quasi-F) of {METRIC} over (?P<models>\d+) models: .*, (?P<p>p [<=] "
    rf"[\d.]+), (?P<groups>\d+) patients?; at most (?P<alpha>[\d.]+) counts here\."
)
def _(told, found):
    row = told.declared()
    assert row["test"] == {"Friedman's test": "friedman", "Quasi-F": "quasi_f"}[found["test"]]
    assert (row["levels"], row["groups"]) == (int(found["models"]), int(found["groups"]))
    assert is_p(found["p"], row["p"]) and float(found["alpha"]) == told.share("models")


@rule(
    rf"The (?P<most>largest )?difference has rank-biserial (?P<effect>{NUMBER}), (?P<p>p [<=] "
    rf"[\d.]+)(?P<holm>, Holm-corrected)?\."
)
def _(told, found):
    row = told.apart().loc[told.apart()["difference"].abs().idxmax()]
    assert near(found["effect"], np.sign(row["difference"]) * row["effect"]) and is_p(found["p"], row[told.p()])
    assert bool(found["most"]) == bool(found["holm"]) == (len(told.pairs()) > 1)


@rule(
    rf"Smaller than (?P<margin>{NUMBER}), the margin .*?, (?P<are>(?:is|are) the differences?) between "
    rf"(?P<pairs>.*) \(two one-sided tests(?:, of these checkpoints)?\)\."
)
def _(told, found):
    same = told.pairs().query("p_equivalent <= @ALPHA")
    listed(found, same)
    assert (same["difference"].abs() < float(found["margin"])).all()


@rule(r"Smaller than between the seeds of either model (?P<are>(?:is|are) the differences?) between (?P<pairs>.*)\.")
def _(told, found):
    spread = {model: np.ptp(seed_means(told, model) or [0]) for model in told.study.competent}
    rest = told.pairs().drop(told.apart().index)
    close = rest[[abs(row.difference) < min(spread[row.a], spread[row.b]) for row in rest.itertuples()]]
    listed(found, close)


def listed(found, pairs):
    texts = found["pairs"].split("; ")
    more = re.fullmatch(r"(\d+) more", texts[-1])
    count = len(texts) - 1 + int(more[1]) if more else len(texts)
    assert count == len(pairs) > 0 and (found["are"] == "is the difference") == (count == 1)
    there = {(row.a, row.b) for row in pairs.itertuples()}
    assert {tuple(text.split(" and ")) for text in texts[: len(texts) - bool(more)]} <= there


def seed_means(told, model: str) -> list[float]:
    of = told.study.scores.query("family == @told.family and method == @told.method and model == @model")
    return list(of.groupby(["seed", "group"])["value"].mean().groupby("seed").mean().dropna())


@rule(
    r"(?P<groups>\d+) patients? (?:is|are) too few for Holm over (?P<pairs>\d+) pairs? to find anything: "
    r"the smallest corrected p that can be reached is (?P<p>[\d.]+)\."
)
def _(told, found):
    assert int(found["groups"]) == told.pairs()["groups"].max() and int(found["pairs"]) == len(told.pairs())
    assert near(found["p"], smallest(told)) and smallest(told) > told.share("models")


@rule(
    rf"With (?P<groups>\d+) patients? a difference of (?P<size>{NUMBER}) would be found 80% of the time; "
    rf"smaller ones may be there unseen\."
)
def _(told, found):
    row = told.pairs().loc[told.pairs()["detectable"].astype(float).idxmax()]
    assert near(found["size"], row["detectable"]) and int(found["groups"]) == row["groups"]


@rule(r"(?P<lost>\d+) of (?P<all>\d+) patients? (?:was|were) left out of the test over all models, .*")
def _(told, found):
    models = told.seen()
    of = told.study.scores.query("family == @told.family and method == @told.method")
    by = of.groupby(["group", "model", "seed"])["value"].mean().unstack("seed")
    whole = by.notna().all(axis=1).unstack("model")[models]
    assert (int(found["lost"]), int(found["all"])) == (
        int((whole.any(axis=1) & ~whole.all(axis=1)).sum()),
        int(whole.any(axis=1).sum()),
    )


@rule(rf"By {METRIC}, (?P<method>\w+) could be told apart from (?P<lead>\w+) for no model\.")
def _(told, found):
    assert not methods_apart(told, found["lead"])


@rule(rf"On the same images, (?P<method>\w+) scores (?P<parts>.*) in {METRIC}\.")
def _(told, found):
    apart, seen = methods_apart(told, told.summary["lead"]), {}
    for verb, lead, names, span in re.findall(
        rf"(better|worse) than (\w+) for ({NAMES}) \(by ({SPAN})\)", found["parts"]
    ):
        sign = {"better": told.good, "worse": -told.good}[verb]
        seen |= dict.fromkeys(named(names), verb)
        assert lead == told.summary["lead"] and spans(span, [abs(apart[model]) for model in named(names)])
        assert all(apart[model] * sign > 0 for model in named(names))
    assert set(seen) == set(apart) != set()


def methods_apart(told, lead: str) -> dict[str, float]:
    """Model -> this method's mean less that of the first, where the two can be told apart."""
    table = told.tables["pairs"]
    if table.empty:
        return {}
    rows = table[(table["factor"] == "method") & (table["family"] == told.family) & (table["metric"] == told.metric)]
    found = {}
    for row in rows.itertuples():
        p = row.p_seeds if rows["p_seeds"].notna().any() else row.p_corrected
        if {row.a, row.b} == {lead, told.method} and p <= ALPHA:
            found[row.within] = row.difference if row.a == told.method else -row.difference
    return found


# what a mean hides


def asked(told, model: str) -> tuple[int, Counter]:
    """Scores that could be had, and the reasons of those that are missing."""
    of = told.study.scores.query("family == @told.family and method == @told.method and model == @model")
    lost = Counter(reason for reason in of["reason"] if reason == EMPTY)
    return len(of) - sum(of["reason"].isin([TRUTHLESS, REFUSED])), lost


@rule(
    rf"(?P<over>over )?(?P<share>\d+)% of the heatmaps of (?P<model>\w+) have no {METRIC}"
    rf" \(mostly: (?P<why>.*)\); (?P<then>.*)\."
)
def _(told, found):
    count, lost = asked(told, found["model"])
    share = sum(lost.values()) / count
    assert found["model"] in told.study.competent and found["why"] in map(report_words.reason, lost)
    assert (
        share > 0.99 if found["over"] else near(found["share"], 100 * share) and (found["share"] != "100" or share == 1)
    )
    assert found["then"].startswith("its mean") == np.isfinite(told.mean(told.method, found["model"]))


@rule(
    r"Counting the (?P<count>\d+) scores? without a value as the worst changes (?:no "
    r"verdict|(?P<changed>\d+) verdicts?: .*)\."
)
def _(told, found):
    table = told.tables["sensitivity"]
    rows = table[(table["family"] == told.family) & (table["method"] == told.method)]
    changed = rows[rows["changed"]]
    assert int(found["changed"] or 0) == len(changed)
    for row in changed.head(3).itertuples():
        assert f"{row.subject} from {row.main} to {row.worst_rank}" in found.string
    seen = [m for m in told.study.competent if m not in told.blind()]
    assert int(found["count"]) == sum(sum(asked(told, model)[1].values()) for model in seen) > 0


@rule(
    rf"The true region itself, blurred .*, scores (?P<low>{NUMBER}) \((?P<a>\w+)\) to (?P<high>{NUMBER}) "
    rf"\((?P<b>\w+)\): .*"
)
def _(told, found):
    means = {model: told.mean("ceiling", model) for model in told.study.competent}
    assert near(found["low"], min(means.values())) and near(found["high"], max(means.values()))
    assert means[found["b"]] - means[found["a"]] > 0.05


@rule(
    rf"Between training seeds of one model the mean {METRIC} moves by up to (?P<by>{NUMBER}) "
    rf"\((?P<model>\w+)\)(?:; between models by (?P<between>{NUMBER}))?\."
)
def _(told, found):
    spreads = {m: np.ptp(seed_means(told, m)) for m in told.scored()}
    assert near(found["by"], max(spreads.values())) and spreads[found["model"]] >= max(spreads.values()) - 1e-9
    means = [told.mean(told.method, model) for model in told.scored()]
    assert not found["between"] or near(found["between"], max(means) - min(means))


# the whole study


@rule(r"(?P<claim>Every model was trained from (?P<seeds>\d+) seeds?: .*)")
def _(told, found):
    assert int(found["seeds"]) == told.study.seeds
    assert ("speak of architectures" in found["claim"]) == (told.study.seeds >= 5)


@rule(r"(?P<count>\d+) explanation methods were tested, each by itself: .*")
def _(told, found):
    assert int(found["count"]) == len(told.study.methods) > 1


@rule(r"All tests are on means per patient \((?P<count>\d+) patients? in the test split\)\.")
def _(told, found):
    assert int(found["count"]) == told.study.scores["group"].nunique()


@rule(rf"(?P<names>{NAMES}) (?:is|are) left out of every verdict: .*")
def _(told, found):
    assert named(found["names"]) == [m for m in told.study.models if m not in told.study.competent]


@rule(rf"No heatmaps of (?P<names>any model|{NAMES}): it has activations other than ReLU.*")
def _(told, found):
    of = told.study.scores.query("method == @told.method")
    refusing = [m for m in told.study.models if set(of.loc[of["model"] == m, "reason"]) == {REFUSED}]
    assert (told.study.models if found["names"] == "any model" else named(found["names"])) == refusing != []


@rule(r"No heatmap of this study can be judged: no model is competent .*")
def _(told, found):
    assert not told.study.competent


@rule(r"The sanity check was too small to find anything: .*")
def _(told, found):
    told.family = "sanity"
    rows = pd.concat([told.rows(model) for model in told.study.competent])
    assert (rows["smallest_p"] > told.share("controls")).all()


KINDS = {
    "every": "for every model judged",
    "some": "for some models",
    "none": "for none",
    "few": "with too few images to tell",
}


@rule(
    rf"Of (?P<count>\d+) other methods?(?P<verdict> with a verdict)?, the heatmaps {CLAIM} {CONTROLS}: "
    rf"(?P<parts>.*)\."
)
def _(told, found):
    lead, kinds = told.summary["lead"], {}
    for method in told.study.methods:
        one = Told(told.study, told.family, method)
        better, judged = one.having("better"), {m for m in told.study.competent if one.word(m)}
        if method == lead or not judged:
            continue
        rows = pd.concat([one.rows(model) for model in judged])
        few = rows["smallest_p"].min() > one.share("controls")
        kind = "few" if few else "every" if better == judged | set(one.blind()) else "some" if better else "none"
        kinds.setdefault(KINDS[kind], []).append(method)
    told_of = {kind: named(names) for _, kind, names in re.findall(r"(\d+) ([a-z ]+?) \(([^)]*)\)", found["parts"])}
    assert told_of == kinds and int(found["count"]) == sum(map(len, kinds.values()))
    assert bool(found["verdict"]) == (int(found["count"]) < len(told.study.methods) - 1)


@rule(rf"Of the other methods, (?P<count>\d+) fails? the sanity check for some model \((?P<names>{NAMES})\)\.")
def _(told, found):
    failing = [
        m for m in told.study.methods if m != told.summary["lead"] and Told(told.study, "sanity", m).having("worse")
    ]
    assert named(found["names"]) == failing and int(found["count"]) == len(failing)


def check(told: Told, text: str) -> None:
    rule.check(told, text, f"{told.family} of {told.method}")


def check_short(study: Study) -> None:
    """Yes, no, in part or neither, against the verdicts of the first family that can be judged."""
    summary = study.made[1]
    text, told = summary["in_short"], Told(study, "", summary["lead"])
    for family in sorted(summary["primary"], key="localization".__ne__):
        told.family = family
        if set(told.scored()) - set(told.blind()):
            break
    else:
        assert text == "It cannot be told."
        return
    better, worse, judged = told.having("better"), told.having("worse"), set(told.scored())
    if text.startswith("Yes"):
        assert better == judged and f"({len(judged)})" in text
    elif text.startswith("In part"):
        assert f"heatmaps of {len(better)} of {len(judged)} model" in text and better and better != judged
    elif text.startswith("No:"):
        assert worse == judged and not better
    else:
        assert text.startswith("Not shown: of none of ") and not better and worse != judged


def check_cells(study: Study) -> None:
    """Colours and counts of the overview."""
    for family, methods in study.made[1]["overview"].items():
        for method, row in methods.items():
            told, cell = Told(study, family, method), overview.cell(row)
            better, worse, judged = told.having("better"), told.having("worse"), set(told.scored())
            assert (cell.look == "all") == (bool(better) and better == judged)
            assert (cell.look == "worse") == bool(worse) and (cell.look == "some") == (
                bool(better) and better != judged and not worse
            )
            if cell.verdict in ("no score", "refused", "not judged"):
                assert not judged and cell.means == ""
                others = [m for m in study.models if np.isfinite(told.mean(method, m))]
                assert (cell.verdict == "not judged") == bool(others)
            elif cell.verdict == "no verdict":
                assert judged == set(told.blind())
            elif cell.verdict != "too few to tell":
                assert cell.verdict.startswith(f"{len(better)} of {len(judged)}")
                assert (f", {len(worse)} worse" in cell.verdict) == bool(worse)


def check_left_out(study: Study) -> None:
    """What the report says of scores that are not there."""
    inputs, scores = study.inputs, study.scores
    first, *rest = left_out.coverage(inputs)
    own = scores[scores["method"].isin(study.methods)]
    every, made = own["image_id"].unique(), own.loc[own["reason"] != REFUSED, "image_id"].unique()
    assert first == f"Heatmaps were made for {len(made)} of {len(every)} test image{'s' * (len(every) != 1)}."
    masked = inputs.manifest.set_index("image_id")["truth"].loc[made] == "mask"
    if len(made) > masked.sum():
        text = rest.pop(0)
        assert text.startswith(f"{(~masked).sum()} of these ha") if masked.any() else text.startswith("None of these")
        assert text.endswith("localization is of the others.") or not masked.any()
    one = own[(own["seed"] == 0) & own["value"].notna()]
    for text in rest:
        family, images, groups = re.match(r"(\w+) was scored on (\d+) images? of (\d+) patients?", text).groups()
        of = one[one["family"] == family.lower()]
        assert (of["image_id"].nunique(), of["group"].nunique()) == (int(images), int(groups))
    assert len(rest) == one["family"].nunique()
    table = tables.missing(inputs)
    lost = own[own["value"].isna()]
    refused = lost.groupby(["method", "model"])["reason"].transform(lambda of: (of == REFUSED).any())
    lost = lost[~refused.astype(bool)]
    told = {row[0]: int(row[-1].replace(",", "")) for row in table.rows} if table else {}
    assert told == {report_words.reason(reason): len(of) for reason, of in lost.groupby("reason")}
    counted = trust.counted(inputs)
    sensitivity = study.made[0]["sensitivity"]
    numbers = [int(n) for n in re.findall(r"\d+", counted)]
    changed = int(sensitivity["changed"].sum()) if len(sensitivity) else 0
    assert numbers == ([changed] * bool(changed) + [len(sensitivity)] if len(sensitivity) else [])


@pytest.mark.parametrize("number", [*range(2), *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 60))])
def test_every_sentence_is_true(number):
    study = draw(number)
    _, summary = study.made
    for row in summary["sentences"]:
        for text in every(row["text"]):
            check(Told(study, row["family"], row["method"]), text)
    for row in summary["answer"]:
        family = row["evidence"].partition("-")[0]
        told = Told(study, family if family in PRIMARY else first_family(study), summary["lead"])
        for text in every(row["text"].removeprefix(f"{summary['lead']}: ")):
            check(told, text)
    check_short(study)
    check_cells(study)
    check_left_out(study)


def test_the_rules_notice_another_model_and_another_number():
    study = draw(0)
    told = [row for row in study.made[1]["sentences"] if row["family"] in PRIMARY]
    texts = [(Told(study, row["family"], row["method"]), text) for row in told for text in every(row["text"])]
    spoiled = [(one, re.sub(r"\bann\b", "bob", text)) for one, text in texts if re.search(r"\bann\b", text)]
    spoiled += [(one, re.sub(r"0\.\d\d", "0.99", text, count=1)) for one, text in texts if re.search(r"0\.\d\d", text)]
    assert len(spoiled) > 5
    for one, text in spoiled:
        with pytest.raises((AssertionError, KeyError, IndexError, ZeroDivisionError)):
            check(one, text)


def first_family(study: Study) -> str:
    """The one that the headline speaks of."""
    told = Told(study, "", study.made[1]["lead"])
    for told.family in sorted(study.made[1]["primary"], key="localization".__ne__):
        if set(told.scored()) - set(told.blind()):
            break
    return told.family
