"""Which images belong together."""

import numpy as np
import pandas as pd
import pytest

from heatproof.core.messages import InputError
from heatproof.data.prepare.lookalikes import Pairs, check_apart, group_images


@pytest.fixture
def images():
    """Six images: 0 and 1 alike, 2 and 3 alike, 4 and 5 like nothing; 1 and 4 are of one patient."""
    thumbnails = np.random.default_rng(0).integers(0, 256, (6, 32, 32), dtype=np.uint8)
    thumbnails[1], thumbnails[3] = thumbnails[0], 255 - (255 - thumbnails[2].astype(int)) // 2
    patients = ["a", "b", "c", "d", "b", None]
    frame = pd.DataFrame({"image_id": list("uvwxyz"), "source": list("uvwxyz"), "patient": patients})
    return frame, thumbnails


def test_look_alikes_and_the_images_of_a_patient_are_one_group(images):
    frame, thumbnails = images
    groups, pairs = group_images(frame, thumbnails, "lookalike", 0.95)
    assert groups.tolist() == ["look-0001", "look-0001", "look-0002", "look-0002", "look-0001", "look-0003"]
    assert (pairs.a.tolist(), pairs.b.tolist()) == ([0, 2], [1, 3])
    unknown = group_images(frame.assign(patient=None), thumbnails, "lookalike", 0.95)[0]
    assert unknown.nunique() == 4 and unknown[0] == unknown[1] and unknown[2] == unknown[3]


def test_patients(images):
    frame, thumbnails = images
    groups, pairs = group_images(frame[:5], thumbnails[:5], "patient", 0.95)
    assert groups.tolist() == ["a", "b", "c", "d", "b"] and pairs is None
    for unknown, who in (([5], "z"), ([1, 4, 5], "v and 2 more images")):
        with pytest.raises(InputError) as caught:
            lost = frame["patient"].mask(frame.index.isin(unknown), None)
            group_images(frame.assign(patient=lost), thumbnails, "patient", 0.95)
        said = f"data.split.by: {who}: no patient is known; fix the source, or set by: lookalike"
        assert str(caught.value) == said


def test_single_images(images):
    assert group_images(*images, "image", 0.95)[0].tolist() == list("uvwxyz")


def test_a_look_alike_across_splits_is_a_fault():
    pairs = Pairs(np.array([0]), np.array([1]), np.array([0.99]))
    splits = pd.DataFrame({"fold0": ["train", "train"], "fold1": ["val", "test"], "random0": ["train", "test"]})
    check_apart(splits.drop(columns="fold1"), pairs)  # what a random split tears apart is its point
    with pytest.raises(AssertionError, match="1 pairs of images that look alike stand in two splits of fold1"):
        check_apart(splits, pairs)
