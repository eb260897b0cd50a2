"""`heatproof analyze FILE` as a user calls it, on a table that another tool wrote."""

import gzip
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from stats.made import scores
from statsmodels.stats.multitest import multipletests

from heatproof.cli import main
from heatproof.commands.analyze import TABLES
from heatproof.stats.results import StudyResults
from heatproof.stats.tables.score_table import read
from heatproof.stats.tests.architectures import seed_differences

LEVELS = {"a": 0.5, "b": 0.45, "c": 0.3}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(**given):
    """As `made.scores`, with the columns of the file alone."""
    return scores(given.pop("levels", LEVELS), **given).drop(columns=["family", "reason"])


def write(frame, name="scores.csv"):
    frame.to_csv(name, index=False) if name.endswith("csv") else frame.to_parquet(name)
    return name


def told(capsys, *arguments):
    """What is printed, and the tables and summary that are written."""
    assert main(["analyze", *arguments]) == 0
    out = capsys.readouterr().out
    folder = out.splitlines()[-1].removeprefix("Tables: ")
    tables = {name: pd.read_csv(f"{folder}/{name}.csv") for name in TABLES}
    return out, tables, StudyResults.of(json.loads(Path(folder, "summary.json").read_text()))


def refused(capsys, *arguments):
    """The one line that a bad table gets."""
    assert main(["analyze", *arguments]) == 1
    seen = capsys.readouterr()
    assert seen.out == "" and seen.err.count("\n") == 1 and "Traceback" not in seen.err
    return seen.err


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet", "SCORES.CSV"])
@pytest.mark.slow
def test_values_are_those_of_direct_calls(capsys, name):
    frame = table(images=2)
    frame.to_csv(name, index=False) if name.lower().endswith("csv") else frame.to_parquet(name)
    out, tables, summary = told(capsys, name)
    means = frame[frame["method"] == "gradcam"].groupby(["group", "model"])["value"].mean().unstack()
    friedman = stats.friedmanchisquare(*means.to_numpy().T)
    row = tables["omnibus"].query("test == 'friedman'").iloc[0]
    assert [row["statistic"], row["p"]] == pytest.approx([friedman.statistic, friedman.pvalue], rel=1e-6)
    p = [stats.wilcoxon(means[a], means[b]).pvalue for a, b in combinations("abc", 2)]
    assert tables["pairs"]["p_corrected"].tolist() == pytest.approx(multipletests(p, method="holm")[1].tolist())
    control = frame[frame["method"] == "center"].groupby(["group", "model"])["value"].mean().unstack()
    against = tables["controls"].query("model == 'b' and control == 'center'").iloc[0]
    assert against["p"] == pytest.approx(stats.wilcoxon(means["b"], control["b"]).pvalue)
    assert against["difference"] == pytest.approx((means["b"] - control["b"]).mean())
    interval = stats.ttest_1samp(means["a"], 0).confidence_interval(0.95)
    described = tables["metrics"].query("model == 'a' and method == 'gradcam'").iloc[0]
    assert [described["low"], described["high"]] == pytest.approx([interval.low, interval.high])
    assert summary.outcome("iou", "gradcam").verdicts == dict.fromkeys("abc", "better")
    assert "the heatmaps of a, b and c score better than a random map and a centre blob (IoU: a 0.5" in out
    assert "The models differ: " in out and "12 groups, 24 images" in out
    assert out.endswith(f"Tables: {name.split('.')[0]}-stats\n")


def test_four_columns_are_enough(capsys):
    """Or a column for each model; then the direction of the scores has to be stated."""
    frame = table().query("method == 'gradcam'")[["image_id", "group", "model", "value"]]
    line = refused(capsys, write(frame))
    assert "metric score: not known whether a higher or a lower value is better; add --higher score or --lower" in line
    write(frame.pivot(index=["image_id", "group"], columns="model", values="value").reset_index(), "wide.csv")
    line = refused(capsys, "wide.csv")
    assert "no column model, value; columns there: image_id, group, a, b, c; if each model has a column" in line
    assert "--wide model COLUMN COLUMN" in line
    wide = ["wide.csv", "--higher", "score", "--wide", "model", "a", "b"]
    assert "no column d" in refused(capsys, *wide, "d")
    out, tables, summary = told(capsys, *wide, "c")
    assert summary.methods == ("heatmap",) and list(summary.families) == ["score"]
    assert "There is no control to compare these heatmaps with." in out and "The models differ: " in out
    assert len(tables["pairs"]) == 3 and tables["controls"].empty
    assert "Heatmaps of a model that guesses explain nothing." in out


def test_the_unit_is_what_the_user_says(capsys):
    frame = table(images=3).rename(columns={"group": "patient"})
    write(frame)
    by_patient = told(capsys, "scores.csv", "--group", "patient", "--out", "one")
    by_image = told(capsys, "scores.csv", "--independent", "--out", "two")
    assert (by_patient[1]["pairs"]["groups"] == 12).all() and (by_image[1]["pairs"]["groups"] == 36).all()
    assert "one mean per group (12 groups, 36 images)" in by_patient[0]
    assert "All 36 images are treated as independent (--independent)." in by_image[0]
    assert "36 images; significance level" in by_image[0]
    assert "no column group" in refused(capsys, "scores.csv") and "--independent" in refused(capsys, "scores.csv")


def test_options_reach_the_tests(capsys):
    write(table())
    options = ["--test", "rm_anova", "--alpha", "0.01", "--interval", "0.9", "--margin", "0.2", "--power", "0.9"]
    _, tables, summary = told(capsys, "scores.csv", *options)
    assert (summary.test, summary.alpha, summary.power) == ("rm_anova", 0.01, 0.9)
    assert summary.outcome("iou", "gradcam").omnibus.test == "rm_anova"
    assert summary.outcome("iou", "gradcam").shares.controls == 0.005
    means = table().query("method == 'gradcam'").pivot(index="group", columns="model", values="value")
    pair, test = tables["pairs"].iloc[0], stats.ttest_rel(means["a"], means["b"])
    assert [pair["p"], pair["margin"], pair["low"]] == pytest.approx(
        [test.pvalue, 0.2, test.confidence_interval(0.9).low]
    )


@pytest.mark.parametrize(("option", "words"), [("--higher", "worse"), ("--lower", "better")])
def test_the_user_states_which_values_of_a_metric_are_good(capsys, option, words):
    frame = table(levels=dict.fromkeys("ab", 0.0), controls={"random": 0.5, "center": 0.6}, groups=15)
    _, _, summary = told(capsys, write(frame.assign(metric="My gap")), option, "my_gap")
    assert summary.outcome("My gap", "gradcam").verdicts == dict.fromkeys("ab", words)
    assert summary.families["My gap"].lower_is_better == (option == "--lower")


def test_metrics_of_other_tools_have_their_direction(capsys):
    """One that is stated against the name is shown; one that only describes is not tested."""
    names = ["Deletion AUC", "DropInConfidence", "Top-K Intersection", "Insertion", "sparseness"]
    frame = pd.concat([table(levels={"a": 0.5}, groups=6).assign(metric=name) for name in names])
    out, _, summary = told(capsys, write(frame), "--lower", "insertion")
    assert {name: found.lower_is_better for name, found in summary.families.items()} == {
        "deletion_auc": True,
        "DropInConfidence": True,
        "Top-K Intersection": False,
        "insertion_auc": True,
    }
    assert "Metrics under heatproof's names: Deletion AUC is deletion_auc, Insertion is insertion_auc." in out
    assert "A low insertion_auc counts as good (--lower), although its name suggests the opposite." in out
    assert "Described in metrics.csv but not tested, because no direction is better: sparseness." in out


@pytest.mark.parametrize(
    ("metric", "options", "parts"),
    [
        ("My gap", [], ["metric 'My gap': not known whether", "add --higher 'My gap' or --lower 'My gap'"]),
        ("ROAD", [], ["add --higher ROAD or --lower ROAD; ROAD is LeRF", "pytorch-grad-cam (higher is better)"]),
        ("entropy", [], ["metric entropy: describes heatmaps, no value is better", "--higher METRIC"]),
        ("gap", ["--lower", "gap", "--higher", "gap"], ["gap: --lower and --higher name it; keep one"]),
    ],
)
def test_a_direction_is_never_guessed(capsys, metric, options, parts):
    line = refused(capsys, write(table(groups=6).assign(metric=metric)), *options)
    assert all(part in line for part in parts), line


def test_controls_of_the_users_own(capsys):
    frame = table(controls={"random": 0.1, "center": 0.2, "prior": 0.9})
    _, tables, summary = told(capsys, write(frame), "--controls", "prior")
    assert set(tables["controls"]["control"]) == {"prior"} and summary.methods == ("gradcam",)
    assert set(summary.outcome("iou", "gradcam").verdicts.values()) == {"worse"}


def test_metrics_and_methods_are_judged_apart(capsys):
    frame = pd.concat([table(methods={"gradcam": 0.0, "lrp": 0.1}), table().assign(metric="srg")])
    out, _, summary = told(capsys, write(frame))
    assert summary.methods == ("gradcam", "lrp") and list(summary.families) == ["iou", "srg"]
    assert "Each of the 2 metrics is tested separately; p values are not corrected" in out
    assert "On the same images, lrp scores better than Grad-CAM for" in out and "lrp, iou" in out


def test_missing_scores_are_counted_with_and_without_a_reason(capsys):
    frame = scores(LEVELS, lost={"a": [0, 1]}).drop(columns="family")
    frame.loc[frame["value"].isna() & (frame["group"] == "p01"), "reason"] = ""
    out, tables, _ = told(capsys, write(frame))
    assert tables["missing"][["model", "reason", "scores"]].to_numpy().tolist() == [
        ["a", "all_zero", 1],
        ["a", "no_value", 1],
    ]
    assert "17% of the heatmaps of a have no IoU" in out
    assert "Counting the 2 missing scores as the worst" in out


def test_one_patient_written_in_several_ways_is_one(capsys):
    """Models keep their names: 01 is not 1. Hits may be true and false."""
    frame = table(levels={"1": 0.5, "01": 0.4}, groups=10, images=3)
    frame["value"] = frame["value"] > 0.3
    plain = told(capsys, write(frame), "--out", "plain")
    ways = [str, "{:.1f}".format, "{:02d}".format, " {} ".format]
    number, image = frame["group"].str[1:].astype(int), frame["image_id"].str[-1].astype(int)
    frame["group"] = [ways[(n + i) % 4](n) if n else "Pp"[i % 2] for n, i in zip(number, image, strict=True)]
    found = told(capsys, write(frame), "--out", "spelt")
    assert set(found[2].models) == {"1", "01"} and found[2].groups_test == 10
    pd.testing.assert_frame_equal(found[1]["pairs"], plain[1]["pairs"])
    assert "Groups whose names differ only in spelling are one: 01 = 1 = 1.0, " in found[0]


EXCEL = {
    "in German, with blank columns": lambda t: (
        t.assign(value=t["value"].map("{:.17g}".format).str.replace(".", ","), blank="", empty="")
        .rename(columns={"image_id": "Image ID", "value": " Value ", "blank": "", "empty": " "})
        .to_csv(index=False, sep=";")
        .replace(";\n", ";;;\n")
        .encode("utf-8-sig")
    ),
    "tabs, UTF-16": lambda t: t.to_csv(index=False, sep="\t").encode("utf-16"),
    "gzip": lambda t: gzip.compress(t.to_csv(index=False).encode()),
    "not available": lambda t: t.to_csv(index=False, na_rep="#N/A").encode(),
}


@pytest.mark.parametrize("way", EXCEL)
def test_tables_of_spreadsheets_are_read_alike(way):
    frame = with_gaps(table(images=2, seeds=2))
    frame.to_csv("plain.csv", index=False)
    Path("other").write_bytes(EXCEL[way](frame))
    pd.testing.assert_frame_equal(read(Path("other"), "group").scores, read(Path("plain.csv"), "group").scores)


@pytest.mark.parametrize("kind", ["model", "method", "metric"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_wide_tables(kind, suffix):
    frame = with_gaps(pd.concat([table(), table().assign(metric="srg")]))
    long, columns = read(Path(write(frame)), "group").scores, sorted(set(frame[kind]))
    rows = [name for name in frame if name not in (kind, "value")]
    wide = frame.pivot(index=rows, columns=kind, values="value").reset_index()
    found = read(Path(write(wide, f"wide.{suffix}")), "group", [kind, *columns]).scores
    pd.testing.assert_frame_equal(found, long)


def test_columns_of_wide_tables_that_cannot_be(capsys):
    write(table())
    assert "--wide a: give model, method, metric and the columns" in refused(capsys, "scores.csv", "--wide", "a")
    assert "a column model and --wide model" in refused(capsys, "scores.csv", "--wide", "model", "seed")


def test_two_names_of_one_metric_are_one_score(capsys):
    frame = pd.concat([table(groups=6).assign(metric=name) for name in ("Deletion", "deletion auc")])
    assert "metric deletion_auc under heatproof's names; keep one" in refused(capsys, write(frame))


def test_seeds_that_are_not_as_many_for_each_model(capsys):
    frame = table(seeds=5)
    out, _, summary = told(capsys, write(frame), "--out", "even")
    assert "Across 5 training seeds" in out and summary.seeds.count == 5
    out, _, _ = told(capsys, write(frame[(frame["model"] != "a") | (frame["seed"] < 3)]), "--out", "uneven")
    assert "Verdicts apply only to these training runs: the number of seeds differs between models (3 to 5)." in out
    assert "In these training runs" in out and "architectures" not in out


BAD = {
    "no column": (lambda t: t.drop(columns="value"), ["no column value", "columns there: image_id, group, model"]),
    "several": (lambda t: t.drop(columns=["model", "image_id"]), ["no column image_id, model"]),
    "no group": (lambda t: t.drop(columns="group"), ["no column group", "--group", "--independent"]),
    "empty": (lambda t: t[:0], ["no rows"]),
    "text": (
        lambda t: t.assign(value=["much", *t["value"][1:].astype(str)]),
        ["value holds 'much'; it must be a number"],
    ),
    "infinite": (lambda t: t.assign(value=[np.inf, *t["value"][1:]]), ["value holds", "inf", "it must be a number"]),
    "twice": (lambda t: pd.concat([t, t[:1]]), ["two scores of image_id i00_0, model a, seed 0", "keep one"]),
    "two groups": (lambda t: t.assign(group=["other", *t["group"][1:]]), ["image i00_0 is in two groups"]),
    "half a seed": (lambda t: t.assign(seed=[0.5, *t["seed"][1:]]), ["seed holds 0.5", "whole number"]),
    "no seed": (lambda t: t.assign(seed=[None, *t["seed"][1:]]), ["seed holds nothing", "whole number"]),
    "a seed's name": (lambda t: t.assign(seed="first"), ["seed holds 'first'", "number"]),
    "no model": (lambda t: t.assign(model=[None, *t["model"][1:]]), ["model is empty in a row"]),
    "no patient": (lambda t: t.assign(group=[None, *t["group"][1:]]), ["group is empty in a row"]),
}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_gets_one_line(capsys, case, suffix):
    spoil, parts = BAD[case]
    name = write(spoil(table(seeds=1)), f"scores.{suffix}")
    line = refused(capsys, name)
    assert line.startswith(f"heatproof analyze: scores.{suffix}: ")
    assert all(part in line for part in parts), line


def test_the_users_own_name_of_the_group_is_told(capsys):
    frame = table().rename(columns={"group": "patient"})
    write(frame.assign(patient=[None, *frame["patient"][1:]]))
    assert "scores.csv: patient is empty in a row" in refused(capsys, "scores.csv", "--group", "patient")
    assert "no column who" in refused(capsys, "scores.csv", "--group", "who")


def test_what_is_no_table_gets_one_line(capsys, tmp_path):
    assert "nowhere.csv: not found" in refused(capsys, "nowhere.csv")
    assert "nowhere.parquet: not found" in refused(capsys, "nowhere.parquet")
    (tmp_path / "notes.txt").write_text("hello")
    assert "notes.txt: no column image_id, group, model, value; columns there: hello" in refused(capsys, "notes.txt")
    (tmp_path / "blank.csv").write_text("")
    assert "blank.csv: no column image_id, group, model, value; columns there: none" in refused(capsys, "blank.csv")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    assert "binary.csv: not UTF-8" in refused(capsys, "binary.csv")
    (tmp_path / "scores.xlsx").write_bytes(b"PK\x03\x04")
    assert "scores.xlsx: an Excel workbook or another archive; save the sheet as CSV" in refused(capsys, "scores.xlsx")
    (tmp_path / "half.parquet").write_bytes(b"PAR1")
    assert "half.parquet: cannot be read" in refused(capsys, "half.parquet")
    (tmp_path / "folder").mkdir()
    assert "folder: cannot be read (Is a directory)" in refused(capsys, "folder")


def test_names_that_the_table_lacks(capsys):
    write(table())
    assert "--lower nothing: not in the table; there are iou" in refused(capsys, "scores.csv", "--lower", "nothing")
    line = refused(capsys, "scores.csv", "--controls", "edge")
    assert "--controls edge: not in the table; there are " in line and "gradcam" in line
    write(table().query("method != 'gradcam'"))
    assert "every method of the table is a control" in refused(capsys, "scores.csv")


@pytest.mark.parametrize(
    ("option", "value"), [("--alpha", "0.7"), ("--interval", "95"), ("--power", "0.2"), ("--margin", "0")]
)
def test_numbers_out_of_range(capsys, option, value):
    write(table())
    assert f"{option} {value}: must lie between" in refused(capsys, "scores.csv", option, value)


def test_one_image_each_of_one_model(capsys):
    frame = table(levels={"a": 0.5}, groups=1)
    out, _, summary = told(capsys, write(frame))
    assert "No evidence that the heatmaps of a score better" in out and "There are too few groups" in out
    assert summary.outcome("iou", "gradcam").verdicts == {"a": "unclear"}


@pytest.mark.parametrize("seeds", [1, 5])
@pytest.mark.slow
def test_the_order_of_the_rows_changes_no_byte(capsys, tmp_path, seeds):
    small = {"seeds": seeds, "groups": 8, "images": 2}
    several = table(methods={"lrp": 0.0, "gradcam": 0.02}, **small)
    frame = with_gaps(pd.concat([several, table(**small).assign(metric="srg")]))
    folders = []
    for draw in range(2):
        shuffled = frame if not draw else frame.sample(frac=1, random_state=draw)
        told(capsys, write(shuffled), "--out", f"out{draw}")
        folders.append({path.name: path.read_bytes() for path in (tmp_path / f"out{draw}").glob("[!.]*")})
    assert folders[0] == folders[1] and len(folders[0]) == len(TABLES) + 1


def with_gaps(frame):
    """Every eleventh score of a heatmap is missing."""
    own = np.flatnonzero((frame["method"] == "gradcam").to_numpy())[::11]
    value = frame["value"].to_numpy(copy=True)
    value[own] = np.nan
    return frame.assign(value=value)


def test_a_control_that_was_scored_once_stands_beside_every_seed(capsys):
    frame = table(seeds=5)
    once = frame[~frame["method"].isin(["random", "center"]) | (frame["seed"] == 0)]
    _, _, summary = told(capsys, write(once), "--out", "once")
    rows = summary.outcome("iou", "gradcam").controls["random"]
    assert all(row.p < 1 for row in rows.values())
    cells = once[(once["method"] == "gradcam") & (once["model"] == "a")]
    beside = once[(once["method"] == "random") & (once["model"] == "a")]
    means = cells.groupby(["group", "seed"])["value"].mean().unstack()
    differences = means.sub(beside.groupby("group")["value"].mean(), axis=0)
    assert rows["a"].p == pytest.approx(seed_differences(differences.to_numpy(), 0.95)["p"])


def test_a_model_without_a_control_is_not_better_than_every_control(capsys):
    frame = table()
    lacks = frame[~((frame["model"] == "b") & (frame["method"] == "center"))]
    _, _, summary = told(capsys, write(lacks), "--out", "lacks")
    assert summary.outcome("iou", "gradcam").verdicts == {"a": "better", "b": "unclear", "c": "better"}


@pytest.mark.parametrize("spoilt", ["image", "twice", "date"])
def test_what_would_mislead_is_refused(capsys, spoilt):
    frame = table()
    if spoilt == "image":
        own = (frame["model"] == "b") & (frame["method"] == "gradcam")
        frame, words = frame.drop(frame.index[own][0]), "has no row of model b; give it one"
    elif spoilt == "twice":
        frame, words = pd.concat([frame, frame["model"]], axis=1), "two columns are called model"
    else:
        frame, words = frame.assign(value=pd.Timestamp("2026-01-01")), "value holds"
    if spoilt == "date":
        frame.to_parquet("bad.parquet")
    else:
        frame.to_csv("bad.csv", index=False)
    assert words in refused(capsys, "bad.parquet" if spoilt == "date" else "bad.csv")


def test_a_folder_that_cannot_be_written_is_one_line(capsys):
    path = write(table())
    assert "--out" in refused(capsys, path, "--out", path)
