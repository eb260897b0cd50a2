from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from threadpoolctl import threadpool_limits

from heatproof.core.messages import InputError
from heatproof.data.prepare.lookalikes import centre, clusters, group_names, pairs, pairs_down_to

REAL = Path(__file__).parents[3] / "shared/data/iq_oth_nccd.zip"


def smooth(count: int, seed: int = 0) -> np.ndarray:
    """Thumbnails of which many correlate, at any level."""
    rng = np.random.default_rng(seed)
    shared = ndimage.gaussian_filter(rng.normal(size=(4, 32, 32)), (0, 5, 5))
    own = ndimage.gaussian_filter(rng.normal(size=(count, 32, 32)), (0, 2, 2))
    mixed = shared[rng.integers(0, 4, count)] / shared.std() + rng.uniform(0.1, 1, (count, 1, 1)) * own / own.std()
    return np.clip(128 + 40 * mixed, 0, 255).astype(np.uint8)


def as_set(found):
    return set(zip(found.a.tolist(), found.b.tolist(), strict=True))


def test_pairs_are_those_of_numpy():
    thumbnails = smooth(90)
    correlation = np.corrcoef(thumbnails.reshape(90, -1).astype(float))
    for threshold in (0.4, 0.8, 0.95):
        found = pairs(thumbnails, threshold)
        a, b = np.nonzero(np.triu(correlation >= threshold, 1))
        assert len(a) and as_set(found) == set(zip(a.tolist(), b.tolist(), strict=True))
        assert np.lexsort((found.b, found.a)).tolist() == list(range(len(found)))
        assert found.similarity == pytest.approx(correlation[found.a, found.b], abs=6e-7)


def test_neither_blocks_nor_threads_change_a_bit():
    thumbnails = smooth(130)
    whole = pairs(thumbnails, 0.5)
    for block, threads in ((13, 2), (64, 1), (129, 2)):
        with threadpool_limits(threads):
            other = pairs(thumbnails, 0.5, block=block)
        for name in ("a", "b", "similarity"):
            np.testing.assert_array_equal(getattr(whole, name), getattr(other, name))


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """From exact integers, rounded only at the end."""
    x, y = ([int(value) for value in each.ravel()] for each in (x, y))
    n = len(x)
    covariance = n * sum(p * q for p, q in zip(x, y, strict=True)) - sum(x) * sum(y)
    left, right = (n * sum(p * p for p in each) - sum(each) ** 2 for each in (x, y))
    square = Fraction(covariance**2, left * right)
    return float(square) ** 0.5 * (1 if covariance > 0 else -1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.sampled_from([(0, 255), (0, 1), (254, 255), (100, 140)]))
def test_similarity_is_exact_at_any_contrast(seed, share, levels):
    """Black and white images are where the sums are largest: still every product sum is an exact float32."""
    rng = np.random.default_rng(seed)
    first = np.where(rng.random((32, 32)) < share, *levels).astype(np.uint8)
    second = np.where(rng.random((32, 32)) < 0.02, rng.integers(*levels, (32, 32), endpoint=True), first).astype(
        np.uint8
    )
    centred = centre(np.stack([first, second]))
    assert (np.abs(centred.values).astype(int) ** 2).sum(1).max() <= 2**24
    if min(np.ptp(first), np.ptp(second)) > 0:
        found = pairs(np.stack([first, second]), 0.31)
        expected = pearson(first, second)
        assert found.similarity.tolist() == ([round(expected, 6)] if round(expected, 6) >= 0.31 else [])


def test_the_same_image_is_found_at_threshold_one_and_its_scaled_twin_too():
    image = smooth(1)[0] // 2
    found = pairs(np.stack([image, smooth(1, seed=9)[0], image, image * 2]), 1.0)
    assert as_set(found) == {(0, 2), (0, 3), (2, 3)} and (found.similarity == 1).all()


def test_a_constant_image_looks_like_nothing_but_an_equally_bright_constant_one():
    flat = [np.full((32, 32), level, np.uint8) for level in (0, 7, 0, 7, 0)]
    found = pairs(np.stack([*flat, *smooth(3)]), 0.31, block=2)
    assert {pair for pair in as_set(found) if min(pair) < 5} == {(0, 2), (0, 4), (2, 4), (1, 3)}
    assert (found.similarity[found.a < 5] == 1).all()


def test_too_many_pairs_name_the_key_and_the_fix():
    same = np.repeat(smooth(1), 5, axis=0)  # 10 pairs
    assert len(pairs(same, 0.9, limit=10)) == 10
    flat = np.zeros((5, 32, 32), np.uint8)
    for images in (same, flat):
        with pytest.raises(InputError) as caught:
            pairs(images, 0.9, limit=9)
        assert str(caught.value) == "data.lookalike: more than 9 pairs of images look alike at 0.9: raise it"


@pytest.mark.parametrize("block", [5, 32, 2048])
def test_the_lowest_threshold_that_can_be_held(block):
    thumbnails, thresholds = smooth(80), [0.4, 0.6, 0.8, 0.9]
    correlation = np.corrcoef(thumbnails.reshape(80, -1).astype(float))[np.triu_indices(80, 1)]
    counts = {each: int((correlation >= each).sum()) for each in thresholds}
    assert counts[0.4] > counts[0.6] > counts[0.8] > counts[0.9] > 0
    floor, found = pairs_down_to(thumbnails, thresholds, block=block, limit=counts[0.6])
    assert floor == 0.6 and as_set(found) == as_set(pairs(thumbnails, 0.6))
    floor, found = pairs_down_to(thumbnails, thresholds, block=block, limit=counts[0.6] - 1)
    assert floor == 0.8 and len(found) == counts[0.8]
    floor, found = pairs_down_to(thumbnails, thresholds, block=block, limit=counts[0.9] - 1)
    assert floor is None and len(found) == 0


def test_no_image_and_one_image_have_no_pairs():
    for count in (0, 1):
        assert len(pairs(smooth(3)[:count], 0.9)) == 0


def test_thumbnails_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="uint8 with at most 1024 pixels, not uint8 with 4096"):
        centre(np.zeros((2, 64, 64), np.uint8))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=14), st.lists(st.integers(0, 9), max_size=12)
)
def test_clusters_are_what_merging_one_by_one_gives(links, ids):
    also = [None if value > 4 else f"p{value}" for value in ids] + [None] * (12 - len(ids))
    plain = list(range(12))
    joined = links + [(i, j) for i, j in combinations(range(12), 2) if also[i] is not None and also[i] == also[j]]
    for a, b in joined:
        plain = [plain[a] if label == plain[b] else label for label in plain]
    a, b = (np.array([link[side] for link in links], int) for side in (0, 1))
    expected = [list(dict.fromkeys(plain)).index(label) for label in plain]  # by first image
    assert clusters(12, a, b, also=also).tolist() == expected


def test_group_names():
    assert group_names(np.array([0, 1, 0, 12344])) == ["look-0001", "look-0002", "look-0001", "look-12345"]


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_file(), reason=f"{REAL.name} is not there")
def test_the_real_archive():
    """Counted before with a plain correlation matrix of the same thumbnails."""
    import io
    import zipfile

    from PIL import Image

    from heatproof.data.prepare.preprocess import thumbnail

    with zipfile.ZipFile(REAL) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        images = [thumbnail(np.asarray(Image.open(io.BytesIO(archive.read(name))))) for name in names]
    found = pairs(np.stack(images), 0.85)
    labels = np.array([name.split("/")[-2] for name in names])
    seen = {}
    for threshold in (0.85, 0.9, 0.94, 0.95, 0.97, 0.99):
        at = found.above(threshold)
        sizes = np.bincount(clusters(len(images), at.a, at.b))
        seen[threshold] = (len(at), len(sizes), int(sizes.max()), int((labels[at.a] != labels[at.b]).sum()))
    assert seen == {
        0.85: (19345, 23, 835, 4564),
        0.9: (7289, 63, 483, 412),
        0.94: (4381, 125, 54, 18),
        0.95: (3981, 136, 54, 16),
        0.97: (2942, 203, 38, 13),
        0.99: (1481, 400, 31, 5),
    }
