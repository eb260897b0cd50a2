"""Faithfulness against a plain twin, a linear model whose answer is known, and counts of forward passes."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heatproof.score.faithfulness import BLUR, METRICS, baseline_image, responses

SIDE, CLASSES = 4, 3


class Counting:
    """A small model with fixed weights that remembers the sizes of its batches."""

    def __init__(self, channels=1):
        weights = np.random.default_rng(5).normal(size=(channels * SIDE * SIDE, CLASSES))
        self.weights = torch.from_numpy(weights).float()
        self.batches = []

    def __call__(self, pixels):
        self.batches.append(len(pixels))
        return torch.tanh(pixels.flatten(1) @ self.weights) * 3


def batch(images=3, maps=2, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    pixels = torch.from_numpy(rng.random((images, channels, SIDE, SIDE), dtype=np.float32))
    heat = torch.from_numpy(rng.integers(-1, 4, (maps, images, SIDE, SIDE)).astype(np.float32))
    return pixels, heat, list(rng.integers(0, CLASSES, images))


def score(forward, pixels, maps, targets, *, steps=4, baseline="mean", batch_size=7):
    """Values of each metric, [maps, images]."""
    cases = zip(pixels, maps.unbind(1), targets, strict=True)
    found = list(responses(forward, cases, steps=steps, baseline=baseline, batch_size=batch_size))
    return {name: torch.stack([metric(r) for r in found], dim=1) for name, metric in METRICS.items()}


def plain(forward, image, heat, target, steps, baseline):
    """The same metrics for one image and one map, one forward pass and one pixel at a time."""

    def output(pixels):
        logits = forward(torch.from_numpy(pixels).float()[None])[0].double().numpy()
        return logits[target], np.exp(logits[target]) / np.exp(logits).sum()

    image = image.numpy()
    fill = np.zeros_like(image) if baseline == "zero" else np.zeros_like(image) + image.mean((1, 2), keepdims=True)
    order = sorted(range(heat.numel()), key=lambda i: (-heat.flatten()[i].item(), i))
    curves = {"deletion": [], "insertion": []}
    for step in range(steps + 1):
        count = round(step * len(order) / steps)
        deleted, inserted = image.copy(), fill.copy()
        for i in order[:count]:
            y, x = divmod(i, SIDE)
            deleted[:, y, x], inserted[:, y, x] = fill[:, y, x], image[:, y, x]
        curves["deletion"].append((count / len(order), output(deleted)[1]))
        curves["insertion"].append((count / len(order), output(inserted)[1]))
    area = {
        name: sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairwise(curve)) for name, curve in curves.items()
    }
    low, high = heat.min().item(), heat.max().item()
    soft = image * (1 - (heat.numpy() - low) / (high - low))
    (logit, probability), (logit_without, probability_without) = output(image), output(soft)
    return {
        "faithfulness_logit": logit - logit_without,
        "faithfulness_probability": probability - probability_without,
        "deletion_auc": area["deletion"],
        "insertion_auc": area["insertion"],
        "srg": area["insertion"] - area["deletion"],
    }


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("steps", [1, 3, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_twin_agrees(baseline, steps, channels):
    forward = Counting(channels)
    pixels, maps, targets = batch(channels=channels)
    found = score(forward, pixels, maps, targets, steps=steps, baseline=baseline)
    assert set(found) == set(METRICS)
    for m, of_map in enumerate(maps):
        for n, heat in enumerate(of_map):
            expected = plain(forward, pixels[n], heat, targets[n], steps, baseline)
            for name, value in expected.items():
                assert found[name][m, n].item() == pytest.approx(value, abs=1e-6), name


def test_linear_model_done_by_hand():
    """Logits (w·x, 0), an image of ones, a black baseline: removing pixels subtracts their weights."""
    weights = torch.tensor([4.0, 2, 1, 0])

    def forward(pixels):
        return torch.stack([pixels.flatten(1) @ weights, torch.zeros(len(pixels))], dim=1)

    def sigmoid(*logits):
        return [1 / (1 + math.exp(-logit)) for logit in logits]

    heat = torch.tensor([[[8.0, 4], [2, 0]], [[0.0, 2], [4, 8]]])  # the model's own order, and its reverse
    found = score(forward, torch.ones(1, 1, 2, 2), heat[:, None], [0], steps=4, baseline="zero", batch_size=64)
    # x(1 - L): L = 1, 1/2, 1/4, 0 leaves 0*4 + 1/2*2 + 3/4*1 = 1.75; reversed L leaves 4 + 3/4*2 + 1/2*1 = 6
    assert found["faithfulness_logit"].flatten().tolist() == pytest.approx([7 - 1.75, 7 - 6])
    whole, soft, soft_reversed = sigmoid(7, 1.75, 6)
    expected = [whole - soft, whole - soft_reversed]
    assert found["faithfulness_probability"].flatten().tolist() == pytest.approx(expected, abs=1e-6)

    def area(points):
        return (points[0] / 2 + sum(points[1:-1]) + points[-1] / 2) / 4

    removed, inserted = area(sigmoid(7, 3, 1, 0, 0)), area(sigmoid(0, 4, 6, 7, 7))
    assert found["deletion_auc"].flatten().tolist() == pytest.approx([removed, inserted], abs=1e-6)
    assert found["insertion_auc"].flatten().tolist() == pytest.approx([inserted, removed], abs=1e-6)
    gain = inserted - removed
    assert found["srg"].flatten().tolist() == pytest.approx([gain, -gain], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    heat=arrays(np.float32, (SIDE, SIDE), elements=st.integers(-2, 2)),
    baseline=st.sampled_from(["zero", "blur"]),
)
def test_areas_see_order_alone(heat, baseline):
    if heat.min() == heat.max():
        heat[0, 0] += 1
    pixels, _, targets = batch(images=1)
    heat = torch.from_numpy(heat)
    maps = torch.stack([heat, heat.exp()])[:, None]
    found = score(Counting(), pixels, maps, targets, baseline=baseline, batch_size=64)
    for name in ("deletion_auc", "insertion_auc", "srg"):
        assert found[name][0].tolist() == pytest.approx(found[name][1].tolist(), abs=1e-6)
    assert all(found[name].min() >= 0 and found[name].max() <= 1 for name in ("deletion_auc", "insertion_auc"))


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(SIDE * SIDE)))
def test_reversed_order_swaps_deletion_and_insertion(order):
    """Without ties, inserting the most relevant first is deleting the least relevant first."""
    pixels, _, targets = batch(images=1)
    heat = torch.tensor(order, dtype=torch.float32).view(SIDE, SIDE)
    found = score(Counting(), pixels, torch.stack([heat, -heat])[:, None], targets)
    assert found["srg"][0].item() == pytest.approx(-found["srg"][1].item(), abs=1e-6)
    assert found["deletion_auc"][0].item() == pytest.approx(found["insertion_auc"][1].item(), abs=1e-6)


def test_ties_fall_in_raster_order():
    pixels, _, targets = batch(images=1)
    two_levels = torch.zeros(SIDE, SIDE)
    two_levels[1:3, 1:3] = 1
    broken = two_levels - torch.arange(SIDE * SIDE).view(SIDE, SIDE) * 1e-3
    found = score(Counting(), pixels, torch.stack([two_levels, broken])[:, None], targets, steps=16)
    assert found["deletion_auc"][0].item() == pytest.approx(found["deletion_auc"][1].item(), abs=1e-7)


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
def test_batch_size_and_company_do_not_matter(batch_size):
    pixels, maps, targets = batch(images=4, maps=3)
    together = score(Counting(), pixels, maps, targets, batch_size=batch_size)
    for m in range(3):
        for n in range(4):
            alone = score(Counting(), pixels[n : n + 1], maps[m : m + 1, n : n + 1], targets[n : n + 1])
            for name in METRICS:
                assert together[name][m, n].item() == pytest.approx(alone[name].item(), abs=1e-6)


def test_no_forward_pass_is_made_twice():
    forward = Counting()
    pixels, maps, targets = batch(images=3, maps=2)
    maps[1, 2] = 0  # degenerate: no pass for it
    score(forward, pixels, maps, targets, steps=4, batch_size=8)
    images, sound = 3, 5
    total = images * 2 + sound * (2 * (4 - 1) + 1)
    assert forward.batches == [8] * (total // 8) + [total % 8]


def test_images_are_read_one_at_a_time():
    """Memory must not grow with the number of images: no image is read before its turn."""
    pixels, maps, targets = batch(images=6, maps=1)
    read = []

    def cases():
        for n in range(6):
            read.append(n)
            yield pixels[n], maps[:, n], targets[n]

    for done, _ in enumerate(responses(Counting(), cases(), steps=4, baseline="mean", batch_size=9), 1):
        assert len(read) <= done + 1  # 9 variants an image: one batch each


def test_degenerate_map_has_no_number_whatever_the_steps():
    pixels, maps, targets = batch(images=2, maps=2)
    maps[0, 0], maps[0, 1, 0, 0], maps[1, 1] = 2, torch.nan, 0
    for steps in (1, 4):
        for value in score(Counting(), pixels, maps, targets, steps=steps).values():
            assert value.isnan().tolist() == [[True, True], [False, True]]


def test_output_that_is_not_finite_has_no_number():
    whole = Counting()

    def broken(pixels):
        """Overflows unless pixels of the image are left untouched."""
        return torch.where((pixels.amax((1, 2, 3)) > 0.9)[:, None], whole(pixels), -torch.inf)

    pixels = torch.full((1, 1, SIDE, SIDE), 0.5)
    pixels[0, 0, 0, 0] = 1
    heat = torch.zeros(1, 1, SIDE, SIDE)
    heat[0, 0, 0, 0] = 1
    found = score(broken, pixels, heat, [0])
    assert all(value.isnan().all() for value in found.values())


def test_model_that_ignores_its_input_gains_nothing():
    pixels, maps, targets = batch()
    found = score(lambda x: torch.tensor([[2.0, 0, 1]]).expand(len(x), -1), pixels, maps, targets)
    for name in ("faithfulness_logit", "faithfulness_probability", "srg"):
        assert found[name].abs().max() == 0


def test_baselines():
    pixels = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(0))
    assert baseline_image(pixels, "zero").count_nonzero() == 0
    mean = baseline_image(pixels, "mean")
    assert mean.shape == pixels.shape
    assert mean[:, 3, 7].tolist() == pytest.approx(pixels.flatten(1).mean(1).tolist())
    blurred = baseline_image(pixels, "blur")
    sigma = BLUR * 32
    kernel = [math.exp(-(d**2) / (2 * sigma**2)) for d in range(-4, 5)]  # cut at 3 sigma
    expected = sum(
        kernel[dy + 4] * kernel[dx + 4] * pixels[1, 16 + dy, 16 + dx].item()
        for dy in range(-4, 5)
        for dx in range(-4, 5)
    )
    assert blurred[1, 16, 16].item() == pytest.approx(expected / sum(kernel) ** 2, abs=1e-5)


def test_options_out_of_range_are_refused():
    pixels, maps, targets = batch(images=1)
    for wrong in ({"baseline": "grey"}, {"steps": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match=r"zero, mean or blur|at least 1"):
            score(Counting(), pixels, maps, targets, **wrong)
