"""The numbers of a study that verdicts rest on, as one nested dictionary (DVC's metrics file)."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd

from heatproof.catalogue.metrics import better
from heatproof.catalogue.reasons import NOT_SUPPORTED

REFUSED = f"{NOT_SUPPORTED.text}:"


def number(value: float | None) -> float | None:
    """JSON has no NaN: null stands for a number that is not there."""
    return None if value is None or pd.isna(value) else float(value)


def records(table: pd.DataFrame) -> list[dict]:
    """Rows as dictionaries of plain values, numbers that are not there as null."""
    return [{key: _plain(value) for key, value in row.items()} for row in table.to_dict("records")]


def _plain(value):
    if isinstance(value, str | bool | np.bool_):
        return bool(value) if isinstance(value, np.bool_) else value
    return int(value) if isinstance(value, int | np.integer) else number(value)


def checkpoint_numbers(checkpoints: pd.DataFrame) -> list[dict]:
    """Every checkpoint with its accuracies and intervals, as judged."""
    named = ("model", "seed", "competent", "images", "groups")
    return [
        {key: value if key in named else number(value) for key, value in row.items() if not key.startswith("f1:")}
        for row in checkpoints.to_dict("records")
    ]


def competence_numbers(checkpoints: pd.DataFrame, models: Sequence[str]) -> dict[str, dict]:
    """Model -> means over its checkpoints of the accuracies; competent if every checkpoint is."""
    means = ("accuracy", "balanced_accuracy", "f1_macro")
    means += ("f1_micro", "auroc") if "f1_micro" in checkpoints else ()
    return {
        model: {name: number(rows[name].mean()) for name in means} | {"competent": bool(rows["competent"].all())}
        for model in models
        for rows in [checkpoints[checkpoints["model"] == model]]
    }


def directions(metrics: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Family -> metric -> `higher`, `lower` or `none`, of the metrics table."""
    named = metrics[["family", "metric"]].drop_duplicates()
    return {
        family: {metric: better(family, metric) for metric in of["metric"]}
        for family, of in named.groupby("family", sort=False)
    }


def model_means(metrics: pd.DataFrame, family: str, metric: str) -> dict[str, dict[str, float | None]]:
    """Method -> model -> mean, from the metrics table; controls and ceiling are methods too."""
    rows = metrics[(metrics["family"] == family) & (metrics["metric"] == metric)]
    return {
        method: {model: number(mean) for model, mean in zip(of["model"], of["mean"], strict=True)}
        for method, of in rows.groupby("method", sort=False)
    }


def model_intervals(metrics: pd.DataFrame, family: str, metric: str) -> dict[str, dict[str, list[float | None]]]:
    """Method -> model -> low and high end of the mean's interval over groups."""
    rows = metrics[(metrics["family"] == family) & (metrics["metric"] == metric)]
    return {
        method: {
            m: [number(low), number(high)] for m, low, high in zip(of["model"], of["low"], of["high"], strict=True)
        }
        for method, of in rows.groupby("method", sort=False)
    }


def seed_spread(means: dict[str, dict[str, float | None]]) -> dict[str, float]:
    """Model -> the largest difference between the means of its seeds, of models with several."""
    found = {model: [mean for mean in by_seed.values() if mean is not None] for model, by_seed in means.items()}
    return {model: max(values) - min(values) for model, values in found.items() if len(values) > 1}


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


def key_numbers(summary: dict) -> dict:
    """The few numbers that two runs are compared by: accuracies, primary scores, verdicts, claims."""
    scores = {
        f"{family}_{primary['metric']}": {
            method: {model: round(mean, 4) for model, mean in found.items() if mean is not None}
            for method, found in primary["methods"].items()
            if method in summary["methods"]
        }
        for family, primary in summary["primary"].items()
    }
    better = {
        family: {
            method: None if summary["overview"][family][method]["few"] else list(found.values()).count("better")
            for method, found in methods.items()
        }
        for family, methods in summary["verdicts"].items()
    }
    apart = {
        family: {method: found["different"] for method, found in methods.items()}
        for family, methods in summary["pairs"].items()
    }
    together: dict = {}
    for row in summary.get("combined", []):
        words = f"localization {row['localization']['verdict']}, faithfulness {row['faithfulness']['verdict']}"
        together.setdefault(row["method"], {})[row["model"]] = words
    return {
        "balanced_accuracy": {
            model: None if row["balanced_accuracy"] is None else round(row["balanced_accuracy"], 4)
            for model, row in summary["models"].items()
        },
        "score": scores,
        "models_that_beat_the_controls": better,
        "pairs_told_apart": apart,
        "combined": together,
        "claims": {row["name"]: row["verdict"] for row in summary["claims"]},
    }
