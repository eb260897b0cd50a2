"""A model whose decision is a known region: does each metric say so?

The model sums what is brighter than anything but the lesion, and counts a little against the target what lies
elsewhere. So the truth is the right explanation, whatever the image. Every metric of faithfulness and of localization
is held to it by itself: a new one is found in the catalogue.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from score.asked import Counting, batch, by_curves, by_orders, by_road, by_squares

from heatproof.catalogue.metrics import find_metric, metrics_of
from heatproof.score.metrics import localization
from heatproof.score.queries import BASELINES
from heatproof.score.scene import Scene, Truth

SIZE, IMAGES, LESION = 28, 6, 6
PLACES = [(2, 2), (2, 17), (17, 2), (17, 17), (2, 9), (9, 17)]  # none in the middle
BASED = {f"{name}_{baseline}" for name in metrics_of("faithfulness") for baseline in BASELINES}
# The truth blurred by two pixels is nearly the truth, and may be ahead by this share of what truth has before random:
# where the truth is flat its order is raster order, and the blurred one has the better guess.
NEAR = 0.02
FAR = 0.1  # and by this much everything else stays behind
AS_GOOD = {  # where a map is not told from the truth
    ("peak_distance", "edges"): "the strongest edge is the lesion's rim, at most a pixel from it",
    ("pointing_game_tolerance", "edges"): "the lesion's rim lies within the tolerance",
}

# Of a random map, on average: nothing is known of what deletion or insertion alone should give
AREA = LESION**2 / SIZE**2
RANDOM = {
    "srg": 0,
    "road": 0,
    "pixel_auroc": 0.5,
    "pixel_auprc": AREA,
    "relevance_mass_accuracy": AREA,
    "relevance_rank_accuracy": AREA,
    "energy_pointing_game": AREA,
    "localization_accuracy": 0.5,
}


def _images():
    draw = np.random.default_rng(0)
    pixels, masks = np.zeros((IMAGES, 1, SIZE, SIZE), np.float32), np.zeros((IMAGES, SIZE, SIZE), bool)
    for n in range(IMAGES):
        texture = ndimage.gaussian_filter(draw.normal(size=(SIZE, SIZE)), 3, mode="wrap")
        texture = (texture - texture.min()) / np.ptp(texture)
        y, x = np.array(PLACES[n % len(PLACES)]) + draw.integers(0, 3, 2)
        masks[n, y : y + LESION, x : x + LESION] = True
        pixels[n, 0] = np.where(masks[n], 0.9 + 0.05 * draw.random((SIZE, SIZE)), 0.2 + 0.3 * texture)
    return torch.from_numpy(pixels), torch.from_numpy(masks)


def _sees_the_lesion(pixels):
    bright, dark = (pixels - 0.6).clamp(min=0).sum((1, 2, 3)), pixels.clamp(max=0.5).mean((1, 2, 3))
    logit = bright / 4 - 2 * dark - 0.5
    return torch.stack([torch.zeros_like(logit), logit], dim=1)


def _maps(pixels, masks):
    truth = masks.float()
    y, x = (torch.arange(SIZE) - (SIZE - 1) / 2).view(-1, 1), torch.arange(SIZE) - (SIZE - 1) / 2
    edges = [np.hypot(ndimage.sobel(image, 0), ndimage.sobel(image, 1)) for image in pixels[:, 0].numpy()]
    return {
        "truth": truth,
        "blurred": torch.from_numpy(np.stack([ndimage.gaussian_filter(one, 2) for one in truth.numpy()])),
        "shifted": truth.roll((5, 5), (1, 2)),
        "edges": torch.from_numpy(np.stack(edges)),
        "center": torch.exp(-(y.square() + x.square()) / 98).expand_as(truth).contiguous(),
        "random": torch.rand(truth.shape, generator=torch.Generator().manual_seed(1)),
        "opposite": -truth,
    }


@pytest.fixture(scope="module")
def known():
    """Per metric the values of each map, {name: [images]}, and whether lower is better."""
    pixels, masks = _images()
    maps = _maps(pixels, masks)
    stack, targets = torch.stack(list(maps.values())), [1] * IMAGES
    asked = (_sees_the_lesion, pixels, stack, targets)
    values = by_curves(*asked, steps=14, baselines=BASELINES[1:2] + BASELINES[:1] + BASELINES[2:], batch_size=256)
    values |= by_orders(*asked, cells=9, batch_size=256) | by_squares(*asked, samples=64, batch_size=256)
    values |= by_road(*asked, percentiles=range(10, 100, 10), batch_size=256)
    regions = {metric.region: masks for metric in metrics_of("localization").values() if metric.region}
    truth = Truth(masks, regions | {"border": ~masks})
    for name, metric in localization.METRICS.items():
        values[name] = torch.stack([metric(Scene(of_map, truth, np.full(IMAGES, 0.4))) for of_map in stack])
    return {name: dict(zip(maps, value.numpy(), strict=True)) for name, value in values.items()}


def _lower(name):
    return find_metric(name).better == "lower"


NAMES = sorted({*metrics_of("faithfulness"), *metrics_of("localization")})


@pytest.mark.slow
def test_every_metric_of_the_catalogue_is_here(known):
    assert set(known) - BASED == set(NAMES)


def _judged(known, name):
    """Values of each map, larger is better."""
    sign = -1 if _lower(name) else 1
    return {of_map: sign * value for of_map, value in known[name].items()}


def _with_baselines(known, name):
    return [name, *(other for other in known if other in BASED and other.startswith(f"{name}_") and other not in NAMES)]


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_best_for_every_image(known, name):
    for metric in _with_baselines(known, name):
        values = _judged(known, metric)
        truth = values.pop("truth")
        span = truth.mean() - values["random"].mean()
        assert np.isfinite(truth).all() and span > 0
        for other, value in values.items():
            assert not (value > truth + (NEAR * span if other == "blurred" else 1e-6)).any(), (metric, other)


@pytest.mark.parametrize("other", ["shifted", "edges", "center", "random", "opposite"])
@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_better_than_what_is_not(known, name, other):
    for metric in _with_baselines(known, name):
        values = _judged(known, metric)
        if np.isnan(values[other]).all():  # no positive relevance: no value, and none that looks like one
            assert other == "opposite"
            continue
        span = values["truth"].mean() - values["random"].mean()
        margin = 0 if (name, other) in AS_GOOD else FAR
        assert values["truth"].mean() - values[other].mean() >= margin * span, metric


@pytest.mark.parametrize("name", sorted(metrics_of("faithfulness")))
def test_the_opposite_is_no_better_than_chance(known, name):
    for metric in _with_baselines(known, name):
        values = _judged(known, metric)
        assert values["opposite"].mean() <= values["random"].mean(), metric


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_a_random_map_gets_what_chance_gives(known, name):
    for metric in _with_baselines(known, name):
        values = known[metric]
        error = values["random"].std(ddof=1) / np.sqrt(IMAGES)
        assert values["random"].mean() == pytest.approx(RANDOM[name], abs=max(4 * error, 1e-3))
        assert abs(values["truth"].mean() - RANDOM[name]) > 5 * error


ASKED = {"curves": by_curves, "orders": by_orders, "squares": by_squares, "road": by_road}


@pytest.mark.parametrize("way", ASKED)
@settings(max_examples=10, deadline=None)
@given(
    heat=arrays(np.float32, (2, 3, 6, 6), elements=st.integers(-2, 2)),
    targets=st.lists(st.integers(0, 2), min_size=3, max_size=3),
    batch_size=st.integers(1, 40),
)
@pytest.mark.slow
def test_alone_or_in_company_a_map_has_the_same_value(way, heat, targets, batch_size):
    """Ties, zero and constant maps, negative relevance, several targets, batches of one."""
    pixels, _, _ = batch(images=3, side=6)
    forward, maps = Counting(side=6), torch.from_numpy(heat)
    keys = {} if way in ("curves", "orders") else {"keys": [("tiny", n) for n in range(3)]}
    together = ASKED[way](forward, pixels, maps, targets, batch_size=batch_size, **keys)
    for n in range(3):
        own = {"keys": keys["keys"][n : n + 1]} if keys else {}
        for m in range(2):
            alone = ASKED[way](
                forward, pixels[n : n + 1], maps[m : m + 1, n : n + 1], targets[n : n + 1], batch_size=1, **own
            )
            degenerate = heat[m, n].min() == heat[m, n].max()
            for name, value in together.items():
                expected = alone[name].item()
                assert value[m, n].item() == pytest.approx(expected, abs=1e-5, nan_ok=True), name
                assert np.isnan(expected) == degenerate, name
