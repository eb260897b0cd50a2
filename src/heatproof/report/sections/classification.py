"""Accuracy of the models: confusion matrix, ROC curves, calibration, and results by label."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from heatproof.report import tables
from heatproof.report.figures import curves as figures
from heatproof.report.figures import dot_rows
from heatproof.report.figures.canvas import Figure, short
from heatproof.report.figures.curves import Line
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Numbers, Table, groups_name
from heatproof.text import numbers, words
from heatproof.text.sentences import sentence
from heatproof.text.words import called

MEASURES = {
    "auroc_macro": "macro AUROC",
    "auroc_micro": "micro AUROC",
    "f1_micro": "micro F1",
    "f1_macro": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "subset_accuracy": "subset accuracy",
}
SCORES = (
    "AUROC is how often an image with a label gets a higher probability for it than one without; macro AUROC is its "
    "mean over the labels. Chance is 0.50. Brackets show 95% intervals."
)
EXPLAINED = (
    "Each label is predicted separately: it is present if its probability reaches the label's threshold, chosen on "
    "the validation images. F1 combines sensitivity and precision: micro F1 over all predictions, so common labels "
    "count most; macro F1 as the mean over labels. AUROC is how often an image with the label gets a higher "
    "probability than one without, independent of the threshold; chance is 0.50. Subset accuracy is the share of "
    "images with all labels correct."
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
        _each(inputs, "Sensitivity: share of the images with a label that are classified so", ("sensitivity",)),
        _each(inputs, "Specificity: share of the images without a label that are classified so", ("specificity",)),
    ]
    within = inputs.results.competence.within
    explained = f"{EXPLAINED} Here AUROC compares images of the same {within}." if within else EXPLAINED
    return Labels(explained, " ".join(map(sentence, inputs.results.about("labels"))), _together(inputs), each)


def _level(inputs: Inputs) -> str:
    several = ": mean over seeds, with the lowest and the highest end of their intervals"
    return f"[{inputs.results.interval:.0%} interval]" + (several if len(inputs.seeds) > 1 else "")


def _over_seeds(rows: pd.DataFrame, value: str, low: str | None = None, high: str | None = None) -> Numbers:
    """Mean over seeds, with the lowest and the highest end of their intervals where they have some."""
    mean = float(rows[value].mean())
    if low is None or high is None:
        return tables.value(mean)
    return tables.interval(mean, float(rows[low].min(skipna=False)), float(rows[high].max(skipna=False)))


def _together(inputs: Inputs) -> Table:
    table = inputs.tables["multilabel"]
    known = [measure for measure in MEASURES if measure in set(table["measure"])]
    by = dict(list(table.groupby(["model", "measure"])))
    rows = [
        [model, *(_over_seeds(by[model, measure], "value", "low", "high") for measure in known)]
        for model in inputs.models
    ]
    caption = f"All labels {_level(inputs)}; macro measures and balanced accuracy over labels with enough images"
    return Table(caption, ["model", *(MEASURES[measure] for measure in known)], rows)


def _each(inputs: Inputs, caption: str, columns: Sequence[str]) -> Table:
    by = dict(list(inputs.tables["labels"].groupby(["label", "model"])))
    rows = []
    for label in inputs.classes:
        first = by[label, inputs.models[0]].iloc[0]
        there = [f"{first['images']:,}", *([] if _single(inputs) else [f"{first['groups']:,}"])]
        counted = "yes" if first["counted"] else "no"
        rows.append([label, *there, counted, *(_over_seeds(by[label, model], *columns) for model in inputs.models)])
    head = ["label", "test images with it", *([] if _single(inputs) else [groups_name(inputs)]), "enough images"]
    return Table(caption, [*head, *inputs.models], rows)


def _single(inputs: Inputs) -> bool:
    return inputs.results.groups.kind == "image"


MOST = 6  # classes with a ROC panel of their own, and mistakes that a sentence names
NEAR = 0.01  # a gap between confidence and accuracy that is too small to matter


@dataclass(frozen=True)
class Classification:
    """`sentences` are shown, the rest is folded."""

    sentences: list[str]
    figures: list[Figure]
    table: Table | None


def make(inputs: Inputs) -> Classification | None:
    """Everything about the decisions: figures of all models, sentences of those that take part in verdicts."""
    if inputs.tables["confusion"].empty:
        return None
    # images with several labels have no confusion matrix: the tables of the labels show what is missed
    confusion = [] if inputs.multilabel else [_confusion_figure(inputs)]
    drawn = [*confusion, _roc_figure(inputs), _reliability_figure(inputs)]
    sentences = [_missed(inputs) if inputs.multilabel else _mistakes(inputs), *_calibration(inputs)]
    return Classification(sentences, [figure for figure in drawn if figure], _table(inputs))


def counts(inputs: Inputs) -> dict[str, np.ndarray]:
    """Model -> test images by true and predicted class (int [classes, classes]), seeds added up."""
    table = inputs.tables["confusion"]
    sums = table.groupby(["model", "label", "predicted"])["images"].sum()
    names = pd.MultiIndex.from_product([inputs.models, inputs.classes, inputs.classes])
    stack = sums.reindex(names, fill_value=0).to_numpy(int)
    return dict(zip(inputs.models, stack.reshape(len(inputs.models), len(inputs.classes), -1), strict=True))


def _described(inputs: Inputs) -> list[str]:
    """Return the models that sentences are about."""
    return inputs.competent or list(inputs.models)


def _mistakes(inputs: Inputs) -> str:
    """Describe the most frequent error, as a share of its class, mean over the models."""
    found = counts(inputs)
    stack = np.stack([found[model] for model in _described(inputs)]).astype(float)
    images = stack.sum(-1, keepdims=True)
    shares = np.divide(stack, images, out=np.zeros_like(stack), where=images > 0)
    shares[:, np.eye(len(inputs.classes), dtype=bool)] = 0
    mean = shares.mean(0)
    if not mean.any():
        return "No test image is misclassified."
    equal = np.argwhere(np.isclose(mean, mean.max(), rtol=1e-9, atol=0))
    if len(equal) > 1:
        named = [f"{inputs.classes[i]} as {inputs.classes[j]}" for i, j in equal[:MOST]]
        named += [f"{len(equal) - MOST} others"] if len(equal) > MOST else []
        return (
            f"The most frequent errors are equally frequent: {numbers.listed(named)}, each "
            f"{numbers.share(mean.max())} of the images of the class."
        )
    label, predicted = equal[0]
    by_model = shares[:, label, predicted]
    alike = len(set(map(numbers.share, by_model))) == 1
    between = "" if alike else f" ({numbers.span(by_model, numbers.share)} by model)"
    return (
        f"The most frequent error: {numbers.share(mean[label, predicted])} of the images of {inputs.classes[label]} "
        f"are misclassified as {inputs.classes[predicted]}{between}."
    )


def _missed(inputs: Inputs) -> str:
    """Describe the label with the lowest sensitivity, mean over the models."""
    table = inputs.tables["labels"]
    table = table[table["counted"] & table["model"].isin(_described(inputs))]
    means = table.groupby("label")[["sensitivity", "specificity"]].mean().dropna()
    if means.empty:
        return "No label has enough images to report its sensitivity."
    label = means["sensitivity"].idxmin()
    if means.loc[label, "sensitivity"] == 1:
        return "Sensitivity is 100% for every label."
    return (
        f"The label that is missed most often is {label}: in {numbers.share(1 - means.loc[label, 'sensitivity'])} of "
        f"the images with it. "
        f"{words.capital(numbers.share(1 - means.loc[label, 'specificity']))} of the images without it "
        f"are false positives."
    )


def _calibration(inputs: Inputs) -> list[str]:
    """State which models are overconfident, underconfident, calibrated, and which are undecided."""
    found = inputs.results.confidence
    known = [model for model in _described(inputs) if model in found and found[model].low is not None]
    ends = {model: max(abs(found[model].low), abs(found[model].high)) for model in known}
    near = [model for model in known if ends[model] <= NEAR]
    rows = {model: found[model] for model in known if model not in near}
    over = {model: row.difference for model, row in rows.items() if row.low > 0}
    under = {model: -row.difference for model, row in rows.items() if row.high < 0}
    rest = {model: row for model, row in rows.items() if model not in over and model not in under}
    texts = [
        f"{numbers.listed(list(map(called, gaps)))} {'is' if len(gaps) == 1 else 'are'} {kind}: mean confidence is "
        f"{_points(gaps.values())} {side} accuracy."
        for kind, side, gaps in (("overconfident", "above", over), ("underconfident", "below", under))
        if gaps
    ]
    if near:
        texts.append(
            f"{numbers.listed(list(map(called, near)))} {'is' if len(near) == 1 else 'are'} calibrated on average: "
            f"mean confidence and accuracy differ by at most {_points([NEAR])}."
        )
    if rest:
        widest = math.ceil(100 * max(ends[model] for model in rest) - 1e-9)
        texts.append(
            f"No evidence that {numbers.listed(list(map(called, rest)))} {'is' if len(rest) == 1 else 'are'} over- or "
            f"underconfident; a gap of up to {widest} percentage points is possible."
        )
    return texts


def _points(gaps) -> str:
    """Write `1 percentage point` or `0.3 to 12 percentage points`; a gap above zero is never written as 0."""
    ends = list(dict.fromkeys(_percentage(100 * gap) for gap in (min(gaps), max(gaps))))
    return f"{' to '.join(ends)} percentage {'point' if ends == ['1'] else 'points'}"


def _percentage(points: float) -> str:
    """Write percentage points: two digits, one below 1.

    >>> _percentage(0.064), _percentage(12.4), _percentage(100.0), _percentage(1e-5)
    ('0.06', '12', '100', 'under 0.001')
    """
    if 0 < points < 0.001:
        return "under 0.001"
    return f"{points:.0f}" if points >= 99.5 else f"{points:.{1 if points < 1 else 2}g}"


def _confusion_figure(inputs: Inputs) -> Figure:
    found, classes = counts(inputs), list(inputs.classes)
    entries = [
        f"{called(model)}: {classes[i]} as {classes[j]} {found[model][i, j]}"
        for model in inputs.models
        for i, j in zip(*np.nonzero(found[model]), strict=True)
    ]
    svg = figures.confusion("confusion", found, classes, f"Images by true and predicted class: {'; '.join(entries)}")
    added = ", summed over seeds" if len(inputs.seeds) > 1 else ""
    caption = (
        f"Confusion matrix: true class in rows, predicted class in columns. Number of test images{added}, and share "
        f"of the row."
    )
    return Figure(Markup(svg), caption, "Confusion matrix")


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
    keys = {
        model: (dot_rows.color(inputs.models, model), f"{short(called(model), 20)} {numbers.number(macro[model])}")
        for model in inputs.models
    }
    ranges = {name: [areas[key] for key in areas if key[0] == name and not np.isnan(areas[key])] for name in shown}
    described = [
        f"{name}: area {numbers.number(min(values))} to {numbers.number(max(values))}"
        for name, values in ranges.items()
    ]
    svg = figures.roc(
        "roc", {place[n]: short(n, 26) for n in shown}, lines, keys, f"ROC curves. {'; '.join(described)}"
    )
    left = (
        f" Only the {MOST} {'labels' if inputs.multilabel else 'classes'} with the lowest AUROC."
        if len(shown) < len(present) > 2
        else ""
    )
    each = "Each label" if inputs.multilabel else "Each class against all others"
    over = "labels with enough images" if inputs.multilabel else "classes"
    caption = (
        f"{each}: sensitivity and false-positive rate as the threshold falls; one line per training run. Next to "
        f"each name: area under the curve, mean over {over}{' and seeds' if len(inputs.seeds) > 1 else ''}; chance is "
        f"0.50.{left}"
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
    titles = {model: f"{short(called(model), 20)} {numbers.number(errors[model])}" for model in shown}
    described = [f"{called(model)} {numbers.number(errors[model])}" for model in shown]
    svg = figures.reliability("reliability", titles, lines, f"Expected calibration error: {', '.join(described)}")
    caption = (
        "Accuracy by confidence, in ten bins of equally many images; one line per training run. On the dotted line, "
        "the model is calibrated; below it, overconfident. Next to each name: expected calibration error, the mean gap "
        "between confidence and accuracy of a bin."
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
        means = [tables.value(value) for value in (row.confidence, row.accuracy)]
        gap = tables.interval(row.difference, low, high)
        errors = [tables.value(value) for value in (row.error, row.error_by_chance)]
        rows.append([model, tables.value(macro[model]), *means, gap, *errors])
    head = ["model", "AUROC", "mean confidence", "accuracy", f"gap [{inputs.results.interval:.0%} interval]"]
    groups = numbers.UNITS[inputs.results.groups.kind][1]
    caption = (
        f"Area under the ROC curve; mean confidence and accuracy over {groups}; expected calibration error, also of a "
        f"perfectly calibrated model on as many independent images"
    )
    return Table(caption, [*head, "calibration error", "if perfectly calibrated"], rows)
