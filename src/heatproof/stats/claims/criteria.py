"""Criteria that heatmaps have to meet, each with a yardstick that is stated beforehand: does every method fail one?"""

import pandas as pd
from scipy.stats import t

from heatproof.catalogue.families import own_name
from heatproof.stats.claims.checks import decided, undecided
from heatproof.stats.results import StudyResults
from heatproof.stats.statements.general import state
from heatproof.stats.tests.paired import holm
from heatproof.stats.verdicts import rules

EACH = "each method"
EMPTY = dict.fromkeys(("effect", "low", "high", "p", "groups"))


def check_criteria(name: str, finding: dict, metrics: pd.DataFrame, results: StudyResults) -> list[dict]:
    """Return rows of `store.tables.CLAIMS` with statements for evidence and change: a row for each method, model and
    criterion, then the finding.

    A method fails a criterion on a model where it is significantly below the yardstick, another row of `metrics`;
    Holm's correction is over the criteria of a method and model. The effect is the yardstick less the value, so that
    above zero it supports the claim. Each mean has its t interval over groups. The standard error of the difference is
    taken as the sum of both: it cannot be larger, whatever the correlation of the two.

    Args:
        finding: source, claim, methods (none: all), criteria (family, metric, yardstick).
        metrics: rows of `store.tables.METRICS`.
        results: models that perform above chance, methods, and which metrics are good where they are low.
    """
    shared = {"source": finding["source"], "seeds": results.seeds.count}
    methods = [method for method in finding["methods"] or results.methods if method in results.methods]
    means = metrics.dropna(subset=["mean", "low", "high"]).set_index(["family", "metric", "method", "model"])
    units: list[list[dict]] = []
    for method in methods:
        for model in results.judged:
            found = [_compared(means, method, model, one, results) for one in finding["criteria"]]
            tested = [row for row in found if row]
            for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
                row |= {"p": float(p), "verdict": rules.claim_lower(row["effect"], p, 1.0, results.alpha)}
            units += [tested] if tested else []
    unit = results.groups.kind
    rows = [_row(name, finding, row, unit) | shared for tested in units for row in tested]
    whole = {"name": name, "claim": finding["claim"], "family": "", "metric": "", "method": EACH}
    return [*rows, whole | shared | _together(units, len(finding["criteria"]), results)]


def _compared(means: pd.DataFrame, method: str, model: str, criterion: dict, results: StudyResults) -> dict | None:
    """A value beside its yardstick; None where either has no interval over groups."""
    family, metric, control = (criterion[key] for key in ("family", "metric", "yardstick"))
    key = (family, metric, method, model)
    own, shared = ((family, metric, name, model) for name in (own_name(control, method), control))
    place = own if own in means.index else shared
    if key not in means.index or place not in means.index:
        return None
    value, yardstick = means.loc[key], means.loc[place]
    groups = int(min(value["groups"], yardstick["groups"]))
    sign = -1 if results.better.get(family, {}).get(metric) == "lower" else 1
    level = (1 + results.interval) / 2
    error = sum((row["high"] - row["low"]) / 2 / t.ppf(level, row["groups"] - 1) for row in (value, yardstick))
    effect = float(sign * (yardstick["mean"] - value["mean"]))
    half = float(t.ppf(level, groups - 1) * error)
    p = float(2 * t.sf(abs(effect) / error, groups - 1)) if error > 0 else float(effect == 0)
    of = {"family": family, "metric": metric, "method": method, "model": model, "control": control, "groups": groups}
    return of | {"effect": effect, "low": effect - half, "high": effect + half, "p": p, "sign": sign}


def _row(name: str, finding: dict, row: dict, unit: str) -> dict:
    way = "below" if row["effect"] * row["sign"] > 0 else "above"
    numbers = {key: row[key] for key in ("effect", "p", "groups")}
    named = {key: row[key] for key in ("family", "metric", "method", "model", "control")}
    stated = state("claim.criterion", numbers=numbers, way=way, unit=unit, **named)
    kept = {key: row[key] for key in ("family", "metric", "method", "effect", "low", "high", "p", "groups")}
    title = {"name": f"{name}: {row['method']} {row['model']} {row['metric']}", "claim": finding["claim"]}
    return title | kept | decided(row["verdict"], [stated], unit)


def _together(units: list[list[dict]], criteria: int, results: StudyResults) -> dict:
    """The verdict on all pairs of a method and a model. Where all fail, the pair that decides is the one whose clearest
    failure is the least certain; where one passes, it decides by its least certain criterion."""
    if not results.judged:
        return EMPTY | undecided(state("claim.no_model"), "competent")
    if not units:
        return EMPTY | undecided(state("claim.no_part"), "of_them")
    failing = [[row for row in tested if row["verdict"] == rules.SUPPORTED] for tested in units]
    level = results.alpha / len(units)  # that a pair passes is looked for in all of them
    passing = [tested for tested in units if len(tested) == criteria and rules.all_pass(tested, level)]
    verdict = rules.claim_each_fails(map(bool, failing), bool(passing))
    deciding: list[dict] = []
    if verdict == rules.SUPPORTED:
        deciding = [min(rows, key=lambda row: row["p"]) for rows in failing]
    elif verdict == rules.CONTRADICTED:
        deciding = passing[0]
    row = max(deciding, key=lambda row: row["p"]) if deciding else EMPTY
    measured = len({(one["family"], one["metric"]) for tested in units for one in tested})
    numbers = {"pairs": len(units), "failing": sum(map(bool, failing)), "passing": len(passing), "criteria": measured}
    named = {key: row[key] for key in ("model", "method", "metric") if key in row}
    stated = state("claim.criteria", numbers=numbers | {"unmeasured": criteria - measured or None}, **named)
    return {key: row[key] for key in EMPTY} | decided(verdict, [stated], results.groups.kind)
