"""One pass for all methods that read it."""

import pytest
import torch
from torch import nn

from heatproof.explain.methods import Batch
from heatproof.train.layers import TargetLayer


class Net(nn.Module):
    """A convolution, a ReLU that works in place, the mean of each channel, and a linear head; it counts its calls."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.calls = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4, 3), 0

    def forward(self, pixels):
        self.calls += 1
        return self.head(torch.relu_(self.conv(pixels)).mean((2, 3)))


@pytest.fixture
def batch():
    net = Net().eval().requires_grad_(False)
    pixels = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    return Batch(net, TargetLayer("conv", net.conv, "NCHW", (6, 6)), pixels, torch.tensor([2, 0, 1]))


def test_activations_and_gradients_by_hand(batch):
    net = batch.model
    activations = net.conv(batch.pixels)
    torch.testing.assert_close(batch.activations, activations)  # as the layer gave them, before ReLU worked in place
    by_hand = net.head.weight[batch.targets][:, :, None, None] * (activations > 0) / 36
    torch.testing.assert_close(batch.gradients, by_hand)
    torch.testing.assert_close(batch.logits, net.head(activations.relu().mean((2, 3))))


def test_the_model_is_asked_once_and_left_as_it_was(batch):
    _ = batch.activations, batch.gradients, batch.logits, batch.activations
    assert batch.model.calls == 1
    assert not batch.model.conv._forward_hooks and batch.pixels.grad is None
    assert not batch.activations.requires_grad and not batch.logits.requires_grad


def test_nothing_is_asked_before_it_is_read(batch):
    assert batch.model.calls == 0 and len(batch.keys) == 3


def test_the_hook_is_gone_after_an_error(batch):
    batch.pixels = batch.pixels[:, :, 0]
    with pytest.raises(RuntimeError):
        _ = batch.logits
    assert not batch.model.conv._forward_hooks
