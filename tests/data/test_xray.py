"""X-ray phantoms: a finding changes its own place alone, and the mask is of the finding that it is said to be of."""

import argparse

import numpy as np
import pytest
from data.configured import data_config

from heatproof.core.draws import generator
from heatproof.data import command
from heatproof.data.synthetic import xray
from heatproof.data.synthetic.phantom import draw_anatomy
from heatproof.store import artifacts

FINDINGS = range(1, len(xray.CLASSES))


def film(patient: int, *findings: int, varied: bool = False):
    drawn = {label: generator("finding", label, patient) for label in findings}
    anatomy = draw_anatomy(generator("anatomy", patient))
    return xray.render(anatomy, drawn, 64, generator("film", patient), varied=varied)


@pytest.mark.parametrize("varied", [False, True])
@pytest.mark.parametrize("label", FINDINGS)
def test_a_finding_makes_its_own_place_denser_and_changes_nothing_else(label, varied):
    for patient in range(4):
        without, none = film(patient, varied=varied)
        image, masks = film(patient, label, varied=varied)
        rise = image.astype(int) - without
        mask = masks[label]
        assert none == {} and set(masks) == {label} and 0.002 < mask.mean() < 0.3
        assert (rise >= 0).all() and rise[mask].mean() > 5
        assert rise[~mask].max() <= np.ceil(255 * xray._SEEN / 1.2), "what is not marked is lost in the noise"


def test_findings_add_up_and_keep_their_masks():
    single = [film(3, label)[1][label] for label in FINDINGS]
    _, together = film(3, *FINDINGS)
    for label, mask in zip(FINDINGS, single, strict=True):
        np.testing.assert_array_equal(together[label], mask)


def test_an_effusion_is_low_and_a_large_heart_is_wide():
    for patient in range(5):
        rows, _ = np.nonzero(film(patient, 3)[1][3])
        assert rows.mean() > 35
        _, columns = np.nonzero(film(patient, 4)[1][4])
        assert columns.min() < 32 < columns.max()


def test_records_say_what_the_mask_marks():
    records = xray.list_records("toy", 0, 60, 2, 32)
    assert len({record.image_id for record in records}) == 120
    for one, other in zip(records[::2], records[1::2], strict=True):
        assert one.patient == other.patient and one.label == other.label and one.marks == other.marks
        assert set(one.marks) <= set(one.label) and (one.label == (0,)) == (one.marks == ())
    shares = [np.mean([label in record.label for record in records]) for label in FINDINGS]
    assert all(0.15 < share < 0.5 for share in shares)
    for record in records[:8]:
        image = record.read()
        assert (image.mask is None) == (record.marks == ()) and image.pixels.shape == (32, 32)


def test_a_study_has_labels_and_marks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"kind": "xray_phantom", "size": 48, "lookalike": 1.0, "phantom": {"patients": 60, "slices": 1}}
    command.run(argparse.Namespace(study="films", config=data_config("multilabel", **config)))
    manifest = artifacts.read_manifest("films")
    masks = artifacts.read_array(artifacts.data_dir("films") / "masks.npy")
    held, marked = (manifest[[f"{name}_{k}" for k in range(5)]].to_numpy(bool) for name in ("label", "marks"))
    assert (held.sum(1) >= 1).all() and not (marked & ~held).any()
    np.testing.assert_array_equal(marked.sum(1), ~held[:, 0])
    np.testing.assert_array_equal(masks.any((1, 2)), ~held[:, 0])
