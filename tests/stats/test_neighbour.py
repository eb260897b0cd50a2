"""The nearest thumbnail and the largest class, against plain loops and scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from heatproof.stats.accuracy.published import FREQUENT, NEIGHBOUR, answers, nearest


def thumbnails(count, side=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side), dtype=np.uint8)


def slowly(pictures, train, test):
    """One pair after another, by numpy's own correlation."""
    flat = pictures.reshape(len(pictures), -1)
    return [train[np.argmax([np.corrcoef(flat[t], flat[k])[0, 1] for k in train])] for t in test]


def test_agrees_with_a_plain_loop():
    pictures, rows = thumbnails(60), np.random.default_rng(1).permutation(60)
    train, test = np.sort(rows[:40]), rows[40:]
    assert nearest(pictures, train, test).tolist() == slowly(pictures, train, test)


def test_agrees_with_scikit_learn():
    pictures, labels = thumbnails(90, side=32), np.arange(90) % 3
    train, test = np.arange(60), np.arange(60, 90)
    model = KNeighborsClassifier(1, algorithm="brute", metric="correlation")
    flat = pictures.reshape(90, -1).astype(float)
    expected = model.fit(flat[train], labels[train]).predict(flat[test])
    assert (answers(pictures, labels, train, test)[NEIGHBOUR] == expected).all()


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_change_nothing(block):
    pictures, train, test = thumbnails(50, seed=3), np.arange(0, 50, 2), np.arange(1, 50, 2)
    assert (nearest(pictures, train, test, block=block) == nearest(pictures, train, test)).all()


def test_brightness_and_contrast_do_not_matter():
    pictures = thumbnails(10) // 4
    copies = (2 * pictures + 50)[::-1]
    found = nearest(np.concatenate([pictures, copies]), np.arange(10), np.arange(10, 20))
    assert found.tolist() == list(range(10))[::-1]


def test_of_equals_the_first_is_taken_and_what_is_constant_is_like_nothing():
    picture = thumbnails(1)[0]
    flat = np.full_like(picture, 7)
    inverse = 255 - picture
    pictures = np.stack([flat, picture, picture, inverse, picture, flat, inverse])
    # of the training images 0 to 3: twice the same, none for a constant one, and the constant one before the opposite
    assert nearest(pictures, np.arange(4), np.array([4, 5, 6])).tolist() == [1, 0, 3]
    assert nearest(pictures, np.array([0, 3]), np.array([4])).tolist() == [0]


def test_the_most_frequent_class_is_that_of_the_training_images():
    labels = np.array([2, 2, 1, 1, 0, 0, 0, 0])
    found = answers(thumbnails(8), labels, np.arange(5), np.arange(5, 8))
    assert found[FREQUENT].tolist() == [1, 1, 1]  # of two equally frequent ones the first


def test_of_several_labels_the_nearest_image_has_all_and_most_images_those_of_more_than_half():
    pictures = np.concatenate([thumbnails(4), thumbnails(4)[::-1]])
    labels = np.array([[1, 0, 1], [1, 0, 0], [1, 1, 0], [0, 1, 0], *[[0, 0, 0]] * 4], bool)
    found = answers(pictures, labels, np.arange(4), np.arange(4, 8))
    assert (found[NEIGHBOUR] == labels[:4][::-1]).all()
    assert (found[FREQUENT] == [True, False, False]).all()  # three of four; two and one of four are not more than half
