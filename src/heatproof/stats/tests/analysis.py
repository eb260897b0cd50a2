"""Every test of a table of scores: models within each method, methods within each model, heatmaps against controls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from heatproof.catalogue.families import own_name
from heatproof.stats.tables.groups import group_means, seed_group_means
from heatproof.stats.tests.architectures import MIN_SEEDS, quasi_f, seed_differences, seed_pairs
from heatproof.stats.tests.omnibus import (
    against_controls,
    compare_pairs,
    friedman,
    holm,
    rm_anova,
    skillings_mack,
    unpaired,
    unpaired_pairs,
    wide_table,
)
from heatproof.stats.verdicts import rules
from heatproof.stats.verdicts.rules import Design

NO_CONTROLS = pd.DataFrame(columns=["model", "control", "verdict"])
TESTS = {"friedman": friedman, "rm_anova": rm_anova}


@dataclass(frozen=True)
class Compared:
    """The models of one family, metric and method. Tables are [groups, models]; `wide` may hold NaN."""

    family: str
    metric: str
    method: str
    wide: pd.DataFrame
    cells: np.ndarray | None  # float [groups, models, seeds] of the complete groups; None from fewer than five seeds
    omnibus: list[dict]  # a row a test
    pairs: pd.DataFrame
    controls: pd.DataFrame  # rows as `against_controls` gives them; empty but for primary metrics
    declared: str  # the test over all models that verdicts are based on


def compare_models(scores: pd.DataFrame, per_seed: pd.DataFrame, design: Design) -> Iterator[Compared]:
    """The models that take part, within every method, by every metric; primary metrics against controls as well.

    Args:
        scores: scores of images, as `groups.compact` gives them.
        per_seed: their means for every seed, as from `groups.seed_group_means`.
    """
    chosen = per_seed[per_seed["method"].isin(design.methods) & per_seed["model"].isin(design.models)]
    for (family, metric, method), rows in chosen.groupby(["family", "metric", "method"], sort=False, observed=True):
        if not design.is_primary(family, metric):
            yield compare_one(rows, None, family, metric, method, design)
        elif (seen := design.seen(family)).models:
            of = scores[(scores["family"] == family) & (scores["metric"] == metric)]
            yield compare_one(rows[rows["model"].isin(seen.models)], of, family, metric, method, seen)


def compare_one(
    rows: pd.DataFrame, scores: pd.DataFrame | None, family: str, metric: str, method: str, design: Design
) -> Compared:
    """The models within one method by one metric.

    Args:
        rows: means for every seed and group of that method and metric.
        scores: scores of images by that metric, of all methods; where they are given, controls are compared, too.
    """
    wide = wide_table(group_means(rows), metric, method, list(design.models))
    complete, layout = wide.dropna(), rules.layout(wide) if design.incomplete else rules.COMPLETE
    over = rows if layout == rules.COMPLETE and _has_seeds(rows, wide) else None
    cells = None if over is None else _cells(over, complete)
    omnibus = [omnibus_row(name, test(complete), wide) for name, test in TESTS.items()]
    omnibus.append(omnibus_row(rules.QUASI_F, None if cells is None else quasi_f(cells), wide))
    declared = rules.declared_test(layout, design.settings["test"], cells is not None)
    if layout == rules.PARTIAL:
        omnibus.append(omnibus_row(declared, skillings_mack(wide), wide))
    elif layout == rules.DISJOINT:
        omnibus.append(omnibus_row(declared, unpaired(wide, design.settings["test"]), wide))
    controls = (
        NO_CONTROLS if scores is None else _against_controls(scores, over, wide, (family, metric, method), design)
    )
    _, alpha = rules.levels(design.alpha, wide.shape[1], controls)
    if layout == rules.DISJOINT:
        options = {"test": design.settings["test"], "level": design.settings["interval"]}
        pairs = unpaired_pairs(wide, **options, margin=design.margin(metric))
        pairs = pairs.assign(seeds_low=np.nan, seeds_high=np.nan, p_seeds=np.nan)
    else:
        pairs = all_pairs(wide, over, design.margin(metric), design.settings, alpha)
    return Compared(family, metric, method, wide, cells, omnibus, pairs, controls, declared)


def over_models(one: Compared, models: Sequence[str], design: Design) -> dict | None:
    """The declared test over some of the models, on the groups that all models have; None where it cannot be made."""
    places = [place for place, model in enumerate(one.wide.columns) if model in models]
    if one.cells is not None:
        name, found = rules.QUASI_F, quasi_f(one.cells[:, places])
    else:
        name = design.settings["test"]
        found = TESTS[name](one.wide.dropna().iloc[:, places])
    return found and found | {"test": name}


def _has_seeds(rows: pd.DataFrame, wide: pd.DataFrame) -> bool:
    """Whether a verdict may speak of architectures: all models have seeds enough, and equally many."""
    counts = set(rows[rows["model"].isin(wide.columns)].groupby("model", observed=True)["seed"].nunique())
    return len(counts) == 1 and min(counts) >= MIN_SEEDS


def _cells(rows: pd.DataFrame, complete: pd.DataFrame) -> np.ndarray | None:
    """[groups, models, seeds] of the groups with every value; None from a single group.

    Seeds belong to their model: those of two models need not be called the same.
    """
    if len(complete) < 2:
        return None
    seeds = {model: sorted(of.unique()) for model, of in rows.groupby("model", observed=True)["seed"]}
    wide = rows.pivot(index="group", columns=["model", "seed"], values="value")
    columns = pd.MultiIndex.from_tuples([(model, seed) for model in complete.columns for seed in seeds[model]])
    values = wide.reindex(index=complete.index, columns=columns).to_numpy(float)
    return values.reshape(len(complete), complete.shape[1], -1)


def omnibus_row(test: str, found: dict | None, wide: pd.DataFrame) -> dict:
    """A row of the table of tests over all models."""
    complete = (found or {}).get("groups", len(wide.dropna()))
    row = {"test": test, "levels": wide.shape[1], "groups": complete, "dropped": len(wide) - complete}
    return row | {key: (found or {}).get(key, np.nan) for key in ("statistic", "df1", "df2", "effect", "p")}


def all_pairs(
    wide: pd.DataFrame, rows: pd.DataFrame | None, margin: float, settings: dict, tested_at: float
) -> pd.DataFrame:
    """All pairs of levels of a table [groups, levels], each on the groups that have both.

    One level with many scores missing does not take the groups away from the others; Holm's corrections are over all.

    Args:
        rows: means for every seed, to test against the variance between seeds as well; None where levels share seeds.
        tested_at: the level of all pairs, which the detectable difference is for.
    """
    pairs = list(combinations(wide.columns, 2))
    if rows is None and len(pairs) > 1 and len(wide) and not wide.isna().any(axis=None):
        # all pairs have the same groups, and are as good made at once
        options = {"test": settings["test"], "power": settings["power"], "tested_at": tested_at}
        together = compare_pairs(wide, level=settings["interval"], margin=margin, **options)
        return together.assign(seeds_low=np.nan, seeds_high=np.nan, p_seeds=np.nan)
    tested = [pair for pair in pairs if wide[list(pair)].notna().all(axis=1).any()]
    found = []
    for pair in tested:
        both = wide[list(pair)].dropna()
        table = compare_pairs(
            both,
            test=settings["test"],
            level=settings["interval"],
            margin=margin,
            tested_at=tested_at / len(tested),
            power=settings["power"],
        )
        cells = None if rows is None else _cells(rows[rows["model"].isin(pair)], both)
        over = seed_pairs(cells, list(pair), settings["interval"]) if cells is not None else pd.DataFrame()
        seeds = over.iloc[0] if len(over) else {"low": np.nan, "high": np.nan, "p": np.nan}
        found.append(table.assign(seeds_low=seeds["low"], seeds_high=seeds["high"], p_seeds=seeds["p"]))
    if not found:
        return compare_pairs(wide[:0]).assign(seeds_low=np.nan, seeds_high=np.nan, p_seeds=np.nan)
    together = pd.concat(found, ignore_index=True)
    for name, corrected in (("p", "p_corrected"), ("p_equivalent", "p_equivalent"), ("p_seeds", "p_seeds")):
        known = together[name].notna()
        if known.any():
            together.loc[known, corrected] = holm(together.loc[known, name].tolist())
    return together


def _against_controls(
    scores: pd.DataFrame,
    by_seed: pd.DataFrame | None,
    wide: pd.DataFrame,
    names: tuple[str, str, str],
    design: Design,
) -> pd.DataFrame:
    """The heatmaps of each model against the controls of the same images, at the first question's share of alpha."""
    (family, metric, method), settings = names, design.settings
    controls = design.controls.get(family, ())
    per_seed = seed_group_means(control_scores(scores, method, controls))
    means = group_means(per_seed)
    tables = {name: wide_table(means, metric, name, list(design.models)) for name in controls}
    rows = against_controls(
        wide,
        {name: table for name, table in tables.items() if table.size},
        test=settings["test"],
        level=settings["interval"],
        margin=design.margin(metric),
        lower_is_better=(family, metric) in design.lower,
        over_seeds=None if by_seed is None else _over_seeds(by_seed, per_seed, settings["interval"]),
    )
    return rows.assign(verdict=rules.beats_controls(rows, rules.control_level(design.alpha, wide.shape[1])))


def _over_seeds(rows: pd.DataFrame, controls: pd.DataFrame, level: float) -> dict[tuple[str, str], dict[str, float]]:
    """(model, control) -> their difference over groups and seeds; empty from too few seeds."""
    found = {}
    for (model, control), of in controls.groupby(["model", "method"], observed=True):
        # a control that knows no model may have been scored once, for all seeds
        keys = ["seed", "group"] if of["seed"].nunique() > 1 else ["group"]
        part = rows[rows["model"] == model][["seed", "group", "value"]].merge(
            of[[*keys, "value"]], on=keys, suffixes=("", "_control")
        )
        part = part.assign(value=part["value"] - part["value_control"])
        differences = part.pivot(index="group", columns="seed", values="value").dropna().sort_index().to_numpy(float)
        if (test := seed_differences(differences, level)) is not None:
            found[model, control] = {key: test[key] for key in ("low", "high", "df", "p")}
    return found


def control_means(scores: pd.DataFrame, method: str, controls: Sequence[str]) -> pd.DataFrame:
    """Group means of the controls of one metric, over those images that have a value of the method.

    A method that explains a part of the images, or whose maps are degenerate on some, is held against the controls of
    the same images.

    Args:
        scores: the scores of one family and metric.
    """
    return group_means(seed_group_means(control_scores(scores, method, controls)))


def control_scores(scores: pd.DataFrame, method: str, controls: Sequence[str]) -> pd.DataFrame:
    """The scores of the controls for those images that have a value of the method, under the controls' plain names.

    Where a control was made for the method, it stands in for the shared one.
    """
    scored = set(scores["method"].unique())
    names = {own_name(c, method) if own_name(c, method) in scored else c: c for c in controls}
    own, beside = scores[scores["method"] == method], scores[scores["method"].isin(list(names))]
    beside = beside.assign(method=beside["method"].astype(str).map(names).astype("category"))
    own, beside = (table.assign(seed=table["seed"].fillna(-1)) for table in (own, beside))
    known = own[own["value"].notna()]
    # a control of one seed stands beside all of them
    once = beside.groupby(["model", "method"], observed=True)["seed"].transform("nunique") == 1
    shared = known.groupby("model", observed=True)["seed"].nunique()
    there = _among(beside, known, ["model", "seed", "image_id"])
    if once.any() and (shared > 1).any():
        there = np.where(once, _among(beside, known, ["model", "image_id"]), there)
    return beside.assign(value=beside["value"].where(there), seed=beside["seed"].replace(-1, pd.NA))


def _among(rows: pd.DataFrame, known: pd.DataFrame, keys: list[str]) -> np.ndarray:
    return pd.MultiIndex.from_frame(rows[keys]).isin(pd.MultiIndex.from_frame(known[keys]))
