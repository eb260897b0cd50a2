"""Small multiples: equal panels, two a row, a legend below."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from heatproof.report.canvas import MARGIN, WIDTH, legend
from heatproof.report.svg import INK, LINE, MUTED

HEAD, GAP = 0.24, 0.12  # inches above a panel for its title, and between rows


def panels(
    titles: Sequence[str], *, height: float, left: float, below: float, keys: Sequence[Line2D] = (), columns: int = 2
) -> tuple[Figure, list[Axes]]:
    """A figure with a titled panel for each title.

    Args:
        titles: one a panel.
        height: of a panel, in inches.
        left: room beside each panel for what is written there, in inches.
        below: room below each panel, in inches.
        keys: of the legend.
        columns: panels a row.
    """
    rows, lines = math.ceil(len(titles) / columns), math.ceil(len(keys) / 2)
    foot = 0.08 + 0.165 * lines
    total = rows * (HEAD + height + below) + (rows - 1) * GAP + foot
    figure = Figure(figsize=(WIDTH, total))
    width = (WIDTH - MARGIN) / columns - left - MARGIN
    found = []
    for i, title in enumerate(titles):
        x = (i % columns) * (WIDTH - MARGIN) / columns + left
        y = total - (i // columns) * (HEAD + height + below + GAP) - HEAD - height
        axes = figure.add_axes((x / WIDTH, y / total, width / WIDTH, height / total))
        figure.text((x - left + 0.02) / WIDTH, (y + height + 0.08) / total, title, fontsize=8, weight="bold", color=INK)
        axes.spines[["right", "top"]].set_visible(False)
        axes.tick_params(length=0, labelsize=7, labelcolor=MUTED, pad=2)
        axes.grid(color=LINE, linewidth=0.5)
        axes.set_axisbelow(True)
        found.append(axes)
    legend(figure, keys, columns=2)
    return figure, found


def unit_square(axes: Axes, across: str, up: str) -> None:
    """Both axes from 0 to 1, with the diagonal."""
    ticks = [0, 0.5, 1], ["0", "0.5", "1"]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_xticks(*ticks)
    axes.set_yticks(*ticks)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_xlabel(across, fontsize=7, labelpad=1)
    axes.set_ylabel(up, fontsize=7, labelpad=3)
