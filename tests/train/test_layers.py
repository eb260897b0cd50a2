import pytest
import torch
from torch import nn

from heatproof.errors import InputError
from heatproof.train.layers import find_target_layer
from heatproof.train.model import Classifier, build


@pytest.mark.parametrize(
    ("name", "size", "min_grid", "layer", "layout", "grid", "prefix"),
    [
        ("resnet50", 64, 7, "layer2", "NCHW", (8, 8), 0),
        ("resnet50", 64, 2, "layer4", "NCHW", (2, 2), 0),
        ("resnet101", 96, 7, "layer2", "NCHW", (12, 12), 0),
        ("densenet161", 64, 7, "features.denseblock2", "NCHW", (8, 8), 0),
        ("efficientnet_b0", 96, 6, "blocks.4", "NCHW", (6, 6), 0),
        ("vit_base_patch16_224", 64, 7, "blocks.11.norm1", "tokens", (4, 4), 1),
        ("deit_tiny_distilled_patch16_224", 64, 2, "blocks.11.norm1", "tokens", (4, 4), 2),
        ("swin_tiny_patch4_window7_224", 224, 7, "layers.3", "NHWC", (7, 7), 0),
        ("mixer_s32_224", 224, 7, "blocks.7", "tokens", (7, 7), 0),
    ],
)
def test_layer_is_learnt_from_the_model(name, size, min_grid, layer, layout, grid, prefix):
    torch.manual_seed(0)
    found = find_target_layer(build(name, 3, size).eval(), size, min_grid)
    assert (found.name, found.layout, found.grid, found.prefix_tokens) == (layer, layout, grid, prefix)


def test_tokens_become_a_grid_row_by_row():
    torch.manual_seed(0)
    layer = find_target_layer(build("test_vit", 3, 64).eval(), 64, 7)
    tokens = torch.arange(1 + 16).float().view(1, 17, 1)
    assert layer.to_grid(tokens)[0, 0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]


def test_the_layer_found_gets_a_gradient_at_every_position():
    torch.manual_seed(0)
    model = build("test_vit", 3, 64).eval()
    layer = find_target_layer(model, 64, 7)
    kept = []
    hook = layer.module.register_forward_hook(lambda _, __, output: kept.append(output))
    logits = model(torch.rand(1, 1, 64, 64))
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[0, 0], kept)
    assert (layer.to_grid(gradient).abs().sum(1) > 0).all()


def test_a_network_without_stages_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    model = Classifier(net, torch.zeros(3), torch.ones(3))
    with pytest.raises(InputError, match="Sequential names no stages"):
        find_target_layer(model.eval(), 32, 7)


def test_a_network_whose_classes_ignore_its_grid_is_refused():
    class Blind(nn.Module):
        feature_info = [{"module": "stem"}]  # noqa: RUF012

        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, stride=2)
            self.head = nn.Linear(1, 2)

        def forward(self, pixels):
            self.stem(pixels)
            return self.head(pixels.mean((1, 2, 3), keepdim=True).flatten(1))

    model = Classifier(Blind(), torch.zeros(3), torch.ones(3)).eval()
    with pytest.raises(InputError, match="Blind has no layer with a grid that its classes depend on"):
        find_target_layer(model, 32, 7)
