"""Numbers and reasons in words."""

import math

import pytest

from heatproof.catalogue.metrics import METRICS
from heatproof.report import words


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (0.123, False, "0.12"),
        (-0.123, True, "−0.12"),
        (0.5, True, "+0.50"),
        (0.0123, False, "0.012"),
        (-0.001234, True, "−0.00123"),
        (0.000012, False, "1.20e−05"),
        (0, True, "0.00"),
        (-1e-17, True, "0.00"),
        (math.nan, False, "–"),
        (None, False, "–"),
    ],
)
def test_number(value, sign, text):
    assert words.number(value, sign=sign) == text


def test_interval_without_ends_is_the_mean_alone():
    assert words.interval(0.5, 0.41, 0.6) == "0.50 [0.41 to 0.60]"
    assert words.interval(0.5, math.nan, math.nan) == "0.50"
    assert words.interval(math.nan, math.nan, math.nan) == "–"


def test_interval_has_the_digits_of_its_largest_number():
    assert words.interval(0.001, -0.2, 0.4) == "0.00 [−0.20 to 0.40]"
    assert words.interval(0.0012, 0.0, 0.0024) == "0.00120 [0.00 to 0.00240]"
    assert words.interval(0.03, 0.012, 0.048) == "0.030 [0.012 to 0.048]"
    assert words.interval(2e-6, 1e-6, 3e-6) == "2.00e−06 [1.00e−06 to 3.00e−06]"
    assert words.interval(0.0, 0.0, 0.0) == "0.00 [0.00 to 0.00]"


def test_p_values():
    assert [words.p_value(p) for p in (0.0001, 0.0123, 1.0, math.nan)] == ["< 0.001", "0.012", "1.000", "–"]


def test_reasons_in_parts_and_unknown_ones_as_they_are():
    assert words.reason("degenerate map: constant").endswith("no information: it has the same value everywhere")
    assert words.reason("gap above 1 %") == "gap above 1 %"


def test_a_metric_of_the_users_own_goes_by_its_name():
    assert words.metric("my_score") == ("My score", "", "higher")


def test_what_methods_do_with_their_sign():
    sign = "; signed: below zero speaks against the class"
    assert words.method("occlusion") == f"what the output loses when a square is hidden{sign}"
    assert words.method("saliency").endswith("how much a small change there moves the output, either way")
    assert words.method("elsewhere") == "heatmaps made elsewhere"


def test_variants_are_named_after_their_metric():
    assert words.metric("deletion_auc_blur", "lower") == (
        "Deletion area (covered with the blurred image)",
        METRICS["deletion_auc"].question,
        "lower",
    )
    assert words.metric("road_morf_my_way").name == "ROAD, hottest first (my way)"


def test_directions():
    told = [words.metric("x", better).direction for better in ("higher", "lower", "none")]
    assert told == ["higher is better", "lower is better", "no direction is better"]


def test_lists():
    assert [words.listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
