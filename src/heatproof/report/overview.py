"""All methods at a glance: a row a method, a column a family, each cell with verdict and means."""

from collections.abc import Sequence
from dataclasses import dataclass

from heatproof.report import separation, words
from heatproof.report.inputs import Inputs


@dataclass(frozen=True)
class Cell:
    """`look` names how it is drawn: all, some, nobody, worse, or empty; the words say the same."""

    verdict: str
    means: str
    look: str


@dataclass(frozen=True)
class Overview:
    head: Sequence[tuple[str, str]]  # family, and its metric with the direction
    rows: Sequence[tuple[str, Sequence[Cell]]]  # methods
    controls: Sequence[tuple[str, Sequence[Cell]]]  # means alone, for scale
    refused: Sequence[tuple[str, str]]  # method, and the line that says why

    @property
    def marked(self) -> bool:
        """Whether a metric of it is to be doubted."""
        return any(separation.MARK in metric for _, metric in self.head)


@dataclass(frozen=True)
class Told:
    """A method with what it does."""

    name: str
    text: str


def make(inputs: Inputs) -> Overview | None:
    """The overview of a study of several methods with a competent model."""
    found = inputs.summary["overview"]
    families = [family for family in inputs.families if family in found and inputs.judged(family)]
    if len(inputs.methods) < 2 or not inputs.competent or not families:
        return None
    head = [
        (words.family(family).short, f"{metric.name}, {metric.direction}")
        for family in families
        for metric in [inputs.metric(inputs.primary(family))]
    ]
    methods = [method for method in inputs.methods if not inputs.refuses_all(method)]
    rows = [(method, [cell(found[family][method]) for family in families]) for method in methods]
    return Overview(head, rows, _controls(inputs, families), refusals(inputs))


def cell(row: dict) -> Cell:
    """What a row of the summary's overview says, in few words."""
    if row["low"] is None:
        why = "not judged" if row["left_out"] else "refused" if row["refused"] and not row["unscored"] else "no score"
        return Cell(why, "", "empty")
    told = {model for key in ("better", "worse", "unclear") for model in row[key]}
    better, worse, silent = len(row["better"]), len(row["worse"]), len({*row["blind"]} - told)
    verdict = f"{better} of {len(told) + silent}" + (f", {worse} worse" if worse else "")
    verdict += f", {silent} without a verdict" if silent else ""
    verdict = "no verdict" if not told else "too few to tell" if row["few"] else verdict
    look = "worse" if worse else "all" if better == len(told) + silent else "some" if better else "nobody"
    look = look if told else "empty"
    form = words.precision(row["low"], row["high"])
    ends = dict.fromkeys(words.number(row[end], form=form) for end in ("low", "high"))
    return Cell(verdict, " to ".join(ends), look)


def _controls(inputs: Inputs, families: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """Means of the controls and of the yardsticks."""
    rows = []
    for control in words.CONTROLS:
        cells = [_beside(inputs, family, control) for family in families]
        if any(cell.means for cell in cells):
            rows.append((words.CONTROLS[control], cells))
    return rows


def _beside(inputs: Inputs, family: str, control: str) -> Cell:
    means = inputs.summary["primary"][family]["methods"].get(control, {})
    values = [means[model] for model in inputs.competent if means.get(model) is not None]
    if not values or control not in words.family(family).controls:
        return Cell("", "", "empty")
    form = words.precision(min(values), max(values))
    ends = dict.fromkeys(words.number(value, form=form) for value in (min(values), max(values)))
    return Cell("", " to ".join(ends), "empty")


def refusals(inputs: Inputs) -> list[tuple[str, str]]:
    """Every method that refuses a model, with the lines that say why."""
    texts = [(row["method"], row["text"]) for row in inputs.summary["sentences"] if row["family"] == "methods"]
    return [(name, " ".join(text for method, text in texts if method == name)) for name in dict(texts)]


def methods(inputs: Inputs) -> list[Told]:
    """What each method does."""
    return [Told(method, words.method(method)) for method in inputs.methods]
