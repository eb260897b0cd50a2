import pytest
import torch
from explain.cases import (
    assert_image_by_image,
    assert_leaves_the_model,
    assert_repeats,
    assert_sees_the_class,
    batch_of,
    layouts_batch,
)
from torch import nn

from heatproof.core.geometry import filled
from heatproof.core.messages import InputError
from heatproof.explain.methods import Batch
from heatproof.explain.perturbation import METHODS, PASS, occlusion, rise


class Sum(nn.Module):
    """Class 0 is the sum of the pixels times their weights, class 1 its opposite."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights, requires_grad=False)

    def forward(self, pixels):
        total = (pixels * self.weights).sum((1, 2, 3))
        return torch.stack([total, -total], 1)


def test_by_hand():
    batch = Batch(Sum(torch.tensor([[1.0, 2.0, 3.0]])), None, torch.ones(2, 1, 1, 3), torch.tensor([0, 1]))
    squares = occlusion(
        Batch(Sum(torch.ones(3, 3)), None, torch.ones(1, 1, 3, 3), torch.tensor([0])), window=2, stride=1
    )
    assert squares.tolist() == [[[4.0] * 3] * 3], "each square takes 4 pixels away"
    single = occlusion(batch, window=1, stride=1)
    assert single.tolist() == [[[1.0, 2.0, 3.0]], [[-1.0, -2.0, -3.0]]]


def slow(batch, size, step, hidden):
    """Each square in a loop of its own, the falls averaged over the squares that cover a pixel."""
    maps = []
    for image, target, value in zip(batch.pixels, batch.targets, hidden, strict=True):
        height, width = image.shape[1:]
        falls, times = torch.zeros(height, width), torch.zeros(height, width)
        logit = batch.model(image[None])[0, target]
        row = 0
        while True:
            column = 0
            while True:
                covered = image.clone()
                for channel in range(len(image)):
                    covered[channel, row : row + size, column : column + size] = value[channel]
                fall = logit - batch.model(covered[None])[0, target]
                falls[row : row + size, column : column + size] += fall
                times[row : row + size, column : column + size] += 1
                if column + size >= width:
                    break
                column += step
            if row + size >= height:
                break
            row += step
        maps.append(falls / times)
    return torch.stack(maps)


@pytest.mark.parametrize(("size", "step"), [(2, 1), (3, 2), (4, 4), (3, 3), (8, 1), (1, 1)])
@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_equals_a_slow_twin(size, step, baseline):
    batch = layouts_batch("NHWC")
    hidden = torch.zeros(3, 1) if baseline == "zero" else batch.pixels.mean((2, 3))
    maps = occlusion(batch, window=size, stride=step, baseline=baseline)
    torch.testing.assert_close(maps, slow(batch, size, step, hidden), rtol=1e-4, atol=1e-6)


def blur(pixels):
    return torch.stack([filled(one, "blur") for one in pixels])


def test_a_square_of_the_whole_image_shows_what_the_blurred_image_loses():
    batch = layouts_batch("NCHW")
    maps = occlusion(batch, window=8, stride=8, baseline="blur")
    with torch.no_grad():
        own, blurred = (batch.model(x).gather(1, batch.targets[:, None]) for x in (batch.pixels, blur(batch.pixels)))
    torch.testing.assert_close(maps, (own - blurred)[..., None].expand_as(maps), rtol=1e-4, atol=1e-6)


def test_several_channels_are_hidden_together():
    torch.manual_seed(0)
    weights = torch.randn(3, 6, 5)
    batch = Batch(Sum(weights), None, torch.rand(2, 3, 6, 5), torch.tensor([0, 1]))
    maps = occlusion(batch, window=2, stride=2)
    torch.testing.assert_close(maps, slow(batch, 2, 2, torch.zeros(2, 3)), rtol=1e-4, atol=1e-5)
    maps = occlusion(batch, window=2, stride=2, baseline="mean")
    torch.testing.assert_close(maps, slow(batch, 2, 2, batch.pixels.mean((2, 3))), rtol=1e-4, atol=1e-5)


def test_lengths_are_shares_of_the_side_or_pixels():
    batch = layouts_batch("NCHW")
    assert torch.equal(occlusion(batch, window=0.5, stride=0.25), occlusion(batch, window=4, stride=2))
    assert torch.equal(occlusion(batch, window=0.5, stride=0.25), occlusion(batch, window=4.0, stride=2.0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 2, "stride": 3}, "window 2 and stride 3 are 2 and 3 pixels of 8: the stride must be"),
        ({"window": 9}, "window 9 and stride 0.0625 are 9 and 0 pixels of 8"),
        ({"window": 0.5, "stride": 0.01}, "window 0.5 and stride 0.01 are 4 and 0 pixels of 8"),
        ({"window": 2, "stride": 1, "baseline": "grey"}, "baseline: 'grey' is not zero, mean or blur"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        occlusion(layouts_batch("NCHW"), **options)


def test_passes_are_batched():
    batch, sizes = layouts_batch("NCHW"), []
    batch.model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    occlusion(batch, window=2, stride=1)
    assert sum(sizes) == 3 + 3 * 49 and max(sizes) <= PASS and len(sizes) <= 2 + 3 * 49 / (PASS - 3)


@pytest.mark.parametrize("network", ["test_resnet", "test_vit"])
def test_an_image_s_map_does_not_depend_on_the_batch(network):
    batch = batch_of(network)
    options = {"window": 0.25, "stride": 0.25}
    assert_image_by_image(occlusion, batch, 1e-3, **options)
    assert_repeats(occlusion, batch, **options)
    assert_sees_the_class(occlusion, batch, **options)
    assert occlusion(batch, **options).shape == (3, 64, 64)


@pytest.mark.parametrize("name", METHODS)
def test_the_model_is_left_as_it_was(name):
    options = {"occlusion": {"window": 4, "stride": 4}, "rise": {"masks": 8}}[name]
    assert_leaves_the_model(METHODS[name], layouts_batch("tokens"), **options)


# ---- RISE


def masked(batch, masks):
    """Masks of one image, read from what the model is given: the pixels are ones."""
    seen = []
    hook = batch.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, 0]))
    maps = rise(batch, masks=masks)
    hook.remove()
    return maps, torch.cat(seen)


def test_rise_is_the_mean_of_its_masks_weighted_by_the_logit_less_its_mean():
    batch = Batch(Sum(torch.rand(8, 8) - 0.5), None, torch.ones(1, 1, 8, 8), torch.tensor([1]))
    maps, masks = masked(batch, 50)
    scores = [-(mask * batch.model.weights).sum().item() for mask in masks]
    expected = sum((score - sum(scores) / 50) * mask for score, mask in zip(scores, masks, strict=True)) / (50 * 0.5)
    torch.testing.assert_close(maps[0], expected, rtol=1e-4, atol=1e-5)
    assert masks.min() >= 0 and masks.max() <= 1 and 0.4 < masks.mean() < 0.6


def test_rise_finds_the_pixels_that_the_class_is_made_of():
    weights = torch.zeros(16, 16)
    weights[2:6, 9:13] = 1.0
    batch = Batch(Sum(weights), None, torch.ones(1, 1, 16, 16), torch.tensor([0]))
    found = rise(batch, masks=1500, grid=4)[0]
    inside = weights > 0
    assert found[inside].mean() > 5 * found[~inside].abs().mean() and inside.flatten()[found.argmax()]


@pytest.mark.parametrize("network", ["test_resnet", "test_vit"])
def test_rise_of_an_image_does_not_depend_on_the_batch(network):
    batch, options = batch_of(network), {"masks": 12}
    assert_image_by_image(rise, batch, 1e-3, **options)
    assert_repeats(rise, batch, **options)
    assert_sees_the_class(rise, batch, **options)


@pytest.mark.parametrize("options", [{"masks": 1}, {"grid": 9}, {"grid": 0}, {"share": 0.0}, {"share": 1.0}])
def test_options_of_rise_that_cannot_be(options):
    with pytest.raises(InputError, match=r"explain\.options\.rise: .*: masks must be at least 2"):
        rise(layouts_batch("NCHW"), **options)
