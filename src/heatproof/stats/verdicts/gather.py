"""All tests of a table of scores, as tables, and what they mean, as the summary's parts."""

from dataclasses import replace

import pandas as pd

from heatproof.catalogue.metrics import judged_by_truth
from heatproof.stats.sentences.words import expected, plain
from heatproof.stats.tests.analysis import Compared, compare_models, control_means
from heatproof.stats.tests.architectures import mixed_model
from heatproof.stats.tests.omnibus import against_controls, wide_table
from heatproof.stats.tests.sensitivity import Worst, compare_methods, sensitivity, worst_compared
from heatproof.stats.verdicts import judge as numbers
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.judge import judge
from heatproof.stats.verdicts.rules import Design

TRUTH, NOISE = "truth", "random"  # what a metric must tell apart to be validated


def gather(
    scores: pd.DataFrame, per_seed: pd.DataFrame, metrics: pd.DataFrame, design: Design
) -> tuple[dict[str, pd.DataFrame], dict, dict[tuple[str, str], Compared], dict[tuple[str, str], Worst]]:
    """Every test of a table of scores.

    Args:
        scores: scores of images, as `groups.compact` gives them.
        per_seed: their means for every seed, as from `groups.seed_group_means`.
        metrics: their means over groups, as from `tables.metrics_table`.

    Returns:
        The tables `omnibus`, `pairs`, `controls`, `variance` and `sensitivity`; parts of the summary; the comparison
        of models by (family, method), of primary metrics; and those again with missing scores as the worst.
    """
    told = {family: separates(scores, family, metric, design) for family, metric in design.primary.items()}
    design = replace(design, blind={family: blind(found, family, design) for family, found in told.items()})
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
    return tables, {"separates": told} | _parts(scores, per_seed, metrics, tables, tested, design), tested, worst


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


def _parts(
    scores: pd.DataFrame,
    per_seed: pd.DataFrame,
    metrics: pd.DataFrame,
    tables: dict[str, pd.DataFrame],
    tested: dict[tuple[str, str], Compared],
    design: Design,
) -> dict:
    """What the summary holds of the primary metrics, family -> method -> ..."""
    names = ("primary", "seed_means", "missing", "population", "shares", "controls", "verdicts")
    parts: dict = {key: {} for key in (*names, "omnibus", "pairs", "ranks", "methods_apart", "sensitivity")}
    for family, metric in design.primary.items():
        of, means = (t[(t["family"] == family) & (t["metric"] == metric)] for t in (scores, per_seed))
        parts["primary"][family] = {
            "metric": metric,
            "called": plain(metric),
            "lower_is_better": (family, metric) in design.lower,
            "margin": design.margin(metric),
            "methods": numbers.model_means(metrics, family, metric),
            "intervals": numbers.model_intervals(metrics, family, metric),
        }
        parts["seed_means"][family] = numbers.seed_means(means, design.methods)
        parts["missing"][family] = numbers.missing_counts(of, design.methods)
        parts["methods_apart"][family] = _methods_apart(tables["pairs"], family, metric, design)
    for (family, method), one in tested.items():
        spread = numbers.seed_spread(parts["seed_means"][family].get(method, {}))
        for key, value in judge(one, design, spread).items():
            parts[key].setdefault(family, {})[method] = value
        missing = _informative(parts["missing"][family].get(method, {}), design)
        found = _changes(tables["sensitivity"], family, method, missing)
        parts["sensitivity"].setdefault(family, {})[method] = found
    return parts


def separates(scores: pd.DataFrame, family: str, metric: str, design: Design) -> dict[str, bool]:
    """Model -> whether the metric tells the true region from a random map on this data; without those whose groups are
    too few to tell, and {} where no truth is scored."""
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
        alpha=design.settings["alpha"],
        lower_is_better=(family, metric) in design.lower,
    )
    # groups too few to tell anything say nothing of the metric
    return rules.separates(rows[rows["smallest_p"] <= design.settings["alpha"]])


def blind(sees: dict[str, bool], family: str, design: Design) -> frozenset[str]:
    """Return the models that a family gives no verdict on: its metric should rank the true region first, and does not.

    Args:
        sees: as `separates` gives it.
    """
    needed = judged_by_truth(family, design.primary.get(family, ""))
    return frozenset(model for model, found in sees.items() if needed and not found)


def _methods_apart(pairs: pd.DataFrame, family: str, metric: str, design: Design) -> list[dict]:
    """The pairs of methods that can be told apart within a model: over, under, model, difference (above zero)."""
    if pairs.empty:
        return []
    rows = pairs[(pairs["factor"] == "method") & (pairs["family"] == family) & (pairs["metric"] == metric)]
    rows = rows[rows[rules.p_column(rows)] <= design.settings["alpha"]]
    sign = -1 if (family, metric) in design.lower else 1
    found = []
    for row in numbers.records(rows):
        ends = (row["a"], row["b"]) if sign * row["difference"] > 0 else (row["b"], row["a"])
        found.append({"over": ends[0], "under": ends[1], "model": row["within"], "difference": abs(row["difference"])})
    return found


def _informative(missing: dict[str, dict], design: Design) -> int:
    """How many scores are missing for a reason of the heatmap's own, of the models that take part."""
    reasons = [missing[model]["reasons"] for model in design.models if model in missing]
    return sum(count for of in reasons for reason, count in of.items() if not expected(reason))


def _changes(table: pd.DataFrame, family: str, method: str, missing: int) -> dict | None:
    """How many scores count as the worst, and the verdicts that this changes; None where none is missing."""
    if table.empty:
        return None
    rows = table[(table["family"] == family) & (table["method"] == method)]
    if rows.empty:
        return None
    changed = rows[rows["changed"]][["question", "subject", "main", "worst_rank"]]
    return {"missing": missing, "changed": numbers.records(changed)}
