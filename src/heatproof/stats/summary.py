"""The numbers of a study that verdicts rest on, as one nested dictionary (DVC's metrics file)."""

from collections.abc import Sequence
from itertools import product

import pandas as pd

from heatproof.stats import families
from heatproof.stats.compare import compare_control, compare_pairs, friedman, smallest_corrected_p, wide_table

REFUSED = "not supported:"


def number(value: float | None) -> float | None:
    """JSON has no NaN: null stands for a number that is not there."""
    return None if value is None or pd.isna(value) else float(value)


def checkpoint_numbers(checkpoints: pd.DataFrame) -> list[dict]:
    """Every checkpoint with its accuracies and intervals, as judged."""
    named = ("model", "seed", "competent", "images", "groups")
    return [
        {key: value if key in named else number(value) for key, value in row.items()}
        for row in checkpoints.to_dict("records")
    ]


def competence_numbers(checkpoints: pd.DataFrame, models: Sequence[str]) -> dict[str, dict]:
    """Model -> means over its checkpoints of the accuracies; competent if every checkpoint is."""
    return {
        model: {
            "balanced_accuracy": number(rows["balanced_accuracy"].mean()),
            "f1_macro": number(rows["f1_macro"].mean()),
            "competent": bool(rows["competent"].all()),
        }
        for model in models
        for rows in [checkpoints[checkpoints["model"] == model]]
    }


def compare_models(wide: pd.DataFrame, alpha: float) -> tuple[dict, dict, pd.DataFrame]:
    """Omnibus numbers, pair numbers and the table of pairs of a table [groups, models] that may hold NaN.

    Only groups with a value for every model enter; `dropped` counts the others.
    """
    complete = wide.dropna()
    pairs = compare_pairs(complete)
    different = pairs[pairs["p_corrected"] <= alpha]
    largest = different.loc[[different["difference"].abs().idxmax()]] if len(different) else different
    test = friedman(complete)
    size = {"models": wide.shape[1], "groups": len(complete), "dropped": len(wide) - len(complete)}
    omnibus = size | (test or dict.fromkeys(("statistic", "df", "kendall_w", "p")))
    reach = smallest_corrected_p(len(complete), len(pairs)) if len(pairs) else None
    counts = {"tested": len(pairs), "different": len(different), "smallest_p": reach}
    return omnibus, counts | {"largest": next(iter(largest.to_dict("records")), None)}, pairs


def judge_family(
    means: pd.DataFrame, controls: pd.DataFrame, family: str, method: str, models: Sequence[str], alpha: float
) -> tuple[dict, pd.DataFrame]:
    """What one method's primary metric says of the models that take part.

    Args:
        means: group means of the metric, as from `groups.group_means`.
        controls: those of the controls over the images that have a value of the method.

    Returns:
        `controls` (control -> model -> `compare_control`), `omnibus` and `pairs`; and the table of pairs.
    """
    metric = means["metric"].iloc[0]
    lower = families.better(family, metric) == "lower"
    wide = wide_table(means, metric, method, list(models))
    omnibus, counts, pairs = compare_models(wide, alpha)
    tables = {
        control: wide_table(controls, metric, control, list(models)) for control in families.JUDGED_CONTROLS[family]
    }
    found = {control: compare_control(wide, table, alpha, lower_is_better=lower) for control, table in tables.items()}
    found = {control: rows for control, rows in found.items() if rows}
    return {"controls": found, "omnibus": omnibus, "pairs": counts}, pairs


def directions(metrics: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Family -> metric -> `higher`, `lower` or `none`, of the metrics table."""
    named = metrics[["family", "metric"]].drop_duplicates()
    return {
        family: {metric: families.better(family, metric) for metric in of["metric"]}
        for family, of in named.groupby("family", sort=False)
    }


def model_means(metrics: pd.DataFrame, family: str, metric: str) -> dict[str, dict[str, float | None]]:
    """Method -> model -> mean, from the metrics table; controls and ceiling are methods too."""
    rows = metrics[(metrics["family"] == family) & (metrics["metric"] == metric)]
    return {
        method: {model: number(mean) for model, mean in zip(of["model"], of["mean"], strict=True)}
        for method, of in rows.groupby("method", sort=False)
    }


def seed_means(per_seed: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Method -> model -> seed -> mean over groups, of one metric's rows; scores across seeds have none."""
    rows = per_seed[per_seed["method"].isin(methods) & per_seed["seed"].notna()]
    table: dict = {}
    means = rows.groupby(["method", "model", "seed"], observed=True)["value"].mean()
    for (method, model, seed), mean in means.items():
        table.setdefault(method, {}).setdefault(model, {})[str(seed)] = number(mean)
    return table


def missing_counts(scores: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, dict]]:
    """Method -> model -> scores (asked for) and reasons (reason -> scores without a value), of one metric."""
    rows = scores[scores["method"].isin(methods)]
    table: dict = {}
    for (method, model), of in rows.groupby(["method", "model"], sort=False, observed=True):
        reasons = of.loc[of["value"].isna(), "reason"].value_counts(sort=False)
        counts = {str(reason): int(count) for reason, count in sorted(reasons.items()) if count}
        table.setdefault(method, {})[model] = {"scores": len(of), "reasons": counts}
    return table


def refusals(scores: pd.DataFrame, methods: Sequence[str], models: Sequence[str]) -> dict[str, dict[str, str]]:
    """Method -> model -> why, in a line, of the models that a method refuses: none of their maps was made."""
    rows = scores[scores["method"].isin(methods)]
    kept = rows.groupby(["method", "model"], observed=True)["value"].count()
    asked = rows["reason"].cat.categories[rows["reason"].cat.categories.str.startswith(REFUSED)]
    first = rows[rows["reason"].isin(asked)].groupby(["method", "model"], observed=True)["reason"].first()
    found: dict = {}
    for key in [key for key in product(methods, models) if key in first.index and kept[key] == 0]:
        found.setdefault(key[0], {})[key[1]] = str(first[key]).removeprefix(REFUSED).strip()
    return found
