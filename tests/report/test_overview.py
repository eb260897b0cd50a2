"""The overview of all methods says what the verdicts say."""

from dataclasses import replace

import pytest
from report.conftest import ALL, MANY_METHODS

from heatproof.report import inputs, words
from heatproof.report.sections import overview
from heatproof.stats.results import Against, Family, Model


@pytest.fixture
def data(made):
    study = made(**MANY_METHODS)
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


BETTER, WORSE, OPEN = "better", "worse", "unclear"
REACHED, OUT_OF_REACH = Against(BETTER, smallest_p=0.001), Against(OPEN, smallest_p=0.2)


@pytest.mark.parametrize(
    ("means", "verdicts", "changes", "expected"),
    [
        ({"a": 0.2, "b": 0.5}, {"a": BETTER, "b": BETTER}, {}, ("2 of 2", "0.20 to 0.50", "all")),
        ({"a": 0.2, "b": 0.5}, {"a": BETTER, "b": OPEN}, {}, ("1 of 2", "0.20 to 0.50", "some")),
        ({"a": 0.2, "b": 0.5}, {"a": BETTER, "b": WORSE}, {}, ("1 of 2, 1 worse", "0.20 to 0.50", "worse")),
        ({"a": 0.2, "b": 0.201}, {"a": OPEN}, {}, ("0 of 1", "0.20", "nobody")),
        ({"a": 0.2}, {"a": OPEN}, {"row": OUT_OF_REACH}, ("too few images", "0.20", "nobody")),
        ({"a": 0.001, "b": 0.02}, {"a": BETTER}, {}, ("1 of 1", "0.001 to 0.020", "all")),
        ({"a": None}, {}, {"refused": "abc"}, ("not supported", "", "empty")),
        ({"a": None}, {}, {"refused": "a"}, ("no score", "", "empty")),
        ({}, {}, {}, ("no score", "", "empty")),
        ({"a": 0.2}, {}, {"left_out": "a"}, ("no verdict", "", "empty")),
        ({"a": 0.2, "b": 0.5}, {}, {"blind": "a"}, ("no verdict", "0.20 to 0.50", "empty")),
        ({"a": 0.2, "b": 0.5}, {}, {}, ("no verdict", "0.20 to 0.50", "empty")),
        (
            {"a": 0.2, "b": 0.3, "c": 0.5},
            {"a": BETTER},
            {"blind": "bc"},
            ("1 of 3, 2 without a verdict", "0.20 to 0.50", "some"),
        ),
    ],
)
def test_cell(data, means, verdicts, changes, expected):
    given = {"row": REACHED, "refused": "", "left_out": "", "blind": ""} | changes
    outcome = data.results.outcome("localization", "gradcam")
    outcome = replace(outcome, verdicts=verdicts, controls={"random": dict.fromkeys(verdicts, given["row"])})
    separates = {model: model not in given["blind"] for model in "abc"}
    family = Family("iou", means={"cam": means}, separates=separates, outcomes={"cam": outcome})
    models = {model: Model(competent=model not in given["left_out"]) for model in "abc"}
    refused = {"cam": dict.fromkeys(given["refused"], "no_relu")}
    results = replace(data.results, families={"localization": family}, models=models, refused=refused)
    assert overview.cell(replace(data, results=results), "localization", "cam") == overview.Cell(*expected)


def test_rows_are_methods_and_columns_families(data):
    found = overview.make(data)
    assert [name for name, _ in found.head] == [words.family(key).short for key in ALL[:-1]]
    assert found.head[-1][1].endswith("lower is better")
    methods = ["gradcam", "lrp", "part_cam", "mine"]
    assert [name for name, _ in found.rows] == methods
    for (_, cells), method in zip(found.rows, methods, strict=True):
        for cell, family in zip(cells, ALL, strict=False):
            assert cell == overview.cell(data, family, method)
    assert found.rows[1][1][0].verdict == "0 of 2"
    assert [method for method, _ in found.refused] == ["lrp", "none_cam"]


@pytest.mark.slow
def test_no_overview_of_one_method_or_without_a_competent_model(made):
    study = made()
    read = inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    assert overview.make(read) is None
    study = made(methods=("gradcam", "lrp"), wrong=("alpha_net", "beta_net", "gamma_net"))
    read = inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    assert overview.make(read) is None
