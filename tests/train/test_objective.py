import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from heatproof.train.checkpoint import best_thresholds
from heatproof.train.loop import Labels, OneClass, label_weights, objective

LABELS = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0]]).bool()


def test_the_shape_of_the_labels_tells_what_is_trained_for():
    assert isinstance(objective(torch.tensor([0, 1]), 2, True), OneClass)
    assert isinstance(objective(LABELS, 3, True), Labels)


def test_weights_of_labels_by_hand():
    assert label_weights(LABELS).tolist() == pytest.approx([1.0, 1 / 3, 1.0])  # none has the last
    rare = torch.zeros(1000, 2).bool()
    rare[0, 0] = rare[1:, 1] = True
    assert label_weights(rare).tolist() == pytest.approx([20.0, 1 / 20])


def test_the_loss_is_the_weighted_binary_cross_entropy():
    logits = torch.tensor([[0.0, 2.0, -1.0]])
    labels = torch.tensor([[True, False, False]])
    aim = Labels(LABELS, balance=True)
    by_hand = -(np.log(0.5) + np.log(1 - 1 / (1 + np.exp(-2.0))) + np.log(1 - 1 / (1 + np.exp(1.0)))) / 3
    assert aim.loss(logits, labels).item() == pytest.approx(by_hand)
    there = aim.loss(logits, torch.tensor([[True, True, False]])).item()
    by_hand = -(np.log(0.5) + np.log(1 / (1 + np.exp(-2.0))) / 3 + np.log(1 - 1 / (1 + np.exp(1.0)))) / 3
    assert there == pytest.approx(by_hand)


def test_validation_leaves_out_a_label_that_none_or_all_have():
    logits = torch.tensor([[1.0, -1, 5], [1, 1, 5], [-1, -1, 5], [1, 1, 5]])
    # the first: sensitivity 1, specificity .5; the second: 2 of 3, and 1; of the third all is wrong, and not told
    loss, accuracy = Labels(LABELS, balance=False).evaluate(logits, LABELS)
    assert accuracy == pytest.approx(((1 + 0.5) / 2 + (2 / 3 + 1) / 2) / 2)
    assert loss == pytest.approx(torch.nn.functional.binary_cross_entropy_with_logits(logits, LABELS.float()).item())
    assert Labels(LABELS, False).evaluate(logits[:1], torch.ones(1, 3).bool())[1] == 0.5


def test_thresholds_by_hand():
    probabilities = np.array([[0.9, 0.2], [0.8, 0.3], [0.3, 0.4], [0.1, 0.9]])
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 0]], bool)
    # of the first label .2 takes three for two that have it; F1 .8. Nothing is known of the second
    assert best_thresholds(probabilities, labels).tolist() == pytest.approx([0.2, 0.5])


def test_of_equally_good_thresholds_the_one_nearest_to_one_half_is_taken():
    assert best_thresholds(np.array([[0.1], [0.45], [0.95]]), np.array([[0], [0], [1]], bool)).tolist() == [0.5]
    assert best_thresholds(np.array([[0.6], [0.7], [0.9]]), np.array([[0], [1], [1]], bool)).tolist() == pytest.approx(
        [0.65]
    )


@given(arrays(float, 12, elements=st.integers(0, 20).map(lambda n: n / 20)), arrays(bool, 12))
@pytest.mark.slow
def test_no_other_threshold_has_a_higher_f1(probability, there):
    (chosen,) = best_thresholds(probability[:, None], there[:, None])
    if not 0 < there.sum() < len(there):
        assert chosen == 0.5
        return
    reached = f1_score(there, probability >= chosen, zero_division=0)
    others = [f1_score(there, probability >= other, zero_division=0) for other in np.unique(probability)]
    assert reached >= max(others) - 1e-12
