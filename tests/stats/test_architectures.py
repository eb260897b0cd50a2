import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests

from heatproof.stats.tests.architectures import quasi_f, seed_contrast, seed_differences, seed_pairs


def draw(groups=10, models=5, seeds=5, *, group=1.0, crossed=1.0, seed=0.3, rest=0.5, means=0.0, number=0):
    rng = np.random.default_rng(number)
    cells = rng.normal(0, group, (groups, 1, 1)) + rng.normal(0, crossed, (groups, models, 1))
    cells = cells + rng.normal(0, seed, (1, models, seeds)) + rng.normal(0, rest, (groups, models, seeds))
    return cells + np.reshape(means, (-1, 1))


def mean_squares(cells):
    """By least squares: statsmodels' table of the same design."""
    group, model, seed = np.indices(cells.shape).reshape(3, -1)
    long = pd.DataFrame({"group": group, "model": model, "seed": seed, "value": cells.ravel()})
    formula = "value ~ C(group) * C(model) + C(model):C(seed)"
    table = anova_lm(smf.ols(formula, long).fit())
    names = {"group": "C(group)", "model": "C(model)", "group x model": "C(group):C(model)"}
    names |= {"seed": "C(model):C(seed)", "residual": "Residual"}
    squares = table["sum_sq"] / table["df"]
    return {name: (squares[term], table.loc[term, "df"]) for name, term in names.items()}


def test_quasi_f_from_the_mean_squares_of_statsmodels():
    cells = draw(6, 3, 5, means=[0, 0.5, 1])
    of = mean_squares(cells)
    (model, a), (crossed, b), (seed, c), (rest, e) = (of[n] for n in ("model", "group x model", "seed", "residual"))
    below = crossed + seed - rest
    df2 = below**2 / (crossed**2 / b + seed**2 / c + rest**2 / e)
    found = quasi_f(cells)
    assert found["statistic"] == pytest.approx(model / below) and found["df1"] == a == 2
    assert found["df2"] == pytest.approx(df2)
    assert found["p"] == pytest.approx(stats.f.sf(model / below, 2, df2))


def test_quasi_f_of_a_denominator_that_is_not_positive_adds_instead():
    """Residuals that sum to zero over seeds and over groups: all the spread is residual."""
    rest = np.random.default_rng(0).normal(size=(4, 3, 5))
    rest = rest - rest.mean(0) - rest.mean(2, keepdims=True) + rest.mean((0, 2), keepdims=True)
    cells = rest + 1e-3 * draw(4, 3, 5)
    of = mean_squares(cells)
    (model, a), (crossed, b), (seed, c), (residual, e) = (of[n] for n in ("model", "group x model", "seed", "residual"))
    assert crossed + seed < residual
    found = quasi_f(cells)
    assert found["statistic"] == pytest.approx((model + residual) / (crossed + seed))
    assert found["df1"] == pytest.approx((model + residual) ** 2 / (model**2 / a + residual**2 / e))
    assert found["df2"] == pytest.approx((crossed + seed) ** 2 / (crossed**2 / b + seed**2 / c))


@pytest.mark.parametrize("shape", [(10, 2, 5), (1, 5, 5), (10, 5, 4), (0, 5, 5)])
def test_quasi_f_needs_models_groups_and_seeds(shape):
    assert quasi_f(np.random.default_rng(0).normal(size=shape)) is None


def test_equal_cells_are_no_difference():
    flat = np.full((6, 3, 5), 0.3)
    assert quasi_f(flat) == {"statistic": 0, "df1": 2, "df2": 10, "p": 1}
    pairs = seed_pairs(flat, list("abc"), 0.95)
    assert (pairs["p_corrected"] == 1).all() and (pairs["difference"] == 0).all()
    only_models = flat + np.arange(3.0)[:, None]
    assert quasi_f(only_models) is None
    assert seed_pairs(only_models, list("abc"), 0.95)["p"].tolist() == pytest.approx([2.0**-5] * 3)


@pytest.mark.parametrize("groups", [10, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [0.3, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 1))])
def test_type_one_error_against_seeds(groups, seed):
    """400 studies of five equal models: .05 within about 2.5 standard errors, for the omnibus and each pair."""
    omnibus, pairs, one = [], [], []
    for number in range(400):
        cells = draw(groups, seed=seed, rest=1, number=number)
        omnibus.append(quasi_f(cells)["p"] <= 0.05)
        pairs.append(seed_pairs(cells[:, :2], ["a", "b"], 0.95)["p"].item() <= 0.05)
        one.append(seed_differences(cells[:, 2], 0.95)["p"] <= 0.05)
    assert 0.02 <= np.mean(omnibus) <= 0.08
    assert 0.02 <= np.mean(pairs) <= 0.08
    assert 0.02 <= np.mean(one) <= 0.08


def test_a_test_on_means_over_seeds_would_err():
    """What these tests are for: with seeds as large as groups, paired t on group means calls seeds a difference."""
    wrong = [stats.ttest_rel(*draw(30, 2, seed=1, number=number).mean(2).T).pvalue <= 0.05 for number in range(200)]
    assert np.mean(wrong) > 0.2


def test_pair_by_hand():
    """Groups 1, 3 and seeds +-2, 0 of `a` without residual, `b` is 0: s2_groups / 2 = 1, s2_seeds / 5 = .8."""
    a = np.add.outer([1.0, 3], [-2, 2, 0, -2, 2])
    found = seed_pairs(np.stack([a, a * 0], axis=1), ["a", "b"], 0.95).iloc[0]
    assert found["difference"] == 2
    df = 1.8**2 / (1.0**2 / 1 + 0.8**2 / 4)
    assert found["df"] == pytest.approx(df)
    assert found["p"] == pytest.approx(2 * stats.t.sf(2 / 1.8**0.5, df))
    assert found["high"] - 2 == pytest.approx(stats.t.ppf(0.975, df) * 1.8**0.5)
    assert seed_differences(a, 0.95) == pytest.approx(found[["difference", "low", "high", "df", "p"]].to_dict())


def test_without_seeds_a_pair_is_the_paired_t_test():
    cells = np.repeat(draw(15, 3, 1), 5, axis=2)
    found = seed_pairs(cells, list("abc"), 0.9)
    raw = [stats.ttest_rel(cells[:, i, 0], cells[:, j, 0]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found["p"].tolist() == pytest.approx([test.pvalue for test in raw])
    assert found["low"].tolist() == pytest.approx([test.confidence_interval(0.9).low for test in raw])
    assert found["p_corrected"].tolist() == pytest.approx(multipletests(found["p"], method="holm")[1].tolist())


def test_without_groups_a_pair_is_welch_on_seeds():
    """All groups alike: two samples of seeds, with Welch's degrees of freedom."""
    seeds = np.random.default_rng(1).normal(size=(2, 6)) * [[1], [3]]
    found = seed_pairs(np.repeat(seeds[None], 8, axis=0), ["a", "b"], 0.95).iloc[0]
    welch = stats.ttest_ind(*seeds, equal_var=False)
    assert found["p"] == pytest.approx(welch.pvalue) and found["df"] == pytest.approx(welch.df)


def test_a_contrast_is_a_pair_of_weighted_models():
    cells = draw(9, 3, 5, seed=1, means=[0, 1, 3])
    pair = seed_pairs(cells, list("abc"), 0.95).iloc[1]
    found = seed_contrast(cells, np.array([1.0, 0, -1]), 0.95)
    assert found == pytest.approx(pair[["difference", "low", "high", "df", "p"]].to_dict())
    alike = np.repeat(cells.mean(2, keepdims=True), 5, axis=2)  # no seeds left: the t test of the groups' contrasts
    groups = stats.ttest_1samp(cells.mean(2) @ [0.5, 0.5, -1], 0)
    assert seed_contrast(alike, np.array([0.5, 0.5, -1]), 0.95)["p"] == pytest.approx(groups.pvalue)


def test_quasi_f_of_residual_alone_has_nothing_to_divide_by():
    rest = np.array([[1.0, -1, 0, 0, 0], [-1, 1, 0, 0, 0]])  # sums to zero over seeds and over groups
    cells = np.stack([rest] * 3, axis=1)
    assert quasi_f(cells)["p"] == 1
    assert quasi_f(cells + np.arange(3.0)[:, None]) is None


@pytest.mark.parametrize("shape", [(10, 1, 5), (1, 3, 5), (10, 3, 4)])
def test_no_pairs_without_models_groups_and_seeds(shape):
    cells = np.random.default_rng(0).normal(size=shape)
    assert seed_pairs(cells, list("abc")[: shape[1]], 0.95).empty
    assert seed_differences(cells[:, 0], 0.95) is None or shape[1] == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.permutations(range(3)))
def test_order_and_levels_do_not_matter(number, order):
    cells = draw(7, 3, 5, means=[0, 0.5, 1], number=number)
    moved = cells + np.random.default_rng(number).normal(0, 9, (7, 1, 1))
    for other in (cells[:, list(order)], moved):
        assert quasi_f(other) == pytest.approx(quasi_f(cells))
    columns = ["difference", "low", "high", "df", "p", "p_corrected"]
    pairs, back = seed_pairs(cells, list("abc"), 0.95), seed_pairs(cells[:, ::-1], list("cba"), 0.95)
    assert seed_pairs(moved, list("abc"), 0.95)[columns].to_numpy() == pytest.approx(pairs[columns].to_numpy())
    back = back.iloc[::-1].reset_index(drop=True)
    assert (back["a"] == pairs["b"]).all() and back["low"].tolist() == pytest.approx((-pairs["high"]).tolist())
    assert back["p_corrected"].tolist() == pytest.approx(pairs["p_corrected"].tolist())
