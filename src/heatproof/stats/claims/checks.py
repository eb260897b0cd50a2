"""The checks that claims name (`stats/claims/claims.py` says when each holds), and criteria of which every method is
said to fail one, each with a yardstick that is stated beforehand.

A check returns what `stats_tables.CLAIMS` has of verdict, effect, low, high, p, groups, evidence and change, the last
two as lists of statements; an effect above zero supports the claim, but for `differ`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t

from heatproof.catalogue.families import own_name
from heatproof.core.statements import Statement
from heatproof.stats.results import StudyResults
from heatproof.stats.statements.general import state
from heatproof.stats.tests.analysis import Compared, over_models
from heatproof.stats.tests.architectures import seed_contrast, seed_differences
from heatproof.stats.tests.paired import (
    DECIMALS,
    equivalent_over_seeds,
    equivalent_p,
    holm,
    paired_t,
    signed_rank,
    t_interval,
)
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.rules import CONTRADICTED, SUPPORTED, UNDECIDED, Design

EACH = "each method"
EMPTY = dict.fromkeys(("effect", "low", "high", "p", "groups"))


@dataclass(frozen=True)
class Asked:
    """A claim on what the study has: `usable` of its models have scores, `others` are those they are held against."""

    one: Compared
    usable: list[str]
    others: list[str]
    design: Design
    unit: str  # kind of group, a key of `text.numbers.UNITS`
    methods: list[str]  # that are held against the one of `one`, for `outdo`
    beside: dict[str, Compared]  # all methods of the family
    refused: dict[str, dict[str, str]]  # method -> model -> why it has no maps of it

    @property
    def sign(self) -> int:
        """-1 where a low value is good."""
        return self.design.sign(self.one.family, self.one.metric)


def undecided(evidence: Statement, need: str, unit: str = "", metric: str = "") -> dict:
    """Nothing to rest a verdict on, and what is needed, a code of `change.needed`."""
    change = state(
        "change.needed", reason=need, **({"unit": unit} if unit else {}), **({"metric": metric} if metric else {})
    )
    return {"verdict": UNDECIDED, "evidence": [evidence], "change": [change]}


def decided(verdict: str, evidence: list[Statement], unit: str, kind: str = "check", **numbers: float) -> dict:
    """A verdict, what it rests on, and what would change it."""
    change = state(f"change.{kind}.{verdict}", numbers=numbers, unit=unit)
    return {"verdict": verdict, "evidence": evidence, "change": [change]}


def beat_controls(requested: Asked) -> dict:
    """The model that decides is the one at the place where `most` begins, in order of its smallest lead."""
    one, sign = requested.one, requested.sign
    words = rules.by_model(one.controls)
    found = {model: words[model] for model in requested.usable if model in words}
    if not found:
        return undecided(state("claim.no_controls"), "controls")
    rows = one.controls[one.controls["model"].isin(found)].assign(lead=lambda t: sign * t["difference"])
    nearest = rows.loc[rows.groupby("model")["lead"].idxmin()].sort_values("lead", ascending=False)
    decides = nearest.iloc[len(found) // 2]
    better = [model for model, word in found.items() if word == "better"]
    worse = [model for model, word in found.items() if word == "worse"]
    verdict = rules.claim_beats_controls(found.values())
    counts = {"better": len(better), "worse": len(worse), "models": len(found), "lead": float(decides["lead"])}
    named = {"model": decides["model"], "control": decides["control"], "family": one.family}
    evidence = [state("claim.beat_controls", numbers=counts, **named)]
    half = len(found) // 2
    apart = {SUPPORTED: len(better) - half, CONTRADICTED: len(worse) + half + 1 - len(found)}
    change = [state("change.another_verdict", numbers={"models": apart.get(verdict, half + 1 - len(better))})]
    ends = sorted((sign * decides["low"], sign * decides["high"]))
    p = one.controls.loc[one.controls["model"] == decides["model"], "p_corrected"].max()
    numbers = {"effect": decides["lead"], "low": ends[0], "high": ends[1], "p": p}
    return {"verdict": verdict, **numbers, "groups": int(decides["groups"]), "evidence": evidence, "change": change}


def _tested(differences: np.ndarray, margin: float, settings: dict) -> dict[str, float]:
    """Differences [groups]: effect (their mean), low, high, p by the declared test, p_same (within the margin)."""
    column, mean = differences[:, None], float(differences.mean())
    low, high = (float(end[0]) for end in t_interval(column, settings["interval"]))
    if settings["test"] == "friedman":
        p, ranks = signed_rank(differences)
        p = p if ranks * mean > 0 else 1.0  # ranks that point the other way than the mean find nothing
    else:
        p = float(paired_t(column)[0])
    return {"effect": mean, "low": low, "high": high, "p": p, "p_same": float(equivalent_p(column, margin)[0])}


def _over_seeds(found: dict[str, float], margin: float, settings: dict) -> dict[str, float]:
    """The same of a difference over groups and seeds, as `architectures` gives it."""
    same = equivalent_over_seeds(found, margin, settings["interval"])
    return {"effect": found["difference"], "p_same": same} | {key: found[key] for key in ("low", "high", "p")}


def lower(requested: Asked) -> dict:
    """One planned contrast: the mean of `others` less that of `models`, so that above zero these score worse."""
    one, settings, margin, unit = (
        requested.one,
        requested.design.settings,
        requested.design.margin(requested.one.metric),
        requested.unit,
    )
    models, others, alpha = requested.usable, requested.others, requested.design.alpha
    table = one.wide[[model for model in one.wide.columns if model in (*models, *others)]]
    complete = table.dropna()
    weights = np.array([(m in others) / len(others) - (m in models) / len(models) for m in complete.columns])
    differences = requested.sign * (complete.to_numpy() @ weights)
    if len(differences) < 2:
        return undecided(state("claim.few_groups", unit=unit), "groups", unit)
    if one.cells is None:
        found = _tested(differences, margin, settings)
    else:
        places = [one.wide.columns.get_loc(model) for model in table.columns]
        contrast = seed_contrast(one.cells[:, places], requested.sign * weights, settings["interval"])
        found = _over_seeds(contrast, margin, settings)
    mean, p = found["effect"], found["p"]
    verdict = rules.claim_lower(mean, p, found.pop("p_same"), alpha)
    within = verdict == CONTRADICTED and not rules.rejects(p, alpha)
    numbers = {"effect": float(mean), "p": float(p), "groups": len(differences), "margin": margin if within else None}
    numbers |= {"all": len(table) if len(table) > len(differences) else None}
    named = {"models": models, "than": others, "metric": one.metric, "unit": unit}
    way = "lower" if requested.sign * mean > 0 else "higher"
    evidence = [state("claim.lower", numbers=numbers, way=way, **named)]
    return {**found, "groups": len(differences)} | decided(verdict, evidence, unit)


def differ(requested: Asked) -> dict:
    """The declared test over the models, or the pair where there are two."""
    one, models, design, unit = requested.one, requested.usable, requested.design, requested.unit
    alpha, pairs = design.alpha, one.pairs
    pairs = pairs[pairs["a"].isin(models) & pairs["b"].isin(models)]
    if len(models) < 2:
        return undecided(state("claim.one_model", models=models), "more_competent")
    if pairs.empty:
        return undecided(state("claim.no_group", unit=unit), "groups", unit)
    test = over_models(one, models, design)
    top = pairs.loc[pairs["difference"].abs().idxmax()]
    p = test["p"] if test else top[rules.p_column(pairs)]
    same = one.cells is None and len(rules.equivalent(pairs, alpha)) == len(pairs)  # of checkpoints alone
    verdict = rules.claim_differ(p, same, alpha)
    detectable = float(pairs["detectable"].max())
    ends = ("seeds_low", "seeds_high") if one.cells is not None else ("low", "high")
    numbers = {"effect": top["difference"], "low": top[ends[0]], "high": top[ends[1]], "p": p}
    stated = {"effect": float(top["difference"]), "p": float(p), "groups": int(top["groups"]), "models": len(models)}
    stated |= {"complete": len(one.wide.dropna()), "margin": float(top["margin"]) if same else None}
    named = {"test": test["test"] if test else (), "models": (top["a"], top["b"]), "unit": unit}
    more = {}
    if verdict == UNDECIDED and one.cells is None and not np.isnan(detectable):
        more = {"detectable": detectable, "power": design.settings["power"]}
    evidence = [state("claim.differ", numbers=stated, **named)]
    return {**numbers, "groups": int(top["groups"])} | decided(verdict, evidence, unit, **more)


def outdo(requested: Asked) -> dict:
    """Each named method against that of the claim, paired over the groups that have both, within each model.

    One p a method and model by the declared test, Holm over all of them; over the variance between seeds as well where
    there are seeds enough. A model speaks for the claim where one method at least surely does better, against it where
    each that does not refuse it surely does worse or differs by less than the margin. The model that decides is the one
    at the place where `most` begins, in order of the lead of its best method; the interval is of this method alone.
    """
    design, unit = requested.design, requested.unit
    alpha, margin = design.alpha, design.margin(requested.one.metric)
    rows = [row for model in requested.usable for name in requested.methods for row in _lead(requested, model, name)]
    absent = [name for name in requested.methods if name not in design.methods]
    left = [state("claim.lacks_methods", names=absent)] if absent else []
    for name in requested.methods:
        refusing = [model for model in requested.usable if model in requested.refused.get(name, {})]
        if refusing:
            why = requested.refused[name][refusing[0]]
            left.append(state("claim.refuses", reason=why, method=name, models=refusing))
        elif name not in absent and not any(row["method"] == name for row in rows):
            left.append(state("claim.shares_few", method=name, than=requested.one.method, unit=unit))
    if not rows:
        need = undecided(left[0], "of_methods")
        return need | {"evidence": left}
    table = pd.DataFrame(rows)
    table = table.assign(p=holm(table["p"].tolist()), p_same=holm(table["p_same"].tolist()))
    table["better"] = rules.outdoes(table, alpha)
    open_to = {
        model: sum(model not in requested.refused.get(name, {}) for name in requested.methods)
        for model in requested.usable
    }
    best = table.sort_values(["better", "effect"], ascending=False, kind="stable").drop_duplicates("model")
    decides = best.iloc[len(best) // 2]
    verdict = rules.claim_outdo(table, open_to, alpha)
    columns = {key: tuple(table[key].tolist()) for key in ("effect", "p", "groups")}
    named = {"models": table["model"], "methods": table["method"], "metric": requested.one.metric, "unit": unit}
    evidence = [state("claim.outdo", numbers=columns, method=requested.one.method, **named), *left]
    if verdict == CONTRADICTED and not rules.rejects(table["p"], alpha).all():
        evidence.append(state("claim.within_margin", numbers={"margin": margin}))
    numbers = {key: float(decides[key]) for key in ("effect", "low", "high", "p")}
    return {**numbers, "groups": int(decides["groups"])} | decided(verdict, evidence, unit)


def _lead(requested: Asked, model: str, method: str) -> list[dict]:
    """How far a method is ahead of the claim's within a model, one row; none where fewer than two groups have both."""
    one, other, design = requested.one, requested.beside.get(method), requested.design
    if other is None or model not in other.wide:
        return []
    both = pd.concat([other.wide[model], one.wide[model]], axis=1).dropna()
    if len(both) < 2:
        return []
    margin, settings = design.margin(one.metric), design.settings
    differences = requested.sign * (both.iloc[:, 0] - both.iloc[:, 1]).round(DECIMALS).to_numpy()
    found = _tested(differences, margin, settings)
    if one.cells is not None and other.cells is not None:
        groups, cells = both.index, []
        for part in (other, one):
            complete = part.wide.dropna().index
            groups = groups.intersection(complete)
            cells.append((complete, part.cells[:, part.wide.columns.get_loc(model)]))
        after, before = (values[complete.get_indexer(groups)] for complete, values in cells)
        over = seed_differences(requested.sign * (after - before), settings["interval"])
        if over is None:
            return []
        found, differences = _over_seeds(over, margin, settings), groups
    return [{"model": model, "method": method, "groups": len(differences)} | found]


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
