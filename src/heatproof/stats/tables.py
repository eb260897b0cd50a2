"""The descriptive tables of a study: every metric, method and model, judged or not."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.stats.groups import KEYS, describe

BESIDE = ["random", "center"]  # controls whose mean stands in every row


def metrics_table(
    means: pd.DataFrame, missing: pd.DataFrame, level: float, methods: Sequence[str], models: Sequence[str]
) -> pd.DataFrame:
    """One row a (family, metric, method, model), with the mean of the random and centre control beside it.

    Args:
        means: group means, as from `groups.group_means`.
        missing: counts of scores without a value, as from `groups.count_missing`.
        level: coverage of the intervals.
        methods: order of the methods; others follow by name.
        models: order of the models.
    """
    table = describe(means, level)
    counts = missing.groupby(KEYS)["scores"].sum().rename("missing")
    table = table.join(counts, on=KEYS).fillna({"missing": 0})
    for control in BESIDE:
        rows = table[table["method"] == control].set_index(["family", "metric", "model"])["mean"]
        table = table.join(rows.rename(control), on=["family", "metric", "model"])
    return in_order(table, methods, models)


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
