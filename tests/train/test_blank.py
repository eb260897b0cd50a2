"""Predictions on images whose border or background is blanked."""

import numpy as np
import pandas as pd
import pytest
import torch

from heatproof.cli import main
from heatproof.store import artifacts
from heatproof.train.blank import Blanked
from heatproof.train.model import build, save

COMPUTE = '{"threads": 1, "device": "cpu", "batch_size": 3}'


def test_a_blanked_part_has_the_mean_of_the_rest():
    pixels = np.arange(2 * 1 * 4 * 4, dtype=np.uint8).reshape(2, 1, 4, 4)
    blank = np.zeros((2, 4, 4), bool)
    blank[:, 0] = True
    found = Blanked(pixels, blank)[np.array([1])]
    assert (found[0, 0, 0] == round(pixels[1, 0, 1:].mean())).all()
    np.testing.assert_array_equal(found[0, :, 1:], pixels[1, :, 1:])
    assert pixels[1, 0, 0, 0] == 16  # the study's own are as they were


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Eight images of a bright border, of which the last has no body, and a network of random weights."""
    monkeypatch.chdir(tmp_path)
    folder, checkpoint = artifacts.data_dir("toy"), artifacts.Checkpoint("toy", "test_resnet", 0, "fold0")
    pixels = np.random.default_rng(0).integers(0, 256, (8, 1, 64, 64), np.uint8)
    regions = np.zeros((2, 8, 64, 64), bool)
    regions[0, :7, 8:56, 8:56] = True  # body
    regions[1] = ~np.pad(np.ones((58, 58), bool), 3)
    names = [f"i{row}" for row in range(8)]
    manifest = pd.DataFrame({"image_id": names, "sha256": "a", "source": names, "label": [0, 1] * 4, "group": names})
    manifest = manifest.assign(truth="none", width=64, height=64, fold0=["train", "val"] + ["test"] * 6)
    artifacts.write_manifest("toy", manifest)
    for name, array in (("pixels.npy", pixels), ("regions.npy", regions)):
        artifacts.write_array(folder / name, array)
    artifacts.write_json(folder / "digest.json", {"classes": ["a", "b"], "size": 64, "channels": 1})
    torch.manual_seed(0)
    with artifacts.sealing(checkpoint.weights) as temporary:
        save(build("test_resnet", 2, 64), temporary)
    card = {
        "architecture": "test_resnet",
        "classes": ["a", "b"],
        "size": 64,
        "sha256": artifacts.digest(checkpoint.weights),
    }
    artifacts.write_json(checkpoint.card, card)
    return checkpoint


def test_the_job(study):
    of = "--study toy --model test_resnet --seed 0 --fold fold0 --blank border background --regions body border"
    main(["job", "blank", *of.split(), "--compute", COMPUTE])
    found = artifacts.read_table(study.blanked, artifacts.BLANKED)
    assert found["region"].value_counts().to_dict() == {"border": 6, "background": 5}
    assert set(found["split"]) == {"test"} and found["p_0"].add(found["p_1"]).round(6).eq(1).all()
    border, background = (
        found[found["region"] == name].set_index("image_id")["p_0"] for name in ("border", "background")
    )
    assert "i7" not in background and (border.loc[background.index] != background).any()
