"""From scores of images to one value per group (patient), as images of one patient are not independent."""

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.catalogue.reasons import INCOMPLETE

KEYS = ["family", "metric", "method", "model"]
GAP = f"{INCOMPLETE.text} above 1 %"


def compact(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with their texts as categories, which makes grouping half a million rows a matter of a second.

    Reasons that name a number of their own image (`completeness gap 12 %`) are made one, so that they can be counted.
    """
    columns = [*KEYS, "image_id", "group", "reason"]
    table = scores.assign(**{name: scores[name].astype("category") for name in columns})
    names = [GAP if INCOMPLETE.of(text) else text for text in table["reason"].cat.categories]
    table["reason"] = table["reason"].map(dict(zip(table["reason"].cat.categories, names, strict=True)))
    return table.assign(reason=table["reason"].astype("category"))


def seed_group_means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean over the images of a group, for every seed: columns `KEYS`, seed, group, value.

    An image without a value (NaN) is left out of its group's mean, not counted as a failure: the number of
    such images belongs beside every mean. A group without any value is NaN. Scores across seeds have seed NA.
    """
    keys = [*KEYS, "seed", "group"]
    return scores.groupby(keys, dropna=False, sort=False, observed=True)["value"].mean().reset_index()


def group_means(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of each group: columns `KEYS`, group, value. Seeds are never counted as groups.

    A group that lacks a value in any seed is NaN: means over different seeds would not be comparable.
    """
    together = {"sort": False, "observed": True}
    seeds = per_seed.groupby(KEYS, **together)["seed"].nunique(dropna=False).rename("seeds")
    means = per_seed.groupby([*KEYS, "group"], **together)["value"].agg(["mean", "count"]).reset_index()
    means = means.join(seeds, on=KEYS)
    means["value"] = means["mean"].where(means["count"] == means["seeds"])
    return means[[*KEYS, "group", "value"]]


def describe(means: pd.DataFrame, level: float) -> pd.DataFrame:
    """Mean over groups with its Student t interval: columns `KEYS`, mean, low, high, groups.

    The t interval is used because the percentile bootstrap covers too little at ten groups. It may reach
    beyond the range of a bounded score. NaN where fewer than two groups have a value.
    """
    grouped = means.groupby(KEYS, sort=False, observed=True)["value"]
    table = grouped.agg(["mean", "sem", "count"]).reset_index()
    table = as_text(table)
    half = table["sem"] * stats.t.ppf((1 + level) / 2, np.maximum(table["count"] - 1, 1))
    return table[KEYS].assign(
        mean=table["mean"], low=table["mean"] - half, high=table["mean"] + half, groups=table["count"]
    )


def count_missing(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores without a value by reason: columns `KEYS`, reason, scores."""
    missing = scores[scores["value"].isna()]
    counts = missing.groupby([*KEYS, "reason"], sort=False, observed=True).size()
    return as_text(counts.reset_index(name="scores"))


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Categories back as text, once few rows are left."""
    return table.astype({name: str for name, kind in table.dtypes.items() if isinstance(kind, pd.CategoricalDtype)})
