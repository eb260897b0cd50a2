"""What heatmaps show by localization and faithfulness together, against the scores of studies drawn at random."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import pandas as pd
import pytest
from heatproof.stats.sentences import words
from stats.generated import CONTROLS, Study, draw
from stats.made import SETTINGS
from stats.reading import NAMES, Rules, below, every, holm, named, near

from heatproof.catalogue import controls
from heatproof.report.paper import statistics
from heatproof.report.sections import overview as report
from heatproof.stats.verdicts.combined import combined, decided_sentences, open_sentence, other_sentences

MARGIN = SETTINGS["margin"]["default"]
BOTH = ("localization", "faithfulness")
CONTROL = {words.control_name(name, "localization"): name for name in CONTROLS}
ONE = f"(?:{'|'.join(map(re.escape, CONTROL))})"
MEANS = {  # what heatmaps show -> whether they mark the lesion, and whether they show what the model uses
    "show what the model uses, and that is the marked lesion": ("yes", "yes"),
    "show what the model uses, and that is not the marked lesion": ("no", "yes"),
    "mark the lesion, but that is not what the prediction depends on": ("yes", "no"),
    "neither mark the lesion nor show what the model uses": ("no", "no"),
}
MEANING = f"(?P<meaning>{'|'.join(MEANS)})"
rule = Rules()


@dataclass(eq=False)
class Both:
    """A study with the epochs of its models, and a method of it."""

    study: Study
    epochs: dict[str, int]
    method: str = ""

    def of(self, method: str) -> "Both":
        """The same for another method."""
        other = copy.copy(self)
        other.method, other.leads, other.p_small = method, self.leads, self.p_small  # worked out once for all
        return other

    @cached_property
    def summary(self) -> dict:
        made = self.study.made[1] | {"setting": {"epochs": self.epochs}}
        return made | {"combined": combined(made)}

    @cached_property
    def groups(self) -> dict[tuple[str, str, str], pd.Series]:
        keys = ["family", "method", "model", "group"]
        means = self.study.scores.groupby([*keys, "seed"])["value"].mean().unstack("seed").dropna().mean(axis=1)
        return {key: of.droplevel([0, 1, 2]) for key, of in means.groupby(keys[:3])}

    def by_group(self, family: str, method: str, model: str) -> pd.Series:
        """Means of the groups that have a score in every seed."""
        return self.groups.get((family, method, model), pd.Series(dtype=float))

    @cached_property
    def images(self) -> dict[tuple[str, str], pd.DataFrame]:
        """(family, model) -> scores [images of seeds, methods]."""
        keys = ["family", "model", "group", "seed", "image_id"]
        wide = self.study.scores.set_index([*keys, "method"])["value"].unstack("method")
        return {key: of.droplevel([0, 1]) for key, of in wide.groupby(keys[:2])}

    @cached_property
    def leads(self) -> dict[tuple[str, str, str], dict[str, np.ndarray]]:
        """(family, method, model) -> control -> score of the heatmap less that of the control, by group."""
        keys = [(family, method, model) for family, model in self.images for method in self.study.methods]
        return {key: self._leads(*key) for key in keys}

    def _leads(self, family: str, method: str, model: str) -> dict[str, np.ndarray]:
        """Means over the images that both have, of the groups that have any in every seed."""
        found = {}
        for name in CONTROLS:
            wide = self.images[family, model]
            both = (wide[method] - wide[name]).groupby(["group", "seed"]).mean().unstack("seed").dropna()
            if len(both):
                found[name] = both.mean(axis=1).round(12).to_numpy()
        return found

    def scored(self, method: str) -> list[str]:
        """The competent models that have scores of both kinds."""
        return [m for m in self.study.competent if all(len(self.by_group(f, method, m)) for f in BOTH)]

    def answer(self, family: str, method: str, model: str) -> str:
        found = self.study.made[0]["controls"]
        rows = found[(found["family"] == family) & (found["method"] == method) & (found["model"] == model)]
        if len(rows) and (rows["verdict"] == "better").all():
            assert all(of.mean() > 0 for of in self.leads[family, method, model].values())
            return "yes"
        return "no" if any(self.no_better(family, method, model, name) for name in CONTROLS) else "undecided"

    def no_better(self, family: str, method: str, model: str, control: str) -> bool:
        """Whether any lead over a control is shown to be smaller than the margin, and a good map could have led."""
        of = self.p_small[family, method]
        if control not in of.get(model, {}):
            return False
        p = holm({name: min(each.values()) for name, each in of.items()})[model]
        first = of[model][control] == min(of[model].values())
        ceiling = self.by_group(family, "ceiling", model).mean()
        beside = self.by_group(family, control, model).mean()
        room = family != "localization" or np.isnan(ceiling) or ceiling - beside > MARGIN
        return first and p <= self.summary["shares"][family][method]["controls"] and room

    @cached_property
    def p_small(self) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
        """(family, method) -> model -> control -> p that the lead is no smaller than the margin, before Holm."""
        return {(f, m): self._p_small(f, m) for f in BOTH for m in self.study.methods}

    def _p_small(self, family: str, method: str) -> dict[str, dict[str, float]]:
        found = {}
        for name in self.study.competent:
            p = {c: small(of) for c, of in self.leads[family, method, name].items()}
            if p and self.over_seeds(family, method):  # their variance is tested elsewhere
                table = self.study.made[0]["controls"].query("family == @family and method == @method")
                p = table[table["model"] == name].set_index("control")["p_below"].to_dict()
            if p:
                found[name] = {control: min(1.0, 2 * len(p) * one) for control, one in p.items()}
        return found

    def over_seeds(self, family: str, method: str) -> bool:
        return self.summary["population"][family][method] == "architectures"

    def answers(self, method: str, model: str) -> tuple[str, str]:
        return tuple(self.answer(family, method, model) for family in BOTH)

    def decided(self, method: str, answers: tuple[str, str]) -> list[str]:
        return [model for model in self.scored(method) if self.answers(method, model) == answers]


def small(leads: np.ndarray) -> float:
    return below(leads, MARGIN) if len(leads) >= 20 else 1.0  # too few groups say nothing


@rule(
    rf"(?P<who>As trained here, |For these checkpoints, |Over (?P<seeds>\d+) training seeds, )the heatmaps of "
    rf"(?P<model>\w+) {MEANING}(?:(?:, which they find|, which they single out|: they find the lesion) no better than "
    rf"(?P<control>{ONE})(?:, and what the model uses no better than (?P<second>{ONE}))?)?\."
)
def _(told, found):
    answers = MEANS[found["meaning"]]
    assert told.answers(told.method, found["model"]) == answers
    lacking = [family for family, answer in zip(BOTH, answers, strict=True) if answer == "no"]
    controls = [CONTROL[name] for name in (found["control"], found["second"]) if name]
    for family, control in zip(lacking, controls, strict=True):
        assert told.no_better(family, told.method, found["model"], control)
    over = all(told.over_seeds(family, told.method) for family in BOTH)
    assert bool(found["seeds"]) == over and (not over or int(found["seeds"]) == told.study.seeds)
    assert over or found["who"].startswith("As trained") == all(told.epochs.values())


@rule(
    r"Symmetric relevance gain cannot be validated on the images of (?P<model>\w+): it does not rank the true region "
    r"above a random map\. Either the metric fails there, or the model uses something else than the marked region\."
)
def _(told, found):
    leads = told.by_group("faithfulness", "truth", found["model"])
    leads = leads - told.by_group("faithfulness", "random", found["model"])
    assert not ((leads > 0).all() and len(told.study.competent) * 2.0 ** (1 - len(leads)) <= SETTINGS["alpha"])
    assert told.summary["separates"]["faithfulness"][found["model"]] is False
    assert any(found["model"] in told.decided(told.method, answers) for answers in MEANS.values())


@rule(rf"By other methods, heatmaps {MEANING}: (?P<parts>.*)\.")
def _(told, found):
    said = {method: named(names) for method, names in re.findall(rf"(\w+) \(({NAMES})\)", found["parts"])}
    others = [method for method in told.summary["methods"] if method != told.summary["lead"]]
    true = {method: told.decided(method, MEANS[found["meaning"]]) for method in others}
    assert said == {method: models for method, models in true.items() if models}


@rule(r"Undecided: (?P<parts>.*)\.")
def _(told, found):
    said = {}
    for names, does in re.findall(rf"whether the heatmaps of ({NAMES}) (.*?)(?=; whether|$)", found["parts"]):
        assert does not in said
        said[does] = named(names)
    whole = "mark the lesion, and whether they show what the model uses"
    true = {does: [] for does in ("mark the lesion", "show what the model uses", whole)}
    for model in told.scored(told.method):
        lesion, uses = (answer == "undecided" for answer in told.answers(told.method, model))
        if lesion or uses:
            true[whole if lesion and uses else "mark the lesion" if lesion else "show what the model uses"] += [model]
    assert said == {does: models for does, models in true.items() if models}


@rule(
    r"Localization and faithfulness were combined model by model\. Each is .*\(from 20 patients on; .*\), .* decided\. "
    r"Result: (?P<parts>(?:the heatmaps of|undecided).*)\."
)
def _(told, found):
    seen, rest = {}, found["parts"].split("; ")
    rows = [(method, model) for method in told.summary["methods"] for model in told.scored(method)]
    decided = {row: told.answers(*row) for row in rows if "undecided" not in told.answers(*row)}
    if len(decided) < len(rows):
        last = re.fullmatch(r"undecided for (\d+) of (\d+) pairs? of a model and a method", rest.pop())
        assert (int(last[1]), int(last[2])) == (len(rows) - len(decided), len(rows))
        assert ("pairs" in last[0]) == (len(rows) != 1)
    for part in rest:
        names, meaning = re.fullmatch(rf"the heatmaps of (.*?) {MEANING}", part).groups()
        seen |= {(m, x): MEANS[meaning] for x, m in re.findall(r"(\w+) by (\w+)", names)}
    assert seen == decided


def sentences(both: Both) -> Iterator[tuple[Both, str]]:
    """Every sentence with the method that it speaks of."""
    lead = both.of(both.summary["lead"])
    for text in decided_sentences(both.summary):
        yield from ((lead, one) for one in every(text))
    for text in [*other_sentences(both.summary), *filter(None, [open_sentence(both.summary)])]:
        yield lead, text
    for row in both.summary["combined"]:
        if row["text"]:
            yield both.of(row["method"]), row["text"]
    yield from ((lead, text) for text in statistics._combined(both.study.inputs_of(both.summary)))


def check_table(both: Both) -> None:
    """Both answers of every pair, each with the difference to the control in brackets."""
    table = report.make_combined(both.study.inputs_of(both.summary))
    rows = [(method, model) for method in both.summary["methods"] for model in both.scored(method)]
    assert sorted(tuple(row[:2]) for row in (table.rows if table else [])) == sorted(rows)
    for method, model, *cells, together in table.rows if table else []:
        answers = both.answers(method, model)
        assert MEANS.get(together, "undecided") == (together if together == "undecided" else answers)
        assert (together == "undecided") == ("undecided" in answers)
        for family, answer, cell in zip(BOTH, answers, cells, strict=True):
            leads = both.leads[family, method, model]
            assert cell.partition(" ")[0] == answer and ("(" in cell) == bool(leads)
            if leads:
                name, difference = re.search(r"\((.*): (−?[\d.e-]+)", cell).groups()
                (control,) = (key for key, shown in controls.CONTROLS.items() if shown.title == name)
                assert near(difference.replace("−", "-"), leads[control].mean())
                assert answer == "no" or leads[control].mean() == pytest.approx(min(of.mean() for of in leads.values()))


@cache
def drawn(number: int) -> Both:
    """A study whose faithfulness is at other levels than its localization, so that the two may differ."""
    rng = np.random.default_rng(number)
    study = draw(number, sizes=(7, 20, 24), families=BOTH)
    methods, models = study.methods[:2], study.models[:3]  # more take long and say nothing else
    kept = study.scores["model"].isin(models) & ~study.scores["method"].isin(study.methods[2:])
    scores = study.scores[kept].reset_index(drop=True)
    study = replace(study, models=models, methods=methods, competent=[m for m in study.competent if m in models])
    shift = {(m, x): rng.choice([-0.4, 0, 0.04, 0.4]) for m in methods for x in models}
    rows = zip(scores["method"], scores["model"], strict=True)
    more = np.array([shift.get(key, 0.0) for key in rows]) * (scores["family"] == "faithfulness").to_numpy()
    scores = scores.assign(value=(scores["value"] + more))
    trained = rng.random() < 0.7
    return Both(replace(study, scores=scores), {model: int(trained) for model in study.models})


FAST = (0, 9)  # between them all answers, in little time
REST = [number for number in range(40) if number not in FAST]


@pytest.mark.parametrize("number", [FAST[0], *(pytest.param(n, marks=pytest.mark.slow) for n in (*FAST[1:], *REST))])
def test_every_sentence_is_true(number):
    both = drawn(number)
    for told, text in sentences(both):
        rule.check(told, text, told.method)
    check_table(both)
    lead = both.summary["lead"]
    said = " ".join(decided_sentences(both.summary))
    assert {m for m in both.scored(lead) if f"heatmaps of {m} " in said} == {
        m for m in both.scored(lead) if "undecided" not in both.answers(lead, m)
    }


def test_the_rules_notice_another_name_and_another_number():
    tried = 0
    for number in FAST:
        both = drawn(number)
        for told, text in sentences(both):
            names = [*both.study.models, *(["lrp", "saliency"] if "lrp" in text else [])]
            tried += rule.check_spoiled(told, text, names)
    assert tried > 8
