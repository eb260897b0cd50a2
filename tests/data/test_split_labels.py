"""Splits of images with several labels: whole groups, the shares of every label that enough groups have."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatproof.core.messages import InputError
from heatproof.data.prepare.split import SPLITS, arrange, deal_labels, few_groups, nearest_labels
from heatproof.store.artifacts import multihot

CONFIG = {"by": "patient", "train": 0.5, "val": 0.15, "test": 0.35, "tolerance": 0.5, "folds": 1, "compare": None}
SHARES = [0.5, 0.15, 0.35]
NAMES = ["a", "b", "c", "d"]


def drawn(seed: int, patients: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of patients of 1 to 6 images, each rarer than the one before; some of their images lack them."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([f"p{p}" for p in range(patients)], rng.integers(1, 7, patients))
    held = rng.random((patients, 4)) < [0.8, 0.4, 0.15, 0.05]
    truth = held[pd.factorize(groups)[0]] & (rng.random((len(groups), 4)) < 0.8)
    return truth, groups


def framed(truth: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame({"image_id": [f"i{n}" for n in range(len(groups))], "label": pd.NA, "group": groups})
    return pd.concat([frame, multihot("label", truth)], axis=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 60), st.sampled_from([1, 3, 5]))
def test_images_of_a_patient_never_cross(seed, patients, folds):
    frame = framed(*drawn(seed, patients))
    dealt = arrange(frame, CONFIG | {"folds": folds}, NAMES, "toy", seed)
    assert list(dealt) == [f"fold{k}" for k in range(folds)]
    for fold in dealt:
        assert (dealt[fold].groupby(frame["group"]).nunique() == 1).all()
        assert set(dealt[fold]) == set(SPLITS)
    if folds > 1:
        for part in ("test", "val"):
            assert ((dealt == part).sum(axis=1) == 1).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(seed, random):
    frame = framed(*drawn(seed, 20))
    order = list(frame.index)
    random.shuffle(order)
    shuffled = arrange(frame.loc[order], CONFIG, NAMES, "toy", 0).sort_index()
    pd.testing.assert_frame_equal(shuffled, arrange(frame, CONFIG, NAMES, "toy", 0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_shares_of_labels_in_enough_groups_are_met_or_refused(seed):
    truth, groups = drawn(seed, 120)
    parts = deal_labels(truth, groups, SHARES, NAMES, seed, tolerance=0.05, attempts=200)
    few = few_groups(truth, groups, SHARES)
    for label in set(range(4)) - set(few):
        got = np.bincount(parts[truth[:, label]], minlength=3) / truth[:, label].sum()
        assert np.abs(got - SHARES).max() <= 0.05 + 1e-12


def test_by_hand():
    """Twenty patients of one image: ten with label 0, four of these with the rarer label 1, and ten with none."""
    truth = np.zeros((20, 2), bool)
    truth[:10, 0] = truth[:4, 1] = True
    parts = nearest_labels(truth, np.arange(20), [0.5, 0.5], "toy", tolerance=0.01, attempts=1)[0]
    for rows in (truth[:, 1], truth[:, 0], ~truth[:, 0]):
        assert np.bincount(parts[rows]).tolist() == [rows.sum() / 2] * 2


def test_labels_in_few_groups_fall_as_they_fall():
    truth = np.zeros((60, 3), bool)
    truth[:, 0], truth[:13, 1], truth[:1, 2] = True, True, True
    groups = np.arange(60)
    assert few_groups(truth, groups, SHARES) == {1: 13, 2: 1}  # .15 of 13 groups is less than two of them
    assert few_groups(truth, groups, [0.5, 0.5]) == {2: 1}
    parts, missed = nearest_labels(truth, groups, SHARES, "toy", tolerance=0.05, attempts=200)
    assert missed[1:].tolist() == [0, 0] and missed[0] <= 0.05
    assert np.bincount(parts[:13], minlength=3).tolist() == [6, 2, 5]  # near its shares all the same
    assert parts[0] == 0  # where it is most due


def test_a_label_that_no_deal_fits_is_refused():
    groups = np.array(["large"] * 80 + [f"g{n}" for n in range(19)])
    with pytest.raises(InputError) as caught:
        deal_labels(np.ones((99, 1), bool), groups, SHARES, ["ill"], "toy", tolerance=0.1, attempts=200)
    assert str(caught.value) == (
        "data.split: label 'ill': 99 images in 20 groups: shares of 0.5 / 0.15 / 0.35 are missed by 0.31 at best; "
        "raise data.split.tolerance (0.1), or fix the shares"
    )


def test_fewer_groups_than_parts_are_refused():
    with pytest.raises(InputError, match=r"data\.split: 2 groups are too few for 3 parts; get more images"):
        deal_labels(np.ones((4, 1), bool), np.array(list("aabb")), SHARES, ["ill"], 0, tolerance=0.5, attempts=5)


def test_the_seed_shuffles():
    truth, groups = drawn(0, 60)
    one, again, two = (
        deal_labels(truth, groups, SHARES, NAMES, seed, tolerance=0.2, attempts=5) for seed in ("a", "a", "b")
    )
    assert (one == again).all() and (one != two).any()
