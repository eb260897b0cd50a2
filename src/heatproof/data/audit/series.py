"""File names that share a stem and a series, such as `p1-day-1` and `p1-day-2`: is the stem the patient?

Nobody but the user knows. An audit asks where patients are not known, with a pattern that would read them so.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.data.reading.decode import SUFFIXES
from heatproof.data.reading.places import suffix

ENDS = (r"[-_ ]\(?\d+\)?", r"[-_ ][A-Za-z]", r"[-_ ][A-Za-z]+[-_ ]?\d+")  # -12 and (12); -a; -day-12 and _slice12
SHARE = 0.5  # of a class's images: a stem that more of them have numbers the class
FEWEST = 2  # stems


def pattern(end: str) -> str:
    """The pattern whose first group, found in a file name, is the stem: as `--patient` and `data.patient` take it."""
    return rf"^(.+?)(?:{end})?\.\w+$"


def find_series(names: Sequence[str], labels: np.ndarray, splits: dict[str, np.ndarray]) -> dict | None:
    """Look for names that are numbered or lettered within a stem.

    Args:
        names: of images, with folders; with or without their suffix.
        labels: int [images].
        splits: train, val or test, by fold.

    Returns:
        `pattern` that finds the stem; how many `stems` have several images, `images` in all; and of the fold where
        most are, the share of test images with another of their stem in training, `across`, None without a split.
        `examples` are two names of one stem, on both sides where there are such. None where there are no series.

    >>> find_series(["p1-a.png", "p1-b.png", "p2-a.png", "p2-b.png"], np.array([0, 0, 1, 1]), {}) is None
    True
    >>> found = find_series([f"p{n // 2}-{'ab'[n % 2]}.png" for n in range(12)], np.arange(12) // 2 % 2, {})
    >>> found["stems"], found["images"], found["examples"]
    (6, 12, ['p0-a.png', 'p0-b.png'])
    """
    files = [name.rpartition("/")[2] for name in names]
    files = [name if suffix(name) in SUFFIXES else f"{name}.x" for name in files]
    sizes = Counter(labels.tolist())
    best, kept = None, np.zeros(len(files), bool)
    for end in ENDS:
        stems = np.array([re.match(pattern(end), name)[1] for name in files], object)
        held = pd.DataFrame({"stem": stems, "label": labels}).value_counts()
        numbering = {stem for (stem, label), count in held.items() if count > SHARE * sizes[label]}
        counts = Counter(stems.tolist())
        several = np.array([counts[stem] > 1 and stem not in numbering for stem in stems])
        if several.sum() >= max(1, kept.sum()) and len(set(stems[several])) >= FEWEST:
            best, kept, found = end, several, stems
    if best is None:
        return None
    stem = np.where(kept, found, "")
    result = {"pattern": pattern(best), "stems": len(set(found[kept])), "images": int(kept.sum()), "across": None}
    pair = np.flatnonzero(stem == found[kept][0])[:2]
    for split in splits.values():
        tested = split == "test"
        crossing = tested & kept & np.isin(stem, stem[(split == "train") & kept])
        share = float(crossing.sum() / max(1, tested.sum()))
        if result["across"] is None or share > result["across"]:
            result["across"] = share
            if crossing.any():
                one = np.flatnonzero(crossing)[0]
                pair = [one, np.flatnonzero((stem == stem[one]) & (split == "train"))[0]]
    return result | {"examples": [str(names[row]) for row in pair]}
