"""Sentences on a whole study: its setting, seeds, groups, split, models, ensembles, published results, next steps; and
the size of the next one."""

from heatproof.catalogue.metrics import needs_lesion
from heatproof.text import numbers, words
from heatproof.text.words import View, template

STARTS = {  # where a training run starts -> how a sentence puts it
    "scratch": "trained from scratch (no pretrained weights)",
    "pretrained": "trained from pretrained weights",
    "brought": "trained from user-supplied weights",
    "taken": "user-supplied checkpoints",
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
    counts = [count for name in starts for count in view.numbers(name) if count]
    if not counts:
        return ""
    low, high = min(counts), max(counts)
    return numbers.counted(low, "epoch") if low == high else f"{low} to {high} epochs"


def _size(view: View) -> str:
    return f"{view.number('size')} x {view.number('size')} pixels"


@template("setting.full")
def setting(view: View) -> str:
    starts = [start for start in STARTS if view.names(start)]
    size, seeds, every = _size(view), view.count("seeds", "seed"), _epochs(view)
    if len(starts) == 1:
        text = words.capital(f"{', '.join(filter(None, [STARTS[starts[0]], size, every, seeds]))}.")
    else:
        parts = []
        for start in starts:
            epochs = _epochs(view, start)
            parts.append(f"{view.listed(start)}: {STARTS[start]}{epochs and f', {epochs}'}")
        text = f"{'; '.join(parts)}. All: {size}, {seeds}."
    return f"{text} {view.one('text')}".strip()


@template("setting.short")
def setting_short(view: View) -> str:
    starts = " or ".join(STARTS[start] for start in STARTS if view.names(start))
    brief = [starts, _size(view), *filter(None, [_epochs(view)]), view.count("seeds", "seed")]
    return f"Setting: {', '.join(brief)}."


@template("seeds.checkpoints", "seeds.architectures")
def seeds(view: View) -> str:
    start = "was trained with" if view.one("scope") == "trained" else "has checkpoints of"
    if view.kind == "seeds.checkpoints":
        return (
            f"Verdicts apply to these checkpoints, not to architectures: every model {start} "
            f"{view.count('seeds', 'seed')}, and at least {view.number('needed')} are needed."
        )
    return (
        f"Verdicts apply to architectures: every model {start} {view.number('seeds')} seeds, and tests account for the "
        f"variance between seeds and between {view.unit}."
    )


@template("seeds.uneven")
def seeds_uneven(view: View) -> str:
    count = f"{view.number('seeds')} to {view.number('most')}"
    return f"Verdicts apply only to these training runs: the number of seeds differs between models ({count})."


@template("groups.patient", "groups.united", "groups.lookalike", "groups.image")
def groups(view: View) -> str:
    count, folds = view.number("groups"), view.number("folds")
    where = " in the test set" if folds == 1 else f", each tested once over {folds} folds"
    if view.kind == "groups.patient":
        text = f"All tests use one mean per patient ({numbers.counted(count, 'patient')}{where})."
        leak = "The split ignores patients: images of one patient are in training and test, so accuracies are too high."
        return f"{text} {leak}" if view.reason == "random_split" else text
    if view.kind == "groups.united":
        return f"All tests use means of {view.unit} ({count}{where}). Each consists of whole patients."
    if view.kind == "groups.lookalike":
        text = f"P values may be too small and accuracies too high: tests use means of {view.unit} ({count}{where})"
        return f"{text}, which are not patients. One patient may be in several clusters, and in both training and test."
    return (
        f"P values may be too small and accuracies too high: patients are unknown, the split is random, and tests use "
        f"single images ({count}{where}). One patient may count several times, and be in both training and test."
    )


@template("groups.localized")
def localized(view: View) -> str:
    which = "with a marked region" if needs_lesion(view.raw("metric")[0]) else "whose heatmaps are scored"
    return f"Localization is tested on the {view.units('groups')} {which}."


@template("groups.unscored")
def unscored(view: View) -> str:
    names = ["sanity checks" if name == "sanity" else name for name in view.raw("families")]
    return f"Not measured: {numbers.listed(names)}."


@template("table.groups")
def table_groups(view: View) -> str:
    groups, images = view.units("groups"), view.count("images", "image")
    return f"All tests use one mean per group ({groups}, {images}). They assume independent groups; please check this."


@template("table.independent")
def table_images(view: View) -> str:
    images = view.count("images", "image")
    return f"All {images} are treated as independent (--independent)."


@template("table.opposite")
def stated_direction(view: View) -> str:
    way = view.one("better")
    good = "low" if way == "lower" else "high"
    return f"A {good} {view.one('metric')} counts as good (--{way}), although its name suggests the opposite."


@template("table.described")
def described(view: View) -> str:
    return f"Described in metrics.csv but not tested, because no direction is better: {view.listed('metrics', 8)}."


@template("table.note")
def note(view: View) -> str:
    return view.reason


@template("table.partial")
def partial(view: View) -> str:
    apart = f"; {view.count('unlinked', 'pair')} of models share none, without a test" if view.has("unlinked") else ""
    return (
        f"By design, {view.number('complete')} of {view.units('groups')} have every model. The models "
        f"are compared on those with two models or more, and each pair on those that both have{apart}. Verdicts apply "
        f"to these checkpoints."
    )


@template("table.disjoint")
def disjoint(view: View) -> str:
    tests = {"friedman": "Mann-Whitney and Kruskal-Wallis tests", "rm_anova": "Welch's t test and ANOVA"}
    by = tests[view.one("test")]
    return (
        f"No group has two models, so the tests are unpaired ({by}). They cannot separate models from "
        f"their {view.unit}, and find less than paired tests. Verdicts apply to these checkpoints."
    )


@template("data_sets.alike", "data_sets.differ", "data_sets.untested")
def data_sets(view: View) -> str:
    sets = view.count("sets", "data set")
    if view.kind == "data_sets.untested":
        return f"Whether the models rank differently in the {sets} cannot be tested: too few groups have two models."
    test = (
        f"(heterogeneity: chi-square {view.number('statistic'):.1f}, {view.number('df1'):.0f} degrees of freedom, "
        f"{numbers.p_equals(view.number('p'))})"
    )
    if view.kind == "data_sets.differ":
        return (
            f"The order of the models differs between the {sets} {test}: verdicts over all are averages (datasets.csv)."
        )
    return f"No evidence that the order of the models differs between the {sets} {test}."


@template("data_sets.over")
def over_data_sets(view: View) -> str:
    ranks = zip(view.names("models"), view.numbers("ranks"), strict=True)
    apart = zip(view.names("over"), view.names("under"), strict=True)
    pairs = numbers.listed([f"{a} above {b}" for a, b in apart], 4) or "none"
    test = "the same order in each"
    if view.has("statistic"):
        freedom = f"{view.number('df1'):.0f} and {view.number('df2'):.0f} degrees of freedom"
        test = f"F {view.number('statistic'):.2f}, {freedom}"
    return (
        f"Over {view.number('sets')} data sets as blocks (Demsar 2006): {test}, "
        f"{numbers.p_equals(view.number('p'))}; mean ranks: "
        f"{', '.join(f'{model} {numbers.number(rank)}' for model, rank in ranks)}; pairs that differ (Wilcoxon, "
        f"Holm-corrected): {pairs}."
    )


@template("table.data_sets")
def table_data_sets(view: View) -> str:
    return f"Patients are blocks within their data set ({view.count('sets', 'data set')})."


@template("choice.by")
def choice_by(view: View) -> str:
    return (
        f"Options are chosen by {view.metric()} on {view.units('validation')} of the validation table, none of which "
        f"is tested. A heatmap has to beat a control at each of the control's options."
    )


@template("choice.untuned")
def choice_untuned(view: View) -> str:
    names = [words.control(name) for name in view.raw("controls")]
    them = "it" if len(names) == 1 else "them"
    return f"Not tuned, with one option: {numbers.listed(names)}. A lead over {them} may come from the choice alone."


@template("choice.option")
def choice_option(view: View) -> str:
    ends = [view.number("chosen"), view.number("naive")]
    chosen, naive = (numbers.number(end, beside=ends) for end in ends)
    optimism = numbers.interval(*(view.get(name) for name in ("optimism", "low", "high")))
    return (
        f"{view.listed('models')}: {view.listed('options')}, chosen on the validation {view.unit}, with "
        f"{view.metric()} {chosen} on the test {view.unit}. Choosing on the test {view.unit} instead would report "
        f"{view.listed('best')}, with {naive}: an optimism of {optimism}."
    )


@template("table.unknown_models")
def unknown_models(view: View) -> str:
    return "The accuracy of these models is unknown. Heatmaps of a model that guesses explain nothing."


@template("table.metrics")
def table_metrics(view: View) -> str:
    many = view.number("metrics")
    return f"Each of the {many} metrics is tested separately; p values are not corrected for their number."


@template("methods.several")
def several_methods(view: View) -> str:
    count = view.number("methods")
    return f"{count} explanation methods were tested separately; p values are not corrected for their number."


@template("methods.unsupported")
def unsupported(view: View) -> str:
    every = len(view.names("models")) == view.number("all") > 1
    return f"No heatmaps of {'any model' if every else view.listed('models')}: {words.cause(view.reason)}."


def _no_label(view: View) -> str:
    """Return why no model can be evaluated where images have several labels."""
    groups = view.units("needed")
    return f"no label has at least {groups} with it and as many without it in the test set"


def _thresholds(view: View) -> tuple[str, str]:
    return numbers.number(view.number("floor")), numbers.number(view.number("chance"))


@template("models.none_competent")
def none_competent(view: View) -> str:
    if view.reason:
        return f"The heatmaps cannot be evaluated: {_no_label(view)}."
    floor, chance = _thresholds(view)
    return (
        f"The heatmaps cannot be evaluated: no model performs above chance in all its training runs (the interval of "
        f"{view.one('measure')} must lie above {floor}; chance is {chance})."
    )


@template("models.left_out")
def left_out(view: View) -> str:
    one = len(view.names("models")) == 1
    out = f"No verdict on {view.listed('models')}"
    if view.reason:
        return f"{out}: {_no_label(view)}."
    floor, chance = _thresholds(view)
    which = "at least one training run" if one else "at least one training run of each"
    return (
        f"{out}: in {which}, the interval of {view.one('measure')} does not lie above the floor of {floor} (chance is "
        f"{chance})."
    )


@template("models.unstated")
def unstated(view: View) -> str:
    were = "checkpoint was" if len(view.names("models")) == 1 else "checkpoints were"
    return (
        f"The accuracy of {view.listed('models')} may be too high: the study does not state which images the {were} "
        f"trained on, so test images may be among them. State the split (data.split.by: column or folder), or "
        f"(if none of these images was used for training) set data.split: {{test: all, unseen: true}}."
    )


@template("labels.not_counted")
def labels(view: View) -> str:
    rows = zip(view.names("labels"), view.numbers("having"), view.numbers("lacking"), strict=True)
    labels = [f"{label} ({having} with it, {lacking} without)" for label, having, lacking in rows]
    rule = f"a label counts only if at least {view.units('needed')} in the test set have it and as many do not"
    if view.reason:
        return f"No label counts, so there is no verdict on any model: {rule}. Labels: {numbers.listed(labels)}."
    return f"Macro F1, macro AUROC and the check against chance exclude {numbers.listed(labels)}: {rule}."


@template("cases.compared")
def cases(view: View) -> str:
    text = "Each heatmap explains a case: an image and one of its labels. Models are compared on the cases that every "
    text += "training run explains."
    left: dict[str, list[str]] = {}
    for family, kept, out in zip(view.names("families"), view.numbers("kept"), view.numbers("left_out"), strict=True):
        left.setdefault(f"{out} of {kept + out}", []).append(family)
    parts = [f"{number} ({', '.join(of)})" for number, of in left.items()]
    out = f" Excluded, because not every training run explains them: {'; '.join(parts)}."
    return text + (out if parts else "")


@template("splits.compared")
def splits(view: View) -> str:
    models, clear = view.names("models"), view.names("clear")
    reach = "models reach" if len(models) > 1 else "model reaches"
    random, grouped = (numbers.span(view.numbers(name)) for name in ("random", "grouped"))
    kept = KEPT_TOGETHER[view.one("kept")]
    text = f"With a random split, the same {reach} a balanced accuracy of {random}; {kept}, {grouped}. "
    falls = dict(zip(models, view.numbers("fall"), strict=True))
    fall = numbers.span([falls[model] for model in clear or models])
    if len(clear) == len(models):
        return f"{text}The random split inflates accuracy by {fall}."
    if clear:
        others = numbers.listed([model for model in models if model not in clear])
        inflates = f"The random split inflates the accuracy of {view.listed('clear')} by {fall}"
        return f"{text}{inflates}; for {others}, the difference is not significant."
    return f"{text}The difference is not significant."


def _turned(view: View) -> str:
    """Return `0.02 [−0.01, 0.05]`, with the sign that makes the difference positive."""
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
    alike = "; the difference is not significant" if view.reason else ""
    return (
        f"{how} has {an} {called} of {numbers.number(view.number('value'))}, {_turned(view)} {way} that of its best "
        f"member, {view.one('member')} ({numbers.number(view.number('best'))}; {view.units('groups')}){alike}. Tests "
        f"between models exclude it, because it contains them."
    )


@template("ensemble.heatmaps")
def ensemble_heatmaps(view: View) -> str:
    name, tested = view.one("ensemble"), view.number("tested")
    if not tested:
        return f"The heatmaps of {name} have no scores to compare with those of its members."
    ways: dict[str, list[str]] = {}
    rows = zip(view.names("ways"), view.names("metrics"), view.names("methods"), strict=True)
    for way, metric, method in rows:
        ways.setdefault(f"{way} in {view.metric(metric)} by ", []).append(method)
    many = f"{numbers.counted(tested, 'comparison')} of a metric and method, uncorrected"
    if not ways:
        return f"The heatmaps of {name} do not differ significantly from those of its best member ({many})."
    differences = numbers.listed([f"{way}{numbers.listed(methods)}" for way, methods in ways.items()])
    return f"Compared with its best member, the heatmaps of {name} are {differences} ({many})."


@template("published.explained")
def published(view: View) -> str:
    measure = view.one("measure")
    parts = []
    columns = ("share", "low", "high", "neighbour", "base")
    for split, *values in zip(view.names("splits"), *(view.numbers(name) for name in columns), strict=True):
        parts.append(f"{_explained(*values[:3])} {ON_SPLIT.get(split, split)} {_accuracies(*values[3:], measure)}")
    base = "always predicting the most frequent class"
    if measure != "accuracy":
        base = "always predicting the labels of more than half of the training images"
    reported = numbers.span([view.number("lowest"), view.number("highest")])
    an = "an" if measure == "accuracy" else "a"
    return (
        f"{words.capital(view.one('source'))} reports {an} {MEASURES[measure]} of {reported}. Of its gain over "
        f"{base}, a nearest "
        f"neighbour on thumbnails, without any network, explains {' and '.join(parts)}."
    )


def _explained(share: float | None, low: float | None, high: float | None) -> str:
    """Return the share in words: never more precise than its interval."""
    if share is None:
        return "an undefined share"
    text = numbers.share(share) + ("" if low is None else f" [{numbers.share(low)}, {numbers.share(high)}]")
    if share > 1:
        return f"more than all of it, {text},"
    return f"none of it, {text}," if share <= 0 else text


def _accuracies(neighbour: float | None, base: float | None, measure: str) -> str:
    right, named = ("none" if value is None else numbers.number(value) for value in (neighbour, base))
    if measure != "accuracy":
        return f"({MEASURES[measure]} {right}; those labels {named})"
    return f"(accuracy {right}; most frequent class {named})"


@template("next.look")
def look(view: View) -> str:
    return "Do not interpret the heatmaps of this page. They are shown for inspection only."


@template("next.groups")
def more_groups(view: View) -> str:
    return (
        f"Add {view.unit}: {view.one('model')} scores {numbers.number(view.number('value'))}, above the floor of "
        f"{numbers.number(view.number('floor'))}, but with {view.units('here')} the interval is too wide. About "
        f"{view.number('enough'):,} in the test set would be enough if the score stays the same."
    )


@template("next.training", "next.preprocessing")
def better_training(view: View) -> str:
    floor = f"the floor of {numbers.number(view.number('floor'))}"
    best = f" (best score: {numbers.number(view.number('value'))})" if view.has("value") else ""
    advice = "Improve the training"
    if view.kind == "next.preprocessing":
        advice = "Check that the models see the images as in training (normalization, size, order of the classes)"
    return f"{advice}: no model scores above {floor}{best}."


@template("next.weights")
def pretrained(view: View) -> str:
    return (
        "Start from pretrained weights (train.weights: pretrained, or the path to a checkpoint). These models were "
        "trained from scratch."
    )


@template("next.size")
def larger(view: View) -> str:
    return f"Use larger images (data.size). These have {view.number('size')} pixels per side."


@template("next.audit")
def heed_audit(view: View) -> str:
    return f"Resolve the {view.count('alarms', 'alarm')} of the data audit first."


TESTED_BY = {
    "friedman": "Wilcoxon's signed-rank test on one mean per {unit}",
    "rm_anova": "the paired t test on one mean per {unit}",
    "seeds": "the t test over {units} and training seeds",
    "margin": "two one-sided t tests on one mean per {unit}",
}


def _planned(view: View) -> str:
    """Return what a study is to show: `detect a difference of 0.05 in IoU between two models`."""
    difference, models = f"{view.number('difference'):g} in {view.metric() or 'the metric'}", view.listed("models")
    if view.one("question") == "control":
        over = (
            words.control(view.one("control"), view.one("family")) if view.one("control") else "their hardest control"
        )
        return f"show that the heatmaps{models and f' of {models}'} lead {over} by {difference}"
    return {
        "pair": f"detect a difference of {difference} between {models or 'two models'}",
        "margin": f"show that two equal models differ by less than {difference}",
        "models": f"detect that {view.number('compared')} models differ, two of them by {difference}",
        "claim": f"decide, by a difference of {difference}, the claim that {view.one('claim')}",
    }[view.one("question")]


@template("power.goal")
def power_goal(view: View) -> str:
    text = f"Goal: {_planned(view)}, with a power of {view.number('power'):.0%}."
    if not view.has("pilot_patients"):
        return text
    patients, seeds = view.number("pilot_patients"), view.count("pilot_seeds", "seed")
    pilot = f"{numbers.counted(patients, *numbers.UNITS[view.one('unit')])}, {seeds}"
    return (
        f"{text} Pilot: {view.one('method')} in {view.one('study')} ({pilot}); low and high are the ends of the 95% "
        f"band that its size leaves."
    )


@template("power.needed")
def power_needed(view: View) -> str:
    one, many = numbers.UNITS[view.one("unit")]
    test, alone = view.one("test"), {"control": 1}.get(view.one("question"), 2)
    joint = view.one("question") in ("models", "claim") or view.number("compared") <= alone
    by = TESTED_BY[test].format(unit=one, units=many)
    if view.one("question") == "models":
        by = words.TESTS["quasi_f" if test == "seeds" else test]
    first = "" if joint else ", the first of Holm's correction"
    level = f"significance level {view.number('level'):.2g}{first}"
    images = f"as many images per {one} as the pilot"
    if view.has("images"):
        amount = f"{view.number('images'):.3g}"
        images = f"{amount} {'image' if amount == '1' else 'images'} per {one}"
    elif not view.has("pilot_patients"):
        images = f"one mean per {one}"
    goal = (
        f"to {_planned(view)} with a power of {view.number('power'):.0%} by {by} ({level}), with "
        f"{view.count('seeds', 'training seed')} per model and {images}."
    )
    if not view.has("patients"):
        text = f"No number of {many} is enough {goal}"
    else:
        text = f"{numbers.counted(view.number('patients'), one, many)} are needed {goal}"
    if view.has("pilot_patients"):
        low, high = (f"{view.number(end):,}" if view.has(end) else "any number" for end in ("low", "high"))
        pilot = f"{numbers.counted(view.number('pilot_patients'), one, many)}, {view.count('pilot_models', 'model')}"
        text += (
            f" The variances are those of a pilot study with {pilot} and {view.count('pilot_seeds', 'training seed')} "
            f"per model. Their uncertainty leaves a 95% band of {low} to {high}."
        )
    return text if test == "seeds" else f"{text} Conclusions will be about the trained models, not architectures."


@template("power.few_seeds")
def power_few_seeds(view: View) -> str:
    return (
        f"The variance between training seeds limits the power: at least {view.number('fewest')} seeds per model are "
        f"needed, whatever the number of {view.unit}."
    )
