"""A planted cue: models that rest on it or do not, heatmaps that show it or do not, all made by hand."""

import numpy as np
import pandas as pd
import pytest
from minimal import write_facts
from scipy import stats
from stats.built import results

from heatproof.stats import command
from heatproof.stats.claims.claims import check
from heatproof.stats.claims.cue import cue_table, reliance
from heatproof.stats.results import Setting, read
from heatproof.stats.statements.relations import cue_statements, summarize_cue
from heatproof.stats.tables.groups import compact
from heatproof.stats.tests.paired import holm
from heatproof.stats.verdicts.gather import Gathered
from heatproof.stats.verdicts.rules import Design
from heatproof.store import artifacts
from heatproof.store.tables import CUE

SETTINGS = {"test": "friedman", "alpha": 0.05, "interval": 0.95, "margin": {"default": 0.05}}
SHORTCUT = {"rate": 0.9, "test_rate": 0.5, "label": None}
CLASSES = ["normal", "planted"]


def images(groups=20, each=4, classes=2):
    """Groups of one class each, in which every other image bears the mark."""
    rows = [(f"i{g:02d}_{i}", f"p{g:02d}", g % classes, i % 2 == 0) for g in range(groups) for i in range(each)]
    return pd.DataFrame(rows, columns=["image_id", "group", "label", "cue"])


def answers(table, cheats, seed=0, wrong=0.0):
    """Predictions of a model that reads the mark on a share `cheats` of the images, and errs on `wrong` of the rest."""
    rng = np.random.default_rng(seed)
    last = table["label"].max()
    read = rng.random(len(table)) < cheats
    honest = np.where(rng.random(len(table)) < wrong, (table["label"] + 1) % (last + 1), table["label"])
    by_mark = np.where(table["cue"], last, np.where(table["label"] == last, 0, table["label"]))
    return table[["image_id", "group", "label"]].assign(predicted=np.where(read, by_mark, honest))


def heat(table, levels, seed=0, metric="inside_cue", noise=0.02):
    """Scores by (model, method) -> mean on marked and on unmarked images."""
    rng, parts = np.random.default_rng(seed), []
    for (model, method), (marked, unmarked) in levels.items():
        value = np.where(table["cue"], marked, unmarked) + rng.normal(0, noise, len(table))
        names = {"model": model, "method": method, "metric": metric, "family": "localization", "seed": 0, "reason": ""}
        parts.append(table[["image_id", "group"]].assign(value=value, **names))
    return pd.concat(parts, ignore_index=True).astype({"seed": "Int64"})


def tabled(predictions, scores, table, methods=("gradcam",), marked=1, **settings):
    cue = table.set_index("image_id")["cue"]
    return cue_table(predictions, compact(scores), cue, marked, list(methods), SETTINGS | settings)


def of(table, **keys):
    for key, value in keys.items():
        table = table[table[key] == value]
    (row,) = table.to_dict("records")
    return row


def test_who_cheats_falls_from_right_to_wrong():
    table = images()
    (row, mean) = reliance({3: answers(table, 1.0)}, table.set_index("image_id")["cue"], 1, SETTINGS)
    assert (row["seed"], row["marked"], row["unmarked"], row["difference"]) == (3, 1.0, 0.0, 1.0)
    assert 0.5 < row["low"] < 1 <= row["high"] and row["verdict"] == "relies"
    assert {key: mean[key] for key in ("marked", "difference", "low")} == pytest.approx(
        {key: row[key] for key in ("marked", "difference", "low")}
    )
    assert (row["images"], row["groups"]) == (80, 20)


def test_who_does_not_cheat_does_not_fall():
    table = images()
    (row, _) = reliance({0: answers(table, 0.0)}, table.set_index("image_id")["cue"], 1, SETTINGS)
    assert row["difference"] == 0 and row["low"] < 0 < row["high"] and row["verdict"] == "unclear"


def test_the_mean_of_the_seeds_decides():
    """One training cheats on everything, another on nothing: half of the fall."""
    table = images()
    found = reliance({0: answers(table, 1.0), 1: answers(table, 0.0)}, table.set_index("image_id")["cue"], 1, SETTINGS)
    assert [row["difference"] for row in found] == pytest.approx([1.0, 0.0, 0.5])
    assert [row["verdict"] for row in found] == ["relies", "unclear", "relies"] and found[2]["seed"] is pd.NA


def test_accuracy_is_a_mean_over_classes_and_multi_class():
    """Three classes; the mark makes every image of any class the last one, and only where it is."""
    table = images(groups=30, classes=3)
    fooled = table.assign(predicted=np.where(table["cue"], 2, table["label"]))
    (row, _) = reliance({0: fooled}, table.set_index("image_id")["cue"], 2, SETTINGS)
    # where it agrees all are right; where it conflicts class 2 (unmarked) is right, 0 and 1 (marked) are not
    assert (row["marked"], row["unmarked"]) == (1.0, pytest.approx(1 / 3))
    more = pd.concat([table, table[table["label"] == 2].assign(image_id=lambda t: t["image_id"] + "x")])
    fooled = more.assign(predicted=np.where(more["cue"], 2, more["label"]))
    (row, _) = reliance({0: fooled}, more.set_index("image_id")["cue"], 2, SETTINGS)
    assert row["unmarked"] == pytest.approx(1 / 3)  # not by images


def test_without_images_of_both_kinds_nothing_is_said():
    table = images().assign(cue=lambda t: t["label"] == 1)
    (row,) = reliance({0: answers(table, 1.0)}, table.set_index("image_id")["cue"], 1, SETTINGS)
    assert (row["verdict"], row["reason"]) == ("unclear", "no_contrast")


LEVELS = {
    ("a", "gradcam"): (0.4, 0.05),
    ("a", "lrp"): (0.08, 0.05),
    ("a", "saliency"): (0.05, 0.05),
    ("a", "random"): (0.05, 0.05),
    ("a", "edges"): (0.3, 0.05),
}
METHODS = ("gradcam", "lrp", "saliency")


def test_what_shows_the_cue_and_what_hides_it():
    table = images()
    scores = heat(table, LEVELS)
    found = tabled({("a", 0): answers(table, 1.0)}, scores, table, METHODS)
    assert list(found.columns) == list(CUE)
    wide = scores[scores["method"] == "gradcam"].merge(table[["image_id", "cue"]])
    wide = wide.groupby(["group", "cue"])["value"].mean().unstack()
    differences = wide[True] - wide[False]
    row = of(found, method="gradcam")
    assert row["difference"] == pytest.approx(differences.mean()) and row["p"] == stats.wilcoxon(differences).pvalue
    ends = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert [row["low"], row["high"]] == pytest.approx([ends.low, ends.high])
    assert (row["marked"], row["unmarked"]) == pytest.approx((wide[True].mean(), wide[False].mean()))
    assert (row["images"], row["groups"], row["reason"]) == (80, 20, "")
    own = found[found["method"].isin(METHODS)]
    np.testing.assert_allclose(own["p_corrected"], holm(own["p"].tolist()))
    words = {row["method"]: row["verdict"] for row in found.to_dict("records") if row["method"]}
    assert words == {"gradcam": "shown", "lrp": "faint", "saliency": "hidden", "random": "hidden", "edges": "shown"}
    assert (
        of(tabled({("a", 0): answers(table, 1.0)}, scores, table, METHODS, margin={"default": 0.001}), method="lrp")[
            "verdict"
        ]
        == "shown"
    )


def test_less_heat_on_the_lesion_shows_the_cue_and_more_does_not():
    table = images()
    levels = {("a", "gradcam"): (0.2, 0.5), ("a", "lrp"): (0.5, 0.2)}
    found = tabled(
        {("a", 0): answers(table, 1.0)}, heat(table, levels, metric="relevance_rank_accuracy"), table, METHODS
    )
    assert of(found, method="gradcam")["verdict"] == "shown" and of(found, method="lrp")["verdict"] == "hidden"
    found = tabled({("a", 0): answers(table, 1.0)}, heat(table, levels, metric="outside_body"), table, METHODS)
    assert of(found, method="lrp")["verdict"] == "shown" and of(found, method="gradcam")["verdict"] == "hidden"


def test_a_wide_spread_is_unclear_and_few_groups_are_said():
    table = images()
    found = tabled({("a", 0): answers(table, 1.0)}, heat(table, {("a", "gradcam"): (0.2, 0.15)}, noise=0.5), table)
    assert of(found, method="gradcam")["verdict"] == "unclear"
    few = images(groups=4)
    found = tabled({("a", 0): answers(few, 1.0)}, heat(few, {("a", "gradcam"): (0.9, 0.1)}), few)
    row = of(found, method="gradcam")
    assert row["verdict"] == "unclear" and row["reason"] == "4 groups are too few for these tests to find anything"


def test_classes_are_held_against_themselves():
    """Heat differs between classes, the mark goes with one of them, and within a class nothing differs."""
    rng = np.random.default_rng(0)
    rows = [(f"i{g}_{i}", f"p{g}", i % 2, rng.random() < (0.8 if i % 2 else 0.2)) for g in range(20) for i in range(12)]
    table = pd.DataFrame(rows, columns=["image_id", "group", "label", "cue"])
    scores = heat(table, {("a", "gradcam"): (0.2, 0.2)})
    scores["value"] += 0.5 * table["label"].to_numpy()
    row = of(tabled({("a", 0): answers(table, 1.0)}, scores, table), method="gradcam")
    assert row["verdict"] == "hidden" and abs(row["difference"]) < 0.02


def test_each_training_run_has_rows_of_its_own_where_there_are_several():
    table = images()
    shows, hides = {("a", "gradcam"): (0.4, 0.1), ("a", "lrp"): (0.1, 0.1)}, {("a", "gradcam"): (0.1, 0.1)}
    hides |= {("a", "lrp"): (0.4, 0.1)}
    scores = pd.concat([heat(table, shows).assign(seed=3), heat(table, hides, seed=1).assign(seed=4)])
    found = tabled({("a", seed): answers(table, 1.0) for seed in (3, 4)}, scores, table, METHODS)
    verdicts = found[found["method"] != ""].dropna(subset="seed").set_index(["seed", "method"])["verdict"]
    assert verdicts.to_dict() == {
        (3, "gradcam"): "shown", (3, "lrp"): "hidden", (4, "gradcam"): "hidden", (4, "lrp"): "shown",
    }  # fmt: skip
    alone = tabled({("a", 3): answers(table, 1.0)}, scores[scores["seed"] == 3], table, METHODS)
    columns = ["method", "images", "groups", "difference", "p_corrected", "verdict"]
    same = found[(found["seed"] == 3) & (found["method"] != "")][columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, alone[alone["method"] != ""][columns].reset_index(drop=True))


def test_groups_of_one_kind_are_left_out_and_counted_and_so_are_those_lost_in_a_seed():
    table = images()
    alone = table["group"].isin(["p00", "p01"])
    table = table.assign(cue=table["cue"] & ~alone)
    one, other = heat(table, {("a", "gradcam"): (0.4, 0.1)}), heat(table, {("a", "gradcam"): (0.4, 0.1)}, seed=1)
    other = other.assign(seed=1)
    lost = (other["group"] == "p05").to_numpy()
    other["value"] = other["value"].mask(lost)
    other["reason"] = other["reason"].mask(lost, "all_zero")
    predictions = {("a", seed): answers(table, 1.0) for seed in (0, 1)}
    found = tabled(predictions, pd.concat([one, other]), table)
    row = of(found[found["seed"].isna()], method="gradcam")
    assert (row["groups"], row["images"]) == (17, 68)
    assert row["reason"] == "3 of 20 groups left out: no class with and without the cue in each seed"
    assert row["verdict"] == "shown"


def test_a_method_without_a_value_has_its_reason():
    table = images()
    scores = heat(table, {("a", "gradcam"): (0.4, 0.1), ("a", "lrp"): (0.4, 0.1)})
    gone = scores["method"] == "lrp"
    scores = scores.assign(value=scores["value"].mask(gone), reason=np.where(gone, "no_attention", ""))
    row = of(tabled({("a", 0): answers(table, 1.0)}, scores, table, METHODS), method="lrp")
    assert np.isnan(row["difference"]) and row["groups"] == 0
    assert row["reason"] == "no_attention" and row["verdict"] == "unclear"


def test_the_statements():
    table = images()
    levels = LEVELS | {("b", method): (0.05, 0.05) for method in METHODS}
    predictions = {("a", 0): answers(table, 1.0), ("b", 0): answers(table, 0.0)}
    tested = tabled(predictions, heat(table, levels), table, METHODS)
    found = summarize_cue(tested, SHORTCUT, CLASSES, METHODS, SETTINGS)
    assert found.relies == {"a": True, "b": False} and (found.label, found.rate, found.test_rate) == (
        "planted",
        0.9,
        0.5,
    )
    assert found.verdicts["a"]["gradcam"] == {"inside_cue": "shown"} and "random" not in found.verdicts["a"]
    assert found.controls["a"] == {"random": {"inside_cue": "hidden"}, "edges": {"inside_cue": "shown"}}
    assert found.margins == {"inside_cue": 0.05}
    stated = cue_statements(tested, results(cue=found))
    assert [(one.kind, one.one("models"), one.reason) for one in stated] == [
        ("cue.planted", "", None),
        ("cue.relies", "a", None),
        ("cue.heatmaps", "a", None),
        ("cue.no_evidence", "b", None),
        ("cue.heatmaps", "b", "needless"),
        ("cue.compared", "", None),
        ("cue.control", "a", "heatmaps_too"),
    ]
    assert stated[0].numbers == {"rate": 0.9, "test_rate": 0.5} and stated[0].one("label") == "planted"
    assert stated[1].numbers["difference"] == 1 and stated[1].one("scope") == "trained"
    assert stated[2].subjects["methods"] == METHODS and stated[2].subjects["verdicts"] == ("shown", "faint", "hidden")
    assert stated[5].numbers == {"fewest": 20, "most": 20} and stated[6].one("control") == "edges"
    # checkpoints that were not trained here; test images that are marked as the others
    setting = Setting({"a": "brought", "b": "brought"}, {"a": 0, "b": 0}, 8, (0,))
    plain = summarize_cue(tested, SHORTCUT | {"test_rate": None, "label": "normal"}, CLASSES, METHODS, SETTINGS)
    stated = cue_statements(tested, results(cue=plain, setting=setting))
    assert stated[0].numbers == {"rate": 0.9} and stated[0].one("label") == "normal"
    assert stated[1].one("scope") == "checkpoints"


CLAIM = {"source": "paper", "claim": "so", "check": "shows_cue", "family": "localization", "method": "gradcam"}
CLAIM |= {"models": [], "than": []}


@pytest.mark.parametrize(
    ("cheats", "levels", "verdict", "evidence"),
    [
        ({"a": 1.0, "b": 0.0}, {"a": (0.05, 0.05), "b": (0.4, 0.05)}, "supported", "a hidden ("),
        ({"a": 1.0, "b": 1.0}, {"a": (0.05, 0.05), "b": (0.4, 0.05)}, "supported", "b shown (0.3"),
        ({"a": 1.0, "b": 1.0}, {"a": (0.3, 0.05), "b": (0.4, 0.05)}, "contradicted", "a shown (0.2"),
        ({"a": 1.0, "b": 0.0}, {"a": (0.4, 0.05), "b": (0.05, 0.05)}, "contradicted", "a shown (0.3"),
        ({"a": 1.0, "b": 1.0}, {"a": (0.08, 0.05), "b": (0.4, 0.05)}, "undecided", "a faint ("),
        (
            {"a": 0.0, "b": 0.0},
            {"a": (0.4, 0.05), "b": (0.05, 0.05)},
            "undecided",
            "no model relies significantly on the cue (largest accuracy difference ",
        ),
    ],
)
def test_the_claim_that_heatmaps_may_miss_the_evidence(cheats, levels, verdict, evidence):
    table = images()
    predictions = {(model, 0): answers(table, share) for model, share in cheats.items()}
    found = tabled(predictions, heat(table, {(m, "gradcam"): level for m, level in levels.items()}), table)
    of_none = Design([], ["gradcam"], {}, {}, frozenset(), SETTINGS)  # who sees nothing but the mark is not competent
    given = (Gathered({}, {}, {}, {}), results(), of_none)
    (row,) = check({"c": CLAIM}, *given, cue=found)
    assert row["verdict"] == verdict and evidence in row["evidence"] and row["metric"] == "inside_cue"
    if row["effect"] is not None:
        decides = found[(found["method"] == "gradcam") & (found["difference"] == row["effect"])]
        assert decides["model"].item() == "a" and row["groups"] == 20 and row["low"] < row["effect"] < row["high"]
    assert check({"c": CLAIM}, *given) == []  # nothing was planted
    (row,) = check({"c": CLAIM | {"method": "lrp"}}, *given, cue=found)
    assert row["verdict"] == "undecided"


@pytest.mark.slow
def test_the_study_writes_it(write_study):
    args = write_study({"a": 0.6, "b": 0.5}, patients=18, images=4, families=("localization",))
    test = artifacts.read_manifest("toy", "fold0")
    cue = np.arange(len(test)) % 2 == 0
    write_facts(test, "toy", cue=cue)
    args.cue = SHORTCUT
    args.config["claims"] = {"c": CLAIM | {"methods": [], "metric": None}}
    command.run(args)
    summary = read("toy")
    table = artifacts.read_table(artifacts.stats_dir("toy") / "cue.csv", CUE)
    assert summary.cue.label == "malignant" and summary.cue.relies == {"a": False, "b": False}
    assert set(table["metric"]) == {"accuracy", "relevance_rank_accuracy"} and summary.claims[0].name == "c"
    assert len(table[table["metric"] == "accuracy"]) == 6 and table["seed"].isna().sum() > 2
    args.cue = None
    command.run(args)
    assert read("toy").cue is None
    assert artifacts.read_table(artifacts.stats_dir("toy") / "cue.csv", CUE).empty


@pytest.mark.slow
def test_nothing_is_said_falsely_more_often_than_stated():
    """Models that do not read the mark: of half of them no heat moves with it, of half by the margin itself."""
    draws, table = 80, images(groups=12)
    none, edge = ([f"{kind}{i}" for i in range(draws)] for kind in ("none", "edge"))
    levels = {(model, name): (0.2, 0.2) for model in none for name in METHODS}
    levels |= {(model, name): (0.25, 0.2) for model in edge for name in METHODS}
    predictions = {(model, 0): answers(table, 0.0, i, 0.25) for i, model in enumerate([*none, *edge])}
    found = tabled(predictions, heat(table, levels, noise=0.05), table, METHODS).groupby("model")["verdict"]
    shown, hidden = (
        found.agg(lambda of: of.isin(["shown", "faint"]).any()),
        found.agg(lambda of: (of == "hidden").any()),
    )
    reads = found.agg(lambda of: (of == "relies").any())
    assert shown[none].mean() < 0.025 + 3 * np.sqrt(0.025 / draws)  # one side of two
    assert hidden[edge].mean() < 0.05 + 3 * np.sqrt(0.05 / draws)
    assert reads.mean() < 0.025 + 3 * np.sqrt(0.025 / draws / 2) and shown[edge].mean() > 0.1
