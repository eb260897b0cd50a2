"""Rank correlation between metrics, against scipy on one block at a time."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from heatproof.stats.tables.groups import compact
from heatproof.stats.tests.sensitivity import agreement, by_family

METRICS = {"srg": 1, "deletion_auc": -1, "insertion_auc": 1}


def scores(models=("a", "b"), seeds=(0, 1), methods=("cam", "random"), images=12, family="faithfulness"):
    rng, parts = np.random.default_rng(3), []
    for model in models:
        for seed in seeds:
            for method in methods:
                shared = rng.normal(size=images)
                for metric in METRICS:
                    value = np.round(shared + rng.normal(size=images), 1)  # some ties
                    frame = pd.DataFrame({"image_id": [f"i{i}" for i in range(images)], "value": value})
                    parts.append(frame.assign(model=model, seed=seed, method=method, metric=metric))
    table = pd.concat(parts, ignore_index=True).assign(family=family, group="g", reason="")
    table.loc[::7, "value"] = np.nan
    return table.astype({"seed": "Int64"})


def twin(table, one, two, methods):
    """Mean over blocks of scipy's correlation, of images with both values."""
    found = []
    for _, block in table[table["method"].isin(methods)].groupby(["model", "seed", "method"]):
        wide = block.pivot(index="image_id", columns="metric", values="value")[[one, two]].dropna()
        found.append(stats.spearmanr(wide[one] * METRICS[one], wide[two] * METRICS[two]).statistic)
    return np.mean(found)


@pytest.mark.parametrize("make", [lambda table: table, compact])
def test_agrees_with_scipy_and_counts_better_first(make):
    table = scores()
    found = agreement(make(table), ["a", "b"], ["cam"])
    assert found.metrics == tuple(METRICS) and found.blocks == 4
    for i, one in enumerate(METRICS):
        assert found.correlation[i][i] == pytest.approx(1)
        for j, two in enumerate(METRICS):
            if i != j:
                assert found.correlation[i][j] == pytest.approx(twin(table, one, two, ["cam"]), abs=1e-6)
    assert found.correlation[0][1] < 0  # good by the one is bad by the other, as lower is better


def test_controls_and_models_left_out_have_no_say():
    table = scores()
    spoiled = table.assign(value=table["value"].where((table["method"] == "cam") & (table["model"] == "a"), 5.0))
    assert agreement(spoiled, ["a"], ["cam"]) == agreement(table, ["a"], ["cam"])


def test_few_images_and_equal_values_have_no_correlation():
    few = scores(models=("a",), seeds=(0,), methods=("cam",), images=4)
    assert agreement(few, ["a"], ["cam"]).correlation[0][1] is None
    table = scores(models=("a",), seeds=(0,), methods=("cam",))
    table.loc[table["metric"] == "srg", "value"] = 1.0
    assert agreement(table, ["a"], ["cam"]).correlation[0][1:] == (None, None)


def test_a_block_without_a_correlation_is_left_out_of_the_mean():
    table = scores(seeds=(0,))
    flat = table["value"].mask((table["model"] == "b") & (table["metric"] == "srg"), 1.0)
    found = agreement(table.assign(value=flat), ["a", "b"], ["cam"])
    assert found.correlation[0][2] == pytest.approx(twin(table[table["model"] == "a"], "srg", "insertion_auc", ["cam"]))


def test_families_and_primary_metrics():
    names = {"srg": "iou", "deletion_auc": "pointing_game", "insertion_auc": "x"}
    local = scores(family="localization").replace({"metric": names})
    both = pd.concat([scores(), local, scores().assign(metric="srg_blur")], ignore_index=True)
    found = by_family(both, ["a", "b"], ["cam"], {"faithfulness": "srg", "localization": "iou"})
    assert list(found) == ["localization", "faithfulness", "primary"]
    assert found["faithfulness"].metrics == tuple(METRICS)  # no variant
    assert found["localization"].metrics == ("iou", "pointing_game")
    assert sorted(found["primary"].metrics) == ["iou", "srg"]


def test_one_metric_or_scores_across_seeds_agree_with_nothing():
    table = scores()
    assert by_family(table[table["metric"] == "srg"], ["a"], ["cam"], {"faithfulness": "srg"}) == {}
    assert by_family(table.assign(seed=pd.NA), ["a"], ["cam"], {}) == {}
