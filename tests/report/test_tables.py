"""Numbers of a table share the digits of their column, or of their metric, and none is in scientific notation."""

import re
from collections import defaultdict

import pytest
from report.conftest import MANY_METHODS

from heatproof.report import inputs as reading
from heatproof.report import page, tables
from heatproof.report.tables import Table, interval, span, value

NUMBER = re.compile(r"[−+]?\d[\d,]*\.(\d+)")


def decimals(text: str) -> set[int]:
    return {len(found) for found in NUMBER.findall(text)}


def test_a_column_has_the_digits_of_its_largest_number():
    made = Table("", ["a", "b", "c"], [["x", value(0.00483), interval(0.02, 0.0, 0.04)], ["y", value(0.09), "no"]])
    assert made.rows == [["x", "0.005", "0.020 [0.000, 0.040]"], ["y", "0.090", "no"]]


def test_numbers_of_one_unit_share_digits_across_columns_and_others_do_not():
    rows = [
        ["drop", value(6.19e-5, unit="drop"), interval(1e-5, -2e-5, 4e-5, unit="drop")],
        ["area", value(0.5, unit="area"), span([0.25, 0.004], unit="area")],
        ["area", value(None, unit="area"), span([], unit="area")],
    ]
    made = Table("", ["", "", ""], rows, grouped=True)
    assert made.rows[0][1:] == ["0.0000619", "0.0000100 [−0.0000200, 0.0000400]"]
    assert made.rows[1][1:] == ["0.50", "0.00 to 0.25"] and made.rows[2][1:] == ["–", "–"]
    assert [len(rows) for rows in made.groups] == [1, 2]


def test_a_table_of_text_is_one_group():
    assert Table("", ["a"], [["x"], ["x"], ["y"]]).groups == [[["x"], ["x"], ["y"]]]


@pytest.mark.slow
def test_every_table_of_a_family_keeps_to_its_digits(made):
    study = made(**MANY_METHODS)
    inputs = reading.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    found = [page.family(inputs, key) for key in inputs.families]
    assert sum(one.means is not None for one in found) == 4  # consistency has one metric, complexity no comparison
    for family in found:
        for data in filter(None, [family.means, *(part.others for part in family.comparisons)]):
            for rows in data.groups:
                assert len(decimals(" ".join(cell for row in rows for cell in row[1:]))) == 1, rows
        for data in filter(None, [family.described, *(part.pair_table for part in family.comparisons)]):
            columns = defaultdict(set)
            for row in data.rows:
                for place, cell in enumerate(row[:3]):
                    columns[place] |= decimals(cell)
            assert all(len(one) < 2 for one in columns.values()) and any(columns.values())


def test_means_of_all_methods_stand_below_each_other(made):
    study = made(methods=("gradcam", "lrp"))
    inputs = reading.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    data = tables.means(inputs, "localization")
    overlap = "Overlap (IoU) (higher is better)"
    assert [row[:2] for row in data.rows] == [[overlap, "Grad-CAM"], [overlap, "lrp"]]
    known = inputs.metrics.set_index(["metric", "method", "model"])["mean"]
    for row, method in zip(data.rows, study.methods, strict=True):
        expected = [known["iou", method, model] for model in study.models]
        assert [float(cell) for cell in row[2:]] == pytest.approx(expected, abs=0.005)
    assert tables.means(inputs, "consistency") is None
