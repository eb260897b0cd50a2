"""Files for a paper: figures as SVG and PNG, tables as LaTeX, the methods section with references, the scorecard."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from heatproof.report import page, tables, words
from heatproof.report.figures import canvas, curves
from heatproof.report.figures.canvas import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.paper import methods, scorecard
from heatproof.report.paper import tables as latex
from heatproof.report.paper import tables as paper_tables
from heatproof.store import artifacts
from heatproof.text.words import called


def write(inputs: Inputs, study: dict) -> list[Path]:
    """Write every file that `artifacts.paths` names; the same bytes each time.

    Args:
        inputs: what the stages before left.
        study: the study's resolved configuration.
    """
    folder = artifacts.folder(inputs.study)
    for name in artifacts.FIGURES:
        drawn = canvas.svg(figure(inputs, name))
        _write(folder / f"{name}.svg", drawn.encode())
        _write(folder / f"{name}.png", canvas.png(drawn))
    for name in artifacts.TABLES:
        _write(folder / f"{name}.tex", table(inputs, name).encode())
    for name, text in zip(artifacts.TEXTS, methods.write(inputs, study), strict=True):
        _write(folder / name, text.encode())
    card = scorecard.make(inputs)
    stored = json.dumps(card.stored(), indent=2, ensure_ascii=False, allow_nan=False)
    for name, text in zip(artifacts.SCORECARD, (f"{stored}\n", card.markdown()), strict=True):
        _write(folder / name, text.encode())
    return artifacts.paths(inputs.study)


def _write(path: Path, content: bytes) -> None:
    with artifacts.replacing(path) as temporary:
        temporary.write_bytes(content)


def figure(inputs: Inputs, name: str) -> str:
    """A figure of the lead method as SVG for the page, or the words that say why there is none."""
    if name == "accuracy":
        return page.accuracy_figure(inputs, "paper-accuracy").svg
    family = name.removesuffix("_ranks")
    if reason := missing(inputs, family):
        return canvas.message(f"paper-{name}", f"No figure of {family}: {reason}.")
    drawn: Figure | None
    if name == family:
        drawn = page.dots_figure(inputs, family, inputs.lead, f"paper-{name}")
    else:
        drawn = curves.make(inputs, family, inputs.lead, f"paper-{name}")
    if drawn is None:
        why = f"too few {tables.groups_name(inputs)} have a score of every model, or there is but one model"
        return canvas.message(f"paper-{name}", f"No mean ranks of {family}: {why}.")
    return drawn.svg


def missing(inputs: Inputs, family: str) -> str | None:
    """Why a family has no score to draw; None where it has one."""
    if family not in inputs.families:
        return "this study does not score it (score.families)"
    metric = inputs.primary(family)
    if metric is None:
        return "none of its metrics is tested"
    if inputs.judged(family, inputs.lead):
        return None
    name = words.inline(words.metric(metric).name)
    counts = inputs.tables["missing"]
    counts = counts[(counts["metric"] == metric) & (counts["method"] == inputs.lead)]
    reasons = counts.groupby("reason")["scores"].sum().sort_values(ascending=False, kind="stable").index
    stated = "; ".join(words.reason(text) for text in reasons)
    return f"no heatmap of {called(inputs.lead)} has a value of {name}" + (f" ({stated})" if stated else "")


def table(inputs: Inputs, name: str) -> str:
    """A table as LaTeX; one without rows says so."""
    makers: dict[str, Callable[[Inputs], paper_tables.PaperTable]] = {
        "models": paper_tables.models,
        "scores": paper_tables.scores,
        "pairs": paper_tables.pairs,
        "claims": paper_tables.claims,
    }
    made = makers[name](inputs)
    if not made.table.rows:
        return f"% {latex.escape(made.empty)}\n"
    source = artifacts.stats_dir(inputs.study) / made.source
    caption = " ".join(filter(None, [made.table.caption, inputs.setting_short]))
    return latex.table(
        replace(made.table, caption=caption), f"{inputs.study}-{name}", made.columns, made.breaks, str(source)
    )
