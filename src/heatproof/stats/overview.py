"""All methods at a glance: which of them beat the controls of each family, for which models."""

from heatproof.stats.general import judged
from heatproof.stats.sentences import unjudged, values, verdicts
from heatproof.stats.words import claim_of, controls_named, counted, joined

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
