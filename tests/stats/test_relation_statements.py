"""What is stated of relations: who was found, in how many models, and that silence is no finding."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from stats.built import FAMILY, results

from heatproof.stats.statements import relations
from heatproof.stats.tests.relations import spearman

NAMES = ("family", "metric", "method", "model", "covariate", "groups", "rho", "p", "p_corrected", "reason")


def table(*rows, family="sanity", method="gradcam"):
    """Rows of covariate, model, rho and corrected p; NaN rho has a reason."""
    made = [
        (family, "iou", method, model, covariate, 34, rho, p, p, "" if np.isfinite(rho) else "the same in every group")
        for covariate, model, rho, p in rows
    ]
    return pd.DataFrame(made, columns=NAMES)


def stated(found, family="sanity", lower=False):
    return relations.statements(found, results(families={family: replace(FAMILY, lower_is_better=lower)}))


def test_counts_direction_and_range():
    (one,) = stated(table(("right", "a", 0.6, 0.01), ("right", "b", 0.1, 0.9), ("right", "c", -0.7, 0.001)))
    assert (one.kind, one.subjects["covariates"]) == ("relations.found", ("right",))
    assert one.numbers == {"models": (3,), "rises": (1,), "falls": (1,), "lowest": (-0.7,), "highest": (0.6,)}


def test_classes_are_one_statement():
    (one,) = stated(table(("class:benign", "a", 0.6, 0.01), ("class:ill <b>", "a", -0.6, 0.01)))
    assert (one.kind, one.subjects["covariates"]) == ("relations.classes", ("class:benign", "class:ill <b>"))
    assert (one.numbers["rises"], one.numbers["falls"], one.numbers["lowest"]) == ((1, 0), (0, 1), (0.6, -0.6))


def test_silence_names_what_could_have_been_found():
    (one,) = stated(table(("right", "a", 0.2, 1), ("confidence", "a", 0.1, 1)))
    smallest = relations.detectable(34, 0.025, 0.8)
    tested = {"fewest": 34, "most": 34, "tests": 2, "detectable": smallest, "power": 0.8}
    assert one.kind == "relations.no_evidence" and one.numbers == {"lowest": 0.1, "highest": 0.2} | tested


@pytest.mark.parametrize("groups", [13, 34])
def test_detectable_is_found_as_often_as_promised(groups):
    """Normal pairs whose rank correlation is the smallest detectable one, 1,000 draws: standard error .013."""
    rng, rho = np.random.default_rng(groups), relations.detectable(groups, 0.05, 0.8)
    r, hits = 2 * np.sin(np.pi * rho / 6), 0
    for _ in range(1000):
        x, noise = rng.normal(size=(2, groups))
        hits += spearman(x, r * x + np.sqrt(1 - r * r) * noise, 0.95)["p"] <= 0.05
    assert 0.76 < hits / 1000 < 0.86


def test_detectable_grows_with_power_and_shrinks_with_groups():
    assert relations.detectable(20, 0.05, 0.9) > relations.detectable(20, 0.05, 0.8)
    assert relations.detectable(50, 0.05, 0.8) < relations.detectable(20, 0.05, 0.8)


def localized(area, elongation, solidity, confidence):
    rows = [("lesion_area", *area), ("lesion_elongation", *elongation), ("lesion_solidity", *solidity)]
    rows = [(name, "a", *numbers) for name, *numbers in [*rows, ("confidence", *confidence)]]
    return table(*rows, family="localization")


def as_published(found, **more):
    """Covariate -> models, as published, the other way; and the statements after the first."""
    first, *rest = stated(found, "localization", **more)
    assert first.kind == "relations.as_published"
    columns = (first.numbers[name] for name in ("models", "rises", "falls"))
    return dict(zip(first.subjects["covariates"], zip(*columns, strict=True), strict=True)), first, rest


def test_saporta_is_answered_covariate_by_covariate():
    found, first, (silent,) = as_published(localized((0.7, 0.001), (-0.6, 0.01), (-0.8, 0.001), (0.1, 1)))
    assert list(found) == ["lesion_area", "lesion_elongation", "lesion_solidity", "confidence"]
    assert list(found.values()) == [(1, 1, 0), (1, 1, 0), (1, 0, 1), (1, 0, 0)] and first.numbers["lowest"][0] == 0.7
    assert silent.kind == "relations.no_evidence" and silent.subjects["covariates"] == ("confidence",)


def test_a_metric_of_which_low_is_good_turns_the_finding_round():
    found, *_ = as_published(localized((-0.7, 0.001), (0.6, 0.01), (0.1, 1), (0.1, 1)), lower=True)
    assert found["lesion_area"] == found["lesion_elongation"] == (1, 1, 0)


def test_random_noise_stands_beside_size():
    noise = table(("lesion_area", "a", 0.61, 0.001), family="localization", method="random")
    _, first, _ = as_published(pd.concat([localized((0.7, 0.001), (0.1, 1), (0.1, 1), (0.1, 1)), noise]))
    assert first.numbers["noise_low"] == first.numbers["noise_high"] == 0.61


def test_what_was_not_measured_cannot_be_judged():
    rows = table(("confidence", "a", 0.6, 0.01), ("lesion_area", "a", np.nan, np.nan), family="localization")
    found, first, _ = as_published(rows)
    assert found["lesion_area"] == (0, 0, 0) and first.numbers["lowest"][0] is None
    assert found["confidence"] == (1, 1, 0)


def test_nothing_at_all_has_a_reason():
    flat = table(("right", "a", np.nan, np.nan))
    for rows, reason, most in (
        (flat.assign(groups=6), "too_few", 6),
        (flat[:0], "no_scores", 0),
        (flat, "no_variation", 34),
    ):
        (one,) = stated(rows)
        assert (one.kind, one.reason, one.numbers) == ("relations.unknown", reason, {"most": most, "needed": 10})
