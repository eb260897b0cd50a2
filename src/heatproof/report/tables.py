"""The report's tables, as text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from heatproof.report import words
from heatproof.report.figures import dot_rows
from heatproof.report.inputs import Inputs
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from heatproof.text.words import called


@dataclass(frozen=True)
class Numbers:
    """Numbers of a cell, which the table writes with the digits that all numbers of a unit share.

    Attributes:
        values: one number, a number with the ends of its interval, the numbers of a range, or several.
        form: how they are written: `number`, `interval`, `span` or `list`.
        unit: what shares digits; by default the cell's column.
        text: what the numbers are written into.
    """

    values: tuple[float | None, ...]
    form: str = "number"
    sign: bool = False
    unit: str | None = None
    text: str = "{}"

    def written(self, beside: Sequence[float]) -> str:
        match self.form:
            case "interval":
                found = numbers.interval(*self.values, beside=beside)
            case "span":
                found = numbers.span(self.values, beside=beside)
            case _:
                found = ", ".join(numbers.number(value, sign=self.sign, beside=beside) for value in self.values)
        return self.text.format(found or numbers.NONE)


def value(number: float | None, *, sign: bool = False, unit: str | None = None) -> Numbers:
    return Numbers((number,), sign=sign, unit=unit)


def interval(middle: float | None, low: float | None, high: float | None, unit: str | None = None) -> Numbers:
    return Numbers((middle, low, high), "interval", unit=unit)


def span(values: Iterable[float | None], unit: str | None = None) -> Numbers:
    return Numbers(tuple(values), "span", unit=unit)


@dataclass(frozen=True)
class Table:
    """A table as text; the first cell of every row is its heading.

    Cells may be given as `Numbers`: all of a column, or of a unit, are written with the same digits. In a `grouped`
    table, rows with the same first cell belong together, such as those of one metric.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    grouped: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", written(self.rows))

    @property
    def long(self) -> bool:
        return len(self.rows) > 6

    @property
    def groups(self) -> list[list[Sequence[str]]]:
        """The rows, those of a group together."""
        if not self.grouped:
            return [list(self.rows)]
        return [list(rows) for _, rows in groupby(self.rows, key=lambda row: row[0])]


def written(rows: Sequence[Sequence[str | Numbers]]) -> list[list[str]]:
    """Write the numbers of rows: each unit, by default a column, with the digits of its largest number."""
    found: dict[str | int, list[float]] = {}
    for row in rows:
        for column, cell in enumerate(row):
            if isinstance(cell, Numbers):
                found.setdefault(cell.unit or column, []).extend(filter(numbers.finite, cell.values))
    return [
        [
            cell.written(found[cell.unit or column]) if isinstance(cell, Numbers) else cell
            for column, cell in enumerate(row)
        ]
        for row in rows
    ]


def groups_name(inputs: Inputs) -> str:
    return numbers.UNITS[inputs.results.groups.kind][1]


def models(inputs: Inputs) -> Table:
    """Return accuracy and F1 of every training run, with intervals, and whether it performs above chance."""
    rows = [
        [
            row.model,
            str(row.seed),
            interval(row.accuracy, row.low, row.high),
            interval(row.f1, row.f1_low, row.f1_high),
            "yes" if row.competent else "no",
        ]
        for row in dot_rows.checkpoints(inputs)
    ]
    head = ["model", "seed", inputs.measure, "macro F1", "above chance"]
    several = len(inputs.folds) > 1
    return Table("All seeds, each over all folds" if several else "All training runs", head, rows)


def layers(inputs: Inputs) -> Table:
    """Return the explained layer of each model, with its grid."""
    side = inputs.pixels.shape[-1]
    rows = [
        [model, layer or "no own layer", f"{height} x {width}", f"{side // height} x {side // width}"]
        for model, found in inputs.layers.items()
        for layer, height, width in found
    ]
    head = ["model", "layer", "grid (rows x columns)", "image pixels per cell"]
    return Table("Explained layer and its grid, shared by methods that read a layer and by coarse noise", head, rows)


MEASURES = ("iou_tuned", "hit_rate")  # of CheXlocalize, shown beside the primary metric


def reader_sentences(inputs: Inputs) -> list[str]:
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
            *(value(one, unit=metric) for one in (row.heatmap, row.reader)),
            *(interval(one.value, one.low, one.high) for one in (row.share, row.decrease)),
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
            row.reason or interval(row.slope, row.low, row.high, unit=row.metric),
            numbers.p_value(row.p_corrected),
        ]
        for row in inputs.results.regressions
    ]
    head = ["score", "model", "method", "variable", "slope", "p, corrected"]
    caption = "Change of a score from the least to the largest value of one variable (linear regression)"
    return Table(caption, head, rows) if rows else None


def recall(inputs: Inputs) -> Table:
    """Return the sensitivity of every class, mean over training runs."""
    predictions = inputs.predictions
    right = (predictions["predicted"] == predictions["label"]).groupby(
        [predictions["model"], predictions["label"], predictions["seed"]]
    )
    means = right.mean().groupby(["model", "label"]).mean()
    one = predictions[(predictions["model"] == inputs.models[0]) & (predictions["seed"] == inputs.seeds[0])]
    sizes = one["label"].value_counts()
    rows = []
    for label, name in enumerate(inputs.classes):
        values = [value(means.get((model, label))) for model in inputs.models]
        rows.append([name, f"{sizes.get(label, 0):,}", *values])
    return Table(
        "Sensitivity by class: share of its images that are classified correctly",
        ["class", "test images", *inputs.models],
        rows,
    )


def primary(inputs: Inputs, family: str, method: str) -> Table:
    """Return the primary metric with all controls, for models that the method supports."""
    metric = inputs.primary(family)
    head, body = _scored(inputs, family, method, [metric])
    return Table(inputs.metric(metric).name, head, body)


def others(inputs: Inputs, family: str, method: str) -> Table | None:
    """Return the family's other metrics, a row for each metric and model, with all controls."""
    names = _others(inputs, family, method)
    if not names:
        return None
    head, body = _scored(inputs, family, method, names)
    named = [f"{inputs.metric(name).name} ({inputs.metric(name).direction})" for name in names]
    models = len(body) // len(names)
    rows = [[named[i // models], *row] for i, row in enumerate(body)]
    return Table("Other metrics (described, not tested)", ["metric", *head], rows, grouped=True)


def means(inputs: Inputs, family: str) -> Table | None:
    """Return the means of the family's other metrics by all methods: a row a metric and method, a column a model."""
    table = inputs.metrics[(inputs.metrics["family"] == family) & inputs.metrics["mean"].notna()]
    found = table.set_index(["metric", "method", "model"])["mean"]
    methods = [method for method in inputs.methods if inputs.judged(family, method)]
    names = list(dict.fromkeys(name for method in methods for name in _others(inputs, family, method)))
    if len(methods) < 2 or not names:
        return None
    rows = [
        [
            f"{inputs.metric(name).name} ({inputs.metric(name).direction})",
            called(method),
            *(value(found.get((name, method, model)), unit=name) for model in inputs.models),
        ]
        for name in names
        for method in methods
        if any((name, method, model) in found.index for model in inputs.models)
    ]
    head = ["metric", "method", *inputs.models]
    return Table("Means of other metrics, all methods (described, not tested)", head, rows, grouped=True)


def described(inputs: Inputs, family: str) -> Table | None:
    """Return a family without tests: a row a method or control, a column a metric, means over the models."""
    table = inputs.metrics[(inputs.metrics["family"] == family) & inputs.metrics["mean"].notna()]
    names = list(dict.fromkeys(table["metric"]))
    titles = {name: name for name in inputs.methods} | words.CONTROLS
    rows = []
    for name, title in titles.items():
        of = table[table["method"] == name]
        spans = [span(of.loc[of["metric"] == metric, "mean"].tolist()) for metric in names]
        if len(of):
            rows.append([title, *spans])
    several = ": lowest to highest mean of a model" if len(inputs.models) > 1 else ""
    head = ["heatmaps", *(inputs.metric(name).name for name in names)]
    return Table(f"Described, not tested{several}", head, rows) if rows else None


def _others(inputs: Inputs, family: str, method: str) -> list[str]:
    """Return the metrics of a family that have a value of the method, without the primary one."""
    table = inputs.metrics
    of = table[(table["family"] == family) & (table["method"] == method) & table["mean"].notna()]
    return [name for name in dict.fromkeys(of["metric"]) if name != inputs.primary(family)]


def _requested(inputs: Inputs, method: str) -> list[str]:
    return [model for model in inputs.models if model not in inputs.refused.get(method, {})]


def _scored(
    inputs: Inputs, family: str, method: str, metrics: Sequence[str]
) -> tuple[list[str], list[list[str | Numbers]]]:
    """Return head and rows by metric and model: mean with interval, controls, and number of scores."""
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["method"] == method)]
    counts = table.set_index(["metric", "model"])[["groups", "missing"]]
    rows = [(metric, row) for metric in metrics for row in dot_rows.dot_rows(inputs, family, method, metric)]
    rows = [(metric, row) for metric, row in rows if row.model in _requested(inputs, method)]
    marks = [mark for mark in words.CONTROLS if any(mark in row.marks for _, row in rows)]
    single = any(row.seeds for _, row in rows)
    body = []
    for metric, row in rows:
        found = counts.loc[(metric, row.model)] if (metric, row.model) in counts.index else {"groups": 0, "missing": 0}
        seeds = Numbers(row.seeds, "list", unit=metric)
        body.append(
            [
                called(row.model) if row.competent else f"{called(row.model)} (no verdict)",
                interval(row.mean, row.low, row.high, unit=metric),
                *([seeds] if single else []),
                *(value(row.marks.get(mark), unit=metric) for mark in marks),
                str(found["groups"]),
                str(found["missing"]),
            ]
        )
    head = ["model", f"mean [{inputs.results.interval:.0%} interval]", *(["training runs"] if single else [])]
    return [*head, *(words.CONTROLS[mark] for mark in marks), groups_name(inputs), "missing scores"], body


def pairs(inputs: Inputs, family: str, method: str) -> Table:
    """Return every pair of models that was tested."""
    rows = [
        [
            f"{called(cell.row)} − {called(cell.column)}",
            value(cell.difference, sign=True),
            value(cell.effect, sign=True),
            numbers.p_value(cell.p),
            _different(cell),
        ]
        for cell in dot_rows.pair_cells(inputs, family, method)
    ]
    head = ["pair", "difference of means", "effect (rank-biserial)", "p (Holm-corrected)", "significant"]
    return Table("All pairs of models", head, rows)


def _different(cell: dot_rows.Pair) -> str:
    if not cell.apart:
        return "no"
    return "yes" if cell.effect * cell.difference >= 0 else "yes, but with ranks in the other direction"


def missing(inputs: Inputs) -> Table | None:
    """Return missing scores of heatmaps by reason, except for models that a method does not support."""
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
    head = ["reason", *(["methods"] if len(inputs.methods) > 1 else []), "metrics", "models", "scores"]
    return Table("Missing scores", head, rows) if rows else None


def _some(present: Iterable[str], names: Sequence[str], many: str) -> str:
    found = [name for name in names if name in set(present)]
    return f"all {many}" if len(found) == len(names) > 1 else numbers.listed([*map(called, found)])


def _metrics(inputs: Inputs, present: Iterable[str]) -> str:
    """Return the names of metrics, or of their family where all of its metrics are present."""
    present, parts = set(present), []
    for family in inputs.families:
        of = dict.fromkeys(inputs.metrics.loc[inputs.metrics["family"] == family, "metric"])
        found = [name for name in of if name in present]
        whole = len(found) == len(of) > 1
        parts += [f"all {family} metrics"] if whole else [inputs.metric(name).name for name in found]
    return numbers.listed(parts)
