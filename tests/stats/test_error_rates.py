"""How often the statistics err, over studies with known truth; `bench/` has the same in full (`docs/simulations.md`).

Seeds are fixed. Room is three standard errors of a rate of .05, or of .95 of intervals.
"""

import numpy as np
import pandas as pd
import pytest

from bench import combined, coverage, error_rates, many, statistics_bench
from bench.simulation import Setting, bounded, cells, complete, draw, expected, frame, wide
from heatproof.stats.tables.groups import group_means, seed_group_means
from heatproof.stats.tests.omnibus import LEAST_GROUPS

ALPHA = 0.05
FAR = (-2.0, -2.0)


@pytest.fixture(autouse=True)
def few_checks(monkeypatch):
    """One study a setting is held to heatproof's own tests; `test_all_at_once...` does more."""
    monkeypatch.setattr(many, "CHECKED", 1)


def room(draws):
    return 3 * np.sqrt(ALPHA * (1 - ALPHA) / draws)


@pytest.mark.parametrize("groups", [10, 50])
@pytest.mark.parametrize("shape", [False, True], ids=["normal", "bounded"])
@pytest.mark.slow
def test_tests_of_checkpoints_reject_one_true_null_in_twenty(groups, shape):
    setting, draws = Setting(groups, bounded=shape, fixed=True), 1000
    found = error_rates.omnibus(setting, draws, np.random.default_rng(groups))
    assert 0.03 - room(draws) / 3 < found["friedman"] < 0.05 + room(draws)
    # Greenhouse and Geisser's correction is conservative at ten groups
    assert (0.01 if groups == 10 else 0.03) < found["rm_anova"] < 0.05 + room(draws)


def test_tests_of_images_do_not():
    found = error_rates.naive(Setting(34, fixed=True), 150, np.random.default_rng(1))
    assert found["friedman"] > 0.2 and found["rm_anova"] > 0.2


@pytest.mark.parametrize("groups", [10, pytest.param(34, marks=pytest.mark.slow)])
def test_the_test_of_architectures_rejects_one_true_null_in_twenty(groups):
    draws = 800
    rate = error_rates.over_seeds(Setting(groups, seeds=5), draws, np.random.default_rng(groups))
    assert 0.03 - room(draws) / 3 < rate < 0.05 + room(draws)


def test_two_seeds_say_nothing_of_architectures():
    assert error_rates.omnibus(Setting(34), 200, np.random.default_rng(2))["friedman"] > 0.5


FIRST, *OTHERS = statistics_bench.SCENES


@pytest.mark.parametrize("scene", [FIRST, *(pytest.param(scene, marks=pytest.mark.slow) for scene in OTHERS)])
def test_a_family_of_tests_says_something_false_in_one_study_of_twenty(scene):
    effects, controls = statistics_bench.SCENES[scene]
    setting, draws = Setting(20, effects=effects, controls=controls, fixed=True), 600
    found = error_rates.sentences(setting, draws, np.random.default_rng(3))
    assert found["pairs"] < 0.05 + room(draws) and found["family"] < 0.05 + room(draws)
    assert found["family"] > 0.005  # what can be false is sometimes said


@pytest.mark.slow
def test_a_family_over_seeds_does_so_too():
    setting, draws = Setting(12, controls=FAR, seeds=5), 250
    assert error_rates.sentences(setting, draws, np.random.default_rng(4))["family"] < 0.05 + room(draws)


@pytest.mark.parametrize(
    ("scene", "power"),
    [
        ("used, but not the lesion", 0.15),
        ("used, equal to the control on the lesion", 0.0),
        ("one model, used, a margin ahead on the lesion", 0.0),
    ],
)
def test_a_combined_sentence_is_false_in_one_study_of_twenty(scene, power):
    fixed = {"controls": (0.0, 0.0, -1.0), "seeds": 1, "seed": 0.0, "missing_images": 0.0, "missing_cells": 0.0}
    settings, draws = tuple(Setting(20, effects=of, **fixed) for of in statistics_bench.TOGETHER[scene]), 400
    found = combined.sentences(settings, statistics_bench.MARGIN, draws, np.random.default_rng(14))
    assert found["false"] < ALPHA + room(draws) and found["true"] >= power


@pytest.mark.parametrize(("groups", "least", "most"), [(10, 0.12, 0.2), (LEAST_GROUPS, 0.0, 0.04)])
def test_few_groups_miss_all_of_a_few_hits(groups, least, most):
    """Why *no* needs groups: .9 in one of six and 0 in the others, a margin of .05 ahead of six controls of .1."""
    rng, draws = np.random.default_rng(15), 4000
    heat = 0.9 * (rng.random((groups, draws)) < 0.15 / 0.9)
    p = combined.below_margin(heat - rng.normal(0.1, 0.005, (groups, draws)), 0.05)
    assert least <= np.mean(2 * 6 * p <= ALPHA) <= most


def test_uncorrected_pairs_do_not():
    found = []
    for _, tables in complete(wide(draw(Setting(34, fixed=True), 300, np.random.default_rng(5)).images)):
        found += list((many.wilcoxon(many.pairs(tables)) <= ALPHA).any(1))
    assert np.mean(found) > 0.15


@pytest.mark.slow
def test_intervals_cover_over_groups_and_over_seeds():
    setting, draws = Setting(20), 600
    mean, pair = coverage.means_and_pairs(setting, draws, np.random.default_rng(6))
    over, alone = coverage.pairs_over_seeds(Setting(34, seeds=5), draws, np.random.default_rng(7))
    assert np.abs(np.array([mean, pair, over]) - 0.95).max() < room(draws)
    assert alone < 0.8  # groups alone leave the seeds out


def test_power_grows_with_groups():
    few, many_groups = (coverage.power(Setting(g, fixed=True), 0.6, 200, np.random.default_rng(8)) for g in (10, 50))
    assert few["friedman"] < 0.5 < 0.9 < many_groups["friedman"]
    assert few["friedman_pairs"] < 0.2 < 0.6 < many_groups["friedman_pairs"]


@pytest.mark.parametrize("shape", [False, True], ids=["normal", "bounded"])
@pytest.mark.slow
def test_all_at_once_is_what_heatproof_says_of_each(shape, monkeypatch):
    monkeypatch.setattr(many, "CHECKED", 3)
    setting = Setting(12, bounded=shape, controls=(0.0, -1.0), effects=(0.0, 0.0, 0.5, 0.5, 1.0), fixed=True)
    part = draw(setting, 8, np.random.default_rng(9))
    every = np.stack([cells(images) for images in (part.images, *part.controls)], -1)
    for test in many.OMNIBUS:
        for _, tables in complete(every):
            error_rates.Tested(tables, test).check()
    ties = np.random.default_rng(0).integers(0, 4, (4, 9, 5)) / 3
    many.check(ties)
    assert many.wilcoxon(np.zeros((1, 5, 1)))[0, 0] == 1 and many.friedman(np.ones((1, 5, 3)))[0] == 1


def test_groups_are_averaged_as_heatproof_does():
    setting = Setting(8, missing_images=0.2, missing_cells=0.05)
    images = draw(setting, 3, np.random.default_rng(10)).images
    table = frame(images)
    slow = np.full((3, 8, 5, 2), np.nan)
    for where in np.ndindex(slow.shape):
        study, group, model, seed = where
        values = images[study, group, :, model, seed]
        values = values[np.isfinite(values)]
        slow[where] = values.mean() if len(values) else np.nan
    np.testing.assert_allclose(cells(images), slow)
    np.testing.assert_allclose(wide(images), slow.mean(-1))
    assert np.isnan(slow).any() and len(table) == np.isfinite(images).sum()
    assert len(group_means(seed_group_means(table))) >= np.isfinite(slow.mean(-1)).sum()


def test_what_is_drawn():
    part = draw(Setting(200, fixed=True, seeds=3, bounded=True), 4, np.random.default_rng(11))
    values = part.images[np.isfinite(part.images)]
    assert values.min() == 0 and values.max() < 1 and 0.02 < (values == 0).mean() < 0.3
    assert (np.median(values) < values.mean()) and np.abs(part.seed.sum(-1)).max() < 1e-12
    assert np.abs(np.sort(part.seed, -1) - np.sort(part.seed, -1)[:, :1]).max() < 1e-12  # the same in each model
    slices = np.isfinite(part.images).any((3, 4)).sum(2)
    assert slices.min() == 1 and slices.max() == 12 and np.median(slices) < slices.mean()


def test_expected_score_is_the_mean_of_many():
    setting = Setting(10, bounded=True, effects=(0.7,))
    sample = bounded((0.7 + setting.total * np.random.default_rng(12).normal(size=400_000)) / setting.total)
    assert expected(setting, np.array([0.7]), over_seeds=True)[0] == pytest.approx(sample.mean(), abs=0.002)


def test_tables_go_between_their_marks(tmp_path, monkeypatch):
    path = tmp_path / "statistics.md"
    path.write_text("before\n<!-- power -->\nold\n<!-- end -->\nbetween\n<!-- type_i_error -->\n<!-- end -->\nafter\n")
    monkeypatch.setattr(statistics_bench, "DOCS", path)
    names = ("friedman", "friedman_pairs", "rm_anova", "rm_anova_pairs", "quasi_f", "seed_pairs")
    rows = [{"groups": 10, "effect": 0.5} | dict.fromkeys(names, 0.25)]
    statistics_bench.write({"power": {"rows": rows}})
    text = path.read_text()
    assert "old" not in text and "| 10 | 0.5 | .250 |" in text
    assert text.endswith("between\n<!-- type_i_error -->\n<!-- end -->\nafter\n")
    assert statistics_bench.markdown(["a"], [[1.0]]).endswith("| 1.000 |")


def test_holm_of_rows_is_that_of_each():
    p = np.random.default_rng(13).random((5, 6)) ** 3
    plain = pd.DataFrame(p).apply(lambda row: many.holm(row.tolist()), axis=1, result_type="expand").to_numpy()
    np.testing.assert_allclose(many.holm_rows(p), plain)
