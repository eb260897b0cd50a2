import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from heatproof.data.audit.trivial import TooFewGroups, deal_folds, linear_margins, linear_scores, nearest_rows

CLASSES = ["a", "b", "c"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=2, max_size=60), st.integers(2, 6))
def test_folds_hold_whole_groups_and_every_class(rows, folds):
    labels, groups = np.array(rows).T
    present = np.unique(labels)
    held = [len(set(groups[labels == label])) for label in present]
    if len(present) < 2 or min(held) < 2:
        with pytest.raises(TooFewGroups):
            deal_folds(labels, groups, folds, CLASSES, "t")
        return
    dealt = deal_folds(labels, groups, folds, CLASSES, "t")
    count = len(set(dealt))
    assert set(dealt) == set(range(count)) and 2 <= count <= min(folds, *held)
    for group in np.unique(groups):
        assert len(set(dealt[groups == group])) == 1
    for label in present:
        assert set(dealt[labels == label]) == set(range(count))


def test_folds_are_even_and_keyed():
    labels = np.repeat([0, 1], [60, 30])
    dealt = deal_folds(labels, np.arange(90), 5, CLASSES, "t", 0)
    assert np.bincount(dealt[labels == 0]).tolist() == [12] * 5 and np.bincount(dealt[labels == 1]).tolist() == [6] * 5
    np.testing.assert_array_equal(dealt, deal_folds(labels, np.arange(90), 5, CLASSES, "t", 0))
    assert (dealt != deal_folds(labels, np.arange(90), 5, CLASSES, "t", 1)).any()


@pytest.mark.parametrize(
    ("labels", "groups", "why"),
    [
        ([0, 0, 2, 2], [0, 1, 2, 2], ("few_groups", "c")),
        ([0, 0, 1], [0, 0, 0], ("few_groups", "a")),
        ([1, 1, 1], [0, 1, 2], ("one_class", "")),
    ],
)
def test_too_few_groups_are_told(labels, groups, why):
    with pytest.raises(TooFewGroups) as caught:
        deal_folds(np.array(labels), np.array(groups), 5, CLASSES, "t")
    assert (caught.value.reason, caught.value.lacks) == why


def test_nearest_is_that_of_numpy_in_every_assignment_and_block():
    rng = np.random.default_rng(0)
    thumbnails = rng.integers(0, 256, (70, 32, 32), np.uint8)
    assignments = [rng.integers(0, folds, 70).astype(np.int8) for folds in (2, 3, 5)]
    correlation = np.corrcoef(thumbnails.reshape(70, -1).astype(float))
    for block, threads in ((2048, 2), (16, 1)):
        with threadpool_limits(threads):
            found = nearest_rows(thumbnails, assignments, block=block)
        for rows, folds in zip(found, assignments, strict=True):
            expected = np.where(folds[:, None] != folds, correlation, -2).argmax(1)
            np.testing.assert_array_equal(rows, expected)


def test_the_nearest_of_twins_is_the_earlier_and_a_constant_image_is_no_ones():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (3, 32, 32), np.uint8)
    images = np.stack([np.full((32, 32), 9, np.uint8), base[1], base[1], base[0], base[1]])
    folds = np.array([0, 0, 0, 1, 1], np.int8)
    assert nearest_rows(images, [folds])[0, 4] == 1
    assert nearest_rows(255 - images, [folds], block=2)[0].tolist()[4] == 1


@pytest.mark.parametrize("width", [12, 90])  # with more features than images it is fitted in another space
@pytest.mark.parametrize("alpha", [1.0, 50.0])
def test_the_linear_model_is_scikit_learns(alpha, width):
    rng = np.random.default_rng(0)
    labels = rng.choice(3, (2, 100), p=[0.6, 0.3, 0.1])
    features = rng.normal(5, 3, (100, width)) * np.logspace(-3, 3, width)
    features[:, :3] += 6 * np.eye(3)[labels[0]] * np.logspace(-3, 3, width)[:3]
    features[:, 5] = 7.0  # tells nothing
    folds = rng.integers(0, 4, 100)
    ours = linear_scores(features, labels, folds, alpha)
    for target, scores in zip(labels, ours, strict=True):
        for fold in range(4):
            model = make_pipeline(StandardScaler(), RidgeClassifier(alpha, class_weight="balanced"))
            model.fit(features[folds != fold], target[folds != fold])
            expected = (model.decision_function(features[folds == fold]) + 1) / 2  # scikit-learn's classes are -1 and 1
            np.testing.assert_allclose(scores[folds == fold], expected, atol=1e-5)
    assert (ours[0].argmax(1) == labels[0]).mean() > 0.5 > (ours[1].argmax(1) == labels[1]).mean()


def test_a_class_that_no_training_image_has_is_never_predicted():
    labels = np.array([[0, 0, 0, 1, 1, 1, 2, 2]])
    scores = linear_scores(np.arange(24).reshape(8, 3), labels, np.array([0, 1, 0, 1, 0, 1, 0, 0]), 1.0)
    assert np.isneginf(scores[0, :, 2]).tolist() == [True, False, True, False, True, False, True, True]
    assert np.isfinite(linear_margins(scores, labels)).all()


def test_accuracy_is_balanced_and_margins_tell_equal_ones_apart():
    labels = np.array([[0, 0, 0, 1]] * 2)
    scores = np.array([[[1, 0], [0.9, 0], [0.0, 0.3], [0, 0.5]], [[1, 0], [0.9, 0], [0.0, 0.1], [0, 0.5]]])
    found = linear_margins(scores, labels)
    np.testing.assert_allclose(found, [[5 / 6, (1.6 / 3 + 0.5) / 2], [5 / 6, (1.8 / 3 + 0.5) / 2]])


def test_features_that_tell_nothing_give_the_first_class_to_all():
    labels = np.tile([0, 1, 2], 20)
    scores = linear_scores(np.full((60, 4), 3.3), labels[None], np.arange(60) % 5, 4.0)
    assert (scores[0].argmax(1) == 0).all()  # rounding must not decide


def test_bytes_and_floats_are_fitted_alike():
    rng = np.random.default_rng(0)
    labels, folds = rng.integers(0, 2, (1, 100)), np.arange(100) % 5
    pixels = rng.integers(0, 256, (100, 30), np.uint8)
    np.testing.assert_array_equal(
        linear_scores(pixels, labels, folds, 30.0), linear_scores(pixels.astype(float), labels, folds, 30.0)
    )
