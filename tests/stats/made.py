"""A small table of scores whose levels, seeds and gaps are chosen by the test, and the tests on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from heatproof.stats.claims.claims import check
from heatproof.stats.results import Family, Groups, Model, Seeds, StudyResults
from heatproof.stats.tables.groups import compact, count_missing, group_means, metrics_table, seed_group_means
from heatproof.stats.tests.analysis import Compared, compare_models
from heatproof.stats.verdicts.gather import Gathered, gather
from heatproof.stats.verdicts.rules import Design

SETTINGS = {"test": "friedman", "alpha": 0.05, "interval": 0.95, "margin": {"default": 0.05}, "power": 0.8}
FAMILY, METRIC = "localization", "iou"
DEGENERATE = "all_zero"


def scores(
    levels: Mapping[str, float],
    *,
    seeds: int = 1,
    groups: int = 12,
    images: int = 1,
    methods: Mapping[str, float] | None = None,
    controls: Mapping[str, float] | None = None,
    noise: float = 0.03,
    between: float = 0.0,
    lost: Mapping[str, Sequence[int]] | None = None,
) -> pd.DataFrame:
    """Scores of images of one metric: a model's level, what its method adds, the group, the seed and noise.

    `controls` are levels that hold for every model, `between` is the spread of the seeds of a model, `lost` names the
    groups (by number) in which a model's heatmaps are degenerate.
    """
    rng, rows = np.random.default_rng(11), []
    easy = rng.normal(0, 0.05, groups)
    named = {name: (more, True) for name, more in (methods or {"gradcam": 0.0}).items()}
    named |= {name: (level, False) for name, level in ({"random": 0.1, "center": 0.2} | dict(controls or {})).items()}
    for model, level in levels.items():
        for seed in range(seeds):
            moved = rng.normal(0, between) if between else 0.0
            for method, (more, own) in named.items():
                for group in range(groups):
                    for image in range(images):
                        value = more + rng.normal(0, noise) + own * (level + moved + easy[group])
                        gone = own and group in (lost or {}).get(model, ())
                        names = (f"i{group:02d}_{image}", f"p{group:02d}", model, seed, method)
                        rows.append((*names, np.nan if gone else value, DEGENERATE if gone else ""))
    columns = ["image_id", "group", "model", "seed", "method", "value", "reason"]
    return pd.DataFrame(rows, columns=columns).assign(family=FAMILY, metric=METRIC).astype({"seed": "Int64"})


def design(
    models: Sequence[str],
    methods: Sequence[str] = ("gradcam",),
    controls: Sequence[str] = ("random", "center"),
    **given,
) -> Design:
    """All of `given` are settings, but `lower`: whether a low value is good."""
    low = frozenset({(FAMILY, METRIC)} if given.pop("lower", False) else ())
    return Design(models, methods, {FAMILY: METRIC}, {FAMILY: controls}, low, SETTINGS | given)


def compared(table: pd.DataFrame, of: Design) -> Compared:
    """The models within the first method."""
    table = compact(table)
    return next(one for one in compare_models(table, seed_group_means(table), of) if one.method == of.methods[0])


def gathered(table: pd.DataFrame, of: Design) -> Gathered:
    """Every test of the table."""
    scored = table["model"].unique()
    table = compact(table)
    per_seed = seed_group_means(table)
    metrics = metrics_table(group_means(per_seed), count_missing(table), 0.95, of.methods, list(scored))
    return gather(table, per_seed, metrics, of)


def stated(
    found: Gathered,
    of: Design,
    models: Sequence[str],
    separates: Mapping[str, Mapping[str, bool]] | None = None,
    seeds: int = 1,
    **more,
) -> StudyResults:
    """The results of a study of these tests; `separates` overrides on whose images a metric tells the truth."""
    families = dict(found.families)
    for name, sees in (separates or {}).items():
        families[name] = replace(families.get(name, Family("")), separates=dict(sees))
    shared = {name: of.settings[name] for name in ("alpha", "interval", "test", "power")}
    able = {model: Model(model in of.models) for model in models}
    who = ("made", 1, 1, Groups("patient"), tuple(of.methods), Seeds(seeds, seeds))
    return StudyResults(*who, models=able, families=families, **shared, **more)


def claimed(claim: Mapping, table: pd.DataFrame, of: Design, **more) -> tuple[dict | None, Gathered]:
    """The row of one claim on a table of scores, None where it is on nothing of it; and the tests it rests on."""
    found = gathered(table, of)
    results = stated(found, of, list(table["model"].unique()), **{"seeds": table["seed"].nunique()} | more)
    named = {"source": "paper", "claim": "so", "family": FAMILY, "method": "gradcam"} | dict(claim)
    rows = check({"c": named}, found, results, of)
    return (rows[0] if rows else None), found
