"""Complexity against plain twins, values done by hand, and Quantus."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heatproof.score.metrics.complexity import METRICS

any_map = arrays(
    np.float32,
    (3, 4),
    elements=st.one_of(st.integers(-3, 3), st.floats(-8, 8, width=32)),
).filter(lambda values: values.min() < values.max() and np.abs(values).max() > 1e-30)


def score(name, values):
    return METRICS[name](torch.from_numpy(values)[None]).item()


def plain_sparseness(values):
    """Half the mean difference of two values, as a share of the mean."""
    flat = [abs(float(v)) for v in values.flat]
    return sum(abs(a - b) for a in flat for b in flat) / (2 * len(flat) * math.fsum(flat))


def plain_entropy(values):
    flat = [abs(float(v)) for v in values.flat]
    shares = [v / math.fsum(flat) for v in flat]
    return -math.fsum(p * math.log(p) for p in shares if p > 0)


def plain_effective_area(values):
    top = max(abs(float(v)) for v in values.flat)
    flat = [abs(float(v)) / top for v in values.flat]
    return math.fsum(flat) ** 2 / (len(flat) * math.fsum(v * v for v in flat))


def test_every_metric_has_a_twin():
    assert all(f"plain_{name}" in globals() for name in METRICS)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=60, deadline=None)
@given(any_map)
def test_twin_agrees(name, values):
    assert score(name, values) == pytest.approx(globals()[f"plain_{name}"](values), abs=1e-9)


def test_values_done_by_hand():
    one = np.zeros((2, 5), np.float32)
    one[1, 3] = -4
    assert [score(name, one) for name in ("sparseness", "entropy", "effective_area")] == pytest.approx([0.9, 0, 0.1])
    half = np.array([[2, -2, 0, 0]], np.float32)
    found = [score(name, half) for name in ("sparseness", "entropy", "effective_area")]
    assert found == pytest.approx([0.5, math.log(2), 0.5])
    even = np.array([[1, -1, 1, -1]], np.float32)
    found = [score(name, even) for name in ("sparseness", "entropy", "effective_area")]
    assert found == pytest.approx([0, math.log(4), 1], abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
@settings(max_examples=30, deadline=None)
@given(any_map, st.sampled_from([-1, 0.25, 1024]))
def test_scale_sign_and_place_do_not_matter(name, values, factor):
    expected = pytest.approx(score(name, values), abs=1e-6)
    assert score(name, values * np.float32(factor)) == expected
    assert score(name, values[::-1, ::-1].copy()) == expected


@pytest.mark.parametrize("name", METRICS)
def test_degenerate_maps_have_no_complexity(name):
    sound = torch.arange(12.0).view(3, 4)
    bad = [torch.zeros(3, 4), torch.full((3, 4), -2.0), torch.where(sound == 3, torch.nan, sound)]
    found = METRICS[name](torch.stack([*bad, sound]))
    assert found.isnan().tolist() == [True] * 3 + [False]
    assert found[3] == METRICS[name](sound[None])[0]  # a batch of one


@pytest.mark.parametrize("name", METRICS)
def test_extreme_values_do_not_overflow(name):
    values = np.array([[1e300, -1e300, 0, 1e-300]])
    assert math.isfinite(score(name, values))


def test_quantus_agrees():
    quantus = pytest.importorskip("quantus")
    maps = np.random.default_rng(0).random((4, 16, 16))
    peers = {
        "sparseness": quantus.Sparseness(disable_warnings=True, normalise=False, abs=True),
        "entropy": quantus.Complexity(disable_warnings=True, normalise=False, abs=True),
    }
    for name, peer in peers.items():
        theirs = peer.evaluate_batch(x_batch=maps[:, None], a_batch=maps[:, None].copy())
        assert METRICS[name](torch.from_numpy(maps)).tolist() == pytest.approx(list(theirs), abs=1e-5)
