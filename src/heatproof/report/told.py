"""The sentences of the stage before, each with the place of the page that bears it out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from heatproof.report import separation
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
