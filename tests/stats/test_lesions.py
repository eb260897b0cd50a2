"""Shape of lesions: values by hand, and a slow plain count of the pixels in a hull."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay, QhullError

from heatproof.stats.tables import reading
from heatproof.stats.tests import relations
from heatproof.store import artifacts


def disc(radius, side=41, stretch=1.0):
    y, x = np.mgrid[:side, :side] - side // 2
    return np.hypot(y, x / stretch) <= radius


@pytest.mark.parametrize("radius", [2, 3, 5, 9, 15])
def test_a_disc_is_round_and_has_no_dent_at_any_size(radius):
    found = relations.shape(disc(radius))
    assert found["lesion_solidity"] == 1
    assert found["lesion_elongation"] == pytest.approx(1)
    assert found["lesion_area"] == disc(radius).sum() / 41**2


def test_an_ellipse_has_the_ratio_of_its_axes():
    assert relations.shape(disc(30, 301, 4.0))["lesion_elongation"] == pytest.approx(4, rel=0.01)


def test_rectangle_line_and_pixel_by_hand():
    mask = np.zeros((10, 20), bool)
    mask[2:4, 3:9] = True  # 2 x 6
    assert relations.shape(mask) == pytest.approx(
        {"lesion_area": 12 / 200, "lesion_elongation": 3, "lesion_solidity": 1}
    )
    line = np.zeros((10, 20), bool)
    line[5, 4:11] = True
    assert relations.shape(line) == pytest.approx(
        {"lesion_area": 7 / 200, "lesion_elongation": 7, "lesion_solidity": 1}
    )
    assert relations.shape(np.eye(5, dtype=bool))["lesion_solidity"] == 1  # pixels that touch at corners are one lesion
    one = np.zeros((4, 5), bool)
    one[2, 3] = True
    assert relations.shape(one) == {"lesion_area": 1 / 20, "lesion_elongation": 1, "lesion_solidity": 1}


def test_an_l_has_a_dent():
    mask = np.zeros((6, 6), bool)
    mask[1:4, 1] = mask[3, 1:4] = True  # 5 pixels; the hull is a triangle of 6 pixels
    assert relations.shape(mask)["lesion_solidity"] == pytest.approx(5 / 6)


def test_several_lesions_weigh_by_their_area():
    mask = np.zeros((20, 20), bool)
    mask[1:3, 1:7] = True  # 12 pixels, 3 to 1
    mask[10, 10:14] = True  # 4 pixels, 4 to 1
    found = relations.shape(mask)
    assert found["lesion_area"] == 16 / 400
    assert found["lesion_elongation"] == pytest.approx((12 * 3 + 4 * 4) / 16)


def test_an_empty_mask_has_an_area_and_no_shape():
    found = relations.shape(np.zeros((5, 5), bool))
    assert found["lesion_area"] == 0
    assert np.isnan(found["lesion_elongation"]) and np.isnan(found["lesion_solidity"])


@settings(deadline=None)
@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=20))
def test_pixels_in_a_hull_are_those_of_a_slow_count(pixels):
    points = np.array(sorted(pixels))
    try:
        cells = Delaunay(points)
    except (QhullError, ValueError):  # on one line: between the two ends, by steps of their common divisor
        step = points.max(0) - points.min(0)
        expected = np.gcd(*step) + 1
    else:
        grid = np.argwhere(np.ones((8, 8), bool))
        expected = (cells.find_simplex(grid, tol=1e-9) >= 0).sum()
    assert relations.hull_pixels(points) == expected


def test_shapes_are_read_for_tested_images_with_truth(write_study):
    args = write_study({"a_net": 0.5}, folds=3)
    masks = artifacts.read_array(artifacts.data_dir(args.study) / "masks.npy")
    manifest = artifacts.read_manifest(args.study)
    found = reading.read_shapes(args.study, ["fold1"]).set_index("image_id")
    tested = artifacts.read_manifest(args.study, "fold1").query("split == 'test' and truth != 'none'")["image_id"]
    assert set(found.index) == set(tested)
    for image, row in found.iterrows():
        place = manifest.index[manifest["image_id"] == image][0]
        assert row.to_dict() == relations.shape(masks[place])
    assert len(reading.read_shapes(args.study, args.folds)) == (manifest["truth"] != "none").sum()


def test_a_box_has_an_area_and_no_shape_and_no_truth_nothing(write_study):
    args = write_study({"a_net": 0.5})
    path = artifacts.data_dir(args.study) / "manifest.parquet"
    stored = artifacts.read_table(path, artifacts.DEALT)
    artifacts.write_manifest(args.study, stored.replace({"truth": {"mask": "box"}}))
    found = reading.read_shapes(args.study, args.folds)
    assert (found["lesion_area"] > 0).all() and found[["lesion_elongation", "lesion_solidity"]].isna().all(axis=None)
    artifacts.write_manifest(args.study, stored.assign(truth="none"))
    assert reading.read_shapes(args.study, args.folds) is None
