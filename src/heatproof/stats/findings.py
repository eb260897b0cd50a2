"""A finding that takes several measures to say, checked on each of them and on all together.

"These are the most interpretable models" names no metric. A finding of the configuration says beforehand which are to
be measured, and whom the models are held against. Each part is one planned contrast, `lower` of `stats/claims.py`: the
others score worse than the models. Its metric is the one that the part names, whatever the study judges the family by,
and its score the mean over the methods that every one of these models has.

All together, of the parts that the study measures:

- supported: more than half of them are, none is contradicted, and the mean effect lies surely above zero.
- contradicted: more than half of them are, none is supported, and the mean effect lies surely below one margin.
- undecided otherwise.

Of m dependent tests, more than half are wrong at most twice as often as one in the mean (Rueger 1978): parts are tested
at alpha to two sides, so that without any difference a finding is supported in at most alpha of studies, however the
parts hang together. The p of the row is that of this rule. An effect is in margins (`stats.margin` of its metric), so
that different metrics have a mean; its interval is the mean of the parts' ends, which covers at least what theirs do.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from heatproof.stats import claims
from heatproof.stats.analysis import Compared, compare_one
from heatproof.stats.claim_checks import CONTRADICTED, SUPPORTED, UNDECIDED, undecided
from heatproof.stats.design import Design
from heatproof.stats.gather import blind, separates
from heatproof.stats.summary import number
from heatproof.stats.words import counted, joined, plain, shown

ALL_METHODS = "all methods"
WORDS = {SUPPORTED: "for it", CONTRADICTED: "against it", UNDECIDED: "undecided"}


def check(
    findings: dict[str, dict | None],
    scores: pd.DataFrame,
    per_seed: pd.DataFrame,
    models: Sequence[str],
    seeds: int,
    design: Design,
    unit: str,
) -> tuple[list[dict], dict[str, dict]]:
    """Rows of `stats_tables.CLAIMS`, the parts of each finding and then the finding (family and metric empty); and
    what the summary holds of each finding.

    Args:
        findings: name -> source, claim, models, than, methods (none: all), parts (family and metric, None for the
            primary one).
        scores: scores of images, as `groups.compact` gives them.
        per_seed: their means for every seed, as from `groups.seed_group_means`.
        models: all models of the study; `design.models` are those that take part.
        unit: what a group is, in the plural.
    """
    rows, told = [], {}
    for name, finding in findings.items():
        if finding is None or not {*finding["models"], *finding["than"]} & set(models):
            continue
        parts, measured = [], []
        for part in finding["parts"]:
            metric = part.get("metric") or design.primary.get(part["family"], "")
            row, known = _part(finding, part["family"], metric, scores, per_seed, models, seeds, design, unit)
            parts.append({"name": f"{name}: {part['family']} {metric}".strip()} | row)
            measured += [parts[-1]] if known else []
        both = {"name": name, "family": "", "metric": "", "method": ALL_METHODS, "seeds": seeds}
        both |= {key: finding[key] for key in ("source", "claim")} | together(measured, len(parts), design, unit)
        rows += [*parts, both]
        told[name] = {key: number(both[key]) for key in ("effect", "low", "high", "p")}
        told[name] |= {key: both[key] for key in ("verdict", "evidence")}
        told[name] |= {word: [row["name"] for row in measured if row["verdict"] == word] for word in WORDS}
        told[name] |= {"parts": [row["name"] for row in parts], "measured": [row["name"] for row in measured]}
    return rows, told


def together(parts: list[dict], declared: int, design: Design, unit: str) -> dict:
    """The verdict on a finding from the rows of its parts that are measured."""
    empty = {"effect": None, "low": None, "high": None, "p": None, "groups": None}
    if not parts:
        return empty | undecided("the study measures none of its parts", "scores of them")
    count = {word: sum(row["verdict"] == word for row in parts) for word in WORDS}
    tested = [row for row in parts if row["effect"] is not None and not pd.isna(row["effect"])]
    margins = np.array([design.margin(row["metric"]) for row in tested])
    mean = {
        key: float(np.mean([row[key] for row in tested] / margins)) if tested else float("nan")
        for key in ("effect", "low", "high")
    }
    half = len(parts) / 2
    verdict = UNDECIDED
    if count[SUPPORTED] > half and not count[CONTRADICTED] and mean["low"] > 0:
        verdict = SUPPORTED
    elif count[CONTRADICTED] > half and not count[SUPPORTED] and mean["high"] < 1:
        verdict = CONTRADICTED
    names = {word: joined([_called(row) for row in parts if row["verdict"] == word]) for word in WORDS}
    told = [f"{number} {WORDS[word]} ({names[word]})" for word, number in count.items() if number]
    evidence = f"of {counted(len(parts), 'part')} {joined(told)}"
    if tested:
        size = [f"{'-' * (mean[key] < 0)}{shown(abs(mean[key]))}" for key in ("effect", "low", "high")]
        over = "" if len(tested) == len(parts) else f" over the {len(tested)} that could be tested"
        evidence += f"; the mean effect{over} is {size[0]} margins [{size[1]}, {size[2]}]"
    if declared > len(parts):
        evidence += f"; {declared - len(parts)} more the study does not measure"
    change = {
        SUPPORTED: f"other {unit} or other images in which most parts do not show",
        CONTRADICTED: f"other {unit} or other images in which most parts show",
        UNDECIDED: f"more {unit}, so that most parts are decided one way",
    }[verdict]
    # a group counts in some parts and not in others: the least of them is given
    groups = min((int(row["groups"]) for row in tested), default=None)
    return {"verdict": verdict, **mean, "p": rule_p(parts), "groups": groups, "evidence": evidence, "change": change}


def rule_p(parts: list[dict]) -> float:
    """The p of "more than half of the parts show": m / k times the k-th smallest one-sided p, k the least number above
    half of m (Rueger 1978, Metrika 25). A part without a test counts as 1."""
    one_sided = sorted(
        1.0 if row["p"] is None or pd.isna(row["p"]) else row["p"] / 2 if row["effect"] > 0 else 1 - row["p"] / 2
        for row in parts
    )
    least = len(parts) // 2 + 1
    return float(min(1.0, len(parts) / least * one_sided[least - 1]))


def _called(row: dict) -> str:
    return plain(row["metric"]) if row["metric"] else row["family"]


def _part(finding, family, metric, scores, per_seed, models, seeds, design, unit) -> tuple[dict, bool]:
    """The row of one part, and whether the study measures it."""
    claim = {"check": "lower", "models": finding["than"], "than": finding["models"], "family": family}
    claim |= {"metric": metric, "method": ALL_METHODS, "source": finding["source"], "claim": finding["claim"]}
    design = replace(design, primary={family: metric} if metric else {})
    of = scores[(scores["family"] == family) & (scores["metric"] == metric)]
    found = separates(of, family, metric, design)
    design = replace(design, blind={family: blind(found, family, design)})
    named = [model for model in design.models if model in (*finding["models"], *finding["than"])]
    asked = [method for method in finding.get("methods") or design.methods if method in design.methods]
    one, used = over_methods(per_seed, family, metric, named, asked, design)
    rows = claims.check(
        {"part": claim},
        {(family, ALL_METHODS): one} if one is not None else {},
        {family: found},
        models,
        seeds,
        design,
        unit,
        lambda *_: None,
    )
    known = not of.empty
    if not rows:  # none of those that are held against the models is in the study
        rows = [{key: claim[key] for key in ("source", "claim", "family", "method", "metric")}]
        rows[0] |= {"seeds": seeds} | dict.fromkeys(("effect", "low", "high", "p", "groups"))
        rows[0] |= undecided(f"the study lacks {joined(finding['than'])}", "a study of these models")
    elif not known:
        rows[0] |= undecided(f"the study has no scores of {plain(metric) if metric else family}", "scores of it")
    elif len(used) < len(asked) and used:
        left = [method for method in asked if method not in used]
        rows[0]["evidence"] += f"; without {joined(left)}, of which some of these models have no scores"
    told = f"{finding['claim']}: by {plain(metric) if metric else family}"
    return {key: value for key, value in rows[0].items() if key != "name"} | {"claim": told}, known


def over_methods(
    per_seed: pd.DataFrame, family: str, metric: str, models: Sequence[str], methods: Sequence[str], design: Design
) -> tuple[Compared | None, list[str]]:
    """The models compared by their mean over methods, and which methods these are: those that all models have.

    A group has a mean where it has a value of each of them, in that seed: means over different methods would not be
    comparable.
    """
    rows = per_seed[(per_seed["family"] == family) & (per_seed["metric"] == metric)]
    rows = rows[rows["model"].isin(models) & rows["method"].isin(methods)].dropna(subset="value")
    have = {method: set(of["model"].unique()) for method, of in rows.groupby("method", observed=True)}
    scored = set().union(*have.values())
    used = [method for method in methods if have.get(method) and have[method] == scored]
    rows = rows[rows["method"].isin(used)]
    if rows.empty:
        return None, []
    keys = ["model", "seed", "group"]
    means = rows.groupby(keys, dropna=False, sort=False, observed=True)["value"].agg(["mean", "count"]).reset_index()
    means = means.assign(value=means["mean"].where(means["count"] == len(used)))
    means = means.assign(family=family, metric=metric, method=ALL_METHODS).drop(columns=["mean", "count"])
    return compare_one(means, None, family, metric, ALL_METHODS, replace(design, models=list(models))), used
