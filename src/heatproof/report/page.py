"""The page: which figures and tables stand where, and the words between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from heatproof.catalogue.families import CONTROLS, FAMILIES
from heatproof.report import tables, words
from heatproof.report.figures import curves, dot_rows
from heatproof.report.figures.canvas import Figure
from heatproof.report.inputs import MEANING, Inputs
from heatproof.report.paper import provenance, scorecard
from heatproof.report.sections import (
    classification,
    data,
    data_tables,
    explorer,
    gallery,
    overview,
    relations,
    statements,
    trust,
)
from heatproof.report.words import environment
from heatproof.stats.statements import verdicts
from heatproof.store import artifacts
from heatproof.text import audit as audit_text
from heatproof.text import numbers
from heatproof.text.sentences import sentence
from heatproof.text.words import called

ALARMS = 3  # shown on the first screen


@dataclass(frozen=True)
class Comparison:
    """One method's scores in one family, with figures for the first method only, which keeps the page small."""

    method: str
    place: str  # id of its element
    summary: str
    sentences: list[str]  # verdicts
    tests: list[str]  # behind the verdicts
    cautions: list[str]
    dots: Figure | None
    pairs: Figure | None
    ranks: Figure | None
    courses: Figure | None  # deletion and insertion curves
    primary: tables.Table
    others: tables.Table | None
    pair_table: tables.Table | None


@dataclass(frozen=True)
class Family:
    """Scores of one family; `sentences` are of the first method, where it has no comparison."""

    key: str
    words: words.Family
    metric: words.Metric | None
    sentences: list[str]
    comparisons: list[Comparison]
    means: tables.Table | None  # of metrics without a test, by all methods
    described: tables.Table | None


def render(inputs: Inputs, config: dict, study_config: dict, record: dict | None = None) -> str:
    """Render the whole report as HTML.

    Args:
        inputs: results of the earlier stages.
        config: section `report`: title, question, gallery.
        study_config: the resolved configuration of the study, printed without the folders of absolute paths.
        record: origin of the report (`provenance.gather`); gathered here if not given.
    """
    record = record or provenance.gather(inputs, study_config)[0]
    shown = gallery.make(inputs, config["gallery"])
    kind = inputs.results.groups.kind
    alarms = [audit_text.sentence(one) for one in inputs.audit.of_level("alarm")]
    (in_short, answer), cautions = statements.answer(inputs), statements.cautions(inputs)
    key = key_figure(inputs)
    glance = overview.make(inputs)
    doubtful = [name for names in inputs.results.better.values() for name in names if inputs.is_doubtful(name)]
    drawn = inputs.primary(key_family) if (key_family := _key_family(inputs)) else ""
    spoken = {one.one("metric") for one in inputs.results.answer} | {drawn}
    first = spoken & inputs.doubtful
    contents: list[tuple[str, str]] = []

    def begin(place: str, title: str) -> str:
        """Return a section's title, and note it for the contents."""
        contents.append((place, title))
        return title

    template = environment("heatproof.report").get_template("report.html.j2")
    return template.render(
        contents=contents,
        begin=begin,
        study=inputs.study,
        title=config["title"] or f"Study {inputs.study}",
        question=config["question"],
        alarms=alarms[:ALARMS],
        more_alarms=len(alarms[ALARMS:]),
        notes=len(inputs.audit.of_level("note")),
        setting=" ".join(sentence(one) for one in inputs.results.about("setting") if one.kind == "setting.full"),
        in_short=in_short,
        answer=answer,
        cautions=cautions,
        claims=trust.claims(inputs),
        scorecard=scorecard.make(inputs),
        tests=trust.tests(inputs),
        declared=trust.declared(inputs),
        spread=trust.spread(inputs),
        layers=tables.layers(inputs),
        sensitivity=trust.sensitivity(inputs),
        worst=trust.counted(inputs),
        mark=MEANING,
        mark_first=bool(first),
        mark_anywhere=bool(doubtful),
        overview=glance,
        lines=overview.make_lines(inputs),
        examples=gallery.examples(inputs),
        retrained=gallery.retrained(inputs),
        next_steps=next_steps(inputs, len(alarms)),
        combined=overview.make_combined(inputs),
        refused=overview.refusals(inputs),
        methods=overview.methods(inputs),
        lead=inputs.lead,
        agreement=trust.make(inputs),
        scores=explained(inputs, bool(alarms)),
        key=key,
        data=data.make(inputs),
        data_title=data_tables.TITLE,
        scores_words=data_tables.SCORES,
        comparison=overview.make_splits(inputs),
        published=overview.make_published(inputs),
        accuracy=accuracy_figure(inputs, "accuracy"),
        models=tables.models(inputs),
        recall=None if inputs.multilabel else tables.recall(inputs),
        labels=classification.make_labels(inputs),
        ensembles=overview.make_ensembles(inputs),
        multilabel=inputs.multilabel,
        cases=" ".join(map(sentence, inputs.results.about("cases"))),
        profiles=profiles(inputs),
        classification=classification.make(inputs),
        relations=relations.make(inputs),
        cue=relations.make_cue(inputs),
        readers=tables.reader_sentences(inputs),
        readers_table=tables.readers(inputs),
        regressions=tables.regressions(inputs),
        families=[family(inputs, key) for key in inputs.families],
        gallery=shown,
        explorer=explorer.make(inputs, config["images"]),
        gallery_metric=inputs.metric(inputs.primary(shown.family)) if shown.family else None,
        scale=gallery.scale(),
        left_out=statements.models(inputs),
        missing=tables.missing(inputs),
        coverage=statements.coverage(inputs),
        folds=len(inputs.folds),
        parts=data_tables.parts(inputs.audit, len(inputs.folds)),
        assigned=data_tables.apart(inputs.audit),
        grouped=data_tables.GROUPED[data_tables.kept(inputs.audit)],
        controls=controls(inputs),
        ceiling=CONTROLS["ceiling"].title,
        accuracy_title=words.ACCURACY,
        groups=numbers.UNITS[kind],
        interval=f"{inputs.results.interval:.0%}",
        alpha=f"{inputs.results.alpha:g}",
        number=numbers.number,
        inline=words.inline,
        listed=numbers.listed,
        facts=provenance.facts(record),
        stages=provenance.stages(record),
        digest=provenance.data_digest(inputs),
        cards=provenance.cards(inputs),
        parameters=provenance.parameters(study_config),
    )


def next_steps(inputs: Inputs, alarms: int) -> list[str]:
    """Return what to do next if no model performs above chance, else nothing."""
    if inputs.competent:
        return []
    checkpoints = [(row.model, row.accuracy, row.low) for row in dot_rows.checkpoints(inputs)]
    steps = verdicts.next_steps(inputs.results, checkpoints, inputs.pixels.shape[-1], alarms)
    return [sentence(one) for one in steps]


def profiles(inputs: Inputs) -> str:
    """Return the page of the study's neuron activation profiles, if there is one next to this page."""
    path = artifacts.report_path(inputs.study)
    beside = path.with_name(f"{path.stem}_profiles.html")
    return beside.name if beside.exists() else ""


def explained(inputs: Inputs, alarming: bool) -> str:
    """Explain the measure of accuracy, if the first screen mentions it: in its figure, an alarm or a statement."""
    stated = [*inputs.results.answer, *inputs.results.statements]
    spoken = any({"floor", "chance", "random"} & set(one.numbers) for one in stated)
    scores = classification.SCORES if inputs.multilabel else data_tables.SCORES
    return scores if spoken or alarming or not _key_family(inputs) else ""


def _key_family(inputs: Inputs) -> str:
    """Return the first family with a verdict; "" where there is none."""
    judged = (family for family in inputs.families if inputs.judged(family, inputs.lead))
    return next(judged, "") if inputs.competent else ""


def key_figure(inputs: Inputs) -> Figure:
    """Draw the figure of the first screen: the first family with a verdict, or accuracy where there is none."""
    family = _key_family(inputs)
    if not family:
        return replace(accuracy_figure(inputs, "key"), title=words.ACCURACY)
    fair = words.family(family).controls
    marks = [mark for mark, control in CONTROLS.items() if control.key and mark in fair] or fair
    figure = dots_figure(inputs, family, inputs.lead, "key", marks)
    return replace(figure, title=words.family(family).title)


def accuracy_figure(inputs: Inputs, name: str) -> Figure:
    rows, competence = dot_rows.checkpoints(inputs), inputs.results.competence
    means = [f"{called(row.model)} seed {row.seed} {numbers.number(row.accuracy)}" for row in rows]
    alt = f"{inputs.measure[:1].upper()}{inputs.measure[1:]}: {', '.join(means)}"
    svg = dot_rows.accuracy(name, rows, competence.chance, competence.floor, alt, inputs.measure)
    caption = (
        f"{inputs.measure[:1].upper()}{inputs.measure[1:]} on {_tested(inputs)}. Dot: one "
        f"{'seed, all folds together' if len(inputs.folds) > 1 else 'training run'}; line: "
        f"{inputs.results.interval:.0%} interval. A model performs above chance, and gets verdicts, if all its "
        f"intervals lie above {numbers.number(competence.floor)} (chance is {numbers.number(competence.chance)})."
    )
    return Figure(Markup(svg), caption)


def _tested(inputs: Inputs) -> str:
    """Return words for the test images: whether the models may have been trained on them."""
    unstated = inputs.results.setting.unstated
    if not unstated:
        return "unseen test images"
    whose = "they" if len(unstated) == len(inputs.trained) else numbers.listed([*map(called, unstated)])
    return f"the test images, on which {whose} may have been trained"


def dots_figure(inputs: Inputs, family: str, method: str, name: str, marks: Sequence[str] | None = None) -> Figure:
    """Draw one family and method; `marks` are the controls to draw and explain in the caption, instead of all."""
    metric, rows = inputs.metric(inputs.primary(family)), dot_rows.dot_rows(inputs, family, method)
    if marks is not None:
        rows = [replace(row, marks={mark: row.marks[mark] for mark in marks if mark in row.marks}) for row in rows]
    means = [f"{called(row.model)} {numbers.interval(row.mean, row.low, row.high)}" for row in rows]
    drawn = [mark for mark in words.CONTROLS if any(mark in row.marks for row in rows)]
    for mark in drawn:
        values = [row.marks[mark] for row in rows if mark in row.marks]
        means.append(f"{words.CONTROLS[mark]} {numbers.span(values)}")
    alt = f"{metric.name} of {called(method)}: {'; '.join(means)}"
    svg = dot_rows.dots(name, rows, f"{words.inline(metric.name)} ({metric.direction})", alt)
    level = f"{inputs.results.interval:.0%}"
    caption = f"{metric.asks} Large dot: mean over {tables.groups_name(inputs)}; line: {level} interval."
    if marks is not None and drawn:
        explained = [f"{CONTROLS[mark].title}: {CONTROLS[mark].explained}" for mark in drawn]
        caption += f" Controls and yardsticks: {'; '.join(explained)}."
    return Figure(Markup(svg), caption.strip())


def controls(inputs: Inputs) -> dict[str, str]:
    """Return name and explanation of each control that has a score in this study."""
    scored = set(inputs.metrics.loc[inputs.metrics["mean"].notna(), "method"])
    texts = {control.title: control.explained for name, control in CONTROLS.items() if name in scored}
    shared = CONTROLS["other_image"].title
    if shared in texts and len(inputs.methods) > 1 and not any(name.startswith("other_image:") for name in scored):
        texts[shared] += f" (of {called(inputs.lead)}, for all methods)"
    return texts


def family(inputs: Inputs, key: str) -> Family:
    """Return a family's section, the first method first; without figures where its primary metric has no value."""
    order = [inputs.lead, *(method for method in inputs.methods if method != inputs.lead)]
    tested = inputs.primary(key) is not None
    methods = [method for method in order if tested and inputs.judged(key, method)]
    comparisons = [_comparison(inputs, key, method, f"{key}-{i}") for i, method in enumerate(methods)]
    sentences = statements.of(inputs, key, inputs.lead) if inputs.lead not in methods else []
    metric = inputs.metric(inputs.primary(key)) if tested else None
    described = None if tested else tables.described(inputs, key)
    return Family(key, words.family(key), metric, sentences, comparisons, tables.means(inputs, key), described)


def _comparison(inputs: Inputs, family: str, method: str, name: str) -> Comparison:
    first = method == inputs.lead
    cells = dot_rows.pair_cells(inputs, family, method)
    return Comparison(
        method,
        f"{family}-{method}",
        _verdict(inputs, family, method),
        *(statements.of(inputs, family, method, [kind]) for kind in ("verdict", "test", "caution")),
        dots_figure(inputs, family, method, f"{name}-dots") if first else None,
        _pairs_figure(inputs, family, method, cells, name) if first and cells else None,
        curves.make(inputs, family, method, f"{name}-ranks") if first else None,
        curves.make_courses(inputs, method, f"{name}-courses") if first and FAMILIES[family].curves else None,
        tables.primary(inputs, family, method),
        tables.others(inputs, family, method) if first else None,
        tables.pairs(inputs, family, method) if cells else None,
    )


def _pairs_figure(inputs: Inputs, family: str, method: str, cells: Sequence[dot_rows.Pair], name: str) -> Figure:
    real = [
        f"{called(cell.row)} minus {called(cell.column)} {numbers.number(cell.difference, sign=True)}"
        for cell in cells
        if cell.apart
    ]
    alt = f"Differences between models: {'; '.join(real) if real else 'none is significant'}"
    level = inputs.results.families[family].outcomes[method].shares.models
    gate = " and the test across all models is significant" if len(cells) > 1 else ""
    caption = (
        f"Row minus column, with p (Holm-corrected for {numbers.counted(len(cells), 'pair')}). Coloured and bold: "
        f"significant difference (p at most {level:g}{gate})."
    )
    return Figure(Markup(dot_rows.pairs(f"{name}-pairs", cells, inputs.trained, alt)), caption)


def _verdict(inputs: Inputs, family: str, method: str) -> str:
    """Return the summary next to the name of a folded method."""
    cell = overview.cell(inputs, family, method)
    return f"{words.family(family).beaten}: {cell.verdict}; mean {cell.means}" if cell.means else cell.verdict
