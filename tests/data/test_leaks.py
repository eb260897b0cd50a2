import numpy as np
import pytest

from heatproof.core.draws import generator
from heatproof.data.audit.leaks import TEST, TRAIN, VAL, leak_rate, nearest_in, neighbours, random_leaks, random_split
from heatproof.data.prepare.lookalikes import Pairs


def graph(*links: tuple[int, int, float]) -> Pairs:
    a, b, similarity = zip(*links, strict=True)
    return Pairs(np.array(a, np.int32), np.array(b, np.int32), np.array(similarity))


def test_leak_rate_by_hand():
    found = neighbours(6, graph((0, 1, 0.99), (0, 2, 0.95), (3, 4, 0.96)))
    splits = np.array([TEST, VAL, TRAIN, TEST, TEST, TRAIN])
    # 0 has 2 in train, but only at 0.95; 3 and 4 have each other, both in test
    assert leak_rate(splits, found, [0.95, 0.96]).tolist() == [1 / 3, 0]
    assert np.isnan(leak_rate(np.full(6, TRAIN), found, [0.95, 0.99])).all()


def test_nearest_is_that_of_a_full_matrix():
    rng = np.random.default_rng(0)
    count = 60
    similarity = np.triu(np.round(rng.random((count, count)), 2), 1)
    a, b = np.nonzero(similarity > 0.6)
    matrix = np.full((count, count), -1.0)
    matrix[a, b] = matrix[b, a] = similarity[a, b]
    found = neighbours(count, Pairs(a.astype(np.int32), b.astype(np.int32), similarity[a, b]))
    for share in (0.02, 0.5, 1.0):
        train, rows = rng.random(count) < share, rng.permutation(count)[:30]
        expected = np.where(train, matrix[rows], -1).max(1)
        np.testing.assert_array_equal(nearest_in(train, rows, found), expected)


def test_random_leak_of_couples_is_the_hypergeometric_one():
    """Of a couple in one class of n, the other is in train with probability train / (n - 1)."""
    couples = [(2 * i, 2 * i + 1, 0.97) for i in range(50)]
    labels = np.repeat([0, 1], 50)  # couples lie within a class
    leaks = random_leaks(labels, (0.6, 0.2, 0.2), neighbours(100, graph(*couples)), [0.95, 0.98], 2000, generator("t"))
    assert leaks.shape == (2000, 2) and (leaks[:, 1] == 0).all()
    assert leaks[:, 0].mean() == pytest.approx(30 / 49, abs=4 * leaks[:, 0].std() / 2000**0.5)


def test_random_leak_of_a_hub():
    """All look like image 0 and not like each other: an image leaks exactly if image 0 is in train."""
    star = neighbours(10, graph(*[(0, i, 1.0) for i in range(1, 10)]))
    leaks = random_leaks(np.zeros(10, int), (0.6, 0.2, 0.2), star, [0.9], 4000, generator("t"))[:, 0]
    # image 0 in train: 2 of 2 leak; in val: none; in test: itself leaks (6 in train), the other does not
    assert dict(zip(*np.round(np.unique(leaks, return_counts=True), 2), strict=True)).keys() == {0, 0.5, 1}
    assert leaks.mean() == pytest.approx(0.6 + 0.2 * 0.5, abs=0.02)


def test_random_splits_have_the_shares_in_every_class():
    labels = np.repeat([0, 1], [50, 10])
    splits = random_split(labels, (0.6, 0.2, 0.2), generator("t", 1))
    assert [np.bincount(splits[labels == label]).tolist() for label in (0, 1)] == [[30, 10, 10], [6, 2, 2]]
    assert (splits != random_split(labels, (0.6, 0.2, 0.2), generator("t", 2))).any()


def test_no_pairs_no_leak():
    none = Pairs(*(np.empty(0, np.int32),) * 2, np.empty(0))
    assert leak_rate(np.array([TRAIN, TEST]), neighbours(2, none), [0.95]).tolist() == [0]
