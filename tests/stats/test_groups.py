import numpy as np
import pandas as pd
import pytest
from scipy import stats

from heatproof.stats.tables.groups import compact, count_missing, describe, group_means, seed_group_means


def scores(rows, **columns):
    table = pd.DataFrame(rows, columns=["model", "seed", "group", "value"]).astype({"seed": "Int64"})
    fixed = {"family": "localization", "metric": "iou", "method": "gradcam"} | columns
    return table.assign(reason=np.where(table["value"].isna(), "no_truth", ""), **fixed)


def values(table):
    means = group_means(seed_group_means(table))
    return dict(zip(means["group"], means["value"], strict=True))


def test_patients_with_many_images_weigh_as_much_as_others():
    table = scores([("a", 0, "p", 0.0), ("a", 0, "p", 0.0), ("a", 0, "p", 0.3), ("a", 0, "q", 0.9)])
    assert values(table) == pytest.approx({"p": 0.1, "q": 0.9})
    assert describe(group_means(seed_group_means(table)), 0.95)["mean"].item() == pytest.approx(0.5)


def test_seeds_are_averaged_and_never_counted_as_groups():
    table = scores([("a", s, g, v + s) for s in (0, 1, 2) for g, v in (("p", 0.1), ("q", 0.3))])
    found = describe(group_means(seed_group_means(table)), 0.95)
    assert found["groups"].item() == 2
    assert values(table) == pytest.approx({"p": 1.1, "q": 1.3})


def test_a_seed_with_fewer_values_in_a_group_weighs_as_much():
    table = scores([("a", 0, "p", 1.0), ("a", 1, "p", 0.0), ("a", 1, "p", 0.0), ("a", 1, "p", np.nan)])
    assert values(table) == pytest.approx({"p": 0.5})


@pytest.mark.parametrize("gone", [[("a", 1, "p", np.nan)], []])
def test_a_group_that_lacks_a_seed_has_no_value(gone):
    table = scores([("a", 0, "p", 1.0), ("a", 0, "q", 1.0), ("a", 1, "q", 0.0), *gone])
    assert values(table) == pytest.approx({"p": np.nan, "q": 0.5}, nan_ok=True)


def test_scores_across_seeds_have_one_value_a_group():
    table = scores([("a", pd.NA, "p", 0.2), ("a", pd.NA, "p", 0.4)])
    assert values(table) == pytest.approx({"p": 0.3})


def test_interval_is_student_t_over_groups():
    data = np.random.default_rng(0).normal(size=10)
    found = describe(group_means(seed_group_means(scores([("a", 0, f"p{i}", v) for i, v in enumerate(data)]))), 0.9)
    expected = stats.ttest_1samp(data, 0).confidence_interval(0.9)
    assert found[["low", "high"]].iloc[0].tolist() == pytest.approx([expected.low, expected.high])


def test_one_group_has_a_mean_and_no_interval():
    found = describe(group_means(seed_group_means(scores([("a", 0, "p", 0.4)]))), 0.95).iloc[0]
    assert found["mean"] == 0.4 and np.isnan(found["low"]) and np.isnan(found["high"])


def test_no_value_at_all():
    found = describe(group_means(seed_group_means(scores([("a", 0, "p", np.nan)]))), 0.95).iloc[0]
    assert np.isnan(found["mean"]) and found["groups"] == 0


def test_missing_scores_are_counted_by_reason():
    table = scores([("a", 0, "p", np.nan)] * 3 + [("a", 0, "p", 1.0)] + [("b", 1, "p", np.nan)])
    table.loc[0, "reason"] = "all_zero"
    found = count_missing(table).set_index(["model", "reason"])["scores"].to_dict()
    assert found == {("a", "all_zero"): 1, ("a", "no_truth"): 2, ("b", "no_truth"): 1}


def test_categories_change_nothing_but_time():
    rng = np.random.default_rng(1)
    rows = [(m, s, f"p{g}", v) for m in "ba" for s in (0, 1) for g in range(4) for v in rng.normal(size=3)]
    table = scores(rows).assign(image_id=[f"i{i}" for i in range(len(rows))])
    table.loc[::5, ["value", "reason"]] = [np.nan, "no_truth"]
    for function in (lambda t: describe(group_means(seed_group_means(t)), 0.9), count_missing):
        pd.testing.assert_frame_equal(function(compact(table)), function(table), check_dtype=False)


def test_gaps_are_counted_as_one_reason():
    table = scores([("a", 0, "p", np.nan)] * 4).assign(image_id="i")
    table["reason"] = ["incomplete", "incomplete", "no_truth", "incomplete"]
    found = count_missing(compact(table)).set_index("reason")["scores"].to_dict()
    assert found == {"incomplete": 3, "no_truth": 1}
