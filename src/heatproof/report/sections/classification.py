"""How the models classify: who is taken for whom, ROC curves, calibration, and how well each label is told."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from heatproof.report.figures import curves as figures
from heatproof.report.figures import dot_rows
from heatproof.report.figures.canvas import Figure, short
from heatproof.report.figures.curves import Line
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table, groups_name
from heatproof.text import numbers
from heatproof.text.sentences import sentence

MEASURES = {
    "auroc_macro": "macro AUROC",
    "auroc_micro": "micro AUROC",
    "f1_micro": "micro F1",
    "f1_macro": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "subset_accuracy": "subset accuracy",
}
SCORES = (
    "AUROC is how often an image that has a label gets a higher probability of it than one that has not, macro AUROC "
    "its mean over the labels. Brackets hold 95% intervals; guessing scores 0.50."
)
EXPLAINED = (
    "Each label of an image is a question of its own, answered yes where its probability reaches the label's "
    "threshold, which was chosen on the validation images. F1 weighs how much is found against how much of it is "
    "right: micro F1 over all answers at once, so that common labels weigh most, macro F1 as the mean over labels. "
    "AUROC asks how often an image that has the label gets a higher probability than one that has not, without any "
    "threshold; guessing has 0.50. Subset accuracy is the share of images with every label right."
)


@dataclass(frozen=True)
class Labels:
    """`sentence` says which labels are not counted; the tables hold a row a model, and a row a label."""

    explained: str
    sentence: str
    together: Table
    each: list[Table]


def make_labels(inputs: Inputs) -> Labels | None:
    """The section; None where an image has one class."""
    if not inputs.multilabel:
        return None
    each = [
        _each(inputs, f"F1 of each label {_level(inputs)}", ("f1", "f1_low", "f1_high")),
        _each(inputs, f"AUROC of each label {_level(inputs)}", ("auroc", "auroc_low", "auroc_high")),
        _each(inputs, "Share of the images with a label that were recognized (sensitivity)", ("sensitivity",)),
        _each(
            inputs, "Share of the images without a label that were not taken to have it (specificity)", ("specificity",)
        ),
    ]
    return Labels(EXPLAINED, " ".join(map(sentence, inputs.results.about("labels"))), _together(inputs), each)


def _level(inputs: Inputs) -> str:
    several = ": mean over seeds, from the lowest end of their intervals to the highest"
    return f"[{inputs.results.interval:.0%} interval]" + (several if len(inputs.seeds) > 1 else "")


def _over_seeds(rows: pd.DataFrame, value: str, low: str | None = None, high: str | None = None) -> str:
    """Mean over seeds, with the lowest and the highest end of their intervals where they have some."""
    mean = float(rows[value].mean())
    if low is None or high is None:
        return numbers.number(mean)
    return numbers.interval(mean, float(rows[low].min(skipna=False)), float(rows[high].max(skipna=False)))


def _together(inputs: Inputs) -> Table:
    table = inputs.tables["multilabel"]
    known = [measure for measure in MEASURES if measure in set(table["measure"])]
    by = dict(list(table.groupby(["model", "measure"])))
    rows = [
        [model, *(_over_seeds(by[model, measure], "value", "low", "high") for measure in known)]
        for model in inputs.models
    ]
    caption = f"All labels together {_level(inputs)}; macro measures and balanced accuracy over the labels counted"
    return Table(caption, ["model", *(MEASURES[measure] for measure in known)], rows)


def _each(inputs: Inputs, caption: str, columns: Sequence[str]) -> Table:
    by = dict(list(inputs.tables["labels"].groupby(["label", "model"])))
    rows = []
    for label in inputs.classes:
        first = by[label, inputs.models[0]].iloc[0]
        there = [f"{first['images']:,}", *([] if _single(inputs) else [f"{first['groups']:,}"])]
        counted = "yes" if first["counted"] else "no"
        rows.append([label, *there, counted, *(_over_seeds(by[label, model], *columns) for model in inputs.models)])
    head = ["label", "test images with it", *([] if _single(inputs) else [groups_name(inputs)]), "counted"]
    return Table(caption, [*head, *inputs.models], rows)


def _single(inputs: Inputs) -> bool:
    return inputs.results.groups.kind == "image"


MOST = 6  # classes with a ROC panel of their own, and mistakes that a sentence names
NEAR = 0.01  # a gap between confidence and accuracy that would matter to nobody


@dataclass(frozen=True)
class Classification:
    """`sentences` stand on the page, the rest is folded away."""

    sentences: list[str]
    figures: list[Figure]
    table: Table | None


def make(inputs: Inputs) -> Classification | None:
    """Everything about the decisions: figures of all models, sentences of those that take part in verdicts."""
    if inputs.tables["confusion"].empty:
        return None
    # with several labels an image nobody is taken for another: the tables of the labels say what is missed
    confusion = [] if inputs.multilabel else [_confusion_figure(inputs)]
    drawn = [*confusion, _roc_figure(inputs), _reliability_figure(inputs)]
    told = [_missed(inputs) if inputs.multilabel else _mistakes(inputs), *_at_their_word(inputs)]
    return Classification(told, [figure for figure in drawn if figure], _table(inputs))


def counts(inputs: Inputs) -> dict[str, np.ndarray]:
    """Model -> test images by true and predicted class (int [classes, classes]), seeds added up."""
    table = inputs.tables["confusion"]
    sums = table.groupby(["model", "label", "predicted"])["images"].sum()
    names = pd.MultiIndex.from_product([inputs.models, inputs.classes, inputs.classes])
    stack = sums.reindex(names, fill_value=0).to_numpy(int)
    return dict(zip(inputs.models, stack.reshape(len(inputs.models), len(inputs.classes), -1), strict=True))


def _told_of(inputs: Inputs) -> list[str]:
    return inputs.competent or list(inputs.models)


def _mistakes(inputs: Inputs) -> str:
    """The mistake that is made most often, as a share of its class, mean over the models."""
    found = counts(inputs)
    stack = np.stack([found[model] for model in _told_of(inputs)]).astype(float)
    images = stack.sum(-1, keepdims=True)
    shares = np.divide(stack, images, out=np.zeros_like(stack), where=images > 0)
    shares[:, np.eye(len(inputs.classes), dtype=bool)] = 0
    mean = shares.mean(0)
    if not mean.any():
        return "No test image was taken for another class."
    equal = np.argwhere(np.isclose(mean, mean.max(), rtol=1e-9, atol=0))
    if len(equal) > 1:
        named = [f"{inputs.classes[i]} for {inputs.classes[j]}" for i, j in equal[:MOST]]
        named += [f"{len(equal) - MOST} others"] if len(equal) > MOST else []
        return (
            f"The most frequent mistakes are equally frequent: to take {numbers.listed(named)}, "
            f"{numbers.share(mean.max())} of the images of the class."
        )
    label, predicted = equal[0]
    by_model = shares[:, label, predicted]
    alike = len(set(map(numbers.share, by_model))) == 1
    between = "" if alike else f" ({numbers.span(by_model, numbers.share)} of them by model)"
    return (
        f"The most frequent mistake is to take {inputs.classes[label]} for {inputs.classes[predicted]}: "
        f"{numbers.share(mean[label, predicted])} of the images of {inputs.classes[label]}{between}."
    )


def _missed(inputs: Inputs) -> str:
    """The label that is missed most often, of those that are counted; mean over the models that are told of."""
    table = inputs.tables["labels"]
    table = table[table["counted"] & table["model"].isin(_told_of(inputs))]
    means = table.groupby("label")[["sensitivity", "specificity"]].mean().dropna()
    if means.empty:
        return "No label has enough images for what is missed to be told."
    label = means["sensitivity"].idxmin()
    if means.loc[label, "sensitivity"] == 1:
        return "No label is missed: every image that has one is recognized."
    return (
        f"The label that is missed most often is {label}: {numbers.share(1 - means.loc[label, 'sensitivity'])} of the "
        f"images that have it are not recognized, and {numbers.share(1 - means.loc[label, 'specificity'])} of the "
        f"others are taken to have it."
    )


def _at_their_word(inputs: Inputs) -> list[str]:
    """Which models are surer than they are right, or less sure, and of which neither could be shown."""
    found = inputs.results.confidence
    known = [model for model in _told_of(inputs) if model in found and found[model].low is not None]
    ends = {model: max(abs(found[model].low), abs(found[model].high)) for model in known}
    near = [model for model in known if ends[model] <= NEAR]
    rows = {model: found[model] for model in known if model not in near}
    over = {model: row.difference for model, row in rows.items() if row.low > 0}
    under = {model: -row.difference for model, row in rows.items() if row.high < 0}
    rest = {model: row for model, row in rows.items() if model not in over and model not in under}
    texts = [
        f"The probabilities of {numbers.listed(list(gaps))} cannot be taken at their word: on average they are "
        f"{_points(gaps.values())} {side} than the share of {'cases' if inputs.multilabel else 'images'} that is right."
        for side, gaps in (("higher", over), ("lower", under))
        if gaps
    ]
    if near:
        texts.append(
            f"The probabilities of {numbers.listed(near)} can be taken at their word: on average they differ by no "
            f"more than {_points([NEAR])} from the share of {'cases' if inputs.multilabel else 'images'} that is right."
        )
    if rest:
        widest = math.ceil(100 * max(ends[model] for model in rest) - 1e-9)
        texts.append(
            f"For {numbers.listed(list(rest))} no gap between mean confidence and accuracy could be shown, which does "
            f"not rule out one of up to {widest} points."
        )
    return texts


def _points(gaps) -> str:
    """`1 percentage point`, `0.3 to 12 percentage points`: a gap that is there is never 0."""
    ends = list(dict.fromkeys(f"{100 * gap:.{1 if 100 * gap < 1 else 2}g}" for gap in (min(gaps), max(gaps))))
    return f"{' to '.join(ends)} percentage {'point' if ends == ['1'] else 'points'}"


def _confusion_figure(inputs: Inputs) -> Figure:
    found, classes = counts(inputs), list(inputs.classes)
    told = [
        f"{model}: {classes[i]} as {classes[j]} {found[model][i, j]}"
        for model in inputs.models
        for i, j in zip(*np.nonzero(found[model]), strict=True)
    ]
    svg = figures.confusion("confusion", found, classes, f"Images by true and predicted class: {'; '.join(told)}")
    added = ", all seeds added up" if len(inputs.seeds) > 1 else ""
    caption = (
        f"Who is taken for whom: true class in rows, the model's answer in columns; test images{added}, and their "
        f"share of the row."
    )
    return Figure(Markup(svg), caption, "Confusion")


def _roc_figure(inputs: Inputs) -> Figure | None:
    table = inputs.tables["roc"]
    if table.empty:
        return None
    curves = dict(list(table.groupby(["label", "model", "seed"], sort=False)))
    areas = {key: float(np.trapezoid(rows["tpr"], rows["fpr"])) for key, rows in curves.items()}
    present = [name for name in inputs.classes if name in set(table["label"])]
    worst = sorted(present, key=lambda name: np.mean([area for key, area in areas.items() if key[0] == name]))
    shown = (
        present[1:]
        if len(present) == 2 and not inputs.multilabel
        else [name for name in present if name in worst[:MOST]]
    )
    place = {name: str(inputs.classes.index(name)) for name in shown}
    lines = [
        Line(place[label], model, seed, dot_rows.color(inputs.models, model), rows["fpr"], rows["tpr"])
        for (label, model, seed), rows in curves.items()
        if label in place
    ]
    macro = inputs.tables["models"].groupby("model")["auroc"].mean()
    keys = {m: (dot_rows.color(inputs.models, m), f"{short(m, 20)} {numbers.number(macro[m])}") for m in inputs.models}
    ranges = {name: [areas[key] for key in areas if key[0] == name and not np.isnan(areas[key])] for name in shown}
    told = [
        f"{name}: area {numbers.number(min(found))} to {numbers.number(max(found))}" for name, found in ranges.items()
    ]
    svg = figures.roc("roc", {place[n]: short(n, 26) for n in shown}, lines, keys, f"ROC curves. {'; '.join(told)}")
    left = (
        f" The {MOST} {'labels' if inputs.multilabel else 'classes'} that are told apart worst."
        if len(shown) < len(present) > 2
        else ""
    )
    each = "Each label on its own" if inputs.multilabel else "Each class against all others"
    over = "the labels counted" if inputs.multilabel else "classes"
    caption = (
        f"{each}: the share of its images that is recognized against the share of false alarms, "
        "as the probability that is asked for falls; a line a training. Beside each name the area under the curve, "
        f"mean over {over}{' and seeds' if len(inputs.seeds) > 1 else ''}; guessing has 0.50.{left}"
    )
    return Figure(Markup(svg), caption, "ROC curves")


def _reliability_figure(inputs: Inputs) -> Figure | None:
    table = inputs.tables["calibration"]
    if table.empty:
        return None
    errors = inputs.tables["models"].groupby("model")["calibration_error"].mean()
    lines = [
        Line(model, model, seed, dot_rows.color(inputs.models, model), rows["confidence"], rows["accuracy"])
        for (model, seed), rows in table.groupby(["model", "seed"], sort=False)
    ]
    shown = [model for model in inputs.models if model in set(table["model"])]
    titles = {model: f"{short(model, 20)} {numbers.number(errors[model])}" for model in shown}
    told = [f"{model} {numbers.number(errors[model])}" for model in shown]
    svg = figures.reliability("reliability", titles, lines, f"Expected calibration error: {', '.join(told)}")
    caption = (
        "How often the models are right (up) where they are so sure (across): on the dotted line probabilities mean "
        "what they say, below it the model claims too much. A dot is one of ten bins with equally many images, a line "
        "a training. Beside each name the expected calibration error: the mean gap between confidence and accuracy "
        "of a bin."
    )
    return Figure(Markup(svg), caption, "Calibration")


def _table(inputs: Inputs) -> Table | None:
    found = inputs.results.confidence
    if not found:
        return None
    macro = inputs.tables["models"].groupby("model")["auroc"].mean()
    rows = []
    for model in (model for model in inputs.models if model in found):
        row = found[model]
        low, high = (float("nan") if end is None else end for end in (row.low, row.high))
        means = [numbers.number(value) for value in (row.confidence, row.accuracy)]
        gap = numbers.interval(row.difference, low, high)
        errors = [numbers.number(value) for value in (row.error, row.error_by_chance)]
        rows.append([model, numbers.number(macro[model]), *means, gap, *errors])
    head = ["model", "AUROC", "mean confidence", "right", f"gap [{inputs.results.interval:.0%} interval]"]
    groups = numbers.UNITS[inputs.results.groups.kind][1]
    caption = (
        f"Area under the ROC curve; confidence and accuracy, means over {groups}; and the expected calibration error "
        f"beside that of a model whose probabilities are true, on as many independent images"
    )
    return Table(caption, [*head, "calibration error", "by chance alone"], rows)
