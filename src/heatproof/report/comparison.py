"""Random beside grouped split: what each model scored on either."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from heatproof.report import data_figures, data_tables, data_words, words
from heatproof.report.data_figures import Dot, DotRow
from heatproof.report.figure import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.tables import Table


@dataclass(frozen=True)
class Splits:
    """A figure, its table and the sentence that sums them up."""

    sentence: str
    figure: Figure
    table: Table


def make(inputs: Inputs) -> Splits | None:
    """The comparison, where the study asked for one."""
    told = inputs.summary.get("comparison")
    if not told or inputs.comparison is None:
        return None
    table = inputs.comparison
    chance = inputs.summary["competence"]["chance"]
    rows = [_row(table[table["model"] == model], model, told, chance) for model in inputs.models]
    grouped = next(split for split in table["split"] if split != "random")
    kinds = {"random": data_words.SPLITS["random"], "grouped": data_words.SPLITS.get(grouped, grouped)}
    alt = f"Balanced accuracy under both splits: {data_figures.described(rows, kinds)}"
    svg = data_figures.dots("splits", rows, kinds, "balanced accuracy on test images", alt)
    caption = (
        f"The same models trained twice: on a random split, as is common, and on the split that this study rests on. A "
        f"mark is one seed, its line the {inputs.summary['interval']:.0%} interval; at the right, means under the one "
        f"and the other."
    )
    return Splits(told["sentence"], Figure(Markup(svg), caption), data_tables.compared(table, inputs.models))


def _row(table: pd.DataFrame, model: str, told: dict, chance: float) -> DotRow:
    random = table["split"] == "random"
    dots = [*_dots(table[random], "random"), *_dots(table[~random], "grouped")]
    before, after = (words.number(told[key].get(model)) for key in ("random", "grouped"))
    return DotRow(model, dots, chance, f"{before} → {after}")


def _dots(table: pd.DataFrame, kind: str) -> Sequence[Dot]:
    numbers = table.sort_values("seed")[["balanced_accuracy", "low", "high"]].to_numpy(float)
    return [Dot(kind, *map(float, row)) for row in numbers]
