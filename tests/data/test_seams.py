"""The probe of seams: blind to nodules, sharp on seams, and at chance on sham against planted."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data.plants import base, config, study
from PIL import Image as Pillow
from scipy import ndimage

from heatproof.core.draws import generator
from heatproof.data.audit.trivial import LEVEL
from heatproof.data.prepare.lookalikes import clusters, pairs
from heatproof.data.prepare.preprocess import preprocess, thumbnail
from heatproof.data.synthetic.planted import plant, plant_all
from heatproof.data.synthetic.seams import forward_p, seam_features, seam_probe

ARCHIVE = Path(__file__).parents[3] / "shared/data/iq_oth_nccd.zip"


def planted_study(frame: pd.DataFrame, before: np.ndarray, **settings) -> tuple:
    """labels, groups, pixels and seams."""
    frame, pixels = frame.copy(), before.copy()
    masks, seams = (np.zeros((len(pixels), *pixels.shape[2:]), bool) for _ in range(2))
    plant_all("toy", config() | settings, frame, pixels, masks, seams)
    return frame["label"].to_numpy(), frame["group"].to_numpy(), pixels, seams


def probe(labels, groups, pixels, seams) -> dict:
    return seam_probe(pixels, seams, labels, groups, folds=5, draws=300, key=("toy",))


@pytest.fixture(scope="module")
def phantoms():
    """base images, and what `planted_study` makes of them."""
    frame, before = study(40)
    return before, planted_study(frame, before)


def test_nodules_are_not_seen():
    """Whatever the ring encloses, and whatever lies far from it, the features are the same."""
    pixels = base(1)
    planted, _, seam = plant(pixels, generator("test"), lesion=True, radius=(0.05, 0.07), contrast=(90, 150))
    sham, _, _ = plant(pixels, generator("test"), lesion=False, radius=(0.05, 0.07), contrast=(90, 150))
    seen = seam_features(planted, seam)
    assert np.isfinite(seen).all()
    np.testing.assert_array_equal(seen, seam_features(sham, seam))
    other = planted.copy()
    other[ndimage.binary_fill_holes(seam) & ~seam] = 255
    other[ndimage.distance_transform_edt(~ndimage.binary_fill_holes(seam)) > 4] = 0
    np.testing.assert_array_equal(seen, seam_features(other, seam))


@pytest.mark.parametrize("change", ["level", "smooth", "rough", "outer edge", "inner edge"])
@pytest.mark.slow
def test_seams_are_seen(change):
    """Each kind of seam moves some feature far beyond what it varies by from image to image."""
    cases, options = [], {"lesion": False, "radius": (0.05, 0.07), "contrast": (90, 150)}
    for patient in range(8):
        sham, _, seam = plant(base(patient), generator("test", patient), **options)
        hurt = sham.astype(float)
        inside = ndimage.binary_fill_holes(seam)
        rims = {
            "outer edge": inside & ~ndimage.binary_erosion(inside),
            "inner edge": seam & ndimage.binary_dilation(inside & ~seam),
        }
        if change == "level":
            hurt[seam] += 40
        elif change == "smooth":
            hurt[seam] = ndimage.uniform_filter(hurt, 3)[seam]
        elif change == "rough":
            hurt[seam] += generator("rough", patient).normal(size=seam.sum()) * 15
        else:
            hurt[rims[change]] += 60
        cases.append([seam_features(sham, seam), seam_features(np.clip(hurt, 0, 255).astype(np.uint8), seam)])
    shift = np.subtract(*np.array(cases).transpose(1, 0, 2)[::-1])
    consistent = np.abs(shift.mean(0)) / (shift.std(0) + 1e-9)
    assert ((consistent > 2) & (np.abs(shift.mean(0)) > 1e-3)).any()


@pytest.mark.slow
def test_sham_and_planted_are_at_chance_on_phantoms(phantoms):
    _, (labels, groups, pixels, seams) = phantoms
    found = probe(labels, groups, pixels, seams)
    for row in found:
        assert row.low <= 0.5 <= row.high and row.high - row.low < 0.4
        assert (row.chance, row.groups, row.reason) == (0.5, 40, "")
    assert found == probe(labels, groups, pixels, seams)


@pytest.mark.slow
def test_a_crude_plant_is_found(phantoms):
    """Blurred where something was pasted in, and no shams."""
    before, (labels, groups, pixels, seams) = phantoms
    hard = before.copy()
    for row in np.flatnonzero(labels):
        inside = ndimage.binary_fill_holes(seams[row])
        hard[row, 0][inside] = ndimage.gaussian_filter(before[row, 0].astype(float), 1.5)[inside]
    found = probe(labels, groups, hard, seams)
    assert all(row.low > 0.85 for row in found)
    assert found[1].balanced_accuracy > probe(labels, groups, pixels, seams)[1].balanced_accuracy + 0.2


def test_too_few_groups(phantoms):
    _, (labels, groups, pixels, seams) = phantoms
    few = np.isin(groups, ["p000", *np.unique(groups[labels != labels[0]])[:3]])
    found = probe(labels[few], groups[few], pixels[few], seams[few])
    lacks = ("normal", "planted")[labels[0]]
    assert {(row.balanced_accuracy, row.reason, row.lacks) for row in found} == {(None, "few_groups", lacks)}


@pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"the archive of IQ-OTH/NCCD is not at {ARCHIVE}")
@pytest.mark.slow
def test_sham_and_planted_are_at_chance_on_real_slices():
    """Every third normal slice at 64 px, planted four times; a blurred ring is found in the same images."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if "Normal cases" in name and name.endswith(".jpg"))
        raw = [np.asarray(Pillow.open(io.BytesIO(archive.read(name))).convert("L")) for name in names[::3]]
    thumbnails = np.stack([thumbnail(image) for image in raw])
    found = pairs(thumbnails, 0.95)
    groups = [f"look-{label}" for label in clusters(len(raw), found.a, found.b)]
    before = np.stack([preprocess(image, None, size=64, channels=1, crop="body", fit="pad")[0] for image in raw])
    frame = pd.DataFrame({"image_id": names[::3], "source": names[::3], "group": groups})
    scores = []
    for seed in range(4):  # which groups get nodules matters more than how they are blended in
        labels, groups, pixels, seams = planted_study(frame, before, seed=seed)
        scores.append([row.balanced_accuracy for row in probe(labels, groups, pixels, seams)])
    assert (np.abs(np.mean(scores, axis=0) - 0.5) < 0.08).all()
    for row in np.flatnonzero(labels):
        blurred = ndimage.gaussian_filter(before[row, 0].astype(float), 1)
        before[row, 0][seams[row]] = blurred[seams[row]]
    assert probe(labels, groups, before, seams)[1].low > 0.8


def test_twenty_groups_are_enough_for_an_alarm():
    """A fold of four groups has six arrangements of labels: if ties counted whole, no p would be below the level."""
    labels, groups = np.repeat(np.arange(20) % 2, 2), np.repeat(np.arange(20), 2)
    folds = groups // 4
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(40, 3))
    seen[:, 0] += 10 * labels
    assert forward_p(seen, labels, groups, folds, ("test",), trees=20) <= LEVEL
    assert forward_p(seen, rng.permutation(20)[groups] % 2, groups, folds, ("test",), trees=20) > LEVEL
