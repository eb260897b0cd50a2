"""The figures and their alternative texts. Each becomes an SVG file on a ground of its own."""

import math
import re
from collections.abc import Sequence

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from heatproof.report import words
from heatproof.report.figures import canvas
from heatproof.report.figures.canvas import ACCENT, INK, LINE, MUTED, PAPER, STYLE, WARN, short, to_svg
from heatproof.report.figures.dot_rows import PALETTE
from heatproof.text import numbers
from heatproof.text.words import called, capital
from papers.cue import ACCURACY, RELIES, SHOWN, Cue, Kind
from papers.facts import BETTER, LOCALIZATION, MEASURES, PUBLISHED, RANDOM, SIMPLE, UNCLEAR, WORSE, Facts, Splits
from papers.xray import MICRO, Xray

NAMES = ("overview", "splits", "cheat", "cues", "transformers", "xray")
WIDTH, EDGE, GAP = 8.6, 0.1, 0.45  # inches
ROW, HEAD, AXIS, LEGEND = 0.44, 0.34, 0.42, 0.18  # of a row, above the rows, below them, of a line of legend
DASHED, DOTTED = (0, (3, 2)), (0, (1, 2))
METHOD_COLORS = (*PALETTE, "#777777", "#5B3A1E")
FLOOR = "random"  # the control that is drawn with the methods
CUE_TITLES = {
    ACCURACY: "accuracy",
    "inside_cue": "Share of relevance where the cue lies",
    "outside_body": "Share of relevance outside the body",
    "relevance_rank_accuracy": "Localization of the true region (rank accuracy)",
}
TOGETHER = {"lookalike": "look-alikes", "patient": "patients", RANDOM: "nothing"}


def _mark(marker: str, size: float, color: str, **style) -> dict:
    return {"marker": marker, "markersize": size, "color": color, **style}


GROUPED = "grouped"
SPLITS = {
    PUBLISHED: _mark("D", 5, INK, markerfacecolor=PAPER),
    RANDOM: _mark("o", 5.5, PALETTE[1]),
    GROUPED: _mark("s", 5, PALETTE[0]),
}
AHEAD, BEHIND, OPEN = _mark("o", 6, ACCENT), _mark("o", 6, WARN), _mark("o", 6, MUTED, markerfacecolor=PAPER)
VERDICTS = {
    "better": ("better than every control", AHEAD),
    "worse": ("worse than a control", BEHIND),
    "unclear": ("undecided, or not above chance", OPEN),
}
MARKS = {
    "hardest": ("its hardest control", _mark("v", 4.6, MUTED, markerfacecolor=PAPER)),
    "ceiling": (words.CONTROLS["ceiling"], _mark("|", 11, INK, markeredgewidth=1.8)),
}
LEADS = {BETTER: AHEAD, WORSE: BEHIND, UNCLEAR: OPEN}
COMPETENT = {True: "above chance", False: "not above chance"}


def alts(facts: Facts, xray: Xray | None) -> dict[str, str]:
    """Return what each figure shows, with its numbers."""
    found = {"overview": _overview_alt(facts)}
    if facts.splits:
        found["splits"] = f"{numbers.listed(list(MEASURES.values()))} of each model, published and under both splits"
    if facts.cue:
        found["cheat"] = _cue_alt(facts.cue)
    if facts.kinds:
        found["cues"] = _kinds_alt(facts.kinds)
    if facts.leads:
        vit = facts.roles.transformer
        found["transformers"] = f"Scores of {called(vit.model)} by other methods, compared with {called(vit.reference)}"
    if xray and xray.splits:
        found["xray"] = "Micro F1 of each model, published and here, and macro AUROC with its interval"
    return found


def _overview_alt(facts: Facts) -> str:
    parts, splits = [], facts.splits
    if splits:
        names = {PUBLISHED: PUBLISHED, RANDOM: "on a random split", splits.grouped: "with groups kept together"}
        spans = ", ".join(f"{name} {numbers.span(splits.span('accuracy', split))}" for split, name in names.items())
        parts.append(f"Accuracy of {numbers.counted(len(splits.networks), 'network')}: {spans}.")
    if facts.localization:
        metric = words.inline(words.metric(facts.truth.primary(LOCALIZATION)).name)
        models = "; ".join(
            f"{called(row.model)} {numbers.number(row.numbers[0])} ({row.outcome})" for row in facts.localization
        )
        parts.append(f"Heatmaps by {called(facts.truth.lead)} where the truth is known ({metric}): {models}.")
    return " ".join(parts) or "Not run yet."


def _rates(rates: Sequence[float]) -> str:
    return numbers.listed([numbers.number(rate) for rate in rates])


def _cue_alt(cue: Cue) -> str:
    models = "; ".join(f"{called(model)} relies on it at {_rates(cue.relied(model)) or 'none'}" for model in cue.models)
    return (
        f"Models trained with a planted cue at rates of {_rates(cue.rates)}: {models}. Lines over the rate: "
        f"accuracy where the cue agrees and where it conflicts, and relevance with and without the cue, by method."
    )


@matplotlib.rc_context(STYLE)
def draw(facts: Facts, xray: Xray | None, alt: dict[str, str]) -> dict[str, str]:
    """Draw every figure that has a text; SVG files by name."""
    figures = {"overview": lambda: _overview(facts), "splits": lambda: _accuracies(facts.splits)}
    figures |= {"cheat": lambda: _cue(facts.cue), "cues": lambda: _kinds(facts.kinds)}
    figures |= {"transformers": lambda: _leads(facts), "xray": lambda: _xray(xray)}
    return {name: _file(figures[name](), name, text) for name, text in alt.items()}


def _file(figure: Figure, name: str, alt: str) -> str:
    text = canvas.svg(to_svg(figure, name, alt))
    text = re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", text)  # more digits only make it larger
    text = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", text)
    text = re.sub(r'<g id="[^"]*(?:text|line2d|tick)_\d+"', "<g", text)  # nothing refers to them
    for font in set(re.findall(r" font-family: [^;\"]+;", text)):
        text = text.replace(font, "").replace("<svg ", f'<svg style="{font.strip()}" ', 1)
    return "\n".join(line.strip() for line in text.splitlines()) + "\n"


def _panels(
    rows: int, columns: int, tall: float, legend: int, less: float = 0.0, left: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """Return panels row by row, `tall` inches each with room for an axis on their `left`; lines of `legend` below.

    `less` inches are taken from the gap between columns.
    """
    below = AXIS + LEGEND * legend
    height = rows * (HEAD + tall) + below + 0.12 * (rows - 1)
    figure = Figure(figsize=(WIDTH, height))
    wide = (WIDTH - 2 * EDGE - (GAP - less) * (columns - 1)) / columns
    panels = []
    for i in range(rows * columns):
        x = EDGE + i % columns * (wide + GAP - less) + left
        y = below + (rows - 1 - i // columns) * (HEAD + tall + 0.12)
        axes = figure.add_axes((x / WIDTH, y / height, (wide - left) / WIDTH, tall / height))
        axes.spines[["right", "top"]].set_visible(False)
        axes.tick_params(axis="x", length=0, labelsize=8)
        axes.set_axisbelow(True)
        panels.append(axes)
    return figure, panels


def _sheet(rows: int, columns: int, legend: int) -> tuple[Figure, list[Axes]]:
    """Return panels side by side with room for `rows` rows, the y axis counting inches downwards."""
    figure, panels = _panels(1, columns, ROW * rows, legend)
    for axes in panels:
        axes.set_ylim(ROW * rows, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=LINE, linewidth=0.6)
    return figure, panels


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=9.5, weight="bold", color=INK, pad=7)


def _label(axes: Axes, row: int, name: str, value: str = "") -> float:
    """Write name and value above a row; return the place of the row's marks."""
    across, top = axes.get_yaxis_transform(), row * ROW + 0.13
    axes.text(0, top, short(called(name), 30), va="center", weight="bold", fontsize=8, color=INK, transform=across)
    axes.text(1, top, value, va="center", ha="right", fontsize=8, color=MUTED, transform=across)
    return row * ROW + 0.31


def _below(axes: Axes, text: str) -> None:
    axes.set_xlabel(text, loc="left", fontsize=8)


def _dot(axes: Axes, y: float, value: float, style: dict, gid: str, zorder: int = 3) -> None:
    axes.plot([value], [y], linestyle="", zorder=zorder, gid=gid, **style)


def _range(axes: Axes, y: float, low: float, high: float, style: dict, width: float = 2) -> None:
    axes.plot([low, high], [y, y], color=style["color"], linewidth=width, solid_capstyle="round")


def _above_simple(axes: Axes, models: Sequence[str], style) -> None:
    """Draw a line between networks and what needs none."""
    axes.axhline(sum(model not in SIMPLE for model in models) * ROW, color=MUTED, linewidth=0.6, linestyle=style)


def _empty(axes: Axes) -> None:
    axes.text(0, 0.5, "not run yet", transform=axes.transAxes, fontsize=8, color=MUTED, va="center")
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _key(text: str, style: dict) -> Line2D:
    return Line2D([], [], label=text, **({"linestyle": ""} | style))


def _legend(figure: Figure, keys: Sequence[Line2D], columns: int, left: float = EDGE) -> None:
    """Write keys at the foot of the figure, from `left` inches on."""
    figure.legend(
        handles=list(keys),
        loc="lower left",
        bbox_to_anchor=(left / WIDTH, 0.0),
        ncols=columns,
        frameon=False,
        fontsize=8,
        labelcolor=MUTED,
        borderaxespad=0.2,
        borderpad=0.1,
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.3,
        labelspacing=0.35,
    )


def _overview(facts: Facts) -> Figure:
    """Draw accuracies on the left, heatmaps where the truth is known on the right."""
    splits, located = facts.splits, facts.localization
    figure, (left, right) = _sheet(max(len(splits.models) if splits else 0, len(located), 3), 2, legend=3)
    _title(left, "Accuracy, as published and here")
    _title(right, f"{called(facts.truth.lead) if facts.truth.there else 'Heatmaps'} where the truth is known")
    if splits:
        _accuracy(left, splits, "accuracy")
        _legend(figure, _split_keys(splits), 1)
    else:
        _empty(left)
    if located:
        _localization(right, facts)
        used = {row.verdict or "unclear" for row in located}
        used |= {"hardest"} if any(row.hardest for row in located) else set()
        used |= {"ceiling"} if any("ceiling" in row.marks for row in located) else set()
        keys = [_key(*key) for name, key in (VERDICTS | MARKS).items() if name in used]
        _legend(figure, keys, 2, WIDTH / 2 + 0.2)
    else:
        _empty(right)
    return figure


def _accuracies(splits: Splits) -> Figure:
    """Draw accuracy and F1 of every model, as published and under both splits."""
    figure, panels = _sheet(len(splits.models), len(MEASURES), legend=1)
    for axes, (measure, name) in zip(panels, MEASURES.items(), strict=True):
        _title(axes, f"{name[0].upper()}{name[1:]} on test images")
        _accuracy(axes, splits, measure)
    _legend(figure, _split_keys(splits), 3)
    return figure


def _accuracy(axes: Axes, splits: Splits, measure: str) -> None:
    axes.set_xlim(0, 1.02)
    for i, model in enumerate(splits.models):
        values = [splits.number(model, measure, split) for split in (RANDOM, splits.grouped)]
        y = _label(axes, i, model, " / ".join(map(numbers.number, values)))
        published = splits.number(model, measure, PUBLISHED)
        if math.isfinite(published):
            _dot(axes, y, published, SPLITS[PUBLISHED], f"{PUBLISHED}-{i}", zorder=4)
        for split, name, shift in ((RANDOM, RANDOM, -0.045), (splits.grouped, GROUPED, 0.045)):
            row = splits.row(model, measure, split)
            if row is not None:
                _range(axes, y + shift, row["low"], row["high"], SPLITS[name], width=1.6)
                _dot(axes, y + shift, row["value"], SPLITS[name], f"{name}-{i}")
    _below(axes, f"{MEASURES[measure]} (numbers: random / grouped)")
    _above_simple(axes, splits.models, DOTTED)


def _split_keys(splits: Splits) -> list[Line2D]:
    grouped = f"here, {TOGETHER.get(splits.grouped, splits.grouped)} kept together"
    names = {PUBLISHED: PUBLISHED, RANDOM: "here, random split", GROUPED: grouped}
    return [_key(names[name], style) for name, style in SPLITS.items()]


def _localization(axes: Axes, facts: Facts) -> None:
    for i, row in enumerate(facts.localization):
        mean, low, high = row.numbers
        y = _label(axes, i, row.model, row.value if row.competent else f"{numbers.number(mean)}, not above chance")
        style = VERDICTS.get(row.verdict, VERDICTS["unclear"])[1]
        _range(axes, y, low, high, style)
        _dot(axes, y, mean, style, f"mean-{i}", zorder=4)
        for name, control in (("hardest", row.hardest), ("ceiling", "ceiling")):
            if control in row.marks:
                _dot(axes, y, row.marks[control], MARKS[name][1], f"{name}-{i}")
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    _below(axes, words.inline(words.metric(facts.truth.primary(LOCALIZATION)).name))


def _leads(facts: Facts) -> Figure:
    """Draw how far each method is ahead of the reference, a panel a study and family."""
    reference = called(facts.roles.transformer.reference)
    places = list(dict.fromkeys((lead.study, lead.family, lead.metric) for lead in facts.leads))
    methods = list(dict.fromkeys(lead.method for lead in facts.leads))
    figure, panels = _sheet(len(methods), len(places), legend=1)
    for axes, (study, family, metric) in zip(panels, places, strict=True):
        _title(axes, f"{family}, {study}")
        leads = {lead.method: lead for lead in facts.leads if (lead.study, lead.family) == (study, family)}
        for i, method in enumerate(methods):
            lead = leads.get(method)
            y = _label(axes, i, method, (lead and numbers.number(lead.difference, sign=True)) or "")
            if lead:
                axes.plot([0, 0], [y - 0.08, y + 0.1], color=INK, linewidth=0.9)
                _range(axes, y, lead.low, lead.high, LEADS[lead.verdict])
                _dot(axes, y, lead.difference, LEADS[lead.verdict], f"lead-{family}-{i}", zorder=4)
        _below(axes, words.inline(words.metric(metric).name))
    names = {BETTER: f"better than {reference}", WORSE: f"worse than {reference}", UNCLEAR: UNCLEAR}
    used = {lead.verdict for lead in facts.leads}
    keys = [_key(names[verdict], style) for verdict, style in LEADS.items() if verdict in used]
    _legend(figure, [_key(f"right of the line: higher than {reference}", _mark("|", 9, INK)), *keys], 4)
    return figure


def _xray(xray: Xray) -> Figure:
    """Draw micro F1 as published and here, and macro AUROC next to guessing."""
    splits = xray.splits
    published, here = SPLITS[PUBLISHED], _mark("o", 5.5, PALETTE[0])
    figure, (left, right) = _sheet(len(splits.models), 2, legend=1)
    _title(left, "Micro F1, as published and here")
    _title(right, "Macro AUROC here")
    for i, model in enumerate(splits.models):
        values = [splits.number(model, MICRO, split) for split in (PUBLISHED, splits.grouped)]
        y = _label(left, i, model, " / ".join(map(numbers.number, values)))
        _dot(left, y, values[0], published, f"{PUBLISHED}-{i}", zorder=4)
        row = splits.row(model, MICRO, splits.grouped)
        if row is not None:
            _range(left, y, row["low"], row["high"], here)
            _dot(left, y, row["value"], here, f"here-{i}")
    _below(left, "micro F1 (numbers: published / here)")
    _above_simple(left, splits.models, ":")
    shown = [model for model in splits.models if math.isfinite(xray.auroc(model)[0])]
    for i, model in enumerate(shown):
        value, *ends = xray.auroc(model)
        style = AHEAD if xray.above_chance(model) else OPEN
        y = _label(right, i, model, numbers.interval(value, *ends))
        _range(right, y, *ends, style)
        _dot(right, y, value, style, f"auroc-{i}")
    right.axvline(xray.found.competence.chance, color=INK, linewidth=0.9)
    _below(right, "macro AUROC (line: chance)")
    for axes in (left, right):
        axes.set_xlim(0, 1.02)
    keys = [_key(PUBLISHED, published), _key("here", here)]
    for sure, style in ((True, AHEAD), (False, OPEN)):
        keys += [_key(COMPETENT[sure], style)] if sure in map(xray.above_chance, shown) else []
    _legend(figure, keys, 4)
    return figure


def _cue(cue: Cue) -> Figure:
    """Draw a column a model, a row a measure over the rate; full dots where the cue is relied on or shown."""
    rows = [ACCURACY, *(metric for metric in cue.metrics if metric in CUE_TITLES)]
    colors = {method: METHOD_COLORS[i % len(METHOD_COLORS)] for i, method in enumerate(cue.methods)}
    keys = _cue_keys(cue, colors)
    columns = len(cue.models)
    figure, panels = _panels(len(rows), columns, 1.25, -(-len(keys) // 4), less=0.2, left=0.3)
    for i, metric in enumerate(rows):
        row = panels[i * columns : (i + 1) * columns]
        for axes, model in zip(row, cue.models, strict=True):
            axes.grid(axis="y", color=LINE, linewidth=0.6)
            axes.tick_params(axis="y", colors=MUTED, length=0, labelsize=8)
            _title(axes, f"{called(model)}: {CUE_TITLES[metric]}" if i == 0 else CUE_TITLES[metric])
            lines = {"": INK} if metric == ACCURACY else {method: colors[method] for method in cue.used(model)}
            for place, (method, color) in enumerate(lines.items()):
                _sides(axes, cue.line(model, method, metric), color, f"{metric}-{place}")
            if metric != ACCURACY:
                floor = cue.line(model, FLOOR, metric)
                axes.plot(floor["rate"], floor["marked"], color=MUTED, linewidth=1, linestyle=DOTTED)
            axes.set_xticks(cue.rates, [numbers.number(rate) if metric == rows[-1] else "" for rate in cue.rates])
            axes.margins(x=0.05, y=0.1)
        low, high = (end(axes.get_ylim()[i] for axes in row) for i, end in enumerate((min, max)))
        for axes in row:
            axes.set_ylim(min(0.0, low), high)
    for axes in panels[-columns:]:
        _below(axes, "rate of the cue in its class, in training")
    _legend(figure, keys, 4)
    return figure


REVEALED, ACCUSED = _mark("o", 6, ACCENT), _mark("D", 5, WARN, markerfacecolor=PAPER)


def _kinds_alt(kinds: Sequence[Kind]) -> str:
    parts = []
    for kind in kinds:
        each = [f"{called(name)} {share}" for name, share in kind.revealed.items()]
        parts.append(f"{kind.name}: {kind.relying} runs rely on it; revealed by {numbers.listed(each) or 'none'}")
    return f"By kind of cue and method, the training runs whose heatmaps reveal it. {'; '.join(parts)}."


def _kinds(kinds: Sequence[Kind]) -> Figure:
    """Draw a panel a kind of cue, a row a method: the share of runs revealed, and of clean runs accused."""
    methods = list(dict.fromkeys(name for kind in kinds for name in [*kind.revealed, *kind.accused]))
    columns = min(3, len(kinds))
    figure, panels = _panels(-(-len(kinds) // columns), columns, ROW * len(methods), legend=1)
    for axes in panels:
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
    for axes in panels[len(kinds) :]:
        axes.set_axis_off()
    for axes, kind in zip(panels, kinds, strict=False):
        axes.set_ylim(ROW * len(methods), 0)
        axes.set_xlim(-0.02, 1.02)
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        _title(axes, f"{capital(kind.name)} ({kind.relying} rely)")
        for i, method in enumerate(methods):
            y = _label(axes, i, method)
            for off, shares, style in ((-0.05, kind.revealed, REVEALED), (0.06, kind.accused, ACCUSED)):
                if method in shares:
                    share = shares[method]
                    _range(axes, y + off, *share.ends, style, width=1.2)
                    _dot(axes, y + off, share.runs / share.of, style, f"{kind.study}-{i}")
    for axes in panels[max(0, len(kinds) - columns) : len(kinds)]:
        _below(axes, "share of training runs")
    keys = [_key("cue revealed, of runs that rely on it", REVEALED), _key("accused, of clean runs", ACCUSED)]
    _legend(figure, keys, 4)
    return figure


def _sides(axes: Axes, line: pd.DataFrame, color: str, gid: str) -> None:
    """Draw a full line with the cue, a dashed one without it; a full dot where the difference is shown."""
    shared = {"color": color, "clip_on": False}  # limits follow the values
    axes.plot(line["rate"], line["unmarked"], linewidth=1, linestyle=DASHED, gid=f"without-{gid}", **shared)
    axes.plot(line["rate"], line["marked"], linewidth=1.5, gid=f"with-{gid}", **shared)
    full = line["verdict"].isin([SHOWN, RELIES])
    for dots, face in ((line[full], color), (line[~full], PAPER)):
        axes.plot(dots["rate"], dots["marked"], linestyle="", **_mark("o", 4.2, markerfacecolor=face, **shared))


def _cue_keys(cue: Cue, colors: dict[str, str]) -> list[Line2D]:
    used = {method for model in cue.models for method in cue.used(model)}
    line = {"color": MUTED, "linestyle": "-"}
    return [
        *(
            _key(called(method), {"color": colors[method], "linestyle": "-", "linewidth": 1.5})
            for method in colors
            if method in used
        ),
        _key(words.CONTROLS[FLOOR], line | {"linestyle": DOTTED}),
        _key("with the cue (agrees)", line),
        _key("without it (conflicts)", line | {"linestyle": DASHED}),
        _key("the cue is relied on or shown", _mark("o", 4.2, MUTED)),
        _key("neither", _mark("o", 4.2, MUTED, markerfacecolor=PAPER)),
    ]
