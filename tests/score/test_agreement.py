"""Agreement between methods against values done by hand."""

import math

import pytest
import torch

from heatproof.score.jobs.agreement import METHODS
from heatproof.score.metrics.consistency import METRICS

A, B, C, FLAT = [4.0, 3, 0, 0], [4.0, 0, 3, 0], [0.0, 0, 0, 4], [1.0, 1, 1, 1]


def maps(*rows):
    return torch.tensor(rows).view(len(rows), 1, 2, 2)


def score(name, own, *others):
    rivals = maps(*others) if others else torch.empty(0, 1, 2, 2)
    return METRICS[name](maps(own)[0], rivals).item()


def test_values_done_by_hand():
    assert score("iou_methods", A, B, C) == pytest.approx((1 / 3 + 0) / 2)  # hot: {0, 1}; {0, 2}, {3}
    # ranks 4, 3, 1.5, 1.5; 4, 1.5, 3, 1.5; 2, 2, 2, 4: products 2.25, -2; squares 4.5, 4.5, 3
    assert score("rank_correlation_methods", A, B, C) == pytest.approx((2.25 / 4.5 - 2 / math.sqrt(4.5 * 3)) / 2)


@pytest.mark.parametrize("name", METHODS)
def test_equal_maps_agree_whatever_their_scale(name):
    assert score(name, A, A, [8.0, 6, 0, 0]) == pytest.approx(1)


@pytest.mark.parametrize("name", METHODS)
def test_what_has_no_map_is_left_out_of_the_mean(name):
    alone = score(name, A, B)
    assert score(name, A, B, FLAT) == alone == score(name, A, [math.nan] * 4, B)
    assert all(math.isnan(score(name, *row)) for row in ((A,), (A, FLAT), (FLAT, A, B)))


@pytest.mark.parametrize("name", METHODS)
def test_each_image_is_compared_with_itself_alone(name):
    own, others = torch.tensor([A, C]).view(2, 2, 2), torch.tensor([[B, A], [C, C]]).view(2, 2, 2, 2)
    expected = [score(name, A, B, C), score(name, C, A, C)]
    assert METRICS[name](own, others).tolist() == pytest.approx(expected)
