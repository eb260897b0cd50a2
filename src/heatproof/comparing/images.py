"""How far apart the images of two results lie: which there are, how they are dealt, their pixels and masks."""

from pathlib import Path

import numpy as np

from heatproof.artifacts import read_array, read_table
from heatproof.comparing.results import blocks, same_shape
from heatproof.tables import DEALT

FILES = ("manifest.parquet", "pixels.npy", "masks.npy")


def compare_images(a: Path, b: Path) -> dict:
    """Of two folders `results/data/<study>`.

    Returns:
        `images` in both, `only_a`, `only_b`; and of those in both, how many differ in their `rows` of the manifest
        (label, group, split of any fold, truth), `pixels` and `masks`, and the `largest` difference in grey levels.
    """
    here, there = (read_table(folder / "manifest.parquet", DEALT) for folder in (a, b))
    at = here.reset_index().merge(there.reset_index(), on="image_id", suffixes=("_a", "_b"))
    first, second = at["index_a"].to_numpy(), at["index_b"].to_numpy()
    columns = sorted(set(here) | set(there))
    told = [frame.reindex(columns=columns).iloc[rows] for frame, rows in ((here, first), (there, second))]
    rows = (told[0].astype(str).to_numpy() != told[1].astype(str).to_numpy()).any(axis=1)
    pixels, largest = _differ(a / "pixels.npy", b / "pixels.npy", first, second)
    masks, _ = _differ(a / "masks.npy", b / "masks.npy", first, second)
    return {
        "images": len(at),
        "only_a": len(here) - len(at),
        "only_b": len(there) - len(at),
        "rows": int(rows.sum()),
        "pixels": pixels,
        "largest": largest,
        "masks": masks,
    }


def _differ(a: Path, b: Path, first: np.ndarray, second: np.ndarray) -> tuple[int, float]:
    """How many rows of two arrays differ, and by how much at most."""
    one, other = read_array(a), read_array(b)
    same_shape(one, other, b)
    count, largest = 0, 0.0
    for part in blocks(len(first), int(np.prod(one.shape[1:]))):
        apart = np.abs(one[first[part]].astype("float32") - other[second[part]].astype("float32"))
        apart = apart.reshape(len(apart), -1).max(axis=1)
        count, largest = count + int((apart > 0).sum()), max(largest, float(apart.max()))
    return count, largest
