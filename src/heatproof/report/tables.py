"""The report's tables, as text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from heatproof.report import words
from heatproof.report.figures import dot_rows
from heatproof.report.inputs import Inputs
from heatproof.text import numbers
from heatproof.text.sentences import sentence


@dataclass(frozen=True)
class Table:
    """The first cell of every row is its heading."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def long(self) -> bool:
        return len(self.rows) > 6


def groups_name(inputs: Inputs) -> str:
    return numbers.UNITS[inputs.results.groups.kind][1]


def models(inputs: Inputs) -> Table:
    """Every training (of all folds together) with accuracy and F1, each with its interval, and competence."""
    rows = [
        [
            row.model,
            str(row.seed),
            numbers.interval(row.accuracy, row.low, row.high),
            numbers.interval(row.f1, row.f1_low, row.f1_high),
            "yes" if row.competent else "no",
        ]
        for row in dot_rows.checkpoints(inputs)
    ]
    head = ["model", "seed", inputs.measure, "macro F1", "competent"]
    several = len(inputs.folds) > 1
    return Table("Every seed, its trainings on all folds together" if several else "Every training", head, rows)


def layers(inputs: Inputs) -> Table:
    """The layer that was explained in each model, with its grid."""
    side = inputs.pixels.shape[-1]
    rows = [
        [model, layer or "none of its own", f"{height} x {width}", f"{side // height} x {side // width}"]
        for model, found in inputs.layers.items()
        for layer, height, width in found
    ]
    head = ["model", "layer", "grid, rows x columns", "pixels of the image in a cell"]
    return Table("The layer that was explained, which methods that read a layer and coarse noise share", head, rows)


MEASURES = ("iou_tuned", "hit_rate")  # of CheXlocalize, shown beside the primary metric


def readers_told(inputs: Inputs) -> list[str]:
    """Say how heatmaps compare with a second reader; nothing without one."""
    found = inputs.results.readers
    return [sentence(one, inputs.doubtful) for one in found.statements] if found else []


def readers(inputs: Inputs) -> Table | None:
    """Heatmaps beside a second reader, by the primary metric of localization and `MEASURES`; None without one."""
    found = inputs.results.readers
    if not found:
        return None
    shown = [metric for metric in dict.fromkeys([inputs.primary("localization"), *MEASURES]) if metric]
    rows = [
        [
            inputs.metric(row.metric).name,
            row.label or "all",
            row.model,
            row.method,
            numbers.number(row.heatmap),
            numbers.number(row.reader),
            *(numbers.interval(one.value, one.low, one.high) for one in (row.share, row.decrease)),
            row.outcome.replace("_", " "),
        ]
        for metric in shown
        for row in found.comparisons
        if row.metric == metric
    ]
    head = ["metric", "label", "model", "method", "heatmap", "second reader", "share", "decrease, %", "as good?"]
    return Table("Heatmaps beside a second reader: means over " + groups_name(inputs), head, rows)


def regressions(inputs: Inputs) -> Table | None:
    """Slopes of scores on the geometry of true regions and on confidence; None where none were asked for."""
    rows = [
        [
            inputs.metric(row.metric).name + (", reader's lead" if row.against else ""),
            row.model,
            row.method,
            row.variable,
            row.reason or numbers.interval(row.slope, row.low, row.high),
            numbers.p_value(row.p_corrected),
        ]
        for row in inputs.results.regressions
    ]
    head = ["score", "model", "method", "variable", "slope", "p, corrected"]
    caption = "Change of a score from the least to the largest value of one variable (linear regression)"
    return Table(caption, head, rows) if rows else None


def recall(inputs: Inputs) -> Table:
    """Sensitivity of every class: share of its test images that were recognized, mean over trainings."""
    predictions = inputs.predictions
    right = (predictions["predicted"] == predictions["label"]).groupby(
        [predictions["model"], predictions["label"], predictions["seed"]]
    )
    means = right.mean().groupby(["model", "label"]).mean()
    one = predictions[(predictions["model"] == inputs.models[0]) & (predictions["seed"] == inputs.seeds[0])]
    sizes = one["label"].value_counts()
    rows = []
    for label, name in enumerate(inputs.classes):
        values = [numbers.number(means.get((model, label), float("nan"))) for model in inputs.models]
        rows.append([name, f"{sizes.get(label, 0):,}", *values])
    return Table(
        "Share of each class that was recognized (sensitivity)",
        ["class", "test images", *inputs.models],
        rows,
    )


def primary(inputs: Inputs, family: str, method: str) -> Table:
    """The primary metric with all controls; models that the method refuses are no row."""
    metric = inputs.primary(family)
    head, body = _scored(inputs, family, method, [metric])
    return Table(inputs.metric(metric).name, head, body)


def others(inputs: Inputs, family: str, method: str) -> Table | None:
    """The family's other metrics, described and not tested: a row for each metric and model, with all controls."""
    names = _others(inputs, family, method)
    if not names:
        return None
    head, body = _scored(inputs, family, method, names)
    named = [f"{inputs.metric(name).name} ({inputs.metric(name).direction})" for name in names]
    models = len(body) // len(names)
    rows = [[named[i // models], *row] for i, row in enumerate(body)]
    return Table("Other metrics, described and not tested", ["metric", *head], rows)


def means(inputs: Inputs, family: str, method: str) -> Table | None:
    """The family's other metrics, means alone: a row a metric, a column a model."""
    names, models = _others(inputs, family, method), _asked(inputs, method)
    if not names:
        return None
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["method"] == method)]
    found = table.set_index(["metric", "model"])["mean"]
    rows = [
        [
            f"{inputs.metric(name).name} ({inputs.metric(name).direction})",
            *(numbers.number(found.get((name, model))) for model in models),
        ]
        for name in names
    ]
    return Table("Other metrics, described and not tested: means", ["metric", *models], rows)


def described(inputs: Inputs, family: str) -> Table | None:
    """A family of which nothing is tested: a row a method or control, a column a metric, means over the models."""
    table = inputs.metrics[(inputs.metrics["family"] == family) & inputs.metrics["mean"].notna()]
    names = list(dict.fromkeys(table["metric"]))
    titles = {name: name for name in inputs.methods} | words.CONTROLS
    rows = []
    for name, title in titles.items():
        of = table[table["method"] == name]
        spans = [numbers.span(of.loc[of["metric"] == metric, "mean"].tolist()) for metric in names]
        if len(of):
            rows.append([title, *spans])
    several = ", lowest to highest mean of a model" if len(inputs.models) > 1 else ""
    head = ["heatmaps", *(inputs.metric(name).name for name in names)]
    return Table(f"Described, not tested{several}", head, rows) if rows else None


def _others(inputs: Inputs, family: str, method: str) -> list[str]:
    """The metrics of a family that have a value of the method, less the primary one."""
    table = inputs.metrics
    of = table[(table["family"] == family) & (table["method"] == method) & table["mean"].notna()]
    return [name for name in dict.fromkeys(of["metric"]) if name != inputs.primary(family)]


def _asked(inputs: Inputs, method: str) -> list[str]:
    return [model for model in inputs.models if model not in inputs.refused.get(method, {})]


def _scored(inputs: Inputs, family: str, method: str, metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows, metric by metric and model by model: mean with interval, controls, and how many were scored."""
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["method"] == method)]
    counts = table.set_index(["metric", "model"])[["groups", "missing"]]
    rows = [(metric, row) for metric in metrics for row in dot_rows.dot_rows(inputs, family, method, metric)]
    rows = [(metric, row) for metric, row in rows if row.model in _asked(inputs, method)]
    marks = [mark for mark in words.CONTROLS if any(mark in row.marks for _, row in rows)]
    single = any(row.seeds for _, row in rows)
    body = []
    for metric, row in rows:
        found = counts.loc[(metric, row.model)] if (metric, row.model) in counts.index else {"groups": 0, "missing": 0}
        seeds = ", ".join(numbers.number(value) for value in row.seeds)
        body.append(
            [
                row.model if row.competent else f"{row.model} (left out)",
                numbers.interval(row.mean, row.low, row.high),
                *([seeds or "–"] if single else []),
                *(numbers.number(row.marks.get(mark)) for mark in marks),
                str(found["groups"]),
                str(found["missing"]),
            ]
        )
    head = ["model", f"mean [{inputs.results.interval:.0%} interval]", *(["each training"] if single else [])]
    return [*head, *(words.CONTROLS[mark] for mark in marks), groups_name(inputs), "scores missing"], body


def pairs(inputs: Inputs, family: str, method: str) -> Table:
    """Every pair that was tested."""
    rows = [
        [
            f"{cell.row} − {cell.column}",
            numbers.number(cell.difference, sign=True),
            numbers.number(cell.effect, sign=True),
            numbers.p_value(cell.p),
            _different(cell),
        ]
        for cell in dot_rows.pair_cells(inputs, family, method)
    ]
    head = ["pair", "difference of means", "effect (rank-biserial)", "p, Holm-corrected", "different"]
    return Table("Every pair of models", head, rows)


def _different(cell: dot_rows.Pair) -> str:
    if not cell.apart:
        return "not shown"
    return "yes" if cell.effect * cell.difference >= 0 else "yes, but by ranks the other way"


def missing(inputs: Inputs) -> Table | None:
    """Scores of heatmaps (not of controls) without a value, by reason; not those of models that a method refuses."""
    table = inputs.tables["missing"][inputs.tables["missing"]["method"].isin(inputs.methods)]
    refused = [
        model in inputs.refused.get(method, {}) for method, model in zip(table["method"], table["model"], strict=True)
    ]
    table = table[~np.array(refused, bool)]
    rows = []
    for text, found in table.groupby("reason", sort=False):
        cells = [words.reason(text), _metrics(inputs, found["metric"]), _some(found["model"], inputs.models, "models")]
        if len(inputs.methods) > 1:
            cells.insert(1, _some(found["method"], inputs.methods, "methods"))
        rows.append([*cells, f"{found['scores'].sum():,}"])
    head = ["why", *(["methods"] if len(inputs.methods) > 1 else []), "metrics", "models", "scores"]
    return Table("Scores that cannot be had", head, rows) if rows else None


def _some(present: Iterable[str], names: Sequence[str], many: str) -> str:
    found = [name for name in names if name in set(present)]
    return f"all {many}" if len(found) == len(names) > 1 else numbers.listed(found)


def _metrics(inputs: Inputs, present: Iterable[str]) -> str:
    """Names of metrics, or of their family where none of it is missing."""
    present, parts = set(present), []
    for family in inputs.families:
        of = dict.fromkeys(inputs.metrics.loc[inputs.metrics["family"] == family, "metric"])
        found = [name for name in of if name in present]
        whole = len(found) == len(of) > 1
        parts += [f"all of {family}"] if whole else [inputs.metric(name).name for name in found]
    return numbers.listed(parts)
