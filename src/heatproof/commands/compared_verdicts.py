"""Which verdicts of two results differ: decisions one by one, and sentences that say something else.

A decision is a word (better, supported, told apart), never a number. A sentence counts as another one if its words
differ once its numbers are taken out.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from heatproof.catalogue.families import families_with
from heatproof.store.artifacts import read_json, read_table
from heatproof.store.tables import TABLES

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
NUMBER = re.compile(r"(?<![\w.])[-±]?\d+(?:[.,]\d+)*(?:e[-+]?\d+)?%?(?![\w])")


def compare_verdicts(a: Path, b: Path) -> dict:
    """Of two folders `results/stats/<study>`.

    Returns:
        `compared` decisions; `changed`, rows of `what`, `a` and `b`; `sentences`, rows of `where`, `a` and `b`.
    """
    one, other = read_json(a / "summary.json"), read_json(b / "summary.json")
    here, there = decisions(a, one), decisions(b, other)
    names = list(dict.fromkeys([*here, *there]))
    changed = [
        {"what": name, "a": here.get(name, NOT_THERE), "b": there.get(name, NOT_THERE)}
        for name in names
        if here.get(name) != there.get(name)
    ]
    return {"compared": len(names), "changed": changed, "sentences": _said_otherwise(one, other)}


def compare_audits(a: Path, b: Path) -> list[dict]:
    """Of two folders `results/data/<study>`, what the audit says otherwise: rows of `where`, `a` and `b`."""
    return _said_otherwise(read_json(a / AUDIT), read_json(b / AUDIT))


def decisions(folder: Path, summary: dict) -> dict[str, str]:
    """What is decided -> the decision."""
    tables = {name: read_table(folder / f"{name}.csv", TABLES[name]) for name in (*DECIDED, "pairs", "relations")}
    found = {}
    for name, (keys, columns) in DECIDED.items():
        for row in tables[name].to_dict("records"):
            for column in columns:
                subject = ", ".join(str(row[key]) for key in keys)
                found[f"{subject}: {'' if name in subject else name + ' '}{column}"] = str(row[column])
    found |= dict(_of_summary(summary, tables["pairs"]))
    return found | dict(_of_relations(tables["relations"], summary))


def _of_summary(summary: dict, pairs: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for family, methods in summary["verdicts"].items():
        metric = summary["primary"][family]["metric"]
        for method, by_model in methods.items():
            at = f"{family}, {method}"
            yield from ((f"{at}, {model}: against all controls", word) for model, word in by_model.items())
            yield f"{at}: speaks of", summary["population"][family][method]
            p, level = summary["omnibus"][family][method]["p"], summary["shares"][family][method]["models"]
            yield f"{at}: the models differ", "shown" if p is not None and p <= level else "not shown"
            told = summary["pairs"][family][method]
            of = pairs[(pairs["family"] == family) & (pairs["metric"] == metric) & (pairs["within"] == method)]
            for row in of[of["factor"] == "model"].to_dict("records"):
                yield f"{at}: {row['a']} and {row['b']}", _pair(row, told)
    for family, by_model in summary["separates"].items():
        for model, tells in by_model.items():
            yield f"{family}, {model}: tells the truth from a random map", str(tells)
    for row in summary.get("combined", []):
        for family in families_with("rates_maps"):
            yield f"{row['method']}, {row['model']}: {family} in the combined verdict", row[family]["verdict"]
    for method, by_model in summary["refused"].items():
        yield from ((f"{method}, {model}", f"refused: {reason}") for model, reason in by_model.items())
    for family, rows in summary["methods_apart"].items():
        for row in rows:
            methods = sorted([row["over"], row["under"]])
            yield f"{family}, {row['model']}: {methods[0]} and {methods[1]}", f"{row['over']} over {row['under']}"
    for model in (summary["comparison"] or {"random": {}})["random"]:
        clear = model in summary["comparison"]["clear"]
        yield f"{model}: the fall from a random split", "shown" if clear else "could be chance"


def _pair(row: dict, told: dict) -> str:
    names = [row["a"], row["b"]]
    parts = []
    if names in told["told_apart"]:
        parts.append(" over ".join(names if row["difference"] > 0 else names[::-1]))
    parts += [
        word for key, word in (("equivalent", "equivalent"), ("within_seeds", "within seeds")) if names in told[key]
    ]
    return ", ".join(parts) or "no difference shown"


def _of_relations(table: pd.DataFrame, summary: dict) -> Iterator[tuple[str, str]]:
    """Whether scores go with a covariate, model by model, and with accuracy across models."""
    for row in table[table["p_corrected"].notna()].to_dict("records"):
        name = ", ".join(row[key] for key in ("family", "metric", "method", "model", "covariate"))
        yield f"{name}: relation", _sign(row["p_corrected"], row["rho"], summary["alpha"])
    for family, methods in summary["accuracy_relations"].items():
        for method, found in methods.items():
            yield f"{family}, {method}: with accuracy", _sign(found["p"], found["rho"], summary["alpha"])


def _sign(p: float | None, rho: float | None, alpha: float) -> str:
    if p is None or rho is None or not p <= alpha:
        return "not shown"
    return "rises" if rho > 0 else "falls"


def _said_otherwise(a: dict, b: dict) -> list[dict]:
    """Sentences of two summaries whose words differ, paired in order of place."""
    here, there = ({w: texts for w, texts in _sentences(of).items() if not w.startswith("refused")} for of in (a, b))
    rows = []
    for where in dict.fromkeys([*here, *there]):
        first, second = here.get(where, []), there.get(where, [])
        lost = _unmatched(first, second)
        new = _unmatched(second, first)
        for place in range(max(len(lost), len(new))):
            pair = [found[place] if place < len(found) else NOT_THERE for found in (lost, new)]
            rows.append({"where": where, "a": pair[0], "b": pair[1]})
    return rows


def _sentences(value: object, where: str = "") -> dict[str, list[str]]:
    """Place in a summary -> the sentences there; rows of a list are told apart by family and method, not by number."""
    found: dict[str, list[str]] = {}
    if isinstance(value, str) and " " in value:
        return {where: [value]}
    inner = []
    if isinstance(value, dict):
        inner = [(f"{where}.{key}".lstrip("."), part) for key, part in value.items()]
    elif isinstance(value, list):
        inner = [(".".join([where, *_names(part)]), part) for part in value]
    for place, part in inner:
        for key, texts in _sentences(part, place).items():
            found.setdefault(key, []).extend(texts)
    return found


def _names(row: object) -> list[str]:
    keys = ("family", "method", "kind", "name", "level")
    return [row[key] for key in keys if row.get(key)] if isinstance(row, dict) else []


def _unmatched(texts: list[str], others: list[str]) -> list[str]:
    left, rest = Counter(map(words, others)), []
    for text in texts:
        if left[words(text)] > 0:
            left[words(text)] -= 1
        else:
            rest.append(text)
    return rest


def words(text: str) -> str:
    """A sentence without its numbers: `p < 0.001` and `p = 0.02` read alike, and so do `0.2` and `0.1 to 0.3`."""
    text = NUMBER.sub("#", text)
    return re.sub(r"p [<=] #", "p #", re.sub(r"# to #", "#", text))
