"""Reasons, metrics and methods in words."""

from heatproof.catalogue.metrics import METRICS
from heatproof.report import words


def test_reasons_in_parts_and_unknown_ones_as_they_are():
    assert words.reason("constant") == "the heatmap has the same value everywhere"
    assert words.reason("gap above 1 %") == "gap above 1 %"


def test_a_metric_of_the_users_own_goes_by_its_name():
    assert words.metric("my_score") == ("My score", "", "higher")


def test_what_methods_do_with_their_sign():
    sign = "; signed: negative values are evidence against the class"
    assert words.method("occlusion") == f"drop of the output when a square is covered{sign}"
    assert words.method("saliency").endswith("how much a small change there changes the output, in either direction")
    assert words.method("elsewhere") == "user-supplied heatmaps"


def test_variants_are_named_after_their_metric():
    assert words.metric("deletion_auc_blur", "lower") == (
        "Deletion area (covered by the blurred image)",
        METRICS["deletion_auc"].question,
        "lower",
    )
    assert words.metric("road_morf_my_way").name == "ROAD, most relevant first (my way)"


def test_directions():
    told = [words.metric("x", better).direction for better in ("higher", "lower", "none")]
    assert told == ["higher is better", "lower is better", "no direction is better"]
