"""The sentences of the stages before, each with the place of the page that bears it out, and what was left out, and
why."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from heatproof.catalogue.metrics import needs_lesion
from heatproof.report import inputs as separation
from heatproof.report import tables, words
from heatproof.report.figures import dot_rows
from heatproof.report.inputs import Inputs

GENERAL = (
    "data",
    "models",
    "method",
    "overview",
    "combined",
    "left-out",
    "claims",
    "cue",
)  # places that every page has, or may have


@dataclass(frozen=True)
class Told:
    text: str
    place: str  # id of an element of the page; "" for none


def answer(inputs: Inputs) -> list[Told]:
    """The first screen's sentences."""
    return [Told(marked(inputs, row["text"]), place(inputs, row["evidence"])) for row in inputs.summary["answer"]]


def cautions(inputs: Inputs) -> list[Told]:
    """What holds for every family and method and was not said in the answer; of ensembles their own part tells."""
    rows = [row for row in inputs.summary["sentences"] if row["family"] == "general"]
    said = {*inputs.summary["headline"], *(text for of in inputs.ensembles.values() for text in of["sentences"])}
    rows = [row for row in rows if row["text"] not in said]
    return [Told(marked(inputs, row["text"]), place(inputs, row["evidence"])) for row in rows]


def of(inputs: Inputs, family: str, method: str, kinds: Sequence[str] = ("verdict", "test", "caution")) -> list[str]:
    """The sentences on one family and method, of some kinds."""
    rows = [row for row in inputs.summary["sentences"] if (row["family"], row["method"]) == (family, method)]
    return [marked(inputs, row["text"]) for row in rows if row["kind"] in kinds]


def place(inputs: Inputs, evidence: str) -> str:
    """Where the page has what `family-method` or the name of a section stands for."""
    if evidence in GENERAL:
        return evidence
    family = next((name for name in inputs.families if evidence.startswith(f"{name}-")), "")
    if family and inputs.judged(family, evidence.removeprefix(f"{family}-")):
        return evidence
    return family


def marked(inputs: Inputs, text: str) -> str:
    """A sentence of the stage before, with the mark at each metric that is to be doubted."""
    names = {row["called"]: inputs.metric(row["metric"]).name for row in inputs.summary["primary"].values()}
    if not any(name.endswith(separation.MARK) for name in names.values()):
        return text
    longest_first = "|".join(re.escape(called) for called in sorted(names, key=len, reverse=True))

    def mark(found: re.Match) -> str:
        return found[0] + (separation.MARK if names[found[0]].endswith(separation.MARK) else "")

    return re.sub(rf"\b(?:{longest_first})\b", mark, text)


def models(inputs: Inputs) -> list[str]:
    """Why each model without competence is left out: its weakest training against the floor."""
    floor, chance = (inputs.summary["competence"][key] for key in ("floor", "chance"))
    texts = []
    for model in inputs.trained:
        if model in inputs.competent:
            continue
        rows = [row for row in dot_rows.checkpoints(inputs) if row.model == model and not row.competent]
        if "reason" in inputs.summary["competence"]:
            texts.append(f"{model}: {inputs.summary['competence']['reason']}; how well it classifies cannot be told.")
            continue
        weak = min(rows, key=lambda row: row.low if math.isfinite(row.low) else -math.inf)
        why = (
            f"the interval of its {inputs.measure} (seed {weak.seed}) starts at {words.number(weak.low)}, not above "
            f"the floor of {words.number(floor)}: too near to guessing, which scores {words.number(chance)}, to judge "
            f"its heatmaps."
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
    texts = [f"Heatmaps were made for {len(explained):,} of {words.counted(len(test), 'test image')}."]
    if inputs.multilabel:
        texts.append(inputs.summary["cases_sentence"])
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
    images, groups = scored["image_id"].nunique(), words.GROUPS[inputs.summary["groups"]["kind"]]
    of = "" if groups[0] == "image" else f" of {words.counted(scored['group'].nunique(), *groups)}"
    text = f"{family.capitalize()} was scored on {words.counted(images, 'case' if inputs.multilabel else 'image')}{of}"
    if asked["image_id"].nunique() < explained:
        spread = "" if groups[0] == "image" else f" and spread over the {groups[1]}"
        text += f": a part of them, drawn at random{spread}, the same for every model"
    return [f"{text}."]
