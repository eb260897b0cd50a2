"""Which way a metric is good, as its registration says."""

import pytest

from heatproof.stats import families

FOUND = {
    "area": {"module": "heatproof.score.faithfulness", "better": "lower"},
    "area_long": {"module": "heatproof.score.faithfulness"},
    "likeness": {"module": "heatproof.score.sanity", "better": "lower"},
    "likeness_flip": {"module": "heatproof.score.robustness"},
    "spread": {"module": "heatproof.score.complexity", "better": "none"},
}


@pytest.mark.parametrize(
    ("family", "metric", "direction"),
    [
        ("faithfulness", "area", "lower"),
        ("faithfulness", "area_blur", "lower"),  # a variant of the metric that its name begins with
        ("faithfulness", "area_long_blur", "higher"),  # the longest such name
        ("sanity", "likeness_cascade", "lower"),
        ("robustness", "likeness_shift", "lower"),  # no name of the own family: that of any
        ("robustness", "likeness_flip", "higher"),
        ("sanity", "other", "lower"),  # all metrics of the family have one direction
        ("complexity", "spread", "none"),
    ],
)
def test_direction(monkeypatch, family, metric, direction):
    monkeypatch.setattr(families, "attributes", lambda *_: FOUND)
    assert families.better(family, metric) == direction


@pytest.mark.parametrize(("family", "metric"), [("faithfulness", "areas"), ("mine", "new")])
def test_a_direction_is_never_guessed(monkeypatch, family, metric):
    monkeypatch.setattr(families, "attributes", lambda *_: FOUND)
    with pytest.raises(KeyError, match=metric):
        families.better(family, metric)


def test_directions_of_registered_metrics():
    assert families.better("faithfulness", "deletion_auc") == "lower"
    assert families.better("faithfulness", "deletion_auc_blur") == "lower"
    assert families.better("faithfulness", "srg") == "higher"
    assert families.better("localization", "iou") == "higher"


def test_variants_are_no_plain_names():
    assert families.plain_names(["srg", "srg_blur", "iou"]) == ["srg", "iou"]


@pytest.mark.parametrize(
    ("family", "metric", "needed"),
    [
        ("localization", "iou", True),
        ("faithfulness", "srg", False),  # what a model uses need not be the true region
        ("agreement", "iou_methods", False),
        ("srg", "srg", False),  # a table of the user's own: each metric is a family
        ("deletion_auc_blur", "deletion_auc_blur", False),
        ("pointing_game", "pointing_game", True),
        ("mine", "mine", True),  # nothing is known of it
    ],
)
def test_where_the_true_region_has_to_score_well(family, metric, needed):
    assert families.judged_by_truth(family, metric) is needed
