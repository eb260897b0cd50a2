"""From the scores of a study to one value per group (patient), as images of one patient are not independent, and to its
descriptive tables."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.stats.results import Cases
from heatproof.stats.tests.architectures import MIN_SEEDS, seed_differences
from heatproof.store import artifacts


def named(scores: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Scores with the case in place of `image_id` and without the column `label`."""
    pairs = scores[["image_id", "label"]].drop_duplicates()
    names = {
        (image, label): artifacts.case_name(image, classes[label]) for image, label in pairs.itertuples(index=False)
    }
    ids = [names[pair] for pair in zip(scores["image_id"], scores["label"], strict=True)]
    return scores.assign(image_id=ids).drop(columns="label")


def common(scores: pd.DataFrame, models: Collection[str]) -> tuple[pd.DataFrame, dict[str, Cases]]:
    """Scores of the cases that every one of some models has in a family from every seed, and family -> how many are
    `kept` and `left_out`.

    Models that have no score in a family do not count there, and an ensemble, being made of them, is none of `models`.
    Checkpoints may explain different labels of an image (those that they predict), and a mean over other cases is not
    comparable.
    """
    of = scores.loc[scores["model"].isin(models), ["family", "model", "seed", "image_id"]].drop_duplicates()
    trainings = of.fillna({"seed": -1}).groupby("family")[["model", "seed"]].apply(lambda t: len(t.drop_duplicates()))
    having = of.groupby(["family", "image_id"]).size()
    everywhere = having[having == trainings.reindex(having.index.get_level_values("family")).to_numpy()]
    counts = {}
    for family in dict.fromkeys(scores["family"]):
        kept = int((everywhere.index.get_level_values("family") == family).sum())
        counts[family] = Cases(kept, int((having.index.get_level_values("family") == family).sum()) - kept)
    there = pd.MultiIndex.from_frame(scores[["family", "image_id"]]).isin(everywhere.index)
    return scores[there].reset_index(drop=True), counts


def of_marked_labels(shapes: pd.DataFrame | None, classes: Sequence[str]) -> pd.DataFrame | None:
    """Rows of images for those of their cases whose label is `marked`; None where there are none."""
    if shapes is None or not shapes["marked"].map(len).any():
        return None
    rows = shapes.explode("marked").dropna(subset="marked")
    named = [artifacts.case_name(i, classes[label]) for i, label in zip(rows["image_id"], rows["marked"], strict=True)]
    return rows.assign(image_id=named).drop(columns="marked").reset_index(drop=True)


KEYS = ["family", "metric", "method", "model"]


def compact(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with their texts as categories, which makes grouping half a million rows a matter of a second."""
    columns = [*KEYS, "image_id", "group", "reason"]
    return scores.assign(**{name: scores[name].astype("category") for name in columns})


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
