"""`heatproof audit` on a folder or an archive, and `heatproof job audit` on what a data job left."""

import json
import os
import re
import subprocess
import sys
import zipfile
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import ndimage

from heatproof.cli import main
from heatproof.commands import audit
from heatproof.core.messages import InputError
from heatproof.data.audit import command, material
from heatproof.data.audit.leaks import find_series
from heatproof.data.audit.results import read_audit
from heatproof.store import artifacts
from heatproof.text.audit import sentence

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared/data/iq_oth_nccd.zip"
SUFFIXES = ".bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp"
AUDIT = {"draws": 20, "bootstrap": 100, "folds": 3, "sweep": [0.9, 0.95]}
SPLIT = {"by": "lookalike", "train": 0.5, "val": 0.25, "test": 0.25, "tolerance": 0.2, "folds": 1}
SPLIT |= {"compare": None, "unseen": True}
CONFIG = {"audit": AUDIT, "lookalike": 0.95, "split": SPLIT, "group_kind": "lookalike", "seed": 0}
CONFIG |= {"shortcut": None, "kind": "folder", "patients_known": False, "crop": "none", "fit": "crop"}


def pictures(count: int, size: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.normal(size=(count, size, size)), (0, 3, 3))
    return np.clip(128 + 40 * fields / fields.std(), 0, 255).astype(np.uint8)


def run(*arguments: str) -> None:
    parser = ArgumentParser()
    called = command if "--study" in arguments else audit
    called.add_arguments(parser)
    called.run(parser.parse_args(list(arguments)))


def message(*arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        run(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Thirty images a class; those of class b have a mark in the corner, and two are twins."""
    monkeypatch.chdir(tmp_path)
    images = pictures(60)
    images[30:, :3, :3] = 255
    images[31] = images[30]
    for row, image in enumerate(images):
        path = tmp_path / "in" / "ab"[row // 30] / f"p{row // 2:02d}_{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "in"


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """What a data job leaves: 40 images of 64 x 48 pixels, cropped to 48 x 48, in colour."""
    monkeypatch.chdir(tmp_path)
    from heatproof.data.prepare.preprocess import thumbnail

    raw = pictures(40, 64)[:, :48]
    raw[21] = raw[20]
    raw[:, :, :4] = 0  # a margin that cropping takes away
    count, labels = len(raw), np.arange(40) // 20
    ids = [f"i{row}" for row in range(count)]
    split = np.array(["train", "train", "val", "test"] * 10, object)
    split[[20, 21]] = "train", "test"
    manifest = pd.DataFrame(
        {
            "image_id": ids,
            "sha256": [str(row) for row in range(count)],
            "source": ids,
            "label": labels,
            "group": [f"look-{row:04d}" for row in [*range(21), 20, *range(22, 40)]],
            "truth": "none",
            "width": 64,
            "height": 48,
            "fold0": split,
            "random0": "train",
        }
    )
    edges = {"top": 0, "bottom": 0, "left": 4, "right": 0}
    same = [*range(21), 20, *range(22, 40)]
    more = {"same_pixels": same, "truth_kept": [0.5, 0.0, *[np.nan] * 38], "cue": False}
    plain = {"mode": "RGB", "format": "JPEG", "quality": 90.0, "bytes": 9}
    facts = pd.DataFrame({"image_id": ids, **plain, **edges, **more})
    path = artifacts.data_dir("toy")
    artifacts.write_manifest("toy", manifest)
    artifacts.write_table(path / "facts.parquet", facts, artifacts.FACTS)
    artifacts.write_array(path / "thumbnails.npy", np.stack([thumbnail(image) for image in raw]))
    cropped = raw[:, :, 8:56].copy()
    cropped[20:, :4, :4] = 255  # and a mark for the second class
    artifacts.write_array(path / "pixels.npy", np.repeat(cropped[:, None], 3, axis=1))
    artifacts.write_json(path / "digest.json", {"classes": ["normal", "ill"]})
    bad = pd.DataFrame([{"source": "x.png", "reason": "in: x.png: an empty file"}])
    artifacts.write_table(path / "quarantine.csv", bad, artifacts.QUARANTINE)
    return path


def test_a_study(study, capsys):
    run("--study", "toy", "--config", json.dumps(CONFIG))
    found = artifacts.read_json(study / "audit.json")
    assert (found["images"], found["groups"], found["counts"]) == (40, 39, {"normal": 20, "ill": 20})
    assert found["quarantined"] == [{"source": "x.png", "reason": "in: x.png: an empty file"}]
    assert (found["split_by"], found["patients_known"]) == ("lookalike", False)
    assert found["truth_lost"] == {"images": 2, "all": 1, "of": 2, "examples": ["i1", "i0"]}
    assert found["seams"] == [] and found["shortcut"] is None and found["nonsquare"]["images"] == 40
    assert found["leak"]["split"] == {"fold0": 1 / 11, "random0": None} and found["leak"]["random"]["draws"] == 20
    assert found["duplicates"]["pixels"]["pairs"] == 1 and found["duplicates"]["bytes"]["pairs"] == 0
    scores = {(row["probe"], row["stage"]): row["low"] for row in found["probes"] if row["split"] == "grouped"}
    assert scores["border", "raw"] < 0.5 < scores["border", "preprocessed"]  # the mark came after
    table = artifacts.read_table(study / "audit.csv", artifacts.AUDIT)
    assert table["low"].tolist() == pytest.approx([row["low"] for row in found["probes"]], nan_ok=True)
    listed = artifacts.read_table(study / "audit_pairs.csv", artifacts.AUDIT_PAIRS)
    assert listed.to_numpy().tolist() == [["i20", "i21", 1.0, "pixels", "ill", "ill", "train", "test"]]
    printed = capsys.readouterr().out.splitlines()
    stated = read_audit(study / "audit.json").findings
    assert printed == [f"{finding.level}: {sentence(finding.statement)}" for finding in stated]
    assert printed[0].startswith(
        "alarm: Leak: in the split in use, 9% of the test images have a look-alike in training"
    )
    before = {path.name: path.read_bytes() for path in study.iterdir()}
    run("--study", "toy", "--config", json.dumps(CONFIG))
    assert {path.name: path.read_bytes() for path in study.iterdir()} == before


@pytest.mark.parametrize(("by", "kind", "expected"), [("auto", "patient", "patient"), ("random", "patient", "random")])
def test_what_the_split_keeps_together_is_resolved(study, by, kind, expected):
    more = {"split": SPLIT | {"by": by}, "group_kind": kind, "patients_known": True}
    run("--study", "toy", "--config", json.dumps(CONFIG | more))
    found = artifacts.read_json(study / "audit.json")
    assert (found["split_by"], found["group_kind"], found["patients_known"]) == (expected, kind, True)


def test_margins_are_those_of_each_stage(study):
    from heatproof.data.audit.material import read_study

    material = read_study("toy", "lookalike")
    assert material.raw.margins.tolist() == [[0, 0, 4, 0]] * 40 and not material.fitted.margins.any()
    assert material.fitted.thumbnails.shape == (40, 32, 32) and material.fitted.facts is None
    assert sorted(material.splits) == ["fold0", "random0"] and sorted(material.used) == ["fold0"]


def test_a_finished_study_is_shown_by_its_name(study, capsys):
    run("--study", "toy", "--config", json.dumps(CONFIG))
    capsys.readouterr()
    run("toy")
    printed = capsys.readouterr().out
    assert printed.startswith("Audit of study toy\n40 images in 2 classes: normal 20, ill 20\n")
    (study / "audit.json").unlink()
    assert message("toy") == "results/data/toy/audit.json: not found; run snakemake to make it"


def test_a_study_in_folds_asks_for_their_shares(study):
    run("--study", "toy", "--config", json.dumps(CONFIG | {"split": SPLIT | {"folds": 4}}))
    sweep = artifacts.read_json(study / "audit.json")["sweep"]
    assert [row["split"] for row in sweep] == [True, True] and sweep[0]["worst_share"] < 0.1


@pytest.mark.slow
def test_a_planted_study_has_its_seams_looked_at(study):
    pixels = artifacts.read_array(study / "pixels.npy")[:, :1].copy()
    artifacts.write_array(study / "pixels.npy", pixels)
    rows, columns = np.ogrid[:48, :48]
    distance = np.hypot(rows - 24, columns - 24)
    artifacts.write_array(study / "seams.npy", np.repeat(((distance > 6) & (distance < 9))[None], 40, axis=0))
    run("--study", "toy", "--config", json.dumps(CONFIG | {"kind": "planted"}))
    found = artifacts.read_json(study / "audit.json")
    forest, linear = found["seams"]
    assert forest["groups"] == linear["groups"] == 39 and forest["low"] < forest["balanced_accuracy"]
    assert any(row["kind"].startswith("seams.") for row in found["findings"])


def test_artifacts_that_do_not_fit_each_other_are_refused(study):
    artifacts.write_array(study / "thumbnails.npy", np.zeros((3, 32, 32), np.uint8))
    assert message("--study", "toy", "--config", json.dumps(CONFIG)) == (
        "results/data/toy/thumbnails.npy: 3 images, and the manifest has 40; delete the file and run again"
    )


def test_a_folder(folder, capsys):
    (folder / "a/broken.png").write_bytes(b"junk")
    (folder / "a/readme.txt").write_text("hello")
    run(str(folder), "--json", "found.json", "--size", "40")
    out, err = capsys.readouterr()
    found = json.loads(Path("found.json").read_text())
    assert (found["images"], found["counts"], found["groups"]) == (60, {"a": 30, "b": 30}, 59)
    assert found["group_kind"] == "lookalike" and found["leak"]["split"] == {}
    reason = f"{folder}: a/broken.png: not an image (BMP, GIF, JPEG, PNG, PNM, TIFF or WebP); fix or remove it"
    assert found["quarantined"] == [{"source": "a/broken.png", "reason": reason}]
    assert found["duplicates"]["bytes"] == {
        "pairs": 1,
        "images": 2,
        "across_classes": 0,
        "across_groups": None,
        "across_splits": None,
    }
    lines = out.splitlines()
    assert lines[:3] == [
        f"Audit of {folder}",
        "60 images in 2 classes: a 30, b 30",
        "59 groups: clusters of look-alikes",
    ]
    assert lines[4].startswith("!! Image facts alone (size, shape, mode, JPEG quality, bytes, mean, border")
    assert "!! The outermost pixels alone predict the classes" in out
    assert " - 1 file could not be used." in out and found["truth_lost"] is None and "\nLEFT OUT\n" in out
    assert max(map(len, lines[1:])) <= 80
    assert "1 other file is no image and skipped: a/readme.txt" in err.splitlines()


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.slow
def test_an_archive_is_told_as_its_folder(folder, kind):
    import shutil

    shutil.make_archive("packed", kind, folder)
    for path, name in ((str(folder), "one.json"), (f"packed.{kind}", "two.json")):
        run(path, "--json", name, "--size", "40")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


def test_patients_come_from_names(folder):
    run(str(folder), "--json", "found.json", "--size", "40", "--patient", r"^(p\d+)_", "--threshold", "0.9")
    found = json.loads(Path("found.json").read_text())
    assert (found["groups"], found["group_kind"], found["threshold"]) == (30, "patient", 0.9)
    assert [row["threshold"] for row in found["sweep"]][:3] == [0.85, 0.9, 0.92]


def test_folders_called_train_and_test_are_the_split_in_use(folder, tmp_path, capsys):
    for part, rows in {"Train": range(0, 60, 2), "test": range(1, 60, 2)}.items():
        for row in rows:
            image = next(folder.glob(f"*/*_{row}.png"))
            path = tmp_path / "out" / part / image.parent.name / image.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image.read_bytes())
    run("out", "--json", "found.json", "--size", "40")
    found = json.loads(Path("found.json").read_text())
    assert found["leak"]["split"] == {"fold0": 1 / 30} and found["classes"] == ["a", "b"]
    assert "in the split in use, 3% of the test images have a look-alike" in capsys.readouterr().out


def test_masks_are_left_out_and_series_of_names_are_asked_about(folder, tmp_path, capsys):
    for path in [*folder.rglob("*.png")]:
        number = int(path.stem.rpartition("_")[2])
        part = tmp_path / "parts" / ("train" if number % 2 else "test") / path.parent.name
        mask = tmp_path / "parts" / "masks" / f"case{number // 2}-{'ab'[number % 2]}_mask.png"
        part.mkdir(parents=True, exist_ok=True)
        mask.parent.mkdir(exist_ok=True)
        path.rename(part / f"case{number // 2}-{'ab'[number % 2]}.png")
        Image.new("L", (40, 40)).save(mask)
    run(str(tmp_path / "parts"), "--json", "found.json")
    found, told = artifacts.read_json(Path("found.json")), capsys.readouterr()
    assert found["classes"] == ["a", "b"] and "60 masks left out" in told.err
    series = found["series"]
    assert (series["stems"], series["images"], series["across"]) == (30, 60, 1.0)
    one, other = series["examples"]
    assert one.startswith("test/") and other.startswith("train/") and one[:-5].split("/")[2] == other[:-5].split("/")[2]
    assert ("alarm", "names.across_split") in {(row["level"], row["kind"]) for row in found["findings"]}
    assert "PAIRS WITHIN A CLASS" in told.out
    run(str(tmp_path / "parts"), "--patient", series["pattern"], "--json", "found.json")
    found = artifacts.read_json(Path("found.json"))
    assert found["groups"] == 30 and found["series"] is None


@pytest.mark.parametrize(
    ("names", "stem"),
    [
        ([f"p{n // 3}-day-{n % 3}.png" for n in range(30)], "p0"),
        ([f"p{n // 3}_{n % 3:03d}.png" for n in range(30)], "p0"),
        ([f"p{n // 3} ({n % 3}).png" for n in range(30)], "p0"),
        ([f"ill ({n}).png" for n in range(30)], None),  # numbers the class
        ([f"{n:05d}.png" for n in range(30)], None),
    ],
)
def test_what_is_a_series(names, stem):
    found = find_series(names, np.zeros(30, int), {})
    assert (found and re.search(found.pattern, names[0])[1]) == stem
    assert found is None or (found.stems, found.images, found.across) == (10, 30, None)


def test_one_class_and_no_folder_still_get_copies_and_look_alikes(folder, capsys):
    run(str(folder / "b"), "--size", "40", "--json", "found.json")
    found = json.loads(Path("found.json").read_text())
    assert found["classes"] == ["(no folder)"] and found["duplicates"]["bytes"]["pairs"] == 1
    out = capsys.readouterr().out
    assert "None of 5 simple classifiers can be tested" in out and "TRIVIAL CLASSIFIERS" not in out


def test_sixteen_bits_need_a_window(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for row, image in enumerate(pictures(4)):
        Path(f"in/{row % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.astype(np.uint16) * 16).save(f"in/{row % 2}/{row}.png")
    assert message("in").endswith(
        "0/0.png: more than 8 bits a pixel (mode I;16); set --window to the values that become black and white, or "
        "convert it to 8 bits"
    )
    run("in", "--window", "0", "4095", "--json", "found.json")
    assert json.loads(Path("found.json").read_text())["images"] == 4


def test_folders_of_patients_are_no_classes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for row, image in enumerate(pictures(51, 32)):
        Path(f"in/{'ab'[row % 2]}/p{row}").mkdir(parents=True)
        Image.fromarray(image).save(f"in/{'ab'[row % 2]}/p{row}/x.png")
    assert message("in") == (
        "in: 51 folders with images, and 50 classes are the most; if each is a patient, --up 2 takes the folder above "
        "it for the class"
    )
    run("in", "--up", "2", "--size", "32", "--json", "found.json")
    assert json.loads(Path("found.json").read_text())["counts"] == {"a": 26, "b": 25}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ([""], "give a folder or an archive of images"),
        (["a" * 5000], f"{'a' * 200}...: cannot be read (File name too long); give another path"),
        (["in", "--size", "9" * 30], f"--size: {'9' * 30} is above 2048"),
        (["in", "--window", "0", "inf"], "--window: needs two finite values"),
        (["in", "--json", ""], "--json: give the name of a file"),
        (
            ["in", "--json", "in/a/p00_0.png/x.json"],
            "--json: in/a/p00_0.png/x.json: cannot be written (in/a/p00_0.png is no folder)",
        ),
        (["nowhere"], "nowhere: not found; give a folder or an archive of images, or a study that has run"),
        (["in", "--threshold", "0.3"], "--threshold: 0.3 is not above 0.3 and at most 1"),
        (["in", "--threshold", "nan"], "--threshold: nan is not above 0.3 and at most 1"),
        (["in", "--size", "8"], "--size: 8 is below 32"),
        (["in", "--up", "0"], "--up: 0 is below 1"),
        (["in", "--window", "5", "5"], "--window: the first value must be below the second"),
        (
            ["in", "--patient", "("],
            "--patient: not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        (["in", "--patient", "p"], "--patient: needs a group in parentheses around the patient's id"),
        (["in", "--patient", "(q)"], "in: a/p00_0.png: --patient '(q)' finds no patient in this file name"),
        (["in/a/p00_0.png"], None),
        (
            ["empty"],
            "empty: no image among 1 file (.bmp, .gif, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp)",
        ),
        (["bad"], "bad: 1 image, and none can be used; the first: bad: x.png: an empty file; fix or remove it"),
        (["in", "--json", "in"], "--json: in: cannot be written (it is no regular file)"),
    ],
)
def test_wrong_use_is_told_in_one_line(folder, arguments, what):
    Path("empty").mkdir()
    Path("empty/x.txt").write_text("x")
    Path("bad").mkdir()
    Path("bad/x.png").touch()
    told = message(*arguments)
    assert what is None or told == what


def test_a_file_that_cannot_be_written_is_found_out_before_the_work(folder, monkeypatch):
    monkeypatch.setattr(material, "read_path", lambda *_, **__: pytest.fail("work was done"))
    for name in ("", "in", "in/a/p00_0.png/x.json", "x" * 300, "/dev/null"):
        assert message("in", "--json", name).startswith("--json: ")
    assert not Path(".x.json.part").exists()


def test_the_summary_comes_even_where_the_file_fails_in_the_end(folder, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts, "write_json", full)
    assert message("in", "--size", "32", "--json", "x.json") == (
        "--json: x.json: cannot be written (No space left on device)"
    )
    assert capsys.readouterr().out.startswith("Audit of in\n60 images")


def test_pictures_are_the_same_by_their_decoded_pixels_alone(folder):
    """Not by what preprocessing leaves: one grey level of one pixel makes another picture."""
    first = np.asarray(Image.open(folder / "a/p00_0.png"))
    Image.fromarray(first).save(folder / "a/copy.bmp")
    other = first.copy()
    other[0, 0] ^= 1
    Image.fromarray(other).save(folder / "a/other.png")
    run("in", "--json", "found.json", "--size", "32")
    found = json.loads(Path("found.json").read_text())["duplicates"]
    assert (found["bytes"]["pairs"], found["pixels"]["pairs"], found["lookalikes"]["pairs"]) == (1, 2, 4)


@pytest.mark.parametrize("suffix", [".dcm", ""])
def test_dicom_is_hinted_at(folder, suffix):
    Path("scans").mkdir()
    for name in ("README", f"slice{suffix}"):
        Path(f"scans/{name}").write_bytes(bytes(128) + b"DICM" if name != "README" else b"hello")
    hint = "; it holds DICOM, which a study with kind: dicom reads"
    assert message("scans").startswith("scans: no image among 2 files (.bmp, ") and message("scans").endswith(hint)
    assert message(f"scans/slice{suffix}").endswith(hint)


def test_a_lone_user_is_told_of_options_and_not_of_studies(folder):
    Path("none").mkdir()
    Path("junk.zip").write_bytes(b"junk")
    told = [message("none"), message("junk.zip"), message("in", "--window", "0", "4095")]
    assert not any("data." in text for text in told), told
    assert told[0] == "none: a folder without files; give the folder of the images"
    assert told[1].startswith("junk.zip: not a zip or tar archive")


@pytest.mark.slow
def test_without_torch(folder):
    """As a user calls it, in a Python that cannot import what only other stages need."""
    blocked = "import sys\nfor name in ('torch', 'timm', 'sklearn', 'pydantic', 'pydicom', 'matplotlib'): "
    blocked += "sys.modules[name] = None\n"
    code = f"{blocked}from heatproof.cli import main\nsys.exit(main(['audit', 'in', '--size', '32']))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Audit of in\n60 images in 2 classes: a 30, b 30\n")


def test_the_command_line_says_one_line_and_fails(folder, capsys):
    assert main(["audit", "nowhere"]) == 1
    told = capsys.readouterr().err
    assert (
        told == "heatproof audit: nowhere: not found; give a folder or an archive of images, or a study that has run\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_file(), reason=f"{REAL.name} is not there")
def test_the_real_archive(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run(str(REAL), "--json", "found.json")
    found = json.loads(Path("found.json").read_text())
    assert found["duplicates"]["lookalikes"]["pairs"] == 3981 and found["groups"] == 136
    assert found["leak"]["random"]["mean"] > 0.9
    random, grouped = (row for row in found["probes"][:2])
    assert random["low"] > 0.9 and grouped["high"] < 0.7
    assert found["nonsquare"]["images"] == 61 and (found["nonsquare"]["probes"][1]["low"] or 0) <= 0.5
    assert max(map(len, capsys.readouterr().out.splitlines()[1:])) <= 80
    with zipfile.ZipFile(REAL) as archive:
        assert found["images"] == sum(name.endswith(".jpg") for name in archive.namelist())


def listed_in(table: str, header: str, folder: Path, row: str) -> None:
    """Write a table of the images of a folder."""
    files = sorted(path.relative_to(folder.parent).as_posix() for path in folder.rglob("*.png"))
    lines = [
        row.format(path=path, name=Path(path).name, label=Path(path).parent.name, n=n) for n, path in enumerate(files)
    ]
    (folder.parent / table).write_text("\n".join([header, *lines]))


def test_a_table_is_audited_with_its_patients(folder, capsys):
    listed_in("t.csv", "path,label,who", folder, "{path},{label},p{n}")
    run("t.csv", "--patient", "who", "--size", "40", "--json", "found.json")
    out, found = capsys.readouterr().out, json.loads(Path("found.json").read_text())
    assert out.startswith("Audit of t.csv\n60 images in 2 classes: a 30, b 30\n60 groups: patients\n")
    assert found["group_kind"] == "patient" and not any(one["kind"].startswith("given") for one in found["findings"])
    assert not Path("results").exists()


def test_a_table_of_nih_finds_its_images_and_looks_at_the_view(folder, capsys):
    header = "Image Index,Finding Labels,Patient ID,View Position"
    listed_in("t.csv", header, folder, "{name},{label}|c,{n},{label}-side")
    run("t.csv", "--patient", "Patient ID", "--size", "40")
    seen = capsys.readouterr()
    assert "read as NIH ChestX-ray14" in seen.err and "60 images in 2 sets of 3 labels: a 30, b 30, c 60" in seen.out
    assert "!! a and View Position go together" in seen.out.replace("\n   ", " ")


def test_masks_of_a_path_are_read(folder, capsys):
    for path in [*(folder / "a").iterdir()]:
        (folder / "masks/a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 40), 255, np.uint8)).save(folder / "masks/a" / path.name)
    run(str(folder), "--masks", "masks", "--size", "40")
    assert "Masks of the whole image: 30 of 30 masks" in capsys.readouterr().out.replace("\n   ", " ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["t.csv", "--patient", "nobody"], "t.csv: no column nobody"),
        (["t.csv", "--classes", "c"], "--classes: c: no such class in t.csv"),
        (["in", "--masks", "nowhere"], "--masks: "),
        (["flat", "--masks", "in/a"], "flat: 1 image without a label: images must be in one folder per class"),
        (["one.csv"], "one.csv: only one class (a); at least two are needed"),
    ],
)
def test_what_is_wrong_with_a_table_or_masks_is_one_line(folder, capsys, options, said):
    listed_in("t.csv", "path,label", folder, "{path},{label}")
    listed_in("one.csv", "path,label", folder, "{path},a")
    Path("flat").mkdir()
    Path("flat/1.png").write_bytes(next(folder.rglob("*.png")).read_bytes())
    assert main(["audit", *options]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert said in error and "Traceback" not in error and "--images" not in error
