"""Sanity against scikit-image, plain twins and values by hand; a map that ignores the model gets the worst."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from heatproof.catalogue.metrics import METRICS as ENTRIES
from heatproof.catalogue.registry import explanation_methods
from heatproof.explain.changes import depths, replaced, units, untrained
from heatproof.explain.methods import Batch
from heatproof.score.metrics.changes import METRICS, ssim
from heatproof.train.layers import find_target_layer
from heatproof.train.model import build

SIDE = 16
SANITY = {name for name in METRICS if ENTRIES[name].family == "sanity"}
DRAW = np.random.default_rng(0)
MAPS = torch.from_numpy(DRAW.normal(size=(3, SIDE, SIDE))).float()
CHANGED = torch.from_numpy(DRAW.normal(size=(4, 3, SIDE, SIDE))).float()


def scaled(one):
    return (one - one.min()) / (one.max() - one.min())


def skimages(a, b):
    """Their window is cut off at 3.5 standard deviations, which is the same 11 pixels."""
    a, b = (scaled(one.double().numpy()) for one in (a, b))
    return structural_similarity(a, b, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)


def plain_ssim(a, b):
    """Window by window."""
    x, y = (scaled(one.double().numpy()) for one in (a, b))
    offsets = np.arange(11) - 5
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            p, q = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            mean_p, mean_q = (weights * p).sum(), (weights * q).sum()
            var_p, var_q = (weights * (p - mean_p) ** 2).sum(), (weights * (q - mean_q) ** 2).sum()
            both = (weights * (p - mean_p) * (q - mean_q)).sum()
            above = (2 * mean_p * mean_q + 1e-4) * (2 * both + 9e-4)
            values.append(above / ((mean_p**2 + mean_q**2 + 1e-4) * (var_p + var_q + 9e-4)))
    return np.mean(values)


def test_ssim_is_that_of_scikit_image_and_of_its_twin():
    for other in CHANGED:
        found = ssim(MAPS, other).tolist()
        assert found == pytest.approx([skimages(a, b) for a, b in zip(MAPS, other, strict=True)], abs=1e-9)
        assert found == pytest.approx([plain_ssim(a, b) for a, b in zip(MAPS, other, strict=True)], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 50), st.floats(-9, 9))
def test_ssim_is_symmetric_bounded_and_blind_to_scale(seed, factor, offset):
    a, b = torch.rand(2, 1, 12, 13, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    value = ssim(a, b).item()
    assert -1 <= value <= 1 and value == pytest.approx(ssim(b, a).item())
    assert ssim(a, b * factor + offset).item() == pytest.approx(value, abs=1e-6)
    assert ssim(a, a * factor + offset).item() == pytest.approx(1, abs=1e-6)


def test_maps_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match="at least 11 pixels a side"):
        ssim(torch.rand(1, 10, 20), torch.rand(1, 10, 20))


MEASURES = {"ssim": skimages, "rank_correlation": lambda a, b: spearmanr(a.flatten(), b.flatten()).statistic}


def test_every_change_has_both_measures():
    changes = ("cascade", "independent", "random_labels", "random_target")
    assert {f"{measure}_{change}" for measure in MEASURES for change in changes} == SANITY


@pytest.mark.parametrize("name", sorted(SANITY))
def test_mean_over_changes(name):
    measure = next(function for prefix, function in MEASURES.items() if name.startswith(prefix))
    expected = [np.mean([measure(MAPS[i], other[i]) for other in CHANGED]) for i in range(3)]
    assert METRICS[name](MAPS, CHANGED).tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", sorted(SANITY))
def test_degenerate_maps_are_left_out_and_none_left_is_no_number(name):
    changed, maps = CHANGED.clone(), MAPS.clone()
    changed[1, 0] = 0  # one change of the first image, all of the second; the third has no plain map
    changed[:, 1] = 1
    maps[2, 0, 0] = torch.nan
    first, second, third = METRICS[name](maps, changed).tolist()
    assert first == pytest.approx(METRICS[name](MAPS, CHANGED[[0, 2, 3]])[0].item())
    assert math.isnan(second) and math.isnan(third)


def edges(batch):
    """A method that looks at the image alone."""
    down, right = torch.gradient(batch.pixels.mean(1), dim=(1, 2))
    return (down**2 + right**2).sqrt()


def cascaded(method):
    torch.manual_seed(0)
    model, size = build("test_resnet", 3, 64).eval().requires_grad_(False), (64, 64)
    for module in model.modules():  # residual branches start at zero in timm; trained ones are not
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    layer, pixels = find_target_layer(model, 64, 7), torch.rand(4, 1, *size)

    def maps():
        return method(Batch(model, layer, pixels, torch.tensor([0, 1, 2, 0])))

    plain, changed, found = maps(), [], units(model, pixels)
    for depth in depths(len(found), 4):
        tensors = [tensor for unit in found[: depth + 1] for tensor in unit.tensors]
        with replaced(model, untrained("test_resnet", 3, 64, "study"), tensors):
            changed.append(maps())
    return plain, torch.stack(changed)


@pytest.mark.parametrize("name", ["ssim_cascade", "rank_correlation_cascade"])
def test_a_method_that_ignores_the_model_gets_the_worst_and_a_gradient_does_not(name):
    assert METRICS[name](*cascaded(edges)).tolist() == pytest.approx([1] * 4)
    assert METRICS[name](*cascaded(explanation_methods(["saliency"])["saliency"])).max() < 0.8
