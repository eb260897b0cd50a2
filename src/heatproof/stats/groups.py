"""From scores of images to one value per group (patient), as images of one patient are not independent."""

import numpy as np
import pandas as pd
from scipy import stats

KEYS = ["family", "metric", "method", "model"]


def seed_group_means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over the images of a group, for every seed: columns `KEYS`, seed, group, value.

    An image without a value (NaN) is left out of its group's mean, not counted as a failure: the number of
    such images belongs beside every mean. A group without any value is NaN. Scores across seeds have seed NA.
    """
    keys = [*KEYS, "seed", "group"]
    return scores.groupby(keys, dropna=False, sort=False)["value"].mean().reset_index()


def group_means(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of each group: columns `KEYS`, group, value. Seeds are never counted as groups.

    A group that lacks a value in any seed is NaN: means over different seeds would not be comparable.
    """
    seeds = per_seed.groupby(KEYS, sort=False)["seed"].nunique(dropna=False).rename("seeds")
    means = per_seed.groupby([*KEYS, "group"], sort=False)["value"].agg(["mean", "count"]).reset_index()
    means = means.join(seeds, on=KEYS)
    means["value"] = means["mean"].where(means["count"] == means["seeds"])
    return means[[*KEYS, "group", "value"]]


def describe(means: pd.DataFrame, level: float) -> pd.DataFrame:
    """Mean over groups with its Student t interval: columns `KEYS`, mean, low, high, groups.

    The t interval is used because the percentile bootstrap covers too little at ten groups. It may reach
    beyond the range of a bounded score. NaN where fewer than two groups have a value.
    """
    table = means.groupby(KEYS, sort=False)["value"].agg(["mean", "sem", "count"]).reset_index()
    half = table["sem"] * stats.t.ppf((1 + level) / 2, np.maximum(table["count"] - 1, 1))
    return table[KEYS].assign(
        mean=table["mean"], low=table["mean"] - half, high=table["mean"] + half, groups=table["count"]
    )


def count_missing(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores without a value by reason: columns `KEYS`, reason, scores."""
    missing = scores[scores["value"].isna()]
    return missing.groupby([*KEYS, "reason"], sort=False).size().reset_index(name="scores")
