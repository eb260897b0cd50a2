"""Do models that classify better have better heatmaps? Across models, and within them from seed to seed."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pandas as pd
from scipy import stats

from heatproof.core.draws import generator
from heatproof.stats.results import AccuracyRelation, Point
from heatproof.stats.tests.omnibus import DECIMALS

EXACT = 7  # models up to which all orders are gone through
DRAWS = 10_000
LEAST = 3  # models below which there is no order to speak of


def accuracy_and(
    study: str,
    checkpoints: pd.DataFrame,
    per_seed: pd.DataFrame,
    methods: Sequence[str],
    models: Sequence[str],
    primary: dict[str, str],
    settings: dict,
) -> dict[str, dict[str, AccuracyRelation]]:
    """Balanced accuracy beside the primary metric of each family and method.

    Args:
        study: its name, which the draws hang on.
        checkpoints: columns model, seed, balanced_accuracy.
        per_seed: group means of every seed, as from `groups.seed_group_means`.
        methods: the methods under study.
        models: those that take part in verdicts.
        primary: family -> its primary metric.
        settings: section `stats`: alpha, seed.

    Returns:
        family -> method -> `points` (a score that belongs to no seed is compared with the model's mean accuracy, seed
        None), `models`, `rho` (Spearman, over the means of the models), `p` (permutation test, see `permutation_test`;
        one test, not corrected), `critical` (the smallest |rho| that reaches alpha, or None), `smallest_p`,
        `within` (correlation of the deviations from the means of the models, over `checkpoints` of models with several;
        described, not tested). None where a number cannot be had.
    """
    found: dict = {}
    for family, metric in primary.items():
        of = per_seed[(per_seed["family"] == family) & (per_seed["metric"] == metric) & per_seed["model"].isin(models)]
        for method in methods:
            points = _points(checkpoints, of[of["method"] == method], models)
            rng = generator(study, family, method, "accuracy", settings["seed"])
            found.setdefault(family, {})[method] = _judged(points, settings["alpha"], rng)
    return found


def permutation_test(x: np.ndarray, y: np.ndarray, level: float, rng: np.random.Generator) -> dict[str, float | None]:
    """Spearman's rho of x and y [models], and its two-sided p over all orders, from 8 models on over 10,000 draws.

    Drawn orders count the observed one (Phipson & Smyth 2010, doi 10.2202/1544-6115.1585).

    Returns:
        `rho`, `p`, `smallest_p` (of the clearest order) and `critical` (the smallest |rho| with p <= level, or None).
    """
    ranks = [stats.rankdata(np.round(values, DECIMALS)) for values in (x, y)]
    a, b = ((r - r.mean()) / np.linalg.norm(r - r.mean()) for r in ranks)
    if len(x) <= EXACT:
        orders = np.array(list(permutations(range(len(x)))))
    else:
        drawn = rng.permuted(np.tile(np.arange(len(x)), (DRAWS, 1)), axis=1)
        orders = np.vstack([np.arange(len(x)), drawn])
    rho = round(float(a @ b), DECIMALS) + 0.0
    sizes = np.sort(np.abs(b[orders] @ a).round(DECIMALS))
    shares = 1 - np.searchsorted(sizes, sizes) / len(sizes)  # p of each size
    reached = sizes[shares <= level]
    return {
        "rho": rho,
        "p": float(1 - np.searchsorted(sizes, abs(rho)) / len(sizes)),
        "smallest_p": float(shares[-1]),
        "critical": float(reached[0]) if len(reached) else None,
    }


def _points(checkpoints: pd.DataFrame, per_seed: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """Columns model, seed, balanced_accuracy, score, in the order of the models."""
    scores = per_seed.groupby(["model", "seed"], dropna=False, observed=True)["value"].mean().rename("score")
    scores = scores.reset_index().astype({"model": str, "seed": "Int64"})
    accuracy = checkpoints[["model", "seed", "balanced_accuracy"]].astype({"seed": "Int64"})
    across = accuracy.groupby("model")["balanced_accuracy"].mean().reset_index().assign(seed=pd.NA)
    known = pd.concat([accuracy, across.astype({"seed": "Int64"})])
    table = scores.merge(known, on=["model", "seed"]).dropna(subset=["score", "balanced_accuracy"])
    place = table["model"].map({model: i for i, model in enumerate(models)})
    return table.assign(place=place).sort_values(["place", "seed"]).drop(columns="place").reset_index(drop=True)


def _judged(points: pd.DataFrame, level: float, rng: np.random.Generator) -> AccuracyRelation:
    rows = [
        Point(p.model, None if pd.isna(p.seed) else int(p.seed), float(p.balanced_accuracy), float(p.score))
        for p in points.itertuples()
    ]
    means = points.groupby("model")[["balanced_accuracy", "score"]].mean().round(DECIMALS)
    found: dict = {}
    if len(means) >= LEAST and (means.nunique() > 1).all():
        found |= permutation_test(means["balanced_accuracy"].to_numpy(), means["score"].to_numpy(), level, rng)
    return AccuracyRelation(tuple(rows), len(means), **_within(points), **found)


def _within(points: pd.DataFrame) -> dict:
    """Pearson's correlation of what the checkpoints deviate from their models' means."""
    columns = ["balanced_accuracy", "score"]
    several = points[points.groupby("model")["seed"].transform("count") > 1]
    off = (several[columns] - several.groupby("model")[columns].transform("mean")).round(DECIMALS)
    if off.empty or (off == 0).all().any():
        return {"within": None, "checkpoints": len(several)}
    return {"within": float(off.corr().iloc[0, 1]), "checkpoints": len(several)}
