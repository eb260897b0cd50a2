"""Statements on what the scores of heatmaps go with, and on a planted cue."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.core.statements import Statement
from heatproof.stats.claims.cue import ACCURACY, SIGNS
from heatproof.stats.results import AccuracyRelation, Cue, StudyResults, number
from heatproof.stats.statements.general import about, scope, state
from heatproof.stats.tests.relations import CLASS, FEWEST_MODELS, LEAST, NOISE
from heatproof.stats.verdicts import rules

# the sign of each relation with localization that was published
EXPECTED = {"lesion_area": 1, "lesion_elongation": -1, "lesion_solidity": 1, "confidence": 1}


def statements(table: pd.DataFrame, results: StudyResults) -> list[Statement]:
    """Return what each family's scores by each method go with, and whether better classifiers have better heatmaps.

    Args:
        table: as from `relations.relations`.
    """
    found = []
    for family in results.families:
        for method in results.methods:
            of = table[table["family"] == family]
            found += _of(of[of["method"] == method], of[of["method"] == NOISE], results, family, method)
    for family, methods in results.accuracy_relations.items():
        found += [accuracy(results, family, method, one) for method, one in methods.items()]
    return found


def detectable(groups: int, level: float, power: float) -> float:
    """Return the smallest rank correlation that so many groups show with this power, by a two-sided test at `level`.

    Fisher's z with the variance 1.06 / (n - 3) of rank correlations (Fieller, Hartley & Pearson 1957).
    """
    reach = stats.norm.ppf(1 - level / 2) + stats.norm.ppf(power)
    return float(np.tanh(reach * np.sqrt(1.06 / (groups - 3))))


def _of(table: pd.DataFrame, noise: pd.DataFrame, results: StudyResults, family: str, method: str) -> list[Statement]:
    subjects = about(results, family, method) | {"unit": results.groups.kind}
    subjects |= {"of": "label"} if results.multilabel else {}
    tested = table[table["p"].notna()]
    if tested.empty:
        groups = int(table["groups"].max()) if len(table) else 0
        reason = "no_scores" if not groups else "too_few" if groups < LEAST else "no_variation"
        numbers = {"most": groups, "needed": LEAST}
        return [state("relations.unknown", "relations", reason=reason, numbers=numbers, **subjects)]
    rows = {str(name): of for name, of in tested.groupby("covariate", sort=False)}
    ordered = [name for name in dict.fromkeys(table["covariate"]) if name in rows]
    counts = {name: _counts(rows[name], results.alpha) for name in ordered}
    published = EXPECTED if family == "localization" else {}
    made = [_as_published(rows, counts, noise, results, subjects)] if published else []
    found = [name for name in ordered if any(counts[name]) and name not in published]

    def stated(kind: str, names: Sequence[str]) -> Statement:
        columns = [(len(rows[name]), *counts[name], *_ends(rows[name])) for name in names]
        return state(f"relations.{kind}", "relations", numbers=_columns(columns), **subjects, covariates=names)

    made += [stated("found", [name]) for name in found if not name.startswith(CLASS)]
    if classes := [name for name in found if name.startswith(CLASS)]:
        made.append(stated("classes", classes))
    if silent := [name for name in ordered if not any(counts[name])]:
        of = pd.concat([rows[name] for name in silent])
        least, (low, high) = int(of["groups"].min()), _ends(of)
        smallest = detectable(least, results.alpha / len(tested), results.power)
        numbers = {"lowest": low, "highest": high, "fewest": least, "most": int(of["groups"].max())}
        numbers |= {"tests": len(tested), "detectable": smallest, "power": results.power}
        made.append(state("relations.no_evidence", "relations", numbers=numbers, **subjects, covariates=silent))
    return made


def _columns(rows: Sequence[tuple]) -> dict[str, tuple]:
    names = ("models", "rises", "falls", "lowest", "highest")
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _ends(rows: pd.DataFrame) -> tuple[float, float]:
    return float(rows["rho"].min()), float(rows["rho"].max())


def _counts(rows: pd.DataFrame, alpha: float) -> tuple[int, int]:
    """In how many models the score rises with the covariate, and in how many it falls."""
    signs = [rules.sign(p, rho, alpha) for p, rho in zip(rows["p_corrected"], rows["rho"], strict=True)]
    return signs.count(1), signs.count(-1)


def _as_published(
    rows: dict[str, pd.DataFrame],
    counts: dict[str, tuple[int, int]],
    noise: pd.DataFrame,
    results: StudyResults,
    subjects: dict,
) -> Statement:
    """Whether localization depends here on what it was found to depend on, model by model.

    Large lesions are easier to hit by any metric of overlap: what random noise does stands beside it.
    """
    columns = []
    for name, expected in EXPECTED.items():
        if name in rows:
            way = expected * results.families["localization"].sign
            columns.append((len(rows[name]), *counts[name][::way], *_ends(rows[name])))
        else:
            columns.append((0, 0, 0, None, None))
    numbers: dict = _columns(columns)
    beside = noise[(noise["covariate"] == "lesion_area") & noise["rho"].notna()]
    if len(beside) and "lesion_area" in rows:
        numbers["noise_low"], numbers["noise_high"] = _ends(beside)
    return state("relations.as_published", "relations", numbers=numbers, **subjects, covariates=EXPECTED)


def accuracy(results: StudyResults, family: str, method: str, found: AccuracyRelation) -> Statement:
    """State whether better classifiers have better heatmaps."""
    if found.rho is None:
        kind = "too_few" if found.models < FEWEST_MODELS else "no_variation"
    elif rules.rejects(found.p, results.alpha):
        kind = "found"
    else:
        kind = "out_of_reach" if found.critical is None else "no_evidence"
    names = ("models", "rho", "p", "smallest_p", "critical", "within", "checkpoints")
    numbers = {name: getattr(found, name) for name in names} | {"needed": FEWEST_MODELS}
    return state(f"accuracy.{kind}", "relations", numbers=numbers, **about(results, family, method))


def summarize_cue(
    table: pd.DataFrame, shortcut: dict, classes: Sequence[str], methods: Sequence[str], settings: dict
) -> Cue:
    """Return what the results hold of a planted cue.

    Args:
        table: rows of `stats_tables.CUE`.
        shortcut: rate, test_rate (None: as in training) and label (None: the last class), as configured.
        methods: those under study; the other ones of the table are controls.
    """
    means = table[(table["metric"] == ACCURACY) & table["seed"].isna()].set_index("model")
    heat, margin = table[(table["method"] != "") & table["seed"].isna()], settings["margin"]
    known = {model: pd.notna(low) for model, low in means["low"].items()}
    return Cue(
        rate=shortcut["rate"],
        test_rate=shortcut.get("test_rate"),
        label=shortcut.get("label") or list(classes)[-1],
        margins={name: margin.get(name, margin["default"]) for name in SIGNS if name in set(heat["metric"])},
        relies={m: word == rules.RELIES if known[m] else None for m, word in means["verdict"].items()},
        verdicts=_nested(heat[heat["method"].isin(methods)]),
        controls=_nested(heat[~heat["method"].isin(methods)]),
    )


def _nested(rows: pd.DataFrame) -> dict[str, dict[str, dict[str, str]]]:
    found: dict = {}
    for row in rows[rows["groups"] > 0].itertuples():
        found.setdefault(row.model, {}).setdefault(row.method, {})[row.metric] = row.verdict
    return found


def cue_statements(table: pd.DataFrame, results: StudyResults) -> list[Statement]:
    """Return what a planted cue shows of models and heatmaps.

    Args:
        table: rows of `stats_tables.CUE`.
    """
    found = results.cue
    if found is None:
        return []
    numbers = {"rate": found.rate, "test_rate": found.test_rate}
    made = [state("cue.planted", "cue", numbers=numbers, label=found.label)]
    means = table[(table["metric"] == ACCURACY) & table["seed"].isna()].set_index("model")
    for model, relies in found.relies.items():
        row = means.loc[model]
        kind = "unknown" if relies is None else "relies" if relies else "no_evidence"
        numbers = {key: number(row[key]) for key in ("marked", "unmarked", "difference", "low", "high")}
        why = row["reason"] if relies is None else None
        made.append(state(f"cue.{kind}", "cue", reason=why, numbers=numbers, models=model, **scope(results)))
        if cells := [(m, name, word) for m, of in found.verdicts.get(model, {}).items() for name, word in of.items()]:
            named = dict(zip(("methods", "metrics", "verdicts"), zip(*cells, strict=True), strict=True))
            need = "needless" if relies is False else None
            made.append(state("cue.heatmaps", "cue", reason=need, models=model, **named))
    used = table.loc[(table["method"] != "") & table["seed"].isna() & (table["groups"] > 0), "groups"]
    if len(used):
        numbers = {"fewest": int(used.min()), "most": int(used.max())}
        made.append(state("cue.compared", "cue", numbers=numbers, unit=results.groups.kind))
    return made + _controls(found)


def _controls(found: Cue) -> list[Statement]:
    """Controls that show the cue: what they do to a metric, a heatmap may do as well without any model."""
    seen: dict[str, list[tuple[str, str]]] = {}
    for model, of in found.controls.items():
        for name, metrics in of.items():
            cells = [(metric, model) for metric, word in metrics.items() if word in (rules.SHOWN, rules.FAINT)]
            seen.setdefault(name, []).extend(cells)
    words = {word for of in found.verdicts.values() for metrics in of.values() for word in metrics.values()}
    too = "heatmaps_too" if words & {rules.SHOWN, rules.FAINT} else None
    return [
        state("cue.control", "cue", reason=too, control=name, metrics=[m for m, _ in of], models=[m for _, m in of])
        for name, of in seen.items()
        if of
    ]
