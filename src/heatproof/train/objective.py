"""What is trained for, and what chooses the epoch: one class an image, or several labels that are there or not."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

RAREST = 20.0  # a label that is rarer than one image in so many weighs no more than one that is


class Objective(Protocol):
    """How logits [images, classes] are held against labels: a loss to train on, and what is told of held-out images."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor: ...

    def evaluate(self, logits: Tensor, labels: Tensor) -> tuple[float, float]: ...


class OneClass:
    """Cross-entropy of the one class of each image, with a weight a class if they are to count the same.

    `labels` are int64 [images].
    """

    def __init__(self, labels: Tensor, classes: int, balance: bool):
        self.weights = class_weights(labels, classes) if balance else None

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = self.weights.to(logits.device) if self.weights is not None else None
        return F.cross_entropy(logits, labels, weight=weights)

    def evaluate(self, logits: Tensor, labels: Tensor) -> tuple[float, float]:
        """Mean cross-entropy and balanced accuracy (mean recall of the classes that are there)."""
        right = (logits.argmax(1) == labels).double()
        recalls = [right[labels == label].mean() for label in labels.unique()]
        return F.cross_entropy(logits, labels).item(), torch.stack(recalls).mean().item()


class Labels:
    """Binary cross-entropy of each label, weighted where it is there if that is to count as much as where it is not.

    `labels` are bool [images, classes].
    """

    def __init__(self, labels: Tensor, balance: bool):
        self.weights = label_weights(labels) if balance else None

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = self.weights.to(logits.device) if self.weights is not None else None
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=weights)

    def evaluate(self, logits: Tensor, labels: Tensor) -> tuple[float, float]:
        """Mean loss, weighted as in training, and the mean over labels of the balanced accuracy at a probability of one
        half; a label that all images have, or none, has no part in it."""
        right = ((logits > 0) == labels).double()
        told = [k for k in range(labels.shape[1]) if 0 < labels[:, k].sum() < len(labels)]
        recalls = [(right[labels[:, k], k].mean() + right[~labels[:, k], k].mean()) / 2 for k in told]
        return self.loss(logits, labels).item(), torch.stack(recalls).mean().item() if recalls else 0.5


def objective(labels: Tensor, classes: int, balance: bool) -> Objective:
    """What to train for, by the shape of the training images' labels: [images], or [images, classes]."""
    return OneClass(labels, classes, balance) if labels.ndim == 1 else Labels(labels, balance)


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Weights, float [classes], with which every class counts the same; their mean over the images is 1."""
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return len(labels) / ((counts > 0).sum() * counts.float())


def label_weights(labels: Tensor) -> Tensor:
    """Images without each label over those with it, float [classes], between 1 / `RAREST` and `RAREST`; 1 for a label
    that none has."""
    there = labels.sum(0).float()
    ratio = (len(labels) - there) / there.clamp(min=1)
    return torch.where(there > 0, ratio.clamp(1 / RAREST, RAREST), 1.0)
