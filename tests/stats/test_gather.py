"""All tests of a table of scores beside slow plain ones, from the images on."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from stats.made import METRIC, design, gathered, scores
from statsmodels.stats.multitest import multipletests

from heatproof.stats.tests.architectures import quasi_f, seed_differences, seed_pairs

LEVELS = {"a": 0.35, "b": 0.3, "c": 0.33}


def plain(table, model, method="gradcam"):
    """Group -> mean over seeds of the means over images, by loops."""
    rows = table[(table["model"] == model) & (table["method"] == method)]
    found = {}
    for group in sorted(rows["group"].unique()):
        of = rows[rows["group"] == group]
        found[group] = float(np.mean([of[of["seed"] == seed]["value"].mean() for seed in rows["seed"].unique()]))
    return found


def cells(table, models, method="gradcam"):
    """[groups, models, seeds], by loops."""
    groups, seeds = sorted(table["group"].unique()), sorted(table["seed"].unique())
    values = np.zeros((len(groups), len(models), len(seeds)))
    images = np.zeros_like(values)
    for one in table[(table["method"] == method) & table["model"].isin(models)].itertuples():
        place = groups.index(one.group), models.index(one.model), seeds.index(one.seed)
        values[place] += one.value
        images[place] += 1
    return values / images


def row(table, **named):
    (found,) = (one for one in table.to_dict("records") if named.items() <= one.items())
    return found


@pytest.mark.parametrize("test", ["friedman", "rm_anova"])
@pytest.mark.slow
def test_models_within_a_method(test):
    table = scores(LEVELS, seeds=2, images=2)
    made = gathered(table, design(list(LEVELS), test=test))
    tables = made.tables
    family = made.families["localization"]
    tested = made.compared
    means = {model: np.array(list(plain(table, model).values())) for model in LEVELS}
    friedman = stats.friedmanchisquare(*means.values())
    omnibus = row(tables["omnibus"], test="friedman")
    assert [omnibus["statistic"], omnibus["p"]] == pytest.approx([friedman.statistic, friedman.pvalue])
    assert family.outcomes["gradcam"].omnibus.test == test
    assert set(tables["omnibus"]["test"]) == {"friedman", "rm_anova", "mixed"}  # from two seeds no quasi-F
    one_by_one = [
        (stats.wilcoxon if test == "friedman" else stats.ttest_rel)(means[a], means[b]).pvalue
        for a, b in combinations(LEVELS, 2)
    ]
    pairs = tables["pairs"]
    assert pairs["p"].tolist() == pytest.approx(one_by_one)
    assert pairs["p_corrected"].tolist() == pytest.approx(multipletests(one_by_one, method="holm")[1].tolist())
    differences = [(means[a] - means[b]).mean() for a, b in combinations(LEVELS, 2)]
    assert pairs["difference"].tolist() == pytest.approx(differences)
    assert pairs["p_seeds"].isna().all() and (pairs["groups"] == 12).all()
    assert family.outcomes["gradcam"].population == "checkpoints"
    assert tested["localization", "gradcam"].cells is None


def test_a_gap_costs_only_the_pairs_that_it_is_in():
    """c lacks every third group: a and b are still compared on all."""
    table = scores(LEVELS, lost={"c": range(0, 12, 3)})
    made = gathered(table, design(list(LEVELS)))
    tables = made.tables
    family = made.families["localization"]
    assert tables["pairs"]["groups"].tolist() == [12, 8, 8]
    found = family.outcomes["gradcam"].omnibus
    assert (found.groups, found.dropped) == (8, 4)
    means = {model: pd.Series(plain(table, model)) for model in LEVELS}
    p = [stats.wilcoxon((means[a] - means[b]).dropna()).pvalue for a, b in combinations(LEVELS, 2)]
    assert tables["pairs"]["p"].tolist() == pytest.approx(p)
    assert tables["pairs"]["p_corrected"].tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_from_five_seeds_verdicts_speak_of_architectures():
    table = scores(LEVELS, seeds=5, between=0.01)
    made = gathered(table, design(list(LEVELS)))
    tables = made.tables
    family = made.families["localization"]
    tested = made.compared
    expected, values = quasi_f(cells(table, list(LEVELS))), cells(table, list(LEVELS))
    assert tested["localization", "gradcam"].cells == pytest.approx(values)
    found = family.outcomes["gradcam"].omnibus
    assert found.test == "quasi_f"
    assert [getattr(found, key) for key in expected] == pytest.approx(list(expected.values()))
    over = seed_pairs(values, list(LEVELS), 0.95)
    for column, name in (("seeds_low", "low"), ("seeds_high", "high"), ("p_seeds", "p_corrected")):
        assert tables["pairs"][column].tolist() == pytest.approx(over[name].tolist())
    assert family.outcomes["gradcam"].pairs.column == "p_seeds"
    assert family.outcomes["gradcam"].population == "architectures"
    for model, control in [(m, c) for m in LEVELS for c in ("random", "center")]:
        differences = cells(table, [model]) - cells(table, [model], control)
        one = seed_differences(differences[:, 0], 0.95)
        told = row(tables["controls"], model=model, control=control)
        assert [told[key] for key in ("low", "high", "p")] == pytest.approx([one[key] for key in ("low", "high", "p")])


def test_seeds_that_move_as_much_as_the_models_differ_tell_no_architectures_apart():
    table = scores({"a": 0.35, "b": 0.3}, seeds=5, between=0.05, noise=0.01)
    made = gathered(table, design(["a", "b"]))
    tables = made.tables
    family = made.families["localization"]
    pair = tables["pairs"].iloc[0]
    assert pair["p_corrected"] < 0.001 < 0.05 < pair["p_seeds"]
    assert family.outcomes["gradcam"].pairs.told_apart == ()


def test_seeds_belong_to_their_model():
    """Those of two models need not be called the same; and not as many of each is no verdict on architectures."""
    table = scores(LEVELS, seeds=5, between=0.01, groups=7)
    renamed = table.assign(seed=table["seed"] + 10 * (table["model"] == "b"))
    first, second = (gathered(t, design(list(LEVELS))).tables for t in (table, renamed))
    for name in ("omnibus", "pairs", "controls"):
        pd.testing.assert_frame_equal(first[name], second[name])
    fewer = table[(table["model"] != "b") | (table["seed"] < 4)]
    made = gathered(fewer, design(list(LEVELS)))
    tables = made.tables
    family = made.families["localization"]
    assert family.outcomes["gradcam"].population == "checkpoints"
    assert family.outcomes["gradcam"].omnibus.test == "friedman"
    assert tables["pairs"]["p_seeds"].isna().all()


@pytest.mark.slow
def test_methods_within_models():
    """Holm over all pairs of methods in all models."""
    methods = {"gradcam": 0.0, "lrp": 0.02, "ig": -0.2}
    table = scores({"a": 0.5, "b": 0.6}, methods=methods)
    made = gathered(table, design(["a", "b"], list(methods)))
    tables = made.tables
    family = made.families["localization"]
    found = tables["pairs"].query("factor == 'method'").reset_index(drop=True)
    p, expected = [], []
    for model in "ab":
        means = {method: np.array(list(plain(table, model, method).values())) for method in methods}
        p += [stats.wilcoxon(means[x], means[y]).pvalue for x, y in combinations(methods, 2)]
        expected += [(model, x, y) for x, y in combinations(methods, 2)]
    assert found[["within", "a", "b"]].to_numpy().tolist() == [list(names) for names in expected]
    assert found["p"].tolist() == pytest.approx(p)
    assert found["p_corrected"].tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())
    told = found[found["p_corrected"] <= 0.05]
    apart = family.methods_apart
    assert len(apart) == len(told) >= 4 and all(entry.difference > 0 for entry in apart)
    assert ("lrp", "ig", "a") in {(entry.over, entry.under, entry.model) for entry in apart}
    low = gathered(table, design(["a", "b"], list(methods), lower=True)).families["localization"].methods_apart
    assert ("ig", "lrp", "a") in {(entry.over, entry.under, entry.model) for entry in low}
    omnibus = tables["omnibus"].query("factor == 'method' and test == 'friedman'")
    assert omnibus["within"].tolist() == ["a", "b"] and (omnibus["levels"] == 3).all()


@pytest.mark.parametrize(
    ("truth", "groups", "separate"),
    [(0.9, 12, {"a": True, "b": True}), (0.1, 12, {"a": False, "b": False}), (0.9, 5, {}), (None, 12, {})],
)
def test_whether_the_metric_tells_truth_from_noise(truth, groups, separate):
    """Groups too few to tell anything are no reason to call a metric blind."""
    table = scores({"a": 0.5, "b": 0.4}, groups=groups, controls={"truth": truth} if truth else None)
    made = gathered(table, design(["a", "b"]))
    family = made.families["localization"]
    assert family.separates == separate


def test_metrics_that_are_not_primary_are_tested_without_verdict():
    table = scores(LEVELS)
    both = pd.concat([table, table.assign(metric="srg")])
    made = gathered(both, design(list(LEVELS)))
    tables = made.tables
    tested = made.compared
    assert tables["pairs"]["metric"].tolist() == [METRIC] * 3 + ["srg"] * 3
    assert set(tables["controls"]["metric"]) == set(tables["variance"]["metric"]) == {METRIC}
    assert list(tested) == [("localization", "gradcam")]
    assert list(made.families) == ["localization"]


def test_the_variance_has_shares_that_sum_to_one():
    tables = gathered(scores(LEVELS, seeds=3, between=0.02), design(list(LEVELS))).tables
    assert tables["variance"]["component"].tolist() == ["group", "group x model", "seed", "residual"]
    assert tables["variance"]["share"].sum() == pytest.approx(1)
    assert gathered(scores({"a": 0.5}), design(["a"])).tables["variance"]["reason"].tolist() == [
        "fewer than two models"
    ]
