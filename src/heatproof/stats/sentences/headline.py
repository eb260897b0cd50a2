"""The answer to "may anyone believe the heatmaps?" in two or three sentences, and all methods at a glance."""

from heatproof.stats.sentences.general import (
    groups_sentence,
    judged,
    left_out_sentence,
    measure,
    thresholds,
    unstated_sentence,
)
from heatproof.stats.sentences.verdicts import against_controls, evidence, hardest, seen, unjudged, values, verdicts
from heatproof.stats.sentences.words import claim_of, controls_named, counted, joined, plain, span
from heatproof.stats.verdicts.combined import decided_sentences, open_sentence, other_sentences
from heatproof.stats.verdicts.rules import verdict


def answer(summary: dict) -> list[dict[str, str]]:
    """The answer of the first method: what its heatmaps show, model by model, where both questions are decided; who
    beats the controls, whether models differ; the other methods in a line or two; then who is left out, and what a
    split that ignores patients does to all of it.

    Returns:
        Rows of text and `evidence`, the place of a report that bears it out.
    """
    if not judged(summary):
        floor, chance = thresholds(summary)
        text = (
            f"No heatmap of this study can be judged: no model is competent with all its trainings (the low end of "
            f"each interval of {measure(summary)} has to lie above {floor}; guessing scores {chance})."
        )
        if reason := summary["competence"].get("reason"):
            text = f"No heatmap of this study can be judged: {reason}."
        return [{"text": text, "evidence": "models"}]
    method = lead(summary)
    rows, family = _answer(summary, method)
    if summary.get("combined"):
        rows = [*_together(decided_sentences(summary)), *rows, *_together([open_sentence(summary)])]
    if len(summary["methods"]) > 1:
        rows = [row | {"text": f"{method}: {row['text']}"} for row in rows]
        rows += _together(other_sentences(summary) if summary.get("combined") else [])
        rows += [{"text": text, "evidence": "overview"} for text in (other_methods(summary, family) if family else [])]
    rows += [{"text": text, "evidence": "models"} for text in [left_out_sentence(summary)] if text]
    rows += [{"text": text, "evidence": "models"} for text in [unstated_sentence(summary.get("setting", {}))] if text]
    if summary["groups"]["kind"] == "image" or summary["groups"].get("split_by") == "random":
        rows.append({"text": groups_sentence(summary), "evidence": "data"})
    return rows


def _together(texts: list[str | None]) -> list[dict[str, str]]:
    return [{"text": text, "evidence": "combined"} for text in texts if text]


def in_short(summary: dict) -> str:
    """Yes, no or in part: how many models have heatmaps, by the first method, that beat what knows nothing of them."""
    method = lead(summary) if judged(summary) else ""
    families = [family for family in _order(summary) if method and unjudged(summary, family, method) is None]
    if not families:
        return "It cannot be told."
    family = families[0]
    found = verdicts(summary, family, method)
    better, worse, count = len(found["better"]), len(found["worse"]), sum(map(len, found.values()))
    controls = controls_named(list(summary["controls"].get(family, {}).get(method, {})), family)
    what = f"{claim_of(summary, family)} {controls}"
    if better == count:
        return f"Yes, as far as this goes: the heatmaps of all models judged ({count}) {what}."
    if better:
        return f"In part: the heatmaps of {better} of {counted(count, 'model')} {what}."
    if worse == count:
        return f"No: the heatmaps of none of {counted(count, 'model')} {what}, and each does worse than some."
    return f"Not shown: of none of {counted(count, 'model')} it could be shown that the heatmaps {what}."


def _order(summary: dict) -> list[str]:
    """Families by what is asked first: localization before all others."""
    return sorted(summary["primary"], key="localization".__ne__)


def _answer(summary: dict, method: str) -> tuple[list[dict[str, str]], str | None]:
    """The first family that can be judged, localization before all others, and why those before it cannot; whether
    the sanity check is failed, as what fails it explains no model."""
    families, rows = _order(summary), []
    for family in families:
        place = evidence(family, method)
        if reason := unjudged(summary, family, method):
            rows.append({"text": reason, "evidence": place})
            continue
        told = " ".join(against_controls(summary, family, method, numbers=False))
        rows += [{"text": text, "evidence": place} for text in (told, _difference(summary, family, method))]
        if family != "sanity" and "sanity" in families and verdicts(summary, "sanity", method)["worse"]:
            failed = against_controls(summary, "sanity", method, numbers=False)
            text = " ".join(text for text in failed if "fail the sanity check" in text)
            rows.append({"text": text, "evidence": evidence("sanity", method)})
        elif family != "sanity" and "sanity" in families and too_few(summary, "sanity", method):
            text = "The sanity check was too small to find anything: whether the heatmaps depend on what was learnt"
            rows.append({"text": f"{text} is open.", "evidence": evidence("sanity", method)})
        return rows, family
    return rows, None


def _difference(summary: dict, family: str, method: str) -> str:
    """The comparison of models in one sentence without statistics, and the means that it speaks of."""
    primary, means = summary["primary"][family], seen(summary, family, method)
    direction = ", lower is better:" if primary["lower_is_better"] else ""
    scale = [f"mean {plain(primary['metric'])}{direction} {span(list(means.values()))}"]
    scale += hardest(summary, family, method, list(means), "{span} for {name}")
    return f"{verdict(summary, family, method)} ({'; '.join(scale)})."


NAMED = 4  # names listed before "and n more"
KINDS = ("for every model judged", "for some models", "for none", "with too few images to tell")
ABSENT = ""


def overview(summary: dict) -> dict[str, dict[str, dict]]:
    """Family -> method -> models by verdict (`better`, `worse`, `unclear`, `blind`) and those without one: `refused`,
    `unscored` (competent, without a mean) and `left_out` (not competent, with one); `low` and `high` of the means of
    the models that take part (None where no model has one), and `few`, whether no test could have found anything."""
    found: dict = {}
    for family in summary["primary"]:
        for method in summary["methods"]:
            scored, every = values(summary, family, method), summary["primary"][family]["methods"].get(method, {})
            means = list(scored.values())
            refused = [model for model in judged(summary) if model in summary["refused"].get(method, {})]
            row = verdicts(summary, family, method) | {"refused": refused}
            row["unscored"] = [model for model in judged(summary) if model not in (*scored, *refused)]
            others = [model for model in summary["models"] if model not in judged(summary)]
            row["left_out"] = [model for model in others if every.get(model) is not None]
            row |= {"low": min(means, default=None), "high": max(means, default=None)}
            row["few"] = too_few(summary, family, method)
            found.setdefault(family, {})[method] = row
    return found


def too_few(summary: dict, family: str, method: str) -> bool:
    """Whether a method has scores of too few groups for any of its tests against the controls."""
    controls = summary["controls"].get(family, {}).get(method, {}).values()
    reach = [row["smallest_p"] for rows in controls for row in rows.values()]
    return bool(reach) and min(reach) > summary["shares"][family][method]["controls"]


def lead(summary: dict) -> str:
    """The method that headline and first screen speak of: the first that gave maps which can be judged."""
    for method in summary["methods"]:
        if any(unjudged(summary, family, method) is None for family in summary["primary"]):
            return method
    return summary["methods"][0]


def other_methods(summary: dict, family: str) -> list[str]:
    """How many methods beside the first beat the controls of a family, and how many fail the sanity check."""
    others, texts = [method for method in summary["methods"] if method != lead(summary)], []
    by_kind: dict[str, list[str]] = {}
    for method in others:
        by_kind.setdefault(_kind(summary["overview"][family][method]), []).append(method)
    absent = by_kind.pop(ABSENT, None)
    if by_kind:
        controls = dict.fromkeys(name for found in summary["controls"][family].values() for name in found)
        names = controls_named(list(controls), family)
        parts = [f"{len(by_kind[kind])} {kind} ({listed(by_kind[kind])})" for kind in KINDS if kind in by_kind]
        count = counted(sum(map(len, by_kind.values())), "other method") + (" with a verdict" if absent else "")
        texts.append(f"Of {count}, the heatmaps {claim_of(summary, family)} {names}: {joined(parts)}.")
    failed = [m for m in others if summary["overview"].get("sanity", {}).get(m, {}).get("worse")]
    if failed:
        fail = "fails" if len(failed) == 1 else "fail"
        texts.append(f"Of the other methods, {len(failed)} {fail} the sanity check for some model ({listed(failed)}).")
    return texts


def _kind(row: dict) -> str:
    told = {model for key in ("better", "worse", "unclear") for model in row[key]}
    if not told:
        return ABSENT
    if row["few"]:
        return KINDS[3]
    return KINDS[0] if told | {*row["blind"]} == {*row["better"]} else KINDS[1] if row["better"] else KINDS[2]


def listed(names: list[str]) -> str:
    """A few names, and how many more there are."""
    return joined(names) if len(names) <= NAMED + 1 else joined([*names[:NAMED], f"{len(names) - NAMED} more"])
