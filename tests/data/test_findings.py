"""Findings in the cells of a table, and the table in an archive or a folder."""

import zipfile

import pytest
import yaml
from data.configured import data_config
from data.making import message, write_folder, write_tar, write_zip
from data.multilabel import LABELS, PARENTS, collection, rows, study
from pydantic import ValidationError
from shipped import checked

from heatproof.config.data import Data, check_task
from heatproof.core.messages import InputError
from heatproof.data.sources.opening import list_source
from heatproof.data.sources.rows import Findings, LeftOut, select, spellings, united

NAMES = list(LABELS)
FINDINGS = Findings(LABELS, PARENTS, {"E.Coli": "Bacterial", "ARDS": None})


@pytest.fixture
def unpacked(tmp_path):
    with zipfile.ZipFile(collection(tmp_path)) as archive:
        return {name.removeprefix("collection-master/"): archive.read(name) for name in archive.namelist()}


def config(source, **more) -> dict:
    return data_config("multilabel", **yaml.safe_load(study(source))["data"] | more)


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("COVID-19", ["Pneumonia", "Viral", "COVID-19"]),
        ("Pneumonia/Viral/COVID-19", ["Pneumonia", "Viral", "COVID-19"]),
        ("COVID-19, ARDS", ["Pneumonia", "Viral", "COVID-19"]),
        ("COVID-19, Streptococcus", ["Pneumonia", "Viral", "COVID-19", "Bacterial", "Streptococcus"]),
        ("Pneumonia/Bacterial/E.Coli", ["Pneumonia", "Bacterial"]),
        ("E.Coli", ["Pneumonia", "Bacterial"]),
        ("Viral", ["Pneumonia", "Viral"]),
        (" No Finding ,", ["No finding"]),
        ("ARDS", []),
    ],
)
def test_a_finding_is_a_label_and_all_that_it_is_a_kind_of(cell, labels):
    assert [NAMES[label] for label in FINDINGS.of(cell)] == labels and not FINDINGS.unknown(cell)


def test_a_word_may_hold_what_else_parts_words():
    found = Findings({"a": "A, or B", "b": "B"}, {}, {})
    assert found.of("A, or B") == (0,) and found.of("B") == (1,) and found.unknown("B, C/D") == ["C", "D"]


def test_rows_are_left_out_by_the_first_rule_that_tells():
    table = [("CT", "L", "todo"), ("X", "L", "todo"), ("X", "PA", "COVID-19, todo"), ("X", "PA", ""), ("X", "PA", "a")]
    table = [(line, dict(zip(("how", "view", "finding"), row, strict=True))) for line, row in enumerate(table)]
    kept, out = select(table, {"how": ["X"], "view": ["PA"]}, "finding", ["todo", ""])
    assert [line for line, _ in kept] == [4]
    assert out == [
        LeftOut("data.keep.how", "how", "CT", 1),
        LeftOut("data.keep.view", "view", "L", 1),
        LeftOut("data.leave_out", "finding", "", 1),
        LeftOut("data.leave_out", "finding", "todo", 1),
    ]


@pytest.mark.parametrize("top", ["", "collection-master/"])
@pytest.mark.parametrize("write", [write_zip, write_tar, write_folder])
def test_the_table_is_found_in_an_archive_and_in_a_folder(tmp_path, unpacked, write, top):
    source = write(tmp_path / "it", {top + name: content for name, content in unpacked.items()})
    classes, records, notes, left_out = list_source("toy", config(source))[:4]
    assert classes == NAMES and len(records) == 48
    kept = [row for row in rows() if row["modality"] == "X-ray" and row["view"] != "L" and row["finding"] != "todo"]
    assert [r.image_id for r in records] == [f"images/{row['filename']}" for row in kept]
    assert [r.patient for r in records] == [row["patientid"] for row in kept]
    assert [r.license for r in records] == [row["license"] or None for row in kept]
    assert [r.label for r in records] == [FINDINGS.of(row["finding"]) for row in kept]
    assert [(out.value, out.rows) for out in left_out] == [("CT", 5), ("L", 8), ("todo", 1)]
    assert notes[1] == f"{source}: {top}metadata.csv: rows left out by data.keep.view: L (8)"
    assert records[0].read().pixels.shape[1] == 96


def test_a_path_of_the_table_may_lie_deeper(tmp_path, unpacked):
    source = write_zip(tmp_path / "it.zip", {f"a/b/{name}": content for name, content in unpacked.items()})
    assert message(list_source, "toy", config(source)) == (
        f"{source}: data.table: metadata.csv: not found (CSV files there: a/b/metadata.csv); give its path in the "
        "source"
    )
    assert len(list_source("toy", config(source, table="b/metadata.csv")).records) == 48
    assert len(list_source("toy", config(source, table="./a/b/metadata.csv")).records) == 48


def test_two_tables_of_the_name_are_refused(tmp_path, unpacked):
    files = {f"{top}/metadata.csv": unpacked["metadata.csv"] for top in "ab"}
    source = write_zip(tmp_path / "it.zip", files)
    assert message(list_source, "toy", config(source)) == (
        f"{source}: data.table: metadata.csv: 2 such files (a/metadata.csv, b/metadata.csv); give its path in the "
        "source"
    )
    assert message(list_source, "toy", config(tmp_path / "none.zip")) == (
        f"{tmp_path / 'none.zip'}: not found; set data.source to the path of the archive"
    )


def test_an_image_that_the_table_names_and_the_archive_lacks_is_bad(tmp_path, unpacked):
    del unpacked["images/p0-0.png"]
    source = write_zip(tmp_path / "it.zip", unpacked)
    first = list_source("toy", config(source)).records[0]
    assert message(first.read) == f"{source}: images/p0-0.png: not found (looked in .); fix the name or add the file"


def test_paths_that_leave_the_archive_are_refused(tmp_path, unpacked):
    table = unpacked["metadata.csv"].replace(b"p0-0.png", b"../../p0-0.png")
    source = write_zip(tmp_path / "it.zip", unpacked | {"metadata.csv": table})
    assert message(list_source, "toy", config(source)) == (
        f"{source}: metadata.csv: paths that leave its folder: images/../../p0-0.png (line 2); put the files below it"
    )


def test_findings_that_the_study_does_not_know_are_all_told(tmp_path):
    source = collection(tmp_path)
    with pytest.raises(InputError) as caught:
        list_source("toy", config(source, leave_out=[], synonyms={}))
    assert str(caught.value) == (
        f"{source}: collection-master/metadata.csv: findings that the study does not know: 'E.Coli' (line 7), 'todo' "
        f"(line 63); add them to data.classes, data.synonyms or data.leave_out"
    )


def test_a_label_without_images_is_refused(tmp_path):
    source = collection(tmp_path)
    known = {"Fungal": "Fungal", "SARS": "SARS"}
    with pytest.raises(InputError) as caught:
        list_source("toy", config(source, classes=LABELS | known))
    assert str(caught.value).splitlines() == [
        f"{source}: collection-master/metadata.csv: data.classes.{name}: no row with this label or one that is a kind "
        f"of it; leave it out"
        for name in known
    ]


def test_a_rule_that_takes_nothing_is_refused(tmp_path):
    source = collection(tmp_path)
    assert message(list_source, "toy", config(source, keep={"view": ["pa"]})) == (
        f"{source}: collection-master/metadata.csv: data.keep and data.leave_out leave no row; fix their values"
    )
    assert "no column veiw" in message(list_source, "toy", config(source, keep={"veiw": ["PA"]}))


def test_rows_with_none_of_the_labels_are_told(tmp_path):
    source = collection(tmp_path)
    left = {name: word for name, word in LABELS.items() if name != "No finding"}
    listing = list_source("toy", config(source, classes=left, synonyms={"E.Coli": "Bacterial", "No Finding": None}))
    assert listing.notes[-1].endswith("rows with none of the labels: 13")


def test_a_patient_written_in_several_ways_is_one(tmp_path, unpacked):
    table = unpacked["metadata.csv"].decode().splitlines()
    cut = [line.split(",", 1) for line in table]
    cut[2][0], cut[3][0] = "0.0", " 00"  # of patient 0
    files = unpacked | {"metadata.csv": "\n".join(map(",".join, cut)).encode()}
    listing = list_source("toy", config(write_zip(tmp_path / "it.zip", files)))
    assert [record.patient for record in listing.records[:4]] == ["0", "0", "0", "1"]
    assert listing.notes[-1].endswith("taken for one patient, as nothing but the spelling differs: 0 = 0.0 = 00")


def test_spellings_of_ids():
    ids = ["17", "17.0", " 17", "017", "P 3", "p3", "171", "1.7", "17.05", "0", "a0"]
    names = spellings(ids)
    assert {name for name in ids if names[name] == "17"} == {"17", "17.0", " 17", "017"}
    assert names["p3"] == "P 3" and len(set(names.values())) == 7
    assert united(names) == ["17 = 17.0 =  17 = 017", "P 3 = p3"]


def made(**more) -> dict:
    return yaml.safe_load(study("it.zip"))["data"] | more


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"parents": {"COVID": "Viral"}}, "data.parents.COVID: 'COVID': it is none of data.classes: No finding, Pn"),
        ({"parents": {"Viral": "Lung"}}, "data.parents.Viral: 'Lung': it is none of data.classes: No finding, Pneum"),
        (
            {"parents": {"COVID-19": "Viral", "Viral": "Pneumonia", "Pneumonia": "COVID-19"}},
            "data.parents.COVID-19: a circle: COVID-19 > Viral > Pneumonia > COVID-19; take one of them out",
        ),
        ({"synonyms": {"E.Coli": "Coli"}}, "data.synonyms.E.Coli: 'Coli': it is none of data.classes: No finding"),
        ({"synonyms": {"Viral": "Viral"}}, "data.synonyms.Viral: data.classes has this word already; take one of"),
        ({"leave_out": ["E.Coli"]}, "data.leave_out: 'E.Coli' is a word of data.classes or data.synonyms; take one"),
        ({"kind": "archive", "columns": {}}, "data.table is not read where data.kind is archive; leave it out: it is"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(more, said):
    with pytest.raises(ValidationError) as caught:
        checked(Data, "data", **made(**more))
    assert said in str(caught.value)


def test_what_a_task_needs_of_the_data():
    multilabel, multiclass = checked(Data, "data", **made()), checked(Data, "data")
    check_task("multilabel", multilabel)
    with pytest.raises(ValueError, match=r"data\.parents: is not read where task is multiclass; set task: multilabel"):
        check_task("multiclass", multilabel)
    check_task("multiclass", multiclass)
    with pytest.raises(ValueError, match=r"data\.kind: task: multilabel needs a table, .*; it is phantom"):
        check_task("multilabel", multiclass)
    with pytest.raises(ValueError, match=r"data\.shortcut: marks the images of one class; leave it out"):
        check_task("multilabel", checked(Data, "data", **made(shortcut={"kind": "corner_mark", "rate": 0.9})))
