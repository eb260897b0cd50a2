"""`heatproof data` from configuration to artifacts."""

import argparse
import zipfile

import numpy as np
import pytest
from data.configured import data_config
from PIL import Image

from heatproof.core.messages import InputError
from heatproof.data import command
from heatproof.data.audit.assemble import _leak
from heatproof.data.audit.leaks import count_crossing
from heatproof.data.audit.material import read_study
from heatproof.data.audit.results import Crossing
from heatproof.data.prepare.lookalikes import pairs
from heatproof.data.prepare.preprocess import OddMasks
from heatproof.data.prepare.shortcut import mark_all
from heatproof.data.prepare.split import arrange
from heatproof.data.sources.places import split_of
from heatproof.store import artifacts


def run(study: str, config: dict, **more) -> None:
    command.run(argparse.Namespace(study=study, config=data_config(**config) | more))


def read(study: str):
    folder = artifacts.data_dir(study)
    return (
        artifacts.read_manifest(study),
        artifacts.read_array(folder / "pixels.npy"),
        artifacts.read_array(folder / "masks.npy"),
        artifacts.read_json(folder / "digest.json"),
    )


def test_a_study_drawn_as_another_has_its_images_and_splits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    marked = {"kind": "vignette", "rate": 0.9}
    config = {
        "kind": "phantom",
        "size": 48,
        "lookalike": 0.98,
        "phantom": {"patients": 15, "slices": 1},
        "shortcut": marked,
    }
    run("one", config)
    run("same", config | {"drawn_as": "one"})
    run("other", config)
    digests = {name: artifacts.digest(artifacts.data_dir(name) / "digest.json") for name in ("one", "same", "other")}
    assert digests["one"] == digests["same"] != digests["other"]


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A folder of nine images in three classes; the second class has masks, one of them empty."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("normal", "benign", "malignant"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for n in range(3):
            Image.fromarray(rng.integers(0, 256, (40, 60), np.uint8)).save(tmp_path / "in" / name / f"{name}{n}.png")
    (tmp_path / "in/masks").mkdir()
    for n in range(3):
        mask = np.zeros((40, 60), np.uint8)
        mask[:, :30] = 255 * (n > 0)
        Image.fromarray(mask).save(tmp_path / f"in/masks/benign{n}.png")
    return {
        "kind": "folder",
        "source": "in",
        "classes": {"normal": "normal", "benign": "benign", "malignant": "malignant"},
        "masks": "masks",
        "fit": "squash",
        "size": 48,
    }


def test_a_phantom(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("toy", {"size": 48, "phantom": {"patients": 9, "slices": 2}})
    manifest, pixels, masks, digest = read("toy")
    assert len(manifest) == 18 and pixels.shape == (18, 1, 48, 48) and masks.shape == (18, 48, 48)
    assert manifest["image_id"].is_unique and manifest["group"].nunique() == 9
    assert (manifest.groupby("group")["split"].nunique() == 1).all()
    np.testing.assert_array_equal(masks.any(axis=(1, 2)), manifest["label"] > 0)
    np.testing.assert_array_equal(manifest["truth"] == "mask", manifest["label"] > 0)
    folder = artifacts.data_dir("toy")
    assert digest == {
        "classes": ["normal", "benign", "malignant"],
        "channels": 1,
        "size": 48,
        "images": 18,
        "sha256": {n: artifacts.digest(folder / n) for n in ("manifest.parquet", "pixels.npy", "masks.npy")},
    }
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run("toy", {"size": 48, "phantom": {"patients": 9, "slices": 2}})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_folder_and_archive_leave_the_same(source, tmp_path):
    run("one", source, fingerprint="x")
    with zipfile.ZipFile("in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "in").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path / "in"))
    run("two", source | {"kind": "archive", "source": "in.zip"})
    one, two = read("one"), read("two")
    columns = [column for column in artifacts.MANIFEST if column != "split"]  # shuffled by the study's name
    assert one[0][columns].equals(two[0][columns])
    assert one[1].tobytes() == two[1].tobytes() and one[2].tobytes() == two[2].tobytes()
    kept = [artifacts.read_json(artifacts.data_dir(name) / "source.json")["fingerprint"] for name in ("one", "two")]
    assert kept == ["x", None]
    manifest, pixels, masks, digest = one
    assert manifest["image_id"].tolist() == [f"{c}/{c}{n}" for c in ("benign", "malignant", "normal") for n in range(3)]
    assert manifest["label"].tolist() == [1] * 3 + [2] * 3 + [0] * 3
    assert manifest["truth"].tolist() == ["none", "mask", "mask"] + ["none"] * 6  # an empty mask is no truth
    assert masks.sum(axis=(1, 2)).tolist() == [0, 48 * 24, 48 * 24] + [0] * 6
    assert (manifest["width"] == 60).all() and (manifest["height"] == 40).all()
    assert digest["classes"] == ["normal", "benign", "malignant"]
    drawn = Image.open("in/malignant/malignant1.png").resize((48, 48), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(pixels[4, 0], np.asarray(drawn))


def spoil(folder) -> list[str]:
    """Three bad files, in the order in which they are read."""
    (folder / "normal/normal1.png").write_bytes(b"junk")
    (folder / "malignant/malignant0.png").write_bytes(b"")
    Image.new("L", (8, 8)).save(folder / "masks/benign2.png")
    return ["masks/benign2.png", "malignant/malignant0.png", "normal/normal1.png"]


def test_all_bad_files_are_named_at_once_and_nothing_is_left(source, tmp_path):
    bad = spoil(tmp_path / "in")
    with pytest.raises(InputError) as caught:
        run("toy", source)
    *lines, fix = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == bad
    assert fix == "3 of 9 images cannot be used; fix them, or set data.on_bad: quarantine to continue without them"
    assert list(artifacts.data_dir("toy").iterdir()) == []


def test_quarantine_goes_on_without_the_bad_files_and_lists_them(source, tmp_path):
    rng = np.random.default_rng(1)
    for name in ("normal", "benign", "malignant"):  # three good ones are needed in each class
        for n in (3, 4):
            Image.fromarray(rng.integers(0, 256, (40, 60), np.uint8)).save(tmp_path / "in" / name / f"{name}{n}.png")
    run("whole", source)
    bad = spoil(tmp_path / "in")
    run("toy", source | {"on_bad": "quarantine"})
    manifest, pixels, masks, digest = read("toy")
    lost = ["benign/benign2.png", "malignant/malignant0.png", "normal/normal1.png"]
    listed = artifacts.read_table(artifacts.data_dir("toy") / "quarantine.csv", artifacts.QUARANTINE)
    assert listed["source"].tolist() == lost
    assert [reason.split(": ")[1] for reason in listed["reason"]] == bad
    all_images, all_pixels, all_masks, _ = read("whole")
    kept = ~all_images["source"].isin(lost).to_numpy()
    assert manifest["image_id"].tolist() == all_images.loc[kept, "image_id"].tolist()
    assert digest["images"] == len(pixels) == len(masks) == 12
    np.testing.assert_array_equal(pixels, all_pixels[kept])
    np.testing.assert_array_equal(masks, all_masks[kept])
    thumbnails = artifacts.read_array(artifacts.data_dir("toy") / "thumbnails.npy")
    facts = artifacts.read_table(artifacts.data_dir("toy") / "facts.parquet", artifacts.FACTS)
    assert len(thumbnails) == 12 and facts["image_id"].tolist() == manifest["image_id"].tolist()


@pytest.mark.parametrize("named", [None, "other"])
def test_splits_and_cues_are_drawn_from_the_name_of_the_study(named):
    """Or of the one that it is drawn as; nothing else that the job holds has a say."""
    config = {"kind": "phantom", "phantom": {"patients": 12, "slices": 2, "varied": False}, "size": 32, "source": None}
    config |= {"shortcut": {"kind": "corner_mark", "rate": 0.9, "test_rate": 0.5}, "drawn_as": named}
    config |= {"classes": {}, "split": {"tolerance": 0.5}}
    run("toy", config)
    manifest = artifacts.read_table(artifacts.data_dir("toy") / "manifest.parquet", artifacts.DEALT)
    full = data_config(**config)
    classes = artifacts.read_json(artifacts.data_dir("toy") / "digest.json")["classes"]
    frame = manifest[["image_id", "label", "group"]]
    expected = arrange(frame, full["split"], classes, named or "toy", full["seed"])
    assert manifest["fold0"].tolist() == expected["fold0"].tolist()
    assert manifest["fold0"].tolist() != arrange(frame, full["split"], classes, "third", full["seed"])["fold0"].tolist()
    facts = artifacts.read_table(artifacts.data_dir("toy") / "facts.parquet", artifacts.FACTS)
    pixels, tested = np.zeros((len(frame), 1, 32, 32), np.uint8), (manifest["fold0"] == "test").to_numpy()
    assert facts["cue"].tolist() == list(mark_all(named or "toy", full, classes, frame, pixels, tested))


def test_when_every_image_is_bad_there_is_no_study(source, tmp_path):
    for path in (tmp_path / "in").rglob("*.png"):
        path.write_bytes(b"junk")
    with pytest.raises(InputError) as caught:
        run("toy", source | {"on_bad": "quarantine", "masks": None})
    assert str(caught.value).startswith("in: no image can be used; all 9 are quarantined, the first: in: ")


def test_what_a_file_tells_is_kept(source, tmp_path):
    wide = Image.new("L", (80, 40))
    wide.paste(200, (10, 4, 60, 40))
    wide.save(tmp_path / "in/normal/normal0.png")
    run("toy", source)
    facts = artifacts.read_table(artifacts.data_dir("toy") / "facts.parquet", artifacts.FACTS).set_index("image_id")
    row = facts.loc["normal/normal0"]
    assert row[["top", "bottom", "left", "right"]].tolist() == [4, 0, 10, 20]
    assert (row["mode"], row["format"], row["bytes"]) == (
        "L",
        "PNG",
        (tmp_path / "in/normal/normal0.png").stat().st_size,
    )


def test_images_that_look_alike_stand_in_one_split(source, tmp_path):
    for name in ("normal", "benign", "malignant"):
        for n in range(3):
            drawn = np.asarray(Image.open(tmp_path / "in" / name / f"{name}{n}.png")).astype(int)
            for copy in range(3):  # brighter or darker, and with other noise
                noisy = drawn // (copy + 2) + np.random.default_rng(copy).integers(0, 5, drawn.shape)
                Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / "in" / name / f"{name}{n}-{copy}.png")
    run("toy", source | {"masks": None, "split": {"compare": "random"}})
    manifest = read("toy")[0]
    twins = manifest["image_id"].str.extract(r"(\w+\d)")[0]
    assert manifest["group"].nunique() == 9 and (manifest["group"].groupby(twins).nunique() == 1).all()
    assert (manifest["split"].groupby(twins).nunique() == 1).all()
    random = artifacts.read_manifest("toy", "random0")["split"]
    assert (random.groupby(twins).nunique() > 1).any()


def test_a_given_split_stays_and_what_crosses_it_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng, rows = np.random.default_rng(0), ["path,label,who,split"]
    images = rng.integers(0, 256, (24, 40, 40), np.uint8)
    images[23] = images[22]
    for n, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{n}.png")
        rows.append(f"{n}.png,{n % 2},p{n // 2},{'Testing' if n > 15 or n == 1 else 'training'}")
    rows[-1] = rows[-1].replace("Testing", "valid")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    config = {"kind": "table", "source": "t.csv", "classes": {"a": 0, "b": 1}, "size": 40, "split": {"by": "column"}}
    config |= {"columns": {"patient": "who"}}
    run("toy", config)
    assert (
        "toy: warning: in the given split 2 of 12 patients are in two parts; the split is kept"
        in capsys.readouterr().err
    )
    manifest = read("toy")[0]
    assert manifest["split"].tolist() == [split_of(row.split(",")[3]) for row in rows[1:]]
    material = read_study("toy", "patient", "column", True)
    assert count_crossing(pairs(material.raw.thumbnails, 0.95), material) == Crossing(2, 12, 2, 1)


def test_all_images_may_be_tested(source):
    run("toy", source | {"split": {"test": "all"}})
    assert set(read("toy")[0]["split"]) == {"test"}
    assert _leak(read("toy")[0]["split"], None, 0.95) is None  # nothing leaks from images that are not known here


def test_masks_that_look_wrong_are_reported(source, tmp_path, capsys):
    swapped = np.full((40, 60), 255, np.uint8)
    swapped[10:20, 20:40] = 0
    for n, mask in enumerate((swapped, np.full((40, 60), 255, np.uint8))):
        Image.fromarray(mask).save(tmp_path / f"in/masks/benign{n}.png")
    run("toy", source)
    said = capsys.readouterr().err
    assert (
        "toy: warning: 1 of 3 masks look inverted (most of the image is marked, except an inner part): benign/" in said
    )
    assert "if 0 is lesion in all of them, set data.mask_value: 0" in said
    assert "toy: warning: 1 of 3 masks cover the whole image and get no localization score: benign/benign1" in said
    odd = read_study("toy", "lookalike").odd_masks  # as the audit sees them, after preprocessing
    assert odd == OddMasks(inverted=["benign/benign0"], full=["benign/benign1"], count=3)
    run("toy", source | {"mask_value": 0})
    assert read("toy")[2][read("toy")[0]["source"] == "benign/benign0.png"].mean() == pytest.approx(1 / 12, abs=0.01)
    with pytest.raises(InputError, match=r"data\.mask_value: 7: no mask has a lesion pixel with this value; correct"):
        run("toy", source | {"mask_value": 7})


def test_patients_are_not_split(source, tmp_path):
    for name in ("normal", "benign", "malignant"):
        for n in range(3):
            path = tmp_path / "in" / name / f"{name}{n}.png"
            path.with_name(f"{name}{n}-1.png").write_bytes(path.read_bytes())
            path.rename(path.with_name(f"{name}{n}-2.png"))
    run("toy", source | {"masks": None, "patient": r"^(\w+)-"})
    manifest = read("toy")[0]
    assert manifest["group"].nunique() == 9 and (manifest.groupby("group")["split"].nunique() == 1).all()
    assert set(manifest["split"]) == {"train", "val", "test"}
