import numpy as np
import pytest
import torch
import torch.nn.functional as F
from explain.cases import (
    assert_image_by_image,
    assert_leaves_the_model,
    assert_repeats,
    assert_sees_the_class,
    batch_of,
    layouts_batch,
    part,
)
from pytorch_grad_cam import (
    AblationCAM,
    EigenCAM,
    EigenGradCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from heatproof.core.geometry import upsample
from heatproof.explain import cam
from heatproof.explain.cam import METHODS, gradcam
from heatproof.explain.methods import Batch
from heatproof.train.layers import TargetLayer

FAMILY = ("gradcam", "gradcam_plus_plus", "hirescam", "layercam", "xgradcam", "eigengradcam")
NETWORKS = ["test_resnet", "test_vit", "test_efficientnet"]
THEIRS = {
    "gradcam": GradCAM,
    "gradcam_plus_plus": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "layercam": LayerCAM,
    "xgradcam": XGradCAM,
    "eigencam": EigenCAM,
    "eigengradcam": EigenGradCAM,
    "scorecam": ScoreCAM,
    "ablationcam": AblationCAM,
}


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


def two_maps(pixels, target):
    model = TwoMaps().eval().requires_grad_(False)
    layer = TargetLayer("features", model.features, "NCHW", (2, 2))
    return Batch(model, layer, torch.tensor([[pixels]]), torch.tensor([target]))


PIXELS = [[0.0, 0.5], [0.8, 1.0]]
# weights: the mean gradients are 2/4 and -3/4, the sums of the maps 2.3 and 1.89
BY_HAND = {
    "gradcam": [[0.0, 0.0625], [0.0, 0.0]],  # 0.5 * 0.5 - 0.75 * 0.25 = 0.0625; the others are not above zero
    "hirescam": [[0.0, 0.0625], [0.0, 0.0]],  # the gradient is the same everywhere
    "layercam": [[0.0, 0.25], [0.4, 0.5]],  # the first map alone has a positive gradient
    "xgradcam": [[0.0, 0.0625], [0.0, 0.0]],
    "gradcam_plus_plus": [[0.0, 0.5 * 2 / 3.15], [0.8 * 2 / 3.15, 2 / 3.15]],  # 4 * 0.5 / (2 + 0.5 * 2.3)
}


@pytest.mark.parametrize("name", BY_HAND)
def test_value_by_hand(name):
    maps = METHODS[name](two_maps(PIXELS, 0))
    torch.testing.assert_close(maps[0], torch.tensor(BY_HAND[name]), rtol=1e-5, atol=1e-6)


def test_value_by_hand_of_the_other_class():
    torch.testing.assert_close(gradcam(two_maps(PIXELS, 1))[0], torch.tensor([[0.0, 0.0], [0.08, 0.25]]))


def test_ablation_by_hand():
    # logit: 2 * 0.575 - 3 * 0.4725 = -0.2675; without the first map -1.4175, without the second 1.15
    weights = torch.tensor([1.15, -1.4175]) / 0.2675
    first = torch.tensor(PIXELS)
    expected = (weights[0] * first + weights[1] * first**2).clamp(min=0)
    torch.testing.assert_close(METHODS["ablationcam"](two_maps(PIXELS, 0))[0], expected)


def test_score_by_hand():
    # both masks are their maps, from 0 to 1: the logit of the image under the mask m is mean(2 m x - 3 (m x)^2)
    first = torch.tensor(PIXELS)
    scores = torch.stack([(2 * (m * first) - 3 * (m * first) ** 2).mean() for m in (first, first**2)])
    weights = scores.softmax(0)

    def double(pixels):  # at the size of the image, as the layer's grid is
        return METHODS["scorecam"](two_maps(pixels, 0))[0]

    torch.testing.assert_close(double(PIXELS), weights[0] * first + weights[1] * first**2)


def by_hand(batch):
    """Grad-CAM one image at a time, from its definition."""
    maps = []
    for image, target in zip(batch.pixels, batch.targets, strict=True):
        kept = []
        hook = batch.layer.module.register_forward_hook(lambda _, __, output, kept=kept: kept.append(output))
        logits = batch.model(image[None].clone().requires_grad_())
        hook.remove()
        (gradient,) = torch.autograd.grad(logits[0, target], kept)
        activations, gradients = batch.layer.to_grid(kept[0])[0], batch.layer.to_grid(gradient)[0]
        total = torch.zeros(activations.shape[1:])
        for channel in range(len(activations)):
            total += gradients[channel].mean() * activations[channel]
        maps.append(total.clamp(min=0))
    return torch.stack(maps).detach()


@pytest.mark.parametrize("name", NETWORKS)
def test_gradcam_equals_its_definition_image_by_image(name):
    batch = batch_of(name)
    maps = gradcam(batch)
    torch.testing.assert_close(maps, by_hand(batch), rtol=1e-4, atol=1e-6)
    assert maps.shape[1:] == batch.layer.grid


def raw(kind, batch, **attributes):
    """The map of pytorch-grad-cam before it scales it, from its own hooks and passes."""
    targets = [ClassifierOutputTarget(int(target)) for target in batch.targets]
    with kind(model=batch.model, target_layers=[batch.layer.module], reshape_transform=batch.layer.to_grid) as theirs:
        for attribute, value in attributes.items():
            setattr(theirs, attribute, value)
        logits = theirs.activations_and_grads(batch.pixels.clone().requires_grad_())
        logits.gather(1, batch.targets[:, None]).sum().backward()
        arrays = [found[0].numpy() for found in (theirs.activations_and_grads.activations,)]
        arrays += [found[0].numpy() for found in (theirs.activations_and_grads.gradients,)]
        return torch.from_numpy(theirs.get_cam_image(batch.pixels, batch.layer.module, targets, *arrays, False))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["gradcam", "hirescam", "layercam", "xgradcam"])
@pytest.mark.slow
def test_equals_pytorch_grad_cam(name, network):
    batch = batch_of(network)
    theirs = raw(THEIRS[name], batch).clamp(min=0)
    torch.testing.assert_close(METHODS[name](batch), theirs, rtol=1e-5, atol=1e-5 * float(theirs.max()))


def test_gradcam_is_the_very_bytes_of_pytorch_grad_cam():
    batch = batch_of("test_resnet")
    assert torch.equal(gradcam(batch), raw(GradCAM, batch).clamp(min=0))


def test_agrees_with_the_map_that_pytorch_grad_cam_returns():
    batch = batch_of("test_resnet", min_grid=7)
    ours = upsample(gradcam(batch), (64, 64))
    with GradCAM(batch.model, [batch.layer.module]) as theirs:
        scaled = torch.from_numpy(
            theirs(batch.pixels.clone().requires_grad_(), [*map(ClassifierOutputTarget, [0, 1, 2])])
        )
    low, high = ours.amin((1, 2), True), ours.amax((1, 2), True)
    torch.testing.assert_close((ours - low) / (high - low), scaled, atol=1e-3, rtol=0)


def test_plus_plus_equals_pytorch_grad_cam_where_its_constant_is_small():
    """Its 1e-6 stands beside squared gradients: with the head that training starts from the two differ, with one 1e6
    times larger they agree."""
    batch = batch_of("test_resnet")
    batch.model.net.get_classifier().weight.mul_(0.01)  # cases.py made it larger
    assert batch.gradients.square().max() < 1e-5
    maps, theirs = METHODS["gradcam_plus_plus"](batch), raw(GradCAMPlusPlus, batch).clamp(min=0)
    assert not torch.allclose(maps / maps.amax(), theirs / theirs.amax(), atol=1e-2)
    batch.model.net.get_classifier().weight.mul_(1e6)
    batch = part(batch, [0, 1, 2])
    theirs = raw(GradCAMPlusPlus, batch).clamp(min=0)
    maps = METHODS["gradcam_plus_plus"](batch)
    torch.testing.assert_close(maps, theirs, rtol=1e-4, atol=1e-5 * float(theirs.max()))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["eigencam", "eigengradcam"])
@pytest.mark.slow
def test_eigen_projections_equal_those_of_pytorch_grad_cam_up_to_the_sign(name, network):
    batch = batch_of(network)
    maps, theirs = METHODS[name](batch), raw(THEIRS[name], batch)
    for ours, other in zip(maps, theirs, strict=True):
        scale = float(other.abs().max())
        assert any(torch.allclose(ours, sign.clamp(min=0), rtol=0, atol=1e-5 * scale) for sign in (other, -other))


def test_more_places_than_channels_give_the_same_component():
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 5, 6, generator=draw)
    ours = cam._first_component(features)
    for image, projection in zip(features, ours, strict=True):
        points = image.flatten(1).T.double()
        left, values, _ = torch.linalg.svd(points - points.mean(0), full_matrices=False)
        expected = (left[:, 0] * values[0]).view(5, 6).float()
        expected = expected * torch.sign(expected.flatten()[expected.abs().argmax()])
        torch.testing.assert_close(projection, expected, rtol=1e-4, atol=1e-5)


def test_eigencam_is_blind_to_the_sign_and_to_the_class_and_eigengradcam_to_neither():
    batch = batch_of("test_vit")
    turned = part(batch, [0, 1, 2])
    turned.__dict__["_pass"] = (batch.logits, -batch.activations, batch.gradients)
    assert torch.equal(METHODS["eigencam"](turned), METHODS["eigencam"](batch))
    both = METHODS["eigengradcam"](turned), METHODS["eigengradcam"](batch)
    assert not ((both[0] > 0) & (both[1] > 0)).any() and all(map.max() > 0 for maps in both for map in maps)
    other = Batch(batch.model, batch.layer, batch.pixels, batch.targets.roll(1))
    assert torch.equal(METHODS["eigencam"](other), METHODS["eigencam"](batch))


def test_eigengradcam_takes_the_sign_that_goes_with_the_evidence():
    turned = 0
    for seed in range(4):
        batch = batch_of("test_resnet", seed=seed)
        evidence = (batch.gradients * batch.activations).sum(1)
        theirs = raw(EigenGradCAM, batch)
        sign = torch.sign((theirs * (evidence - evidence.mean((1, 2), keepdim=True))).sum((1, 2), keepdim=True))
        expected = (sign * theirs).clamp(min=0)
        torch.testing.assert_close(METHODS["eigengradcam"](batch), expected, rtol=0, atol=1e-5 * float(expected.max()))
        turned += int((sign < 0).sum())
    assert turned, "else this shows nothing"


def test_what_is_not_finite_stays_so_for_its_own_image_alone():
    features = torch.rand(2, 3, 4, 4)
    features[0, 1, 2, 3] = torch.nan
    found = cam._first_component(features)
    assert found[0].isnan().all() and torch.equal(found[1:], cam._first_component(features[1:]))
    assert (cam._first_component(torch.ones(1, 3, 4, 4)) == 0).all(), "no component where nothing varies"


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "tokens"])
def test_scorecam_over_all_channels_equals_pytorch_grad_cam(layout):
    batch = layouts_batch(layout)
    theirs = raw(ScoreCAM, batch, batch_size=5).clamp(min=0)
    torch.testing.assert_close(METHODS["scorecam"](batch, channels=99), theirs, rtol=1e-5, atol=1e-6)


def test_ablationcam_over_all_channels_equals_pytorch_grad_cam_where_that_is_right():
    """After a ReLU, and with positive logits: elsewhere it sets channels to -1e7, and divides by a negative logit."""
    batch = layouts_batch("NCHW", positive=True, shift=3.0)
    assert (batch.activations.amin((1, 2, 3)) == 0).all() and batch.logits.min() > 0
    theirs = raw(AblationCAM, batch, batch_size=4).clamp(min=0)
    torch.testing.assert_close(METHODS["ablationcam"](batch, channels=6), theirs, rtol=1e-4, atol=1e-6)
    negative = layouts_batch("NCHW", positive=True, shift=-3.0)
    weights = raw(AblationCAM, negative, batch_size=4)
    torch.testing.assert_close(METHODS["ablationcam"](negative), (-weights).clamp(min=0), rtol=1e-4, atol=1e-6)


def slow_ablation(batch, drawn):
    """Each channel of each image zeroed by hand, in the layer's own layout."""
    axis = {"NCHW": 1, "NHWC": 3, "tokens": 2}[batch.layer.layout]
    maps = []
    for row, channels in enumerate(drawn):
        image, target = batch.pixels[row : row + 1], int(batch.targets[row])
        logit = float(batch.model(image)[0, target])
        total = torch.zeros(4, 4)
        for channel in channels:

            def zeroed(module, inputs, output, channel=channel):
                output = output.clone()
                output.select(axis, int(channel)).zero_()
                return output

            hook = batch.layer.module.register_forward_hook(zeroed)
            fall = logit - float(batch.model(image)[0, target])
            hook.remove()
            total += fall / abs(logit) * batch.activations[row, int(channel)]
        maps.append(total.clamp(min=0))
    return torch.stack(maps)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "tokens"])
@pytest.mark.parametrize("channels", [6, 3])
def test_ablationcam_equals_a_slow_twin_in_every_layout(layout, channels):
    batch = layouts_batch(layout)
    drawn = cam._draw("ablationcam", batch, channels)
    torch.testing.assert_close(
        METHODS["ablationcam"](batch, channels=channels), slow_ablation(batch, drawn), rtol=1e-4, atol=1e-6
    )


def slow_score(batch, drawn):
    maps = []
    for row, channels in enumerate(drawn):
        scores = []
        for channel in channels:
            mask = F.interpolate(
                batch.activations[row, channel][None, None], batch.pixels.shape[2:], mode="bilinear", align_corners=True
            )
            mask = (mask - mask.min()) / (mask.max() - mask.min() + 1e-8)
            scores.append(float(batch.model(batch.pixels[row : row + 1] * mask)[0, batch.targets[row]]))
        weights = np.exp(scores) / np.exp(scores).sum()
        maps.append(sum(w * batch.activations[row, c] for w, c in zip(weights, channels, strict=True)).clamp(min=0))
    return torch.stack(maps)


def test_scorecam_of_some_channels_equals_a_slow_twin():
    batch = layouts_batch("tokens")
    drawn = cam._draw("scorecam", batch, 4)
    torch.testing.assert_close(METHODS["scorecam"](batch, channels=4), slow_score(batch, drawn).float())


def test_channels_are_drawn_from_the_key_of_the_image():
    batch = layouts_batch("NCHW", count=4)
    drawn = cam._draw("scorecam", batch, 3)
    assert drawn.shape == (4, 3) and all(len(set(row)) == 3 for row in drawn.tolist())
    assert torch.equal(drawn[[3, 1]], cam._draw("scorecam", part(batch, [3, 1]), 3))
    assert len({tuple(row) for row in cam._draw("scorecam", layouts_batch("NCHW", count=30), 3).tolist()}) > 5
    assert cam._draw("ablationcam", batch, 99).tolist() == [list(range(6))] * 4


class Counted:
    """Counts passes: forward ones of the model, backward ones by the gradients that a module below the layer gets."""

    def __init__(self, batch):
        self.forward = self.below = 0
        batch.model.register_forward_hook(lambda *_: setattr(self, "forward", self.forward + 1))
        stem = batch.model.net.conv1 if hasattr(batch.model.net, "conv1") else next(batch.model.net.children())
        stem.register_full_backward_hook(lambda *_: setattr(self, "below", self.below + 1))


def test_six_of_the_family_share_one_forward_pass():
    batch = batch_of("test_resnet")
    counted = Counted(batch)
    for name in (*FAMILY, "eigencam"):
        METHODS[name](batch)
    assert counted.forward == 1 and counted.below == 0


def test_passes_of_those_that_ask_again():
    batch = layouts_batch("NCHW", count=3)
    sizes = []
    batch.model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    METHODS["ablationcam"](batch)
    METHODS["scorecam"](batch, channels=2)
    assert sizes == [3, 3 * 6, 3 * 2]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("network", ["test_resnet", "test_vit"])
def test_an_image_s_map_does_not_depend_on_the_batch(name, network):
    options = {"channels": 20} if name in ("scorecam", "ablationcam") else {}
    batch = batch_of(network)
    # Ablation-CAM's weights are small differences of logits, which batches of other sizes round otherwise
    assert_image_by_image(METHODS[name], batch, 1e-3 if name == "ablationcam" else 1e-5, **options)
    assert_repeats(METHODS[name], batch, **options)


@pytest.mark.parametrize("name", METHODS)
def test_maps_lie_on_the_grid_and_are_not_negative(name):
    batch = batch_of("test_vit")
    maps = METHODS[name](batch)
    assert maps.shape == (3, *batch.layer.grid) and maps.dtype == torch.float32
    assert (maps >= 0).all() and all(map_.max() > 0 for map_ in maps)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "eigencam"])
@pytest.mark.slow
def test_maps_depend_on_the_class(name):
    assert_sees_the_class(METHODS[name], batch_of("test_resnet"))


@pytest.mark.parametrize("name", METHODS)
def test_the_model_is_left_as_it_was(name):
    passes = (0, 1) if name in ("scorecam", "ablationcam") else (0,)
    assert_leaves_the_model(METHODS[name], layouts_batch("tokens"), passes)
