"""Splits: whole groups, the same shares of every class."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heatproof.data.split import SPLITS, split_groups
from heatproof.errors import InputError

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
CLASSES = ["normal", "benign", "malignant"]


def images(counts: list[int], per_group: int = 1) -> pd.DataFrame:
    """Images of `counts` groups of each class."""
    rows = [(label, f"g{label}_{g}") for label, n in enumerate(counts) for g in range(n) for _ in range(per_group)]
    return pd.DataFrame(rows, columns=["label", "group"])


def split(frame: pd.DataFrame, shares=SHARES, classes=CLASSES, seed=0) -> pd.Series:
    return split_groups(frame["label"], frame["group"], shares, classes[: frame["label"].max() + 1], "toy", seed)


@st.composite
def shares(draw):
    parts = np.array([draw(st.integers(5, 90)) for _ in SPLITS])
    return dict(zip(SPLITS, (parts / parts.sum()).tolist(), strict=True))


@settings(deadline=None)
@given(st.lists(st.integers(3, 60), min_size=2, max_size=3), st.integers(1, 3), shares(), st.integers(0, 99))
def test_whole_groups_in_every_class_by_share(counts, per_group, wanted, seed):
    frame = images(counts, per_group)
    frame["split"] = split(frame, wanted, seed=seed)
    assert (frame.groupby("group")["split"].nunique() == 1).all()
    found = frame.drop_duplicates("group").groupby(["label", "split"]).size()
    for label, count in enumerate(counts):
        assert set(found[label].index) == set(SPLITS) and found[label].sum() == count
        if min(wanted.values()) * count >= 1:
            assert all(abs(found[label][name] - count * wanted[name]) < 1 + 1e-9 for name in SPLITS)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    frame = images([7, 9, 11], 2)
    order = list(frame.index)
    random.shuffle(order)
    pd.testing.assert_series_equal(split(frame.loc[order]).sort_index(), split(frame))


def test_by_hand():
    frame = images([10, 5])
    found = pd.crosstab(frame["label"], split(frame))
    assert found.loc[0, list(SPLITS)].tolist() == [6, 2, 2]
    assert found.loc[1, list(SPLITS)].tolist() == [3, 1, 1]
    tiny = {"train": 0.98, "val": 0.01, "test": 0.01}  # every split gets one group at the least
    assert pd.crosstab(frame["label"], split(frame, tiny)).loc[1, list(SPLITS)].tolist() == [3, 1, 1]


def test_a_group_counts_for_the_class_of_most_of_its_images():
    frame = images([3, 3], 2)
    mixed = pd.DataFrame({"label": [0, 1, 1, 0, 1], "group": ["m", "m", "m", "tie", "tie"]})
    frame = pd.concat([frame, mixed], ignore_index=True)
    frame["split"] = split(frame)
    groups = frame.groupby("group")["split"]
    assert (groups.nunique() == 1).all()
    first = groups.first()
    assert sorted(first[["g0_0", "g0_1", "g0_2", "tie"]]) == ["test", "train", "train", "val"]
    assert sorted(first[["g1_0", "g1_1", "g1_2", "m"]]) == ["test", "train", "train", "val"]


def test_the_seed_and_the_study_shuffle():
    frame = images([40, 40])
    assert split(frame).equals(split(frame)) and not split(frame).equals(split(frame, seed=1))
    other = split_groups(frame["label"], frame["group"], SHARES, CLASSES[:2], "other", 0)
    assert not split(frame).equals(other)


def test_classes_are_shuffled_apart():
    frame = images([200, 200])
    one, two = (split(frame)[frame["label"] == label].to_numpy() for label in (0, 1))
    assert (one == two).mean() < 0.6  # chance: .44


@pytest.mark.parametrize(("counts", "name", "there"), [([3, 2, 5], "benign", 2), ([1, 3, 3], "normal", 1)])
def test_too_few_groups(counts, name, there):
    with pytest.raises(InputError) as caught:
        split(images(counts, 4))
    assert str(caught.value) == (
        f"data.classes: class '{name}' has {there} group(s); train, val and test need one each, so at least three"
    )
