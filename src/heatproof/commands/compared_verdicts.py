"""Which verdicts of two results differ: decisions one by one, and statements that only one of them has.

A decision is a word (better, supported, told apart), never a number; a statement is another one if its kind, subjects
or reason differ, whatever its numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from heatproof.catalogue.families import families_with
from heatproof.core.statements import Statement
from heatproof.data.audit.results import read_audit
from heatproof.stats.results import Pairs, StudyResults
from heatproof.stats.verdicts import rules
from heatproof.store.artifacts import read_json, read_table
from heatproof.store.tables import TABLES
from heatproof.text import audit
from heatproof.text.sentences import sentence

Placed = Sequence[tuple[str, Statement]]  # a statement, and where it stands
NOT_THERE = "not there"
# table -> the columns that name a row, those that hold a decision
DECIDED = {
    "models": (["model", "seed"], ["competent"]),
    "controls": (["family", "metric", "method", "model", "control"], ["verdict"]),
    "sensitivity": (["family", "metric", "method", "question", "subject"], ["main", "worst_rank"]),
    "claims": (["name"], ["verdict"]),
}
FILES = ("summary.json", *(f"{name}.csv" for name in (*DECIDED, "pairs", "relations")))
AUDIT = "audit.json"


def compare_verdicts(a: Path, b: Path) -> dict:
    """Of two folders `results/stats/<study>`.

    Returns:
        `compared` decisions; `changed`, rows of `what`, `a` and `b`; `sentences`, rows of `where`, `a` and `b`.
    """
    one, other = (StudyResults.of(read_json(of / "summary.json"), str(of / "summary.json")) for of in (a, b))
    here, there = decisions(a, one), decisions(b, other)
    names = list(dict.fromkeys([*here, *there]))
    changed = [
        {"what": name, "a": here.get(name, NOT_THERE), "b": there.get(name, NOT_THERE)}
        for name in names
        if here.get(name) != there.get(name)
    ]
    return {"compared": len(names), "changed": changed, "sentences": differing(_stated(one), _stated(other))}


def _stated(results: StudyResults) -> list[tuple[str, Statement]]:
    rows = [*([results.in_short] if results.in_short else []), *results.answer, *results.statements]
    return [(", ".join(filter(None, [one.kind, one.one("family"), one.one("method")])), one) for one in rows]


def differing(a: Placed, b: Placed, write: Callable[[Statement], str] = sentence) -> list[dict]:
    """Return the statements that only one of two results has, numbers aside: rows of `where`, `a` and `b`."""
    rows: list[dict] = []
    for side, mine, others in (("a", a, b), ("b", b, a)):
        left = Counter(_essence(where, one) for where, one in others)
        for where, one in mine:
            if left[_essence(where, one)]:
                left[_essence(where, one)] -= 1
                continue
            rows.append({"where": where, "a": NOT_THERE, "b": NOT_THERE} | {side: write(one)})
    return rows


def _essence(where: str, one: Statement) -> tuple:
    return where, one.kind, tuple(sorted((role, tuple(names)) for role, names in one.subjects.items())), one.reason


def compare_audits(a: Path, b: Path) -> list[dict]:
    """Of two folders `results/data/<study>`, the findings that only one audit has: rows of `where`, `a` and `b`."""
    here, there = ([(one.level, one.statement) for one in read_audit(of / AUDIT).findings] for of in (a, b))
    return differing(here, there, audit.sentence)


def decisions(folder: Path, results: StudyResults) -> dict[str, str]:
    """What is decided -> the decision."""
    tables = {name: read_table(folder / f"{name}.csv", TABLES[name]) for name in (*DECIDED, "pairs", "relations")}
    found = {}
    for name, (keys, columns) in DECIDED.items():
        for row in tables[name].to_dict("records"):
            for column in columns:
                subject = ", ".join(str(row[key]) for key in keys)
                found[f"{subject}: {'' if name in subject else name + ' '}{column}"] = str(row[column])
    found |= dict(_of_results(results, tables["pairs"]))
    return found | dict(_of_relations(tables["relations"], results))


def _of_results(results: StudyResults, pairs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for family, of in results.families.items():
        for method, outcome in of.outcomes.items():
            at = f"{family}, {method}"
            yield from ((f"{at}, {model}: against all controls", word) for model, word in outcome.verdicts.items())
            yield f"{at}: applies to", outcome.population
            yield f"{at}: the models differ", "shown" if outcome.differs else "not shown"
            rows = pairs[(pairs["family"] == family) & (pairs["metric"] == of.metric) & (pairs["within"] == method)]
            for row in rows[rows["factor"] == "model"].to_dict("records"):
                yield f"{at}: {row['a']} and {row['b']}", _pair(row, outcome.pairs)
        for model, tells in of.separates.items():
            yield f"{family}, {model}: separates the true region from a random map", str(tells)
        for row in of.methods_apart:
            methods = " and ".join(sorted([row.over, row.under]))
            yield f"{family}, {row.model}: {methods}", f"{row.over} over {row.under}"
    for row in results.combined:
        for family in families_with("rates_maps"):
            yield f"{row.method}, {row.model}: {family} in the combined verdict", getattr(row, family).verdict
    for method, by_model in results.refused.items():
        yield from ((f"{method}, {model}", f"refused: {reason}") for model, reason in by_model.items())
    for model in results.comparison.random if results.comparison else ():
        clear = model in results.comparison.clear
        yield f"{model}: the fall from a random split", "shown" if clear else "not significant"


def _pair(row: dict, told: Pairs) -> str:
    names = (row["a"], row["b"])
    parts = [" over ".join(names if row["difference"] > 0 else names[::-1])] if names in told.told_apart else []
    parts += ["equivalent"] if names in told.equivalent else []
    parts += ["within seeds"] if names in told.within_seeds else []
    return ", ".join(parts) or "no significant difference"


def _of_relations(table: pd.DataFrame, results: StudyResults) -> Iterator[tuple[str, str]]:
    """Whether scores go with a covariate, model by model, and with accuracy across models."""
    for row in table[table["p_corrected"].notna()].to_dict("records"):
        name = ", ".join(row[key] for key in ("family", "metric", "method", "model", "covariate"))
        yield f"{name}: relation", _sign(row["p_corrected"], row["rho"], results.alpha)
    for family, methods in results.accuracy_relations.items():
        for method, found in methods.items():
            yield f"{family}, {method}: with accuracy", _sign(found.p, found.rho, results.alpha)


def _sign(p: float | None, rho: float | None, alpha: float) -> str:
    return {0: "not shown", 1: "rises", -1: "falls"}[rules.sign(p, rho, alpha)]
