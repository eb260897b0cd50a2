"""What others say of heatmaps, and findings that take several measures to say, checked on a study: supported,
contradicted or undecided, with the numbers."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from heatproof.catalogue.metrics import judged_by_truth, needs_lesion
from heatproof.stats.claims import checks
from heatproof.stats.claims.checks import Asked, check_criteria, decided, undecided
from heatproof.stats.claims.cue import ON_CUE, shows_cue
from heatproof.stats.results import BLIND, Family, Finding, StudyResults, number
from heatproof.stats.statements.general import about, state
from heatproof.stats.tables.groups import describe, group_means
from heatproof.stats.tests.analysis import Compared, compare_one
from heatproof.stats.tests.architectures import MIN_SEEDS
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.gather import Gathered, blind, separates
from heatproof.stats.verdicts.rules import Design
from heatproof.text.claims import VERDICTS as WORDS
from heatproof.text.claims import clauses
from heatproof.text.words import metric as plain

CHECKS = {
    "beat_controls": checks.beat_controls,
    "lower": checks.lower,
    "differ": checks.differ,
    "outdo": checks.outdo,
}


def check(
    claims: dict[str, dict],
    gathered: Gathered,
    results: StudyResults,
    design: Design,
    cue: pd.DataFrame | None = None,
    fall: Callable[[Sequence[str]], dict | None] | None = None,
) -> list[dict]:
    """Return rows of `stats_tables.CLAIMS`, in the order of the configuration.

    Args:
        claims: name -> source, claim, check, family, method, models, than, methods, metric.
        gathered: every test of the study; those with missing scores as the worst tell how firm a verdict is.
        results: models, refusals and families of the study.
        cue: rows of `stats_tables.CUE`; None where no cue was planted.
        fall: models -> how far their AUROC falls within a source, as `multilabel.fall_within` tells it.
    """
    return [_in_words(row) for row in _check(claims, gathered, results, design, cue, fall)]


def _in_words(row: dict) -> dict:
    return row | {key: clauses(row[key]) for key in ("evidence", "change")}


def _check(
    claims: dict[str, dict],
    gathered: Gathered,
    results: StudyResults,
    design: Design,
    cue: pd.DataFrame | None,
    fall: Callable[[Sequence[str]], dict | None] | None = None,
) -> list[dict]:
    """The rows, with statements for evidence and change."""
    rows, models = [], list(results.models)
    compared = gathered.compared
    again = {key: found.again for key, found in gathered.worst.items()}
    for name, claim in claims.items():
        if claim is None or not _concerns(claim, models, design, cue):
            continue
        metric = claim.get("metric") or design.primary.get(claim["family"], "")
        named = [model for model in claim["models"] or models if model in models]
        if claim["check"] == "falls_within":
            found = falls_within(fall(named) if fall else None, named, results, design)
        elif claim["check"] == "shows_cue":
            metric = claim.get("metric") or ON_CUE
            found = shows_cue(cue, named, claim["method"], metric, results.groups.kind)
        else:
            found = _checked(claim, compared, results, design)
            if {(claim["family"], method) for method in [claim["method"], *claim.get("methods", [])]} & set(
                again
            ) and "effect" in found:
                would = _checked(claim, compared | again, results, design)["verdict"]
                same = "the same" if would == found["verdict"] else would
                found["evidence"].append(state("claim.counting_missing", verdict=same))
        empty = {"effect": None, "low": None, "high": None, "p": None, "groups": None}
        kept = {key: claim[key] for key in ("source", "claim", "family", "method")}
        rows.append({"name": name, "metric": metric, **kept, "seeds": results.seeds.count, **empty, **found})
    return rows


def falls_within(fall: dict | None, models: Sequence[str], results: StudyResults, design: Design) -> dict:
    """The fall of AUROC within a source, one planned test; of all models, as this is about what competence means."""
    unit = results.groups.kind
    if fall is None:
        return undecided(state("claim.no_label"), "of_labels")
    verdict = rules.claim_lower(fall["difference"], fall["p"], fall["p_same"], design.alpha)
    numbers = {"effect": fall["difference"], "p": fall["p"], "groups": fall["groups"]}
    measure = results.competence.measure
    stated = state("claim.falls_within", numbers=numbers, models=models, unit=unit, measure=measure)
    found = {key: fall[key] for key in ("low", "high", "p", "groups")} | {"effect": fall["difference"]}
    found |= decided(verdict, [stated], unit)
    if results.seeds.count < MIN_SEEDS:
        found["change"].append(state("change.checkpoints", numbers={"needed": MIN_SEEDS}))
    return found


def _concerns(claim: dict, models: Sequence[str], design: Design, cue: pd.DataFrame | None) -> bool:
    """Whether a claim is on anything that the study has."""
    if claim["models"] and not set(claim["models"]) & set(models):
        return False
    if claim["check"] == "outdo":
        return bool(set(claim["methods"]) & set(design.methods))
    return claim["check"] != "shows_cue" or cue is not None


def _checked(claim: dict, compared: dict[tuple[str, str], Compared], results: StudyResults, design: Design) -> dict:
    models, unit = list(results.models), results.groups.kind
    one = compared.get((claim["family"], claim["method"]))
    requested = claim["models"] or list(models)
    named = [model for model in requested if model in models]
    if reason := _judged_otherwise(claim, design):
        return reason
    known = results.families.get(claim["family"])
    sees, metric = known.separates if known else {}, design.primary.get(claim["family"], "")
    blind = [model for model in [*named, *claim["than"]] if sees.get(model) is False]
    unvalidated = state("claim.blind", metric=metric, models=blind)
    if blind and judged_by_truth(claim["family"], metric):
        return undecided(unvalidated, "telling_metric")
    if not design.models:
        return undecided(state("claim.no_model"), "competent")
    if one is None:
        return undecided(state("claim.not_scored", family=claim["family"], method=claim["method"]), "score_them")
    usable = [model for model in named if model in one.wide.columns]
    others = [model for model in claim["than"] if model in one.wide.columns]
    if not usable or (claim["than"] and not others):
        gone = named if not usable else [m for m in claim["than"] if m in models]
        if not gone:
            return undecided(state("claim.lacks", names=claim["than"]), "of_models")
        why = results.unjudged(claim["family"], claim["method"]) if known and known.outcomes else None
        if why is not None:
            kind = "claim.family_blind" if why == BLIND else "claim.not_judged"
            return undecided(state(kind, reason=why, **about(results, claim["family"], claim["method"])), "missing")
        weak = [model for model in gone if model not in design.models]
        if weak:
            return undecided(state("claim.not_competent", models=weak), "competent")
        return undecided(state("claim.no_scores", names=gone), "of_it")
    beside = {method: of for (family, method), of in compared.items() if family == claim["family"]}
    found = CHECKS[claim["check"]](
        Asked(one, usable, others, design, unit, claim.get("methods") or [], beside, results.refused)
    )
    left = [model for model in named + [m for m in claim["than"] if m in models] if model not in one.wide.columns]
    if left:
        found["evidence"].append(state("claim.cannot_judge", models=left))
    if absent := [model for model in [*requested, *claim["than"]] if model not in models]:
        found["evidence"].append(state("claim.lacks_methods", names=absent))
    if blind:
        found["evidence"].append(unvalidated)
    if one.cells is None:
        found["change"].append(state("change.checkpoints", numbers={"needed": MIN_SEEDS}))
    return found


def _judged_otherwise(claim: dict, design: Design) -> dict | None:
    """A claim on another metric than the one that the study judges its family by."""
    family, metric = claim["family"], claim.get("metric")
    primary = design.primary.get(family)
    if metric is None or primary in (metric, None):
        return None
    truth = family == "localization" and needs_lesion(metric)
    stated = state("claim.other_metric", metric=metric, family=family, primary=primary)
    return undecided(stated, "of_metric_marked" if truth else "of_metric", metric=metric)


ALL_METHODS = "all methods"


def check_compound(
    findings: dict[str, dict | None],
    scores: pd.DataFrame,
    per_seed: pd.DataFrame,
    results: StudyResults,
    design: Design,
) -> tuple[list[dict], dict[str, Finding]]:
    """Rows of `stats_tables.CLAIMS`, the parts of each finding and then the finding (family and metric empty); and
    what the summary holds of each finding.

    Args:
        findings: name -> source, claim, models, than, methods (none: all), parts (family and metric, None for the
            primary one); or in place of models, than and parts, criteria as in `checks.check_criteria`.
        scores: scores of images, as `groups.compact` gives them.
        per_seed: their means for every seed, as from `groups.seed_group_means`.
        results: models and groups of the study; `design.models` are those that take part.
    """
    rows, stated = [], {}
    models, seeds, unit = list(results.models), results.seeds.count, results.groups.kind
    means = describe(group_means(per_seed), results.interval)
    for name, finding in findings.items():
        if finding and finding.get("criteria"):
            *parts, both = map(_in_words, check_criteria(name, finding, means, results))
            rows += [*parts, both]
            stated[name] = _finding(both, parts, parts)
            continue
        if finding is None or not {*finding["models"], *finding["than"]} & set(models):
            continue
        parts, measured = [], []
        for part in finding["parts"]:
            metric = part.get("metric") or design.primary.get(part["family"], "")
            row, known = _part(finding, part["family"], metric, scores, per_seed, results, design)
            parts.append({"name": f"{name}: {part['family']} {metric}".strip()} | _in_words(row))
            measured += [parts[-1]] if known else []
        both = {"name": name, "family": "", "metric": "", "method": ALL_METHODS, "seeds": seeds}
        both |= {key: finding[key] for key in ("source", "claim")} | _in_words(
            together(measured, len(parts), design, unit)
        )
        rows += [*parts, both]
        stated[name] = _finding(both, parts, measured)
    return rows, stated


def _finding(both: dict, parts: list[dict], measured: list[dict]) -> Finding:
    return Finding(
        both["verdict"],
        both["evidence"],
        tuple(row["name"] for row in parts),
        tuple(row["name"] for row in measured),
        **{word: tuple(row["name"] for row in measured if row["verdict"] == word) for word in WORDS},
        **{key: number(both[key]) for key in ("effect", "low", "high", "p")},
    )


def together(parts: list[dict], declared: int, design: Design, unit: str) -> dict:
    """The verdict on a finding from the rows of its parts that are measured."""
    empty = {"effect": None, "low": None, "high": None, "p": None, "groups": None}
    if not parts:
        return empty | undecided(state("claim.no_part"), "of_them")
    tested = [row for row in parts if row["effect"] is not None and not pd.isna(row["effect"])]
    margins = np.array([design.margin(row["metric"]) for row in tested])
    mean = {
        key: float(np.mean([row[key] for row in tested] / margins)) if tested else float("nan")
        for key in ("effect", "low", "high")
    }
    verdict = rules.finding([row["verdict"] for row in parts], mean["low"], mean["high"])
    named = {word: [row["metric"] or row["family"] for row in parts if row["verdict"] == word] for word in WORDS}
    numbers = {"parts": len(parts), "unmeasured": declared - len(parts) or None}
    numbers |= {"tested": len(tested), **mean} if tested else {}
    evidence = [state("claim.parts", numbers=numbers, **named)]
    # a group counts in some parts and not in others: the least of them is given
    groups = min((int(row["groups"]) for row in tested), default=None)
    return {**mean, "p": rule_p(parts), "groups": groups} | decided(verdict, evidence, unit, "finding")


def rule_p(parts: list[dict]) -> float:
    """The p of "more than half of the parts show": m / k times the k-th smallest one-sided p, k the least number above
    half of m (Rueger 1978, Metrika 25). A part without a test counts as 1."""
    one_sided = sorted(
        1.0 if row["p"] is None or pd.isna(row["p"]) else row["p"] / 2 if row["effect"] > 0 else 1 - row["p"] / 2
        for row in parts
    )
    least = len(parts) // 2 + 1
    return float(min(1.0, len(parts) / least * one_sided[least - 1]))


def _part(
    finding: dict,
    family: str,
    metric: str,
    scores: pd.DataFrame,
    per_seed: pd.DataFrame,
    results: StudyResults,
    design: Design,
) -> tuple[dict, bool]:
    """The row of one part, and whether the study measures it."""
    claim = {"check": "lower", "models": finding["than"], "than": finding["models"], "family": family}
    claim |= {"metric": metric, "method": ALL_METHODS, "source": finding["source"], "claim": finding["claim"]}
    design = replace(design, primary={family: metric} if metric else {})
    of = scores[(scores["family"] == family) & (scores["metric"] == metric)]
    found = separates(of, family, metric, design)
    design = replace(design, blind={family: blind(found, family, design)})
    named = [model for model in design.models if model in (*finding["models"], *finding["than"])]
    requested = [method for method in finding.get("methods") or design.methods if method in design.methods]
    one, used = over_methods(per_seed, family, metric, named, requested, design)
    compared = {(family, ALL_METHODS): one} if one is not None else {}
    of_part = replace(results, families={family: Family(metric, separates=found)})
    rows = _check({"part": claim}, Gathered({}, {}, compared, {}), of_part, design, None)
    known = not of.empty
    if not rows:  # none of those that are held against the models is in the study
        rows = [{key: claim[key] for key in ("source", "claim", "family", "method", "metric")}]
        rows[0] |= {"seeds": results.seeds.count} | dict.fromkeys(("effect", "low", "high", "p", "groups"))
        rows[0] |= undecided(state("claim.lacks", names=finding["than"]), "of_models")
    elif not known:
        rows[0] |= undecided(state("claim.none_of_metric", family=family, metric=metric or ()), "of_it")
    elif len(used) < len(requested) and used:
        left = [method for method in requested if method not in used]
        rows[0]["evidence"].append(state("claim.without_scores", methods=left))
    stated = f"{finding['claim']}: by {plain(metric) if metric else family}"
    return {key: value for key, value in rows[0].items() if key != "name"} | {"claim": stated}, known


def over_methods(
    per_seed: pd.DataFrame, family: str, metric: str, models: Sequence[str], methods: Sequence[str], design: Design
) -> tuple[Compared | None, list[str]]:
    """The models compared by their mean over methods, and which methods these are: those that all models have.

    A group has a mean where it has a value of each of them, in that seed: means over different methods would not be
    comparable.
    """
    rows = per_seed[(per_seed["family"] == family) & (per_seed["metric"] == metric)]
    rows = rows[rows["model"].isin(models) & rows["method"].isin(methods)].dropna(subset="value")
    have = {method: set(of["model"].unique()) for method, of in rows.groupby("method", observed=True)}
    scored = set().union(*have.values())
    used = [method for method in methods if have.get(method) and have[method] == scored]
    rows = rows[rows["method"].isin(used)]
    if rows.empty:
        return None, []
    keys = ["model", "seed", "group"]
    means = rows.groupby(keys, dropna=False, sort=False, observed=True)["value"].agg(["mean", "count"]).reset_index()
    means = means.assign(value=means["mean"].where(means["count"] == len(used)))
    means = means.assign(family=family, metric=metric, method=ALL_METHODS).drop(columns=["mean", "count"])
    return compare_one(means, None, family, metric, ALL_METHODS, replace(design, models=list(models))), used
