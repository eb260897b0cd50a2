"""Figures of what the scores go with, as inline SVG: rank correlations by model, accuracy beside scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.lines import Line2D

from heatproof.report import words
from heatproof.report.canvas import canvas, legend, row_label, short
from heatproof.report.panels import panels
from heatproof.report.svg import MUTED, PAPER, STYLE, to_svg

STEP = 0.105  # inches between the models of one row


@dataclass(frozen=True)
class Dot:
    """One model's rank correlation with its interval, NaN where there is none."""

    model: str
    color: str
    rho: float
    low: float
    high: float
    sure: bool  # whether it can be told from zero


@dataclass(frozen=True)
class Point:
    """One training; `score` is its mean primary score."""

    model: str
    seed: int | None
    color: str
    accuracy: float
    score: float


@matplotlib.rc_context(STYLE)
def correlations(
    name: str, rows: dict[str, Sequence[Dot]], colors: dict[str, str], noise: dict[str, float], alt: str
) -> str:
    """A row a covariate, a dot a model (`colors` in their order): filled where it can be told from zero. `noise` is
    what a random map has."""
    keys = [Line2D([], [], color=color, marker="o", markersize=4.5, label=short(m, 22)) for m, color in colors.items()]
    if noise:
        keys.append(_mark(label="random noise"))
    heights = [0.32 + STEP * len(dots) for dots in rows.values()]
    figure, axes = canvas(sum(heights), legend=math.ceil(len(keys) / 2))
    axes.set_xlim(-1.02, 1.02)
    axes.axvline(0, color=MUTED, linewidth=0.9)
    top = 0.0
    for place, (height, (label, dots)) in enumerate(zip(heights, rows.items(), strict=True)):
        values = [dot.rho for dot in dots]
        span = dict.fromkeys(words.number(value, form=".2f") for value in (min(values), max(values)))
        row_label(axes, top, label, " to ".join(span), True)
        for i, dot in enumerate(dots):
            y = top + 0.29 + STEP * i
            if math.isfinite(dot.low):
                axes.plot([dot.low, dot.high], [y, y], color=dot.color, linewidth=1.1, solid_capstyle="round")
            face = dot.color if dot.sure else PAPER
            look = {"color": dot.color, "markerfacecolor": face, "markersize": 4.5}
            axes.plot([dot.rho], [y], "o", zorder=3, gid=f"rho-{place}-{dot.model}", **look)
        if label in noise:
            axes.add_line(
                _mark([noise[label]], [top + 0.29 + STEP * (len(dots) - 1) / 2], gid=f"noise-{place}", zorder=4)
            )
        top += height
    axes.set_xlabel("rank correlation with the score", loc="left")
    legend(figure, keys, columns=2)
    return to_svg(figure, name, alt)


def _mark(x: Sequence[float] = (), y: Sequence[float] = (), **more) -> Line2D:
    return Line2D(x, y, color=MUTED, linestyle="", marker="x", markersize=5, markeredgewidth=1.1, **more)


@matplotlib.rc_context(STYLE)
def scatter(name: str, found: dict[str, Sequence[Point]], alt: str) -> str:
    """Mean score against balanced accuracy, a panel a family, a dot a training."""
    colors = {point.model: point.color for points in found.values() for point in points}
    keys = [
        Line2D([], [], color=color, linestyle="", marker="o", markersize=4.5, label=short(model, 22))
        for model, color in colors.items()
    ]
    figure, drawn = panels([short(title, 32) for title in found], height=1.5, left=0.46, below=0.3, keys=keys)
    for place, (axes, points) in enumerate(zip(drawn, found.values(), strict=True)):
        axes.locator_params(nbins=4)
        axes.margins(0.08)
        axes.set_xlabel("balanced accuracy", fontsize=7, labelpad=1)
        axes.set_ylabel("mean score", fontsize=7, labelpad=3)
        for point in points:
            look = {"color": point.color, "markersize": 4.5, "alpha": 0.9}
            axes.plot([point.accuracy], [point.score], "o", gid=f"point-{place}-{point.model}-{point.seed}", **look)
    return to_svg(figure, name, alt)
