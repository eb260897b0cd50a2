"""The stage end to end on synthetic artifacts, from files to statements."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from stats.conftest import judged

from heatproof.stats.command import run
from heatproof.store import artifacts
from heatproof.store import tables as stats_tables
from heatproof.text.sentences import paragraph, paragraphs, sentence

LEVELS = {"weak": 0.3, "middle": 0.5, "strong": 0.7}
VERDICTS = ("controls", "family", "methods", "pairs", "scores", "test")  # areas of statements on a family and method


def only(results, kind, **subjects):
    """The one statement of a kind."""
    (found,) = [one for one in results.about(**subjects) if one.kind == kind]
    return found


def kinds(results, *areas, **subjects):
    return {one.kind for one in results.about(*areas, **subjects)}


def of_families(results):
    """The answer without what localization and faithfulness say together."""
    return [one for one in results.answer if one.area != "combined"]


@pytest.mark.slow
def test_strong_differences_are_found_and_told(write_study, capsys):
    results, tables = judged(write_study(LEVELS))
    assert list(tables["pairs"]) == list(stats_tables.PAIRS)
    strong_weak = tables["pairs"].query("metric == 'relevance_rank_accuracy' and a == 'weak' and b == 'strong'")
    assert strong_weak["difference"].item() == pytest.approx(-0.4, abs=0.05)
    assert strong_weak["effect"].item() == -1
    of = {family: results.outcome(family, "gradcam") for family in results.families}
    assert len(of["localization"].pairs.told_apart) == 3
    assert (of["localization"].omnibus.groups, of["localization"].omnibus.dropped) == (8, 0)  # normal: no truth
    assert of["faithfulness"].omnibus.groups == 12
    better, apart = of_families(results)
    assert (better.kind, better.subjects["models"]) == ("controls.better", tuple(LEVELS))
    assert (apart.kind, apart.one("over"), apart.one("under")) == ("pairs.apart", "strong", "weak")
    assert (apart.numbers["apart"], apart.numbers["tested"]) == (3, 3)
    first = results.answer[0]
    assert (first.kind, first.one("models")) == ("combined.decided", "weak")
    assert first.one("localization") == first.one("faithfulness") == "yes"
    assert only(results, "seeds.checkpoints").numbers == {"seeds": 2, "needed": 5}
    assert (results.classes, results.images_test, results.groups_test) == (3, 24, 12)
    printed = [sentence(results.in_short), *map(paragraph, paragraphs(results.answer))]
    assert capsys.readouterr().out.splitlines() == printed


@pytest.mark.slow
def test_metrics_table_holds_every_method_with_its_controls(write_study):
    results, tables = judged(write_study(LEVELS, accuracy={"weak": 0.3}))
    metrics = tables["metrics"].set_index(["family", "method", "model"])
    assert len(metrics) == 3 * (6 + 5 + 5)
    for control in ("random", "center"):
        row = metrics.loc[("localization", "gradcam", "weak")]
        assert row[control] == metrics.loc[("localization", control, "weak"), "mean"]
    assert metrics.loc[("localization", "ceiling", "weak"), "mean"] == pytest.approx(0.9, abs=0.05)
    assert metrics.loc[("localization", "gradcam", "weak"), "missing"] == 2 * 8  # seeds x images without truth
    mean = metrics.loc[("localization", "gradcam", "weak"), "mean"]
    assert results.families["localization"].means["gradcam"]["weak"] == pytest.approx(mean)


@pytest.mark.slow
def test_an_incompetent_model_is_shown_and_left_out_of_verdicts(write_study):
    results, tables = judged(write_study(LEVELS, accuracy={"strong": 0.3}))
    assert results.judged == ("weak", "middle") and results.answer[-1].kind == "models.left_out"
    assert results.answer[-1].subjects["models"] == ("strong",)
    assert not tables["models"].query("model == 'strong'")["competent"].any()
    assert "strong" in set(tables["metrics"]["model"])
    assert "strong" not in set(tables["pairs"]["a"]) | set(tables["pairs"]["b"])
    assert "strong" not in results.outcome("localization", "gradcam").controls["random"]
    apart = of_families(results)[1]
    assert (apart.kind, apart.one("over"), apart.numbers["tested"]) == ("pairs.apart", "middle", 1)


@pytest.mark.slow
def test_one_bad_seed_makes_a_model_incompetent(write_study):
    args = write_study(LEVELS)
    path = artifacts.Checkpoint("toy", "weak", 1, "fold0").predictions
    table = artifacts.read_table(path, artifacts.PREDICTIONS)
    artifacts.write_table(path, table.assign(predicted=0), artifacts.PREDICTIONS)
    results, tables = judged(args)
    assert tables["models"].query("model == 'weak'")["competent"].tolist() == [True, False]
    assert results.judged == ("middle", "strong")


@pytest.mark.slow
def test_every_checkpoint_has_both_intervals(write_study):
    results, tables = judged(write_study(LEVELS, accuracy={"weak": 0.8}))
    assert list(tables["models"]) == list(stats_tables.MODELS)
    weak = tables["models"].query("model == 'weak'")
    assert (weak["f1_low"] < weak["f1_macro"]).all() and (weak["f1_macro"] < weak["f1_high"]).all()
    for column in ("accuracy", "balanced_accuracy", "f1_macro"):
        assert getattr(results.models["weak"], column) == pytest.approx(weak[column].mean())


@pytest.mark.slow
def test_nobody_is_competent(write_study):
    results, tables = judged(write_study(LEVELS, accuracy=dict.fromkeys(LEVELS, 0.3)))
    assert tables["pairs"].empty and tables["omnibus"].empty and len(tables["metrics"])
    assert [one.kind for one in results.answer] == [
        "models.none_competent"
    ] and results.in_short.kind == "short.unknown"


@pytest.mark.slow
def test_two_models_stand_alone(write_study):
    results, tables = judged(write_study({"a": 0.3, "b": 0.6}))
    assert set(tables["omnibus"]["test"]) == {"mixed"} and len(tables["pairs"]) == 3
    assert results.outcome("localization", "gradcam").omnibus.p is None
    apart = only(results, "pairs.apart", family="localization")
    assert (apart.one("over"), apart.one("under"), apart.numbers["tested"]) == ("b", "a", 1)


def test_one_model_is_held_against_controls_only(write_study):
    results, tables = judged(write_study({"only": 0.5}))
    assert tables["pairs"].empty and tables["omnibus"].empty
    assert [one.kind for one in of_families(results)] == ["controls.better", "pairs.single"]


@pytest.mark.slow
def test_one_seed_leaves_consistency_unjudged(write_study):
    results, tables = judged(write_study(LEVELS, seeds=(3,)))
    (why,) = results.about(*VERDICTS, family="consistency")
    assert (why.kind, why.reason) == ("family.not_judged", "one_seed")
    assert results.families["consistency"].means["gradcam"]["weak"] is None
    assert only(results, "seeds.checkpoints").numbers["seeds"] == 1
    assert "iou_seeds" not in set(tables["pairs"]["metric"])


@pytest.mark.slow
def test_without_truth_localization_cannot_be_judged(write_study):
    results, tables = judged(write_study(LEVELS, truth=False))
    why, better, *_ = of_families(results)
    assert (why.kind, why.reason, why.one("family")) == ("family.not_judged", "no_truth", "localization")
    assert (better.kind, better.one("family")) == ("controls.better", "faithfulness")
    rows = tables["metrics"].query("family == 'localization'")
    assert rows["mean"].isna().all() and (rows["groups"] == 0).all()
    assert "relevance_rank_accuracy" not in set(tables["pairs"]["metric"])
    text = (artifacts.stats_dir("toy") / "summary.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(name))  # NaN is no JSON


@pytest.mark.slow
def test_equal_scores_differ_nowhere(write_study):
    results, tables = judged(
        write_study(dict.fromkeys(LEVELS, 0.5), noise=0.0, families=("localization",), patients=15)
    )
    assert (tables["pairs"]["p_corrected"] == 1).all() and (tables["omnibus"]["p"] == 1).all()
    assert results.answer[1].kind == only(results, "pairs.no_evidence").kind


@pytest.mark.slow
def test_noise_does_not_beat_the_controls(write_study):
    results, _ = judged(write_study({"a": 0.1, "b": 0.1}, patients=18, families=("localization",)))
    first = results.answer[0]
    assert first.kind == "controls.worse" and "center" in first.subjects["beaten_by"]
    assert "controls.better" not in kinds(results)


@pytest.mark.slow
def test_too_few_groups_are_said_to_be_too_few(write_study):
    levels = {f"m{i}": 0.3 + 0.1 * i for i in range(5)}
    results, tables = judged(write_study(levels, patients=9, noise=0.01))  # six of them have truth
    assert tables["pairs"].query("metric == 'relevance_rank_accuracy'")["p_corrected"].min() == 10 * 2 / 2**6
    few = only(results, "test.too_few", family="localization")
    assert few.numbers == {"groups": 6, "tested": 10, "smallest_p": 10 * 2 / 2**6}
    assert "pairs.as_a_set" in {one.kind for one in results.answer}
    assert "controls.too_few" in kinds(results, family="localization")
    assert "test.too_few" not in kinds(results, family="faithfulness")  # nine patients are enough


@pytest.mark.slow
def test_degenerate_maps_are_counted_and_their_groups_dropped(write_study):
    lost = {("weak", 0): {2, 3, 4}}  # patient 1 whole, half of patient 2
    results, tables = judged(write_study(LEVELS, degenerate=lost))
    missing = tables["missing"].query("metric == 'srg' and model == 'weak'")
    assert missing[["method", "reason", "scores"]].values.tolist() == [["gradcam", "all_zero", 3]]
    omnibus = results.outcome("faithfulness", "gradcam").omnibus
    assert (omnibus.groups, omnibus.dropped) == (11, 1)
    assert only(results, "test.dropped", family="faithfulness").numbers == {"dropped": 1, "groups": 12}
    gap = only(results, "scores.missing", family="faithfulness")
    assert (gap.one("models"), gap.reason, gap.numbers["share"]) == ("weak", "all_zero", 3 / 48)


@pytest.mark.slow
def test_a_model_without_any_map_takes_nobody_with_it(write_study):
    results, _ = judged(write_study(LEVELS, degenerate={("weak", 0): set(range(24))}))
    outcome = results.outcome("faithfulness", "gradcam")
    assert (outcome.omnibus.levels, outcome.pairs.tested) == (2, 1)
    assert only(results, "scores.missing", family="faithfulness").numbers == {"share": 0.5}  # and no mean


@pytest.mark.parametrize("kind", ["patient", "lookalike", "image"])
@pytest.mark.slow
def test_groups_that_are_not_patients_are_named(write_study, kind):
    args = write_study({"a": 0.5, "b": 0.5})
    args.config["group_kind"] = kind
    assert kinds(judged(args)[0], "groups") == {f"groups.{kind}", "groups.localized", "groups.unscored"}


def plain_tables(tables):
    return {name: table.to_csv() for name, table in tables.items()}


@pytest.mark.slow
def test_folds_are_judged_as_one_test_split(write_study):
    """The same predictions and scores in one file or dealt over three folds."""
    options = {"accuracy": {"weak": 0.8, "middle": 0.9}, "degenerate": {("weak", 0): {3}}}
    whole, in_one = judged(write_study(LEVELS, **options))
    pooled, in_three = judged(write_study(LEVELS, **options, folds=3))
    assert (pooled.images_test, pooled.groups_test, pooled.folds, whole.folds) == (24, 12, 3, 1)
    assert only(pooled, "groups.patient").numbers == {"groups": 12, "folds": 3}
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
    results, tables = judged(args)
    comparison, found = tables["comparison"], results.comparison
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
        assert found.grouped[model] == pytest.approx(mean) and found.random[model] == 1
        assert found.fall[model] == pytest.approx(1 - mean)
    assert found.clear == tuple(LEVELS)
    told = only(results, "splits.compared")
    assert told.subjects == {"models": found.clear, "clear": found.clear, "kept": ("lookalike",)}
    assert told.numbers["fall"] == tuple(found.fall.values())


@pytest.mark.slow
def test_a_random_split_changes_nothing_else(write_study):
    args = write_study(LEVELS, random=dict.fromkeys(LEVELS, 0.9))
    beside, tables = judged(args)
    args.random = []
    alone, others = judged(args)
    assert len(tables["comparison"]) == 12
    text = (artifacts.stats_dir("toy") / "comparison.csv").read_text()
    assert text == ",".join(stats_tables.COMPARISON) + "\n"
    assert (artifacts.stats_dir("toy") / "published.csv").read_text() == ",".join(stats_tables.PUBLISHED) + "\n"
    others_of = tuple(one for one in beside.statements if one.area != "splits")
    assert len(others_of) == len(beside.statements) - 1
    assert replace(beside, comparison=None, statements=others_of) == alone
    for name in stats_tables.TABLES.keys() - {"comparison", "published"}:
        pd.testing.assert_frame_equal(tables[name], others[name])


@pytest.mark.slow
def test_the_nearest_thumbnail_stands_beside_the_models(write_study):
    args = write_study(LEVELS, accuracy=dict.fromkeys(LEVELS, 0.5), random=dict.fromkeys(LEVELS, 0.9))
    args.config["published"] = {"paper": {"source": "a paper", "accuracy": {"weak": 0.9, "other": 0.7}}}
    results, tables = judged(args)
    table = tables["published"].set_index(["measure", "model", "split"])
    for split in ("random", "patient"):
        assert table.loc[("accuracy", "nearest neighbour", split), "value"] == 1  # a class is known by its thumbnail
        assert table.loc[("accuracy", "most frequent class", split), "value"] == pytest.approx(1 / 3)
    own = tables["models"].query("model == 'weak'")
    row = table.loc[("accuracy", "weak", "patient")]
    assert row["value"] == pytest.approx(own["accuracy"].mean()) and row["published"] == 0.9 and row["seeds"] == 2
    assert (row["low"], row["high"]) == (own["accuracy_low"].min(), own["accuracy_high"].max())
    found = results.published["paper"]
    # a published mean of .8, a third without looking, and all right by the nearest thumbnail
    assert found.explained["random"].share == pytest.approx((1 - 1 / 3) / (0.8 - 1 / 3))
    told = only(results, "published.explained")
    assert (told.one("source"), told.numbers["lowest"], told.numbers["highest"]) == ("a paper", 0.7, 0.9)


@pytest.mark.slow
def test_no_thumbnail_is_read_where_nothing_stands_beside_it(write_study):
    args = write_study(LEVELS)
    (artifacts.data_dir("toy") / "thumbnails.npy").unlink()
    results, tables = judged(args)
    assert tables["published"].empty and results.published == {}


@pytest.mark.slow
def test_the_simple_classifiers_answer_for_the_test_images_of_every_fold(write_study):
    args = write_study({"a": 0.5}, folds=2, random={"a": 0.9})
    _, tables = judged(args)
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
    results, tables = judged(write_study(LEVELS, methods=("gradcam", "lrp")))
    pairs = tables["pairs"]
    assert pairs[pairs["factor"] == "model"].groupby(["metric", "within"]).size().tolist() == [3] * 6
    assert pairs[pairs["factor"] == "method"].groupby(["metric", "within"]).size().tolist() == [1] * 9
    *mine, others = of_families(results)
    assert [one.one("by") for one in mine] == ["gradcam", "gradcam"]
    assert (others.kind, others.subjects["all"]) == ("methods.others", ("lrp",))
    assert {one.one("method") for one in results.statements} == {"", "gradcam", "lrp"}


TWO = ("localization", "faithfulness")
ALL = ("localization", "faithfulness", "consistency", "robustness", "sanity", "complexity")


@pytest.mark.slow
def test_every_family_in_one_study(write_study):
    results, tables = judged(write_study(LEVELS, families=ALL, over={"sanity": 0.0}))
    assert set(results.families) == set(ALL) - {"complexity"}
    described = tables["metrics"].query("family == 'complexity' and method == 'gradcam'")
    assert described["mean"].notna().all() and len(described) == 3
    assert "sparseness" in set(tables["pairs"]["metric"]) and "complexity" not in set(tables["controls"]["family"])
    assert not results.about(family="complexity")
    assert results.better["sanity"]["rank_correlation_cascade"] == "lower"
    assert results.better["complexity"]["sparseness"] == "none"
    for family in ("sanity", "robustness"):
        assert only(results, "controls.better", family=family).subjects["models"] == tuple(LEVELS)


@pytest.mark.slow
def test_maps_that_stay_when_weights_are_randomized_fail(write_study):
    results, _ = judged(write_study(LEVELS, families=("localization", "sanity"), over={"sanity": 0.9}))
    failed = results.answer[2]
    assert (failed.kind, failed.one("family"), failed.subjects["models"]) == ("controls.worse", "sanity", tuple(LEVELS))
    assert not any("by" in one.subjects for one in results.answer)  # a single method is not named


@pytest.mark.slow
def test_a_refused_model_is_told_in_a_line_and_compared_with_nobody(write_study):
    why = {("lrp", "weak"): "no_relu"} | {("rollout", model): "no_layer" for model in LEVELS}
    results, tables = judged(write_study(LEVELS, methods=("gradcam", "lrp", "rollout"), refused=why, families=TWO))
    assert results.refused == {"lrp": {"weak": "no_relu"}, "rollout": dict.fromkeys(LEVELS, "no_layer")}
    assert results.refuses_all("rollout") and not results.refuses_all("lrp")
    (told,) = results.about(*VERDICTS, method="rollout")
    assert (told.kind, told.reason, told.subjects["models"]) == ("methods.unsupported", "no_layer", tuple(LEVELS))
    one = only(results, "methods.unsupported", method="lrp")
    assert (one.reason, one.subjects["models"], one.numbers) == ("no_relu", ("weak",), {"all": 3})
    of_models = tables["pairs"].query("factor == 'model'")
    assert "weak" not in set(of_models.query("within == 'lrp'")["a"])
    assert results.outcome("faithfulness", "lrp").pairs.tested == 1
    assert "rollout" not in set(tables["pairs"][["within", "a", "b"]].to_numpy().ravel())
    assert "rollout" not in set(tables["omnibus"]["within"])


@pytest.mark.slow
def test_the_first_method_may_refuse_every_model(write_study):
    why = {("gradcam", model): "no_layer" for model in LEVELS}
    results, _ = judged(write_study(LEVELS, methods=("gradcam", "lrp"), refused=why, families=TWO))
    assert results.lead == "lrp" == results.answer[0].one("by")


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
    results, _ = judged(args)
    for family, control in (("faithfulness", "random"), ("faithfulness", "center"), ("consistency", "other_image")):
        whole, part = (results.outcome(family, method).controls[control]["a"] for method in ("gradcam", "part"))
        assert (whole.verdict, part.verdict, part.groups) == ("worse", "better", 12)
        assert part.difference == pytest.approx(0.35, abs=0.1)
    assert "scores.missing" not in kinds(results)


@pytest.mark.slow
def test_a_control_of_the_methods_own_stands_in_for_the_shared_one(write_study):
    args = write_study({"a": 0.5}, families=("faithfulness",), methods=("gradcam", "lrp"))
    for seed in (0, 1):
        path = artifacts.Checkpoint("toy", "a", seed, "fold0").scores("faithfulness")
        table = artifacts.read_table(path, artifacts.SCORES)
        own = table[table["method"] == "random"].assign(method="random:lrp", value=lambda rows: rows["value"] + 2)
        artifacts.write_table(path, pd.concat([table, own]), artifacts.SCORES)
    of = judged(args)[0].families["faithfulness"].outcomes
    assert [of[method].controls["random"]["a"].verdict for method in ("gradcam", "lrp")] == ["better", "worse"]


def test_gaps_of_completeness_are_one_reason(write_study):
    args = write_study({"a": 0.5}, families=("faithfulness",), degenerate={("a", 0): {1, 2}})
    path = artifacts.Checkpoint("toy", "a", 0, "fold0").scores("faithfulness")
    table = artifacts.read_table(path, artifacts.SCORES)
    lost = table["value"].isna()
    table.loc[lost, "reason"] = ["incomplete", "incomplete"]
    artifacts.write_table(path, table, artifacts.SCORES)
    results, tables = judged(args)
    assert tables["missing"][["reason", "scores"]].values.tolist() == [["incomplete", 2]]
    assert results.families["faithfulness"].missing["gradcam"]["a"].reasons == {"incomplete": 2}


@pytest.mark.slow
def test_agreement_stands_in_the_summary(write_study):
    found = judged(write_study(LEVELS))[0].agreement["primary"]
    assert found.metrics == ("relevance_rank_accuracy", "srg") and found.blocks == 6
    assert found.correlation[0][1] > 0  # both follow what makes a patient easy


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
    first, tables = judged(args)
    before = {p.name: p.read_bytes() for p in artifacts.stats_dir("toy").iterdir()}
    for path in (artifacts.RESULTS / "scores").rglob("*.parquet"):
        table = artifacts.read_table(path, artifacts.SCORES).sample(frac=1, random_state=len(str(path)))
        artifacts.write_table(path, table, artifacts.SCORES)
    run(args)
    assert {p.name: p.read_bytes() for p in artifacts.stats_dir("toy").iterdir()} == before
    args.models = args.models[::-1]
    turned, other = judged(args)
    for family, one in first.families.items():
        for method, outcome in one.outcomes.items():
            other_way = turned.outcome(family, method)
            assert (other_way.verdicts, other_way.shares) == (outcome.verdicts, outcome.shares)
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
    results, tables = judged(args)
    (row,) = tables["claims"].to_dict("records")
    assert (row["name"], row["verdict"], row["groups"], row["seeds"]) == ("holds", "supported", 8, 2)
    assert row["evidence"].endswith("; without middle, which cannot be evaluated; absent not in this study")
    assert results.claims[0].verdict == "supported"
    assert artifacts.read_json(artifacts.stats_dir("toy") / "metrics.json")["claims"] == {"holds": "supported"}


@pytest.mark.slow
def test_a_metric_of_faithfulness_that_is_not_validated_is_a_remark(write_study):
    truths = {"weak": 0.9, "middle": 0.9, "strong": 0.1}
    results, tables = judged(write_study(LEVELS, patients=18, families=("faithfulness",), truths=truths))
    assert results.families["faithfulness"].separates == {"weak": True, "middle": True, "strong": False}
    assert only(results, "controls.unvalidated").subjects["models"] == ("strong",)
    assert only(results, "pairs.apart").one("over") == "strong"
    assert "strong" in set(tables["pairs"].query("factor == 'model'")["b"])
    numbers = artifacts.read_json(artifacts.stats_dir("toy") / "metrics.json")
    assert numbers["models_that_beat_the_controls"]["faithfulness"]["gradcam"] == 3


@pytest.mark.slow
def test_five_seeds_speak_of_architectures(write_study):
    results, tables = judged(write_study(LEVELS, seeds=tuple(range(5)), families=("faithfulness",)))
    outcome, apart = results.outcome("faithfulness", "gradcam"), results.answer[1]
    assert (outcome.population, outcome.omnibus.test) == ("architectures", "quasi_f")
    assert tables["pairs"]["p_seeds"].notna().all()
    assert (apart.kind, apart.one("scope")) == ("pairs.apart", "architectures")
    assert kinds(results, "seeds") == {"seeds.architectures"}


@pytest.mark.slow
def test_the_declared_test_decides(write_study):
    args = write_study(LEVELS, families=("localization",), patients=9)  # six patients: too few for Wilcoxon and Holm
    args.config["test"] = "rm_anova"
    results, tables = judged(args)
    outcome = results.outcome("localization", "gradcam")
    assert outcome.omnibus.test == "rm_anova" and len(outcome.pairs.told_apart) == 3
    assert not {"test.too_few", "controls.too_few"} & kinds(results)
    assert {"friedman", "rm_anova"} <= set(tables["omnibus"]["test"])


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
