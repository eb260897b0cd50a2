"""Localization metrics against plain twins, values done by hand, and what must hold for any map."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heatproof.score.localization import METRICS

SHAPE = (4, 5)
RANK_ONLY = ("pointing_game", "relevance_rank_accuracy")
MIN_MAX = ("localization_accuracy", "iou")

tied = arrays(np.float32, SHAPE, elements=st.integers(-2, 3))
smooth = arrays(np.float32, SHAPE, elements=st.floats(-8, 8, width=32))
any_map = st.one_of(tied, smooth).filter(lambda values: values.min() < values.max())
any_mask = arrays(bool, SHAPE).filter(lambda mask: mask.any())


def score(name, values, mask):
    return METRICS[name](torch.from_numpy(values)[None], torch.from_numpy(mask)[None]).item()


def _hot(values):
    low, high = float(values.min()), float(values.max())
    return [(float(v) - low) / (high - low) >= 0.5 for v in values.flat]


def plain_localization_accuracy(values, mask):
    hits = [h for h, m in zip(_hot(values), mask.flat, strict=True) if m]
    return sum(hits) / len(hits)


def plain_iou(values, mask):
    pairs = list(zip(_hot(values), mask.flat, strict=True))
    return sum(h and m for h, m in pairs) / sum(h or m for h, m in pairs)


def plain_pointing_game(values, mask):
    peaks = [bool(m) for v, m in zip(values.flat, mask.flat, strict=True) if v == values.max()]
    return sum(peaks) / len(peaks)


def plain_relevance_mass_accuracy(values, mask):
    total = math.fsum(float(v) for v in values.flat if v > 0)
    if total == 0:
        return math.nan
    return math.fsum(float(v) for v, m in zip(values.flat, mask.flat, strict=True) if m and v > 0) / total


def plain_relevance_rank_accuracy(values, mask):
    """Mean over every order that equal pixels can take at the cut, one rotation at a time."""
    size = int(mask.sum())
    ordered = sorted(values.flat, reverse=True)
    above = [bool(m) for v, m in zip(values.flat, mask.flat, strict=True) if v > ordered[size - 1]]
    equal = [bool(m) for v, m in zip(values.flat, mask.flat, strict=True) if v == ordered[size - 1]]
    taken = [sum(above) + sum((equal + equal)[start : start + size - len(above)]) for start in range(len(equal))]
    return sum(taken) / len(taken) / size


TWINS = {
    name: globals()[f"plain_{name}"]
    for name in (
        "localization_accuracy",
        "iou",
        "pointing_game",
        "relevance_mass_accuracy",
        "relevance_rank_accuracy",
    )
}


def test_every_metric_has_a_twin():
    assert set(METRICS) == set(TWINS)


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=60, deadline=None)
@given(values=any_map, mask=any_mask)
def test_twin_agrees(name, values, mask):
    assert score(name, values, mask) == pytest.approx(TWINS[name](values, mask), abs=1e-12, nan_ok=True)


def test_values_done_by_hand():
    values = np.array([[-2, 0, 8], [8, 3, 2]], np.float32)  # L = 0, .2, 1; 1, .5, .4
    mask = np.array([[0, 1, 1], [0, 1, 0]], bool)
    assert score("localization_accuracy", values, mask) == pytest.approx(2 / 3)  # 8 and 3 of 0, 8, 3
    assert score("iou", values, mask) == pytest.approx(2 / 4)  # hot: 8, 8, 3
    assert score("pointing_game", values, mask) == 0.5  # one of two maxima
    assert score("relevance_mass_accuracy", values, mask) == pytest.approx(11 / 21)
    assert score("relevance_rank_accuracy", values, mask) == pytest.approx(2 / 3)  # 8, 8, 3


def test_tied_last_places_count_as_expected():
    values = np.array([[5, 0, 0, 0, 0]], np.float32)
    mask = np.array([[1, 1, 1, 0, 0]], bool)  # two places left for four zeros, half of them inside
    assert score("relevance_rank_accuracy", values, mask) == pytest.approx((1 + 2 * 2 / 4) / 3)


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=30, deadline=None)
@given(values=any_map, mask=any_mask)
def test_bounds_and_mirror(name, values, mask):
    value = score(name, values, mask)
    assert math.isnan(value) or 0 <= value <= 1
    mirrored = score(name, values[:, ::-1].copy(), mask[:, ::-1].copy())
    assert mirrored == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("name", TWINS)
@given(mask=any_mask)
@settings(max_examples=20, deadline=None)
def test_the_truth_itself_scores_one(name, mask):
    assume(not mask.all())
    assert score(name, mask.astype(np.float32), mask) == 1


@pytest.mark.parametrize("name", TWINS)
@given(mask=any_mask)
@settings(max_examples=20, deadline=None)
def test_the_complement_of_the_truth_scores_zero(name, mask):
    assume(mask.mean() <= 0.5)  # else the mask is larger than its complement
    assert score(name, (~mask).astype(np.float32), mask) == 0


@pytest.mark.parametrize("name", RANK_ONLY)
@settings(max_examples=30, deadline=None)
@given(values=tied, mask=any_mask)
def test_rank_metrics_see_order_alone(name, values, mask):
    assume(values.min() < values.max())
    assert score(name, np.exp(values), mask) == score(name, values, mask)


@pytest.mark.parametrize("name", MIN_MAX)
@settings(max_examples=30, deadline=None)
@given(values=tied, mask=any_mask, scale=st.sampled_from([0.25, 2, 1024]), shift=st.integers(-9, 9))
def test_min_max_metrics_ignore_scale_and_shift(name, values, mask, scale, shift):
    assume(values.min() < values.max())
    assert score(name, values * np.float32(scale) + np.float32(shift), mask) == score(name, values, mask)


@settings(max_examples=30, deadline=None)
@given(values=any_map, mask=any_mask)
def test_mass_inside_and_outside_add_to_one(values, mask):
    assume(values.max() > 0 and not mask.all())
    name = "relevance_mass_accuracy"
    assert score(name, values, mask) + score(name, values, ~mask) == pytest.approx(1)


@pytest.mark.parametrize("name", TWINS)
def test_batch_equals_one_by_one(name):
    rng = np.random.default_rng(3)
    values = rng.integers(-2, 4, (6, *SHAPE)).astype(np.float32)
    masks = rng.random((6, *SHAPE)) < 0.4
    together = METRICS[name](torch.from_numpy(values), torch.from_numpy(masks))
    assert together.tolist() == [score(name, v, m) for v, m in zip(values, masks, strict=True)]


@pytest.mark.parametrize("name", TWINS)
def test_no_number_where_there_is_none(name):
    sound = torch.arange(20.0).view(SHAPE)
    degenerate = [torch.zeros(SHAPE), torch.full(SHAPE, 2.0), sound.clone().fill_(torch.nan)]
    degenerate.append(torch.where(sound == 3, torch.inf, sound))
    masks = torch.ones(5, *SHAPE, dtype=torch.bool)
    masks[:, 0] = False
    found = METRICS[name](torch.stack([*degenerate, sound]), masks)
    assert found.isnan().tolist() == [True] * 4 + [False]
    assert METRICS[name](sound[None], torch.zeros(1, *SHAPE, dtype=torch.bool)).isnan().all()


def test_mass_of_a_map_without_positive_relevance_is_undefined():
    values = -np.arange(1, 21, dtype=np.float32).reshape(SHAPE)
    assert math.isnan(score("relevance_mass_accuracy", values, np.eye(*SHAPE, dtype=bool)))
