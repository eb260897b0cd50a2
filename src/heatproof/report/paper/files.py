"""Files for a paper: figures as SVG and PNG, tables as LaTeX, the methods section with references, the scorecard."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from heatproof.report import page, tables, words
from heatproof.report.figures import canvas, curves, dot_rows
from heatproof.report.figures.canvas import Figure
from heatproof.report.inputs import Inputs
from heatproof.report.paper import methods, scorecard
from heatproof.report.tables import Table
from heatproof.store import artifacts
from heatproof.text import numbers
from heatproof.text.words import called

LONG = 40  # rows from which a table runs over pages
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "†": r"\textdagger{}",
    "…": r"\dots{}",
    "→": r"$\rightarrow$",
}


def escape(text: str) -> str:
    r"""Text that LaTeX prints as it is; control characters become spaces. A long name may break after `_`."""
    text = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())
    text = "".join(_SPECIAL.get(letter, letter) for letter in text).replace(r"\_", r"\_\allowbreak{}")
    return f"{{{text[0]}}}{text[1:]}" if text.startswith(("[", "*")) else text  # after `\\` they would be its options


def latex(data: Table, label: str, columns: str | None = None, breaks: Sequence[int] = (), source: str = "") -> str:
    r"""A table with its head.

    Args:
        data: caption, head and rows, as on the page.
        label: for `\ref{tab:label}`.
        columns: LaTeX's column types; all to the left by default.
        breaks: rows, counted from 0, above which a line is drawn.
        source: the file that has the numbers in full.
    """
    head = " & ".join(escape(cell) for cell in data.head) + r" \\"
    rows = []
    for i, row in enumerate(data.rows):
        rows += [r"\midrule"] if i in breaks else []
        rows.append(" & ".join(escape(called(cell)) for cell in row) + r" \\")
    named = rf"\caption{{{escape(data.caption)}}}\label{{tab:{label}}}"
    columns = columns or "l" * len(data.head)
    long = len(data.rows) > LONG
    packages = [r"\usepackage{booktabs}", r"\usepackage{longtable}"] if long else [r"\usepackage{booktabs}"]
    lines = [f"% Needs {' and '.join(packages)}." + (f" The numbers in full: {source}" if source else "")]
    if long:
        lines += [r"{\footnotesize", rf"\begin{{longtable}}{{{columns}}}", rf"{named} \\", r"\toprule", head]
        lines += [r"\midrule", r"\endfirsthead", r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule"]
        lines += [r"\endlastfoot", *rows, r"\end{longtable}", "}"]
    else:
        lines += [r"\begin{table}", r"\centering\footnotesize", named, rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        lines += [head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


BESIDE = ("random", "center", "other_image", "ceiling")  # controls and the yardstick that a paper has room for


@dataclass(frozen=True)
class PaperTable:
    """A table, the CSV file that has its numbers in full, what to say where it has no row, and how to set it."""

    table: Table
    source: str
    empty: str
    columns: str | None = None
    breaks: Sequence[int] = ()


def models(inputs: Inputs) -> PaperTable:
    """Accuracy of every training."""
    made = tables.models(inputs)
    level = f"{inputs.results.interval:.0%}"
    of = "seed of every model (all folds together)" if len(inputs.folds) > 1 else "training run"
    measure = f"{inputs.measure[:1].upper()}{inputs.measure[1:]}"
    caption = (
        f"{measure} and macro F1 of every {of} on test images, with {level} intervals over "
        f"{tables.groups_name(inputs)}. A model gets verdicts if the lower end of every interval of its "
        f"{inputs.measure} lies above {numbers.number(inputs.results.competence.floor)}."
    )
    return PaperTable(Table(caption, made.head, made.rows), "models.csv", "No model was tested.")


def scores(inputs: Inputs) -> PaperTable:
    """The primary metric of every family: a row a method and model, and below them controls."""
    families = [family for family in inputs.families if inputs.primary(family) and inputs.judged(family)]
    rows: list[list[str]] = []
    breaks = []
    for method in (*inputs.methods, *BESIDE):
        made = [[model, *(_mean(inputs, family, method, model) for family in families)] for model in inputs.models]
        found = [[words.CONTROLS.get(method, method), *row] for row in made if any(row[1:])]
        breaks += [len(rows)] if rows and found else []
        rows += [[cell or numbers.NONE for cell in row] for row in found]
    named = [f"{words.inline(words.metric(inputs.primary(f)).name)} ({f})" for f in families]
    lower = [words.inline(inputs.metric(inputs.primary(f)).name) for f in families if _lower(inputs, f)]
    caption = (
        f"Means over {tables.groups_name(inputs)} with {inputs.results.interval:.0%} intervals: "
        f"{numbers.listed(named)}. "
        + (f"Lower is better for {numbers.listed(lower)}. " if lower else "")
        + "Controls are made without the model; the true region at this grid is a yardstick."
    )
    head = ["method", "model", *families]
    return PaperTable(
        Table(caption, head, rows), "metrics.csv", "No heatmap has a score that is tested.", breaks=breaks
    )


def _lower(inputs: Inputs, family: str) -> bool:
    return inputs.metric(inputs.primary(family)).better == "lower"


def _mean(inputs: Inputs, family: str, method: str, model: str) -> str | tables.Numbers:
    """A mean with its interval, that of a control alone; "" where there is none, or the control is another family's."""
    if method in words.CONTROLS and method not in words.family(family).controls:
        return ""
    table = inputs.metrics
    table = table[(table["family"] == family) & (table["metric"] == inputs.primary(family)) & (table["model"] == model)]
    own = table[table["method"] == f"{method}:{inputs.lead}"]  # a control that was made for the lead method
    found = own if len(own) else table[table["method"] == method]
    if found.empty or found["mean"].isna().iloc[0]:
        return ""
    row = found.iloc[0]
    if method in words.CONTROLS:
        return tables.value(row["mean"])
    return tables.interval(row["mean"], row["low"], row["high"])


def pairs(inputs: Inputs) -> PaperTable:
    """Every pair of models by the lead method, family by family."""
    rows: list[list[str]] = []
    breaks = []
    for family in inputs.families:
        cells = dot_rows.pair_cells(inputs, family, inputs.lead) if inputs.primary(family) else []
        breaks += [len(rows)] if rows and cells else []
        for cell in cells:
            difference = tables.value(cell.difference, sign=True, unit=family)
            effect = tables.value(cell.effect, sign=True)
            rows.append(
                [family, f"{called(cell.row)} − {called(cell.column)}", difference, effect, numbers.p_value(cell.p)]
            )
    caption = (
        f"Pairs of models by {called(inputs.lead)}: difference of means over {tables.groups_name(inputs)}, "
        f"rank-biserial "
        f"correlation, and p after Holm's correction within each family."
    )
    head = ["family", "pair", "difference", "effect", "p, corrected"]
    empty = "No two models have scores of the same groups to compare."
    return PaperTable(Table(caption, head, rows), "pairs.csv", empty, breaks=breaks)


def claims(inputs: Inputs) -> PaperTable:
    """Claims of others, each with its verdict and the numbers."""
    rows = [
        [
            row["source"],
            row["claim"],
            row["verdict"],
            tables.interval(row["effect"], row["low"], row["high"]),
            numbers.p_value(row["p"]),
            row["evidence"],
        ]
        for _, row in inputs.tables["claims"].iterrows()
    ]
    head = ["source", "claim", "verdict", "effect [interval]", "p", "evidence"]
    caption = "Claims of others on heatmaps, as this study finds them."
    wide = "p{2cm}p{3.6cm}lp{2cm}lp{5.2cm}"
    return PaperTable(Table(caption, head, rows), "claims.csv", "No claim was declared (stats.claims).", wide)


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
    makers: dict[str, Callable[[Inputs], PaperTable]] = {
        "models": models,
        "scores": scores,
        "pairs": pairs,
        "claims": claims,
    }
    made = makers[name](inputs)
    if not made.table.rows:
        return f"% {escape(made.empty)}\n"
    source = artifacts.stats_dir(inputs.study) / made.source
    caption = " ".join(filter(None, [made.table.caption, inputs.setting_short]))
    return latex(replace(made.table, caption=caption), f"{inputs.study}-{name}", made.columns, made.breaks, str(source))
