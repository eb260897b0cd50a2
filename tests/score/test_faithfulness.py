"""Curves against a plain twin, a linear model whose answer is known, torchcam, and counts of forward passes."""

import math
from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from score.asked import SIDE, Counting, batch, by_curves
from torchcam.metrics import DeletionInsertionMetric

from heatproof.score.metrics.confidence import METRICS as CONFIDENCE
from heatproof.score.metrics.faithfulness import METRICS, responses
from heatproof.score.queries import TOGETHER, remover
from heatproof.train.model import build


def plain(forward, image, heat, target, steps, baseline):
    """All metrics for one image and one map, one forward pass and one pixel at a time."""

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
    scaled = (heat.numpy() - low) / (high - low)
    logit, probability = output(image)
    logit_without, without = output(image * (1 - scaled))
    within = output(image * scaled)[1]
    return {
        "faithfulness_logit": logit - logit_without,
        "faithfulness_probability": probability - without,
        "average_drop": max(0, probability - within) / probability,
        "increase_in_confidence": float(within > probability),
        "deletion_auc": area["deletion"],
        "insertion_auc": area["insertion"],
        "srg": area["insertion"] - area["deletion"],
        "aopc_morf": sum(probability - y for _, y in curves["deletion"]) / (steps + 1),
        "aopc_lerf": sum(probability - y for _, y in curves["insertion"]) / (steps + 1),
    }


@pytest.mark.parametrize("baseline", ["zero", "mean"])
@pytest.mark.parametrize("steps", [1, 3, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_twin_agrees(baseline, steps, channels):
    forward = Counting(channels)
    pixels, maps, targets = batch(channels=channels)
    found = by_curves(forward, pixels, maps, targets, steps=steps, baselines=[baseline])
    assert set(found) == {*METRICS, *CONFIDENCE}
    for m, of_map in enumerate(maps):
        for n, heat in enumerate(of_map):
            expected = plain(forward, pixels[n], heat, targets[n], steps, baseline)
            assert set(expected) == set(found)
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
    found = by_curves(forward, torch.ones(1, 1, 2, 2), heat[:, None], [0], steps=4, baselines=["zero"], batch_size=64)
    # x(1 - L): L = 1, 1/2, 1/4, 0 leaves 0*4 + 1/2*2 + 3/4*1 = 1.75; reversed L leaves 4 + 3/4*2 + 1/2*1 = 6
    assert found["faithfulness_logit"].flatten().tolist() == pytest.approx([7 - 1.75, 7 - 6])
    whole, soft, soft_reversed = sigmoid(7, 1.75, 6)
    expected = [whole - soft, whole - soft_reversed]
    assert found["faithfulness_probability"].flatten().tolist() == pytest.approx(expected, abs=1e-6)
    # x L: 4 + 1/2*2 + 1/4*1 = 5.25; reversed 1/4*2 + 1/2*1 = 1
    within, within_reversed = sigmoid(5.25, 1)
    expected = [(whole - within) / whole, (whole - within_reversed) / whole]
    assert found["average_drop"].flatten().tolist() == pytest.approx(expected, abs=1e-6)

    def area(points):
        return (points[0] / 2 + sum(points[1:-1]) + points[-1] / 2) / 4

    deleted, inserted = sigmoid(7, 3, 1, 0, 0), sigmoid(0, 4, 6, 7, 7)
    low, high = area(deleted), area(inserted)
    assert found["deletion_auc"].flatten().tolist() == pytest.approx([low, high], abs=1e-6)
    assert found["insertion_auc"].flatten().tolist() == pytest.approx([high, low], abs=1e-6)
    assert found["srg"].flatten().tolist() == pytest.approx([high - low, low - high], abs=1e-6)
    drops = [whole - sum(deleted) / 5, whole - sum(inserted) / 5]
    assert found["aopc_morf"].flatten().tolist() == pytest.approx(drops, abs=1e-6)
    assert found["aopc_lerf"].flatten().tolist() == pytest.approx(drops[::-1], abs=1e-6)


def test_mean_drops_are_areas_under_another_name():
    """Where the steps are equally wide: (L + 1)(f(x) - AOPC) = L area + (f(x) + f(x_L)) / 2."""
    pixels, maps, targets = batch()
    steps = 8  # of 16 pixels
    for n, image in enumerate(pixels):
        (response,) = responses(
            Counting(), [(image, maps[:, n], targets[n])], steps=steps, baselines=["mean"], batch_size=9
        )
        curves = response.curves["mean"]
        ends = (response.probability + curves.deletion[:, -1]) / 2
        for mean_drop, area in (("aopc_morf", "deletion_auc"), ("aopc_lerf", "insertion_auc")):
            left = (steps + 1) * (response.probability - METRICS[mean_drop](curves))
            assert left.tolist() == pytest.approx((steps * METRICS[area](curves) + ends).tolist())


@settings(max_examples=25, deadline=None)
@given(
    heat=arrays(np.float32, (SIDE, SIDE), elements=st.integers(-2, 2)),
    baseline=st.sampled_from(["zero", "blur"]),
)
def test_curves_see_order_alone(heat, baseline):
    if heat.min() == heat.max():
        heat[0, 0] += 1
    pixels, _, targets = batch(images=1)
    heat = torch.from_numpy(heat)
    maps = torch.stack([heat, heat.exp()])[:, None]
    found = by_curves(Counting(), pixels, maps, targets, baselines=[baseline], batch_size=64)
    for name in METRICS:
        assert found[name][0].tolist() == pytest.approx(found[name][1].tolist(), abs=1e-6)
    assert all(found[name].min() >= 0 and found[name].max() <= 1 for name in ("deletion_auc", "insertion_auc"))


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(SIDE * SIDE)))
def test_reversed_order_swaps_deletion_and_insertion(order):
    """Without ties, inserting the most relevant first is deleting the least relevant first."""
    pixels, _, targets = batch(images=1)
    heat = torch.tensor(order, dtype=torch.float32).view(SIDE, SIDE)
    found = by_curves(Counting(), pixels, torch.stack([heat, -heat])[:, None], targets)
    assert found["srg"][0].item() == pytest.approx(-found["srg"][1].item(), abs=1e-6)
    assert found["deletion_auc"][0].item() == pytest.approx(found["insertion_auc"][1].item(), abs=1e-6)
    assert found["aopc_morf"][0].item() == pytest.approx(found["aopc_lerf"][1].item(), abs=1e-6)


def test_ties_fall_in_raster_order():
    pixels, _, targets = batch(images=1)
    two_levels = torch.zeros(SIDE, SIDE)
    two_levels[1:3, 1:3] = 1
    broken = two_levels - torch.arange(SIDE * SIDE).view(SIDE, SIDE) * 1e-3
    found = by_curves(Counting(), pixels, torch.stack([two_levels, broken])[:, None], targets, steps=16)
    assert found["deletion_auc"][0].item() == pytest.approx(found["deletion_auc"][1].item(), abs=1e-7)


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
def test_batch_size_and_company_do_not_matter(batch_size):
    pixels, maps, targets = batch(images=4, maps=3)
    together = by_curves(Counting(), pixels, maps, targets, baselines=["mean", "blur"], batch_size=batch_size)
    for m in range(3):
        for n in range(4):
            alone = by_curves(
                Counting(),
                pixels[n : n + 1],
                maps[m : m + 1, n : n + 1],
                targets[n : n + 1],
                baselines=["mean", "blur"],
            )
            for name in together:
                assert together[name][m, n].item() == pytest.approx(alone[name].item(), abs=1e-6)


def test_each_baseline_has_the_values_that_it_has_alone():
    pixels, maps, targets = batch(side=8)
    baselines = ["mean", "zero", "blur", "imputation"]
    together = by_curves(Counting(side=8), pixels, maps, targets, baselines=baselines)
    for baseline in baselines:
        alone = by_curves(Counting(side=8), pixels, maps, targets, baselines=[baseline])
        for name in METRICS:
            suffix = "" if baseline == "mean" else f"_{baseline}"
            torch.testing.assert_close(together[name + suffix], alone[name], atol=1e-6, rtol=0)
    assert len(together) == len(CONFIDENCE) + 4 * len(METRICS)


@pytest.mark.parametrize("baselines", [["mean"], ["zero", "mean", "blur", "imputation"]])
def test_no_forward_pass_is_made_twice(baselines):
    forward = Counting(side=8)
    pixels, maps, targets = batch(images=3, maps=2, side=8)
    maps[1, 2] = 0  # degenerate: no pass for it
    by_curves(forward, pixels, maps, targets, steps=4, baselines=baselines, batch_size=8)
    images, sound = 3, 5
    ends = len(set(baselines) - {"imputation"})  # with nothing left imputation is the mean
    total = images * (1 + ends) + sound * (len(baselines) * 2 * (4 - 1) + 2)
    each = len(baselines) * 2 * (4 - 1) + 2
    asked = [images * (1 + ends), 3 * each, 2 * each]  # of the images, of the first maps, of the second
    assert forward.batches == [size for part in asked for size in [8] * (part // 8) + [part % 8] * (part % 8 > 0)]
    alike = images - 1 if "zero" in baselines else 0  # with nothing left but black all images are one
    assert len(set(forward.asked)) == total - alike


def test_few_images_are_read_at_a_time():
    """Memory must not grow with the number of images: no image is read long before its turn."""
    pixels, maps, targets = batch(images=3 * TOGETHER, maps=1)
    read = []

    def cases():
        for n in range(len(pixels)):
            read.append(n)
            yield pixels[n], maps[:, n], targets[n]

    for done, _ in enumerate(responses(Counting(), cases(), steps=4, baselines=["mean"], batch_size=10)):
        assert len(read) == (done // TOGETHER + 1) * TOGETHER


def test_a_map_has_the_same_bits_whatever_the_other_maps():
    """A network whose answers depend on how many images there are in a batch, as those of a real one do a little."""
    pixels, maps, targets = batch(images=20, maps=3)
    maps[1, 4] = 0

    def forward(images):
        return Counting()(images) + len(images) ** 0.5 * images.mean((1, 2, 3))[:, None] * torch.tensor([1, 0.3, 0.1])

    together = by_curves(forward, pixels, maps, targets, baselines=["mean", "blur"])
    for place in range(3):
        alone = by_curves(forward, pixels, maps[place : place + 1], targets, baselines=["mean", "blur"])
        for name in together:
            assert torch.equal(together[name][place].nan_to_num(9), alone[name][0].nan_to_num(9)), name


def test_degenerate_map_has_no_number_whatever_the_steps():
    pixels, maps, targets = batch(images=2, maps=2)
    maps[0, 0], maps[0, 1, 0, 0], maps[1, 1] = 2, torch.nan, 0
    for steps in (1, 4):
        for value in by_curves(Counting(), pixels, maps, targets, steps=steps, baselines=["imputation"]).values():
            assert value.isnan().tolist() == [[True, True], [False, True]]


def test_image_whose_maps_are_all_degenerate_has_no_number():
    pixels, maps, targets = batch(images=3, maps=2)
    maps[:, 1] = 0
    for value in by_curves(Counting(), pixels, maps, targets, baselines=["mean", "imputation"]).values():
        assert value.isnan().tolist() == [[False, True, False]] * 2


def test_output_that_is_not_finite_has_no_number():
    whole = Counting()

    def broken(pixels):
        """Overflows unless pixels of the image are left untouched."""
        return torch.where((pixels.amax((1, 2, 3)) > 0.9)[:, None], whole(pixels), -torch.inf)

    pixels = torch.full((1, 1, SIDE, SIDE), 0.5)
    pixels[0, 0, 0, 0] = 1
    heat = torch.zeros(1, 1, SIDE, SIDE)
    heat[0, 0, 0, 0] = 1
    found = by_curves(broken, pixels, heat, [0])
    seen = {"average_drop", "increase_in_confidence"}  # the pixel that the model needs is what these leave
    assert all(value.isnan().all() != (name in seen) for name, value in found.items())


def test_model_that_ignores_its_input_gains_nothing():
    pixels, maps, targets = batch()
    found = by_curves(lambda x: torch.tensor([[2.0, 0, 1]]).expand(len(x), -1), pixels, maps, targets)
    for name in set(found) - {"deletion_auc", "insertion_auc"}:
        assert found[name].abs().max() == 0


def test_options_out_of_range_are_refused():
    pixels, maps, targets = batch(images=1)
    for wrong in (
        {"baselines": ["grey"]},
        {"steps": 0},
        {"batch_size": 0},
        {"baselines": []},
        {"baselines": ["zero"] * 2},
    ):
        with pytest.raises(ValueError, match=r"zero, mean, blur or imputation|at least"):
            by_curves(Counting(), pixels, maps, targets, **wrong)


class Extractor:
    """What torchcam asks of a CAM extractor, with maps that are there already."""

    def __init__(self, model, maps):
        self.model, self.maps = model, maps

    def __call__(self, *_, **__):
        return [self.maps]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return nullcontext()


def _peer(model, pixels, maps, targets, steps, baseline):
    """torchcam's areas of each image; it sums over images, so they are given one by one."""

    def fill(images):
        removed = [remover(image, baseline)(torch.zeros(1, *image.shape[1:], dtype=torch.bool)) for image in images]
        return torch.cat(removed)

    found = []
    for image, heat, target in zip(pixels, maps, targets, strict=True):
        metric = DeletionInsertionMetric(
            Extractor(model, heat[None]), lambda logits: logits.softmax(1), steps=steps, baseline=fill
        )
        metric.update(image[None], int(target))
        found.append(metric.summary())
    return found


def _without_ties(images, side):
    draw = np.random.default_rng(0)
    pixels = torch.from_numpy(draw.random((images, 1, side, side), dtype=np.float32))
    ranked = np.tile(np.arange(side * side, dtype=np.float32), (images, 1))
    return pixels, torch.from_numpy(draw.permuted(ranked, axis=1)).view(images, side, side)


@pytest.mark.parametrize("baseline", ["zero", "mean", "blur"])
def test_torchcam_agrees(baseline):
    """On maps without ties, where its steps are ours: 1,024 pixels in 16."""
    torch.manual_seed(0)
    model = build("test_resnet", 3, 32).eval().requires_grad_(False)
    torch.nn.init.normal_(model.net.get_classifier().weight, std=1)
    pixels, maps = _without_ties(2, 32)
    found = by_curves(model, pixels, maps[None], [0, 2], steps=16, baselines=[baseline], batch_size=64)
    peer = _peer(model, pixels, maps, [0, 2], 16, baseline)
    for n in range(2):
        for name in ("deletion_auc", "insertion_auc"):
            assert found[name][0, n].item() == pytest.approx(peer[n][name], abs=1e-5)
    assert abs(peer[0]["deletion_auc"] - peer[1]["deletion_auc"]) > 1e-3


def test_torchcam_differs_by_its_steps_alone():
    """Asked for 16 steps of 100 pixels, it makes 15: 7 pixels each and 2 at last; ours are 6 or 7. Areas from our
    finest curve, read at its counts, are its own."""

    class Model(torch.nn.Module):
        forward = Counting(side=10).__call__

    pixels, maps = _without_ties(3, 10)
    peer = _peer(Model(), pixels, maps, [0, 2, 1], 16, "mean")
    ours = by_curves(Model(), pixels, maps[None], [0, 2, 1], steps=16)
    at_its_steps = _at_torchcams_steps(Model(), pixels, maps, [0, 2, 1], 16, "mean")
    for name in ("deletion_auc", "insertion_auc"):
        expected = [one[name] for one in peer]
        assert at_its_steps[name][0].tolist() == pytest.approx(expected, abs=1e-5)
        assert ours[name][0].tolist() == pytest.approx(expected, abs=1e-2)
        assert ours[name][0].tolist() != pytest.approx(expected, abs=1e-5)


def _at_torchcams_steps(model, pixels, maps, targets, steps, baseline):
    """Areas by trapezoids from our finest curve, one pixel a step, read at torchcam's counts."""
    area = maps[0].numel()
    counts = [*range(0, area, -(-area // steps)), area]
    cases = zip(pixels, maps[:, None], targets, strict=True)
    values = {"deletion_auc": [], "insertion_auc": []}
    for response in responses(model, cases, steps=area, baselines=[baseline], batch_size=64):
        curves = response.curves[baseline]
        for name, curve in (("deletion_auc", curves.deletion), ("insertion_auc", curves.insertion)):
            values[name].append(torch.trapezoid(curve[:, counts], curves.share[counts]))
    return {name: torch.stack(value, dim=1) for name, value in values.items()}
