"""How clusters of look-alikes, leaks and the nearest neighbour change with the threshold."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof.data.audit.material import Material, Settings
from heatproof.data.audit.probes import folds_or_why
from heatproof.data.audit.trivial import main_class
from heatproof.data.lookalikes import Pairs, clusters
from heatproof.data.split import deal
from heatproof.errors import InputError

SHUFFLES = 20


def sweep_row(
    material: Material, every: Pairs, threshold: float, floor: float, settings: Settings, key: tuple
) -> tuple[dict, np.ndarray | str]:
    """A row of the sweep but for what all rows share, and the folds of a probe on clusters at this threshold."""
    names = ("clusters", "largest", "pairs", "clusters_by_class", "worst_share")
    if threshold < floor:
        reason = f"more than {settings.limit:,} pairs"
        return {"threshold": threshold, **dict.fromkeys(names), "split": False, "reason": reason}, reason
    pairs, labels = every.above(threshold), material.labels
    groups = clusters(len(labels), pairs.a, pairs.b)
    main, sizes = main_class(labels, groups)
    by_class = np.bincount(main, minlength=len(material.classes))
    possible, worst = try_split(labels, groups, material.classes, settings, key)
    row = {
        "threshold": threshold,
        "clusters": len(sizes),
        "largest": int(sizes.max()),
        "pairs": len(pairs),
        "clusters_by_class": dict(zip(material.classes, by_class.tolist(), strict=True)),
        "split": possible,
        "worst_share": worst,
        "reason": "",
    }
    return row, folds_or_why(labels, groups, material.classes, settings.folds, *key, "grouped")


def try_split(
    labels: np.ndarray, groups: np.ndarray, classes: list[str], settings: Settings, key: tuple
) -> tuple[bool, float | None]:
    """Whether whole groups can be split in the shares asked for, and how far a part's share of a class is off.

    Where no split is near enough that is the least of `SHUFFLES`; None where a class has too few groups.
    """
    shares, series = settings.shares, (pd.Series(labels), pd.Series(groups))
    try:
        return True, _missed(labels, deal(*series, shares, classes, *key, tolerance=settings.tolerance), shares)
    except InputError:
        pass
    try:
        drawn = [deal(*series, shares, classes, *key, index, tolerance=1.0) for index in range(SHUFFLES)]
    except InputError:
        return False, None
    return False, min(_missed(labels, parts, shares) for parts in drawn)


def _missed(labels: np.ndarray, parts: np.ndarray, shares: Sequence[float]) -> float:
    each = pd.crosstab(labels, parts, normalize="index").reindex(columns=range(len(shares)), fill_value=0)
    return float(np.abs(each.to_numpy() - shares).max())
