"""Tables of public collections, with their real columns: what is read, and what is said of those that are wrong."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from data.configured import data_config
from data.making import gray, message, write_folder, write_zip
from data.test_dicom import KEY, make
from hypothesis import given
from hypothesis import strategies as st

from data.test_fuzz import damaged, fuzz, one_line  # isort: skip
from heatproof.core.messages import InputError
from heatproof.data.sources.opening import list_source
from heatproof.data.sources.pseudonyms import Pseudonyms
from heatproof.data.sources.records import MarkedBox

NIH = """Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,\
OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],
00000001_000.png,Cardiomegaly|Effusion,0,1,058Y,M,PA,2682,2749,0.143,0.143,
00000001_001.png,No Finding,1,1,058Y,M,AP,2894,2729,0.143,0.143,
00000002_000.png,Infiltration|Mass,0,2,081Y,M,PA,2500,2048,0.171,0.171,
"""
BOXES = """Image Index,Finding Label,Bbox [x,y,w,h],,,
00000001_000.png,Effusion,256.0,512,128,256,,,
00000002_000.png,Infiltrate,0,0,1024,512,,,
00000002_000.png,Mass,10,20,30,40,,,
00000003_000.png,Effusion,1,1,5,5,,,
"""
NIH_FILES = {
    "Data_Entry_2017.csv": NIH.encode(),
    "BBox_List_2017.csv": BOXES.encode(),
    "images_001/images/00000001_000.png": gray(1, (64, 64)),
    "images_001/images/00000001_001.png": gray(2, (64, 64)),
    "images_002/images/00000002_000.jpg": gray(3, (128, 128)),
    "images_002/images/00000009_000.png": gray(),
}
NIH_STUDY = {
    "table": "Data_Entry_2017.csv",
    "boxes": "BBox_List_2017.csv",
    "columns": {"patient": "Patient ID"},
    "classes": {"normal": "No Finding", "effusion": "Effusion", "infiltration": "Infiltration"},
}
CHEXPERT = """Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Cardiomegaly,Edema,Pleural Effusion
CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,1.0,,0.0,
CheXpert-v1.0-small/train/patient00002/study2/view1_frontal.jpg,Female,87,Frontal,AP,,-1.0,1.0,1.0
CheXpert-v1.0-small/train/patient00002/study1/view2_lateral.jpg,Female,83,Lateral,,,1.0,-1.0,1.0
"""
CHEXPERT_FILES = {"CheXpert-v1.0-small/train.csv": CHEXPERT.encode()} | {
    f"CheXpert-v1.0-small/train/{name}": gray(9)
    for name in (
        "patient00001/study1/view1_frontal.jpg",
        "patient00002/study2/view1_frontal.jpg",
        "patient00002/study1/view2_lateral.jpg",
    )
}
CHEXPERT_STUDY = {
    "table": "train.csv",
    "patient": r"(patient\d+)",
    "classes": {"normal": "No Finding", "edema": "Edema", "heart": "Cardiomegaly"},
}
MIMIC_FILES = {
    "mimic-cxr-2.0.0-chexpert.csv": b"subject_id,study_id,Atelectasis,Edema,No Finding\n"
    b"10000032,50414267,,,1.0\n10000032,53189527,1.0,-1.0,\n10000764,57375967,0.0,1.0,\n10000898,50771383,1.0,,\n",
    "mimic-cxr-2.0.0-metadata.csv": b"dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,"
    b"Columns,StudyDate,StudyTime\n02aa804e,10000032,50414267,CHEST (PA AND LAT),PA,3056,2544,21800506,213014.531\n"
    b"174413ec,10000032,50414267,CHEST (PA AND LAT),LATERAL,3056,2544,21800506,213014.531\n"
    b"2a2277a9,10000032,53189527,CHEST (PA AND LAT),PA,3056,2544,21800626,165500.312\n"
    b"096052b7,10000764,57375967,CHEST (PORTABLE AP),AP,2022,1736,21321015,133508\n",
    "mimic-cxr-2.0.0-split.csv": b"dicom_id,study_id,subject_id,split\n02aa804e,50414267,10000032,train\n"
    b"174413ec,50414267,10000032,train\n2a2277a9,53189527,10000032,validate\n096052b7,57375967,10000764,test\n",
} | {
    f"files/p10/p{patient}/s{study}/{image}.jpg": gray()
    for patient, study, image in (
        (10000032, 50414267, "02aa804e"),
        (10000032, 50414267, "174413ec"),
        (10000032, 53189527, "2a2277a9"),
        (10000764, 57375967, "096052b7"),
    )
}
MIMIC_STUDY = {
    "table": "mimic-cxr-2.0.0-chexpert.csv",
    "join": ["mimic-cxr-2.0.0-metadata.csv", "mimic-cxr-2.0.0-split.csv"],
    "columns": {"patient": "subject_id"},
    "keep": {"ViewPosition": ["PA", "AP"]},
    "split": {"by": "column"},
    "classes": {"normal": "No Finding", "edema": "Edema", "atelectasis": "Atelectasis"},
}
RSNA = """patientId,x,y,width,height,Target
0004cfab,,,,,0
00436515,264.0,152.0,213.0,379.0,1
00436515,562.0,152.0,256.0,453.0,1
"""
RSNA_FILES = {
    "stage_2_train_labels.csv": RSNA.encode(),
    "stage_2_train_images/0004cfab.dcm": make(np.zeros((64, 64), np.uint8), PatientID="0004cfab"),
    "stage_2_train_images/00436515.dcm": make(np.full((64, 64), 9, np.uint8), PatientID="00436515"),
}
RSNA_STUDY = {"table": "stage_2_train_labels.csv", "classes": {"normal": 0, "pneumonia": 1}}
VINDR = """image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max
50a418190,No finding,14,R11,,,,
50a418190,No finding,14,R15,,,,
9a5094b2,Nodule/Mass,8,R10,5.0,6.0,20.0,16.0
9a5094b2,Aortic enlargement,0,R9,1.0,2.0,11.0,12.0
9a5094b2,No finding,14,R11,,,,
"""
VINDR_FILES = {"train.csv": VINDR.encode(), "train/50a418190.png": gray(1), "train/9a5094b2.png": gray(2)}
VINDR_STUDY = {"table": "train.csv", "classes": {"normal": "No finding", "aorta": "Aortic enlargement"}}
VINDR_LABELS = b"""image_id,rad_id,Aortic enlargement,Nodule/Mass,No finding
50a418190,R11,0,0,1
9a5094b2,R10,0,1,0
9a5094b2,R9,1,0,0
9a5094b2,R11,0,0,1
"""


def study(source: Path, task: str = "multilabel", **data):
    """The listing of a study of a table; what it says besides is in its notes."""
    config = data_config(task, **{"kind": "table", "source": str(source), "split": {"by": "lookalike"}} | data)
    return list_source("toy", config)


def labels(listing) -> dict[str, list[str]]:
    return {
        record.image_id: [
            listing.classes[k] for k in ([record.label] if isinstance(record.label, int) else record.label)
        ]
        for record in listing.records
    }


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_nih(tmp_path, write):
    source = write(tmp_path / "it", NIH_FILES)
    found = study(source, **NIH_STUDY)
    at = f"{source}: Data_Entry_2017.csv"
    assert labels(found) == {
        "00000001_000.png": ["effusion"],
        "00000001_001.png": ["normal"],
        "00000002_000.png": ["infiltration"],
    }
    assert [record.patient for record in found.records] == ["1", "1", "2"]
    assert [dict(record.about) for record in found.records] == [{"View Position": view} for view in ("PA", "AP", "PA")]
    box = MarkedBox("00000001_000.png", "effusion", 256, 512, 384, 768, size=(1024, 1024))
    assert [record.boxes for record in found.records][:2] == [(box,), ()]
    images = [record.read() for record in found.records]
    expected = np.zeros((64, 64), bool)
    expected[32:48, 16:24] = True  # of 1024 pixels to 64
    np.testing.assert_array_equal(images[0].mask, expected)
    assert [image.truth for image in images] == ["box", "none", "box"] and images[2].mask[:64].all()
    marked = [record.regions and [region.labels for region in record.regions] for record in found.records]
    assert marked == [[(1,)], None, [(2,)]]
    assert found.notes == [
        f"{at}: read as NIH ChestX-ray14, by its columns Image Index, Finding Labels",
        f"{source}: BBox_List_2017.csv: read as NIH BBox_List_2017",
        f"{source}: BBox_List_2017.csv: left out, boxes of images that the study has not: 1 (line 5)",
        f"{source}: BBox_List_2017.csv: left out, boxes of labels that their image has not, or the study: 1 (line 4)",
        f"{at}: images of the source that no row names: 1, such as images_002/images/00000009_000.png",
    ]


def test_nih_in_one_class_an_image(tmp_path):
    source = write_folder(tmp_path, NIH_FILES)
    keep = {"Finding Labels": ["No Finding", "Infiltration|Mass"]}
    classes = {"normal": "No Finding", "ill": "Infiltration|Mass"}
    found = study(source, "multiclass", **NIH_STUDY | {"boxes": None, "keep": keep, "classes": classes})
    assert labels(found) == {"00000001_001.png": ["normal"], "00000002_000.png": ["ill"]}


@pytest.mark.parametrize("inside", [True, False])
def test_chexpert(tmp_path, inside):
    top = write_folder(tmp_path, CHEXPERT_FILES)
    source, table = (top, "CheXpert-v1.0-small/train.csv") if inside else (top / "CheXpert-v1.0-small/train.csv", None)
    found = study(source, **CHEXPERT_STUDY | {"table": table})
    assert list(labels(found).values()) == [["normal"], ["edema"], ["heart"]]
    assert [record.patient for record in found.records] == ["patient00001", "patient00002", "patient00002"]
    assert found.records[2].about == {"Frontal/Lateral": "Lateral", "AP/PA": ""}
    assert all(record.read().pixels[0, 0] == 9 for record in found.records)
    at = f"{source}: {table}" if inside else source
    assert found.notes[:3] == [
        f"{at}: read as CheXpert, by its columns Path, Frontal/Lateral, AP/PA",
        f"{at}: -1 counts as absent in 2 cells (data.uncertain)",
        f"{at}: a blank counts as absent in 3 cells (data.blank)",
    ]
    certain = study(source, **CHEXPERT_STUDY | {"table": table, "uncertain": "present"})
    assert list(labels(certain).values()) == [["normal"], ["edema", "heart"], ["edema", "heart"]]
    fewer = study(
        source,
        **CHEXPERT_STUDY | {"table": table, "uncertain": "leave_out", "classes": {"a": "No Finding", "b": "Edema"}},
    )
    assert list(labels(fewer).values()) == [["a"], ["b"]]
    assert f"{at}: left out, by data.uncertain and data.blank: 1 rows" in fewer.notes


def test_a_path_of_a_table_is_looked_for_above_it_and_what_is_missing_says_where(tmp_path):
    files = {name: content for name, content in CHEXPERT_FILES.items() if "view2" not in name}
    source = write_folder(tmp_path / "data", files) / "CheXpert-v1.0-small/train.csv"
    missing = study(source, **CHEXPERT_STUDY | {"table": None}).records[2]
    assert message(missing.read) == (
        f"{source}: CheXpert-v1.0-small/train/patient00002/study1/view2_lateral.jpg: not found (looked in "
        f"{source.parent}, {tmp_path / 'data'}, {tmp_path}); fix the name or add the file"
    )


@pytest.mark.parametrize("write", [write_folder, write_zip])
def test_mimic(tmp_path, write):
    source = write(tmp_path / "it", MIMIC_FILES)
    found = study(source, **MIMIC_STUDY)
    assert labels(found) == {"02aa804e": ["normal"], "2a2277a9": ["atelectasis"], "096052b7": ["edema"]}
    assert [record.patient for record in found.records] == ["10000032", "10000032", "10000764"]
    assert [record.split for record in found.records] == ["train", "val", "test"]
    assert [record.about["ViewPosition"] for record in found.records] == ["PA", "PA", "AP"]
    assert all(record.read().pixels.shape == (30, 40) for record in found.records)
    at = f"{source}: mimic-cxr-2.0.0-chexpert.csv"
    assert found.notes[0] == f"{at}: read as MIMIC-CXR, by its columns subject_id, study_id"
    assert f"{at}: left out, as mimic-cxr-2.0.0-metadata.csv has none for them: 1 rows" in found.notes


def test_rsna_whose_ids_are_those_of_images(tmp_path):
    source = write_folder(tmp_path / "it", RSNA_FILES)
    (tmp_path / "key").write_bytes(KEY)
    found = study(source, "multiclass", **RSNA_STUDY, key_file=str(tmp_path / "key"))
    names = [Pseudonyms(KEY).file(f"stage_2_train_images/{name}.dcm") for name in ("0004cfab", "00436515")]
    assert labels(found) == {names[0]: ["normal"], names[1]: ["pneumonia"]}
    assert [(box.x0, box.y1, box.label, box.size) for box in found.records[1].boxes] == [
        (264, 531, "pneumonia", (1024, 1024)),
        (562, 605, "pneumonia", (1024, 1024)),
    ]
    images = [record.read() for record in found.records]
    assert [image.truth for image in images] == ["none", "box"] and [image.patient for image in images] == [None, None]
    assert images[1].mask[152 * 64 // 1024, 264 * 64 // 1024] and not images[1].mask[0].any()
    assert "00436515" not in str([(record.image_id, record.source, record.patient) for record in found.records])
    assert found.notes[0].endswith(
        "read as RSNA Pneumonia Detection, by its columns patientId, Target, x, y, width, height"
    )


def test_rsna_with_detailed_classes_joined(tmp_path):
    classes = b"patientId,class\n0004cfab,No Lung Opacity / Not Normal\n00436515,Lung Opacity\n00436515,Lung Opacity\n"
    files = {"labels.csv": RSNA.encode(), "classes.csv": classes, "0004cfab.png": gray(), "00436515.png": gray()}
    source = write_folder(tmp_path, files)
    data = {"table": "labels.csv", "join": ["classes.csv"], "columns": {"label": "class"}}
    words = {"other": "No Lung Opacity / Not Normal", "opacity": "Lung Opacity"}
    found = study(source, "multiclass", **data, classes=words)
    assert labels(found) == {"0004cfab": ["other"], "00436515": ["opacity"]}
    assert len(found.records[1].boxes) == 2
    alone = study(source, "multiclass", table="classes.csv", classes=words)
    assert labels(alone) == labels(found) and "detailed classes" in alone.notes[0]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_vindr(tmp_path, separator):
    source = write_folder(tmp_path, VINDR_FILES | {"train.csv": VINDR.replace(",", separator).encode()})
    found = study(source, **VINDR_STUDY, readers="rotating")
    assert labels(found) == {"50a418190": ["normal"], "9a5094b2": ["aorta"]}
    assert [record.readers for record in found.records] == [("R11", "R15"), ("R10", "R9", "R11")]
    assert found.records[1].boxes == (MarkedBox("9a5094b2", "aorta", 1, 2, 11, 12, "R9"),)
    assert found.records[1].read().mask.sum() == 100  # its other box marks no label of the study
    assert [region.labels for region in found.records[1].regions] == [(1,)]
    both = study(
        source,
        **VINDR_STUDY | {"classes": {"normal": "No finding", "aorta": "Aortic enlargement", "nodule": "Nodule/Mass"}},
        readers="rotating",
    )
    assert [(box.label, box.reader) for box in both.records[1].boxes] == [("nodule", "R10"), ("aorta", "R9")]
    assert [(region.labels, region.reader) for region in both.records[1].regions] == [((2,), "R10"), ((1,), "R9")]


def test_vindr_labels_of_images(tmp_path):
    source = write_folder(tmp_path, VINDR_FILES | {"image_labels_train.csv": VINDR_LABELS})
    found = study(source, **VINDR_STUDY | {"table": "image_labels_train.csv"})
    assert labels(found) == {"50a418190": ["normal"], "9a5094b2": ["aorta"]}
    assert found.notes[0].endswith("read as VinDr-CXR, labels of images, by its columns image_id")


def test_boxes_of_images_that_were_resized(tmp_path):
    meta = b"image_id,dim0,dim1\n50a418190,60,80\n9a5094b2,60,80\n"  # height, width
    source = write_folder(tmp_path, VINDR_FILES | {"train_meta.csv": meta})
    found = study(source, **VINDR_STUDY | {"join": ["train_meta.csv"]}, readers="rotating")
    assert found.records[1].boxes[0].size == (80, 60)
    assert found.records[1].read().mask.sum() == 6 * 5  # halves, by the pixels that they touch


OWN = """file;diagnosis;who;l;t;r;b;doctor
a.png;edema;p1;1,5;2;10;20;A
a.png;mass;p1;0;0;5;5;B
b.png;none;p2;;;;;B
"""


def test_a_mapping_of_the_studys_own(tmp_path):
    source = write_folder(tmp_path, {"t.csv": OWN.encode(), "a.png": gray(1), "b.png": gray(2)}) / "t.csv"
    columns = {"path": "file", "label": "diagnosis", "patient": "who", "reader": "doctor"}
    columns |= {"x0": "l", "y0": "t", "x1": "r", "y1": "b"}
    data = {"columns": columns, "classes": {"edema": "edema", "mass": "mass", "none": "none"}}
    assert ": data.readers: not set, and regions are of 2 readers (A, B); list them" in message(study, source, **data)
    found = study(source, **data, readers=["A", "B"])
    assert labels(found) == {"a.png": ["edema", "mass"], "b.png": ["none"]}
    assert found.records[0].boxes[0] == MarkedBox("a.png", "edema", 1.5, 2, 10, 20, "A")
    assert [record.patient for record in found.records] == ["p1", "p2"] and not found.notes


@pytest.mark.parametrize("mark", ["|", ";", ","])
def test_labels_of_one_cell(tmp_path, mark):
    text = f"path\tlabel\na.png\tedema{mark}mass\nb.png\tmass\n"
    source = write_folder(tmp_path, {"t.tsv": text.encode(), "a.png": gray(1), "b.png": gray(2)}) / "t.tsv"
    assert labels(study(source, classes={"edema": "edema", "mass": "mass"})) == {
        "a.png": ["edema", "mass"],
        "b.png": ["mass"],
    }


def test_a_study_that_reads_no_patients_of_a_table_that_names_them_is_stopped(tmp_path):
    source = write_folder(tmp_path, NIH_FILES)
    said = (
        f"{source}: a table of NIH ChestX-ray14 names patients, and the study reads none; set data.columns.patient: "
        "Patient ID"
    )
    without = NIH_STUDY | {"columns": {}}
    assert (
        message(study, source, **without, split={"by": "auto"}) == f"{said}, or data.split.by: lookalike to do without"
    )
    assert study(source, **without).notes[-1] == said


def wrong(text: str, old: str = "", new: str = "", table: str = "", **files: str) -> dict[str, bytes]:
    assert not old or old in text
    return {table: text.replace(old, new).encode()} | {name: content.encode() for name, content in files.items()}


CASES = {  # files beside those of the collection, what the study changes, and what is said
    "no known columns": (
        ("nih", {"Data_Entry_2017.csv": b"image,finding\na.png,Mass\n"}, {"boxes": None, "columns": {}}),
        "{at}: Data_Entry_2017.csv: no table that is known by its columns (image, finding); set data.columns.path and "
        ".label",
    ),
    "a column of the study missing": (
        ("nih", wrong(NIH, "Patient ID", "Patient", "Data_Entry_2017.csv"), {}),
        "{at}: Data_Entry_2017.csv: no column Patient ID; columns there: Image Index, Finding Labels, Follow-up #, "
        "Patient, Patient Age, Patient Gender, View Position, OriginalImage[Width and 3 more",
    ),
    "unknown label": (
        ("nih", wrong(NIH, "|Effusion", "|Efusion", "Data_Entry_2017.csv"), {}),
        "{at}: Data_Entry_2017.csv: findings that the study does not know: 'Efusion' (line 2); add them to "
        "data.classes, data.synonyms or data.leave_out",
    ),
    "mixed separators": (
        ("nih", wrong(NIH, "Infiltration|Mass", "Infiltration;Mass", "Data_Entry_2017.csv"), {}),
        "{at}: Data_Entry_2017.csv: labels separated in two ways: 'Infiltration;Mass' (line 4); separate all with the "
        "same character",
    ),
    "duplicate rows": (
        ("nih", wrong(NIH + NIH.splitlines()[2], table="Data_Entry_2017.csv"), {}),
        "{at}: Data_Entry_2017.csv: paths that appear twice: 00000001_001.png (lines 3 and 5); keep one row an image",
    ),
    "one image by two names": (
        ("nih", wrong(NIH + "images_001/images/" + NIH.splitlines()[2], table="Data_Entry_2017.csv"), {}),
        "{at}: Data_Entry_2017.csv: paths that appear twice: images_001/images/00000001_001.png (lines 3 and 5); "
        "keep one row an image",
    ),
    "several labels in one class": (
        ("nih", {}, {"task": "multiclass", "classes": {"normal": "No Finding", "effusion": "Effusion"}}),
        "{at}: Data_Entry_2017.csv: labels that data.classes does not list: 'Cardiomegaly|Effusion' (line 2), "
        "'Infiltration|Mass' (line 4); add them there or remove the rows",
    ),
    "a name of two files": (
        ("nih", {"other/00000001_000.png": gray()}, {}),
        "{at}: Data_Entry_2017.csv: names of several files: 00000001_000.png: images_001/images/00000001_000.png, "
        "other/00000001_000.png (line 2); set data.columns.folder, or rename the files",
    ),
    "no table of boxes": (
        ("nih", {}, {"boxes": "boxes.csv"}),
        "{at}: Data_Entry_2017.csv: data.boxes: boxes.csv: not beside it (tables there: BBox_List_2017.csv, "
        "Data_Entry_2017.csv); fix the name",
    ),
    "boxes of another collection": (
        ("nih", {"BBox_List_2017.csv": b"path,label,x,y,width,height\nz.png,Mass,1,2,3,4\n"}, {}),
        "{at}: BBox_List_2017.csv: data.boxes: none of 1 boxes is of an image and a label of the study; fix it",
    ),
    "boxes without boxes": (
        ("nih", {}, {"boxes": "Data_Entry_2017.csv"}),
        "{at}: Data_Entry_2017.csv: data.boxes: no boxes in it (read as NIH ChestX-ray14); give a table with a row a "
        "box",
    ),
    "unknown label of a box": (
        ("nih", wrong(BOXES, "Infiltrate", "Infiltrat", "BBox_List_2017.csv"), {}),
        "{at}: BBox_List_2017.csv: labels unknown to the study: 'Infiltrat' (line 3); add them to data.classes "
        "or data.synonyms",
    ),
    "box without a number": (
        ("nih", wrong(BOXES, "256.0,512", "256.0,x", "BBox_List_2017.csv"), {}),
        "{at}: BBox_List_2017.csv: y holds 'x'; it must be a number",
    ),
    "box of three numbers": (
        ("nih", wrong(BOXES, "256.0,512", "256.0,", "BBox_List_2017.csv"), {}),
        "{at}: BBox_List_2017.csv: boxes with a blank among x, y, width, height: line 2; correct the cells",
    ),
    "box without area": (
        ("nih", wrong(BOXES, "128,256", "0,256", "BBox_List_2017.csv"), {}),
        "{at}: BBox_List_2017.csv: boxes without area: line 2; correct the cells",
    ),
    "box outside": (
        ("nih", wrong(BOXES, "256.0,512", "1000,512", "BBox_List_2017.csv"), {"read": 0}),
        "{at}: images_001/images/00000001_000.png: box 1000 512 128 256, in pixels of 1024x1024: leaves the image of "
        "64x64 "
        "pixels; fix or remove it",
    ),
    "id without image": (
        ("nih", {"images_001/images/00000001_001.png": None}, {"read": 1}),
        "{at}: 00000001_001.png: not found (looked in ., and by its name in all of the source); fix the name or add "
        "the "
        "file",
    ),
    "a column of a label missing": (
        ("chexpert", {}, {"classes": {"normal": "No Finding", "oedema": "Oedema"}}),
        "{at}: CheXpert-v1.0-small/train.csv: no column Oedema (data.classes.oedema); columns there: Path, Sex, Age, "
        "Frontal/Lateral, AP/PA, No Finding, Cardiomegaly, Edema and 1 more",
    ),
    "a label that is neither there nor not": (
        ("chexpert", wrong(CHEXPERT, ",,0.0,", ",,2,", "CheXpert-v1.0-small/train.csv"), {}),
        "{at}: CheXpert-v1.0-small/train.csv: labels that are not 1, 0, -1 or blank: '2' (line 2); correct the cells",
    ),
    "no label of one class": (
        ("chexpert", {}, {"task": "multiclass", "classes": {"normal": "No Finding", "heart": "Cardiomegaly"}}),
        "{at}: CheXpert-v1.0-small/train.csv: images without a label of the study: CheXpert-v1.0-small/train/"
        "patient00002/study2/view1_frontal.jpg (line 3); set data.leave_out: [''], or task: multilabel",
    ),
    "two labels of one class": (
        (
            "chexpert",
            {},
            {"task": "multiclass", "classes": {"edema": "Edema", "water": "Pleural Effusion"}, "leave_out": [""]},
        ),
        "{at}: CheXpert-v1.0-small/train.csv: images with several labels: "
        "CheXpert-v1.0-small/train/patient00002/study2/"
        "view1_frontal.jpg (line 3); set task: multilabel, or keep one label an image",
    ),
    "labels of studies alone": (
        ("mimic", {}, {"join": [], "split": {"by": "lookalike"}, "keep": {}}),
        "{at}: mimic-cxr-2.0.0-chexpert.csv: no column that names images; columns there: subject_id, study_id, "
        "Atelectasis, Edema, No Finding; set data.join to the table that has it",
    ),
    "a join without a common column": (
        ("mimic", {"other.csv": b"a,b\n1,2\n"}, {"join": ["other.csv"]}),
        "{at}: other.csv: no column of {at}: mimic-cxr-2.0.0-chexpert.csv; columns there: a, b; data.join needs one "
        "that "
        "both have",
    ),
    "a join of many to many": (
        ("mimic", {"other.csv": b"subject_id,b\n10000032,2\n10000032,3\n"}, {"join": ["other.csv"]}),
        "{at}: other.csv: several rows of one subject_id, as {at}: mimic-cxr-2.0.0-chexpert.csv has; data.join needs "
        "one "
        "row in either",
    ),
    "a table to join that is not there": (
        ("mimic", {}, {"join": ["metadata.csv"]}),
        "{at}: mimic-cxr-2.0.0-chexpert.csv: data.join: metadata.csv: not beside it (tables there: mimic-cxr-2.0.0-"
        "chexpert.csv, mimic-cxr-2.0.0-metadata.csv, mimic-cxr-2.0.0-split.csv); fix the name",
    ),
    "DICOM without a key": (
        ("rsna", {}, {}),
        "{at}: stage_2_train_labels.csv: DICOM files: 0004cfab (line 2), 00436515 (line 3); set data.key_file, which "
        "keys their pseudonyms, or convert them to PNG",
    ),
    "two classes of an image": (
        ("rsna", wrong(RSNA, "453.0,1", "453.0,0", "stage_2_train_labels.csv"), {"key": True}),
        "{at}: stage_2_train_labels.csv: images with several labels: line 3; set task: multilabel, or keep one label "
        "an "
        "image",
    ),
    "a DICOM file that is not there": (
        ("rsna", {"stage_2_train_images/0004cfab.dcm": None}, {"key": True, "read": 0}),
        "{at}: line 2: not found (looked in ., and by its name in all of the source); fix the name or add the file",
    ),
    "readers without names": (
        ("vindr", wrong(VINDR, ",R9,", ",,", "train.csv"), {}),
        "{at}: train.csv: boxes without a reader in 'rad_id': line 5; correct the cells",
    ),
    "patients that differ": (
        (
            "vindr",
            {"train.csv": b"image_id,class_name,who,x_min,y_min,x_max,y_max\na,No finding,p,,,,\na,Edema,q,1,2,3,4\n"},
            {"columns": {"patient": "who"}},
        ),
        "{at}: train.csv: rows of one image that differ in patient: a (lines 2 and 3); correct the cells",
    ),
}
COLLECTIONS = {
    "nih": (NIH_FILES, NIH_STUDY),
    "chexpert": (CHEXPERT_FILES, CHEXPERT_STUDY | {"table": "CheXpert-v1.0-small/train.csv"}),
    "mimic": (MIMIC_FILES, MIMIC_STUDY),
    "rsna": (RSNA_FILES, RSNA_STUDY | {"task": "multiclass"}),
    "vindr": (VINDR_FILES, VINDR_STUDY),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said_in_one_line(tmp_path, case):
    (collection, files, changes), said = CASES[case]
    known, data = COLLECTIONS[collection]
    source = write_folder(tmp_path / "it", {name: text for name, text in (known | files).items() if text is not None})
    data = data | changes
    read, task, key = data.pop("read", None), data.pop("task", "multilabel"), data.pop("key", False)
    if key:
        (tmp_path / "key").write_bytes(KEY)
        data["key_file"] = str(tmp_path / "key")

    def run():
        records = study(source, task, **data).records
        return records if read is None else records[read].read()

    assert message(run) == said.format(at=source)


TABLES = {name: [known[data["table"]]] for name, (known, data) in COLLECTIONS.items()}


@fuzz
@given(st.data())
def test_no_damage_to_a_table_is_a_traceback(tmp_path, data):
    collection = data.draw(st.sampled_from(list(COLLECTIONS)))
    files, settings = COLLECTIONS[collection]
    names = [name for name in files if name.endswith(".csv")]
    name = data.draw(st.sampled_from(names))
    content = data.draw(damaged([files[name]]))
    source = write_folder(tmp_path / collection, files | {name: content})
    (tmp_path / "key").write_bytes(KEY)
    options = {key: value for key, value in settings.items() if key != "task"} | {"key_file": str(tmp_path / "key")}
    try:
        records = study(source, settings.get("task", "multilabel"), **options).records
    except InputError as error:
        for line in str(error).split("\n"):
            one_line(InputError(line), f"{source}")
        return
    finally:
        write_folder(source, {name: files[name]})
    for record in records:
        try:
            image = record.read()
        except InputError as error:
            one_line(error, f"{source}: ")
        else:
            assert image.mask is None or image.mask.any()


@pytest.mark.slow
def test_20000_rows_in_seconds_and_little_memory(tmp_path):
    rows = [
        f"{n:08}_000.png,{('Mass|Effusion', 'No Finding')[n % 2]},0,{n // 3},050Y,M,PA,1,1,.1,.1,"
        for n in range(20_000)
    ]
    files = {"t.csv": "\n".join([NIH.splitlines()[0], *rows]).encode()}
    source = write_folder(tmp_path, files)
    tracemalloc.start()
    start = time.process_time()
    found = study(source, **NIH_STUDY | {"table": "t.csv", "boxes": None, "classes": {"a": "No Finding", "b": "Mass"}})
    took, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.records) == 20_000 and took < 15 and peak < 150e6, (took, peak)
