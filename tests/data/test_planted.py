"""Planted nodules: the truth is exact, and a sham differs in it alone."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data.plants import OPTIONS, base, config, study
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.data.prepare.preprocess import preprocess
from heatproof.data.prepare.regions import dilate, find_lungs
from heatproof.data.synthetic.planted import assign, check, plant, plant_all, seam_width, split_noise, survey

ARCHIVE = Path(__file__).parents[3] / "shared/data/iq_oth_nccd.zip"


def both(pixels: np.ndarray, *key, **options) -> tuple:
    """Nodule and sham from the same random numbers."""
    chosen = OPTIONS | options
    return tuple(plant(pixels, generator("test", *key), lesion=lesion, **chosen) for lesion in (True, False))


def differ_in_the_nodule_alone(pixels: np.ndarray, nodule: tuple, sham: tuple) -> None:
    planted, mask, seam = nodule
    put_back, empty, same_seam = sham
    assert planted.dtype == put_back.dtype == np.uint8 and mask.dtype == seam.dtype == bool
    assert mask.any() and not empty.any()
    np.testing.assert_array_equal(mask, planted != put_back)
    np.testing.assert_array_equal(seam, same_seam)
    assert not (mask & seam).any()
    np.testing.assert_array_equal(planted[seam], put_back[seam])
    blended = ndimage.binary_fill_holes(seam)
    assert blended[mask].all() and blended.sum() > seam.sum()  # the ring is closed around it
    np.testing.assert_array_equal(planted[~blended], pixels[~blended])
    np.testing.assert_array_equal(put_back[~blended], pixels[~blended])
    darker = int((planted[mask] < put_back[mask]).sum())  # the blended edge of a small nodule has few pixels
    assert darker <= max(3, 0.03 * mask.sum())
    assert np.median(planted[mask].astype(int) - put_back[mask]) > 10  # grey levels: it is seen


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), st.integers(0, 9), st.sampled_from([64, 96, 160]))
@pytest.mark.slow
def test_planted_and_sham_differ_in_the_nodule_alone(patient, seed, size):
    pixels = base(patient % 40, size)
    before = pixels.copy()
    differ_in_the_nodule_alone(pixels, *both(pixels, seed))
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("size", [64, 224, 320])
@pytest.mark.slow
def test_the_seam_is_a_ring_of_its_width(size):
    seam = both(base(1, size), 0)[0][2]
    blended = ndimage.binary_fill_holes(seam)
    width = seam_width(size)
    assert width == max(2, round(0.03 * size))
    thickness = ndimage.distance_transform_edt(~(blended & ~seam))[seam]
    assert thickness.max() == pytest.approx(width, abs=1)


def test_hardly_anything_of_a_nodule_is_left_unchanged():
    """Only what is as dense as itself."""
    shares = []
    for patient in range(12):
        _, mask, seam = both(base(patient, 96), patient)[0]
        shares.append(mask.sum() / (ndimage.binary_fill_holes(seam) & ~seam).sum())
    assert min(shares) > 0.8 and np.mean(shares) > 0.97


@pytest.mark.slow
def test_the_nodule_lies_in_a_lung():
    for patient in range(12):
        pixels = base(patient, 96)
        _, mask, _ = both(pixels, patient)[0]
        lungs = find_lungs(pixels)
        assert dilate(lungs, 1)[mask].all()
        assert lungs[mask].mean() > 0.85


@pytest.mark.slow
def test_the_nodule_has_its_contrast_but_is_no_denser_than_tissue():
    """In its core, from a mean over many; phantom tissue is 130 grey levels and more above the lung."""
    for contrast in [(60.0, 60.0), (100.0, 100.0), (250.0, 250.0)]:
        rises, steps = [], []
        for patient in range(10):
            pixels = base(patient, 96)
            planted, mask, _ = both(pixels, patient, contrast=contrast, radius=(0.06, 0.06))[0]
            ground = survey(pixels, (0.06, 0.06))
            core = ndimage.binary_erosion(ndimage.binary_fill_holes(mask), iterations=4)
            level = np.median(ground.structure[ground.lungs])
            rises.append(np.median(planted[core]) - level)
            steps.append(ground.tissue - level)
        if contrast[0] < 200:
            assert np.mean(rises) == pytest.approx(contrast[0], abs=5)
        else:
            assert np.mean(rises) == pytest.approx(np.mean(steps), abs=8)


def test_vessels_do_not_shine_through_and_are_put_back_by_a_sham():
    """Thin bright lines all over the lung: the nodule hides them, the sham keeps them."""
    pixels = base(2, 128)
    lungs = find_lungs(pixels)
    lines = lungs & (np.arange(128)[:, None] % 12 == 0)
    pixels[lines] = 150
    (planted, mask, _), (sham, _, seam) = both(pixels, 1, radius=(0.08, 0.08), contrast=(120.0, 120.0))
    core = ndimage.binary_erosion(ndimage.binary_fill_holes(mask), iterations=4)
    assert abs(planted[core & lines].mean() - planted[core & ~lines].mean()) < 12
    blended = ndimage.binary_fill_holes(seam)
    assert sham[blended & lines].mean() == pytest.approx(150, abs=3)
    assert sham[core & ~lines].mean() == pytest.approx(pixels[core & ~lines].mean(), abs=3)


@pytest.mark.parametrize("size", [160, 224])
@pytest.mark.slow
def test_noise_in_nodule_sham_and_seam_is_that_of_the_lung(size):
    """Spread and correlation of fine differences where there is no edge, over many images."""
    found = {"lung": [], "sham": [], "seam": [], "nodule": []}
    for patient in range(12):
        pixels = base(patient, size)
        (planted, mask, seam), (sham, _, _) = both(pixels, patient, radius=(0.08, 0.08))
        lungs = find_lungs(pixels)
        core = ndimage.binary_erosion(ndimage.binary_fill_holes(mask), iterations=5)
        away = lungs & ~dilate(seam | mask, 3)
        places = {"lung": (pixels, away), "sham": (sham, core), "seam": (sham, seam & lungs), "nodule": (planted, core)}
        for name, (image, region) in places.items():
            noise, smooth = split_noise(image, away)
            region = region & (smooth > 0)
            pairs = region[:, 1:] & region[:, :-1]
            found[name].append([noise[region].std(), np.corrcoef(noise[:, 1:][pairs], noise[:, :-1][pairs])[0, 1]])
    lung = np.median(found.pop("lung"), axis=0)
    for name, values in found.items():
        spread, correlation = np.median(values, axis=0)
        assert spread == pytest.approx(lung[0], rel=0.25), name
        assert correlation == pytest.approx(lung[1], abs=0.2), name


def test_a_sham_cannot_be_told_from_the_slice_it_came_from():
    """It changes noise by no more than noise, and nothing on average."""
    changes = []
    for patient in range(12):
        pixels = base(patient, 96)
        sham, _, seam = both(pixels, patient)[1]
        blended = ndimage.binary_fill_holes(seam)
        change = sham[blended].astype(float) - pixels[blended]
        spread = split_noise(pixels, find_lungs(pixels))[0][blended].std()
        assert 0 < change.std() < 2 * spread
        changes.append(change.mean())
    assert abs(np.mean(changes)) < 0.5


def test_the_random_numbers_alone_decide():
    pixels = base(3)
    first, again = both(pixels, 1)[0], both(pixels, 1)[0]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first[1] != both(pixels, 2)[0][1]).any()


def test_the_radius_shrinks_to_the_room_there_is():
    pixels = base(4, 96)
    small, large = (both(pixels, 5, radius=(low, 0.5))[0][1].sum() for low in (0.02, 0.07))
    assert small > 0 and large < 0.15 * 96 * 96


@pytest.mark.parametrize("filled", [False, True])
def test_no_lung(filled):
    y, x = np.mgrid[:64, :64] - 31.5
    pixels = np.where(filled & (np.hypot(x, y) < 25), 180, 10).astype(np.uint8)
    with pytest.raises(InputError) as error:
        plant(pixels, generator("any"), lesion=True, **OPTIONS)
    assert str(error.value) == "no lung found; leave the image out"


def test_no_room():
    pixels = base(6)
    with pytest.raises(InputError, match=r"^a lung has room for a radius of 0\.\d{3} of the side at most, "
                       r"data\.planted\.radius starts at 0\.2; lower it or leave the image out$"):  # fmt: skip
        survey(pixels, (0.2, 0.2))


def test_no_contrast():
    pixels = np.full((64, 64), 0, np.uint8)
    y, x = np.mgrid[:64, :64] - 31.5
    pixels[np.hypot(x, y) < 28] = 8
    pixels[np.hypot(x, y) < 20] = 1
    with pytest.raises(InputError) as error:
        survey(pixels, (0.03, 0.07))
    assert str(error.value) == (
        "the lung has grey level 1 and the tissue around it 8, too alike for a nodule; change data.window or leave "
        "the image out"
    )


def test_no_change():
    pixels = base(7)
    with pytest.raises(InputError) as error:
        plant(pixels, generator("any"), lesion=False, radius=(0.03, 0.07), contrast=(-200.0, -200.0))
    assert str(error.value) == "a nodule of data.planted.contrast [-200, -200] changes no pixel; raise it"


def test_check_names_the_image():
    pixels = base(8)[None]
    check("slices.zip: a.png", pixels, config()["planted"])
    with pytest.raises(InputError) as error:
        check("slices.zip: a.png", np.zeros_like(pixels), config()["planted"])
    assert str(error.value) == ("slices.zip: a.png: no lung found; leave the image out")


# --- whole studies ---


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=4, max_size=40), st.sampled_from([0.3, 0.5, 0.7]), st.integers(0, 99))
def test_whole_groups_get_nodules_and_the_share_is_near(sizes, share, seed):
    groups = pd.Series(np.repeat([f"g{index}" for index in range(len(sizes))], sizes))
    labels = assign(groups, share, "toy", seed)
    assert (pd.Series(labels).groupby(groups).nunique() == 1).all() and set(labels) == {0, 1}
    assert abs(labels.sum() - share * len(groups)) <= max(sizes) / 2 + 1e-9
    shuffled = groups.sample(frac=1, random_state=seed)
    np.testing.assert_array_equal(assign(shuffled, share, "toy", seed), labels[shuffled.index])


def test_seeds_and_sizes_decide_alike():
    """Each group gets a nodule about as often as any other, however large it is."""
    sizes = [20, 12, 9, 5, 4, 2, 1, 1]
    groups = pd.Series(np.repeat(list("abcdefgh"), sizes))
    drawn = np.array([[labels[groups == name][0] for name in "abcdefgh"]
                      for labels in (assign(groups, 0.5, "toy", seed) for seed in range(200))])  # fmt: skip
    assert (np.abs(drawn.mean(0) - 0.5) < 0.12).all()


def test_too_few_groups():
    with pytest.raises(InputError) as error:
        assign(pd.Series(["one"] * 9), 0.5, "toy", 0)
    assert str(error.value) == (
        "data.planted.share: 0.5 of 1 group(s) leaves a class without images; take more images, or a share nearer "
        "to 0.5"
    )
    with pytest.raises(InputError, match=r"^data\.planted\.share: 0\.02 of 10 group"):
        assign(pd.Series(list("abcdefghij")), 0.02, "toy", 0)


def run(frame: pd.DataFrame, pixels: np.ndarray, study_name: str = "toy", **settings) -> tuple:
    """frame, pixels, masks and seams after planting, in arrays with a row more than there are images."""
    frame, size = frame.copy(), pixels.shape[-1]
    pixels = np.concatenate([pixels, pixels[:1]])
    masks, seams = (np.zeros((len(pixels), size, size), bool) for _ in range(2))
    plant_all(study_name, config() | settings, frame, pixels, masks, seams)
    return frame, pixels, masks, seams


def test_a_study():
    frame, before = study(6)
    planted, pixels, masks, seams = run(frame, before)
    assert planted["label"].value_counts().to_dict() == {0: 6, 1: 6}
    assert (planted.groupby("group")["label"].nunique() == 1).all()
    np.testing.assert_array_equal(planted["label"] == 1, planted["truth"] == "mask")
    np.testing.assert_array_equal(masks[:12].any((1, 2)), planted["label"] == 1)
    assert seams[:12].any((1, 2)).all() and (pixels[:12] != before).any((1, 2, 3)).all()
    assert not seams[12].any() and (pixels[12] == before[0]).all()  # beyond the frame nothing happens


def test_images_depend_on_nothing_but_their_names_and_their_class():
    frame, before = study(6)
    one = run(frame, before)
    order = generator("order").permutation(len(frame))
    other = run(frame.iloc[order].reset_index(drop=True), before[order])
    np.testing.assert_array_equal(one[0]["label"].to_numpy()[order], other[0]["label"])
    for forward, shuffled in zip(one[1:], other[1:], strict=True):
        np.testing.assert_array_equal(forward[:12][order], shuffled[:12])
    for changed in (run(frame, before, seed=1), run(frame, before, "toy2")):
        assert all((changed[3][row] != one[3][row]).any() for row in range(12))


def test_a_study_with_an_image_without_lung():
    frame, pixels = study(3)
    pixels[4] = 0
    with pytest.raises(InputError) as error:
        run(frame, pixels)
    assert str(error.value) == ("slices.zip: p002/0.png: no lung found; leave the image out")


@pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"the archive of IQ-OTH/NCCD is not at {ARCHIVE}")
@pytest.mark.slow
def test_real_slices():
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if "Normal cases" in name and name.endswith(".jpg"))
        slices = [np.asarray(Pillow.open(io.BytesIO(archive.read(name))).convert("L")) for name in names[::14]]
    for index, raw in enumerate(slices):
        pixels = preprocess(raw, None, size=96, channels=1, crop="body", fit="pad")[0][0]
        differ_in_the_nodule_alone(pixels, *both(pixels, index, radius=(0.03, 0.06)))
