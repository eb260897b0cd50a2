"""Figures as inline SVG, and what they state as plain numbers: one row a model, in the order and colour that all
share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import matplotlib
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from heatproof.catalogue.families import CONTROLS
from heatproof.report import words
from heatproof.report.figures.canvas import (
    ACCENT,
    INK,
    LINE,
    MARGIN,
    MUTED,
    PAPER,
    ROW,
    STYLE,
    WIDTH,
    canvas,
    legend,
    row_label,
    short,
    to_svg,
)
from heatproof.report.inputs import Inputs
from heatproof.text import numbers
from heatproof.text.words import called

# Okabe and Ito (2008), told apart with any colour vision; yellow and black vanish on one of the two grounds. Beyond six
# models grey and brown.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#8C564B")


def color(models: list[str] | tuple[str, ...], model: str) -> str:
    return PALETTE[list(models).index(model) % len(PALETTE)]


@dataclass(frozen=True)
class Row:
    """A model in a dot plot: its mean and interval, single trainings, and what stands beside it."""

    model: str
    color: str
    competent: bool
    mean: float
    low: float
    high: float
    seeds: tuple[float, ...] = ()
    marks: dict[str, float] = field(default_factory=dict)  # control or ceiling -> mean


def dot_rows(inputs: Inputs, family: str, method: str, metric: str | None = None) -> list[Row]:
    """A metric (the primary one) of every model, with those of the family's controls that have a value.

    Single trainings are there for the primary metric only.
    """
    marks = {name: f"{name}:{method}" for name in words.family(family).controls}  # one made for the method goes first
    metric = metric or inputs.primary(family)
    table = inputs.metrics[(inputs.metrics["family"] == family) & (inputs.metrics["metric"] == metric)]
    table = table.set_index(["method", "model"])
    rows = []
    for model in inputs.models:
        found = table.loc[(method, model)] if (method, model) in table.index else None
        mean, low, high = (float("nan"),) * 3 if found is None else (found["mean"], found["low"], found["high"])
        beside = {
            name: table.loc[(called, model), "mean"]
            for name, own in marks.items()
            for called in [own if (own, model) in table.index else name]
            if (called, model) in table.index
        }
        rows.append(
            Row(
                model,
                color(inputs.models, model),
                inputs.worth(model),
                float(mean),
                float(low),
                float(high),
                seed_means(inputs, family, method, model) if metric == inputs.primary(family) else (),
                {name: float(value) for name, value in beside.items() if pd.notna(value)},
            )
        )
    return rows


def seed_means(inputs: Inputs, family: str, method: str, model: str) -> tuple[float, ...]:
    """Mean of the primary metric of each training; nothing for a model trained once."""
    of = inputs.results.families.get(family)
    by_seed = of.seed_means.get(method, {}).get(model, {}) if of else {}
    means = tuple(float(mean) for mean in by_seed.values() if mean is not None)
    return means if len(means) > 1 else ()


@dataclass(frozen=True)
class Checkpoint:
    """One training in the accuracy figure; `accuracy` is what competence is judged by (`Inputs.measure`)."""

    model: str
    seed: int
    color: str
    competent: bool
    accuracy: float
    low: float
    high: float
    f1: float
    f1_low: float
    f1_high: float


def checkpoints(inputs: Inputs) -> list[Checkpoint]:
    """Every training, by model as declared and by seed."""
    found = inputs.tables["models"].set_index(["model", "seed"])
    table = inputs.tables["multilabel"]
    areas = table[table["measure"] == "auroc_macro"].set_index(["model", "seed"])[["value", "low", "high"]]
    judged = areas if inputs.multilabel else found[["balanced_accuracy", "low", "high"]]
    rows = []
    for model, seed in [(model, seed) for model in inputs.models for seed in inputs.seeds]:
        if (model, seed) in found.index:
            row = found.loc[(model, seed)]
            values = [*judged.loc[(model, seed)], *row[["f1_macro", "f1_low", "f1_high"]]]
            rows.append(
                Checkpoint(model, seed, color(inputs.models, model), bool(row["competent"]), *map(float, values))
            )
    return rows


@dataclass(frozen=True)
class Pair:
    """Row minus column, mean over groups, Holm's p, and whether the verdict tells the two apart."""

    row: str
    column: str
    difference: float
    effect: float
    p: float
    apart: bool


def pair_cells(inputs: Inputs, family: str, method: str) -> list[Pair]:
    """Pairs of the family's primary metric; the model declared later is the row. p is the one that verdicts read."""
    table = inputs.tables["pairs"]
    table = table[(table["factor"] == "model") & (table["family"] == family)]
    table = table[(table["metric"] == inputs.primary(family)) & (table["within"] == method)]
    place = {model: i for i, model in enumerate(inputs.models)}
    outcome = inputs.results.outcome(family, method)
    if outcome is None:
        return []
    apart, p = {frozenset(pair) for pair in outcome.pairs.told_apart}, outcome.pairs.column
    cells = []
    for _, pair in table.iterrows():
        sign, row, column = (
            (1, pair["a"], pair["b"]) if place[pair["a"]] > place[pair["b"]] else (-1, pair["b"], pair["a"])
        )
        values = sign * pair["difference"], sign * pair["effect"], pair[p]
        cells.append(Pair(row, column, *map(float, values), apart=frozenset((row, column)) in apart))
    return sorted(cells, key=lambda cell: (place[cell.row], place[cell.column]))


def _mark(name: str) -> dict:
    """How a control is drawn: yardsticks dark, others as outlines."""
    control = CONTROLS[name]
    style = {"marker": control.marker, "markersize": control.size, "color": MUTED, "linestyle": ""}
    if control.yardstick:
        return style | {"markeredgewidth": 1.8, "color": INK}
    return style | ({"markeredgewidth": 1.1} if control.marker in "x+" else {"markerfacecolor": PAPER})


@matplotlib.rc_context(STYLE)
def accuracy(
    name: str, rows: Sequence[Checkpoint], chance: float, floor: float, alt: str, measure: str = "balanced accuracy"
) -> str:
    """What competence is judged by, of each training with its interval, chance, and the floor that it asks for."""
    models = list(dict.fromkeys(row.model for row in rows))
    seeds = {model: [row for row in rows if row.model == model] for model in models}
    heights = [ROW + 0.13 * (len(seeds[model]) - 1) for model in models]
    figure, axes = canvas(sum(heights), legend=1)
    axes.set_xlim(0, 1.02)
    lines = {"chance": (chance, MUTED, (0, (1, 2))), "floor for verdicts": (floor, INK, (0, (4, 2)))}
    top = 0.0
    for model, height in zip(models, heights, strict=True):
        row_label(
            axes,
            top,
            model,
            numbers.span(row.accuracy for row in seeds[model]),
            all(row.competent for row in seeds[model]),
        )
        for label, (x, tone, dash) in lines.items():
            axes.plot(
                [x, x],
                [top + 0.22, top + height - 0.04],
                color=tone,
                linewidth=0.9,
                linestyle=dash,
                gid=f"{label.split()[0]}-{model}",
            )
        for i, row in enumerate(seeds[model]):
            y = top + 0.31 + 0.13 * i
            axes.plot([row.low, row.high], [y, y], color=row.color, linewidth=1.8, solid_capstyle="round")
            axes.plot(
                [row.accuracy],
                [y],
                "o",
                color=row.color,
                markersize=5,
                gid=f"accuracy-{row.model}-{row.seed}",
            )
        top += height
    axes.set_xlabel(f"{measure} on test images", loc="left")
    keys = [
        Line2D([], [], color=tone, linewidth=0.9, linestyle=dash, label=label)
        for label, (_, tone, dash) in lines.items()
    ]
    legend(figure, keys, columns=2)
    return to_svg(figure, name, alt)


@matplotlib.rc_context(STYLE)
def dots(name: str, rows: Sequence[Row], label: str, alt: str) -> str:
    """One metric of every model: mean, interval, single trainings, controls and ceiling."""
    marks = [mark for mark in CONTROLS if any(mark in row.marks for row in rows)]
    single = any(row.seeds for row in rows)
    keys = [Line2D([], [], label=CONTROLS[mark].title, **_mark(mark)) for mark in marks]
    if single:
        keys.insert(
            0, Line2D([], [], color=MUTED, linestyle="", marker="o", markersize=2.2, label="single training run")
        )
    figure, axes = canvas(ROW * len(rows), legend=math.ceil(len(keys) / 2))
    axes.set_xlim(*_limits(rows))
    column = [row.mean for row in rows]
    for i, row in enumerate(rows):
        y = i * ROW + 0.31
        row_label(axes, i * ROW, row.model, numbers.interval(row.mean, row.low, row.high, beside=column), row.competent)
        axes.plot(
            [row.low, row.high],
            [y, y],
            color=row.color,
            linewidth=2.2,
            solid_capstyle="round",
            gid=f"interval-{row.model}",
        )
        for mark, value in row.marks.items():
            axes.plot([value], [y], gid=f"{mark}-{row.model}", zorder=3, **_mark(mark))
        if math.isfinite(row.mean):
            axes.plot([row.mean], [y], "o", color=row.color, markersize=6, zorder=4, gid=f"mean-{row.model}")
        if row.seeds:
            axes.plot(
                row.seeds,
                [y + 0.085] * len(row.seeds),
                "o",
                color=row.color,
                markersize=2.2,
                gid=f"seeds-{row.model}",
            )
    axes.set_xlabel(label, loc="left")
    legend(figure, keys, columns=2)
    return to_svg(figure, name, alt)


@matplotlib.rc_context(STYLE)
def pairs(name: str, cells: Sequence[Pair], models: Sequence[str], alt: str) -> str:
    """Matrix of differences, row minus column, with Holm's p; framed where the difference is real."""
    present = [model for model in models if any(model in (cell.row, cell.column) for cell in cells)]
    columns, rows = present[:-1], present[1:]
    left, side, height, head = 1.35, 0.8, 0.4, 0.24
    width = max(WIDTH, left + side * len(columns) + MARGIN)
    total = head + height * len(rows)
    figure = Drawing(figsize=(width, total))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(total, 0))
    axes.axis("off")
    for i, model in enumerate(columns):
        axes.text(
            left + side * (i + 0.5),
            head / 2,
            short(called(model), 13),
            ha="center",
            va="center",
            color=MUTED,
            fontsize=7,
        )
    for i, model in enumerate(rows):
        axes.text(0.02, head + height * (i + 0.5), short(called(model), 20), va="center", fontsize=8)
    for cell in cells:
        x, y = left + side * columns.index(cell.column), head + height * rows.index(cell.row)
        real = cell.apart
        frame = {"edgecolor": ACCENT if real else LINE, "facecolor": (ACCENT, 0.14) if real else "none"}
        corner = (x + 0.03, y + 0.03)
        axes.add_patch(Rectangle(corner, side - 0.06, height - 0.06, linewidth=1.2 if real else 0.6, **frame))
        middle = {"ha": "center", "va": "center"}
        text = numbers.number(cell.difference, sign=True, beside=[each.difference for each in cells])
        axes.text(
            x + side / 2,
            y + 0.145,
            text,
            weight="bold" if real else "normal",
            gid=f"pair-{cell.row}-{cell.column}",
            **middle,
        )
        p = numbers.p_value(cell.p)
        axes.text(
            x + side / 2,
            y + 0.285,
            f"p {p}" if p[0] == "<" else f"p = {p}",
            color=MUTED,
            fontsize=7,
            **middle,
        )
    return to_svg(figure, name, alt)


def _limits(rows: Sequence[Row]) -> tuple[float, float]:
    values = [v for row in rows for v in (row.mean, row.low, row.high, *row.seeds, *row.marks.values(), 0.0)]
    values = [value for value in values if math.isfinite(value)]
    low, high = min(values), max(values)
    room = 0.03 * (high - low) or 0.5
    return low - room, high + room
