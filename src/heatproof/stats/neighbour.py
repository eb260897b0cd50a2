"""Classifiers that see no disease, trained and tested as the models were: the nearest thumbnail, the largest class.

Both are exact: a correlation is worked out of sums of products of whole numbers below 2**53, which float64 holds
without rounding in any order of summation, so that neither blocks nor threads change an answer.
"""

from math import prod

import numpy as np

NEIGHBOUR, FREQUENT = "nearest neighbour", "most frequent class"
_BLOCK = 1024  # images


def nearest(thumbnails: np.ndarray, train: np.ndarray, test: np.ndarray, *, block: int = _BLOCK) -> np.ndarray:
    """The row of `train` whose thumbnail correlates most (Pearson) with that of each row of `test`.

    Ties go to the first row of `train`; a constant thumbnail correlates with none (0).

    Args:
        thumbnails: uint8 [images, height, width], of at most 2**18 pixels.
        train, test: int [images], rows; `train` is not empty.
        block: rows of `test` compared at a time; it bounds the memory and changes nothing else.

    Returns:
        int64 [rows of test], rows of `thumbnails`.
    """
    pixels = prod(thumbnails.shape[1:])
    known = thumbnails[train].reshape(len(train), pixels).astype(float)
    total = known.sum(1)
    norm = np.sqrt(pixels * np.einsum("ij,ij->i", known, known) - total**2)
    found = np.empty(len(test), np.int64)
    for start in range(0, len(test), block):
        asked = thumbnails[test[start : start + block]].reshape(-1, pixels).astype(float)
        covariance = pixels * (asked @ known.T) - np.multiply.outer(asked.sum(1), total)
        # the asked image's own norm is the same for all of `train`, and left out
        similarity = np.divide(covariance, norm, out=np.zeros_like(covariance), where=norm > 0)
        found[start : start + block] = train[similarity.argmax(1)]
    return found


def answers(thumbnails: np.ndarray, labels: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Classifier -> its answers on the rows `test`, having seen the labels of the rows `train`; as `labels`.

    Args:
        thumbnails: uint8 [images, height, width].
        labels: int [images], from 0; of equally frequent classes the first is taken. Or bool [images, labels], where
            images have several: of these, those that more than half of the training images have.
        train, test: int [images], rows; `train` is not empty.
    """
    if labels.ndim == 2:
        most = labels[train].mean(0) > 0.5
        return {NEIGHBOUR: labels[nearest(thumbnails, train, test)], FREQUENT: np.tile(most, (len(test), 1))}
    frequent = np.bincount(labels[train]).argmax()
    return {NEIGHBOUR: labels[nearest(thumbnails, train, test)], FREQUENT: np.full(len(test), frequent, labels.dtype)}
