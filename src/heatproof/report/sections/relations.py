"""When heatmaps are bad: what their scores go with, and which heatmaps give a planted cue away."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from heatproof.catalogue.families import families_with
from heatproof.core.statements import Statement
from heatproof.report import words
from heatproof.report.figures import curves as figures
from heatproof.report.figures import dot_rows
from heatproof.report.figures.canvas import Figure
from heatproof.report.figures.curves import Correlation, Point
from heatproof.report.inputs import Inputs
from heatproof.report.sections import data
from heatproof.report.sections.data import Dot, DotRow
from heatproof.report.tables import Table, groups_name
from heatproof.stats.results import AccuracyRelation
from heatproof.stats.verdicts import rules
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from heatproof.text.words import called

ON_CUE, ACCURACY = "inside_cue", "accuracy"
KINDS = {
    "agrees": "accuracy where the mark agrees",
    "conflicts": "accuracy where it conflicts",
    "marked": "heat on the mark",
    "unmarked": "heat there without a mark",
}
VERDICTS = {
    "shown": "the difference is larger than chance explains, and not surely below the margin",
    "faint": "it is, but surely below the margin",
    "hidden": "it is not, and surely below the margin",
    "unclear": "neither could be shown",
}


@dataclass(frozen=True)
class Section:
    sentences: Sequence[str]
    figure: Figure
    reliance: Table
    tables: Sequence[Table]  # one a model: what its heatmaps show, by method and metric
    verdicts: dict[str, str]  # what the words in them mean


def make_cue(inputs: Inputs) -> Section | None:
    """The section, where a cue was planted."""
    told = inputs.results.cue
    if not told:
        return None
    rows = inputs.tables["cue"]
    means = rows[rows["seed"].isna()]
    tables = [table(inputs, of, model) for model in inputs.models for of in [means[means["model"] == model]]]
    margins = [f"{inputs.metric(name).name} {margin:g}" for name, margin in told.margins.items()]
    verdicts = VERDICTS | ({"margin": f"the difference that would not matter: {', '.join(margins)}"} if margins else {})
    said = [sentence(one, inputs.doubtful) for one in inputs.results.about("cue")]
    return Section(said, figure(inputs, means), reliance(inputs, rows), [t for t in tables if t], verdicts)


def figure(inputs: Inputs, means: pd.DataFrame) -> Figure:
    """A row a model with its two accuracies, and below it one a method with the heat on the mark and without it."""
    rows = []
    for model in inputs.models:
        of = means[means["model"] == model]
        for _, row in of[of["metric"] == ACCURACY].iterrows():
            dots = [Dot("agrees", row["marked"]), Dot("conflicts", row["unmarked"])]
            rows.append(DotRow(model, dots, text=_interval(row)))
        on_cue = of[(of["metric"] == ON_CUE) & of["method"].isin(list(inputs.methods)) & (of["groups"] > 0)]
        for _, row in on_cue.iterrows():
            dots = [Dot("marked", row["marked"]), Dot("unmarked", row["unmarked"])]
            rows.append(DotRow(f"– {row['method']}", dots, text=f"{row['verdict']} {_interval(row)}"))
    kinds = {kind: text for kind, text in KINDS.items() if any(dot.kind == kind for row in rows for dot in row.dots)}
    alt = f"What rests on the planted mark: {data.described(rows, kinds)}"
    svg = data.draw_dots("cue", rows, kinds, "balanced accuracy; share of all heat", alt)
    caption = (
        "Each model with its balanced accuracy on test images where the mark agrees with the class and where it "
        "conflicts, in the mean of its trainings; at the right, the difference with its interval."
    )
    if "marked" in kinds:
        caption += (
            " Below it each method with the share of all heat that lies where the mark is, or would be. A heatmap that "
            "gives a cheat away has the two marks far apart."
        )
    return Figure(Markup(svg), caption)


def reliance(inputs: Inputs, rows: pd.DataFrame) -> Table:
    """Every training's accuracies, and the mean of a model's."""
    table = []
    for model in inputs.models:
        of = rows[(rows["model"] == model) & (rows["metric"] == ACCURACY)]
        for _, row in of.iterrows():
            seed = "mean" if pd.isna(row["seed"]) else str(row["seed"])
            shown = [numbers.number(row[key]) for key in ("marked", "unmarked")]
            table.append([model, seed, *shown, _interval(row), row["verdict"]])
    head = ["model", "seed", "mark agrees", "mark conflicts", "difference", "the model"]
    return Table("Balanced accuracy where the mark agrees with the class, and where it conflicts", head, table)


def table(inputs: Inputs, rows: pd.DataFrame, model: str) -> Table | None:
    """What the heatmaps of a model show, by method and metric; controls below. None without any."""
    heat = rows[rows["method"] != ""]
    metrics = list(dict.fromkeys(heat["metric"]))
    found = {(row["method"], row["metric"]): row for _, row in heat.iterrows()}
    body = []
    for method in dict.fromkeys(heat["method"]):
        cells = [_cell(found.get((method, metric))) for metric in metrics]
        body.append([method if method in inputs.methods else words.CONTROLS.get(method, method), *cells])
    caption = f"{model}: mean of images with the mark minus mean of those without it, and what follows"
    head = ["method", *(inputs.metric(metric).name for metric in metrics)]
    return Table(caption, head, body) if body else None


def _cell(row: pd.Series | None) -> str:
    if row is None or not row["groups"]:
        return "–"
    return f"{row['verdict']}: {_interval(row)}"


def _interval(row: pd.Series) -> str:
    return numbers.interval(row["difference"], row["low"], row["high"])


DRAWN = families_with("rates_maps")  # families with a figure
NOISE = "random"
CLASS = "class:"
NAMES = {
    "right": "prediction is right",
    "confidence": "confidence in the true class",
    "lesion_area": "size of the lesion",
    "lesion_elongation": "elongation of the lesion",
    "lesion_solidity": "compactness of the lesion",
}
EXPLAINED = (
    "Each score is held against what is known of the image: whether the prediction is right, its class, how probable "
    "the model finds the true class, and size and shape of the lesion (elongation: long over short axis; compactness: "
    "area over that of its convex hull). These go together (malignant lesions may be larger and more ragged), so "
    "that none of them need be the cause."
)


@dataclass(frozen=True)
class Part:
    """A family by the method that the first screen speaks of; the table has all methods."""

    title: str
    sentences: Sequence[str]
    figure: Figure | None
    table: Table


@dataclass(frozen=True)
class Relations:
    """`silent` are the sentences of families of which nothing can be told, the last ones those on accuracy."""

    explained: str
    parts: Sequence[Part]
    silent: Sequence[str]
    accuracy: Sequence[tuple[str, str]]
    others: Sequence[tuple[str, str]]
    scatter: Figure | None


def make(inputs: Inputs) -> Relations | None:
    """The section; None where there is nothing to say."""
    judged = [family for family in inputs.families if inputs.primary(family)]
    table = inputs.tables["relations"]
    parts, silent = [], []
    for family in judged:
        of = table[(table["family"] == family) & table["rho"].notna()]
        if (of["method"] == inputs.lead).any():
            figure = _figure(inputs, family, of) if family in DRAWN else None
            parts.append(Part(_title(inputs, family), _sentences(inputs, family), figure, _table(inputs, of)))
        else:
            silent += _sentences(inputs, family)
    found = inputs.results.accuracy_relations
    accuracy, others = (
        [
            (_title(inputs, family), " ".join(map(sentence, _about(inputs, "accuracy", family))))
            for family in judged
            if (family in DRAWN) == drawn and family in found and found[family][inputs.lead].points
        ]
        for drawn in (True, False)
    )
    if not (parts or silent or accuracy or others):
        return None
    return Relations(EXPLAINED, parts, silent, accuracy, others, _scatter(inputs, found))


def name(covariate: str) -> str:
    return NAMES.get(covariate) or f"class {covariate.removeprefix(CLASS)}"


def _title(inputs: Inputs, family: str) -> str:
    return f"{family.capitalize()} by {words.inline(inputs.metric(inputs.primary(family)).name)}"


def _sentences(inputs: Inputs, family: str) -> list[str]:
    return [sentence(one, inputs.doubtful) for one in _about(inputs, "relations", family)]


def _about(inputs: Inputs, area: str, family: str) -> list[Statement]:
    return inputs.results.about(area, family=family, method=inputs.lead)


def _figure(inputs: Inputs, family: str, table: pd.DataFrame) -> Figure:
    """Rank correlations of the lead method, a row a covariate."""
    alpha, of = inputs.results.alpha, table[table["method"] == inputs.lead]
    rows = {
        name(covariate): [
            Correlation(
                row.model,
                dot_rows.color(inputs.models, row.model),
                row.rho,
                row.low,
                row.high,
                rules.rejects(row.p_corrected, alpha),
            )
            for row in of[of["covariate"] == covariate].itertuples()
        ]
        for covariate in _ordered(inputs, of)
    }
    means = table[table["method"] == NOISE].groupby("covariate")["rho"].mean()
    noise = {name(covariate): float(rho) for covariate, rho in means.items() if name(covariate) in rows}
    told = [
        f"{label}: {', '.join(f'{dot.model} {numbers.number(dot.rho)}' for dot in dots)}"
        for label, dots in rows.items()
    ]
    colors = {model: dot_rows.color(inputs.models, model) for model in inputs.models if model in set(of["model"])}
    svg = figures.correlations(
        f"relations-{family}", rows, colors, noise, f"Rank correlations of {family}. {'; '.join(told)}"
    )
    beside = ""
    if noise:
        beside = (
            " The cross is a heatmap of random noise, which knows nothing of the lesion: what it shows is the metric's "
            "own."
        )
    caption = (
        f"What {words.inline(inputs.metric(inputs.primary(family)).name)} of {called(inputs.lead)} goes with, over "
        f"{groups_name(inputs)}: Spearman's rank correlation of each model with its {inputs.results.interval:.0%} "
        f"interval. Filled dots can be told from zero (Holm over all of them, {alpha:g}).{beside}"
    )
    return Figure(Markup(svg), caption)


def _ordered(inputs: Inputs, table: pd.DataFrame) -> list[str]:
    """The covariates of some rows, in one order for all families."""
    present = set(table["covariate"])
    return [covariate for covariate in dict.fromkeys(inputs.tables["relations"]["covariate"]) if covariate in present]


def _table(inputs: Inputs, table: pd.DataFrame) -> Table:
    """Every method and covariate: the range over models, and in how many the relation can be told from zero."""
    rows = []
    for method in (*inputs.methods, NOISE):
        rows_of = table[table["method"] == method]
        for covariate in _ordered(inputs, rows_of):
            of = rows_of[rows_of["covariate"] == covariate]
            sure = rules.rejects(of["p_corrected"], inputs.results.alpha)
            groups = dict.fromkeys(str(count) for count in (of["groups"].min(), of["groups"].max()))
            up, down = int((sure & (of["rho"] > 0)).sum()), int((sure & (of["rho"] < 0)).sum())
            called = method if method != NOISE else words.CONTROLS[NOISE]
            rows.append(
                [called, name(covariate), numbers.span(of["rho"]), f"{up} of {len(of)}", str(down), " to ".join(groups)]
            )
    head = ["heatmaps", "goes with", "rank correlation by model", "rises in", "falls in", groups_name(inputs)]
    return Table("Every method: rank correlation, and the models in which it can be told from zero", head, rows)


def _scatter(inputs: Inputs, found: dict[str, dict[str, AccuracyRelation]]) -> Figure | None:
    """Balanced accuracy beside the mean score of the lead method."""
    points = {}
    for family in DRAWN:
        one = found.get(family, {}).get(inputs.lead)
        if one and one.points:
            points[family.capitalize()] = [
                Point(
                    row.model,
                    row.seed,
                    dot_rows.color(inputs.models, row.model),
                    row.balanced_accuracy,
                    row.score,
                )
                for row in one.points
            ]
    if not points:
        return None
    told = [
        f"{title}: {', '.join(f'{p.model} {numbers.number(p.accuracy)} and {numbers.number(p.score)}' for p in of)}"
        for title, of in points.items()
    ]
    svg = figures.scatter("accuracy-scores", points, f"Balanced accuracy and mean score. {'; '.join(told)}")
    caption = (
        f"Balanced accuracy on test images and the mean score of {called(inputs.lead)}; a dot is one training. "
        f"The test is "
        f"over the means of the models, from all orders they could have had; it is not corrected for the number of "
        f"families and methods."
    )
    return Figure(Markup(svg), caption)
