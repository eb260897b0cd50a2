"""`heatproof power` as a user calls it: with variances, on a stored study, on a folder of `heatproof analyze`."""

import argparse
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from stats.made import scores

from heatproof.cli import main
from heatproof.commands import analyze, power
from heatproof.stats.tests.power import groups_for, spread_of
from heatproof.store import artifacts, tables

ROOT = Path(__file__).parents[1]
GIVEN = ["--variance", "patient=0.01", "seed=0.001", "residual=0.02", "image=0.05", "--difference", "0.1"]


@pytest.fixture(autouse=True)
def here(monkeypatch):
    monkeypatch.chdir(ROOT)


def printed(capsys, *arguments):
    """The text, and the rows of its table."""
    assert main(["power", *arguments]) == 0
    text = capsys.readouterr().out
    lines = text.split("\n\n")[1].splitlines()
    return text, [dict(zip(lines[0].split(), line.split(), strict=True)) for line in lines[1:]]


def test_given_variances_make_a_table(capsys):
    text, rows = printed(capsys, *GIVEN, "--seeds", "1", "5", "--images", "1", "4", "--test", "rm_anova")
    assert [(row["seeds"], row["images"]) for row in rows] == [("1", "1"), ("1", "4"), ("5", "1"), ("5", "4")]
    assert int(rows[0]["patients"]) == groups_for(0.1, 0.16**0.5, 0.025, 0.8)
    assert int(rows[1]["patients"]) == groups_for(0.1, 0.085**0.5, 0.025, 0.8)
    assert set(rows[0]) == {"seeds", "images", "patients"}  # no pilot, no band
    assert f"{rows[0]['patients']} patients are needed to detect a difference of 0.1 in the metric" in text
    assert "by the paired t test on one mean per patient (significance level 0.025)" in text
    assert "1 training seed per model and 1 image per patient. Conclusions will be about the trained models" in text


def test_a_pilot_gives_a_band(capsys):
    """The widest and the narrowest variance that a pilot of 32 patients, 5 models and 2 seeds leaves."""
    text, rows = printed(capsys, "quickstart", "--seeds", "2")
    (row,) = rows
    low, middle, high = (int(row[name]) for name in ("low", "patients", "high"))
    components = pd.read_csv(artifacts.stats_dir("quickstart") / "variance.csv").set_index(
        ["method", "family", "component"]
    )
    of = components.sort_index().loc["gradcam", "localization"]["variance"]
    spread = (2 * (of["group x model"] + of["residual"] / 2)) ** 0.5
    assert middle == groups_for(0.05, spread, 0.0025, 0.8, ranks=True)
    df = 31 * 4
    assert high == pytest.approx(middle * df / 95.1, rel=0.05) and low == pytest.approx(middle * df / 156.7, rel=0.05)
    assert "32 patients, 5 models and 2 training seeds per model" in text and f"a 95% band of {low} to {high}." in text


@pytest.mark.parametrize(
    ("goal", "table", "squares", "level"),
    [
        (["--pair", "resnet18", "densenet121"], "pairs", 1, 0.0025),
        (["--control", "resnet18"], "controls", 1, 0.005),
    ],
)
def test_a_pair_and_a_control_have_their_own_spread(capsys, goal, table, squares, level):
    text, rows = printed(capsys, "quickstart", *goal, "--seeds", "2")
    of = artifacts.read_table(artifacts.stats_dir("quickstart") / f"{table}.csv", tables.TABLES[table])
    of = of[(of["metric"] == "relevance_rank_accuracy")]
    if table == "pairs":
        of = of[(of["within"] == "gradcam") & (of["a"] == "resnet18") & (of["b"] == "densenet121")]
    else:
        of = of[(of["method"] == "gradcam") & (of["model"] == "resnet18")]
    spreads = [spread_of((row.low, row.high), row.groups, 0.95) for row in of.itertuples()]
    assert int(rows[0]["patients"]) == groups_for(0.05, max(spreads), level, 0.8, ranks=True)
    assert "ResNet-18" in text.splitlines()[0]


def test_a_claim_has_the_level_of_its_check(capsys):
    claims = json.loads((artifacts.stats_dir("quickstart") / "summary.json").read_text())["claims"]
    stored = next(one for one in claims if one["name"] == "fidelity_degrades_for_vit")
    _, rows = printed(capsys, "quickstart", "--claim", stored["name"])
    spread = spread_of((stored["low"], stored["high"]), stored["groups"], 0.95)
    assert [int(row["patients"]) for row in rows] == [groups_for(0.05, spread, 0.05, 0.8, ranks=True)]


def test_other_goals(capsys):
    text, equal = printed(capsys, "quickstart", "--equivalent", "--seeds", "2")
    assert "show that two equal models differ by less than 0.05" in text and "two one-sided t tests" in text
    text, together = printed(capsys, "quickstart", "--all-models", "--seeds", "2")
    assert "by Friedman's test (significance level 0.025)" in text and "5 models differ" in text
    assert 100 < int(equal[0]["patients"]) < 400 and 100 < int(together[0]["patients"]) < 400


def test_where_no_number_of_patients_is_enough_it_says_how_many_seeds_are(capsys):
    text, rows = printed(capsys, "quickstart", "--seeds", "5")
    assert rows[0]["patients"] == "–" and "No number of patients is enough to detect" in text
    fewest = int(re.search(r"at least (\d+) seeds per model are needed, whatever the number of patients", text)[1])
    _, rows = printed(capsys, "quickstart", "--seeds", str(fewest), str(fewest - 1))
    assert rows[0]["patients"] != "–" == rows[1]["patients"]


def test_the_power_of_numbers_of_patients(capsys):
    _, rows = printed(capsys, "quickstart", "--seeds", "2", "--patients", "200", "247", "300")
    assert [row["patients"] for row in rows] == ["200", "247", "300"] and rows[1]["power"] == "80%"
    share = [[int(row[name].strip("%")) for row in rows] for name in ("low", "power", "high")]
    assert all(a < b < c for a, b, c in zip(*share, strict=True)) and share[1] == sorted(share[1])


def test_files(capsys, tmp_path):
    out = tmp_path / "plan"
    _, rows = printed(capsys, "quickstart", "--seeds", "2", "5", "--out", str(out))
    assert {path.name for path in out.iterdir()} == {"table.csv", "curves.svg", "sentence.md"}
    table = pd.read_csv(out / "table.csv")
    assert table["patients"].tolist()[0] == int(rows[0]["patients"]) and table["patients"].isna().tolist() == [
        False,
        True,
    ]
    svg = (out / "curves.svg").read_text()
    assert svg.startswith("<?xml") and all(
        f'id="power-{name}-{place}"' in svg for name in ("band", "power") for place in (0, 1)
    )
    assert (out / "sentence.md").read_text().startswith(f"{rows[0]['patients']} patients are needed")
    main(["power", *GIVEN, "--out", str(out)])
    assert "band-0" not in (out / "curves.svg").read_text()


@pytest.mark.slow
def test_a_table_of_scores_is_a_pilot(capsys, tmp_path, monkeypatch):
    """`heatproof analyze` writes what is read; images of a patient are means there."""
    monkeypatch.chdir(tmp_path)
    scores({"a": 0.5, "b": 0.45, "c": 0.3}, seeds=2).drop(columns="family").to_csv("scores.csv", index=False)
    assert main(["analyze", "scores.csv"]) == 0
    capsys.readouterr()
    text, rows = printed(capsys, "scores-stats", "--difference", "0.02")
    assert "Pilot: Grad-CAM in scores-stats (12 groups, 2 seeds)" in text and int(rows[0]["patients"]) > 2
    assert [row["seeds"] for row in rows] == ["2", "5", "10"] and "images" not in rows[0]


def test_images_are_planned_from_stored_scores(capsys, tmp_path, monkeypatch):
    """Where the scores of a study are at hand, the variance between images of a patient is known."""
    monkeypatch.chdir(tmp_path)
    names = ("summary.json", "variance.csv", "pairs.csv", "controls.csv", "omnibus.csv")
    for path in [ROOT / "results/stats/quickstart" / name for name in names]:
        for one in (path, path.with_name(f".{path.name}.sha256")):
            target = tmp_path / "results/stats/quickstart" / one.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(one.read_bytes())
    summary = json.loads((ROOT / "results/stats/quickstart/summary.json").read_text())
    rng, models = np.random.default_rng(0), [name for name, found in summary["models"].items() if found["competent"]]
    for model in models:
        for seed in summary["setting"]["seeds"]:
            rows = [(f"i{g}_{i}", f"p{g}", rng.normal(0, 0.1)) for g in range(36) for i in range(3)]
            frame = pd.DataFrame(rows, columns=["image_id", "group", "value"])
            frame = frame.assign(model=model, seed=seed, method="gradcam", metric="relevance_rank_accuracy", reason="")
            path = artifacts.Checkpoint("quickstart", model, seed, "fold0").scores("localization")
            path.parent.mkdir(parents=True, exist_ok=True)
            artifacts.write_table(path, frame[list(artifacts.SCORES)], artifacts.SCORES)
    text, rows = printed(capsys, "quickstart", "--seeds", "2", "--images", "1", "3", "9")
    counts = [int(row["patients"]) for row in rows]
    assert counts == sorted(counts, reverse=True) and "2 training seeds per model and 1 image per patient" in text
    # between 1 and 3 images, the variance of a difference falls by 2 * 0.01 (1 - 1/3) / 2 seeds
    found = artifacts.read_table(artifacts.stats_dir("quickstart") / "variance.csv", tables.TABLES["variance"])
    of = found[(found["method"] == "gradcam") & (found["family"] == "localization")].set_index("component")["variance"]
    there = 2 * (of["group x model"] + of["residual"] / 2)
    assert counts[1] == groups_for(0.05, there**0.5, 0.0025, 0.8, ranks=True)
    assert counts[0] == pytest.approx(
        groups_for(0.05, (there + 0.01 * 2 / 3) ** 0.5, 0.0025, 0.8, ranks=True), rel=0.03
    )


BAD = [
    ([], "STUDY: name a pilot study, or give the variances: --variance patient=0.01"),
    (["nowhere"], "no finished study 'nowhere'; choose from"),
    (["phantmo"], "no finished study 'phantmo'; did you mean phantom"),
    (["quickstart", "--family", "local"], "--family: no family 'local'; did you mean localization?"),
    (["quickstart", "--method", "cam"], "--method: no method with scores 'cam'; did you mean"),
    (["quickstart", "--pair", "a", "b"], "--pair a b: no such pair; the models are"),
    (["quickstart", "--control", "a"], "--control: no model with controls 'a'; choose from"),
    (["quickstart", "--claim", "a"], "--claim: no claim that was tested 'a'; choose from cams_highlight_lesions"),
    (["quickstart", "--claim", "cams_highlight_lesions", "--seeds", "5"], "--seeds 5: it is not known how scores vary"),
    (["quickstart", "--images", "4"], "--images 4: it is not known how scores vary between images; give all variances"),
    (["quickstart", "--variance", "patient=1"], "--variance: STUDY has its own variances; give one of the two"),
    (["phantom_vit"], "--models 1: two models or more are needed; with --control, one is enough"),
    (["phantom_vit", "--control", "--seeds", "5"], "--seeds 5: it is not known how scores vary between training seeds"),
    (["--variance", "patients=1"], "--variance patients=1: no variance 'patients'; did you mean patient?"),
    (["--variance", "patient=-1"], "--variance patient=-1: give a number from 0 on, such as patient=0.01"),
    (["--variance", "patient=much"], "--variance patient=much: give a number"),
    (["--variance", "seed=1"], "STUDY: name a pilot study, or give the variances"),
    (["--variance", "patient=1", "--seeds", "5"], "--seeds 5: it is not known how scores vary between training seeds"),
    (["--variance", "patient=1", "--pair", "a", "b"], "STUDY: name the pilot whose pair, control, claim"),
    ([*GIVEN, "--power", "0.4"], "--power 0.4: must lie between 0.5 and 1"),
    ([*GIVEN, "--alpha", "0.6"], "--alpha 0.6: must lie between 0 and 0.5"),
    ([*GIVEN[:-1], "0"], "--difference 0: must be above 0, in units of the metric"),
    ([*GIVEN, "--patients", "1"], "--patients 1: must be at least 2"),
    ([*GIVEN, "--out", "README.md"], "--out README.md: cannot be written"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "line"), BAD, ids=[" ".join(arguments)[:60] for arguments, _ in BAD])
def test_bad_input_is_one_line_with_the_fix(capsys, arguments, line):
    assert main(["power", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("heatproof power: ") and line in error and error.count("\n") == 1


def test_defaults_are_those_of_analyze():
    """As the help states them."""
    parser, told = argparse.ArgumentParser(), argparse.ArgumentParser()
    analyze.add_arguments(parser)
    power.add_arguments(told)
    for name in ("power", "alpha"):
        assert f"(default: {parser.get_default(name):g})" in " ".join(told.format_help().split())
