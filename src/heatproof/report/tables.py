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


def groups_name(inputs: Inputs) -> str:
    return words.GROUPS[inputs.summary["groups"]["kind"]][1]


def images(inputs: Inputs) -> Table:
    """Images and groups by split and class."""
    manifest, kind = inputs.manifest, groups_name(inputs)
    by_group = inputs.summary["groups"]["kind"] != "image"
    rows = []
    for split in ("train", "val", "test"):
        part = manifest[manifest["split"] == split]
        counts = [f"{(part['label'] == label).sum():,}" for label in range(len(inputs.classes))]
        rows.append([split, f"{len(part):,}", *([f"{part['group'].nunique():,}"] if by_group else []), *counts])
    return Table("Images by split and class", ["split", "images", *([kind] if by_group else []), *inputs.classes], rows)


def models(inputs: Inputs) -> Table:
    """Every training with accuracy, F1 and competence."""
    rows = [
        [
            row.model,
            str(row.seed),
            words.interval(row.accuracy, row.low, row.high),
            words.number(row.f1),
            "yes" if row.competent else "no",
        ]
        for row in charts.checkpoints(inputs)
    ]
    head = ["model", "seed", "balanced accuracy", "macro F1", "competent"]
    return Table("Every training", head, rows)


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
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["metric"] == metric)]
    counts = table[table["method"] == method].set_index("model")
    rows = charts.dot_rows(inputs, family, method)
    marks = [mark for mark in words.CONTROLS if any(mark in row.marks for row in rows)]
    body = []
    for row in rows:
        found = counts.loc[row.model] if row.model in counts.index else {"groups": 0, "missing": 0}
        name = row.model if row.competent else f"{row.model} (left out)"
        seeds = ", ".join(words.number(value) for value in row.seeds)
        body.append(
            [
                name,
                words.interval(row.mean, row.low, row.high),
                *([seeds or "–"] if any(r.seeds for r in rows) else []),
                *(words.number(row.marks.get(mark)) for mark in marks),
                str(found["groups"]),
                str(found["missing"]),
            ]
        )
    head = ["model", f"mean [{inputs.summary['interval']:.0%} interval]"]
    head += ["each training"] if any(row.seeds for row in rows) else []
    head += [*(words.CONTROLS[mark] for mark in marks), groups_name(inputs), "scores missing"]
    return Table(words.metric(metric).name, head, body)


def others(inputs: Inputs, family: str, method: str) -> Table | None:
    """The family's other metrics, not tested: mean, and beside it the mean of two of the family's controls."""
    table = inputs.metrics[inputs.metrics["family"] == family].set_index(["metric", "method", "model"])["mean"]
    names = [name for name in table.index.unique("metric") if name != inputs.primary(family)]
    controls = [c for c in words.family(family).controls[:2] if c in table.index.unique("method")]
    if not names or table.loc[names, method].isna().all():
        return None
    rows = []
    for name in names:
        row = [f"{words.metric(name).name} ({words.metric(name).better} is better)"]
        for model in inputs.models:
            mean, *beside = (words.number(table.get((name, m, model))) for m in (method, *controls))
            row.append(f"{mean} ({' / '.join(beside)})" if beside else mean)
        rows.append(row)
    note = f" (in brackets: {' / '.join(words.CONTROLS[c] for c in controls)})" if controls else ""
    return Table(f"Means of other metrics, described and not tested{note}", ["metric", *inputs.models], rows)


def pairs(inputs: Inputs, family: str, method: str) -> Table:
    """Every pair that was tested."""
    alpha = inputs.summary["alpha"]
    rows = [
        [
            f"{cell.row} − {cell.column}",
            words.number(cell.difference, 3, sign=True),
            words.number(cell.effect, 2, sign=True),
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
