"""Rows of dots: accuracies under the splits, localization beside controls, methods beside a reference."""

import math
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes

from heatproof.findings import drawing
from heatproof.findings.regions import Row
from heatproof.findings.splits import MEASURES, RANDOM, SIMPLE, Splits
from heatproof.findings.transformers import BETTER, UNCLEAR, WORSE, Lead
from heatproof.report import words
from heatproof.report.charts import PALETTE
from heatproof.report.svg import ACCENT, INK, MUTED, PAPER, STYLE, WARN

NOT_RUN = "not run yet"
SPLITS = {
    "published": {"marker": "D", "markersize": 5, "color": INK, "markerfacecolor": PAPER},
    RANDOM: {"marker": "o", "markersize": 5.5, "color": PALETTE[1]},
    "grouped": {"marker": "s", "markersize": 5, "color": PALETTE[0]},
}
SPLIT_WORDS = {"published": "published", RANDOM: "here, random split", "grouped": "here, {} kept together"}
TOGETHER = {"lookalike": "look-alikes", "patient": "patients", RANDOM: "nothing"}
VERDICTS = {
    "better": ("better than every control", {"marker": "o", "markersize": 6, "color": ACCENT}),
    "worse": ("worse than a control", {"marker": "o", "markersize": 6, "color": WARN}),
    "unclear": ("no verdict", {"marker": "o", "markersize": 6, "color": MUTED, "markerfacecolor": PAPER}),
}
MARKS = {
    "hardest": ("its hardest control", {"marker": "v", "markersize": 4.6, "color": MUTED, "markerfacecolor": PAPER}),
    "ceiling": (words.CONTROLS["ceiling"], {"marker": "|", "markersize": 11, "markeredgewidth": 1.8, "color": INK}),
}
LEADS = {
    BETTER: {"marker": "o", "markersize": 6, "color": ACCENT},
    WORSE: {"marker": "o", "markersize": 6, "color": WARN},
    UNCLEAR: {"marker": "o", "markersize": 6, "color": MUTED, "markerfacecolor": PAPER},
}


@matplotlib.rc_context(STYLE)
def overview(splits: Splits | None, regions: Sequence[Row] | None, metric: str, method: str, alt: str) -> str:
    """The picture of the README: accuracies on the left, heatmaps where the truth is known on the right."""
    rows = max(len(splits.models) if splits else 0, len(regions or ()), 3)
    figure, (left, right) = drawing.sheet(rows, 2, legend=3)
    drawing.title(left, "Accuracy, as published and here")
    drawing.title(right, f"Heatmaps ({method}) where the truth is known")
    if splits:
        _accuracies(left, splits, "accuracy")
        drawing.legend(figure, _split_keys(splits), 1)
    else:
        drawing.empty(left, NOT_RUN)
    if regions:
        _localization(right, regions, metric)
        drawing.legend(figure, _region_keys(regions), 2, drawing.WIDTH / 2 + 0.2)
    else:
        drawing.empty(right, NOT_RUN)
    return drawing.standing(figure, "overview", alt)


@matplotlib.rc_context(STYLE)
def accuracies(splits: Splits, alt: str) -> str:
    """Accuracy and F1 of every model, as published and under both splits."""
    figure, panels = drawing.sheet(len(splits.models), len(MEASURES), legend=1)
    for axes, (measure, said) in zip(panels, MEASURES.items(), strict=True):
        drawing.title(axes, f"{said[0].upper()}{said[1:]} on test images")
        _accuracies(axes, splits, measure)
    drawing.legend(figure, _split_keys(splits), 3)
    return drawing.standing(figure, "splits", alt)


def _accuracies(axes: Axes, splits: Splits, measure: str) -> None:
    axes.set_xlim(0, 1.02)
    for i, model in enumerate(splits.models):
        shown = [splits.row(model, measure, split) for split in (RANDOM, splits.grouped)]
        values = " / ".join("–" if row is None else words.number(row["value"]) for row in shown)
        y = drawing.label(axes, i, model, values)
        published = splits.published(model, measure)
        if math.isfinite(published):
            axes.plot([published], [y], linestyle="", gid=f"published-{i}", zorder=4, **SPLITS["published"])
        for row, name, shift in zip(shown, (RANDOM, "grouped"), (-0.045, 0.045), strict=True):
            if row is None:
                continue
            color = SPLITS[name]["color"]
            axes.plot([row["low"], row["high"]], [y + shift] * 2, color=color, linewidth=1.6, solid_capstyle="round")
            axes.plot([row["value"]], [y + shift], linestyle="", zorder=3, gid=f"{name}-{i}", **SPLITS[name])
    axes.set_xlabel(f"{MEASURES[measure]} (numbers: random / grouped)", loc="left", fontsize=8)
    networks = sum(model not in SIMPLE for model in splits.models)
    axes.axhline(networks * drawing.ROW, color=MUTED, linewidth=0.6, linestyle=(0, (1, 2)))


def _split_keys(splits: Splits) -> list:
    together = TOGETHER.get(splits.grouped, splits.grouped)
    return [drawing.key(SPLIT_WORDS[name].format(together), **style) for name, style in SPLITS.items()]


def _localization(axes: Axes, rows: Sequence[Row], metric: str) -> None:
    for i, row in enumerate(rows):
        y = drawing.label(axes, i, row.model, row.value if row.competent else f"{words.number(row.mean)}, left out")
        style = VERDICTS.get(row.verdict, VERDICTS["unclear"])[1]
        axes.plot([row.low, row.high], [y, y], color=style["color"], linewidth=2, solid_capstyle="round")
        axes.plot([row.mean], [y], linestyle="", zorder=4, gid=f"mean-{i}", **style)
        for name in ("hardest", "ceiling"):
            value = row.marks.get(row.hardest if name == "hardest" else name)
            if value is not None:
                axes.plot([value], [y], linestyle="", zorder=3, gid=f"{name}-{i}", **MARKS[name][1])
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_xlabel(words.inline(words.metric(metric).name), loc="left", fontsize=8)


def _region_keys(rows: Sequence[Row]) -> list:
    used = {row.verdict or "unclear" for row in rows}
    keys = [drawing.key(text, **style) for name, (text, style) in VERDICTS.items() if name in used]
    marked = {"hardest": any(row.hardest for row in rows), "ceiling": any("ceiling" in row.marks for row in rows)}
    return keys + [drawing.key(text, **style) for name, (text, style) in MARKS.items() if marked[name]]


@matplotlib.rc_context(STYLE)
def leads(found: Sequence[Lead], reference: str, alt: str) -> str:
    """How far each method is ahead of the reference, a panel a study and family."""
    places = list(dict.fromkeys((lead.study, lead.family, lead.metric) for lead in found))
    methods = list(dict.fromkeys(lead.method for lead in found))
    figure, panels = drawing.sheet(len(methods), len(places), legend=1)
    for axes, (study, family, metric) in zip(panels, places, strict=True):
        drawing.title(axes, f"{family}, {study}")
        for i, method in enumerate(methods):
            lead = next((one for one in found if (one.study, one.family, one.method) == (study, family, method)), None)
            y = drawing.label(axes, i, method, "" if lead is None else words.number(lead.difference, sign=True))
            if lead is None:
                continue
            style = LEADS[lead.verdict]
            axes.plot([0, 0], [y - 0.08, y + 0.1], color=INK, linewidth=0.9)
            axes.plot([lead.low, lead.high], [y, y], color=style["color"], linewidth=2, solid_capstyle="round")
            axes.plot([lead.difference], [y], linestyle="", zorder=4, gid=f"lead-{family}-{i}", **style)
        axes.set_xlabel(words.inline(words.metric(metric).name), loc="left", fontsize=8)
    said = {BETTER: f"better than {reference}", WORSE: f"worse than {reference}"}
    used = {lead.verdict for lead in found}
    keys = [drawing.key(said.get(verdict, verdict), **style) for verdict, style in LEADS.items() if verdict in used]
    line = drawing.key(f"right of the line: ahead of {reference}", marker="|", markersize=9, color=INK)
    drawing.legend(figure, [line, *keys], 4)
    return drawing.standing(figure, "transformers", alt)
