"""The overview of all methods says what the verdicts say."""

import pytest
from report.conftest import ALL, MANY_METHODS

from heatproof.report import inputs, words
from heatproof.report.sections import overview


@pytest.fixture
def data(made):
    study = made(**MANY_METHODS)
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def row(**changes):
    lists = ("better", "worse", "unclear", "blind", "refused", "unscored", "left_out")
    empty: dict = {name: [] for name in lists} | {"few": False}
    return empty | {"low": 0.2, "high": 0.5} | changes


@pytest.mark.parametrize(
    ("given", "verdict", "means", "look"),
    [
        (row(better=["a", "b"]), "2 of 2", "0.20 to 0.50", "all"),
        (row(better=["a"], unclear=["b"]), "1 of 2", "0.20 to 0.50", "some"),
        (row(better=["a"], worse=["b"]), "1 of 2, 1 worse", "0.20 to 0.50", "worse"),
        (row(unclear=["a"], high=0.201), "0 of 1", "0.20", "nobody"),
        (row(unclear=["a"], few=True), "too few to tell", "0.20 to 0.50", "nobody"),
        (row(better=["a"], low=0.001, high=0.02), "1 of 1", "0.001 to 0.020", "all"),
        (row(low=None, high=None, refused=["a"]), "refused", "", "empty"),
        (row(low=None, high=None, refused=["a"], unscored=["b"]), "no score", "", "empty"),
        (row(low=None, high=None, unscored=["a"]), "no score", "", "empty"),
        (row(low=None, high=None, left_out=["a"]), "not judged", "", "empty"),
        (row(blind=["a"]), "no verdict", "0.20 to 0.50", "empty"),
        (row(), "no verdict", "0.20 to 0.50", "empty"),
        (row(better=["a"], blind=["b", "c"]), "1 of 3, 2 without a verdict", "0.20 to 0.50", "some"),
    ],
)
def test_cell(given, verdict, means, look):
    assert overview.cell(given) == (overview.Cell(verdict, means, look))


def test_rows_are_methods_and_columns_families(data):
    found = overview.make(data)
    assert [name for name, _ in found.head] == [words.family(key).short for key in ALL[:-1]]
    assert found.head[-1][1].endswith("lower is better")
    methods = ["gradcam", "lrp", "part_cam", "mine"]
    assert [name for name, _ in found.rows] == methods
    for (_, cells), method in zip(found.rows, methods, strict=True):
        for cell, family in zip(cells, ALL, strict=False):
            told = data.summary["overview"][family][method]
            means = [m for m in data.summary["primary"][family]["methods"][method].values() if m is not None]
            assert (told["low"], told["high"]) == (min(means), max(means))
            assert cell == overview.cell(told)
    assert found.rows[1][1][0].verdict == "0 of 2"
    assert [method for method, _ in found.refused] == ["lrp", "none_cam"]


def test_controls_stand_below_for_scale(data):
    found = dict(overview.make(data).controls)
    assert list(found) == [name for name in words.CONTROLS.values() if name in found]
    assert {"random noise", "centre blob", "another image's map", "the truth at this grid"} <= set(found)
    assert [bool(cell.means) for cell in found["random noise"]] == [True, True, False, False, False]
    assert [bool(cell.means) for cell in found["another image's map"]] == [True] * 5


@pytest.mark.slow
def test_no_overview_of_one_method_or_without_a_competent_model(made):
    study = made()
    read = inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    assert overview.make(read) is None
    study = made(methods=("gradcam", "lrp"), wrong=("alpha_net", "beta_net", "gamma_net"))
    read = inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)
    assert overview.make(read) is None


def test_every_method_is_explained(data):
    assert [told.name for told in overview.methods(data)] == list(MANY_METHODS["methods"])
    assert all(told.text for told in overview.methods(data))
