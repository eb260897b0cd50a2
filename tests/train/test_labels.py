import numpy as np
import torch

from heatproof.train.loop import shuffled

LABELS = torch.arange(300) % 3
ROWS = np.arange(0, 300, 2)


def test_labels_are_permuted_among_the_rows_alone():
    before = LABELS.clone()
    found = shuffled(LABELS, ROWS, "study", 0)
    assert torch.equal(LABELS, before)
    assert torch.equal(found[1::2], LABELS[1::2])
    assert torch.equal(torch.bincount(found[ROWS]), torch.bincount(LABELS[ROWS]))
    assert 0.2 < (found[ROWS] == LABELS[ROWS]).float().mean() < 0.47  # a third by chance


def test_a_permutation_is_that_of_its_key():
    assert torch.equal(shuffled(LABELS, ROWS, "study", 0), shuffled(LABELS, ROWS, "study", 0))
    assert not torch.equal(shuffled(LABELS, ROWS, "study", 0), shuffled(LABELS, ROWS, "study", 1))
