"""`heatproof data` and `heatproof audit` of a collection whose images have several labels."""

import argparse
import hashlib
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from data.configured import data_config
from data.multilabel import LABELS, collection, rows, study
from shipped import checked
from sklearn.metrics import balanced_accuracy_score

from heatproof.config.data import Data
from heatproof.core.draws import generator
from heatproof.core.messages import InputError
from heatproof.data import command
from heatproof.data.audit import command as audit_command
from heatproof.data.audit.command import summary
from heatproof.data.audit.probes import label_sets, measure, one_by_one, probed
from heatproof.data.audit.results import Audit, read_audit
from heatproof.data.prepare.lookalikes import check_patients
from heatproof.store import artifacts
from heatproof.store.artifacts import is_multilabel, truth
from heatproof.workflow.files import data_fingerprint

NAMES = list(LABELS)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return yaml.safe_load(study(collection(tmp_path)))["data"]


def run(study: str, data: dict):
    config = data_config("multilabel", **data)
    command.run(argparse.Namespace(study=study, config=config))
    return config


def test_the_artifacts(data, capsys):
    run("toy", data)
    manifest = artifacts.read_manifest("toy")
    assert is_multilabel(manifest) and manifest["label"].isna().all() and len(manifest) == 48
    held = truth(manifest, len(NAMES))
    by_name = {f"images/{row['filename']}": row for row in rows()}
    for image, labels in zip(manifest["image_id"], held, strict=True):
        found = by_name[image]["finding"]
        covid, coli, strep = (word in found for word in ("COVID-19", "E.Coli", "Streptococcus"))
        bacterial = coli or strep
        assert labels.tolist() == [found == "No Finding", covid or bacterial, covid, covid, bacterial, strep]
    assert artifacts.read_json(artifacts.data_dir("toy") / "digest.json")["task"] == "multilabel"
    source = artifacts.read_json(artifacts.data_dir("toy") / "source.json")
    assert [(row["column"], row["value"], row["rows"]) for row in source["left_out"]] == [
        ("modality", "CT", 5),
        ("view", "L", 8),
        ("finding", "todo", 1),
    ]
    used = [by_name[image] for image in manifest["image_id"]]
    assert source["unlicensed"] == [f"images/{row['filename']}" for row in used if not row["license"]]
    assert sum(row["images"] for row in source["licenses"]) == 48 - len(source["unlicensed"])
    assert source["few_groups"] == {"No finding": 6}
    said = capsys.readouterr()
    assert "labels in too few groups for data.split.tolerance, not stratified: No finding (6)" in said.out + said.err


@pytest.mark.parametrize("split", [{}, {"folds": 3}, {"folds": 3, "by": "lookalike"}])
def test_a_patient_stands_in_one_part_of_every_fold(data, split):
    run("toy", data | {"split": {"tolerance": 0.5} | split})
    patients = {f"images/{row['filename']}": row["patientid"] for row in rows()}
    for fold in range(split.get("folds", 1)):
        manifest = artifacts.read_manifest("toy", f"fold{fold}")
        named = manifest["image_id"].map(patients)
        assert (manifest["split"].groupby(named).nunique() == 1).all() and named.nunique() == 24


def test_one_run_is_as_another(data):
    for name in ("one", "two"):
        run(name, data | {"seed": 3})
    digests = [artifacts.read_json(artifacts.data_dir(name) / "digest.json")["sha256"] for name in ("one", "two")]
    assert digests[0]["pixels.npy"] == digests[1]["pixels.npy"]
    tables = [artifacts.read_manifest(name).drop(columns="split") for name in ("one", "two")]
    assert tables[0].equals(tables[1])


def test_the_fingerprint_is_that_of_the_archive(data, tmp_path):
    section = checked(Data, "data", **data)
    before = data_fingerprint(section, tmp_path / "none.json")
    assert before == data_fingerprint(section, tmp_path / "none.json")
    collection(tmp_path, seed=1)
    assert before != data_fingerprint(section, tmp_path / "none.json")


def test_contents_are_those_of_the_rows_that_are_taken(data, tmp_path):
    with zipfile.ZipFile(tmp_path / "collection.zip") as archive:
        images = [name for name in archive.namelist() if name.endswith(".png")]
        lines = [f"{hashlib.sha256(archive.read(name)).hexdigest()}  {name}" for name in images]
    (tmp_path / "all.sha256").write_text("\n".join(lines))
    run("toy", data | {"contents": "all.sha256"})  # lists CT and lateral views too
    changed = [line.replace(line[:64], "0" * 64) if line.endswith("/p0-0.png") else line for line in lines]
    (tmp_path / "all.sha256").write_text("\n".join(changed))
    with pytest.raises(InputError, match=r"not the 48 files of data\.contents: 1 changed \(.*/images/p0-0\.png\)"):
        run("toy", data | {"contents": "all.sha256"})


def audited(data: dict) -> Audit:
    config = run("toy", data)
    keys = ("audit", "crop", "fit", "group_kind", "kind", "lookalike", "seed", "shortcut", "split")
    given = json.loads(json.dumps({key: config[key] for key in keys} | {"patients_known": True}))
    audit_command.run(argparse.Namespace(study="toy", config=given))
    return read_audit(artifacts.data_dir("toy") / "audit.json")


@pytest.mark.slow
def test_the_audit_counts_labels_and_probes_one_after_another(data):
    found = audited(data)
    assert found.classes == found.probed == tuple(NAMES) and found.sets == 5
    assert found.counts == dict(zip(NAMES, [13, 35, 22, 22, 24, 21], strict=True))
    assert {row.chance for row in found.probes} == {0.5}
    scores = {(row.probe, row.stage, row.split): row for row in found.probes}
    assert scores["neighbour", "raw", "grouped"].low > 0.8  # discs can be seen on thumbnails
    assert scores["border", "raw", "grouped"].balanced_accuracy < 0.65  # and the border knows nothing of them
    assert all(row.label_a != row.label_b for row in found.conflicts)
    assert {row.label_a for row in found.conflicts} <= {
        "Pneumonia + Bacterial",
        "Pneumonia + Bacterial + Streptococcus",
    }  # E.Coli looks the same here
    assert found.duplicates.lookalikes.across_splits is not None
    row = found.sweep[0]
    assert row.split in (True, False) and set(row.clusters_by_class) == set(NAMES)
    text = summary(found, "toy")
    assert "48 images in 5 sets of 6 labels: No finding 13, Pneumonia 35" in text
    assert "classes apart" not in text and "different classes" not in text


@pytest.mark.slow
def test_labels_in_too_few_groups_are_not_probed(data):
    found = audited(data | {"audit": data["audit"] | {"folds": 7}})  # 6 patients without a finding
    assert found.probed == tuple(NAMES[2:])  # without these 6 all have a pneumonia
    found = audited(data | {"audit": data["audit"] | {"folds": 20}})
    assert found.probed == ()
    assert {row.reason for row in found.probes} == {"no_label"}
    assert all(row.balanced_accuracy is None for row in found.probes)


def test_label_sets_by_hand():
    held = np.array([[1, 0], [1, 1], [0, 0], [1, 0]], bool)
    codes, names = label_sets(held, ["a", "b"])
    assert [names[code] for code in codes] == ["a", "a + b", "none of the labels", "a"]


def test_only_labels_that_enough_groups_have_and_lack_are_probed():
    held = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [1, 0, 0]], bool)
    assert probed(held, np.array(list("aabc")), 1).tolist() == [1, 2]
    assert probed(held, np.array(list("abcd")), 2).tolist() == [1]


def test_the_accuracy_of_several_labels_is_the_mean_of_theirs():
    rng = np.random.default_rng(0)
    held, guessed = rng.random((40, 3)) < [0.2, 0.5, 0.7], rng.random((40, 3)) < 0.5
    groups = np.repeat(np.arange(10), 4)
    row = measure(held, guessed, groups, 200, generator("test"))
    mean = np.mean([balanced_accuracy_score(held[:, k], guessed[:, k]) for k in range(3)])
    assert row["balanced_accuracy"] == pytest.approx(mean) and row["chance"] == 0.5 and row["groups"] == 10
    assert row["low"] < mean < row["high"]
    codes, guesses, repeated = one_by_one(held[:1], guessed[:1], groups=groups[:1])
    assert codes.tolist() == [0 + held[0, 0], 2 + held[0, 1], 4 + held[0, 2]] and repeated.tolist() == [0, 0, 0]
    assert len(guesses) == 3


def test_a_patient_in_two_splits_is_a_fault_of_the_program():
    splits = pd.DataFrame({"fold0": ["train", "train", "test"], "random0": ["train", "test", "test"]})
    check_patients(splits, pd.Series(["a", "a", "b"]))
    check_patients(splits, pd.Series(["a", None, None]))  # nobody knows whose these are
    with pytest.raises(AssertionError, match="images of patient b stand in two splits of fold0"):
        check_patients(splits, pd.Series(["a", "b", "b"]))
