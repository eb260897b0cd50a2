"""Relations of scores with what is known of the images: SciPy, pingouin, plain loops, and what must have no number."""

from itertools import combinations

import numpy as np
import pandas as pd
import pingouin as pg
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from heatproof.stats.tables.groups import compact
from heatproof.stats.tests import relations

CLASSES = ["normal", "benign", "malignant"]
PRIMARY = {"localization": "rra", "consistency": "iou_seeds"}
SETTINGS = {"interval": 0.95}


def predictions(groups=15, images=2, seeds=(0, 1), models=("a", "b")):
    rng = np.random.default_rng(0)
    ids = [(f"g{g:02d}", f"g{g:02d}_{i}", g % 3) for g in range(groups) for i in range(images)]
    found = {}
    for model in models:
        for seed in seeds:
            p = rng.dirichlet([1, 1, 1], len(ids))
            table = pd.DataFrame(ids, columns=["group", "image_id", "label"]).assign(predicted=p.argmax(1))
            found[model, seed] = table.assign(p_0=p[:, 0], p_1=p[:, 1], p_2=p[:, 2])
    return found


def scores(made, family="localization", metric="rra", method="cam", seed=1):
    rng = np.random.default_rng(seed)
    parts = []
    for (model, trained), table in made.items():
        part = table[["image_id", "group"]].assign(
            family=family, metric=metric, method=method, model=model, seed=trained, reason=""
        )
        parts.append(part.assign(value=rng.normal(size=len(table)) + table["p_0"].to_numpy()))
    return pd.concat(parts, ignore_index=True).astype({"seed": "Int64"})


def shapes(made, every=True):
    table = next(iter(made.values()))
    rng = np.random.default_rng(3)
    kept = table[every | (table["label"] > 0)]
    values = rng.random((len(kept), 3))
    return kept[["image_id"]].assign(
        lesion_area=values[:, 0], lesion_elongation=values[:, 1], lesion_solidity=values[:, 2]
    )


def found(scores, made, shapes=None, methods=("cam",), models=("a", "b"), primary=PRIMARY):
    known = relations.covariates(made, shapes, CLASSES)
    return relations.relations(compact(scores), known, list(methods), list(models), primary, SETTINGS)


def row(table, model, covariate, **more):
    for name, value in {"model": model, "covariate": covariate, **more}.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_covariates_are_those_of_the_images():
    made = predictions()
    known = relations.covariates(made, shapes(made, every=False), CLASSES)
    one = made["b", 1].iloc[4]
    of = known[(known["model"] == "b") & (known["seed"] == 1) & (known["image_id"] == one["image_id"])].iloc[0]
    assert of["right"] == (one["predicted"] == one["label"])
    assert of["confidence"] == one[f"p_{one['label']}"]
    for a, b in combinations(range(3), 2):
        expected = float(one["label"] == b) if one["label"] in (a, b) else np.nan
        assert of[f"class:{CLASSES[b]} against {CLASSES[a]}"] == pytest.approx(expected, nan_ok=True)
    assert known["lesion_area"].isna().sum() == 4 * 10  # images of the class without a lesion


def test_groups_are_compared_not_images():
    made = predictions()
    table = scores(made)
    got = row(found(table, made), "a", "confidence", family="localization")
    x, y = [], []
    for group in sorted(table["group"].unique()):
        by_seed = []
        for seed in (0, 1):
            rows = made["a", seed].query("group == @group")
            sure = np.mean([r[f"p_{r['label']}"] for _, r in rows.iterrows()])
            of = table[(table["model"] == "a") & (table["seed"] == seed) & (table["group"] == group)]
            by_seed.append((sure, of["value"].mean()))
        x.append(np.mean([b[0] for b in by_seed]))
        y.append(np.mean([b[1] for b in by_seed]))
    expected = stats.spearmanr(x, y)
    assert (got["groups"], got["rho"], got["p"]) == pytest.approx((15, expected.statistic, expected.pvalue))


def test_rho_and_p_are_pingouins_and_the_interval_is_wider():
    rng = np.random.default_rng(2)
    x = rng.normal(size=25)
    y = x + rng.normal(size=25)
    got, peer = relations.spearman(x, y, 0.95), pg.corr(x, y, method="spearman").iloc[0]
    assert (got["rho"], got["p"]) == pytest.approx((peer["r"], peer["p_val"]))
    low, high = peer["CI95"]
    assert got["low"] < low < high < got["high"]


def test_the_interval_covers_where_that_for_pearson_does_not():
    """Normal pairs with rho = .8 at 20 groups, 1,500 draws: a share of .95 has a standard error of .006."""
    rng, hits, plain = np.random.default_rng(4), 0, 0
    truth = 6 / np.pi * np.arcsin(0.8 / 2)
    for _ in range(1500):
        x, noise = rng.normal(size=(2, 20))
        got = relations.spearman(x, 0.8 * x + 0.6 * noise, 0.95)
        hits += got["low"] <= truth <= got["high"]
        half = stats.norm.ppf(0.975) / np.sqrt(17)
        plain += abs(np.arctanh(truth) - np.arctanh(min(got["rho"], 1 - 1e-9))) <= half
    assert 0.935 <= hits / 1500 <= 0.97 and plain / 1500 < 0.945


def test_a_perfect_order_has_no_interval():
    got = relations.spearman(np.arange(12.0), np.arange(12.0) ** 3, 0.95)
    assert got["rho"] == pytest.approx(1) and np.isnan(got["low"]) and np.isnan(got["high"])


def test_holm_runs_over_models_and_covariates_of_a_method():
    made = predictions()
    table = found(scores(made), made, shapes(made))
    of = table[table["p"].notna()]
    assert len(of) > 10 and of["p_corrected"].tolist() == pytest.approx(multipletests(of["p"], method="holm")[1])
    assert table.loc[table["p"].isna(), "p_corrected"].isna().all()


def test_only_images_with_a_score_and_the_covariate_enter():
    made = predictions(groups=30)
    table = scores(made)
    normal = table["group"].map(lambda g: int(g[1:]) % 3 == 0)
    table.loc[normal, ["value", "reason"]] = [np.nan, "no_truth"]
    got = found(table, made, shapes(made, every=False))
    assert row(got, "a", "class:malignant against benign")["groups"] == 20
    assert np.isfinite(row(got, "a", "class:malignant against benign")["rho"])
    assert row(got, "a", "class:benign against normal")["reason"] == "the same in every group"
    assert np.isnan(row(got, "a", "class:benign against normal")["rho"])
    assert row(got, "a", "lesion_area")["groups"] == 20


def test_all_classes_scored_are_all_there():
    made = predictions(groups=30)
    got = found(scores(made), made, shapes(made, every=False))
    for a, b in combinations(CLASSES, 2):
        one = row(got, "a", f"class:{b} against {a}")
        assert np.isfinite(one["rho"]) and one["groups"] == 20


def test_many_classes_are_each_held_against_all_others():
    label = np.arange(6)
    found = relations._contrasts(label, [*"abcdef"])
    assert list(found) == [f"class:{name}" for name in "abcdef"] and found["class:c"].tolist() == [0, 0, 1, 0, 0, 0]


def test_lesions_enter_where_there_are_any():
    made = predictions(groups=30)
    got = found(scores(made), made, shapes(made, every=False))
    assert row(got, "a", "right")["groups"] == 30 and row(got, "a", "lesion_area")["groups"] == 20


@pytest.mark.parametrize(("groups", "number"), [(9, False), (10, True)])
def test_fewer_than_ten_groups_have_a_reason_and_no_number(groups, number):
    made = predictions(groups=groups)
    got = row(found(scores(made), made), "a", "confidence")
    assert np.isfinite(got["rho"]) == number and (got["reason"] == "") == number
    assert number or got["reason"] == "too few groups have a value (9; 10 are needed)"


def test_a_group_without_a_value_in_one_seed_is_left_out():
    made = predictions()
    table = scores(made)
    lost = (table["model"] == "a") & (table["seed"] == 1) & (table["group"] == "g03")
    table.loc[lost, ["value", "reason"]] = [np.nan, "all_zero"]
    got = found(table, made)
    assert row(got, "a", "confidence")["groups"] == 14 and row(got, "b", "confidence")["groups"] == 15


def test_one_score_everywhere_is_a_reason():
    made = predictions()
    got = found(scores(made).assign(value=0.5), made)
    assert row(got, "a", "confidence")["reason"] == "every group has the same score"


def test_scores_across_seeds_are_held_against_means_over_seeds():
    made = predictions()
    once = {key: table for key, table in made.items() if key[1] == 0}
    table = scores(once, "consistency", "iou_seeds").assign(seed=pd.NA).astype({"seed": "Int64"})
    got = row(found(table, made), "b", "confidence", family="consistency")
    own = [
        made["b", s].apply(lambda r: r[f"p_{r['label']}"], axis=1).groupby(made["b", s]["group"]).mean() for s in (0, 1)
    ]
    y = table[table["model"] == "b"].groupby("group")["value"].mean()
    assert got["rho"] == pytest.approx(stats.spearmanr(sum(own) / 2, y).statistic)


def test_a_relation_that_is_there_is_found():
    made = predictions(groups=40)
    known = relations.covariates(made, shapes(made), CLASSES).set_index(["model", "seed", "image_id"])["lesion_area"]
    table = scores(made)
    keys = list(zip(table["model"], table["seed"], table["image_id"], strict=True))
    got = found(table.assign(value=known.loc[keys].to_numpy() ** 2), made, shapes(made))
    assert row(got, "a", "lesion_area")["rho"] > 0.95 and row(got, "a", "lesion_area")["p_corrected"] < 1e-6
    assert row(got, "a", "lesion_solidity")["p_corrected"] > 0.05


def test_random_noise_has_the_rows_of_lesions_and_a_holm_of_its_own():
    made = predictions()
    table = pd.concat([scores(made), scores(made, method="random", seed=9)])
    got, without = found(table, made, shapes(made)), found(scores(made), made, shapes(made))
    noise = got[got["method"] == "random"]
    assert set(noise["covariate"]) == {"lesion_area", "lesion_elongation", "lesion_solidity"}
    pd.testing.assert_frame_equal(got[got["method"] == "cam"].reset_index(drop=True), without)


def test_nothing_scored_is_an_empty_table():
    made = predictions()
    got = found(scores(made).assign(value=np.nan, reason="no_truth"), made)
    assert got.empty and list(got) == list(relations.RELATIONS)


def test_geometry_by_hand():
    line = np.zeros((9, 9), bool)
    line[4, 2:8] = True
    assert relations.geometry(line) == {"instances": 1, "size": 6 / 81, "elongation": 6, "irrectangularity": 0}
    turned = np.zeros((40, 40), bool)
    y, x = np.mgrid[:40, :40] - 19.5
    turned[(abs(x + y) < 22) & (abs(x - y) < 8)] = True  # a rectangle at 45 degrees, its sides 22 to 8
    found = relations.geometry(turned, instances=2)
    assert found["instances"] == 2 and 2.3 < found["elongation"] < 2.9 and found["irrectangularity"] < 0.15
    corner = np.zeros((20, 20), bool)
    corner[:20, :5] = corner[15:, :20] = True
    assert relations.geometry(corner)["irrectangularity"] == pytest.approx(1 - 175 / 400)
    assert np.isnan(list(relations.geometry(np.zeros((4, 4), bool)).values())).all()


def test_regressions_find_the_slope_and_widen_for_patients():
    rng, cases = np.random.default_rng(0), 60
    size = rng.uniform(0, 0.2, cases)
    names = [f"i{n}" for n in range(cases)]
    known = pd.DataFrame({"image_id": names, "model": "m", "seed": 0, "instances": 1.0, "size": size})
    shapes = {"elongation": rng.uniform(1, 3, cases), "irrectangularity": np.nan}
    known = known.assign(**shapes, confidence=rng.uniform(0, 1, cases))
    own = pd.DataFrame({"image_id": names, "group": [f"p{n // 3}" for n in range(cases)], "model": "m", "seed": 0})
    value = 0.1 + 2 * size + rng.normal(0, 0.02, cases)
    own = own.assign(family="localization", metric="iou", method="cam", value=value)
    scored = pd.concat([own, own.assign(method="second_reader", value=0.6)])
    rows = {(row.variable, row.against): row for row in relations.regressions(
        scored, known, ["iou"], ["cam"], ["m"], 0.95)}  # fmt: skip
    slope = rows["size", None]
    assert slope.low < 2 * np.ptp(size) < slope.high and slope.p_corrected == min(1, 4 * slope.p)
    assert rows["size", "reader"].slope == pytest.approx(-slope.slope)
    assert rows["instances", None].reason == "the same in every case" and rows["instances", None].slope is None
    assert rows["irrectangularity", None].groups == 0 and rows["confidence", None].p_corrected > 0.01
