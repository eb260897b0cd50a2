"""Sentences on associations of scores with images, lesions and accuracy, and on a planted cue."""

from heatproof.text import numbers, words
from heatproof.text.verdicts import scope
from heatproof.text.words import View, capital, template

SAPORTA = (
    "Saporta et al. (2022): Grad-CAM falls behind human readers most where lesions are small or complex in shape, and "
    "localizes better where the model is confident"
)
CLASS, AGAINST = "class:", " against "  # the start of a class's covariate; between the names of two classes


def _true(view: View) -> str:
    return "the label" if view.one("of") == "label" else "the true class"


def where(view: View, covariate: str) -> str | None:
    """Return where a score is higher; None for a class."""
    return {
        "right": "where the prediction is right",
        "confidence": f"where the model gives {_true(view)} a higher probability",
        "lesion_area": "where the lesion is larger",
        "lesion_elongation": "where the lesion is more elongated",
        "lesion_solidity": "where the lesion is more compact",
    }.get(covariate)


NAMES = {
    "right": "correctness of the prediction",
    "confidence": "model confidence",
    "lesion_area": "lesion size",
    "lesion_elongation": "lesion elongation",
    "lesion_solidity": "lesion compactness",
}


def _name(view: View, covariate: str) -> str:
    kind = "label" if view.one("of") == "label" else "class"
    return NAMES.get(covariate) or f"the {kind} {covariate.removeprefix(CLASS)}"


def _rho(low: float, high: float) -> str:
    return f"(rank correlation {numbers.span([low, high])})"


def _ways(up: int, down: int, words_up: str, words_down: str) -> str:
    return numbers.listed([f"{way} in {count}" for way, count in ((words_up, up), (words_down, down)) if count])


def _rows(view: View) -> list[tuple]:
    """Return covariate, models, rises in, falls in, lowest and highest rank correlation, a row a covariate."""
    columns = ("models", "rises", "falls", "lowest", "highest")
    return list(zip(view.names("covariates"), *(view.numbers(name) for name in columns), strict=True))


@template("relations.as_published")
def as_published(view: View) -> str:
    parts = []
    for covariate, models, same, other, low, high in _rows(view):
        if not models:
            parts.append(f"{NAMES[covariate]}: not testable")
            continue
        ways = _ways(same, other, "confirmed", "reversed") or "confirmed in 0"
        parts.append(f"{NAMES[covariate]}: {ways} of {numbers.counted(models, 'model')} {_rho(low, high)}")
    text = f"{SAPORTA}. In this study: {'; '.join(parts)}."
    if view.has("noise_low"):
        noise = numbers.span([view.number("noise_low"), view.number("noise_high")])
        text += f" For random noise instead of heatmaps, the rank correlation with lesion size is {noise}."
    return text


@template("relations.found")
def relation(view: View) -> str:
    ((covariate, models, up, down, low, high),) = _rows(view)
    ways = f"{_ways(up, down, 'higher', 'lower')} of {numbers.counted(models, 'model')}"
    return f"{words.capital(view.metric())} is {ways} {where(view, covariate)} {_rho(low, high)}."


@template("relations.classes")
def classes(view: View) -> str:
    parts = [
        f"{_ways(up, down, 'higher', 'lower')} of {numbers.counted(models, 'model')} for {_name(view, name)} "
        f"{_rho(*ends)}"
        for name, models, up, down, *ends in _rows(view)
    ]
    several = view.one("of") == "label"
    if any(AGAINST in name for name in view.names("covariates")):
        head = "Between labels" if several else "Between classes"
    else:
        head = f"Compared with the other {'cases' if several else 'images'}"
    return f"{head}, {view.metric()} is {numbers.listed(parts)}."


@template("relations.no_evidence")
def no_relation(view: View) -> str:
    names = [_name(view, name) for name in view.names("covariates")]
    least, most = view.number("fewest"), view.number("most")
    size = f"{least}" if least == most else f"{least} to {most}"
    return (
        f"No evidence of an association with {numbers.listed(names)} in any model "
        f"{_rho(view.number('lowest'), view.number('highest'))}. Weak associations may exist: with {size} {view.unit} "
        f"and Holm's correction for {view.count('tests', 'test')}, the power reaches {view.number('power'):.0%} only "
        f"at ±{view.number('detectable'):.2f}."
    )


@template("relations.unknown")
def unknown(view: View) -> str:
    why = {
        "no_scores": "there are no scores",
        "too_few": f"no model has scores of more than {view.get('most')} {view.unit}; {view.get('needed')} are needed",
        "no_variation": "the images do not vary",
    }[view.reason]
    return f"Associations of {view.metric()} cannot be tested: {why}."


@template(*(f"accuracy.{kind}" for kind in ("too_few", "no_variation", "found", "out_of_reach", "no_evidence")))
def accuracy(view: View) -> str:
    return " ".join(filter(None, [_across(view), _within(view)]))


def _across(view: View) -> str:
    models = view.count("models", "model")
    untested = f"Too few models to test whether accuracy and heatmap scores are associated ({models}"
    if view.kind == "accuracy.too_few":
        return f"{untested}; {view.number('needed')} with a score are needed)."
    if view.kind == "accuracy.no_variation":
        return f"No test of an association between accuracy and heatmap scores: the values of {models} are equal."
    result = f"rank correlation {numbers.number(view.number('rho'))}, {numbers.p_equals(view.number('p'))}"
    if view.kind == "accuracy.found":
        way = "higher" if view.number("rho") > 0 else "lower"
        return f"The more accurate a model is, the {way} its heatmaps score ({result}, {models})."
    if view.kind == "accuracy.out_of_reach":
        return f"{untested}; {result}; the smallest possible p is {view.number('smallest_p'):.3f})."
    return (
        f"No evidence that accuracy and heatmap scores are associated ({result}). {models} reach "
        f"significance only from ±{view.number('critical'):.2f}, so an association may exist."
    )


def _within(view: View) -> str:
    if not view.has("within"):
        return ""
    return (
        f"Within models, across {view.number('checkpoints')} training runs, accuracy and score correlate by "
        f"{numbers.number(view.number('within'))} (described, not tested)."
    )


@template("cue.planted")
def planted(view: View) -> str:
    rate, label = view.number("rate"), view.one("label")
    text = (
        f"A cue unrelated to disease was added to {numbers.share(rate)} of the images of class {label} and to "
        f"{numbers.share(1 - rate)} of all others"
    )
    if not view.has("test_rate"):
        return f"{text}."
    tested = view.number("test_rate")
    text += f" in training. In the test set, it is in {numbers.share(tested)}"
    if tested == 0.5:
        return f"{text} of the images of every class, and so is uninformative there."
    return f"{text} of the images of that class and in {numbers.share(1 - tested)} of the others."


@template("cue.relies", "cue.no_evidence", "cue.unknown")
def reliance(view: View) -> str:
    model = view.one("models")
    if view.kind == "cue.unknown":
        return f"Cannot test whether {model} relies on the cue: {words.cause(view.reason)}."
    agrees, conflicts = (numbers.number(view.number(name)) for name in ("marked", "unmarked"))
    fall = numbers.interval(view.number("difference"), view.number("low"), view.number("high"))
    beside = f"balanced accuracy {agrees} if cue and class agree, {conflicts} if they conflict; difference"
    if view.kind == "cue.relies":
        return f"{scope(view)}{model} relies on the cue ({beside} {fall})."
    return f"No evidence that {model} relies on the cue ({beside} {fall})."


SEEN = {
    "shown": "visible in {}",
    "faint": "visible, but by less than the margin, in {}",
    "hidden": "not visible (a difference of the margin or more is ruled out) in {}",
    "unclear": "undecided in {}",
}


@template("cue.heatmaps")
def cue_heatmaps(view: View) -> str:
    parts = []
    for verdict, form in SEEN.items():
        named: dict[str, list[str]] = {}
        for method, metric, word in zip(*(view.names(r) for r in ("methods", "metrics", "verdicts")), strict=True):
            if word == verdict:
                named.setdefault(method, []).append(view.metric(metric))
        of = [f"{method} ({numbers.listed(metrics)})" for method, metrics in named.items()]
        parts += [form.format(numbers.listed(of))] if of else []
    need = " (which need not show it)" if view.reason else ""
    return f"The cue in the heatmaps of {view.one('models')}{need}: {'; '.join(parts)}."


@template("cue.compared")
def cue_compared(view: View) -> str:
    ends = dict.fromkeys(
        numbers.counted(view.number(name), *numbers.UNITS[view.one("unit")]) for name in ("fewest", "most")
    )
    return (
        f"Heatmaps with and without the cue were compared within a class, in {' to '.join(ends)}, with Holm's "
        f"correction over the methods and metrics of a model."
    )


@template("cue.control")
def cue_control(view: View) -> str:
    by_metric = view.paired("metrics", "models")
    metrics = [f"{view.metric(metric)} ({numbers.listed(models)})" for metric, models in by_metric.items()]
    name = view.one("control")
    why = "The difference there comes from the images and is no evidence about a model"
    if name == "edges":
        why = "The cue itself changes that map"
    ignored = "image" if name == "other_image" else "model"
    too = " too" if view.reason else ""
    control = words.control(name, "localization")
    return f"A control that ignores the {ignored} shows the cue{too}: {control}, by {numbers.listed(metrics)}. {why}."


@template("readers.agreement")
def agreement(view: View) -> str:
    score = numbers.interval(view.get("value"), view.get("low"), view.get("high"))
    over = view.unit + ("" if view.number("patients_known") else ", as patients are not known")
    missed = f"; the second reader drew nothing in {view.count('missed', 'region')}" if view.number("missed") else ""
    cases = view.count("cases", "region")
    return f"A second reader agrees with the truth at {view.metric()} {score} ({cases}; intervals over {over}){missed}."


@template(*(f"readers.{outcome}" for outcome in ("as_good", "better", "worse", "open", "untested")))
def beside_reader(view: View) -> str:
    """Compare a method with a second reader.

    >>> from heatproof.core.statements import Statement
    >>> numbers = {"share": 0.6, "low": 0.5, "high": 0.7, "heatmap": 0.3, "reader": 0.5, "groups": 20}
    >>> subjects = {"metric": ("iou",), "model": ("ResNet-50",), "method": ("Grad-CAM",), "unit": ("patient",)}
    >>> beside_reader(View(Statement("readers.worse", subjects, numbers)))  # doctest: +ELLIPSIS
    "IoU of Grad-CAM for ResNet-50 is 0.30, 60% [50%, 70%] of a second reader's 0.50: significantly worse..."
    """
    scores = numbers.number(view.number("heatmap"))
    ends = f" [{numbers.share(view.get('low'))}, {numbers.share(view.get('high'))}]" if view.has("low") else ""
    percent = f"{numbers.share(view.get('share'))}{ends} of " if view.has("share") else ""
    reader = numbers.number(view.number("reader"))
    outcome = {
        "readers.as_good": f"equivalent within {view.get('margin') or 0:g}",
        "readers.better": "significantly better",
        "readers.worse": "significantly worse",
        "readers.open": "undecided whether it is equivalent",
        "readers.untested": "too few to test",
    }[view.kind]
    groups = view.units("groups")
    beside = f"{percent or 'compared with '}a second reader's {reader}"
    heatmap = f"{capital(view.metric())} of {view.one('method')} for {view.one('model')} is {scores}"
    return f"{heatmap}, {beside}: {outcome} ({groups})."
