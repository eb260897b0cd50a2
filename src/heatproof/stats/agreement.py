"""Whether metrics that claim the same thing rank the same heatmaps alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.catalogue.families import families_with
from heatproof.catalogue.metrics import METRICS, better

MOST = 20  # metrics in one matrix: more cannot be read
LEAST = 5  # images below which a rank correlation says nothing
BLOCK = ["model", "seed", "method"]


def agreement(scores: pd.DataFrame, models: Sequence[str], methods: Sequence[str]) -> dict | None:
    """Spearman's correlation of each pair of metrics over images, mean over models, seeds and methods.

    Images of one model, seed and method are ranked by each metric, the better first, so that 1 is the same order. Only
    maps under study enter: that all metrics find controls bad would look like agreement.

    Args:
        scores: columns model, seed, method, image_id, family, metric, value.

    Returns:
        `metrics`, `correlation` (rows of a symmetric matrix, None where no block has `LEAST` images with both values
        and unequal ones) and `blocks`, how many were averaged at most; None for fewer than two metrics.
    """
    rows = scores[scores["model"].isin(models) & scores["method"].isin(methods) & scores["value"].notna()]
    named = rows[["family", "metric"]].drop_duplicates()
    directions = {m: better(f, m) for f, m in zip(named["family"], named["metric"], strict=True)}
    signs = {metric: -1 if way == "lower" else 1 for metric, way in directions.items() if way != "none"}
    names = list(signs)[:MOST]
    if len(names) < 2:
        return None
    rows = rows[rows["metric"].isin(names)]
    wide = rows.pivot(index=[*BLOCK, "image_id"], columns="metric", values="value")[names] * pd.Series(signs)[names]
    blocks = [_spearman(block.to_numpy()) for _, block in wide.groupby(BLOCK, sort=False, observed=True, dropna=False)]
    stack = np.stack(blocks)
    counts = np.isfinite(stack).sum(0)
    mean = np.divide(np.nansum(stack, 0), counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    matrix = [[None if np.isnan(value) else float(round(value, 6)) for value in row] for row in mean]
    return {"metrics": names, "correlation": matrix, "blocks": len(blocks)}


def _spearman(values: np.ndarray) -> np.ndarray:
    """Correlation of the ranks of each pair of columns [images, metrics], over the images with both values."""
    frame = pd.DataFrame(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return frame.corr(method="spearman", min_periods=LEAST).to_numpy()


def by_family(
    scores: pd.DataFrame, models: Sequence[str], methods: Sequence[str], primary: dict[str, str]
) -> dict[str, dict]:
    """`agreement` within the families whose metrics claim the same, and as `primary` between the primary metrics.

    Variants of a metric (another baseline) are left out, and families scored across seeds.
    """
    scores = scores[scores["seed"].notna()]
    found = {}
    for family in families_with("rates_maps"):
        of = scores[scores["family"] == family]
        found[family] = agreement(of[of["metric"].isin(METRICS)], models, methods)
    tested = scores["metric"].isin(list(primary.values()))
    found["primary"] = agreement(scores[tested], models, methods)
    return {name: table for name, table in found.items() if table}
