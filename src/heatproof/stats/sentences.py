"""The rules that turn the numbers of `summary.json` into plain sentences, all in one place."""

from heatproof.stats.differences import between_models
from heatproof.stats.words import (
    CLAIMS,
    CONTROL_NAMES,
    FAILURES,
    KEPT_TOGETHER,
    REASONS,
    counted,
    expected,
    joined,
    plain,
    shown,
    span,
    unit,
)

MIN_SEEDS = 5  # below it a verdict speaks of the checkpoints at hand, not of architectures
MANY_MISSING = 0.05  # share of scores without a value from which a mean needs a warning
WIDE_CEILING = 0.05  # difference between the ceilings of two grids from which a comparison needs a warning


def judged(summary: dict) -> list[str]:
    """The models that take part in verdicts."""
    return [model for model, row in summary["models"].items() if row["competent"]]


def thresholds(summary: dict) -> tuple[str, str]:
    """The balanced accuracy that competence asks for, and that of guessing."""
    return shown(summary["competence"]["floor"]), shown(summary["competence"]["chance"])


def verdicts(summary: dict, family: str, method: str) -> dict[str, list[str]]:
    """Models by their result: `better` all controls, `worse` any of them, else `unclear`."""
    by_control = summary["controls"].get(family, {}).get(method, {}).values()
    results: dict[str, list[str]] = {"better": [], "worse": [], "unclear": []}
    for model in judged(summary):
        found = [rows[model]["verdict"] for rows in by_control if model in rows]
        if found:
            every = set(found) == {"better"} and len(found) == len(by_control)
            results["better" if every else "worse" if "worse" in found else "unclear"].append(model)
    return results


def values(summary: dict, family: str, method: str) -> dict[str, float]:
    """Means of the primary metric of the models that take part and have one."""
    means = summary["primary"][family]["methods"].get(method, {})
    return {model: means[model] for model in judged(summary) if means.get(model) is not None}


def unjudged(summary: dict, family: str, method: str) -> str | None:
    """Why no verdict can be had for a family, or None where one can."""
    if not judged(summary):
        return f"{family.capitalize()} is not judged: no model is competent with all its trainings."
    if values(summary, family, method):
        return None
    counts: dict[str, int] = {}
    for row in summary["missing"][family].get(method, {}).values():
        for reason, count in row["reasons"].items():
            counts[reason] = counts.get(reason, 0) + count
    reason = max(counts, key=counts.get) if counts else "there are no scores"
    return f"{family.capitalize()} cannot be judged: {REASONS.get(reason, reason)}."


def against_controls(summary: dict, family: str, method: str) -> list[str]:
    """Which models' heatmaps beat the controls of a family."""
    controls = summary["controls"].get(family, {}).get(method)
    if not controls:
        return ["There is no control to hold these heatmaps against."]
    names, claim = joined([CONTROL_NAMES[name] for name in controls]), CLAIMS[family]
    found, texts = verdicts(summary, family, method), []
    if found["better"]:
        texts.append(f"The heatmaps of {joined(found['better'])} {claim} {names}.")
    beaten_by: dict[str, list[str]] = {}
    for model in found["worse"]:
        worse = [
            CONTROL_NAMES[name] for name, rows in controls.items() if rows.get(model, {}).get("verdict") == "worse"
        ]
        beaten_by.setdefault(joined(worse), []).append(model)
    for worse, models in beaten_by.items():
        texts.append(f"The heatmaps of {joined(models)} {FAILURES.get(family, 'do worse than')} {worse}.")
    if found["unclear"]:
        texts.append(f"That the heatmaps of {joined(found['unclear'])} {claim} {names} could not be shown.")
        rows = [rows[model] for rows in controls.values() for model in found["unclear"] if model in rows]
        if all(row["smallest_p"] > summary["alpha"] for row in rows):
            texts.append(f"There are too few {unit(summary)} for these tests to find anything.")
    return texts


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
        texts.append(f"{share:.0%} of the heatmaps of {model} have no {metric} (mostly: {why}); {then}.")
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


def seeds_sentence(summary: dict) -> str:
    """How far verdicts from so many training seeds reach."""
    count = summary["seeds"]["count"]
    if count < MIN_SEEDS:
        return (
            f"Every model was trained from {counted(count, 'seed')}: verdicts from fewer than {MIN_SEEDS} "
            f"seeds speak of these checkpoints, not of architectures."
        )
    return (
        f"Scores are means over {count} training seeds: the tests hold these checkpoints fixed, and the "
        f"spread between seeds stands beside them."
    )


def groups_sentence(summary: dict) -> str:
    """Whether the groups that the tests rest on are independent."""
    count, kind = summary["groups_test"], summary["groups"]["kind"]
    where = "in the test split" if summary["folds"] == 1 else f"tested once each, over {summary['folds']} folds"
    if kind == "patient":
        text = f"All tests are on means per patient ({counted(count, 'patient')} {where})."
        if summary["groups"]["split_by"] == "random":
            text += " The split ignores patients: images of one stand in training and test, so accuracies are too high."
        return text
    if kind == "lookalike" and summary["groups"]["patients_known"]:
        return f"All tests are on means of {unit(summary)}, each of whole patients ({count} {where})."
    if kind == "lookalike":
        text = f"Look-alike clusters are not patients: the tests are on means of {unit(summary)} ({count} {where})"
        again = "may lie in several of them"
    else:
        text = f"Patients are not known, and the split is random: the tests are on single images ({count} {where})"
        again = "may count several times"
    return (
        f"{text}, and images of one patient {again}, so p values may be too small, "
        f"and may stand in training and test, so accuracies may be too high."
    )


def comparison_sentence(summary: dict) -> str:
    """What the same models score on a random split, on the split of the study, and what the difference means."""
    found = summary["comparison"]
    random, grouped, clear = found["random"], found["grouped"], found["clear"]
    kept = KEPT_TOGETHER[summary["groups"]["kind"]]
    text = (
        f"Under a random split the same {'models reach' if len(random) > 1 else 'model reaches'} a balanced accuracy "
        f"of {span(list(random.values()))}, with {kept} kept together {span(list(grouped.values()))}: "
    )
    fall = span([found["fall"][model] for model in clear or random])
    if len(clear) == len(random):
        return f"{text}the difference, {fall}, is what a random split hides."
    others = [model for model in random if model not in clear]
    if clear:
        return (
            f"{text}the difference for {joined(clear)}, {fall}, is what a random split hides; for {joined(others)} "
            f"it could be chance."
        )
    return f"{text}the difference could be chance."


def left_out_sentence(summary: dict) -> str | None:
    """The models that no verdict speaks of."""
    names = [model for model, row in summary["models"].items() if not row["competent"]]
    if not names:
        return None
    floor, chance = thresholds(summary)
    are, whose = ("is", "its trainings") if len(names) == 1 else ("are", "the trainings of each")
    return (
        f"{joined(names)} {are} left out of every verdict: the balanced accuracy of at least one of {whose} is not "
        f"surely above the floor of {floor} (guessing scores {chance})."
    )


def refusal_sentences(summary: dict, method: str) -> list[str]:
    """Which models a method refuses, a line a reason."""
    by_reason: dict[str, list[str]] = {}
    for model, reason in summary["refused"].get(method, {}).items():
        by_reason.setdefault(reason, []).append(model)
    everyone = len(summary["models"]) if len(summary["models"]) > 1 else 0
    return [
        f"No heatmaps of {'any model' if len(models) == everyone else joined(models)}: {reason}."
        for reason, models in by_reason.items()
    ]


def methods_sentence(summary: dict) -> str | None:
    """What several methods do to the tests."""
    count = len(summary["methods"])
    if count < 2:
        return None
    return (
        f"{count} explanation methods were tested, each by itself: p values are not corrected for their number, and "
        f"differences between methods are described, not tested."
    )


def family_sentences(summary: dict, family: str, method: str) -> list[str]:
    """Everything that is said about one family and method; nothing where the method refuses every model."""
    if set(judged(summary)) and set(judged(summary)) <= set(summary["refused"].get(method, {})):
        return []
    reason = unjudged(summary, family, method)
    if reason:
        return [reason]
    found = against_controls(summary, family, method) + between_models(summary, family, method)
    return found + cautions(summary, family, method)


def sentences(summary: dict) -> list[dict[str, str]]:
    """All sentences, as {family, method, text}.

    Family is `general` and method "" where they hold for every one; family is `methods` for what holds for all
    families of a method.
    """
    comparison = (summary["comparison"] or {}).get("sentence")
    general = [left_out_sentence(summary), comparison, groups_sentence(summary), seeds_sentence(summary)]
    general.append(methods_sentence(summary))
    texts = [{"family": "general", "method": "", "text": text} for text in general if text]
    for method in summary["methods"]:
        found = {"methods": refusal_sentences(summary, method)}
        found |= {family: family_sentences(summary, family, method) for family in summary["primary"]}
        texts += [{"family": family, "method": method, "text": text} for family, told in found.items() for text in told]
    return texts
