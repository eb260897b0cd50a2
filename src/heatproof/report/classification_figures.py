"""Figures of how the models classify, as inline SVG: confusion, ROC curves, reliability."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from heatproof.report import words
from heatproof.report.canvas import short
from heatproof.report.panels import panels, unit_square
from heatproof.report.svg import ACCENT, LINE, MUTED, STYLE, to_svg

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
    titles = [short(model, 26 if columns == 2 else 50) for model in tables]
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
                axes.text(j + 0.5, i + 0.7, words.share(share), fontsize=6, color=MUTED, **middle)


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
