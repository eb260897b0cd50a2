"""Robustness of the verdicts: other tests, variance components, missing scores, agreement of metrics; and published
claims."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from heatproof.report import words
from heatproof.report.inputs import Inputs
from heatproof.report.sections import statements
from heatproof.report.sections.relations import ON_CUE
from heatproof.report.tables import Table, groups_name
from heatproof.stats.claims.checks import EACH
from heatproof.stats.results import Agreement
from heatproof.text import numbers
from heatproof.text.words import called, compared


@dataclass(frozen=True)
class Matrix:
    """`rows`: name, and the correlation with each metric before it; a cell is its text and a share of colour."""

    title: str
    sentence: str
    rows: Sequence[tuple[str, Sequence[tuple[str, int]]]]


def make(inputs: Inputs) -> list[Matrix]:
    """Return a matrix a family, and one between the families' primary metrics."""
    tables = inputs.results.agreement
    return [_matrix(inputs, key, tables[key]) for key in (*inputs.families, "primary") if key in tables]


def _matrix(inputs: Inputs, key: str, table: Agreement) -> Matrix:
    names = [inputs.metric(name).name for name in table.metrics]
    rows = [(name, [_cell(table.correlation[i][j]) for j in range(i)]) for i, name in enumerate(names)]
    title = "Between the tested metrics" if key == "primary" else f"Within {key}"
    return Matrix(title, _sentence(names, table.correlation), rows)


def _cell(value: float | None) -> tuple[str, int]:
    return numbers.number(value), 0 if value is None else round(50 * max(0.0, value))


def _sentence(names: Sequence[str], matrix: Sequence[Sequence[float | None]]) -> str:
    """Return the range of all pairs, and the pairs at its ends."""
    pairs = sorted(
        (matrix[i][j], names[j], names[i]) for i in range(len(names)) for j in range(i) if matrix[i][j] is not None
    )
    if not pairs:
        return "No pair of metrics has enough scores in common."
    low, high = (
        f"{numbers.number(value)} ({words.inline(a)}; {words.inline(b)})" for value, a, b in (pairs[0], pairs[-1])
    )
    if len(pairs) == 1:
        return f"The rank correlation is {low}."
    middle = statistics.median(value for value, _, _ in pairs)
    return f"Rank correlations range from {low} to {high}; median of {len(pairs)} pairs: {numbers.number(middle)}."


TESTS = {
    "friedman": "Friedman",
    "rm_anova": "repeated-measures ANOVA",
    "mixed": "mixed model",
    "quasi_f": "quasi-F (with seeds)",
}
DECLARED = {
    "friedman": ("Wilcoxon's signed-rank test", "Friedman's test across all models, Wilcoxon's test for pairs"),
    "rm_anova": ("paired t tests", "repeated-measures ANOVA across all models, paired t tests for pairs"),
    "quasi_f": (
        "t tests that account for the variance between groups and between seeds",
        "quasi-F test across all models and t tests for pairs, which account for the variance between groups and seeds",
    ),
}
SOURCES = {
    "group": "{groups}",
    "group x model": "{groups} x model",
    "seed": "training seed",
    "residual": "residual",
}
LOOKS = {"supported": "all", "contradicted": "worse", "undecided": "empty"}


@dataclass(frozen=True)
class Claim:
    """`look` names how the verdict is drawn; its word says the same."""

    text: str
    source: str
    verdict: str
    look: str
    effect: str
    units: str  # groups and seeds
    evidence: str
    change: str
    place: str  # id of the element with its evidence


def claims(inputs: Inputs) -> list[Claim]:
    """Return published claims on such heatmaps, with the verdict of this study."""
    rows = []
    column = [end for row in inputs.results.claims for end in (row.effect, row.low, row.high) if numbers.finite(end)]
    for row in inputs.results.claims:
        ends = [row.effect, row.low, row.high]
        seeds = numbers.counted(row.seeds, "seed")
        groups = numbers.counted(row.groups, *numbers.UNITS[inputs.results.groups.kind]) if row.groups else ""
        place = "cue" if row.metric == ON_CUE else statements.anchor(inputs, row.family, row.method)
        of_parts = row.name in inputs.results.findings and row.method != EACH
        together = " (all measures together, in margins)" if of_parts else ""
        rows.append(
            Claim(
                f"{row.claim[:1].upper()}{row.claim[1:]}{together}",
                row.source,
                row.verdict,
                LOOKS[row.verdict],
                numbers.interval(*ends, beside=column),
                f"{groups}, {seeds}" if groups else "–",
                row.evidence,
                row.change,
                place,
            )
        )
    return rows


def declared(inputs: Inputs) -> tuple[str, str]:
    """Return the tests behind verdicts, in words: against controls, and between models."""
    return DECLARED["quasi_f" if inputs.over_seeds else inputs.results.test]


def tests(inputs: Inputs) -> Table | None:
    """Return p of every test across all models, by the main method's primary metrics."""
    table = inputs.tables["omnibus"]
    table = table[(table["factor"] == "model") & (table["within"] == inputs.lead)]
    rows = []
    for family in inputs.families:
        of = table[(table["family"] == family) & (table["metric"] == inputs.primary(family))].set_index("test")
        if len(of):
            p = {name: of["p"].get(name) for name in TESTS}
            declared = next(name for name in ("quasi_f", inputs.results.test, *TESTS) if name in of.index)
            rows.append((words.family(family).short, str(of.loc[declared, "groups"]), p))
    kept = [name for name in TESTS if any(numbers.finite(p[name]) for _, _, p in rows)]
    if not rows:
        return None
    head = ["metrics", groups_name(inputs), *map(TESTS.get, kept)]
    declared = TESTS["quasi_f" if inputs.over_seeds else inputs.results.test]
    caption = (
        f"Do the models differ? p of each test, {called(inputs.lead)}. Verdicts use {declared}, declared in advance"
    )
    return Table(caption, head, [[*names, *(numbers.p_value(p[name]) for name in kept)] for *names, p in rows])


def spread(inputs: Inputs) -> Table | None:
    """Return the variance components of the main method's scores, as shares."""
    table = inputs.tables["variance"]
    table = table[(table["method"] == inputs.lead) & table["share"].notna()]
    rows = []
    for family in inputs.families:
        of = table[table["family"] == family].set_index("component")["share"]
        if len(of):
            rows.append([words.family(family).short, *(numbers.share(of.get(name)) for name in SOURCES)])
    if not rows:
        return None
    head = ["metrics", *(name.format(groups=groups_name(inputs)) for name in SOURCES.values())]
    return Table(
        f"Variance components of the scores within a model, {called(inputs.lead)} (mixed model)",
        head,
        rows,
    )


def sensitivity(inputs: Inputs) -> Table | None:
    """Return the verdicts that change if missing scores count as the worst."""
    table = inputs.tables["sensitivity"]
    rows = [
        [
            words.family(row["family"]).short,
            row["method"],
            compared(row["subject"]),
            str(row["missing"]),
            *map(compared, (row["main"], row["worst_rank"])),
        ]
        for _, row in table[table["changed"]].iterrows()
    ]
    head = ["metrics", "method", "subject", "missing scores", "verdict", "if counted as the worst"]
    return Table("Verdicts that depend on missing scores", head, rows) if rows else None


def counted(inputs: Inputs) -> str:
    """State whether any verdict depends on missing scores."""
    table: pd.DataFrame = inputs.tables["sensitivity"]
    if table.empty:
        return ""
    changed = int(table["changed"].sum())
    what = "Counting every missing score as the worst observed one"
    if not changed:
        return f"{what} changes none of the {len(table):,} verdicts."
    return f"{what} changes {changed:,} of {len(table):,} verdicts."
