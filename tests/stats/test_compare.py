import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from heatproof.stats.compare import (
    compare_control,
    compare_pairs,
    friedman,
    signed_rank,
    smallest_corrected_p,
    wide_table,
)


def table(values):
    values = np.asarray(values, float)
    index = [f"p{i:03d}" for i in range(len(values))]
    return pd.DataFrame(values, index=index, columns=list("abcdefgh")[: values.shape[1]])


def noise(groups, models, seed=0):
    return np.random.default_rng(seed).normal(size=(groups, models))


def test_friedman_agrees_with_scipy():
    values = np.add(noise(12, 4), [0, 0, 0.5, 1])
    found, expected = friedman(table(values)), stats.friedmanchisquare(*values.T)
    assert found["statistic"] == pytest.approx(expected.statistic)
    assert found["p"] == pytest.approx(expected.pvalue)
    assert found["df"] == 3
    assert found["kendall_w"] == pytest.approx(expected.statistic / (12 * 3))


def test_friedman_by_hand():
    """Rank sums 4, 6, 8 of three groups: 12 / (3 * 3 * 4) * (16 + 36 + 64) - 3 * 3 * 4 = 8 / 3."""
    assert friedman(table([[1, 2, 3], [1, 3, 2], [2, 1, 3]]))["statistic"] == pytest.approx(8 / 3)
    assert friedman(table([[1, 2, 3]] * 4))["kendall_w"] == pytest.approx(1)


def test_friedman_of_the_documented_example():
    """Wine ratings of pingouin's and real-statistics.com's example: Q = 2, p = 0.368, W = 0.083."""
    white, red = [10, 8, 7, 9, 7, 4, 5, 6, 5, 10, 4, 7], [7, 5, 8, 6, 5, 7, 9, 6, 4, 6, 7, 3]
    rose = [8, 5, 6, 4, 7, 5, 3, 7, 6, 4, 4, 3]
    found = friedman(table(np.transpose([white, red, rose])))
    assert found == pytest.approx({"statistic": 2, "df": 2, "kendall_w": 1 / 12, "p": 0.367879}, abs=1e-6)


@pytest.mark.parametrize("shape", [(10, 2), (10, 1), (1, 4), (0, 4)])
def test_friedman_needs_three_models_and_two_groups(shape):
    assert friedman(table(noise(*shape))) is None


def test_friedman_of_two_groups():
    values = noise(2, 5)
    assert friedman(table(values))["p"] == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)


def test_equal_scores_are_no_difference():
    flat = table(np.full((8, 3), 0.3))
    assert friedman(flat) == {"statistic": 0.0, "df": 2.0, "kendall_w": 0.0, "p": 1.0}
    pairs = compare_pairs(flat)
    assert pairs["p_corrected"].tolist() == [1, 1, 1] and pairs["effect"].tolist() == [0, 0, 0]


def test_wilcoxon_by_hand():
    """Differences 1, 2, 3, -4, 5 have R- = 4, so p = 2 * 7 / 32 and effect (11 - 4) / 15."""
    p, effect = signed_rank(np.array([1.0, 2, 3, -4, 5]))
    assert p == pytest.approx(2 * sum(1 for bits in range(32) if _rank_sum(bits) <= 4) / 32)
    assert effect == pytest.approx(7 / 15)


def _rank_sum(bits):
    return sum(rank for rank in range(1, 6) if bits >> (rank - 1) & 1)


def test_wilcoxon_leaves_zero_differences_out():
    moved = noise(20, 1)[:, 0]
    assert signed_rank(np.r_[moved, np.zeros(9)]) == signed_rank(moved)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_wilcoxon_is_antisymmetric_and_cannot_beat_its_smallest_p(values):
    differences = np.array(values, float)
    p, effect = signed_rank(differences)
    assert signed_rank(-differences) == pytest.approx((p, -effect))
    assert -1 <= effect <= 1
    assert smallest_corrected_p(len(values), 1) - 1e-12 <= p <= 1


def test_pairs_agree_with_scipy_and_statsmodels():
    values = np.add(noise(14, 4), [0, 0.2, 0.8, 1.5])
    pairs, wide = compare_pairs(table(values)), table(values)
    raw = [stats.wilcoxon(wide[a] - wide[b]).pvalue for a, b in zip(pairs["a"], pairs["b"], strict=True)]
    assert pairs["p_corrected"].tolist() == pytest.approx(multipletests(raw, method="holm")[1].tolist())
    assert pairs["difference"].tolist() == pytest.approx(
        [(wide[a] - wide[b]).mean() for a, b in zip(pairs["a"], pairs["b"], strict=True)]
    )
    assert len(pairs) == 6


def test_a_single_pair_needs_no_correction():
    values = np.add(noise(12, 2), [0, 1])
    found = compare_pairs(table(values))["p_corrected"].item()
    assert found == pytest.approx(stats.wilcoxon(values[:, 0] - values[:, 1]).pvalue)


@pytest.mark.parametrize("shape", [(10, 1), (0, 3), (0, 0)])
def test_no_pairs_without_two_models_or_groups(shape):
    assert compare_pairs(table(noise(*shape))).empty


def test_ten_pairs_need_nine_groups():
    order = np.arange(5.0) + np.random.default_rng(0).uniform(0, 0.3, (9, 5))
    assert compare_pairs(table(order))["p_corrected"].min() == smallest_corrected_p(9, 10) < 0.05
    assert compare_pairs(table(order[:8]))["p_corrected"].min() == smallest_corrected_p(8, 10) > 0.05


def test_sums_in_another_order_still_tie():
    wide = wide_table(_long([[0.1 + 0.2, 0.3], [0.5, 0.5]]), "iou", "gradcam", ["a", "b"])
    assert compare_pairs(wide)["effect"].item() == 0


def _long(values):
    long = table(values).rename_axis("group").reset_index().melt("group", var_name="model")
    return long.assign(metric="iou", method="gradcam")


def test_wide_table_keeps_gaps_and_drops_what_has_no_value():
    nan = np.nan
    wide = wide_table(_long([[1, nan, nan], [nan, nan, nan], [3, 4, nan]]), "iou", "gradcam", ["b", "a", "c"])
    assert list(wide.columns) == ["b", "a"] and list(wide.index) == ["p000", "p002"]
    assert np.isnan(wide.loc["p000", "b"])


def test_controls():
    rng = np.random.default_rng(1)
    control = table(np.repeat(rng.normal(size=(12, 1)), 3, axis=1))
    models = control + np.array([1, -1, 0]) + rng.normal(0, 0.3, (12, 3))
    models.iloc[0, 0] = np.nan
    found = compare_control(models, control, 0.05)
    assert [found[m]["verdict"] for m in "abc"] == ["better", "worse", "unclear"]
    assert found["a"]["groups"] == 11
    raw = [stats.wilcoxon((models[m] - control[m]).dropna()).pvalue for m in "abc"]
    expected = multipletests(raw, method="holm")[1].tolist()
    assert [found[m]["p_corrected"] for m in "abc"] == pytest.approx(expected)
    flipped = compare_control(models, control, 0.05, lower_is_better=True)
    assert [flipped[m]["verdict"] for m in "abc"] == ["worse", "better", "unclear"]
    assert compare_control(models, control[[]], 0.05) == {}


def test_group_means_keep_the_type_one_error_where_images_do_not():
    """20 patients x 8 images, 5 equal models, a patient x model effect: why tests are never on images."""
    rng = np.random.default_rng(5)
    on_groups, on_images = [], []
    for _ in range(200):
        effect = rng.normal(size=(20, 1, 5))
        images = effect + rng.normal(size=(20, 8, 5))
        on_groups.append(friedman(table(images.mean(1)))["p"] < 0.05)
        on_images.append(stats.friedmanchisquare(*images.reshape(-1, 5).T).pvalue < 0.05)
    assert 0.015 < np.mean(on_groups) < 0.09  # 0.05 within 2.6 standard errors
    assert np.mean(on_images) > 0.4
