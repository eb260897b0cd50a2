"""Ensembles: described like a model, no level of a test, held against their best member."""

import numpy as np
import pytest
from sklearn.metrics import f1_score
from stats.conftest import judged
from stats.several import LOWER, write

from heatproof.store import artifacts

LEVELS = {"a": 0.6, "b": 0.5}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    return lambda **more: judged(write(LEVELS, ensembles={"both": ["a", "b"]}, **more))


@pytest.mark.slow
def test_an_ensemble_is_described_and_no_level_of_any_test(study):
    results, tables = study(families=("localization", "faithfulness", "sanity"))
    assert list(results.models) == ["a", "b"] and list(results.ensembles) == ["both"]
    for name in ("models", "confusion", "roc", "calibration", "metrics"):
        assert "both" in set(tables[name]["model"])
    for name in ("pairs", "omnibus", "controls", "relations"):
        rows = tables[name]
        assert "both" not in {*rows.get("model", []), *rows.get("a", []), *rows.get("b", []), *rows.get("within", [])}
    assert (tables["omnibus"]["levels"] == 2).all()
    means = {name: of.means["gradcam"] for name, of in results.families.items()}
    assert means["localization"]["both"] == pytest.approx(0.5, abs=0.05)  # heat outside the body
    assert "both" not in means["sanity"]  # it has no weights to randomize
    assert {one.one("ensemble") for one in results.about("ensemble")} == {"both"}
    assert not [one for one in results.about("controls", "pairs", "test") if "both" in str(one)]


@pytest.mark.slow
def test_it_is_held_against_its_best_member(study):
    results, _ = study(noise={"a": 0.8, "b": 0.1, "both": 0.1}, families=("localization", "faithfulness"))
    first, *scored = results.ensembles["both"].against
    values = {}
    for model in ("a", "b", "both"):
        path = artifacts.Checkpoint("toy", model, 0, "fold0").predictions
        table = artifacts.read_table(path, artifacts.PREDICTIONS)
        values[model] = f1_score(artifacts.truth(table, 3), artifacts.predicted(table, 3), average="micro")
    assert first.member == "b" and first.value == pytest.approx(values["b"])
    assert first.ensemble == pytest.approx(values["both"])
    assert first.difference == pytest.approx(values["both"] - values["b"])
    assert first.low <= first.difference <= first.high and first.groups == 24
    # the better of both in each family: a is at .6, turned where low is good, the ensemble at .5
    assert [row.member for row in scored] == ["a", "a"]
    for row in scored:
        sign = -1 if row.measure in LOWER else 1
        assert sign * row.difference == pytest.approx(-0.1, abs=0.02) and not row.better
    accuracy, heatmaps = results.about("ensemble")
    assert (accuracy.one("member"), accuracy.numbers["members"]) == ("b", 2)
    told = {role: heatmaps.subjects[role] for role in ("ways", "metrics", "methods")}
    assert told == {"ways": ("worse",) * 2, "metrics": ("outside_body", "srg"), "methods": ("gradcam",) * 2}


def test_one_that_is_as_good_cannot_be_told_apart(study):
    results, _ = study(families=("faithfulness",), noise={"a": 0.3, "b": 0.3, "both": 0.3})
    first = results.ensembles["both"].against[0]
    assert first.low < 0 < first.high
    assert results.about("ensemble")[0].reason == "alike"


def test_an_ensemble_without_any_score_is_said_to_have_none(study):
    results, tables = study(families=("sanity",))
    assert len(results.ensembles["both"].against) == 1
    assert results.about("ensemble")[1].numbers == {"tested": 0}
    assert "both" not in set(tables["metrics"]["model"]) and np.isfinite(results.ensembles["both"].quality.f1_micro)
