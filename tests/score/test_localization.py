"""Localization metrics against plain twins, values done by hand, and what must hold for any map."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score

from heatproof.catalogue.metrics import metrics_of
from heatproof.score.metrics.localization import METRICS as COMPUTED
from heatproof.score.metrics.localization import tuned
from heatproof.score.order import binarized
from heatproof.score.scene import Scene, Truth

SHAPE, THRESHOLD = (4, 5), 0.3


def iou_tuned(maps, masks=None):
    scene = maps if isinstance(maps, Scene) else Scene(maps, masks, np.full(len(maps), THRESHOLD))
    return COMPUTED["iou_tuned"](scene)


METRICS = COMPUTED | {"iou_tuned": iou_tuned}
REGIONS = {name: metric.region for name, metric in metrics_of("localization").items() if metric.region}
ORDER_ONLY = (
    "pointing_game",
    "pointing_game_tolerance",
    "hit_rate",
    "peak_distance",
    "relevance_rank_accuracy",
    "iou_area",
    "pixel_auroc",
    "pixel_auprc",
)
MIN_MAX = ("localization_accuracy", "iou", "iou_tuned", "lesion_hit_rate", "box_iou")
NOT_A_SHARE = ("peak_distance",)
ONE_ORDER = ("hit_rate",)  # of several maxima the first
NOT_ZERO = ("pixel_auprc", "box_iou", "peak_distance")  # of the complement of the truth

tied = arrays(np.float32, SHAPE, elements=st.integers(-2, 3))
smooth = arrays(np.float32, SHAPE, elements=st.floats(-8, 8, width=32))
any_map = st.one_of(tied, smooth).filter(lambda values: values.min() < values.max())
any_mask = arrays(bool, SHAPE).filter(lambda mask: mask.any() and not mask.all())


def score(name, values, mask):
    return METRICS[name](torch.from_numpy(values)[None], torch.from_numpy(mask)[None]).item()


def _hot(values, least=0.5):
    low, high = float(values.min()), float(values.max())
    return [(float(v) - low) / (high - low) >= least for v in values.flat]


def plain_localization_accuracy(values, mask):
    hits = [h for h, m in zip(_hot(values), mask.flat, strict=True) if m]
    return sum(hits) / len(hits)


def plain_iou_tuned(values, mask):
    return plain_iou(values, mask, THRESHOLD)


def plain_iou(values, mask, least=0.5):
    pairs = list(zip(_hot(values, least), mask.flat, strict=True))
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


def plain_iou_area(values, mask):
    """Over the number of equal pixels taken that lie in the mask, each as probable as it is among all choices."""
    size, flat, inside = int(mask.sum()), list(values.flat), list(mask.flat)
    last = sorted(flat, reverse=True)[size - 1]
    above = sum(bool(m) for v, m in zip(flat, inside, strict=True) if v > last)
    equal = [bool(m) for v, m in zip(flat, inside, strict=True) if v == last]
    left = size - sum(v > last for v in flat)
    expected = 0.0
    for taken in range(left + 1):
        ways = math.comb(sum(equal), taken) * math.comb(len(equal) - sum(equal), left - taken)
        expected += ways / math.comb(len(equal), left) * (above + taken) / (2 * size - above - taken)
    return expected


def plain_energy_pointing_game(values, mask):
    least = float(values.min())
    total = math.fsum(float(v) - least for v in values.flat)
    return math.fsum(float(v) - least for v, m in zip(values.flat, mask.flat, strict=True) if m) / total


def plain_pixel_auroc(values, mask):
    inside, outside = values[mask], values[~mask]
    if not len(outside):
        return math.nan
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in inside for b in outside)
    return wins / (len(inside) * len(outside))


def plain_pixel_auprc(values, mask):
    area, recall = 0.0, 0.0
    for threshold in sorted(set(values.flat), reverse=True):
        hot = values >= threshold
        found = (hot & mask).sum()
        area += (found / mask.sum() - recall) * found / hot.sum()
        recall = found / mask.sum()
    return area


def _distances_of_peaks(values, mask):
    pixels = [(y, x) for y in range(SHAPE[0]) for x in range(SHAPE[1])]
    peaks = [p for p in pixels if values[p] == values.max()]
    return [min(math.dist(peak, p) for p in pixels if mask[p]) for peak in peaks]


def plain_peak_distance(values, mask):
    found = _distances_of_peaks(values, mask)
    return sum(found) / len(found)


def plain_pointing_game_tolerance(values, mask):
    found = _distances_of_peaks(values, mask)
    return sum(distance <= 0.067 * min(SHAPE) for distance in found) / len(found)


def plain_hit_rate(values, mask):
    return float(mask.flat[list(values.flat).index(values.max())])


def _parts(mask):
    """Connected parts by 8 neighbours, each a list of (row, column), grown from their first pixel."""
    left, found = {(y, x) for y in range(SHAPE[0]) for x in range(SHAPE[1]) if mask[y, x]}, []
    while left:
        part = [left.pop()]
        for y, x in part:
            for near in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if near in left:
                    left.remove(near)
                    part.append(near)
        found.append(part)
    return found


def plain_lesion_hit_rate(values, mask):
    hot, chances = _parts(np.reshape(_hot(values), SHAPE)), []
    for lesion in _parts(mask):
        missed = 1.0
        for part in hot:
            top = max(values[p] for p in part)
            marks = [p for p in part if values[p] == top]
            missed *= 1 - sum(p in lesion for p in marks) / len(marks)
        chances.append(1 - missed)
    return sum(chances) / len(chances)


def _box(part):
    rows, columns = zip(*part, strict=True)
    return {
        (y, x) for y in range(min(rows), max(rows) + 1) for x in range(min(columns), max(columns) + 1)
    }  # the pixels in the box


def plain_box_iou(values, mask):
    hot = _parts(np.reshape(_hot(values), SHAPE))
    most = max(map(len, hot))
    boxes = [_box(part) for part in hot if len(part) == most]
    lesions = [_box(part) for part in _parts(mask)]
    best = [max(len(box & lesion) / len(box | lesion) for lesion in lesions) for box in boxes]
    return sum(best) / len(best)


TWINS = {name: globals()[f"plain_{name}"] for name in METRICS if name not in REGIONS}


def test_every_metric_has_a_twin():
    assert set(METRICS) == set(TWINS) | set(REGIONS)


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
    assert score("iou_tuned", values, mask) == pytest.approx(2 / 5)  # and 2
    assert score("pointing_game", values, mask) == 0.5  # one of two maxima
    assert score("relevance_mass_accuracy", values, mask) == pytest.approx(11 / 21)
    assert score("relevance_rank_accuracy", values, mask) == pytest.approx(2 / 3)  # 8, 8, 3
    assert score("iou_area", values, mask) == pytest.approx(2 / 4)  # the same three pixels
    assert score("energy_pointing_game", values, mask) == pytest.approx((2 + 10 + 5) / (2 + 10 + 10 + 5 + 4))
    assert score("pixel_auroc", values, mask) == pytest.approx((1 + 2.5 + 2) / 9)  # 0, 8, 3 against -2, 8, 2
    assert score("pixel_auprc", values, mask) == pytest.approx((1 / 2 + 2 / 3 + 3 / 5) / 3)
    assert score("pointing_game_tolerance", values, mask) == 0.5  # .13 pixels: as without tolerance
    assert score("hit_rate", values, mask) == 1  # the first of two maxima
    assert score("peak_distance", values, mask) == 0.5  # 0 and 1
    assert score("lesion_hit_rate", values, mask) == 0.5  # hot: 8, 8, 3 touch by 3 and make one mark
    assert score("box_iou", values, mask) == pytest.approx(4 / 6)  # the whole image and columns 1 and 2


def test_without_a_threshold_nothing_is_tuned():
    maps, masks = torch.rand(2, *SHAPE), torch.eye(*SHAPE, dtype=torch.bool).expand(2, *SHAPE)
    assert COMPUTED["iou_tuned"](maps, masks).isnan().all()
    assert tuned({0.2: np.array([0.4]), 0.3: np.array([0.4]), 0.4: np.array([0.3])}) == 0.2
    assert math.isnan(tuned({0.2: np.array([np.nan])}))


def test_tied_last_places_count_as_expected():
    values = np.array([[5, 0, 0, 0, 0]], np.float32)
    mask = np.array([[1, 1, 1, 0, 0]], bool)  # two places left for four zeros, half of them inside
    assert score("relevance_rank_accuracy", values, mask) == pytest.approx((1 + 2 * 2 / 4) / 3)


@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=30, deadline=None)
@given(values=any_map, mask=any_mask)
def test_bounds_and_mirror(name, values, mask):
    value = score(name, values, mask)
    assert math.isnan(value) or 0 <= value <= (5 if name in NOT_A_SHARE else 1 + 1e-12)
    if name in ONE_ORDER:
        assume((values == values.max()).sum() == 1)
    mirrored = score(name, values[:, ::-1].copy(), mask[:, ::-1].copy())
    assert mirrored == pytest.approx(value, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", TWINS)
@given(mask=any_mask)
@settings(max_examples=20, deadline=None)
def test_the_truth_itself_scores_one(name, mask):
    assume(not mask.all())
    best = 0 if name in NOT_A_SHARE else 1
    assert score(name, mask.astype(np.float32), mask) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in TWINS if name not in NOT_ZERO])
@given(mask=any_mask)
@settings(max_examples=20, deadline=None)
def test_the_complement_of_the_truth_scores_zero(name, mask):
    assume(mask.mean() <= 0.5)  # else the mask is larger than its complement
    assert score(name, (~mask).astype(np.float32), mask) == 0


@pytest.mark.parametrize("name", ORDER_ONLY)
@settings(max_examples=30, deadline=None)
@given(values=tied, mask=any_mask)
def test_metrics_of_order_see_order_alone(name, values, mask):
    assume(values.min() < values.max())
    assert score(name, np.exp(values), mask) == pytest.approx(score(name, values, mask), abs=0, nan_ok=True)


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
    for nothing_to_tell in (torch.zeros, torch.ones):  # in a mask that covers the image every map would lie
        assert METRICS[name](sound[None], nothing_to_tell(1, *SHAPE, dtype=torch.bool)).isnan().all()


def test_mass_of_a_map_without_positive_relevance_is_undefined():
    values = -np.arange(1, 21, dtype=np.float32).reshape(SHAPE)
    assert math.isnan(score("relevance_mass_accuracy", values, np.eye(*SHAPE, dtype=bool)))


def test_mass_and_energy_agree_where_the_least_value_is_zero():
    values = np.arange(20, dtype=np.float32).reshape(SHAPE)
    mask = np.eye(*SHAPE, dtype=bool)
    assert score("energy_pointing_game", values, mask) == pytest.approx(score("relevance_mass_accuracy", values, mask))
    assert score("relevance_mass_accuracy", values + 100, mask) == pytest.approx((36 + 400) / (190 + 2000))
    assert score("energy_pointing_game", values + 100, mask) == pytest.approx(36 / 190)  # its floor is gone


def test_equal_last_places_are_taken_in_every_way():
    values = np.array([[2, 1, 1, 1, 0]], np.float32)
    mask = np.array([[1, 1, 1, 0, 0]], bool)
    found = [(1 + sum(pair)) / (6 - 1 - sum(pair)) for pair in ((1, 1), (1, 0), (1, 0))]  # two of the three ones
    assert score("iou_area", values, mask) == pytest.approx(sum(found) / 3)


def test_tolerance_is_a_share_of_the_side():
    maps, masks = torch.zeros(1, 30, 40), torch.zeros(1, 30, 40, dtype=torch.bool)
    maps[0, 10, 10], masks[0, 13, 14] = 1, True  # 5 pixels away
    found = [METRICS["pointing_game_tolerance"](maps, Truth(masks, tolerance=t)).item() for t in (4.9 / 30, 5 / 30)]
    assert found == [0, 1]
    assert METRICS["peak_distance"](maps, masks).item() == 5


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        st.sampled_from([np.float32, np.float64]),
        (3, 4),
        elements=st.one_of(st.integers(-3, 3), st.floats(-1e3, 1e3, width=32)),
    )
)
def test_hot_is_what_binarized_says(values):
    assume(values.min() < values.max())
    maps = torch.from_numpy(values)[None]
    scene = Scene(maps, torch.ones(1, 3, 4, dtype=torch.bool))
    assert scene.hot.tolist() == binarized(maps).tolist()


@pytest.mark.parametrize("name", REGIONS)
def test_what_lies_inside_or_outside_a_region(name):
    maps = torch.tensor([[[3.0, -5, 1], [0, 4, 2]]]).expand(4, 2, 3).clone()
    maps[2] = -1 - maps[2].abs()
    region = torch.zeros(4, 2, 3, dtype=torch.bool)
    region[0, :, 1:] = region[2:, :, 1:] = True  # the second image has none, the third map nothing positive
    maps[3] = 1
    truth = Truth(torch.zeros_like(region), {REGIONS[name]: region})
    found = METRICS[name](maps, truth)
    share = 7 / 10 if name.startswith(("inside", "on")) else 3 / 10
    assert found[0].item() == pytest.approx(share) and found[1:].isnan().all()
    assert METRICS[name](Scene(maps, Truth(region))).isnan().all()  # a lesion is no region


def test_a_scene_gives_what_its_maps_and_masks_give():
    rng = np.random.default_rng(5)
    maps = torch.from_numpy(rng.normal(size=(5, 12, 10)).astype(np.float32))
    masks = torch.from_numpy(rng.random((5, 12, 10)) < 0.2)
    scene = Scene(maps, masks, np.full(5, THRESHOLD))
    for name in TWINS:
        assert torch.equal(METRICS[name](scene), METRICS[name](maps, masks))


def test_maps_of_half_precision_are_read_as_they_are():
    maps = torch.from_numpy(np.random.default_rng(1).integers(0, 9, (3, *SHAPE)).astype(np.float32))
    masks = torch.eye(*SHAPE, dtype=torch.bool).expand(3, *SHAPE)
    for kind in (torch.bfloat16, torch.float16, torch.float64, torch.int64):
        for name in TWINS:
            assert torch.equal(METRICS[name](maps.to(kind), masks), METRICS[name](maps, masks))


@pytest.fixture
def untied():
    rng = np.random.default_rng(7)
    masks = np.zeros((6, 24, 24), bool)
    for mask in masks:
        y, x = rng.integers(0, 16, 2)
        mask[y : y + 6, x : x + 5] = True
    maps = rng.permuted(np.arange(576.0).reshape(1, -1).repeat(6, 0), axis=1).reshape(6, 24, 24) ** 2
    return maps.astype(np.float32), masks


def test_scikit_learn_agrees(untied):
    """AUROC and average precision, with ties and without."""
    maps, masks = untied
    for values in (maps, np.floor(maps / 4e4)):
        for name, peer in (("pixel_auroc", roc_auc_score), ("pixel_auprc", average_precision_score)):
            found = METRICS[name](torch.from_numpy(values), torch.from_numpy(masks)).tolist()
            theirs = [peer(mask.ravel(), image.ravel()) for mask, image in zip(masks, values, strict=True)]
            assert found == pytest.approx(theirs, abs=1e-12)


QUANTUS = {
    "pointing_game": "PointingGame",
    "relevance_mass_accuracy": "RelevanceMassAccuracy",
    "relevance_rank_accuracy": "RelevanceRankAccuracy",
    "pixel_auroc": "AUC",
}


@pytest.mark.parametrize("name", QUANTUS)
def test_quantus_agrees_without_ties(name, untied):
    quantus = pytest.importorskip("quantus")
    maps, masks = untied
    peer = getattr(quantus, QUANTUS[name])(disable_warnings=True, normalise=False)
    theirs = peer.evaluate_batch(a_batch=maps[:, None], s_batch=masks[:, None])
    found = METRICS[name](torch.from_numpy(maps), torch.from_numpy(masks))
    assert found.tolist() == pytest.approx([float(value) for value in theirs], abs=1e-5)


def test_where_quantus_differs():
    """Quantus counts an all-zero map as a hit, and any of several maxima as the maximum: that is the peer's."""
    quantus = pytest.importorskip("quantus")
    maps, masks = np.zeros((2, 4, 4), np.float32), np.zeros((2, 4, 4), bool)
    masks[:, 0, 0] = True
    maps[1, 0, 0] = maps[1, 3, 3] = 1
    peer = quantus.PointingGame(disable_warnings=True, normalise=False)
    assert list(peer.evaluate_batch(a_batch=maps[:, None], s_batch=masks[:, None])) == [True, True]
    found = METRICS["pointing_game"](torch.from_numpy(maps), torch.from_numpy(masks))
    assert math.isnan(found[0]) and found[1] == 0.5
