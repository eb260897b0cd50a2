"""Statements on each family and method: against the controls, between models, and what to know of the means."""

from collections.abc import Sequence

from heatproof.core.statements import Statement
from heatproof.stats import results as values
from heatproof.stats.results import StudyResults
from heatproof.stats.statements.general import about, scope, state, unsupported
from heatproof.stats.verdicts import rules

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

    def told(verdict: str, models: Sequence[str], **more) -> Statement:
        of, controls = _means(results, family, method, models) if numbers else ({}, {})
        named = subjects | {"models": models, "controls": outcome.controls} | controls | more
        return state(f"controls.{verdict}", evidence, numbers=seeds | of, **named)

    if found["better"]:
        made.append(told("better", found["better"]))
    beaten_by: dict[tuple[str, ...], list[str]] = {}
    for model in found["worse"]:
        by = [name for name, rows in outcome.controls.items() if model in rows and rows[model].verdict == rules.WORSE]
        beaten_by.setdefault(tuple(by), []).append(model)
    made += [told("worse", models, beaten_by=by) for by, models in beaten_by.items()]
    if found["unclear"]:
        made.append(told("no_evidence", found["unclear"]))
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
        kind = "too_few" if outcome.too_few_for_pairs else "no_evidence"
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

    def told(kind: str, numbers: dict, **more) -> None:
        made.append(state(f"test.{kind}", place(family, method), numbers=numbers, **subjects, **more))

    if omnibus.p is not None:
        numbers = {name: getattr(omnibus, name) for name in ("statistic", "df1", "df2", "effect", "p", "groups")}
        told("over_all", numbers | {"models": omnibus.levels, "level": level}, test=omnibus.test)
    if top := pairs.largest:
        effect = top.effect if top.difference > 0 else -top.effect
        told("largest", {"effect": effect, "p": top.p, "tested": pairs.tested})
    if pairs.equivalent:
        told("equivalent", {"margin": pairs.margin}, **_sides(pairs.equivalent))
    if pairs.within_seeds:
        told("within_seeds", {}, **_sides(pairs.within_seeds))
    if outcome.too_few_for_pairs:
        told("too_few", {"groups": pairs.groups, "tested": pairs.tested, "smallest_p": pairs.smallest_p})
    elif len(pairs.told_apart) < pairs.tested and pairs.detectable is not None:
        numbers = {"groups": pairs.detectable_groups, "detectable": pairs.detectable, "power": results.power}
        told("detectable", numbers)
    if omnibus.dropped:
        told("dropped", {"dropped": omnibus.dropped, "groups": omnibus.groups + omnibus.dropped})
    return made


def _sides(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    return {"a": [a for a, _ in pairs], "b": [b for _, b in pairs]}


def cautions(results: StudyResults, family: str, method: str) -> list[Statement]:
    """State what a reader must know of a family's means before believing them: gaps, ceilings, seeds."""
    subjects, of, made = about(results, family, method), results.families[family], []
    means = results.values(family, method)

    def told(kind: str, numbers: dict, reason: str | None = None, **more) -> None:
        named = subjects | more
        made.append(state(f"scores.{kind}", place(family, method), reason=reason, numbers=numbers, **named))

    for model, missing in of.missing.get(method, {}).items():
        reasons = missing.informative
        lost = sum(reasons.values())
        requested = missing.scores - sum(missing.reasons.values()) + lost
        if model in results.judged and lost > MANY_MISSING * requested:
            most = max(reasons, key=reasons.__getitem__)
            numbers = {"share": lost / requested, "mean": means.get(model)}
            told("missing", numbers, most, models=model, unit=results.groups.kind)
    outcome = of.outcomes.get(method)
    if outcome and (found := outcome.sensitivity):
        rows = found.changed
        ends = {"of": [r.subject for r in rows], "main": [r.main for r in rows], "worst": [r.worst_rank for r in rows]}
        told("worst", {"missing": found.missing}, **ends)
    ceilings = results.values(family, "ceiling")
    if len(ceilings) > 1 and max(ceilings.values()) - min(ceilings.values()) > WIDE_CEILING:
        ends = [min(ceilings, key=ceilings.__getitem__), max(ceilings, key=ceilings.__getitem__)]
        told("ceiling", {"mean": tuple(ceilings[model] for model in ends)}, models=ends)
    spreads = {
        model: max(by_seed.values()) - min(by_seed.values())
        for model, by_seed in of.seed_means.get(method, {}).items()
        if model in means and None not in by_seed.values() and len(by_seed) > 1
    }
    if spreads:
        model = max(spreads, key=spreads.__getitem__)
        apart = max(means.values()) - min(means.values()) if len(means) > 1 else None
        told("seed_spread", {"spread": spreads[model], "apart": apart}, models=model)
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
