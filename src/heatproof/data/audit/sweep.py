"""How clusters of look-alikes, leaks and the nearest neighbour change with the threshold."""

import numpy as np

from heatproof.data.audit.material import Material, Settings
from heatproof.data.audit.probes import folds_or_why
from heatproof.data.audit.trivial import main_class
from heatproof.data.lookalikes import Pairs, clusters
from heatproof.data.split import ATTEMPTS, nearest_deal
from heatproof.data.split_labels import nearest_labels
from heatproof.errors import InputError

FEWER = 50  # shuffles that are tried at a threshold that is not the one in use, where a data job tries `ATTEMPTS`


def sweep_row(
    material: Material, asked: np.ndarray, every: Pairs, threshold: float, floor: float, settings: Settings, key: tuple
) -> tuple[dict, np.ndarray | str]:
    """A row of the sweep but for what all rows share, and the folds of a probe on clusters at this threshold.

    asked: what the probe tells, int [images] or bool [images, labels].
    """
    names = ("clusters", "largest", "pairs", "clusters_by_class", "worst_share")
    if threshold < floor:
        reason = f"more than {settings.limit:,} pairs"
        return {"threshold": threshold, **dict.fromkeys(names), "split": False, "reason": reason}, reason
    pairs, labels = every.above(threshold), material.labels
    groups = clusters(len(labels), pairs.a, pairs.b)
    main, sizes = main_class(labels, groups)
    by_class = np.bincount(main, minlength=len(material.classes))
    if material.truth is not None:  # clusters with the label
        by_class = np.array([len(np.unique(groups[has])) for has in material.truth.T])
    attempts = ATTEMPTS if threshold == settings.threshold else FEWER
    possible, worst = try_split(labels, groups, material.classes, settings, key, attempts, material.truth)
    row = {
        "threshold": threshold,
        "clusters": len(sizes),
        "largest": int(sizes.max()),
        "pairs": len(pairs),
        "clusters_by_class": dict(zip(material.names, by_class.tolist(), strict=True)),
        "split": possible,
        "worst_share": worst,
        "reason": "",
    }
    return row, folds_or_why(asked, groups, material.classes, settings.folds, *key, "grouped")


def try_split(
    labels: np.ndarray,
    groups: np.ndarray,
    classes: list[str],
    settings: Settings,
    key: tuple,
    attempts: int = ATTEMPTS,
    truth: np.ndarray | None = None,
) -> tuple[bool, float | None]:
    """Whether whole groups can be split in the shares asked for, and how far a part's share of a class is off.

    Where no split is near enough that is the least of all attempts; None where a class has too few groups.
    """
    options = {"tolerance": settings.tolerance, "attempts": attempts}
    try:
        if truth is None:
            worst = nearest_deal(labels, groups, settings.shares, classes, *key, **options)[1].max()
        else:  # labels in few groups fall as they fall
            worst = nearest_labels(truth, groups, settings.shares, *key, **options)[1].max()
    except InputError:
        return False, None
    return bool(worst <= settings.tolerance), float(worst) if np.isfinite(worst) else None
