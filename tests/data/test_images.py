"""Archives and folders with one sub-folder a class."""

import hashlib
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from data.configured import data_config
from data.making import deep, encoded, gray, message, npy, write_folder, write_tar, write_zip
from PIL import Image

from heatproof.core.draws import sample_groups
from heatproof.data.sources import images, opening
from heatproof.data.sources.opening import read_contents
from heatproof.data.sources.trees import open_tree

CLASSES = {"normal": "Normal cases", "malignant": "Malignant 肺"}
FILES = {"Normal cases/a 1.png": gray(10), "Malignant 肺/b.png": gray(200)}
SHARED = Path(__file__).parents[3] / "shared" / "data"


def drawn(*box: int, size: tuple[int, int] = (40, 30), value: int = 255) -> Image.Image:
    """A mask with a filled box: left, upper, right, lower."""
    image = Image.new("L", size)
    image.paste(value, box)
    return image


MASK = encoded(drawn(0, 0, 20, 15))


def records(source: Path, **options) -> dict:
    return {record.image_id: record for record in images.list_records(open_tree(source), CLASSES, **options)[0]}


@pytest.fixture
def write(tmp_path):
    return lambda files=None: write_folder(tmp_path / "source", FILES | (files or {}))


def test_every_source_is_the_same(tmp_path):
    files = FILES | {"deep/er/Normal cases/c.JPG": encoded(Image.new("RGB", (50, 20), (9, 99, 199)), "JPEG")}
    listings = [
        records(write_folder(tmp_path / "source", files)),
        records(write_zip(tmp_path / "a.zip", files)),
        records(write_tar(tmp_path / "a.tgz", files, "w:gz")),
        records(write_tar(tmp_path / "a.tar", {unicodedata.normalize("NFD", k): v for k, v in files.items()})),
    ]
    first = listings[0]
    assert list(first) == ["Malignant 肺/b", "Normal cases/a 1", "Normal cases/c"]
    record, image = first["Normal cases/c"], first["Normal cases/c"].read()
    assert (record.source, record.label, record.patient) == ("deep/er/Normal cases/c.JPG", 0, None)
    assert (image.pixels.shape, image.truth, image.mask, image.window) == ((20, 50, 3), "none", None, None)
    assert image.sha256 == hashlib.sha256(files[record.source]).hexdigest()
    assert (image.facts.width, image.facts.height, image.facts.bytes) == (50, 20, len(files[record.source]))
    for other in listings[1:]:
        assert list(other) == list(first)
        for name, record in first.items():
            twin = other[name]
            assert (record.source, record.label, record.patient) == (twin.source, twin.label, twin.patient)
            a, b = record.read(), twin.read()
            assert a.sha256 == b.sha256 and str(a.facts) == str(b.facts)
            np.testing.assert_array_equal(a.pixels, b.pixels)


def test_what_belongs_to_no_class_is_left_out_and_said(write):
    source = write({"Test cases/d.png": gray(), "Test cases/e.png": gray(), "f.png": gray(), "notes.txt": b"text"})
    listing, notes = images.list_records(open_tree(source), CLASSES)
    assert [record.image_id for record in listing] == ["Malignant 肺/b", "Normal cases/a 1"]
    assert notes == [f"{source}: left out, as data.classes names no folder above them: . (1), Test cases (2)"]
    assert images.list_records(open_tree(write_zip(source.with_suffix(".zip"), FILES)), CLASSES)[1] == []


@pytest.mark.parametrize(
    "name",
    [
        "masks/b.png",
        "masks/Malignant 肺/b.gif",
        "Malignant 肺/masks/b.png",
        "deep/masks/Malignant 肺/b.tif",
        "masks/b.npy",
        "other/Malignant 肺/masks/b.NPY",
    ],
)
def test_masks_by_name(write, name):
    image = drawn(0, 0, 20, 15)
    suffix = Path(name).suffix.lower()
    kind = {".gif": "GIF", ".tif": "TIFF"}.get(suffix, "PNG")
    source = write({name: npy(np.asarray(image)) if suffix == ".npy" else encoded(image, kind)})
    for place in (source, write_zip(source.with_suffix(".zip"), {**FILES, name: (source / name).read_bytes()})):
        listed = records(place, masks="masks")
        assert list(listed) == ["Malignant 肺/b", "Normal cases/a 1"]
        image = listed["Malignant 肺/b"].read()
        assert image.truth == "mask" and image.mask.dtype == bool
        assert image.mask[:15, :20].all() and image.mask.sum() == 300
        assert listed["Normal cases/a 1"].read().mask is None


def test_masks_of_one_name_beside_their_images(tmp_path):
    """`<class>/images` and `<class>/masks`, the same names in every class."""
    files = {}
    for number, folder in enumerate(CLASSES.values(), 1):
        files |= {f"{folder}/images/x.png": gray(), f"{folder}/masks/x.png": encoded(drawn(0, 0, number, 1))}
    listed = records(write_folder(tmp_path / "source", files), masks="masks")
    assert {name: record.read().mask.sum() for name, record in listed.items()} == {
        "Malignant 肺/images/x": 2,
        "Normal cases/images/x": 1,
    }


def test_masks_beside_their_images_are_read_by_a_pattern_and_united(tmp_path):
    """As in the BUSI data set, where several masks belong to one image."""
    other = encoded(drawn(30, 20, 40, 30))
    files = {
        "Normal cases/benign (1).png": gray(10),
        "Normal cases/benign (1)_mask.png": MASK,
        "Normal cases/benign (1)_mask_1.png": other,
        "Normal cases/benign (10).png": gray(20),
        "Normal cases/benign (10)_mask.png": other,
        "Malignant 肺/b.jpg": encoded(Image.new("RGB", (40, 30)), "JPEG"),
        "Malignant 肺/b_mask.npy": npy(np.ones((30, 40), bool)),
    }
    source = write_folder(tmp_path / "in", files)
    said = message(records, source)
    assert said.startswith(f"{source}: 3 files look like masks of the images beside them: ")
    assert said.endswith("; set data.masks: '{stem}_mask*', or rename them if they are images")
    assert "Normal cases/benign (1)_mask.png of benign (1).png" in said
    found = {name: record.read() for name, record in records(source, masks="{stem}_mask*").items()}
    assert list(found) == ["Malignant 肺/b", "Normal cases/benign (1)", "Normal cases/benign (10)"]
    first, second = found["Normal cases/benign (1)"].mask, found["Normal cases/benign (10)"].mask
    assert (first.sum(), second.sum(), found["Malignant 肺/b"].mask.all()) == (400, 100, True)
    assert first[:15, :20].all() and first[20:, 30:].all()
    orphan = write_folder(tmp_path / "in", {"Normal cases/c_mask.png": MASK})
    assert "1 masks fit no image: Normal cases/c_mask.png" in message(records, orphan, masks="{stem}_mask*")


@pytest.mark.parametrize(
    ("pattern", "mask"),
    [
        ("{stem}.npy", "Normal cases/a 1.npy"),
        ("GT/{stem}_segmentation*", "GT/a 1_segmentation_2.png"),
        ("GT/seg-{stem}", "Normal cases/GT/seg-a 1.png"),
        ("GT/seg-{stem}", "GT/Normal cases/seg-a 1.png"),
    ],
)
def test_patterns_of_masks(write, pattern, mask):
    content = npy(np.ones((30, 40), bool)) if mask.endswith("npy") else MASK
    source = write({mask: content, "GT/notes_2.png": gray()} if "GT" in mask else {mask: content})
    found = records(source, masks=pattern)
    assert list(found) == ["Malignant 肺/b", "Normal cases/a 1"]
    assert found["Normal cases/a 1"].read().truth == "mask" and found["Malignant 肺/b"].read().truth == "none"


def test_the_users_own_split_by_folders(tmp_path):
    """As in archives of Kaggle, where files of one name stand in several parts."""
    files = {
        f"chest/{part}/{name}/1.png": gray() for part in ("train", "Validation", "test") for name in CLASSES.values()
    }
    files |= {
        f"chest/{part}/masks/Normal cases/1.png": encoded(drawn(0, 0, n, 1)) for n, part in ((1, "train"), (2, "test"))
    }
    source = write_folder(tmp_path / "in", files)
    found = records(source, masks="masks", given=True)
    assert {name: record.split for name, record in found.items()} == {
        f"{part}/{name}/1": part.lower().removesuffix("idation")
        for part in ("train", "Validation", "test")
        for name in CLASSES.values()
    }
    sizes = {name: 0 if (mask := record.read().mask) is None else mask.sum() for name, record in found.items()}
    assert sizes["train/Normal cases/1"] == 1 and sizes["test/Normal cases/1"] == 2 and sum(sizes.values()) == 3
    turned = {f"{name}/{part}/1.png": gray() for part in ("train", "test") for name in CLASSES.values()}
    turned |= {"masks/Normal cases/test/1.png": MASK}
    found = records(write_folder(tmp_path / "turned", turned), masks="masks", given=True)
    assert {name: record.split for name, record in found.items()}["Normal cases/test/1"] == "test"
    assert [name for name, record in found.items() if record.read().truth == "mask"] == ["Normal cases/test/1"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "Normal cases/2.png",
            "1 images lie below no folder called train, val, test: Normal cases/2.png; move them into",
        ),
        ("train/test/Normal cases/2.png", "lies below train and test; keep one of these folders"),
    ],
)
def test_folders_that_give_no_split(tmp_path, name, said):
    source = write_folder(tmp_path / "in", {f"train/{folder}/1.png": gray() for folder in CLASSES.values()})
    assert said in message(records, write_folder(source, {name: gray()}), given=True)


def test_a_mask_of_nothing_is_no_truth(write):
    image = records(write({"masks/b.png": gray(0)}), masks="masks")["Malignant 肺/b"].read()
    assert image.truth == "none" and image.mask is None


def test_masks_of_images_of_no_class_are_no_mistake(write):
    source = write({"Other/c.png": gray(), "masks/c.png": MASK, "masks/b.png": MASK})
    assert records(source, masks="masks")["Malignant 肺/b"].read().truth == "mask"


def test_an_image_below_a_folder_a_patient_belongs_to_the_class_above(write):
    source = write({"Normal cases/p1/x.png": gray(), "Normal cases/p2/x.png": gray()})
    listed = records(source)
    assert {"Normal cases/p1/x", "Normal cases/p2/x"} <= set(listed)
    assert listed["Normal cases/p1/x"].label == listed["Normal cases/a 1"].label
    write({"masks/Normal cases/p2/x.png": MASK})
    masked = records(source, masks="masks")
    assert masked["Normal cases/p2/x"].read().truth == "mask"
    assert masked["Normal cases/p1/x"].read().truth == "none"


def test_the_nearest_class_folder_counts(write):
    listed = records(write({"Normal cases/Malignant 肺/n.png": gray()}))
    assert listed["Malignant 肺/n"].label == 1


BOXES = "path,x,y,width,height\n{},0,0,20,15\n{},30,20,10,10\n"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("boxes.csv", "Malignant 肺/b.png"),
        ("Malignant 肺/boxes.csv", "b.png"),
        ("notes/boxes.csv", "Malignant 肺/b.png"),
    ],
)
def test_boxes(write, name, path):
    listed = records(write({name: BOXES.format(path, path).encode()}), boxes=name)
    image = listed["Malignant 肺/b"].read()
    expected = np.zeros((30, 40), bool)
    expected[:15, :20] = expected[20:, 30:] = True
    np.testing.assert_array_equal(image.mask, expected)
    assert image.truth == "box" and listed["Normal cases/a 1"].read().truth == "none"


def test_boxes_beside_an_archive(tmp_path):
    source = write_zip(tmp_path / "a.zip", FILES)
    (tmp_path / "boxes.csv").write_text(BOXES.format(*["Malignant 肺/b.png"] * 2), encoding="utf-8")
    assert records(source, boxes="boxes.csv")["Malignant 肺/b"].read().mask.sum() == 400


def test_a_mask_goes_before_a_box(write):
    source = write({"boxes.csv": BOXES.format(*["Malignant 肺/b.png"] * 2).encode(), "masks/b.png": MASK})
    image = records(source, boxes="boxes.csv", masks="masks")["Malignant 肺/b"].read()
    assert image.truth == "mask" and image.mask.sum() == 300


def test_a_turned_image_has_its_truth_as_it_is_shown(write):
    """An image stored on its side, its mask stored upright: they meet."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = drawn(0, 0, 20, 15).transpose(Image.Transpose.ROTATE_90)
    source = write({"Malignant 肺/b.png": encoded(stored, exif=exif), "masks/b.png": MASK})
    image = records(source, masks="masks")["Malignant 肺/b"].read()
    assert image.pixels.shape == (30, 40)
    np.testing.assert_array_equal(image.pixels > 0, image.mask)


def test_patients_by_name(tmp_path):
    files = {"Normal cases/p7_s1.png": gray(), "Malignant 肺/p8_s2.png": gray()}
    listed = records(write_folder(tmp_path / "source", files), patient=r"(p\d+)_")
    assert {name: record.patient for name, record in listed.items()} == {
        "Malignant 肺/p8_s2": "p8",
        "Normal cases/p7_s1": "p7",
    }


def test_a_window_goes_with_every_image(write):
    listed = records(write({"Normal cases/deep.png": deep(77)}), window=[0, 200])
    one, two = listed["Normal cases/deep"].read(), listed["Normal cases/a 1"].read()
    assert one.pixels.dtype == np.uint16 and (one.pixels == 77).all() and one.window == two.window == (0, 200)


@pytest.mark.slow
def test_50000_images_are_listed_at_once(tmp_path):
    names = [f"top/{folder}/Bild {n}.png" for folder in CLASSES.values() for n in range(25_000)]
    tree = open_tree(write_folder(tmp_path / "s", {"Normal cases/x.png": b""}))
    tree.names, tree._opened = sorted(names), tree._opened._replace(members=dict.fromkeys(names))
    start = time.process_time()
    assert len(images.list_records(tree, CLASSES, masks=None, patient=r"(\d+)")[0]) == 50_000
    assert time.process_time() - start < 5


def test_sources_list_what_the_configuration_says(write, capsys):
    source = write(
        {"Test cases/d.png": gray(), "masks/b.png": MASK, "boxes.csv": BOXES.format(*["f.png"] * 2).encode()}
    )
    write({"f.png": gray()})
    config = data_config(kind="folder", source=str(source), classes=CLASSES, masks="masks", boxes="boxes.csv")
    classes, listing = opening.list_records("toy", config)
    assert classes == ["normal", "malignant"] and [record.label for record in listing] == [1, 0]
    assert listing[0].read().truth == "mask"
    assert capsys.readouterr().err == (
        f"toy: {source}: left out, as data.classes names no folder above them: . (1), Test cases (1)\n"
    )
    archive = write_zip(source.with_suffix(".zip"), FILES)
    planted = {"kind": "planted", "source": str(archive), "classes": {"normal": "Normal cases"}, "planted": {}}
    classes, listing = opening.list_records("toy", data_config(**planted))
    assert classes == ["normal"] and [record.image_id for record in listing] == ["Normal cases/a 1"]


def test_patients_that_are_not_known(write, capsys):
    source = write({"Normal cases/p3.png": gray(), "Normal cases/p.png": gray()})
    folder = {"kind": "folder", "source": str(source), "classes": CLASSES, "patient": r"p(\d*)"}
    _, listing = opening.list_records("toy", data_config(**folder, split={"by": "lookalike"}))
    assert {record.source: record.patient for record in listing} == {
        "Malignant 肺/b.png": None,
        "Normal cases/a 1.png": None,
        "Normal cases/p.png": None,
        "Normal cases/p3.png": "3",
    }
    names = "Malignant 肺/b.png, Normal cases/a 1.png, Normal cases/p.png"
    said = f"{source}: data.patient 'p(\\d*)' finds no patient in 3 file names: {names}"
    assert capsys.readouterr().err == f"toy: {said}\n"
    for by in ("auto", "patient"):
        config = data_config(**folder, split={"by": by})
        assert (
            message(opening.list_records, "toy", config)
            == f"{said}; correct the pattern, or leave data.patient out (data.split.by: lookalike)"
        )


def test_some_of_the_images_are_whole_patients_of_every_class(tmp_path):
    files = {f"{label}/p{label[0]}{n // 2}_{n}.png": gray(n) for label in CLASSES.values() for n in range(12)}
    options = {"kind": "folder", "source": str(write_folder(tmp_path / "source", files)), "classes": CLASSES}
    options |= {"patient": "^(p[NM][0-9])_"}

    def drawn(count: int) -> list:
        return opening.list_source("toy", data_config(**options, sample=count)).records

    few, more = drawn(4), drawn(7)
    assert [len(few), len(more), len(drawn(99))] == [8, 14, 24]
    assert {record.image_id for record in few} < {record.image_id for record in more}
    assert sorted(record.label for record in few) == [0] * 4 + [1] * 4
    assert {len([one for one in few if one.patient == record.patient]) for record in few} == {2}
    assert opening.list_source("toy", data_config(**options, sample=4)).left_out[0].rows == 16
    one = [sample_groups(list("aabb"), [0, 0, 1, 2], 2, "key", seed).tolist() for seed in range(20)]
    assert {tuple(taken) for taken in one} == {(True, True, True, True)}


def test_sources_list_phantoms():
    classes, listing = opening.list_records("toy", data_config(phantom={"patients": 9, "slices": 2}))
    assert classes == ["normal", "benign", "malignant"] and len(listing) == 18


def test_sources_list_dicom(tmp_path):
    """Told by the class folder, and named by pseudonyms."""
    files = dict.fromkeys((f"{folder}/p 1.dcm" for folder in CLASSES.values()), bytes(128) + b"DICM")
    source, key = write_folder(tmp_path / "source", files), tmp_path / "key"
    key.write_bytes(bytes(range(32)))
    config = data_config(kind="dicom", source=str(source), classes=CLASSES, key_file=str(key))
    classes, listing = opening.list_records("toy", config)
    assert classes == ["normal", "malignant"] and sorted(record.label for record in listing) == [0, 1]
    assert not any("p 1" in record.image_id + record.source for record in listing)


@pytest.mark.skipif(not (SHARED / "iq_oth_nccd.zip").exists(), reason=f"the IQ-OTH/NCCD archive is not in {SHARED}")
def test_the_real_archive():
    classes = {"normal": "Normal cases", "benign": "Bengin cases", "malignant": "Malignant cases"}
    with open_tree(SHARED / "iq_oth_nccd.zip", "archive") as tree:
        listing, notes = images.list_records(tree, classes)
        counts = [sum(record.label == label for record in listing) for label in range(3)]
        assert counts == [416, 120, 561] and notes == []
        read = {record.source: record.read() for record in listing[::20]}
    expected = dict(read_contents(SHARED / "iq_oth_nccd.sha256"))
    for name, image in read.items():
        assert image.sha256 == expected[name]
        assert image.pixels.dtype == np.uint8 and image.pixels.std() > 10 and image.mask is None
        assert image.facts.format == "JPEG" and 1 <= image.facts.quality <= 100


@pytest.mark.skipif(not (SHARED / "covid_cxr.zip").exists(), reason=f"the chest X-rays are not in {SHARED}")
def test_other_real_images():
    """Each is an image, or its error is a line that names it."""
    with open_tree(SHARED / "covid_cxr.zip", "archive") as tree:
        classes = {"x-ray": "images"}
        listing, _ = images.list_records(tree, classes)
        assert len(listing) > 300
        for record in listing[::3]:
            try:
                assert min(record.read().pixels.shape[:2]) > 100
            except images.InputError:
                said = message(record.read)
                assert said.startswith(f"{tree.source}: {record.source}: ")
