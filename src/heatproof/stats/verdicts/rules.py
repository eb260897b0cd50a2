"""Every rule that turns p values, intervals and counts into a verdict; nothing else compares with alpha.

Two questions of a family and method share one alpha: do heatmaps beat the controls, do models differ? Each has half,
and the second has all of it where the first leaves nothing open. Not significant never means the same.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

BETTER, WORSE, UNCLEAR = "better", "worse", "unclear"
YES, NO, UNDECIDED = "yes", "no", "undecided"
NON_INFERIOR, UNMEASURED = "non_inferior", "unmeasured"
SUPPORTED, CONTRADICTED = "supported", "contradicted"
RELIES, SHOWN, FAINT, HIDDEN = "relies", "shown", "faint", "hidden"
CHECKPOINTS, ARCHITECTURES = "checkpoints", "architectures"
QUASI_F = "quasi_f"  # the test over all models against the variance between seeds
SKILLINGS_MACK, KRUSKAL, WELCH = "skillings_mack", "kruskal_wallis", "welch"  # where groups lack models
COMPLETE, PARTIAL, DISJOINT = "complete", "partial", "disjoint"  # which groups models share: all, some, none


@dataclass(frozen=True)
class Design:
    """Who is compared with whom, by which metrics, and how."""

    models: Sequence[str]
    methods: Sequence[str]
    primary: dict[str, str]  # family -> the one metric that verdicts rest on
    controls: dict[str, Sequence[str]]  # family -> the controls that a heatmap has to beat
    lower: frozenset[tuple[str, str]]  # (family, metric) of which a low value is good
    settings: dict  # section `stats`
    blind: dict[str, frozenset[str]] = field(default_factory=dict)  # family -> models that it gives no verdict on
    incomplete: bool = False  # whether groups may have some models only, by design

    @property
    def alpha(self) -> float:
        return self.settings["alpha"]

    def margin(self, metric: str) -> float:
        """Return the difference below which a difference does not matter, in the metric's own units."""
        margins = self.settings["margin"]
        return margins.get(metric, margins["default"])

    def sign(self, family: str, metric: str) -> int:
        """Return -1 where a low value is good."""
        return -1 if (family, metric) in self.lower else 1

    def seen(self, family: str) -> "Design":
        """Return the same without the models that the family gives no verdict on."""
        return replace(self, models=[model for model in self.models if model not in self.blind.get(family, ())])

    def is_primary(self, family: str, metric: str) -> bool:
        return self.primary.get(family) == metric


def rejects(p, level: float):
    """Return whether a test rejects; never where there is no p. Works on arrays, too.

    >>> rejects(0.02, 0.025), rejects(None, 0.05), rejects(float("nan"), 0.05)
    (True, False, False)
    """
    return False if p is None else p <= level


def layout(wide: pd.DataFrame) -> str:
    """Return whether the groups of a table [groups, models] have all models, several or one each."""
    counts = wide.notna().sum(axis=1)
    if wide.shape[1] < 2 or (counts == wide.shape[1]).all():
        return COMPLETE
    return PARTIAL if (counts > 1).any() else DISJOINT


def declared_test(layout: str, test: str, over_seeds: bool) -> str:
    """Return the test over all models that verdicts are based on."""
    if layout == PARTIAL:
        return SKILLINGS_MACK
    if layout == DISJOINT:
        return KRUSKAL if test == "friedman" else WELCH
    return QUASI_F if over_seeds else test


def out_of_reach(smallest_p: float | None, level: float) -> bool:
    """Return whether even the smallest p that so many groups can have would not reject."""
    return smallest_p is not None and smallest_p > level


def excludes_zero(low: float | None, high: float | None) -> bool:
    """Return whether an interval leaves zero out."""
    return low is not None and high is not None and (low > 0 or high < 0)


def competent(low: float, floor: float) -> bool:
    """Return whether a checkpoint classifies well enough: the low end of its interval exceeds the floor."""
    return bool(low > floor)


def control_level(alpha: float, models: int) -> float:
    """Return the alpha of the question about controls: all of it where there is no second model to compare."""
    return alpha / 2 if models > 1 else alpha


def levels(alpha: float, models: int, controls: pd.DataFrame) -> tuple[float, float]:
    """Return the alpha of the question about controls, and that of the question about differences.

    Args:
        models: how many are compared.
        controls: rows of (model, control) with `verdict`, at the first of both.
    """
    if controls.empty:
        return alpha, alpha  # no control to beat: the second question has all of it
    first = control_level(alpha, models)
    return first, alpha if settled(controls) else first


def settled(controls: pd.DataFrame) -> bool:
    """Return whether every model is better than all its controls or worse than some."""
    return bool(controls.groupby("model")["verdict"].agg(lambda found: (found != UNCLEAR).any()).all())


def beats_controls(rows: pd.DataFrame, level: float) -> pd.Series:
    """Return the verdict of each row of `omnibus.against_controls`: `better` in all rows of a model that is better than
    each control, `worse` in those whose p was found, else `unclear`."""
    found = (rows["side"] != "") & rejects(rows["p_corrected"], level)
    # a model without a score of some control is not better than every control
    found &= (rows["side"] == WORSE) | rows["complete"].astype(bool)
    return rows["side"].where(found, UNCLEAR)


def by_model(controls: pd.DataFrame) -> dict[str, str]:
    """Return model -> `better` than all its controls, `worse` than some, else `unclear`."""
    found = {}
    for model, rows in controls.groupby("model", sort=False):
        seen = set(rows["verdict"])
        found[model] = BETTER if seen == {BETTER} else WORSE if WORSE in seen else UNCLEAR
    return found


def separates(truth: pd.DataFrame, alpha: float) -> dict[str, bool]:
    """Return model -> whether the metric tells the truth from a random map on its images; nothing of models whose
    groups are too few to tell.

    Args:
        truth: rows of `omnibus.against_controls` of the truth in the place of a heatmap.
    """
    able = truth[~(truth["smallest_p"] > alpha)]
    return {model: word == BETTER for model, word in by_model(able.assign(verdict=beats_controls(able, alpha))).items()}


def p_column(pairs: pd.DataFrame) -> str:
    """Return the corrected p that verdicts read: against the variance between seeds where there is one."""
    return "p_seeds" if pairs["p_seeds"].notna().any() else "p_corrected"


def pairs_apart(pairs: pd.DataFrame, p_omnibus: float | None, level: float) -> pd.DataFrame:
    """Return the pairs that can be told apart: none where the test over all models does not reject. Two models have no
    such test, and the pair stands alone."""
    if p_omnibus is not None and not rejects(p_omnibus, level):
        return pairs[:0]
    return pairs[rejects(pairs[p_column(pairs)], level)]


def equivalent(pairs: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """Return the pairs whose difference is smaller than the margin: two one-sided tests, Holm over pairs.

    These hold the checkpoints fixed, also where there are seeds enough to speak of architectures.
    """
    return pairs[rejects(pairs["p_equivalent"], alpha)]


def within_seeds(pairs: pd.DataFrame, spread: Mapping[str, float]) -> pd.DataFrame:
    """Return the pairs whose means lie closer together than the means of the seeds of either model.

    Args:
        spread: model -> the largest difference between the means of its seeds.
    """
    of_seeds = pairs[["a", "b"]].map(lambda model: spread.get(model, 0.0)).min(axis=1).astype(float)
    return pairs[pairs["difference"].abs() < of_seeds]


def most(found: Collection[str], verdict: str) -> bool:
    """Return whether more than half of some verdicts are `verdict`."""
    return sum(one == verdict for one in found) > len(found) / 2


def decides(verdict: str | None, p_no: float, level: float, has_room: bool) -> str:
    """Return whether a model's heatmaps answer a question: yes, no or undecided.

    Args:
        verdict: of its heatmaps against all controls.
        p_no: that any lead over the strongest control is smaller than the margin.
        has_room: whether a perfect map would lead that control by more.
    """
    if verdict == BETTER:
        return YES
    return NO if rejects(p_no, level) and has_room else UNDECIDED


def sign(p: float | None, rho: float | None, level: float) -> int:
    """Return 1 where a correlation above zero is found, -1 below, else 0.

    >>> sign(0.01, -0.4, 0.05), sign(0.2, 0.4, 0.05)
    (-1, 0)
    """
    return int(np.sign(rho)) if rho is not None and rejects(p, level) else 0


def fall_is_clear(random: pd.DataFrame, grouped: pd.DataFrame) -> bool:
    """Return whether in every checkpoint the interval of the random split lies above that of the grouped one."""
    return bool((random["low"] > grouped["high"]).all())


def relies_on_cue(low: float) -> str:
    """Return whether a model relies on a cue, from the low end of the fall in accuracy where it conflicts."""
    return RELIES if low > 0 else UNCLEAR


def shows_cue(upward: bool, p: float, p_below: float, alpha: float) -> str:
    """Return whether heatmaps show a cue.

    Args:
        upward: whether mean and ranks both point to the cue.
        p: of the difference between images with and without it.
        p_below: that it is smaller than the margin.
    """
    if upward and rejects(p, alpha):
        return FAINT if rejects(p_below, alpha) else SHOWN
    return HIDDEN if rejects(p_below, alpha) else UNCLEAR


def claim_cue(hidden: int, shown: int, relying: int) -> str:
    """Judge that heatmaps may miss a cue, from how many of the relying models' heatmaps hide it and show it."""
    return SUPPORTED if hidden else CONTRADICTED if shown == relying else UNDECIDED


def claim_beats_controls(verdicts: Collection[str]) -> str:
    """Judge that most models beat every control, from their verdicts."""
    if most(verdicts, BETTER):
        return SUPPORTED
    return CONTRADICTED if 2 * sum(one == WORSE for one in verdicts) >= len(verdicts) else UNDECIDED


def claim_lower(effect: float, p: float | None, p_same: float, alpha: float) -> str:
    """Judge that some score lower than others; effect above zero supports it.

    Args:
        p: of the difference; None where ranks and mean point to different sides, so that nothing is found.
        p_same: that the difference is smaller than the margin.
    """
    if rejects(p, alpha):
        return SUPPORTED if effect > 0 else CONTRADICTED
    return CONTRADICTED if rejects(p_same, alpha) else UNDECIDED


def all_pass(rows: Collection[Mapping], level: float) -> bool:
    """Return whether every one of some effects is significantly below zero: whether all criteria are met."""
    return all(row["effect"] < 0 and rejects(row["p"], level) for row in rows)


def claim_each_fails(failing: Iterable[bool], passes: bool) -> str:
    """Judge that each of several fails some criterion, from whether it does, and whether any passes all criteria."""
    return SUPPORTED if all(failing) else CONTRADICTED if passes else UNDECIDED


def claim_differ(p: float, all_equivalent: bool, alpha: float) -> str:
    """Judge that models differ."""
    return SUPPORTED if rejects(p, alpha) else CONTRADICTED if all_equivalent else UNDECIDED


def claim_outdo(rows: pd.DataFrame, able: Mapping[str, int], alpha: float) -> str:
    """Judge that other methods outdo one, from rows of model, effect, p, p_same (Holm over all).

    A model speaks for it where one method at least does better, against it where each that it supports does worse or
    differs by less than the margin; more than half of the models decide.

    Args:
        able: model -> the methods that it supports.
    """
    better = outdoes(rows, alpha)
    worse = rejects(rows["p"], alpha) & (rows["effect"] < 0) | rejects(rows["p_same"], alpha) & ~better
    speaks = {
        SUPPORTED: better.groupby(rows["model"], sort=False).any(),
        CONTRADICTED: (count := worse.groupby(rows["model"], sort=False).sum()) == count.index.map(able),
    }
    return next((word for word, found in speaks.items() if 2 * found.sum() > len(found)), UNDECIDED)


def outdoes(rows: pd.DataFrame, alpha: float) -> pd.Series:
    """Return which rows of (model, method) are significantly ahead."""
    return rejects(rows["p"], alpha) & (rows["effect"] > 0)


def finding(verdicts: Sequence[str], low: float, high: float) -> str:
    """Judge a finding of several parts: more than half of them one way, none the other, and the interval of their mean
    effect, in margins, above zero (or below one)."""
    if most(verdicts, SUPPORTED) and CONTRADICTED not in verdicts and low > 0:
        return SUPPORTED
    return CONTRADICTED if most(verdicts, CONTRADICTED) and SUPPORTED not in verdicts and high < 1 else UNDECIDED


def gate_criterion(p_worse: float, p_non_inferior: float, alpha: float, identical: bool) -> str:
    """Judge one criterion of a gate.

    Args:
        p_worse: that the candidate is not worse than the margin (Holm over criteria).
        p_non_inferior: that it is.
        identical: whether both have the same scores, which is no worse in any number of patients.
    """
    if rejects(p_worse, alpha):
        return WORSE
    return NON_INFERIOR if identical or rejects(p_non_inferior, alpha) else UNDECIDED


def gate(verdicts: Collection[str]) -> str:
    """Judge a candidate from the verdicts of all criteria: worse by one, or non-inferior by each that is measured."""
    if WORSE in verdicts:
        return WORSE
    return NON_INFERIOR if {*verdicts} <= {NON_INFERIOR, UNMEASURED} and NON_INFERIOR in verdicts else UNDECIDED
