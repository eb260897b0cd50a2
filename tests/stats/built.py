"""Results made by hand, for what no small study gives: two models, one metric, everything as it should be."""

from dataclasses import replace

from heatproof.stats.results import (
    Against,
    Competence,
    Family,
    Groups,
    Largest,
    Missing,
    Model,
    Omnibus,
    Outcome,
    Pairs,
    Seeds,
    Shares,
    StudyResults,
)
from heatproof.stats.verdicts.judge import combined

BETTER, WORSE, UNCLEAR = (Against(word, smallest_p=0.001) for word in ("better", "worse", "unclear"))
TOP = Largest("a", "b", 0.1, 0.9, 1e-4)
PAIRS = Pairs(
    1, "p_corrected", 30, TOP, (("a", "b"),), detectable_groups=30, detectable=0.07, margin=0.05, smallest_p=1e-8
)
OUTCOME = Outcome(
    population="checkpoints",
    shares=Shares(0.025, 0.05),
    controls={"random": {"a": BETTER, "b": BETTER}},
    verdicts={"a": "better", "b": "better"},
    omnibus=Omnibus("friedman", 2, 30, 0),
    pairs=PAIRS,
)
FAMILY = Family(
    metric="iou",
    margin=0.05,
    means={"gradcam": {"a": 0.5, "b": 0.4}, "random": {"a": 0.1, "b": 0.1}, "ceiling": {"a": 0.9, "b": 0.6}},
    intervals={"gradcam": {"a": (0.45, 0.55), "b": (0.31, 0.49)}},
    seed_means={"gradcam": {"a": {"0": 0.45, "1": 0.55}, "b": {"0": 0.4, "1": 0.4}}},
    missing={"gradcam": {"a": Missing(60, {"no_truth": 20})}},
    separates={"a": True, "b": True},
    outcomes={"gradcam": OUTCOME},
)
RESULTS = StudyResults(
    study="made",
    images_test=60,
    groups_test=30,
    groups=Groups("patient", "auto", True),
    methods=("gradcam",),
    seeds=Seeds(2, 2),
    alpha=0.05,
    interval=0.95,
    test="friedman",
    power=0.8,
    models={"a": Model(True), "b": Model(True)},
    families={"localization": FAMILY},
    competence=Competence(0.5, 0.6),
)


def results(outcome: dict | None = None, family: dict | None = None, **changes) -> StudyResults:
    """The results with changes: of the outcome, of the family, and of the study."""
    made = replace(FAMILY, outcomes={"gradcam": replace(OUTCOME, **outcome or {})})
    return replace(RESULTS, **{"families": {"localization": replace(made, **family or {})}} | changes)


# answers of localization and faithfulness together
GIVEN = {
    "yes": Against("better", 0.2, p_below=1.0, p_no=1.0),
    "no": Against("unclear", -0.1, p_below=0.001, p_no=0.01),
    "undecided": Against("unclear", 0.03, p_below=0.2, p_no=1.0),
}


def answered(answers: dict[tuple[str, str], tuple[str, str]], metric: str = "iou") -> StudyResults:
    """Results from (model, method) -> the answers of localization and of faithfulness; two controls, centre first."""
    models, methods = (tuple(dict.fromkeys(key[place] for key in answers)) for place in (0, 1))
    families = {}
    for place, (name, of) in enumerate((("localization", metric), ("faithfulness", "srg"))):
        outcomes = {}
        for method in methods:
            rows = {model: GIVEN[found[place]] for (model, by), found in answers.items() if by == method}
            weak = {m: replace(r, difference=r.difference + 0.1, p_below=r.p_below + 0.01) for m, r in rows.items()}
            verdicts = {model: row.verdict for model, row in rows.items()}
            outcomes[method] = replace(OUTCOME, controls={"center": rows, "random": weak}, verdicts=verdicts)
        means = {method: dict.fromkeys(outcomes[method].verdicts, 0.4) for method in methods}
        means |= {"center": dict.fromkeys(models, 0.5), "ceiling": dict.fromkeys(models, 0.9)}
        families[name] = Family(of, margin=0.05, means=means, outcomes=outcomes)
    made = replace(RESULTS, methods=methods, models=dict.fromkeys(models, Model(True)), families=families)
    return replace(made, combined=combined(made))
