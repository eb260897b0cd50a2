"""The critical-difference diagram: ranks lie where they are, bars join what they are given."""

import re
from dataclasses import replace

import numpy as np
import pytest
from report.test_figures import group, marker_x, texts

from heatproof.report.figures import curves, dot_rows
from heatproof.report.figures.curves import Rank
from heatproof.stats.results import Ranks

RANKS = [Rank(f"m{i}", dot_rows.PALETTE[i], rank) for i, rank in enumerate([1.25, 2.0, 3.75, 3.0])]


def line_x(svg: str, name: str) -> list[float]:
    return [float(x) for x in re.findall(r"[ML] ([\d.]+)", group(svg, name).find("path").get("d"))]


def test_dots_lie_at_their_ranks_and_bars_reach_around_their_models():
    svg = curves.draw("one", RANKS, [["m0", "m1"], ["m1", "m3", "m2"]], "alt")
    drawn = [marker_x(svg, f"one-rank-{row.model}")[0] for row in RANKS]
    slope, offset = np.polyfit([row.rank for row in RANKS], drawn, 1)
    assert drawn == pytest.approx([slope * row.rank + offset for row in RANKS], abs=0.01)
    assert slope > 0, "the best is at the left"
    place = dict(zip(("m0", "m1", "m2", "m3"), drawn, strict=True))
    for name, members in (("one-clique-0", ("m0", "m1")), ("one-clique-1", ("m1", "m2", "m3"))):
        low, high = line_x(svg, name)
        assert low < min(place[model] for model in members) and max(place[model] for model in members) < high
        others = [x for model, x in place.items() if model not in members]
        assert not any(low < x < high for x in others)
    assert "one-clique-2" not in svg
    assert {"m0", "1.25", "3.00", "mean rank (1 is best)"} <= set(texts(svg))


def ranked(data, models: dict, cliques: list):
    return with_ranks(data, Ranks(models, tuple(map(tuple, cliques)), 9))


def with_ranks(data, ranks):
    family = data.results.families["localization"]
    outcome = replace(family.outcomes["gradcam"], ranks=ranks)
    families = data.results.families | {"localization": replace(family, outcomes={"gradcam": outcome})}
    return replace(data, results=replace(data.results, families=families))


def test_words_say_who_is_joined_and_that_this_is_no_equality(data):
    models = dict(zip(data.models, (2.5, 1.0, 2.5), strict=True))
    a, b, c = data.models
    figure = curves.make(ranked(data, models, [[b], [a, c]]), "localization", "gradcam", "r")
    assert f"{b} 1.00, {a} 2.50, {c} 2.50. No significant difference: {a} and {c}." in figure.svg
    assert "over 9 patients" in figure.caption and "This does not show that they are equal" in figure.caption
    assert figure.svg.count("clique-") == 1, "a model alone needs no bar"
    apart = curves.make(ranked(data, models, [[a], [b], [c]]), "localization", "gradcam", "r")
    assert (
        "All differences are significant." in apart.svg and "All pairs of models differ significantly" in apart.caption
    )


def test_without_anything_to_compare_there_is_no_diagram(data):
    nothing = with_ranks(data, None)
    alone = ranked(data, {data.models[0]: 1.0}, [])
    for inputs in (nothing, alone):
        assert curves.make(inputs, "localization", "gradcam", "r") is None


@pytest.mark.slow
def test_the_page_shows_it_beside_the_other_figures_of_the_first_method(made, report):
    page = report(made(skill=(0.9, 0.5, 0.2, 0.6, 0.3)))
    assert page.count("Mean ranks by") >= 1
    assert 'id="localization-0-ranks-' in page
