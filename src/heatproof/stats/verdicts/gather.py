"""All tests of a table of scores, as tables, and what they mean, family by family."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from heatproof.catalogue.metrics import judged_by_truth
from heatproof.stats.results import Change, Family, MethodPair, Missing, Sensitivity, number, records
from heatproof.stats.tests.analysis import Compared, compare_models, control_means
from heatproof.stats.tests.architectures import mixed_model
from heatproof.stats.tests.omnibus import against_controls, wide_table
from heatproof.stats.tests.sensitivity import Worst, compare_methods, sensitivity, worst_compared
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.judge import judge
from heatproof.stats.verdicts.rules import Design

TRUTH, NOISE = "truth", "random"  # what a metric must tell apart to be validated


@dataclass(frozen=True)
class Gathered:
    """The tests of a study.

    Attributes:
        tables: `omnibus`, `pairs`, `controls`, `variance` and `sensitivity`.
        families: by name, those with a primary metric.
        compared: (family, method) -> the models by the primary metric.
        worst: the same with missing scores as the worst, where any is missing.
    """

    tables: dict[str, pd.DataFrame]
    families: dict[str, Family]
    compared: dict[tuple[str, str], Compared]
    worst: dict[tuple[str, str], Worst]


def gather(scores: pd.DataFrame, per_seed: pd.DataFrame, metrics: pd.DataFrame, design: Design) -> Gathered:
    """Make every test of a table of scores.

    Args:
        scores: scores of images, as `groups.compact` gives them.
        per_seed: their means for every seed, as from `groups.seed_group_means`.
        metrics: their means over groups, as from `groups.metrics_table`.
    """
    stated = {family: separates(scores, family, metric, design) for family, metric in design.primary.items()}
    design = replace(design, blind={family: blind(found, family, design) for family, found in stated.items()})
    omnibus, pairs, tested = [], [], {}
    for one in compare_models(scores, per_seed, design):
        names = {"family": one.family, "metric": one.metric, "factor": "model", "within": one.method}
        omnibus += [names | row for row in one.omnibus if not pd.isna(row["p"])]
        pairs.append(one.pairs.assign(**names))
        if design.is_primary(one.family, one.metric):
            tested[one.family, one.method] = one
    for names, rows, found in compare_methods(per_seed, design):
        omnibus += [names | row for row in rows if not pd.isna(row["p"])]
        pairs.append(found.assign(**names))
    worst = worst_compared(scores, tested.values(), design)
    controls, variance = [], []
    for one in tested.values():
        names = {"family": one.family, "metric": one.metric, "method": one.method}
        controls.append(one.controls.assign(**names))
        test, components = _confirmed(per_seed, one)
        variance += [names | row for row in components]
        omnibus += [{**names, "factor": "model", "within": one.method} | test] if test else []
    tables = {
        "omnibus": pd.DataFrame(omnibus),
        "pairs": _together(pairs),
        "controls": _together(controls),
        "variance": pd.DataFrame(variance),
        "sensitivity": sensitivity(worst.values(), design),
    }
    families = {
        family: _family(family, metric, scores, per_seed, metrics, tables, tested, design, stated[family])
        for family, metric in design.primary.items()
    }
    return Gathered(tables, families, tested, worst)


def _together(tables: list[pd.DataFrame]) -> pd.DataFrame:
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def _confirmed(per_seed: pd.DataFrame, one: Compared) -> tuple[dict | None, list[dict]]:
    """The mixed model beside the declared test: its row of `omnibus`, and the variance of each of its components."""
    named = (per_seed["family"] == one.family) & (per_seed["metric"] == one.metric) & (per_seed["method"] == one.method)
    rows = per_seed[named & per_seed["model"].isin(one.wide.columns)].dropna(subset="value")
    found = mixed_model(rows[["group", "model", "seed", "value"]])
    if found["reason"]:
        return None, [{"component": "", "reason": found["reason"]}]
    total = sum(found["components"].values())
    variance = [
        {"component": name, "variance": value, "share": value / total if total else float("nan"), "reason": ""}
        for name, value in found["components"].items()
    ]
    size = {"levels": rows["model"].nunique(), "groups": rows["group"].nunique(), "dropped": 0}
    return {"test": "mixed"} | size | {key: found.get(key) for key in ("statistic", "df1", "df2", "p")}, variance


def _family(
    family: str,
    metric: str,
    scores: pd.DataFrame,
    per_seed: pd.DataFrame,
    metrics: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    tested: dict[tuple[str, str], Compared],
    design: Design,
    stated: dict[str, bool],
) -> Family:
    of, means, table = (t[(t["family"] == family) & (t["metric"] == metric)] for t in (scores, per_seed, metrics))
    by_seed, missing = _seed_means(means, design.methods), _missing(of, design.methods)
    outcomes = {}
    for (name, method), one in tested.items():
        if name == family:
            lost = sum(
                count
                for model, found in missing.get(method, {}).items()
                if model in design.models
                for count in found.informative.values()
            )
            changes = _changes(tables["sensitivity"], family, method, lost)
            outcomes[method] = replace(judge(one, design, _spread(by_seed.get(method, {}))), sensitivity=changes)
    means_of, intervals = {}, {}
    for method, rows in table.groupby("method", sort=False):
        means_of[method] = dict(zip(rows["model"], map(number, rows["mean"]), strict=True))
        ends = zip(map(number, rows["low"]), map(number, rows["high"]), strict=True)
        intervals[method] = dict(zip(rows["model"], ends, strict=True))
    return Family(
        metric,
        (family, metric) in design.lower,
        design.margin(metric),
        means_of,
        intervals,
        by_seed,
        missing,
        stated,
        _methods_apart(tables["pairs"], family, metric, design),
        outcomes,
    )


def _spread(by_model: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """Model -> the largest difference between the means of its seeds, of models with several."""
    found = {model: [mean for mean in by_seed.values() if mean is not None] for model, by_seed in by_model.items()}
    return {model: max(values) - min(values) for model, values in found.items() if len(values) > 1}


def _seed_means(per_seed: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Method -> model -> seed -> mean over groups, of one metric's rows; scores across seeds have none."""
    rows = per_seed[per_seed["method"].isin(methods) & per_seed["seed"].notna()]
    table: dict = {}
    means = rows.groupby(["method", "model", "seed"], observed=True)["value"].mean()
    for (method, model, seed), mean in means.items():
        table.setdefault(method, {}).setdefault(model, {})[str(seed)] = number(mean)
    return table


def _missing(scores: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, Missing]]:
    """Method -> model -> scores that were requested, and why some have no value, of one metric."""
    rows = scores[scores["method"].isin(methods)]
    table: dict[str, dict[str, Missing]] = {}
    for (method, model), of in rows.groupby(["method", "model"], sort=False, observed=True):
        reasons = of.loc[of["value"].isna(), "reason"].value_counts(sort=False)
        counts = {str(reason): int(count) for reason, count in sorted(reasons.items()) if count}
        table.setdefault(method, {})[model] = Missing(len(of), counts)
    return table


def separates(scores: pd.DataFrame, family: str, metric: str, design: Design) -> dict[str, bool]:
    """Return model -> whether the metric tells the true region from a random map on this data; without those whose
    groups are too few to tell, and {} where no truth is scored."""
    scores = scores[(scores["family"] == family) & (scores["metric"] == metric)]
    if TRUTH not in set(scores["method"].unique()):
        return {}
    truth, noise = (
        wide_table(control_means(scores, TRUTH, [name]), metric, name, list(design.models)) for name in (TRUTH, NOISE)
    )
    if truth.empty or noise.empty:
        return {}
    rows = against_controls(
        truth,
        {NOISE: noise},
        test=design.settings["test"],
        level=design.settings["interval"],
        lower_is_better=(family, metric) in design.lower,
    )
    return rules.separates(rows, design.alpha)


def blind(sees: dict[str, bool], family: str, design: Design) -> frozenset[str]:
    """Return the models that a family gives no verdict on: its metric should rank the true region first, and does not.

    Args:
        sees: as `separates` gives it.
    """
    needed = judged_by_truth(family, design.primary.get(family, ""))
    return frozenset(model for model, found in sees.items() if needed and not found)


def _methods_apart(pairs: pd.DataFrame, family: str, metric: str, design: Design) -> tuple[MethodPair, ...]:
    """The pairs of methods that can be told apart within a model."""
    if pairs.empty:
        return ()
    rows = pairs[(pairs["factor"] == "method") & (pairs["family"] == family) & (pairs["metric"] == metric)]
    found = []
    for row in records(rows[rules.rejects(rows[rules.p_column(rows)], design.alpha)]):
        ahead = design.sign(family, metric) * row["difference"] > 0
        over, under = (row["a"], row["b"]) if ahead else (row["b"], row["a"])
        found.append(MethodPair(over, under, row["within"], abs(row["difference"])))
    return tuple(found)


def _changes(table: pd.DataFrame, family: str, method: str, missing: int) -> Sensitivity | None:
    """How many scores count as the worst, and the verdicts that this changes; None where none is missing."""
    if table.empty:
        return None
    rows = table[(table["family"] == family) & (table["method"] == method)]
    if rows.empty:
        return None
    changed = rows[rows["changed"]][["question", "subject", "main", "worst_rank"]]
    return Sensitivity(missing, tuple(Change(**row) for row in records(changed)))
