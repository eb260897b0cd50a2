"""The rules that turn the numbers of `summary.json` into plain sentences, all in one place."""

from collections.abc import Sequence

from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.metrics import judged_by_truth
from heatproof.stats.sentences.general import (
    groups_sentence,
    judged,
    left_out_sentence,
    methods_sentence,
    refusal_sentences,
    seeds_sentence,
    subject,
    unstated_sentence,
)
from heatproof.stats.sentences.words import (
    cause,
    claim_of,
    control_name,
    controls_named,
    counted,
    expected,
    interval,
    joined,
    plain,
    shown,
    span,
    unit,
)
from heatproof.stats.verdicts.rules import NO_VERDICT, tests, verdict

MANY_MISSING = 0.05  # share of scores without a value from which a mean needs a warning
MOST = 3  # changed verdicts that a sentence names
WIDE_CEILING = 0.05  # difference between the ceilings of two grids from which a comparison needs a warning


def verdicts(summary: dict, family: str, method: str) -> dict[str, list[str]]:
    """Models by their result: `better` than all controls, `worse` than any of them, `unclear`, or `blind` where a
    metric that needs to does not tell the truth from a random map, so that there is no verdict."""
    results: dict[str, list[str]] = {"better": [], "worse": [], "unclear": [], "blind": []}
    for model, word in summary["verdicts"].get(family, {}).get(method, {}).items():
        results[word].append(model)
    scored = values(summary, family, method)
    return results | {"blind": [model for model in blind(summary, family) if model in scored]}


def unvalidated(summary: dict, family: str) -> list[str]:
    """The models on whose images the primary metric does not tell the truth from a random map."""
    return [model for model in judged(summary) if summary["separates"].get(family, {}).get(model) is False]


def blind(summary: dict, family: str) -> list[str]:
    """Those of them that have no verdict: where the metric has to rank the true region first."""
    needed = judged_by_truth(family, summary["primary"][family]["metric"])
    return unvalidated(summary, family) if needed else []


def unvalidated_sentence(summary: dict, family: str, models: Sequence[str]) -> str:
    """That a verdict stands although the metric does not rank the true region first, and what that may mean."""
    metric = plain(summary["primary"][family]["metric"])
    return (
        f"{metric[0].upper()}{metric[1:]} cannot be validated on the images of {joined(list(models))}: it does not "
        f"rank the true region above a random map. Either the metric fails there, or the "
        f"{'model uses' if len(models) == 1 else 'models use'} something else than the marked region."
    )


def values(summary: dict, family: str, method: str) -> dict[str, float]:
    """Means of the primary metric of the models that take part and have one."""
    means = summary["primary"][family]["methods"].get(method, {})
    return {model: means[model] for model in judged(summary) if means.get(model) is not None}


def seen(summary: dict, family: str, method: str) -> dict[str, float]:
    """The same without the models that the metric gives no verdict on."""
    return {
        model: mean for model, mean in values(summary, family, method).items() if model not in blind(summary, family)
    }


def unjudged(summary: dict, family: str, method: str) -> str | None:
    """Why no verdict can be had for a family, or None where one can."""
    if not judged(summary):
        return f"{family.capitalize()} is not judged: no model is competent with all its trainings."
    if found := values(summary, family, method):
        return no_truth(summary, family) if set(found) <= set(blind(summary, family)) else None
    counts: dict[str, int] = {}
    for model, row in summary["missing"][family].get(method, {}).items():
        for reason, count in row["reasons"].items() if model in judged(summary) else ():
            counts[reason] = counts.get(reason, 0) + count
    reason = max(counts, key=counts.get) if counts else "there are no scores"
    return f"{family.capitalize()} cannot be judged: {cause(reason)}."


def no_truth(summary: dict, family: str, models: str = "") -> str:
    """That a metric says nothing here, because it does not tell the true region from noise."""
    metric, of = (
        plain(summary["primary"][family]["metric"]),
        f" on the images of {models}" if models else " on this data",
    )
    return f"{metric[0].upper()}{metric[1:]} does not tell the true region from a random map{of}: {NO_VERDICT}."


def against_controls(summary: dict, family: str, method: str, numbers: bool = True) -> list[str]:
    """Which models' heatmaps beat the controls of a family; if asked, with means and intervals, and the controls'."""
    controls = summary["controls"].get(family, {}).get(method)
    if not controls:
        return ["There is no control to hold these heatmaps against."]
    names, claim = controls_named(list(controls), family), claim_of(summary, family)
    found, texts = verdicts(summary, family, method), []
    beside = (lambda models: f" ({_numbers(summary, family, method, models)})") if numbers else (lambda models: "")
    who = trained(summary, family, method)
    if found["better"]:
        texts.append(f"{who}the heatmaps of {joined(found['better'])} {claim} {names}{beside(found['better'])}.")
    beaten_by: dict[str, list[str]] = {}
    for model in found["worse"]:
        worse = [
            control_name(name, family)
            for name, rows in controls.items()
            if rows.get(model, {}).get("verdict") == "worse"
        ]
        beaten_by.setdefault(joined(worse), []).append(model)
    for worse, models in beaten_by.items():
        fail = FAMILIES[family].failure if family in FAMILIES else "do worse than"
        texts.append(f"{who}the heatmaps of {joined(models)} {fail} {worse}{beside(models)}.")
    if found["unclear"]:
        unclear = found["unclear"]
        texts.append(f"That the heatmaps of {joined(unclear)} {claim} {names} could not be shown{beside(unclear)}.")
        rows = [rows[model] for rows in controls.values() for model in unclear if model in rows]
        if all(row["smallest_p"] > summary["shares"][family][method]["controls"] for row in rows):
            texts.append(f"There are too few {unit(summary)} for these tests to find anything.")
    if found["blind"]:
        texts.append(no_truth(summary, family, joined(found["blind"])))
    scored = [model for model in unvalidated(summary, family) if model in values(summary, family, method)]
    if numbers and scored and not found["blind"]:
        texts.append(unvalidated_sentence(summary, family, scored))
    return texts


def trained(summary: dict, family: str, method: str) -> str:
    """Whom a verdict speaks of, as the beginning of its sentence."""
    if summary["population"].get(family, {}).get(method) == "architectures":
        return f"Over {summary['seeds']['count']} training seeds, "
    return subject(summary.get("setting", {}))


def _numbers(summary: dict, family: str, method: str, models: list[str]) -> str:
    """`symmetric relevance gain: a 0.41 [0.35, 0.47], b 0.38 [0.30, 0.46]; a random map 0.02`."""
    primary = summary["primary"][family]
    means, ends = primary["methods"][method], primary["intervals"].get(method, {})
    told = [f"{model} {interval(means[model], *ends.get(model, (None, None)))}" for model in models]
    return "; ".join([f"{plain(primary['metric'])}: {', '.join(told)}", *hardest(summary, family, method, models)])


def hardest(summary: dict, family: str, method: str, models: Sequence[str], form: str = "{name} {span}") -> list[str]:
    """The controls with their means over some models; of many the one alone that is hardest to beat."""
    primary, found = summary["primary"][family], {}
    for name in summary["controls"][family][method]:
        own = f"{name}:{method}"
        means = primary["methods"].get(own if own in primary["methods"] else name, {})
        if beside := [means[model] for model in models if means.get(model) is not None]:
            found[name] = beside
    if len(found) > 2:
        sign = -1 if primary["lower_is_better"] else 1
        best = max(found, key=lambda name: sign * sum(found[name]) / len(found[name]))
        told = f"{control_name(best, family)}, the hardest control" + ("," if form.startswith("{name}") else "")
        return [form.format(name=told, span=span(found[best]))]
    return [form.format(name=control_name(name, family), span=span(means)) for name, means in found.items()]


def cautions(summary: dict, family: str, method: str) -> list[str]:
    """What a reader must know of a family's means before believing them: gaps, ceilings, seeds."""
    metric, texts = plain(summary["primary"][family]["metric"]), []
    means = values(summary, family, method)
    for model, row in summary["missing"][family].get(method, {}).items():
        reasons = {reason: count for reason, count in row["reasons"].items() if not expected(reason)}
        lost = sum(reasons.values())
        asked = row["scores"] - sum(row["reasons"].values()) + lost
        if model not in judged(summary) or lost <= MANY_MISSING * asked:
            continue
        share, why = lost / asked, max(reasons, key=reasons.get)
        then = (
            "its mean is over the rest and may flatter it"
            if model in means
            else f"none of the {unit(summary)} has one in every seed, and no comparison includes it"
        )
        size = "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"
        texts.append(f"{size} of the heatmaps of {model} have no {metric} (mostly: {cause(why)}); {then}.")
    texts += worst_rank_sentence(summary, family, method)
    ceilings = values(summary, family, "ceiling")
    if len(ceilings) > 1 and max(ceilings.values()) - min(ceilings.values()) > WIDE_CEILING:
        low, high = min(ceilings, key=ceilings.get), max(ceilings, key=ceilings.get)
        texts.append(
            f"The true region itself, blurred to the grids that the heatmaps come from, scores "
            f"{shown(ceilings[low])} ({low}) to {shown(ceilings[high])} ({high}): part of a difference between "
            f"models may be the grid."
        )
    spreads = {
        model: max(by_seed.values()) - min(by_seed.values())
        for model, by_seed in summary["seed_means"][family].get(method, {}).items()
        if model in means and None not in by_seed.values() and len(by_seed) > 1
    }
    if spreads:
        model = max(spreads, key=spreads.get)
        moved = f"by up to {shown(spreads[model])} ({model})"
        apart = max(means.values()) - min(means.values())
        beside = f"; between models by {shown(apart)}" if len(means) > 1 else ""
        texts.append(f"Between training seeds of one model the mean {metric} moves {moved}{beside}.")
    return texts


def worst_rank_sentence(summary: dict, family: str, method: str) -> list[str]:
    """What the verdicts would be if the scores that are missing were the worst."""
    found = summary["sensitivity"].get(family, {}).get(method)
    if not found:
        return []
    what = f"Counting the {counted(found['missing'], 'score')} without a value as the worst"
    if not found["changed"]:
        return [f"{what} changes no verdict."]
    rows = [f"{row['subject']} from {row['main']} to {row['worst_rank']}" for row in found["changed"]]
    more = f" and {len(rows) - MOST} more" if len(rows) > MOST else ""
    return [f"{what} changes {counted(len(rows), 'verdict')}: {'; '.join(rows[:MOST])}{more}."]


def between_methods(summary: dict, family: str, method: str) -> list[str]:
    """How a method's scores compare with those of the first method, model by model; Holm over all pairs and models."""
    lead = summary["lead"]
    if method == lead or not judged(summary):
        return []
    apart = {"over": [], "under": []}
    for row in summary["methods_apart"].get(family, []):
        for side, other in (("over", "under"), ("under", "over")):
            if (row[side], row[other]) == (method, lead):
                apart[side].append(row)
    told = [
        f"{verb} than {lead} for {joined([row['model'] for row in rows])} "
        f"(by {span([row['difference'] for row in rows])})"
        for verb, rows in (("better", apart["over"]), ("worse", apart["under"]))
        if rows
    ]
    metric = plain(summary["primary"][family]["metric"])
    if not told:
        return [f"By {metric}, {method} could be told apart from {lead} for no model."]
    return [f"On the same images, {method} scores {' and '.join(told)} in {metric}."]


def family_sentences(summary: dict, family: str, method: str) -> dict[str, list[str]]:
    """Everything that is said about one family and method, by kind: `verdict`, `test` (what it rests on), `caution`;
    nothing where the method refuses every model."""
    if set(judged(summary)) and set(judged(summary)) <= set(summary["refused"].get(method, {})):
        return {}
    if reason := unjudged(summary, family, method):
        return {"verdict": [reason]}
    told = [*against_controls(summary, family, method), f"{verdict(summary, family, method)}."]
    return {
        "verdict": told + between_methods(summary, family, method),
        "test": tests(summary, family, method),
        "caution": cautions(summary, family, method),
    }


def sentences(summary: dict) -> list[dict[str, str]]:
    """All sentences, as {family, method, kind, text, evidence}; `evidence` names the place of the report that bears it
    out.

    Family is `general` and method "" where they hold for every one; family is `methods` for what holds for all
    families of a method.
    """
    comparison = (summary["comparison"] or {}).get("sentence")
    of_ensembles = [text for found in summary.get("ensembles", {}).values() for text in found["sentences"]]
    unseen = unstated_sentence(summary.get("setting", {}))
    general = {
        "models": [
            unseen,
            left_out_sentence(summary),
            summary.get("labels", {}).get("sentence"),
            comparison,
            *of_ensembles,
        ],
        "data": [groups_sentence(summary), summary.get("cases_sentence")],
        "method": [seeds_sentence(summary), methods_sentence(summary)],
    }
    texts = [_told("general", "", text, place) for place, found in general.items() for text in found if text]
    for method in summary["methods"]:
        texts += [_told("methods", method, text, "left-out") for text in refusal_sentences(summary, method)]
        for family in summary["primary"]:
            for kind, found in family_sentences(summary, family, method).items():
                texts += [_told(family, method, text, evidence(family, method), kind) for text in found]
    return texts


def _told(family: str, method: str, text: str, place: str, kind: str = "caution") -> dict[str, str]:
    return {"family": family, "method": method, "kind": kind, "text": text, "evidence": place}


def evidence(family: str, method: str) -> str:
    """The place of a report where the scores of one method in one family stand."""
    return f"{family}-{method}"
