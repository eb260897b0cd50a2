"""Profiles of a tiny network, worked out by hand, and what must hold of them for any."""

import tracemalloc

import numpy as np
import pytest
from profiles.made import ByHand, images, stream

from heatproof.profiles import distances

# four images of three patients; a fifth is 51 of 255, so that all values below are exact to float32
PIXELS = images([0.2, 0.2, 0.2, 0.2], [0.4, 0.4, 0.6, 0.6], [0.8, 0.8, 0.8, 0.8], [0, 0, 0.4, 0.4])
PATIENTS = ["a", "a", "b", "c"]
MEMBERS = [[1, 0], [1, 0], [1, 1], [0, 1]]  # the third image is in both groups


def test_a_profile_by_hand():
    sums = stream(PIXELS, PATIENTS, MEMBERS)
    # means of the images: .2, .5, .8, .2. Group one: a is (.2 + .5) / 2 = .35, b is .8: mean .575. Group two: .5
    means = sums.means(np.arange(2))[0]
    np.testing.assert_allclose(means, [[1.15, 2.425, 7], [1.0, 2.5, 7]], rtol=1e-6)
    # over groups the means are 1.075 and 2.4625
    np.testing.assert_allclose(distances.profiles(means), [[0.075, -0.0375, 0], [-0.075, 0.0375, 0]], atol=1e-6)
    np.testing.assert_array_equal(sums.weight[0], [2, 2])
    np.testing.assert_allclose(sums.low, [0, 2.2, 7], rtol=1e-6)
    np.testing.assert_allclose(sums.high, [1.6, 3, 7], rtol=1e-6)
    np.testing.assert_array_equal(sums.dead(1e-30), [False, False, True])
    assert sums.dead(0.9).tolist() == [False, True, True], "the second map goes from 2.2 to 3"
    np.testing.assert_array_equal(distances.ranks(distances.profiles(means)), [1, 2, 3])


def test_a_map_that_only_one_position_moves_is_not_dead():
    quiet = images(*[[0.2] * 4] * 3, [0.2, 0.2, 0.2, 0.4])
    assert stream(quiet, PATIENTS, MEMBERS).dead(1e-30).tolist() == [False, False, True]
    assert stream(images(*[[0.2] * 4] * 4), PATIENTS, MEMBERS).dead(1e-30).all()


def test_a_patient_with_many_images_counts_once():
    often = np.concatenate([PIXELS[:1].repeat(20, 0), PIXELS[2:]])
    once = stream(PIXELS[[0, 2, 3]], ["a", "b", "c"], [MEMBERS[i] for i in (0, 2, 3)])
    many = stream(often, ["a"] * 20 + ["b", "c"], [MEMBERS[0]] * 20 + MEMBERS[2:])
    np.testing.assert_allclose(many.means(np.arange(2)), once.means(np.arange(2)), rtol=1e-12)


def test_two_runs_give_the_same_bytes_and_the_batch_size_does_not_matter():
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (37, 1, 6, 6), dtype=np.uint8)
    patients = np.sort(rng.integers(10, 30, 37)).astype(str)
    members = rng.random((37, 3)) < 0.5
    first, second, other = (stream(pixels, patients, members, draws=9, batch_size=size) for size in (8, 8, 5))
    assert first.total.tobytes() == second.total.tobytes() and first.low.tobytes() == second.low.tobytes()
    np.testing.assert_allclose(other.total, first.total, rtol=1e-6)
    np.testing.assert_array_equal(other.weight, first.weight)


def test_draws_are_those_of_whole_patients():
    sums = stream(PIXELS, PATIENTS, MEMBERS, draws=300)
    weight, total = sums.weight[1:], sums.total[1:, :, 0]
    # group one holds a, whose first map answers .7, and b, with 1.6; group two b and c, with .4
    b = (total[:, 0] - 0.7 * weight[:, 0]) / 0.9
    c = (total[:, 1] - 1.6 * b) / 0.4
    for drawn in (b, c):
        np.testing.assert_allclose(drawn, np.round(drawn), atol=1e-5)
        assert abs(drawn.mean() - 1) < 0.2 and abs(drawn.var() - 1) < 0.3
    np.testing.assert_allclose(weight[:, 1], b + c, atol=1e-5)
    lost = weight[:, 1] == 0
    assert lost.any() and np.isnan(sums.means(np.array([1]))[1:][lost]).all()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images():
    def peak(count):
        pixels = np.zeros((count, 1, 8, 8), np.uint8)
        pixels[::2] = 9
        patients, members = np.arange(count).astype("U6"), np.ones((count, 2), bool)
        model = ByHand([(1.0, float(i)) for i in range(400)])
        tracemalloc.start()
        try:
            stream(np.ascontiguousarray(pixels), np.sort(patients), members, draws=50, model=model)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(40), peak(640)
    activations = 600 * 400 * 8  # what the mean activations of the other images alone would take
    assert many - few < activations / 4


def test_distances_by_hand():
    profile = np.array([[1.0, 2, 3, 4], [2, 4, 6, 8], [4, 3, 2, 1]])
    np.testing.assert_allclose(distances.correlation_distances(profile), [0, 2, 2], atol=1e-12)
    # differences of the first two: 1, 2, 3, 4; of first and third: -3, -1, 1, 3; of second and third: -2, 1, 4, 7
    np.testing.assert_allclose(distances.euclidean_distances(profile), np.sqrt([30 / 4, 20 / 4, 70 / 4]))
    assert distances.pairs(3) == [(0, 1), (0, 2), (1, 2)]
    drawn = distances.correlation_distances(np.stack([profile, profile[::-1]]))
    np.testing.assert_allclose(drawn, [[0, 2, 2], [2, 2, 0]], atol=1e-12)


def test_groups_of_the_same_images_are_equally_near():
    first, second = np.random.default_rng(0).normal(size=(2, 50))
    profile = np.stack([first, first * (1 + 1e-13), second, second - 1e-14])
    found = distances.correlation_distances(profile)
    assert found[0] == found[5] == 0 and found[1] == found[2] == found[3] == found[4]


def test_what_has_no_distance_is_nan():
    flat = np.array([[1.0, 1, 1], [1, 2, 3]])
    assert np.isnan(distances.correlation_distances(flat)).all()
    assert np.isnan(distances.correlation_distances(flat[:, :2])).all(), (
        "two units correlate at 1 or -1 whatever they are"
    )
    assert np.isnan(distances.euclidean_distances(flat[:, :0])).all()
    assert distances.correlation_distances(flat[:, :0]).shape == (1,)


def test_ranks_go_by_the_mean_absolute_profile_and_ties_by_the_number():
    assert distances.ranks(np.array([[1.0, -3, 2, 1], [-1, 3, -2, 1]])).tolist() == [3, 1, 2, 4]


def test_errors_leave_out_draws_that_lack_a_group():
    drawn = np.array([[[1.0]], [[3.0]], [[np.nan]]])
    assert distances.errors(drawn)[0, 0] == pytest.approx(np.sqrt(2))
    assert np.isnan(distances.errors(drawn[1:])).all()


def test_agreement_is_of_ranks():
    first = np.array([[1.0, 2, 3, 4], [1, 2, 3, np.nan], [1, 2, 3, 4], [1, 1, 1, 1]])
    second = np.array([[1.0, 4, 9, 16], [1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 3, 4]])
    np.testing.assert_allclose(distances.agreement(first, second), [1, np.nan, -1, np.nan])
