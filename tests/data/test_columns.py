"""What columns of the source's table tell of the classes."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest
from data.configured import data_config
from data.making import array, write_folder
from data.test_dicom import make

from heatproof.core.messages import InputError
from heatproof.data import command
from heatproof.data.audit import command as audit_command
from heatproof.data.audit.command import summary
from heatproof.data.audit.probes import BLANK, audit_columns, column_features, deal_both, strongest
from heatproof.data.audit.results import read_audit
from heatproof.store import artifacts

LABELS = np.arange(80) % 2
GROUPS = np.array([f"p{place}" for place in range(80)], object)
HELD = LABELS[:, None] == np.arange(2)


def audited(cells: np.ndarray):
    dealt = deal_both(LABELS, GROUPS, ["normal", "ill"], 4, "t")
    (found,) = audit_columns({"view": cells}, LABELS, HELD, ["normal", "ill"], GROUPS, dealt, draws=200, key=("t",))
    return found


def test_a_view_that_tells():
    view = np.where(np.random.default_rng(0).random(80) < 0.85, LABELS, 1 - LABELS)
    found = audited(np.where(view == 1, "AP", "PA"))
    by_hand = np.mean([(view == LABELS)[label == LABELS].mean() for label in (0, 1)])
    assert found.grouped.balanced_accuracy == pytest.approx(by_hand) and found.grouped.significant
    assert (found.value, found.label) in {("AP", "ill"), ("PA", "normal")} and not found.together
    assert found.share == pytest.approx((view == LABELS)[(found.label == "ill") == LABELS].mean())


def test_a_view_that_tells_nothing():
    found = audited(np.random.default_rng(1).choice(["AP", "PA", ""], 80))
    assert not found.grouped.significant and found.values == 3 and not found.together


def test_a_class_and_a_hospital_that_go_together():
    found = audited(np.where(LABELS == 1, "A", np.where(np.arange(80) < 40, "B", "C")))
    assert (found.value, found.label, found.share, found.others) == ("A", "ill", 1, 0) and found.together
    few = strongest(np.where(LABELS == 1, "A", "B"), HELD, ["normal", "ill"], np.array(["x", "y"] * 40))
    assert few[2:] == (1, 0, False)  # one patient of each class has a hospital of its own anyway


def test_numbers_are_one_feature_and_words_many():
    ages = pd.Series([str(age) for age in range(30)] + [BLANK])
    assert column_features(ages).shape == (31, 2) and column_features(ages)[30].tolist() == [14.5, 1]
    assert column_features(pd.Series(["1", "2", "1"])).shape == (3, 2)
    assert column_features(pd.Series([f"s{n}" for n in range(30)])).shape == (30, 20)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A table of 40 patients whose scanner is A for all that are ill, and whose view is no cue."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows, files = ["path,label,who,scanner,view"], {}
    for number in range(40):
        name, ill = f"{number}.png", number % 2
        files[name] = array(rng.integers(0, 255, (40, 40)))
        rows.append(f"{name},{ill},p{number},{'A' if ill else 'B'},{'AP' if number % 4 < 2 else 'PA'}")
    source = write_folder(tmp_path / "in", files | {"t.csv": "\n".join(rows).encode()}) / "t.csv"
    columns = {"path": "path", "label": "label", "patient": "who"}
    classes = {"normal": "0", "ill": "1"}
    audit = {"draws": 10, "bootstrap": 100, "columns": ["scanner", "view"]}
    return {"kind": "table", "source": str(source), "columns": columns, "classes": classes, "audit": audit}


def test_a_study_from_the_table_to_the_alarm(study, capsys):
    config = data_config(**study)
    command.run(argparse.Namespace(study="toy", config=config | {"about": config["audit"]["columns"]}))
    facts = artifacts.read_table(artifacts.data_dir("toy") / "facts.parquet", artifacts.FACTS)
    assert facts["about scanner"].tolist() == ["B", "A"] * 20
    known = json.loads(json.dumps(config | {"patients_known": True}))
    audit_command.run(argparse.Namespace(study="toy", config=known))
    found = read_audit(artifacts.data_dir("toy") / "audit.json")
    assert [(column.name, column.together) for column in found.columns] == [("scanner", True), ("view", False)]
    (alarm,) = [one for one in found.findings if one.statement.kind == "column.together"]
    assert alarm.level == "alarm"
    table = artifacts.read_table(artifacts.data_dir("toy") / "audit.csv", artifacts.AUDIT)
    assert table["probe"].eq("column scanner").sum() == 2
    text = summary(found, "toy")
    assert "column scanner, as it came" in text and "go together" in text


def test_a_study_without_such_columns_has_the_files_that_it_had(study):
    config = data_config(**study | {"audit": {"draws": 10, "bootstrap": 100}})
    command.run(argparse.Namespace(study="toy", config=config))
    facts = artifacts.read_table(artifacts.data_dir("toy") / "facts.parquet", artifacts.FACTS)
    assert list(facts) == list(artifacts.FACTS)
    audit_command.run(argparse.Namespace(study="toy", config=config | {"patients_known": True}))
    assert "columns" not in artifacts.read_json(artifacts.data_dir("toy") / "audit.json")


def test_a_column_that_is_not_there(study):
    config = data_config(**study | {"audit": {"columns": ["hospital"]}})
    with pytest.raises(InputError, match="no column hospital; columns there: path, label, who, scanner, view"):
        command.run(argparse.Namespace(study="toy", config=config | {"about": config["audit"]["columns"]}))


def test_a_study_of_dicom_from_the_header_to_the_alarm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_bytes(b"k" * 32)
    rng, files = np.random.default_rng(0), {}
    for number in range(40):
        ill = number % 2
        tags = {"Manufacturer": "AB"[ill], "PatientID": f"p{number}", "StudyInstanceUID": f"1.2.{number}"}
        tags["ViewPosition"] = "AP" if number % 4 < 2 else "PA"
        pixels = rng.integers(0, 4000, (40, 40), dtype=np.uint16)
        files[f"{'ill' if ill else 'normal'}/{number}.dcm"] = make(pixels, SOPInstanceUID=f"1.3.{number}", **tags)
    source = write_folder(tmp_path / "in", files)
    columns = ["Manufacturer", "ViewPosition"]
    audit = {"draws": 10, "bootstrap": 100, "columns": columns}
    config = data_config(
        kind="dicom",
        source=str(source),
        classes={"normal": "normal", "ill": "ill"},
        key_file=str(tmp_path / "key"),
        audit=audit,
    )
    command.run(argparse.Namespace(study="toy", config=config | {"about": columns}))
    facts = artifacts.read_table(artifacts.data_dir("toy") / "facts.parquet", artifacts.FACTS)
    manifest = artifacts.read_manifest("toy")
    assert [*facts["about Manufacturer"]] == ["AB"[label] for label in manifest["label"]]
    audit_command.run(argparse.Namespace(study="toy", config=config | {"patients_known": True}))
    found = read_audit(artifacts.data_dir("toy") / "audit.json")
    expected = [("Manufacturer", True), ("ViewPosition", False)]
    assert [(column.name, column.together) for column in found.columns] == expected
