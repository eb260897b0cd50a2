"""The section on a cue that was planted: who rests on it, and which heatmaps give that away."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from heatproof.report import data_figures, words
from heatproof.report.data_figures import Dot, DotRow
from heatproof.report.figure import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table

ON_CUE, ACCURACY = "inside_cue", "accuracy"
KINDS = {
    "agrees": "accuracy where the mark agrees",
    "conflicts": "accuracy where it conflicts",
    "marked": "heat on the mark",
    "unmarked": "heat there without a mark",
}
VERDICTS = {
    "shown": "the difference is larger than chance explains, and not surely below the margin",
    "faint": "it is, but surely below the margin",
    "hidden": "it is not, and surely below the margin",
    "unclear": "neither could be shown",
}


@dataclass(frozen=True)
class Section:
    sentences: Sequence[str]
    figure: Figure
    reliance: Table
    tables: Sequence[Table]  # one a model: what its heatmaps show, by method and metric
    verdicts: dict[str, str]  # what the words in them mean


def make(inputs: Inputs) -> Section | None:
    """The section, where a cue was planted."""
    told = inputs.summary.get("cue")
    if not told:
        return None
    rows = inputs.tables["cue"]
    means = rows[rows["seed"].isna()]
    tables = [table(inputs, of, model) for model in inputs.models for of in [means[means["model"] == model]]]
    margins = [f"{inputs.metric(name).name} {margin:g}" for name, margin in told["margins"].items()]
    verdicts = VERDICTS | ({"margin": f"the difference that would not matter: {', '.join(margins)}"} if margins else {})
    return Section(told["sentences"], figure(inputs, means), reliance(inputs, rows), [t for t in tables if t], verdicts)


def figure(inputs: Inputs, means: pd.DataFrame) -> Figure:
    """A row a model with its two accuracies, and below it one a method with the heat on the mark and without it."""
    rows = []
    for model in inputs.models:
        of = means[means["model"] == model]
        for _, row in of[of["metric"] == ACCURACY].iterrows():
            dots = [Dot("agrees", row["marked"]), Dot("conflicts", row["unmarked"])]
            rows.append(DotRow(model, dots, text=_interval(row)))
        on_cue = of[(of["metric"] == ON_CUE) & of["method"].isin(list(inputs.methods)) & (of["groups"] > 0)]
        for _, row in on_cue.iterrows():
            dots = [Dot("marked", row["marked"]), Dot("unmarked", row["unmarked"])]
            rows.append(DotRow(f"– {row['method']}", dots, text=f"{row['verdict']} {_interval(row)}"))
    kinds = {kind: text for kind, text in KINDS.items() if any(dot.kind == kind for row in rows for dot in row.dots)}
    alt = f"What rests on the planted mark: {data_figures.described(rows, kinds)}"
    svg = data_figures.dots("cue", rows, kinds, "balanced accuracy; share of all heat", alt)
    caption = (
        "Each model with its balanced accuracy on test images where the mark agrees with the class and where it "
        "conflicts, in the mean of its trainings; at the right, the difference with its interval."
    )
    if "marked" in kinds:
        caption += (
            " Below it each method with the share of all heat that lies where the mark is, or would be. A heatmap that "
            "gives a cheat away has the two marks far apart."
        )
    return Figure(Markup(svg), caption)


def reliance(inputs: Inputs, rows: pd.DataFrame) -> Table:
    """Every training's accuracies, and the mean of a model's."""
    table = []
    for model in inputs.models:
        of = rows[(rows["model"] == model) & (rows["metric"] == ACCURACY)]
        for _, row in of.iterrows():
            seed = "mean" if pd.isna(row["seed"]) else str(row["seed"])
            numbers = [words.number(row[key]) for key in ("marked", "unmarked")]
            table.append([model, seed, *numbers, _interval(row), row["verdict"]])
    head = ["model", "seed", "mark agrees", "mark conflicts", "difference", "the model"]
    return Table("Balanced accuracy where the mark agrees with the class, and where it conflicts", head, table)


def table(inputs: Inputs, rows: pd.DataFrame, model: str) -> Table | None:
    """What the heatmaps of a model show, by method and metric; controls below. None without any."""
    heat = rows[rows["method"] != ""]
    metrics = list(dict.fromkeys(heat["metric"]))
    found = {(row["method"], row["metric"]): row for _, row in heat.iterrows()}
    body = []
    for method in dict.fromkeys(heat["method"]):
        cells = [_cell(found.get((method, metric))) for metric in metrics]
        body.append([method if method in inputs.methods else words.CONTROLS.get(method, method), *cells])
    caption = f"{model}: mean of images with the mark minus mean of those without it, and what follows"
    head = ["method", *(inputs.metric(metric).name for metric in metrics)]
    return Table(caption, head, body) if body else None


def _cell(row: pd.Series | None) -> str:
    if row is None or not row["groups"]:
        return "–"
    return f"{row['verdict']}: {_interval(row)}"


def _interval(row: pd.Series) -> str:
    return words.interval(row["difference"], row["low"], row["high"])
