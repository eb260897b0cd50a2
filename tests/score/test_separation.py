"""The bench that tells which metrics separate truth from what is not it."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from bench import separation
from heatproof.catalogue.metrics import better
from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.data.synthetic import phantom
from heatproof.report.inputs import SCHEMA
from heatproof.store import artifacts

SIZE, PATIENTS, SLICES = 48, 27, 1


def auroc(truth, other, groups=None, models=None):
    groups = np.arange(len(truth)) if groups is None else groups
    models = np.zeros(len(truth)) if models is None else models
    return separation.auroc(np.asarray(truth), np.asarray(other), groups, models, generator("toy"))


def test_auroc_is_scikit_learns():
    rng = np.random.default_rng(0)
    truth, other = rng.integers(2, 8, 40), rng.integers(0, 7, 40)
    value, low, high = auroc(truth, other)
    assert value == pytest.approx(roc_auc_score([1] * 40 + [0] * 40, np.concatenate([truth, other])))
    assert low < value < high


def test_pairs_are_of_one_model():
    truth, other, models = [1, 11], [0, 10], np.array(["a", "b"])
    assert auroc(truth, other, models=models)[0] == 1
    assert auroc(truth, other)[0] == 0.75  # the second model's other beats the first one's truth


def test_images_of_one_group_count_as_one_draw():
    rng = np.random.default_rng(1)
    truth, other = rng.normal(0.3, 1, 30), rng.normal(size=30)
    alone = auroc(truth, other)
    repeated = auroc(np.repeat(truth, 5), np.repeat(other, 5), np.repeat(np.arange(30), 5))
    assert repeated[0] == pytest.approx(alone[0])
    assert repeated[2] - repeated[1] == pytest.approx(alone[2] - alone[1], rel=0.15)


def test_the_interval_covers():
    """Two equal distributions: one half lies in the interval about as often as it says."""
    rng = np.random.default_rng(2)
    found = [auroc(*rng.normal(size=(2, 30))) for _ in range(60)]
    assert np.mean([low <= 0.5 <= high for _, low, high in found]) > 0.85


def test_few_groups_without_a_failure_prove_little():
    assert auroc([1, 1, 1, 1], [0, 0, 0, 0])[:2] == (1, 0.25)
    assert auroc([0, 0, 0, 0], [1, 1, 1, 1])[::2] == (0, 0.75)
    assert all(np.isnan(auroc([], [])))


def test_shifted_truth_is_a_near_miss():
    mask = np.zeros((20, 20), bool)
    mask[4:9, 2:7] = True
    for flipped in (mask, mask[:, ::-1]):
        moved = separation.shifted(flipped)
        assert moved.sum() == 25 and not (moved * flipped).any()
        assert ndimage.distance_transform_edt(~flipped)[moved > 0].min() == 1
    assert separation.blurred(mask).max() < 1


def rows_of(metric, family, values):
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "family": family,
                    "metric": metric,
                    "method": method,
                    "model": "m",
                    "group": list("abcdefghijkl"),
                    "image_id": list("abcdefghijkl"),
                    "value": value,
                }
            )
            for method, value in values.items()
        ]
    )


def test_signs_are_turned_and_what_is_missing_is_left_out():
    low, high = [0.0] * 12, [1.0] * 11 + [np.nan]
    values = dict.fromkeys(("truth", *separation.AGAINST), low) | {"random": high}
    found = pd.concat(
        [
            rows_of("peak_distance", "localization", values),  # lower is better
            rows_of("iou", "localization", values),
            rows_of("entropy", "complexity", values),  # nothing is better
            rows_of("deletion_auc_zero", "faithfulness", values),  # of another baseline
        ]
    )
    table = separation.separations(found).set_index(["metric", "against"])
    assert list(table.reset_index().columns) == list(SCHEMA)
    against = table.xs("random", level="against")
    assert against["auroc"].to_dict() == {"peak_distance": 1, "iou": 0, "entropy": 1, "deletion_auc_zero": 1}
    assert (against["images"] == 11).all() and (against["low"] <= against["auroc"]).all()
    assert table.loc[("iou", "edges"), "auroc"] == 0.5
    text = separation.markdown(table.reset_index())
    marked = [line.split("|")[1].strip() for line in text.splitlines() if "†" in line]
    assert marked == ["iou †"]


def test_everything_optional_is_switched_on():
    found = separation.options("faithfulness")
    assert set(found["baselines"]) >= {"mean", "zero", "blur"}
    assert all(found[name]["images"] >= 8 for name in ("road", "naopc", "infidelity"))
    assert separation.options("localization")["regions"] == ["body", "lungs", "border"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A small phantom study without models."""
    monkeypatch.setattr(artifacts, "RESULTS", tmp_path / "results")
    records = phantom.list_records("phantom", 0, PATIENTS, SLICES, SIZE)
    images = [record.read() for record in records]
    folder = artifacts.data_dir("phantom")
    artifacts.write_array(folder / "pixels.npy", np.stack([image.pixels for image in images])[:, None])
    blank = np.zeros((SIZE, SIZE), bool)
    artifacts.write_array(folder / "masks.npy", np.stack([blank if i.mask is None else i.mask for i in images]))
    frame = pd.DataFrame([vars(record) for record in records]).assign(
        group=[record.patient for record in records],
        truth=["none" if image.mask is None else "mask" for image in images],
        sha256="",
        width=SIZE,
        height=SIZE,
        fold0=["train" if int(record.patient[1:]) < 3 else "test" for record in records],
    )
    artifacts.write_manifest("phantom", frame[list(artifacts.DEALT)])
    (artifacts.RESULTS / "models").mkdir()
    return artifacts.read_manifest("phantom")


@pytest.mark.slow
def test_truth_has_the_best_score_of_every_metric_that_needs_no_model(study):
    before = set(artifacts.data_dir("phantom").iterdir())
    rows = np.flatnonzero((study["truth"] != "none") & (study["split"] == "test"))
    with separation.elsewhere():
        separation.write_regions(rows)
        found = pd.concat([separation.scored(family, "any", study, rows, 1) for family in separation.FREE])
    assert set(artifacts.data_dir("phantom").iterdir()) == before and not (artifacts.RESULTS / "heatmaps").exists()
    assert set(found["method"]) >= {"truth", *separation.AGAINST}
    table = separation.separations(found)
    assert table.groupby("metric")["against"].nunique().eq(len(separation.AGAINST)).all()
    random = table[table["against"] == "random"].set_index("metric")
    told = random[random["low"] > 0.5].index
    assert {
        "iou",
        "iou_area",
        "pixel_auroc",
        "relevance_rank_accuracy",
        "pointing_game",
        "outside_lungs",
        "on_border",
    } <= set(told)
    local = found[found["family"] == "localization"].pivot(
        index=["metric", "image_id"], columns="method", values="value"
    )
    for metric, values in local.groupby(level="metric"):
        turned = -values if better("localization", metric) == "lower" else values
        assert (turned.max(axis=1, skipna=True) <= turned["truth"] + 1e-9).all() or metric.startswith(
            ("outside", "on_border")
        )


def test_an_image_without_its_lesion_differs_within_the_lesion_alone(study):
    pixels = artifacts.read_array(artifacts.data_dir("phantom") / "pixels.npy")
    masks = artifacts.read_array(artifacts.data_dir("phantom") / "masks.npy")
    for row in np.flatnonzero(study["truth"] != "none")[:4]:
        changed = separation.without_lesion(study, row, pixels[row]) != pixels[row, 0]
        assert changed.any() and not (changed & ~masks[row]).any()
        with pytest.raises(InputError, match="is not what the phantom draws"):
            separation.without_lesion(study, row, pixels[row] ^ 1)


def test_only_images_whose_prediction_flips_are_taken(study, monkeypatch):
    """A model by hand that calls an image by the brightness of its lesion's place flips where that is taken out."""

    class Bright(torch.nn.Module):
        def forward(self, pixels):
            dense = (pixels > 0.85).flatten(1).sum(1).float()  # bone and benign nodules
            return torch.stack([-dense, dense - 2 * self.least, torch.full_like(dense, -1e9)], dim=1)

    rows = np.flatnonzero((study["truth"] != "none") & (study["label"] == 1))
    pixels = artifacts.read_array(artifacts.data_dir("phantom") / "pixels.npy")
    model = Bright()
    counts = [(pixels[row] > 0.85 * 255).sum() for row in rows]
    without = [(separation.without_lesion(study, row, pixels[row]) > 0.85 * 255).sum() for row in rows]
    model.least = float(np.median(counts + without))
    monkeypatch.setattr(separation, "load_trained", lambda *_: (model, {}))
    expected = [a > model.least >= b for a, b in zip(counts, without, strict=True)]
    assert separation.flips("any", study, rows).tolist() == expected and any(expected) and not all(expected)


def test_docs_are_written_between_their_marks(tmp_path, monkeypatch):
    path = tmp_path / "metrics.md"
    monkeypatch.setattr(separation, "DOCS", path)
    table = pd.DataFrame([["iou", other, 0.9, 0.8, 1.0, 9] for other in separation.AGAINST], columns=list(SCHEMA))
    path.write_text("before\n<!-- separation -->\nold\n<!-- end -->\nafter\n")
    separation.write_docs(table)
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| iou | 9 | 0.90 (0.80 to 1.00) |" in text
    path.write_text("no place\n")
    with pytest.raises(InputError, match="no place for the table"):
        separation.write_docs(table)
