"""How far apart the scores and the predictions of two results lie."""

from pathlib import Path

import numpy as np
import pandas as pd

from heatproof.artifacts import read_table
from heatproof.comparing.results import keys
from heatproof.tables import PREDICTIONS, SCORES

KEYS = ["image_id", "group", "seed", "method", "metric"]


def compare_scores(a: Path, b: Path, tolerance: float) -> list[dict]:
    """Of two score tables, a row a metric.

    Args:
        tolerance: the largest difference that counts as none; of a score beyond 1, the share of it.

    Returns:
        `metric`, `scores` that both have, their `largest` and `median` absolute difference, how many lie `beyond` the
        tolerance, how many have a value in one alone (`missing_in_one`), and how many are `only_a` or `only_b`.
    """
    here, there = read_table(a, SCORES), read_table(b, SCORES)
    at = here.merge(there, on=keys(KEYS, here, there), how="outer", suffixes=("_a", "_b"), indicator="side")
    apart = (at["value_a"] - at["value_b"]).abs()
    size = at[["value_a", "value_b"]].abs().max(axis=1).clip(lower=1)
    missing = (at["side"] == "both") & (at["value_a"].isna() != at["value_b"].isna())
    at = at.assign(apart=apart, beyond=apart > tolerance * size, in_one=missing)
    return [
        {
            "metric": metric,
            "scores": int(of["apart"].notna().sum()),
            "largest": float(of["apart"].fillna(0).max()),
            "median": float(of["apart"].median()) if of["apart"].notna().any() else None,
            "beyond": int(of["beyond"].sum()),
            "missing_in_one": int(of["in_one"].sum()),
            "only_a": int((of["side"] == "left_only").sum()),
            "only_b": int((of["side"] == "right_only").sum()),
        }
        for metric, of in at.groupby("metric", sort=False)
    ]


def together(rows: list[dict]) -> dict:
    """One row for rows of several tables of one metric: counts are added, differences are the worst table's."""
    counts = {key: sum(row[key] for row in rows) for key in rows[0] if isinstance(rows[0][key], int)}
    median = max((row["median"] for row in rows if row["median"] is not None), default=None)
    return counts | {"largest": max(row["largest"] for row in rows), "median": median}


def compare_predictions(a: Path, b: Path, tolerance: float) -> dict:
    """Of two tables of predictions: `images` in both, the `largest` difference of a probability, how many images lie
    `beyond` the tolerance, of how many the predicted class or labels `changed`, how many are `only_a` or `only_b`."""
    here, there = read_table(a, PREDICTIONS), read_table(b, PREDICTIONS)
    at = here.merge(there, on="image_id", suffixes=("_a", "_b"))
    classes = [name for name in here if name.startswith("p_") and name in there]
    first, second = (at[[f"{name}_{side}" for name in classes]].to_numpy(float) for side in ("a", "b"))
    apart = np.abs(first - second).max(axis=1, initial=0)
    return {
        "images": len(at),
        "largest": float(apart.max(initial=0)),
        "beyond": int((apart > tolerance).sum()),
        "changed": int(_changed(at, classes).sum()),
        "only_a": len(here) - len(at),
        "only_b": len(there) - len(at),
    }


def _changed(at: pd.DataFrame, classes: list[str]) -> np.ndarray:
    """Of which images another class, or another set of labels, is predicted, bool [images]."""
    names = [name.replace("p_", "predicted_") for name in classes]
    names = names if f"{names[0]}_a" in at else ["predicted"]
    first, second = (at[[f"{name}_{side}" for name in names]].to_numpy() for side in ("a", "b"))
    return (first != second).any(axis=1)
