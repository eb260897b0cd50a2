"""A second reader as the yardstick: shares by hand, intervals that cover, tests that hold, and what is said."""

import numpy as np
import pandas as pd
import pytest

from heatproof.stats.tests.readers import second_reader
from heatproof.text.sentences import sentence

SETTINGS = {"alpha": 0.05, "interval": 0.95, "margin": {"default": 0.05}, "seed": 0, "group_kind": "patient"}


def scores(heatmap, reader, *, labels=None, groups=None, metric="iou", seeds=(0,), reasons=None) -> pd.DataFrame:
    """Rows of one model and method, and of the second reader; values [cases], or [seeds, cases] of heatmaps."""
    count = len(reader)
    names = [f"i{n}" for n in range(count)]
    base = pd.DataFrame({"image_id": names, "group": groups or names})
    base = base.assign(model="m", metric=metric, family="localization", reason="")
    if labels is not None:
        base = base.assign(label=pd.array(labels, "Int64"))
    heatmap = np.broadcast_to(heatmap, (len(seeds), count))
    parts = [base.assign(method="cam", seed=seed, value=of) for seed, of in zip(seeds, heatmap, strict=True)]
    parts += [base.assign(method="second_reader", seed=seed, value=reader, reason=reasons or "") for seed in seeds]
    return pd.concat(parts, ignore_index=True)


def compared(table, classes=("a", "b"), **settings):
    return second_reader("s", table, classes, ["cam"], ["m"], SETTINGS | settings, "iou")


def test_shares_by_hand():
    heatmap, reader = np.array([0.2, 0.4, 0.3, 0.3, 0.1, 0.5]), np.array([0.4, 0.8, 0.5, 0.7, 0.5, 0.7])
    found = compared(scores(heatmap, reader))
    [row], [agreement] = found.comparisons, found.agreement
    assert row.share.value == pytest.approx(1.8 / 3.6) and row.decrease.value == pytest.approx(50)
    assert row.share.low < 0.5 < row.share.high and row.decrease.low < 50 < row.decrease.high
    assert row.difference.value == pytest.approx(-0.3) and row.outcome == "worse" and row.groups == 6
    assert agreement.score.value == pytest.approx(0.6) and agreement.missed == 0


def test_a_patient_with_many_images_counts_once():
    heatmap, reader = np.array([0.1] * 20 + [0.5] * 5), np.full(25, 0.5)
    [row] = compared(scores(heatmap, reader, groups=["p"] * 20 + [f"q{n}" for n in range(5)])).comparisons
    assert row.heatmap == pytest.approx((0.1 + 5 * 0.5) / 6) and row.groups == 6 and row.cases == 25


def test_percentage_decrease_averages_labels_and_leaves_out_what_the_reader_missed():
    labels = [0] * 6 + [1] * 2
    heatmap, reader = np.array([0.2] * 6 + [0.6] * 2), np.array([0.4] * 6 + [0.8, 0.0])
    reasons = [""] * 7 + ["nothing_drawn"]
    table = scores(heatmap, reader, labels=labels)
    missing = scores(heatmap, np.where(np.array(reasons) == "", reader, np.nan), labels=labels, metric="pixel_auroc",
        reasons=reasons)  # fmt: skip
    found = compared(pd.concat([table, missing]))
    whole = next(row for row in found.comparisons if (row.metric, row.label) == ("iou", None))
    assert whole.decrease.value == pytest.approx(100 * (0.6 - 0.4) / 0.6)  # (.4 + .8) / 2 and (.2 + .6) / 2
    assert whole.share.value == pytest.approx((6 * 0.2 + 2 * 0.6) / (6 * 0.4 + 0.8))  # what it missed is 0
    assert {row.label for row in found.comparisons if row.metric == "iou"} == {None, "a", "b"}
    assert next(row.missed for row in found.agreement if (row.metric, row.label) == ("pixel_auroc", None)) == 1
    single = next(row for row in found.comparisons if (row.metric, row.label) == ("iou", "b"))
    assert single.equivalent is None and single.share.low is None and single.outcome == "untested"


def test_intervals_cover_and_the_test_of_equivalence_keeps_its_level():
    """Of a true share of 0.8; and of heatmaps that are off by the margin exactly."""
    rng, inside, claimed = np.random.default_rng(0), 0, 0
    for _ in range(40):
        reader = rng.uniform(0.4, 0.6, 40)
        [row] = compared(scores(0.8 * reader + rng.normal(0, 0.1, 40), reader)).comparisons
        inside += row.share.low <= 0.8 <= row.share.high
        [row] = compared(scores(reader - 0.05 + rng.normal(0, 0.05, 40), reader)).comparisons
        claimed += row.outcome == "as_good"
    assert inside >= 33 and claimed <= 6  # of 40, .95 and .05; a binomial of fewer or more has p below .01


def test_equal_readers_are_as_good():
    reader = np.random.default_rng(1).uniform(0.4, 0.6, 30)
    [row] = compared(scores(reader + np.random.default_rng(2).normal(0, 0.02, 30), reader)).comparisons
    assert row.outcome == "as_good" and row.equivalent <= 0.05


def test_few_groups_have_no_interval_and_a_reader_of_nothing_no_share():
    [row] = compared(scores(np.full(4, 0.2), np.full(4, 0.4))).comparisons
    assert [row.share.low, row.difference.low, row.equivalent] == [None] * 3 and row.outcome == "untested"
    [row] = compared(scores(np.full(9, 0.2), np.zeros(9))).comparisons
    assert [row.share.value, row.decrease.value] == [None] * 2
    [row] = compared(scores(np.full(9, 2.0), np.ones(9), metric="peak_distance")).comparisons
    assert row.share.value is None and row.difference.value == 1 and row.outcome == "worse"


def test_cases_that_a_seed_lacks_are_left_out():
    heatmap = np.array([[0.2] * 6, [0.4] * 5 + [np.nan]])
    [row] = compared(scores(heatmap, np.full(6, 0.6), seeds=(0, 1))).comparisons
    assert row.cases == 5 and row.heatmap == pytest.approx(0.3)


def test_without_a_second_reader_there_is_nothing():
    table = scores(np.full(6, 0.2), np.full(6, 0.4))
    assert compared(table[table["method"] != "second_reader"]) is None


def test_what_is_said():
    table = scores(np.full(6, 0.3) + np.linspace(0, 0.01, 6), np.full(6, 0.5), reasons=[""] * 6)
    found = compared(table, group_kind="image", patients_known=False)
    said = [sentence(one) for one in found.statements]
    assert said[0] == (
        "A second reader agrees with the truth at IoU 0.50 [0.50, 0.50] (6 regions; intervals over images, as "
        "patients are not known)."
    )
    assert said[1].startswith("IoU of cam for m is 0.30, 61% [") and said[1].endswith("significantly worse (6 images).")
