"""ROAD against pytorch-grad-cam's, a plain twin, counts of removed pixels, and counts of forward passes."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_grad_cam.metrics import road as peer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from score.test_imputation import a_map, plain

from heatproof.score.metrics import road as road_module
from heatproof.score.metrics.road import METRICS, removed_count, road_responses

SIDE, CLASSES = 12, 3
PERCENTILES = [10, 20, 30, 40, 50, 60, 70, 80, 90]


class Counting(torch.nn.Module):
    """A small model with fixed weights that remembers what it was asked."""

    def __init__(self, channels=1):
        super().__init__()
        self.weights = torch.from_numpy(np.random.default_rng(5).normal(size=(channels * SIDE**2, CLASSES))).float()
        self.batches, self.asked = [], []

    def forward(self, pixels):
        self.batches.append(len(pixels))
        self.asked += list(pixels)
        return torch.tanh(pixels.flatten(1) @ self.weights / 3) * 3


def batch(images=3, maps=2, channels=1):
    pixels = np.random.default_rng(0).random((images, channels, SIDE, SIDE), dtype=np.float32)
    heat = [[a_map(("pixels", "blobs")[m % 2], SIDE, SIDE, 10 * m + n) for n in range(images)] for m in range(maps)]
    return torch.from_numpy(pixels), torch.from_numpy(np.array(heat)), [n % CLASSES for n in range(images)]


def found(forward, pixels, maps, targets, *, percentiles=PERCENTILES, batch_size=7, **options):
    cases = zip(pixels, maps.unbind(1), targets, strict=True)
    return list(road_responses(forward, cases, percentiles=percentiles, batch_size=batch_size, **options))


def score(*args, **options):
    """Values of each metric, [maps, images]."""
    answers = found(*args, **options)
    return {name: torch.stack([metric(answer) for answer in answers], dim=1) for name, metric in METRICS.items()}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("percentiles", [PERCENTILES, [100 * step / 29 for step in range(1, 29)], [55]])
@pytest.mark.slow
def test_grad_cam_agrees(channels, percentiles, monkeypatch):
    monkeypatch.setattr(peer.NoisyLinearImputer.__init__, "__defaults__", (0, peer.neighbors_weights))  # no noise
    forward = Counting(channels)
    pixels, maps, targets = batch(channels=channels)
    values = score(forward, pixels, maps, targets, percentiles=percentiles)
    theirs = {
        "road_morf": peer.ROADMostRelevantFirstAverage,
        "road_lerf": peer.ROADLeastRelevantFirstAverage,
        "road": peer.ROADCombined,
    }
    asked = [ClassifierOutputSoftmaxTarget(target) for target in targets]
    assert set(values) == set(theirs)
    for name, metric in theirs.items():
        for m, of_map in enumerate(maps.numpy()):
            expected = metric(percentiles)(pixels, of_map, asked, forward)
            assert values[name][m].tolist() == pytest.approx(expected.tolist(), abs=1e-5), name


def test_twin_agrees():
    """One image, one map, one percentile at a time, pixels sorted in plain Python, maps with ties."""
    forward = Counting()
    pixels, maps, targets = batch(images=2)
    maps = (maps * 2**18 // 20).floor()
    values = score(forward, pixels, maps, targets)

    def probability(image, target):
        return forward(torch.from_numpy(image).float()[None, None]).softmax(1)[0, target].item()

    for m, of_map in enumerate(maps):
        for n, heat in enumerate(of_map):
            image = pixels[n, 0].numpy()
            order = sorted(range(heat.numel()), key=lambda i, heat=heat: (-heat.flatten()[i].item(), i))
            before, change = probability(image, targets[n]), {"road_morf": [], "road_lerf": []}
            for percentile in PERCENTILES:
                count = len(order) - int(np.ceil((len(order) - 1) * percentile / 100))
                for name, gone in {"road_morf": order[:count], "road_lerf": order[-count:]}.items():
                    removed = np.zeros(image.shape, bool)
                    removed.flat[gone] = True
                    change[name].append(probability(plain(image, removed), targets[n]) - before)
            morf, lerf = (np.mean(change[name]) for name in ("road_morf", "road_lerf"))
            expected = {"road_morf": morf, "road_lerf": lerf, "road": (lerf - morf) / 2}
            for name, value in expected.items():
                assert values[name][m, n].item() == pytest.approx(value, abs=1e-5), name


@settings(max_examples=60, deadline=None)
@given(area=st.integers(2, 3000), percentile=st.integers(1, 1000).map(lambda tenths: tenths / 10))
def test_counts_are_those_of_a_percentile(area, percentile):
    order = np.random.default_rng(0).permutation(area).astype(np.float64)
    count = removed_count(area, percentile)
    place = (area - 1) * Fraction(str(percentile)) / 100
    if place.denominator > 1 or place == area - 1:  # else NumPy's rounding may fall on either side of a pixel
        assert count == (order >= np.percentile(order, percentile)).sum()
    assert count == (order >= place).sum()


def test_ties_remove_as_many_pixels_as_counted():
    """Of a map that is mostly zero pytorch-grad-cam keeps nothing below the median: `mask < 0` is empty."""
    forward = Counting()
    pixels, _, targets = batch(images=1)
    heat = torch.zeros(SIDE, SIDE)
    heat[3, 4:8] = 1
    (response,) = found(forward, pixels, heat[None, None], targets, percentiles=[10, 50, 90], batch_size=64)
    changed = [int((image != pixels[0]).sum()) for image in forward.asked]
    counts = [removed_count(SIDE**2, percentile) for percentile in (90, 50, 10)]
    assert changed == [0, *counts, *counts]
    assert response.share.tolist() == [count / SIDE**2 for count in reversed(counts)]
    most, least = (image[0] != pixels[0, 0] for image in (forward.asked[1], forward.asked[4]))
    order = [3 * SIDE + x for x in range(4, 8)] + [i for i in range(SIDE**2) if i // SIDE != 3 or not 4 <= i % SIDE < 8]
    assert most.flatten().nonzero().flatten().tolist() == sorted(order[: counts[0]])
    assert least.flatten().nonzero().flatten().tolist() == sorted(order[-counts[0] :])


def test_true_map_beats_every_other():
    """The decision is the mean of a bright square: only a map that marks it first finds it."""
    pixels = torch.full((1, 1, SIDE, SIDE), 0.2)
    pixels[..., 2:6, 3:7] = 0.9

    def forward(images):
        inside = images[..., 2:6, 3:7].mean((1, 2, 3))
        return torch.stack([20 * inside - 10, torch.zeros(len(images))], dim=1)

    truth = (pixels[0, 0] > 0.5).float()
    others = [torch.from_numpy(a_map("pixels", SIDE, SIDE, seed)) for seed in range(5)]
    values = score(forward, pixels, torch.stack([truth, -truth, *others])[:, None], [0])
    assert values["road_morf"][0, 0] < values["road_morf"][1:].min()
    assert values["road_lerf"][0, 0] > values["road_lerf"][1:].max()
    assert values["road"].argmax() == 0 and values["road"].argmin() == 1
    assert values["road"][0] > 0.2 and values["road"][1] < -0.2


def test_no_forward_pass_is_made_twice():
    forward = Counting()
    pixels, maps, targets = batch()
    maps[1, 2] = 0  # degenerate: no pass for it
    found(forward, pixels, maps, targets, percentiles=[20, 20.1, 50, 80], batch_size=8)  # the first two remove alike
    total = 3 + 5 * 2 * 3
    assert forward.batches == [3, 8, 8, 2, 8, 4]  # the images, the first maps, the second
    assert len({image.numpy().tobytes() for image in forward.asked}) == total


def test_percentiles_keep_their_order():
    pixels, maps, targets = batch(images=1)
    up = found(Counting(), pixels, maps, targets, percentiles=[20, 20.1, 80])[0]
    down = found(Counting(), pixels, maps, targets, percentiles=[80, 20.1, 20])[0]
    for name in ("morf", "lerf"):
        assert torch.allclose(getattr(up, name), getattr(down, name).flip(1), atol=1e-6)
        assert torch.equal(getattr(up, name)[:, 0], getattr(up, name)[:, 1])
    assert up.share.tolist() == down.share.flip(0).tolist()


@pytest.mark.parametrize("batch_size", [1, 5, 1000])
def test_batch_size_and_company_do_not_matter(batch_size):
    pixels, maps, targets = batch(maps=3)
    keys = [("image", n) for n in range(3)]
    together = score(Counting(), pixels, maps, targets, batch_size=batch_size, noise=0.05, keys=keys)
    for m in range(3):
        for n in range(3):
            only = slice(n, n + 1)
            alone = score(
                Counting(), pixels[only], maps[m : m + 1, only], targets[only], noise=0.05, keys=iter(keys[only])
            )
            for name in METRICS:
                assert together[name][m, n].item() == pytest.approx(alone[name].item(), abs=1e-6)


def test_noise_is_drawn_from_the_key_alone():
    forward = Counting()
    pixels, maps, targets = batch(images=1, maps=1)
    options = {"percentiles": [50], "batch_size": 64}
    for key in ("a", "a", "b"):
        found(forward, pixels, maps, targets, noise=0.1, keys=[(key,)], **options)
    found(forward, pixels, maps, targets, **options)
    first, again, other, clean = (torch.stack(forward.asked[start : start + 3]) for start in (0, 3, 6, 9))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert all(torch.equal(images[0], pixels[0]) for images in (first, other, clean))
    added = (first - clean)[1:]
    gone = clean[1:] != pixels[0]
    assert added[~gone].abs().max() == 0
    assert added[gone].std().item() == pytest.approx(0.1, rel=0.2)


def test_a_map_has_the_same_bits_whatever_the_other_maps(monkeypatch):
    monkeypatch.setattr(road_module, "TOGETHER", 20)  # several blocks of imputed images
    pixels, maps, targets = batch(images=5, maps=3)
    keys = [("image", n) for n in range(5)]

    def forward(images):
        return Counting()(images) + len(images) ** 0.5 * images.mean((1, 2, 3))[:, None] * torch.tensor([1, 0.3, 0.1])

    together = score(forward, pixels, maps, targets, noise=0.05, keys=keys)
    for place in range(3):
        alone = score(forward, pixels, maps[place : place + 1], targets, noise=0.05, keys=keys)
        assert all(torch.equal(together[name][place], alone[name][0]) for name in METRICS)


def test_degenerate_map_has_no_number():
    pixels, maps, targets = batch(images=2)
    maps[0, 0], maps[0, 1, 0, 0], maps[1, 1] = 2, torch.nan, 0
    for value in score(Counting(), pixels, maps, targets).values():
        assert value.isnan().tolist() == [[True, True], [False, True]]


def test_output_that_is_not_finite_has_no_number():
    pixels, maps, targets = batch(images=1)
    for value in score(lambda images: torch.full((len(images), 3), torch.inf), pixels, maps, targets).values():
        assert value.isnan().all()


def test_options_out_of_range_are_refused():
    pixels, maps, targets = batch(images=1)
    wrongs = ({"percentiles": []}, {"percentiles": [0]}, {"percentiles": [101]}, {"batch_size": 0}, {"noise": -1})
    for wrong in (*wrongs, {"noise": 0.1}, {"noise": 0.1, "keys": []}):
        with pytest.raises(ValueError, match=r"percentiles|batch_size|shorter|longer"):
            found(Counting(), pixels, maps, targets, **wrong)
