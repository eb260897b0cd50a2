"""What every figure is drawn on: rows from the top down, a legend below, labels that never overflow."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from heatproof.report.svg import INK, LINE, MUTED

WIDTH, MARGIN = 4.2, 0.08  # inches; narrow, so that it stays readable on a phone
ROW = 0.45


def canvas(rows: float, legend: int) -> tuple[Figure, Axes]:
    """A figure whose y axis counts inches downwards from the top of the rows."""
    below = 0.4 + 0.165 * legend
    height = rows + below + 0.05
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((MARGIN / WIDTH, below / height, 1 - 2 * MARGIN / WIDTH, rows / height))
    axes.set_ylim(rows, 0)
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="x", length=0, labelsize=8)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def row_label(axes: Axes, top: float, model: str, value: str, competent: bool) -> None:
    text = short(model, 30) if competent else f"{short(model, 21)} (left out)"
    across = axes.get_yaxis_transform()
    shown = {"va": "center", "transform": across, "color": INK if competent else MUTED}
    axes.text(0, top + 0.13, text, weight="bold" if competent else "normal", **shown)
    axes.text(1, top + 0.13, value if value != "–" else "no score", ha="right", **shown)


def legend(figure: Figure, keys: Sequence[Line2D], columns: int) -> None:
    if keys:
        figure.legend(
            handles=keys,
            loc="lower left",
            bbox_to_anchor=(0.0, 0.0),
            ncols=columns,
            frameon=False,
            fontsize=8,
            labelcolor=MUTED,
            borderaxespad=0.1,
            borderpad=0.1,
            handlelength=1.6,
            handletextpad=0.5,
            columnspacing=1.3,
            labelspacing=0.35,
        )


def short(text: str, length: int) -> str:
    """A long name with its middle left out: timm's names differ at both ends."""
    if len(text) <= length:
        return text
    head = (length - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (length - 1 - head) :]}"
