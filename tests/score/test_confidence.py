"""Soft masks: values by hand and torchcam; the plain twin stands in test_faithfulness.py."""

import math

import pytest
import torch
from score.asked import Counting, batch, by_curves
from score.test_faithfulness import Extractor
from torchcam.metrics import ClassificationMetric

from heatproof.score.metrics.confidence import METRICS
from heatproof.score.order import unit_scale


def test_drop_and_rise_by_hand():
    """Two pixels of 1: the first speaks for the target, the second against it."""

    def forward(pixels):
        for_it, against = pixels.flatten(1).T
        return torch.stack([2 * for_it - against, torch.zeros(len(pixels))], dim=1)

    maps = torch.tensor([[[1.0, 0]], [[0, 1]], [[-3, 5]]])  # for it; against it; the same order and scale by min-max
    found = by_curves(forward, torch.ones(1, 1, 1, 2), maps[:, None], [0], steps=2)
    whole, against = (1 / (1 + math.exp(-logit)) for logit in (1, -1))
    drop = (whole - against) / whole
    assert found["average_drop"].flatten().tolist() == pytest.approx([0, drop, drop], abs=1e-6)
    assert found["increase_in_confidence"].flatten().tolist() == [1, 0, 0]


def test_equal_confidence_is_no_increase():
    """The second pixel is not used, so a map without it changes nothing."""
    found = by_curves(
        lambda x: torch.stack([x[:, 0, 0, 0], torch.zeros(len(x))], dim=1),
        torch.ones(1, 1, 1, 2),
        torch.tensor([[[[1.0, 0]]]]),
        [0],
        steps=2,
    )
    assert found["increase_in_confidence"].item() == found["average_drop"].item() == 0


def test_torchcam_agrees():
    pixels, maps, targets = batch(images=6, maps=1, side=8)
    model = Counting(side=8)
    model.training = False
    found = by_curves(model, pixels, maps, targets)
    drops, rises = [], []
    for image, heat, target in zip(pixels, maps[0], targets, strict=True):
        cam = unit_scale(heat[None]).float()
        metric = ClassificationMetric(Extractor(torch.nn.Identity(), cam), lambda x: model(x).softmax(1))
        metric.update(image[None], int(target))
        drops.append(metric.summary()["avg_drop"])
        rises.append(metric.summary()["conf_increase"])
    assert found["average_drop"][0].tolist() == pytest.approx(drops, abs=1e-5)
    assert found["increase_in_confidence"][0].tolist() == rises
    assert 0 < sum(rises) < 6


def test_maps_are_read_by_scale_not_by_order_alone():
    pixels, maps, targets = batch(images=1, maps=1)
    steep = by_curves(Counting(), pixels, maps.exp(), targets)
    flat = by_curves(Counting(), pixels, maps, targets)
    moved = by_curves(Counting(), pixels, maps * 3 - 5, targets)
    for name in set(METRICS) - {"increase_in_confidence"}:
        assert flat[name].item() == pytest.approx(moved[name].item(), abs=1e-6)
    assert abs(flat["faithfulness_logit"] - steep["faithfulness_logit"]) > 1e-3
