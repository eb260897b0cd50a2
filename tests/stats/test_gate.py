"""The gate: verdicts of criteria, what is paired, and how often it errs."""

import numpy as np
import pandas as pd
import pytest

from bench import gates
from heatproof.core.messages import InputError
from heatproof.stats import gate
from heatproof.stats.gate import CRITERIA, LEAST_TO_PASS, Measured, p_values, patients_needed
from heatproof.stats.tests.omnibus import LEAST_GROUPS
from heatproof.text.sentences import sentence

PRIMARY = {"localization": "iou", "faithfulness": "srg", "sanity": "ssim_cascade"}
MARGINS = dict.fromkeys(CRITERIA, 0.05)


def scores(values, family="localization", metric="iou", reason="", **columns) -> pd.DataFrame:
    """Scores of images i0, i1, ... of patients p0, p1, ..."""
    values = np.asarray(values, float)
    names = [f"{letter}{number}" for letter in "ip" for number in range(len(values))]
    plain = {"image_id": names[: len(values)], "group": names[len(values) :], "seed": 0, "method": "cam"}
    reasons = np.where(np.isnan(values), reason or "all_zero", "")
    return pd.DataFrame(plain | {"value": values, "reason": reasons, "family": family, "metric": metric} | columns)


def spread(patients: int, mean: float, sd: float = 0.1) -> np.ndarray:
    """Differences with exactly this mean and standard deviation, symmetric."""
    drawn = np.random.default_rng(patients).normal(size=patients)
    return mean + sd * (drawn - drawn.mean()) / drawn.std(ddof=1)


def measured(worsening: np.ndarray, margin: float = 0.05, lower: bool = True, name: str = "sanity") -> Measured:
    pairs = pd.DataFrame({"group": range(len(worsening)), "baseline": 0.3, "candidate": 0.3 + worsening})
    return Measured(name, "ssim_cascade", "cam", margin, lower, 2.0, pairs)


def decided(*worsenings: np.ndarray, **options) -> gate.Gate:
    return gate.decide([measured(one, **options) for one in worsenings], 0.05, 0.8, "patient")


@pytest.mark.parametrize(
    ("patients", "mean", "verdict"),
    [
        (100, 0.0, "non_inferior"),
        (100, -0.3, "non_inferior"),
        (100, 0.1, "worse"),
        (100, 0.05, "undecided"),
        (LEAST_TO_PASS, 0.0, "non_inferior"),
        (LEAST_TO_PASS - 1, -0.3, "undecided"),
        (LEAST_GROUPS, 0.3, "worse"),
        (LEAST_GROUPS - 1, 0.3, "undecided"),
        (1, 0.3, "undecided"),
    ],
)
def test_one_criterion(patients, mean, verdict):
    for lower in (True, False):
        worsening = spread(patients, mean) if patients > 1 else np.array([mean])
        found = decided(worsening if lower else -worsening, lower=lower)
        assert (found.verdict, found.criteria[0].verdict) == (verdict, verdict)
        assert found.criteria[0].difference == pytest.approx(mean if lower else -mean)


def test_one_criterion_that_is_worse_decides_and_one_that_is_open_keeps_it_open():
    fine, bad, open_ = spread(100, 0), spread(100, 0.12), spread(100, 0.05)
    assert [decided(*of).verdict for of in ([fine, bad, open_], [fine, open_], [fine, fine])] == [
        "worse", "undecided", "non_inferior",
    ]  # fmt: skip


def test_holm_is_over_the_criteria():
    worsening = spread(40, 0.092)
    alone, (_, among, *_) = decided(worsening), decided(spread(40, 0), worsening, *[spread(40, 0)] * 4).criteria
    assert alone.verdict == "worse" and among.verdict == "undecided"
    assert among.p_worse == pytest.approx(6 * alone.criteria[0].p_worse)


def test_the_interval_is_that_of_the_test():
    """Its ends are at alpha on each side, so that a difference within the margin has an interval that is, too."""
    one = decided(spread(60, 0.01)).criteria[0]
    half = 1.671 * 0.1 / np.sqrt(60)  # t of 59 degrees of freedom at .95
    assert (one.low, one.high) == pytest.approx((0.01 - half, 0.01 + half), abs=1e-4)


def test_rare_differences_are_counted_and_not_averaged():
    """A t test of 58 patients without one difference would pass a criterion of which one in twenty may fail."""
    for patients, passes in ((58, False), (59, True)):
        assert (p_values(np.zeros(patients), 0.05, 1.0)[1] <= 0.05) == passes
    one, half = np.zeros(100), np.zeros(100)
    one[0], half[0] = 1.0, 0.5
    assert p_values(one, 0.05, 1.0)[1] == pytest.approx(0.0371, abs=1e-3)  # binomial: one of 100 at .05
    assert 0.0371 > p_values(half, 0.05, 1.0)[1] > 0.95**100
    assert p_values(one, 0.05, 1.0)[1] > p_values(one - one[::-1], 0.05, 1.0)[1]  # what is better counts, too
    assert p_values(one, 0.05, np.inf)[1] == 1.0  # of what has no bound, nothing rare can be excluded


def test_one_patient_that_fails_makes_a_pass_harder():
    worsening = spread(60, 0.0, 0.05)
    worse = np.append(worsening[:-1], 0.9)
    assert p_values(worse, 0.05, 1.0)[1] > 0.05 > p_values(worsening, 0.05, 1.0)[1]


@pytest.mark.parametrize("mean", [0.0, 0.02, 0.09])
def test_so_many_patients_decide_in_four_of_five_gates(mean):
    rng, small = np.random.default_rng(0), spread(40, mean, 0.12)
    needed = patients_needed(small, 0.05, 2.0, 0.05, 0.05, 0.8)
    side = int(mean < 0.05)
    decides = np.mean([p_values(rng.normal(mean, 0.12, needed), 0.05, 2.0)[side] <= 0.05 for _ in range(400)])
    assert 0.74 < decides < 0.95  # the worst of more patients is farther away, or nearer


def test_no_number_of_patients_decides_a_difference_of_the_margin():
    assert patients_needed(spread(60, 0.05), 0.05, 2.0, 0.05, 0.05, 0.8) is None
    found = decided(spread(60, 0.05))
    assert found.needed is None and "too close to the margin" in sentence(found.statements[1])
    few = np.zeros(100)
    few[:5] = 1.0
    assert patients_needed(few, 0.05, np.inf, 0.05, 0.05, 0.8) is None


def test_without_differences_the_patients_needed_are_those_of_the_binomial_test():
    assert patients_needed(np.zeros(30), 0.05, 1.0, 0.05, 0.05, 0.8) == 59
    assert decided(spread(30, 0.0)).needed == LEAST_TO_PASS
    both = decided(spread(60, 0.04), spread(60, 0.06, 0.05))
    assert both.needed == both.criteria[1].needed < both.criteria[0].needed  # one beyond the margin is enough


def test_scores_are_paired_image_by_image_and_averaged_by_patient():
    baseline = scores([0.5, 0.4, 0.3, np.nan], group=["p", "p", "q", "q"])
    candidate = scores([0.4, 0.4, np.nan, np.nan], group=["u", "u", "v", "v"])
    one = gate.measure(baseline, candidate, "localization", "cam", PRIMARY, MARGINS)
    assert one.pairs["group"].tolist() == ["p", "p"] and one.left_out == 1 and not one.lower and one.span == 1
    (found,) = gate.decide([one], 0.05, 0.8, "patient").criteria
    assert (found.patients, found.cases, found.difference) == (1, 2, pytest.approx(-0.05))


def test_seeds_are_averaged_and_one_without_a_score_leaves_the_image_out():
    two = [scores([0.2, 0.4], seed=0), scores([0.4, np.nan], seed=1)]
    one = gate.measure(pd.concat(two), scores([0.3, 0.4]), "localization", "cam", PRIMARY, MARGINS)
    assert one.pairs["baseline"].tolist() == [pytest.approx(0.3)] and one.left_out == 1


def test_an_image_of_another_patient_is_an_error():
    baseline, candidate = scores([0.1, 0.2, 0.3]), scores([0.1, 0.2, 0.3], group=["a", "a", "b"])
    with pytest.raises(InputError, match=r"other patients in the candidate than in the baseline; .*data.patient"):
        gate.measure(baseline, candidate, "localization", "cam", PRIMARY, MARGINS)


@pytest.mark.parametrize(
    ("criterion", "family", "metric", "lower"),
    [
        ("localization", "localization", "iou", False),
        ("faithfulness", "faithfulness", "srg", False),
        ("outside_body", "localization", "outside_body", True),
        ("inside_cue", "localization", "inside_cue", True),
        ("sanity", "sanity", "ssim_cascade", True),
    ],
)
def test_which_values_are_worse(criterion, family, metric, lower):
    low, high = (scores(np.linspace(start, start + 0.1, 60), family, metric) for start in (0.1, 0.4))
    verdicts = [
        gate.decide([gate.measure(*pair, criterion, "cam", PRIMARY, MARGINS)], 0.05, 0.8, "patient").verdict
        for pair in ((low, high), (high, low))
    ]
    assert verdicts == (["worse", "non_inferior"] if lower else ["non_inferior", "worse"])


def test_maps_that_cannot_be_scored_count_and_those_left_out_do_not():
    reasons = ["all_zero", "constant", "not_finite", "no_truth", "left_out", ""]
    values = [np.nan] * 5 + [0.3]
    candidate = scores(values).assign(reason=reasons)
    one = gate.measure(scores([0.3] * 6), candidate, gate.DEGENERATE, "cam", PRIMARY, MARGINS)
    assert one.pairs["candidate"].tolist() == [1, 1, 1, 0, 0] and one.pairs["baseline"].eq(0).all() and one.lower
    every = candidate.assign(reason="not_supported", value=np.nan)
    assert gate.measure(scores([0.3] * 6), every, gate.DEGENERATE, "cam", PRIMARY, MARGINS).reason == "in_one_result"
    beside = pd.concat([scores([0.3] * 60), scores([0.1] * 60, "faithfulness", "srg")])
    worse = pd.concat([scores([np.nan] * 40 + [0.3] * 20), scores([np.nan] * 40 + [0.1] * 20, "faithfulness", "srg")])
    one = gate.measure(beside, worse, gate.DEGENERATE, "cam", PRIMARY, MARGINS)
    assert gate.decide([one], 0.05, 0.8, "patient").verdict == "worse" and len(one.pairs) == 60


def test_what_is_not_measured_is_stated_and_what_one_result_lacks_is_undecided():
    none = scores([np.nan] * 60, reason="no_truth")
    some = scores(np.linspace(0, 1, 60))
    fine = measured(spread(100, 0.0))
    for pair, verdict, reason in (
        ((none, none), "non_inferior", "no image of this study has a mask"),
        ((some, none), "undecided", "only one of the two results has these scores"),
        ((none, some), "undecided", "only one of the two results has these scores"),
    ):
        one = gate.measure(*pair, "localization", "cam", PRIMARY, MARGINS)
        found = gate.decide([one, fine], 0.05, 0.8, "patient")
        assert found.verdict == verdict and reason in sentence(found.statements[1])
        assert "1 of 2 criteria measured" in sentence(found.statements[0]) or verdict == "undecided"
    one = gate.measure(some, some, "outside_body", "cam", PRIMARY, MARGINS)
    assert one.reason == "not_scored"
    outside = {"localization": "outside_body"}  # a study without masks may be judged by it
    assert gate.measure(some, some, "localization", "cam", outside, MARGINS).reason == "no_truth"
    assert gate.decide([one], 0.05, 0.8, "patient").verdict == "undecided"  # nothing measured is no pass


def test_the_same_scores_pass_however_few_they_are():
    some = scores(np.linspace(0, 1, 5))
    assert gate.identical(some, some.sample(frac=1, random_state=0), "cam")
    assert not gate.identical(some, scores(np.linspace(0, 0.9, 5)), "cam")
    assert not gate.identical(some, some[:4], "cam")
    hits = scores([0.0, 1.0] * 10)  # of which other maps may have the same
    assert not gate.identical(hits, hits, "cam")
    one = gate.measure(some, some, "localization", "cam", PRIMARY, MARGINS)
    found = gate.decide([one], 0.05, 0.8, "patient", identical=True)
    assert found.verdict == "non_inferior" and sentence(found.statements[0]).startswith("Non-inferior: both results")


def room(draws: int) -> float:
    return 2 * np.sqrt(0.05 * 0.95 / draws)


SLOW = [pytest.param(kind, 2000, marks=pytest.mark.slow) for kind in ("normal", "bounded", "failing")]


@pytest.mark.parametrize(("kind", "draws"), [("failing", 300), *SLOW])
def test_a_false_verdict_is_as_rare_as_promised(kind, draws):
    rng = np.random.default_rng(0)
    at = gates.rates(kind, gates.states(gates.AT), 60, draws, rng)
    assert at["worse"] <= 0.05 + room(draws) and at["non_inferior"] <= 0.05 + room(draws)
    for name in ("localization", "degenerate") if draws > 300 else ("localization",):
        found = gates.rates(kind, gates.states(gates.BETTER, **{name: gates.AT}), 100, draws, rng)
        assert found["non_inferior"] <= 0.05 + room(draws) and found["worse"] <= 0.05 + room(draws)
        assert found["non_inferior"] > 0.002  # what can be false sometimes is


def test_a_true_verdict_is_found():
    rng = np.random.default_rng(0)
    assert gates.rates("normal", gates.states(gates.BETTER), 100, 50, rng)["non_inferior"] > 0.9
    assert gates.rates("normal", gates.states(gates.EQUAL, sanity=gates.DOUBLE), 200, 50, rng)["worse"] > 0.7
