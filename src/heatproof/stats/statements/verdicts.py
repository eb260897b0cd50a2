"""Statements on each family and method: against the controls, between models, and what to know of the means."""

from collections.abc import Sequence
from math import isfinite

from heatproof.core.statements import Statement
from heatproof.stats import results as values
from heatproof.stats.results import Combined, StudyResults
from heatproof.stats.statements.general import (
    about,
    groups,
    left_out,
    none_competent,
    scope,
    state,
    unstated,
    unsupported,
)
from heatproof.stats.tests.power import groups_beyond, groups_for_interval
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.judge import FAITHFULNESS, QUESTIONS

MANY_MISSING = 0.05  # share of scores without a value from which a mean needs a warning
WIDE_CEILING = 0.05  # difference between the ceilings of two grids from which a comparison needs a warning


def place(family: str, method: str) -> str:
    """Return the anchor of the scores of one method in one family."""
    return f"{family}-{method}"


def not_judged(results: StudyResults, family: str, method: str) -> Statement | None:
    """State why a family has no verdict; None where it has one."""
    reason = results.unjudged(family, method)
    if reason is None:
        return None
    subjects = about(results, family, method)
    if reason == values.BLIND:
        return state("controls.blind", place(family, method), **subjects)
    return state("family.not_judged", place(family, method), reason=reason, **subjects)


def unvalidated(
    results: StudyResults, family: str, method: str, models: Sequence[str], evidence: str = ""
) -> Statement:
    """State that a verdict stands although the metric does not rank the true region first."""
    return state(
        "controls.unvalidated", evidence or place(family, method), **about(results, family, method), models=models
    )


def against_controls(results: StudyResults, family: str, method: str, numbers: bool = True) -> list[Statement]:
    """State which models' heatmaps beat the controls, with `numbers`: means and intervals, and the controls'."""
    subjects, evidence = about(results, family, method), place(family, method)
    outcome = results.outcome(family, method)
    if not outcome or not outcome.controls:
        return [state("controls.none", evidence, **subjects)]
    found, made = results.by_verdict(family, method), []
    subjects |= scope(results, family, method) | {"unit": results.groups.kind}
    seeds = {"seeds": results.seeds.count}

    def stated(verdict: str, models: Sequence[str], **more) -> Statement:
        of, controls = _means(results, family, method, models) if numbers else ({}, {})
        named = subjects | {"models": models, "controls": outcome.controls} | controls | more
        return state(f"controls.{verdict}", evidence, numbers=seeds | of, **named)

    if found["better"]:
        made.append(stated("better", found["better"]))
    beaten_by: dict[tuple[str, ...], list[str]] = {}
    for model in found["worse"]:
        by = [name for name, rows in outcome.controls.items() if model in rows and rows[model].verdict == rules.WORSE]
        beaten_by.setdefault(tuple(by), []).append(model)
    made += [stated("worse", models, beaten_by=by) for by, models in beaten_by.items()]
    if found["unclear"]:
        made.append(stated("no_evidence", found["unclear"]))
        if outcome.too_few(tuple(found["unclear"])):
            made.append(state("controls.too_few", evidence, **subjects))
    if found["blind"]:
        made.append(state("controls.blind", evidence, **subjects, models=found["blind"]))
    scored = [model for model in results.unvalidated(family) if model in results.values(family, method)]
    if numbers and scored and not found["blind"]:
        made.append(unvalidated(results, family, method, scored))
    return made


def _means(results: StudyResults, family: str, method: str, models: Sequence[str]) -> tuple[dict, dict]:
    """Means of models with their intervals as numbers, those of the controls too, and the names of the controls."""
    of = results.families[family]
    ends = of.intervals.get(method, {})
    numbers = {"mean": tuple(of.means[method][model] for model in models)}
    for place, name in enumerate(("low", "high")):
        numbers[name] = tuple(ends.get(model, (None, None))[place] for model in models)
    beside, controls = hardest(results, family, method, models)
    return numbers | beside, controls


def hardest(results: StudyResults, family: str, method: str, models: Sequence[str]) -> tuple[dict, dict]:
    """Return the means of the controls over some models as numbers (low and high), and their names as subjects; of
    many the one alone that is hardest to beat."""
    of, found = results.families[family], {}
    for name in of.outcomes[method].controls:
        own = f"{name}:{method}"
        means = of.means.get(own if own in of.means else name, {})
        if beside := [means[model] for model in models if means.get(model) is not None]:
            found[name] = beside
    role = "beside"
    if len(found) > 2:
        best, role = max(found, key=lambda name: of.sign * sum(found[name]) / len(found[name])), "hardest"
        found = {best: found[best]}
    numbers = {"control_low": tuple(map(min, found.values())), "control_high": tuple(map(max, found.values()))}
    return numbers, {role: tuple(found)}


def models_compared(results: StudyResults, family: str, method: str, scale: bool = False) -> Statement:
    """State whether the models differ.

    Pairs are looked at only where the test over all models rejects. Two models have the pair alone.

    Args:
        scale: whether to give the means that it speaks of, and the controls'.
    """
    outcome = results.families[family].outcomes[method]
    pairs, subjects = outcome.pairs, about(results, family, method) | {"unit": results.groups.kind}
    subjects |= scope(results, family, method)
    numbers: dict = {}
    if outcome.omnibus.levels < 2:
        kind = "single"
    elif not pairs.tested:
        kind = "no_common"
    elif top := pairs.largest:
        kind, sign = "apart", 1 if top.difference > 0 else -1
        over, under = (top.a, top.b)[::sign]
        subjects |= {"over": over, "under": under}
        numbers = {"apart": len(pairs.told_apart), "tested": pairs.tested}
        numbers |= {"difference": abs(top.difference), "effect": sign * top.effect}
    elif outcome.differs:
        kind = "as_a_set"
    else:
        few = outcome.too_few_for_pairs and outcome.omnibus.test != rules.SKILLINGS_MACK  # which has more groups
        kind = "too_few" if few else "no_evidence"
    if scale:
        means = results.seen(family, method)
        beside, controls = hardest(results, family, method, list(means))
        numbers |= {"lowest": min(means.values()), "highest": max(means.values())} | beside
        subjects |= controls | ({"better": "lower"} if results.families[family].lower_is_better else {})
    return state(f"pairs.{kind}", place(family, method), numbers=numbers, **subjects)


def tests(results: StudyResults, family: str, method: str) -> list[Statement]:
    """State the tests that a verdict is based on, what is small, and what was too small to find anything."""
    outcome = results.families[family].outcomes[method]
    omnibus, pairs, level = outcome.omnibus, outcome.pairs, outcome.shares.models
    if not pairs.tested:
        return []
    subjects = about(results, family, method) | {"unit": results.groups.kind} | scope(results, family, method)
    made: list[Statement] = []

    def stated(kind: str, numbers: dict, **more) -> None:
        made.append(state(f"test.{kind}", place(family, method), numbers=numbers, **subjects, **more))

    if omnibus.p is not None:
        numbers = {name: getattr(omnibus, name) for name in ("statistic", "df1", "df2", "effect", "p", "groups")}
        stated("over_all", numbers | {"models": omnibus.levels, "level": level}, test=omnibus.test)
    if top := pairs.largest:
        effect = top.effect if top.difference > 0 else -top.effect
        stated("largest", {"effect": effect, "p": top.p, "tested": pairs.tested})
    if pairs.equivalent:
        stated("equivalent", {"margin": pairs.margin}, **_sides(pairs.equivalent))
    if pairs.within_seeds:
        stated("within_seeds", {}, **_sides(pairs.within_seeds))
    if outcome.too_few_for_pairs:
        stated("too_few", {"groups": pairs.groups, "tested": pairs.tested, "smallest_p": pairs.smallest_p})
    elif len(pairs.told_apart) < pairs.tested and pairs.detectable is not None:
        numbers = {"groups": pairs.detectable_groups, "detectable": pairs.detectable, "power": results.power}
        if pairs.margin and pairs.detectable > pairs.margin:
            tested = (pairs.detectable_groups, level / pairs.tested, results.power, results.test == "friedman")
            numbers |= {"margin": pairs.margin, "enough": groups_beyond(pairs.detectable, pairs.margin, *tested)}
        stated("detectable", numbers)
    if omnibus.dropped:
        alone = {"test": omnibus.test} if omnibus.test == rules.SKILLINGS_MACK else {}
        stated("dropped", {"dropped": omnibus.dropped, "groups": omnibus.groups + omnibus.dropped}, **alone)
    return made


def _sides(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}


def cautions(results: StudyResults, family: str, method: str) -> list[Statement]:
    """State what a reader must know of a family's means before believing them: gaps, ceilings, seeds."""
    subjects, of, made = about(results, family, method), results.families[family], []
    means = results.values(family, method)

    def stated(kind: str, numbers: dict, reason: str | None = None, **more) -> None:
        named = subjects | more
        made.append(state(f"scores.{kind}", place(family, method), reason=reason, numbers=numbers, **named))

    for model, missing in of.missing.get(method, {}).items():
        reasons = missing.informative
        lost = sum(reasons.values())
        requested = missing.scores - sum(missing.reasons.values()) + lost
        if model in results.judged and lost > MANY_MISSING * requested:
            most = max(reasons, key=reasons.__getitem__)
            numbers = {"share": lost / requested, "mean": means.get(model)}
            stated("missing", numbers, most, models=model, unit=results.groups.kind)
    outcome = of.outcomes.get(method)
    if outcome and (found := outcome.sensitivity):
        rows = found.changed
        ends = {"of": [r.subject for r in rows], "main": [r.main for r in rows], "worst": [r.worst_rank for r in rows]}
        stated("worst", {"missing": found.missing}, **ends)
    ceilings = results.values(family, "ceiling")
    if len(ceilings) > 1 and max(ceilings.values()) - min(ceilings.values()) > WIDE_CEILING:
        ends = [min(ceilings, key=ceilings.__getitem__), max(ceilings, key=ceilings.__getitem__)]
        stated("ceiling", {"mean": tuple(ceilings[model] for model in ends)}, models=ends)
    spreads = {
        model: max(by_seed.values()) - min(by_seed.values())
        for model, by_seed in of.seed_means.get(method, {}).items()
        if model in means and None not in by_seed.values() and len(by_seed) > 1
    }
    if spreads:
        model = max(spreads, key=spreads.__getitem__)
        apart = max(means.values()) - min(means.values()) if len(means) > 1 else None
        stated("seed_spread", {"spread": spreads[model], "apart": apart}, models=model)
    return made


def between_methods(results: StudyResults, family: str, method: str) -> list[Statement]:
    """State how a method's scores compare with those of the lead method, model by model."""
    if method == results.lead or not results.judged:
        return []
    of, subjects = results.families[family], about(results, family, method) | {"lead": results.lead}
    better = [row for row in of.methods_apart if (row.over, row.under) == (method, results.lead)]
    worse = [row for row in of.methods_apart if (row.under, row.over) == (method, results.lead)]
    if not (better or worse):
        return [state("methods.no_evidence", place(family, method), **subjects)]
    ways = {"better": better, "worse": worse}
    numbers = {way: tuple(row.difference for row in rows) for way, rows in ways.items() if rows}
    models = {way: [row.model for row in rows] for way, rows in ways.items()}
    return [state("methods.apart", place(family, method), numbers=numbers, **subjects, **models)]


def family_statements(results: StudyResults, family: str, method: str) -> list[Statement]:
    """Return everything on one family and method; nothing where the method supports no model that takes part."""
    if results.refuses_all(method):
        return []
    if why := not_judged(results, family, method):
        return [why]
    return [
        *against_controls(results, family, method),
        models_compared(results, family, method),
        *between_methods(results, family, method),
        *tests(results, family, method),
        *cautions(results, family, method),
    ]


def statements(results: StudyResults) -> list[Statement]:
    """Return everything on every method and family."""
    return [
        one
        for method in results.methods
        for one in (
            *unsupported(results, method),
            *(one for family in results.families for one in family_statements(results, family, method)),
        )
    ]


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
    stated = {model for verdict in ("better", "worse", "unclear") for model in found[verdict]}
    if not stated:
        return "absent"
    if results.too_few(family, method):
        return "few"
    return "all" if stated | {*found["blind"]} == {*found["better"]} else "some" if found["better"] else "none"


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
        numbers = {"value": value, "floor": floor, "here": results.groups_test}
        numbers["enough"] = groups_for_interval(results.groups_test, value, low, floor)
        found.append(state("next.groups", "models", numbers=numbers, model=model, unit=kind))
    else:
        best = max((value for _, value, _ in checkpoints if isfinite(value)), default=None)
        taken = results.setting and set(results.setting.weights.values()) == {"taken"}
        kind = "next.preprocessing" if taken else "next.training"
        found.append(state(kind, "models", numbers={"value": best, "floor": floor}))
    if results.setting and set(results.setting.weights.values()) & {"scratch"}:
        found.append(state("next.weights", "models"))
    if size < FAIR_SIZE:
        found.append(state("next.size", "models", numbers={"size": size}))
    return [*found, state("next.audit", "data", numbers={"alarms": alarms})] if alarms else found
