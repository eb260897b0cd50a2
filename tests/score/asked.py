"""Small models by hand, and every metric that asks a model, for a few maps of a few images."""

import numpy as np
import torch

from heatproof.score.metrics import confidence, faithfulness, infidelity, naopc, road

SIDE, CLASSES = 4, 3


class Counting:
    """A small model with fixed weights that remembers its batches."""

    def __init__(self, channels=1, side=SIDE):
        weights = np.random.default_rng(5).normal(size=(channels * side * side, CLASSES)) * SIDE / side
        self.weights = torch.from_numpy(weights).float()
        self.batches, self.asked = [], []

    def __call__(self, pixels):
        self.batches.append(len(pixels))
        self.asked += [image.numpy().tobytes() for image in pixels]
        return torch.tanh(pixels.flatten(1) @ self.weights) * 3


def batch(images=3, maps=2, channels=1, seed=0, side=SIDE):
    """Images, maps with ties and with negative relevance [maps, images, side, side], and targets."""
    rng = np.random.default_rng(seed)
    pixels = torch.from_numpy(rng.random((images, channels, side, side), dtype=np.float32))
    heat = torch.from_numpy(rng.integers(-1, 4, (maps, images, side, side)).astype(np.float32))
    return pixels, heat, list(rng.integers(0, CLASSES, images))


def _cases(pixels, maps, targets):
    return zip(pixels, maps.unbind(1), targets, strict=True)


def _values(metrics, found):
    return {name: torch.stack([metric(one) for one in found], dim=1) for name, metric in metrics.items()}


def by_curves(forward, pixels, maps, targets, *, steps=4, baselines=("mean",), batch_size=7):
    """Values of each metric of curves (the first baseline's plain, the others' with a suffix) and of confidence."""
    cases = _cases(pixels, maps, targets)
    found = list(faithfulness.responses(forward, cases, steps=steps, baselines=baselines, batch_size=batch_size))
    values = _values(confidence.METRICS, found)
    for baseline in baselines:
        suffix = "" if baseline == baselines[0] else f"_{baseline}"
        of_baseline = _values(faithfulness.METRICS, [response.curves[baseline] for response in found])
        values |= {name + suffix: value for name, value in of_baseline.items()}
    return values


def by_orders(forward, pixels, maps, targets, *, cells=3, beam=1, baseline="mean", batch_size=7):
    cases = _cases(pixels, maps, targets)
    found = naopc.orders(forward, cases, cells=cells, beam=beam, baseline=baseline, batch_size=batch_size)
    return _values(naopc.METRICS, list(found))


def by_squares(forward, pixels, maps, targets, *, keys=None, samples=16, baseline="mean", batch_size=7):
    keys = keys or [("tiny", n) for n in range(len(pixels))]
    cases = _cases(pixels, maps, targets)
    options = {"keys": keys, "samples": samples, "baseline": baseline, "batch_size": batch_size}
    return _values(infidelity.METRICS, list(infidelity.perturbed(forward, cases, **options)))


def by_road(forward, pixels, maps, targets, *, keys=None, percentiles=(25, 50, 75), noise=0.0, batch_size=7):
    keys = keys or [("tiny", n) for n in range(len(pixels))]
    cases = _cases(pixels, maps, targets)
    options = {"keys": keys, "percentiles": percentiles, "noise": noise, "batch_size": batch_size}
    return _values(road.METRICS, list(road.road_responses(forward, cases, **options)))
