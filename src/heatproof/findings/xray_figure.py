"""Rows of dots: micro F1 as published and here, and macro AUROC beside guessing."""

import math

import matplotlib
from matplotlib.axes import Axes

from heatproof.findings import drawing
from heatproof.findings.splits import SIMPLE
from heatproof.findings.xray import MICRO, Xray
from heatproof.report import words
from heatproof.report.charts import PALETTE
from heatproof.report.svg import ACCENT, INK, MUTED, PAPER, STYLE

MARKS = {
    "published": {"marker": "D", "markersize": 5, "color": INK, "markerfacecolor": PAPER},
    "here": {"marker": "o", "markersize": 5.5, "color": PALETTE[0]},
    "competent": {"marker": "o", "markersize": 6, "color": ACCENT},
    "not": {"marker": "o", "markersize": 6, "color": MUTED, "markerfacecolor": PAPER},
}
SAID = {
    "published": "published",
    "here": "here",
    "competent": "surely better than guessing",
    "not": "not surely better than guessing",
}


@matplotlib.rc_context(STYLE)
def draw(found: Xray, alt: str) -> str:
    """Both panels; a study that names no published numbers has none to hold its own against, and no figure."""
    models = found.splits.models
    figure, (left, right) = drawing.sheet(len(models), 2, legend=1)
    drawing.title(left, "Micro F1, as published and here")
    drawing.title(right, "Macro AUROC here")
    for i, model in enumerate(models):
        row = found.splits.row(model, MICRO, found.splits.grouped)
        published = found.splits.published(model, MICRO)
        values = [row[key] if row is not None else math.nan for key in ("value", "low", "high")]
        y = drawing.label(left, i, model, f"{words.number(published)} / {words.number(values[0])}")
        left.plot([published], [y], linestyle="", zorder=4, gid=f"published-{i}", **MARKS["published"])
        _dot(left, y, values, "here", f"here-{i}")
    left.set_xlabel("micro F1 (numbers: published / here)", loc="left", fontsize=8)
    left.axhline(sum(model not in SIMPLE for model in models) * drawing.ROW, color=MUTED, linewidth=0.6, linestyle=":")
    shown = [model for model in models if math.isfinite(found.auroc(model)[0])]
    for i, model in enumerate(shown):
        auroc, sure = found.auroc(model), found.surely(model)
        y = drawing.label(right, i, model, words.interval(*auroc))
        _dot(right, y, auroc, "competent" if sure else "not", f"auroc-{i}")
    right.axvline(found.summary["competence"]["chance"], color=INK, linewidth=0.9)
    right.set_xlabel("macro AUROC (line: guessing)", loc="left", fontsize=8)
    for axes in (left, right):
        axes.set_xlim(0, 1.02)
    used = {"published", "here", *("competent" if found.surely(model) else "not" for model in shown)}
    drawing.legend(figure, [drawing.key(SAID[name], **style) for name, style in MARKS.items() if name in used], 4)
    return drawing.standing(figure, "xray", alt)


def _dot(axes: Axes, y: float, values, mark: str, gid: str) -> None:
    value, low, high = map(float, values)
    style = MARKS[mark]
    if math.isfinite(low) and math.isfinite(high):
        axes.plot([low, high], [y, y], color=style["color"], linewidth=2, solid_capstyle="round")
    if math.isfinite(value):
        axes.plot([value], [y], linestyle="", zorder=3, gid=gid, **style)


def told(found: Xray) -> str:
    """The figure in words, with its numbers."""
    said = []
    for model in found.splits.models:
        published, row = found.splits.published(model, MICRO), found.splits.row(model, MICRO, found.splits.grouped)
        parts = [f"published {words.number(published)}"] if math.isfinite(published) else []
        parts += [] if row is None else [f"here {words.number(row['value'])}"]
        auroc = found.auroc(model)
        parts += [f"macro AUROC {words.number(auroc[0])}"] if math.isfinite(auroc[0]) else []
        parts += [SAID["competent" if found.surely(model) else "not"]] if math.isfinite(auroc[0]) else []
        said.append(f"{model} {', '.join(parts)}")
    return f"Micro F1: {'; '.join(said)}."
