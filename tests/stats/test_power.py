"""The power that is promised is the power that the tests have, in studies drawn from known variances."""

from dataclasses import replace
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from heatproof.stats.tests import architectures
from heatproof.stats.tests.omnibus import compare_pairs, friedman, rm_anova
from heatproof.stats.tests.paired import equivalent_p, paired_t, signed_rank
from heatproof.stats.tests.power import (
    Pilot,
    Question,
    Size,
    Spread,
    chance,
    first_level,
    groups_for,
    patients_for,
    spread_of,
)

SPREAD = Spread(patient=0.5, seed=0.2, residual=0.3, image=0.4)
FIXED = replace(SPREAD, seed=0.0)  # checkpoints as they are


def draw(rng, spread, size, means, shared=1.0):
    """Scores of patients, models and seeds, [patients, models, seeds], as means over images."""
    models, patients, seeds, images = len(means), size.patients, size.seeds, int(size.images)
    parts = [(shared, (patients, 1, 1)), (spread.patient, (patients, models, 1)), (spread.seed, (1, models, seeds))]
    parts += [(spread.residual, (patients, models, seeds))]
    cells = np.asarray(means)[None, :, None] + sum(rng.normal(0, sqrt(variance), shape) for variance, shape in parts)
    return (cells[..., None] + rng.normal(0, sqrt(spread.image), (*cells.shape, images))).mean(-1)


def agrees(planned, hits, errors=2.0):
    """Whether the share of studies that find it lies within two standard errors of what was planned."""
    realized = np.mean(hits)
    error = sqrt(planned * (1 - planned) / len(hits))
    assert abs(realized - planned) <= errors * error, (planned, realized, error)


@pytest.mark.parametrize(("patients", "difference"), [(5, 1.2), (24, 0.7), (100, 0.35)])
@pytest.mark.parametrize("level", [0.05, 0.0025])
def test_a_paired_t_test_has_the_power_of_any_table(patients, difference, level):
    found = chance(Question("pair", difference, level), Spread(0.5), Size(patients))
    assert found == pytest.approx(TTestPower().power(difference, patients, level), abs=0.001)


def test_a_huge_effect_is_found_and_none_as_often_as_the_level_states():
    assert chance(Question("pair", 50.0, 0.001), Spread(0.5), Size(2000)) == 1.0
    assert chance(Question("pair", 0.0, 0.04), Spread(0.5), Size(30)) == pytest.approx(0.02)
    for kind in ("pair", "margin", "models", "control"):
        assert chance(Question(kind, 0.1, 0.05), Spread(0.0), Size(30)) == 1.0
        assert chance(Question(kind, 0.1, 0.05), SPREAD, Size(1)) == 0.0


@pytest.mark.parametrize(("patients", "difference", "level"), [(12, 0.9, 0.025), (30, 0.6, 0.0025), (60, 0.35, 0.0083)])
def test_pairs_by_the_t_test(patients, difference, level):
    rng, size = np.random.default_rng(patients), Size(patients, 2, 3)
    cells = [draw(rng, FIXED, size, (difference, 0)).mean(2) for _ in range(4000)]
    p = paired_t(np.array([each[:, 0] - each[:, 1] for each in cells]).T)
    agrees(chance(Question("pair", difference, level), SPREAD, size), p <= level)


@pytest.mark.parametrize(
    ("patients", "difference", "level"),
    [
        (6, 1.5, 0.05),
        (10, 1.3, 0.005),
        (12, 0.9, 0.025),
        (30, 0.6, 0.0025),
        pytest.param(80, 0.3, 0.0083, marks=pytest.mark.slow),
    ],
)
def test_pairs_by_wilcoxons_test(patients, difference, level):
    rng, size = np.random.default_rng(patients), Size(patients, 2, 3)
    cells = [draw(rng, FIXED, size, (difference, 0)).mean(2) for _ in range(2000)]
    found = [signed_rank(each[:, 0] - each[:, 1]) for each in cells]
    planned = chance(Question("pair", difference, level, ranks=True), SPREAD, size)
    agrees(planned, [p <= level and effect > 0 for p, effect in found])


def test_wilcoxons_test_finds_nothing_where_no_p_is_small_enough():
    assert chance(Question("pair", 9.0, 0.05, ranks=True), SPREAD, Size(5)) == 0.0
    assert chance(Question("pair", 9.0, 0.05, ranks=True), SPREAD, Size(6)) > 0.99


SEEDED = [(30, 5, 0.9, 0.2, 0.05), (30, 5, 0.5, 0.0, 0.05), (40, 5, 1.5, 0.3, 0.0083), (20, 8, 1.0, 0.1, 0.005)]


@pytest.mark.parametrize(("patients", "seeds", "difference", "seed", "level"), SEEDED)
@pytest.mark.parametrize("sides", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_architectures_over_patients_and_seeds(patients, seeds, difference, seed, level, sides):
    """A pair of models, and the differences of one model to a control."""
    rng, size, spread = np.random.default_rng(seeds), Size(patients, seeds, 3), replace(SPREAD, seed=seed)
    found = []
    for _ in range(2000):
        cells = draw(rng, spread, size, (difference, 0)[:sides], shared=sides - 1)
        pair = sides == 2 and architectures.seed_pairs(cells, ["a", "b"], 0.95).iloc[0]
        found.append(pair if sides == 2 else architectures.seed_differences(cells[:, 0], 0.95))
    planned = chance(Question("pair", difference, level, (1.0, -1.0)[:sides]), spread, size)
    agrees(planned, [one["p"] <= level and one["difference"] > 0 for one in found])


@pytest.mark.parametrize(("patients", "margin", "level"), [(20, 1.0, 0.05), (60, 0.6, 0.01)])
def test_equivalence_within_a_margin(patients, margin, level):
    rng, size = np.random.default_rng(patients), Size(patients, 2, 3)
    cells = [draw(rng, FIXED, size, (0, 0)).mean(2) for _ in range(4000)]
    p = equivalent_p(np.array([each[:, 0] - each[:, 1] for each in cells]).T, margin)
    planned = chance(Question("margin", margin, level), SPREAD, size)
    assert 0.2 < planned < 0.95
    agrees(planned, p <= level)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "patients", "seeds", "seed", "models", "difference", "errors"),
    [
        ("quasi_f", 30, 5, 0.1, 4, 0.6, 2),
        ("quasi_f", 60, 5, 0.02, 3, 0.5, 2),
        ("quasi_f", 20, 8, 0.3, 5, 1.2, 2),
        ("rm_anova", 30, 2, 0.0, 4, 0.6, 2),
        ("rm_anova", 60, 1, 0.0, 5, 0.6, 2),
        ("friedman", 10, 1, 0.0, 3, 1.2, 2),
        ("friedman", 30, 2, 0.0, 4, 0.6, 2),
        ("friedman", 60, 1, 0.0, 5, 0.6, 2),
        ("friedman", 100, 1, 0.0, 3, 0.5, 2),
    ],
)
def test_over_all_models_where_the_others_lie_between_two(test, patients, seeds, seed, models, difference, errors):
    rng, size, spread = np.random.default_rng(models), Size(patients, seeds, 3), replace(SPREAD, seed=seed)
    means = (difference / 2, -difference / 2, *[0] * (models - 2))
    tests = {"quasi_f": architectures.quasi_f, "rm_anova": rm_anova, "friedman": friedman}
    drawn = (draw(rng, spread, size, means) for _ in range(2000))
    hits = [tests[test](one if test == "quasi_f" else pd.DataFrame(one.mean(2)))["p"] <= 0.025 for one in drawn]
    agrees(
        chance(Question("models", difference, 0.025, ranks=test == "friedman", models=models), spread, size),
        hits,
        errors,
    )


@pytest.mark.slow
def test_the_first_step_of_holm_is_the_least_that_a_pair_has():
    """Three models of which one stands apart: its two pairs help each other, so that more is found than planned."""
    rng, size, level = np.random.default_rng(4), Size(40, 1, 3), 0.025
    hits = []
    for _ in range(1500):
        pairs = compare_pairs(
            pd.DataFrame(draw(rng, FIXED, size, (0.7, 0, 0))[:, :, 0], columns=list("abc")), test="rm_anova"
        )
        hits.append(pairs.loc[0, "p_corrected"] <= level)
    planned = chance(Question("pair", 0.7, first_level("pair", 0.05, 3)), SPREAD, size)
    assert planned - 0.025 < np.mean(hits) < planned + 0.1


@pytest.mark.parametrize("ranks", [False, True])
def test_as_many_patients_as_are_needed_and_no_more(ranks):
    question = Question("pair", 0.5, 0.01, ranks=ranks)
    count = patients_for(lambda n: chance(question, SPREAD, Size(n)), 0.8)
    assert chance(question, SPREAD, Size(count)) >= 0.8 > chance(question, SPREAD, Size(count - 2))
    assert patients_for(lambda n: chance(replace(question, difference=1e-9), SPREAD, Size(n)), 0.8) is None


def test_seeds_limit_what_patients_can_do():
    question, size = Question("pair", 0.5, 0.05), Size(10**6, 5)
    assert chance(question, SPREAD, size) < 0.5 < 0.8 < chance(question, SPREAD, replace(size, seeds=30))
    more = [chance(question, SPREAD, Size(60, 12, images)) for images in (1, 3, 30)]
    assert more == sorted(more) and more[0] < more[-1] - 0.005


def test_levels_are_those_of_the_verdicts():
    assert first_level("pair", 0.05, 2) == 0.025 and first_level("pair", 0.05, 2, controls=False) == 0.05
    assert first_level("control", 0.05, 1) == 0.05 and first_level("models", 0.05, 4) == 0.025


def test_an_interval_shows_its_spread():
    scores = np.random.default_rng(0).normal(0, 0.3, 17)
    ends = stats.ttest_1samp(scores, 0).confidence_interval(0.9)
    assert spread_of(tuple(ends), 17, 0.9) == pytest.approx(scores.std(ddof=1))
    assert groups_for(0.5, 1.0, 0.05, 0.8) == 34


def estimated(cells, images) -> Pilot:
    """The pilot that a study is, by the analysis of variance."""
    patients, models, seeds = cells.shape
    mean = {name: square for name, (square, _) in architectures.mean_squares(cells).items()}
    patient = max(0.0, (mean["group x model"] - mean["residual"]) / seeds)
    seed = max(0.0, (mean["seed"] - mean["residual"]) / patients)
    return Pilot(Spread(patient, seed, mean["residual"]), Size(patients, seeds), models, (patients - 1) * (models - 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pilot", "planned"),
    [(Size(15, 2, 2), Size(80, 2, 2)), (Size(20, 3, 1), Size(60, 8, 1)), (Size(30, 6, 2), Size(50, 10, 2))],
)
def test_the_band_holds_the_true_power_as_often_as_it_states(pilot, planned):
    rng, question, held = np.random.default_rng(pilot.patients), Question("pair", 0.7, 0.025), []
    true = chance(question, SPREAD, planned)
    for _ in range(600):
        _, low, high = estimated(draw(rng, SPREAD, pilot, (0, 0.3, 0)), pilot.images).chances(
            question, replace(planned, images=1)
        )
        held.append(low <= true <= high)
    assert 0.92 <= np.mean(held) <= 0.99
