"""Overviews: methods by metric, a line a model, verdicts, splits, ensembles, and published results."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from markupsafe import Markup

from heatproof.report import words
from heatproof.report.figures import dot_rows
from heatproof.report.figures.canvas import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.sections import data, data_tables
from heatproof.report.sections.data import Dot, DotRow
from heatproof.report.tables import Numbers, Table, groups_name, interval, span, value
from heatproof.stats.results import Beside as Row
from heatproof.stats.results import Combined, Comparison, Decision, Published
from heatproof.stats.verdicts.judge import QUESTIONS
from heatproof.stats.verdicts.rules import UNDECIDED
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from heatproof.text.verdicts import MEANINGS
from heatproof.text.words import called


def make_combined(inputs: Inputs) -> Table | None:
    """Return the table of both verdicts, a row a method and model; None where a study lacks one."""
    rows = inputs.results.combined
    if not rows:
        return None
    margins = dict.fromkeys(f"{inputs.results.families[family].margin:g}" for family in QUESTIONS)
    caption = (
        f"Yes: significantly better than every control. No: any lead over a control is significantly smaller than the "
        f"margin ({numbers.listed(list(margins))}). In brackets: difference from the deciding control, with "
        f"{inputs.results.interval:.0%} interval."
    )
    head = ["method", "model", "marks the lesion", "shows what the model uses", "verdict: the heatmaps"]
    return Table(caption, head, [_row(row) for row in rows])


def _row(row: Combined) -> list[str | Numbers]:
    meaning = MEANINGS.get(tuple(answer.verdict for answer in row.answers))
    return [row.method, row.model, *map(_answer, row.answers), meaning[0] if meaning else UNDECIDED]


def _answer(answer: Decision) -> str | Numbers:
    if answer.control is None:
        return answer.verdict
    made = interval(answer.difference, answer.low, answer.high)
    control = words.CONTROLS.get(answer.control, answer.control)
    return replace(made, text=f"{answer.verdict} ({control}: {{}})")


INSIDE = {  # metric of a share of relevance -> where it lies
    "relevance_mass_accuracy": "lesion",
    "outside_lungs": "outside the lungs",
    "outside_body": "outside the body",
    "on_border": "border",
}


def make_lines(inputs: Inputs) -> Table:
    """Return the main results of each model by the main method, a row a model."""
    combined = {row.model: row for row in inputs.results.combined if row.method == inputs.lead}
    rows = [[model, *_line(inputs, model, combined.get(model))] for model in inputs.trained]
    head = [
        "model",
        inputs.measure,
        "layer and grid",
        "share of relevance",
        "shows model use",
        "consistency over seeds",
    ]
    kept = [i for i in range(len(head)) if any(_known(row[i]) for row in rows)]
    return Table(
        f"Each model by {called(inputs.lead)}: {inputs.measure} with {inputs.results.interval:.0%} interval, or its "
        f"range over seeds; explained layer; shares of relevance, means over {groups_name(inputs)}; and the verdict "
        f"from localization and faithfulness",
        [*(head[i] for i in kept), "verdict: the heatmaps"],
        [[*(row[i] for i in kept), row[-1]] for row in rows],
    )


def _known(cell: str | Numbers) -> bool:
    return any(map(numbers.finite, cell.values)) if isinstance(cell, Numbers) else cell != numbers.NONE


def _line(inputs: Inputs, model: str, combined: Combined | None) -> list[str | Numbers]:
    runs = [row for row in dot_rows.checkpoints(inputs) if row.model == model]
    first = runs[0]
    accuracy = interval(first.accuracy, first.low, first.high)
    if len(runs) > 1:
        accuracy = span(row.accuracy for row in runs)
    layers = [f"{name}, {height} x {width}" for name, height, width in inputs.layers[model] if name]
    table = inputs.metrics[(inputs.metrics["method"] == inputs.lead) & (inputs.metrics["model"] == model)]
    means = table.set_index("metric")["mean"]
    shares = [
        f"{name} {numbers.share(means[key])}" for key, name in INSIDE.items() if np.isfinite(means.get(key, np.nan))
    ]
    again = inputs.results.families.get("consistency")
    same = again.means.get(inputs.lead, {}).get(model) if again else None
    used = combined.faithfulness.verdict if combined else numbers.NONE
    meaning = MEANINGS.get(tuple(one.verdict for one in combined.answers)) if combined else None
    verdict = meaning[0] if meaning else UNDECIDED if inputs.worth(model) else "no verdict: not above chance"
    return [
        accuracy,
        numbers.listed(layers) or numbers.NONE,
        ", ".join(shares) or numbers.NONE,
        used,
        value(same),
        verdict,
    ]


@dataclass(frozen=True)
class Cell:
    """A cell; `look` is its style (all, some, nobody, worse, or empty), which the words repeat."""

    verdict: str
    means: str
    look: str


@dataclass(frozen=True)
class Overview:
    """`marked`: whether a metric of it is to be doubted."""

    head: Sequence[tuple[str, str]]  # family, and its metric with the direction
    rows: Sequence[tuple[str, Sequence[Cell]]]  # methods
    controls: Sequence[tuple[str, Sequence[Cell]]]  # means alone, for scale
    refused: Sequence[tuple[str, str]]  # method, and why it is not supported
    marked: bool


@dataclass(frozen=True)
class Placed:
    """A method with what it does."""

    name: str
    text: str


def make(inputs: Inputs) -> Overview | None:
    """Return the overview of a study of several methods with a model above chance; None for others."""
    families = [family for family in inputs.families if family in inputs.results.families and inputs.judged(family)]
    if len(inputs.methods) < 2 or not inputs.competent or not families:
        return None
    head = [
        (words.family(family).short, f"{metric.name}, {metric.direction}")
        for family in families
        for metric in [inputs.metric(inputs.primary(family))]
    ]
    methods = [method for method in inputs.methods if not inputs.refuses_all(method)]
    rows = [(method, [cell(inputs, family, method) for family in families]) for method in methods]
    marked = any(inputs.is_doubtful(inputs.primary(family)) for family in families)
    return Overview(head, rows, _controls(inputs, families), refusals(inputs), marked)


def cell(inputs: Inputs, family: str, method: str) -> Cell:
    """Return the verdicts of a method in a family, in few words."""
    results = inputs.results
    means = list(results.values(family, method).values())
    if not means:
        others = [model for model in results.models if model not in results.judged]
        every = results.families[family].means.get(method, {})
        if any(every.get(model) is not None for model in others):
            return Cell("no verdict", "", "empty")
        return Cell("not supported" if results.refuses_all(method) else "no score", "", "empty")
    row = results.by_verdict(family, method)
    tested = {model for key in ("better", "worse", "unclear") for model in row[key]}
    better, worse, silent = len(row["better"]), len(row["worse"]), len({*row["blind"]} - tested)
    verdict = f"{better} of {len(tested) + silent}" + (f", {worse} worse" if worse else "")
    verdict += f", {silent} without a verdict" if silent else ""
    few = results.too_few(family, method)
    verdict = "no verdict" if not tested else "too few images" if few else verdict
    look = "worse" if worse else "all" if better == len(tested) + silent else "some" if better else "nobody"
    return Cell(verdict, numbers.span(means, beside=_column(inputs, family)), look if tested else "empty")


def _controls(inputs: Inputs, families: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """Return the means of the controls and of the yardsticks."""
    rows = []
    for control in words.CONTROLS:
        cells = [_beside(inputs, family, control) for family in families]
        if any(cell.means for cell in cells):
            rows.append((words.CONTROLS[control], cells))
    return rows


def _beside(inputs: Inputs, family: str, control: str) -> Cell:
    means = inputs.results.families[family].means.get(control, {})
    values = [means[model] for model in inputs.competent if means.get(model) is not None]
    if not values or control not in words.family(family).controls:
        return Cell("", "", "empty")
    return Cell("", numbers.span(values, beside=_column(inputs, family)), "empty")


def _column(inputs: Inputs, family: str) -> list[float]:
    """Return every mean of a family that the overview shows, so that all have the same digits."""
    means = inputs.results.families[family].means
    shown = (*inputs.methods, *words.family(family).controls)
    return [value for name in shown for value in means.get(name, {}).values() if value is not None]


def refusals(inputs: Inputs) -> list[tuple[str, str]]:
    """Return every method that does not support a model, with the reason."""
    unsupported = [one for one in inputs.results.about("methods") if one.kind == "methods.unsupported"]
    texts = [(one.one("method"), sentence(one)) for one in unsupported]
    return [(name, " ".join(text for method, text in texts if method == name)) for name in dict(texts)]


def methods(inputs: Inputs) -> list[Placed]:
    """Return what each method does."""
    return [Placed(method, words.method(method)) for method in inputs.methods]


@dataclass(frozen=True)
class Splits:
    """A figure with its table and summary."""

    sentence: str
    figure: Figure
    table: Table


def make_splits(inputs: Inputs) -> Splits | None:
    """Return the comparison of splits, if the study has one."""
    stated = inputs.results.comparison
    if not stated or inputs.comparison is None:
        return None
    table = inputs.comparison
    chance = inputs.results.competence.chance
    rows = [_split_row(table[table["model"] == model], model, stated, chance) for model in inputs.models]
    grouped = next(split for split in table["split"] if split != "random")
    kinds = {"random": data_tables.SPLITS["random"], "grouped": data_tables.SPLITS.get(grouped, grouped)}
    alt = f"Balanced accuracy under both splits: {data.described(rows, kinds)}"
    svg = data.draw_dots("splits", rows, kinds, "balanced accuracy on test images", alt)
    caption = (
        f"The same models trained twice: with a random split, as is common, and with the split of this study. Symbol: "
        f"one seed; line: {inputs.results.interval:.0%} interval; on the right, both means."
    )
    return Splits(
        " ".join(map(sentence, inputs.results.about("splits"))),
        Figure(Markup(svg), caption),
        data_tables.compared(table, inputs.models),
    )


def _split_row(table: pd.DataFrame, model: str, stated: Comparison, chance: float) -> DotRow:
    random = table["split"] == "random"
    dots = [*_dots(table[random], "random"), *_dots(table[~random], "grouped")]
    before, after = (numbers.number(found.get(model)) for found in (stated.random, stated.grouped))
    return DotRow(model, dots, chance, f"{before} → {after}")


def _dots(table: pd.DataFrame, kind: str) -> Sequence[Dot]:
    rows = table.sort_values("seed")[["balanced_accuracy", "low", "high"]].to_numpy(float)
    return [Dot(kind, *map(float, row)) for row in rows]


COMBINED = {
    "vote": "majority vote; a probability is the share of votes",
    "mean": "mean of the members' probabilities",
}
ENSEMBLE_MEASURES = {"f1_micro": "Micro F1", "accuracy": "Accuracy"}


@dataclass(frozen=True)
class Ensembles:
    """`made` has each ensemble's name and how it is made."""

    made: list[tuple[str, str]]
    sentences: list[str]
    table: Table


def make_ensembles(inputs: Inputs) -> Ensembles | None:
    """Return the part on ensembles; None where the study has none."""
    found = inputs.ensembles
    if not found:
        return None
    made = [
        (name, f"of {numbers.listed([*map(called, of.models)])}; {COMBINED[of.combine]}") for name, of in found.items()
    ]
    rows = [[name, *_ensemble_row(inputs, row)] for name, of in found.items() for row in of.against]
    level = f"{inputs.results.interval:.0%}"
    caption = (
        f"Each ensemble compared with its best member on the same {groups_name(inputs)}: difference with {level} "
        f"interval, not corrected for the number of rows; the best member is chosen on the same images"
    )
    head = ["ensemble", "measure", "best member", "ensemble value", "member value", "difference", groups_name(inputs)]
    return Ensembles(
        made, [sentence(one, inputs.doubtful) for one in inputs.results.about("ensemble")], Table(caption, head, rows)
    )


def _ensemble_row(inputs: Inputs, row: Row) -> list[str | Numbers]:
    values = [value(each, unit=row.measure) for each in (row.ensemble, row.value)]
    difference = interval(row.difference, row.low, row.high, unit=f"difference of {row.measure}")
    return [_called(inputs, row), row.member, *values, difference, str(row.groups)]


def _called(inputs: Inputs, row: Row) -> str:
    if not row.family:
        return ENSEMBLE_MEASURES.get(row.measure, row.measure)
    metric = inputs.metric(row.measure)
    return f"{metric.name} of {called(row.method)} ({metric.direction})"


MEASURES = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}
F1 = {"f1_micro": "micro", "f1_macro": "macro"}  # and `f1:<label>`: of several labels an image
ALONE = "Accuracy without a network"
SIMPLE = {  # as the table of the stage before names them -> as the page does
    "nearest neighbour": "nearest thumbnail",
    "most frequent class": "most frequent class",
}


@dataclass(frozen=True)
class Beside:
    """Published results of one source, a table a measure; without a source only the numbers of the study."""

    title: str
    sentence: str
    note: str
    tables: list[Table]


def make_published(inputs: Inputs) -> list[Beside]:
    """Return a part a source, or one without a source where the study compares splits but no publication."""
    table = inputs.tables["published"]
    found = []
    for name, rows in table.groupby("name", sort=False):
        stated = inputs.results.published.get(name)
        title = f"Comparison with {stated.source}" if stated else ALONE
        if inputs.multilabel:
            tables = _of_labels(inputs, rows, stated)
        else:
            tables = [_table(inputs, rows[rows["measure"] == measure], measure, stated) for measure in MEASURES]
        found.append(
            Beside(
                title,
                " ".join(map(sentence, inputs.results.about("published", name=name))),
                stated.note if stated else "",
                tables,
            )
        )
    return found


def _of_labels(inputs: Inputs, rows: pd.DataFrame, stated: Published | None) -> list[Table]:
    """Return, for images with several labels, the accuracy (of all labels at once) if it is published, and a table of
    F1 scores a split."""
    accuracy = rows[rows["measure"] == "accuracy"]
    tables = [_table(inputs, accuracy, "accuracy", stated)] if accuracy["published"].notna().any() else []
    for split, of in rows[rows["measure"].str.startswith("f1")].groupby("split", sort=False):
        known = [
            m for m in of["measure"].unique() if stated is None or of.loc[of["measure"] == m, "published"].notna().any()
        ]
        by = of.set_index(["model", "measure"])
        body = [
            [SIMPLE.get(model, model), *(cell for measure in known for cell in _pair(by.loc[(model, measure)], stated))]
            for model in of["model"].unique()
        ]
        names = [F1.get(measure, measure.removeprefix("f1:")) for measure in known]
        columns = [f"{name}{end}" for name in names for end in ((", published", ", here") if stated else ("",))]
        caption = _caption(inputs, "f1", [split], of["seeds"].max(), stated)
        if of["split"].nunique() < rows["split"].nunique():
            caption += f", {data_tables.SPLITS.get(split, split)}"
        tables.append(Table(caption, ["classifier", *columns], body))
    return tables


def _pair(row: pd.Series, stated: Published | None) -> list[Numbers]:
    """Return the published value, where there is one, and the measured one."""
    here = interval(*map(float, row[["value", "low", "high"]]))
    return [value(row["published"]), here] if stated else [here]


def _table(inputs: Inputs, rows: pd.DataFrame, measure: str, stated: Published | None) -> Table:
    """Return a row a model or simple classifier, with a column of published values and one a split."""
    splits = rows["split"].unique()
    reported = rows["published"].notna().any()
    by = rows.set_index(["model", "split"])
    body = []
    for model in rows["model"].unique():
        of = [by.loc[(model, split)] for split in splits]
        cells = [interval(*map(float, row[["value", "low", "high"]])) for row in of]
        body.append([SIMPLE.get(model, model), *([value(of[0]["published"])] if reported else []), *cells])
    head = ["classifier", *(["published"] if reported else []), *(data_tables.SPLITS.get(s, s) for s in splits)]
    return Table(_caption(inputs, measure, splits, rows["seeds"].max(), stated if reported else None), head, body)


def _caption(inputs: Inputs, measure: str, splits: Sequence[str], seeds: float, stated: Published | None) -> str:
    place = f" ({stated.table})" if stated and stated.table else ""
    where = f" reported by {stated.source}{place} and measured" if stated else ""
    level = f"{inputs.results.interval:.0%}"
    if pd.notna(seeds) and np.greater(seeds, 1):
        several = f": mean over {seeds} seeds, with the lowest and the highest end of their {level} intervals"
    else:
        several = f", with {level} intervals"
    on = " with both splits" if len(splits) > 1 else ""
    return f"{(MEASURES | {'f1': 'F1'})[measure]}{where} here{on}{several}"
