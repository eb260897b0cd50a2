"""Several labels an image: measures beside scikit-learn, rare labels, draws that lose a label, coverage."""

import numpy as np
import pandas as pd
import pytest
from minimal import results
from sklearn.metrics import f1_score, recall_score, roc_auc_score
from stats.conftest import judged
from stats.several import CLASSES, SETTINGS, predictions, write

from heatproof.stats.accuracy import classification, multilabel
from heatproof.stats.accuracy.multilabel import (
    Labels,
    fall_within,
    judge,
    judge_checkpoints,
    known_labels,
    strata,
)
from heatproof.stats.claims.claims import check
from heatproof.stats.results import Cases, Competence, Model
from heatproof.stats.results import Labels as Stated
from heatproof.stats.verdicts.gather import Gathered
from heatproof.stats.verdicts.rules import Design
from heatproof.store import artifacts
from heatproof.store import tables as stats_tables

ALL = Labels(CLASSES, np.ones(3, bool), np.full(3, 9), np.full(3, 9), 5)


def table(images=60, noise=0.4, groups=20, seed=0, shares=(0.5, 0.4, 0.3)):
    rng = np.random.default_rng(seed)
    truth = rng.random((images, 3)) < shares
    return predictions(truth, noise, rng).assign(
        group=[f"p{k:03d}" for k in rng.permutation(np.arange(images) % groups)]
    )


def numbered(of):
    return of.assign(image_id=[f"i{k}" for k in range(len(of))])


def draws():
    return np.random.default_rng(3)


def test_measures_are_those_of_scikit_learn():
    of = table()
    truth, said = artifacts.truth(of, 3), artifacts.predicted(of, 3)
    probability = of[["p_0", "p_1", "p_2"]].to_numpy()
    rows, found = judge(of, ALL, 0.95, draws())
    values = {name: row["value"] for name, row in found.items()}
    assert values == pytest.approx(
        {
            "f1_micro": f1_score(truth, said, average="micro"),
            "f1_macro": f1_score(truth, said, average="macro"),
            "subset_accuracy": (truth == said).all(1).mean(),
            "balanced_accuracy": np.mean(
                [recall_score(truth[:, k], said[:, k], pos_label=v) for k in range(3) for v in (0, 1)]
            ),
            "auroc_micro": roc_auc_score(truth, probability, average="micro"),
            "auroc_macro": roc_auc_score(truth, probability, average="macro"),
        }
    )
    assert [row["f1"] for row in rows] == pytest.approx(f1_score(truth, said, average=None))
    assert [row["auroc"] for row in rows] == pytest.approx(roc_auc_score(truth, probability, average=None))
    assert [row["images"] for row in rows] == truth.sum(0).tolist()
    for row in [*found.values(), *({"value": r["f1"], "low": r["f1_low"], "high": r["f1_high"]} for r in rows)]:
        assert 0 <= row["low"] < row["value"] < row["high"] <= 1


def test_f1_by_hand():
    """Two labels of three images: 1 TP and 1 FN of the one; 1 TP, 1 FP of the other; all right for one image."""
    truth, said = np.array([[1, 1], [1, 0], [0, 0]], bool), np.array([[1, 1], [0, 1], [0, 0]], bool)
    hot = [artifacts.multihot("label", truth), artifacts.multihot("predicted", said)]
    of = pd.concat(hot, axis=1).assign(group=["a", "b", "c"])
    known = Labels(["x", "y"], np.ones(2, bool), np.full(2, 3), np.full(2, 3), 2)
    rows, found = judge(of, known, 0.95, draws())
    assert [row["f1"] for row in rows] == pytest.approx([2 / 3, 2 / 3])
    assert [(row["sensitivity"], row["specificity"]) for row in rows] == [(0.5, 1.0), (1.0, 0.5)]
    assert found["f1_micro"]["value"] == pytest.approx(4 / 6) and found["subset_accuracy"]["value"] == pytest.approx(
        2 / 3
    )
    assert np.isnan(found["auroc_macro"]["value"]) and np.isnan(found["auroc_macro"]["low"])  # no probabilities


def test_auroc_within_a_source_compares_its_images_alone():
    """Pairs of images of one source, counted one by one, as in the definition."""
    of, probability = numbered(table(images=40)), ["p_0", "p_1", "p_2"]
    within = pd.Series(np.where(np.arange(40) < 15, "here", "there"), of["image_id"])
    truth = artifacts.truth(of, 3)
    rows, found = judge(of, ALL, 0.95, draws(), strata(of, within))
    place = within.loc[of["image_id"]].to_numpy()
    by_hand = []
    for label, column in enumerate(probability):
        p = of[column].to_numpy()
        pairs = [
            (p[i] > p[j]) + 0.5 * (p[i] == p[j])
            for i in np.flatnonzero(truth[:, label])
            for j in np.flatnonzero(~truth[:, label])
            if place[i] == place[j]
        ]
        by_hand.append(np.mean(pairs))
    assert [row["auroc"] for row in rows] == pytest.approx(by_hand)
    assert found["auroc_macro"]["value"] == pytest.approx(np.mean(by_hand))


def test_a_model_that_knows_the_source_alone_is_not_competent_within_it():
    """A label is frequent in one source and rare in the other; the model says how frequent."""
    rng = np.random.default_rng(0)
    here = np.arange(200) < 100
    truth = np.stack([rng.random(200) < np.where(here, 0.9, 0.1), rng.random(200) < 0.5], 1)
    of = numbered(predictions(truth, 0.4, rng).assign(group=[f"p{k:03d}" for k in range(200)]))
    of[["p_0", "p_1"]] = np.where(here, 0.9, 0.1)[:, None] + rng.normal(0, 0.01, (200, 2))
    within = pd.Series(np.where(here, "here", "there"), of["image_id"])
    names, settings = ("ill", "old"), SETTINGS | {"competence_margin": 0.1}
    one = Labels(names, np.array([True, False]), np.full(2, 99), np.full(2, 99), 5)
    apart, together = (
        judge_checkpoints({("m", 0): of}, one, settings, "toy", given)[0].iloc[0] for given in (within, None)
    )
    assert together["competent"] and together["auroc"] > 0.85
    assert not apart["competent"] and apart["low"] <= apart["high"] and abs(apart["auroc"] - 0.5) < 0.15


def sources(rng, knows_source: float, knows_label: float, patients=80):
    """Predictions on a label that is frequent in one of two sources; the model knows as much of each."""
    here = np.arange(patients) < patients // 2
    truth = rng.random((patients, 1)) < np.where(here, 0.7, 0.3)[:, None]
    of = numbered(predictions(truth, 0.4, rng).assign(group=[f"p{k:03d}" for k in range(patients)]))
    known = knows_source * here + knows_label * truth[:, 0]
    return of.assign(p_0=known + rng.normal(0, 1, patients)), pd.Series(np.where(here, "a", "b"), of["image_id"])


FALL = SETTINGS | {"margin": {"default": 0.05}}


def test_the_claim_that_accuracy_is_of_the_source():
    rng, claim = np.random.default_rng(1), {"source": "paper", "claim": "so", "check": "falls_within"}
    claim |= {"family": "", "method": "", "metric": None, "models": [], "than": []}
    design = Design([], ["gradcam"], {}, {}, frozenset(), FALL)  # of models that are not competent, too
    given = (
        Gathered({}, {}, {}, {}),
        results(models={"m": Model(competent=False)}, competence=Competence(0.5, 0.5)),
        design,
    )
    verdicts = {}
    for name, knows in {"source": (3.0, 0.0), "label": (0.0, 3.0)}.items():
        of, within = sources(rng, *knows, patients=240)
        known = known_labels(of, ["ill"], 5, within)
        fall = fall_within({("m", 0): of, ("m", 1): of}, known, within, FALL, "toy")
        (row,) = check({"c": claim}, *given, fall=lambda models, found=fall: found)
        verdicts[name] = row["verdict"]
        assert row["effect"] == fall["difference"] and row["low"] < row["effect"] < row["high"]
        assert row["groups"] == 240 and "that over all images" in row["evidence"]
    assert verdicts == {"source": "supported", "label": "contradicted"}
    (row,) = check({"c": claim}, *given, fall=lambda models: None)
    assert row["verdict"] == "undecided" and row["effect"] is None


def test_no_fall_without_probabilities_or_a_label_that_counts():
    of, within = sources(np.random.default_rng(0), 1.0, 1.0)
    known = known_labels(of, ["ill"], 5, within)
    assert fall_within({("m", 0): of.drop(columns="p_0")}, known, within, FALL, "toy") is None
    assert fall_within({("m", 0): of}, known_labels(of, ["ill"], 99, within), within, FALL, "toy") is None


@pytest.mark.slow
def test_the_fall_is_found_in_no_more_studies_than_promised(monkeypatch):
    """A model that knows the label alone, as well in each source: AUROC over all images is that within one."""
    monkeypatch.setattr(multilabel.draw_groups, "__defaults__", (200,))
    rng, found = np.random.default_rng(7), []
    for study in range(400):
        of, within = sources(rng, 0.0, 1.0)
        known = known_labels(of, ["ill"], 5, within)
        found.append(fall_within({("m", 0): of}, known, within, FALL, f"toy{study}")["p"] <= 0.05)
    assert np.mean(found) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(found))


def test_a_label_that_goes_with_the_source_is_not_counted_within_it():
    of = numbered(table(images=60))
    truth = artifacts.truth(of, 3)
    within = pd.Series(np.where(truth[:, 0], "ill", "well"), of["image_id"])
    known = known_labels(of, CLASSES, 5, within)
    assert known.having[0] == known.lacking[0] == 0 and known.counted.tolist() == [False, True, True]


def test_labels_of_few_patients_are_not_counted():
    truth = np.zeros((12, 3), bool)
    truth[:6, 0], truth[:4, 1], truth[:, 2] = True, True, True
    group = [f"p{k}" for k in range(12)]
    of = artifacts.multihot("label", truth).assign(group=group)
    known = known_labels(of, CLASSES, 5)
    assert known.counted.tolist() == [True, False, False]
    assert known.stated() == Stated(("pneumonia",), {"viral": (4, 8), "rare": (12, 0)}, 5)
    assert known_labels(of, CLASSES, 4).counted.tolist() == [True, True, False]
    # six images of one patient are one patient
    assert not known_labels(of.assign(group=["p0"] * 6 + group[6:]), CLASSES, 5).counted[0]


def test_means_are_over_counted_labels_alone():
    of = table()
    known = Labels(CLASSES, np.array([True, False, True]), np.full(3, 9), np.full(3, 9), 5)
    rows, found = judge(of, known, 0.95, draws())
    assert found["f1_macro"]["value"] == pytest.approx((rows[0]["f1"] + rows[2]["f1"]) / 2)
    assert found["auroc_macro"]["value"] == pytest.approx((rows[0]["auroc"] + rows[2]["auroc"]) / 2)
    assert found["f1_micro"] == judge(of, ALL, 0.95, draws())[1]["f1_micro"]
    none = Labels(CLASSES, np.zeros(3, bool), np.full(3, 9), np.full(3, 9), 99)
    found = judge(of, none, 0.95, draws())[1]
    assert np.isnan(found["f1_macro"]["value"]) and np.isnan(found["auroc_macro"]["low"])
    assert np.isfinite(found["f1_micro"]["low"])
    judged = judge_checkpoints({("m", 0): of}, none, SETTINGS, "toy")[0]
    assert not judged["competent"].any()


def test_a_label_that_no_image_has_gives_no_number():
    of = table(shares=(0.5, 0.4, 0.0))
    known = known_labels(of, CLASSES, 5)
    rows, found = judge(of, known, 0.95, draws())
    assert rows[2]["images"] == rows[2]["groups"] == 0 and not rows[2]["counted"]
    assert np.isnan([rows[2][key] for key in ("f1", "f1_low", "auroc", "auroc_high", "sensitivity")]).all()
    assert all(np.isfinite(row["low"]) for row in found.values())


def test_neither_order_nor_other_models_change_a_draw():
    of = table()
    first, by_label, measures = judge_checkpoints({("a", 0): of, ("b", 0): of}, ALL, SETTINGS, "toy")
    shuffled = of.sample(frac=1, random_state=1)
    again = judge_checkpoints({("a", 0): shuffled}, ALL, SETTINGS, "toy")[0]
    pd.testing.assert_frame_equal(again, first[:1])
    assert first["f1_low"][0] != first["f1_low"][1]  # each checkpoint has its own draws
    other = judge_checkpoints({("a", 0): of}, ALL, SETTINGS | {"seed": 1}, "toy")[0]
    assert other["f1_low"][0] != first["f1_low"][0] and other["f1_macro"][0] == first["f1_macro"][0]
    assert list(by_label) == list(stats_tables.LABELS) and list(measures) == list(stats_tables.MULTILABEL)


def test_competence_is_judged_by_the_low_end_of_the_macro_auroc():
    for noise, competent in ((0.2, True), (3.0, False)):
        row = judge_checkpoints({("m", 0): table(noise=noise)}, ALL, SETTINGS, "toy")[0].iloc[0]
        assert row["competent"] == competent == (row["auroc_low"] > 0.6)


@pytest.mark.parametrize("patients", [20, 60])
@pytest.mark.slow
def test_intervals_cover(patients):
    """Images of a patient are wrong together: 150 studies, the truth from a large one."""

    def drawn(count, rng):
        who = np.repeat(np.arange(count), rng.integers(1, 4, count))
        truth = (rng.random((count, 3)) < 0.5)[who]
        score = truth + rng.normal(0, 0.7, (count, 3))[who] + rng.normal(0, 0.7, truth.shape)
        parts = [artifacts.multihot("label", truth), artifacts.multihot("predicted", score > 0.5)]
        return pd.concat([*parts, pd.DataFrame(score).add_prefix("p_")], axis=1).assign(group=who.astype(str))

    rng, hits = np.random.default_rng(patients), {"f1_micro": 0, "auroc_macro": 0}
    many = drawn(20_000, rng)
    truth, said = artifacts.truth(many, 3), artifacts.predicted(many, 3)
    true = {
        "f1_micro": f1_score(truth, said, average="micro"),
        "auroc_macro": roc_auc_score(truth, many[["p_0", "p_1", "p_2"]]),
    }
    for _ in range(150):
        found = judge(drawn(patients, rng), ALL, 0.95, rng)[1]
        for name in hits:
            hits[name] += found[name]["low"] <= true[name] <= found[name]["high"]
    assert all(0.9 <= hit / 150 <= 0.99 for hit in hits.values()), hits


def test_confusion_is_of_each_label_and_its_absence():
    truth, said = np.array([[1, 0], [1, 0], [0, 0]], bool), np.array([[1, 1], [0, 0], [1, 0]], bool)
    of = pd.concat([artifacts.multihot("label", truth), artifacts.multihot("predicted", said)], axis=1)
    found = classification.confusion({("m", 0): of}, ["x", "y"])
    assert found[["label", "predicted", "images"]].to_numpy().tolist() == [
        ["x", "x", 1],
        ["x", "not x", 1],
        ["not x", "x", 1],
        ["not x", "not x", 0],
        ["not y", "y", 1],
        ["not y", "not y", 2],
    ]


def test_calibration_is_of_cases():
    """A model that gives each label .25 where a quarter have it is calibrated, with one certain bin."""
    truth = np.zeros((8, 2), bool)
    truth[:2] = True
    hot = artifacts.multihot("label", truth).assign(p_0=0.25, p_1=0.25, group=[str(k) for k in range(8)])
    assert classification.calibration_error({("m", 0): hot})["m", 0] == pytest.approx(0)
    row = classification.calibration({("m", 0): hot}).iloc[0]
    assert row[["confidence", "accuracy", "images"]].tolist() == [0.25, 0.25, 16]
    told = classification.confidence({("m", 0): hot}, 0.95, "toy", 0)["m"]
    assert told.groups == 8 and told.difference == pytest.approx(0)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*given, change=None, **more):
        args = write(*given, **more)
        args.config |= change or {}
        return judged(args)

    return run


def test_a_study_of_several_labels(study):
    results, tables = study({"a": 0.7, "b": 0.5}, also={"b": [2, 3]})
    assert results.multilabel and results.competence == Competence(0.5, 0.6, "macro AUROC")
    assert results.labels.not_counted == {"rare": (2, 22)} and results.cases["localization"] == Cases(44, 2)
    (labels,), (cases,) = results.about("labels"), results.about("cases")
    assert (labels.subjects["labels"], labels.numbers["having"], labels.reason) == (("rare",), (2,), None)
    assert cases.subjects["families"] == ("localization", "faithfulness")
    assert cases.numbers == {"kept": (44, 44), "left_out": (2, 2)}
    rows, wide = tables["models"].set_index("model"), tables["multilabel"].set_index(["model", "measure"])["value"]
    shown = {"accuracy": "subset_accuracy", "balanced_accuracy": "balanced_accuracy", "auroc": "auroc_macro"}
    for column, measure in (shown | {"f1_macro": "f1_macro"}).items():
        assert rows.loc["a", column] == wide["a", measure]
    assert rows["competent"].all() and tables["labels"]["counted"].tolist() == [True, True, False] * 2
    assert set(tables["relations"]["covariate"]) >= {"right", "confidence", "class:viral against pneumonia"}
    (apart,) = results.about("pairs", family="localization")
    assert (apart.kind, apart.one("over")) == ("pairs.apart", "b")  # heat outside the body: more of it
    assert sorted(tables["roc"]["label"].unique()) == sorted(CLASSES)


def test_no_label_is_counted_so_nobody_is_judged(study):
    results, tables = study({"a": 0.7, "b": 0.5}, change={"min_patients": 20})
    assert not tables["models"]["competent"].any() and results.models["a"].balanced_accuracy is None
    (none,), (out, *_) = results.answer, results.about("models")
    assert (none.kind, none.reason, none.numbers) == ("models.none_competent", "no_label_counted", {"needed": 20})
    assert (out.kind, out.reason, out.subjects["models"]) == ("models.left_out", none.reason, ("a", "b"))
    assert results.about("labels")[0].reason == "none"
    assert tables["pairs"].empty and len(tables["metrics"])
    assert artifacts.read_json(artifacts.stats_dir("toy") / "metrics.json")["balanced_accuracy"] == {
        "a": None,
        "b": None,
    }


def test_a_weak_model_is_named_with_its_measure(study):
    results, _ = study({"a": 0.7, "b": 0.5}, noise={"b": 9.0})
    (out,) = results.about("models")
    assert (out.subjects["models"], out.one("measure")) == (("b",), "macro AUROC")
    assert out.numbers == {"floor": pytest.approx(0.6), "chance": 0.5}


def test_no_case_that_all_explain_in_a_family(study):
    """A family of which the models explain different cases is described nowhere, and the others go on."""
    args = write({"a": 0.7, "b": 0.5}, families=("localization", "faithfulness"))
    path = artifacts.Checkpoint("toy", "b", 0, "fold0").scores("faithfulness")
    table = artifacts.read_table(path, artifacts.SCORES)
    artifacts.write_table(path, table.assign(image_id=table["image_id"] + "x"), artifacts.SCORES)
    results, _ = judged(args)
    assert list(results.families) == ["localization"] and results.cases["faithfulness"] == Cases(0, 88)
    (cases,) = results.about("cases")
    assert (cases.subjects, cases.numbers["left_out"]) == ({"families": ("faithfulness",)}, (88,))


@pytest.mark.slow
def test_published_f1_beside_ours(study):
    paper = {"source": "P", "table": "t", "note": "", "f1_micro": {"a": 0.8, "e": 0.9}, "f1": {"a": {"viral": 0.7}}}
    results, tables = study({"a": 0.7, "b": 0.5}, ensembles={"e": ["a", "b"]}, change={"published": {"paper": paper}})
    rows = tables["published"].set_index(["measure", "model"])
    wide = tables["multilabel"].set_index(["model", "measure"])
    assert rows.loc[("f1_micro", "e"), "published"] == 0.9
    assert rows.loc[("f1_micro", "e"), ["value", "low", "high"]].tolist() == pytest.approx(
        wide.loc[("e", "f1_micro"), ["value", "low", "high"]].tolist()
    )
    by_label = tables["labels"].set_index(["model", "label"])
    viral = rows.loc[("f1:viral", "a")]
    assert viral["published"] == 0.7 and viral["low"] == pytest.approx(by_label.loc[("a", "viral"), "f1_low"])
    assert np.isnan(rows.loc[("f1:viral", "b"), "published"]) and "f1:rare" not in rows.index.get_level_values(0)
    found = results.published["paper"]
    assert found.measure == "f1_micro" and np.mean(found.reported) == pytest.approx(0.85)
    share = found.explained["patient"]
    assert share.share == pytest.approx((share.neighbour - share.base) / (0.85 - share.base))
    (told,) = results.about("published")
    assert (told.one("measure"), told.numbers["lowest"], told.numbers["highest"]) == ("f1_micro", 0.8, 0.9)
