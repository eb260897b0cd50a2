"""The table of what a checkpoint answers for the images that it was not trained on."""

import numpy as np
import pandas as pd

from heatproof.labels import multihot, truth
from heatproof.train.thresholds import best_thresholds


def classified(manifest: pd.DataFrame, probabilities: np.ndarray) -> pd.DataFrame:
    """Predictions of some images of which each has one class.

    Args:
        manifest: their rows.
        probabilities: float [images, classes], of which the first of the largest is predicted.
    """
    frame = manifest[["image_id", "split", "label"]].reset_index(drop=True)
    frame["predicted"] = probabilities.argmax(1)
    return frame.join(_columns(probabilities))


def labelled(
    manifest: pd.DataFrame, probabilities: np.ndarray, thresholds: np.ndarray | None = None
) -> tuple[pd.DataFrame, list[float]]:
    """Predictions of some images that can have several labels, and the threshold of each label.

    Args:
        manifest: their rows, of which those of the split `val` choose thresholds that are not given.
        probabilities: float [images, labels].
        thresholds: float [labels]; a label is predicted whose probability reaches it.
    """
    true = truth(manifest, probabilities.shape[1])
    if thresholds is None:
        chosen = (manifest["split"] == "val").to_numpy()
        thresholds = best_thresholds(probabilities[chosen], true[chosen])
    frame = manifest[["image_id", "split"]].reset_index(drop=True)
    frame = frame.assign(label=pd.NA, predicted=pd.NA).join(multihot("label", true))
    frame = frame.join(multihot("predicted", probabilities >= thresholds)).join(_columns(probabilities))
    return frame, [float(threshold) for threshold in thresholds]


def _columns(probabilities: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(probabilities).add_prefix("p_")
