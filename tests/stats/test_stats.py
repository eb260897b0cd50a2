"""The stage end to end on synthetic artifacts, from files to sentences."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from heatproof.catalogue.reasons import REASONS
from heatproof.stats.command import run
from heatproof.store import artifacts
from heatproof.store import tables as stats_tables

LEVELS = {"weak": 0.3, "middle": 0.5, "strong": 0.7}


def result(args):
    run(args)
    folder = artifacts.stats_dir(args.study)
    tables = {
        name: artifacts.read_table(folder / f"{name}.csv", schema) for name, schema in stats_tables.TABLES.items()
    }
    return artifacts.read_json(folder / "summary.json"), tables


def said(summary, family=None):
    return " ".join(s["text"] for s in summary["sentences"] if family in (None, s["family"]))


def of_families(summary):
    """The headline without what localization and faithfulness say together."""
    return [row["text"] for row in summary["answer"] if row["evidence"] != "combined"]


@pytest.mark.slow
def test_strong_differences_are_found_and_told(write_study, capsys):
    summary, tables = result(write_study(LEVELS))
    assert list(tables["pairs"]) == list(stats_tables.PAIRS)
    strong_weak = tables["pairs"].query("metric == 'relevance_rank_accuracy' and a == 'weak' and b == 'strong'")
    assert strong_weak["difference"].item() == pytest.approx(-0.4, abs=0.05)
    assert strong_weak["effect"].item() == -1
    assert summary["pairs"]["localization"]["gradcam"]["different"] == 3
    assert summary["omnibus"]["localization"]["gradcam"]["groups"] == 8  # normal patients have no truth
    assert summary["omnibus"]["localization"]["gradcam"]["dropped"] == 0
    assert summary["omnibus"]["faithfulness"]["gradcam"]["groups"] == 12
    assert "weak, middle and strong find the marked region better than every control" in of_families(summary)[0]
    assert "3 of 3 pairs can be told apart; the largest difference is strong over weak by" in of_families(summary)[1]
    assert len(of_families(summary)) == 2
    assert summary["headline"][0].endswith("of weak show what the model uses, and that is the marked lesion.")
    assert "fewer than 5 seeds speak of these checkpoints" in summary["seeds"]["sentence"]
    assert summary["classes"] == 3 and summary["images_test"] == 24 and summary["groups_test"] == 12
    assert capsys.readouterr().out.splitlines() == [summary["in_short"], *summary["headline"]]


@pytest.mark.slow
def test_metrics_table_holds_every_method_with_its_controls(write_study):
    summary, tables = result(write_study(LEVELS, accuracy={"weak": 0.3}))
    metrics = tables["metrics"].set_index(["family", "method", "model"])
    assert len(metrics) == 3 * (6 + 5 + 5)
    for control in ("random", "center"):
        row = metrics.loc[("localization", "gradcam", "weak")]
        assert row[control] == metrics.loc[("localization", control, "weak"), "mean"]
    assert metrics.loc[("localization", "ceiling", "weak"), "mean"] == pytest.approx(0.9, abs=0.05)
    assert metrics.loc[("localization", "gradcam", "weak"), "missing"] == 2 * 8  # seeds x images without truth
    assert summary["primary"]["localization"]["methods"]["gradcam"]["weak"] == pytest.approx(
        metrics.loc[("localization", "gradcam", "weak"), "mean"]
    )


@pytest.mark.slow
def test_an_incompetent_model_is_shown_and_left_out_of_verdicts(write_study):
    summary, tables = result(write_study(LEVELS, accuracy={"strong": 0.3}))
    assert summary["models"]["strong"]["competent"] is False and summary["left_out"] == ["strong"]
    assert not tables["models"].query("model == 'strong'")["competent"].any()
    assert "strong" in set(tables["metrics"]["model"])
    assert "strong" not in set(tables["pairs"]["a"]) | set(tables["pairs"]["b"])
    assert "strong" not in summary["controls"]["localization"]["gradcam"]["random"]
    assert "strong is left out of every verdict" in summary["headline"][-1]
    assert "The two models differ: middle over weak by" in of_families(summary)[1]


@pytest.mark.slow
def test_one_bad_seed_makes_a_model_incompetent(write_study):
    args = write_study(LEVELS)
    path = artifacts.Checkpoint("toy", "weak", 1, "fold0").predictions
    table = artifacts.read_table(path, artifacts.PREDICTIONS)
    artifacts.write_table(path, table.assign(predicted=0), artifacts.PREDICTIONS)
    summary, tables = result(args)
    assert tables["models"].query("model == 'weak'")["competent"].tolist() == [True, False]
    assert summary["left_out"] == ["weak"]


@pytest.mark.slow
def test_every_checkpoint_stands_in_the_summary_with_both_intervals(write_study):
    args = write_study(LEVELS, accuracy={"weak": 0.8})
    summary, tables = result(args)
    assert list(tables["models"]) == list(stats_tables.MODELS)
    rows = pd.DataFrame(summary["checkpoints"]).astype({"auroc": float, "calibration_error": float})
    pd.testing.assert_frame_equal(rows[list(stats_tables.MODELS)], tables["models"], check_dtype=False)
    weak = rows[rows["model"] == "weak"]
    assert (weak["f1_low"] < weak["f1_macro"]).all() and (weak["f1_macro"] < weak["f1_high"]).all()


@pytest.mark.slow
def test_nobody_is_competent(write_study):
    summary, tables = result(write_study(LEVELS, accuracy=dict.fromkeys(LEVELS, 0.3)))
    assert tables["pairs"].empty and tables["omnibus"].empty and len(tables["metrics"])
    assert "No heatmap of this study can be judged" in summary["headline"][0]


@pytest.mark.slow
def test_two_models_stand_alone(write_study):
    summary, tables = result(write_study({"a": 0.3, "b": 0.6}))
    assert set(tables["omnibus"]["test"]) == {"mixed"} and len(tables["pairs"]) == 3
    assert summary["omnibus"]["localization"]["gradcam"]["p"] is None
    assert "The two models differ: b over a by" in said(summary, "localization")


def test_one_model_is_held_against_controls_only(write_study):
    summary, tables = result(write_study({"only": 0.5}))
    assert tables["pairs"].empty and tables["omnibus"].empty
    assert "the heatmaps of only find the marked region better" in of_families(summary)[0]
    assert "nothing to compare" in of_families(summary)[1]


@pytest.mark.slow
def test_one_seed_leaves_consistency_unjudged(write_study):
    summary, tables = result(write_study(LEVELS, seeds=(3,)))
    assert said(summary, "consistency") == "Consistency cannot be judged: that takes at least two training seeds."
    assert summary["primary"]["consistency"]["methods"]["gradcam"]["weak"] is None
    assert "trained from 1 seed:" in summary["seeds"]["sentence"]
    assert "iou_seeds" not in set(tables["pairs"]["metric"])


@pytest.mark.slow
def test_without_truth_localization_cannot_be_judged(write_study):
    summary, tables = result(write_study(LEVELS, truth=False))
    assert summary["headline"][0] == "Localization cannot be judged: no image of this study has a marked region."
    assert "single out what the model uses better than every control" in summary["headline"][1]
    rows = tables["metrics"].query("family == 'localization'")
    assert rows["mean"].isna().all() and (rows["groups"] == 0).all()
    assert "relevance_rank_accuracy" not in set(tables["pairs"]["metric"])


@pytest.mark.slow
def test_equal_scores_differ_nowhere(write_study):
    summary, tables = result(
        write_study(dict.fromkeys(LEVELS, 0.5), noise=0.0, families=("localization",), patients=15)
    )
    assert (tables["pairs"]["p_corrected"] == 1).all() and (tables["omnibus"]["p"] == 1).all()
    assert "No difference between models could be shown" in summary["headline"][1]
    assert "does not mean that they are the same" in said(summary, "localization")


@pytest.mark.slow
def test_noise_does_not_beat_the_controls(write_study):
    summary, _ = result(write_study({"a": 0.1, "b": 0.1}, patients=18, families=("localization",)))
    assert "do worse than a blob in the centre" in summary["headline"][0]
    assert "find the marked region better" not in summary["headline"][0]


@pytest.mark.slow
def test_too_few_groups_are_said_to_be_too_few(write_study):
    levels = {f"m{i}": 0.3 + 0.1 * i for i in range(5)}
    summary, tables = result(write_study(levels, patients=9, noise=0.01))  # six of them have truth
    assert tables["pairs"].query("metric == 'relevance_rank_accuracy'")["p_corrected"].min() == 10 * 2 / 2**6
    assert "6 patients are too few for Holm over 10 pairs to find anything" in said(summary, "localization")
    assert "As a set the models differ, but no single pair" in of_families(summary)[1]
    assert "too few patients for these tests" in said(summary, "localization")
    assert "too few for Holm" not in said(summary, "faithfulness")  # nine patients are enough


@pytest.mark.slow
def test_degenerate_maps_are_counted_and_their_groups_dropped(write_study):
    lost = {("weak", 0): {2, 3, 4}}  # patient 1 whole, half of patient 2
    summary, tables = result(write_study(LEVELS, degenerate=lost))
    missing = tables["missing"].query("metric == 'srg' and model == 'weak'")
    assert missing[["method", "reason", "scores"]].values.tolist() == [["gradcam", "all_zero", 3]]
    assert (
        summary["omnibus"]["faithfulness"]["gradcam"] | {"groups": 11, "dropped": 1}
        == (summary["omnibus"]["faithfulness"]["gradcam"])
    )
    assert "1 of 12 patients was left out of the test over all models" in said(summary, "faithfulness")
    assert "6% of the heatmaps of weak have no symmetric relevance gain" in said(summary, "faithfulness")


@pytest.mark.slow
def test_a_model_without_any_map_takes_nobody_with_it(write_study):
    summary, _tables = result(write_study(LEVELS, degenerate={("weak", 0): set(range(24))}))
    assert summary["omnibus"]["faithfulness"]["gradcam"]["levels"] == 2
    assert summary["pairs"]["faithfulness"]["gradcam"]["tested"] == 1
    assert "no comparison includes it" in said(summary, "faithfulness")


@pytest.mark.parametrize("kind", ["lookalike", "image"])
@pytest.mark.slow
def test_groups_that_are_not_patients_are_named(write_study, kind):
    args = write_study({"a": 0.5, "b": 0.5})
    args.config["group_kind"] = kind
    summary, _ = result(args)
    assert "p values may be too small" in said(summary, "general")
    assert ("Look-alike clusters are not patients" in said(summary, "general")) == (kind == "lookalike")
    assert "p values may be too small" not in said(result(write_study({"a": 0.5}))[0])


def plain_tables(tables):
    return {name: table.to_csv() for name, table in tables.items()}


@pytest.mark.slow
def test_folds_are_judged_as_one_test_split(write_study):
    """The same predictions and scores in one file or dealt over three folds."""
    options = {"accuracy": {"weak": 0.8, "middle": 0.9}, "degenerate": {("weak", 0): {3}}}
    whole, in_one = result(write_study(LEVELS, **options))
    pooled, in_three = result(write_study(LEVELS, **options, folds=3))
    assert pooled["images_test"] == 24 and pooled["groups_test"] == 12 and pooled["folds"] == 3 and whole["folds"] == 1
    assert "(12 patients tested once each, over 3 folds)" in said(pooled, "general")
    assert "(12 patients in the test split)" in said(whole, "general")
    for name, table in in_one.items():
        numeric = table.select_dtypes("number").columns
        keys = table.columns.drop(numeric)
        pd.testing.assert_frame_equal(in_three[name][keys], table[keys])
        np.testing.assert_allclose(in_three[name][numeric].astype(float), table[numeric].astype(float), atol=1e-9)


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.slow
def test_random_split_beside_the_grouped_one(write_study, folds):
    wrong = {"weak": 0.5, "middle": 0.5, "strong": 0.5}
    args = write_study(LEVELS, patients=30, accuracy=wrong, random=dict.fromkeys(LEVELS, 1.0), folds=folds)
    args.config["group_kind"] = "lookalike"
    summary, tables = result(args)
    comparison, found = tables["comparison"], summary["comparison"]
    assert comparison[["model", "seed", "split"]].values.tolist() == [
        [model, seed, split] for model in LEVELS for seed in (0, 1) for split in ("random", "lookalike")
    ]
    random, grouped = (comparison[(comparison["split"] == "random") == chosen] for chosen in (True, False))
    for column in ("accuracy", "balanced_accuracy", "high", "f1_macro", "f1_high"):
        assert (random[column] == 1).all()
    assert (random["low"] < 1).all() and (random["low"] > 0.85).all()  # no wrong image is not no doubt
    assert (comparison["images"] == 60).all() and (comparison["groups"] == 30).all()
    shared = [name for name in stats_tables.COMPARISON if name in stats_tables.MODELS]
    pd.testing.assert_frame_equal(grouped[shared].reset_index(drop=True), tables["models"][shared])
    for model in LEVELS:
        mean = tables["models"].query("model == @model")["balanced_accuracy"].mean()
        assert found["grouped"][model] == pytest.approx(mean) and found["random"][model] == 1
        assert found["fall"][model] == pytest.approx(1 - mean)
    assert found["clear"] == list(LEVELS)
    assert said(summary, "general").count(found["sentence"]) == 1
    assert found["sentence"].startswith("Under a random split the same models reach a balanced accuracy of 1.00, with ")
    assert found["sentence"].endswith("is what a random split hides.")


@pytest.mark.slow
def test_a_random_split_changes_nothing_else(write_study):
    args = write_study(LEVELS, random=dict.fromkeys(LEVELS, 0.9))
    beside, tables = result(args)
    args.random = []
    alone, others = result(args)
    assert len(tables["comparison"]) == 12
    text = (artifacts.stats_dir("toy") / "comparison.csv").read_text()
    assert text == ",".join(stats_tables.COMPARISON) + "\n"
    assert (artifacts.stats_dir("toy") / "published.csv").read_text() == ",".join(stats_tables.PUBLISHED) + "\n"
    assert alone.pop("comparison") is None
    (place,) = [i for i, row in enumerate(beside["sentences"]) if row["text"] == beside["comparison"]["sentence"]]
    row = beside["sentences"].pop(place)
    beside.pop("comparison")
    assert (row["family"], row["kind"], row["evidence"]) == ("general", "caution", "models")
    assert beside == alone
    for name in stats_tables.TABLES.keys() - {"comparison", "published"}:
        pd.testing.assert_frame_equal(tables[name], others[name])


@pytest.mark.slow
def test_the_nearest_thumbnail_stands_beside_the_models(write_study):
    args = write_study(LEVELS, accuracy=dict.fromkeys(LEVELS, 0.5), random=dict.fromkeys(LEVELS, 0.9))
    args.config["published"] = {"paper": {"source": "a paper", "accuracy": {"weak": 0.9, "other": 0.7}}}
    summary, tables = result(args)
    table = tables["published"].set_index(["measure", "model", "split"])
    for split in ("random", "patient"):
        assert table.loc[("accuracy", "nearest neighbour", split), "value"] == 1  # a class is known by its thumbnail
        assert table.loc[("accuracy", "most frequent class", split), "value"] == pytest.approx(1 / 3)
    own = tables["models"].query("model == 'weak'")
    row = table.loc[("accuracy", "weak", "patient")]
    assert row["value"] == pytest.approx(own["accuracy"].mean()) and row["published"] == 0.9 and row["seeds"] == 2
    assert (row["low"], row["high"]) == (own["accuracy_low"].min(), own["accuracy_high"].max())
    found = summary["published"]["paper"]
    # a published mean of .8, a third without looking, and all right by the nearest thumbnail
    assert found["explained"]["random"]["share"] == pytest.approx((1 - 1 / 3) / (0.8 - 1 / 3))
    assert found["sentence"].startswith("Of the accuracy that a paper reports (0.70 to 0.90) above")


@pytest.mark.slow
def test_no_thumbnail_is_read_where_nothing_stands_beside_it(write_study):
    args = write_study(LEVELS)
    (artifacts.data_dir("toy") / "thumbnails.npy").unlink()
    summary, tables = result(args)
    assert tables["published"].empty and summary["published"] == {}


@pytest.mark.slow
def test_the_simple_classifiers_answer_for_the_test_images_of_every_fold(write_study):
    args = write_study({"a": 0.5}, folds=2, random={"a": 0.9})
    _, tables = result(args)
    rows = tables["published"].query("model == 'nearest neighbour'")
    assert (rows["images"] == 24).all() and (rows["groups"] == 12).all() and (rows["value"] == 1).all()


def test_each_image_is_tested_once(write_study):
    args = write_study({"a": 0.5}, folds=3)
    path = artifacts.data_dir("toy") / "manifest.parquet"
    frame = artifacts.read_table(path, artifacts.DEALT)
    tested = frame["fold1"] == "test"
    artifacts.write_manifest("toy", frame.assign(fold2=frame["fold1"]))
    with pytest.raises(artifacts.ArtifactError) as caught:
        run(args)
    first = frame.loc[tested, "image_id"].iloc[0]
    end = "; delete the file and run again"
    assert str(caught.value) == f"{path}: {first} is tested in fold1 and in fold2{end}"
    artifacts.write_manifest("toy", frame.assign(fold2="train"))
    left = frame.loc[frame["fold2"] == "test", "image_id"].iloc[0]
    with pytest.raises(artifacts.ArtifactError) as caught:
        run(args)
    assert str(caught.value) == f"{path}: {left} is tested in none of fold0, fold1, fold2{end}"


def test_an_image_that_two_folds_score_is_refused(write_study):
    args = write_study({"a": 0.5}, families=("faithfulness",), folds=3)
    paths = [artifacts.Checkpoint("toy", "a", 0, fold).scores("faithfulness") for fold in args.folds]
    tables = [artifacts.read_table(path, artifacts.SCORES) for path in paths]
    artifacts.write_table(paths[2], pd.concat([tables[2], tables[0].head(1)]), artifacts.SCORES)
    with pytest.raises(artifacts.ArtifactError) as caught:
        run(args)
    assert str(caught.value) == f"{paths[2]}: an image is scored twice; delete the file and run again"


def test_several_methods_are_judged_apart(write_study):
    summary, tables = result(write_study(LEVELS, methods=("gradcam", "lrp")))
    pairs = tables["pairs"]
    assert pairs[pairs["factor"] == "model"].groupby(["metric", "within"]).size().tolist() == [3] * 6
    assert pairs[pairs["factor"] == "method"].groupby(["metric", "within"]).size().tolist() == [1] * 9
    assert [text.split(":")[0] for text in of_families(summary)[:2]] == ["gradcam", "gradcam"]
    assert of_families(summary)[2:] == [
        "Of 1 other method, the heatmaps find the marked region better than every control: "
        "1 for every model judged (lrp)."
    ]
    assert {row["method"] for row in summary["sentences"]} == {"", "gradcam", "lrp"}


TWO = ("localization", "faithfulness")
ALL = ("localization", "faithfulness", "consistency", "robustness", "sanity", "complexity")


@pytest.mark.slow
def test_every_family_in_one_study(write_study):
    summary, tables = result(write_study(LEVELS, families=ALL, over={"sanity": 0.0}))
    assert set(summary["primary"]) == set(ALL) - {"complexity"}
    described = tables["metrics"].query("family == 'complexity' and method == 'gradcam'")
    assert described["mean"].notna().all() and len(described) == 3
    assert "sparseness" in set(tables["pairs"]["metric"])
    assert "complexity" not in set(summary["pairs"]) | set(summary["verdicts"]) | set(tables["controls"]["family"])
    assert said(summary, "complexity") == ""
    assert summary["better"]["sanity"]["rank_correlation_cascade"] == "lower"
    assert summary["better"]["complexity"]["sparseness"] == "none"
    assert summary["overview"]["sanity"]["gradcam"]["better"] == list(LEVELS)
    assert said(summary, "sanity").startswith(
        "As trained here, the heatmaps of weak, middle and strong change when the model's weights are randomized: they "
        "end up less like the originals than the heatmaps of two different images (rank correlation with the maps of "
    )
    assert "agree between an image and its changed copies more closely than the heatmaps of two different images" in (
        said(summary, "robustness")
    )


@pytest.mark.slow
def test_maps_that_stay_when_weights_are_randomized_fail(write_study):
    summary, _ = result(write_study(LEVELS, families=("localization", "sanity"), over={"sanity": 0.9}))
    assert summary["overview"]["sanity"]["gradcam"]["worse"] == list(LEVELS)
    assert "gradcam" not in summary["headline"][0] and "fail the sanity check" in summary["headline"][2]


@pytest.mark.slow
def test_a_refused_model_is_told_in_a_line_and_compared_with_nobody(write_study):
    why = {("lrp", "weak"): "no_relu"} | {("rollout", model): "no_layer" for model in LEVELS}
    summary, tables = result(write_study(LEVELS, methods=("gradcam", "lrp", "rollout"), refused=why, families=TWO))
    assert summary["refused"] == {
        "lrp": {"weak": "no_relu"},
        "rollout": dict.fromkeys(LEVELS, "no_layer"),
    }
    told = [(row["family"], row["text"]) for row in summary["sentences"] if row["method"] == "rollout"]
    assert told == [("methods", "No heatmaps of any model: an ensemble has no layer of its own.")]
    assert [row["text"] for row in summary["sentences"] if row["family"] == "methods" and row["method"] == "lrp"] == [
        f"No heatmaps of weak: {REASONS['no_relu'].text}."
    ]
    of_models = tables["pairs"].query("factor == 'model'")
    assert "weak" not in set(of_models.query("within == 'lrp'")["a"])
    assert summary["pairs"]["faithfulness"]["lrp"]["tested"] == 1
    assert "rollout" not in set(tables["pairs"][["within", "a", "b"]].to_numpy().ravel())
    assert "rollout" not in set(tables["omnibus"]["within"])
    assert summary["overview"]["localization"]["rollout"]["refused"] == list(LEVELS)


@pytest.mark.slow
def test_the_first_method_may_refuse_every_model(write_study):
    why = {("gradcam", model): "no_layer" for model in LEVELS}
    summary, _ = result(write_study(LEVELS, methods=("gradcam", "lrp"), refused=why, families=TWO))
    assert summary["lead"] == "lrp" and summary["headline"][0].startswith("lrp: As trained here, the heatmaps of weak")


@pytest.mark.slow
def test_a_method_is_held_against_the_controls_of_its_own_images(write_study):
    """A control that is far better on the images that a method leaves out must not count against it."""
    left = {i for i in range(24) if i % 2}
    args = write_study(
        {"a": 0.5}, families=("faithfulness", "consistency"), methods=("gradcam", "part"), left_out={"part": left}
    )
    for family, seed in (("faithfulness", 0), ("faithfulness", 1), ("consistency", None)):
        path = artifacts.Checkpoint("toy", "a", seed, "fold0").scores(family)
        table = artifacts.read_table(path, artifacts.SCORES)
        names = sorted(table["image_id"].unique())
        high = table["image_id"].isin([names[i] for i in left]) & ~table["method"].isin(["gradcam", "part"])
        artifacts.write_table(path, table.assign(value=table["value"].mask(high, 5.0)), artifacts.SCORES)
    summary, _ = result(args)
    for family, control in (("faithfulness", "random"), ("faithfulness", "center"), ("consistency", "other_image")):
        rows = summary["controls"][family]
        assert rows["gradcam"][control]["a"]["verdict"] == "worse"
        assert rows["part"][control]["a"]["verdict"] == "better" and rows["part"][control]["a"]["groups"] == 12
        assert rows["part"][control]["a"]["difference"] == pytest.approx(0.35, abs=0.1)
    assert "flatter" not in said(summary)


@pytest.mark.slow
def test_a_control_of_the_methods_own_stands_in_for_the_shared_one(write_study):
    args = write_study({"a": 0.5}, families=("faithfulness",), methods=("gradcam", "lrp"))
    for seed in (0, 1):
        path = artifacts.Checkpoint("toy", "a", seed, "fold0").scores("faithfulness")
        table = artifacts.read_table(path, artifacts.SCORES)
        own = table[table["method"] == "random"].assign(method="random:lrp", value=lambda rows: rows["value"] + 2)
        artifacts.write_table(path, pd.concat([table, own]), artifacts.SCORES)
    rows = result(args)[0]["controls"]["faithfulness"]
    assert [rows[method]["random"]["a"]["verdict"] for method in ("gradcam", "lrp")] == ["better", "worse"]


def test_gaps_of_completeness_are_one_reason(write_study):
    args = write_study({"a": 0.5}, families=("faithfulness",), degenerate={("a", 0): {1, 2}})
    path = artifacts.Checkpoint("toy", "a", 0, "fold0").scores("faithfulness")
    table = artifacts.read_table(path, artifacts.SCORES)
    lost = table["value"].isna()
    table.loc[lost, "reason"] = ["incomplete", "incomplete"]
    artifacts.write_table(path, table, artifacts.SCORES)
    summary, tables = result(args)
    assert tables["missing"][["reason", "scores"]].values.tolist() == [["incomplete", 2]]
    reasons = summary["missing"]["faithfulness"]["gradcam"]["a"]["reasons"]
    assert reasons == {"incomplete": 2}


@pytest.mark.slow
def test_agreement_stands_in_the_summary(write_study):
    summary, _ = result(write_study(LEVELS))
    found = summary["agreement"]["primary"]
    assert found["metrics"] == ["relevance_rank_accuracy", "srg"] and found["blocks"] == 6
    assert found["correlation"][0][1] > 0  # both follow what makes a patient easy


@pytest.mark.slow
def test_same_input_same_bytes(write_study):
    args = write_study(LEVELS, accuracy={"weak": 0.7})
    first = {p.name: p.read_bytes() for _ in [run(args)] for p in artifacts.stats_dir("toy").glob("[!.]*")}
    second = {p.name: p.read_bytes() for _ in [run(args)] for p in artifacts.stats_dir("toy").glob("[!.]*")}
    assert first == second
    assert set(first) == {f"{name}.csv" for name in stats_tables.TABLES} | {"summary.json", "metrics.json"}


@pytest.mark.slow
def test_the_order_of_rows_and_models_changes_no_number(write_study):
    """Rows of each score file in another order: the same bytes. Models in another order: rows and signs alone."""
    args = write_study(LEVELS, families=TWO, methods=("gradcam", "lrp"), degenerate={("weak", 0): {2, 3}})
    first, tables = result(args)
    before = {p.name: p.read_bytes() for p in artifacts.stats_dir("toy").iterdir()}
    for path in (artifacts.RESULTS / "scores").rglob("*.parquet"):
        table = artifacts.read_table(path, artifacts.SCORES).sample(frac=1, random_state=len(str(path)))
        artifacts.write_table(path, table, artifacts.SCORES)
    run(args)
    assert {p.name: p.read_bytes() for p in artifacts.stats_dir("toy").iterdir()} == before
    args.models = args.models[::-1]
    turned, other = result(args)
    assert turned["verdicts"] == first["verdicts"] and turned["shares"] == first["shares"]
    for name in ("metrics", "omnibus", "controls", "missing"):
        columns = ["family", "metric", "model", "method", "factor", "within", "test", "control", "reason"]
        columns = [column for column in columns if column in tables[name]]
        one, two = (of.sort_values(columns, ignore_index=True) for of in (tables[name], other[name]))
        pd.testing.assert_frame_equal(one, two, rtol=1e-6)
    for (_, one), (_, two) in zip(ordered(tables["pairs"]), ordered(other["pairs"]), strict=True):
        sign = 1 if one["a"] == two["a"] else -1
        for column in ("p", "p_corrected", "p_equivalent", "detectable"):
            assert one[column] == pytest.approx(two[column], rel=1e-6)
        assert [one["difference"], one["effect"]] == pytest.approx([sign * two["difference"], sign * two["effect"]])


def ordered(pairs):
    """Rows with both names in one order."""
    names = pairs[["a", "b"]].apply(sorted, axis=1).map("-".join)
    return pairs.assign(names=names).sort_values(["family", "factor", "within", "names"]).iterrows()


def test_a_claim_of_the_configuration_is_checked(write_study):
    args = write_study(LEVELS, accuracy={"middle": 0.3})
    claim = {"source": "doi:1", "claim": "it holds", "check": "beat_controls", "family": "localization"}
    args.config["claims"] = {"holds": claim | {"method": "gradcam", "models": [*LEVELS, "absent"], "than": []}}
    summary, tables = result(args)
    (row,) = tables["claims"].to_dict("records")
    assert (row["name"], row["verdict"], row["groups"], row["seeds"]) == ("holds", "supported", 8, 2)
    assert row["evidence"].endswith("; without middle, which cannot be judged; without absent, which the study lacks")
    assert summary["claims"][0]["verdict"] == "supported"
    assert artifacts.read_json(artifacts.stats_dir("toy") / "metrics.json")["claims"] == {"holds": "supported"}


@pytest.mark.slow
def test_a_metric_of_faithfulness_that_is_not_validated_is_a_remark(write_study):
    truths = {"weak": 0.9, "middle": 0.9, "strong": 0.1}
    summary, tables = result(write_study(LEVELS, patients=18, families=("faithfulness",), truths=truths))
    assert summary["separates"]["faithfulness"] == {"weak": True, "middle": True, "strong": False}
    assert "cannot be validated on the images of strong: it does not rank" in said(summary, "faithfulness")
    assert "the largest difference is strong over weak" in said(summary, "faithfulness")
    assert "strong" in set(tables["pairs"].query("factor == 'model'")["b"])
    numbers = artifacts.read_json(artifacts.stats_dir("toy") / "metrics.json")
    assert numbers["models_that_beat_the_controls"]["faithfulness"]["gradcam"] == 3


@pytest.mark.slow
def test_five_seeds_speak_of_architectures(write_study):
    summary, tables = result(write_study(LEVELS, seeds=tuple(range(5)), families=("faithfulness",)))
    assert summary["population"]["faithfulness"]["gradcam"] == "architectures"
    assert summary["omnibus"]["faithfulness"]["gradcam"]["test"] == "quasi_f"
    assert tables["pairs"]["p_seeds"].notna().all() and "The architectures differ" in summary["headline"][1]
    assert "verdicts speak of architectures" in summary["seeds"]["sentence"]


@pytest.mark.slow
def test_the_declared_test_decides(write_study):
    args = write_study(LEVELS, families=("localization",), patients=9)  # six patients: too few for Wilcoxon and Holm
    args.config["test"] = "rm_anova"
    summary, tables = result(args)
    assert summary["omnibus"]["localization"]["gradcam"]["test"] == "rm_anova"
    assert summary["pairs"]["localization"]["gradcam"]["different"] == 3
    assert "too few" not in said(summary, "localization")
    assert {"friedman", "rm_anova"} <= set(tables["omnibus"]["test"])


@pytest.mark.slow
def test_summary_is_strict_json(write_study):
    args = write_study(LEVELS, seeds=(0,), truth=False)
    run(args)
    text = (artifacts.stats_dir("toy") / "summary.json").read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name))["alpha"] == 0.05


def test_bad_input_is_refused_by_name(write_study):
    args = write_study({"a": 0.5, "b": 0.4}, families=("localization",))
    args.score_config["primary"]["localization"] = "iuo"
    with pytest.raises(ValueError, match=r"score.primary.localization.*'iuo'.*relevance_rank_accuracy"):
        run(args)
    args.score_config["primary"]["localization"] = "relevance_rank_accuracy"
    args.methods = ["gradcam", "lrp"]
    with pytest.raises(ValueError, match="no localization scores of 'lrp'"):
        run(args)


@pytest.mark.parametrize("spoil", ["twice", "no reason", "infinite"])
def test_scores_that_would_spoil_a_mean_are_refused(write_study, spoil):
    args = write_study({"a": 0.5}, families=("faithfulness",))
    path = artifacts.Checkpoint("toy", "a", 0, "fold0").scores("faithfulness")
    table = artifacts.read_table(path, artifacts.SCORES)
    if spoil == "twice":
        table = pd.concat([table, table.head(1)])
    else:
        table.loc[0, "value"] = np.nan if spoil == "no reason" else np.inf
    artifacts.write_table(path, table, artifacts.SCORES)
    with pytest.raises(ValueError, match=r"faithfulness.parquet|infinite"):
        run(args)


def test_predictions_of_other_images_are_refused(write_study):
    args = write_study({"a": 0.5})
    path = artifacts.Checkpoint("toy", "a", 0, "fold0").predictions
    artifacts.write_table(path, artifacts.read_table(path, artifacts.PREDICTIONS).iloc[1:], artifacts.PREDICTIONS)
    with pytest.raises(artifacts.ArtifactError, match="not those of the manifest"):
        run(args)


@pytest.mark.slow
def test_no_torch_and_light_to_import():
    code = (
        "import sys, heatproof.stats.command; assert not {'numpy', 'pandas', 'pingouin'} & set(sys.modules);"
        "import heatproof.stats.study; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
