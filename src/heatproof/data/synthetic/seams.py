"""Does the seam of a plant tell its class? Classifiers that see nothing of it but the seam."""

from itertools import islice

import numpy as np
from scipy import ndimage, stats

from heatproof.core.draws import derive, generator
from heatproof.core.messages import steps
from heatproof.data.audit import trivial
from heatproof.data.audit.probes import measure, missing, probe_linear
from heatproof.data.audit.results import Probe
from heatproof.data.audit.trivial import TooFewGroups, deal_folds
from heatproof.data.prepare.regions import dilate

_STEPS = (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)  # rows, columns between two pixels that are compared
_TREES = 300
_PERMUTATIONS = 399
_BANDS = 4  # across the ring, from the plant outwards


def seam_probe(
    pixels: np.ndarray,
    seams: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    *,
    folds: int,
    draws: int,
    key: tuple[str | int, ...],
) -> tuple[Probe, Probe]:
    """Measure the balanced accuracy of classifiers that see seams alone, each group predicted by one that never saw it.

    They see the ring where the plant was blended in, and as wide a strip of the untouched image around it; never
    what the ring encloses.

    Args:
        pixels: uint8 [images, 1, size, size].
        seams: bool [images, size, size], closed rings.
        labels, groups: int, 0 normal and 1 planted, and any [images].
        folds: of the cross-validation; fewer where a class has fewer groups.
        draws: of the bootstrap over groups that gives the interval.
        key: what random numbers are keyed by.

    Returns:
        Of a random forest, and of a linear model.
    """
    labels, groups = np.asarray(labels), np.asarray(groups)
    names = [(name, "preprocessed", "grouped") for name in ("seams", "seams_linear")]
    try:
        assigned = deal_folds(labels, groups, folds, ("normal", "planted"), *key, "seams")
    except TooFewGroups as error:
        return tuple(missing(name, error, labels, groups) for name in names)
    images = steps(zip(pixels, seams, strict=True), len(labels), "seams")
    seen = np.stack([seam_features(image[0], seam) for image, seam in images])
    guesses = np.zeros(len(labels), int)
    for fold in np.unique(assigned):
        train, test = assigned != fold, assigned == fold
        guesses[test] = _forest("seams", *key, int(fold)).fit(seen[train], labels[train]).predict(seen[test])
    forest = measure(labels, guesses, groups, draws, generator("seams", *key, "forest"))
    if forest["groups"] >= trivial.LEAST:
        forest["p"] = forward_p(seen, labels, groups, assigned, key)
    linear = probe_linear(seen, labels, groups, assigned, True, draws, generator("seams", *key, "linear"))
    linear.pop("examples")
    return Probe(*names[0], **forest), Probe(*names[1], **linear)


def _forest(*key: str | int, trees: int = _TREES):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(trees, min_samples_leaf=3, class_weight="balanced", random_state=derive(*key) % 2**32)


def forward_p(
    seen: np.ndarray, labels: np.ndarray, groups: np.ndarray, assigned: np.ndarray, key: tuple, trees: int = _TREES
) -> float:
    """Return the p value of forests that learn from the folds before each and are tested on it.

    To train a forest again on every permutation would take an hour. So only the labels of the fold that is tested are
    permuted, given the folds before it, which makes the folds' p values independent. Stouffer's sum joins them. They
    are mid-p values: a fold of few groups has few permutations, and most of these equal another.
    """
    ranks = []
    for fold in np.unique(assigned)[1:]:
        train, test = assigned < fold, assigned == fold
        forest = _forest("seams", *key, "before", int(fold), trees=trees)
        planted = forest.fit(seen[train], labels[train]).predict_proba(seen[test])
        drawn = trivial.permuted(labels[test], groups[test], None, generator("seams", *key, "null", int(fold)))
        found, *others = (_contrast(each, planted[:, 1]) for each in [labels[test], *islice(drawn, _PERMUTATIONS)])
        more = np.array(others) - found
        ranks.append((0.5 + (more > 1e-9).sum() + 0.5 * (np.abs(more) <= 1e-9).sum()) / (1 + _PERMUTATIONS))
    return float(stats.norm.sf(stats.norm.isf(ranks).sum() / np.sqrt(len(ranks))))


def _contrast(labels: np.ndarray, score: np.ndarray) -> float:
    return float(score[labels == 1].mean() - score[labels == 0].mean())


def seam_features(image: np.ndarray, seam: np.ndarray) -> np.ndarray:
    """What a seam shows: levels and their histogram, fine differences, local variance, and the profile across it.

    Each is of the ring, of the strip around it, or of the two compared.

    Args:
        image: uint8 [size, size].
        seam: bool [size, size], a closed ring; what it encloses is not looked at.

    Returns:
        float [features].
    """
    values = image.astype(float)
    hole = ndimage.binary_fill_holes(seam) & ~seam
    depth = ndimage.distance_transform_edt(~hole)
    width = depth[seam].max()
    strip = dilate(seam, width) & ~seam & ~hole
    ring, around = values[seam], values[strip]
    base, spread = np.median(around), around.std() + 1
    bands = np.minimum((depth / (width + 1) * _BANDS).astype(int), _BANDS - 1)
    parts = [seam & (bands == band) for band in range(_BANDS)]
    return np.array(
        [
            *_levels(ring),
            *_levels(around),
            ring.mean() - around.mean(),
            *(
                np.histogram(ring, base + spread * np.array([-np.inf, -2, -1, -0.5, 0, 0.5, 1, 2, np.inf]))[0]
                / len(ring)
            ),
            *(value for step in _STEPS for value in _differences(values, seam, strip, step)),
            *_levels(_local_variance(values, seam)),
            *_levels(_local_variance(values, strip)),
            *(values[part].mean() - base if part.any() else 0.0 for part in parts),
            *(_local_variance(values, part).mean() if part.any() else 0.0 for part in parts),
        ]
    )


def _levels(values: np.ndarray) -> list[float]:
    return [values.mean(), values.std(), *np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9])]


def _differences(values: np.ndarray, seam: np.ndarray, strip: np.ndarray, step: tuple[int, int]) -> list[float]:
    """Root mean squares of the differences of pixels a step apart: in the ring, in the strip, from one to the other."""
    down, right = step
    here = np.s_[: len(values) - down, max(0, -right) : values.shape[1] - max(0, right)]
    there = np.s_[down:, max(0, right) : values.shape[1] + min(0, right)]
    squares = (values[here] - values[there]) ** 2
    pairs = (
        seam[here] & seam[there],
        strip[here] & strip[there],
        (seam[here] & strip[there]) | (strip[here] & seam[there]),
    )
    inside, outside, across = (np.sqrt(squares[pair].mean()) if pair.any() else 0.0 for pair in pairs)
    return [inside, outside, across, np.log((inside + 1) / (outside + 1)), np.log((across + 1) / (outside + 1))]


def _local_variance(values: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Variances of the 3x3 surroundings of each pixel of a region, of its own pixels alone."""
    count = ndimage.uniform_filter(region.astype(float), 3, mode="constant") * 9
    mean = ndimage.uniform_filter(np.where(region, values, 0), 3, mode="constant") * 9 / np.maximum(count, 1)
    square = ndimage.uniform_filter(np.where(region, values**2, 0), 3, mode="constant") * 9 / np.maximum(count, 1)
    return np.maximum(square - mean**2, 0)[region]
