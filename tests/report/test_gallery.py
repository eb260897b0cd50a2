"""The gallery picks the cases that it says, and draws what the maps hold."""

import base64
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report.pages import section

from heatproof.report import inputs
from heatproof.report.sections import gallery


def read(study):
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def picture(uri: str) -> np.ndarray:
    image = Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))
    return np.asarray(image.convert("RGB")).astype(int)


def means(data, metric, models) -> dict[str, float]:
    """Slow twin: mean score of each image over models, first seed, in plain Python."""
    values: dict[str, list[float]] = {}
    for row in data.scores.to_dict("records"):
        wanted = row["metric"] == metric and row["method"] == "gradcam" and row["model"] in models and row["seed"] == 0
        if wanted and row["value"] == row["value"]:
            values.setdefault(row["image_id"], []).append(row["value"])
    return {image: sum(found) / len(found) for image, found in values.items()}


def test_best_and_worst_by_localization_of_competent_models(made):
    data = read(made(wrong=("gamma_net",)))
    shown = gallery.make(data, 5)
    expected = means(data, "relevance_rank_accuracy", ("alpha_net", "beta_net"))
    groups = dict(zip(data.manifest["image_id"], data.manifest["group"], strict=True))
    best: dict[str, str] = {}
    for image in sorted(expected, key=lambda image: -expected[image]):
        best.setdefault(groups[image], image)
    worst: dict[str, str] = {}
    for image in sorted(expected, key=lambda image: expected[image]):
        worst.setdefault(groups[image], image)
    assert shown.family == "localization" and shown.ranked_by == ("alpha_net", "beta_net")
    assert [case.kind for case in shown.cases] == ["Best"] * 3 + ["Worst"] * 2
    assert [case.image_id for case in shown.cases[:3]] == list(best.values())[:3]
    assert [case.image_id for case in shown.cases[3:]] == list(worst.values())[:2][::-1]
    assert all(case.score == pytest.approx(expected[case.image_id]) for case in shown.cases)
    first, scores = shown.cases[0].image_id, data.scores
    lost = scores["value"].mask((scores["image_id"] == first) & (scores["model"] == "beta_net"))
    again = gallery.make(replace(data, scores=scores.assign(value=lost)), 5)
    assert first not in {case.image_id for case in again.cases}  # one mean of two models, the others of one


def test_faithfulness_orders_where_there_is_no_truth(made):
    data = read(made(truth=False))
    shown = gallery.make(data, 2)
    expected = means(data, "srg", data.models)
    assert shown.family == "faithfulness" and not shown.outlined
    assert [case.image_id for case in shown.cases] == [
        max(expected, key=expected.get),
        min(expected, key=expected.get),
    ]


def test_without_scores_the_first_images_of_different_groups(made):
    shown = gallery.make(read(made(families=("consistency",))), 3)
    assert shown.family is None and [case.group for case in shown.cases] == ["test00", "test01", "test02"]
    assert {case.kind for case in shown.cases} == {""}


def test_no_image_twice_where_there_are_few():
    ordered = pd.Series(["g", "g", "h"], index=["a", "b", "c"])
    assert gallery._pick(ordered, 2, ()) == ["a", "c"]
    assert gallery._pick(ordered, 9, ["a"]) == ["b", "c"]
    assert gallery._pick(ordered, 0, ()) == []


@pytest.mark.slow
def test_degenerate_map_is_never_drawn(made, report):
    study = made(models=("alpha_net", "beta_net"), degenerate=tuple(("beta_net", i) for i in range(18)))
    shown = gallery.make(read(study), 4)
    assert shown.ranked_by == ("alpha_net",)
    for case in shown.cases:
        cells = {cell.title: cell for cell in case.cells}
        assert cells["beta_net"].source == "" and "zero everywhere" in cells["beta_net"].note
        assert cells["alpha_net"].source.startswith("data:image/png;base64,")
    page = report(study)
    why = "no heatmap: the heatmap is zero everywhere"
    none = f'<div class="none">{why}</div>'
    assert section(page, "gallery").count(none) == 4
    assert page[: page.index("</header>")].count(none) == 3  # the examples of the first screen
    assert page.count(none) == 7


def test_cells_hold_image_outline_and_own_score(made):
    data = read(made())
    case = gallery.make(data, 1).cases[0]
    image, truth, heat, *_ = case.cells
    place = list(data.manifest["image_id"]).index(case.image_id)
    plain = picture(image.source)
    assert plain.shape == (128, 128, 3)  # 32 pixels, each drawn four wide
    assert np.abs(plain[::4, ::4, 0] - data.pixels[place, 0].astype(int)).max() <= 2  # 256 colours
    mask = np.kron(data.masks[place], np.ones((4, 4), bool))
    changed = (np.abs(picture(truth.source) - plain).max(-1) > 12).nonzero()
    assert len(changed[0]) and not mask[changed].any()
    scores = data.scores.set_index(["image_id", "metric", "method", "model"])["value"]
    assert heat.note == f"{scores[case.image_id, 'relevance_rank_accuracy', 'gradcam', 'alpha_net']:.2f}"
    assert case.label == data.classes[data.manifest["label"].iloc[place]]


def test_a_wrong_decision_is_told(made):
    data = read(made())
    for index in data.index.values():
        index["predicted"] = (index["target"] + 1) % 3
    for case in gallery.make(data, 3).cases:
        label = list(data.classes).index(case.label)
        assert case.cells[-1].seen_as == data.classes[(label + 1) % 3]


def test_overlay_is_hottest_where_the_map_is():
    heat = np.zeros((8, 8))
    heat[2, 5] = -1.0
    heat[6, 1] = 3.0
    drawn = gallery.overlay(np.full((8, 8, 3), 100, np.uint8), heat).astype(int)
    light = drawn.sum(-1)
    assert light.argmax() == 6 * 8 + 1 and light.argmin() == 2 * 8 + 5
    assert np.array_equal(drawn, gallery.overlay(np.full((8, 8, 3), 100, np.uint8), heat * 1024 + 7))


def test_large_images_are_reduced_and_tiny_regions_stay_visible():
    large = np.zeros((600, 300, 3), np.uint8)
    assert gallery.enlarged(large).shape == (192, 96, 3)
    truth = np.zeros((600, 300), bool)
    truth[300, 150] = True
    assert gallery.outlined(gallery.enlarged(large), truth).any()


@pytest.mark.slow
def test_a_strip_shows_one_case_by_every_method(made, report):
    study = made(
        methods=("gradcam", "lrp", "part_cam", "none_cam"),
        refused=tuple(("none_cam", model) for model in ("alpha_net", "beta_net", "gamma_net")),
        partly=("part_cam",),
    )
    data = read(study)
    shown = gallery.make(data, 4)
    assert [cell.title for cell in shown.strip.cells] == ["gradcam", "lrp", "part_cam"]
    assert shown.strip_model == "alpha_net" and shown.strip.image_id in {case.image_id for case in shown.cases}
    index = data.index["alpha_net"]
    drawn = index[(index["image_id"] == shown.strip.image_id) & (index["row"] >= 0)].set_index("method")
    for cell in shown.strip.cells:
        assert bool(cell.source) == (cell.title in drawn.index)
    place = data.manifest.index[data.manifest["image_id"] == shown.strip.image_id][0]
    row = index.index[(index["image_id"] == shown.strip.image_id) & (index["method"] == "lrp")][0]
    heated = gallery.overlay(gallery.picture(data.pixels[place]), data.maps["alpha_net", "fold0"][index["row"][row]])
    expected = gallery.uri(gallery.outlined(gallery.enlarged(heated), np.asarray(data.masks[place])))
    assert shown.strip.cells[1].source == expected
    assert "One image by all methods" in report(study)


def test_no_strip_of_one_method(made):
    assert gallery.make(read(made()), 4).strip is None


@pytest.mark.slow
def test_a_map_that_was_not_made_is_not_drawn(made):
    study = made(methods=("part_cam",), partly=("part_cam",))
    data = read(study)
    rows = data.index["alpha_net"]
    assert (rows["row"] < 0).sum() == len(rows) - 8
    data.index["alpha_net"].loc[0, ["row", "degenerate"]] = [-1, ""]
    shown, truth = gallery._pixels(data, rows["image_id"][0])
    scores = data.scores.set_index(["model", "image_id"])
    cell = gallery._heat_cell(data, "alpha_net", rows["image_id"][0], "part_cam", shown, truth, scores)
    assert (cell.source, cell.note) == ("", "no heatmap: not computed")
    last = rows["image_id"].iloc[-1]
    cell = gallery._heat_cell(data, "alpha_net", last, "part_cam", shown, truth, scores)
    assert cell.note.startswith("no heatmap: the method is configured to explain only part of the images")
