"""Cases of a multilabel study: named by image and label, and cut to those that every training has."""

import pandas as pd

from heatproof.stats.results import Cases
from heatproof.stats.tables.groups import common, named, of_marked_labels


def test_a_case_goes_by_its_image_and_label():
    scores = pd.DataFrame(
        {"image_id": ["a", "a", "b"], "label": pd.array([0, 1, 1], "Int64"), "value": [1.0, 2.0, 3.0]}
    )
    found = named(scores, ["x", "y"])
    assert found["image_id"].tolist() == ["a [x]", "a [y]", "b [y]"] and list(found) == ["image_id", "value"]


def test_cases_that_every_training_has():
    rows = [("f", "m", 0, "a"), ("f", "m", 0, "b"), ("f", "m", 1, "a"), ("f", "n", 0, "a"), ("f", "n", 0, "c")]
    rows += [("f", "n", 1, "a"), ("f", "n", 1, "b")]
    rows += [
        ("s", "m", 0, "b"),
        ("s", "m", 1, "b"),
        ("c", "m", pd.NA, "a"),
        ("c", "n", pd.NA, "a"),
        ("c", "n", pd.NA, "b"),
    ]
    scores = pd.DataFrame(rows, columns=["family", "model", "seed", "image_id"]).astype({"seed": "Int64"})
    twice = pd.concat([scores, scores])  # another method
    found, counts = common(twice, set(twice["model"]))
    assert counts == {
        "f": Cases(kept=1, left_out=2),
        "s": Cases(kept=1, left_out=0),  # `n` has no scores there, and takes none away
        "c": Cases(kept=1, left_out=1),
    }
    assert found.groupby("family")["image_id"].unique().map(list).to_dict() == {"f": ["a"], "s": ["b"], "c": ["a"]}
    assert len(found) == 2 * (4 + 2 + 2)


def test_lesions_are_of_the_cases_whose_labels_they_mark():
    shapes = pd.DataFrame({"image_id": ["a", "b", "c"], "marked": [(0, 1), (1,), ()], "lesion_area": [0.1, 0.2, 0.3]})
    found = of_marked_labels(shapes, ["x", "y"]).set_index("image_id")
    assert found["lesion_area"].to_dict() == {"a [x]": 0.1, "a [y]": 0.1, "b [y]": 0.2}
    assert list(found) == ["lesion_area"]
    assert of_marked_labels(None, ["x"]) is None and of_marked_labels(shapes[2:], ["x"]) is None
