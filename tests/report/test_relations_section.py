"""When heatmaps are bad, on the page: dots lie where the table says, and nothing is said of what was not tested."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report.test_figures import marker_x, texts

from heatproof.report.sections import relations
from heatproof.stats.results import AccuracyRelation, Point
from heatproof.stats.statements.relations import statements
from heatproof.store.tables import RELATIONS
from heatproof.text.sentences import sentence


def table(data, family="localization", method="gradcam", **rho):
    """Rows of covariate -> (rho, corrected p), the same of the first two models."""
    rows = [
        (family, data.primary(family), method, model, name.replace("__", ":"), 12, r, r - 0.2, r + 0.1, p, p, "")
        for name, (r, p) in rho.items()
        for model in data.models[:2]
    ]
    return pd.DataFrame(rows, columns=list(RELATIONS))


def with_tables(data, *found, accuracy=None):
    """The study with other relations, and the statements that follow from them; none without a table."""
    rows = pd.concat(found) if found else pd.DataFrame(columns=list(RELATIONS))
    results = replace(data.results, accuracy_relations=accuracy or {})
    made = statements(rows, results) if found else []
    return replace(data, tables=data.tables | {"relations": rows}, results=replace(results, statements=tuple(made)))


def sentences(data, area, family):
    return [sentence(one) for one in data.results.about(area, family=family, method="gradcam")]


def test_dots_lie_where_the_correlations_are(data):
    made = with_tables(data, table(data, right=(0.5, 0.01), confidence=(-0.25, 0.9), class__dark=(0.0, 1)))
    (part,) = relations.make(made).parts
    at = {
        rho: marker_x(str(part.figure.svg), f"relations-localization-rho-{i}-alpha_net")[0]
        for i, rho in enumerate((0.5, -0.25, 0))
    }
    slope, offset = np.polyfit(list(at), list(at.values()), 1)
    assert slope > 0 and np.allclose([rho * slope + offset for rho in at], list(at.values()), atol=0.01)
    assert {"correct prediction", "confidence in the true class", "class dark"} <= set(texts(str(part.figure.svg)))


def test_what_can_be_told_from_zero_is_filled(data):
    svgs = [relations.make(with_tables(data, table(data, right=(0.5, p)))).parts[0].figure.svg for p in (0.01, 0.9)]
    assert "fill: var(--paper)" not in svgs[0] and "fill: var(--paper)" in svgs[1]


def test_random_noise_is_a_cross_and_no_part_of_the_count(data):
    noise = table(data, method="random", lesion_area=(0.9, 0.001))
    (part,) = relations.make(with_tables(data, table(data, lesion_area=(0.1, 1)), noise)).parts
    assert len(marker_x(str(part.figure.svg), "relations-localization-noise-0")) == 1
    assert (
        "random noise" in texts(str(part.figure.svg))
        and "Its correlation comes from the metric alone." in part.figure.caption
    )
    assert [row[:4] for row in part.table.rows] == [
        ["gradcam", "lesion size", "0.10", "0 of 2"],
        ["random noise", "lesion size", "0.90", "2 of 2"],
    ]


def test_a_family_of_which_nothing_is_known_has_its_sentence_alone(data):
    made = with_tables(data, table(data, right=(0.5, 0.01)))
    found = relations.make(made)
    (part,) = found.parts
    assert part.title.startswith("Localization") and part.sentences == sentences(made, "relations", "localization")
    silent = [sentences(made, "relations", family) for family in ("faithfulness", "consistency")]
    assert [[text] for text in found.silent] == silent and len(found.silent) == 2


def test_accuracy_beside_scores(data):
    points = Point("alpha_net", 0, 0.9, 0.7), Point("beta_net", 0, 0.8, 0.5), Point("beta_net", 1, 0.85, 0.6)
    of = {family: {"gradcam": AccuracyRelation(points, 2, 3)} for family in data.families}
    made = with_tables(data, table(data, right=(0.5, 0.01)), accuracy=of)
    found = relations.make(made)
    said = {family: " ".join(sentences(made, "accuracy", family)) for family in data.families}
    assert all(said.values())
    assert [text for _, text in found.accuracy] == [said["localization"], said["faithfulness"]]
    assert [text for _, text in found.others] == [said["consistency"]]
    x = [marker_x(str(found.scatter.svg), f"accuracy-scores-point-0-{p.model}-{p.seed}")[0] for p in points]
    assert (x[2] - x[1]) / (x[0] - x[1]) == pytest.approx(0.5, abs=0.01)


def test_nothing_to_say_is_no_section(data):
    assert relations.make(with_tables(data)) is None
