"""Several labels an image, for an audit: sets of them as classes, and probes that ask for one label after another."""

from collections.abc import Sequence

import numpy as np

from heatproof.data.audit.trivial import TooFewGroups
from heatproof.data.split_labels import nearest_labels

BARE = "none of the labels"


def label_sets(truth: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The set of labels of each image as a class: int [images], and the names of the sets.

    Args:
        truth: bool [images, labels].
    """
    sets, codes = np.unique(truth, axis=0, return_inverse=True)
    called = [" + ".join(name for name, held in zip(names, each, strict=True) if held) or BARE for each in sets]
    return codes.ravel().astype(np.int64), called


def probed(truth: np.ndarray, groups: np.ndarray, folds: int) -> np.ndarray:
    """Labels that at least `folds` groups have, and as many have in none of their images: their indices."""
    every = len(np.unique(groups))
    held = np.array([len(np.unique(groups[has])) for has in truth.T], int)
    return np.flatnonzero((held >= folds) & (every - held >= folds))


def deal_label_folds(truth: np.ndarray, groups: np.ndarray, folds: int, *seed: str | int) -> np.ndarray:
    """Folds of whole groups that hold about as many images of every label, int8 [images]; see `nearest_labels`.

    Raises:
        TooFewGroups: there is no label to ask for.
    """
    if not truth.shape[1]:
        raise TooFewGroups(f"no label is in {folds} groups and missing in as many")
    options = {"tolerance": 0.02, "attempts": 20}
    return nearest_labels(truth, groups, [1 / folds] * folds, "folds", *seed, **options)[0].astype(np.int8)


def one_by_one(*matrices: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, ...]:
    """Answers to each label as classes of their own: 2k and 2k + 1 for label k that is missing and there.

    Their balanced accuracy is the mean over the labels of each one's own, as sensitivity and specificity are recalls.

    Args:
        matrices: truth or predictions, bool [images, labels].

    Returns:
        int [images x labels] for each matrix, and the groups of these answers.
    """
    labels = matrices[0].shape[1]
    found = [(2 * np.arange(labels) + matrix.astype(int)).ravel() for matrix in matrices]
    return *found, np.repeat(groups, labels)
