"""What an audit says of cues that are not disease: alarms only where a cue tells the classes apart."""

from heatproof.data.audit.numbers import (
    counted,
    find,
    listed,
    scored,
    share,
    significant,
    such_as,
    surely_below,
    tested,
)
from heatproof.data.audit.trivial import LEAST, LEVEL

PROBES = {
    "facts": "Image facts alone (size, shape, mode, JPEG quality, bytes, mean, border pixels)",
    "shape": "Size, shape and empty margins alone",
    "border": "The outermost pixels alone",
}
LEFT = {  # after preprocessing fewer of the features are there
    "facts": "what is left of them (margins, mean, border pixels) scores",
    "shape": "what is left of them (margins) scores",
    "border": "they score",
}
SHORT = {"facts": "what is left of the facts", "shape": "margins", "border": "border"}
ODD = {"preprocessed": "margins", "border": "the outermost pixels", "outside": "all but the middle half"}
WIDE = 0.1  # above chance: an interval that reaches so far tells neither that a cue is left nor that it is gone


def option(audit: dict, key: str, value: str) -> str:
    """How a user sets it: whoever audits a path has options, and no study."""
    return f"--{key} {value}" if audit["kind"] == "path" else f"data.{key}: {value}"


def _advice(audit: dict) -> str:
    """What is left to set against a cue that preprocessing lets through."""
    left = [] if audit["crop"] == "body" else [option(audit, "crop", "body")]
    left += [] if audit["fit"] == "crop" else [option(audit, "fit", "crop")]
    if left:
        return f"Try {' or '.join(left)}, and audit again."
    return "No setting is left that could hide it: compare how images of the classes were made, or crop them yourself."


def shortcuts(audit: dict):
    """Cues that are not disease, before and after preprocessing, under the grouped split."""
    unseen, below = [], []
    verdict = "That is a shortcut."
    if not audit["patients_known"]:
        verdict = "That is a shortcut, or what images of one person share who is in several clusters."
    for probe, name in PROBES.items():
        before, after = (find(audit, probe, stage) for stage in ("raw", "preprocessed"))
        if before is None or after is None:
            continue
        left = f"{scored(after)} ({tested(after)})"
        if significant(before):
            gone = "the cue is gone as far as this shows."
            if significant(after):
                gone = f"a model can use the cue. {_advice(audit)}"
            yield (
                "alarm" if significant(after) or not audit["leak"]["split"] else "note",
                f"{name} tell the classes apart: {scored(before)} ({tested(before)}) with whole groups apart. "
                f"{verdict} After preprocessing {LEFT[probe]} {left}: {gone}"
                f"{such_as((after if significant(after) else before)['examples'])}",
            )
        elif significant(after):
            drawn = f"This study draws one in: {_cue(audit)}." if audit["shortcut"] else _advice(audit)
            yield (
                "alarm",
                f"{name} tell the classes apart after preprocessing, {left}, with no evidence of it before, "
                f"{scored(before)} ({tested(before)}): a cue that a model can use came in. {drawn}"
                f"{such_as(after['examples'])}",
            )
        else:
            unseen.append(f"{SHORT[probe]} {scored(after)}")
            below += [SHORT[probe]] if surely_below(after) else []
    grouped = [row for row in audit["probes"] if row["split"] == "grouped"]
    if audit["shortcut"] and not any(significant(row) for row in grouped if row["stage"] == "preprocessed"):
        yield "note", f"This study draws a cue in, {_cue(audit)}; no evidence that a trivial classifier finds it."
    if unseen and grouped[0]["groups"] < LEAST:
        yield (
            "note",
            f"Whether cues tell the classes apart is not tested: {counted(grouped[0]['groups'], 'group')}, and fewer "
            f"than {LEAST} raise no alarm. After preprocessing: {listed(unseen)} (chance {grouped[0]['chance']:.2f}).",
        )
    elif unseen:
        yield (
            "fine",
            f"No evidence that they tell the classes apart after preprocessing: {listed(unseen)} (chance "
            f"{grouped[0]['chance']:.2f}). That is no proof that there is no shortcut." + _below(below),
        )
    why = {row["reason"] for row in grouped if row["balanced_accuracy"] is None}
    for reason in sorted(why):
        yield "note", f"None of {len(PROBES) + 2} trivial classifiers can be tested with whole groups apart: {reason}."


def _below(names: list[str]) -> str:
    """What an interval wholly below chance means."""
    return f" Below chance ({listed(names)}) is what few groups of mixed classes make of it." if names else ""


def _cue(audit: dict) -> str:
    cue = audit["shortcut"]
    label = cue["label"] or audit["classes"][-1]
    return (
        f"{cue['kind'].replace('_', ' ')} in {share(cue['rate'])} of class {label} and {share(1 - cue['rate'])} "
        f"of the others"
    )


def outside(audit: dict):
    """What the image tells without its middle."""
    before, after = (find(audit, "outside", stage) for stage in ("raw", "preprocessed"))
    if before and after and (significant(before) or significant(after)):
        yield (
            "note",
            f"Without its middle half the image still tells the classes apart: {scored(before)} as it came "
            f"({tested(before)}), {scored(after)} after preprocessing ({tested(after)}). Where disease does not reach "
            f"that far, that is a shortcut.",
        )


def nonsquare(audit: dict):
    """Images that are not square: whether some classes have more of them, and whether they are known in the end."""
    found = audit["nonsquare"]
    if not found:
        return
    by_class = {name: count for name, count in found["by_class"].items() if count}
    if len(audit["classes"]) == 1:
        are = "is" if found["images"] == 1 else "are"
        yield "note", f"{found['images']:,} of {counted(audit['images'], 'image')} {are} not square."
        return
    held = listed([f"{count:,} of {audit['counts'][name]:,} in {name}" for name, count in by_class.items()])
    text = f"{counted(found['images'], 'image is', 'images are')} not square: {held}."
    if found["p"] is None:
        yield (
            "note",
            f"{text} Whether that tells the classes apart is not tested: {counted(found['of'], 'group')}, and "
            f"fewer than {LEAST} raise no alarm.",
        )
        return
    if found["p"] > LEVEL:
        yield "note", f"{text} In no class are they significantly more frequent (p = {found['p']:.2g})."
        return
    text += (
        f" They are more frequent in some classes (p = {found['p']:.2g}), and in {counted(found['groups'], 'group')}."
    )
    rows = [(name, found[f"probe_{key}"]) for key, name in ODD.items()]
    measured = [(name, row) for name, row in rows if row["balanced_accuracy"] is not None]
    if not measured:
        yield "note", f"{text} Whether preprocessing hides it cannot be tested: {rows[-1][1]['reason']}."
        return
    known = [name for name, row in measured if significant(row)]
    if known:
        verdict = f"they are still known by {listed(known)}"
    elif any(row["p"] is None or row["high"] is None or row["high"] >= row["chance"] + WIDE for _, row in measured):
        verdict = "too few to say whether they are still known"
    else:
        verdict = "no evidence that they are still known"
    said = listed(
        [f"{name} ({row['reason'] if row['balanced_accuracy'] is None else scored(row)})" for name, row in rows]
    )
    alarm = bool({ODD["preprocessed"], ODD["border"]} & set(known))
    yield (
        "alarm" if alarm else "note",
        f"{text} After preprocessing linear models try to tell them from the other images of their class by {said}, "
        f"chance {measured[0][1]['chance']:.2f}: {verdict}."
        + _below([name for name, row in measured if surely_below(row)])
        + (f" {_advice(audit)}{such_as(found['examples'])}" if alarm else ""),
    )


def seams(audit: dict):
    """Whether plants are known by how they were blended in."""
    found = audit["seams"]
    if not found or found["balanced_accuracy"] is None:
        return
    text = f"from the seam alone a classifier tells planted from sham with {scored(found)} ({tested(found)})"
    if found["p"] is None:
        yield "note", f"{found['groups']:,} groups are too few to test whether plants leave a cue: {text}."
    elif significant(found):
        yield "alarm", f"The plants leave a cue: {text}."
    else:
        yield "fine", f"No evidence that the plants leave a cue: {text}."
