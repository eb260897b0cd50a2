"""Which images belong together: those of a patient, or those that look alike."""

import numpy as np
import pandas as pd

from heatproof.data import lookalikes
from heatproof.data.split import crossing
from heatproof.errors import InputError


def group_images(
    frame: pd.DataFrame, thumbnails: np.ndarray, kind: str, threshold: float
) -> tuple[pd.Series, lookalikes.Pairs | None]:
    """The group of each image, and the pairs of images that look alike, where the groups rest on them.

    Args:
        frame: one row an image, with image_id and patient (None where unknown).
        thumbnails: uint8 [images, 32, 32].
        kind: `patient`; `lookalike`: connected clusters of images that look alike, patients united where they are
            known; or `image`.
        threshold: similarity from which two images look alike.

    Raises:
        InputError: patients are asked for and an image has none.
    """
    if kind == "image":
        return frame["image_id"], None
    if kind == "patient":
        lost = frame.loc[frame["patient"].isna(), "source"]
        if len(lost):
            more = f" and {len(lost) - 1} more images" if len(lost) > 1 else ""
            raise InputError(
                f"data.split.by: {lost.iloc[0]}{more}: no patient is known; mend the source, or set by: lookalike"
            )
        return frame["patient"], None
    pairs = lookalikes.pairs(thumbnails, threshold)
    patients = frame["patient"].where(frame["patient"].notna(), None)
    labels = lookalikes.clusters(len(frame), pairs.a, pairs.b, also=patients)
    return pd.Series(lookalikes.group_names(labels), frame.index), pairs


def check_apart(splits: pd.DataFrame, pairs: lookalikes.Pairs) -> None:
    """Make sure that no two images that look alike stand in two splits of any fold.

    Raises:
        AssertionError: they do, which whole groups exclude: a fault of the program.
    """
    for fold in splits.filter(regex=r"^fold\d+$"):
        found = crossing(pairs.a, pairs.b, splits[fold].to_numpy())
        if found:
            raise AssertionError(f"{found} pairs of images that look alike stand in two splits of {fold}")


def check_patients(splits: pd.DataFrame, patients: pd.Series) -> None:
    """Make sure that no patient's images stand in two splits of any fold.

    Raises:
        AssertionError: they do, which whole groups exclude: a fault of the program.
    """
    for fold in splits.filter(regex=r"^fold\d+$"):
        found = splits[fold].groupby(patients).nunique()
        if (found > 1).any():
            raise AssertionError(f"images of patient {found.idxmax()} stand in two splits of {fold}")
