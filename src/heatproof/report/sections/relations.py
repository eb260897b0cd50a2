"""Associations of scores with images and accuracy, and heatmaps of a planted cue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from heatproof.report.tables import Numbers, Table, groups_name, interval, span, value
from heatproof.stats.results import AccuracyRelation
from heatproof.stats.verdicts import rules
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from heatproof.text.words import called

ON_CUE, ACCURACY = "inside_cue", "accuracy"
KINDS = {
    "agrees": "accuracy, cue agrees with class",
    "conflicts": "accuracy, cue conflicts",
    "marked": "relevance on the cue",
    "unmarked": "relevance there, no cue",
}
VERDICTS = {
    "shown": "the difference is significant, and not significantly below the margin",
    "faint": "the difference is significant, but significantly below the margin",
    "hidden": "the difference is not significant, and significantly below the margin",
    "unclear": "neither is significant",
}


@dataclass(frozen=True)
class Section:
    sentences: Sequence[str]
    figure: Figure
    reliance: Table
    tables: Sequence[Table]  # one a model: what its heatmaps show, by method and metric
    verdicts: dict[str, str]  # what the words in them mean


def make_cue(inputs: Inputs) -> Section | None:
    """Return the section, if a cue was planted."""
    cue = inputs.results.cue
    if not cue:
        return None
    rows = inputs.tables["cue"]
    means = rows[rows["seed"].isna()]
    tables = [table(inputs, of, model) for model in inputs.models for of in [means[means["model"] == model]]]
    margins = [f"{inputs.metric(name).name} {margin:g}" for name, margin in cue.margins.items()]
    verdicts = VERDICTS | ({"margin": f"the smallest difference that matters: {', '.join(margins)}"} if margins else {})
    sentences = [sentence(one, inputs.doubtful) for one in inputs.results.about("cue")]
    return Section(sentences, figure(inputs, means), reliance(inputs, rows), [t for t in tables if t], verdicts)


def figure(inputs: Inputs, means: pd.DataFrame) -> Figure:
    """Draw a row a model with its two accuracies, and a row a method with the relevance on the cue."""
    rows = []
    for model in inputs.models:
        of = means[means["model"] == model]
        for _, row in of[of["metric"] == ACCURACY].iterrows():
            dots = [Dot("agrees", row["marked"]), Dot("conflicts", row["unmarked"])]
            rows.append(DotRow(model, dots, text=_interval(row)))
        on_cue = of[(of["metric"] == ON_CUE) & of["method"].isin(list(inputs.methods)) & (of["groups"] > 0)]
        for _, row in on_cue.iterrows():
            dots = [Dot("marked", row["marked"]), Dot("unmarked", row["unmarked"])]
            rows.append(DotRow(f"– {called(row['method'])}", dots, text=f"{row['verdict']} {_interval(row)}"))
    kinds = {kind: text for kind, text in KINDS.items() if any(dot.kind == kind for row in rows for dot in row.dots)}
    alt = f"Effects of the planted cue: {data.described(rows, kinds)}"
    svg = data.draw_dots("cue", rows, kinds, "balanced accuracy; share of relevance", alt)
    caption = (
        "Balanced accuracy of each model on test images where the cue agrees with the class and where it conflicts, "
        "mean over training runs; on the right, the difference with its interval."
    )
    if "marked" in kinds:
        caption += (
            " Below: each method's share of relevance where the cue is, or would be. If the two symbols are far "
            "apart, the heatmap reveals the cue."
        )
    return Figure(Markup(svg), caption)


def reliance(inputs: Inputs, rows: pd.DataFrame) -> Table:
    """Return the accuracies of every training run, and each model's mean."""
    table = []
    for model in inputs.models:
        of = rows[(rows["model"] == model) & (rows["metric"] == ACCURACY)]
        for _, row in of.iterrows():
            seed = "mean" if pd.isna(row["seed"]) else str(row["seed"])
            shown = [value(row[key]) for key in ("marked", "unmarked")]
            table.append([model, seed, *shown, _difference(row), row["verdict"]])
    head = ["model", "seed", "cue agrees", "cue conflicts", "difference", "verdict"]
    return Table("Balanced accuracy where the cue agrees with the class and where it conflicts", head, table)


def table(inputs: Inputs, rows: pd.DataFrame, model: str) -> Table | None:
    """Return what the heatmaps of a model show, by method and metric, and the controls; None without any."""
    heat = rows[rows["method"] != ""]
    metrics = list(dict.fromkeys(heat["metric"]))
    found = {(row["method"], row["metric"]): row for _, row in heat.iterrows()}
    body = []
    for method in dict.fromkeys(heat["method"]):
        cells = [_cell(found.get((method, metric))) for metric in metrics]
        body.append([method if method in inputs.methods else words.CONTROLS.get(method, method), *cells])
    caption = f"{called(model)}: verdict, and mean of images with the cue minus mean without it"
    head = ["method", *(inputs.metric(metric).name for metric in metrics)]
    return Table(caption, head, body) if body else None


def _cell(row: pd.Series | None) -> str | Numbers:
    if row is None or not row["groups"]:
        return numbers.NONE
    return replace(_difference(row), text=f"{row['verdict']}: {{}}")


def _difference(row: pd.Series) -> Numbers:
    return interval(row["difference"], row["low"], row["high"])


def _interval(row: pd.Series) -> str:
    return numbers.interval(row["difference"], row["low"], row["high"])


DRAWN = families_with("rates_maps")  # families with a figure
NOISE = "random"
CLASS = "class:"
NAMES = {
    "right": "correct prediction",
    "confidence": "confidence in the true class",
    "lesion_area": "lesion size",
    "lesion_elongation": "lesion elongation",
    "lesion_solidity": "lesion compactness",
}
EXPLAINED = (
    "When are heatmaps better or worse? Each score is correlated with properties of the image: correct prediction, "
    "class, probability of the true class, and size and shape of the lesion (elongation: long over short axis; "
    "compactness: area over that of its convex hull). These properties are correlated with each other (malignant "
    "lesions may be larger and less regular), so an association need not be a cause."
)


@dataclass(frozen=True)
class Part:
    """A family by the main method; the table has all methods."""

    title: str
    sentences: Sequence[str]
    figure: Figure | None
    table: Table


@dataclass(frozen=True)
class Relations:
    """`silent` are the sentences of families that cannot be tested; `accuracy` and `others` those on accuracy."""

    explained: str
    parts: Sequence[Part]
    silent: Sequence[str]
    accuracy: Sequence[tuple[str, str]]
    others: Sequence[tuple[str, str]]
    scatter: Figure | None


def make(inputs: Inputs) -> Relations | None:
    """Return the section; None where it is empty."""
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
    """Draw the rank correlations of the main method, a row a covariate."""
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
    described = [
        f"{label}: {', '.join(f'{called(dot.model)} {numbers.number(dot.rho)}' for dot in dots)}"
        for label, dots in rows.items()
    ]
    colors = {model: dot_rows.color(inputs.models, model) for model in inputs.models if model in set(of["model"])}
    svg = figures.correlations(
        f"relations-{family}", rows, colors, noise, f"Rank correlations of {family}. {'; '.join(described)}"
    )
    beside = ""
    if noise:
        beside = " Cross: random noise instead of a heatmap. Its correlation comes from the metric alone."
    caption = (
        f"Spearman's rank correlation of {words.inline(inputs.metric(inputs.primary(family)).name)} "
        f"({called(inputs.lead)}) with properties of the image, over {groups_name(inputs)}, with "
        f"{inputs.results.interval:.0%} interval. Filled dot: significant ({alpha:g}, with Holm's correction over all "
        f"dots).{beside}"
    )
    return Figure(Markup(svg), caption)


def _ordered(inputs: Inputs, table: pd.DataFrame) -> list[str]:
    """Return the covariates of rows, in one order for all families."""
    present = set(table["covariate"])
    return [covariate for covariate in dict.fromkeys(inputs.tables["relations"]["covariate"]) if covariate in present]


def _table(inputs: Inputs, table: pd.DataFrame) -> Table:
    """Return by method and covariate the range over models, and the models with a significant association."""
    rows = []
    for method in (*inputs.methods, NOISE):
        rows_of = table[table["method"] == method]
        for covariate in _ordered(inputs, rows_of):
            of = rows_of[rows_of["covariate"] == covariate]
            sure = rules.rejects(of["p_corrected"], inputs.results.alpha)
            groups = dict.fromkeys(str(count) for count in (of["groups"].min(), of["groups"].max()))
            up, down = int((sure & (of["rho"] > 0)).sum()), int((sure & (of["rho"] < 0)).sum())
            heatmaps = method if method != NOISE else words.CONTROLS[NOISE]
            rows.append(
                [
                    heatmaps,
                    name(covariate),
                    span(of["rho"]),
                    f"{up} of {len(of)}",
                    str(down),
                    " to ".join(groups),
                ]
            )
    head = ["heatmaps", "property", "rank correlation, range over models", "positive in", "negative in"]
    caption = "Rank correlations of all methods, and number of models with a significant one"
    return Table(caption, [*head, groups_name(inputs)], rows)


def _scatter(inputs: Inputs, found: dict[str, dict[str, AccuracyRelation]]) -> Figure | None:
    """Draw balanced accuracy and the mean score of the main method."""
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
    described = []
    for title, of in points.items():
        each = (f"{called(p.model)} {numbers.number(p.accuracy)} and {numbers.number(p.score)}" for p in of)
        described.append(f"{title}: {', '.join(each)}")
    svg = figures.scatter("accuracy-scores", points, f"Balanced accuracy and mean score. {'; '.join(described)}")
    caption = (
        f"Balanced accuracy on test images and mean score of {called(inputs.lead)}; one dot per training run. The "
        f"test is a permutation test over the means of the models, not corrected for the number of families and "
        f"methods."
    )
    return Figure(Markup(svg), caption)
