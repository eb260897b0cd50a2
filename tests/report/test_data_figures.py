"""Figures of the data state the numbers that they were given: positions are read back from the SVG."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from heatproof.report.sections import data
from heatproof.report.sections.data import Dot, DotRow, Panel


def group(svg: str, name: str) -> ElementTree.Element:
    root = ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))
    (found,) = [node for node in root.iter("g") if node.get("id") == name]
    return found


def marker_x(svg: str, name: str) -> float:
    (use,) = group(svg, name).iter("use")
    return float(use.get("x"))


def line(svg: str, name: str) -> list[tuple[float, float]]:
    path = group(svg, name).find("path").get("d")
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path)]


KINDS = {"random": "random split", "grouped": "grouped split"}
ROWS = [
    DotRow("a $x_1$ <b>", [Dot("random", 0.9, 0.8, 0.95), Dot("grouped", 0.4, 0.3, 0.6)], 0.5, "0.90 → 0.40"),
    DotRow("b", [Dot("random", 0.7), Dot("grouped", math.nan, math.nan, math.nan)], math.nan),
]


def test_dots_intervals_and_chance_lie_where_the_numbers_are():
    svg = data.draw_dots("d", ROWS, KINDS, "accuracy", "alt")
    given = [0.9, 0.4, 0.7, 0.8, 0.95, 0.3, 0.6, 0.5]
    drawn = [marker_x(svg, name) for name in ("d-random-0-0", "d-grouped-0-1", "d-random-1-0")]
    drawn += [x for name in ("d-interval-random-0-0", "d-interval-grouped-0-1") for x, _ in line(svg, name)]
    drawn.append(line(svg, "d-guessing-0")[0][0])
    slope, offset = np.polyfit(given, drawn, 1)
    assert slope > 0 and np.allclose(np.array(given) * slope + offset, drawn, atol=0.01)
    for absent in ("d-grouped-1-1", "d-interval-random-1-0", "d-guessing-1"):
        assert f'id="{absent}"' not in svg


def test_names_and_legend_are_plain_text_and_colours_are_the_pages():
    svg = data.draw_dots("d", ROWS, KINDS, "accuracy", "alt")
    texts = {
        "".join(node.itertext()).strip() for node in ElementTree.fromstring(svg.replace("xlink:", "")).iter("text")
    }
    assert {"a $x_1$ <b>", "0.90 → 0.40", "random split", "grouped split", "chance", "accuracy"} <= texts
    assert "var(--warn)" in svg and "var(--accent)" in svg and "#01020" not in svg


def test_no_guessing_in_the_legend_without_a_chance():
    svg = data.draw_dots("d", ROWS[1:], KINDS, "accuracy", "alt")
    assert "chance" not in svg and "guessing" not in svg


def test_dots_in_numbers():
    assert data.described(ROWS, KINDS) == (
        "a $x_1$ <b>: random split 0.90 [0.80, 0.95], grouped split 0.40 [0.30, 0.60]; "
        "b: random split 0.70, grouped split –"
    )


PANELS = [Panel("clusters", "clusters", [10, 40, 90], False), Panel("leak", "leak", [math.nan, 0.5, 0.25], True)]


def test_panels_draw_every_step_and_mark_the_one_in_use():
    svg = data.sweep("s", [0.8, 0.9, 0.98], PANELS, 0.9, "alt")
    x, y = zip(*line(svg, "s-line-clusters"), strict=True)
    assert (x[1] - x[0]) / (x[2] - x[0]) == pytest.approx(0.1 / 0.18, abs=0.001)
    assert (y[0] - y[1]) / (y[0] - y[2]) == pytest.approx(30 / 80, abs=0.001)
    assert line(svg, "s-used-clusters")[0][0] == pytest.approx(x[1], abs=0.01)
    assert len(line(svg, "s-line-leak")) == 2  # a gap where there is no number
    panels = [Panel("clusters", "clusters", [10, 1040, 90], False), PANELS[1]]
    assert data.described_panels([0.8, 0.9, 0.98], panels) == (
        "clusters: 10 at 0.8, 1,040 at 0.9, 90 at 0.98; leak: – at 0.8, 0.50 at 0.9, 0.25 at 0.98"
    )


def test_a_threshold_outside_the_steps_is_still_marked():
    svg = data.sweep("s", [0.8, 0.9], [Panel("p", "p", [1, 2], False)], 0.95, "alt")
    x, _ = zip(*line(svg, "s-line-p"), strict=True)
    assert line(svg, "s-used-p")[0][0] == pytest.approx(x[1] + (x[1] - x[0]) / 2, abs=0.02)  # two decimals


def test_same_bytes():
    first, again = (data.sweep("s", [0.8, 0.9, 0.98], PANELS, 0.9, "alt") for _ in range(2))
    assert first == again
