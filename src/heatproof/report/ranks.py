"""Critical-difference diagram: mean ranks on an axis, and bars that join models which the tests cannot tell apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from markupsafe import Markup

from heatproof.report import charts, words
from heatproof.report.canvas import ROW, canvas, row_label
from heatproof.report.figure import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.svg import INK, LINE, STYLE, to_svg

BAR = 0.16  # inches from one bar to the next


@dataclass(frozen=True)
class Rank:
    """A model with its mean rank over groups, 1 the best."""

    model: str
    color: str
    rank: float


def make(inputs: Inputs, family: str, method: str, name: str) -> Figure | None:
    """The diagram of one family and method; None where there were not two models to compare."""
    found = inputs.summary["ranks"].get(family, {}).get(method)
    if not found or len(found["models"]) < 2:
        return None
    ranks = [Rank(model, charts.color(inputs.models, model), rank) for model, rank in found["models"].items()]
    ranks.sort(key=lambda row: (row.rank, inputs.models.index(row.model)))
    cliques = [clique for clique in found["cliques"] if len(clique) > 1]
    metric, groups = inputs.metric(inputs.primary(family)), words.GROUPS[inputs.summary["groups"]["kind"]]
    over = words.count(found["groups"], *groups)
    joined = "; ".join(words.listed(clique) for clique in cliques)
    means = ", ".join(f"{row.model} {words.number(row.rank)}" for row in ranks)
    alt = f"Mean ranks by {words.inline(metric.name)}: {means}. {_alike(joined)}"
    caption = f"Mean rank of each model by {words.inline(metric.name)} over {over}; 1 is the best. " + (
        "A bar joins models that the tests cannot tell apart, after Holm's correction. That they are equal is not "
        "shown."
        if cliques
        else "Every pair of models can be told apart, after Holm's correction."
    )
    return Figure(Markup(draw(name, ranks, cliques, alt)), caption)


def _alike(joined: str) -> str:
    return f"Not told apart: {joined}." if joined else "All can be told apart."


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
        row_label(axes, i * ROW, row.model, words.number(row.rank), True)
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
    axes.set_xlabel("mean rank (1 is the best)", loc="left")
    return to_svg(figure, name, alt)
