"""The answer to "may anyone believe the heatmaps?" in a few statements, the lead method first."""

from collections.abc import Sequence
from math import ceil, isfinite

from heatproof.core.statements import Statement
from heatproof.stats.results import Combined, StudyResults
from heatproof.stats.statements.general import about, groups, left_out, none_competent, scope, state, unstated
from heatproof.stats.statements.verdicts import (
    against_controls,
    models_compared,
    not_judged,
    place,
    unvalidated,
)
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.judge import FAITHFULNESS, QUESTIONS

SANITY = "sanity"


def answer(results: StudyResults) -> list[Statement]:
    """Return the answer of the lead method: what its heatmaps show, model by model, where both questions are decided;
    who beats the controls, whether models differ; the other methods in a line or two; then who is left out, and what a
    split that ignores patients does to all of it."""
    if not results.judged:
        return [none_competent(results)]
    rows, family = _of_family(results, results.lead)
    mine = [row for row in results.combined if row.method == results.lead]
    rows = [*_decided(results, mine), *rows, *_open(mine)]
    if len(results.methods) > 1:
        rows = [Statement(**{**vars(row), "subjects": {**row.subjects, "by": (results.lead,)}}) for row in rows]
        rows += [*_others_decided(results), *(other_methods(results, family) if family else [])]
    kind = results.groups.kind
    shared = [groups(results)] if kind == "image" or results.groups.split_by == "random" else []
    return [*rows, *filter(None, [left_out(results), unstated(results)]), *shared]


def _order(results: StudyResults) -> list[str]:
    """Families by what is asked first: localization before all others."""
    return sorted(results.families, key="localization".__ne__)


def _of_family(results: StudyResults, method: str) -> tuple[list[Statement], str | None]:
    """The first family that can be judged, and why those before it cannot; whether the sanity check is failed, as what
    fails it explains no model."""
    rows: list[Statement] = []
    for family in _order(results):
        if why := not_judged(results, family, method):
            rows.append(why)
            continue
        rows += against_controls(results, family, method, numbers=False)
        rows.append(models_compared(results, family, method, scale=True))
        if family != SANITY and SANITY in results.families:
            if results.by_verdict(SANITY, method)["worse"]:
                of_sanity = against_controls(results, SANITY, method, numbers=False)
                rows += [one for one in of_sanity if one.kind == "controls.worse"]
            elif results.too_few(SANITY, method):
                rows.append(state("sanity.open", place(SANITY, method), **about(results, SANITY, method)))
        return rows, family
    return rows, None


def _decided(results: StudyResults, rows: list[Combined]) -> list[Statement]:
    """A statement for each model that the lead method decides, with a remark where faithfulness is not validated."""
    found = []
    for row in rows:
        if not row.decided:
            continue
        # a statement on architectures needs both answers to be on them
        scopes = [scope(results, family, row.method) for family in QUESTIONS]
        fixed = next((one for one in scopes if one["scope"] != rules.ARCHITECTURES), scopes[0])
        answers = {family: one.verdict for family, one in zip(QUESTIONS, row.answers, strict=True)}
        subjects = answers | {"controls": [one.control for one in row.answers]} | fixed
        numbers = {"seeds": results.seeds.count}
        found.append(
            state("combined.decided", "combined", numbers=numbers, method=row.method, models=row.model, **subjects)
        )
        if row.model in results.unvalidated(FAITHFULNESS):
            found.append(unvalidated(results, FAITHFULNESS, row.method, [row.model], "combined"))
    return found


def _open(rows: list[Combined]) -> list[Statement]:
    """What the lead method leaves open, and of which models; nothing where it decides all."""
    left = [row for row in rows if not row.decided]
    if not left:
        return []
    verdicts = {family: [getattr(row, family).verdict for row in left] for family in QUESTIONS}
    models = [row.model for row in left]
    return [state("combined.open", "combined", method=left[0].method, models=models, **verdicts)]


def _others_decided(results: StudyResults) -> list[Statement]:
    """What the heatmaps of the other methods show, a statement for each meaning that any of them has."""
    found: dict[tuple[str, ...], list[Combined]] = {}
    for row in results.combined:
        if row.method != results.lead and row.decided:
            found.setdefault(tuple(one.verdict for one in row.answers), []).append(row)
    return [
        state(
            "combined.others",
            "combined",
            **dict(zip(QUESTIONS, answers, strict=True)),
            methods=[row.method for row in rows],
            models=[row.model for row in rows],
        )
        for answers, rows in found.items()
    ]


def other_methods(results: StudyResults, family: str) -> list[Statement]:
    """State how many methods beside the lead beat the controls of a family, and how many fail the sanity check."""
    others, made = [method for method in results.methods if method != results.lead], []
    by_kind: dict[str, list[str]] = {}
    for method in others:
        by_kind.setdefault(_kind(results, family, method), []).append(method)
    absent = by_kind.pop("absent", None)
    if by_kind:
        controls = dict.fromkeys(name for of in results.families[family].outcomes.values() for name in of.controls)
        metric = results.families[family].metric
        numbers = {"absent": len(absent)} if absent else {}
        subjects = {"family": family, "metric": metric, "controls": controls}
        made.append(state("methods.others", "overview", numbers=numbers, **subjects, **by_kind))
    if SANITY in results.families:
        failed = [method for method in others if results.by_verdict(SANITY, method)["worse"]]
        made += [state("methods.others_fail", "overview", methods=failed)] if failed else []
    return made


def _kind(results: StudyResults, family: str, method: str) -> str:
    found = results.by_verdict(family, method)
    told = {model for verdict in ("better", "worse", "unclear") for model in found[verdict]}
    if not told:
        return "absent"
    if results.too_few(family, method):
        return "few"
    return "all" if told | {*found["blind"]} == {*found["better"]} else "some" if found["better"] else "none"


def in_short(results: StudyResults) -> Statement:
    """Return yes, no or in part: how many models have heatmaps, by the lead method, that beat the controls."""
    method = results.lead if results.judged else ""
    able = (family for family in _order(results) if method and results.unjudged(family, method) is None)
    family = next(able, None)
    if family is None:
        return state("short.unknown")
    found = results.by_verdict(family, method)
    better, worse, count = len(found["better"]), len(found["worse"]), sum(map(len, found.values()))
    kind = "all" if better == count else "some" if better else "worse" if worse == count else "no_evidence"
    outcome = results.outcome(family, method)
    controls = outcome.controls if outcome else ()
    numbers = {"better": better, "models": count}
    return state(f"short.{kind}", numbers=numbers, **about(results, family, method), controls=controls)


FAIR_SIZE = 224  # pixels a side from which larger images are not the first thing to try


def next_steps(
    results: StudyResults, checkpoints: Sequence[tuple[str, float, float]], size: int, alarms: int
) -> list[Statement]:
    """State what a study lacks in which no model is surely above chance, and what to do.

    The number of groups that would be enough follows from the width of the interval, which shrinks with its root: a
    rough guide, given the accuracy that was found.

    Args:
        checkpoints: model, accuracy and the low end of its interval.
        size: of the images, in pixels a side.
        alarms: of the data audit.
    """
    floor, kind = results.competence.floor, results.groups.kind
    found = [state("next.look", "gallery")]
    near = [(value, low, model) for model, value, low in checkpoints if value > floor and isfinite(low)]
    if near:
        value, low, model = max(near)
        enough = ceil(results.groups_test * ((value - low) / (value - floor)) ** 2)
        numbers = {"value": value, "floor": floor, "here": results.groups_test, "enough": enough}
        found.append(state("next.groups", "models", numbers=numbers, model=model, unit=kind))
    else:
        best = max((value for _, value, _ in checkpoints if isfinite(value)), default=None)
        found.append(state("next.training", "models", numbers={"value": best, "floor": floor}))
    if results.setting and set(results.setting.weights.values()) & {"scratch"}:
        found.append(state("next.weights", "models"))
    if size < FAIR_SIZE:
        found.append(state("next.size", "models", numbers={"size": size}))
    return [*found, state("next.audit", "data", numbers={"alarms": alarms})] if alarms else found
