"""`data.lungs`: the region `lungs` from masks of the user, cut and scaled as the images are."""

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from data.configured import data_config
from PIL import Image

from heatproof.core.messages import InputError
from heatproof.data import command
from heatproof.data.prepare import regions
from heatproof.store import artifacts

SHAPE = (40, 60)
CLASSES = {"normal": "normal", "sick": "sick"}


def draw(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, np.uint8)).save(path)


def lungs_of(n):
    """Columns of an image that its lungs take up; the last image has no mask."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, 5 * n : 5 * n + 20] = 255
    return mask


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for n in range(8):
        name = f"{'normal' if n % 2 else 'sick'}/{n}.png"
        draw(tmp_path / "in" / name, rng.integers(0, 256, SHAPE))
        if n < 7:
            draw(tmp_path / "in/fields" / name, lungs_of(n))
    return {
        "kind": "folder",
        "source": "in",
        "classes": CLASSES,
        "size": 60,
        "fit": "pad",
        "regions": ["lungs", "body"],
    }


def found(config):
    """The study's regions, by image."""
    config = data_config(**config)
    command.run(argparse.Namespace(study="toy", config=config))
    asked = {"regions": ["lungs", "body"], "modality": "xray", "data": config}
    regions.run(argparse.Namespace(study="toy", config=asked))
    array = artifacts.read_array(artifacts.data_dir("toy") / "regions.npy")
    return dict(zip(artifacts.read_manifest("toy")["image_id"], array[0], strict=True)), array[1]


def check(lungs, name):
    assert len(lungs) == 8
    for n in range(7):
        expected = np.zeros((60, 60), bool)
        expected[10:50] = lungs_of(n) > 0  # 60 x 40 pixels, padded
        assert (lungs[name(n)] == expected).all()
    assert not lungs[name(7)].any()


def test_of_a_folder_whose_masks_are_no_images(source):
    lungs, body = found(source | {"lungs": "fields"})
    check(lungs, lambda n: f"{'normal' if n % 2 else 'sick'}/{n}")
    assert body.any((1, 2)).all()


def test_of_a_table(source, tmp_path):
    with (tmp_path / "in/table.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "field"])
        for n in range(8):
            name = f"{'normal' if n % 2 else 'sick'}/{n}.png"
            rows.writerow([name, name.split("/")[0], f"fields/{name}" if n < 7 else ""])
    lungs, _ = found(source | {"kind": "table", "source": "in/table.csv", "lungs": "field"})
    check(lungs, lambda n: f"{'normal' if n % 2 else 'sick'}/{n}.png")


def test_masks_that_are_not_there(source, tmp_path):
    shutil.rmtree(tmp_path / "in/fields")
    with pytest.raises(InputError, match="no image below a folder 'nothing'"):
        found(source | {"lungs": "nothing"})


def test_images_without_lungs_are_told_and_none_with_them_is_refused(source, capsys):
    found(source | {"lungs": "fields"})
    assert "1 of 8 images have no mask of their lungs (data.lungs: fields)" in capsys.readouterr().err
    for path in Path("in/fields").rglob("*.png"):
        draw(path, np.zeros(SHAPE))
    with pytest.raises(InputError, match=r"^data\.lungs: fields: holds no mask of the lungs of any image; fix it"):
        found(source | {"lungs": "fields"})
