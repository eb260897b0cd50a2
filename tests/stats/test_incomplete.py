"""Tables in which patients lack models by design, or come from several data sets: published examples, verdicts, and
what is refused."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from stats.made import scores
from statsmodels.stats.multitest import multipletests

from heatproof.cli import main
from heatproof.stats.tests.omnibus import (
    friedman,
    heterogeneity,
    linked,
    over_data_sets,
    skillings_mack,
    unpaired,
    unpaired_pairs,
)

NONE = float("nan")
# minutes that nine persons took by four ways of assembly: Skillings and Mack 1981, Technometrics 23, section 4
ASSEMBLY = [
    [3.2, 4.1, 3.8, 4.2], [3.1, 3.9, 3.4, 4.0], [4.3, 3.5, 4.6, 4.8], [3.5, 3.6, 3.9, 4.0], [3.6, 4.2, 3.7, 3.9],
    [4.5, 4.7, 3.7, NONE], [NONE, 4.2, 3.4, NONE], [4.3, 4.6, 4.4, 4.9], [3.5, NONE, 3.7, 3.9],
]  # fmt: skip
# ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets: Demsar 2006, JMLR 7, table 6
RANKS = [
    [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
    [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
]  # fmt: skip


def table(values):
    values = np.asarray(values, float)
    return pd.DataFrame(values, index=[f"p{i}" for i in range(len(values))], columns=list("abcdef")[: values.shape[1]])


def noise(groups, models, seed=0):
    return np.random.default_rng(seed).normal(size=(groups, models))


def test_skillings_and_mack_on_their_example():
    found = skillings_mack(table(ASSEMBLY))
    assert found["statistic"] == pytest.approx(15.493, abs=5e-4) and (found["df1"], found["groups"]) == (3, 9)
    assert found["p"] == pytest.approx(0.0014, abs=5e-5)


def test_demsar_on_his_example():
    """His chi-square is not corrected for ties."""
    found = over_data_sets(table(RANKS))
    assert table(RANKS).mean().round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    assert found["chi_square"] == pytest.approx(9.28, abs=0.005) and found["statistic"] == pytest.approx(
        3.69, abs=0.005
    )
    assert (found["df1"], found["df2"]) == (3, 39) and found["p"] == pytest.approx(stats.f.sf(3.69, 3, 39), abs=2e-4)


def test_without_a_gap_it_is_friedmans_test():
    wide = table(noise(11, 4))
    one, other = skillings_mack(wide), friedman(wide)
    assert [one[key] for key in ("statistic", "df1", "p")] == pytest.approx(
        [other[key] for key in ("statistic", "df1", "p")]
    )
    assert skillings_mack(wide.iloc[:, :2]) is None and skillings_mack(wide[:1]) is None


def test_groups_with_one_model_hold_no_comparison():
    wide = table(ASSEMBLY)
    more = pd.concat([wide, pd.DataFrame({"a": [9.0, 1.0]}, index=["x", "y"])])
    assert skillings_mack(more) == skillings_mack(wide)


def test_models_that_no_group_links_are_not_compared():
    values = noise(8, 4)
    values[:4, 2:] = values[4:, :2] = NONE
    assert linked(table(values)) == [["a", "b"], ["c", "d"]] and skillings_mack(table(values)) is None
    values[0, 2] = 0.3  # one group is a link
    assert linked(table(values)) == [["a", "b", "c", "d"]] and skillings_mack(table(values))["df1"] == 3


def balanced(values):
    """Every group lacks one of the models in turn."""
    values = values.copy()
    values[np.arange(len(values)), np.arange(len(values)) % values.shape[1]] = NONE
    return values


@pytest.mark.slow
@pytest.mark.parametrize("gaps", [False, True])
def test_false_alarms_are_as_frequent_as_stated(gaps):
    rng, hits, apart = np.random.default_rng(1), [], []
    for _ in range(1000):
        values = rng.normal(size=(30, 4)) + rng.normal(size=(30, 1))
        wide = table(balanced(values) if gaps else values)
        hits.append(skillings_mack(wide)["p"] <= 0.05)
        shifted = wide.add([0, 0, 0.4, 0.8], axis=1)  # a difference that is the same in all data sets
        apart.append(heterogeneity(shifted, pd.Series(list("xyz") * 10, index=wide.index))["p"] <= 0.05)
    assert abs(np.mean(hits) - 0.05) < 0.016  # standard error .007
    assert np.mean(apart) < 0.055


@pytest.mark.slow
def test_more_is_found_than_on_complete_groups_alone():
    rng, all_, few = np.random.default_rng(2), [], []
    for _ in range(300):
        values = rng.normal(size=(30, 3)) + rng.normal(0, 2, (30, 1)) + np.array([0, 0.4, 0.8])
        values[10:] = balanced(values[10:])
        all_.append(skillings_mack(table(values))["p"] <= 0.05)
        few.append(friedman(table(values[:10]))["p"] <= 0.05)
    assert np.mean(all_) > np.mean(few) + 0.15


def test_data_sets_that_disagree_are_found():
    wide = table(np.concatenate([np.add(noise(20, 3), [0, 0, 2]), np.add(noise(20, 3, 1), [2, 0, 0])]))
    sets = pd.Series(["x"] * 20 + ["y"] * 20, index=wide.index)
    found = heterogeneity(wide, sets)
    parts = [friedman(rows)["statistic"] for _, rows in wide.groupby(sets)]
    assert found["statistic"] == pytest.approx(sum(parts) - friedman(wide)["statistic"])
    assert found["df1"] == 2 and found["p"] < 1e-6
    assert heterogeneity(wide, sets.map(lambda _: "x")) is None


def disjoint(samples):
    rows = [(f"{model}{i}", model, value) for model, values in samples.items() for i, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["group", "model", "value"]).pivot(index="group", columns="model", values="value")


def test_unpaired_tests_are_those_of_scipy():
    samples = {name: noise(8 + i, 1, i)[:, 0] * (1 + i) + i for i, name in enumerate("abc")}
    wide, values = disjoint(samples), list(samples.values())
    assert unpaired(wide, "friedman")["p"] == pytest.approx(stats.kruskal(*values).pvalue)
    pairs = unpaired_pairs(wide, test="friedman", level=0.95, margin=0.1)
    p = [stats.mannwhitneyu(samples[a], samples[b]).pvalue for a, b in combinations("abc", 2)]
    assert pairs["p_corrected"].tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())
    welch = [stats.ttest_ind(samples[a], samples[b], equal_var=False) for a, b in combinations("abc", 2)]
    pairs = unpaired_pairs(wide, test="rm_anova", level=0.9, margin=0.1)
    assert pairs["p"].tolist() == pytest.approx([one.pvalue for one in welch])
    ends = [one.confidence_interval(0.9) for one in welch]
    assert pairs[["low", "high"]].to_numpy() == pytest.approx(np.array([[one.low, one.high] for one in ends]))
    two = disjoint({name: samples[name] for name in "ab"})
    assert unpaired(two, "friedman") is None  # the pair stands alone


def test_welchs_anova_of_two_models_is_welchs_test_squared():
    """As of three, of which two are the same sample in size and spread, to the formula of Welch 1951."""
    samples = [noise(9, 1, i)[:, 0] * scale for i, scale in enumerate((1, 2, 4))]
    found = unpaired(disjoint(dict(zip("abc", samples, strict=True))), "rm_anova")
    weights = np.array([len(one) / one.var(ddof=1) for one in samples])
    means, share = np.array([one.mean() for one in samples]), weights / weights.sum()
    lam = 3 * sum((1 - share) ** 2 / 8) / 8
    expected = (weights * (means - share @ means) ** 2).sum() / 2 / (1 + 2 / 3 * lam)
    assert found["statistic"] == pytest.approx(expected) and found["df2"] == pytest.approx(1 / lam)


LEVELS = {"a": 0.6, "b": 0.45, "c": 0.3}


def told(capsys, tmp_path, frame, *arguments):
    frame.to_csv(tmp_path / "scores.csv", index=False)
    assert main(["analyze", str(tmp_path / "scores.csv"), "--out", str(tmp_path / "out"), *arguments]) == 0
    read = {path.stem: pd.read_csv(path) for path in (tmp_path / "out").glob("*.csv")}
    return capsys.readouterr().out, read


def refused(capsys, tmp_path, frame, *arguments):
    frame.to_csv(tmp_path / "scores.csv", index=False)
    assert main(["analyze", str(tmp_path / "scores.csv"), *arguments]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def made(levels=None, **given):
    frame = scores(levels or LEVELS, **{"groups": 24, **given}).drop(columns=["family", "reason"])
    return frame[frame["method"] == "gradcam"]


def lacking(frame, of=lambda number: "abc"[number % 3]):
    """Without one model of each patient."""
    return frame[frame["model"] != frame["group"].str[1:].astype(int).map(of)]


def test_patients_that_lack_a_model_are_compared_by_skillings_and_mack(capsys, tmp_path):
    frame = lacking(made(images=2))
    assert "--incomplete: its group was not meant to have that model" in refused(capsys, tmp_path, frame)
    text, read = told(capsys, tmp_path, frame, "--incomplete")
    wide = frame.groupby(["group", "model"])["value"].mean().unstack()
    row = read["omnibus"].query("test == 'skillings_mack'").iloc[0]
    assert [row["statistic"], row["p"]] == pytest.approx([skillings_mack(wide)[key] for key in ("statistic", "p")])
    assert (row["groups"], row["dropped"]) == (24, 0)
    assert "By design, 0 of 24 groups have every model" in text
    assert "The models differ: " in text and "Skillings-Mack test of IoU across 3 models: chi-square" in text
    pairs = read["pairs"].set_index(["a", "b"])
    assert pairs.loc[("a", "b"), "groups"] == 8
    both = wide[["a", "b"]].dropna()
    assert pairs.loc[("a", "b"), "p"] == pytest.approx(stats.wilcoxon(both["a"], both["b"]).pvalue)


def test_empty_cells_without_a_reason_are_no_failures_there(capsys, tmp_path):
    frame = made()
    wide = lacking(frame).pivot(index=["image_id", "group"], columns="model", values="value").reset_index()
    options = ["--wide", "model", "a", "b", "c", "--higher", "score", "--incomplete"]
    text, read = told(capsys, tmp_path, wide, *options)
    assert "Skillings-Mack" in text and "have no score" not in text and read["missing"].empty
    stated = frame.assign(reason="").astype({"value": object})
    chosen = (stated["model"] == "a") & (stated["group"] < "p05")
    stated.loc[chosen, ["value", "reason"]] = [None, "all_zero"]
    text, read = told(capsys, tmp_path, stated, "--incomplete")
    assert read["missing"]["scores"].tolist() == [5] and "Counting the 5 missing scores as the worst" in text


def test_patients_with_one_model_are_left_out_and_counted(capsys, tmp_path):
    frame = lacking(made())
    alone = frame[~((frame["group"] < "p04") & (frame["model"] > frame.groupby("group")["model"].transform("min")))]
    text, read = told(capsys, tmp_path, alone, "--incomplete")
    assert read["omnibus"].query("test == 'skillings_mack'")["dropped"].item() == 4
    assert "leaves out 4 of 24 groups, because only one model has a value there" in text


@pytest.mark.slow
def test_five_seeds_speak_of_checkpoints_where_patients_lack_models(capsys, tmp_path):
    text, read = told(capsys, tmp_path, lacking(made(seeds=5)), "--incomplete")
    assert "Verdicts apply to these checkpoints." in text and "architectures" not in text
    assert read["pairs"]["p_seeds"].isna().all()
    text, _ = told(capsys, tmp_path, made(seeds=5), "--incomplete")  # nothing is missing: as without the option
    assert "Across 5 training seeds" in text or "Verdicts apply to architectures" in text


@pytest.mark.parametrize(("test", "name"), [("friedman", "kruskal_wallis"), ("rm_anova", "welch")])
def test_disjoint_patients_get_an_unpaired_test_that_is_named(capsys, tmp_path, test, name):
    frame = made(groups=45)
    frame = frame[frame["model"] == frame["group"].str[1:].astype(int).map(lambda number: "abc"[number % 3])]
    text, read = told(capsys, tmp_path, frame, "--incomplete", "--test", test)
    assert "No group has two models, so the tests are unpaired" in text and "(unpaired) of IoU" in text
    samples = {model: rows["value"].to_numpy() for model, rows in frame.groupby("model")}
    row = read["omnibus"].query("test == @name").iloc[0]
    assert row["p"] == pytest.approx(unpaired(disjoint(samples), test)["p"], rel=1e-6) and row["groups"] == 45
    assert read["pairs"]["groups"].tolist() == [30, 30, 30] and (read["pairs"]["p_corrected"] < 0.05).all()
    assert "The models differ: 3 of 3 pairs" in text


def test_two_models_on_disjoint_patients_are_one_pair(capsys, tmp_path):
    frame = made(groups=30).query("model != 'c'")
    frame = frame[(frame["model"] == "a") == (frame["group"].str[1:].astype(int) % 2 == 0)]
    text, read = told(capsys, tmp_path, frame, "--incomplete")
    assert "The two models differ" in text and read["pairs"]["groups"].tolist() == [30]


def test_what_cannot_be_compared_is_refused_with_the_reason(capsys, tmp_path):
    frame = made()
    number = frame["group"].str[1:].astype(int)
    apart = frame[(number < 12) & frame["model"].isin(["a", "b"]) | (number >= 12) & (frame["model"] == "c")]
    line = refused(capsys, tmp_path, apart, "--incomplete")
    assert "iou by gradcam: no group links c to the other models" in line and "analyze them apart" in line
    images = made(images=2)
    own = images.index[(images["model"] == "b")][0]
    line = refused(capsys, tmp_path, images.drop(own), "--incomplete")
    assert "image i00_0 of group p00 has no row of model b, which has others; give it one" in line


def several(orders, groups=10):
    """A data set for each order of the models; patients have the same names in all."""
    parts = [
        made(levels=dict(zip("abc", order, strict=True)), groups=groups, noise=0.03 + place / 1000).assign(
            site=f"site{place}"
        )
        for place, order in enumerate(orders)
    ]
    return pd.concat(parts, ignore_index=True)


def test_patients_are_blocks_within_their_data_set(capsys, tmp_path):
    frame = several([(0.6, 0.45, 0.3)] * 3)
    text, read = told(capsys, tmp_path, frame, "--dataset", "site")
    wide = frame.assign(group=frame["site"] + frame["group"]).pivot(index="group", columns="model", values="value")
    row = read["omnibus"].query("test == 'friedman'").iloc[0]
    assert row["groups"] == 30 and row["statistic"] == pytest.approx(friedman(wide)["statistic"])
    assert "Patients are blocks within their data set (3 data sets)." in text
    assert "No evidence that the order of the models differs between the 3 data sets" in text and "Demsar" not in text
    means = frame.groupby(["site", "model"])["value"].mean()
    found = read["datasets"].set_index(["dataset", "model"])
    assert found["mean"].to_dict() == pytest.approx(means.to_dict()) and (found["groups"] == 10).all()


def test_data_sets_of_another_order_are_reported(capsys, tmp_path):
    text, read = told(capsys, tmp_path, several([(0.6, 0.45, 0.3), (0.3, 0.45, 0.6)]), "--dataset", "site")
    assert "The order of the models differs between the 2 data sets (heterogeneity: chi-square" in text
    assert read["omnibus"].query("test == 'heterogeneity'")["p"].item() < 0.001


def test_six_data_sets_are_blocks_themselves(capsys, tmp_path):
    frame = several([(0.6, 0.45, 0.3)] * 7, groups=4)
    text, read = told(capsys, tmp_path, frame, "--dataset", "site")
    assert (
        "Over 7 data sets as blocks (Demsar 2006): the same order in each, p < 0.001" in text
        and "mean ranks: a 1.00, b 2.00, c 3.00" in text
    )
    row = read["omnibus"].query("test == 'data_sets'").iloc[0]
    assert (row["groups"], row["levels"], row["df2"]) == (7, 3, 12)
    assert "pairs that differ (Wilcoxon, Holm-corrected): a above b, a above c and b above c." in text


def test_the_test_over_data_sets_is_that_of_their_means(capsys, tmp_path):
    """The sixth has another order, which leaves too little for any pair."""
    frame = several([*[(0.6, 0.45, 0.3)] * 5, (0.3, 0.45, 0.6)], groups=4)
    text, read = told(capsys, tmp_path, frame, "--dataset", "site")
    means = frame.groupby(["site", "model"])["value"].mean().unstack()
    row = read["omnibus"].query("test == 'data_sets'").iloc[0]
    assert [row["statistic"], row["p"]] == pytest.approx([over_data_sets(means)[key] for key in ("statistic", "p")])
    assert f"(Demsar 2006): F {row['statistic']:.2f}, 2 and 10 degrees" in text and "Holm-corrected): none." in text
    text, _ = told(capsys, tmp_path, frame[frame["site"] != "site5"], "--dataset", "site")
    assert "Demsar" not in text  # five are too few


def test_a_data_set_needs_a_name(capsys, tmp_path):
    frame = several([(0.6, 0.45, 0.3)] * 2)
    frame.loc[3, "site"] = ""
    assert "site is empty in a row; every score needs one" in refused(capsys, tmp_path, frame, "--dataset", "site")
    assert "no column hospital" in refused(capsys, tmp_path, frame, "--dataset", "hospital")
