"""What the heatmaps of each model show: whether they find the lesion, and whether they show what the model uses."""

from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table
from heatproof.stats.combined import MEANINGS, QUESTIONS, UNDECIDED


def make(inputs: Inputs) -> Table | None:
    """Return the table of both answers, a row a method and model; None where a study has not both."""
    rows = inputs.summary.get("combined")
    if not rows:
        return None
    margins = dict.fromkeys(f"{inputs.summary['primary'][family]['margin']:g}" for family in QUESTIONS)
    caption = (
        f"Yes: significantly better than every control. No: any lead over the control is shown to be smaller than the "
        f"margin ({words.listed(list(margins))}). In brackets the difference to the control that decides, with its "
        f"{inputs.summary['interval']:.0%} interval."
    )
    head = ["method", "model", "finds the lesion", "shows what the model uses", "together, the heatmaps"]
    return Table(caption, head, [_row(row) for row in rows])


def _row(row: dict) -> list[str]:
    answers = [row[family] for family in QUESTIONS]
    meaning = MEANINGS.get(tuple(answer["verdict"] for answer in answers))
    return [row["method"], row["model"], *map(_answer, answers), meaning[0] if meaning else UNDECIDED]


def _answer(answer: dict) -> str:
    if answer["control"] is None:
        return answer["verdict"]
    ends = (float("nan") if answer[key] is None else answer[key] for key in ("difference", "low", "high"))
    return f"{answer['verdict']} ({words.CONTROLS.get(answer['control'], answer['control'])}: {words.interval(*ends)})"
