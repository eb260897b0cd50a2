"""Faithfulness where an image can have several labels: a label's probability is its own, whatever the others'."""

import pytest
import torch

from heatproof.score.metrics import faithfulness, infidelity, naopc, road
from heatproof.score.queries import of_class, of_label

IMAGE = torch.arange(64.0).view(1, 8, 8) / 64
MAP = (IMAGE[0] - 0.5)[None]


def forward(pixels):
    """Logits of three labels; only the first looks at the image."""
    seen = 4 * pixels.mean((1, 2, 3))
    return torch.stack([seen - 1, torch.full_like(seen, 9.0), torch.full_like(seen, -9.0)], 1)


def test_probabilities_by_hand():
    logits = torch.tensor([[0.0, 0.0, 100.0]], dtype=torch.float64)
    assert of_label(logits, 0).item() == 0.5
    assert of_class(logits, 0).item() < 1e-40


@pytest.mark.parametrize(
    "found",
    [
        lambda **how: next(
            faithfulness.responses(forward, [(IMAGE, MAP, 0)], steps=4, baselines=["zero"], batch_size=8, **how)
        ).probability.item(),
        lambda **how: next(
            road.road_responses(forward, [(IMAGE, MAP, 0)], percentiles=[50], batch_size=8, **how)
        ).probability.item(),
    ],
)
def test_the_label_is_read_by_itself(found):
    assert found(probability=of_label) == pytest.approx(torch.sigmoid(4 * IMAGE.mean() - 1).item(), abs=1e-6)
    assert found() < 0.01  # as one class of three, the second takes all


def test_searches_and_squares_read_it_so_too():
    (orders,) = naopc.orders(
        forward, [(IMAGE, MAP, 0)], cells=2, beam=1, baseline="zero", batch_size=8, probability=of_label
    )
    assert orders.best.item() > 0.05
    options = {"keys": [("s", "a")], "samples": 4, "baseline": "zero", "batch_size": 8}
    (asked,) = infidelity.perturbed(forward, [(IMAGE, MAP, 0)], probability=of_label, **options)
    (as_class,) = infidelity.perturbed(forward, [(IMAGE, MAP, 0)], **options)
    assert asked.drop.abs().max() > 10 * as_class.drop.abs().max()
