"""Tables of images."""

import time
import unicodedata

import numpy as np
import pytest
from data.configured import data_config
from data.making import encoded, gray, message, npy, write_folder
from PIL import Image

from heatproof.data.sources import image_table, opening

CLASSES = {"normal": "0", "malignant": "yes, sure"}
COLUMNS = {"path": "path", "label": "label", "patient": None, "mask": None, "box": None}
FULL = {"path": "Datei", "label": "Befund", "patient": "who", "mask": "mask", "box": "box"}
LESION = np.zeros((30, 40), np.uint8)
LESION[:15, :20] = 255
FILES = {
    "a 1/x.png": gray(10),
    "läsion 肺/é.png": gray(200),
    "z.png": gray(50),
    "masks/x.png": encoded(Image.fromarray(LESION)),
    "masks/y.npy": npy(LESION > 0),
}
ROWS = """Datei,Befund,who,mask,box,more
a 1/x.png,0,p1,,,1
./läsion 肺\\é.png,"yes, sure", p2 ,masks/x.png,1 2 3 4,2
z.png,"yes, sure",p2,,0 0 20 15; 30 20 10 10;,3

"""


@pytest.fixture
def write(tmp_path):
    def write(text: str, encoding: str = "utf-8"):
        path = write_folder(tmp_path / "source", FILES) / "table.csv"
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_table(write, encoding, newline):
    listing, *_ = image_table.list_records(write(ROWS.replace("\n", newline), encoding), FULL, CLASSES)
    assert [(r.image_id, r.source, r.label, r.patient) for r in listing] == [
        ("a 1/x.png", "a 1/x.png", 0, "p1"),
        ("läsion 肺/é.png", "läsion 肺/é.png", 1, "p2"),
        ("z.png", "z.png", 1, "p2"),
    ]
    first, second, third = (record.read() for record in listing)
    assert [image.truth for image in (first, second, third)] == ["none", "mask", "box"]
    assert (first.pixels == 10).all() and (second.pixels == 200).all() and first.mask is None
    np.testing.assert_array_equal(second.mask, LESION > 0)
    assert third.mask.sum() == 400 and third.mask[20:, 30:].all()


def test_only_path_and_label_are_needed(write):
    source = write('label,path\n0,z.png\n"yes, sure",a 1/x.png\n')
    config = data_config(kind="table", source=str(source), classes=CLASSES)
    classes, listing = opening.list_records("toy", config)
    assert classes == ["normal", "malignant"]
    assert [(r.label, r.patient, r.read().truth) for r in listing] == [(0, None, "none"), (1, None, "none")]


def test_patients_that_are_not_known(write, capsys):
    source = write('path,label,who\nz.png,0,\na 1/x.png,"yes, sure",p\nläsion 肺/é.png,0,\n')
    table_of = {"kind": "table", "source": str(source), "classes": CLASSES, "columns": {"patient": "who"}}
    _, listing = opening.list_records("toy", data_config(**table_of, split={"by": "lookalike"}))
    assert [record.patient for record in listing] == [None, "p", None]
    said = f"{source}: column 'who' holds no patient in 2 rows: z.png, läsion 肺/é.png"
    read = f"toy: {source}: read as an image a row, by its columns path, label\n"
    assert capsys.readouterr().err == f"{read}toy: {said}\n"
    for by in ("auto", "patient"):
        config = data_config(**table_of, split={"by": by})
        assert (
            message(opening.list_records, "toy", config)
            == f"{said}; fix them, or leave the patients out (data.split.by: lookalike)"
        )


def test_a_planted_study_leaves_out_rows_of_other_labels(write, capsys):
    source = write("path,label\nz.png,0\na 1/x.png,B\n../b.png,A\nc.png,A\n")
    config = data_config(kind="planted", source=str(source), classes={"normal": "0"}, planted={"kind": "table"})
    classes, listing = opening.list_records("toy", config)
    assert classes == ["normal"] and [(r.image_id, r.label) for r in listing] == [("z.png", 0)]
    said = f"toy: {source}: left out, as data.classes does not list their labels: A (2), B (1)\n"
    assert capsys.readouterr().err.endswith(said)
    source.write_text("path,label\na.png,1\nz.png,\n")
    assert message(opening.list_records, "toy", config | {"classes": {"normal": "1"}}) == (
        f"{source}: no label: line 3; fill the cells"
    )


def test_the_users_own_split_by_a_column(write):
    rows = ROWS.splitlines()
    splits = ["split", "Training", "valid", "TEST"]
    given = "\n".join(f"{row},{split}" for row, split in zip(rows, splits, strict=False))
    listing, *_ = image_table.list_records(write(given), FULL | {"split": "split"}, CLASSES)
    assert [record.split for record in listing] == ["train", "val", "test"]
    wrong = write(given.replace("valid", "fold 2").replace("TEST", ""))
    said = "splits that are none of train, val and test: 'fold 2' (line 3), '' (line 4); fix the cells"
    assert message(image_table.list_records, wrong, FULL | {"split": "split"}, CLASSES) == f"{wrong}: {said}"
    there = "Datei, Befund, who, mask, box, more"
    config = {
        "kind": "table",
        "source": str(write(ROWS)),
        "columns": FULL,
        "classes": CLASSES,
        "split": {"by": "column"},
    }
    said = message(opening.list_records, "toy", data_config(**config))
    assert said == f"{config['source']}: no column split; columns there: {there}"


def test_several_masks_of_one_image_are_united(write):
    rows = ROWS.replace("masks/x.png", "masks/x.png; masks/z.npy")
    path = write(rows)
    write_folder(path.parent, {"masks/z.npy": npy(np.eye(30, 40) > 0)})
    listing, *_ = image_table.list_records(path, FULL, CLASSES)
    np.testing.assert_array_equal(listing[1].read().mask, (LESION > 0) | (np.eye(30, 40) > 0))


def test_masks_as_arrays(write):
    source = write('path,label,m\nz.png,0,\na 1/x.png,"yes, sure",masks/y.npy\n')
    listing, *_ = image_table.list_records(source, COLUMNS | {"mask": "m"}, CLASSES)
    assert [record.read().truth for record in listing] == ["none", "mask"]


def test_a_window(write):
    listing, *_ = image_table.list_records(
        write('path,label\nz.png,0\na 1/x.png,"yes, sure"\n'), COLUMNS, CLASSES, window=(0, 99)
    )
    assert listing[0].read().window == (0, 99)


def test_names_stored_decomposed(write, tmp_path):
    name = unicodedata.normalize("NFD", "ä.png")
    source = write('path,label\nä.png,0\nz.png,"yes, sure"\n')
    (source.parent / name).write_bytes(gray(7))
    assert (image_table.list_records(source, COLUMNS, CLASSES)[0][0].read().pixels == 7).all()


@pytest.mark.slow
def test_10000_rows_are_listed_at_once(write):
    rows = "".join(f"Bild {n}.png,{n % 2}\n" for n in range(10_000))
    source = write("path,label\n" + rows)
    start = time.process_time()
    assert len(image_table.list_records(source, COLUMNS, {"a": "0", "b": "1"})[0]) == 10_000
    assert time.process_time() - start < 3
