"""Clauses on what a claim of others rests on in a study, and on what would change its verdict."""

from collections.abc import Iterable

from heatproof.catalogue.methods import CLASSLESS
from heatproof.core.statements import Statement
from heatproof.text import numbers, words
from heatproof.text.verdicts import blind_clause, not_judged_clause
from heatproof.text.words import TEMPLATES, View, template

VERDICTS = {"supported": "for it", "contradicted": "against it", "undecided": "undecided"}


def clauses(statements: Iterable[Statement]) -> str:
    """Return statements in one breath, for a cell of a table.

    >>> lacks, few = Statement("claim.lacks", {"names": ("a", "b")}), Statement("claim.no_scores", {"names": ("c",)})
    >>> clauses([lacks, few])
    'the study lacks a and b; c has no scores'
    """
    return "; ".join(TEMPLATES[one.kind](View(one)) for one in statements)


@template("claim.no_controls")
def no_controls(view: View) -> str:
    return "there is no control to hold them against"


@template("claim.beat_controls")
def beat_controls(view: View) -> str:
    better, worse, lead = (view.number(name) for name in ("better", "worse", "lead"))
    text = f"{better} of {view.count('models', 'model')} beat every control"
    text += f", {worse} {'does' if worse == 1 else 'do'} worse than one" if worse else ""
    way = "ahead of" if lead > 0 else "behind"
    beside = words.control(view.one("control"), view.one("family"))
    return f"{text}; the model that decides is {view.one('model')}, {numbers.number(abs(lead))} {way} {beside}"


@template("claim.few_groups")
def few_groups(view: View) -> str:
    return f"fewer than two {view.unit} have a value for every model"


@template("claim.lower")
def lower(view: View) -> str:
    effect = view.number("effect")
    of = f" of {view.number('all')}, those with a value of every one" if view.has("all") else ""
    text = (
        f"{view.metric()} of {view.listed('models')} is {numbers.number(abs(effect))} "
        f"{view.one('way')} than that of {view.listed('than')} "
        f"({numbers.p_equals(view.number('p'))}, {view.units('groups')}{of})"
    )
    small = f", and the difference is smaller than the margin of {view.get('margin'):g}" if view.has("margin") else ""
    return f"{text}{small}"


@template("claim.one_model")
def one_model(view: View) -> str:
    return f"only {view.listed('models')} can be judged"


@template("claim.no_group")
def no_group(view: View) -> str:
    return f"none of the {view.unit} has a value for every model"


@template("claim.differ")
def differ(view: View) -> str:
    over = "The pair"
    if test := view.one("test"):
        over = f"{words.TESTS[test]} over {view.count('models', 'model')} on {view.units('complete')}"
    pair = f"{' and '.join(view.names('models'))}, {view.units('groups')}"
    text = f"{over}: {numbers.p_equals(view.number('p'))}; the largest difference is "
    text += f"{numbers.number(abs(view.number('effect')))} ({pair})"
    return text + (
        f", and every difference is smaller than the margin of {view.get('margin'):g}" if view.has("margin") else ""
    )


@template("claim.outdo")
def outdo(view: View) -> str:
    columns = (view.names("models"), view.raw("methods"), *map(view.numbers, ("effect", "p", "groups")))
    by_model: dict[str, list[str]] = {}
    for model, method, effect, p, groups in zip(*columns, strict=True):
        way = "ahead" if effect > 0 else "behind"
        classless = ", which asks for no class," if method in CLASSLESS else ""
        count = numbers.counted(groups, *numbers.UNITS[view.one("unit")])
        told = f"{words.called(method)}{classless} {numbers.number(abs(effect))} {way} ({numbers.p_equals(p)}, {count})"
        by_model.setdefault(model, []).append(told)
    corrected = ", Holm-corrected" if len(columns[0]) > 1 else ""
    parts = [f"{model}: {'; '.join(told)}" for model, told in by_model.items()]
    return f"{view.metric()} beside {view.one('method')}{corrected}: {'; '.join(parts)}"


@template("claim.within_margin")
def within_margin(view: View) -> str:
    return f"what is not surely worse differs by less than the margin of {view.number('margin'):g}"


@template("claim.lacks_methods")
def lacks_methods(view: View) -> str:
    return f"without {view.listed('names')}, which the study lacks"


@template("claim.refuses")
def refuses(view: View) -> str:
    return f"{view.one('method')} refuses {view.listed('models')} ({words.cause(view.reason)})"


@template("claim.shares_few")
def shares_few(view: View) -> str:
    return f"{view.one('method')} shares too few {view.unit} with {view.one('than')}"


@template("claim.other_metric")
def other_metric(view: View) -> str:
    judged = words.metric(view.one("primary"))
    return f"the claim is on {view.metric()}, and this study judges {view.one('family')} by {judged}"


@template("claim.blind")
def blind(view: View) -> str:
    of = view.listed("models")
    return f"{view.metric()} does not tell the truth from a random map on the images of {of}"


@template("claim.no_model")
def no_model(view: View) -> str:
    return "no model of the study takes part in verdicts"


@template("claim.not_scored")
def not_scored(view: View) -> str:
    return f"the study has no {view.one('family')} scores of {view.one('method')}"


@template("claim.lacks")
def lacks(view: View) -> str:
    return f"the study lacks {view.listed('names')}"


@template("claim.not_judged")
def not_judged(view: View) -> str:
    return not_judged_clause(view)


@template("claim.family_blind")
def family_blind(view: View) -> str:
    return blind_clause(view)


@template("claim.not_competent")
def not_competent(view: View) -> str:
    return f"of {view.listed('models')} not every training is competent"


@template("claim.no_scores")
def no_scores(view: View) -> str:
    return f"{view.listed('names')} has no scores"


@template("claim.none_of_metric")
def none_of_metric(view: View) -> str:
    return f"the study has no scores of {view.metric() if view.one('metric') else view.one('family')}"


@template("claim.cannot_judge")
def cannot_judge(view: View) -> str:
    return f"without {view.listed('models')}, which cannot be judged"


@template("claim.without_scores")
def without_scores(view: View) -> str:
    return f"without {view.listed('methods')}, of which some of these models have no scores"


@template("claim.counting_missing")
def counting_missing(view: View) -> str:
    return f"{view.one('verdict')} if missing scores count as the worst"


@template("claim.no_cue_user")
def no_cue_user(view: View) -> str:
    text = "no model surely relies on the mark"
    if not view.has("difference"):
        return text
    told = numbers.interval(*(view.number(name) for name in ("difference", "low", "high")))
    return f"{text}; at most accuracy is {told} higher where it agrees with the class ({view.one('model')})"


@template("claim.no_cue_score")
def no_cue_score(view: View) -> str:
    rely = "relies" if len(view.names("models")) == 1 else "rely"
    return f"{view.listed('models')} surely {rely} on it, but there is no {view.metric()} of {view.one('method')}"


@template("claim.cue")
def cue(view: View) -> str:
    columns = (view.names("models"), view.names("verdicts"))
    columns += tuple(map(view.numbers, ("difference", "low", "high", "groups")))
    told = [
        f"{model} {verdict} ({numbers.interval(*ends)}, {numbers.counted(groups, *numbers.UNITS[view.one('unit')])})"
        for model, verdict, *ends, groups in zip(*columns, strict=True)
    ]
    return (
        f"of the models that surely rely on the mark, whether {view.one('method')} shows this one by {view.metric()}, "
        f"as the difference between images with and without it: {'; '.join(told)}"
    )


@template("claim.no_part")
def no_part(view: View) -> str:
    return "the study measures none of its parts"


@template("claim.parts")
def parts(view: View) -> str:
    named = {word: [words.metric(name) for name in view.names(word)] for word in VERDICTS}
    told = [f"{len(of)} {VERDICTS[word]} ({numbers.listed(of)})" for word, of in named.items() if of]
    text = f"of {view.count('parts', 'part')} {numbers.listed(told)}"
    if view.has("tested"):
        size = [numbers.number(view.number(key)) for key in ("effect", "low", "high")]
        tested = view.number("tested")
        over = "" if tested == view.number("parts") else f" over the {tested} that could be tested"
        text += f"; the mean effect{over} is {size[0]} margins [{size[1]}, {size[2]}]"
    return text + (f"; {view.number('unmeasured')} more the study does not measure" if view.has("unmeasured") else "")


@template("change.another_verdict")
def another_verdict(view: View) -> str:
    return f"another verdict on {view.count('models', 'model')}"


@template("change.needed")
def needed(view: View) -> str:
    """What is missing: `more patients`, or what one code stands for."""
    return {
        "controls": "controls",
        "groups": f"more {view.unit}" if view.one("unit") else "",
        "competent": "models that are trained well enough",
        "more_competent": "more models that are trained well enough",
        "of_methods": "scores of these methods",
        "of_metric": f"a study judged by {view.metric()}",
        "of_metric_marked": f"a study judged by {view.metric()}, on images whose true regions are marked",
        "telling_metric": "a metric that does, or more images",
        "score_them": "score them",
        "of_models": "a study of these models",
        "missing": "the scores that are missing",
        "of_it": "scores of it",
        "of_them": "scores of them",
        "scores": "scores",
        "cue_user": "a model that surely relies on it",
    }[view.reason]


@template("change.checkpoints")
def checkpoints(view: View) -> str:
    return f"from fewer than {view.number('needed')} seeds this is said of these checkpoints"


CHANGE = {
    "check.supported": "other {unit} or other images in which it does not show",
    "check.contradicted": "other {unit} or other images in which it shows",
    "check.undecided": "more {unit}",
    "cue.supported": "other {unit} or other models, whose heatmaps show the mark that they rely on",
    "cue.contradicted": "another mark, or a model that relies on this one and whose heatmaps do not show it",
    "cue.undecided": "more {unit}",
    "finding.supported": "other {unit} or other images in which most parts do not show",
    "finding.contradicted": "other {unit} or other images in which most parts show",
    "finding.undecided": "more {unit}, so that most parts are decided one way",
}


@template(*(f"change.{kind}" for kind in CHANGE))
def other(view: View) -> str:
    text = CHANGE[view.kind.removeprefix("change.")].format(unit=view.unit)
    if not view.has("detectable"):
        return text
    found = f"{numbers.number(view.number('detectable'))} would be found {view.number('power'):.0%} of the time"
    return f"{text}: a difference of {found}"
