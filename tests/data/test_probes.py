from itertools import islice

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from sklearn.metrics import balanced_accuracy_score

from bench.probes import Images, draw, one
from heatproof.core.draws import generator
from heatproof.data.audit.probes import (
    LINEAR,
    View,
    border_features,
    deal_both,
    facts_features,
    measure,
    memory_p,
    neighbour_labels,
    outside_features,
    probe_linear,
    probe_stage,
    shape_features,
)
from heatproof.data.audit.trivial import LEVEL, parts, permuted

CLASSES = ["normal", "ill"]


def images(count: int, seed: int = 0) -> np.ndarray:
    """Smooth thumbnails that look nothing like each other."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(count, 32, 32)), (0, 3, 3))
    return np.clip(128 + 40 * fields / fields.std(), 0, 255).astype(np.uint8)


def facts(count: int, **columns) -> pd.DataFrame:
    plain = {"width": 512, "height": 512, "mode": "L", "format": "JPEG", "quality": 90.0, "bytes": 30000}
    return pd.DataFrame(plain | columns, index=range(count))


def view(count: int, seed: int = 0, **columns) -> View:
    return View(images(count, seed), np.zeros((count, 4), int), facts(count, **columns))


def run(seen: View, labels, groups, seed=0, draws=300) -> dict:
    """The probes of one stage by name and split."""
    labels, groups = np.asarray(labels), np.asarray(groups)
    dealt = deal_both(labels, groups, CLASSES, 5, "t", seed)
    nearest = dict(zip(dealt, neighbour_labels(seen.thumbnails, labels, list(dealt.values())), strict=True))
    ids = np.arange(len(labels))
    rows = probe_stage("raw", seen, nearest, dealt, labels, groups, ids, draws=draws, key=("t", seed))
    assert [row.probe for row in rows[::2]] == ["neighbour", "facts", "shape", "border", "outside"]
    assert all(row.stage == "raw" for row in rows)
    return {(row.probe, row.split): row for row in rows}


COUNT = 160
LABELS = np.arange(COUNT) % 2
GROUPS = np.arange(COUNT) // 4 * 2 + LABELS  # two images a group


def marked(where: tuple) -> View:
    """Brighter in one place where ill, in 95 % of the images."""
    seen = view(COUNT)
    wrong = np.random.default_rng(1).random(COUNT) < 0.05
    bright = seen.thumbnails.copy()
    place = bright[(LABELS == 1) != wrong]
    place[(slice(None), *where)] = np.minimum(255, place[(slice(None), *where)].astype(int) + 90)
    bright[(LABELS == 1) != wrong] = place
    return View(bright, seen.margins, seen.facts)


MARGINS = np.stack([LABELS * 3, np.zeros(COUNT, int), np.zeros(COUNT, int), np.zeros(COUNT, int)], 1)
SMALL_OR_LARGE = np.tile([300, 300, 700, 700], COUNT // 4)  # on both sides of the others: no line parts them
CUES = {
    # `outside` reads it among 768 pixels: p is .04
    "a mark in the corner": (marked((0, slice(0, 3))), {"facts", "border"}),
    "a mark inside": (marked((slice(4, 7), slice(4, 7))), {"outside"}),
    "a wide image": (view(COUNT, width=np.where(LABELS, 640, 512)), {"facts", "shape"}),
    "any of two sizes": (
        view(COUNT, width=np.where(LABELS, 512, np.tile([300, 300, 700, 700], 40))),
        {"facts", "shape"},
    ),
    "a margin": (View(images(COUNT), MARGINS, facts(COUNT)), {"facts", "shape"}),
    "the mode": (view(COUNT, mode=np.where(LABELS, "RGB", "L")), {"facts"}),
    "the format": (view(COUNT, format=np.where(LABELS, "PNG", "JPEG")), {"facts"}),
    "the JPEG quality": (view(COUNT, quality=np.where(LABELS, 90.0, 75.0)), {"facts"}),
    "no JPEG quality": (view(COUNT, quality=np.where(LABELS, np.nan, 75.0)), {"facts"}),
    "the bytes": (view(COUNT, bytes=np.where(LABELS, 60000, 30000)), {"facts"}),
}


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.slow
def test_a_planted_cue_is_found_by_the_probes_that_see_it_and_by_no_other(cue):
    seen, finders = CUES[cue]
    found = run(seen, LABELS, GROUPS)
    assert {probe for probe in LINEAR if found[probe, "grouped"].p <= LEVEL} == finders
    for probe in finders:
        row = found[probe, "grouped"]
        assert row.balanced_accuracy > 0.55 and 2 <= len(row.examples) <= 3
        assert set(LABELS[np.array(row.examples, int)]) == {0, 1} and found[probe, "random"].p is None


@pytest.mark.parametrize("cue", ["a mark in the corner", "a wide image"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.slow
def test_with_permuted_labels_nothing_is_found(cue, seed):
    seen, finders = CUES[cue]
    by_group = np.random.default_rng(seed).permutation(np.arange(80) % 2)
    found = run(seen, by_group[np.unique(GROUPS, return_inverse=True)[1]], GROUPS)
    for probe in ("neighbour", *finders):
        row = found[probe, "grouped"]
        assert row.p is None or row.p > LEVEL, probe
        assert 0.35 < row.balanced_accuracy < 0.62, probe


def test_twins_are_remembered_under_the_random_split_and_not_under_the_grouped():
    thumbnails = np.repeat(images(80), 2, axis=0)
    thumbnails[1::2, 5, 5] ^= 1
    labels = np.repeat(np.random.default_rng(0).integers(0, 2, 80), 2)
    found = run(View(thumbnails, np.zeros((160, 4), int), facts(160)), labels, np.repeat(np.arange(80), 2))
    random, grouped = found["neighbour", "random"], found["neighbour", "grouped"]
    assert random.low > 0.6 and random.low > grouped.high and grouped.low < 0.5 < grouped.high
    assert random.groups == grouped.groups == 80 and random.chance == 0.5


@pytest.mark.parametrize(("twins", "found"), [(40, True), (0, False)])
def test_memory_is_what_a_random_split_adds(twins, found):
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(40), 2)
    labels = rng.integers(0, 2, 80)
    grouped = rng.integers(0, 2, 80)
    random = np.where(np.arange(80) < 2 * twins, labels, rng.integers(0, 2, 80))
    p = memory_p(labels, random, grouped, groups, np.random.default_rng(1))
    assert (p <= LEVEL) is found
    assert memory_p(labels[:38], random[:38], grouped[:38], groups[:38], rng) is None  # 19 groups


def test_false_alarms_are_as_rare_as_the_level_promises():
    """`bench/probes.py` has this in full. Two images a group, alike; were images permuted, 1 in 4 would be found."""
    images, p = Images(20, 2), []
    for number in range(120):
        rng = np.random.default_rng(number)
        seen, labels, groups = draw(images, rng)
        folds = deal_both(labels, groups, CLASSES, 5, "t", number)["grouped"]
        p.append(probe_linear(border_features(seen), labels, groups, folds, True, 10, rng)["p"])
    p = np.array(p)
    for level in (LEVEL, 0.1, 0.25):
        assert abs((p <= level).mean() - level) < 3 * np.sqrt(level * (1 - level) / len(p)), level


def test_a_cue_in_thirty_groups_is_found():
    found = [one(Images(30, 2, cue=60.0), ("border", "shape"), number) for number in range(8)]
    assert np.mean([row["border"][0] for row in found]) >= 0.75 and not any(row["shape"][0] for row in found[:4])


def test_measure_is_the_balanced_accuracy_with_whole_groups_drawn():
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.choice([0, 2], 50), 3)  # class 1 has no image
    predicted = np.where(rng.random(150) < 0.8, labels, 2 - labels)
    groups = np.repeat(np.arange(50), 3)
    row = measure(labels, predicted, groups, 4000, generator("t"))
    assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    members, plain = np.arange(150).reshape(50, 3), []
    for _ in range(3000):
        rows = members[rng.integers(0, 50, 50)].ravel()
        plain.append(np.mean([(predicted[rows] == k)[labels[rows] == k].mean() for k in (0, 2)]))
    assert (row["low"], row["high"]) == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.01)
    assert (row["chance"], row["groups"], row["reason"]) == (0.5, 50, "")


def test_what_cannot_be_measured_has_a_reason():
    labels, groups = np.array([0] * 6 + [1] * 2), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    found = run(view(8), labels, groups)
    assert found["facts", "random"].balanced_accuracy is not None
    lacking = found["neighbour", "grouped"]
    assert (lacking.balanced_accuracy, lacking.reason, lacking.lacks) == (None, "few_groups", "ill")
    assert (lacking.chance, lacking.groups) == (0.5, 4)
    lost = measure(np.arange(3), np.arange(3), np.arange(3), 300, generator("t"))  # most draws lose a class
    assert (lost["balanced_accuracy"], lost["low"], lost["high"]) == (1.0, None, None)
    assert lost["reason"] == "no_interval"


def test_below_twenty_groups_nothing_is_tested():
    labels = LABELS[:38]
    found = run(view(38, width=np.where(labels, 640, 512)), labels, np.repeat(np.arange(19), 2))
    assert found["shape", "grouped"].balanced_accuracy > 0.9 and found["shape", "grouped"].p is None


def test_groups_exchange_labels_whole_and_stay_in_their_folds():
    labels = np.array([0, 0, 1, 1, 0, 1, 1, 0, 2, 2])
    groups = np.array([5, 5, 6, 6, 7, 7, 7, 8, 9, 9])  # group 7 has both classes
    folds = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    part, held, of = parts(labels, groups)
    assert held.tolist() == [0, 1, 0, 1, 0, 2] and of.tolist() == [0, 1, 2, 2, 3, 4]
    assert part.tolist() == [0, 0, 1, 1, 2, 3, 3, 4, 5, 5]
    drawn = {tuple(each) for each in islice(permuted(labels, groups, folds, np.random.default_rng(0)), 200)}
    assert len(drawn) == 2 * 2 * 2  # groups 5 and 6; the parts of 7; groups 8 and 9
    for each in map(np.array, drawn):
        assert (
            each[0] == each[1] and each[5] == each[6] and {each[0], each[2]} == {0, 1} and {each[4], each[5]} == {0, 1}
        )


def test_rings_and_blanks_by_hand():
    plain = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    seen = View(np.stack([plain % 251, plain % 13]).astype(np.uint8), np.zeros((2, 4), int))
    ring = {(r, c) for r in range(32) for c in range(32) if {r, c} & {0, 31}}
    outer = {(r, c) for r in range(32) for c in range(32) if not (8 <= r < 24 and 8 <= c < 24)}
    for features, kept in ((border_features(seen), ring), (outside_features(seen), outer)):
        expected = [[image[place] for place in sorted(kept)] for image in seen.thumbnails]
        np.testing.assert_array_equal(features, expected)
    assert border_features(seen).shape == (2, 124) and outside_features(seen).shape == (2, 768)


def test_features_of_facts_by_hand():
    known = facts(3, width=[512, 512, 300], quality=[90.0, np.nan, 80.0], mode=["L", "RGB", "L"], bytes=[0, 9, 99])
    seen = View(images(3), np.array([[1, 2, 3, 4], [0, 0, 0, 0], [0, 0, 0, 9]]), known)
    shape = shape_features(seen)
    assert shape[2].tolist() == [0, 0, 0, 9, 300, 512, pytest.approx(np.log(300 / 512)), 1, 0, 1]  # 512x512, 300x512
    assert shape[0].tolist() == [1, 2, 3, 4, 512, 512, 0, 0, 1, 0]
    every = facts_features(seen)
    assert every.shape == (3, 10 + 1 + 124 + 3 + 2 + 1)
    assert every[:, 10] == pytest.approx(seen.thumbnails.mean((1, 2)))
    assert every[:, 135:138].tolist() == [
        [90, 0, 0],
        [0, 1, pytest.approx(np.log(10))],
        [80, 0, pytest.approx(np.log(100))],
    ]
    assert every[:, 138:].tolist() == [[1, 0, 1], [0, 1, 1], [1, 0, 1]]  # L, RGB; JPEG
    after = View(seen.thumbnails, seen.margins)
    assert shape_features(after).shape == (3, 4) and facts_features(after).shape == (3, 4 + 1 + 124)
