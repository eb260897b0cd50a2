"""Which images fall into which group."""

import numpy as np
import pandas as pd
import pytest

from heatproof.profiles import measure

OPTIONS = {"min_images": 1, "min_patients": 1}


def named(frame, classes, *by, **options):
    table, members = measure.make(frame, classes, OPTIONS | {"by": list(by)} | options)
    names = table.loc[table["kept"], "group"]
    return table, {name: np.flatnonzero(one).tolist() for name, one in zip(names, members.T, strict=True)}


@pytest.fixture
def multilabel():
    return pd.DataFrame(
        {
            "group": ["a", "a", "b", "c"],
            "label_0": [True, True, False, False],
            "label_1": [True, False, True, False],
            "predicted_0": [True, False, False, False],
            "predicted_1": [True, True, True, False],
        }
    )


def test_with_several_labels_an_image_is_in_several_groups(multilabel):
    _, found = named(multilabel, ["covid", "viral"], "label")
    assert found == {"covid": [0, 1], "viral": [0, 2], "no label": [3]}
    _, found = named(multilabel, ["covid", "viral"], "prediction")
    assert found == {"covid": [0], "viral": [0, 1, 2], "nothing predicted": [3]}


def test_outcomes_part_the_images_of_each_label(multilabel):
    table, found = named(multilabel, ["covid", "viral"], "outcome")
    assert found == {
        "covid: true positive": [0],
        "covid: false negative": [1],
        "covid: true negative": [2, 3],
        "viral: true positive": [0, 2],
        "viral: false positive": [1],
        "viral: true negative": [3],
    }
    assert table.loc[~table["kept"], "group"].tolist() == ["covid: false positive", "viral: false negative"]


def test_one_class_an_image():
    frame = pd.DataFrame({"group": list("abc"), "label": [0, 1, 1], "predicted": [0, 1, 0]}).astype({"label": "Int64"})
    _, found = named(frame, ["no", "yes"], "label", "outcome")
    assert (found["no"], found["yes"]) == ([0], [1, 2])
    assert (found["yes: true positive"], found["yes: false negative"]) == ([1], [2])
    assert found["no: false positive"] == [2]
    assert "no label" not in found


def test_small_groups_are_left_out_and_counted(multilabel):
    table, found = named(multilabel, ["covid", "viral"], "label", min_images=2, min_patients=2)
    assert list(found) == ["viral"], "covid has two images of one patient"
    covid = table.set_index("group").loc["covid"]
    assert (covid["images"], covid["patients"], covid["kept"]) == (2, 1, False)
