"""From images to what audit.json says, on cases made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from heatproof.core.messages import InputError
from heatproof.data.audit import leaks
from heatproof.data.audit.assemble import audit, nonsquare, truth_lost
from heatproof.data.audit.leaks import count_duplicates
from heatproof.data.audit.material import Material, Settings
from heatproof.data.audit.probes import View
from heatproof.data.audit.results import Audit, Copies, Duplicates, Pair, Step, TruthLost
from heatproof.data.prepare.lookalikes import clusters, pairs
from heatproof.data.prepare.split import nearest_deal
from heatproof.store import artifacts

CLASSES = ["normal", "ill"]
SETTINGS = Settings(threshold=0.95, sweep=(0.9, 0.95, 0.99), draws=50, bootstrap=200, shares=(0.5, 0.25, 0.25))


def thumbnails(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(count, 32, 32)), (0, 2, 2))
    return np.clip(128 + 40 * fields / fields.std(), 0, 255).astype(np.uint8)


def material(images: np.ndarray, labels, groups, kind="lookalike", sizes=None, **options) -> Material:
    count = len(images)
    known = pd.DataFrame(sizes if sizes is not None else [(64, 64)] * count, columns=["width", "height"])
    known = known.assign(mode="L", format="PNG", quality=np.nan, bytes=1000)
    plain = {
        "image_ids": np.array([f"i{row}" for row in range(count)], object),
        "labels": np.asarray(labels),
        "classes": CLASSES,
        "sha256": np.array([f"f{row}" for row in range(count)], object),
        "pictures": np.array([f"d{row}" for row in range(count)], object),
        "groups": None if groups is None else np.asarray(groups),
        "group_kind": kind,
        "raw": View(images, np.zeros((count, 4), int), known),
        "fitted": View(images, np.zeros((count, 4), int)),
    }
    return Material(**(plain | options))


def noisy(image: np.ndarray, amount: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(-amount, amount + 1, image.shape)
    return np.clip(image.astype(int) + drawn, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def case() -> tuple[Material, Audit, pd.DataFrame]:
    """24 images: 0 and 1 are one file, 2 and 3 one picture, 4 to 6 look alike; the rest looks like nothing else."""
    images = thumbnails(24)
    images[1], images[3] = images[0], images[2]
    images[5], images[6] = noisy(images[4], 12, 1), noisy(images[4], 12, 2)
    labels = np.arange(24) % 2
    labels[[0, 1]] = 0, 1  # a conflict
    labels[[2, 3]] = 1, 1
    labels[[4, 5, 6]] = 0, 0, 1  # two look-alike conflicts
    made = material(images, labels, None)
    made.sha256[1], made.pictures[1], made.pictures[3] = made.sha256[0], made.pictures[0], made.pictures[2]
    split = np.array(["train", "val", "test", "train"] * 6, object)
    split[[0, 1, 2, 3, 4, 5, 6]] = "train", "test", "train", "train", "val", "test", "test"
    made = replace(made, splits={"fold0": split, "random0": np.full(24, "train", object)})
    found, listed = audit(made, SETTINGS, ("t", 0))
    return made, found, listed


def test_duplicates_are_counted_by_kind(case):
    _, found, _ = case
    assert found.duplicates == Duplicates(Copies(1, 2, 1), Copies(2, 4, 1), Copies(5, 7, 3, 0, 3))
    assert (found.images, found.groups, found.group_kind) == (24, 20, "lookalike")
    assert found.counts == {"normal": 11, "ill": 13} and found.classes == tuple(CLASSES)


def test_copies_are_counted_without_a_list_of_pairs():
    rng = np.random.default_rng(0)
    keys, labels = rng.integers(0, 8, 60), rng.integers(0, 3, 60)
    same = [(a, b) for a in range(60) for b in range(a + 1, 60) if keys[a] == keys[b]]
    images, across = len({row for pair in same for row in pair}), sum(labels[a] != labels[b] for a, b in same)
    assert count_duplicates(keys, labels) == Copies(len(same), images, across)


def test_conflicts_are_listed_the_most_alike_first(case):
    _, found, listed = case
    first, *others = found.conflicts
    assert first == Pair("i0", "i1", 0, 1, "normal", "ill", 1.0, "bytes")
    assert sorted((row.row_a, row.row_b, row.kind) for row in others) == [
        (4, 6, "lookalike"),
        (5, 6, "lookalike"),
    ]
    assert others[0].similarity >= others[1].similarity >= 0.95
    assert list(listed) == list(artifacts.AUDIT_PAIRS)
    assert listed["image_a"].tolist()[0] == "i0" and listed.kind.tolist().count("pixels") == 1
    assert (listed.label_a != listed.label_b).tolist() == [True] * 3 + [False] * 2
    assert listed.loc[listed["image_b"] == "i3", ["split_a", "split_b"]].to_numpy().tolist() == [["train", "train"]]


def test_leaks_are_those_of_each_split(case):
    made, found, _ = case
    tested = made.splits["fold0"] == "test"
    # of the tested images 1 has its copy in train; 5 and 6 have each other, in test, and 4, in val
    assert found.leak.split == {"fold0": pytest.approx(1 / tested.sum()), "random0": None}
    random = found.leak.random
    assert random.draws == 50 and 0 <= random.low < random.mean < random.high < 0.6


def test_the_sweep_is_what_each_threshold_gives(case):
    made, found, _ = case
    assert [row.threshold for row in found.sweep] == [0.9, 0.95, 0.99]
    for row in found.sweep:
        alike = pairs(made.raw.thumbnails, row.threshold)
        sizes = np.bincount(clusters(24, alike.a, alike.b))
        assert (row.pairs, row.clusters, row.largest) == (len(alike), len(sizes), sizes.max())
        assert sum(row.clusters_by_class.values()) == len(sizes)
        assert row.split is True and row.reason == "" and 0 <= row.worst_share <= 0.2
    middle = found.sweep[1]
    assert middle.clusters_by_class == {"normal": 10, "ill": 10}  # 0 and 1 tie, so theirs counts for the first
    assert middle.leak_random == found.leak.random.mean
    grouped = [row for row in found.probes if (row.probe, row.split) == ("neighbour", "grouped")]
    assert middle.neighbour == pytest.approx(grouped[0].balanced_accuracy)  # the same groups and folds


def test_every_probe_stands_at_both_stages_and_under_both_splits(case):
    _, found, _ = case
    keys = [(row.stage, row.probe, row.split) for row in found.probes]
    probes = ("neighbour", "facts", "shape", "border", "outside")
    stages, splits = ("raw", "preprocessed"), ("random", "grouped")
    assert keys == [(stage, probe, split) for stage in stages for probe in probes for split in splits]
    assert {row.groups for row in found.probes} == {20} and found.nonsquare is None


def test_the_same_again_and_with_another_key(case):
    made, found, _ = case
    assert audit(made, SETTINGS, ("t", 0))[0] == found
    assert audit(made, SETTINGS, ("t", 1))[0].leak.random != found.leak.random


def test_thresholds_with_too_many_pairs_are_left_empty():
    images = thumbnails(20)
    base = thumbnails(1, seed=9)[0]
    images[:6] = [noisy(base, 20, seed) for seed in range(6)]  # 15 pairs, between 0.9 and 0.95
    images[7] = noisy(images[6], 3, 9)
    made = material(images, np.arange(20) % 2, None)
    assert [len(pairs(images, each)) for each in SETTINGS.sweep] == [16, 1, 1]
    low, *rest = audit(made, replace(SETTINGS, limit=15), ("t",))[0].sweep
    assert low == Step(0.9, reason="too_many_pairs")
    assert [row.pairs for row in rest] == [1, 1]
    with pytest.raises(InputError) as caught:
        audit(made, replace(SETTINGS, limit=0, option="--threshold"), ("t",))
    assert str(caught.value) == "--threshold: more than 0 pairs of images look alike at 0.95: raise it"


def test_a_split_that_is_not_possible_is_said():
    """A class of one large cluster and two single images cannot be split into halves and quarters."""
    images = thumbnails(24)
    images[1:10] = [noisy(images[0], 3, seed) for seed in range(9)]
    labels = np.array([0] * 12 + [1] * 12)
    rows = audit(material(images, labels, None), SETTINGS, ("t",))[0].sweep
    assert [(row.split, row.clusters_by_class["normal"]) for row in rows] == [(False, 3)] * 3
    assert rows[0].worst_share == pytest.approx(10 / 12 - 0.5)
    two = audit(material(images[:11], np.array([0] * 9 + [1] * 2), None), SETTINGS, ("t",))[0].sweep[0]
    assert (two.split, two.worst_share) == (False, None)  # a class has fewer groups than there are parts


def test_a_threshold_that_is_not_in_use_is_not_tried_as_hard(monkeypatch):
    tried = []

    def deal(*arguments, attempts, **options):
        tried.append(attempts)
        return nearest_deal(*arguments, attempts=attempts, **options)

    monkeypatch.setattr(leaks, "nearest_deal", deal)
    audit(material(thumbnails(24), np.arange(24) % 2, None), SETTINGS, ("t",))
    assert tried == [50, 200, 50]  # at 0.95 as hard as a data job


def test_images_dealt_one_by_one_are_probed_by_clusters():
    images = np.repeat(thumbnails(20), 2, axis=0)
    labels = np.repeat(np.arange(20) % 2, 2)
    found = audit(material(images, labels, np.arange(40), kind="image"), SETTINGS, ("t",))[0]
    assert found.groups == 40 and {row.groups for row in found.probes} == {20}
    random, grouped = (row.balanced_accuracy for row in found.probes[:2])
    assert random >= 0.9 and grouped < 0.85


def test_look_alikes_of_two_patients_are_counted():
    images = np.repeat(thumbnails(20), 2, axis=0)
    labels = np.repeat(np.arange(20) % 2, 2)
    patients = np.repeat(np.arange(20), 2)
    patients[1] = 2  # a look-alike of image 0, and of the class of patient 2
    found = audit(material(images, labels, patients, kind="patient"), SETTINGS, ("t",))[0]
    assert found.duplicates.lookalikes.across_groups == 1


def test_cross_validation_takes_its_shares_from_the_folds():
    settings = replace(SETTINGS, shares=(0.25,) * 4, cross_validated=True)
    assert settings.three_shares == (0.5, 0.25, 0.25) and SETTINGS.three_shares == (0.5, 0.25, 0.25)
    images = thumbnails(32)
    split = {
        f"fold{fold}": np.array(["test" if row % 4 == fold else "train" for row in range(32)]) for fold in range(4)
    }
    images[1] = images[0]
    made = material(images, np.arange(32) // 16, None, splits=split)
    found = audit(made, settings, ("t",))[0]
    assert found.leak.split == {"fold0": 1 / 8, "fold1": 1 / 8, "fold2": 0, "fold3": 0}
    assert found.duplicates.lookalikes.across_splits == 1
    assert found.sweep[0].split and found.sweep[0].worst_share < 0.1


def odd_shapes() -> tuple[Material, np.ndarray]:
    """Of the ill, 20 images that are not square, and which these are."""
    labels = np.arange(120) // 60
    odd = (labels == 1) & (np.arange(120) % 3 == 0)
    sizes = [(801, 512) if each else (512, 512) for each in odd]
    return material(thumbnails(120), labels, np.arange(120), sizes=sizes), odd


def test_images_that_are_not_square():
    made, odd = odd_shapes()
    margins = np.zeros((120, 4), int)
    margins[:, 0] = 40 * odd  # the bars of padding
    margins[:60, 1] = 99  # in the class without such images, which is not asked about
    found = nonsquare(replace(made, fitted=View(made.fitted.thumbnails, margins)), made.groups, SETTINGS, ("t",))
    assert (found.images, found.by_class, found.groups) == (20, {"normal": 0, "ill": 20}, 20)
    assert found.probes[0].stage == "raw" and found.probes[0].balanced_accuracy == 1 and found.probes[0].groups == 60
    after = found.probe("nonsquare")
    assert after.low > 0.5 and (after.stage, after.split, after.chance) == ("preprocessed", "grouped", 0.5)
    assert all(found.probe(f"nonsquare_{name}").low < 0.5 for name in ("border", "outside"))


@pytest.mark.parametrize(("shares", "told"), [((1 / 3, 1 / 3), False), ((1 / 2, 0), True)])
def test_images_that_are_not_square_count_where_classes_differ_in_them(shares, told):
    labels, place = np.arange(60) // 30, np.arange(60) % 30
    sizes = [(801, 512) if each else (512, 512) for each in place < 30 * np.array(shares)[labels]]
    made = material(thumbnails(60), labels, np.arange(60), sizes=sizes)
    found = nonsquare(made, made.groups, SETTINGS, ("t",))
    assert (found.p <= 0.025) is told and len(found.examples) == 3
    few = np.arange(60) % 19
    assert nonsquare(made, few, SETTINGS, ("t",)).p is None


def test_without_a_margin_no_number_stands_for_images_that_are_not_square():
    """Squashed images have no margins: 0.50 would be there by construction."""
    made, _ = odd_shapes()
    after = nonsquare(made, made.groups, SETTINGS, ("t",)).probe("nonsquare")
    assert after.balanced_accuracy is None and after.low is None
    assert after.reason == "no_margin"


@pytest.mark.parametrize("place", [(0, slice(None)), (slice(3, 6), slice(3, 6))])
def test_what_squashing_leaves_of_an_odd_shape_is_found(place):
    made, odd = odd_shapes()
    left = made.fitted.thumbnails.copy()
    left[(odd, *place)] = 255
    found = nonsquare(replace(made, fitted=View(left, made.fitted.margins)), made.groups, SETTINGS, ("t",))
    assert found.probe("nonsquare_outside").low > 0.5
    assert (found.probe("nonsquare_border").low > 0.5) == (place[0] == 0)


def test_odd_shapes_in_few_groups_have_a_wide_interval():
    made, odd = odd_shapes()
    groups = np.where(odd, 1000 + np.cumsum(odd) % 3, np.arange(120))
    found = nonsquare(made, groups, SETTINGS, ("t",))
    row = found.probe("nonsquare_border")
    assert found.groups == 3 and row.high - row.low > 0.1


def test_truth_that_preprocessing_takes_away_is_counted():
    made = material(thumbnails(5), [0, 0, 1, 1, 1], None)
    kept = np.array([np.nan, 0.9, 0.89, 0.0, 1.0])
    assert truth_lost(replace(made, truth_kept=kept)) == TruthLost(2, 1, 4, ("i3", "i2"))
    assert truth_lost(replace(made, truth_kept=kept[:1])) is None and truth_lost(made) is None


def test_one_image_that_is_not_square_cannot_be_probed():
    made = material(thumbnails(6), [0, 0, 0, 1, 1, 1], np.arange(6), sizes=[(9, 8), *[(8, 8)] * 5])
    found = nonsquare(made, made.groups, SETTINGS, ("t",))
    assert {(row.reason, row.lacks) for row in found.probes} == {("few_groups", "not square")}


def test_one_class_is_no_error():
    made = replace(material(thumbnails(12), np.zeros(12, int), None), classes=["all"])
    found = audit(made, SETTINGS, ("t",))[0]
    assert {row.reason for row in found.probes} == {"one_class"}
    assert found.duplicates.lookalikes.pairs == 0 and found.leak.random.mean == 0
