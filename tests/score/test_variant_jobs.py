"""`heatproof score robustness`, `sanity` and `consistency` (across architectures) from heatmaps to scores."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest
import torch

from heatproof.catalogue.metrics import METRICS as ENTRIES
from heatproof.core.geometry import defined, draw_move, moved
from heatproof.score import command, controls
from heatproof.score.metrics.changes import METRICS
from heatproof.score.metrics.consistency import binary_iou, rank_correlation
from heatproof.store import artifacts

ROBUSTNESS, SANITY = ({m for m in METRICS if ENTRIES[m].family == family} for family in ("robustness", "sanity"))
SIDE, METHODS, REFUSED = 16, ["one", "two", "never"], "no_relu"
IDS = [f"image{n}" for n in range(6)]
GROUPS = [f"patient{n}" for n in range(6)]
VARIED = ["image4", "image1", "image3"]  # not all images, and in an order of their own
TRANSFORMS = ["flip", "shift", "rotate", "scale", "noise", "window"]
VARIANTS = [*TRANSFORMS, "perturbed0", "perturbed1", "cascade:head", "independent:head", "cascade:stem"]
VARIANTS += ["independent:stem", "random_target", "random_labels"]
ZERO, BLANK, DIM = "image3", "image1", "image4"  # plain map zero; flipped map zero; one or all of a cascade zero
IN_CASCADE = {("one", DIM, "cascade:head"), ("two", DIM, "cascade:head"), ("two", DIM, "cascade:stem")}


def index_of(rows, seed=0):
    maps = np.random.default_rng(seed).normal(size=(len(rows), SIDE, SIDE)).astype(np.float32)
    flags, places, filled = [], [], 0
    for method, image, variant in rows:
        zero = (method, image, variant) in ({("two", ZERO, ""), ("two", BLANK, "flip")} | IN_CASCADE)
        flags.append(REFUSED if method == "never" else "all_zero" if zero else "")
        places.append(-1 if method == "never" else filled)
        filled += method != "never"
    frame = pd.DataFrame(
        {
            "image_id": [image for _, image, _ in rows],
            "group": [GROUPS[IDS.index(image)] for _, image, _ in rows],
            "method": [method for method, _, _ in rows],
            "target": 1,
            "predicted": 0,
            "layer": "last",
            "grid_height": 4,
            "grid_width": 4,
            "degenerate": flags,
            "variant": [variant for _, _, variant in rows],
            "row": places,
            "gap": np.nan,
            "signed": False,
        }
    )
    return frame, maps


def write(folder, frame, maps):
    artifacts.write_array(folder / "maps.npy", maps)
    artifacts.write_table(folder / "index.parquet", frame, artifacts.HEATMAPS)


def write_plain(model, seed, change=lambda frame: frame):
    frame, maps = index_of([(m, i, "") for m in [*METHODS, "mine"] for i in IDS], seed + 10 * len(model))
    write(artifacts.Checkpoint("s", model, seed, "fold0").heatmaps, change(frame), maps)


def write_variants(seed, change=lambda frame: frame):
    frame, maps = index_of([(m, i, v) for v in VARIANTS for m in METHODS for i in VARIED], 7)
    write(artifacts.Checkpoint("s", "net", seed, "fold0").variants, change(frame), maps)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_plain("net", 0)
    write_variants(0)


def score(family, *options):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    shared = ["--study", "s", "--model", "net", "--fold", "fold0", "--compute", json.dumps({"threads": 1})]
    args = parser.parse_args([family, *shared, *map(str, options)])
    command.run(args)
    frame = artifacts.read_table(artifacts.Checkpoint("s", "net", args.seed, "fold0").scores(family), artifacts.SCORES)
    assert (frame.value.isna() == (frame.reason != "")).all()
    assert not frame.duplicated(["image_id", "method", "metric"]).any()
    return frame.set_index(["method", "metric", "image_id"])


def stored(method, image, variant="", model="net", seed=0):
    one = artifacts.Checkpoint("s", model, seed, "fold0")
    folder = one.variants if variant else one.heatmaps
    index = artifacts.read_table(folder / "index.parquet", artifacts.HEATMAPS).set_index(
        ["method", "image_id", "variant"]
    )
    row = int(index.loc[(method, image, variant), "row"])
    return torch.from_numpy(artifacts.read_array(folder / "maps.npy")[row].copy())[None]


OTHERS = ["other_image", *(f"other_image:{method}" for method in (*METHODS[1:], "mine"))]


def partner(image):
    return IDS[controls.other_images("s", IDS, GROUPS)[IDS.index(image)]]


def in_frame(name, image, map_):
    move = [draw_move(name, (SIDE, SIDE), ("s", image))]
    return moved(map_[None], move)[0], defined(move, (SIDE, SIDE))


@pytest.mark.slow
def test_robustness_moves_the_plain_map_as_the_image_was(study):
    frame = score("robustness", "--seed", 0)
    assert set(frame.index.levels[0]) == {*METHODS, "mine", "random", "center", *OTHERS}
    assert set(frame.index.levels[1]) == ROBUSTNESS and set(frame.index.levels[2]) == set(VARIED)
    assert len(frame) == 10 * len(ROBUSTNESS) * len(VARIED) and (frame.seed == 0).all()
    for image in VARIED:
        values = []
        for name in TRANSFORMS:
            reference, inside = in_frame(name, image, stored("one", image))
            values.append(rank_correlation(reference, stored("one", image, name), inside).item())
            assert frame.value["one", f"rank_correlation_{name}", image] == pytest.approx(values[-1])
            other, _ = in_frame(name, image, stored("one", partner(image)))
            expected = rank_correlation(reference, other, inside).item()
            assert frame.value["other_image", f"rank_correlation_{name}", image] == pytest.approx(expected)
        assert frame.value["one", "rank_correlation_transforms", image] == pytest.approx(np.mean(values))
        near = [stored("one", image, f"perturbed{draw}") for draw in range(2)]
        own = stored("one", image)
        expected = max((one - own).norm() / own.norm() for one in near).item()
        assert frame.value["one", "max_sensitivity", image] == pytest.approx(expected)
        expected = ((stored("one", partner(image)) - own).norm() / own.norm()).item()
        assert frame.value["other_image", "max_sensitivity", image] == pytest.approx(expected)


def test_robustness_of_a_map_that_is_always_the_same(study):
    values = score("robustness", "--seed", 0).value["center"]
    assert (values["max_sensitivity"] == 0).all()
    for name in ("flip", "noise", "window"):
        assert values[f"rank_correlation_{name}"].to_numpy() == pytest.approx(1)
    assert (values["rank_correlation_shift"] < 1).all()


def test_robustness_reasons(study):
    reason = score("robustness", "--seed", 0).reason
    assert set(reason["never"]) == {REFUSED} and set(reason["mine"]) == {"no_variant"}
    assert set(reason["two"][:, ZERO]) == {"all_zero"}
    changed = "degenerate_changed"
    assert reason["two", "rank_correlation_flip", BLANK] == changed
    assert reason["two", "rank_correlation_transforms", BLANK] == changed
    assert reason["two", "rank_correlation_shift", BLANK] == reason["two", "max_sensitivity", BLANK] == ""


CHANGES = {
    "cascade": ["cascade:head", "cascade:stem"],
    "independent": ["independent:head", "independent:stem"],
    "random_labels": ["random_labels"],
    "random_target": ["random_target"],
}


@pytest.mark.slow
def test_sanity_compares_with_the_changes_that_its_metrics_name(study):
    frame = score("sanity", "--seed", 0)
    assert set(frame.index.levels[0]) == {*METHODS, "mine", "random", "center", *OTHERS}
    assert set(frame.index.levels[1]) == SANITY and len(frame) == 10 * len(SANITY) * len(VARIED)
    for image in (BLANK, ZERO):
        for name, metric in ((name, METRICS[name]) for name in SANITY):
            changes = CHANGES[name.removeprefix("ssim_").removeprefix("rank_correlation_")]
            expected = metric(stored("one", image), torch.stack([stored("one", image, c) for c in changes])).item()
            assert frame.value["one", name, image] == pytest.approx(expected)
            other = metric(stored("one", image), stored("one", partner(image))[None]).item()
            assert frame.value["other_image", name, image] == pytest.approx(other)
    sound = [image for image in VARIED if ZERO not in (image, partner(image))]
    for image in sound:  # each method has its own
        other = METRICS["ssim_cascade"](stored("two", image), stored("two", partner(image))[None]).item()
        assert frame.value["other_image:two", "ssim_cascade", image] == pytest.approx(other)
    assert sound
    assert frame.value["center"].to_numpy() == pytest.approx(1)  # the worst: it ignores the model
    assert frame.value["random"].abs().max() < 0.5


def test_sanity_reasons_and_what_is_left_of_a_cascade(study):
    frame = score("sanity", "--seed", 0)
    left = rank_correlation(stored("one", DIM), stored("one", DIM, "cascade:stem")).item()
    assert frame.value["one", "rank_correlation_cascade", DIM] == pytest.approx(left)
    assert frame.reason["two", "ssim_cascade", DIM] == "degenerate_changed"
    assert frame.reason["two", "ssim_independent", DIM] == ""
    assert set(frame.reason["two"][:, ZERO]) == {"all_zero"}
    assert set(frame.reason["never"]) == {REFUSED}


def test_only_what_was_made_is_scored(study):
    write_variants(0, lambda frame: frame[frame["variant"].isin(["flip", "random_target"])])
    assert set(score("sanity", "--seed", 0).index.levels[1]) == {"ssim_random_target", "rank_correlation_random_target"}
    found = set(score("robustness", "--seed", 0).index.levels[1])
    assert found == {"rank_correlation_flip", "rank_correlation_transforms"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame[1:], "not one row for each variant, method and image"),
        (lambda frame: frame.assign(row=frame["row"] + 99), "does not fit maps.npy"),
        (lambda frame: frame.assign(degenerate=""), "does not fit maps.npy"),
        (
            lambda frame: frame.assign(image_id="x" + frame["image_id"]),
            "an image or a method that has no plain heatmap",
        ),
    ],
)
def test_damaged_variants_are_refused(study, change, message):
    write_variants(0, change)
    with pytest.raises(artifacts.ArtifactError, match=message):
        score("robustness", "--seed", 0)


def unable(frame):
    return frame.assign(degenerate=frame["degenerate"].where(frame["method"] != "one", "no_attention"))


@pytest.fixture
def architectures(study):
    write_plain("net", 1)
    for seed in (0, 1):
        write_plain("other", seed)
        write_plain("third1", seed, unable)


def test_consistency_across_architectures(architectures):
    frame = score("consistency", "--seeds", 0, 1, "--models", "net", "other", "third1")
    for name, measure in (("iou_models", binary_iou), ("rank_correlation_models", rank_correlation)):
        for method, rivals in (("mine", ["other", "third1"]), ("one", ["other"])):  # third1 cannot carry `one`
            for image in (BLANK, DIM):
                expected = np.mean([
                    measure(stored(method, image, seed=seed), stored(method, image, model=rival, seed=seed)).item()
                    for rival in rivals
                    for seed in (0, 1)
                ])  # fmt: skip
                assert frame.value[method, name, image] == pytest.approx(expected)
        assert frame.reason["two", name, ZERO] == "all_zero"
        assert frame.reason["never", name, BLANK] == REFUSED
        assert frame.value["center", name, BLANK] == pytest.approx(1)
    assert frame.value["random", "rank_correlation_models", BLANK] < 0.3  # each model draws its own


def test_other_image_across_architectures_is_the_other_models_map_of_the_other_image(architectures):
    frame = score("consistency", "--seeds", 0, "--models", "net", "other")
    expected = rank_correlation(stored("one", BLANK), stored("one", partner(BLANK), model="other")).item()
    assert frame.value["other_image", "rank_correlation_models", BLANK] == pytest.approx(expected)
    assert frame.reason["one", "iou_seeds", BLANK] == "one_seed" and frame.reason["one", "iou_models", BLANK] == ""


def test_one_model_has_nothing_to_compare_with(architectures):
    frame = score("consistency", "--seeds", 0, 1, "--models", "net")
    assert frame.reason["one", "iou_models", BLANK] == "one_model" and frame.reason["one", "iou_seeds", BLANK] == ""
    assert frame.reason["never", "iou_models", BLANK] == REFUSED


def test_maps_for_different_classes_are_not_compared(architectures):
    write_plain("net", 1, lambda frame: frame.assign(target=(frame["image_id"] == BLANK).astype(int) + 1))
    frame = score("consistency", "--seeds", 0, 1, "--models", "net", "other")
    assert frame.reason["one", "iou_seeds", BLANK] == "other_classes"
    assert frame.reason["one", "iou_seeds", DIM] == ""


def test_models_of_other_images_are_refused(architectures):
    write_plain("other", 1, lambda frame: frame.assign(image_id="x" + frame["image_id"]))
    with pytest.raises(artifacts.ArtifactError, match="other/1/fold0: other images or methods than seed 0 of net has"):
        score("consistency", "--seeds", 0, 1, "--models", "net", "other")
