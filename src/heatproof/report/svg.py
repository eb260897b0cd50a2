"""From a matplotlib figure to an <svg> element in HTML: same bytes, own ids, the page's colours and font."""

import html
import io
import re

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

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


def to_svg(figure: Figure, name: str, alt: str) -> str:
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
    return svg
