"""The explanation methods compared within each model."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from heatproof.stats.analysis import TESTS, all_pairs, omnibus_row
from heatproof.stats.architectures import MIN_SEEDS, seed_differences
from heatproof.stats.compare import DECIMALS, holm
from heatproof.stats.design import Design
from heatproof.stats.groups import group_means

CORRECTED = {"p_corrected": "p", "p_seeds": "p_seeds"}
SEED_COLUMNS = {"seeds_low": "low", "seeds_high": "high", "p_seeds": "p"}


def compare_methods(per_seed: pd.DataFrame, design: Design) -> Iterator[tuple[dict, list[dict], pd.DataFrame]]:
    """The methods within each model that takes part, by every metric; pairs by primary metrics alone.

    Holm's correction is over all pairs of a metric in all models: one family of tests.

    Yields:
        family, metric and `within` (the model); rows of tests over all methods; the pairs, with `p_corrected` still
        over one model where the metric is not primary (none then).
    """
    if len(design.methods) < 2:
        return
    chosen = per_seed[per_seed["method"].isin(design.methods) & per_seed["model"].isin(design.models)]
    for (family, metric), rows in chosen.groupby(["family", "metric"], sort=False, observed=True):
        found, means, primary = [], group_means(rows), design.is_primary(family, metric)
        for model in design.seen(family).models if primary else design.models:
            wide = means[means["model"] == model].pivot(index="group", columns="method", values="value")
            wide = wide.reindex(columns=[m for m in design.methods if m in wide]).dropna(axis=1, how="all")
            wide = wide.dropna(how="all").round(DECIMALS).sort_index()
            complete = wide.dropna()
            names = {"family": family, "metric": metric, "factor": "method", "within": model}
            pairs = all_pairs(wide if primary else wide[:0], None, design.margin(metric), design.settings)
            pairs = _within(rows[rows["model"] == model], pairs, design.settings["interval"])
            found.append((names, [omnibus_row(name, test(complete), wide) for name, test in TESTS.items()], pairs))
        together = pd.concat([pairs for _, _, pairs in found]) if found else pd.DataFrame()
        corrected = {name: _holm(together[raw]) for name, raw in CORRECTED.items() if len(together)}
        for names, omnibus, pairs in found:
            part = {name: p[: len(pairs)] for name, p in corrected.items()}
            corrected = {name: p[len(pairs) :] for name, p in corrected.items()}
            yield names, omnibus, pairs.assign(**part)


def _holm(p: pd.Series) -> np.ndarray:
    """Holm's correction of those that are there."""
    found, known = p.to_numpy(float, copy=True), p.notna().to_numpy()
    if known.any():
        found[known] = holm(found[known].tolist())
    return found


def _within(rows: pd.DataFrame, pairs: pd.DataFrame, level: float) -> pd.DataFrame:
    """Pairs of methods within one model, also against the variance between its seeds, which both methods share."""
    if rows["seed"].nunique() < MIN_SEEDS:
        return pairs
    wide, found = rows.pivot(index="group", columns=["method", "seed"], values="value"), []
    for a, b in zip(pairs["a"], pairs["b"], strict=True):
        test = seed_differences((wide[a] - wide[b]).dropna().to_numpy(float), level)
        found.append(test or dict.fromkeys(("low", "high", "p"), np.nan))
    ends = {name: [test[key] for test in found] for name, key in SEED_COLUMNS.items()}
    return pairs.assign(**ends)
