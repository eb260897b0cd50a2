"""How far apart two sets of heatmaps lie, map by map, each on the scale of its own range."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from heatproof.artifacts import read_array, read_table
from heatproof.comparing.results import blocks, keys, same_shape
from heatproof.tables import HEATMAPS

KEYS = ["image_id", "method", "variant", "target"]


def compare_heatmaps(a: Path, b: Path, tolerance: float) -> list[dict]:
    """Of two folders with `index.parquet` and `maps.npy`, a row a method.

    Args:
        tolerance: the largest difference of a pixel that counts as none, as a share of the map's own range.

    Returns:
        `method`, `maps` that are in both and can be scored, their `largest` difference, `correlation` (the median
        of their rank correlations; None without maps), how many lie `beyond` the tolerance, how many can be scored
        in one alone (`degenerate_in_one`), and how many are `only_a` or `only_b`: of other images or classes.
    """
    here, there = (read_table(folder / "index.parquet", HEATMAPS) for folder in (a, b))
    at = here.merge(there, on=keys(KEYS, here, there), how="outer", suffixes=("_a", "_b"), indicator="side")
    known = at["side"] == "both"
    fine = [known & (at[f"row_{side}"] >= 0) & (at[f"degenerate_{side}"] == "") for side in ("a", "b")]
    at["in_one"], both = fine[0] != fine[1], at[fine[0] & fine[1]]
    largest, correlation = _apart(a / "maps.npy", b / "maps.npy", both["row_a"], both["row_b"])
    at.loc[both.index, "largest"], at.loc[both.index, "correlation"] = largest, correlation
    return [
        {
            "method": method,
            "maps": int(of["largest"].notna().sum()),
            "largest": float(of["largest"].fillna(0).max()),
            "correlation": float(of["correlation"].median()) if of["correlation"].notna().any() else None,
            "beyond": int((of["largest"] > tolerance).sum()),
            "degenerate_in_one": int(of["in_one"].sum()),
            "only_a": int((of["side"] == "left_only").sum()),
            "only_b": int((of["side"] == "right_only").sum()),
        }
        for method, of in at.groupby("method", sort=False)
    ]


def _apart(a: Path, b: Path, first: pd.Series, second: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Largest difference and rank correlation, float64 [maps] each; only a few maps are in memory at a time."""
    one, other = read_array(a), read_array(b)
    same_shape(one, other, b)
    largest, correlation = np.zeros(len(first)), np.ones(len(first))
    first, second = first.to_numpy(int), second.to_numpy(int)
    for part in blocks(len(first), int(np.prod(one.shape[1:]))):
        x, y = (maps[rows[part]].reshape(len(rows[part]), -1) for maps, rows in ((one, first), (other, second)))
        differ = np.flatnonzero((x != y).any(axis=1))
        x, y = x[differ].astype("float64"), y[differ].astype("float64")
        places = part.start + differ
        largest[places] = np.abs(_unit(x) - _unit(y)).max(axis=1, initial=0)
        correlation[places] = _rank_correlation(x, y)
    return largest, correlation


def _unit(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min(axis=1, keepdims=True), maps.max(axis=1, keepdims=True)
    return (maps - low) / (high - low)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman's, row by row; ties share their mean rank."""
    x, y = (rankdata(maps, axis=1) - (maps.shape[1] + 1) / 2 for maps in (x, y))
    return (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
