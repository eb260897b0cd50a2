"""From a figure of the page to files for a paper: an SVG that needs no page around it, and a PNG of it."""

import io
import re
from functools import cache
from pathlib import Path

import matplotlib
import vl_convert
from matplotlib.figure import Figure
from PIL import Image

from heatproof.report.canvas import WIDTH
from heatproof.report.svg import STYLE, to_svg

GROUND = "#ffffff"
DOTS_PER_INCH = 300
FONTS = "'Liberation Sans', Arial, Helvetica, sans-serif"  # the first comes with vl-convert: the same PNG everywhere
_STYLESHEET = Path(__file__).parent / "templates" / "style.css"


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
    figure = Figure(figsize=(WIDTH, 0.3 + 0.17 * len(lines)))
    figure.text(0.02, 0.5, "\n".join(lines), va="center", linespacing=1.35)
    return to_svg(figure, name, text)


def _wrapped(text: str, width: int = 58) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
