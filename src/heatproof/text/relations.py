"""Sentences on what scores go with: images, lesions, accuracy, and a planted cue."""

from heatproof.text import numbers, words
from heatproof.text.verdicts import scope
from heatproof.text.words import View, template

SAPORTA = (
    "Saporta et al. (2022) found Grad-CAM to fall behind people most where lesions are small or of complex shape, and "
    "to mark the right place better where the model is confident"
)
CLASS, AGAINST = "class:", " against "  # how the covariate of a class begins; between two of them


def _true(view: View) -> str:
    return "the label" if view.one("of") == "label" else "the true class"


def where(view: View, covariate: str) -> str | None:
    """Say where a score is higher; None of a class."""
    return {
        "right": "where the prediction is right",
        "confidence": f"where the model is surer of {_true(view)}",
        "lesion_area": "where the lesion is larger",
        "lesion_elongation": "where the lesion is longer than wide",
        "lesion_solidity": "where the lesion has fewer dents",
    }.get(covariate)


NAMES = {
    "right": "whether the prediction is right",
    "confidence": "the model's confidence",
    "lesion_area": "the lesion's size",
    "lesion_elongation": "its elongation",
    "lesion_solidity": "its compactness",
}
FULL = NAMES | {"lesion_elongation": "the lesion's elongation", "lesion_solidity": "the lesion's compactness"}


def _name(view: View, covariate: str, names: dict[str, str] = NAMES) -> str:
    kind = "label" if view.one("of") == "label" else "class"
    return names.get(covariate) or f"the {kind} {covariate.removeprefix(CLASS)}"


def _rho(low: float, high: float) -> str:
    return f"(rank correlation {numbers.span([low, high])})"


def _ways(up: int, down: int, words_up: str, words_down: str) -> str:
    return numbers.listed([f"{way} in {count}" for way, count in ((words_up, up), (words_down, down)) if count])


def _rows(view: View) -> list[tuple]:
    """covariate, models, rises in, falls in, lowest and highest rank correlation."""
    columns = ("models", "rises", "falls", "lowest", "highest")
    return list(zip(view.names("covariates"), *(view.numbers(name) for name in columns), strict=True))


@template("relations.as_published")
def as_published(view: View) -> str:
    parts = []
    for covariate, models, same, other, low, high in _rows(view):
        if not models:
            parts.append(f"{NAMES[covariate]} cannot be judged")
            continue
        ways = _ways(same, other, "as they found", "the other way") or "in none"
        parts.append(f"{NAMES[covariate]} counts {ways} of {numbers.counted(models, 'model')} {_rho(low, high)}")
    text = f"{SAPORTA}. Here {numbers.listed(parts)}."
    if view.has("noise_low"):
        noise = numbers.span([view.number("noise_low"), view.number("noise_high")])
        text += f" With random noise in the heatmap's place, the rank correlation with size is {noise}."
    return text


@template("relations.found")
def relation(view: View) -> str:
    ((covariate, models, up, down, low, high),) = _rows(view)
    found = f"{_ways(up, down, 'higher', 'lower')} of {numbers.counted(models, 'model')} {where(view, covariate)}"
    return f"{words.capital(view.metric())} is {found} {_rho(low, high)}."


@template("relations.classes")
def classes(view: View) -> str:
    told = [
        f"for {_name(view, name)} {_ways(up, down, 'higher', 'lower')} of {numbers.counted(models, 'model')} "
        f"{_rho(*ends)}"
        for name, models, up, down, *ends in _rows(view)
    ]
    several = view.one("of") == "label"
    if any(AGAINST in name for name in view.names("covariates")):
        head = "Between labels" if several else "Between classes"
    else:
        head = f"Compared with the other {'cases' if several else 'images'}"
    return f"{head}, {view.metric()} is {numbers.listed(told)}."


@template("relations.no_evidence")
def no_relation(view: View) -> str:
    covariates = view.names("covariates")
    first = next((name for name in covariates if name.startswith("lesion_")), None)  # `its` needs a word before it
    names = [_name(view, name, FULL if name == first else NAMES) for name in covariates]
    least, most = view.number("fewest"), view.number("most")
    size = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"No relation could be shown in any model with {numbers.listed(names)} "
        f"{_rho(view.number('lowest'), view.number('highest'))}, which does not mean that there is none: with {size} "
        f"{view.unit} and Holm over {view.count('tests', 'test')}, only from ±{view.number('detectable'):.2f} on is "
        f"one found {view.number('power'):.0%} of the time."
    )


@template("relations.unknown")
def unknown(view: View) -> str:
    why = {
        "no_scores": "there are no scores",
        "too_few": f"no model has a score on more than {view.get('most')} {view.unit}, {view.get('needed')} are needed",
        "no_variation": "nothing varies between them",
    }[view.reason]
    return f"What {view.metric()} goes with cannot be told: {why}."


@template(*(f"accuracy.{kind}" for kind in ("too_few", "no_variation", "found", "out_of_reach", "no_evidence")))
def accuracy(view: View) -> str:
    return " ".join(filter(None, [_across(view), _within(view)]))


def _across(view: View) -> str:
    models = view.count("models", "model")
    cannot = f"Whether better classifiers have better heatmaps cannot be told from {models}"
    if view.kind == "accuracy.too_few":
        return f"{cannot}: {view.number('needed')} with a score are needed."
    if view.kind == "accuracy.no_variation":
        return f"{cannot}: they are alike."
    told = f"rank correlation {numbers.number(view.number('rho'))}, {numbers.p_equals(view.number('p'))}"
    if view.kind == "accuracy.found":
        way = "higher" if view.number("rho") > 0 else "lower"
        return f"The better a model classifies, the {way} its heatmaps score ({told}, {models})."
    if view.kind == "accuracy.out_of_reach":
        return f"{cannot} ({told}; the clearest order of so few has p = {view.number('smallest_p'):.3f})."
    return (
        f"That better classifiers have better heatmaps, or worse ones, could not be shown ({told}), which does not "
        f"mean that it is not so: {models} show one only from ±{view.number('critical'):.2f} on."
    )


def _within(view: View) -> str:
    if not view.has("within"):
        return ""
    return (
        f"Within the models, the deviations of {view.number('checkpoints')} trainings from their means correlate with "
        f"{numbers.number(view.number('within'))} (described, not tested)."
    )


@template("cue.planted")
def planted(view: View) -> str:
    rate, label = view.number("rate"), view.one("label")
    text = (
        f"A mark that is not disease was planted into {numbers.share(rate)} of the images of class {label} and into "
        f"{numbers.share(1 - rate)} of all others"
    )
    if not view.has("test_rate"):
        return f"{text}."
    tested = view.number("test_rate")
    text += f" that models were trained on; in the test images into {numbers.share(tested)}"
    if tested == 0.5:
        return f"{text} of every class, so that it tells nothing there."
    return f"{text} of that class and {numbers.share(1 - tested)} of the others."


@template("cue.relies", "cue.no_evidence", "cue.unknown")
def reliance(view: View) -> str:
    model = view.one("models")
    if view.kind == "cue.unknown":
        return f"Whether {model} relies on the mark cannot be told: {words.cause(view.reason)}."
    agrees, conflicts = (numbers.number(view.number(name)) for name in ("marked", "unmarked"))
    fall = numbers.interval(view.number("difference"), view.number("low"), view.number("high"))
    beside = f"balanced accuracy {agrees} where it agrees with the class, {conflicts} where it conflicts; difference"
    if view.kind == "cue.relies":
        return f"{scope(view)}{model} relies on the mark ({beside} {fall})."
    return f"That {model} relies on the mark could not be shown ({beside} {fall})."


SEEN = {
    "shown": "it shows in {}",
    "faint": "it shows by less than would matter in {}",
    "hidden": "that it shows by as much as would matter is ruled out for {}",
    "unclear": "whether it shows is open for {}",
}


@template("cue.heatmaps")
def cue_heatmaps(view: View) -> str:
    parts = []
    for verdict, said in SEEN.items():
        named: dict[str, list[str]] = {}
        for method, metric, word in zip(*(view.names(r) for r in ("methods", "metrics", "verdicts")), strict=True):
            if word == verdict:
                named.setdefault(method, []).append(view.metric(metric))
        of = [f"{method} ({numbers.listed(metrics)})" for method, metrics in named.items()]
        parts += [said.format(numbers.listed(of))] if of else []
    need = ", which need not show it" if view.reason else ""
    return f"The mark in the heatmaps of {view.one('models')}{need}: {'; '.join(parts)}."


@template("cue.compared")
def cue_compared(view: View) -> str:
    ends = dict.fromkeys(
        numbers.counted(view.number(name), *numbers.UNITS[view.one("unit")]) for name in ("fewest", "most")
    )
    return (
        f"Heatmaps of images with the mark were held against those of images of the same class without it, within "
        f"{' to '.join(ends)}, after Holm's correction over the methods and metrics of a model."
    )


@template("cue.control")
def cue_control(view: View) -> str:
    by_metric = view.paired("metrics", "models")
    told = numbers.listed([f"{view.metric(metric)} ({numbers.listed(models)})" for metric, models in by_metric.items()])
    name = view.one("control")
    why = "there the difference is one of the images, and says nothing of a model"
    if name == "edges":
        why = "the mark itself changes that map"
    ignorant = "image" if name == "other_image" else "model"
    too = " too" if view.reason else ""
    named = words.control(name, "localization")
    return f"A control that knows nothing of the {ignorant} shows it{too}, {named}, by {told}: {why}."
