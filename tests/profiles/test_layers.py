"""Layers to profile: of networks with feature maps and with tokens, and those that cannot be."""

import numpy as np
import pytest
import torch
from profiles.made import ByHand
from torch import nn

from heatproof.core.messages import InputError
from heatproof.profiles import measure
from heatproof.train.model import build


def test_ends_of_stages_in_the_order_in_which_they_run():
    found = measure.find(build("test_resnet", 3, 64).eval(), 64)
    assert [layer.name for layer in found] == ["act1", "layer1", "layer2", "layer3", "layer4"]
    assert [layer.reading.grid for layer in found] == [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]
    assert [layer.units for layer in found] == [32, 32, 48, 192, 96]


def test_of_tokens_only_the_positions_count():
    model = build("test_vit", 3, 64).eval()
    found = measure.find(model, 64, ["blocks.1"])
    assert (found[0].reading.layout, found[0].reading.prefix_tokens, found[0].units) == ("tokens", 1, 64)
    pixels, kept = torch.rand(3, 1, 64, 64), []
    hook = model.net.blocks[1].register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    with measure.watching(model, found) as answers, torch.inference_mode():
        model(pixels)
    hook.remove()
    positions = kept[0][:, 1:].double().numpy()
    np.testing.assert_allclose(answers["blocks.1"].means, positions.mean(1), rtol=1e-12)
    np.testing.assert_array_equal(answers["blocks.1"].low, positions.min((0, 1)))
    np.testing.assert_array_equal(answers["blocks.1"].high, positions.max((0, 1)))
    assert not model.net.blocks[1]._forward_hooks


def test_what_writes_over_a_layer_afterwards_is_not_counted():
    model = ByHand()
    model.net.head = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten())
    model.net.maps.bias.data[0] = -5
    found = measure.find(model, 4, ["maps"])
    with measure.watching(model, found) as answers, torch.inference_mode():
        model(torch.zeros(1, 1, 4, 4))
    assert answers["maps"].means[0, 0] == -5


def test_a_layer_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"profiles\.layers: layer9: ResNet has no such module"):
        measure.find(build("test_resnet", 3, 64).eval(), 64, ["layer9"])


def test_a_layer_without_feature_maps_is_named():
    with pytest.raises(InputError, match=r"profiles\.layers: fc: gives no grid of feature maps in ResNet"):
        measure.find(build("test_resnet", 3, 64).eval(), 64, ["layer1", "fc"])


def test_a_network_without_stages_says_what_to_do():
    with pytest.raises(InputError, match=r"names no stages.*profiles\.layers"):
        measure.find(ByHand(), 4)
