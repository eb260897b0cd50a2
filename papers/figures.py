"""What the figures of the findings share: a sheet of panels with rows or lines, which becomes a file of its own."""

import re
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from heatproof.report import standalone
from heatproof.report.canvas import short
from heatproof.report.charts import PALETTE
from heatproof.report.svg import INK, LINE, MUTED, to_svg

WIDTH, EDGE, GAP = 8.6, 0.1, 0.45  # inches
ROW, HEAD, AXIS = 0.44, 0.34, 0.42  # of a row, above the rows, below them
LEGEND = 0.18  # a line of it
_DIGITS = re.compile(r"\d+\.\d{3,}")  # of a point: more of them would only make the file larger
BESIDE = 0.3  # room left of a panel for its y axis
METHOD_COLORS = (*PALETTE, "#777777", "#5B3A1E")


def sheet(rows: int, columns: int, legend: int) -> tuple[Figure, list[Axes]]:
    """Panels side by side with room for `rows` rows, the y axis counting inches downwards; `legend` lines below."""
    tall = ROW * rows
    below = AXIS + LEGEND * legend
    height = HEAD + tall + below
    figure = Figure(figsize=(WIDTH, height))
    wide = (WIDTH - 2 * EDGE - GAP * (columns - 1)) / columns
    panels = []
    for i in range(columns):
        place = ((EDGE + i * (wide + GAP)) / WIDTH, below / height, wide / WIDTH, tall / height)
        axes = figure.add_axes(place)
        axes.set_ylim(tall, 0)
        axes.set_yticks([])
        _plain(axes, ("left", "right", "top"))
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        panels.append(axes)
    return figure, panels


def grid(rows: int, columns: int, tall: float, legend: int) -> tuple[Figure, list[list[Axes]]]:
    """Panels of lines, `tall` inches each, and lines of legend below."""
    below = AXIS + LEGEND * legend
    height = rows * (HEAD + tall) + below + 0.12 * (rows - 1)
    figure = Figure(figsize=(WIDTH, height))
    wide = (WIDTH - 2 * EDGE - (GAP - 0.2) * (columns - 1)) / columns
    panels = []
    for i in range(rows):
        bottom = below + (rows - 1 - i) * (HEAD + tall + 0.12)
        lefts = [EDGE + j * (wide + GAP - 0.2) + BESIDE for j in range(columns)]
        places = [(left / WIDTH, bottom / height, (wide - BESIDE) / WIDTH, tall / height) for left in lefts]
        panels.append([figure.add_axes(place) for place in places])
        for axes in panels[-1]:
            _plain(axes, ("right", "top"))
            axes.grid(axis="y", color=LINE, linewidth=0.6)
            axes.tick_params(axis="y", colors=MUTED, length=0, labelsize=8)
    return figure, panels


def _plain(axes: Axes, away: Sequence[str]) -> None:
    axes.spines[list(away)].set_visible(False)
    axes.tick_params(axis="x", length=0, labelsize=8)
    axes.set_axisbelow(True)


def title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=9.5, weight="bold", color=INK, pad=7)


def label(axes: Axes, row: int, name: str, value: str = "") -> float:
    """Name and value above a row; the place of the row's marks."""
    across, top = axes.get_yaxis_transform(), row * ROW + 0.13
    axes.text(0, top, short(name, 30), va="center", weight="bold", fontsize=8, color=INK, transform=across)
    axes.text(1, top, value, va="center", ha="right", fontsize=8, color=MUTED, transform=across)
    return row * ROW + 0.31


def empty(axes: Axes, text: str) -> None:
    """A panel that says why there is nothing in it."""
    axes.text(0, 0.5, text, transform=axes.transAxes, fontsize=8, color=MUTED, va="center")
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def key(text: str, **style) -> Line2D:
    return Line2D([], [], label=text, **({"linestyle": ""} | style))


def legend(figure: Figure, keys: Sequence[Line2D], columns: int, left: float = EDGE) -> None:
    """Keys at the foot of the sheet, from `left` inches on."""
    figure.legend(
        handles=list(keys),
        loc="lower left",
        bbox_to_anchor=(left / WIDTH, 0.0),
        ncols=columns,
        frameon=False,
        fontsize=8,
        labelcolor=MUTED,
        borderaxespad=0.2,
        borderpad=0.1,
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.3,
        labelspacing=0.35,
    )


def standing(figure: Figure, name: str, alt: str) -> str:
    """The figure as the text of an SVG file, on a ground of its own."""
    text = standalone.svg(to_svg(figure, name, alt))
    text = _DIGITS.sub(lambda found: f"{float(found[0]):.2f}", text)
    text = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", text)
    text = re.sub(r'<g id="[^"]*(?:text|line2d|tick)_\d+"', "<g", text)  # nothing refers to them
    for font in set(re.findall(r" font-family: [^;\"]+;", text)):
        text = text.replace(font, "").replace("<svg ", f'<svg style="{font.strip()}" ', 1)
    return "\n".join(line.strip() for line in text.splitlines()) + "\n"
