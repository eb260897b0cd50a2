"""What stands side by side: methods at a glance, what each model's heatmaps show, another split, ensembles, what others
report, and what needs no network at all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from heatproof.report import words
from heatproof.report.figures import dot_rows
from heatproof.report.figures.canvas import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.sections import data, data_tables
from heatproof.report.sections.data import Dot, DotRow
from heatproof.report.tables import Table, groups_name
from heatproof.stats.results import Beside as Row
from heatproof.stats.results import Combined, Comparison, Decision, Published
from heatproof.stats.verdicts.judge import QUESTIONS
from heatproof.stats.verdicts.rules import UNDECIDED
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from heatproof.text.verdicts import MEANINGS
from heatproof.text.words import called


def make_combined(inputs: Inputs) -> Table | None:
    """Return the table of both answers, a row a method and model; None where a study has not both."""
    rows = inputs.results.combined
    if not rows:
        return None
    margins = dict.fromkeys(f"{inputs.results.families[family].margin:g}" for family in QUESTIONS)
    caption = (
        f"Yes: significantly better than every control. No: any lead over the control is shown to be smaller than the "
        f"margin ({numbers.listed(list(margins))}). In brackets the difference to the control that decides, with its "
        f"{inputs.results.interval:.0%} interval."
    )
    head = ["method", "model", "finds the lesion", "shows what the model uses", "together, the heatmaps"]
    return Table(caption, head, [_row(row) for row in rows])


def _row(row: Combined) -> list[str]:
    meaning = MEANINGS.get(tuple(answer.verdict for answer in row.answers))
    return [row.method, row.model, *map(_answer, row.answers), meaning[0] if meaning else UNDECIDED]


def _answer(answer: Decision) -> str:
    if answer.control is None:
        return answer.verdict
    ends = (float("nan") if value is None else value for value in (answer.difference, answer.low, answer.high))
    return f"{answer.verdict} ({words.CONTROLS.get(answer.control, answer.control)}: {numbers.interval(*ends)})"


INSIDE = {  # metric -> what the heat lies on; the first is a share inside, the others of what is outside
    "relevance_mass_accuracy": "lesion",
    "outside_lungs": "outside the lungs",
    "outside_body": "outside the body",
    "on_border": "border",
}


def make_lines(inputs: Inputs) -> Table:
    """Return what is known of each model by the lead method, a row a model."""
    combined = {row.model: row for row in inputs.results.combined if row.method == inputs.lead}
    rows = [[model, *_line(inputs, model, combined.get(model))] for model in inputs.trained]
    head = [
        "model",
        inputs.measure,
        "layer and grid",
        "where the heat lies",
        "used by the model",
        "same when retrained",
    ]
    kept = [i for i in range(len(head)) if any(row[i] != numbers.NONE for row in rows)]
    return Table(
        f"Each model by {called(inputs.lead)}: {inputs.measure} with its {inputs.results.interval:.0%} interval, "
        f"or the range "
        f"over seeds; the layer that was explained; shares of the heat, means over {groups_name(inputs)}; and what "
        f"localization and faithfulness say together",
        [*(head[i] for i in kept), "the heatmaps"],
        [[*(row[i] for i in kept), row[-1]] for row in rows],
    )


def _line(inputs: Inputs, model: str, combined: Combined | None) -> list[str]:
    trainings = [row for row in dot_rows.checkpoints(inputs) if row.model == model]
    first = trainings[0]
    accuracy = numbers.interval(first.accuracy, first.low, first.high)
    if len(trainings) > 1:
        accuracy = numbers.span([row.accuracy for row in trainings])
    layers = [f"{name}, {height} x {width}" for name, height, width in inputs.layers[model] if name]
    table = inputs.metrics[(inputs.metrics["method"] == inputs.lead) & (inputs.metrics["model"] == model)]
    means = table.set_index("metric")["mean"]
    heat = [
        f"{name} {numbers.share(means[key])}" for key, name in INSIDE.items() if np.isfinite(means.get(key, np.nan))
    ]
    again = inputs.results.families.get("consistency")
    same = again.means.get(inputs.lead, {}).get(model) if again else None
    used = combined.faithfulness.verdict if combined else numbers.NONE
    meaning = MEANINGS.get(tuple(one.verdict for one in combined.answers)) if combined else None
    verdict = meaning[0] if meaning else UNDECIDED if inputs.worth(model) else "not judged: not surely above chance"
    return [
        accuracy,
        numbers.listed(layers) or numbers.NONE,
        ", ".join(heat) or numbers.NONE,
        used,
        numbers.number(same),
        verdict,
    ]


@dataclass(frozen=True)
class Cell:
    """`look` names how it is drawn: all, some, nobody, worse, or empty; the words say the same."""

    verdict: str
    means: str
    look: str


@dataclass(frozen=True)
class Overview:
    """`marked`: whether a metric of it is to be doubted."""

    head: Sequence[tuple[str, str]]  # family, and its metric with the direction
    rows: Sequence[tuple[str, Sequence[Cell]]]  # methods
    controls: Sequence[tuple[str, Sequence[Cell]]]  # means alone, for scale
    refused: Sequence[tuple[str, str]]  # method, and the line that says why
    marked: bool


@dataclass(frozen=True)
class Told:
    """A method with what it does."""

    name: str
    text: str


def make(inputs: Inputs) -> Overview | None:
    """The overview of a study of several methods with a competent model."""
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
    """The verdicts of a method in a family, in few words."""
    results = inputs.results
    means = list(results.values(family, method).values())
    if not means:
        others = [model for model in results.models if model not in results.judged]
        every = results.families[family].means.get(method, {})
        if any(every.get(model) is not None for model in others):
            return Cell("not judged", "", "empty")
        return Cell("refused" if results.refuses_all(method) else "no score", "", "empty")
    row = results.by_verdict(family, method)
    told = {model for key in ("better", "worse", "unclear") for model in row[key]}
    better, worse, silent = len(row["better"]), len(row["worse"]), len({*row["blind"]} - told)
    verdict = f"{better} of {len(told) + silent}" + (f", {worse} worse" if worse else "")
    verdict += f", {silent} without a verdict" if silent else ""
    few = results.too_few(family, method)
    verdict = "no verdict" if not told else "too few to tell" if few else verdict
    look = "worse" if worse else "all" if better == len(told) + silent else "some" if better else "nobody"
    return Cell(verdict, numbers.span(means, beside=_column(inputs, family)), look if told else "empty")


def _controls(inputs: Inputs, families: Sequence[str]) -> list[tuple[str, list[Cell]]]:
    """Means of the controls and of the yardsticks."""
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
    """Every mean of a family that the overview shows, so that all have the same digits."""
    means = inputs.results.families[family].means
    shown = (*inputs.methods, *words.family(family).controls)
    return [value for name in shown for value in means.get(name, {}).values() if value is not None]


def refusals(inputs: Inputs) -> list[tuple[str, str]]:
    """Every method that refuses a model, with the lines that say why."""
    found = [one for one in inputs.results.about("methods") if one.kind == "methods.unsupported"]
    texts = [(one.one("method"), sentence(one)) for one in found]
    return [(name, " ".join(text for method, text in texts if method == name)) for name in dict(texts)]


def methods(inputs: Inputs) -> list[Told]:
    """What each method does."""
    return [Told(method, words.method(method)) for method in inputs.methods]


@dataclass(frozen=True)
class Splits:
    """A figure, its table and the sentence that sums them up."""

    sentence: str
    figure: Figure
    table: Table


def make_splits(inputs: Inputs) -> Splits | None:
    """The comparison, where the study asked for one."""
    told = inputs.results.comparison
    if not told or inputs.comparison is None:
        return None
    table = inputs.comparison
    chance = inputs.results.competence.chance
    rows = [_split_row(table[table["model"] == model], model, told, chance) for model in inputs.models]
    grouped = next(split for split in table["split"] if split != "random")
    kinds = {"random": data_tables.SPLITS["random"], "grouped": data_tables.SPLITS.get(grouped, grouped)}
    alt = f"Balanced accuracy under both splits: {data.described(rows, kinds)}"
    svg = data.draw_dots("splits", rows, kinds, "balanced accuracy on test images", alt)
    caption = (
        f"The same models trained twice: on a random split, as is common, and on the split that this study rests on. A "
        f"mark is one seed, its line the {inputs.results.interval:.0%} interval; at the right, means under the one "
        f"and the other."
    )
    return Splits(
        " ".join(map(sentence, inputs.results.about("splits"))),
        Figure(Markup(svg), caption),
        data_tables.compared(table, inputs.models),
    )


def _split_row(table: pd.DataFrame, model: str, told: Comparison, chance: float) -> DotRow:
    random = table["split"] == "random"
    dots = [*_dots(table[random], "random"), *_dots(table[~random], "grouped")]
    before, after = (numbers.number(found.get(model)) for found in (told.random, told.grouped))
    return DotRow(model, dots, chance, f"{before} → {after}")


def _dots(table: pd.DataFrame, kind: str) -> Sequence[Dot]:
    rows = table.sort_values("seed")[["balanced_accuracy", "low", "high"]].to_numpy(float)
    return [Dot(kind, *map(float, row)) for row in rows]


COMBINED = {
    "vote": "the majority of the members decides; a probability is the share of their votes",
    "mean": "a probability is the mean of the members'",
}
ENSEMBLE_MEASURES = {"f1_micro": "Micro F1", "accuracy": "Accuracy"}


@dataclass(frozen=True)
class Ensembles:
    """`made` has each ensemble's name and how it is made."""

    made: list[tuple[str, str]]
    sentences: list[str]
    table: Table


def make_ensembles(inputs: Inputs) -> Ensembles | None:
    """The part of the section on the models; None where the study has no ensemble."""
    found = inputs.ensembles
    if not found:
        return None
    made = [(name, f"of {numbers.listed(of.models)}; {COMBINED[of.combine]}") for name, of in found.items()]
    rows = [[name, *_ensemble_row(inputs, row)] for name, of in found.items() for row in of.against]
    level = f"{inputs.results.interval:.0%}"
    caption = (
        f"Each ensemble against the best of its members on the same {groups_name(inputs)}: difference with its {level} "
        f"interval, not corrected for the number of rows; which member is best is read off the same images"
    )
    head = ["ensemble", "measure", "best member", "ensemble's", "member's", "difference", groups_name(inputs)]
    return Ensembles(
        made, [sentence(one, inputs.doubtful) for one in inputs.results.about("ensemble")], Table(caption, head, rows)
    )


def _ensemble_row(inputs: Inputs, row: Row) -> list[str]:
    ends = [float("nan") if value is None else value for value in (row.difference, row.low, row.high)]
    values = [numbers.number(value) for value in (row.ensemble, row.value)]
    return [_called(inputs, row), row.member, *values, numbers.interval(*ends), str(row.groups)]


def _called(inputs: Inputs, row: Row) -> str:
    if not row.family:
        return ENSEMBLE_MEASURES.get(row.measure, row.measure)
    metric = inputs.metric(row.measure)
    return f"{metric.name} of {row.method} ({metric.direction})"


MEASURES = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}
F1 = {"f1_micro": "micro", "f1_macro": "macro"}  # and `f1:<label>`: of several labels an image
ALONE = "What needs no network"
SIMPLE = {  # as the table of the stage before names them -> as the page does
    "nearest neighbour": "nearest thumbnail",
    "most frequent class": "most frequent class",
}


@dataclass(frozen=True)
class Beside:
    """One source with a table a measure; without a source the study's own numbers, and no sentence."""

    title: str
    sentence: str
    note: str
    tables: list[Table]


def make_published(inputs: Inputs) -> list[Beside]:
    """A part a source; one without a source where the study compares splits and nothing is published beside it."""
    table = inputs.tables["published"]
    found = []
    for name, rows in table.groupby("name", sort=False):
        told = inputs.results.published.get(name)
        title = f"Beside what {told.source} reports" if told else ALONE
        if inputs.multilabel:
            tables = _of_labels(inputs, rows, told)
        else:
            tables = [_table(inputs, rows[rows["measure"] == measure], measure, told) for measure in MEASURES]
        found.append(
            Beside(
                title,
                " ".join(map(sentence, inputs.results.about("published", name=name))),
                told.note if told else "",
                tables,
            )
        )
    return found


def _of_labels(inputs: Inputs, rows: pd.DataFrame, told: Published | None) -> list[Table]:
    """Where images have several labels: the accuracy (of all labels at once) if it is published, and one table of every
    F1 for each split."""
    accuracy = rows[rows["measure"] == "accuracy"]
    tables = [_table(inputs, accuracy, "accuracy", told)] if accuracy["published"].notna().any() else []
    for split, of in rows[rows["measure"].str.startswith("f1")].groupby("split", sort=False):
        known = [
            m for m in of["measure"].unique() if told is None or of.loc[of["measure"] == m, "published"].notna().any()
        ]
        by = of.set_index(["model", "measure"])
        body = [
            [SIMPLE.get(model, model), *(cell for measure in known for cell in _pair(by.loc[(model, measure)], told))]
            for model in of["model"].unique()
        ]
        names = [F1.get(measure, measure.removeprefix("f1:")) for measure in known]
        columns = [f"{name}{end}" for name in names for end in ((", published", ", here") if told else ("",))]
        caption = _caption(inputs, "f1", [split], of["seeds"].max(), told)
        if of["split"].nunique() < rows["split"].nunique():
            caption += f", {data_tables.SPLITS.get(split, split)}"
        tables.append(Table(caption, ["classifier", *columns], body))
    return tables


def _pair(row: pd.Series, told: Published | None) -> list[str]:
    """What is published, where anything is, and what is measured here."""
    here = numbers.interval(*map(float, row[["value", "low", "high"]]))
    return [numbers.number(row["published"]), here] if told else [here]


def _table(inputs: Inputs, rows: pd.DataFrame, measure: str, told: Published | None) -> Table:
    """A row a model or simple classifier, a column for what is published and for each split."""
    splits = rows["split"].unique()
    reported = rows["published"].notna().any()
    by = rows.set_index(["model", "split"])
    body = []
    for model in rows["model"].unique():
        of = [by.loc[(model, split)] for split in splits]
        cells = [numbers.interval(*map(float, row[["value", "low", "high"]])) for row in of]
        body.append([SIMPLE.get(model, model), *([numbers.number(of[0]["published"])] if reported else []), *cells])
    head = ["classifier", *(["published"] if reported else []), *(data_tables.SPLITS.get(s, s) for s in splits)]
    return Table(_caption(inputs, measure, splits, rows["seeds"].max(), told if reported else None), head, body)


def _caption(inputs: Inputs, measure: str, splits: Sequence[str], seeds: float, told: Published | None) -> str:
    place = f" ({told.table})" if told and told.table else ""
    where = f" as {told.source} reports it{place} and as it is" if told else ""
    level = f"{inputs.results.interval:.0%}"
    if pd.notna(seeds) and np.greater(seeds, 1):
        several = f": mean over {seeds} seeds, from the lowest end of their {level} intervals to the highest"
    else:
        several = f", with {level} intervals"
    on = " under both splits" if len(splits) > 1 else ""
    return f"{(MEASURES | {'f1': 'F1'})[measure]}{where} here{on}{several}"
