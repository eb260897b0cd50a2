"""Sentences on a whole study: its setting, seeds, groups, split, models, ensembles and what others report."""

from heatproof.text import numbers, words
from heatproof.text.words import View, template

STARTS = {  # where a training run starts -> how a sentence says it, and in few words
    "scratch": ("trained from scratch, without pretrained weights,", "trained from scratch without pretrained weights"),
    "pretrained": ("trained from pretrained weights", "trained from pretrained weights"),
    "brought": ("trained from weights that were brought,", "trained from weights that were brought"),
    "taken": ("checkpoints that were brought,", "checkpoints that were brought"),
}
COMBINED = {"vote": "the majority vote", "mean": "the mean of the probabilities"}
MEASURES = {"accuracy": "accuracy", "f1_micro": "micro F1"}
KEPT_TOGETHER = {
    "patient": "with each patient's images kept together",
    "lookalike": "with look-alike images kept together",
    "given": "under the split that came with the images",
}
ON_SPLIT = {
    "random": "on a random split",
    "patient": "with each patient's images kept together",
    "lookalike": "with look-alike images kept together",
    "given": "on the split that came with the images",
}


def _epochs(view: View, start: str = "") -> str:
    """`8 epochs`, `2 to 12 epochs`, or nothing where none was trained."""
    starts = [start] if start else STARTS
    found = [count for name in starts for count in view.numbers(name) if count]
    if not found:
        return ""
    low, high = min(found), max(found)
    return numbers.counted(low, "epoch") if low == high else f"{low} to {high} epochs"


def _size(view: View) -> str:
    return f"{view.number('size')} x {view.number('size')} pixels"


@template("setting.full")
def setting(view: View) -> str:
    starts = [start for start in STARTS if view.names(start)]
    size, seeds, every = _size(view), view.count("seeds", "seed"), _epochs(view)
    if len(starts) == 1:
        text = words.capital(f"{STARTS[starts[0]][0]} on {size}{every and f' for {every}'}, from {seeds}.")
    else:
        parts = []
        for start in starts:
            epochs = _epochs(view, start)
            how = f"{STARTS[start][0]} for {epochs}" if epochs else STARTS[start][1]
            parts.append(f"{view.listed(start)} {how}")
        text = f"By model: {'; '.join(parts)}; all on {size}, from {seeds}."
    return f"{text} {view.one('text')}".strip()


@template("setting.short")
def setting_short(view: View) -> str:
    starts = " or ".join(STARTS[start][1] for start in STARTS if view.names(start))
    brief = [starts, _size(view), *filter(None, [_epochs(view)]), view.count("seeds", "seed")]
    return f"In the setting of this study: {', '.join(brief)}."


@template("seeds.checkpoints", "seeds.architectures")
def seeds(view: View) -> str:
    start = "was trained from" if view.one("scope") == "trained" else "has checkpoints of"
    if view.kind == "seeds.checkpoints":
        return (
            f"Every model {start} {view.count('seeds', 'seed')}: verdicts from fewer than {view.number('needed')} "
            f"seeds speak of these checkpoints, not of architectures."
        )
    return (
        f"Every model {start} {view.number('seeds')} seeds: differences are tested against the variance between seeds "
        f"as well as between {view.unit}, and verdicts speak of architectures."
    )


@template("seeds.uneven")
def seeds_uneven(view: View) -> str:
    count = f"{view.number('seeds')} to {view.number('most')}"
    return f"Not every model has as many seeds ({count}): verdicts speak of these trainings alone."


@template("groups.patient", "groups.united", "groups.lookalike", "groups.image")
def groups(view: View) -> str:
    count, folds = view.number("groups"), view.number("folds")
    where = "in the test split" if folds == 1 else f"tested once each, over {folds} folds"
    if view.kind == "groups.patient":
        text = f"All tests are on means per patient ({numbers.counted(count, 'patient')} {where})."
        leak = "images of one stand in training and test, so accuracies are too high."
        return f"{text} The split ignores patients: {leak}" if view.reason == "random_split" else text
    if view.kind == "groups.united":
        return f"All tests are on means of {view.unit}, each of whole patients ({count} {where})."
    if view.kind == "groups.lookalike":
        text = f"Look-alike clusters are not patients: the tests are on means of {view.unit} ({count} {where})"
        again = "may lie in several of them"
    else:
        text = f"Patients are not known, and the split is random: the tests are on single images ({count} {where})"
        again = "may count several times"
    return (
        f"{text}, and images of one patient {again}, so p values may be too small, and may stand in training and test, "
        f"so accuracies may be too high."
    )


@template("table.groups")
def table_groups(view: View) -> str:
    groups, images = view.units("groups"), view.count("images", "image")
    return f"All tests are on means per group ({groups}, {images}); that groups are independent is yours to know."


@template("table.independent")
def table_images(view: View) -> str:
    images = view.count("images", "image")
    return f"Every one of the {images} was taken as independent of all others, as --independent says."


@template("table.opposite")
def stated_direction(view: View) -> str:
    way = view.one("better")
    good = "low" if way == "lower" else "high"
    return f"A {good} {view.one('metric')} counts as good, as --{way} says; by its name the opposite holds."


@template("table.described")
def described(view: View) -> str:
    return f"Described in metrics.csv and not tested, as no value is better: {view.listed('metrics', 8)}."


@template("table.note")
def note(view: View) -> str:
    return view.reason


@template("table.unknown_models")
def unknown_models(view: View) -> str:
    return "Whether these models classify is not known here: a heatmap of one that guesses explains nothing."


@template("table.metrics")
def table_metrics(view: View) -> str:
    many = view.number("metrics")
    return f"Each of the {many} metrics is a family of tests of its own: p values are not corrected for their number."


@template("methods.several")
def several_methods(view: View) -> str:
    count = view.number("methods")
    return f"{count} explanation methods were tested, each by itself: p values are not corrected for their number."


@template("methods.unsupported")
def unsupported(view: View) -> str:
    every = len(view.names("models")) == view.number("all") > 1
    return f"No heatmaps of {'any model' if every else view.listed('models')}: {words.cause(view.reason)}."


def _no_label(view: View) -> str:
    """Why no model can be judged where images have several labels."""
    groups = view.units("needed")
    return f"no label has test images of {groups} with it and of as many without it"


def _thresholds(view: View) -> tuple[str, str]:
    return numbers.number(view.number("floor")), numbers.number(view.number("chance"))


@template("models.none_competent")
def none_competent(view: View) -> str:
    if view.reason:
        return f"No heatmap of this study can be judged: {_no_label(view)}."
    floor, chance = _thresholds(view)
    return (
        f"No heatmap of this study can be judged: no model is competent with all its trainings (the low end of each "
        f"interval of {view.one('measure')} has to lie above {floor}; guessing scores {chance})."
    )


@template("models.left_out")
def left_out(view: View) -> str:
    one = len(view.names("models")) == 1
    out = f"{view.listed('models')} {'is' if one else 'are'} left out of every verdict"
    if view.reason:
        return f"{out}: {_no_label(view)}."
    floor, chance = _thresholds(view)
    whose = "its trainings" if one else "the trainings of each"
    return (
        f"{out}: the {view.one('measure')} of at least one of {whose} is not surely above the floor of {floor} "
        f"(guessing scores {chance})."
    )


@template("models.unstated")
def unstated(view: View) -> str:
    were = "checkpoint was" if len(view.names("models")) == 1 else "checkpoints were"
    return (
        f"Accuracy on unseen images is not known for {view.listed('models')}: which images the {were} trained on is "
        f"not stated, so test images may be among them, and accuracies here may be too high. State the split "
        f"(data.split.by: column or folder), or, if none of these images was used for training, "
        f"data.split: {{test: all, unseen: true}}."
    )


@template("labels.not_counted")
def labels(view: View) -> str:
    rows = zip(view.names("labels"), view.numbers("having"), view.numbers("lacking"), strict=True)
    told = [f"{label} ({having} with it, {lacking} without)" for label, having, lacking in rows]
    are = "is" if len(told) == 1 else "are"
    rule = f"a label is counted where at least {view.units('needed')} of the test images have it, and as many have not"
    if view.reason:
        which = "No label is counted, and no model takes part in verdicts"
        return f"{which}: {rule}; here {numbers.listed(told)}."
    return f"{numbers.listed(told)} {are} left out of macro F1, macro AUROC and competence: {rule}."


@template("cases.compared")
def cases(view: View) -> str:
    text = "Heatmaps are of cases, an image and one of its labels each. Models are compared on the cases that every "
    text += "training explains."
    left: dict[str, list[str]] = {}
    for family, kept, out in zip(view.names("families"), view.numbers("kept"), view.numbers("left_out"), strict=True):
        left.setdefault(f"{out} of {kept + out}", []).append(family)
    parts = [f"{number} ({', '.join(of)})" for number, of in left.items()]
    out = f" Left out, as some training explains them and another does not: {'; '.join(parts)}."
    return text + (out if parts else "")


@template("splits.compared")
def splits(view: View) -> str:
    models, clear = view.names("models"), view.names("clear")
    reach = "models reach" if len(models) > 1 else "model reaches"
    random, grouped = (numbers.span(view.numbers(name)) for name in ("random", "grouped"))
    kept = KEPT_TOGETHER[view.one("kept")]
    text = f"Under a random split the same {reach} a balanced accuracy of {random}, {kept} {grouped}: "
    falls = dict(zip(models, view.numbers("fall"), strict=True))
    fall = numbers.span([falls[model] for model in clear or models])
    if len(clear) == len(models):
        return f"{text}the difference, {fall}, is what a random split hides."
    if clear:
        others = numbers.listed([model for model in models if model not in clear])
        hides = f"the difference for {view.listed('clear')}, {fall}, is what a random split hides"
        return f"{text}{hides}; for {others} it could be chance."
    return f"{text}the difference could be chance."


def _turned(view: View) -> str:
    """`0.02 [-0.01, 0.05]`, turned so that the difference itself is positive."""
    difference, low, high = view.number("difference"), view.get("low"), view.get("high")
    if difference >= 0 or None in (low, high):
        return numbers.interval(abs(difference), low, high)
    return numbers.interval(-difference, -high, -low)


@template("ensemble.accuracy")
def ensemble(view: View) -> str:
    members, called = view.count("members", "model"), MEASURES[view.one("measure")]
    how = f"{view.one('ensemble')} ({COMBINED.get(view.one('combine'), view.one('combine'))} of {members})"
    way = "above" if view.number("difference") > 0 else "below"
    an = "an" if called == "accuracy" else "a"
    alike = "; the two cannot be told apart" if view.reason else ""
    return (
        f"{how} has {an} {called} of {numbers.number(view.number('value'))}, {_turned(view)} {way} that of its best "
        f"member, {view.one('member')} ({numbers.number(view.number('best'))}; {view.units('groups')}){alike}. It is "
        f"made of the models, so no test between models includes it."
    )


@template("ensemble.heatmaps")
def ensemble_heatmaps(view: View) -> str:
    name, tested = view.one("ensemble"), view.number("tested")
    if not tested:
        return f"The heatmaps of {name} have no score to compare with its members'."
    ways: dict[str, list[str]] = {}
    rows = zip(view.names("ways"), view.names("metrics"), view.names("methods"), strict=True)
    for way, metric, method in rows:
        ways.setdefault(f"{way} in {view.metric(metric)} by ", []).append(method)
    many = f"of {numbers.counted(tested, 'comparison')} of a metric and method, none corrected for the others"
    if not ways:
        return f"The heatmaps of {name} could be told apart from its best member's in none {many}."
    told = numbers.listed([f"{way}{numbers.listed(methods)}" for way, methods in ways.items()])
    return f"Held against the best member of each, the heatmaps of {name} are {told}; {many}."


@template("published.explained")
def published(view: View) -> str:
    measure = view.one("measure")
    parts = []
    columns = ("share", "low", "high", "neighbour", "base")
    for split, *found in zip(view.names("splits"), *(view.numbers(name) for name in columns), strict=True):
        parts.append(f"{_explained(*found[:3])} {ON_SPLIT.get(split, split)} {_accuracies(*found[3:], measure)}")
    base = "naming the most frequent class"
    if measure != "accuracy":
        base = "naming the labels that more than half of the training images have"
    reported = numbers.span([view.number("lowest"), view.number("highest")])
    return (
        f"Of the {MEASURES[measure]} that {view.one('source')} reports ({reported}) above that of {base}, a nearest "
        f"neighbour on thumbnails, without any network, explains {' and '.join(parts)}."
    )


def _explained(share: float | None, low: float | None, high: float | None) -> str:
    """The share in words: never more precise than its interval."""
    if share is None:
        return "nothing, as none is reported,"
    text = numbers.share(share) + ("" if low is None else f" [{numbers.share(low)}, {numbers.share(high)}]")
    if share > 1:
        return f"more than all of it, {text},"
    return f"none of it, {text}," if share <= 0 else text


def _accuracies(neighbour: float | None, base: float | None, measure: str) -> str:
    right, named = ("none" if value is None else numbers.number(value) for value in (neighbour, base))
    if measure != "accuracy":
        return f"({MEASURES[measure]} {right}, of those labels {named})"
    return f"(right for {right} of the images, the most frequent class for {named})"
