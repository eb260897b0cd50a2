"""What others say of heatmaps, on studies in which it holds, in which the opposite does, and in which nobody knows."""

import numpy as np
import pytest
from scipy import stats
from stats.made import SETTINGS, claimed, scores, stated
from stats.made import design as made

from heatproof.stats.claims.claims import check
from heatproof.stats.tests.architectures import seed_contrast
from heatproof.stats.verdicts.gather import Gathered

CNNS = ["r1", "r2", "d1"]
BEAT = {"check": "beat_controls", "models": CNNS, "than": []}
LOWER = {"check": "lower", "models": ["vit"], "than": CNNS}
DIFFER = {"check": "differ", "models": [], "than": []}
LEVELS = {"r1": 0.5, "r2": 0.52, "d1": 0.48, "vit": 0.3}


def judged(claim, levels=LEVELS, competent=None, said=None, **given):
    """The row of one claim on a made study; `said` overrides which models the metric is not blind for."""
    ours = {key: given.pop(key) for key in ("test", "lower", "margin", "alpha", "power") if key in given}
    row, found = claimed(claim, scores(levels, **given), made(competent or list(levels), **ours), separates=said)
    return row, found.compared.get(("localization", "gradcam"))


BAD, SOME = dict.fromkeys(CNNS, 0.1), {"r1": 0.5, "r2": 0.15, "d1": 0.2}


@pytest.mark.parametrize(
    ("levels", "verdict", "evidence", "change"),
    [
        (LEVELS, "supported", "3 of 3 models beat every control; the deciding model is ", "on 2 models"),
        (LEVELS | {"d1": 0.1}, "supported", "2 of 3 models beat every control, 1 do", "on 1 model"),
        (LEVELS | BAD, "contradicted", "0 of 3 models beat every control, 3 do worse than one", "on 2 models"),
        (LEVELS | {"r2": 0.2, "d1": 0.2}, "undecided", "1 of 3 models beat every control", "on 1 model"),
    ],
)
@pytest.mark.slow
def test_most_models_beat_the_controls(levels, verdict, evidence, change):
    """Controls stand at .1 and .2."""
    row, one = judged(BEAT, levels, groups=20, controls={"random": 0.1, "center": 0.21})
    assert row["verdict"] == verdict and row["evidence"].startswith(evidence)
    assert row["change"].startswith(f"another verdict {change}; with fewer than 5 seeds")
    decides = one.controls.assign(lead=one.controls["difference"])
    leads = decides[decides["model"].isin(CNNS)].groupby("model")["lead"].min().sort_values(ascending=False)
    assert row["effect"] == pytest.approx(leads.iloc[1]) and row["low"] < row["effect"] < row["high"]
    assert (row["metric"], row["groups"], row["seeds"]) == ("iou", 20, 1)


def test_leads_are_turned_where_lower_is_better():
    row, _ = judged(BEAT, dict.fromkeys(CNNS, 0.0), lower=True, groups=20, controls={"random": 0.3, "center": 0.4})
    assert row["verdict"] == "supported" and 0 < row["low"] < row["effect"] < row["high"]
    assert row["effect"] == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("test", ["friedman", "rm_anova"])
def test_one_planned_contrast(test):
    row, one = judged(LOWER, test=test)
    values = one.wide[CNNS].mean(axis=1) - one.wide["vit"]
    assert row["effect"] == pytest.approx(values.mean())
    expected = stats.wilcoxon(values) if test == "friedman" else stats.ttest_1samp(values, 0)
    assert row["p"] == pytest.approx(expected.pvalue)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert [row["low"], row["high"]] == pytest.approx([interval.low, interval.high])
    assert row["verdict"] == "supported"
    size = f"{values.mean():.2f}"
    assert row["evidence"].startswith(f"IoU of vit is {size} lower than that of r1, r2 and d1 (p < 0.001, 12 patients)")


@pytest.mark.parametrize(
    ("vit", "given", "verdict", "evidence"),
    [
        (0.7, {}, "contradicted", "higher than that of r1, r2 and d1 (p < 0.001"),
        (0.5, {"margin": {"default": 0.05}}, "contradicted", "smaller than the margin of 0.05"),
        (0.5, {"margin": {"iou": 0.001, "default": 9.0}}, "undecided", "IoU of vit is"),
        (0.3, {"lower": True}, "contradicted", "lower than that of r1, r2 and d1 (p < 0.001"),
        (0.7, {"lower": True}, "supported", "higher than that of r1, r2 and d1 (p < 0.001"),
    ],
)
@pytest.mark.slow
def test_lower_means_worse(vit, given, verdict, evidence):
    row, _ = judged(LOWER, LEVELS | {"vit": vit}, groups=20, **given)
    assert row["verdict"] == verdict and evidence in row["evidence"]
    assert np.sign(row["effect"]) == (1 if verdict == "supported" else -1) or abs(row["effect"]) < 0.05


def test_ranks_that_point_the_other_way_than_the_mean_find_nothing():
    """vit is a little better for most patients and far worse for one."""
    levels = {"r1": 0.5, "vit": 0.53}
    table = scores(levels, groups=20, noise=0.002)
    far = (table["model"] == "vit") & (table["group"] == "p00") & (table["method"] == "gradcam")
    table["value"] = table["value"].mask(far, -2.0)
    row, _ = claimed(LOWER, table, made(list(levels)))
    assert row["effect"] > 0 and row["p"] == 1 and row["verdict"] == "undecided"


@pytest.mark.parametrize(
    ("levels", "margin", "verdict"),
    [
        (LEVELS, 0.05, "supported"),
        (dict.fromkeys(LEVELS, 0.5), 0.05, "contradicted"),
        (dict.fromkeys(LEVELS, 0.5), 0.001, "undecided"),
    ],
)
def test_models_differ(levels, margin, verdict):
    row, one = judged(DIFFER, levels, groups=25, margin={"default": margin})
    assert row["verdict"] == verdict
    assert row["p"] == pytest.approx(stats.friedmanchisquare(*one.wide.to_numpy().T).pvalue)
    assert row["evidence"].startswith("Friedman's test across 4 models and 25 patients: p ")
    assert ("every difference is smaller than the margin of 0.05" in row["evidence"]) == (verdict == "contradicted")
    assert ("the power to detect a difference of" in row["change"]) == (verdict == "undecided")
    assert "with fewer than 5 seeds, this holds for these checkpoints only" in row["change"]
    assert abs(row["effect"]) == pytest.approx(one.pairs["difference"].abs().max())


def test_named_models_alone_are_asked_whether_they_differ():
    """vit stands apart, the others do not."""
    row, one = judged(DIFFER | {"models": CNNS}, LEVELS | dict.fromkeys(CNNS, 0.5), groups=25)
    assert row["p"] == pytest.approx(stats.friedmanchisquare(*one.wide[CNNS].to_numpy().T).pvalue) and row["p"] > 0.05
    assert row["evidence"].startswith("Friedman's test across 3 models") and "vit" not in row["evidence"]
    pair, one = judged(DIFFER | {"models": ["r1", "vit"]}, groups=25)
    assert pair["evidence"].startswith("paired test: p < 0.001; the largest difference is ")
    assert pair["evidence"].endswith("(r1 and vit, 25 patients)")
    single, _ = judged(DIFFER, {"r1": 0.5})
    assert single["verdict"] == "undecided" and single["evidence"] == "only r1 can be evaluated"


@pytest.mark.slow
def test_from_five_seeds_claims_are_of_architectures():
    levels = {"r1": 0.5, "r2": 0.5, "vit": 0.45}
    row, one = judged(LOWER, levels, seeds=5, between=0.05, noise=0.01)
    expected = seed_contrast(one.cells, np.array([0.5, 0.5, -1]), 0.95)
    assert [row[key] for key in ("effect", "low", "high", "p")] == pytest.approx(
        [expected[key] for key in ("difference", "low", "high", "p")]
    )
    held, _ = judged(LOWER, levels, seeds=4, between=0.05, noise=0.01)
    assert "these checkpoints" in held["change"] and "checkpoints" not in row["change"]
    differ, one = judged(DIFFER, levels, seeds=5, between=0.05, noise=0.01)
    assert differ["evidence"].startswith("Quasi-F across 3 models")
    top = one.pairs.loc[one.pairs["difference"].abs().idxmax()]
    assert [differ["low"], differ["high"]] == pytest.approx([top["seeds_low"], top["seeds_high"]])
    assert "would be found" not in differ["change"]


@pytest.mark.slow
def test_sameness_of_checkpoints_is_none_of_architectures():
    """The same means over seeds, whose spread leaves the mean of an architecture open."""
    levels, given = dict.fromkeys(("r1", "r2", "vit"), 0.5), {"noise": 0.01, "margin": {"default": 0.05}}
    assert judged(LOWER, levels, seeds=5, between=0.001, **given)[0]["verdict"] == "contradicted"
    row, one = judged(LOWER, levels, seeds=5, between=0.08, **given)
    assert row["verdict"] == "undecided" and row["p"] > 0.05
    assert one.pairs["p_equivalent"].min() < 0.05  # these checkpoints are alike, some of them
    assert judged(DIFFER, levels, seeds=5, between=0.001, **given)[0]["verdict"] == "undecided"


@pytest.mark.parametrize("claim", [BEAT, LOWER, DIFFER])
def test_a_blind_metric_decides_nothing(claim):
    seen = {"localization": dict.fromkeys(LEVELS, True) | {"r2": False}}
    row, _ = judged(claim, said=seen)
    assert row["verdict"] == "undecided" and row["effect"] is None
    assert row["evidence"] == "IoU does not separate the true region from a random map on the images of r2"


def test_models_that_are_not_competent_are_left_out_and_named():
    row, _ = judged(BEAT, competent=["r1", "d1", "vit"])
    assert row["verdict"] == "supported" and row["evidence"].startswith("2 of 2 models")
    assert row["evidence"].endswith("; without r2, which cannot be evaluated")
    row, _ = judged(LOWER, competent=CNNS)
    assert row["verdict"] == "undecided"
    assert row["evidence"] == "not all training runs of vit perform above chance"
    row, _ = judged(LOWER, competent=["vit"])
    assert row["evidence"] == "not all training runs of r1, r2 and d1 perform above chance"


def test_models_that_the_study_lacks():
    """One of three is not most of them, unless that is said; and a claim on none of the models is no row."""
    row, _ = judged(BEAT, {"r1": 0.5})
    assert row["evidence"].startswith("1 of 1 model") and "r2 and d1 not in this study" in row["evidence"]
    assert judged(BEAT, {"other": 0.5})[0] is None
    row, _ = judged(LOWER, {"vit": 0.5, "other": 0.4})
    assert row["verdict"] == "undecided" and row["evidence"].startswith("the study lacks r1, r2 and d1")


def test_without_scores_of_the_method_nothing_is_decided():
    row, _ = judged(BEAT | {"method": "lrp"})
    assert row["verdict"] == "undecided" and row["evidence"] == "the study has no localization scores of lrp"
    assert (row["name"], row["source"], row["claim"], row["method"]) == ("c", "paper", "so", "lrp")


def test_a_claim_may_be_taken_back():
    none = Gathered({}, {}, {}, {})
    assert check({"c": None}, none, stated(none, made(["a"]), ["a"]), made(["a"])) == []
    assert SETTINGS["alpha"] == 0.05
