"""Several lesions, boxes and distances, by hand."""

import numpy as np
import torch

from heatproof.score.metrics.localization import METRICS
from heatproof.score.scene import Parts, distances, overlap

TWO = np.zeros((12, 16), bool)
TWO[2:4, 2:5] = True
TWO[8:11, 10:14] = True
TWO[11, 14] = True  # touches the second by a corner


def score(name: str, values: np.ndarray, mask: np.ndarray = TWO) -> float:
    return METRICS[name](torch.from_numpy(values)[None], torch.from_numpy(mask)[None]).item()


def test_parts_have_eight_neighbours_and_boxes():
    found = Parts(TWO)
    assert len(found) == 2 and np.bincount(found.of)[1:].tolist() == [6, 13]
    assert found.boxes(np.array([1, 2])).tolist() == [[2, 2, 3, 4], [8, 10, 11, 14]]
    assert found.largest.tolist() == [2]
    assert Parts(np.eye(3, dtype=bool)[:2] | np.eye(3, dtype=bool)[:2]).largest.tolist() == [1]


def test_an_empty_mask_has_no_parts():
    found = Parts(np.zeros((3, 4), bool))
    assert len(found) == 0 and found.largest.tolist() == [] and found.boxes(found.largest).shape == (0, 4)
    assert np.isnan(distances(np.zeros((3, 4), bool))).all()


def test_parts_that_share_the_largest_area():
    mask = np.zeros((3, 5), bool)
    mask[0, :2] = mask[2, 3:] = mask[0, 4] = True
    assert Parts(mask).largest.tolist() == [1, 3]


def test_distances_are_euclidean_and_exact():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = mask[0, 8] = True
    rows, columns = np.indices(mask.shape)
    plain = np.minimum(np.hypot(rows - 4, columns - 4), np.hypot(rows, columns - 8))
    np.testing.assert_allclose(distances(mask), plain, atol=1e-12)


def test_overlap_of_boxes():
    box, others = np.array([0, 0, 3, 3]), np.array([[2, 2, 5, 5], [0, 0, 3, 3], [4, 4, 5, 5]])
    assert overlap(box, others).tolist() == [4 / 28, 1, 0]


def test_one_of_two_lesions_hit():
    values = np.zeros(TWO.shape, np.float32)
    values[9, 12] = 1
    assert score("lesion_hit_rate", values) == 0.5
    assert score("pointing_game", values) == 1
    values[3, 3] = 0.5  # as hot as it must be, a mark of its own
    assert score("lesion_hit_rate", values) == 1
    values[3, 3] = 0.49
    assert score("lesion_hit_rate", values) == 0.5


def test_a_part_over_two_lesions_makes_one_mark():
    values = np.zeros(TWO.shape, np.float32)
    values[2:11, 3] = values[10, 3:12] = 0.8
    values[2, 3] = 1
    assert score("lesion_hit_rate", values) == 0.5
    values[10, 11] = 1  # now the mark is in either: one of two in each case
    assert score("lesion_hit_rate", values) == 0.5


def test_two_parts_may_hit_one_lesion():
    values = np.zeros(TWO.shape, np.float32)
    values[8, 10] = values[5, 10] = 1  # one part's only pixel inside, the other's outside
    values[10, 13] = values[11, 13] = 1  # a part with one of two equal pixels inside
    assert score("lesion_hit_rate", values) == 0.5
    values[8, 10] = 0
    assert score("lesion_hit_rate", values) == 0.25


def test_box_is_compared_with_the_lesion_that_it_fits_best():
    values = np.zeros(TWO.shape, np.float32)
    values[8:12, 10:15] = 1  # exactly the box of the second
    assert score("box_iou", values) == 1
    values[:] = 0
    values[2, 2:4] = 1
    assert score("box_iou", values) == 2 / 6


def test_truth_given_as_boxes():
    boxes = np.zeros((10, 10), bool)
    boxes[1:4, 1:4] = boxes[6:9, 5:9] = True
    values = np.zeros((10, 10), np.float32)
    values[6:9, 5:8] = 1
    assert score("box_iou", values, boxes) == 9 / 12
    assert score("lesion_hit_rate", values, boxes) == 0.5


def test_pixels_of_the_same_lesions_do_not_depend_on_the_other_images():
    rng = np.random.default_rng(2)
    maps = torch.from_numpy(rng.normal(size=(4, 9, 9)).astype(np.float32))
    masks = torch.from_numpy(rng.random((4, 9, 9)) < 0.15)
    for name in ("lesion_hit_rate", "box_iou", "peak_distance", "pointing_game_tolerance"):
        together = METRICS[name](maps, masks)
        alone = torch.cat([METRICS[name](maps[i : i + 1], masks[i : i + 1]) for i in range(4)])
        assert torch.equal(together, alone)
