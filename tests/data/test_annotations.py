"""Truth by label and reader: annotation files, masks by label, and what of them reaches the artifacts."""

import argparse
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from data.configured import data_config
from data.making import array, gray, write_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from heatproof.core.messages import InputError
from heatproof.data import command
from heatproof.data.sources.annotations import check_readers, read_annotations
from heatproof.store import artifacts

WIDTH, HEIGHT = 40, 30
SQUARE = [[5, 5], [14, 5], [14, 14], [5, 14]]
EMPTY = {"size": [HEIGHT, WIDTH], "counts": [WIDTH * HEIGHT]}
CLASSES = {"Effusion": "effusion", "Nodule": "nodule"}
ROWS = [("effusion, nodule", "effusion", "nodule")[number % 3] for number in range(12)]


def image(number: int) -> str:
    return f"images/patient{number}/view.png"


def run_lengths(mask: np.ndarray) -> str:
    """COCO's text, encoded as plainly as can be."""
    flat = np.concatenate([[False], mask.T.ravel()])
    ends = np.flatnonzero(np.diff(flat)).tolist()
    runs = np.diff([0, *ends, mask.size]).tolist()
    text = ""
    for place, run in enumerate(runs):
        value = run - runs[place - 2] if place > 2 else run
        while True:
            low, value = value & 31, value >> 5
            more = not ((value == 0 and not low & 16) or (value == -1 and low & 16))
            text += chr(low + 32 * more + 48)
            if not more:
                break
    return text


def drawn(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Run the data job of a table of images with both labels, one or the other; return its readings."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    files = {image(n): array(rng.integers(0, 255, (HEIGHT, WIDTH))) for n in range(len(ROWS))}
    lines = [f'{image(n)},"{label}",p{n}' for n, label in enumerate(ROWS)]
    write_folder(tmp_path, files | {"table.csv": "\n".join(["path,label,patient", *lines]).encode()})

    def run(files: dict[str, object] | None = None, task: str = "multilabel", **data):
        for name, content in (files or {}).items():
            write_folder(tmp_path, {name: content if isinstance(content, bytes) else json.dumps(content).encode()})
        given = {"kind": "table", "source": "table.csv", "classes": CLASSES, "size": 32, "fit": "squash"}
        split = {"tolerance": 0.5, "train": 0.5, "val": 0.25, "test": 0.25}
        columns = {"patient": "patient"} | data.pop("columns", {})
        config = data_config(task, **given | {"columns": columns, "split": split} | data)
        command.run(argparse.Namespace(study="s", config=config))
        return artifacts.read_readings("s")

    return run


def truth_of(readings: artifacts.Readings, number: int, label: int) -> np.ndarray:
    [row] = readings.truth([(image(number), label)])
    return readings.masks[row]


CHEXLOCALIZE = {f"images_patient{n}_view": {"img_size": [HEIGHT, WIDTH], "effusion": [SQUARE]} for n in range(2)}


def coco(**entry) -> dict:
    shape = {"segmentation": [[5, 5, 14, 5, 14, 14, 5, 14]]} | entry
    return {
        "images": [{"id": 7, "file_name": "patient0/view.png", "height": HEIGHT, "width": WIDTH}],
        "categories": [{"id": 1, "name": "effusion"}],
        "annotations": [{"id": 3, "image_id": 7, "category_id": 1} | shape],
    }


@pytest.mark.parametrize(
    "content",
    [
        CHEXLOCALIZE,
        {"images/patient0/view.png": {"img_size": [60, 80], "Effusion": [(2 * np.array(SQUARE)).tolist()]}},
        {"patient0_view": {"effusion": {"size": [HEIGHT, WIDTH], "counts": run_lengths(drawn((5, 5, 15, 15)))}}},
        coco(),
        coco(segmentation={"size": [HEIGHT, WIDTH], "counts": run_lengths(drawn((5, 5, 15, 15)))}),
        coco(segmentation=[], bbox=[5, 5, 10, 10]),
        b"image;label;x0;y0;x1;y1\npatient0/view.png;effusion;5;5;15;15\n",
    ],
    ids=["contours", "scaled", "run_lengths", "polygon", "coco_run_lengths", "coco_box", "boxes"],
)
def test_every_form_gives_the_same_region(study, content):
    readings = study({"truth.json": content}, annotations="truth.json")
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[5:15, 5:15] = True
    found = truth_of(readings, 0, 0)
    assert found.shape == (32, 32) and found.any() and not truth_of(readings, 0, 1)[~found].any()
    assert abs(found.mean() - expected.mean()) < 0.02 and found[8, 8] and not found[20:].any()
    manifest = artifacts.read_manifest("s")
    marked = manifest.set_index("image_id").loc[image(0)]
    assert marked["marks_0"] and not marked["marks_1"] and marked["truth"] != "none"


def test_a_reader_of_each_file_and_who_drew_nothing(study):
    second = {"patient0_view": {"effusion": {"size": [HEIGHT, WIDTH], "counts": run_lengths(drawn((9, 5, 19, 15)))}}}
    second |= {"patient1_view": {"effusion": EMPTY}}
    points = {"patient0_view": {"effusion": [[39, 29], [10.5, 6]], "img_size": [HEIGHT, WIDTH]}}
    files = {"a.json": CHEXLOCALIZE, "b.json": second, "c.json": points}
    data = {"annotations": {"second": ["b.json", "c.json"], "staff": "a.json"}, "readers": ["staff", "second"]}
    readings = study(files, **data)
    table = readings.table.reset_index()
    assert table[["image_id", "reader", "place"]].to_numpy().tolist() == [
        [image(0), "staff", 0],
        [image(0), "second", 1],
        [image(1), "staff", 0],
        [image(1), "second", 1],
    ]
    assert table["row"].tolist() == [0, 1, 2, -1] and table["instances"].tolist()[0] == 1
    assert table["points"].tolist() == ["", "31.200 30.933;8.400 6.400", "", ""]
    assert readings.others([(image(0), 0), (image(3), 0)]) == [[(1, "31.200 30.933;8.400 6.400")], []]


def test_the_reader_of_the_truth_rotates(study):
    rows = [f"{image(n)},effusion,{5 + reader},5,15,15,R{reader}" for n in range(0, 12, 3) for reader in range(3)]
    table = "\n".join(["image,label,x0,y0,x1,y1,reader", *rows]).encode()
    readings = study({"boxes.csv": table}, annotations="boxes.csv", readers="rotating")
    first = readings.table[readings.table["place"] == 0]
    assert len(first) == 4 and first["reader"].nunique() > 1 and (first["truth"] == "box").all()
    assert [len(found) for found in readings.others(list(first.index))] == [2] * 4


def test_masks_by_name_and_by_value(study):
    label_map = np.zeros((HEIGHT, WIDTH))
    label_map[5:15, 5:15], label_map[5:15, 20:30], label_map[20:25, 20:30] = 1, 2, 3
    parts = {1: (5, 5, 15, 15), 2: (20, 5, 30, 15), 3: (20, 20, 30, 25)}
    files = {f"images/patient0/view_{name}.png": array(255 * drawn(*(parts[p] for p in of))) for name, of in (
        ("effusion", [1]), ("Nodule_1", [2]), ("nodule_2", [3]))}  # fmt: skip
    named = study(files, masks="{stem}_{label}*.png")
    for name in files:
        Path(name).unlink()
    of_values = study({"images/patient0/view_map.png": array(label_map)}, masks="{stem}_map*", mask_value={
        "Effusion": 1, "Nodule": [2, 3]})  # fmt: skip
    for label in range(2):
        assert (truth_of(named, 0, label) == truth_of(of_values, 0, label)).all()
    assert truth_of(named, 0, 1)[:, :16].sum() == 0 < truth_of(named, 0, 1)[20:].sum()


def test_several_classes_take_the_regions_of_their_own(study, tmp_path):
    labels = ["effusion", "nodule"] * 6
    lines = [f"{image(n)},{label},p{n}" for n, label in enumerate(labels)]
    (tmp_path / "table.csv").write_text("\n".join(["path,label,patient", *lines]))
    both = {f"patient{n}_view": {"effusion": [SQUARE], "nodule": [np.add(SQUARE, 15).tolist()]} for n in range(2)}
    assert study({"a.json": both}, task="multiclass", annotations="a.json") is None
    manifest, masks = artifacts.read_manifest("s"), artifacts.read_array(artifacts.data_dir("s") / "masks.npy")
    places = [manifest.index[manifest["image_id"] == image(n)][0] for n in range(2)]
    assert masks[places[0]][8, 8] and not masks[places[0]][24, 20] and masks[places[1]][24, 20]
    assert set(manifest["truth"]) == {"mask", "none"}


def table(*rows: str, head: str = "image,label,x0,y0,x1,y1,reader") -> bytes:
    return "\n".join([head, *rows]).encode()


HERE = image(0)
BAD = {  # content, further keys, what the line says
    "no JSON": (b'{"a": ', {}, "damaged JSON"),
    "deep JSON": (b'{"a":' + b"[" * 100_000, {}, "damaged JSON"),
    "a list": (b"[1]", {}, "a JSON list"),
    "an id twice": (b'{"patient0_view": {}, "patient0_view": {}}', {}, "appears twice in one object"),
    "nothing": ({}, {}, "no image in it"),
    "id without image": (CHEXLOCALIZE | {"patient99_view": {}}, {}, "1 ids name no image: patient99_view"),
    "id of several images": ({"view": {}}, {}, "view names 12 images"),
    "unknown label": ({"patient0_view": {"Edema": [SQUARE]}}, {}, "labels unknown to the study: Edema (1)"),
    "labels that are no object": ({"patient0_view": [1]}, {}, "patient0_view: not an object with regions"),
    "a word for a region": ({"patient0_view": {"effusion": "left"}}, {}, "neither contours, points nor run lengths"),
    "two points": ({"patient0_view": {"effusion": [SQUARE[:2]]}}, {}, "a contour of fewer than 3 points"),
    "ragged contour": ({"patient0_view": {"effusion": [[[1, 2], [3]]]}}, {}, "not a contour of points"),
    "not finite": (b'{"patient0_view": {"effusion": [[[1, 2], [NaN, 3], [4, 5]]]}}', {}, "not a contour of points"),
    "contour outside": ({"patient0_view": {"effusion": [[[5, 5], [60, 5], [5, 9]]]}}, {}, "leaves the image of 40x30"),
    "point outside": ({"patient0_view": {"effusion": [[60, 5]]}}, {}, "a point leaves the image of 40x30"),
    "image size of one number": ({"patient0_view": {"img_size": 5}}, {}, "img_size: not a height and a width"),
    "another aspect": (
        {"patient0_view": {"img_size": [30, 50], "effusion": [SQUARE]}}, {}, "drawn on an image of 50x30 pixels"),
    "run lengths of another size": (
        {"patient0_view": {"effusion": {"size": [30, 41], "counts": [1230]}}}, {}, "drawn on an image of 41x30 pixels"),
    "run lengths that are short": (
        {"patient0_view": {"effusion": {"size": [30, 40], "counts": [9, 9]}}}, {}, "do not fill 40x30 pixels"),
    "run lengths cut off": (
        {"patient0_view": {"effusion": {"size": [30, 40], "counts": "PVWX"}}}, {}, "end within a number"),
    "run lengths of other letters": (
        {"patient0_view": {"effusion": {"size": [30, 40], "counts": "é"}}}, {}, "counts that are no run lengths"),
    "run lengths without size": ({"patient0_view": {"effusion": {"counts": "0"}}}, {}, "without size and counts"),
    "no annotations": ({"images": []}, {}, "COCO without a list of categories"),
    "an image that is not listed": (coco(image_id=8), {}, "image_id 8 is none of images"),
    "a category that is not listed": (coco(category_id=8), {}, "category_id 8 is none of categories"),
    "an odd polygon": (coco(segmentation=[[1, 2, 3]]), {}, "a polygon of fewer than 3 points"),
    "no shape": (coco(segmentation=None), {}, "not a segmentation or a bbox"),
    "COCO of another size": (
        coco(segmentation={"size": [9, 9], "counts": [81]}), {}, "drawn on an image of 9x9 pixels"),
    "a COCO box outside": (coco(segmentation=[], bbox=[30, 5, 20, 5]), {}, "leaves the image of 40x30"),
    "no column": (table(head="image,label,x0,y0,x1,reader"), {}, "no column y1"),
    "a box outside": (table(f"{HERE},effusion,5,5,99,9,"), {}, "line 2: box 5 5 94 4: leaves the image of 40x30"),
    "a box turned": (table(f"{HERE},effusion,9,5,5,9,"), {}, "no area"),
    "corners missing": (table(f"{HERE},effusion,5,5,,9,"), {}, "corners that are not four numbers: line 2"),
    "no image": (table(",effusion,5,5,9,9,"), {}, "no image or label: line 2"),
    "a box twice": (table(*[f"{HERE},effusion,5,5,9,9,"] * 2), {}, "boxes that appear twice: line 3"),
    "mixed separators": (b"image,label,x0,y0,x1,y1\n" + f"{HERE};effusion;5;5;9;9".encode(), {}, "not 6 cells"),
    "readers without names": (
        table(f"{HERE},effusion,5,5,9,9,A", f"{HERE},effusion,5,5,9,8,"), {}, "readers without names: line 3"),
    "readers in no order": (
        table(f"{HERE},effusion,5,5,9,9,A", f"{HERE},effusion,5,5,9,8,B"), {}, "data.readers: not set"),
    "a reader who is not there": (
        table(f"{HERE},effusion,5,5,9,9,A"), {"readers": ["C"]}, "no regions of such a reader"),
    "one reader rotates": (table(f"{HERE},effusion,5,5,9,9,A"), {"readers": "rotating"}, "name at least two"),
    "no file": (None, {"annotations": "b.json"}, "b.json: not found; looked for in the working folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_line(study, name):
    content, more, said = BAD[name]
    with pytest.raises(InputError) as caught:
        study({} if content is None else {"a.json": content}, **{"annotations": "a.json"} | more)
    text = str(caught.value)
    lines = [line for line in text.splitlines() if "cannot be used; fix them" not in line]
    assert said in text and len(lines) == 1 and ("a.json" in text or "data." in text)


def test_masks_of_unknown_labels_and_values(study):
    with pytest.raises(InputError, match="1 masks have unknown labels: masks/view_edema"):
        study({"masks/view_edema.png": gray()}, masks="masks/{stem}_{label}")
    with pytest.raises(InputError, match=r"data.mask_value.Nodule: no pixel of a mask of an image with this label"):
        study(
            {"images/patient0/view_map.png": array(drawn((5, 5, 9, 9)))},
            masks="{stem}_map",
            mask_value={"Effusion": 1, "Nodule": 7},
        )
    with pytest.raises(InputError, match="beside A; name the reader"):
        check_readers(["A"], ["", "A"])


def test_ids_of_rows_that_are_left_out_are_said(study, capsys):
    study({"a.json": CHEXLOCALIZE | {"patient2_view": {}}}, annotations="a.json", keep={"patient": [
        f"p{n}" for n in range(12) if n != 2]}, split={"tolerance": 0.5})  # fmt: skip
    assert "1 ids name no image: patient2_view; left out, as the study takes a part" in "".join(capsys.readouterr())


def dicom(number: int, uid: str) -> Dataset:
    """A slice of 40 by 30 pixels, with what a segmentation takes over from it."""
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID = f"{uid}.{number + 1}"
    found.StudyInstanceUID, found.SeriesInstanceUID, found.FrameOfReferenceUID = f"{uid}.8", f"{uid}.9", f"{uid}.10"
    for name in ("PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"):
        setattr(found, name, "")
    found.PatientID, found.StudyID, found.ReferringPhysicianName, found.Modality = f"p{number}", "1", "", "CT"
    found.SeriesNumber, found.InstanceNumber, found.Rows, found.Columns = 1, number + 1, HEIGHT, WIDTH
    found.PixelSpacing, found.SliceThickness, found.ImagePositionPatient = [1, 1], 1, [0, 0, float(number)]
    found.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    found.SamplesPerPixel, found.PhotometricInterpretation, found.PixelRepresentation = 1, "MONOCHROME2", 0
    found.BitsAllocated, found.BitsStored, found.HighBit = 16, 12, 11
    found.PixelData = np.random.default_rng(number).integers(0, 1000, (HEIGHT, WIDTH)).astype("uint16").tobytes()
    return found


def as_file(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_dicom_segmentations_are_found_by_their_images(tmp_path, monkeypatch):
    highdicom = pytest.importorskip("highdicom")
    from pydicom.sr.codedict import codes

    monkeypatch.chdir(tmp_path)
    images = [dicom(number, "1.2.3") for number in range(4)]
    masks = np.zeros((4, HEIGHT, WIDTH, 1), np.uint8)
    masks[0, 5:15, 5:15] = masks[1, 5:9, 20:30] = 1
    kind = {"segmented_property_category": codes.SCT.MorphologicallyAbnormalStructure}
    kind |= {"segmented_property_type": codes.SCT.Lesion, "algorithm_type": "MANUAL"}
    about = dict.fromkeys(("manufacturer", "manufacturer_model_name", "software_versions", "device_serial_number"), "x")
    about |= {"series_instance_uid": "1.2.11", "series_number": 2, "sop_instance_uid": "1.2.12", "instance_number": 1}
    described = [highdicom.seg.SegmentDescription(segment_number=1, segment_label="Nodule", **kind)]
    seg = as_file(highdicom.seg.Segmentation(images, masks, "BINARY", described, **about))
    files = {f"{('Nodule', 'Effusion')[n // 2]}/{n}.dcm": as_file(one) for n, one in enumerate(images)}
    write_folder(tmp_path / "source", files)
    write_folder(tmp_path, {"seg.dcm": seg, "key": b"k" * 32, "cut.dcm": seg[:-200]})

    def run(name: str):
        config = {"kind": "dicom", "source": "source", "classes": {"Nodule": "Nodule", "Effusion": "Effusion"}}
        config |= {"annotations": name, "key_file": "key", "size": 32, "fit": "squash", "split": {"by": "random"}}
        config["split"] |= {"tolerance": 0.5, "test": "all"}
        command.run(argparse.Namespace(study="s", config=data_config(**config)))
        return artifacts.read_manifest("s"), artifacts.read_array(artifacts.data_dir("s") / "masks.npy")

    manifest, drawn = run("seg.dcm")
    assert sorted(drawn.sum((1, 2)).tolist()) == [0, 0, 40, 88] and (manifest["truth"] == "mask").sum() == 2
    with pytest.raises(InputError, match="segment 1 cannot be read"):
        run("cut.dcm")
    (tmp_path / "source/Nodule/0.dcm").unlink()
    with pytest.raises(InputError, match=r"data.annotations: 1 ids name no image: [0-9a-f]{64}; correct them"):
        run("seg.dcm")


def test_dicom_segmentations_need_highdicom(monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(InputError, match=r"a.dcm: a DICOM SEG needs highdicom: pip install 'heatproof\[seg\]'"):
        read_annotations(bytes(128) + b"DICM", "a.dcm")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("0aPVWX6é", max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["a", "size", "counts", "img_size", "images", "annotations", "categories", "id",
        "file_name", "name", "image_id", "category_id", "segmentation", "bbox"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_damaged_annotations_are_one_line(content):
    try:
        for reading in read_annotations(content, "a.json"):
            for region in reading.drawn:
                if region.draw is not None:
                    assert region.draw((HEIGHT, WIDTH)).shape == (HEIGHT, WIDTH)
    except InputError as error:
        assert str(error).startswith("a.json") and len(str(error).splitlines()) == 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1))
def test_run_lengths_come_back(seed, share):
    mask = np.random.default_rng(seed).random((7, 9)) < share
    content = {"a": {"b": {"size": [7, 9], "counts": run_lengths(mask)}}}
    [reading] = read_annotations(json.dumps(content).encode(), "a.json")
    assert (reading.drawn[0].draw((7, 9)) == mask).all()


def test_an_empty_mask_of_chexlocalize():
    """As its own file has it, of 2,320 by 2,828 pixels."""
    content = {"a": {"b": {"size": [2320, 2828], "counts": "PVWX6"}}}
    [reading] = read_annotations(json.dumps(content).encode(), "a.json")
    assert not reading.drawn[0].draw((2320, 2828)).any()
