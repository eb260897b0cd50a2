"""Accuracy within each source of images, and heatmaps that differ between sources."""

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from heatproof.core.statements import Statement
from heatproof.stats.tests.sources import Within, compare_sources
from heatproof.text.audit import SOURCES, sentence

PRIMARY = {"localization": "relevance_rank_accuracy"}
GROUPS = 60


def images(view_tells: bool, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two images of each of 60 patients, in one view a patient, and what a model says that knows the view alone, or
    the disease."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS), 2)
    view = rng.permutation(np.arange(GROUPS) % 2)[group]
    label = np.where(rng.random(2 * GROUPS) < 0.85, view, 1 - view)
    right = view if view_tells else label
    predicted = np.where(rng.random(2 * GROUPS) < 0.95, right, 1 - right)
    names = [f"i{place}" for place in range(2 * GROUPS)]
    table = pd.DataFrame(
        {"image_id": names, "group": [f"p{one}" for one in group], "label": label, "predicted": predicted}
    )
    about = pd.DataFrame(
        {"view": np.where(view == 1, "AP", "PA"), "age": np.arange(2 * GROUPS).astype(str)}, index=names
    )
    return about, table


def scored(table: pd.DataFrame, values: np.ndarray, metric: str = "relevance_rank_accuracy", **more) -> pd.DataFrame:
    keys = {"family": "localization", "metric": metric, "method": "gradcam", "model": "m", "seed": 0, "reason": ""}
    return table[["image_id", "group"]].assign(value=values, **keys | more)


def compared(about, table, values, **more):
    predictions = {("m", 0): table, ("m", 1): table}
    found = compare_sources(
        about, predictions, scored(table, values, **more), PRIMARY, ["a", "b"], alpha=0.05, key=("t",)
    )
    json.dumps(asdict(found))
    return found, {one.kind: one for one in found.statements}


def test_a_model_that_knows_the_view_alone_loses_its_accuracy_within_one():
    about, table = images(view_tells=True)
    found, said = compared(about, table, np.zeros(len(table)))
    every, ap, pa = found.within
    by_hand = np.mean([(table["predicted"] == label)[table["label"] == label].mean() for label in (0, 1)])
    assert every.balanced_accuracy == pytest.approx(by_hand) and every.value == "" and every.groups == GROUPS
    assert (ap.value, pa.value) == ("AP", "PA") and ap.low < 0.5 < ap.high and ap.images + pa.images == len(table)
    lost = said["source.lost"]
    assert set(lost.subjects["values"]) == {"AP", "PA"} and "it may separate the classes by view" in sentence(lost)


def test_a_model_that_knows_the_disease_keeps_it():
    about, table = images(view_tells=False)
    found, said = compared(about, table, np.zeros(len(table)))
    assert all(row.balanced_accuracy > 0.8 and row.low > 0.5 for row in found.within)
    assert "performs above chance" in sentence(said["source.kept"]) and "source.lost" not in said
    assert {row.column for row in found.within} == {"view"}  # of a column of many values each is a source of its own


def test_heatmaps_that_differ_between_views_within_classes():
    about, table = images(view_tells=True)
    view = (about["view"] == "AP").to_numpy()
    rng = np.random.default_rng(1)
    found, said = compared(about, table, rng.normal(size=len(table)) + 2 * view)
    (row,) = found.differences
    assert row.p_corrected <= 0.05 and row.means["AP"] > row.means["PA"] + 1 and row.groups == GROUPS
    assert "most in relevance_rank_accuracy of gradcam for m" in sentence(said["source.heatmaps_differ"])
    _, said = compared(about, table, rng.normal(size=len(table)) + 2 * (table["label"] == 1))
    assert "source.heatmaps_alike" in said  # the classes differ, and the views hold different shares of them


def test_only_primary_metrics_and_those_of_regions_are_compared():
    about, table = images(view_tells=False)
    values = np.random.default_rng(2).normal(size=len(table))
    for metric, count in (("pointing_game", 0), ("outside_lungs", 1)):
        assert len(compared(about, table, values, metric=metric)[0].differences) == count


def test_a_view_of_one_class_and_few_groups_has_no_number():
    about, table = images(view_tells=True)
    about, table = about[:12], table[:12].assign(label=[0, 1] * 6)
    about = about.assign(view=["L"] + ["PA"] * 11)
    found, said = compared(about, table, np.arange(12.0))
    one = next(row for row in found.within if row.value == "L")
    assert asdict(one) == asdict(Within("view", "L", "m", 1, 1, reason="one_class"))
    assert "source.untested" in said and "source.heatmaps_untested" in said


def test_several_labels_an_image():
    about, table = images(view_tells=False)
    held = pd.DataFrame({"label_0": table["label"] == 0, "label_1": table["label"] == 1})
    said = pd.DataFrame({"predicted_0": table["predicted"] == 0, "predicted_1": table["predicted"] == 1})
    several = pd.concat([table[["image_id", "group"]], held, said], axis=1)
    found = compare_sources(
        about, {("m", 0): several}, scored(table, 1.0, label=0), PRIMARY, ["a", "b"], alpha=0.05, key=("t",)
    )
    single = compared(about, table, np.ones(len(table)))[0]
    assert [row.balanced_accuracy for row in found.within] == pytest.approx(
        [row.balanced_accuracy for row in single.within]
    )


def test_a_class_that_a_view_has_not_and_that_is_predicted_counts_as_wrong():
    about, table = images(view_tells=False)
    table = table.assign(predicted=2)
    found = compare_sources(
        about, {("m", 0): table}, scored(table, 1.0), PRIMARY, ["a", "b", "c"], alpha=0.05, key=("t",)
    )
    assert [row.balanced_accuracy for row in found.within] == [0, 0, 0]


def blanked(table: pd.DataFrame, predicted: np.ndarray) -> pd.DataFrame:
    return table.drop(columns="group").assign(predicted=predicted, region="border")


def parts(table: pd.DataFrame, predicted: np.ndarray):
    none = pd.DataFrame(index=table["image_id"])
    given = {("m", 0): blanked(table, predicted)}
    options = {"alpha": 0.05, "key": ("t",)}
    return compare_sources(none, {("m", 0): table}, scored(table, 1.0), PRIMARY, ["a", "b"], given, **options)


def test_a_model_that_needs_the_border():
    _, table = images(view_tells=False)
    (row,) = parts(table, np.zeros(len(table), int)).blanked
    assert row.blanked == 0.5 and row.whole > 0.9 and row.drop == pytest.approx(row.whole - 0.5)
    assert 0 < row.drop_low < row.drop < row.drop_high and row.groups == GROUPS
    (same,) = parts(table, table["predicted"].to_numpy()).blanked
    assert (same.drop, same.drop_low, same.drop_high) == (0, 0, 0)


def test_one_class_has_no_accuracy_to_lose():
    _, table = images(view_tells=False)
    assert parts(table.assign(label=0), np.zeros(len(table), int)).blanked == ()


def test_every_sentence_is_made():
    made = set()
    for tells, few, apart in ((True, False, True), (False, False, False), (True, True, False)):
        about, table = images(tells)
        about, table = (about[:12], table[:12]) if few else (about, table)
        shift = 3.0 * (about["view"] == "AP").to_numpy() if apart else 0
        values = np.random.default_rng(3).normal(size=len(table)) + shift
        made |= {one.kind for one in compared(about, table, values)[0].statements}
    for rows, predicted in ((GROUPS, 0), (GROUPS, None), (5, 0)):
        table = images(False)[1][:rows]
        found = parts(table, table["predicted"] if predicted is None else np.full(rows, predicted))
        made |= {one.kind for one in found.statements}
    assert made == set(SOURCES) and all(sentence(one) for one in found.statements)
    assert Statement.of(asdict(found)["statements"][0]) == found.statements[0]
