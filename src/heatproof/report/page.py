"""The page: which figures and tables stand where, and the words between them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from heatproof.report import charts, figures, gallery, provenance, tables, words
from heatproof.report.inputs import Inputs

KEY_CONTROLS = ("random", "center", "ceiling")


@dataclass(frozen=True)
class Figure:
    svg: Markup
    caption: str
    title: str = ""


@dataclass(frozen=True)
class Comparison:
    """One method's scores in one family."""

    method: str
    dots: Figure
    pairs: Figure | None
    primary: tables.Table
    others: tables.Table | None
    pair_table: tables.Table | None


@dataclass(frozen=True)
class Family:
    key: str
    words: words.Family
    metric: words.Metric
    sentences: list[str]
    comparisons: list[Comparison]  # none where there is nothing to show


def render(inputs: Inputs, config: dict, study_config: dict) -> str:
    """The whole report as HTML.

    Args:
        inputs: what the stages before left.
        config: section `report`: title, question, gallery.
        study_config: the resolved configuration of the study, printed as it is.
    """
    environment = Environment(
        loader=PackageLoader("heatproof.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["breakable"] = breakable
    shown = gallery.make(inputs, config["gallery"])
    return environment.get_template("report.html.j2").render(
        study=inputs.study,
        title=config["title"] or f"Study {inputs.study}",
        question=config["question"],
        headline=inputs.summary["headline"],
        cautions=[text for text in sentences(inputs, "general") if text not in inputs.summary["headline"]],
        key=key_figure(inputs),
        accuracy=accuracy_figure(inputs, "accuracy"),
        models=tables.models(inputs),
        recall=tables.recall(inputs),
        families=[family(inputs, key) for key in inputs.families],
        gallery=shown,
        gallery_metric=words.metric(inputs.primary(shown.family)) if shown.family else None,
        scale=gallery.scale(),
        left_out=left_out(inputs),
        missing=tables.missing(inputs),
        coverage=coverage(inputs),
        images=tables.images(inputs),
        controls=controls(inputs),
        ceiling=words.CONTROLS["ceiling"],
        accuracy_title=words.ACCURACY,
        groups=words.GROUPS[inputs.summary["groups"]["kind"]],
        interval=f"{inputs.summary['interval']:.0%}",
        alpha=f"{inputs.summary['alpha']:g}",
        number=words.number,
        inline=words.inline,
        listed=words.listed,
        facts=provenance.facts(inputs),
        digest=provenance.data_digest(inputs),
        cards=provenance.cards(inputs),
        parameters=provenance.parameters(study_config),
    )


def breakable(name: str) -> Markup:
    """A long name that may break after an underscore."""
    return escape(name).replace("_", Markup("_<wbr>"))


def sentences(inputs: Inputs, family: str) -> list[str]:
    return [item["text"] for item in inputs.summary["sentences"] if item["family"] == family]


def key_figure(inputs: Inputs) -> Figure:
    """The figure of the first screen: the first family that can be judged, or accuracy where none can."""
    judged = [family for family in inputs.families if inputs.judged(family)]
    if not inputs.competent or not judged:
        return replace(accuracy_figure(inputs, "key"), title=words.ACCURACY)
    fair = words.family(judged[0]).controls
    marks = [mark for mark in KEY_CONTROLS if mark in fair] or fair
    figure = dots_figure(inputs, judged[0], inputs.methods[0], "key", marks)
    return replace(figure, title=words.family(judged[0]).title)


def accuracy_figure(inputs: Inputs, name: str) -> Figure:
    rows, competence = charts.checkpoints(inputs), inputs.summary["competence"]
    means = [f"{row.model} seed {row.seed} {words.number(row.accuracy)}" for row in rows]
    svg = figures.accuracy(
        name, rows, competence["chance"], competence["floor"], f"Balanced accuracy: {', '.join(means)}"
    )
    caption = (
        f"How well the models tell the classes apart on images they never saw. A dot is one training, its line the "
        f"{inputs.summary['interval']:.0%} interval. A model is competent, and takes part in verdicts, if the lower "
        f"end of every one of its intervals lies above {words.number(competence['floor'])}; guessing scores "
        f"{words.number(competence['chance'])}."
    )
    return Figure(Markup(svg), caption)


def dots_figure(inputs: Inputs, family: str, method: str, name: str, marks: Sequence[str] | None = None) -> Figure:
    """One family and method; `marks` are the controls to draw, explained in the caption, instead of all unexplained."""
    metric, rows = words.metric(inputs.primary(family)), charts.dot_rows(inputs, family, method)
    if marks is not None:
        rows = [replace(row, marks={mark: row.marks[mark] for mark in marks if mark in row.marks}) for row in rows]
    means = [f"{row.model} {words.interval(row.mean, row.low, row.high)}" for row in rows]
    drawn = [mark for mark in words.CONTROLS if any(mark in row.marks for row in rows)]
    for mark in drawn:
        values = [row.marks[mark] for row in rows if mark in row.marks]
        span = dict.fromkeys((words.number(min(values)), words.number(max(values))))
        means.append(f"{words.CONTROLS[mark]} {' to '.join(span)}")
    alt = f"{metric.name} of {method}: {'; '.join(means)}"
    svg = figures.dots(name, rows, f"{words.inline(metric.name)} ({metric.better} is better)", alt)
    level = f"{inputs.summary['interval']:.0%}"
    caption = f"{metric.asks} Large dot: mean over {tables.groups_name(inputs)}; line: its {level} interval."
    if marks is not None and drawn:
        beside = [f"{words.CONTROLS[mark]}: {words.CONTROLS_EXPLAINED[mark]}" for mark in drawn]
        caption += f" Beside it, {'; '.join(beside)}."
    return Figure(Markup(svg), caption.strip())


def controls(inputs: Inputs) -> dict[str, str]:
    """Name and explanation of each control that has a score in this study."""
    scored = set(inputs.metrics.loc[inputs.metrics["mean"].notna(), "method"])
    return {words.CONTROLS[name]: text for name, text in words.CONTROLS_EXPLAINED.items() if name in scored}


def family(inputs: Inputs, key: str) -> Family:
    """A family's section, without figures where its primary metric has no value at all."""
    methods = inputs.methods if inputs.judged(key) else ()
    comparisons = [_comparison(inputs, key, method, f"{key}-{i}") for i, method in enumerate(methods)]
    return Family(key, words.family(key), words.metric(inputs.primary(key)), sentences(inputs, key), comparisons)


def _comparison(inputs: Inputs, family: str, method: str, name: str) -> Comparison:
    dots = dots_figure(inputs, family, method, f"{name}-dots")
    cells, matrix, alpha = charts.pair_cells(inputs, family, method), None, inputs.summary["alpha"]
    if cells:
        real = [
            f"{cell.row} minus {cell.column} {words.number(cell.difference, sign=True)}"
            for cell in cells
            if cell.p <= alpha
        ]
        alt = f"Differences between models: {'; '.join(real) if real else 'none could be shown'}"
        caption = (
            f"Row minus column, with p after Holm's correction for testing {words.count(len(cells), 'pair')}. Coloured "
            f"and bold: a difference larger than chance explains (p at most {alpha:g})."
        )
        matrix = Figure(Markup(figures.pairs(f"{name}-pairs", cells, inputs.models, alpha, alt)), caption)
    return Comparison(
        method,
        dots,
        matrix,
        tables.primary(inputs, family, method),
        tables.others(inputs, family, method),
        tables.pairs(inputs, family, method) if cells else None,
    )


def left_out(inputs: Inputs) -> list[str]:
    """Why each model without competence is left out: its weakest training against the floor."""
    floor, chance = (inputs.summary["competence"][key] for key in ("floor", "chance"))
    texts = []
    for model in inputs.models:
        if model in inputs.competent:
            continue
        rows = [row for row in charts.checkpoints(inputs) if row.model == model and not row.competent]
        weak = min(rows, key=lambda row: row.low if math.isfinite(row.low) else -math.inf)
        why = (
            f"the interval of its balanced accuracy (seed {weak.seed}) starts at {words.number(weak.low)}, not above "
            f"the floor of {words.number(floor)}: too near to guessing, which scores {words.number(chance)}, to judge "
            f"its heatmaps."
            if math.isfinite(weak.low)
            else f"its balanced accuracy (seed {weak.seed}) has no interval, because some class has too few "
            f"{tables.groups_name(inputs)} in the test part. How well it classifies cannot be told."
        )
        texts.append(f"{model}: {why}")
    return texts


def coverage(inputs: Inputs) -> list[str]:
    """How many test images were explained, how many of those have a true region, and how many each family scored."""
    test = inputs.manifest[inputs.manifest["split"] == "test"]
    explained = test[test["image_id"].isin(inputs.index[inputs.models[0]]["image_id"])]
    marked = int((explained["truth"] != "none").sum())
    texts = [f"Heatmaps were made for {len(explained):,} of {words.count(len(test), 'test image')}."]
    if not marked:
        texts.append("None of these images has a mask of the true region: localization cannot be judged.")
    elif marked < len(explained):
        rest = len(explained) - marked
        texts.append(f"{rest:,} of these have no mask of a true region and do not enter localization.")
    return texts + [text for family in inputs.families for text in _scored_on(inputs, family, len(explained))]


def _scored_on(inputs: Inputs, family: str, explained: int) -> list[str]:
    """The images of a family with any score; nothing where none has one."""
    asked = inputs.scores[(inputs.scores["family"] == family) & inputs.scores["method"].isin(inputs.methods)]
    scored = asked[asked["value"].notna()]
    if scored.empty:
        return []
    images, groups = scored["image_id"].nunique(), words.GROUPS[inputs.summary["groups"]["kind"]]
    of = "" if groups[0] == "image" else f" of {words.count(scored['group'].nunique(), *groups)}"
    text = f"{family.capitalize()} was scored on {words.count(images, 'image')}{of}"
    if asked["image_id"].nunique() < explained:
        spread = "" if groups[0] == "image" else f" and spread over the {groups[1]}"
        text += f": a part of them, drawn at random{spread}, the same for every model"
    return [f"{text}."]
