"""How well each label of a multilabel study is told, and how all of them together are."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table, groups_name

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


def make(inputs: Inputs) -> Labels | None:
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
    return Labels(EXPLAINED, inputs.summary["labels"]["sentence"] or "", _together(inputs), each)


def _level(inputs: Inputs) -> str:
    several = ": mean over seeds, from the lowest end of their intervals to the highest"
    return f"[{inputs.summary['interval']:.0%} interval]" + (several if len(inputs.seeds) > 1 else "")


def _over_seeds(rows: pd.DataFrame, value: str, low: str | None = None, high: str | None = None) -> str:
    """Mean over seeds, with the lowest and the highest end of their intervals where they have some."""
    mean = float(rows[value].mean())
    if low is None or high is None:
        return words.number(mean)
    return words.interval(mean, float(rows[low].min(skipna=False)), float(rows[high].max(skipna=False)))


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
    return inputs.summary["groups"]["kind"] == "image"
