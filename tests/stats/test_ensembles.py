"""Ensembles: described like a model, no level of a test, held against their best member."""

import numpy as np
import pytest
from sklearn.metrics import f1_score
from stats.several import LOWER, write

from heatproof.stats import command
from heatproof.store import artifacts
from heatproof.store import tables as stats_tables

LEVELS = {"a": 0.6, "b": 0.5}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(**more):
        args = write(LEVELS, ensembles={"both": ["a", "b"]}, **more)
        command.run(args)
        folder = artifacts.stats_dir("toy")
        tables = {
            name: artifacts.read_table(folder / f"{name}.csv", schema) for name, schema in stats_tables.TABLES.items()
        }
        return artifacts.read_json(folder / "summary.json"), tables

    return run


@pytest.mark.slow
def test_an_ensemble_is_described_and_no_level_of_any_test(study):
    summary, tables = study(families=("localization", "faithfulness", "sanity"))
    assert list(summary["models"]) == ["a", "b"] and list(summary["ensembles"]) == ["both"]
    for name in ("models", "confusion", "roc", "calibration", "metrics"):
        assert "both" in set(tables[name]["model"])
    for name in ("pairs", "omnibus", "controls", "relations"):
        rows = tables[name]
        assert "both" not in {*rows.get("model", []), *rows.get("a", []), *rows.get("b", []), *rows.get("within", [])}
    assert (tables["omnibus"]["levels"] == 2).all()
    means = summary["primary"]["localization"]["methods"]["gradcam"]
    assert means["both"] == pytest.approx(0.5, abs=0.05)  # heat outside the body
    assert "both" not in summary["primary"]["sanity"]["methods"]["gradcam"]  # it has no weights to randomize
    assert "both" not in {row["family"] + row["text"] for row in summary["sentences"] if row["kind"] == "verdict"}


@pytest.mark.slow
def test_it_is_held_against_its_best_member(study):
    summary, _ = study(noise={"a": 0.8, "b": 0.1, "both": 0.1}, families=("localization", "faithfulness"))
    first, *scored = summary["ensembles"]["both"]["against"]
    values = {}
    for model in ("a", "b", "both"):
        path = artifacts.Checkpoint("toy", model, 0, "fold0").predictions
        table = artifacts.read_table(path, artifacts.PREDICTIONS)
        values[model] = f1_score(artifacts.truth(table, 3), artifacts.predicted(table, 3), average="micro")
    assert first["member"] == "b" and first["value"] == pytest.approx(values["b"])
    assert first["ensemble"] == pytest.approx(values["both"])
    assert first["difference"] == pytest.approx(values["both"] - values["b"])
    assert first["low"] <= first["difference"] <= first["high"] and first["groups"] == 24
    # the better of both in each family: a is at .6, turned where low is good, the ensemble at .5
    assert [row["member"] for row in scored] == ["a", "a"]
    for row in scored:
        sign = -1 if row["metric"] in LOWER else 1
        assert sign * row["difference"] == pytest.approx(-0.1, abs=0.02) and not row["better"]
    text = " ".join(summary["ensembles"]["both"]["sentences"])
    assert "It is made of the models, so no test between models includes it." in text
    assert "are worse in heat outside the body by gradcam and worse in symmetric relevance gain by gradcam" in text


def test_one_that_is_as_good_cannot_be_told_apart(study):
    summary, _ = study(families=("faithfulness",), noise={"a": 0.3, "b": 0.3, "both": 0.3})
    first = summary["ensembles"]["both"]["against"][0]
    assert first["low"] < 0 < first["high"]
    assert "the two cannot be told apart" in summary["ensembles"]["both"]["sentences"][0]


def test_an_ensemble_without_any_score_is_said_to_have_none(study):
    summary, tables = study(families=("sanity",))
    found = summary["ensembles"]["both"]
    assert len(found["against"]) == 1
    assert found["sentences"][1] == "The heatmaps of both have no score to compare with its members'."
    assert "both" not in set(tables["metrics"]["model"]) and np.isfinite(found["f1_micro"])
