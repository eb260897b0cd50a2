"""Options of methods that are chosen on validation patients: which, what is tested then, and how rarely that errs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from scipy.ndimage import gaussian_filter
from stats.made import SETTINGS

import heatproof as hp
from bench import choices
from heatproof.cli import main
from heatproof.core.messages import InputError
from heatproof.score.metrics.localization import METRICS
from heatproof.score.scene import Scene, Truth
from heatproof.stats.external import choose, evaluate
from heatproof.stats.results import StudyResults
from heatproof.stats.tables.score_table import read

LAYERS = {"gradcam": {"layer2": 0.3, "layer3": 0.5, "layer4": 0.4}}
NOISE = {"random": {"raw": 0.1, "smooth": 0.2}, "center": {"": 0.15}}


def table(part, patients=24, methods=LAYERS, *, controls=NOISE, noise=0.02, **more):
    """Scores of a part of the patients: the level of each method's option, and noise."""
    rng = np.random.default_rng([*part.encode()])
    rows = [
        {"image_id": f"{part}{patient}", "group": f"p{part}{patient}", "model": "net", "seed": 0}
        | {"method": method, "option": option, "value": level + rng.normal(0, noise)}
        for patient in range(patients)
        for method, options in (methods | controls).items()
        for option, level in options.items()
    ]
    return pd.DataFrame(rows).assign(metric="iou", **more)


def found(validation, test, **options):
    """What is found by one of the tables, as the command reads them."""
    both = [read(Path(name), "group", frame=of, options=True) for name, of in (("v", validation), ("t", test))]
    return evaluate(both[1], validation=both[0], settings=SETTINGS, independent=False, **options)


def options_of(tables, method="gradcam", column="chosen"):
    rows = tables["options"]
    return rows.loc[(rows["method"] == method) & rows[column], "option"].tolist()


def test_the_best_on_validation_patients_is_tested():
    test = table("t")
    tables, results = found(table("v"), test)
    assert options_of(tables) == ["layer3"] and options_of(tables, "random") == ["smooth"]
    own = test[(test["method"] == "gradcam") & (test["option"] == "layer3")]
    described = tables["metrics"].set_index("method")["mean"]
    assert described["gradcam"] == pytest.approx(own["value"].mean())
    assert tables["controls"]["control"].tolist() == ["random (raw)", "random (smooth)", "center"]
    assert results.outcome("iou", "gradcam").verdicts == {"net": "better"} and results.methods == ("gradcam",)
    noise = test[(test["method"] == "random") & (test["option"] == "raw")]
    paired = own.set_index("group")["value"] - noise.set_index("group")["value"]
    row = tables["controls"].set_index("control").loc["random (raw)"]
    assert row["difference"] == pytest.approx(paired.mean()) and row["p"] == pytest.approx(
        stats.wilcoxon(paired).pvalue
    )


def test_a_heatmap_has_to_beat_a_control_at_each_option():
    """One that a smoothed random map beats is not better, whichever option validation patients choose for that map."""
    validation = table("v", controls={"random": {"": 0.3, "smooth": 0.2}})
    tables, results = found(validation, table("t", controls={"random": {"": 0.1, "smooth": 0.6}}))
    assert tables["controls"]["control"].tolist() == ["random", "random (smooth)"]
    assert options_of(tables, "random") == [""] and results.outcome("iou", "gradcam").verdicts == {"net": "worse"}


def test_optimism_is_what_the_naive_way_adds():
    """The naive way takes the best on test patients, where layer4 is ahead by chance."""
    validation, test = table("v"), table("t", noise=0.0)
    ahead = test["option"] == "layer4"
    test.loc[ahead, "value"] = 0.51 + np.linspace(-0.01, 0.01, ahead.sum())
    tables, results = found(validation, test)
    assert options_of(tables) == ["layer3"] and options_of(tables, column="best_on_test") == ["layer4"]
    row = tables["optimism"].set_index("method").loc["gradcam"]
    assert [row["chosen"], row["naive"], row["optimism"]] == pytest.approx([0.5, 0.51, 0.01])
    assert 0 <= row["low"] < 0.01 < row["high"] < 0.05 and row["groups"] == 24
    stated = next(one for one in results.statements if one.kind == "choice.option")
    assert stated.subjects["options"] == ("layer3",) and stated.numbers["optimism"] == pytest.approx(0.01)


def test_each_checkpoint_chooses_for_itself():
    """Seeds and folds: a patient who is tested in one fold may choose in another."""
    second = {"gradcam": {"layer2": 0.3, "layer3": 0.4, "layer4": 0.5}}
    validation = [table("v", fold="0"), table("v", methods=second).assign(seed=1, fold="0")]
    validation.append(table("t", methods=second, fold="1"))
    test = [table("t", fold="0"), table("t", methods=second).assign(seed=1, fold="0"), table("u", fold="1")]
    with pytest.raises(InputError, match="no iou of option 'layer2'"):  # the second seed has no fold 1 to choose by
        found(pd.concat(validation), pd.concat([*test, table("u").assign(seed=1, fold="1")]))
    tables, _ = found(pd.concat(validation), pd.concat(test))
    rows = tables["options"].query("method == 'gradcam' and chosen")
    chosen = rows.set_index(["seed", "fold"])["option"].to_dict()
    assert chosen == {(0, "0"): "layer3", (1, "0"): "layer4", (0, "1"): "layer4"}
    row = tables["optimism"].set_index("method").loc["gradcam"]
    assert row["chosen"] == pytest.approx((0.5 + 0.5 + 0.4) / 3, abs=0.02) and row["groups"] == 48
    assert row["optimism"] == pytest.approx(0.1 / 3, abs=0.01)


def test_where_low_is_good_the_lowest_is_chosen():
    parts = [table(part).assign(metric="deletion_auc") for part in "vt"]
    tables, results = found(*parts)
    assert options_of(tables) == ["layer2"] and results.outcome("deletion_auc", "gradcam").verdicts == {"net": "worse"}
    assert (tables["optimism"]["optimism"] >= 0).all()


def test_one_metric_chooses_for_all():
    both = [pd.concat([table(p), table(p, methods={"gradcam": {"layer2": 3, "layer3": 1, "layer4": 2}})]) for p in "vt"]
    both = [one.assign(metric=np.repeat(["iou", "srg"], len(one) // 2)) for one in both]
    with pytest.raises(InputError, match="choose_by: not set; name the metric that chooses options: iou, srg"):
        found(*both)
    with pytest.raises(InputError, match="validation: none of the metrics that are tested; there are dice"):
        found(both[0].query("metric == 'iou'").assign(metric="dice"), both[1])
    tables, _ = found(*both, choose_by="SRG")
    assert options_of(tables) == ["layer2"]
    means = tables["metrics"].query("method == 'gradcam'").set_index("metric")["mean"]
    assert means["srg"] == pytest.approx(3, abs=0.1) and means["iou"] == pytest.approx(0.3, abs=0.1)


def test_options_are_compared_on_the_patients_that_have_all():
    validation, test = table("v"), table("t")
    easy = validation["group"].isin([f"pv{number}" for number in range(4)])
    validation.loc[easy, "value"] += 1  # and layer3 has no map of them
    validation.loc[easy & (validation["option"] == "layer3"), "value"] = np.nan
    rows = found(validation, test)[0]["options"].set_index("option").loc["layer3"]
    assert rows["chosen"] and rows["validation_groups"] == 20
    validation.loc[validation["option"] == "layer3", "value"] = np.nan  # a layer that the method does not support
    tables, _ = found(validation, test)
    assert options_of(tables) == ["layer4"] and "layer3" not in set(tables["options"]["option"])
    gone = test.assign(value=test["value"].mask(test["option"] == "layer2"))
    with pytest.raises(InputError, match=r"^scores: no group has iou of every option of gradcam, model net; leave out"):
        found(table("v"), gone)


def test_what_cannot_be_chosen_by_is_an_error():
    validation, test = table("v"), table("t")
    same = test.assign(group=test["group"].str.upper(), image_id="x" + test["image_id"])
    cases = {
        "validation: a group that is tested, too: .*; choose options on others": (same, test),
        "validation: no iou of option 'layer2' .method gradcam, model net, seed 0": (
            validation[validation["option"] != "layer2"],
            test,
        ),
        "scores: no iou of option 'layer2'": (validation, test[test["option"] != "layer2"]),
        "option: every method has one alone": (validation, test[test["option"].isin(["layer2", "raw", ""])]),
        "t: no column option": (validation, test.drop(columns="option")),
        "fold: image t0 is tested in two folds by center; keep one": (
            pd.concat([validation.assign(fold=fold) for fold in "01"]),
            pd.concat([test.assign(fold=fold) for fold in "01"]),
        ),
    }
    for line, tables in cases.items():
        with pytest.raises(InputError, match=f"^{line}"):
            found(*tables)


def test_the_command_writes_what_was_chosen(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table("v").to_csv("val.csv", index=False)
    table("t").to_csv("test.csv", index=False)
    assert main(["analyze", "test.csv", "--validation", "val.csv"]) == 0
    out = capsys.readouterr().out
    assert "Options are chosen by IoU on 24 groups of the validation table" in out
    assert "net: layer3, chosen on the validation groups, with IoU 0.50" in out
    assert "Not tuned, with one option: a centre blob. A lead over it may come" in out
    assert "score better than every control" in out
    chosen, optimism = (pd.read_csv(f"test-stats/{name}.csv") for name in ("options", "optimism"))
    assert len(chosen) == 5 and optimism["method"].tolist() == ["gradcam", "random"]
    assert StudyResults.of(json.loads(Path("test-stats/summary.json").read_text())).methods == ("gradcam",)
    assert main(["analyze", "test.csv", "--validation", "test.csv"]) == 1
    assert "--validation: a group that is tested, too: " in capsys.readouterr().err
    assert main(["analyze", "test.csv", "--choose-by", "iou"]) == 1
    assert "--choose-by iou: chooses on validation scores; add --validation FILE" in capsys.readouterr().err


def test_a_notebook_finds_the_same():
    validation, test = table("v"), table("t")
    named = [one.rename(columns={"image_id": "image"}) for one in (test, validation)]
    one = hp.analyze(named[0], validation=named[1], controls=["random", "center"])
    tables, results = found(validation, test)
    for name in ("options", "optimism", "controls"):
        pd.testing.assert_frame_equal(one.tables[name], tables[name])
    assert one.results.outcome("iou", "gradcam") == results.outcome("iou", "gradcam")
    with pytest.raises(InputError, match=r"^choose_by: 'iou': chooses on validation scores; give them as validation"):
        hp.analyze(test, choose_by="iou")


def simulated(part, scores):
    """One simulated study's scores [patients, 2, options] as a table."""
    rows = [
        {
            "image_id": f"{part}{patient:03}",
            "method": method,
            "option": f"o{option}",
            "value": scores[patient, k, option],
        }
        for patient in range(len(scores))
        for k, method in enumerate(("gradcam", "random"))
        for option in range(scores.shape[2])
    ]
    return read(Path(part), frame=pd.DataFrame(rows).assign(model="net", metric="iou"), options=True)


@pytest.mark.parametrize("ahead", [0.0, 0.5])
def test_the_verdicts_of_the_simulation_are_those_of_heatproof(ahead):
    state = choices.STATES["one of 4 better"]
    validation, test = choices.draw(state, (15, 30), 8, np.random.default_rng(1), ahead)
    verdicts = choices.verdicts(validation, test)["better"]
    for number, right in enumerate(verdicts):
        both = [simulated(part, of[number]) for part, of in (("v", validation), ("t", test))]
        _, results = evaluate(both[1], validation=both[0], settings=SETTINGS, independent=True)
        assert (results.outcome("iou", "gradcam").verdicts["net"] == "better") == right
    assert ahead == 0 or 0 < verdicts.sum() < len(verdicts)


def room(draws):
    return 2 * np.sqrt(choices.ALPHA * (1 - choices.ALPHA) / draws)


SIZES = [(choices.SIZES[0], 300), *(pytest.param(sizes, 2000, marks=pytest.mark.slow) for sizes in choices.SIZES)]


@pytest.mark.parametrize(("sizes", "draws"), SIZES)
@pytest.mark.parametrize("state", choices.STATES)
def test_noise_beats_noise_no_more_often_than_promised(state, sizes, draws):
    rates = choices.rates(choices.STATES[state], sizes, draws, np.random.default_rng(2))
    promised = choices.ALPHA + room(draws)
    assert rates["better"] <= promised < 0.9 < rates["true"]
    assert draws < 2000 or rates["naive"] > promised  # what the choice of options would otherwise do
    assert "equal" in state or rates["untuned"] > promised


def test_a_control_that_is_chosen_alike_is_no_fair_match():
    """Few validation patients and many test patients: chance chooses, and the test finds what was chosen."""
    rates = choices.rates(choices.STATES["one of 4 better"], (20, 100), 500, np.random.default_rng(3))
    assert rates["better"] <= choices.ALPHA and rates["alike"] > choices.ALPHA + room(500)


def test_intervals_hold_the_mean_optimism():
    for number, (state, sizes) in enumerate(zip(choices.STATES, [*choices.SIZES] * 2, strict=True)):
        assert choices.coverage(choices.STATES[state], sizes, 150, np.random.default_rng(number)) > 0.9


def test_the_order_of_rows_does_not_matter():
    both = [table(part) for part in "vt"]
    mixed = [one.sample(frac=1, random_state=0) for one in both]
    first, second = (found(*tables)[0]["optimism"] for tables in (both, mixed))
    pd.testing.assert_frame_equal(first, second)
    tables = [read(Path("t"), "group", frame=one, options=True).scores for one in both]
    assert choose(*tables, "iou", ["random"], 0.95).controls == ["random (raw)", "random (smooth)"]


def noise_maps(patients, rng, size=32, widths=(0, 1, 2, 4)):
    """Relevance rank accuracy [patients, 2, widths] of smoothed noise, of a method and of the control alike.

    Beyond the image there is nothing, so that smoothing darkens the rim, where no lesion is.
    """
    y, x = np.mgrid[:size, :size]
    centre, radius = rng.uniform(9, size - 9, (2, patients, 1, 1)), rng.uniform(3, 7, (patients, 1, 1))
    truth = Truth(torch.from_numpy((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2))
    scores = []
    for _ in range(2):
        raw = rng.random((patients, size, size))
        smooth = [torch.from_numpy(gaussian_filter(raw, (0, width, width), mode="constant")) for width in widths]
        scores.append([METRICS["relevance_rank_accuracy"](Scene(maps, truth)).numpy() for maps in smooth])
    return np.array(scores).transpose(2, 0, 1)


def test_smoothed_noise_does_not_beat_a_random_map():
    rng, studies = np.random.default_rng(4), 60
    parts = [np.stack([noise_maps(patients, rng) for _ in range(studies)]) for patients in (20, 40)]
    found = choices.verdicts(*parts)
    assert found["better"].mean() <= choices.ALPHA + room(studies)
    assert found["untuned"].mean() > 0.9  # a random map that is not smoothed loses nearly always
