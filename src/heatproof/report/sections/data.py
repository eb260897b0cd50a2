"""The section on the data, which comes before any result: what the audit found, alarms first, with its figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from heatproof.data.audit.results import Audit, Pair, Probe
from heatproof.report.figures.canvas import (
    ACCENT,
    INK,
    LINE,
    MARGIN,
    MUTED,
    PAPER,
    ROW,
    STYLE,
    WARN,
    WIDTH,
    Figure,
    canvas,
    legend,
    row_label,
    to_svg,
)
from heatproof.report.inputs import Inputs
from heatproof.report.sections import data_tables
from heatproof.report.sections.gallery import enlarged, picture, uri
from heatproof.report.tables import Table
from heatproof.store import artifacts
from heatproof.text import numbers
from heatproof.text.audit import sentence
from heatproof.text.words import called

_STEP = 0.125  # inches between the lines of one row


@dataclass(frozen=True)
class Dot:
    """A value with its interval, NaN where there is none; `kind` names its look."""

    kind: str
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class DotRow:
    """Dots below one another under a name; `chance` is the score of guessing."""

    name: str
    dots: Sequence[Dot]
    chance: float = math.nan
    text: str = ""  # at the right end of the name


def _look(kind: str) -> dict:
    """What misleads (a random split, a planted mark) is a diamond in the colour of warnings, the other a dot.

    Both are hollow for images as they came, and for heat on a mark.
    """
    warned = kind.startswith(("random", "conflicts", "marked"))
    color = WARN if warned else ACCENT
    hollow = {"markerfacecolor": PAPER} if kind.endswith(("raw", "marked")) else {}
    return {"color": color, "marker": "D" if warned else "o", "markersize": 4 if warned else 5, **hollow}


@matplotlib.rc_context(STYLE)
def draw_dots(name: str, rows: Sequence[DotRow], kinds: dict[str, str], label: str, alt: str) -> str:
    """Rows of dots with intervals between 0 and 1; `kinds` are the looks with their words, in the order of a row."""
    guessing = any(math.isfinite(row.chance) for row in rows)
    keys = [Line2D([], [], linewidth=1.6, label=text, **_look(kind)) for kind, text in kinds.items()]
    if guessing:
        keys.append(Line2D([], [], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), label="chance"))
    columns = 2
    figure, axes = canvas(sum(map(_height, rows)), legend=math.ceil(len(keys) / columns))
    axes.set_xlim(-0.02, 1.02)
    top = 0.0
    for place, row in enumerate(rows):
        row_label(axes, top, row.name, row.text, True)
        _guessing(axes, f"guessing-{place}", row.chance, top + 0.22, top + _height(row) - 0.02)
        for i, dot in enumerate(row.dots):
            y = top + 0.3 + _STEP * i
            _dot(axes, f"{dot.kind}-{place}-{i}", dot, y)
        top += _height(row)
    axes.set_xlabel(label, loc="left")
    legend(figure, keys, columns=columns)
    return to_svg(figure, name, alt)


def _height(row: DotRow) -> float:
    return ROW + _STEP * (len(row.dots) - 1)


def _guessing(axes: Axes, gid: str, x: float, top: float, bottom: float) -> None:
    if math.isfinite(x):
        axes.plot([x, x], [top, bottom], color=MUTED, linewidth=0.9, linestyle=(0, (1, 2)), gid=gid)


def _dot(axes: Axes, gid: str, dot: Dot, y: float) -> None:
    look = _look(dot.kind)
    if math.isfinite(dot.low) and math.isfinite(dot.high):
        ends = [dot.low, dot.high]
        axes.plot(ends, [y, y], color=look["color"], linewidth=1.6, solid_capstyle="round", gid=f"interval-{gid}")
    if math.isfinite(dot.value):
        axes.plot([dot.value], [y], linestyle="", zorder=3, gid=gid, **look)


@dataclass(frozen=True)
class Panel:
    """A quantity against the threshold; NaN leaves a gap. `share` is on an axis from 0 to 1."""

    key: str
    title: str
    values: Sequence[float]
    share: bool


@matplotlib.rc_context(STYLE)
def sweep(name: str, thresholds: Sequence[float], panels: Sequence[Panel], used: float, alt: str) -> str:
    """Draw the effect of the similarity threshold: two panels a row, with the threshold in use marked."""
    side, head, between, foot = 0.85, 0.24, 0.22, 0.42
    rows = math.ceil(len(panels) / 2)
    height = rows * (head + side) + (rows - 1) * between + foot
    figure = Drawing(figsize=(WIDTH, height))
    width = (WIDTH - 2 * MARGIN - 0.75) / 2
    for i, panel in enumerate(panels):
        left = MARGIN + 0.27 + (i % 2) * (width + 0.45)
        bottom = height - (i // 2) * (head + side + between) - head - side
        axes = figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, side / height))
        _panel(axes, panel, thresholds, used, labels=i >= len(panels) - 2)
    figure.text(MARGIN / WIDTH, 0.05 / height, "similarity threshold for look-alikes", color=MUTED)
    return to_svg(figure, name, alt)


def _panel(axes: Axes, panel: Panel, thresholds: Sequence[float], used: float, labels: bool) -> None:
    axes.set_title(panel.title, loc="left", fontsize=8, color=INK, pad=4)
    axes.spines[["right", "top"]].set_visible(False)
    axes.tick_params(length=0, labelsize=7, labelbottom=labels, labelcolor=MUTED)
    axes.grid(color=LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    low, high = min(*thresholds, used), max(*thresholds, used)
    room = 0.06 * (high - low) or 0.01
    axes.set_xlim(low - room, high + room)
    span = max(thresholds) - min(thresholds)
    ticks = [used, *(end for end in (min(thresholds), max(thresholds)) if abs(end - used) >= 0.2 * span)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    finite = [value for value in panel.values if math.isfinite(value)]
    top = 1.0 if panel.share else max(finite, default=1.0)
    axes.set_ylim(-0.06 * top, 1.08 * top)
    axes.locator_params(axis="y", nbins=4)
    if panel.share:
        axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.axvline(used, color=WARN, linewidth=1, linestyle=(0, (3, 2)), gid=f"used-{panel.key}")
    axes.plot(thresholds, panel.values, "o-", color=ACCENT, linewidth=1.3, markersize=3, gid=f"line-{panel.key}")


def described(rows: Sequence[DotRow], kinds: dict[str, str]) -> str:
    """The numbers of a dot figure, for who cannot see it."""
    texts = []
    for row in rows:
        values = [f"{kinds[dot.kind]} {numbers.interval(dot.value, dot.low, dot.high)}" for dot in row.dots]
        texts.append(f"{called(row.name)}: {', '.join(values)}")
    return "; ".join(texts)


def described_panels(thresholds: Sequence[float], panels: Sequence[Panel]) -> str:
    """The numbers of the panels, for who cannot see them."""
    texts = []
    for panel in panels:
        written = numbers.number if panel.share else data_tables.amount
        values = [f"{written(v)} at {t:g}" for t, v in zip(thresholds, panel.values, strict=True)]
        texts.append(f"{panel.title}: {', '.join(values)}")
    return "; ".join(texts)


AT_ONCE = 6  # findings that are shown unfolded; all alarms are
PAIRS = 8  # of images with different labels that are shown


@dataclass(frozen=True)
class Picture:
    source: str  # data URI
    alt: str
    image_id: str
    label: str


@dataclass(frozen=True)
class Conflict:
    """Two images that are the same or look alike and have different labels."""

    pictures: tuple[Picture, Picture]
    note: str


@dataclass(frozen=True)
class Section:
    """What stands in the section; None or nothing where there is nothing to tell.

    `alarming_*` tell whether a part is shown open, because something in it asks for attention.
    """

    findings: Sequence[dict]  # level and text, alarms first
    more_findings: Sequence[dict]
    images: Table
    leak: Figure | None
    copies: Table | None
    similarity: str
    conflicts: Sequence[Conflict]
    conflicts_told: str
    probes: Figure | None
    probe_table: Table | None
    probes_seen: dict[str, str]
    alarming_probes: bool
    sweep: Figure | None
    sweep_table: Table | None
    quarantined: Table | None
    left_out: Table | None
    licenses: Table | None
    unlicensed: Sequence[str]  # images
    few_groups: str


def make(inputs: Inputs) -> Section:
    """The section, from audit.json and the manifest."""
    audit, source = inputs.audit, _source(inputs.study)
    alike, stated = conflicts(inputs)
    findings = [{"level": one.level, "text": sentence(one.statement)} for one in audit.findings]
    at_once = max(AT_ONCE, len(audit.of_level("alarm")))
    probes = probe_figure(audit) if audit.probes else None
    return Section(
        findings=findings[:at_once],
        more_findings=findings[at_once:],
        images=data_tables.images(inputs),
        leak=leak_figure(inputs),
        copies=data_tables.copies(audit),
        similarity=f"{audit.threshold:g}",
        conflicts=alike,
        conflicts_told=stated,
        probes=probes,
        probe_table=data_tables.probes(audit) if probes else None,
        probes_seen=dict(data_tables.probe(name) for name in data_tables.probe_rows(audit)),
        alarming_probes=any(map(_shortcut, audit.probes)),
        sweep=sweep_figure(audit) if len(audit.sweep) > 1 else None,
        sweep_table=data_tables.sweep(audit) if audit.sweep else None,
        quarantined=data_tables.quarantined(audit),
        left_out=data_tables.left_out(source),
        licenses=data_tables.licenses(source),
        unlicensed=source.get("unlicensed", []),
        few_groups=data_tables.few_groups(source.get("few_groups", {})),
    )


def _source(study: str) -> dict:
    """What the data job told of the source; nothing where it was not handed on."""
    path = artifacts.data_dir(study) / "source.json"
    return artifacts.read_json(path) if path.exists() else {}


def _shortcut(row: Probe) -> bool:
    """Whether a probe that cannot see disease does significantly better than chance, without help of look-alikes."""
    return row.probe in data_tables.BLIND and row.split == "grouped" and row.significant


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def leak_figure(inputs: Inputs) -> Figure | None:
    """Leak rate of every fold beside that of random splits; nothing where neither leaks."""
    leak = inputs.audit.leak
    rates = [_number(leak.split.get(fold)) for fold in inputs.folds]
    mean, low, high = (_number(value) for value in (leak.random.mean, leak.random.low, leak.random.high))
    if not any(value > 0 for value in (*rates, mean)):
        return None
    kind = "random" if inputs.audit.split_by == "random" else "grouped"
    rows = []
    if all(map(math.isfinite, rates)):  # without training images there is no leak
        span = numbers.span(rates, numbers.share)
        rows.append(DotRow("the split in use", [Dot(kind, rate) for rate in rates], text=span))
    if math.isfinite(mean):
        spread = f"{numbers.share(mean)} [{numbers.share(low)}, {numbers.share(high)}]"
        rows.append(DotRow("a random split", [Dot("random", mean, low, high)], text=spread))
    alt = "; ".join(f"Test images with a look-alike in training, {row.name}: {row.text}" for row in rows)
    svg = draw_dots("leak", rows, {}, "share of test images with a look-alike in training", alt)
    caption = "A model can recognize such an image from memory."
    if len(rows) > 1:
        caption += f" Random split: mean of {leak.random.draws:,} draws; the line covers 95% of them."
    if len(inputs.folds) > 1:
        caption += " Split in use: a dot is one fold."
    return Figure(Markup(svg), caption)


def probe_figure(audit: Audit) -> Figure:
    """Draw every simple classifier with both splits, before and after preprocessing."""
    rows, kinds = [], data_tables.probe_kinds(audit)
    for name, found in data_tables.probe_rows(audit).items():
        dots = [
            Dot(kind, *map(_number, (found[kind].balanced_accuracy, found[kind].low, found[kind].high)))
            for kind in kinds
            if kind in found
        ]
        chance = next(iter(found.values())).chance
        text = "" if any(math.isfinite(dot.value) for dot in dots) else "no number"
        rows.append(DotRow(data_tables.probe(name).name, dots, chance, text))
    alt = f"Balanced accuracy of simple classifiers: {described(rows, kinds)}"
    svg = draw_dots("probes", rows, kinds, "balanced accuracy", alt)
    caption = (
        "Dot: balanced accuracy; line: 95% interval. A permutation test over groups tests whether a classifier exceeds "
        "chance with the grouped split. A model can use the same features." + data_tables.probed(audit)
    )
    return Figure(Markup(svg), caption)


def sweep_figure(audit: Audit) -> Figure:
    """Draw clusters, the largest of them, leak and accuracy of the nearest thumbnail by the threshold."""
    steps = sorted(audit.sweep, key=lambda row: row.threshold)
    thresholds = [row.threshold for row in steps]
    panels = [
        Panel("clusters", "clusters of look-alikes", [_number(row.clusters) for row in steps], False),
        Panel("largest", "share in the largest", [_number(row.largest) / audit.images for row in steps], True),
        Panel("leak", "look-alikes, random split", [_number(row.leak_random) for row in steps], True),
        Panel("neighbour", "nearest thumbnail, grouped", [_number(row.neighbour) for row in steps], True),
    ]
    panels = [panel for panel in panels if any(map(math.isfinite, panel.values))]
    alt = described_panels(thresholds, panels)
    svg = sweep("sweep", thresholds, panels, audit.threshold, alt)
    caption = (
        f"Dashed line: the threshold in use, {audit.threshold:g}. A lower threshold joins more images into one "
        f"cluster, which makes them harder to split. A higher one leaves more look-alikes in both training and test. "
        f"Last panel: balanced accuracy of the nearest thumbnail with a grouped split."
    )
    return Figure(Markup(svg), caption)


def conflicts(inputs: Inputs) -> tuple[list[Conflict], str]:
    """Return the most similar pairs across classes as pictures, and a sentence on their number.

    None of a planted study: there the plants make the classes.
    """
    found = inputs.audit.conflicts if inputs.audit.kind != "planted" else ()
    shown = []
    for row in found[:PAIRS]:
        sides = tuple(_picture(inputs, row, side) for side in "ab")
        kind = data_tables.SAME[row.kind]
        similarity = math.floor(row.similarity * 1000) / 1000
        shown.append(Conflict(sides, f"{kind[:1].upper()}{kind[1:]}, similarity {similarity:.3f}"))
    if not found:
        return [], ""
    total = inputs.audit.duplicates.across_classes
    what = (
        "pair of identical or look-alike images has" if total == 1 else "pairs of identical or look-alike images have"
    )
    text = f"{total:,} {what} different labels."
    return shown, text + (f" The {len(shown)} most similar are shown." if len(shown) < total else "")


def _picture(inputs: Inputs, pair: Pair, side: str) -> Picture:
    image, label, row = (getattr(pair, name) for name in (side, f"label_{side}", f"row_{side}"))
    source = uri(enlarged(picture(inputs.pixels[row])))
    kind = "labels" if inputs.audit.multilabel else "class"
    return Picture(source, f"Image {image}, {kind} {label}", image, label)
