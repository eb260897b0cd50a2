"""What statements on a whole study must hold: its setting, groups, models, labels, ensembles, and both answers."""

from functools import cache

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from stats.checking import Rules, below, ends, holm
from stats.generated import MARGIN, SETTINGS, Study
from stats.rules_of_verdicts import led, told_of

from heatproof.core.statements import Statement
from heatproof.store import artifacts

rule = Rules()
BOTH = ("localization", "faithfulness")


@rule("setting.full", "setting.short")
def _(study, one):
    setting = study.given.setting
    start = "scratch" if all(setting.epochs.values()) else "taken"
    numbers = {start: list(setting.epochs.values()), "size": setting.size, "seeds": study.seeds}
    return {start: study.models, "numbers": numbers}


@rule("seeds.checkpoints", "seeds.architectures")
def _(study, one):
    assert one.kind == ("seeds.architectures" if study.seeds >= 5 else "seeds.checkpoints")
    scope = "trained" if all(study.given.setting.epochs.values()) else "checkpoints"
    return {"unit": "patient", "scope": scope, "numbers": {"seeds": study.seeds, "needed": 5}}


@rule("groups.patient")
def _(study, one):
    groups = next(iter(study.given.predictions.values()))["group"].nunique()
    return {"unit": "patient", "numbers": {"groups": groups, "folds": 1}}


@rule("groups.localized")
def _(study, one):
    table = study.tables["controls"]
    localized = table[table["family"] == "localization"]["groups"].max()
    assert localized < next(iter(study.given.predictions.values()))["group"].nunique()
    return {"unit": "patient", "metric": study.given.primary["localization"], "numbers": {"groups": localized}}


@rule("groups.unscored")
def _(study, one):
    expected = ("localization", "faithfulness", "consistency", "robustness", "sanity")
    return {"families": [family for family in expected if family not in study.given.primary]}


@rule("methods.several")
def _(study, one):
    assert len(study.methods) > 1
    return {"numbers": {"methods": len(study.methods)}}


@rule("methods.unsupported")
def _(study, one):
    method = one.one("method")
    of = study.given.scores.query("method == @method")
    refusing = [m for m in study.models if set(of.loc[of["model"] == m, "reason"]) == {one.reason}]
    assert refusing and of.loc[of["model"].isin(refusing), "value"].isna().all()
    return {"method": method, "models": refusing, "reason": "no_rule", "numbers": {"all": len(study.models)}}


@rule("models.unstated")
def _(study, one):
    return {"models": study.given.setting.unstated}


def _required(study: Study) -> dict:
    """What competence needs: chance and the floor, or a label to judge by."""
    first = next(iter(study.given.predictions.values()))
    if not artifacts.is_multilabel(first):
        chance, measure = 1 / first["label"].nunique(), "balanced accuracy"
    elif any(label not in _rare(study) for label in study.given.classes):
        chance, measure = 0.5, "macro AUROC"
    else:
        return {"reason": "no_label_counted", "unit": "patient", "numbers": {"needed": SETTINGS["min_patients"]}}
    return {"measure": measure, "numbers": {"chance": chance, "floor": chance + SETTINGS["competence_margin"]}}


@rule("models.left_out")
def _(study, one):
    left = [model for model in study.models if model not in study.competent]
    assert left
    return {"models": left} | _required(study)


@rule("models.none_competent")
def _(study, one):
    assert not study.competent
    return _required(study)


def _rare(study: Study) -> dict[str, tuple[int, int]]:
    """Label -> groups with an image that has it, and with one that has not, of those with too few of either."""
    first, found = next(iter(study.given.predictions.values())), {}
    for k, name in enumerate(study.given.classes):
        of = [first.loc[first[f"label_{k}"] == there, "group"].nunique() for there in (True, False)]
        found |= {name: tuple(of)} if min(of) < SETTINGS["min_patients"] else {}
    return found


@rule("labels.not_counted")
def _(study, one):
    rare = _rare(study)
    having, lacking = zip(*rare.values(), strict=True)
    numbers = {"having": having, "lacking": lacking, "needed": SETTINGS["min_patients"]}
    none = "none" if len(rare) == len(study.given.classes) else None
    return {"labels": list(rare), "unit": "patient", "reason": none, "numbers": numbers}


@rule("cases.compared")
def _(study, one):
    left = {family: of for family, of in study.given.cases.items() if of.left_out}
    numbers = {name: [getattr(of, name) for of in left.values()] for name in ("kept", "left_out")}
    return {"families": list(left), "numbers": numbers}


# ensembles


def f1(study: Study, model: str) -> float:
    """Micro F1, of one class an image the accuracy."""
    tables, classes = [table for (of, _), table in study.given.predictions.items() if of == model], study.given.classes
    pairs = [(artifacts.truth(table, len(classes)), artifacts.predicted(table, len(classes))) for table in tables]
    return float(np.mean([f1_score(*pair, average="micro", zero_division=0) for pair in pairs]))


def against_best(study: Study, name: str, family: str, method: str) -> tuple[str, np.ndarray, np.ndarray] | None:
    """The best member on the groups of the ensemble, and both scores of the groups that both have."""
    own, none = study.by_group.get((family, method, name), {}), pd.Series(dtype=float)
    members = {m: study.by_group.get((family, method, m), none) for m in study.given.ensembles[name]["models"]}
    means = {m: study.good(family) * of[of.index.isin(list(own.keys()))].mean() for m, of in members.items()}
    means = {m: mean for m, mean in means.items() if np.isfinite(mean)}
    if not means:
        return None
    best = max(means, key=means.__getitem__)
    both = [group for group in own.index if group in members[best].index]
    return (best, own[both].to_numpy(), members[best][both].to_numpy()) if len(both) > 1 else None


def ensemble_compared(study: Study, name: str) -> dict[tuple[str, str], str]:
    """(metric, method) -> better, worse, or nothing where the interval of the difference holds zero."""
    found = {}
    for family, metric in study.given.primary.items():
        for method in study.methods:
            if of := against_best(study, name, family, method):
                low, high = ends(of[1] - of[2])
                word = "better" if study.good(family) * (low + high) > 0 else "worse"
                found[metric, method] = word if low > 0 or high < 0 else ""
    return found


@rule("ensemble.accuracy")
def _(study, one):
    name = one.one("ensemble")
    made = study.given.ensembles[name]
    values = {model: f1(study, model) for model in made["models"]}
    member = max(values, key=lambda model: round(values[model], 9))  # of equal ones the first
    first = next(iter(study.given.predictions.values()))
    difference = f1(study, name) - values[member]
    numbers = {"members": len(values), "value": f1(study, name), "best": values[member], "difference": difference}
    numbers["groups"] = first["group"].nunique()
    row = study.results.ensembles[name].against[0]  # its interval is drawn at random
    assert row.low is None or row.low - 1e-9 <= difference <= row.high + 1e-9
    alike = row.low is None or row.low <= 0 <= row.high
    measure = "f1_micro" if artifacts.is_multilabel(first) else "accuracy"
    subjects = {"ensemble": name, "combine": made["combine"], "measure": measure, "member": member, "unit": "patient"}
    return subjects | {"reason": "alike" if alike else None, "numbers": numbers | {"low": row.low, "high": row.high}}


@rule("ensemble.heatmaps")
def _(study, one):
    every = ensemble_compared(study, one.one("ensemble"))
    clear = {key: way for key, way in every.items() if way}
    subjects = {"ensemble": one.one("ensemble"), "ways": list(clear.values())}
    subjects |= {"metrics": [metric for metric, _ in clear], "methods": [method for _, method in clear]}
    assert subjects["ensemble"] in study.given.ensembles
    return subjects | {"numbers": {"tested": len(every)}}


# the answer


def first_family(study: Study) -> str | None:
    """The one that the answer speaks of."""
    for family in sorted(study.given.primary, key="localization".__ne__):
        told = told_of(study, family, study.results.lead)
        if set(told.scored()) - set(told.blind()):
            return family
    return None


@rule("sanity.open")
def _(study, one):
    told = told_of(study, "sanity", study.results.lead)
    rows = pd.concat([told.rows(model) for model in study.competent])
    assert (rows["smallest_p"] > told.share("controls")).all()
    return told.named() | led(study, one)


@rule("methods.others")
def _(study, one):
    family, kinds, absent = first_family(study), {}, 0
    lead = told_of(study, family, study.results.lead)
    for method in [method for method in study.methods if method != lead.method]:
        told = told_of(study, family, method)
        judged = {m for m in study.competent if told.word(m)}
        if not judged:
            absent += 1
            continue
        rows = pd.concat([told.rows(model) for model in judged])
        few, better = rows["smallest_p"].min() > told.share("controls"), set(told.having("better"))
        kind = "few" if few else "all" if better == judged | set(told.blind()) else "some" if better else "none"
        kinds.setdefault(kind, []).append(method)
    controls = dict.fromkeys(c for method in study.methods for c in told_of(study, family, method).controls())
    numbers = {"absent": absent} if absent else {}
    return {"family": family, "metric": lead.metric, "controls": controls, "numbers": numbers} | kinds


@rule("methods.others_fail")
def _(study, one):
    others = [method for method in study.methods if method != study.results.lead]
    return {"methods": [method for method in others if told_of(study, "sanity", method).having("worse")]}


@rule("short.unknown")
def _(study, one):
    assert not study.competent or first_family(study) is None
    return {}


@rule("short.all", "short.some", "short.worse", "short.no_evidence")
def _(study, one):
    told = told_of(study, first_family(study), study.results.lead)
    better, worse, judged = told.having("better"), told.having("worse"), told.scored()
    kind = "no_evidence" if not better and set(worse) != set(judged) else "worse" if not better else "some"
    assert one.kind == f"short.{'all' if better and set(better) == set(judged) else kind}"
    return told.named() | {"controls": told.controls(), "numbers": {"better": len(better), "models": len(judged)}}


# localization and faithfulness together


class Both:
    """What both say of heatmaps, worked out from the scores."""

    def __init__(self, study: Study):
        self.study = study
        self.p_small = {(f, m): self._p_small(f, m) for f in BOTH for m in study.methods}

    @classmethod
    def of(cls, study: Study) -> "Both":
        """Made once for a study."""
        if not hasattr(study, "both"):
            study.both = cls(study)
        return study.both

    @cache  # noqa: B019 - as long as the study is checked
    def leads(self, family: str, method: str, model: str) -> dict[str, np.ndarray]:
        """Control -> score of the heatmap less that of the control by group, over the images that both have."""
        of = self.study.scores.query("family == @family and model == @model")
        wide = of.set_index(["group", "seed", "image_id", "method"])["value"].unstack("method")
        found = {}
        for name in [c for c in ("random", "center", "edges", "other_image") if c in wide]:
            both = (wide[method] - wide[name]).groupby(["group", "seed"]).mean().unstack("seed").dropna()
            if len(both):
                found[name] = both.mean(axis=1).round(12).to_numpy()
        return found

    def scored(self, method: str) -> list[str]:
        """The competent models that have scores of both kinds."""
        study = self.study
        if study.given.primary.get("localization") != "iou" or "faithfulness" not in study.given.primary:
            return []
        return [m for m in study.competent if all(np.isfinite(study.mean(f, method, m)) for f in BOTH)]

    def answer(self, family: str, method: str, model: str) -> str:
        told = told_of(self.study, family, method)
        if told.word(model) == "better":
            assert all(of.mean() > 0 for of in self.leads(family, method, model).values())
            return "yes"
        controls = self.leads(family, method, model)
        return "no" if any(self.no_better(family, method, model, name) for name in controls) else "undecided"

    def no_better(self, family: str, method: str, model: str, control: str) -> bool:
        """Whether any lead over a control is shown to be smaller than the margin, and a good map could have led."""
        of = self.p_small[family, method]
        if control not in of.get(model, {}):
            return False
        p = holm({name: min(each.values()) for name, each in of.items()})[model]
        first = of[model][control] == min(of[model].values())
        ceiling, beside = (self.study.mean(family, name, model) for name in ("ceiling", control))
        room = family != "localization" or np.isnan(ceiling) or ceiling - beside > MARGIN
        return first and p <= told_of(self.study, family, method).share("controls") and room

    def _p_small(self, family: str, method: str) -> dict[str, dict[str, float]]:
        """Model -> control -> p that the lead is no smaller than the margin, before Holm."""
        found = {}
        if not set(BOTH) <= set(self.study.given.primary):
            return found
        told = told_of(self.study, family, method)
        for name in self.study.competent:
            leads = self.leads(family, method, name)
            p = {c: below(of, MARGIN) if len(of) >= 20 else 1.0 for c, of in leads.items()}  # few groups say nothing
            if p and told.over_seeds():  # their variance is tested elsewhere
                p = told.rows(name).set_index("control")["p_below"].to_dict()
            if p:
                found[name] = {control: min(1.0, 2 * len(p) * one) for control, one in p.items()}
        return found

    def answers(self, method: str, model: str) -> tuple[str, str]:
        return tuple(self.answer(family, method, model) for family in BOTH)

    def decided(self, method: str) -> dict[str, tuple[str, str]]:
        found = {model: self.answers(method, model) for model in self.scored(method)}
        return {model: answers for model, answers in found.items() if "undecided" not in answers}


@rule("combined.decided")
def _(study, one):
    both, method, model = Both.of(study), study.results.lead, one.one("models")
    answers = both.decided(method)[model]
    for family, answer, control in zip(BOTH, answers, one.subjects["controls"], strict=True):
        leads = {name: study.good(family) * of.mean() for name, of in both.leads(family, method, model).items()}
        least = leads[control] <= min(leads.values()) + 1e-9
        assert least if answer == "yes" else both.no_better(family, method, model, control)
    scopes = [told_of(study, family, method).scope() for family in BOTH]
    scope = scopes[0] if scopes[0] == scopes[1] else next(s for s in scopes if s["scope"] != "architectures")
    subjects = {"method": method, "models": model, "controls": one.subjects["controls"]} | scope
    return subjects | dict(zip(BOTH, answers, strict=True)) | led(study, one) | {"numbers": {"seeds": study.seeds}}


@rule("combined.others")
def _(study, one):
    answers, pairs = tuple(one.one(family) for family in BOTH), []
    for method in [method for method in study.methods if method != study.results.lead]:
        pairs += [(method, model) for model, of in Both.of(study).decided(method).items() if of == answers]
    assert pairs
    return dict(zip(BOTH, answers, strict=True)) | {"methods": [m for m, _ in pairs], "models": [m for _, m in pairs]}


@rule("combined.open")
def _(study, one):
    both, method = Both.of(study), study.results.lead
    left = {model: both.answers(method, model) for model in both.scored(method) if model not in both.decided(method)}
    assert left
    verdicts = zip(BOTH, zip(*left.values(), strict=True), strict=True)
    return {"method": method, "models": list(left)} | dict(verdicts) | led(study, one)


def expected_evidence(one: Statement) -> str:
    """The place of the page that bears a statement out."""
    of_method = f"{one.one('family')}-{one.one('method')}"
    alone = {"methods.others": "overview", "methods.others_fail": "overview"}
    alone |= {"groups.localized": "localization", "groups.unscored": "scorecard"}
    if one.kind in alone:
        return alone[one.kind]
    if one.kind == "sanity.open" or one.area in ("family", "controls", "pairs", "test", "scores"):
        return of_method
    if one.area == "methods":
        return {"methods.several": "method", "methods.unsupported": "left-out"}.get(one.kind, of_method)
    places = {
        "setting": "",
        "short": "",
        "seeds": "method",
        "groups": "data",
        "cases": "data",
        "relations": "relations",
    }
    places |= {"accuracy": "relations", "cue": "cue", "combined": "combined"}
    return places.get(one.area, "models")
