"""What an audit looks at, and how."""

from dataclasses import dataclass, field

import numpy as np

from heatproof.data.audit.probes import View
from heatproof.data.lookalikes import LIMIT
from heatproof.data.odd_masks import OddMasks


@dataclass(frozen=True)
class Material:
    """What the audit looks at; every array has one entry an image.

    labels: int; sha256: of the files; pictures: the same for images whose decoded pixels are equal; groups: any, or
    None for the clusters that the audit finds; group_kind: patient, lookalike or image; split_by: what the split in
    use keeps together, patient, lookalike or random; column or folder where it came with the images; all where every
    image is tested; None where that is not known; patients_known: look-alikes are then clustered as whole patients;
    truth_kept: share of the truth's area that preprocessing left, NaN without truth, None where no truth is read;
    odd_masks: None where none is odd; splits: train, val or test by fold (`fold0`, ...; `random0`, ...); raw, fitted:
    the images as they came and after preprocessing; label_names, truth: of a multilabel study the labels, and which of
    them each image has, bool [images, labels]: `classes` then are the sets of labels that images have, and `labels` are
    theirs. None where an image has one class.
    """

    image_ids: np.ndarray
    labels: np.ndarray
    classes: list[str]
    sha256: np.ndarray
    pictures: np.ndarray
    groups: np.ndarray | None
    group_kind: str
    raw: View
    fitted: View
    split_by: str | None = None
    patients_known: bool = False
    truth_kept: np.ndarray | None = None
    odd_masks: OddMasks | None = None
    splits: dict[str, np.ndarray] = field(default_factory=dict)
    label_names: list[str] | None = None
    truth: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """What images are counted by: classes, or labels, of which an image may have several."""
        return self.classes if self.label_names is None else self.label_names

    @property
    def held(self) -> np.ndarray:
        """Which of `names` each image has, bool [images, names]."""
        return self.labels[:, None] == np.arange(len(self.classes)) if self.truth is None else self.truth

    @property
    def used(self) -> dict[str, np.ndarray]:
        """The splits in use, without those that are only compared."""
        return {fold: split for fold, split in self.splits.items() if fold.startswith("fold")}


@dataclass(frozen=True)
class Settings:
    """How to look: `draws` random splits, `bootstrap` draws, `folds` of the probes, thresholds to `sweep`.

    shares: of train, val and test, or of each part of a cross-validation; tolerance: how far they may be missed.
    """

    threshold: float
    sweep: tuple[float, ...]
    draws: int = 200
    bootstrap: int = 1000
    folds: int = 5
    shares: tuple[float, ...] = (0.6, 0.2, 0.2)
    tolerance: float = 0.1
    cross_validated: bool = False
    limit: int = LIMIT  # pairs of look-alikes
    option: str = "data.lookalike"  # what a user sets the threshold with
    crop: str = "none"  # as the images were preprocessed: advice names nothing that is set
    fit: str = "crop"

    @property
    def three_shares(self) -> tuple[float, float, float]:
        """Of train, val and test, in a cross-validation too."""
        if not self.cross_validated:
            return self.shares
        one = self.shares[0]
        return 1 - 2 * one, one, one
