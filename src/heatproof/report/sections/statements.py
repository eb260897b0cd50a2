"""Sentences of the report with links to their evidence, and reasons for exclusions."""

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
from heatproof.text.sentences import paragraph, paragraphs, sentence, summary
from heatproof.text.words import called

GENERAL_AREAS = ("seeds", "groups", "labels", "cases", "splits")
GENERAL_KINDS = ("models.left_out", "models.unstated", "methods.several")


@dataclass(frozen=True)
class Linked:
    text: str
    place: str  # id of an element of the page; "" for none


def answer(inputs: Inputs) -> tuple[Linked, list[Linked]]:
    """Return the short answer, and the paragraphs of the first screen that add to it."""
    results = inputs.results
    text, rest = summary(results.in_short, results.answer, inputs.doubtful)
    family, method = (results.in_short.one(role) for role in ("family", "method"))
    short = Linked(text, anchor(inputs, family, method) if len(rest) < len(results.answer) else "")
    return short, [
        Linked(paragraph(together, inputs.doubtful), place(inputs, together[0])) for together in paragraphs(rest)
    ]


def cautions(inputs: Inputs) -> list[Linked]:
    """Return what holds for every family and method, without the answer and ensembles."""
    shown = {one.kind for one in inputs.results.answer}
    rows = [one for one in inputs.results.statements if one.kind in GENERAL_KINDS or one.area in GENERAL_AREAS]
    return [Linked(sentence(one, inputs.doubtful), place(inputs, one)) for one in rows if one.kind not in shown]


KINDS = {  # what a part of a section shows -> areas of statements
    "verdict": ("family", "controls", "pairs", "methods"),
    "test": ("test",),
    "caution": ("scores",),
}


def of(inputs: Inputs, family: str, method: str, kinds: Sequence[str] = tuple(KINDS)) -> list[str]:
    """Return the sentences on one family and method, of some kinds."""
    areas = [area for kind in kinds for area in KINDS[kind]]
    return [sentence(one, inputs.doubtful) for one in inputs.results.about(*areas, family=family, method=method)]


def place(inputs: Inputs, one: Statement) -> str:
    """Return the place of a statement's evidence: a section, or a method within one."""
    evidence, family, method = next(iter(one.evidence), ""), one.one("family"), one.one("method")
    return anchor(inputs, family, method) if evidence == f"{family}-{method}" else evidence


def anchor(inputs: Inputs, family: str, method: str) -> str:
    """Return the element of a method's scores in a family, or the family's section; "" without one."""
    if family not in inputs.families:
        return ""
    return f"{family}-{method}" if inputs.judged(family, method) else family


def models(inputs: Inputs) -> list[str]:
    """Return why each model without a verdict has none: its weakest training run and the floor."""
    needed = inputs.results.competence
    floor, chance = needed.floor, needed.chance
    texts = []
    for model in inputs.trained:
        if model in inputs.competent:
            continue
        rows = [row for row in dot_rows.checkpoints(inputs) if row.model == model and not row.competent]
        if needed.reason:
            texts.append(f"{called(model)}: no verdict, because {words.reason(needed.reason)}.")
            continue
        weak = min(rows, key=lambda row: row.low if math.isfinite(row.low) else -math.inf)
        why = (
            f"the interval of its {inputs.measure} (seed {weak.seed}) starts at {numbers.number(weak.low)}, below the "
            f"floor of {numbers.number(floor)} (chance is {numbers.number(chance)})."
            if math.isfinite(weak.low)
            else f"its {inputs.measure} (seed {weak.seed}) has no interval, because a "
            f"{'label' if inputs.multilabel else 'class'} has too few {tables.groups_name(inputs)} in the test set."
        )
        texts.append(f"{called(model)}: no verdict, because {why}")
    return texts


def coverage(inputs: Inputs) -> list[str]:
    """Return how many test images were explained, have a true region, and were scored by each family."""
    test = inputs.tested
    index = pd.concat(inputs.index.values())
    made = index.loc[index["row"] >= 0, "image" if inputs.multilabel else "image_id"]
    explained = test[test["image_id"].isin(made)]
    marked = int((explained["truth"] != "none").sum())
    texts = [f"Heatmaps exist for {len(explained):,} of {numbers.counted(len(test), 'test image')}."]
    if inputs.multilabel:
        texts += map(sentence, inputs.results.about("cases"))
    read = "localization" in inputs.families and needs_lesion(inputs.primary("localization") or "")
    without = len(explained) - marked
    if without:
        who = f"{without:,} of these" if marked else "None of these images"
        text = f"{who} {'have no mask' if marked and without > 1 else 'has no mask' if marked else 'has a mask'}"
        lost = "localization uses the others" if marked else "localization cannot be evaluated"
        texts.append(f"{text} of the true region{f': {lost}' if read else ''}.")
    count = inputs.scores["image_id"].nunique() if inputs.multilabel else len(explained)
    return texts + [text for family in inputs.families for text in _scored_on(inputs, family, count)]


def _scored_on(inputs: Inputs, family: str, explained: int) -> list[str]:
    """Return how many images of a family have a score; nothing where none has one."""
    rows = inputs.scores[(inputs.scores["family"] == family) & inputs.scores["method"].isin(inputs.methods)]
    scored = rows[rows["value"].notna()]
    if scored.empty:
        return []
    images, groups = scored["image_id"].nunique(), numbers.UNITS[inputs.results.groups.kind]
    of = "" if groups[0] == "image" else f" of {numbers.counted(scored['group'].nunique(), *groups)}"
    text = (
        f"{family.capitalize()} was scored on {numbers.counted(images, 'case' if inputs.multilabel else 'image')}{of}"
    )
    if rows["image_id"].nunique() < explained:
        spread = "" if groups[0] == "image" else f" spread over the {groups[1]}"
        text += f": a random sample{spread}, the same for every model"
    return [f"{text}."]
