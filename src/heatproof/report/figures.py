"""Figures as inline SVG: accuracy, one metric of every model, differences between pairs."""

import math
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from heatproof.catalogue.controls import CONTROLS
from heatproof.report import words
from heatproof.report.canvas import MARGIN, ROW, WIDTH, canvas, legend, row_label, short
from heatproof.report.charts import Checkpoint, Pair, Row
from heatproof.report.svg import ACCENT, INK, LINE, MUTED, PAPER, STYLE, to_svg


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
    lines = {"guessing": (chance, MUTED, (0, (1, 2))), "floor of competence": (floor, INK, (0, (4, 2)))}
    top = 0.0
    for model, height in zip(models, heights, strict=True):
        means = sorted(row.accuracy for row in seeds[model])
        span = " to ".join(dict.fromkeys((words.number(means[0]), words.number(means[-1]))))
        row_label(axes, top, model, span, all(row.competent for row in seeds[model]))
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
        keys.insert(0, Line2D([], [], color=MUTED, linestyle="", marker="o", markersize=2.2, label="single training"))
    figure, axes = canvas(ROW * len(rows), legend=math.ceil(len(keys) / 3))
    axes.set_xlim(*_limits(rows))
    for i, row in enumerate(rows):
        y = i * ROW + 0.31
        row_label(axes, i * ROW, row.model, words.interval(row.mean, row.low, row.high), row.competent)
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
    legend(figure, keys, columns=3)
    return to_svg(figure, name, alt)


@matplotlib.rc_context(STYLE)
def pairs(name: str, cells: Sequence[Pair], models: Sequence[str], alt: str) -> str:
    """Matrix of differences, row minus column, with Holm's p; framed where the difference is real."""
    present = [model for model in models if any(model in (cell.row, cell.column) for cell in cells)]
    columns, rows = present[:-1], present[1:]
    left, side, height, head = 1.35, 0.8, 0.4, 0.24
    width = max(WIDTH, left + side * len(columns) + MARGIN)
    total = head + height * len(rows)
    figure = Figure(figsize=(width, total))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(total, 0))
    axes.axis("off")
    for i, model in enumerate(columns):
        axes.text(
            left + side * (i + 0.5),
            head / 2,
            short(model, 13),
            ha="center",
            va="center",
            color=MUTED,
            fontsize=7,
        )
    for i, model in enumerate(rows):
        axes.text(0.02, head + height * (i + 0.5), short(model, 20), va="center", fontsize=8)
    for cell in cells:
        x, y = left + side * columns.index(cell.column), head + height * rows.index(cell.row)
        real = cell.apart
        frame = {"edgecolor": ACCENT if real else LINE, "facecolor": (ACCENT, 0.14) if real else "none"}
        corner = (x + 0.03, y + 0.03)
        axes.add_patch(Rectangle(corner, side - 0.06, height - 0.06, linewidth=1.2 if real else 0.6, **frame))
        middle = {"ha": "center", "va": "center"}
        text = words.number(cell.difference, sign=True)
        axes.text(
            x + side / 2,
            y + 0.145,
            text,
            weight="bold" if real else "normal",
            gid=f"pair-{cell.row}-{cell.column}",
            **middle,
        )
        p = words.p_value(cell.p)
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
