"""Several models that answer as one: by majority vote, or by the mean of their probabilities.

Both are functions of what the members answer. Nothing is trained, and no weights are stored: a card names the members.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heatproof.errors import Unsupported

VOTE, MEAN = "vote", "mean"
TIE = 1e-3  # of a vote: what the probability decides between classes with as many votes
SURE = 0.5  # added to the votes for and against: all members together are not sure without end


class Ensemble(nn.Module):
    """Members as one classifier: pixels [batch, 1 or 3, height, width] in [0, 1] to logits [batch, classes].

    mean: the logit of the mean probability. Where each image has one class, the logarithm of it, whose softmax is the
    mean probability again.
    vote: `log((v + .5) / (n - v + .5))` of v votes of n members for each class: above 0 for a majority. It is piecewise
    constant, and has no gradient: what changes an image can explain it, and what asks for a gradient cannot.

    Attributes:
        members: classifiers of the same classes, in evaluation mode.
        net: the ensemble itself, as a `Classifier` has its network; with num_classes.
        thresholds: float [members, classes], from which probability a member votes for a label; None where an image has
            one class, and a member's vote is for the likeliest.
    """

    def __init__(self, members: Sequence[nn.Module], combine: str, thresholds: Tensor | None):
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine
        self.num_classes = members[0].net.num_classes
        self.register_buffer("thresholds", thresholds, persistent=False)

    @property
    def net(self) -> "Ensemble":
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        if self.combine == VOTE and torch.is_grad_enabled() and pixels.requires_grad:
            raise Unsupported("a majority vote has no gradient")
        logits = torch.stack([member(pixels) for member in self.members], 1)  # [batch, members, classes]
        return self._mean(logits) if self.combine == MEAN else self._vote(logits)

    def _mean(self, logits: Tensor) -> Tensor:
        """By functions that DeepLIFT has rules for; members that are sure together stay finite."""
        least = torch.finfo(logits.dtype).tiny
        if self.thresholds is None:
            return (logits.softmax(2).mean(1) + least).log()
        there, not_there = logits.sigmoid().mean(1), (-logits).sigmoid().mean(1)
        return (there + least).log() - (not_there + least).log()

    def _vote(self, logits: Tensor) -> Tensor:
        """Of classes with as many votes the likelier one is above the other, as in `combined`."""
        if self.thresholds is None:
            likelier = TIE * logits.double().softmax(2).mean(1)
            votes = F.one_hot(logits.argmax(2), self.num_classes).sum(1) + likelier
        else:
            votes = (logits.double().sigmoid() >= self.thresholds).sum(1).double()
        return ((votes + SURE) / (len(self.members) - votes + SURE)).log().to(logits.dtype)


def combined(probabilities: np.ndarray, thresholds: np.ndarray | None, combine: str) -> np.ndarray:
    """What an ensemble answers, of what its members answered.

    Args:
        probabilities: float [members, images, classes].
        thresholds: float [members, classes] of several labels; None where each image has one class.
        combine: mean of the probabilities, or vote.

    Returns:
        float [images, classes]: the mean probability, or the share of the votes. Where each image has one class and two
        have as many votes, the mean probability decides.
    """
    mean = probabilities.mean(0)
    if combine == MEAN:
        return mean
    if thresholds is not None:
        return (probabilities >= thresholds[:, None]).mean(0)
    votes = (probabilities.argmax(2)[..., None] == np.arange(probabilities.shape[2])).mean(0)
    return (votes + TIE * mean) / (1 + TIE)
