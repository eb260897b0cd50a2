import pytest
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from heatproof.explain.cam import gradcam
from heatproof.maps import upsample
from heatproof.train.layers import TargetLayer, find_target_layer
from heatproof.train.model import build


class TwoMaps(nn.Module):
    """Two feature maps, the pixels and their square; class 0 is 2 * mean(first) - 3 * mean(second), class 1 its
    opposite."""

    def __init__(self):
        super().__init__()
        self.features = nn.Identity()
        self.head = nn.Linear(2, 2, bias=False)
        self.head.weight.data = torch.tensor([[2.0, -3.0], [-2.0, 3.0]])

    def forward(self, pixels):
        maps = self.features(torch.cat([pixels, pixels**2], 1))
        return self.head(maps.mean((2, 3)))


def test_value_by_hand():
    model = TwoMaps().eval()
    layer = TargetLayer("features", model.features, "NCHW", (2, 2))
    pixels = torch.tensor([[[[0.0, 0.5], [0.8, 1.0]]]]).requires_grad_()
    # the weights are the mean gradients, 2/4 and -3/4
    expected = [[0.0, 0.0625], [0.0, 0.0]]  # 0.5 * 0.5 - 0.75 * 0.25 = 0.0625; the others are not above zero
    torch.testing.assert_close(gradcam(model, layer, pixels, torch.tensor([0]))[0], torch.tensor(expected))
    opposite = gradcam(model, layer, pixels, torch.tensor([1]))[0]
    torch.testing.assert_close(opposite, torch.tensor([[0.0, 0.0], [0.08, 0.25]]))


def by_hand(model, layer, pixels, targets):
    """Grad-CAM one image at a time, from its definition."""
    maps = []
    for image, target in zip(pixels, targets, strict=True):
        kept = []
        hook = layer.module.register_forward_hook(lambda _, __, output, kept=kept: kept.append(output))
        logits = model(image[None])
        hook.remove()
        (gradient,) = torch.autograd.grad(logits[0, target], kept)
        activations, gradients = layer.to_grid(kept[0])[0], layer.to_grid(gradient)[0]
        total = torch.zeros(activations.shape[1:])
        for channel in range(len(activations)):
            total += gradients[channel].mean() * activations[channel]
        maps.append(total.clamp(min=0))
    return torch.stack(maps).detach()


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_equals_its_definition_image_by_image(name):
    torch.manual_seed(0)
    model = build(name, 3, 64).eval()
    layer = find_target_layer(model, 64, 4)
    pixels, targets = torch.rand(3, 1, 64, 64), torch.tensor([0, 2, 1])
    batch = gradcam(model, layer, pixels.requires_grad_(), targets)
    torch.testing.assert_close(batch, by_hand(model, layer, pixels, targets), rtol=1e-4, atol=1e-7)
    assert batch.shape[1:] == layer.grid


def test_agrees_with_the_map_that_pytorch_grad_cam_returns():
    torch.manual_seed(0)
    model = build("test_resnet", 3, 64).eval()
    layer = find_target_layer(model, 64, 7)
    pixels, targets = torch.rand(2, 1, 64, 64), torch.tensor([1, 0])
    ours = upsample(gradcam(model, layer, pixels.requires_grad_(), targets), (64, 64))
    with GradCAM(model, [layer.module]) as cam:
        theirs = torch.from_numpy(cam(pixels, [ClassifierOutputTarget(int(t)) for t in targets]))
    low, high = ours.amin((1, 2), True), ours.amax((1, 2), True)
    torch.testing.assert_close((ours - low) / (high - low), theirs, atol=1e-3, rtol=0)


def test_the_map_depends_on_the_class():
    torch.manual_seed(0)
    model = build("test_vit", 3, 64).eval()
    layer = find_target_layer(model, 64, 7)
    pixels = torch.rand(1, 1, 64, 64).requires_grad_()
    maps = [gradcam(model, layer, pixels, torch.tensor([target])) for target in range(3)]
    assert not torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[1], maps[2])
