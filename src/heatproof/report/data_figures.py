"""Figures of the data as inline SVG: leak rate, simple classifiers, the threshold, random beside grouped split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from heatproof.report import words
from heatproof.report.canvas import MARGIN, ROW, WIDTH, canvas, legend, row_label
from heatproof.report.svg import ACCENT, INK, LINE, MUTED, PAPER, STYLE, WARN, to_svg

_STEP = 0.125  # inches between the lines of one row


@dataclass(frozen=True)
class Dot:
    """A value with its interval, NaN where there is none; `kind` names its look."""

    kind: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class DotRow:
    """Dots below one another under a name; `chance` is what guessing scores."""

    name: str
    dots: Sequence[Dot]
    chance: float = math.nan
    text: str = ""  # at the right end of the name


def _look(kind: str) -> dict:
    """What misleads (a random split, a planted mark) is a diamond in the colour of warnings, the other a dot.

    Both are hollow for images as they came, and for heat on a mark.
    """
    warned = kind.startswith(("random", "conflicts", "marked"))
    color = WARN if warned else ACCENT
    hollow = {"markerfacecolor": PAPER} if kind.endswith(("raw", "marked")) else {}
    return {"color": color, "marker": "D" if warned else "o", "markersize": 4 if warned else 5, **hollow}


@matplotlib.rc_context(STYLE)
def dots(name: str, rows: Sequence[DotRow], kinds: dict[str, str], label: str, alt: str) -> str:
    """Rows of dots with intervals between 0 and 1; `kinds` are the looks with their words, in the order of a row."""
    guessing = any(math.isfinite(row.chance) for row in rows)
    keys = [Line2D([], [], linewidth=1.6, label=text, **_look(kind)) for kind, text in kinds.items()]
    if guessing:
        keys.append(Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), label="guessing"))
    columns = 2
    figure, axes = canvas(sum(map(_height, rows)), legend=math.ceil(len(keys) / columns))
    axes.set_xlim(-0.02, 1.02)
    top = 0.0
    for place, row in enumerate(rows):
        row_label(axes, top, row.name, row.text, True)
        _guessing(axes, f"guessing-{place}", row.chance, top + 0.22, top + _height(row) - 0.02)
        for i, dot in enumerate(row.dots):
            y = top + 0.3 + _STEP * i
            _dot(axes, f"{dot.kind}-{place}-{i}", dot, y)
        top += _height(row)
    axes.set_xlabel(label, loc="left")
    legend(figure, keys, columns=columns)
    return to_svg(figure, name, alt)


def _height(row: DotRow) -> float:
    return ROW + _STEP * (len(row.dots) - 1)


def _guessing(axes: Axes, gid: str, x: float, top: float, bottom: float) -> None:
    if math.isfinite(x):
        axes.plot([x, x], [top, bottom], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), gid=gid)


def _dot(axes: Axes, gid: str, dot: Dot, y: float) -> None:
    look = _look(dot.kind)
    if math.isfinite(dot.low) and math.isfinite(dot.high):
        ends = [dot.low, dot.high]
        axes.plot(ends, [y, y], color=look["color"], linewidth=1.6, solid_capstyle="round", gid=f"interval-{gid}")
    if math.isfinite(dot.value):
        axes.plot([dot.value], [y], linestyle="", zorder=3, gid=gid, **look)


@dataclass(frozen=True)
class Panel:
    """A quantity against the threshold; NaN leaves a gap. `share` is on an axis from 0 to 1."""

    key: str
    title: str
    values: Sequence[float]
    share: bool


@matplotlib.rc_context(STYLE)
def sweep(name: str, thresholds: Sequence[float], panels: Sequence[Panel], used: float, alt: str) -> str:
    """What hangs on the threshold from which two images look alike: two panels a row, the one in use marked."""
    side, head, between, foot = 0.85, 0.24, 0.22, 0.42
    rows = math.ceil(len(panels) / 2)
    height = rows * (head + side) + (rows - 1) * between + foot
    figure = Figure(figsize=(WIDTH, height))
    width = (WIDTH - 2 * MARGIN - 0.75) / 2
    for i, panel in enumerate(panels):
        left = MARGIN + 0.27 + (i % 2) * (width + 0.45)
        bottom = height - (i // 2) * (head + side + between) - head - side
        axes = figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, side / height))
        _panel(axes, panel, thresholds, used, labels=i >= len(panels) - 2)
    figure.text(MARGIN / WIDTH, 0.05 / height, "similarity from which images count as look-alikes", color=MUTED)
    return to_svg(figure, name, alt)


def _panel(axes: Axes, panel: Panel, thresholds: Sequence[float], used: float, labels: bool) -> None:
    axes.set_title(panel.title, loc="left", fontsize=8, color=INK, pad=4)
    axes.spines[["right", "top"]].set_visible(False)
    axes.tick_params(length=0, labelsize=7, labelbottom=labels, labelcolor=MUTED)
    axes.grid(color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    low, high = min(*thresholds, used), max(*thresholds, used)
    room = 0.06 * (high - low) or 0.01
    axes.set_xlim(low - room, high + room)
    span = max(thresholds) - min(thresholds)
    ticks = [used, *(end for end in (min(thresholds), max(thresholds)) if abs(end - used) >= 0.2 * span)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    finite = [value for value in panel.values if math.isfinite(value)]
    top = 1.0 if panel.share else max(finite, default=1.0)
    axes.set_ylim(-0.06 * top, 1.08 * top)
    axes.locator_params(axis="y", nbins=4)
    if panel.share:
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.axvline(used, color=WARN, linewidth=1, linestyle=(0, (3, 2)), gid=f"used-{panel.key}")
    axes.plot(thresholds, panel.values, "o-", color=ACCENT, linewidth=1.3, markersize=3, gid=f"line-{panel.key}")


def described(rows: Sequence[DotRow], kinds: dict[str, str]) -> str:
    """The numbers of a dot figure, for who cannot see it."""
    texts = []
    for row in rows:
        values = [f"{kinds[dot.kind]} {words.interval(dot.value, dot.low, dot.high)}" for dot in row.dots]
        texts.append(f"{row.name}: {', '.join(values)}")
    return "; ".join(texts)


def described_panels(thresholds: Sequence[float], panels: Sequence[Panel]) -> str:
    """The numbers of the panels, for who cannot see them."""
    texts = []
    for panel in panels:
        form = None if panel.share else ".0f"
        values = [f"{words.number(v, form=form)} at {t:g}" for t, v in zip(thresholds, panel.values, strict=True)]
        texts.append(f"{panel.title}: {', '.join(values)}")
    return "; ".join(texts)
