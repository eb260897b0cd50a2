"""Figures as inline SVG: critical-difference diagrams, confusion, ROC curves, reliability, rank correlations,
power."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from heatproof.report import words
from heatproof.report.figures import dot_rows
from heatproof.report.figures.canvas import (
    ACCENT,
    INK,
    LINE,
    MUTED,
    PAPER,
    ROW,
    STYLE,
    Figure,
    canvas,
    legend,
    panels,
    row_label,
    short,
    to_svg,
    unit_square,
)
from heatproof.report.inputs import Inputs
from heatproof.stats.tests.paired import t_interval
from heatproof.text import numbers
from heatproof.text.words import called

BAR = 0.16  # inches from one bar to the next


@dataclass(frozen=True)
class Rank:
    """A model with its mean rank over groups, 1 the best."""

    model: str
    color: str
    rank: float


def make(inputs: Inputs, family: str, method: str, name: str) -> Figure | None:
    """The diagram of one family and method; None where there were not two models to compare."""
    outcome = inputs.results.outcome(family, method)
    found = outcome and outcome.ranks
    if not found or len(found.models) < 2:
        return None
    ranks = [Rank(model, dot_rows.color(inputs.models, model), rank) for model, rank in found.models.items()]
    ranks.sort(key=lambda row: (row.rank, inputs.models.index(row.model)))
    cliques = [clique for clique in found.cliques if len(clique) > 1]
    metric, groups = inputs.metric(inputs.primary(family)), numbers.UNITS[inputs.results.groups.kind]
    over = numbers.counted(found.groups, *groups)
    joined = "; ".join(numbers.listed([*map(called, clique)]) for clique in cliques)
    means = ", ".join(f"{called(row.model)} {numbers.number(row.rank)}" for row in ranks)
    alt = f"Mean ranks by {words.inline(metric.name)}: {means}. {_alike(joined)}"
    caption = f"Mean rank of each model by {words.inline(metric.name)} over {over}; 1 is best. " + (
        "A bar joins models that do not differ significantly (with Holm's correction). This does not show that they "
        "are equal."
        if cliques
        else "All pairs of models differ significantly (with Holm's correction)."
    )
    return Figure(Markup(draw(name, ranks, cliques, alt)), caption)


def _alike(joined: str) -> str:
    return f"No significant difference: {joined}." if joined else "All differences are significant."


@matplotlib.rc_context(STYLE)
def draw(name: str, ranks: Sequence[Rank], cliques: Sequence[Sequence[str]], alt: str) -> str:
    """The diagram as SVG (Demsar 2006, JMLR 7:1-30, figure 1; bars from corrected pairs as in Benavoli et al. 2016,
    JMLR 17(5)): a row a model, the best on top, and the bars below, each with its models on it."""
    height = ROW * len(ranks)
    figure, axes = canvas(height + 0.1 + BAR * len(cliques), legend=0)
    axes.set_xlim(0.85, len(ranks) + 0.15)
    axes.set_xticks(range(1, len(ranks) + 1))
    for i, row in enumerate(ranks):
        y = i * ROW + 0.31
        row_label(axes, i * ROW, row.model, numbers.number(row.rank), True)
        axes.plot([row.rank], [y], "o", color=row.color, markersize=6, zorder=4, gid=f"rank-{row.model}")
    placed = {row.model: row for row in ranks}
    axes.axhline(height + 0.02, color=LINE, linewidth=0.6)
    for i, clique in enumerate(cliques):
        ends = [placed[model].rank for model in clique]
        y = height + 0.02 + BAR * (i + 0.6)
        room = 0.03 * (len(ranks) - 1)  # beyond the dots, so that a bar between equal ranks is seen too
        axes.plot(
            [min(ends) - room, max(ends) + room],
            [y, y],
            color=INK,
            linewidth=1.8,
            solid_capstyle="round",
            zorder=3,
            gid=f"clique-{i}",
        )
        for model in clique:
            axes.plot([placed[model].rank], [y], "o", color=placed[model].color, markersize=4, zorder=4)
    axes.set_xlabel("mean rank (1 is best)", loc="left")
    return to_svg(figure, name, alt)


NARROW, READABLE = 4, 8  # classes up to which two matrices stand side by side, and up to which cells have text


@dataclass(frozen=True)
class Line:
    """A curve of one training in one panel; x and y from 0 to 1."""

    panel: str
    model: str
    seed: int
    color: str
    x: Sequence[float]
    y: Sequence[float]


@matplotlib.rc_context(STYLE)
def confusion(name: str, tables: dict[str, np.ndarray], classes: Sequence[str], alt: str) -> str:
    """A matrix of counts a model (int [classes, classes], true class in rows), shaded by the share of the row."""
    columns = 2 if len(classes) <= NARROW else 1
    left, cell = (0.58, 0.36) if columns == 2 else (0.85, 0.34)
    titles = [short(called(model), 26 if columns == 2 else 50) for model in tables]
    figure, found = panels(titles, height=0.16 + cell * len(classes), left=left, below=0.05, columns=columns)
    for axes, (model, counts) in zip(found, tables.items(), strict=True):
        _matrix(axes, model, counts, classes, cell)
    return to_svg(figure, name, alt)


def _matrix(axes: Axes, model: str, counts: np.ndarray, classes: Sequence[str], cell: float) -> None:
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(xlim=(0, len(classes)), ylim=(len(classes), -0.16 / cell), xticks=[], yticks=[])
    length = 9 if len(classes) <= NARROW else max(3, 40 // len(classes))
    for i, label in enumerate(classes):
        axes.text(i + 0.5, -0.2, short(label, length), ha="center", va="center", color=MUTED, fontsize=6.2)
        axes.text(
            -0.08, i + 0.5, short(label, 9 if len(classes) <= NARROW else 13), ha="right", va="center", fontsize=6.8
        )
        images = counts[i].sum()
        for j, count in enumerate(counts[i]):
            share = count / images if images else 0.0
            tint = (ACCENT, round(0.05 + 0.45 * share, 3)) if count else "none"
            look = {"edgecolor": LINE, "facecolor": tint, "linewidth": 0.5}
            axes.add_patch(Rectangle((j + 0.03, i + 0.04), 0.94, 0.92, gid=f"cell-{model}-{i}-{j}", **look))
            if images and len(classes) <= READABLE:
                middle = {"ha": "center", "va": "center"}
                axes.text(j + 0.5, i + 0.34, f"{count:,}", fontsize=7, gid=f"count-{model}-{i}-{j}", **middle)
                axes.text(j + 0.5, i + 0.7, numbers.share(share), fontsize=6, color=MUTED, **middle)


@matplotlib.rc_context(STYLE)
def roc(name: str, titles: dict[str, str], lines: Sequence[Line], keys: dict[str, tuple[str, str]], alt: str) -> str:
    """ROC curves, a panel a class; `keys` has the colour and the text of each model."""
    handles = [Line2D([], [], color=color, linewidth=1.6, label=text) for color, text in keys.values()]
    figure, found = panels(list(titles.values()), height=1.55, left=0.46, below=0.3, keys=handles)
    for axes, key in zip(found, titles, strict=True):
        unit_square(axes, "false alarms", "recognized")
        for line in (line for line in lines if line.panel == key):
            gid = f"roc-{key}-{line.model}-{line.seed}"
            axes.plot(line.x, line.y, color=line.color, linewidth=1.1, alpha=0.85, gid=gid)
    return to_svg(figure, name, alt)


@matplotlib.rc_context(STYLE)
def reliability(name: str, titles: dict[str, str], lines: Sequence[Line], alt: str) -> str:
    """Share that is right against confidence, a panel a model, a line a training."""
    figure, found = panels(list(titles.values()), height=1.55, left=0.46, below=0.3)
    for axes, key in zip(found, titles, strict=True):
        unit_square(axes, "confidence", "right")
        for line in (line for line in lines if line.panel == key):
            look = {"color": line.color, "linewidth": 0.9, "markersize": 3, "alpha": 0.85}
            axes.plot(line.x, line.y, "o-", gid=f"bins-{line.model}-{line.seed}", **look)
    return to_svg(figure, name, alt)


STEP = 0.105  # inches between the models of one row


@dataclass(frozen=True)
class Correlation:
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
    name: str, rows: dict[str, Sequence[Correlation]], colors: dict[str, str], noise: dict[str, float], alt: str
) -> str:
    """A row a covariate, a dot a model (`colors` in their order): filled where it can be told from zero. `noise` is
    what a random map has."""
    keys = [
        Line2D([], [], color=color, marker="o", markersize=4.5, label=short(called(m), 22))
        for m, color in colors.items()
    ]
    if noise:
        keys.append(_mark(label="random noise"))
    heights = [0.32 + STEP * len(marks) for marks in rows.values()]
    figure, axes = canvas(sum(heights), legend=math.ceil(len(keys) / 2))
    axes.set_xlim(-1.02, 1.02)
    axes.axvline(0, color=MUTED, linewidth=0.9)
    top = 0.0
    for place, (height, (label, marks)) in enumerate(zip(heights, rows.items(), strict=True)):
        values = [dot.rho for dot in marks]
        row_label(axes, top, label, numbers.span(values), True)
        for i, dot in enumerate(marks):
            y = top + 0.29 + STEP * i
            if math.isfinite(dot.low):
                axes.plot([dot.low, dot.high], [y, y], color=dot.color, linewidth=1.1, solid_capstyle="round")
            face = dot.color if dot.sure else PAPER
            look = {"color": dot.color, "markerfacecolor": face, "markersize": 4.5}
            axes.plot([dot.rho], [y], "o", zorder=3, gid=f"rho-{place}-{dot.model}", **look)
        if label in noise:
            axes.add_line(
                _mark([noise[label]], [top + 0.29 + STEP * (len(marks) - 1) / 2], gid=f"noise-{place}", zorder=4)
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
        Line2D([], [], color=color, linestyle="", marker="o", markersize=4.5, label=short(called(model), 22))
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


@dataclass(frozen=True)
class Course:
    """How the probability of the class goes with the share of pixels: mean over groups and the ends of its interval."""

    model: str
    color: str
    share: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


WAYS = {"deletion": "removed", "insertion": "inserted"}  # column of the table of curves -> what is done to pixels
NOISE = "random"


def make_courses(inputs: Inputs, method: str, name: str) -> Figure | None:
    """Draw deletion and insertion curves of all models by one method; None where no curve was stored."""
    if inputs.curves is None:
        return None
    found = {way: _courses(inputs, method, way) for way in WAYS}
    if not any(found.values()):
        return None
    noise = {way: _courses(inputs, NOISE, way) for way in WAYS}
    middle = "; ".join(
        f"{way}: "
        + ", ".join(f"{called(one.model)} {numbers.number(float(np.interp(0.5, one.share, one.mean)))}" for one in of)
        for way, of in found.items()
    )
    alt = f"Probability of the class with half of the pixels removed or inserted. {middle}"
    svg = draw_courses(name, found, noise, alt)
    caption = (
        f"Probability of the class as pixels are removed, or inserted into an emptied image, in the order of the "
        f"heatmaps of {called(method)}, most relevant first. With a faithful heatmap, it falls early "
        f"when pixels are removed and rises early when they are inserted. "
        f"Line: mean over {numbers.UNITS[inputs.results.groups.kind][1]}; band: its {inputs.results.interval:.0%} "
        f"interval; dotted: random noise on the same model."
    )
    return Figure(Markup(svg), caption)


def _courses(inputs: Inputs, method: str, way: str) -> list[Course]:
    """Average over images and seeds of each group first."""
    rows = inputs.curves[inputs.curves["method"] == method]
    found = []
    for model in inputs.models:
        of = rows[(rows["model"] == model) & rows[way].notna()]
        table = of.pivot_table(index="group", columns="share", values=way, aggfunc="mean", sort=True)
        if len(table):
            values = table.to_numpy(float)
            low, high = t_interval(values, inputs.results.interval)
            share = table.columns.to_numpy(float)
            found.append(Course(model, dot_rows.color(inputs.models, model), share, values.mean(0), low, high))
    return found


@matplotlib.rc_context(STYLE)
def draw_courses(name: str, found: dict[str, Sequence[Course]], noise: dict[str, Sequence[Course]], alt: str) -> str:
    """Draw a panel for each way, a line with its band for each model."""
    models = {one.model: one.color for of in found.values() for one in of}
    keys = [Line2D([], [], color=color, linewidth=1.6, label=short(called(m), 24)) for m, color in models.items()]
    titles = [way.capitalize() for way in WAYS]
    figure, drawn = panels(titles, height=1.6, left=0.42, below=0.3, keys=keys)
    for axes, (way, done) in zip(drawn, WAYS.items(), strict=True):
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
        axes.set_xlabel(f"pixels {done}", fontsize=7, labelpad=1)
        axes.set_ylabel("probability of the class", fontsize=7, labelpad=3)
        for one in noise[way]:
            axes.plot(one.share, one.mean, color=one.color, linewidth=0.8, linestyle=(0, (1, 1.6)), alpha=0.8)
        for one in found[way]:
            axes.fill_between(one.share, one.low, one.high, color=one.color, alpha=0.14, linewidth=0)
            axes.plot(one.share, one.mean, color=one.color, linewidth=1.5, gid=f"{way}-{one.model}")
    return to_svg(figure, name, alt)


@dataclass(frozen=True)
class Band:
    """Power of one design against the number of patients; without a pilot, `low` and `high` are empty."""

    label: str
    patients: Sequence[int]
    power: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@matplotlib.rc_context(STYLE)
def power(name: str, bands: Sequence[Band], wanted: float, alt: str) -> str:
    """Power against the number of patients, with what the pilot leaves open and the power that is wanted."""
    colors = [dot_rows.PALETTE[place % len(dot_rows.PALETTE)] for place in range(len(bands))]
    keys = [
        Line2D([], [], color=color, linewidth=1.6, label=one.label) for color, one in zip(colors, bands, strict=True)
    ]
    figure, (axes,) = panels([""], height=2.2, left=0.46, below=0.3, keys=keys, columns=1)
    for place, (color, one) in enumerate(zip(colors, bands, strict=True)):
        if one.low:
            axes.fill_between(
                one.patients, one.low, one.high, color=color, alpha=0.13, linewidth=0, gid=f"band-{place}"
            )
        axes.plot(one.patients, one.power, color=color, linewidth=1.4, gid=f"power-{place}")
    axes.axhline(wanted, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set(xscale="log", ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    axes.set_xlabel("patients", fontsize=7, labelpad=1)
    axes.set_ylabel("power", fontsize=7, labelpad=3)
    return to_svg(figure, name, alt)
