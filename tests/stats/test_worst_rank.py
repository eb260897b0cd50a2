import numpy as np
import pandas as pd
import pytest

from heatproof.stats.tables.groups import compact, group_means, seed_group_means
from heatproof.stats.tests.omnibus import friedman, wide_table
from heatproof.stats.tests.sensitivity import worst_ranked


def scores(values, reasons):
    table = pd.DataFrame({"value": values, "reason": reasons})
    table = table.assign(family="localization", metric="iou", method="gradcam", seed=0, image_id="i")
    return table.assign(model=[f"m{i % 3}" for i in range(len(table))], group=[f"p{i // 3}" for i in range(len(table))])


VALUES = [0.4, np.nan, 0.9, np.nan, 0.2, np.nan]
REASONS = ["", "all_zero", "", "no_truth", "", "not_supported"]


@pytest.mark.parametrize(("lower_is_better", "worst"), [(False, 0.2), (True, 0.9)])
def test_only_what_tells_of_the_heatmap_is_replaced(lower_is_better, worst):
    table = scores(VALUES, REASONS)
    found, replaced = worst_ranked(table, lower_is_better)
    assert replaced == 1
    assert found["value"].tolist() == pytest.approx([0.4, worst, 0.9, np.nan, 0.2, np.nan], nan_ok=True)
    assert found["reason"].tolist() == REASONS
    assert table["value"].isna().sum() == 3  # what came in is as it was


def test_an_image_of_a_class_not_asked_for_is_no_failure():
    found, replaced = worst_ranked(scores(VALUES, [*REASONS[:5], "class_not_requested"]))
    assert replaced == 1 and np.isnan(found["value"].iloc[5])


def test_reasons_may_be_categories():
    found, replaced = worst_ranked(compact(scores(VALUES, REASONS)))
    assert replaced == 1 and found["value"].isna().sum() == 2


@pytest.mark.parametrize("values", [[0.4, 0.1, 0.9], [np.nan] * 3])
def test_nothing_to_replace_or_to_replace_it_with(values):
    table = scores(values, ["", "", ""] if np.isfinite(values[0]) else ["all_zero"] * 3)
    found, replaced = worst_ranked(table)
    assert replaced == 0
    pd.testing.assert_frame_equal(found, table)


def test_a_model_that_hides_its_failures_loses_its_lead():
    """m2 has the best scores where it has any, and no map of every second patient."""
    rng = np.random.default_rng(0)
    values = np.add(rng.uniform(0.4, 0.6, (20, 3)), [0, 0, 0.3])
    values[::2, 2] = np.nan
    table = scores(values.ravel(), np.where(np.isnan(values.ravel()), "all_zero", ""))
    filled, replaced = worst_ranked(table)
    assert replaced == 10

    def wide(of):
        return wide_table(group_means(seed_group_means(of)), "iou", "gradcam", ["m0", "m1", "m2"])

    assert friedman(wide(table).dropna())["p"] < 0.01 and len(wide(table).dropna()) == 10
    assert len(wide(filled)) == 20 and friedman(wide(filled))["p"] > 0.05
    assert (wide(filled)["m2"][::2] <= wide(filled).min().min()).sum() == wide(table)["m2"].isna().sum()
