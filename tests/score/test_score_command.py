"""`heatproof score` from artifacts to artifacts, on a tiny study."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from heatproof.catalogue.metrics import metrics_of
from heatproof.core.geometry import upsample
from heatproof.core.messages import InputError
from heatproof.score import command, controls, heatmaps
from heatproof.score.jobs.agreement import METHODS as AGREEMENT
from heatproof.score.metrics import infidelity, naopc, road
from heatproof.score.metrics.confidence import METRICS as CONFIDENCE
from heatproof.score.metrics.consistency import METRICS
from heatproof.score.metrics.faithfulness import METRICS as FAITHFULNESS
from heatproof.score.metrics.faithfulness import responses
from heatproof.score.metrics.localization import METRICS as LOCALIZATION
from heatproof.score.scene import Scene
from heatproof.store import artifacts
from heatproof.train.checkpoint import load_trained
from heatproof.train.model import build, save

CONSISTENCY = {name: function for name, function in METRICS.items() if name not in AGREEMENT}

SIZE, CLASSES, MODELS, SEEDS = 32, ["normal", "benign", "malignant"], ("test_resnet", "test_vit"), (0, 1)
GROUPS = [f"patient{n // 2}" for n in range(10)]
IDS = [f"image{n}" for n in range(10)]
TEST = [9, 2, 4, 3, 7, 5, 6, 8]  # places in the manifest of the explained images; 0 and 1 are not test images
METHODS = ["gradcam", "other"]
CONTROLS = ["random", "lowres_noise", "center", "other_image"]
BESIDE = ["edges", "mean_mask", "truth"]  # controls that look at images and masks
OPTIONS = {"faithfulness": {"images": 3, "steps": 3, "baselines": ["mean"], "batch_size": 8, "controls": True}}
EVERYTHING = {
    "baselines": ["mean", "zero", "imputation"],
    "road": {"images": 2, "percentiles": [30, 60, 90], "noise": 0.01},
    "naopc": {"images": 1, "beam": 2, "cells": 3},
    "infidelity": {"images": 2, "samples": 6},
}
NO_TRUTH, EMPTY, ZERO, FLAGGED, NEGATIVE = "image2", "image3", "image4", "image5", "image6"
BOXED = "image9"
UNSTEADY = "image8"  # flagged in the second seed alone


def _write_data(rng):
    folder = artifacts.data_dir("tiny")
    masks = np.zeros((10, SIZE, SIZE), bool)
    for n in (0, 1, 4, 5, 6, 7, 8, 9):
        masks[n, n : n + 9, 8:20] = True
    manifest = pd.DataFrame(
        {
            "image_id": IDS,
            "sha256": "0",
            "source": "made",
            "label": [n % 3 for n in range(10)],
            "group": GROUPS,
            "fold0": "test",
            "fold1": "test",
            "truth": [{NO_TRUTH: "none", BOXED: "box"}.get(image, "mask") for image in IDS],
            "width": SIZE,
            "height": SIZE,
        }
    )
    artifacts.write_manifest("tiny", manifest)
    artifacts.write_array(folder / "pixels.npy", rng.integers(0, 256, (10, 1, SIZE, SIZE), dtype=np.uint8))
    artifacts.write_array(folder / "masks.npy", masks)


def _write_checkpoint(model, seed, rng):
    folder = artifacts.Checkpoint("tiny", model, seed, "fold0").folder
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    if model == "test_resnet":
        save(build(model, len(CLASSES), SIZE), folder / "model.safetensors")
        card = {"architecture": model, "classes": CLASSES, "size": SIZE}
        artifacts.write_json(folder / "card.json", card | {"sha256": artifacts.digest(folder / "model.safetensors")})
    rows = [(method, n) for method in METHODS for n in TEST]
    grid = 4 if model == "test_resnet" else 2
    maps = upsample(torch.from_numpy(rng.normal(size=(len(rows), grid, grid))).float(), (SIZE, SIZE)).numpy()
    flags = [""] * len(rows)
    for i, row in enumerate(rows):
        if row == ("gradcam", IDS.index(ZERO)):
            maps[i], flags[i] = 0, "all_zero"
        if row == ("other", IDS.index(FLAGGED)):
            flags[i] = "incomplete"
        if row == ("other", IDS.index(UNSTEADY)) and seed == 1:
            flags[i] = "incomplete"
        if row == ("gradcam", IDS.index(NEGATIVE)):
            maps[i] -= maps[i].max() + 1
    index = pd.DataFrame(
        {
            "image_id": [IDS[n] for _, n in rows],
            "group": [GROUPS[n] for _, n in rows],
            "method": [method for method, _ in rows],
            "target": [n % 3 for _, n in rows],
            "predicted": 0,
            "layer": "last",
            "grid_height": grid,
            "grid_width": grid,
            "degenerate": flags,
            "variant": "",
            "row": range(len(rows)),
            "gap": np.nan,
            "signed": False,
        }
    )
    folder = artifacts.Checkpoint("tiny", model, seed, "fold0").heatmaps
    artifacts.write_array(folder / "maps.npy", maps)
    artifacts.write_table(folder / "index.parquet", index, artifacts.HEATMAPS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        rng = np.random.default_rng(0)
        _write_data(rng)
        for model in MODELS:
            for seed in SEEDS:
                _write_checkpoint(model, seed, rng)
    return folder


@pytest.fixture
def study(place, monkeypatch):
    monkeypatch.chdir(place)


def score(family, *options, model="test_resnet", fold="fold0", config=None):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    options_given = json.dumps(OPTIONS.get(family, {}) | (config or {}))
    shared = ["--study", "tiny", "--model", model, "--fold", fold, "--config", options_given]
    shared += ["--compute", json.dumps({"device": "cpu", "threads": 1, "batch_size": 4})]
    args = parser.parse_args([family, *shared, *map(str, options)])
    command.run(args)
    path = artifacts.Checkpoint("tiny", model, args.seed, fold).scores(family)
    frame = artifacts.read_table(path, artifacts.SCORES)
    assert (frame.value.isna() == (frame.reason != "")).all()
    assert not frame.duplicated(["image_id", "method", "metric"]).any()
    return frame, path


def values(frame, method):
    return frame[frame.method == method].pivot(index="image_id", columns="metric", values="value")


def reason(frame, image, method, metric):
    found = frame[(frame.image_id == image) & (frame.method == method) & (frame.metric == metric)]
    return found.reason.item()


def stored(method, image, seed, model="test_resnet"):
    folder = artifacts.Checkpoint("tiny", model, seed, "fold0").heatmaps
    index = artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS)
    (row,) = index.index[(index.method == method) & (index.image_id == image)]
    return torch.from_numpy(artifacts.read_array(folder / "maps.npy")[row].copy())[None]


def truth(image):
    return torch.from_numpy(artifacts.read_array(artifacts.data_dir("tiny") / "masks.npy")[IDS.index(image)].copy())[
        None
    ]


def partner(image):
    ids = [IDS[n] for n in TEST]
    return ids[controls.other_images("tiny", ids, [GROUPS[n] for n in TEST])[ids.index(image)]]


def test_localization(study):
    frame, path = score("localization", "--seed", 0)
    assert set(frame.method) == {*METHODS, *CONTROLS, *BESIDE, "ceiling"}
    regions = {name for name, metric in metrics_of("localization").items() if metric.region}  # none is looked for
    metrics = {name: metric for name, metric in LOCALIZATION.items() if name not in {*regions, "iou_tuned"}}
    assert set(frame.metric) == set(metrics)
    assert len(frame) == len(TEST) * 10 * len(metrics)
    assert (frame.seed == 0).all() and (frame.model == "test_resnet").all()
    assert dict(zip(frame.image_id, frame.group, strict=True)) == {IDS[n]: GROUPS[n] for n in TEST}
    for name, metric in metrics.items():
        for image in ("image9", "image7"):
            expected = metric(stored("other", image, 0), truth(image)).item()
            assert values(frame, "other").loc[image, name] == pytest.approx(expected, nan_ok=True)
            expected = metric(controls.truth(truth(image)), truth(image)).item()
            assert values(frame, "truth").loc[image, name] == pytest.approx(expected, nan_ok=True)
            expected = metric(stored("gradcam", partner(image), 0), truth(image)).item()
            assert values(frame, "other_image").loc[image, name] == pytest.approx(expected, nan_ok=True)
            expected = metric(controls.ceiling(truth(image), (4, 4)), truth(image)).item()
            assert values(frame, "ceiling").loc[image, name] == pytest.approx(expected, nan_ok=True)
    before = path.read_bytes()
    score("localization", "--seed", 0)
    assert path.read_bytes() == before


def test_localization_of_some_classes_alone(study):
    whole, _ = score("localization", "--seed", 0)
    labels = artifacts.read_manifest("tiny").set_index("image_id")["label"]
    asked = labels[whole.image_id].to_numpy() == 1
    assert 0 < asked.sum() < len(whole)
    some, _ = score("localization", "--seed", 0, config={"labels": [1]})
    assert set(some[~asked].reason) == {"class_not_requested"}
    pd.testing.assert_frame_equal(some[asked], whole[asked])


def test_localization_is_of_the_labels_that_a_truth_is_declared_for(tmp_path, monkeypatch):
    """Of two labels an image, each with a heatmap; and no mask that covers the image is scored."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    _write_data(rng)
    _write_checkpoint("test_resnet", 0, rng)
    data, path = (
        artifacts.data_dir("tiny"),
        artifacts.Checkpoint("tiny", "test_resnet", 0, "fold0").heatmaps / "index.parquet",
    )
    masks = artifacts.read_array(data / "masks.npy").copy()
    masks[7] = True
    artifacts.write_array(data / "masks.npy", masks)
    index = artifacts.read_table(path, artifacts.HEATMAPS)
    artifacts.write_table(path, index.assign(label=index["target"] % 2), artifacts.HEATMAPS)
    manifest = artifacts.read_table(data / "manifest.parquet", artifacts.DEALT)
    manifest = manifest.assign(label=pd.NA, label_0=True, label_1=True)

    def reasons(**marks):
        artifacts.write_manifest("tiny", manifest.assign(**marks))
        frame, _ = score("localization", "--seed", 0)
        found = frame[frame["method"].isin(["other", "truth", "ceiling"])].groupby(["image_id", "label"])["reason"]
        return frame, {key: sorted(set(of)) for key, of in found}

    _, undeclared = reasons()
    assert undeclared.pop((NO_TRUTH, 0)) == ["no_truth"]
    assert set(map(tuple, undeclared.values())) == {("label_undeclared",)}
    frame, declared = reasons(marks_0=True, marks_1=False)
    assert all(of == ["other_label"] for (_, label), of in declared.items() if label == 1)
    assert declared[BOXED, 0] == [""] and set(values(frame[frame["label"] == 0], "truth").loc[BOXED].isna()) == {False}
    _, other = reasons(marks_0=False, marks_1=True)
    assert other["image7", 1] == ["mask_covers_image"]


def _read_by_several():
    """Of the truths of three images a second reader has half, misses one, and sets points beside and in the third."""
    folder, masks = artifacts.data_dir("tiny"), artifacts.read_array(artifacts.data_dir("tiny") / "masks.npy")
    half = masks[8].copy()
    half[:, 14:] = False
    rows = [(IDS[n], n % 3, "a", 0, place, "mask", pd.NA, "") for place, n in enumerate((7, 8, 9))]
    rows += [("image8", 2, "b", 1, 3, "mask", 1, ""), ("image7", 1, "b", 1, -1, "none", pd.NA, "")]
    rows += [("image9", 0, "b", 1, 4, "mask", pd.NA, "0.5 0.5;12.0 12.0")]
    artifacts.write_table(
        folder / "readings.parquet", pd.DataFrame(rows, columns=list(artifacts.READINGS)), artifacts.READINGS
    )
    artifacts.write_array(folder / "readings.npy", np.stack([*masks[[7, 8, 9]], half, masks[9]]))
    artifacts.write_json(folder / "digest.json", {"sha256": {"readings.npy": "0"}})
    return half, masks


def test_a_second_reader_is_scored_against_the_truth(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    _write_data(rng)
    _write_checkpoint("test_resnet", 0, rng)
    plain, _ = score("localization", "--seed", 0)
    half, masks = _read_by_several()
    frame, _ = score("localization", "--seed", 0)
    pd.testing.assert_frame_equal(frame[frame["method"] != "second_reader"].reset_index(drop=True), plain)
    found = values(frame, "second_reader")
    assert found.loc["image8", "iou"] == (half & masks[8]).sum() / masks[8].sum() == 0.5
    assert found.loc["image8", "hit_rate"] == 1 and found.loc["image8", "localization_accuracy"] == 0.5
    assert found.loc["image7", ["iou", "hit_rate", "lesion_hit_rate"]].tolist() == [0, 0, 0]
    assert reason(frame, "image7", "second_reader", "relevance_rank_accuracy") == "nothing_drawn"
    assert found.loc["image9", ["iou", "hit_rate", "peak_distance"]].tolist() == [1, 1, 0]  # by the second point
    assert reason(frame, "image6", "second_reader", "iou") == "no_reader"
    assert reason(frame, NO_TRUTH, "second_reader", "iou") == "no_truth"


def test_thresholds_are_tuned_on_validation_images_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    _write_data(rng)
    _write_checkpoint("test_resnet", 0, rng)
    checkpoint = artifacts.Checkpoint("tiny", "test_resnet", 0, "fold0")
    index = artifacts.read_table(checkpoint.heatmaps / "index.parquet", artifacts.HEATMAPS)
    masks = artifacts.read_array(artifacts.data_dir("tiny") / "masks.npy")
    maps = np.stack([  # of the first method 0.7 hits the region, of the second 0.4 does
        np.where(masks[IDS.index(image)], {"gradcam": 0.75, "other": 0.45}[method], 0.35 * (method == "other"))
        for image, method in zip(index["image_id"], index["method"], strict=True)
    ]).astype(np.float32)  # fmt: skip
    maps[:, 0, 0], maps[:, 0, 1] = 1, -0.0
    index = index.assign(degenerate="")
    artifacts.write_array(checkpoint.validation / "maps.npy", maps)
    artifacts.write_table(checkpoint.validation / "index.parquet", index[index["target"] != 0], artifacts.HEATMAPS)
    frame, _ = score("localization", "--seed", 0, config={"tune": True})
    assert reason(frame, "image9", "other", "iou_tuned") == "not_tuned"  # no validation image of its class
    for method, threshold in (("gradcam", 0.2), ("other", 0.4)):
        scene = Scene(stored(method, "image7", 0), truth("image7"), np.array([threshold]))
        assert values(frame, method).loc["image7", "iou_tuned"] == LOCALIZATION["iou_tuned"](scene).item()
    assert values(frame, "random").loc["image7", "iou_tuned"] > 0


def test_localization_reasons(study):
    frame, _ = score("localization", "--seed", 0)
    assert set(frame[frame.image_id == NO_TRUTH].reason) == {"no_truth"}
    assert set(frame[frame.image_id == EMPTY].reason) == {"empty_mask"}
    assert reason(frame, ZERO, "gradcam", "iou") == "all_zero"
    assert reason(frame, ZERO, "other", "iou") == ""
    assert reason(frame, FLAGGED, "other", "iou") == "incomplete"
    assert reason(frame, NEGATIVE, "gradcam", "relevance_mass_accuracy") == "no_relevance"
    assert reason(frame, NEGATIVE, "gradcam", "relevance_rank_accuracy") == ""
    borrower = next(IDS[n] for n in TEST if partner(IDS[n]) == ZERO)
    assert reason(frame, borrower, "other_image", "iou") == "all_zero"


@pytest.mark.slow
def test_controls_are_the_same_for_all_models(study):
    frames = {
        (model, seed): score("localization", "--seed", seed, model=model)[0] for model in MODELS for seed in SEEDS
    }
    first, again, other = frames["test_resnet", 0], frames["test_resnet", 1], frames["test_vit", 0]
    for control in ("random", "center"):
        pd.testing.assert_frame_equal(values(first, control), values(other, control))
        pd.testing.assert_frame_equal(values(first, control), values(again, control))
    pd.testing.assert_frame_equal(values(first, "lowres_noise"), values(again, "lowres_noise"))
    assert not values(first, "lowres_noise").equals(values(other, "lowres_noise"))  # another grid
    assert not values(first, "gradcam").equals(values(again, "gradcam"))


def test_faithfulness(study):
    frame, _ = score("faithfulness", "--seed", 0)
    again, _ = score("faithfulness", "--seed", 1)
    assert frame.image_id.nunique() == 3 and frame.group.nunique() == 3  # spread over patients
    assert list(again.image_id) == list(frame.image_id)
    assert set(frame.metric) == {*FAITHFULNESS, *CONFIDENCE}
    assert set(frame.method) == {*METHODS, *CONTROLS, "mean_mask", "edges", "truth"}
    assert len(frame) == 3 * frame.method.nunique() * frame.metric.nunique()
    assert not values(frame, "random").equals(values(again, "random"))  # the same map, another model
    model, _ = load_trained(artifacts.Checkpoint("tiny", "test_resnet", 0, "fold0"), torch.device("cpu"))
    for image in frame.image_id.unique():
        (response,) = responses(model, [_case(image)], steps=3, baselines=["mean"], batch_size=8)
        expected = {name: metric(response.curves["mean"]).item() for name, metric in FAITHFULNESS.items()}
        expected |= {name: metric(response).item() for name, metric in CONFIDENCE.items()}
        assert values(frame, "gradcam").loc[image].to_dict() == pytest.approx(expected, abs=1e-6)


def _case(image):
    n = IDS.index(image)
    pixels = artifacts.read_array(artifacts.data_dir("tiny") / "pixels.npy")[n].copy()
    return torch.from_numpy(pixels).float() / 255, stored("gradcam", image, 0), n % 3


def test_faithfulness_by_every_way_of_asking(study, monkeypatch):
    plain, _ = score("faithfulness", "--seed", 0)
    monkeypatch.setitem(OPTIONS, "faithfulness", OPTIONS["faithfulness"] | EVERYTHING)
    frame, path = score("faithfulness", "--seed", 0)
    based = {f"{name}_{baseline}" for name in FAITHFULNESS for baseline in ("zero", "imputation")}
    assert set(frame.metric) == {*metrics_of("faithfulness"), *based}
    counts = frame.groupby("metric").image_id.nunique()
    assert counts[["srg", "srg_zero", "average_drop", "road", "naopc", "infidelity"]].tolist() == [3, 3, 3, 2, 1, 2]
    scored = {metric: set(frame[frame.metric == metric].image_id) for metric in ("srg", "road", "naopc")}
    assert scored["naopc"] < scored["road"] < scored["srg"]
    for method in ("gradcam", "random"):  # the first baseline's values are what they are alone
        both = values(frame, method)[values(plain, method).columns]
        pd.testing.assert_frame_equal(both, values(plain, method), atol=1e-6)
    model, _ = load_trained(artifacts.Checkpoint("tiny", "test_resnet", 0, "fold0"), torch.device("cpu"))
    (image,) = scored["naopc"]
    key, found = ("tiny", image), values(frame, "gradcam").loc[image]
    (of_zero,) = responses(model, [_case(image)], steps=3, baselines=["zero"], batch_size=8)
    (of_cells,) = naopc.orders(model, [_case(image)], cells=3, beam=2, baseline="mean", batch_size=8)
    (of_squares,) = infidelity.perturbed(model, [_case(image)], keys=[key], samples=6, baseline="mean", batch_size=8)
    (of_road,) = road.road_responses(
        model, [_case(image)], percentiles=[30, 60, 90], noise=0.01, keys=[key], batch_size=8
    )
    expected = {f"{name}_zero": metric(of_zero.curves["zero"]).item() for name, metric in FAITHFULNESS.items()}
    expected |= {name: metric(of_road).item() for name, metric in road.METRICS.items()}
    expected |= {"infidelity": infidelity.infidelity(of_squares).item(), "naopc": naopc.naopc(of_cells).item()}
    assert found[list(expected)].to_dict() == pytest.approx(expected, abs=1e-5, nan_ok=True)
    before = path.read_bytes()
    score("faithfulness", "--seed", 0)
    assert path.read_bytes() == before


def test_why_a_sound_map_has_no_naopc(study, monkeypatch):
    monkeypatch.setattr(naopc, "RESOLUTION", 2)  # no order of cells moves a probability by so much
    monkeypatch.setitem(OPTIONS, "faithfulness", OPTIONS["faithfulness"] | {"naopc": EVERYTHING["naopc"]})
    frame, _ = score("faithfulness", "--seed", 0)
    (image,) = frame[frame.metric == "naopc"].image_id.unique()
    assert reason(frame, image, "random", "naopc") == "equal_orders"
    assert reason(frame, image, "random", "srg") == ""


def test_faithfulness_of_every_image(study, monkeypatch):
    monkeypatch.setitem(OPTIONS, "faithfulness", OPTIONS["faithfulness"] | {"images": 99, "steps": 2})
    frame, path = score("faithfulness", "--seed", 0)
    assert set(frame.image_id) == {IDS[n] for n in TEST}
    assert reason(frame, ZERO, "gradcam", "srg") == "all_zero"
    assert reason(frame, FLAGGED, "other", "deletion_auc") == "incomplete"
    assert reason(frame, NO_TRUTH, "gradcam", "srg") == ""
    assert reason(frame, NO_TRUTH, "truth", "srg") == "no_truth"
    before = path.read_bytes()
    torch.set_num_threads(2)
    score("faithfulness", "--seed", 0)
    assert path.read_bytes() == before
    assert torch.get_num_threads() == 1


def test_consistency(study):
    frame, _ = score("consistency", "--seeds", 0, 1, "--models", *MODELS)
    assert set(frame.method) == {*METHODS, *CONTROLS, "other_image:other"} and frame.seed.isna().all()
    assert len(frame) == len(TEST) * 7 * len(CONSISTENCY)
    own = [stored("gradcam", "image9", seed) for seed in SEEDS]
    others = [stored("gradcam", partner("image9"), seed) for seed in SEEDS]
    rival = [stored("gradcam", "image9", seed, "test_vit") for seed in SEEDS]
    rivals = [stored("gradcam", partner("image9"), seed, "test_vit") for seed in SEEDS]
    for name, metric in CONSISTENCY.items():
        across = name.endswith("_models")
        compared = torch.stack(rival)[None] if across else torch.stack(own)
        assert values(frame, "gradcam").loc["image9", name] == metric(torch.stack(own), compared).item()
        compared = torch.stack(rivals)[None] if across else torch.stack(others)
        expected = metric(torch.stack(own), compared).item()
        assert values(frame, "other_image").loc["image9", name] == pytest.approx(expected, nan_ok=True)
    assert (values(frame, "center") - 1).abs().max(axis=None) < 1e-12
    assert values(frame, "random").rank_correlation_seeds.abs().max() < 0.2
    assert reason(frame, ZERO, "gradcam", "iou_seeds") == "all_zero"
    assert reason(frame, UNSTEADY, "other", "iou_reference") == "incomplete"
    assert reason(frame, UNSTEADY, "gradcam", "iou_seeds") == ""


def test_agreement(study):
    frame, _ = score("agreement", "--seed", 0)
    assert set(frame.method) == {*METHODS, *CONTROLS, *BESIDE, "other_image:other"} and (frame.seed == 0).all()
    found, image = values(frame, "gradcam"), "image9"
    for name, metric in ((name, METRICS[name]) for name in AGREEMENT):
        own = {method: stored(method, image, 0)[None] for method in METHODS}
        expected = metric(own["gradcam"], own["other"][None]).item()
        assert found.loc[image, name] == values(frame, "other").loc[image, name] == expected
        strange = stored("gradcam", partner(image), 0)[None]
        assert values(frame, "other_image").loc[image, name] == metric(strange, own["other"][None]).item()
        centre = controls.center_blob((SIZE, SIZE))[None]
        expected = metric(centre, torch.stack(list(own.values()))).item()
        assert values(frame, "center").loc[image, name] == pytest.approx(expected)
    assert reason(frame, ZERO, "gradcam", "iou_methods") == "all_zero"
    for method in ("other", "center", "random"):
        assert reason(frame, ZERO, method, "iou_methods") == "one_method"
    assert reason(frame, FLAGGED, "other", "iou_methods") == "incomplete"
    assert reason(frame, NO_TRUTH, "gradcam", "iou_methods") == ""


def test_consistency_of_one_seed_has_no_number(study):
    frame, _ = score("consistency", "--seeds", 1, "--models", "test_resnet")
    assert set(frame[frame.metric.str.endswith("_models")].reason) >= {"one_model"} and frame.value.isna().all()
    assert set(frame[~frame.metric.str.endswith("_models")].reason) == {"one_seed"}


def test_a_lone_image_has_no_other_image(study):
    source = heatmaps.read("tiny", artifacts.Checkpoint("tiny", "test_resnet", 0, "fold0").heatmaps)
    lone = heatmaps.Heatmaps(
        "tiny",
        source.images[:1],
        METHODS,
        (4, 4),
        source.rows[:, :1],
        source.flags[:, :1],
        np.zeros((2, 1), int),
        source.array,
    )
    maps, reasons = lone.stacks(np.array([0]))["other_image"]
    assert reasons == ["no_other_image"] and maps.isnan().all()


def test_bad_input_says_what_to_fix(study, tmp_path):
    with pytest.raises(InputError, match="localization: --seed is missing"):
        score("localization", "--seeds", 0, 1)
    with pytest.raises(InputError, match="consistency: --seeds is missing"):
        score("consistency", "--seed", 0)
    with pytest.raises(artifacts.ArtifactError, match=r"heatmaps/tiny/test_resnet/7/fold0/index.parquet: not found"):
        score("localization", "--seed", 7)


def test_every_fold_has_its_own_heatmaps_checkpoint_and_scores(study):
    first, path = score("localization", "--seed", 0)
    before = path.read_bytes()
    own, other = (artifacts.Checkpoint("tiny", "test_resnet", 0, fold).heatmaps for fold in ("fold0", "fold1"))
    artifacts.write_array(other / "maps.npy", artifacts.read_array(own / "maps.npy")[::-1])
    artifacts.write_table(
        other / "index.parquet", artifacts.read_table(own / "index.parquet", artifacts.HEATMAPS), artifacts.HEATMAPS
    )
    second, beside = score("localization", "--seed", 0, fold="fold1")
    assert str(beside) == "results/scores/tiny/test_resnet/0/fold1/localization.parquet"
    assert path.read_bytes() == before
    assert not values(first, "gradcam").equals(values(second, "gradcam"))
    pd.testing.assert_frame_equal(values(first, "random"), values(second, "random"))
    _, across = score("consistency", "--seeds", 0, "--models", "test_resnet", fold="fold1")
    assert str(across) == "results/scores/tiny/test_resnet/fold1/consistency.parquet"
    with pytest.raises(artifacts.ArtifactError, match=r"models/tiny/test_resnet/0/fold1/card.json: not found"):
        score("faithfulness", "--seed", 0, fold="fold1")
    with pytest.raises(artifacts.ArtifactError, match=r"heatmaps/tiny/test_resnet/0/fold2/index.parquet: not found"):
        score("localization", "--seed", 0, fold="fold2")


def _damage(source, target, change):
    """A copy of one checkpoint's heatmaps with another index."""
    source, target = (artifacts.Checkpoint("tiny", "test_resnet", seed, "fold0").heatmaps for seed in (source, target))
    artifacts.write_array(target / "maps.npy", artifacts.read_array(source / "maps.npy"))
    index = change(artifacts.read_table(source / "index.parquet", artifacts.HEATMAPS))
    artifacts.write_table(target / "index.parquet", index, artifacts.HEATMAPS)


def test_damaged_heatmaps_are_refused(study):
    _damage(0, 90, lambda index: index[:-1])
    with pytest.raises(artifacts.ArtifactError, match="not one map for each image and method"):
        score("localization", "--seed", 90)
    _damage(0, 93, lambda index: index.assign(row=index.row + 1))
    with pytest.raises(artifacts.ArtifactError, match=r"93/fold0/index.parquet: 16 rows, and maps.npy of shape \(16,"):
        score("localization", "--seed", 93)
    _damage(0, 94, lambda index: index.assign(row=-1))
    with pytest.raises(artifacts.ArtifactError, match=r"94/fold0/index.parquet: a map is missing without a reason"):
        score("localization", "--seed", 94)
    _damage(0, 91, lambda index: index.assign(method="gradcam"))
    with pytest.raises(artifacts.ArtifactError, match="not one map for each image and method"):
        score("localization", "--seed", 91)
    _damage(0, 92, lambda index: index.assign(image_id="x" + index.image_id))
    with pytest.raises(artifacts.ArtifactError, match=r"manifest.parquet: no image 'ximage9'"):
        score("localization", "--seed", 92)
    with pytest.raises(artifacts.ArtifactError, match="test_resnet/92/fold0: other images or methods than seed 0"):
        score("consistency", "--seeds", 0, 92, "--models", "test_resnet")


def _imported(code):
    source = Path(command.__file__).parents[2]
    code = f"import sys; sys.path.insert(0, {str(source)!r}); {code}; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_the_command_imports_nothing_heavy():
    assert not {"torch", "numpy", "pandas"} & _imported("import heatproof.score.command")


@pytest.mark.slow
def test_localization_imports_no_model(study):
    job = "job score localization --study tiny --model test_vit --fold fold0 --seed 0"
    imported = _imported(f"from heatproof.cli import main; main('{job}'.split())")
    assert "heatproof.score.metrics.localization" in imported
    assert not {"timm", "torchvision", "heatproof.score.metrics.faithfulness", "heatproof.train"} & imported


def test_a_method_of_few_images_has_partners_among_those(study):
    """Maps of other images exist only where the method made them."""
    _damage(0, 95, lambda index: index.assign(
        row=index.row.where((index.method == "gradcam") | index.image_id.isin(["image9", "image7"]), -1),
        degenerate=index.degenerate.where(
            (index.method == "gradcam") | index.image_id.isin(["image9", "image7"]), "left_out"
        ),
    ))  # fmt: skip
    source = heatmaps.read("tiny", artifacts.Checkpoint("tiny", "test_resnet", 95, "fold0").heatmaps)
    assert source.methods[source.leader] == "gradcam"
    ids = list(source.images.image_id)
    few = np.array([ids.index("image9"), ids.index("image7")])
    assert source.partners[list(source.methods).index("other"), few].tolist() == few[::-1].tolist()
    maps, reasons = source.stack("other_image:other", few)
    assert reasons == ["", ""] and maps.isfinite().all()
