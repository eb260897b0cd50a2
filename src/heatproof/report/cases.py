"""Cases of a multilabel study: an image and one of its labels, which the page shows as it shows images elsewhere.

A case goes by one name (`labels.case_name`), and is a decision between two: the label is there, or it is not.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heatproof import labels


def decisions(classes: Sequence[str]) -> list[str]:
    """What a case can be and be taken for: of label k the numbers 2k, it is there, and 2k + 1, it is not."""
    return [text for name in classes for text in (name, f"not {name}")]


def decided(label: pd.Series | np.ndarray, there: np.ndarray) -> np.ndarray:
    """Numbers of `decisions`, from the index of each case's label and whether it is there."""
    return 2 * np.asarray(label, int) + ~np.asarray(there, bool)


def named(frame: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Rows of cases with the case's name in `image_id`; the image's own stands in `image`."""
    names = [labels.case_name(image, classes[k]) for image, k in zip(frame["image_id"], frame["label"], strict=True)]
    return frame.assign(image=frame["image_id"], image_id=names)


def explained(index: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Rows of heatmaps with the name of their case, and as `predicted` what the case was taken for."""
    return named(index, classes).assign(predicted=decided(index["label"], index["predicted"] == index["label"]))


def answers(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Every case of the images and what it is and was taken for: image_id, label, predicted."""
    truth, found = labels.truth(predictions, len(classes)), labels.predicted(predictions, len(classes))
    rows = pd.DataFrame(
        {
            "image_id": np.repeat(predictions["image_id"], len(classes)),
            "label": np.tile(range(len(classes)), len(truth)),
        }
    )
    seen = {"label": decided(rows["label"], truth.ravel()), "predicted": decided(rows["label"], found.ravel())}
    return named(rows, classes).assign(**seen).drop(columns="image").reset_index(drop=True)


def table(index: Sequence[pd.DataFrame], manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Every case that a heatmap was asked of, as `Inputs.cases` has it, in the order of the manifest and the labels."""
    rows = pd.concat([of[["image_id", "image", "label"]] for of in index]).drop_duplicates("image_id")
    places = manifest.reset_index(drop=True).reset_index(names="place").set_index("image_id")
    known = places.loc[rows["image"], ["place", "group", "truth"]].reset_index(drop=True)
    there = labels.truth(manifest, len(classes))[known["place"], rows["label"].astype(int)]
    marked = labels.marks(manifest.iloc[known["place"]], rows["label"].to_numpy(int))
    known["truth"] = known["truth"].where(marked, "none")  # of another label
    known = known.assign(label=decided(rows["label"], there), image_id=rows["image_id"].to_numpy())
    return known.sort_values(["place", "label"], kind="stable").set_index("image_id")
