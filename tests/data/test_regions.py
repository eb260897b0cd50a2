"""Body and lungs: what no right heatmap marks lies outside, and no lesion does."""

import argparse
import json

import numpy as np
import pytest

from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.data.prepare.regions import REGIONS, border, find_film, find_regions, grey, hull, run
from heatproof.data.synthetic import phantom
from heatproof.store import artifacts


def slice_of(patient: int, kind: str, size: int = 96) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A slice, its lesion, and the ellipses of its body and its lungs."""
    anatomy, lesion = phantom.draw_patient("toy", 0, patient, kind)
    pixels, mask = phantom.render(anatomy, lesion, 0.0, size, generator("noise", patient))
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(axis, axis)
    lungs = np.any([phantom._ellipse(x, y, *lung) for lung in anatomy.lungs], axis=0)
    return pixels, mask, phantom._ellipse(x, y, 0, 0, *anatomy.body), lungs


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("size", [64, 96])
def test_body_and_lungs_of_phantoms(size):
    found = []
    for patient in range(12):
        pixels, _, body, lungs = slice_of(patient, "normal", size)
        regions = find_regions(pixels)
        found.append((overlap(regions["body"], body), overlap(regions["lungs"], lungs)))
        assert not (regions["lungs"] & ~regions["body"]).any()
    body, lungs = np.transpose(found)
    assert body.min() > 0.75 and np.median(body) > 0.95
    assert lungs.min() > 0.7 and np.median(lungs) > 0.82


@pytest.mark.slow
def test_a_lesion_lies_within_although_it_is_as_bright_as_the_wall():
    for kind, least in (("benign", 0.97), ("malignant", 0.9)):
        shares = []
        for patient in range(12):
            pixels, mask, _, _ = slice_of(patient, kind)
            regions = find_regions(pixels)
            shares.append([(regions[name] & mask).sum() / mask.sum() for name in REGIONS])
        body, lungs = np.transpose(shares)
        assert body.min() > 0.95 and lungs.mean() > least


@pytest.mark.parametrize("value", [0, 90, 255])
def test_an_image_of_nothing_has_no_region(value):
    found = find_regions(np.full((48, 48), value, np.uint8))
    assert not any(region.any() for region in found.values())


def test_noise_and_specks_have_no_lungs():
    image = np.zeros((64, 64), np.uint8)
    image[30:32, 30:32] = 255
    assert not any(region.any() for region in find_regions(image).values())


def test_a_body_without_lungs_has_none():
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    image = np.where((x / 0.9) ** 2 + (y / 0.7) ** 2 < 1, 180, 0) + generator("toy").integers(0, 6, (96, 96))
    found = find_regions(image.astype(np.uint8))
    assert found["body"].mean() > 0.4 and not found["lungs"].any()


def film(abdomen: int = 230, lung: int = 90, air: int = 12, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A frontal X-ray with a bar above it and air beside the body, and the body."""
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    body = (y > 0.15) & (np.abs(x - 0.5) < 0.25 + 0.3 * (y - 0.15))
    lungs = ((np.abs(np.abs(x - 0.5) - 0.14) / 0.1) ** 2 + ((y - 0.5) / 0.22) ** 2) < 1
    image = np.where(y > 0.15, air, 0)
    image = np.where(body, np.where(lungs, lung, np.where(y > 0.7, abdomen, 0.6 * abdomen)), image)
    image = image + (image > 0) * generator("film").integers(0, 6, image.shape)
    return image.astype(np.uint8), body


@pytest.mark.parametrize("size", [64, 128])
def test_the_body_of_a_film_holds_the_lungs_however_bright_the_abdomen_is(size):
    for abdomen, lung in ((230, 90), (250, 70), (190, 100)):
        image, body = film(abdomen, lung, size=size)
        found = find_film(image)
        assert set(found) == {"body"} and overlap(found["body"], body) > 0.93


def test_letters_beside_a_film_are_outside_its_body():
    image, _ = film()
    image[3:9, 3:6] = image[3:9, 8:10] = 255
    assert not find_film(image)["body"][:10, :12].any()


@pytest.mark.parametrize(("value", "body"), [(0, False), (5, False), (90, True), (255, True)])
def test_a_film_that_is_all_black_has_no_body_and_one_with_nothing_black_is_all_body(value, body):
    assert (find_film(np.full((48, 48), value, np.uint8))["body"] == body).all()


def test_the_border_is_a_band_along_the_edges():
    found = border((40, 60))
    assert found.sum() == 40 * 60 - 36 * 56 and not found[2:-2, 2:-2].any()
    assert border((8, 8)).sum() == 28  # never less than a pixel wide


def test_hull_is_convex_and_holds_its_pixels():
    ring = np.zeros((20, 20), bool)
    ring[4:15, 4] = ring[4, 4:15] = True  # an L
    found = hull(ring)
    assert not (ring & ~found).any() and found[9, 9] and not found[10, 10] and found.sum() == 66
    line = np.zeros((5, 5), bool)
    line[2, 1:4] = True
    assert (hull(line) == line).all() and not hull(np.zeros((5, 5), bool)).any()


def test_grey_is_the_mean_of_the_channels():
    image = np.stack([np.full((2, 2), v, np.uint8) for v in (0, 10, 21)])
    assert (grey(image) == 10).all() and grey(image[1:2]).tolist() == [[10, 10], [10, 10]]


def test_the_command_writes_what_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "RESULTS", tmp_path)
    slices = [slice_of(patient, "benign", 48)[0] for patient in range(3)]
    pixels = np.stack([*slices, np.zeros((48, 48), np.uint8)])[:, None]
    artifacts.write_array(tmp_path / "data/toy/pixels.npy", pixels)
    run(argparse.Namespace(study="toy", config=json.loads('{"regions": ["lungs", "body"]}')))
    found = artifacts.read_array(tmp_path / "data/toy/regions.npy")
    assert found.shape == (2, 4, 48, 48) and found.dtype == bool
    for i, image in enumerate(pixels[:, 0]):
        regions = find_regions(image)
        assert (found[:, i] == np.stack([regions["lungs"], regions["body"]])).all()
    assert found[:, :3].any((2, 3)).all() and not found[:, 3].any()
    run(argparse.Namespace(study="toy", config={"regions": ["border", "body"], "modality": "xray"}))
    found = artifacts.read_array(tmp_path / "data/toy/regions.npy")
    assert (found[0] == border((48, 48))).all()
    assert (found[1] == np.stack([find_film(image)["body"] for image in pixels[:, 0]])).all()
    with pytest.raises(InputError, match="'liver' is not known"):
        run(argparse.Namespace(study="toy", config={"regions": ["liver"]}))
