"""Robustness against plain twins and Captum, and models whose maps are known to follow."""

import math

import numpy as np
import pytest
import torch
from captum.attr import Saliency
from captum.metrics import sensitivity_max
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr

from heatproof.catalogue.metrics import METRICS as ENTRIES
from heatproof.core.geometry import defined, draw_move, moved
from heatproof.explain.changes import perturbed, transformed
from heatproof.score.metrics.changes import METRICS
from heatproof.train.model import build

TRANSFORMS = ("flip", "shift", "rotate", "scale", "noise", "window")
SIZE, COUNT = 32, 3
KEYS = [("study", f"image{i}") for i in range(COUNT)]
values = arrays(np.float32, (2, COUNT, 4, 4), elements=st.integers(-2, 3))


def varied(*maps):
    return all(one.min() < one.max() for stack in maps for one in stack)


def test_every_metric_is_here():
    names = {f"rank_correlation_{name}" for name in (*TRANSFORMS, "transforms")}
    assert {name for name in METRICS if ENTRIES[name].family == "robustness"} == names | {"max_sensitivity"}


@settings(max_examples=60, deadline=None)
@given(maps=values, inside=arrays(bool, (COUNT, 4, 4)))
def test_rank_correlation_is_scipys_over_the_pixels_inside(maps, inside):
    a, b = maps
    if not varied(a, b):
        return
    found = METRICS["rank_correlation_shift"](*map(torch.from_numpy, (a, b, inside)))
    for image, value in enumerate(found.tolist()):
        x, y = a[image][inside[image]], b[image][inside[image]]
        if x.size and x.min() < x.max() and y.min() < y.max():
            assert value == pytest.approx(spearmanr(x, y).statistic)
        else:
            assert math.isnan(value)


def plain_sensitivity(map_, others):
    return max(np.linalg.norm(other - map_) for other in others) / np.linalg.norm(map_)


def test_max_sensitivity_by_hand_and_by_its_twin():
    maps = torch.tensor([[[3.0, 4.0]]])
    others = torch.tensor([[[[3.0, 2.0]]], [[[0.0, 4.0]]]])  # 2 and 3 away from a map of length 5
    assert METRICS["max_sensitivity"](maps, others).tolist() == [3 / 5]
    rng = np.random.default_rng(0)
    maps, others = rng.normal(size=(5, 6, 7)), rng.normal(size=(4, 5, 6, 7))
    found = METRICS["max_sensitivity"](torch.from_numpy(maps), torch.from_numpy(others))
    assert found.tolist() == pytest.approx([plain_sensitivity(maps[i], others[:, i]) for i in range(5)])


def saliency(model, pixels, targets):
    return Saliency(model).attribute(pixels.clone().requires_grad_(), target=targets).sum(1)


def test_max_sensitivity_is_captums_given_the_same_draws():
    torch.manual_seed(0)
    model = build("test_resnet", 3, SIZE).eval()
    pixels, targets = torch.rand(COUNT, 1, SIZE, SIZE), torch.tensor([0, 1, 2])
    draws = torch.stack([perturbed(pixels, KEYS, draw, 0.02) for draw in range(4)])
    asked = iter([draws[:, i] for i in range(COUNT)])
    theirs = [
        sensitivity_max(
            lambda one, target: (saliency(model, one[0] if isinstance(one, tuple) else one, target),),
            pixels[i : i + 1],
            perturb_func=lambda repeated: next(asked),
            n_perturb_samples=4,
            target=targets[i : i + 1],
        ).item()
        for i in range(COUNT)
    ]
    others = torch.stack([saliency(model, draw, targets) for draw in draws])
    ours = METRICS["max_sensitivity"](saliency(model, pixels, targets), others)
    np.testing.assert_allclose(ours.tolist(), theirs, rtol=1e-5)


def followed(explain, name, pixels):
    """Scores of a method, `explain(pixels)`, under one transformation."""
    moves = [draw_move(name, (SIZE, SIZE), key) for key in KEYS]
    reference = moved(explain(pixels)[:, None], moves)[:, 0]
    changed = explain(transformed(name, pixels, KEYS))
    return METRICS[f"rank_correlation_{name}"](reference, changed, defined(moves, (SIZE, SIZE)))


def smooth_images():
    places = torch.linspace(0, 3, SIZE, dtype=torch.float64)
    waves = [torch.sin(places[:, None] * (1 + i)) + torch.cos(places * (2 + i)) for i in range(COUNT)]
    images = torch.stack(waves)[:, None]
    return (images - images.min()) / (images.max() - images.min())


@pytest.mark.parametrize("name", ["flip", "shift", "rotate", "scale"])
def test_a_map_made_point_by_point_follows_exactly(name):
    """Input x gradient of a model that averages the pixels: each pixel's relevance is its value, wherever it goes."""
    value = followed(lambda pixels: pixels[:, 0] / pixels[0, 0].numel(), name, smooth_images())
    assert value.tolist() == pytest.approx([1] * COUNT, abs=1e-9)


@pytest.mark.parametrize("name", ["flip", "shift"])
def test_a_convolution_with_a_symmetric_kernel_follows_exactly_away_from_the_border(name):
    kernel = torch.tensor([[1.0, 2, 1], [2, -12, 2], [1, 2, 1]], dtype=torch.float64).view(1, 1, 3, 3)
    pixels = torch.rand(COUNT, 1, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    frame = torch.zeros_like(pixels)
    frame[..., 6:-6, 6:-6] = 1  # nothing enters or leaves with a shift
    value = followed(lambda x: torch.nn.functional.conv2d(x, kernel, padding=1).relu()[:, 0], name, pixels * frame)
    assert value.tolist() == pytest.approx([1] * COUNT, abs=1e-12)


@pytest.mark.parametrize("name", ["noise", "window"])
def test_the_saliency_of_a_linear_model_stays(name):
    weights = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    value = followed(lambda pixels: weights.abs().expand(len(pixels), -1, -1), name, smooth_images())
    assert value.tolist() == pytest.approx([1] * COUNT)
    stays = METRICS["max_sensitivity"](weights.expand(COUNT, -1, -1), weights.expand(2, COUNT, -1, -1))
    assert stays.tolist() == [0] * COUNT


@pytest.mark.parametrize("name", ["flip", "shift", "rotate", "scale"])
def test_a_map_that_ignores_the_image_does_not_follow(name):
    noise = torch.rand(SIZE, SIZE, generator=torch.Generator().manual_seed(3))
    assert followed(lambda pixels: noise.expand(len(pixels), -1, -1), name, smooth_images()).max() < 0.5


def test_a_degenerate_map_has_no_number_and_no_mean_without_it():
    maps = torch.rand(4, 5, 5, generator=torch.Generator().manual_seed(4))
    changed, inside = maps.clone(), torch.ones(4, 5, 5, dtype=torch.bool)
    changed[1], maps[2], inside[3] = 0, 7.0, False
    value = METRICS["rank_correlation_flip"](maps, changed, inside)
    assert value.isnan().tolist() == [False, True, True, True]
    assert METRICS["rank_correlation_transforms"](torch.stack([value, torch.ones(4)])).isnan().tolist() == [
        False, True, True, True
    ]  # fmt: skip
    near = torch.stack([changed, maps])
    assert METRICS["max_sensitivity"](maps, near).isnan().tolist() == [False, True, True, False]


def test_mean_over_transformations_by_hand():
    values = torch.tensor([[1.0, 0.0], [0.5, -1.0]])
    assert METRICS["rank_correlation_transforms"](values).tolist() == [0.75, -0.5]
