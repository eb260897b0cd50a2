"""Claims that other methods do better, and claims on one metric alone."""

import pytest
from scipy import stats
from stats.made import claimed, scores
from stats.made import design as made
from statsmodels.stats.multitest import multipletests

from heatproof.text.words import cause

OUTDO = {"check": "outdo", "models": [], "than": [], "methods": ["rollout", "lrp"]}
ALIKE = {"gradcam": 0.0, "rollout": 0.0, "lrp": 0.0}


def judged(methods, claim=None, **given):
    """The row of one claim on one model, or None, and the comparisons by (family, method)."""
    ours = {key: given.pop(key) for key in ("test", "lower", "margin") if key in given}
    table = scores({"vit": 0.4}, methods=methods, **given)
    row, found = claimed(OUTDO | (claim or {}), table, made(["vit"], list(methods), **ours))
    return row, found.compared


@pytest.mark.parametrize(
    ("more", "given", "verdict"),
    [
        ({"rollout": -0.1, "lrp": 0.1}, {}, "supported"),  # one is enough
        ({"rollout": -0.1, "lrp": -0.1}, {}, "contradicted"),  # each is worse
        ({"rollout": -0.1, "lrp": 0.0}, {"margin": {"default": 0.05}}, "contradicted"),  # worse, or the same
        ({"rollout": 0.0, "lrp": 0.0}, {"margin": {"default": 0.001}}, "undecided"),
        ({"rollout": -0.1, "lrp": 0.0}, {"margin": {"default": 0.001}}, "undecided"),
        ({"rollout": -0.1, "lrp": 0.1}, {"test": "rm_anova"}, "supported"),
        ({"rollout": -0.1, "lrp": -0.1}, {"lower": True}, "supported"),
        ({"rollout": 0.1, "lrp": 0.1}, {"lower": True}, "contradicted"),
    ],
)
@pytest.mark.slow
def test_one_method_at_least_does_better(more, given, verdict):
    row, _ = judged(ALIKE | more, groups=24, **given)
    assert row["verdict"] == verdict
    assert (row["effect"] > 0.05) == (verdict == "supported")
    assert ("margin of 0.05" in row["evidence"]) == ("margin" in given and verdict == "contradicted")


def test_its_numbers_are_of_the_best_method_with_holm_over_all():
    row, tested = judged({"gradcam": 0.0, "rollout": 0.02, "lrp": 0.04}, groups=20)
    base = tested["localization", "gradcam"].wide["vit"]
    leads = {name: tested["localization", name].wide["vit"] - base for name in ("rollout", "lrp")}
    p = multipletests([stats.wilcoxon(lead).pvalue for lead in leads.values()], method="holm")[1]
    assert row["effect"] == pytest.approx(leads["lrp"].mean()) and row["p"] == pytest.approx(p[1])
    ends = stats.ttest_1samp(leads["lrp"], 0).confidence_interval(0.95)
    assert [row["low"], row["high"]] == pytest.approx([ends.low, ends.high])
    assert (row["groups"], row["metric"], row["method"]) == (20, "iou", "gradcam")
    assert row["evidence"].startswith("IoU compared with Grad-CAM, Holm-corrected: vit: rollout 0.0")
    assert "patients); lrp 0.0" in row["evidence"] and "20 patients)" in row["evidence"]
    assert row["change"].endswith("with fewer than 5 seeds, this holds for these checkpoints only")


def test_most_models_decide():
    """lrp is better for two of three models; the one in the middle decides."""
    levels = {"a": 0.4, "b": 0.4, "c": 0.4}
    table = scores(levels, methods={"gradcam": 0.0, "lrp": 0.1}, groups=20)
    worse = (table["model"] == "c") & (table["method"] == "lrp")
    table["value"] = table["value"].mask(worse, table["value"] - 0.3)
    row, found = claimed(OUTDO | {"methods": ["lrp"]}, table, made(list(levels), ["gradcam", "lrp"]))
    leads = found.compared["localization", "lrp"].wide - found.compared["localization", "gradcam"].wide
    assert row["verdict"] == "supported" and row["effect"] == pytest.approx(sorted(leads.mean())[1])
    assert row["p"] < 0.05 and "c: lrp 0.19 below (p < 0.001, 20 patients)" in row["evidence"]


def test_from_five_seeds_the_variance_between_them_counts():
    given = {"groups": 12, "noise": 0.01}
    held, _ = judged({"gradcam": 0.0, "lrp": 0.05}, claim={"methods": ["lrp"]}, seeds=4, **given)
    over, tested = judged({"gradcam": 0.0, "lrp": 0.05}, claim={"methods": ["lrp"]}, seeds=5, **given)
    assert "these checkpoints" in held["change"] and "checkpoints" not in over["change"]
    cells = [tested["localization", name].cells[:, 0] for name in ("lrp", "gradcam")]
    assert over["effect"] == pytest.approx((cells[0] - cells[1]).mean()) and over["verdict"] == "supported"


def test_methods_that_are_not_there_are_named_and_a_claim_on_none_is_not_listed():
    row, _ = judged({"gradcam": 0.0, "lrp": -0.1}, groups=20)
    assert row["verdict"] == "undecided"  # what the study lacks may be the one that does better
    assert row["evidence"].endswith("; rollout not in this study")
    assert judged({"gradcam": 0.0, "other": 0.1})[0] is None
    row, _ = judged({"lrp": 0.1})
    assert row["verdict"] == "undecided" and row["evidence"] == "the study has no localization scores of Grad-CAM"


def test_what_refuses_a_model_is_said_and_holds_nothing_up():
    refused = {"rollout": {"vit": "no_attention"}}
    of = made(["vit"], ["gradcam", "lrp", "rollout"])
    table = scores({"vit": 0.4}, methods={"gradcam": 0.0, "lrp": -0.1}, groups=20)
    told = f"rollout does not support vit ({cause('no_attention')})"
    row, _ = claimed(OUTDO, table, of, refused=refused)
    assert row["verdict"] == "contradicted" and f"; {told}" in row["evidence"]
    row, _ = claimed(OUTDO | {"methods": ["rollout"]}, table, of, refused=refused)
    assert (row["verdict"], row["effect"], row["evidence"]) == ("undecided", None, told)


def test_a_method_that_asks_for_no_class_is_named_so():
    row, _ = judged({"gradcam": 0.0, "attention_rollout": 0.1}, claim={"methods": ["attention_rollout"]}, groups=20)
    assert "vit: Attention rollout (not class-specific) 0.1" in row["evidence"]


def test_missing_scores_are_counted_as_the_worst_beside_it():
    """lrp is better, but for one of the patients far worse, and on half of them it fails."""
    row, _ = judged({"gradcam": 0.0, "lrp": 0.1}, {"methods": ["lrp"]}, groups=20)
    assert "as the worst" not in row["evidence"]
    table = scores({"vit": 0.4}, methods={"gradcam": 0.0, "lrp": 0.1}, groups=40)
    table["value"] = table["value"].mask((table["method"] == "lrp") & (table["group"] == "p39"), -1.0)
    gone = (table["method"] == "lrp") & table["group"].isin([f"p{i:02d}" for i in range(20)])
    table["reason"] = table["reason"].mask(gone, "all_zero")
    table["value"] = table["value"].mask(gone)
    row, _ = claimed(OUTDO | {"methods": ["lrp"]}, table, made(["vit"], ["gradcam", "lrp"]))
    assert row["verdict"] == "supported" and row["groups"] == 20
    assert row["evidence"].endswith("; contradicted when missing scores count as the worst")


@pytest.mark.parametrize(
    ("metric", "decided"), [("iou", True), (None, True), ("relevance_rank_accuracy", False), ("outside_lungs", False)]
)
@pytest.mark.slow
def test_a_claim_on_one_metric_needs_a_study_judged_by_it(metric, decided):
    row, _ = judged(ALIKE | {"lrp": 0.1}, claim={"metric": metric}, groups=20)
    assert (row["verdict"] == "supported") == decided and row["metric"] == (metric or "iou")
    if decided:
        return
    assert row["verdict"] == "undecided" and row["effect"] is None
    assert row["evidence"].endswith("but this study tests localization by IoU")
    assert ("true regions" in row["change"]) == (metric == "relevance_rank_accuracy")
