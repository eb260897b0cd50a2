"""The planted cue over its rates: what the models do, and what their heatmaps show."""

import matplotlib
from matplotlib.axes import Axes

from heatproof.findings import drawing
from heatproof.findings.cheat import ACCURACY, RELIES, SHOWN, Cheat
from heatproof.report import words
from heatproof.report.svg import INK, MUTED, PAPER, STYLE

TITLES = {
    ACCURACY: "accuracy",
    "inside_cue": "Share of relevance where the cue lies",
    "outside_body": "Share of relevance outside the body",
    "relevance_rank_accuracy": "Localization of the true region (rank accuracy)",
}
FLOOR = "random"  # the control that stands beside the methods
DASHED, DOTTED = (0, (3, 2)), (0, (1, 2))


@matplotlib.rc_context(STYLE)
def draw(cheat: Cheat, alt: str) -> str:
    """A column a model, a row a measure, the rate from left to right; full dots where the cue is relied on or shown."""
    rows = [ACCURACY, *(metric for metric in cheat.metrics if metric in TITLES)]
    keys = _keys(cheat)
    figure, panels = drawing.grid(len(rows), len(cheat.models), tall=1.25, legend=-(-len(keys) // 4))
    for i, metric in enumerate(rows):
        for axes, model in zip(panels[i], cheat.models, strict=True):
            drawing.title(axes, f"{model}: {TITLES[metric]}" if i == 0 else TITLES[metric])
            if metric == ACCURACY:
                _sides(axes, cheat, model, "", metric, INK)
            else:
                for place, method in enumerate(cheat.used(model)):
                    _sides(axes, cheat, model, method, metric, _color(cheat, method), place)
                _floor(axes, cheat, model, metric)
            axes.set_xticks(cheat.rates, [words.number(rate) if metric == rows[-1] else "" for rate in cheat.rates])
            axes.margins(x=0.05, y=0.1)
        low = min(0.0, *(axes.get_ylim()[0] for axes in panels[i]))
        high = max(axes.get_ylim()[1] for axes in panels[i])
        for axes in panels[i]:
            axes.set_ylim(low, high)
    for axes in panels[-1]:
        axes.set_xlabel("rate of the cue in its class, in training", loc="left", fontsize=8)
    drawing.legend(figure, keys, 4)
    return drawing.standing(figure, "cheat", alt)


def _sides(axes: Axes, cheat: Cheat, model: str, method: str, metric: str, color: str, place: int = 0) -> None:
    """With the cue a full line, without it a dashed one; a full dot where the difference is shown."""
    line, shared = cheat.rows(model, method, metric), {"color": color, "clip_on": False}  # limits follow the values
    axes.plot(line["rate"], line["unmarked"], linewidth=1, linestyle=DASHED, gid=f"without-{metric}-{place}", **shared)
    axes.plot(line["rate"], line["marked"], linewidth=1.5, gid=f"with-{metric}-{place}", **shared)
    full = line["verdict"].isin([SHOWN, RELIES])
    for rows, face in ((line[full], color), (line[~full], PAPER)):
        dots = {"marker": "o", "linestyle": "", "markersize": 4.2, "markerfacecolor": face}
        axes.plot(rows["rate"], rows["marked"], **dots, **shared)


def _floor(axes: Axes, cheat: Cheat, model: str, metric: str) -> None:
    line = cheat.rows(model, FLOOR, metric)
    axes.plot(line["rate"], line["marked"], color=MUTED, linewidth=1, linestyle=DOTTED)


def _color(cheat: Cheat, method: str) -> str:
    return drawing.METHOD_COLORS[cheat.methods.index(method) % len(drawing.METHOD_COLORS)]


def _keys(cheat: Cheat) -> list:
    used = [method for method in cheat.methods if any(method in cheat.used(model) for model in cheat.models)]
    line = {"color": MUTED, "linestyle": "-"}
    return [
        *(drawing.key(method, color=_color(cheat, method), linestyle="-", linewidth=1.5) for method in used),
        drawing.key(words.CONTROLS[FLOOR], **(line | {"linestyle": DOTTED})),
        drawing.key("with the cue (agrees)", **line),
        drawing.key("without it (conflicts)", **(line | {"linestyle": DASHED})),
        drawing.key("the cue is relied on or shown", marker="o", markersize=4.2, color=MUTED),
        drawing.key("not surely", marker="o", markersize=4.2, color=MUTED, markerfacecolor=PAPER),
    ]
