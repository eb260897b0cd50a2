"""Clauses on the evidence for and against a published claim, and on what would change its verdict."""

from collections.abc import Iterable

from heatproof.catalogue.methods import CLASSLESS
from heatproof.core.statements import Statement
from heatproof.text import numbers, words
from heatproof.text.verdicts import blind_clause, not_judged_clause
from heatproof.text.words import TEMPLATES, View, template

VERDICTS = ("supported", "contradicted", "undecided")


def clauses(statements: Iterable[Statement]) -> str:
    """Join statements into one clause, for a cell of a table.

    >>> lacks, few = Statement("claim.lacks", {"names": ("a", "b")}), Statement("claim.no_scores", {"names": ("c",)})
    >>> clauses([lacks, few])
    'the study lacks a and b; the study has no scores of c'
    """
    return "; ".join(TEMPLATES[one.kind](View(one)) for one in statements)


@template("claim.no_controls")
def no_controls(view: View) -> str:
    return "there is no control to compare with"


@template("claim.beat_controls")
def beat_controls(view: View) -> str:
    better, worse, lead = (view.number(name) for name in ("better", "worse", "lead"))
    text = f"{better} of {view.count('models', 'model')} beat every control"
    text += f", {worse} {'does' if worse == 1 else 'do'} worse than one" if worse else ""
    way = "above" if lead > 0 else "below"
    control = words.control(view.one("control"), view.one("family"))
    return f"{text}; the deciding model is {view.one('model')}, {numbers.number(abs(lead))} {way} {control}"


@template("claim.few_groups")
def few_groups(view: View) -> str:
    return f"fewer than two {view.unit} have a value for every model"


@template("claim.lower")
def lower(view: View) -> str:
    effect = view.number("effect")
    of = f" of {view.number('all')} with a value of every model" if view.has("all") else ""
    text = (
        f"{view.metric()} of {view.listed('models')} is {numbers.number(abs(effect))} "
        f"{view.one('way')} than that of {view.listed('than')} "
        f"({numbers.p_equals(view.number('p'))}, {view.units('groups')}{of})"
    )
    small = f", and the difference is smaller than the margin of {view.get('margin'):g}" if view.has("margin") else ""
    return f"{text}{small}"


@template("claim.falls_within")
def falls_within(view: View) -> str:
    effect = view.number("effect")
    way = "below" if effect > 0 else "above"
    tested = f"{numbers.p_equals(view.number('p'))}, {view.units('groups')}"
    over = "" if len(view.names("models")) == 1 else ", on average over models"
    return (
        f"{view.one('measure')} of {view.listed('models')} is {numbers.number(abs(effect))} {way} that over all images"
        f"{over} ({tested})"
    )


@template("claim.no_label")
def no_label(view: View) -> str:
    return "no label has enough images with it and without it from one source"


@template("claim.one_model")
def one_model(view: View) -> str:
    return f"only {view.listed('models')} can be evaluated"


@template("claim.no_group")
def no_group(view: View) -> str:
    return f"none of the {view.unit} has a value for every model"


@template("claim.differ")
def differ(view: View) -> str:
    over = "paired test"
    if test := view.one("test"):
        over = f"{words.TESTS[test]} across {view.count('models', 'model')} and {view.units('complete')}"
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
        way = "above" if effect > 0 else "below"
        classless = " (not class-specific)" if method in CLASSLESS else ""
        count = numbers.counted(groups, *numbers.UNITS[view.one("unit")])
        by_model.setdefault(model, []).append(
            f"{words.called(method)}{classless} {numbers.number(abs(effect))} {way} ({numbers.p_equals(p)}, {count})"
        )
    corrected = ", Holm-corrected" if len(columns[0]) > 1 else ""
    parts = [f"{model}: {'; '.join(differences)}" for model, differences in by_model.items()]
    return f"{view.metric()} compared with {view.one('method')}{corrected}: {'; '.join(parts)}"


@template("claim.within_margin")
def within_margin(view: View) -> str:
    return f"all others are significantly worse or equivalent within the margin of {view.number('margin'):g}"


@template("claim.lacks_methods")
def lacks_methods(view: View) -> str:
    return f"{view.listed('names')} not in this study"


@template("claim.refuses")
def refuses(view: View) -> str:
    return f"{view.one('method')} does not support {view.listed('models')} ({words.cause(view.reason)})"


@template("claim.shares_few")
def shares_few(view: View) -> str:
    return f"{view.one('method')} and {view.one('than')} have too few {view.unit} in common"


@template("claim.other_metric")
def other_metric(view: View) -> str:
    primary = words.metric(view.one("primary"))
    return f"the claim is about {view.metric()}, but this study tests {view.one('family')} by {primary}"


@template("claim.blind")
def blind(view: View) -> str:
    models = view.listed("models")
    return f"{view.metric()} does not separate the true region from a random map on the images of {models}"


@template("claim.no_model")
def no_model(view: View) -> str:
    return "no model of the study performs above chance"


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
    return f"not all training runs of {view.listed('models')} perform above chance"


@template("claim.no_scores")
def no_scores(view: View) -> str:
    return f"the study has no scores of {view.listed('names')}"


@template("claim.none_of_metric")
def none_of_metric(view: View) -> str:
    return f"the study has no scores of {view.metric() if view.one('metric') else view.one('family')}"


@template("claim.cannot_judge")
def cannot_judge(view: View) -> str:
    return f"without {view.listed('models')}, which cannot be evaluated"


@template("claim.without_scores")
def without_scores(view: View) -> str:
    lack = "lacks" if len(view.names("methods")) == 1 else "lack"
    return f"without {view.listed('methods')}, which {lack} scores for some of these models"


@template("claim.counting_missing")
def counting_missing(view: View) -> str:
    return f"{view.one('verdict')} when missing scores count as the worst"


@template("claim.no_cue_user")
def no_cue_user(view: View) -> str:
    text = "no model relies significantly on the cue"
    if not view.has("difference"):
        return text
    difference = numbers.interval(*(view.number(name) for name in ("difference", "low", "high")))
    largest = f"largest accuracy difference between agreeing and conflicting images: {difference}, {view.one('model')}"
    return f"{text} ({largest})"


@template("claim.no_cue_score")
def no_cue_score(view: View) -> str:
    rely = "relies" if len(view.names("models")) == 1 else "rely"
    scores = f"there are no scores of {view.metric()} by {view.one('method')}"
    return f"{view.listed('models')} {rely} significantly on the cue, but {scores}"


@template("claim.cue")
def cue(view: View) -> str:
    columns = (view.names("models"), view.names("verdicts"))
    columns += tuple(map(view.numbers, ("difference", "low", "high", "groups")))
    models = [
        f"{model} {verdict} ({numbers.interval(*ends)}, {numbers.counted(groups, *numbers.UNITS[view.one('unit')])})"
        for model, verdict, *ends, groups in zip(*columns, strict=True)
    ]
    return (
        f"the heatmaps of {view.one('method')} are compared between images with and without the cue, in models that "
        f"rely on it, by {view.metric()}: {'; '.join(models)}"
    )


@template("claim.no_part")
def no_part(view: View) -> str:
    return "this study measures no part of it"


@template("claim.parts")
def parts(view: View) -> str:
    named = {word: [words.metric(name) for name in view.names(word)] for word in VERDICTS}
    verdicts = [f"{len(of)} {word} ({numbers.listed(of)})" for word, of in named.items() if of]
    text = f"of {view.count('parts', 'part')}, {numbers.listed(verdicts)}"
    if view.has("tested"):
        size = [numbers.number(view.number(key)) for key in ("effect", "low", "high")]
        tested = view.number("tested")
        over = "" if tested == view.number("parts") else f" of the {tested} testable parts"
        text += f"; the mean effect{over} is {size[0]} margins [{size[1]}, {size[2]}]"
    return text + (f"; {view.number('unmeasured')} more not measured in this study" if view.has("unmeasured") else "")


@template("claim.criterion")
def criterion(view: View) -> str:
    yardstick = words.control(view.one("control"), view.one("family"))
    tested = f"{numbers.p_equals(view.number('p'))}, {view.units('groups')}"
    size = numbers.number(abs(view.number("effect")))
    of = f"{view.metric()} of {view.one('method')} for {view.one('model')}"
    return f"{of} is {size} {view.one('way')} that of {yardstick} ({tested})"


@template("claim.criteria")
def criteria(view: View) -> str:
    pairs = view.count("pairs", "pair of a method and a model", "pairs of a method and a model")
    failing, passing = view.number("failing"), view.number("passing")
    text = f"of {pairs}, {failing} {'fails' if failing == 1 else 'fail'} at least one of "
    text += (
        f"{view.count('criteria', 'criterion', 'criteria')} and {passing} {'passes' if passing == 1 else 'pass'} all"
    )
    if view.one("method"):
        text += f"; the deciding pair is {view.one('method')} and {view.one('model')}, by {view.metric()}"
    if not view.has("unmeasured"):
        return text
    return f"{text}; the study does not measure {view.count('unmeasured', 'more criterion', 'more criteria')}"


@template("change.another_verdict")
def another_verdict(view: View) -> str:
    return f"another verdict on {view.count('models', 'model')}"


@template("change.needed")
def needed(view: View) -> str:
    """Return what is missing: `more patients`, or the words for another code."""
    return {
        "controls": "controls",
        "groups": f"more {view.unit}" if view.one("unit") else "",
        "competent": "models that perform above chance",
        "more_competent": "more models that perform above chance",
        "of_labels": "more images of the same source with labels and without them",
        "of_methods": "scores of these methods",
        "of_metric": f"a study that tests {view.metric()}",
        "of_metric_marked": f"a study that tests {view.metric()}, on images with marked true regions",
        "telling_metric": "a metric that does, or more images",
        "score_them": "scores of them",
        "of_models": "a study of these models",
        "missing": "the missing scores",
        "of_it": "scores of it",
        "of_them": "scores of them",
        "scores": "scores",
        "cue_user": "a model that relies significantly on the cue",
    }[view.reason]


@template("change.checkpoints")
def checkpoints(view: View) -> str:
    return f"with fewer than {view.number('needed')} seeds, this holds for these checkpoints only"


CHANGE = {
    "check.supported": "other {unit} or images without this effect",
    "check.contradicted": "other {unit} or images with this effect",
    "check.undecided": "more {unit}",
    "cue.supported": "other {unit} or models whose heatmaps show the cue that the model relies on",
    "cue.contradicted": "another cue, or a model that relies on this one without showing it in its heatmaps",
    "cue.undecided": "more {unit}",
    "finding.supported": "other {unit} or images in which most parts are contradicted",
    "finding.contradicted": "other {unit} or images in which most parts are supported",
    "finding.undecided": "more {unit}, so that most parts agree",
}


@template(*(f"change.{kind}" for kind in CHANGE))
def other(view: View) -> str:
    text = CHANGE[view.kind.removeprefix("change.")].format(unit=view.unit)
    if not view.has("detectable"):
        return text
    return (
        f"{text}: the power to detect a difference of {numbers.number(view.number('detectable'))} is "
        f"{view.number('power'):.0%}"
    )
