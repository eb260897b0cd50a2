"""Gate a candidate's heatmaps against a baseline's: non-inferior within a margin by every criterion, or worse by one.

A criterion is the mean over patients of how much worse the candidate scores on the same images. Of patients drawn from
a population, at any dependence between criteria:

- if no criterion is worse than its margin, the verdict is `worse` with probability at most alpha (Holm over criteria);
- if a criterion is worse than its margin, the verdict is `non_inferior` with probability at most alpha, because every
  criterion has to be shown at alpha (intersection-union).

`docs/simulations.md` has the rates. Results with the same scores pass, whatever the number of patients.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammainc, gammaincc

from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.metrics import better, find_metric, needs_lesion
from heatproof.catalogue.reasons import IN_ONE, NO_TRUTH, NOT_SCORED, find_reason
from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.core.statements import Statement
from heatproof.stats.results import Number, number
from heatproof.stats.statements.general import state
from heatproof.stats.tests.omnibus import LEAST_GROUPS
from heatproof.stats.tests.paired import DECIMALS, SAME, below_p, holm, t_interval
from heatproof.stats.tests.power import detectable_effect
from heatproof.stats.verdicts import rules

LOCALIZATION, FAITHFULNESS, BODY, CUE, SANITY, DEGENERATE = CRITERIA = (
    "localization", "faithfulness", "outside_body", "inside_cue", "sanity", "degenerate",
)  # fmt: skip
READ = ("localization", "faithfulness", "sanity", "complexity")  # families whose scores a gate reads
LEAST_TO_PASS = 50  # patients: fewer often miss all of the few whose heatmaps fail, so that a false pass is frequent
DRAWS = 4_000  # of weights
MOST_NEEDED = 100_000  # patients, beyond which no number is stated
KEYS = ["image_id", "label"]  # of a case


@dataclass(frozen=True)
class Measured:
    """One criterion's scores of the cases that both results have.

    Attributes:
        metric: of the criterion; "" of degenerate maps.
        lower: whether low values are good.
        span: the largest difference that two scores can have.
        pairs: columns group, baseline, candidate.
        left_out: cases with a score in one result only.
        reason: code of why there are no pairs.
    """

    criterion: str
    metric: str
    method: str
    margin: float
    lower: bool
    span: float
    pairs: pd.DataFrame
    left_out: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Criterion:
    """The verdict of one criterion; its difference is candidate - baseline, and p_worse is Holm's.

    `needed` is the number of patients that would decide it in a share `power` of repetitions, if the difference were
    the one that was measured; None where none would, or it is decided.
    """

    name: str
    metric: str
    method: str
    margin: float
    verdict: str
    patients: int = 0
    cases: int = 0
    left_out: int = 0
    baseline: Number = None
    candidate: Number = None
    difference: Number = None
    low: Number = None
    high: Number = None
    p_worse: Number = None
    p_non_inferior: Number = None
    needed: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Gate:
    """The verdict over all criteria; `unit` is a kind of group, a key of `text.numbers.UNITS`."""

    criteria: tuple[Criterion, ...]
    alpha: float
    power: float
    unit: str
    identical: bool = False

    @property
    def verdict(self) -> str:
        return rules.gate([one.verdict for one in self.criteria])

    def of(self, verdict: str) -> list[Criterion]:
        """Return the criteria with a verdict."""
        return [one for one in self.criteria if one.verdict == verdict]

    @property
    def needed(self) -> int | None:
        """The patients that would decide: one criterion that is beyond its margin is enough, else all have to be."""
        open_ = self.of(rules.UNDECIDED)
        if beyond := [one.needed for one in open_ if one.needed and _beyond(one)]:
            return min(beyond)
        return None if not open_ or None in (found := [one.needed for one in open_]) else max(found)

    @property
    def statements(self) -> list[Statement]:
        """Return the verdict, then each criterion."""
        named = {"worse": [one.name for one in self.of(rules.WORSE)]} if self.verdict == rules.WORSE else {}
        counts = {"measured": len(self.criteria) - len(self.of(rules.UNMEASURED)), "criteria": len(self.criteria)}
        kind = "identical" if self.identical else f"is_{self.verdict}"
        whole = state(f"gate.{kind}", numbers=counts | {"needed": self.needed}, unit=self.unit, **named)
        return [whole, *(_state(one, self.unit) for one in self.criteria)]


def _beyond(one: Criterion) -> bool:
    return one.p_worse is not None and one.p_non_inferior is not None and one.p_worse < one.p_non_inferior


def _state(one: Criterion, unit: str) -> Statement:
    names = ("margin", "patients", "baseline", "candidate", "difference", "low", "high", "p_worse", "p_non_inferior")
    numbers = {name: getattr(one, name) for name in (*names, "needed")} | {"left_out": one.left_out or None}
    if one.verdict == rules.UNMEASURED or one.reason:
        numbers = {}
    elif one.verdict == rules.UNDECIDED and one.patients < LEAST_GROUPS:
        numbers |= {"least": LEAST_GROUPS}
    subjects = {"criterion": one.name, "metric": one.metric, "method": one.method, "unit": unit}
    return state(f"gate.{one.verdict}", reason=one.reason or None, numbers=numbers, **subjects)


def p_values(worsening: np.ndarray, margin: float, span: float) -> tuple[float, float]:
    """Test a mean against a margin from both sides.

    t tests, as if one more patient were the worst (for the other side the best) of all: where few heatmaps fail, a
    plain t test would pass too often. Where most patients have no difference, `rare_p` is used.

    Args:
        worsening: [patients], above zero where the candidate is worse.
        span: the largest possible difference.

    Returns:
        One-sided p of being worse than the margin, and of being within it; 1 from too few patients.
    """
    patients = len(worsening)
    if patients < LEAST_GROUPS:
        return 1.0, 1.0
    worse = below_p(np.append(-worsening, -worsening.min()), -margin)
    if patients < LEAST_TO_PASS:
        return worse, 1.0
    if rare(worsening):
        return worse, rare_p(worsening, margin, span)
    return worse, below_p(np.append(worsening, worsening.max()), margin)


def rare(worsening: np.ndarray) -> bool:
    """Return whether most patients have no difference."""
    return bool((worsening == 0).mean() > 0.5)


def rare_p(worsening: np.ndarray, margin: float, span: float) -> float:
    """Test that a mean is below a margin, as if one more patient had the largest possible difference.

    p is the share of random weights of the patients (Dirichlet, all 1) with a mean beyond the margin (Gaffke 2005); of
    differences of 0 and `span` alone it is the binomial test's.

    >>> round(rare_p(np.zeros(59), 0.05, 1.0), 3) == round(0.95**59, 3)
    True
    """
    other, equal = worsening[worsening != 0], int((worsening == 0).sum())
    strata = np.tile((np.arange(DRAWS)[:, None] + 0.5) / DRAWS, len(other))  # each weight's quantiles, in random order
    weights = -np.log(generator("gate", len(worsening)).permuted(strata, axis=0))
    # the weights of the equal patients and of the one more are integrated: this much is lacking to the margin
    lacking, rate = weights @ (margin - other), 1 / (span - margin)
    enough = np.maximum(-lacking, 0) / margin
    tail = np.exp(-lacking * rate - equal * np.log1p(margin * rate)) * gammaincc(equal, enough * (1 + margin * rate))
    return float((gammainc(equal, enough) + tail).mean())


def patients_needed(
    worsening: np.ndarray, margin: float, span: float, alpha: float, worse_alpha: float, power: float
) -> int | None:
    """Return the patients from which a test at its level decides, if mean and spread stay what they are, rounded up to
    two digits; None where none would.

    Args:
        alpha: level of non-inferiority.
        worse_alpha: level of being worse.
    """
    mean, sd = worsening.mean(), worsening.std(ddof=1) if len(worsening) > 1 else 0.0
    least, level, far = LEAST_GROUPS, worse_alpha, mean - worsening.min()
    if mean < margin:
        least, level, far = LEAST_TO_PASS, alpha, worsening.max() - mean
        if rare(worsening):
            far = span - mean
            least = max(least, math.ceil(math.log(alpha) / math.log1p(-margin / span))) if span < math.inf else least

    def decides(count: int) -> bool:
        return detectable_effect(count, 2 * level, power) * sd + far / (count + 1) <= abs(margin - mean)

    if not decides(MOST_NEEDED):
        return None
    count = bisect_left(range(MOST_NEEDED), True, lo=least, key=decides)
    unit = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def judge(
    worsenings: Sequence[np.ndarray],
    margins: Sequence[float],
    spans: Sequence[float],
    alpha: float,
    identical: bool = False,
) -> list[tuple[str, float, float]]:
    """Return verdict, p of being worse (Holm over criteria) and p of being non-inferior of each criterion."""
    p = [p_values(*one) for one in zip(worsenings, margins, spans, strict=True)]
    corrected = holm([worse for worse, _ in p]) if p else ()
    return [
        (rules.gate_criterion(worse, within, alpha, identical), float(worse), within)
        for worse, (_, within) in zip(corrected, p, strict=True)
    ]


def decide(measured: Sequence[Measured], alpha: float, power: float, unit: str, identical: bool = False) -> Gate:
    """Make all tests of a gate.

    Args:
        identical: whether both results have the same scores.
    """
    tested = [one for one in measured if not one.reason]
    worsenings = [_by_patient(one) for one in tested]
    judged = judge(worsenings, [one.margin for one in tested], [one.span for one in tested], alpha, identical)
    found = iter(zip(worsenings, judged, strict=True))
    made = []
    for one in measured:
        names = {"name": one.criterion, "metric": one.metric, "method": one.method, "margin": one.margin}
        names |= {"left_out": one.left_out, "reason": one.reason}
        if one.reason:
            verdict = rules.UNDECIDED if one.reason == IN_ONE.code else rules.UNMEASURED
            made.append(Criterion(**names, verdict=verdict))
            continue
        worsening, (verdict, p_worse, p_non_inferior) = next(found)
        needed = None
        if verdict == rules.UNDECIDED:
            needed = patients_needed(worsening, one.margin, one.span, alpha, alpha / len(tested), power)
        means = one.pairs.groupby("group")[["baseline", "candidate"]].mean().mean()
        difference = worsening if one.lower else -worsening
        low, high = (number(end[0]) for end in t_interval(difference[:, None], 1 - 2 * alpha))
        of = Criterion(
            **names,
            verdict=verdict,
            patients=len(worsening),
            cases=len(one.pairs),
            baseline=float(means["baseline"]),
            candidate=float(means["candidate"]),
            difference=float(difference.mean()),
            low=low,
            high=high,
            p_worse=p_worse,
            p_non_inferior=p_non_inferior,
            needed=needed,
        )
        made.append(of)
    return Gate(tuple(made), alpha, power, unit, identical)


def _by_patient(one: Measured) -> np.ndarray:
    """How much worse the candidate is, mean over the cases of each patient."""
    difference = (one.pairs["candidate"] - one.pairs["baseline"]).groupby(one.pairs["group"]).mean()
    worsening = (difference if one.lower else -difference).to_numpy(float).round(DECIMALS)
    return np.where(np.abs(worsening) < SAME, 0.0, worsening)


def measure(
    baseline: pd.DataFrame,
    candidate: pd.DataFrame,
    criterion: str,
    method: str,
    primary: Mapping[str, str],
    margins: Mapping[str, float],
) -> Measured:
    """Pair the scores of two models for one criterion.

    Args:
        baseline, candidate: rows of `store.tables.SCORES` with a column `family`, of one model each.
        primary: family -> its primary metric.
        margins: criterion -> its margin.

    Raises:
        InputError: an image belongs to different patients in the two.
    """
    family = criterion if criterion in FAMILIES else LOCALIZATION
    metric = primary.get(family, "") if criterion in FAMILIES else criterion
    lower, span = True, 1.0
    if criterion == DEGENERATE:
        metric, sides = "", [degenerate(scores, method) for scores in (baseline, candidate)]
    else:
        sides = [values(scores, method, family, metric) for scores in (baseline, candidate)]
        known = find_metric(metric, family)
        span = known.span if known else math.inf
        lower = criterion == CUE or better(family, metric) == "lower" if metric else False
    reason = ""
    if criterion == LOCALIZATION and metric and not needs_lesion(metric):
        sides, reason = [side[:0] for side in sides], NO_TRUTH.code
    both = sides[0].merge(sides[1], how="outer", left_index=True, right_index=True, suffixes=("_a", "_b"))
    pairs = both.dropna(subset=["value_a", "value_b"])
    groups = pairs[["group_a", "group_b"]].drop_duplicates()
    if groups["group_a"].duplicated().any() or groups["group_b"].duplicated().any():
        raise InputError(
            f"{criterion}: an image belongs to other patients in the candidate than in the baseline; prepare both from "
            "the same images with the same data.patient"
        )
    known_in = [bool(side["value"].notna().any()) for side in sides]
    if not reason and pairs.empty:
        missing = pd.concat([side["reason"] for side in sides])
        common = missing[missing != ""].mode()
        reason = IN_ONE.code if any(known_in) else NOT_SCORED.code if common.empty else common[0]
    named = pairs.rename(columns={"group_a": "group", "value_a": "baseline", "value_b": "candidate"})
    left_out = int((both["value_a"].notna() ^ both["value_b"].notna()).sum())
    columns = named[["group", "baseline", "candidate"]]
    return Measured(criterion, metric, method, margins[criterion], lower, span, columns, left_out, reason)


def values(scores: pd.DataFrame, method: str, family: str, metric: str) -> pd.DataFrame:
    """Return group, value (mean over seeds, NaN where one is missing) and reason of each case."""
    rows = scores[(scores["method"] == method) & (scores["family"] == family) & (scores["metric"] == metric)]
    return _cases(rows.assign(gone=rows["value"].isna()))


def degenerate(scores: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return the same of maps that cannot be scored (1) and others (0): constant, zero, or not finite."""
    alike = scores["family"].map(lambda family: FAMILIES[family].shardable)
    rows = scores[(scores["method"] == method) & alike]
    of_map = {
        code: found for code in rows["reason"].unique() if (found := find_reason(code)) and found.stage == "explain"
    }
    expected = rows["reason"].isin([code for code, found in of_map.items() if found.expected])
    if expected.any() and expected.all():
        return _cases(rows.assign(value=np.nan, gone=True))
    rows = rows[~expected]
    return _cases(rows.assign(value=rows["reason"].isin(list(of_map)).astype(float), gone=False, reason=""), "max")


def _cases(rows: pd.DataFrame, within_seed: str = "first") -> pd.DataFrame:
    keys = [key for key in KEYS if key in rows]
    seeds = rows.groupby([*keys, "seed"], dropna=False)[["value", "gone", "group", "reason"]].agg(
        {"value": within_seed, "gone": "max", "group": "first", "reason": "first"}
    )
    cases = seeds.groupby(level=keys).agg({"value": "mean", "gone": "max", "group": "first", "reason": "max"})
    return cases.assign(value=cases["value"].where(~cases["gone"].astype(bool))).drop(columns="gone")


def identical(baseline: pd.DataFrame, candidate: pd.DataFrame, method: str) -> bool:
    """Return whether two models have the same scores by a method, and more than two different ones by some metric: maps
    of other weights never have."""
    keys = [key for key in (*KEYS, "seed", "family", "metric") if key in baseline and key in candidate]
    sides = [
        scores[scores["method"] == method].set_index(keys)["value"].sort_index() for scores in (baseline, candidate)
    ]
    if not sides[0].index.equals(sides[1].index) or not len(sides[0]):
        return False
    same = (sides[0] == sides[1]) | (sides[0].isna() & sides[1].isna())
    return bool(same.all()) and sides[0].groupby(level="metric").nunique().max() > 2
