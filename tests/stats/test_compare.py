import numpy as np
import pandas as pd
import pingouin as pg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from heatproof.stats.tests.omnibus import compare_pairs, friedman, rm_anova, smallest_corrected_p, wide_table
from heatproof.stats.tests.paired import below_p, equivalent_p


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
    assert found["df1"] == 3
    assert found["effect"] == pytest.approx(expected.statistic / (12 * 3))


def test_friedman_by_hand():
    """Rank sums 4, 6, 8 of three groups: 12 / (3 * 3 * 4) * (16 + 36 + 64) - 3 * 3 * 4 = 8 / 3."""
    assert friedman(table([[1, 2, 3], [1, 3, 2], [2, 1, 3]]))["statistic"] == pytest.approx(8 / 3)
    assert friedman(table([[1, 2, 3]] * 4))["effect"] == pytest.approx(1)


def test_friedman_of_the_documented_example():
    """Wine ratings of pingouin's and real-statistics.com's example: Q = 2, p = 0.368, W = 0.083."""
    white, red = [10, 8, 7, 9, 7, 4, 5, 6, 5, 10, 4, 7], [7, 5, 8, 6, 5, 7, 9, 6, 4, 6, 7, 3]
    rose = [8, 5, 6, 4, 7, 5, 3, 7, 6, 4, 4, 3]
    found = friedman(table(np.transpose([white, red, rose])))
    expected = {"statistic": 2, "df1": 2, "effect": 1 / 12, "p": 0.367879}
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape", [(10, 2), (10, 1), (1, 4), (0, 4)])
def test_friedman_needs_three_models_and_two_groups(shape):
    assert friedman(table(noise(*shape))) is None


def test_friedman_of_two_groups():
    values = noise(2, 5)
    assert friedman(table(values))["p"] == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)


def test_equal_scores_are_no_difference():
    flat = table(np.full((8, 3), 0.3))
    expected = {"statistic": 0.0, "df1": 2.0, "effect": 0.0, "p": 1.0}
    assert friedman(flat).items() >= expected.items()
    assert rm_anova(flat).items() >= expected.items()
    pairs = compare_pairs(flat)
    assert pairs["p_corrected"].tolist() == [1, 1, 1] and pairs["effect"].tolist() == [0, 0, 0]


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


def test_anova_agrees_with_statsmodels():
    """F by AnovaRM; epsilon from the covariance of the models, centred twice (Box 1954): tr(S)^2 / (k - 1) / tr(SS)."""
    values = np.add(noise(13, 4) * [1, 1, 2, 4], [0, 0.2, 0.8, 1.5]) + noise(13, 1, seed=1)
    found = rm_anova(table(values))
    long = table(values).rename_axis("group").reset_index().melt("group", var_name="model")
    expected = AnovaRM(long, "value", "group", within=["model"]).fit().anova_table.iloc[0]
    centre = np.eye(4) - 0.25
    covariance = centre @ np.cov(values.T) @ centre
    epsilon = np.trace(covariance) ** 2 / 3 / np.trace(covariance @ covariance)
    assert found["statistic"] == pytest.approx(expected["F Value"])
    assert found["epsilon"] == pytest.approx(epsilon) and 1 / 3 <= epsilon < 0.9
    assert found["df1"] == pytest.approx(3 * epsilon) and found["df2"] == pytest.approx(36 * epsilon)
    assert found["p"] == pytest.approx(stats.f.sf(expected["F Value"], 3 * epsilon, 36 * epsilon))
    between = 13 * ((values.mean(0) - values.mean()) ** 2).sum()
    assert found["effect"] == pytest.approx(between / ((values - values.mean()) ** 2).sum())


def test_anova_of_the_documented_example():
    """pingouin's example, which it checked against JASP: F = 5.201 with 3 and 24, epsilon .694, eta squared .346."""
    found = rm_anova(pg.read_dataset("rm_anova_wide").dropna())
    assert found["statistic"] == pytest.approx(5.200652, abs=1e-5)
    assert found["effect"] == pytest.approx(0.346392, abs=1e-5)
    assert found["df2"] == pytest.approx(24 * 0.694329, abs=1e-4)


@pytest.mark.parametrize("shape", [(10, 2), (10, 1), (1, 4), (0, 4)])
def test_anova_needs_three_models_and_two_groups(shape):
    assert rm_anova(table(noise(*shape))) is None


def test_anova_without_error_cannot_beat_the_shuffles():
    """Four groups, three models that differ by the same everywhere: 6^3 shuffles, one of which looks like this."""
    found = rm_anova(table(np.add.outer([0.1, 0.2, 0.3, 0.4], [1.0, 2, 3])))
    assert found["p"] == pytest.approx(6.0**-3) and np.isfinite(found["statistic"]) and found["statistic"] > 1e9


def test_pair_of_t_agrees_with_scipy_and_statsmodels():
    wide = table(np.add(noise(11, 3), [0, 0.1, 1]))
    pairs = compare_pairs(wide, test="rm_anova", level=0.9, margin=0.4)
    raw = [stats.ttest_rel(wide[a], wide[b]) for a, b in zip(pairs["a"], pairs["b"], strict=True)]
    assert pairs["p"].tolist() == pytest.approx([found.pvalue for found in raw])
    assert pairs["p_corrected"].tolist() == pytest.approx(multipletests(pairs["p"], method="holm")[1].tolist())
    intervals = [found.confidence_interval(0.9) for found in raw]
    assert pairs["low"].tolist() == pytest.approx([interval.low for interval in intervals])
    assert pairs["high"].tolist() == pytest.approx([interval.high for interval in intervals])
    one_by_one = [ttost_paired(wide[a], wide[b], -0.4, 0.4)[0] for a, b in zip(pairs["a"], pairs["b"], strict=True)]
    assert pairs["p_equivalent"].tolist() == pytest.approx(multipletests(one_by_one, method="holm")[1].tolist())
    assert (pairs["groups"] == 11).all() and (pairs["margin"] == 0.4).all()


def test_pairs_by_hand():
    """Of a = 1, 2, 3 and b = 0, 2, 2, the nine pairs hold 5 with a above b, 2 ties and 2 below."""
    row = compare_pairs(table([[1, 0], [2, 2], [3, 2]])).iloc[0]
    assert row["cles"] == pytest.approx(6 / 9)
    assert row["difference"] == pytest.approx(2 / 3) and row["effect"] == 1
    half = 4.302652730 * np.sqrt(1 / 3) / np.sqrt(3)  # t of .975 with two degrees of freedom; variance of 1, 0, 1
    assert [row["low"], row["high"]] == pytest.approx([2 / 3 - half, 2 / 3 + half])


def test_cles_agrees_with_pingouin():
    wide = table(np.round(noise(15, 2), 1))
    assert compare_pairs(wide)["cles"].item() == pytest.approx(pg.wilcoxon(wide["a"], wide["b"])["CLES"].item())


@pytest.mark.parametrize(("test", "efficiency"), [("rm_anova", 1), ("friedman", 3 / np.pi)])
def test_what_is_detectable_is_found_as_often_as_asked(test, efficiency):
    wide = table(noise(25, 3))
    pairs = compare_pairs(wide, test=test, tested_at=0.05, power=0.9)
    spread = np.array([(wide[a] - wide[b]).std() for a, b in zip(pairs["a"], pairs["b"], strict=True)])
    for effect in pairs["detectable"] * np.sqrt(efficiency) / spread:
        assert TTestPower().power(effect, 25, 0.05 / 3) == pytest.approx(0.9, abs=1e-6)
    moved = wide.add([0, 3, -7])
    assert compare_pairs(moved, test=test, power=0.9)["detectable"].tolist() == pytest.approx(
        pairs["detectable"].tolist()
    )  # not from the observed difference


def test_nothing_is_detectable_where_no_p_is_small_enough():
    wide = table(noise(8, 5))
    assert compare_pairs(wide)["detectable"].isna().all()  # ten pairs need nine groups
    assert compare_pairs(wide, test="rm_anova")["detectable"].notna().all()


@pytest.mark.parametrize("test", ["friedman", "rm_anova"])
def test_pairs_without_spread(test):
    same = compare_pairs(table([[0.3, 0.3, 1.3]] * 6), test=test, margin=0.05)
    assert same["p"].tolist() == pytest.approx([1, 2.0**-5, 2.0**-5])
    assert same["p_equivalent"].tolist() == pytest.approx([3 * 2.0**-6, 1, 1])
    assert same["detectable"].isna().all()
    single = compare_pairs(table([[0.3, 0.9]]), test=test).iloc[0]
    assert single["p"] == 1 and single["p_equivalent"] == 1 and np.isnan(single["low"])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.sampled_from(["friedman", "rm_anova"]), st.permutations(range(3)))
def test_what_no_test_may_depend_on(seed, test, order):
    rng = np.random.default_rng(seed)
    wide = table(np.add(rng.normal(size=(9, 3)), [0, 0.5, 1]))
    omnibus = friedman if test == "friedman" else rm_anova
    moved = wide.add(rng.integers(-5, 5, 9), axis=0)  # a constant of each group
    shuffled = wide.iloc[:, list(order)]
    for other in (moved, shuffled):
        found, expected = omnibus(other), omnibus(wide)
        assert [found[name] for name in ("statistic", "p")] == pytest.approx(
            [expected[name] for name in ("statistic", "p")]
        )
    before = {frozenset((row.a, row.b)): row for row in compare_pairs(wide, test=test).itertuples()}
    for row in compare_pairs(shuffled, test=test).itertuples():
        was = before[frozenset((row.a, row.b))]
        sign = 1 if row.a == was.a else -1
        assert [row.p_corrected, row.p_equivalent, row.detectable] == pytest.approx(
            [was.p_corrected, was.p_equivalent, was.detectable]
        )
        assert [row.difference, row.effect, row.cles - 0.5] == pytest.approx(
            [sign * was.difference, sign * was.effect, sign * (was.cles - 0.5)]
        )
    columns = ["difference", "low", "high", "effect", "p", "p_corrected", "p_equivalent", "detectable"]
    after = compare_pairs(moved, test=test)[columns].to_numpy()
    assert after == pytest.approx(compare_pairs(wide, test=test)[columns].to_numpy())


@pytest.mark.slow
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


@pytest.mark.parametrize("groups", [2, 3, 7, 12])
def test_what_rounding_leaves_is_no_spread(groups):
    """The standard deviation of three times -0.1 is 2e-17, and no t test can be made of it."""
    same = np.full(groups, -0.1)
    assert below_p(same, 0.05) == equivalent_p(same[:, None], 0.15)[0] == 0.5**groups
    assert below_p(-same, 0.05) == equivalent_p(same[:, None], 0.05)[0] == 1
