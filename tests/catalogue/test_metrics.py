"""What a name of a metric stands for, and which of its values are good."""

import pytest

from heatproof.catalogue import metrics
from heatproof.catalogue.metrics import Metric, better, find_metric, judged_by_truth, needs_lesion

MADE = [
    Metric("area", "faithfulness", "", "", better="lower"),
    Metric("area_long", "faithfulness", "", ""),
    Metric("likeness", "sanity", "", "", better="lower"),
    Metric("likeness_flip", "robustness", "", ""),
    Metric("spread", "complexity", "", "", better="none"),
]


@pytest.fixture
def made(monkeypatch):
    """A catalogue of a few metrics."""
    monkeypatch.setattr(metrics, "METRICS", {metric.name: metric for metric in MADE})


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
def test_direction(made, family, metric, direction):
    assert better(family, metric) == direction


@pytest.mark.parametrize(("family", "metric"), [("faithfulness", "areas"), ("mine", "new")])
def test_a_direction_is_never_guessed(made, family, metric):
    with pytest.raises(KeyError, match=metric):
        better(family, metric)


@pytest.mark.parametrize(
    ("name", "metric"),
    [("srg", "srg"), ("srg_blur", "srg"), ("road_morf_mine", "road_morf"), ("iou_seeds", "iou_seeds"), ("srgs", None)],
)
def test_variants_are_named_after_their_metric(name, metric):
    assert getattr(find_metric(name), "name", None) == metric


def test_what_needs_a_lesion():
    wanted = {"iou": True, "outside_lungs": False, "inside_cue": False, "on_border_wide": False, "mine": True}
    assert {name: needs_lesion(name) for name in wanted} == wanted


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
    assert judged_by_truth(family, metric) is needed
