"""The sentences of the stages before, each with the place of the page that bears it out, and what was left out, and
why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from heatproof.catalogue.metrics import needs_lesion
from heatproof.core.statements import Statement
from heatproof.report import tables, words
from heatproof.report.figures import dot_rows
from heatproof.report.inputs import Inputs
from heatproof.text import numbers
from heatproof.text.sentences import paragraph, paragraphs, sentence

GENERAL_AREAS = ("seeds", "groups", "labels", "cases", "splits")
GENERAL_KINDS = ("models.left_out", "models.unstated", "methods.several")


@dataclass(frozen=True)
class Told:
    text: str
    place: str  # id of an element of the page; "" for none


def answer(inputs: Inputs) -> list[Told]:
    """The first screen's sentences, those of one breath together."""
    return [
        Told(paragraph(together, inputs.doubtful), place(inputs, together[0]))
        for together in paragraphs(inputs.results.answer)
    ]


def cautions(inputs: Inputs) -> list[Told]:
    """What holds for every family and method and was not said in the answer; of ensembles their own part tells."""
    said = {one.kind for one in inputs.results.answer}
    rows = [one for one in inputs.results.statements if one.kind in GENERAL_KINDS or one.area in GENERAL_AREAS]
    return [Told(sentence(one, inputs.doubtful), place(inputs, one)) for one in rows if one.kind not in said]


KINDS = {  # what a part of a section shows -> areas of statements
    "verdict": ("family", "controls", "pairs", "methods"),
    "test": ("test",),
    "caution": ("scores",),
}


def of(inputs: Inputs, family: str, method: str, kinds: Sequence[str] = tuple(KINDS)) -> list[str]:
    """The sentences on one family and method, of some kinds."""
    areas = [area for kind in kinds for area in KINDS[kind]]
    return [sentence(one, inputs.doubtful) for one in inputs.results.about(*areas, family=family, method=method)]


def place(inputs: Inputs, one: Statement) -> str:
    """Where the page has the evidence of a statement: a section, or a method within one."""
    evidence, family, method = next(iter(one.evidence), ""), one.one("family"), one.one("method")
    return anchor(inputs, family, method) if evidence == f"{family}-{method}" else evidence


def anchor(inputs: Inputs, family: str, method: str) -> str:
    """The element of a method's scores in a family; the family's section where it has none; "" where that is none."""
    if family not in inputs.families:
        return ""
    return f"{family}-{method}" if inputs.judged(family, method) else family


def models(inputs: Inputs) -> list[str]:
    """Why each model without competence is left out: its weakest training against the floor."""
    needed = inputs.results.competence
    floor, chance = needed.floor, needed.chance
    texts = []
    for model in inputs.trained:
        if model in inputs.competent:
            continue
        rows = [row for row in dot_rows.checkpoints(inputs) if row.model == model and not row.competent]
        if needed.reason:
            texts.append(f"{model}: {words.reason(needed.reason)}; how well it classifies cannot be told.")
            continue
        weak = min(rows, key=lambda row: row.low if math.isfinite(row.low) else -math.inf)
        why = (
            f"the interval of its {inputs.measure} (seed {weak.seed}) starts at {numbers.number(weak.low)}, not above "
            f"the floor of {numbers.number(floor)}: too near to guessing, which scores {numbers.number(chance)}, to "
            f"judge its heatmaps."
            if math.isfinite(weak.low)
            else f"its {inputs.measure} (seed {weak.seed}) has no interval, because some "
            f"{'label' if inputs.multilabel else 'class'} has too few {tables.groups_name(inputs)} in the test part. "
            f"How well it classifies cannot be told."
        )
        texts.append(f"{model}: {why}")
    return texts


def coverage(inputs: Inputs) -> list[str]:
    """How many test images were explained, how many of those have a true region, and how many each family scored."""
    test = inputs.tested
    index = pd.concat(inputs.index.values())
    made = index.loc[index["row"] >= 0, "image" if inputs.multilabel else "image_id"]
    explained = test[test["image_id"].isin(made)]
    marked = int((explained["truth"] != "none").sum())
    texts = [f"Heatmaps were made for {len(explained):,} of {numbers.counted(len(test), 'test image')}."]
    if inputs.multilabel:
        texts += map(sentence, inputs.results.about("cases"))
    read = "localization" in inputs.families and needs_lesion(inputs.primary("localization") or "")
    without = len(explained) - marked
    if without:
        who = f"{without:,} of these" if marked else "None of these images"
        text = f"{who} {'have no mask' if marked and without > 1 else 'has no mask' if marked else 'has a mask'}"
        lost = "localization is of the others" if marked else "localization cannot be judged"
        texts.append(f"{text} of the true region{f': {lost}' if read else ''}.")
    count = inputs.scores["image_id"].nunique() if inputs.multilabel else len(explained)
    return texts + [text for family in inputs.families for text in _scored_on(inputs, family, count)]


def _scored_on(inputs: Inputs, family: str, explained: int) -> list[str]:
    """The images of a family with any score; nothing where none has one."""
    asked = inputs.scores[(inputs.scores["family"] == family) & inputs.scores["method"].isin(inputs.methods)]
    scored = asked[asked["value"].notna()]
    if scored.empty:
        return []
    images, groups = scored["image_id"].nunique(), numbers.UNITS[inputs.results.groups.kind]
    of = "" if groups[0] == "image" else f" of {numbers.counted(scored['group'].nunique(), *groups)}"
    text = (
        f"{family.capitalize()} was scored on {numbers.counted(images, 'case' if inputs.multilabel else 'image')}{of}"
    )
    if asked["image_id"].nunique() < explained:
        spread = "" if groups[0] == "image" else f" and spread over the {groups[1]}"
        text += f": a part of them, drawn at random{spread}, the same for every model"
    return [f"{text}."]
