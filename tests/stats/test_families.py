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
        ("faithfulness", "areas", "higher"),  # no variant: higher by default
        ("sanity", "likeness_cascade", "lower"),
        ("robustness", "likeness_shift", "lower"),  # no name of the own family: that of any
        ("robustness", "likeness_flip", "higher"),
        ("sanity", "other", "lower"),  # all metrics of the family have one direction
        ("complexity", "spread", "none"),
        ("mine", "new", "higher"),
    ],
)
def test_direction(monkeypatch, family, metric, direction):
    monkeypatch.setattr(families, "attributes", lambda *_: FOUND)
    assert families.better(family, metric) == direction


def test_directions_of_registered_metrics():
    assert families.better("faithfulness", "deletion_auc") == "lower"
    assert families.better("faithfulness", "deletion_auc_blur") == "lower"
    assert families.better("faithfulness", "srg") == "higher"
    assert families.better("localization", "iou") == "higher"


def test_variants_are_no_plain_names():
    assert families.plain_names(["srg", "srg_blur", "iou"]) == ["srg", "iou"]
