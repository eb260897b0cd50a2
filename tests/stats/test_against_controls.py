import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from heatproof.stats.tests import omnibus
from heatproof.stats.verdicts import rules

GROUPS = [f"p{i:02d}" for i in range(12)]


def against_controls(*given, alpha=0.05, **options):
    """The rows with their verdicts at alpha."""
    found = omnibus.against_controls(*given, **options)
    return found.assign(verdict=rules.beats_controls(found, alpha))


def study(effects, controls, noise=0.3, seed=0):
    """Heatmaps of models a, b, ... with such effects, controls at such levels, of the same 12 groups."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(12, 1))
    models = list("abcdef")[: len(effects)]

    def wide(levels):
        return pd.DataFrame(base + levels + rng.normal(0, noise, (12, len(models))), index=GROUPS, columns=models)

    return wide(effects), {name: wide([level] * len(models)) for name, level in controls.items()}


def verdicts(found):
    return {(row.model, row.control): row.verdict for row in found.itertuples()}


@pytest.mark.parametrize("test", ["friedman", "rm_anova"])
def test_better_needs_all_controls_and_worse_one(test):
    """`a` beats both; `b` beats one and loses to the other; `c` is between nothing."""
    heat, controls = study([3, 1, 0], {"random": 0, "center": 2})
    controls["random"]["c"], controls["center"]["c"] = heat["c"] + np.resize([1, -1], 12), heat["c"]
    found = against_controls(heat, controls, test=test)
    assert verdicts(found) == {
        ("a", "random"): "better",
        ("a", "center"): "better",
        ("b", "random"): "unclear",
        ("b", "center"): "worse",
        ("c", "random"): "unclear",
        ("c", "center"): "unclear",
    }
    flipped = verdicts(against_controls(-heat, {n: -w for n, w in controls.items()}, test=test, lower_is_better=True))
    assert flipped == verdicts(found)


@pytest.mark.parametrize("test", ["friedman", "rm_anova"])
def test_one_p_a_model(test):
    """The largest p of its controls where it beats all; else the smallest of those that do better, times three, which
    says nothing of the other controls."""
    heat, controls = study([0.25, 0.1, 5], {"x": 0, "y": 0.05, "z": 0.2})
    found = against_controls(heat, controls, test=test)

    def p(model, control):
        differences = heat[model] - controls[control][model]
        return (stats.wilcoxon if test == "friedman" else stats.ttest_1samp)(
            differences, *([0] * (test != "friedman"))
        ).pvalue

    expected, beaten_by = [], {}
    for model in heat:
        sides = {name: (heat[model] - wide[model]).mean() for name, wide in controls.items()}
        if min(sides.values()) > 0:
            expected.append(max(p(model, name) for name in controls))
        else:
            beaten_by[model] = min((name for name, side in sides.items() if side < 0), key=lambda n: p(model, n))
            expected.append(min(1, 3 * p(model, beaten_by[model])))
    corrected = dict(zip(heat, multipletests(expected, method="holm")[1], strict=True))
    for row in found.itertuples():
        assert row.p == pytest.approx(p(row.model, row.control))
        rests = beaten_by.get(row.model, row.control) == row.control
        assert row.p_corrected == pytest.approx(corrected[row.model] if rests else np.nan, nan_ok=True)
    assert 0 < len(beaten_by) < 3 and not (found["p_corrected"] < found["p"]).any()


def test_rows_are_of_the_groups_that_both_have():
    heat, controls = study([1, 1], {"x": 0, "y": 0})
    heat.iloc[0, 0] = np.nan
    controls["x"].iloc[1, 0] = np.nan
    controls["y"] = controls["y"][["a"]].assign(b=np.nan)
    found = against_controls(heat, controls, level=0.9).set_index(["model", "control"])
    assert found["groups"].to_dict() == {("a", "x"): 10, ("a", "y"): 11, ("b", "x"): 12}
    differences = (heat["a"] - controls["x"]["a"]).dropna()
    interval = stats.ttest_1samp(differences, 0).confidence_interval(0.9)
    assert found.loc[("a", "x"), ["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    assert against_controls(heat, {"x": controls["x"][[]]}).empty and against_controls(heat[[]], controls).empty


def test_mean_and_ranks_that_disagree_are_no_verdict():
    """Eleven small losses and one huge win: better in the mean, worse by ranks."""
    heat = pd.DataFrame({"a": [0.0] * 12}, index=GROUPS)
    control = pd.DataFrame({"a": [*np.arange(1, 12) / 10, -50]}, index=GROUPS)
    found = against_controls(heat, {"x": control}, alpha=0.2).iloc[0]
    assert found["difference"] > 0 > found["effect"] and found["p"] < 0.2
    assert found["verdict"] == "unclear" and found["p_corrected"] == 1


def test_smallest_p_can_be_reached_and_not_beaten():
    heat = pd.DataFrame(np.arange(1.0, 7)[:, None] + [100, 200, 300], index=GROUPS[:6], columns=list("abc"))
    controls = {"x": heat * 0, "y": heat * 0 - 1}
    found = against_controls(heat, controls)
    assert found["smallest_p"].tolist() == pytest.approx([3 * 2.0**-5] * 6)
    assert found["p_corrected"].tolist() == pytest.approx([3 * 2.0**-5] * 6)
    assert (against_controls(heat, controls, test="rm_anova")["smallest_p"] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("test", ["friedman", pytest.param("rm_anova", marks=pytest.mark.slow)])
def test_no_false_verdict_in_more_than_alpha_of_studies(test):
    """Four models that are as good as their controls, which correlate: at most .1 of 300 studies err (+ 2 errors)."""
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(300):
        heat = pd.DataFrame(rng.normal(size=(12, 4)), index=GROUPS, columns=list("abcd"))
        shared = rng.normal(size=(12, 4))
        controls = {name: heat * 0 + (shared + rng.normal(size=(12, 4))) / 2**0.5 for name in "xyz"}
        wrong += (against_controls(heat, controls, test=test, alpha=0.1)["verdict"] != "unclear").any()
    assert wrong / 300 <= 0.135


@pytest.mark.parametrize("lower", [False, True])
def test_a_lead_that_is_smaller_than_the_margin(lower):
    """One-sided t tests against the margin: the smallest p of the controls, times two and their number, Holm."""
    rng, groups = np.random.default_rng(5), 24
    way = -1 if lower else 1
    heat = pd.DataFrame(rng.normal([0.0, 1.0, 0.02], 0.1, (groups, 3)), columns=list("abc"))
    controls = {n: pd.DataFrame(rng.normal(level, 0.1, (groups, 3)), columns=list("abc")) for n, level in
                (("x", 0.0), ("y", -0.5))}  # fmt: skip
    given = {"margin": 0.1, "lower_is_better": lower}
    found = against_controls(way * heat, {name: way * wide for name, wide in controls.items()}, **given)
    expected = []
    for model in heat:
        leads = [heat[model] - wide[model] for wide in controls.values()]
        p = [stats.ttest_1samp(lead.round(12), 0.1, alternative="less").pvalue for lead in leads]
        rows = found[found["model"] == model]
        assert rows["p_below"].tolist() == pytest.approx(p)
        expected.append(min(1, 2 * 2 * min(p)))
    corrected = multipletests(expected, method="holm")[1]
    assert found.drop_duplicates("model")["p_no"].tolist() == pytest.approx(corrected.tolist())
    assert corrected[0] < 0.05 and corrected[1] == 1
    few = against_controls(heat[:19], {name: wide[:19] for name, wide in controls.items()}, margin=0.1)
    assert (few["p_no"] == 1).all()  # a few large gains may all be missed


def test_a_lead_over_seeds_is_smaller_than_the_margin():
    rng = np.random.default_rng(6)
    heat = pd.DataFrame({"a": rng.normal(0.0, 0.1, 30)})
    over = {("a", "x"): {"low": -0.06, "high": 0.02, "df": 8.0, "p": 0.3}}
    found = against_controls(heat, {"x": heat * 0}, margin=0.05, over_seeds=over)
    error = 0.04 / stats.t.ppf(0.975, 8)
    assert found["p_below"][0] == pytest.approx(stats.t.sf((0.05 + 0.02) / error, 8))
    assert against_controls(heat, {"x": heat * 0}, margin=0.05, over_seeds={})["p_no"][0] == 1
