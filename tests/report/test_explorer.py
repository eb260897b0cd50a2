"""What the page carries to choose from: scores as they are, pictures as the maps are, names that can do no harm."""

import base64
import io
import json
import re
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report.conftest import ALL

from heatproof.catalogue.metrics import METRICS
from heatproof.catalogue.reasons import REASONS
from heatproof.report import inputs, page
from heatproof.report.sections import explorer, gallery

HOSTILE = ("</script><script>alert(1)</script>", "<!--", "a & b", "line\u2028end", 'quote" \\u003c')


def read(study):
    return inputs.read(study.name, study.models, study.seeds, study.methods, study.fold_names)


def carried(data, count=99) -> dict:
    return json.loads(explorer.make(data, count).data)


def decoded(uri: str) -> np.ndarray:
    kind, content = uri.split(",", 1)
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")).astype(int)


def test_json_cannot_leave_its_script():
    data = {name: [name, {"x": None, "y": 0.5}] for name in HOSTILE}
    text = explorer.script_json(data)
    assert json.loads(text) == data
    assert not re.search(r"[<>&\u2028\u2029]", text)
    with pytest.raises(ValueError):
        explorer.script_json({"value": float("nan")})


def test_the_library_is_one_script_that_nothing_in_it_ends():
    text = explorer.library()
    assert text is explorer.library() and not re.search(r"</script|<!--", text)
    assert text.count("window.vegaEmbed") == 1


@pytest.mark.slow
def test_scores_are_those_of_the_stage_before(made):
    study = made(methods=("gradcam", "other_cam"), degenerate=(("beta_net", 5),), faithful=7)
    data = read(study)
    found = carried(data)
    images = found["images"]["id"]
    known = data.scores.set_index(["metric", "method", "model", "image_id"])[["value", "reason"]].to_dict("index")
    missing = set()
    for metric, by_method in found["scores"].items():
        for method, columns in by_method.items():
            for model, (values, why) in zip(study.models, columns, strict=True):
                for i, (image, value) in enumerate(zip(images, values, strict=True)):
                    row = known.get((metric, method, model, image))
                    told = "" if why < 0 else found["reasons"][found["whys"][why][i]]
                    if value is None:
                        assert row is None or np.isnan(row["value"])
                        missing.add((None if row is None else row["reason"], told))
                    else:
                        assert value == pytest.approx(row["value"], rel=5e-4) and told == ""
                        assert len(re.sub(r"\D", "", repr(value)).lstrip("0").rstrip("0")) <= 4
    assert (None, "the image is not among those that were scored") in missing
    assert ("no_truth", "the image has no mask of the true region") in missing
    degenerate = "the heatmap is zero everywhere"
    assert ("all_zero", degenerate) in missing


@pytest.mark.slow
def test_images_have_their_group_class_and_first_predictions(made):
    study = made(wrong=("gamma_net",))
    data = read(study)
    found = carried(data)["images"]
    manifest = data.manifest.set_index("image_id")
    assert found["id"] == [image for image in manifest.index if image.startswith("test")]
    assert found["group"] == [manifest["group"][image] for image in found["id"]]
    assert found["label"] == [manifest["label"][image] for image in found["id"]]
    first = data.predictions[data.predictions["seed"] == 0].set_index(["model", "image_id"])["predicted"]
    assert found["predicted"] == [[first[model, image] for image in found["id"]] for model in study.models]
    assert carried(data)["competent"] == [True, True, False]


def test_means_are_those_of_the_tables(made):
    study = made()
    data = read(study)
    table = data.metrics.set_index(["metric", "method", "model"])
    for metric, by_method in carried(data)["means"].items():
        for model, row in zip(study.models, by_method["gradcam"], strict=True):
            assert row == pytest.approx(list(table.loc[(metric, "gradcam", model), ["mean", "low", "high"]]), rel=5e-4)


@pytest.mark.slow
def test_tested_metrics_and_the_plain_ones_can_be_chosen(made):
    data = read(made(families=ALL, extra=("pixel_auroc", "iou_half", "srg_blur"), models=("alpha_net", "beta_net")))
    assert list(carried(data)["metrics"]) == [
        "relevance_rank_accuracy",
        "iou",
        "pixel_auroc",
        "srg",
        "deletion_auc",
        "iou_seeds",
        "rank_correlation_transforms",
        "rank_correlation_cascade",
    ]
    assert list(carried(read(made(truth=False)))["metrics"]) == ["srg", "deletion_auc", "iou_seeds"]


@pytest.mark.slow
def test_extremes_come_first_and_the_rest_is_spread(made):
    data = read(made(groups=20, wrong=("gamma_net",)))
    found = carried(data, 14)
    names = {found["images"]["id"][int(i)] for i in found["pictures"]}
    assert len(names) == 14
    rows = data.scores[(data.scores["method"] == "gradcam") & (data.scores["model"] != "gamma_net")].to_dict("records")
    for metric in ("relevance_rank_accuracy", "srg"):
        values: dict[str, list[float]] = {}
        for row in rows:
            if row["metric"] == metric and row["value"] == row["value"]:
                values.setdefault(row["image_id"], []).append(row["value"])
        means = {image: sum(v) / len(v) for image, v in values.items()}
        ranges = {image: max(v) - min(v) for image, v in values.items()}
        assert {min(means, key=means.get), max(means, key=means.get), max(ranges, key=ranges.get)} <= names
    rest = [image.split("_")[1] for image in names]
    assert len(set(rest)) >= 10
    assert explorer.make(data, 14) == explorer.make(data, 14)


@pytest.mark.slow
def test_few_images_are_scored_where_there_are_too_many_numbers(made, monkeypatch):
    data = read(made(groups=20))
    columns = 5 * 3  # metrics, models
    monkeypatch.setattr(explorer, "NUMBERS", 11 * columns)
    made_so = explorer.make(data, 4)
    assert (made_so.explained, made_so.pictured) == (40, 4) and 11 <= made_so.scored <= 15
    found = json.loads(made_so.data)
    assert len(found["images"]["id"]) == made_so.scored and len(found["pictures"]) == 4


@pytest.mark.slow
def test_a_tile_is_its_heatmap(made):
    study = made(methods=("gradcam", "other_cam"), size=64)
    data = read(study)
    found = carried(data, 3)
    step = gallery.TILE + 2 * gallery.EDGE
    place, one = next(iter(found["pictures"].items()))
    image = found["images"]["id"][int(place)]
    sheet = decoded(one["sprite"])
    assert sheet.shape == (2 * step, 3 * step, 3)
    colours, expected, drawn = matplotlib.colormaps["inferno"], [], []
    for row, method in enumerate(study.methods):
        for column, model in enumerate(study.models):
            index = data.index[model]
            at = index.index[(index["image_id"] == image) & (index["method"] == method)][0]
            heat = data.heat(model, at).astype(float).reshape(32, 2, 32, 2).mean((1, 3))
            expected.append(colours((heat - heat.min()) / np.ptp(heat))[..., :3] * 255)
            top, left = row * step + gallery.EDGE, column * step + gallery.EDGE
            drawn.append(sheet[top : top + 32, left : left + 32])
            hottest = np.unravel_index(heat.argmax(), heat.shape)
            assert drawn[-1].sum(-1)[hottest] > 0.8 * drawn[-1].sum(-1).max()
    apart = np.array([[np.abs(a - b).mean() for b in expected] for a in drawn])
    assert (apart.argmin(1) == np.arange(len(drawn))).all() and apart.diagonal().max() < 12


def test_an_image_is_itself_and_at_most_160_pixels(made):
    data = read(made(size=32))
    found = carried(data, 2)
    place, one = next(iter(found["pictures"].items()))
    row = list(data.manifest["image_id"]).index(found["images"]["id"][int(place)])
    assert np.abs(decoded(one["image"])[..., 0] - data.pixels[row, 0].astype(int)).mean() < 6
    assert decoded(gallery.photo(np.zeros((224, 112, 3), np.uint8))).shape == (160, 80, 3)


def test_outline_goes_around_each_region():
    mask = np.zeros((10, 20), bool)
    mask[2:5, 4:10] = True
    path = gallery.outline_path(mask)
    numbers = np.array(re.findall(r"[\d.]+", path), float).reshape(-1, 2)
    # half-way between the pixels' centres: rows 2 to 4 of 10 end at 20 % and 50 %, columns 4 to 9 of 20 likewise
    assert numbers.min(0).tolist() == [20, 20] and numbers.max(0).tolist() == [50, 50]
    mask[8, 15] = True
    assert gallery.outline_path(mask).count("M") == 2 == gallery.outline_path(mask).count("Z")
    assert gallery.outline_path(np.zeros((4, 4), bool)) == ""
    assert "nan" not in gallery.outline_path(np.ones((4, 4), bool))


@pytest.mark.slow
def test_a_heatmap_that_is_not_there_says_why(made):
    study = made(
        methods=("gradcam", "lrp", "part_cam"),
        degenerate=(("beta_net", 2),),
        refused=(("lrp", "alpha_net"),),
        partly=("part_cam",),
    )
    found = carried(read(study))
    told = {int(tile): why for tile, why in found["pictures"]["2"]["missing"].items()}
    assert told[1] == "the heatmap is zero everywhere"  # gradcam of beta_net
    assert told[3] == REASONS["no_relu"].text  # lrp of alpha_net
    assert 6 not in told and "configured to explain only part" in found["pictures"]["17"]["missing"]["6"]


def test_nothing_where_nothing_was_asked_or_scored(made):
    data = read(made())
    assert explorer.make(data, 0) is None
    assert explorer.make(replace(data, scores=data.scores.assign(value=np.nan)), 9) is None


@pytest.mark.slow
def test_all_folds_are_carried(made):
    study = made(folds=3)
    found = carried(read(study))
    assert len(found["images"]["id"]) == (4 + 2 + 9) * 2
    assert all(code >= 0 for codes in found["images"]["predicted"] for code in codes)


class Enlarged:
    """Rows of an array [n, height, width], each as large as wanted when it is asked for."""

    def __init__(self, rows: np.ndarray, times: int):
        self.rows, self.times = rows, times

    def __getitem__(self, row):
        rng = np.random.default_rng(row)
        large = np.kron(self.rows[row], np.ones((self.times, self.times), np.float32))
        return large + 0.2 * rng.random(large.shape, np.float32)


@pytest.mark.slow
def test_page_stays_under_five_megabytes_at_full_size(made):
    """5 models, 2 seeds, 6 methods, 100 test images of 224 pixels, far noisier than any scanner's, every metric of
    localization, all families."""
    names = ("alpha", "beta", "gamma", "delta", "epsilon")
    methods = tuple(f"method_{i}" for i in range(6))
    data = read(made(name="large", models=names, methods=methods, groups=50, families=ALL, size=28))
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 120, (*data.pixels.shape[:2], 224, 224), np.uint8)
    known = list(METRICS)[: list(METRICS).index("faithfulness_probability")]
    more = [name for name in known if name not in ("relevance_rank_accuracy", "iou")]
    again = data.scores[data.scores["metric"] == "iou"]
    data = replace(
        data,
        pixels=np.kron(data.pixels, np.ones((1, 1, 8, 8), np.uint8)) // 2 + noise,
        masks=np.kron(data.masks, np.ones((1, 8, 8), bool)),
        maps={key: Enlarged(rows, 8) for key, rows in data.maps.items()},
        again={
            key: replace(of, maps={fold: Enlarged(rows, 8) for fold, rows in of.maps.items()})
            for key, of in data.again.items()
        },
        scores=pd.concat([data.scores, *(again.assign(metric=name) for name in more)], ignore_index=True),
    )
    config = {"title": None, "question": "May anyone believe it?", "gallery": 6, "images": 60}
    text = page.render(data, config, {})
    found = explorer.make(data, 60)
    assert (found.explained, found.scored, found.pictured) == (100, 100, 60)
    assert 500_000 < len(found.data) < len(text.encode()) < 5_000_000


def test_heavy_pictures_of_the_page_are_webp_and_light_ones_exact():
    noise = np.random.default_rng(0).integers(0, 255, (192, 192, 3), np.uint8)
    assert gallery.uri(noise).startswith("data:image/webp;base64,")
    assert decoded(gallery.uri(noise)).shape == (192, 192, 3)
    assert gallery.uri(np.full((192, 192, 3), 40, np.uint8)).startswith("data:image/png;base64,")
