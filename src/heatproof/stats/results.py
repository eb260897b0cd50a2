"""What statistics found of a study, as values: stored in `summary.json`, read by the report, comparisons and papers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from heatproof.catalogue.metrics import judged_by_truth
from heatproof.catalogue.reasons import find_reason
from heatproof.core.statements import Statement
from heatproof.stats.verdicts import rules
from heatproof.store import artifacts

Number = float | None  # JSON has no NaN: None stands for a number that is not there
Names = tuple[str, ...]
Pair = tuple[str, str]
NOT_COMPETENT, BLIND, NO_SCORES = "not_competent", "blind", "no_scores"  # why a family has no verdict, by `unjudged`


def number(value: float | None) -> Number:
    """Return a number for JSON: None where it is missing or NaN."""
    return None if value is None or pd.isna(value) else float(value)


def is_expected(reason: str) -> bool:
    """Return whether a score was never to be had, so that its absence says nothing about the heatmaps."""
    return (found := find_reason(reason)) is not None and found.expected


def records(table: pd.DataFrame) -> list[dict]:
    """Return rows as dictionaries of plain values; numbers that are not there are None."""
    return [{key: _plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def _plain(value):
    if isinstance(value, str | bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    return int(value) if isinstance(value, int | np.integer) else number(value)


@dataclass(frozen=True)
class Groups:
    """What a group is (patient, lookalike, image; group of a table), and how images were split."""

    kind: str
    split_by: str | None = None
    patients_known: bool | None = None


@dataclass(frozen=True)
class Seeds:
    """Training seeds a model; `most` differs from `count` where a table has more of some models than of others."""

    count: int
    most: int


@dataclass(frozen=True)
class Setting:
    """What the models were trained from and on.

    Attributes:
        weights: model -> scratch, pretrained or brought.
        epochs: model -> epochs; 0 of a checkpoint that is taken as it was brought.
        size: pixels a side.
        seeds: training seeds.
        text: the study's own words.
        unstated: checkpoints of which nobody has stated that they have not seen the test images.
    """

    weights: dict[str, str]
    epochs: dict[str, int]
    size: int
    seeds: tuple[int, ...]
    text: str = ""
    unstated: Names = ()

    @classmethod
    def of(cls, given: Mapping) -> "Setting":
        """Return a setting from plain values."""
        return _adapter(cls).validate_python(dict(given))

    @property
    def trained_here(self) -> bool:
        return all(self.epochs.values())


@dataclass(frozen=True)
class Competence:
    """What a model has to exceed, in which measure; `reason`: why none can be judged; `within`: the column whose values
    are judged apart."""

    chance: float
    floor: float
    measure: str = "balanced accuracy"
    reason: str | None = None
    within: str | None = None


@dataclass(frozen=True)
class Model:
    """Means over the checkpoints of a model; competent if each of them is."""

    competent: bool
    accuracy: Number = None
    balanced_accuracy: Number = None
    f1_macro: Number = None
    f1_micro: Number = None
    auroc: Number = None


@dataclass(frozen=True)
class Labels:
    """The labels of a multilabel study; `not_counted`: label -> test groups with an image that has it, and without."""

    counted: Names
    not_counted: dict[str, tuple[int, int]]
    min_patients: int


@dataclass(frozen=True)
class Cases:
    """Cases (an image and a label) that every training has in a family, and those that only some have."""

    kept: int
    left_out: int


@dataclass(frozen=True)
class Comparison:
    """Balanced accuracy by model on a random split and on the study's; `clear`: the fall is more than chance."""

    random: dict[str, Number]
    grouped: dict[str, Number]
    fall: dict[str, Number]
    clear: Names


@dataclass(frozen=True)
class Explained:
    """The share of what is published that a nearest neighbour explains, with its interval, and both accuracies."""

    share: Number
    low: Number
    high: Number
    neighbour: Number
    base: Number


@dataclass(frozen=True)
class Published:
    """One source of published numbers; `reported` are those of `measure` (None: neither accuracy nor micro F1)."""

    source: str
    table: str = ""
    note: str = ""
    measure: str | None = None
    reported: tuple[float, ...] = ()
    explained: dict[str, Explained] = field(default_factory=dict)  # by split


@dataclass(frozen=True)
class Agreement:
    """Rank correlations between metrics, a symmetric matrix, means over at most so many blocks."""

    metrics: Names
    correlation: tuple[tuple[Number, ...], ...]
    blocks: int


@dataclass(frozen=True)
class Shares:
    """The part of alpha that each question has: do heatmaps beat the controls, do models differ?"""

    controls: float
    models: float


@dataclass(frozen=True)
class Against:
    """A model's heatmaps against one control: a row of `omnibus.against_controls`; difference: heatmap - control."""

    verdict: str
    difference: Number = None
    low: Number = None
    high: Number = None
    groups: int = 0
    effect: Number = None
    p: Number = None
    p_corrected: Number = None
    smallest_p: Number = None
    p_below: Number = None
    p_no: Number = None


@dataclass(frozen=True)
class Omnibus:
    """The declared test over all models."""

    test: str
    levels: int
    groups: int
    dropped: int
    statistic: Number = None
    df1: Number = None
    df2: Number = None
    effect: Number = None
    p: Number = None


@dataclass(frozen=True)
class Largest:
    """The largest difference (a - b) of the pairs that can be told apart; p is the one that verdicts read."""

    a: str
    b: str
    difference: float
    effect: float
    p: float


@dataclass(frozen=True)
class Pairs:
    """Pairs of models; `column` of the table of pairs has the p that verdicts read.

    Attributes:
        detectable: the largest of the differences that would be found, and the groups of its pair.
        smallest_p: the smallest corrected p that so many groups can have.
    """

    tested: int
    column: str
    groups: int = 0
    largest: Largest | None = None
    told_apart: tuple[Pair, ...] = ()
    equivalent: tuple[Pair, ...] = ()
    within_seeds: tuple[Pair, ...] = ()
    detectable_groups: int = 0
    detectable: Number = None
    margin: Number = None
    smallest_p: Number = None


@dataclass(frozen=True)
class Ranks:
    """What a critical-difference diagram shows: mean ranks, best first, and runs of models not told apart."""

    models: dict[str, float]
    cliques: tuple[Names, ...]
    groups: int


@dataclass(frozen=True)
class Change:
    """A verdict that would be another one if missing scores were the worst; question: controls or models."""

    question: str
    subject: str
    main: str
    worst_rank: str


@dataclass(frozen=True)
class Sensitivity:
    """How many scores count as the worst, and the verdicts that this changes."""

    missing: int
    changed: tuple[Change, ...]


@dataclass(frozen=True)
class Outcome:
    """What the primary metric says of the models by one method.

    Attributes:
        population: checkpoints, or architectures from five seeds on.
        controls: control -> model -> the comparison.
        verdicts: model -> better than all controls, worse than some, else unclear.
    """

    population: str
    shares: Shares
    controls: dict[str, dict[str, Against]]
    verdicts: dict[str, str]
    omnibus: Omnibus
    pairs: Pairs
    ranks: Ranks | None = None
    sensitivity: Sensitivity | None = None

    @property
    def over_seeds(self) -> bool:
        return self.population == rules.ARCHITECTURES

    @property
    def differs(self) -> bool:
        """Whether the test over all models rejects."""
        return rules.rejects(self.omnibus.p, self.shares.models)

    @property
    def too_few_for_pairs(self) -> bool:
        return rules.out_of_reach(self.pairs.smallest_p, self.shares.models)

    def too_few(self, models: Names | None = None) -> bool:
        """Whether no test of these models (all) against a control could have found anything; False without controls."""
        rows = [
            row for by_model in self.controls.values() for m, row in by_model.items() if models is None or m in models
        ]
        return bool(rows) and all(rules.out_of_reach(row.smallest_p, self.shares.controls) for row in rows)


@dataclass(frozen=True)
class Missing:
    """Scores that were requested, and reason -> how many have no value."""

    scores: int
    reasons: dict[str, int]

    @property
    def informative(self) -> dict[str, int]:
        """The reasons that say something about the heatmaps."""
        return {reason: count for reason, count in self.reasons.items() if not is_expected(reason)}


@dataclass(frozen=True)
class MethodPair:
    """Two methods that can be told apart within a model; the difference is above zero."""

    over: str
    under: str
    model: str
    difference: float


@dataclass(frozen=True)
class Family:
    """A family by its primary metric.

    Attributes:
        means: method -> model -> mean; controls and yardsticks are methods, too.
        intervals: method -> model -> the ends of the mean's interval.
        seed_means: method -> model -> seed -> mean.
        missing: method -> model -> what is missing.
        separates: model -> whether the metric tells the true region from a random map on its images.
        outcomes: method -> verdicts; none of a method without a score.
    """

    metric: str
    lower_is_better: bool = False
    margin: float = 0.0
    means: dict[str, dict[str, Number]] = field(default_factory=dict)
    intervals: dict[str, dict[str, tuple[Number, Number]]] = field(default_factory=dict)
    seed_means: dict[str, dict[str, dict[str, Number]]] = field(default_factory=dict)
    missing: dict[str, dict[str, Missing]] = field(default_factory=dict)
    separates: dict[str, bool] = field(default_factory=dict)
    methods_apart: tuple[MethodPair, ...] = ()
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def sign(self) -> int:
        """-1 where a low value is good."""
        return -1 if self.lower_is_better else 1


@dataclass(frozen=True)
class Decision:
    """One answer of a combined verdict (yes, no, undecided), with the control that decides and the difference to it."""

    verdict: str
    control: str | None = None
    difference: Number = None
    low: Number = None
    high: Number = None
    p_no: Number = None


@dataclass(frozen=True)
class Combined:
    """Both answers on a model's heatmaps by one method."""

    method: str
    model: str
    localization: Decision
    faithfulness: Decision

    @property
    def answers(self) -> tuple[Decision, Decision]:
        return self.localization, self.faithfulness

    @property
    def decided(self) -> bool:
        return all(one.verdict != rules.UNDECIDED for one in self.answers)


@dataclass(frozen=True)
class Claim:
    """A claim of others on this study: a row of `claims.csv`."""

    name: str
    source: str
    claim: str
    family: str
    metric: str
    method: str
    verdict: str
    seeds: int
    evidence: str
    change: str
    effect: Number = None
    low: Number = None
    high: Number = None
    p: Number = None
    groups: int | None = None


@dataclass(frozen=True)
class Finding:
    """A finding of several parts: names of claims, those that are measured, and these by verdict."""

    verdict: str
    evidence: str
    parts: Names
    measured: Names
    supported: Names = ()
    contradicted: Names = ()
    undecided: Names = ()
    effect: Number = None
    low: Number = None
    high: Number = None
    p: Number = None


@dataclass(frozen=True)
class Cue:
    """A planted cue.

    Attributes:
        rate, test_rate: share of the images of class `label` that have it, in training and in the test.
        margins: metric -> the difference that would not matter.
        relies: model -> whether it does, None where that cannot be told.
        verdicts, controls: model -> method or control -> metric -> verdict.
    """

    rate: float
    test_rate: float | None
    label: str
    margins: dict[str, float] = field(default_factory=dict)
    relies: dict[str, bool | None] = field(default_factory=dict)
    verdicts: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    controls: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Beside:
    """An ensemble against its best member, by micro F1 or a primary metric (then with family and method)."""

    measure: str
    member: str
    ensemble: float
    value: float
    difference: float
    groups: int
    low: Number = None
    high: Number = None
    family: str = ""
    method: str = ""
    better: bool | None = None

    @property
    def clear(self) -> bool:
        return rules.excludes_zero(self.low, self.high)


@dataclass(frozen=True)
class Ensemble:
    """An ensemble: how it is made, how well it classifies, and its heatmaps against those of its best members."""

    combine: str
    models: Names
    quality: Model
    against: tuple[Beside, ...]


@dataclass(frozen=True)
class Confidence:
    """Mean confidence and accuracy of a model, their difference with its interval, and the calibration error."""

    confidence: float
    accuracy: float
    difference: float
    low: Number
    high: Number
    groups: int
    error: float
    error_by_chance: float


@dataclass(frozen=True)
class Point:
    model: str
    seed: int | None
    balanced_accuracy: float
    score: float


@dataclass(frozen=True)
class AccuracyRelation:
    """Whether better classifiers have better heatmaps: see `relations.accuracy_and`."""

    points: tuple[Point, ...]
    models: int
    checkpoints: int
    rho: Number = None
    p: Number = None
    smallest_p: Number = None
    critical: Number = None
    within: Number = None


@dataclass(frozen=True)
class Within:
    """Balanced accuracy of a model, over its seeds, on the test images that share a value of a column.

    `value` is "" for all images; without a number, `reason` is the code of why.
    """

    column: str
    value: str
    model: str
    images: int
    groups: int
    balanced_accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    chance: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Difference:
    """Mean score of a model's heatmaps by value of a column; p of a permutation test over groups, within classes."""

    column: str
    family: str
    metric: str
    method: str
    model: str
    groups: int
    means: dict[str, float]
    p: float | None
    p_corrected: float | None = None


@dataclass(frozen=True)
class Blanked:
    """Balanced accuracy of a model, over its seeds, as it is and with a part of the same images blanked.

    `drop` is the first less the second, with the interval of a bootstrap over groups.
    """

    region: str
    model: str
    images: int
    groups: int
    whole: float
    blanked: float
    drop: float
    drop_low: float | None
    drop_high: float | None
    chance: float


@dataclass(frozen=True)
class Sources:
    """What was found, and what there is to state of it."""

    within: tuple[Within, ...]
    differences: tuple[Difference, ...]
    blanked: tuple[Blanked, ...]
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Estimate:
    """A number and its interval."""

    value: Number = None
    low: Number = None
    high: Number = None


@dataclass(frozen=True)
class ReaderAgreement:
    """How far second readers agree with the truth, by one metric of localization.

    Attributes:
        label: of the regions; None for all.
        score: mean of the groups' means, with its t interval.
        groups, cases: that have a score; missed: cases in which the second reader drew nothing.
    """

    metric: str
    label: str | None
    score: Estimate
    groups: int
    cases: int
    missed: int


@dataclass(frozen=True)
class ReaderComparison:
    """Heatmaps beside a second reader, on the cases that both have a score for.

    Attributes:
        heatmap, reader: mean of the groups' means.
        share: heatmap / reader, of a metric whose high values are good.
        decrease: (reader - heatmap) / reader in percent, each the mean over labels of the mean over cases in which the
            reader drew something (Saporta et al. 2022); of all labels together.
        difference: heatmap - reader, with its t interval.
        equivalent, different: p of two one-sided tests against the margin, and of a paired t test, both corrected by
            Holm over the models and methods; None of single labels, which are described.
        outcome: as_good, better, worse or open; untested.
    """

    metric: str
    label: str | None
    model: str
    method: str
    heatmap: float
    reader: float
    share: Estimate
    decrease: Estimate
    difference: Estimate
    margin: float
    equivalent: Number
    different: Number
    outcome: str
    groups: int
    cases: int


@dataclass(frozen=True)
class SecondReader:
    """The yardstick of a study, and what there is to state of its primary metric of localization.

    Attributes:
        over: what intervals and tests are over: patient, lookalike (clusters of images that look alike) or image.
        patients_known: whether groups are patients.
        level, alpha: of intervals and tests.
    """

    over: str
    patients_known: bool
    level: float
    alpha: float
    agreement: tuple[ReaderAgreement, ...]
    comparisons: tuple[ReaderComparison, ...]
    statements: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class Regression:
    """A score, or the second reader's lead over it (`against`), on one variable scaled to [0, 1].

    `p_corrected` is Bonferroni's over the variables of geometry; without a number, `reason` says why.
    """

    metric: str
    against: str | None
    model: str
    method: str
    variable: str
    groups: int
    cases: int
    slope: Number = None
    low: Number = None
    high: Number = None
    p: Number = None
    p_corrected: Number = None
    reason: str = ""


@dataclass(frozen=True)
class StudyResults:
    """Everything that statistics found; tables beside it have every number.

    Attributes:
        models: those that are trained and compared, in order; ensembles stand in `ensembles`.
        refused: method -> model -> why it has no maps of it.
        better: family -> metric -> higher, lower or none.
        families: those with a primary metric.
        lead: the method that the report's first screen speaks of.
        labels: of a multilabel study, with `cases` by family.
    """

    study: str
    images_test: int
    groups_test: int
    groups: Groups
    methods: Names
    seeds: Seeds
    alpha: float
    interval: float
    test: str
    power: float
    models: dict[str, Model]
    families: dict[str, Family]
    folds: int = 1
    classes: int = 0
    setting: Setting | None = None
    competence: Competence | None = None
    labels: Labels | None = None
    cases: dict[str, Cases] = field(default_factory=dict)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    better: dict[str, dict[str, str]] = field(default_factory=dict)
    comparison: Comparison | None = None
    published: dict[str, Published] = field(default_factory=dict)
    agreement: dict[str, Agreement] = field(default_factory=dict)
    combined: tuple[Combined, ...] = ()
    claims: tuple[Claim, ...] = ()
    findings: dict[str, Finding] = field(default_factory=dict)
    cue: Cue | None = None
    ensembles: dict[str, Ensemble] = field(default_factory=dict)
    confidence: dict[str, Confidence] = field(default_factory=dict)
    accuracy_relations: dict[str, dict[str, AccuracyRelation]] = field(default_factory=dict)
    sources: Sources | None = None
    readers: SecondReader | None = None
    regressions: tuple[Regression, ...] = ()
    in_short: Statement | None = None
    answer: tuple[Statement, ...] = ()
    statements: tuple[Statement, ...] = ()

    @classmethod
    def of(cls, stored: Mapping, where: str = "summary.json") -> "StudyResults":
        """Return the results that `stored` made JSON of.

        Raises:
            ArtifactError: a key is missing or of another type; names the first one.
        """
        try:
            return _adapter(cls).validate_python(stored)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"]))
            raise artifacts.ArtifactError(
                f"{where}: {key}: {first['msg'].lower()}; it is of another version, run the statistics again"
            ) from None

    def stored(self) -> dict:
        """Return what JSON holds of it."""
        return _adapter(type(self)).dump_python(self, mode="json")

    def about(self, *areas: str, **subjects: str) -> list[Statement]:
        """Return the statements of some areas (the first part of a kind), all without any, that are on these subjects.

        >>> results.about("controls", family="localization", method="gradcam")  # doctest: +SKIP
        """
        return [
            one
            for one in self.statements
            if (not areas or one.area in areas) and all(one.one(role) == name for role, name in subjects.items())
        ]

    @property
    def multilabel(self) -> bool:
        return self.labels is not None

    @cached_property
    def judged(self) -> Names:
        """The models that take part in verdicts."""
        return tuple(model for model, found in self.models.items() if found.competent)

    @cached_property
    def lead(self) -> str:
        """The method that headline and first screen speak of: the first that gave maps which can be judged."""
        able = (m for m in self.methods if any(self.unjudged(family, m) is None for family in self.families))
        return next(able, self.methods[0])

    def outcome(self, family: str, method: str) -> Outcome | None:
        """Return the verdicts of one family by one method; None where no model has a score."""
        return self.families[family].outcomes.get(method)

    def values(self, family: str, method: str) -> dict[str, float]:
        """Return the means of the primary metric of the models that take part and have one."""
        means = self.families[family].means.get(method, {})
        return {model: means[model] for model in self.judged if means.get(model) is not None}

    def seen(self, family: str, method: str) -> dict[str, float]:
        """Return the same without the models that the metric gives no verdict on."""
        return {m: mean for m, mean in self.values(family, method).items() if m not in self.blind(family)}

    def unvalidated(self, family: str) -> Names:
        """Return the models on whose images the primary metric does not tell the truth from a random map."""
        return tuple(model for model in self.judged if self.families[family].separates.get(model) is False)

    def blind(self, family: str) -> Names:
        """Return those of them without a verdict: where the metric has to rank the true region first."""
        return self.unvalidated(family) if judged_by_truth(family, self.families[family].metric) else ()

    def unjudged(self, family: str, method: str) -> str | None:
        """Return why a family has no verdict: `NOT_COMPETENT`, `BLIND`, `NO_SCORES`, or the reason that most of its
        scores are missing for; None where it has one."""
        if not self.judged:
            return NOT_COMPETENT
        if found := self.values(family, method):
            return BLIND if set(found) <= set(self.blind(family)) else None
        counts: dict[str, int] = {}
        for model, missing in self.families[family].missing.get(method, {}).items():
            for reason, count in missing.reasons.items() if model in self.judged else ():
                counts[reason] = counts.get(reason, 0) + count
        return max(counts, key=counts.__getitem__) if counts else NO_SCORES

    def by_verdict(self, family: str, method: str) -> dict[str, list[str]]:
        """Return the models that are `better` than all controls, `worse` than any, `unclear`, or `blind`: without a
        verdict, because the metric does not tell the truth from a random map."""
        found: dict[str, list[str]] = {"better": [], "worse": [], "unclear": [], "blind": []}
        outcome = self.outcome(family, method)
        for model, verdict in outcome.verdicts.items() if outcome else ():
            found[verdict].append(model)
        scored = self.values(family, method)
        return found | {"blind": [model for model in self.blind(family) if model in scored]}

    def refuses_all(self, method: str) -> bool:
        """Return whether no model that takes part has a map by the method."""
        return bool(self.judged) and set(self.judged) <= set(self.refused.get(method, {}))

    def too_few(self, family: str, method: str) -> bool:
        """Return whether a method has scores of too few groups for any of its tests against the controls."""
        outcome = self.outcome(family, method)
        return outcome is not None and outcome.too_few()


@cache
def _adapter(kind: type) -> TypeAdapter:
    return TypeAdapter(kind)


def read(study: str) -> StudyResults:
    """Read what statistics found of a study.

    Raises:
        ArtifactError: the summary is missing, was altered, or is of another version.
    """
    path = artifacts.stats_dir(study) / "summary.json"
    return StudyResults.of(artifacts.read_json(path), str(path))


def write(results: StudyResults) -> None:
    """Write the summary of a study; keys stand in the study's order of models, methods and families."""
    artifacts.write_json(artifacts.stats_dir(results.study) / "summary.json", results.stored(), sort_keys=False)


def key_numbers(results: StudyResults) -> dict:
    """Return the few numbers that two runs are compared by: accuracies, primary scores, verdicts, claims."""
    families = results.families
    better = {
        name: {
            method: None if outcome.too_few() else list(outcome.verdicts.values()).count(rules.BETTER)
            for method, outcome in family.outcomes.items()
        }
        for name, family in families.items()
        if family.outcomes
    }
    together: dict[str, dict[str, str]] = {}
    for row in results.combined:
        words = f"localization {row.localization.verdict}, faithfulness {row.faithfulness.verdict}"
        together.setdefault(row.method, {})[row.model] = words
    return {
        "balanced_accuracy": {
            model: None if found.balanced_accuracy is None else round(found.balanced_accuracy, 4)
            for model, found in results.models.items()
        },
        "score": {
            f"{name}_{family.metric}": {
                method: {model: round(mean, 4) for model, mean in means.items() if mean is not None}
                for method, means in family.means.items()
                if method in results.methods
            }
            for name, family in families.items()
        },
        "models_that_beat_the_controls": better,
        "pairs_told_apart": {
            name: {method: len(outcome.pairs.told_apart) for method, outcome in family.outcomes.items()}
            for name, family in families.items()
            if family.outcomes
        },
        "combined": together,
        "claims": {claim.name: claim.verdict for claim in results.claims},
    }
