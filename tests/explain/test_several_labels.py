"""Which cases, images and their labels, are explained and scored, and that their rows stay apart."""

import numpy as np
import pandas as pd
import pytest
import torch

from heatproof.core.draws import spread
from heatproof.core.messages import InputError
from heatproof.explain.changes import absent_targets
from heatproof.explain.job import select_cases, some
from heatproof.score import heatmaps
from heatproof.store.artifacts import multihot

TRUE = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 0]], bool)
PREDICTED = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
ROWS = np.array([0, 1, 3])  # the third image is not explained


def manifest():
    frame = pd.DataFrame({"image_id": list("abcd"), "group": ["p", "p", "q", "r"]})
    return frame.join(multihot("label", TRUE))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("label", [(0, 0, 0), (0, 2, -1), (3, 0, -1), (3, 1, -1)]),
        ("predicted", [(0, 0, 0), (0, 1, 1), (1, 1, 1)]),
        ("either", [(0, 0, 0), (0, 1, 1), (0, 2, -1), (1, 1, 1), (3, 0, -1), (3, 1, -1)]),
    ],
)
def test_cases_are_the_labels_that_are_asked_for(target, expected):
    rows, cases = select_cases(manifest(), ROWS, PREDICTED, target)
    assert list(zip(rows.tolist(), *(cases[c].tolist() for c in ("label", "predicted")), strict=True)) == expected


def test_no_case_at_all_is_an_error():
    with pytest.raises(InputError, match=r"explain\.target: predicted: none of 1 images has a label to explain"):
        select_cases(manifest(), np.array([3]), PREDICTED, "predicted")


def test_of_some_cases_those_that_every_model_explains_come_first():
    rows, cases = select_cases(manifest(), ROWS, PREDICTED, "either")
    images = manifest().iloc[rows]
    there = {0, 2, 4, 5}
    for count in range(1, 5):
        assert set(some("s", images, cases, count).tolist()) <= there
    assert set(some("s", images, cases, 5).tolist()) > there
    # another model, which predicts other labels, has the same four first
    other = select_cases(manifest(), ROWS, ~PREDICTED, "either")
    for count in range(1, 5):
        mine = {(images["image_id"].iloc[i], cases["label"][i]) for i in some("s", images, cases, count)}
        names = manifest().iloc[other[0]]
        theirs = {(names["image_id"].iloc[i], other[1]["label"][i]) for i in some("s", names, other[1], count)}
        assert mine == theirs


def test_patients_take_turns_before_an_image_has_its_second_label():
    ids = [("a", 0), ("a", 1), ("b", 0), ("c", 0)]
    for study in "stuv":
        chosen = spread(study, ids, ["p", "p", "q", "r"], 3)
        assert len(set(chosen.tolist()) & {0, 1}) == 1 and {2, 3} < set(chosen.tolist())


def stored(labels):
    """Heatmaps of cases of two images, in an order of their own."""
    images = pd.DataFrame({"image_id": ["a", "a", "b"], "group": ["p", "p", "q"], "label": labels, "target": labels})
    maps = np.arange(3, dtype=np.float32)[:, None, None] + np.eye(2, dtype=np.float32)
    rows = np.arange(3)[None]
    flags = np.full((1, 3), "", object)
    partners = np.array([[2, 2, 0]])
    return heatmaps.Heatmaps("s", images, ("m",), (2, 2), rows, flags, partners, maps)


def test_maps_are_laid_beside_those_of_the_same_case():
    first, other = stored([0, 1, 1]), stored([1, 2, 1])
    found = other.of_cases(first.images, "elsewhere")
    maps, reasons = found.read(0, np.arange(3))
    assert reasons == ["elsewhere", "", ""]
    assert maps[0].isnan().all() and torch.equal(maps[1], torch.eye(2)) and torch.equal(maps[2], torch.eye(2) + 2)
    # of the cases that have a map, each has one of the other patient for a partner
    assert found.partners.tolist() == [[0, 2, 1]]


def test_scores_of_two_labels_of_an_image_stay_apart():
    source = stored([0, 1, 1])
    table = heatmaps.scores(source.images, "m", {"x": torch.tensor([1.0, 2, 3])}, [""] * 3)
    assert list(zip(table["image_id"], table["label"], table["value"], strict=True)) == [
        ("a", 0, 1.0),
        ("a", 1, 2.0),
        ("b", 1, 3.0),
    ]
    assert "label" not in heatmaps.scores(source.images.drop(columns="label"), "m", {"x": torch.ones(3)}, [""] * 3)


def test_a_random_label_is_one_that_the_image_has_not():
    present = torch.tensor([[True, True, False, False], [True, False, False, True], [True, True, True, True]])
    targets = torch.tensor([0, 3, 1])
    seen = [absent_targets(targets, present, [("s", f"{image}{n}") for image in "abc"]).tolist() for n in range(50)]
    assert [set(drawn) for drawn in zip(*seen, strict=True)] == [{2, 3}, {1, 2}, {0, 2, 3}]
