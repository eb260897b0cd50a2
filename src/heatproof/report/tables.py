"""The report's tables, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from heatproof.report import charts, words
from heatproof.report.inputs import Inputs


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
    return words.GROUPS[inputs.summary["groups"]["kind"]][1]


def models(inputs: Inputs) -> Table:
    """Every training (of all folds together) with accuracy and F1, each with its interval, and competence."""
    rows = [
        [
            row.model,
            str(row.seed),
            words.interval(row.accuracy, row.low, row.high),
            words.interval(row.f1, row.f1_low, row.f1_high),
            "yes" if row.competent else "no",
        ]
        for row in charts.checkpoints(inputs)
    ]
    head = ["model", "seed", "balanced accuracy", "macro F1", "competent"]
    several = len(inputs.folds) > 1
    return Table("Every seed, its trainings on all folds together" if several else "Every training", head, rows)


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
        values = [words.number(means.get((model, label), float("nan"))) for model in inputs.models]
        rows.append([name, f"{sizes.get(label, 0):,}", *values])
    return Table(
        "Share of each class that was recognized (sensitivity)",
        ["class", "test images", *inputs.models],
        rows,
    )


def primary(inputs: Inputs, family: str, method: str) -> Table:
    """The primary metric with all controls."""
    metric = inputs.primary(family)
    head, body = _scored(inputs, family, method, [metric])
    return Table(words.metric(metric).name, head, body)


def others(inputs: Inputs, family: str, method: str) -> Table | None:
    """The family's other metrics, described and not tested: a row for each metric and model, with all controls."""
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["metric"] != inputs.primary(family))]
    names = list(dict.fromkeys(table["metric"]))
    if table.loc[table["method"] == method, "mean"].isna().all():
        return None
    head, body = _scored(inputs, family, method, names)
    named = [f"{words.metric(name).name} ({words.metric(name).better} is better)" for name in names]
    models = len(inputs.models)
    rows = [[named[i // models], *row] for i, row in enumerate(body)]
    return Table("Other metrics, described and not tested", ["metric", *head], rows)


def _scored(inputs: Inputs, family: str, method: str, metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows, metric by metric and model by model: mean with interval, controls, and how many were scored."""
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["method"] == method)]
    counts = table.set_index(["metric", "model"])[["groups", "missing"]]
    rows = [(metric, row) for metric in metrics for row in charts.dot_rows(inputs, family, method, metric)]
    marks = [mark for mark in words.CONTROLS if any(mark in row.marks for _, row in rows)]
    single = any(row.seeds for _, row in rows)
    body = []
    for metric, row in rows:
        found = counts.loc[(metric, row.model)] if (metric, row.model) in counts.index else {"groups": 0, "missing": 0}
        seeds = ", ".join(words.number(value) for value in row.seeds)
        body.append(
            [
                row.model if row.competent else f"{row.model} (left out)",
                words.interval(row.mean, row.low, row.high),
                *([seeds or "–"] if single else []),
                *(words.number(row.marks.get(mark)) for mark in marks),
                str(found["groups"]),
                str(found["missing"]),
            ]
        )
    head = ["model", f"mean [{inputs.summary['interval']:.0%} interval]", *(["each training"] if single else [])]
    return [*head, *(words.CONTROLS[mark] for mark in marks), groups_name(inputs), "scores missing"], body


def pairs(inputs: Inputs, family: str, method: str) -> Table:
    """Every pair that was tested."""
    alpha = inputs.summary["alpha"]
    rows = [
        [
            f"{cell.row} − {cell.column}",
            words.number(cell.difference, sign=True),
            words.number(cell.effect, sign=True),
            words.p_value(cell.p),
            "yes" if cell.p <= alpha else "not shown",
        ]
        for cell in charts.pair_cells(inputs, family, method)
    ]
    head = ["pair", "difference of means", "effect (rank-biserial)", "p, Holm-corrected", "different"]
    return Table("Every pair of models", head, rows)


def missing(inputs: Inputs) -> Table | None:
    """Scores of heatmaps (not of controls) without a value, by reason."""
    table = inputs.missing[inputs.missing["method"].isin(inputs.methods)]
    rows = []
    for text, found in table.groupby("reason", sort=False):
        absent = set(found["model"])
        names = [model for model in inputs.models if model in absent]
        everyone = len(names) == len(inputs.models) > 1
        metrics = [words.metric(name).name for name in dict.fromkeys(found["metric"])]
        who = "all models" if everyone else words.listed(names)
        rows.append([words.reason(text), words.listed(metrics), who, f"{found['scores'].sum():,}"])
    return Table("Scores that cannot be had", ["why", "metrics", "models", "scores"], rows) if rows else None
