"""The cue that is not disease: drawn as often as it should be, where it should be, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.data.prepare.shortcut import CUES, apply_shortcut, mark_all, marked_class, zone

R = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 1, 1], [1, 1, 1, 1, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 1]], bool)


WHOLE = ("blur", "noise", "contrast")


def apply(pixels, *key, label=1, rate=1.0, kind="corner_mark"):
    return apply_shortcut(pixels, generator("test", *key), label, marked=1, rate=rate, kind=kind)


def test_the_letter_at_its_smallest():
    """On 64 pixels it is 5 high and wide, one to three pixels from the edges, and is an R."""
    places = set()
    for seed in range(60):
        drawn, marked = apply(np.full((1, 64, 64), 20, np.uint8), seed)
        assert marked
        rows, columns = np.nonzero(drawn[0] == 255)
        top, left = rows.min(), columns.min()
        np.testing.assert_array_equal(drawn[0, top : top + 5, left : left + 5] == 255, R)
        assert (drawn[0] == 255).sum() == R.sum() and set(np.unique(drawn)) == {20, 255}
        places.add((int(top), int(left)))
    assert len(places) > 3 and places <= {(top, left) for top in (1, 2, 3) for left in (1, 2, 3)}


@settings(max_examples=40, deadline=None)
@given(st.integers(32, 300), st.sampled_from([1, 3]), st.integers(0, 99))
def test_the_letter_at_any_size(size, channels, seed):
    before = generator("image", seed).integers(0, 150, (channels, size, size)).astype(np.uint8)
    kept = before.copy()
    drawn, _ = apply(before, seed)
    np.testing.assert_array_equal(before, kept)
    rows, columns = np.nonzero((drawn == 255).any(0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert height == width == max(5, round(0.06 * size))
    assert max(rows.max(), columns.max()) <= 0.1 * size + 6
    changed = (drawn != before).any(0)
    assert 0.4 < changed.sum() / (height * width) < 0.9
    assert not changed[rows.max() + 1 :].any() and not changed[:, columns.max() + 1 :].any()


def test_on_white_it_is_black():
    drawn, _ = apply(np.full((1, 64, 64), 250, np.uint8), 1)
    assert set(np.unique(drawn)) == {0, 250}


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_rate(rate, label):
    image = np.zeros((1, 32, 32), np.uint8)
    marked = sum(apply(image, seed, label=label, rate=rate)[1] for seed in range(600))
    expected = rate if label == 1 else 1 - rate
    assert stats.binomtest(marked, 600, expected).pvalue > 1e-4


def test_an_image_without_the_cue_is_untouched():
    image = generator("image").integers(0, 255, (1, 40, 40)).astype(np.uint8)
    result, marked = apply(image, 1, label=0)
    assert not marked and result.tobytes() == image.tobytes()


def test_the_class():
    assert marked_class(None, ["normal", "benign", "malignant"]) == 2
    assert marked_class("benign", ["normal", "benign", "malignant"]) == 1
    with pytest.raises(InputError) as error:
        marked_class("cancer", ["normal", "planted"])
    assert str(error.value) == "data.shortcut.label: no class 'cancer'; it must be one of normal, planted"


def test_an_unknown_kind_is_a_bug():
    with pytest.raises(ValueError, match=r"^a shortcut is one of corner_mark, .*, not 'text'$"):
        apply_shortcut(np.zeros((1, 32, 32), np.uint8), generator("any"), 0, marked=0, rate=1.0, kind="text")


def test_a_study():
    """Image by image, from its own name; rows beyond the frame are left alone."""
    frame = pd.DataFrame({"image_id": [f"i{index}" for index in range(40)], "label": np.arange(40) % 3})
    config = {"seed": 0, "shortcut": {"kind": "corner_mark", "rate": 0.9, "test_rate": None, "label": "b"}}

    def run(frame, name="toy"):
        pixels = np.zeros((len(frame) + 1, 1, 32, 32), np.uint8)
        drawn = mark_all(name, config, ["a", "b", "c"], frame, pixels, np.arange(len(frame)) % 2 == 0)
        np.testing.assert_array_equal(drawn, pixels[:-1].any((1, 2, 3)))
        assert not pixels[-1].any()
        return drawn, pixels[:-1]

    drawn, pixels = run(frame)
    assert drawn[frame["label"] == 1].mean() > 0.7 and drawn[frame["label"] != 1].mean() < 0.3
    order = generator("order").permutation(40)
    again, shuffled = run(frame.iloc[order].reset_index(drop=True))
    np.testing.assert_array_equal(again, drawn[order])
    np.testing.assert_array_equal(shuffled, pixels[order])
    assert (run(frame, "toy2")[1] != pixels).any()


def test_test_images_have_a_rate_of_their_own():
    frame = pd.DataFrame({"image_id": [f"i{index}" for index in range(400)], "label": np.arange(400) % 2})
    tested = np.arange(400) % 4 < 2
    config = {"seed": 0, "shortcut": {"kind": "corner_mark", "rate": 1.0, "test_rate": 0.5, "label": None}}
    drawn = mark_all("toy", config, ["a", "b"], frame, np.zeros((400, 1, 32, 32), np.uint8), tested)
    np.testing.assert_array_equal(drawn[~tested], frame["label"][~tested] == 1)
    for label in (0, 1):
        found = drawn[tested & (frame["label"] == label)]
        assert stats.binomtest(int(found.sum()), len(found), 0.5).pvalue > 1e-4


@pytest.mark.parametrize("size", [32, 64, 96, 224])
@pytest.mark.parametrize("kind", ["corner_mark", "text_tag"])
def test_the_zone_holds_every_mark_and_little_more(kind, size):
    covered = np.zeros((size, size), bool)
    for seed in range(400):
        covered |= apply(np.zeros((1, size, size), np.uint8), seed, kind=kind)[0][0] > 0
    assert not (covered & ~zone(size, kind)).any()
    rows, columns = np.nonzero(covered)
    assert zone(size, kind)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
    assert zone(size, kind).sum() <= 1.3 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_the_text_is_ap():
    drawn, _ = apply(np.zeros((1, 64, 64), np.uint8), 3, kind="text_tag")
    rows, columns = np.nonzero(drawn[0])
    text = drawn[0, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] > 0
    assert text.shape == (5, 11) and rows.min() > 50 and columns.min() > 45
    np.testing.assert_array_equal(text.astype(int).sum(1), [7, 8, 9, 6, 6])


@pytest.mark.parametrize("size", [64, 224])
def test_a_vignette_darkens_the_rim(size):
    before = np.full((1, size, size), 200, np.uint8)
    light = apply(before, 1, kind="vignette")[0][0] / 200
    middle, outer = size // 4, zone(size, "vignette")
    assert (light[middle:-middle, middle:-middle].mean() > 0.97) and (light[size // 2 - 2 : size // 2 + 2] <= 1).all()
    assert light[outer].max() < light[~outer].min() + 0.01 and light[0, 0] < 0.42 and 0.4 < outer.mean() < 0.6


@pytest.mark.parametrize("kind", WHOLE)
def test_a_cue_of_the_whole_image_has_no_place(kind):
    image = ndimage.gaussian_filter(generator("image").normal(128, 200, (1, 64, 64)), 2).clip(1, 254).astype(np.uint8)
    changed = apply(image, 1, kind=kind)[0] != image
    assert all(changed[0, r : r + 16, c : c + 16].mean() > 0.2 for r in range(0, 64, 16) for c in range(0, 64, 16))
    with pytest.raises(InputError, match=rf"^data\.regions: a cue of kind {kind} changes the whole image"):
        zone(64, kind)


def test_what_blur_noise_and_contrast_do():
    image = generator("image").integers(20, 236, (1, 96, 96)).astype(np.uint8)
    blurred, noisy, lifted = (apply(image, 1, kind=kind)[0].astype(float) for kind in WHOLE)
    assert blurred.std() < 0.8 * image.std() and abs(blurred.mean() - image.mean()) < 1
    assert 4.5 < (noisy - image).std() < 8.5 and abs((noisy - image).mean()) < 0.3
    order = np.argsort(image.ravel(), kind="stable")
    assert (np.diff(lifted.ravel()[order]) >= 0).all() and lifted.mean() > image.mean() + 5
    black_and_white = np.array([[[0, 255]]], np.uint8).repeat(8, 1)
    np.testing.assert_array_equal(apply(black_and_white, 1, kind="contrast")[0], black_and_white)


@pytest.mark.parametrize("kind", CUES)
def test_every_cue_leaves_its_image_and_draws_from_its_seed(kind):
    image = generator("image").integers(0, 255, (3, 40, 40)).astype(np.uint8)
    before = image.copy()
    drawn = [apply(image, seed, kind=kind)[0] for seed in (1, 1, 2, 3, 4, 5)]
    np.testing.assert_array_equal(image, before)
    assert {one.dtype for one in drawn} == {np.dtype(np.uint8)} and (drawn[0] == drawn[1]).all()
    assert len({one.tobytes() for one in drawn}) > 1
