"""What every figure is drawn on: rows from the top down, equal panels, a legend below; from matplotlib to an <svg>
element with the page's colours and font, or to an SVG and a PNG that need no page around them."""

import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import vl_convert
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from PIL import Image

from heatproof.text import numbers
from heatproof.text.words import called

# Placeholders that become the page's own colours, so that a figure follows the reader's light or dark mode.
INK, MUTED, LINE, PAPER, ACCENT, WARN = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
_THEME = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    ACCENT: "var(--accent)",
    WARN: "var(--warn)",
}
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "text.color": INK,
    "text.parse_math": False,
    "axes.unicode_minus": True,
}


def to_svg(figure: Drawing, name: str, alt: str) -> str:
    """The figure as an <svg> element to stand in HTML: ids of its own, and the page's font and colours."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])
    box = re.search(r'viewBox="([^"]+)"', svg)[1]
    head = (
        f'<svg class="figure" role="img" aria-label="{html.escape(alt)}" viewBox="{box}" style="--width:{width:g}px">'
    )
    svg = head + svg[svg.index(">") + 1 :].rstrip()
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\1{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]+", "font-family: var(--sans)", svg)
    for placeholder, themed in _THEME.items():
        svg = svg.replace(placeholder, themed)
    return compact(svg)


def compact(svg: str) -> str:
    """Drop what matplotlib writes and nobody sees: line breaks, rotations by 0, shapes without fill and stroke, ids of
    parts without a name, and digits of a point beyond the second."""
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("> <", "><")
    svg = re.sub(r' transform="rotate\(-?0 [^)]*\)"|<path [^>]*style="fill: none"/>', "", svg)
    svg = re.sub(r'(<g) id="[^"]*-(?:figure|axes|patch|line2d|text|legend)_\d+"', r"\1", svg)
    svg = re.sub(r"<g(?: id=\"[^\"]*\")?(?:/>|></g>)", "", svg).replace("> <", "><").replace(' "', '"')
    return re.sub(r'\b(?:d|x|y|transform)="[^"]*"', lambda found: re.sub(r"-?\d+\.\d{3,}", _rounded, found[0]), svg)


def _rounded(found: re.Match) -> str:
    return f"{float(found[0]):.2f}"


WIDTH, MARGIN = 4.2, 0.08  # inches; narrow, so that it stays readable on a phone
ROW = 0.45


def canvas(rows: float, legend: int) -> tuple[Drawing, Axes]:
    """A figure whose y axis counts inches downwards from the top of the rows."""
    below = 0.4 + 0.165 * legend
    height = rows + below + 0.05
    figure = Drawing(figsize=(WIDTH, height))
    axes = figure.add_axes((MARGIN / WIDTH, below / height, 1 - 2 * MARGIN / WIDTH, rows / height))
    axes.set_ylim(rows, 0)
    axes.set_yticks([])
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="x", length=0, labelsize=8)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def row_label(axes: Axes, top: float, model: str, value: str, competent: bool) -> None:
    name = called(model)
    text = short(name, 30) if competent else f"{short(name, 20)} (no verdict)"
    across = axes.get_yaxis_transform()
    shown = {"va": "center", "transform": across, "color": INK if competent else MUTED}
    axes.text(0, top + 0.13, text, weight="bold" if competent else "normal", **shown)
    axes.text(1, top + 0.13, "no score" if value == numbers.NONE else value, ha="right", **shown)


def legend(figure: Drawing, keys: Sequence[Line2D], columns: int) -> None:
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


@dataclass(frozen=True)
class Figure:
    svg: Markup
    caption: str
    title: str = ""


HEAD, GAP = 0.24, 0.12  # inches above a panel for its title, and between rows


def panels(
    titles: Sequence[str], *, height: float, left: float, below: float, keys: Sequence[Line2D] = (), columns: int = 2
) -> tuple[Drawing, list[Axes]]:
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
    figure = Drawing(figsize=(WIDTH, total))
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


GROUND = "#ffffff"
DOTS_PER_INCH = 300
FONTS = "'Liberation Sans', Arial, Helvetica, sans-serif"  # the first comes with vl-convert: the same PNG everywhere
_STYLESHEET = Path(__file__).parents[1] / "templates" / "style.css"


@cache
def _light() -> dict[str, str]:
    """Name -> colour of the page's light mode; the ground is white, as paper is."""
    root = re.search(r":root\s*{(.*?)}", _STYLESHEET.read_text(encoding="utf-8"), re.DOTALL)[1]
    return dict(re.findall(r"--([\w-]+):\s*(#\w+)", root)) | {"paper": GROUND}


def svg(inline: str) -> str:
    """A figure as it stands in the page -> a file: own namespaces and size, colours instead of the page's variables."""
    light = _light()
    head, body = inline[: inline.index(">") + 1], inline[inline.index(">") + 1 :]
    alt, box = re.search(r'aria-label="([^"]*)"', head)[1], re.search(r'viewBox="([^"]+)"', head)[1]
    width, height = box.split()[2:]
    body = body.replace("var(--sans)", FONTS).replace("currentColor", light["ink"])
    body = re.sub(r"var\(--([\w-]+)\)", lambda found: light[found[1]], body)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{alt}" width="{width}pt" height="{height}pt" viewBox="{box}">\n'
        f'<title>{alt}</title>\n<rect width="100%" height="100%" fill="{GROUND}"/>{body}\n'
    )


def png(standing: str) -> bytes:
    """An SVG of `svg` as pixels, in its own size at `DOTS_PER_INCH`."""
    raw = vl_convert.svg_to_png(standing, scale=72 / 96, ppi=DOTS_PER_INCH)  # it takes a point for 96 / 72 points
    packed = io.BytesIO()
    Image.open(io.BytesIO(raw)).convert("RGB").save(packed, "png", optimize=True, dpi=(DOTS_PER_INCH,) * 2)
    return packed.getvalue()


@matplotlib.rc_context(STYLE)
def message(name: str, text: str) -> str:
    """A figure that says why there is none."""
    lines = _wrapped(text)
    figure = Drawing(figsize=(WIDTH, 0.3 + 0.17 * len(lines)))
    figure.text(0.02, 0.5, "\n".join(lines), va="center", linespacing=1.35)
    return to_svg(figure, name, text)


def _wrapped(text: str, width: int = 58) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
