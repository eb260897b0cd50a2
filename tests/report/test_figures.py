"""Figures state the numbers that they were given: marker positions are read back from the SVG."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from heatproof.report import inputs
from heatproof.report.figures import canvas, dot_rows
from heatproof.report.figures.dot_rows import Checkpoint, Pair, Row


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))


def group(svg: str, name: str) -> ElementTree.Element:
    found = [node for node in parsed(svg).iter("g") if node.get("id") == name]
    assert len(found) == 1, name
    return found[0]


def marker_x(svg: str, name: str) -> list[float]:
    return [float(use.get("x")) for use in group(svg, name).iter("use")]


def texts(svg: str) -> list[str]:
    return ["".join(node.itertext()).strip() for node in parsed(svg).iter("text")]


ROWS = [
    Row(
        "a_net",
        dot_rows.PALETTE[0],
        True,
        0.5,
        0.4,
        0.65,
        (0.45, 0.55),
        {"random": 0.1, "center": 0.2, "ceiling": 0.9},
    ),
    Row("b_net", dot_rows.PALETTE[1], False, 0.3, 0.2, 0.4, (0.25, 0.35), {"random": 0.12, "other_image": -0.2}),
    Row("c_net", dot_rows.PALETTE[2], True, math.nan, math.nan, math.nan),
]


def test_dots_lie_where_the_numbers_are():
    svg = dot_rows.dots("one", ROWS, "overlap", "alt")
    given, drawn = [], []
    for row in ROWS[:2]:
        for name, value in {"mean": row.mean, **row.marks}.items():
            given.append(value)
            drawn += marker_x(svg, f"one-{name}-{row.model}")
        given += row.seeds
        drawn += marker_x(svg, f"one-seeds-{row.model}")
        path = group(svg, f"one-interval-{row.model}").find("path").get("d")
        given += [row.low, row.high]
        drawn += [float(x) for x in re.findall(r"[ML] ([\d.]+)", path)]
    slope, offset = np.polyfit(given, drawn, 1)
    assert slope > 0 and np.allclose(np.array(given) * slope + offset, drawn, atol=0.01)
    assert "one-mean-c_net" not in svg
    assert {"0.50 [0.40, 0.65]", "no score", "b_net (no verdict)", "overlap"} <= set(texts(svg))


def test_ticks_of_the_axis_agree_with_the_dots():
    svg = dot_rows.dots("one", ROWS[:1], "overlap", "alt")
    ticks = {}
    for node in parsed(svg).iter("g"):
        if re.fullmatch(r"one-xtick_\d+", node.get("id", "")):
            grid = re.match(r"M ([\d.]+)", node.find(".//path").get("d"))[1]
            ticks[float("".join(node.find(".//text").itertext()).replace("−", "-"))] = float(grid)
    slope, offset = np.polyfit(list(ticks), list(ticks.values()), 1)
    assert marker_x(svg, "one-mean-a_net")[0] == pytest.approx(0.5 * slope + offset, abs=0.01)


def test_accuracy_draws_every_training_the_floor_and_chance():
    rows = [Checkpoint("a", s, dot_rows.PALETTE[0], True, 0.7 + 0.1 * s, 0.6, 0.95, 0.7, 0.6, 0.8) for s in (0, 1)]
    svg = dot_rows.accuracy("acc", rows, 0.25, 0.35, "alt")
    at = {0.7: marker_x(svg, "acc-accuracy-a-0")[0], 0.8: marker_x(svg, "acc-accuracy-a-1")[0]}
    for value, name in ((0.25, "chance"), (0.35, "floor")):
        at[value] = float(re.match(r"M ([\d.]+)", group(svg, f"acc-{name}-a").find("path").get("d"))[1])
    slope, offset = np.polyfit(list(at), list(at.values()), 1)
    assert slope > 0 and np.allclose([value * slope + offset for value in at], list(at.values()), atol=0.01)
    assert "0.70 to 0.80" in texts(svg)


def test_pairs_show_difference_p_and_which_are_real():
    cells = [
        Pair("b", "a", -0.123, -0.5, 0.0004, apart=True),
        Pair("c", "a", 0.2, 0.3, 0.2, apart=False),
        Pair("c", "b", 0.004, 0.3, math.nan, apart=False),
    ]
    svg = dot_rows.pairs("m", cells, ["a", "b", "c"], "alt")
    assert [t for t in texts(svg) if t[0] in "+−0"] == ["−0.12", "+0.20", "0.00"]
    assert {"p < 0.001", "p = 0.200"} <= set(texts(svg))
    weights = [group(svg, name).find("text").get("style") for name in ("m-pair-b-a", "m-pair-c-a")]
    assert ["700" in weight for weight in weights] == [True, False]
    assert svg.count("stroke: var(--accent)") == 1


def test_same_bytes_own_ids_and_the_pages_colours():
    first, again, other = (dot_rows.dots(name, ROWS, "x", "a < b") for name in ("one", "one", "two"))
    assert first == again
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (first, other)]
    assert ids[0] and not ids[0] & ids[1]
    assert 'aria-label="a &lt; b"' in first and "#0102" not in first and "DejaVu" not in first
    assert "currentColor" in first and dot_rows.PALETTE[0].lower() in first


def test_names_are_text_and_never_mathematics_or_markup():
    svg = dot_rows.dots("one", [Row("$x_1$ <b>", "#000000", True, 0.5, 0.4, 0.6)], "x", "alt")
    assert "$x_1$ <b>" in texts(svg)


def test_long_names_keep_both_ends():
    svg = dot_rows.dots(
        "one", [Row("vit_base_patch16_224.augreg_in21k_ft_in1k", "#000000", True, 0.5, 0.4, 0.6)], "x", "alt"
    )
    assert "vit_base_patch16_22…1k_ft_in1k" in texts(svg)


def test_rows_come_from_the_tables(made):
    study = made(wrong=("gamma_net",))
    read = inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    rows = dot_rows.dot_rows(read, "localization", "gradcam")
    table = read.metrics[read.metrics["metric"] == "relevance_rank_accuracy"].set_index(["method", "model"])
    for row, model in zip(rows, study.models, strict=True):
        assert (row.model, row.color) == (model, dot_rows.PALETTE[study.models.index(model)])
        assert (row.mean, row.low, row.high) == tuple(table.loc[("gradcam", model), ["mean", "low", "high"]])
        assert row.marks == {mark: table.loc[(mark, model), "mean"] for mark in row.marks} and len(row.marks) == 5
        assert len(row.seeds) == 2 and np.mean(row.seeds) == pytest.approx(row.mean)
    (mark,) = {mark for row in dot_rows.dot_rows(read, "consistency", "gradcam") for mark in row.marks}
    assert mark == "other_image"  # the only control that is fair there
    assert [row.competent for row in rows] == [True, True, False]
    (cell,) = dot_rows.pair_cells(read, "localization", "gradcam")
    assert (cell.row, cell.column) == ("beta_net", "alpha_net")
    assert cell.difference == pytest.approx(rows[1].mean - rows[0].mean)
    assert dot_rows.color(study.models, "beta_net") == rows[1].color


def test_a_compact_figure_keeps_what_is_seen():
    svg = '<svg aria-label="p 0.00123">\n <g id="n-text_1">\n  <text x="1.23456" y="2" '
    svg += 'transform="rotate(-0 1.23456 2)">0.00123</text>\n </g>\n'
    svg += ' <g id="n-line2d_4"/>\n <path d="M 0 0 \nL 1.0051 -2.9999 \nz\n" style="fill: none"/>\n'
    svg += ' <g id="n-rho-0-a">\n'
    svg += '  <path d="M 0.5 0.123456 \nL 1.0051 -2.9999 \n" style="fill: none; stroke: red"/>\n </g>\n</svg>'
    found = canvas.compact(svg)
    assert found == (
        '<svg aria-label="p 0.00123"><g><text x="1.23" y="2">0.00123</text></g>'
        '<g id="n-rho-0-a"><path d="M 0.5 0.12 L 1.01 -3.00" style="fill: none; stroke: red"/></g></svg>'
    )
