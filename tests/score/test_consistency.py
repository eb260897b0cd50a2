"""Consistency across seeds and architectures against plain twins, and what must hold for any maps."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from heatproof.score.jobs.agreement import METHODS as OF_METHODS
from heatproof.score.metrics.consistency import METRICS, average_ranks, rank_correlation

SHAPE = (3, 4)
stacks = arrays(np.float32, (3, 1, *SHAPE), elements=st.integers(-2, 3)).filter(
    lambda maps: (maps.min((1, 2, 3)) < maps.max((1, 2, 3))).all()
)


def score(name, maps, others=None):
    maps = torch.as_tensor(maps)
    return METRICS[name](maps, maps if others is None else torch.as_tensor(others)).tolist()


def plain_iou(a, b):
    hot_a, hot_b = ({i for i, v in enumerate(m.flat) if (v - m.min()) / (m.max() - m.min()) >= 0.5} for m in (a, b))
    return len(hot_a & hot_b) / len(hot_a | hot_b)


def plain_iou_seeds(maps, others):
    return np.mean([plain_iou(maps[a], others[b]) for a, b in combinations(range(len(maps)), 2)])


def plain_iou_reference(maps, others):
    return np.mean([plain_iou(maps[0], other) for other in others[1:]])


def plain_rank_correlation_seeds(maps, others):
    pairs = combinations(range(len(maps)), 2)
    return np.mean([spearmanr(maps[a].flat, others[b].flat).statistic for a, b in pairs])


TWINS = {
    "iou_seeds": plain_iou_seeds,
    "iou_reference": plain_iou_reference,
    "rank_correlation_seeds": plain_rank_correlation_seeds,
}


MODELS = {
    "iou_models": plain_iou,
    "rank_correlation_models": lambda a, b: spearmanr(a.flat, b.flat).statistic,
}


def test_every_metric_has_a_twin():
    assert set(METRICS) == {*TWINS, *MODELS, *OF_METHODS}


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=40, deadline=None)
@given(maps=stacks, others=arrays(np.float32, (2, 3, 1, *SHAPE), elements=st.integers(-2, 3)))
def test_over_models_twin_agrees(name, maps, others):
    if (others.min((3, 4)) == others.max((3, 4))).any():
        return
    expected = np.mean([MODELS[name](maps[seed, 0], other[seed, 0]) for other in others for seed in range(3)])
    assert score(name, maps, others) == pytest.approx([expected])
    # a model at a time, as the job has them in memory
    assert np.mean([score(name, maps, other[None]) for other in others]) == pytest.approx(expected)


def test_over_models_by_hand():
    maps = torch.tensor([[4.0, 3, 0, 0], [4.0, 3, 0, 0]]).view(2, 1, 2, 2)
    others = torch.tensor([[[4.0, 3, 0, 0], [4.0, 0, 3, 0]], [[0.0, 0, 0, 4], [0.0, 0, 0, 4]]]).view(2, 2, 1, 2, 2)
    assert score("iou_models", maps, others) == pytest.approx([(1 + 1 / 3 + 0 + 0) / 4])


@pytest.mark.parametrize("name", MODELS)
def test_over_models_one_model_or_a_degenerate_map_has_no_number(name):
    maps = torch.rand(2, 3, *SHAPE, generator=torch.Generator().manual_seed(2))
    others = torch.rand(2, 2, 3, *SHAPE, generator=torch.Generator().manual_seed(3))
    others[1, 0, 1], maps[1, 2] = 0, torch.nan
    assert [math.isnan(value) for value in score(name, maps, others)] == [False, True, True]
    assert all(map(math.isnan, score(name, maps, others[:0])))


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (3, 7), elements=st.sampled_from([-1.0, 0, 0, 2, 5, np.inf])))
def test_ranks_are_scipys(rows):
    ranks = average_ranks(torch.from_numpy(rows)).numpy()
    np.testing.assert_array_equal(ranks + 1, np.stack([rankdata(row) for row in rows]))


def test_rank_correlation_over_some_pixels_alone():
    a, b = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(4))
    inside = torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(5)) > 0.4
    expected = spearmanr(a[inside], b[inside]).statistic
    assert rank_correlation(a, b, inside).tolist() == pytest.approx([expected])
    changed = b.masked_fill(~inside, -3)
    assert rank_correlation(a, changed, inside).tolist() == pytest.approx([expected])
    assert rank_correlation(a, b, torch.zeros_like(inside)).isnan().all()


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=40, deadline=None)
@given(maps=stacks, others=stacks)
def test_twin_agrees(name, maps, others):
    assert score(name, maps) == pytest.approx([TWINS[name](maps[:, 0], maps[:, 0])])
    assert score(name, maps, others) == pytest.approx([TWINS[name](maps[:, 0], others[:, 0])])


def test_values_done_by_hand():
    a, b, c = [4.0, 3, 0, 0], [4.0, 0, 3, 0], [0.0, 0, 0, 4]
    maps = torch.tensor([a, b, c]).view(3, 1, 2, 2)  # hot: {0, 1}, {0, 2}, {3}
    assert score("iou_seeds", maps) == pytest.approx([(1 / 3 + 0 + 0) / 3])
    assert score("iou_reference", maps) == pytest.approx([(1 / 3 + 0) / 2])
    # ranks 4, 3, 1.5, 1.5; 4, 1.5, 3, 1.5; 2, 2, 2, 4: products 2.25, -2, -2; squares 4.5, 4.5, 3
    expected = (2.25 / 4.5 - 2 * 2 / math.sqrt(4.5 * 3)) / 3
    assert score("rank_correlation_seeds", maps) == pytest.approx([expected])


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=25, deadline=None)
@given(maps=stacks)
def test_bounds_and_equal_maps(name, maps):
    (value,) = score(name, maps)
    assert (-1 if name == "rank_correlation_seeds" else 0) <= value <= 1
    assert score(name, np.stack([maps[0]] * 3)) == pytest.approx([1])


@settings(max_examples=25, deadline=None)
@given(maps=stacks)
def test_scale_and_order_invariances(maps):
    assert score("iou_seeds", maps * 4 - 3) == score("iou_seeds", maps)
    assert score("rank_correlation_seeds", np.exp(maps)) == pytest.approx(score("rank_correlation_seeds", maps))


@settings(max_examples=25, deadline=None)
@given(maps=stacks, order=st.permutations(range(3)))
def test_order_of_seeds_matters_to_the_reference_alone(maps, order):
    for name in ("iou_seeds", "rank_correlation_seeds"):
        assert score(name, maps[list(order)]) == pytest.approx(score(name, maps))
    assert score("iou_reference", maps[[0, 2, 1]]) == pytest.approx(score("iou_reference", maps))


def test_reference_is_the_first_seed():
    maps = torch.tensor([[1.0, 0, 0], [1.0, 0, 0], [0.0, 0, 1]]).view(3, 1, 1, 3)
    assert score("iou_reference", maps) == [0.5]
    assert score("iou_reference", maps[[2, 0, 1]]) == [0]


@pytest.mark.parametrize("name", TWINS)
def test_batch_equals_one_by_one(name):
    maps = np.random.default_rng(0).normal(size=(3, 5, *SHAPE)).astype(np.float32)
    assert score(name, maps) == pytest.approx([score(name, maps[:, n : n + 1])[0] for n in range(5)])


@pytest.mark.parametrize("name", TWINS)
def test_one_seed_or_a_degenerate_map_has_no_number(name):
    maps = torch.rand(2, 4, *SHAPE, generator=torch.Generator().manual_seed(1))
    maps[0, 1], maps[1, 2], maps[1, 3, 0, 0] = 0, 1, torch.nan
    assert [math.isnan(value) for value in score(name, maps)] == [False, True, True, True]
    assert all(map(math.isnan, score(name, maps[:1])))
