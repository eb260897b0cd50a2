"""How the models classify, on the page: figures hold the numbers of the tables, sentences those of the summary."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report.test_figures import group, texts

from heatproof.report.sections import classification
from heatproof.stats.results import Confidence
from heatproof.text import numbers


def confident(data, **rows):
    """The study with other gaps between confidence and accuracy: model -> (difference, low, high)."""
    keys = ("difference", "low", "high")
    base = {"confidence": 0.9, "accuracy": 0.8, "groups": 9, "error": 0.1, "error_by_chance": 0.02}
    found = {model: base | dict(zip(keys, row, strict=True)) for model, row in rows.items()}
    return replace(data, results=replace(data.results, confidence={m: Confidence(**row) for m, row in found.items()}))


def confused(data, **rows):
    """The study with other counts: model -> [classes, classes]."""
    table = [
        (model, 0, data.classes[i], data.classes[j], count)
        for model, counts in rows.items()
        for (i, j), count in np.ndenumerate(np.array(counts))
    ]
    names = ["model", "seed", "label", "predicted", "images"]
    return replace(data, tables=data.tables | {"confusion": pd.DataFrame(table, columns=names)})


def test_counts_add_up_the_seeds_and_are_drawn(data):
    counts = classification.counts(data)
    test = data.predictions[data.predictions["model"] == "alpha_net"]
    expected = pd.crosstab(test["label"], test["predicted"]).reindex(range(3), fill_value=0, axis=1)
    assert (counts["alpha_net"] == expected.to_numpy()).all() and counts["alpha_net"].sum() == 2 * len(data.tested)
    svg = str(classification.make(data).figures[0].svg)
    for (i, j), count in np.ndenumerate(counts["beta_net"]):
        (text,) = group(svg, f"confusion-count-beta_net-{i}-{j}").iter("text")
        assert text.text.strip() == f"{count:,}"
    assert "alpha_net" in texts(svg)


def test_the_most_frequent_mistake_is_a_share_of_its_class(data):
    good, bad = [[8, 0, 0], [2, 6, 0], [0, 0, 1]], [[8, 0, 0], [4, 4, 0], [0, 0, 1]]
    found = classification.make(confused(data, alpha_net=good, beta_net=bad, gamma_net=bad))
    label, other = data.classes[1], data.classes[0]
    assert found.sentences[0] == (
        f"The most frequent error: 42% of the images of {label} are misclassified as {other} (25% to 50% by model)."
    )


def test_no_mistake_is_said(data):
    found = classification.make(confused(data, **dict.fromkeys(data.models, np.eye(3, dtype=int) * 4)))
    assert found.sentences[0] == "No test image is misclassified."


def test_small_gaps_are_neither_0_points_nor_a_fault(data):
    made = confident(
        data, alpha_net=(0.004, 0.001, 0.007), beta_net=(0.004, 0.001, 0.011), gamma_net=(0, -0.02, 0.0201)
    )
    assert classification.make(made).sentences[1:] == [
        "beta_net is overconfident: mean confidence is 0.4 percentage points above accuracy.",
        "alpha_net is calibrated on average: mean confidence and accuracy differ by at most 1 percentage point.",
        "No evidence that gamma_net is over- or underconfident; a gap of up to 3 percentage points is possible.",
    ]


def test_percentage_points_are_never_in_scientific_notation():
    written = [classification._percentage(points) for points in (1e-5, 0.064, 0.4, 1.0, 12.4, 99.7, 100.0)]
    assert written == ["under 0.001", "0.06", "0.4", "1", "12", "100", "100"]


def test_mistakes_that_are_equally_frequent_are_all_named(data):
    even = [[8, 2, 0], [2, 8, 0], [0, 0, 1]]
    a, b, _ = data.classes
    assert classification.make(confused(data, **dict.fromkeys(data.models, even))).sentences[0] == (
        f"The most frequent errors are equally frequent: {a} as {b} and {b} as {a}, each 20% of the images of the "
        f"class."
    )


def test_who_claims_too_much_who_too_little_and_who_cannot_be_told(data):
    made = confident(data, alpha_net=(0.2, 0.1, 0.3), beta_net=(-0.1, -0.15, -0.05), gamma_net=(0.02, -0.04, 0.08))
    assert classification.make(made).sentences[1:] == [
        "alpha_net is overconfident: mean confidence is 20 percentage points above accuracy.",
        "beta_net is underconfident: mean confidence is 10 percentage points below accuracy.",
        "No evidence that gamma_net is over- or underconfident; a gap of up to 8 percentage points is possible.",
    ]


def test_an_interval_that_cannot_be_had_is_no_verdict(data):
    made = confident(data, alpha_net=(0.2, None, None))
    found = classification.make(made)
    assert len(found.sentences) == 1 and found.table.rows[0][4] == "0.20"


def test_the_table_has_the_numbers_of_the_summary(data):
    found = classification.make(data)
    row = data.results.confidence["alpha_net"]
    auroc = data.tables["models"].groupby("model")["auroc"].mean()["alpha_net"]
    assert found.table.rows[0][:3] == ["alpha_net", f"{auroc:.2f}", f"{row.confidence:.2f}"]
    assert found.table.rows[0][5:] == [numbers.number(value) for value in (row.error, row.error_by_chance)]


def points(svg, name):
    return np.array(re.findall(r"[ML] ([\d.]+) ([\d.]+)", group(svg, name).find("path").get("d")), float)


def test_bins_lie_where_the_numbers_are(data):
    figure = classification.make(data).figures[2]
    table = data.tables["calibration"]
    rows = table[(table["model"] == "alpha_net") & (table["seed"] == 0)]
    marks = [(use.get("x"), use.get("y")) for use in group(str(figure.svg), "reliability-bins-alpha_net-0").iter("use")]
    diagonal = re.findall(r"[ML] ([\d.]+) ([\d.]+)", str(figure.svg).split("stroke-dasharray")[0].split("<path d=")[-1])
    (left, bottom), (right, top) = np.array(diagonal, float)
    x, y = np.array(marks, float).T
    assert np.allclose((x - left) / (right - left), rows["confidence"], atol=0.001)
    assert np.allclose((bottom - y) / (bottom - top), rows["accuracy"], atol=0.001)


def test_curves_run_from_corner_to_corner(data):
    svg = str(classification.make(data).figures[1].svg)
    for model in data.models:
        found = points(svg, f"roc-roc-1-{model}-0")
        low, high = found[0], found[-1]
        assert low[0] < high[0] and low[1] > high[1]
        assert (np.diff(found[:, 0]) >= -1e-6).all() and (np.diff(found[:, 1]) <= 1e-6).all()


def test_two_classes_have_one_curve(data):
    kept = data.tables["roc"][data.tables["roc"]["label"] != data.classes[2]]
    svg = str(classification.make(replace(data, tables=data.tables | {"roc": kept})).figures[1].svg)
    assert "roc-roc-1-alpha_net-0" in svg and "roc-roc-0-" not in svg


@pytest.mark.parametrize(("name", "drawn"), [("roc", 2), ("calibration", 2), ("confusion", None)])
@pytest.mark.slow
def test_what_is_not_there_is_not_drawn(data, name, drawn):
    empty = replace(data, tables=data.tables | {name: data.tables[name][:0]})
    found = classification.make(empty)
    assert found is None if drawn is None else len(found.figures) == drawn


def test_figures_are_the_same_each_time_and_described(data):
    first, again = classification.make(data), classification.make(data)
    assert [figure.svg for figure in first.figures] == [figure.svg for figure in again.figures]
    for figure in first.figures:
        assert "aria-label=" in figure.svg and "alpha_net" in figure.svg and "#0102" not in figure.svg
        assert "<script>" not in figure.svg
