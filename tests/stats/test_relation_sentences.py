"""What is said of relations: who was found, in how many models, and that silence is no finding."""

import numpy as np
import pandas as pd
import pytest
from heatproof.stats.sentences import relations

from heatproof.stats.tests.relations import spearman

NAMES = ("family", "metric", "method", "model", "covariate", "groups", "rho", "p", "p_corrected", "reason")


def table(*rows, family="localization", method="cam"):
    """Rows of covariate, model, rho and corrected p; NaN rho has a reason."""
    made = [
        (family, "rra", method, model, covariate, 34, rho, p, p, "" if np.isfinite(rho) else "the same in every group")
        for covariate, model, rho, p in rows
    ]
    return pd.DataFrame(made, columns=NAMES)


def said(found, family="localization", lower=False, **more):
    primary = {family: {"called": "relevance rank accuracy", "lower_is_better": lower}}
    summary = {"alpha": 0.05, "methods": ["cam"], "primary": primary, "groups": {"kind": "patient"}}
    return [row["text"] for row in relations.sentences(found, summary, **more)]


def test_counts_direction_and_range():
    found = table(("right", "a", 0.6, 0.01), ("right", "b", 0.1, 0.9), ("right", "c", -0.7, 0.001), family="sanity")
    assert said(found, "sanity") == [
        "Relevance rank accuracy is higher in 1 and lower in 1 of 3 models where the prediction is right (rank "
        "correlation -0.70 to 0.60)."
    ]


def test_classes_are_one_sentence():
    found = table(("class:benign", "a", 0.6, 0.01), ("class:ill <b>", "a", -0.6, 0.01), family="sanity")
    assert said(found, "sanity") == [
        "Compared with the other images, relevance rank accuracy is for the class benign higher in 1 of 1 model (rank "
        "correlation 0.60) and for the class ill <b> lower in 1 of 1 model (rank correlation -0.60)."
    ]


def test_silence_names_what_could_have_been_found():
    (text,) = said(table(("right", "a", 0.2, 1), ("confidence", "a", 0.1, 1), family="sanity"), "sanity")
    assert "does not mean that there is none" in text and "34 patients and Holm over 2 tests" in text
    smallest = relations.detectable(34, 0.025, 0.8)
    assert f"only from ±{smallest:.2f} on is one found 80% of the time" in text


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
    return [(name, "a", *numbers) for name, *numbers in [*rows, ("confidence", *confidence)]]


def test_saporta_is_answered_covariate_by_covariate():
    rows = localized((0.7, 0.001), (-0.6, 0.01), (-0.8, 0.001), (0.1, 1))
    texts = said(table(*rows))
    assert texts[0].startswith("Saporta et al. (2022) found Grad-CAM")
    assert "the lesion's size counts as they found in 1 of 1 model (rank correlation 0.70)" in texts[0]
    assert "its elongation counts as they found in 1 of 1 model" in texts[0]
    assert "its compactness counts the other way in 1 of 1 model" in texts[0]
    assert "the model's confidence counts in none of 1 model" in texts[0]
    assert len(texts) == 2 and "with the model's confidence" in texts[1]


def test_a_metric_of_which_low_is_good_turns_the_finding_round():
    rows = localized((-0.7, 0.001), (0.6, 0.01), (0.1, 1), (0.1, 1))
    first = said(table(*rows), lower=True)[0]
    assert "size counts as they found in 1" in first and "elongation counts as they found in 1" in first


def test_random_noise_stands_beside_size():
    noise = table(("lesion_area", "a", 0.61, 0.001), method="random")
    texts = said(pd.concat([table(*localized((0.7, 0.001), (0.1, 1), (0.1, 1), (0.1, 1))), noise]))
    assert texts[0].endswith("With random noise in the heatmap's place, the rank correlation with size is 0.61.")


def test_what_was_not_measured_cannot_be_judged():
    texts = said(table(("confidence", "a", 0.6, 0.01), ("lesion_area", "a", np.nan, np.nan)))
    assert "the lesion's size cannot be judged" in texts[0] and "confidence counts as they found in 1" in texts[0]


def test_nothing_at_all_has_a_reason():
    few = table(("right", "a", np.nan, np.nan), family="sanity").assign(groups=6)
    assert said(few, "sanity") == [
        "What relevance rank accuracy goes with cannot be told: no model has a score on more than 6 "
        "patients, 10 are needed."
    ]
    assert said(few[:0], "sanity")[0].endswith("cannot be told: there are no scores.")
    flat = table(("right", "a", np.nan, np.nan), family="sanity")
    assert said(flat, "sanity")[0].endswith("cannot be told: nothing varies between them.")
