"""The tree of groups as inline SVG."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram, linkage

from heatproof.report import words
from heatproof.report.canvas import MARGIN, WIDTH, short
from heatproof.report.svg import ACCENT, INK, LINE, MUTED, STYLE, to_svg

_NAMES, _ROW, _FOOT = 1.9, 0.2, 0.45  # inches: room for the names, a leaf, the axis


def joined(distances: np.ndarray) -> np.ndarray:
    """Average linkage of groups, as SciPy gives it, of their distances [pairs] in the order of `numbers.pairs`."""
    return linkage(distances, "average")


@matplotlib.rc_context(STYLE)
def tree(name: str, groups: Sequence[str], distances: np.ndarray) -> str:
    """Groups that lie near each other join early, at the left; further to the right what is further apart."""
    links = joined(distances)
    laid = dendrogram(links, no_plot=True)
    rows = _ROW * len(groups)
    height = rows + _FOOT
    figure = Figure(figsize=(WIDTH, height))
    left = _NAMES / WIDTH
    axes = figure.add_axes((left, _FOOT / height, 1 - left - MARGIN / WIDTH, rows / height))
    for across, along in zip(laid["dcoord"], laid["icoord"], strict=True):
        axes.plot(across, along, color=ACCENT, linewidth=1.3, solid_capstyle="round")
    axes.set_ylim(10 * len(groups), 0)  # SciPy puts leaves at 5, 15, 25, ...
    axes.set_xlim(0, max(float(links[-1, 2]) * 1.05, 1e-6))
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="x", length=0, labelsize=8)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.locator_params(axis="x", nbins=4)
    axes.set_axisbelow(True)
    for place, leaf in enumerate(laid["leaves"]):
        text = short(groups[leaf], 30)
        axes.text(-0.03, 5 + 10 * place, text, ha="right", va="center", color=INK, transform=axes.get_yaxis_transform())
    figure.text(MARGIN / WIDTH, 0.05 / height, "distance at which groups join", color=MUTED)
    return to_svg(figure, name, told(groups, links))


def told(groups: Sequence[str], links: np.ndarray) -> str:
    """The tree in words, for who cannot see it."""
    members = [[name] for name in groups]
    texts = []
    for first, second, height, _ in links:
        a, b = members[int(first)], members[int(second)]
        texts.append(f"{words.listed(a)} with {words.listed(b)} at {words.number(height)}")
        members.append([*a, *b])
    return f"Groups by distance: {'; '.join(texts)}"
