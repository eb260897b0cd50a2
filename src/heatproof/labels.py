"""Labels of images and what models predict: one class an image, or several labels that are there or not.

A table of a multilabel study has a column a label, `label_0`, `label_1`, ... (bool), and nothing in `label`; and so
with `predicted`. A case is an image and one of its labels: what a heatmap explains there.
"""

import numpy as np
import pandas as pd


def is_multilabel(frame: pd.DataFrame) -> bool:
    """Whether a manifest or a table of predictions has several labels an image."""
    return "label_0" in frame


def truth(frame: pd.DataFrame, classes: int) -> np.ndarray:
    """Which labels each image has, bool [images, classes]."""
    return _matrix(frame, "label", classes)


def predicted(frame: pd.DataFrame, classes: int) -> np.ndarray:
    """Which labels each image is predicted to have, bool [images, classes]."""
    return _matrix(frame, "predicted", classes)


def multihot(prefix: str, matrix: np.ndarray, index: pd.Index | None = None) -> pd.DataFrame:
    """Columns `<prefix>_0`, `<prefix>_1`, ... of a matrix [images, classes]."""
    return pd.DataFrame(np.asarray(matrix, bool), index=index).add_prefix(f"{prefix}_")


def marked(row: pd.Series) -> tuple[int, ...]:
    """Indices of the labels that the mask or box of an image is of, from its row of a multilabel manifest."""
    return tuple(k for k in range(len(row)) if row.get(f"marks_{k}", False))


def marks(frame: pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """Whether the mask or box of each row's image is of a label, bool [rows].

    Args:
        frame: rows of a multilabel manifest; without its columns `marks_0`, ... nothing is declared, and none is.
        labels: index of the label asked for in each row, int [rows].
    """
    declared = frame.reindex(columns=[f"marks_{k}" for k in range(1 + max(labels, default=0))], fill_value=False)
    return declared.to_numpy(bool)[np.arange(len(frame)), labels]


def case_name(image_id: str, label: str) -> str:
    """What a case is called where one name must do: an image, and the name of the label that is explained of it."""
    return f"{image_id} [{label}]"


def _matrix(frame: pd.DataFrame, prefix: str, classes: int) -> np.ndarray:
    if f"{prefix}_0" in frame:
        return frame[[f"{prefix}_{k}" for k in range(classes)]].to_numpy(bool)
    return frame[prefix].to_numpy(int)[:, None] == np.arange(classes)
