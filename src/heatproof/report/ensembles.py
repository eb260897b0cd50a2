"""Ensembles beside those that they are made of."""

from dataclasses import dataclass

from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table, groups_name

COMBINED = {
    "vote": "the majority of the members decides; a probability is the share of their votes",
    "mean": "a probability is the mean of the members'",
}
MEASURES = {"f1_micro": "Micro F1", "accuracy": "Accuracy"}


@dataclass(frozen=True)
class Ensembles:
    """`made` has each ensemble's name and how it is made."""

    made: list[tuple[str, str]]
    sentences: list[str]
    table: Table


def make(inputs: Inputs) -> Ensembles | None:
    """The part of the section on the models; None where the study has no ensemble."""
    found = inputs.summary.get("ensembles")
    if not found:
        return None
    made = [(name, f"of {words.listed(of['models'])}; {COMBINED[of['combine']]}") for name, of in found.items()]
    rows = [[name, *_row(inputs, row)] for name, of in found.items() for row in of["against"]]
    level = f"{inputs.summary['interval']:.0%}"
    caption = (
        f"Each ensemble against the best of its members on the same {groups_name(inputs)}: difference with its {level} "
        f"interval, not corrected for the number of rows; which member is best is read off the same images"
    )
    head = ["ensemble", "measure", "best member", "ensemble's", "member's", "difference", groups_name(inputs)]
    return Ensembles(made, [text for of in found.values() for text in of["sentences"]], Table(caption, head, rows))


def _row(inputs: Inputs, row: dict) -> list[str]:
    ends = [float("nan") if row[key] is None else row[key] for key in ("difference", "low", "high")]
    values = [words.number(row[key]) for key in ("ensemble", "value")]
    return [_called(inputs, row), row["member"], *values, words.interval(*ends), str(row["groups"])]


def _called(inputs: Inputs, row: dict) -> str:
    if "metric" not in row:
        return MEASURES.get(row["measure"], row["measure"])
    metric = inputs.metric(row["metric"])
    return f"{metric.name} of {row['method']} ({metric.direction})"
