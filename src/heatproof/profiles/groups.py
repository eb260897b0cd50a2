"""Which images make a group: those with a label, those predicted to have it, those of right and of wrong answers."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from heatproof import labels

UNLABELLED, UNPREDICTED = "no label", "nothing predicted"
OUTCOMES = {  # of a label: what is true of it, what is predicted
    "true positive": (True, True),
    "false negative": (True, False),
    "false positive": (False, True),
    "true negative": (False, False),
}


def make(frame: pd.DataFrame, classes: Sequence[str], options: dict) -> tuple[pd.DataFrame, np.ndarray]:
    """The groups that images fall into; with several labels an image is in several groups of a kind.

    Args:
        frame: predictions of some images, with a column `group`: the patient.
        classes: names of the labels.
        options: section `profiles`: `by` (kinds), `min_images`, `min_patients`.

    Returns:
        Table with columns by, group, images, patients, kept: whether it has images and patients enough to be
        profiled. And bool [images, kept groups], which images are in each.
    """
    found = [(by, name, members) for by in options["by"] for name, members in _groups(by, frame, classes)]
    rows = [
        {"by": by, "group": name, "images": int(members.sum()), "patients": frame.loc[members, "group"].nunique()}
        for by, name, members in found
    ]
    table = pd.DataFrame(rows)
    table["kept"] = (table["images"] >= options["min_images"]) & (table["patients"] >= options["min_patients"])
    members = [one for (_, _, one), kept in zip(found, table["kept"], strict=True) if kept]
    return table, np.array(members, bool).reshape(len(members), len(frame)).T


def _groups(by: str, frame: pd.DataFrame, classes: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and members, bool [images], of the groups of one kind."""
    truth, predicted = labels.truth(frame, len(classes)), labels.predicted(frame, len(classes))
    if by == "outcome":
        for name, has, told in zip(classes, truth.T, predicted.T, strict=True):
            yield from ((f"{name}: {what}", (has == a) & (told == b)) for what, (a, b) in OUTCOMES.items())
        return
    matrix, none = (truth, UNLABELLED) if by == "label" else (predicted, UNPREDICTED)
    yield from zip(classes, matrix.T, strict=True)
    if labels.is_multilabel(frame):
        yield none, ~matrix.any(1)
