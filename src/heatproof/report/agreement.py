"""Do metrics that claim the same agree? Rank correlations between them, as small matrices."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from heatproof.report import words
from heatproof.report.inputs import Inputs


@dataclass(frozen=True)
class Matrix:
    """`rows`: name, and the correlation with each metric before it; a cell is its text and a share of colour."""

    title: str
    sentence: str
    rows: Sequence[tuple[str, Sequence[tuple[str, int]]]]


def make(inputs: Inputs) -> list[Matrix]:
    """A matrix a family, and one between the families' primary metrics."""
    found = inputs.summary["agreement"]
    return [_matrix(inputs, key, found[key]) for key in (*inputs.families, "primary") if key in found]


def _matrix(inputs: Inputs, key: str, table: dict) -> Matrix:
    names = [inputs.metric(name).name for name in table["metrics"]]
    rows = [(name, [_cell(table["correlation"][i][j]) for j in range(i)]) for i, name in enumerate(names)]
    title = "Between the metrics that are tested" if key == "primary" else f"Within {key}"
    return Matrix(title, _sentence(names, table["correlation"]), rows)


def _cell(value: float | None) -> tuple[str, int]:
    return _shown(value), 0 if value is None else round(50 * max(0.0, value))


def _shown(value: float | None) -> str:
    return words.number(value, form=".2f")


def _sentence(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> str:
    """The range of all pairs, and which lie at its ends."""
    pairs = sorted(
        (matrix[i][j], names[j], names[i]) for i in range(len(names)) for j in range(i) if matrix[i][j] is not None
    )
    if not pairs:
        return "No pair of metrics has enough scores in common."
    low, high = (f"{_shown(value)} ({words.inline(a)}; {words.inline(b)})" for value, a, b in (pairs[0], pairs[-1]))
    if len(pairs) == 1:
        return f"The rank correlation is {low}."
    middle = statistics.median(value for value, _, _ in pairs)
    return f"Rank correlations run from {low} to {high}; the median of {len(pairs)} pairs is {_shown(middle)}."
