"""Linear imputation against a dense solution in float64, pytorch-grad-cam's imputer, and values by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, RemoveLeastRelevantFirst, RemoveMostRelevantFirst
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_matrix, lil_matrix
from scipy.sparse.linalg import spsolve

from heatproof.score import imputation
from heatproof.score.imputation import impute

WITHIN = 1e-4 / 4  # of the standard deviation; a quarter of what is asked
WEIGHTS = {(y, x): 1 / 6 if y * x == 0 else 1 / 12 for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)}


def plain(image, removed):
    """One channel, one pixel and one neighbour at a time: `sum_n w_n (x_n - x_i) = 0` for each removed i."""
    height, width = removed.shape
    places = {tuple(place): number for number, place in enumerate(np.argwhere(removed))}
    matrix, right = lil_matrix((len(places), len(places))), np.zeros(len(places))
    for (y, x), row in places.items():
        for (dy, dx), weight in WEIGHTS.items():
            there = y + dy, x + dx
            if not (0 <= there[0] < height and 0 <= there[1] < width):
                continue
            matrix[row, row] += weight
            if there in places:
                matrix[row, places[there]] -= weight
            else:
                right[row] += weight * image[there]
    filled = image.astype(np.float64).copy()
    filled[removed] = spsolve(csc_matrix(matrix), right)
    return filled


def an_image(height, width, seed=0, channels=1):
    noise = np.random.default_rng(seed).normal(size=(channels, height, width))
    smooth = gaussian_filter(noise, (0, height / 10, width / 10), mode="nearest")
    return (0.5 + 0.15 * smooth / smooth.std() + 0.05 * noise).astype(np.float32)


def a_map(kind, height, width, seed=0):
    """Relevance in which no two pixels tie, of whole numbers over a power of two: `1 - map` rounds nothing."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    blur = {"pixels": 0, "blobs": min(height, width) / 8}[kind]
    order = gaussian_filter(noise, blur, mode="nearest").argsort(axis=None).argsort()
    return (order.reshape(height, width) / 2**18).astype(np.float32)


def most_relevant(relevance, share):
    count = round(share * relevance.size)
    return relevance >= np.sort(relevance, axis=None)[-count] if count else np.zeros_like(relevance, bool)


def filled(image, removed):
    return impute(torch.from_numpy(image)[None], torch.from_numpy(removed)[None])[0].numpy()


@st.composite
def holes(draw):
    size = draw(st.integers(1, 21)), draw(st.integers(1, 21))
    removed = draw(arrays(bool, size)) | (draw(st.booleans()) and draw(arrays(bool, size)))
    if removed.all():
        removed[draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))] = False
    return removed


@settings(max_examples=60, deadline=None)
@given(removed=holes(), seed=st.integers(0, 9))
def test_twin_agrees(removed, seed):
    image = np.random.default_rng(seed).random((1, *removed.shape), dtype=np.float32)
    found = filled(image, removed)[0]
    assert np.abs(found - plain(image[0], removed)).max() <= WITHIN * image.std() + 1e-7
    assert (found[~removed] == image[0][~removed]).all()
    kept = image[0][~removed]
    assert found.min() >= kept.min() - 1e-4 and found.max() <= kept.max() + 1e-4  # no mean leaves its range


@pytest.mark.parametrize("size", [(64, 64), (65, 33), (37, 80), (3, 150)])
@pytest.mark.parametrize("kind", ["pixels", "blobs"])
@pytest.mark.slow
def test_twin_agrees_on_larger_images(size, kind):
    image, relevance = an_image(*size), a_map(kind, *size)
    removed = np.stack([most_relevant(relevance, share) for share in (0.02, 0.5, 0.98)])
    found = impute(torch.from_numpy(image).expand(3, -1, -1, -1), torch.from_numpy(removed)).numpy()
    for mask, one in zip(removed, found, strict=True):
        assert np.abs(one[0] - plain(image[0], mask)).max() <= WITHIN * image.std()


@pytest.mark.parametrize("kept", [[(0, 0)], [(20, 30)], [(0, 37), (43, 0)]])
def test_the_widest_holes(kept):
    """Hardly a pixel left: the worst conditioned that a system can be."""
    image, removed = an_image(44, 38), np.ones((44, 38), bool)
    removed[tuple(zip(*kept, strict=True))] = False
    assert np.abs(filled(image, removed)[0] - plain(image[0], removed)).max() <= WITHIN * image.std()


def against_the_peer(size, percentiles, channels):
    image = torch.from_numpy(an_image(size, size, channels=channels))
    imputer = NoisyLinearImputer(noise=0)
    for kind in ("pixels", "blobs"):
        relevance = torch.from_numpy(a_map(kind, size, size))
        for first in (RemoveMostRelevantFirst, RemoveLeastRelevantFirst):
            place = relevance if first is RemoveMostRelevantFirst else 1 - relevance
            removed = torch.stack([place >= np.percentile(place.numpy(), percentile) for percentile in percentiles])
            ours = impute(image.expand(len(percentiles), *image.shape), removed)
            for mine, percentile in zip(ours, percentiles, strict=True):
                theirs = first(percentile, imputer)(image, relevance)
                assert (mine - theirs).abs().max() <= 1e-4 * image.std()


@pytest.mark.parametrize("channels", [1, 3])
def test_grad_cam_agrees_at_28_percentiles(channels):
    against_the_peer(18, [100 * step / 29 for step in range(1, 29)], channels)


@pytest.mark.slow
def test_grad_cam_agrees_at_224_pixels_and_28_percentiles():
    against_the_peer(224, [100 * step / 29 for step in range(1, 29)], 3)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(512, 512), (301, 450)])
def test_twin_agrees_on_large_images(size):
    image = an_image(*size)
    for kind in ("pixels", "blobs"):
        removed = most_relevant(a_map(kind, *size), 0.95)
        assert np.abs(filled(image, removed)[0] - plain(image[0], removed)).max() <= WITHIN * image.std()


def test_single_pixels_by_hand():
    image = np.array([[[1.0, 2, 3], [4, 5, 6], [7, 8, 30]]], np.float32)
    removed = np.zeros((3, 3), bool)
    removed[1, 1] = True
    assert filled(image, removed)[0, 1, 1] == pytest.approx((2 + 4 + 6 + 8) / 6 + (1 + 3 + 7 + 30) / 12)
    removed[:] = False
    removed[0, 0] = True  # of the corner's neighbours three exist: weights 1/6, 1/6, 1/12 over their sum
    assert filled(image, removed)[0, 0, 0] == pytest.approx((2 / 6 + 4 / 6 + 5 / 12) / (5 / 12))


def test_slope_goes_on_across_a_hole():
    """A plane is the mean of its neighbours everywhere."""
    y, x = np.mgrid[:60, :80].astype(np.float32)
    image = (x / 80 + y / 120)[None]
    removed = np.zeros((60, 80), bool)
    removed[5:55, 4:70] = True
    assert filled(image, removed) == pytest.approx(image, abs=1e-5)


def test_nothing_and_everything_removed():
    image = torch.from_numpy(an_image(20, 30, channels=3))
    none, every = impute(image.expand(2, -1, -1, -1), torch.tensor([False, True])[:, None, None].expand(2, 20, 30))
    assert torch.equal(none, image)
    assert every.flatten(1).std(1).max() == 0
    assert torch.allclose(every[:, 0, 0], image.mean((1, 2)))
    assert impute(image[None][:0], torch.zeros(0, 20, 30, dtype=torch.bool)).shape == (0, 3, 20, 30)


def test_flat_image_stays_flat():
    removed = most_relevant(a_map("blobs", 40, 40), 0.9)
    assert (filled(np.full((1, 40, 40), 0.3, np.float32), removed) == np.float32(0.3)).all()


@pytest.mark.parametrize("size", [pytest.param((224, 224), marks=pytest.mark.slow), (64, 64), (50, 71), (7, 8)])
def test_same_bytes_alone_and_in_any_company(size):
    """Lanes that take few rounds stand beside lanes that take many, in a group that is full and in one that is not."""
    images = torch.from_numpy(np.stack([an_image(*size, seed=n, channels=3) for n in range(13)]))
    shares = np.linspace(0.01, 0.99, 13)
    masks = [most_relevant(a_map(("pixels", "blobs")[n % 2], *size, seed=n), share) for n, share in enumerate(shares)]
    removed = torch.from_numpy(np.stack(masks))
    together, backwards = impute(images, removed), impute(images.flip(0), removed.flip(0)).flip(0)
    assert torch.equal(together, backwards)
    for n in (0, 5, 12):
        alone = impute(images[n : n + 1], removed[n : n + 1])[0]
        assert torch.equal(together[n], alone)
        assert torch.equal(alone[2:], impute(images[n : n + 1, 2:], removed[n : n + 1])[0])
    expanded = impute(images[:1].expand(13, -1, -1, -1), removed)
    assert torch.equal(expanded, impute(images[:1].repeat(13, 1, 1, 1), removed))


def test_grey_image_is_solved_once(monkeypatch):
    image, removed = torch.from_numpy(an_image(24, 24)), torch.from_numpy(most_relevant(a_map("blobs", 24, 24), 0.5))
    solved, real = [], imputation._solve
    monkeypatch.setattr(imputation, "_solve", lambda *args: solved.append(1) or real(*args))
    of_three = impute(image.expand(imputation.LANES, 3, -1, -1), removed.expand(imputation.LANES, -1, -1))
    assert len(solved) == 1
    assert torch.equal(of_three[7], impute(image[None], removed[None])[0].expand(3, -1, -1))


def test_noise_falls_on_removed_pixels_alone():
    image, removed = torch.from_numpy(an_image(16, 16)), torch.from_numpy(most_relevant(a_map("pixels", 16, 16), 0.5))
    noise = torch.randn(1, 16, 16, generator=torch.Generator().manual_seed(0))
    clean, noisy = impute(image[None], removed[None])[0], impute(image[None], removed[None], noise=noise)[0]
    assert torch.equal(noisy[:, ~removed], image[:, ~removed])
    assert torch.allclose((noisy - clean)[:, removed], noise[:, removed], atol=1e-6)


def test_what_does_not_converge_is_an_error(monkeypatch):
    image, removed = torch.from_numpy(an_image(64, 64))[None], torch.ones(1, 64, 64, dtype=torch.bool)
    removed[0, :9] = False
    broken = image.clone()
    broken[0, 0, 0, 0] = torch.nan
    with pytest.raises(ArithmeticError, match="does not converge"):
        impute(broken, removed)
    monkeypatch.setattr(imputation, "ROUNDS", 2)
    monkeypatch.setattr(imputation, "ATTEMPTS", 1)
    with pytest.raises(ArithmeticError, match="does not converge"):
        impute(image, removed)


def test_an_attempt_that_ends_too_early_is_gone_on_with(monkeypatch):
    """What is checked is the field itself: with two rounds an attempt the same answer is reached by more of them."""
    image, removed = an_image(64, 64), most_relevant(a_map("blobs", 64, 64), 0.9)
    monkeypatch.setattr(imputation, "ROUNDS", 2)
    monkeypatch.setattr(imputation, "ATTEMPTS", 40)
    assert np.abs(filled(image, removed)[0] - plain(image[0], removed)).max() <= WITHIN * image.std()


def test_shapes_that_do_not_fit_are_refused():
    image = torch.zeros(2, 1, 8, 8)
    for wrong in (torch.zeros(1, 8, 8, dtype=torch.bool), torch.zeros(2, 8, 9, dtype=torch.bool), torch.zeros(2, 8, 8)):
        with pytest.raises(ValueError, match="does not fit"):
            impute(image, wrong)
