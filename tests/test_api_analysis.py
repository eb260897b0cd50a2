"""The Python API: what tables of scores, studies and folders of images say, and the examples of the pages."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import heatproof as hp
from heatproof.core.messages import InputError
from heatproof.stats import external
from heatproof.stats.tables.score_table import ScoreTable

ROOT = Path(__file__).parents[1]
LEVELS = {"gradcam": 0.5, "saliency": 0.4, "random": 0.1, "center": 0.2, "truth": 0.9}


def table(levels=LEVELS, images=24, **columns):
    """Scores of images, two of a group, as `hp.scores` returns them."""
    rng = np.random.default_rng(0)
    return pd.concat(
        pd.DataFrame(
            {"image": range(images), "group": [f"g{i // 2}" for i in range(images)], "method": method, "metric": "iou"}
            | {"value": level + rng.normal(0, 0.05, images), "reason": ""}
            | columns
        )
        for method, level in levels.items()
    )


def kinds(found):
    """The kinds of statements on heatmaps."""
    return {one.kind for one in found.statements if one.area in ("controls", "pairs", "methods")}


def test_methods_are_compared_with_controls_and_each_other():
    absent = table().query("method == 'random'").assign(method="mean_mask", value=np.nan, reason="no_masks")
    found = hp.analyze(pd.concat([table(), absent]))
    assert found.pairs[["a", "b", "groups", "factor"]].values.tolist() == [["gradcam", "saliency", 12, "method"]]
    assert set(found.controls["control"]) == {"random", "center"}  # no yardstick, and none that was not made
    assert kinds(found) == {"controls.better", "pairs.single", "methods.apart"}
    (pair,) = found.results.about("methods")
    assert (pair.one("method"), pair.one("lead"), pair.subjects["worse"]) == ("saliency", "gradcam", ("model",))
    assert pair.numbers == {"worse": (found.pairs["difference"][0],)} and pair.numbers["worse"][0] > 0.05
    assert "\n\ngradcam, iou\n" in found.summary() and found.title == "Comparison of methods"


def test_tables_are_those_of_the_statistics():
    frame = table().rename(columns={"image": "image_id"}).assign(model="model", seed=0)
    frame["image_id"] = frame["image_id"].astype(str)
    frame = frame.sort_values(["metric", "method", "model", "seed", "image_id"], ignore_index=True)
    settings = {"test": "friedman", "alpha": 0.05, "interval": 0.95, "power": 0.8, "margin": {"default": 0.05}}
    read = ScoreTable(frame, [])
    expected, _ = external.evaluate(read, controls=["random", "center"], settings=settings, independent=False)
    found = hp.analyze(table())
    for name in ("metrics", "controls", "variance"):
        pd.testing.assert_frame_equal(found.tables[name], expected[name])


def test_models_are_compared_and_any_direction_can_be_stated():
    levels = {"gradcam": 0.5, "random": 0.1}
    models = [table(levels, model="a"), table(levels | {"gradcam": 0.3}, model="b")]
    found = hp.analyze(pd.concat(models).assign(metric="mine"), compare="model", higher=["mine"])
    assert found.pairs[["a", "b", "within"]].values.tolist() == [["a", "b", "gradcam"]]
    assert kinds(found) == {"controls.better", "pairs.apart"}
    low = hp.analyze(pd.concat(models).assign(metric="mine"), compare="model", lower=["mine"])
    assert kinds(low) == {"controls.worse", "pairs.apart"}


def test_patients_may_lack_models_and_lie_in_data_sets():
    rng = np.random.default_rng(0)
    rows = [
        {"image": f"i{i}", "group": f"p{i}", "site": f"s{i % 2}", "model": model, "method": "gradcam", "metric": "iou"}
        | {"value": 0.4 + 0.2 * place + rng.normal(0, 0.05)}
        for i in range(30)
        for place, model in enumerate("abc")
        if place != i % 3
    ]
    table = pd.DataFrame(rows)
    with pytest.raises(InputError, match="incomplete: its group was not meant to have that model"):
        hp.analyze(table, compare="model")
    found = hp.analyze(table, compare="model", incomplete=True, dataset="site")
    assert "Skillings-Mack" in found.summary() and "2 data sets" in found.summary()
    assert set(found.pairs["groups"]) == {10} and len(found.pairs) == 3
    with pytest.raises(InputError, match="no column of data sets 'place'"):
        hp.analyze(table, compare="model", incomplete=True, dataset="place")


def test_the_unit_is_what_the_user_says():
    plain = table().drop(columns="group")
    by_name = {image: image // 3 for image in range(24)}
    groups = {"image": 24, "patient": 6}
    for given, count in [("image", 24), ([i // 4 for i in range(24)], 6), (by_name, 8)]:
        assert (hp.analyze(plain, groups=given).pairs["groups"] == count).all()
    named = plain.assign(patient=plain["image"] // 4)
    assert (hp.analyze(named, groups="patient").pairs["groups"] == groups["patient"]).all()


def test_the_page_escapes_and_asks_for_nothing(tmp_path):
    page = hp.analyze(table({"<b>": 0.5, "saliency": 0.4, "random": 0.1})).to_html()
    assert page.startswith("<!doctype html>") and "<b>" not in page and "&lt;b&gt;" in page
    assert not re.search(r"https?://|<script|<link", page)
    assert page.count("<table") == 2 and "<h2>Pairs</h2>" in page


TABLE = table()
WRONG = {
    "comparison": ({"compare": "models"}, "no comparison 'models'; did you mean model"),
    "one model": ({"compare": "model"}, "compare='model': the table has only model; two models or more are needed"),
    "controls alone": (
        {"scores": table({"random": 0.1, "center": 0.2})},
        "compare='method': the table has none but controls; two methods or more are needed",
    ),
    "no groups": ({"scores": TABLE.drop(columns="group")}, "groups: give the patient of each image; or groups='image'"),
    "column": ({"groups": "patient"}, "no column of groups 'patient'; choose from group, image, method"),
    "few groups": ({"groups": [1, 2]}, "groups: 2 for 24 images"),
    "a group lacks": ({"groups": {0: "a"}}, "groups: image 1 has none"),
    "direction": ({"scores": TABLE.assign(metric="mine")}, "mine: it is not known which values are good; name it in "),
    "another's direction": ({"lower": ["mine"]}, "no row of the table for lower: 'mine'; choose from iou"),
    "alpha": ({"alpha": 2}, "alpha: 2; give a number between 0 and 0.5"),
    "text": ({"margin": "0.1"}, "margin: '0.1'; give a number between 0 and inf"),
    "test": ({"test": "t"}, "no test 't'; choose from friedman, rm_anova"),
    "columns": ({"scores": TABLE.drop(columns="metric")}, "scores: no column metric; there are image, group, method"),
    "no table": ({"scores": {"iou": 1}}, "scores: dict is no table; give the DataFrame that hp.scores returns"),
    "no rows": ({"scores": TABLE[:0]}, "scores: no rows"),
    "control": ({"controls": ["randm"]}, "no row of the table for controls: 'randm'; did you mean random"),
    "controls": ({"controls": "random"}, "controls: 'random'; give a list of names"),
    "twice": ({"scores": pd.concat([TABLE, TABLE])}, "scores: two scores of image_id 0, model model, seed 0, method "),
    "values": ({"scores": TABLE.assign(value="high")}, "scores: value holds 'high'; it must be a number"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_gets_one_line(case):
    given, line = WRONG[case]
    with pytest.raises(InputError) as caught:
        hp.analyze(**({"scores": TABLE} | given))
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_a_finished_study_is_read(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    found = hp.load_study("phantom")
    assert found.title == "phantom" and list(found.sentences) == ["in short", "findings"]
    counts = {name: len(pd.read_csv(f"results/stats/phantom/{name}.csv")) for name in ("pairs", "controls", "metrics")}
    assert {name: len(found.tables[name]) for name in counts} == counts
    assert kinds(found) >= {"controls.better", "controls.no_evidence", "pairs.apart"}
    assert found.results.study == "phantom" and found.statements == found.results.statements
    with pytest.raises(InputError, match=r"^no finished study in .*results 'phantm'; did you mean phantom"):
        hp.load_study("phantm")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^no finished study in .* 'phantom'; none exist$"):
        hp.load_study("phantom")


def test_a_folder_is_audited_and_nothing_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for i in range(8):
        place = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i // 2).integers(0, 255, (64, 64), dtype=np.uint8)).save(place)
    before = sorted(tmp_path.rglob("*"))
    found = hp.audit("images")
    assert sorted(tmp_path.rglob("*")) == before and capsys.readouterr().out == ""
    assert found.alarms and found.summary().startswith("Audit of images\n8 images in 2 classes: ")
    assert found.alarms[0].split()[0] in found.summary() and found.facts.images == 8
    assert len(found.pairs) == 4 and set(found.pairs["kind"]) == {"bytes"}
    for options, line in [
        ({"path": "nothing"}, "nothing: not found; give a folder or an archive of images"),
        ({"fit": "cut"}, "no fit 'cut'; choose from crop, pad, squash"),
        ({"threshold": "high"}, "threshold: 'high'; give a number"),
        ({"window": (1,)}, "window: (1,); give the values that become black and white"),
        ({"size": 8}, "--size: 8 is below 32"),
    ]:
        with pytest.raises(InputError, match=re.escape(line)):
            hp.audit(**({"path": "images"} | options))


@pytest.mark.slow
def test_the_blocks_of_the_pages_run(capsys):
    """The blocks of docs/python.md in their order: ten lines, what compares two models, and what chooses options."""
    block, more, choosing = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(), re.S)
    lines = [line for line in block.splitlines() if line and not line.startswith(("import", "from"))]
    assert len(lines) <= 10
    names: dict = {}
    torch.manual_seed(0)
    exec(block, names)
    assert {"random", "center", "edges", "other_image", "truth", "gradcam"} <= set(names["scores"]["method"])
    assert set(names["scores"]["metric"]) == {"relevance_rank_accuracy", "srg"}
    assert "gradcam, relevance_rank_accuracy" in capsys.readouterr().out.splitlines()
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    given = {"ours": names["model"], "theirs": hp.Classifier(net, mean=[0.5], std=[0.25]), "patients": [*"abcdef"]}
    exec(more, names | given)
    exec(choosing, names | given)
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["0", "gradcam", "model"]
