"""Controls are fixed by study and image, and what they claim to be."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from heatproof.catalogue.families import CONTROLS
from heatproof.core.draws import spread
from heatproof.core.geometry import upsample
from heatproof.score import controls
from heatproof.score.metrics.localization import METRICS
from heatproof.stats.tests.readers import READER

KEYS = [("study", "a"), ("study", "b")]


def test_noise_depends_on_its_key_alone():
    first = controls.random_maps(KEYS, (6, 5))
    assert first.shape == (2, 6, 5)
    assert torch.equal(first[1], controls.random_maps(KEYS[1:], (6, 5))[0])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], controls.random_maps([("other", "a")], (6, 5))[0])
    assert not torch.equal(first[0], controls.random_maps([("study", "a", 1)], (6, 5))[0])


def test_lowres_noise_has_the_models_grid():
    found = controls.lowres_noise(KEYS, (2, 2), (8, 8))
    corners = found[:, ::7, ::7]  # the outermost pixels hold the cells' own values
    assert torch.allclose(upsample(corners, (8, 8)), found, atol=1e-6)
    assert not torch.allclose(found[:, :, 0], controls.lowres_noise(KEYS, (4, 4), (8, 8))[:, :, 0])


@pytest.mark.parametrize("size", [(6, 6), (5, 7)])
def test_center_blob_falls_off_evenly_from_the_middle(size):
    blob = controls.center_blob(size)
    assert torch.equal(blob, blob.flip(0)) and torch.equal(blob, blob.flip(1))
    assert (blob[: (size[0] + 1) // 2].diff(dim=0) > 0).all()
    assert blob.max() == blob[size[0] // 2, size[1] // 2]


def test_center_blob_is_a_quarter_wide():
    blob = controls.center_blob((101, 101))
    assert blob[50, 50] == 1
    away = 25.25  # a quarter of the side, between pixels 25 and 26 from the middle
    assert blob[50, 75] > np.exp(-0.5) > blob[50, 76]
    assert blob[50, 75].item() == pytest.approx(np.exp(-((25 / away) ** 2) / 2), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_other_image_is_a_derangement_that_leaves_the_group(sizes):
    groups = [f"g{g}" for g, size in enumerate(sizes) for _ in range(size)]
    ids = [f"image{i}" for i in range(len(groups))]
    partners = controls.other_images("study", ids, groups)
    assert sorted(partners) == list(range(len(ids)))
    if len(ids) > 1:
        assert all(partner != i for i, partner in enumerate(partners))
    foreign = sum(groups[p] != groups[i] for i, p in enumerate(partners))
    largest = max(Counter(groups).values())
    assert foreign == min(len(ids), 2 * (len(ids) - largest))


def test_other_image_does_not_depend_on_the_order_of_images():
    ids, groups = [f"i{n}" for n in range(7)], list("aabbccd")
    partners = controls.other_images("study", ids, groups)
    flipped = controls.other_images("study", ids[::-1], groups[::-1])
    assert {ids[i]: ids[p] for i, p in enumerate(partners)} == {
        ids[::-1][i]: ids[::-1][p] for i, p in enumerate(flipped)
    }
    assert list(partners) != list(controls.other_images("another", ids, groups))


def test_ceiling_shows_what_a_grid_costs():
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[0, 5:8, 9:12] = True
    found = {
        grid: METRICS["relevance_rank_accuracy"](controls.ceiling(mask, (grid, grid)), mask).item()
        for grid in (2, 4, 16)
    }
    assert found[16] == 1 and found[2] < found[4] < 1
    pooled = torch.tensor([[[0, 9 / 64], [0, 0]]])
    assert torch.allclose(controls.ceiling(mask, (2, 2)), upsample(pooled, (16, 16)))


def test_subset_spreads_over_groups_first():
    groups = ["a"] * 5 + ["b"] * 2 + ["c"]
    ids = [f"i{n}" for n in range(8)]
    chosen = spread("study", ids, groups, 3)
    assert sorted(groups[i] for i in chosen) == ["a", "b", "c"] and list(chosen) == sorted(chosen)
    assert sorted(groups[i] for i in spread("study", ids, groups, 6)) == list("aaabbc")
    assert list(spread("study", ids, groups, 99)) == list(range(8))
    assert set(chosen) < set(spread("study", ids, groups, 5))
    flipped = spread("study", ids[::-1], groups[::-1], 3)
    assert {ids[::-1][i] for i in flipped} == {ids[i] for i in chosen}


def test_mean_mask_is_that_of_the_training_images():
    masks = np.random.default_rng(0).random((600, 5, 4)) < 0.3
    rows = np.arange(0, 600, 2)
    found = controls.mean_mask(masks, rows)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, masks[rows].mean(0), atol=1e-6)
    assert not controls.mean_mask(masks, rows[:0]).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_edges_are_sobels(channels):
    pixels = np.random.default_rng(1).integers(0, 256, (2, channels, 9, 7), dtype=np.uint8)
    found = controls.edges(torch.from_numpy(pixels))
    for image, edges in zip(pixels.astype(float).mean(1), found, strict=True):
        along = [ndimage.sobel(image, axis=axis, mode="nearest") for axis in (0, 1)]
        np.testing.assert_allclose(edges, np.hypot(*along), rtol=1e-5, atol=1e-3)


def test_the_frame_is_no_edge():
    assert not controls.edges(torch.full((1, 1, 6, 6), 200, dtype=torch.uint8)).any()


def test_truth_is_the_mask_and_has_the_best_score_of_all():
    masks = torch.zeros(1, 12, 12, dtype=torch.bool)
    masks[0, 3:6, 4:8] = True
    found = controls.truth(masks)
    assert found.dtype == torch.float32 and torch.equal(found > 0, masks)
    assert METRICS["iou"](found, masks).item() == 1


def test_every_control_is_in_the_catalogue():
    names = (controls.RANDOM, controls.LOWRES_NOISE, controls.CENTER, controls.OTHER_IMAGE)
    assert set(CONTROLS) == {*names, controls.MEAN_MASK, controls.EDGES, controls.CEILING, controls.TRUTH, READER}
