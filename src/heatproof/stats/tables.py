"""The descriptive tables of a study: every metric, method and model, judged or not."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.stats.architectures import MIN_SEEDS, seed_differences
from heatproof.stats.groups import KEYS, describe

BESIDE = ["random", "center"]  # controls whose mean stands in every row


def metrics_table(
    means: pd.DataFrame,
    missing: pd.DataFrame,
    level: float,
    methods: Sequence[str],
    models: Sequence[str],
    per_seed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row a (family, metric, method, model), with the mean of the random and centre control beside it.

    Args:
        means: group means, as from `groups.group_means`.
        missing: counts of scores without a value, as from `groups.count_missing`.
        level: coverage of the intervals.
        methods: order of the methods; others follow by name.
        models: order of the models.
        per_seed: means for every seed, from which intervals are over groups and seeds where there are five or more.
    """
    table = describe(means, level)
    if per_seed is not None:
        table = _over_seeds(table, per_seed, level)
    counts = missing.groupby(KEYS)["scores"].sum().rename("missing")
    table = table.join(counts, on=KEYS).fillna({"missing": 0})
    for control in BESIDE:
        rows = table[table["method"] == control].set_index(["family", "metric", "model"])["mean"]
        table = table.join(rows.rename(control), on=["family", "metric", "model"])
    return in_order(table, methods, models)


def _over_seeds(table: pd.DataFrame, per_seed: pd.DataFrame, level: float) -> pd.DataFrame:
    """With intervals over groups and seeds, of what has seeds enough."""
    many = per_seed.groupby(KEYS, observed=True)["seed"].nunique() >= MIN_SEEDS
    ends = {}
    for key, rows in per_seed.groupby(KEYS, sort=False, observed=True):
        if many[key]:
            cells = rows.pivot(index="group", columns="seed", values="value").dropna().sort_index()
            if found := seed_differences(cells.to_numpy(float), level):
                ends[key] = (found["low"], found["high"])
    places = [tuple(row) for row in table[KEYS].to_numpy()]
    low, high = (
        [ends.get(key, row)[i] for key, row in zip(places, table[["low", "high"]].to_numpy(), strict=True)]
        for i in (0, 1)
    )
    return table.assign(low=low, high=high)


def in_order(table: pd.DataFrame, methods: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    """Rows by family and metric as they came, then by declared method and model."""
    families, metrics = list(dict.fromkeys(table["family"])), list(dict.fromkeys(table["metric"]))
    names = [*methods, *sorted(set(table["method"]) - set(methods))]
    ranks = {"family": families, "metric": metrics, "method": names, "model": list(models)}
    keys = pd.DataFrame({column: table[column].map(order.index) for column, order in ranks.items()})
    return table.loc[keys.sort_values(list(ranks), kind="stable").index].reset_index(drop=True)


def scores_in_order(scores: pd.DataFrame, methods: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    """Scores of images by family and metric as they came, declared method and model, seed and image.

    So that no sum, and with it no last digit, hangs on the order of the rows in a file.
    """
    names = [*methods, *sorted(set(scores["method"].unique()) - set(methods))]
    keys = [
        pd.factorize(scores["family"])[0],
        pd.factorize(scores["metric"])[0],
        pd.Categorical(scores["method"], names).codes,
        pd.Categorical(scores["model"], list(models)).codes,
        scores["seed"].astype("Float64").fillna(-1).to_numpy(float),
        scores["image_id"].astype("category").cat.codes,
    ]
    return scores.iloc[np.lexsort(keys[::-1])].reset_index(drop=True)
