"""What tells whether a study's images have changed."""

import hashlib
import os
import zipfile
from pathlib import Path

import pytest
from shipped import checked

from heatproof.config.study import Data
from heatproof.core.messages import InputError
from heatproof.store import artifacts
from heatproof.workflow.files import data_fingerprint

CLASSES = {"a": "a", "b": "b"}
RECORDED = Path("results/data/s/source.json")
URL = {"url": "https://example.org/a.zip", "sha256": "a" * 64}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def section(kind="folder", source="images", **options) -> Data:
    return checked(Data, "data", kind=kind, source=source, classes=CLASSES, **options)


def found(**options) -> str | None:
    return data_fingerprint(section(**options), RECORDED)


def write(*names: str, content: bytes = b"x") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)
        os.utime(name, ns=(10**18, 10**18))


def test_phantoms_have_no_source():
    assert data_fingerprint(checked(Data, "data"), RECORDED) is None


@pytest.mark.parametrize("kind", ["folder", "planted", "dicom"])
def test_it_changes_with_the_files_of_a_folder(kind):
    options = {"kind": kind, "planted": {"kind": "folder"}} | ({"key_file": "key"} if kind == "dicom" else {})
    write("images/a/1.png", "images/b/2.png")
    before = found(**options)
    assert before == found(**options)
    write("images/b/3.png")
    assert found(**options) != before
    Path("images/b/3.png").unlink()
    assert found(**options) == before
    write("images/b/2.png", content=b"longer")
    assert found(**options) != before


def test_it_changes_with_the_bytes_in_an_archive():
    def pack(content: bytes) -> str:
        with zipfile.ZipFile("a.zip", "w") as file:
            file.writestr("a/1.png", content)
        return found(kind="archive", source="a.zip")

    assert pack(b"one") == pack(b"one") != pack(b"two")


@pytest.mark.parametrize("separator", [b",", b";"])
def test_it_changes_with_a_table_and_its_images(separator):
    write("t/1.png", "t/2.png")
    write("t/t.csv", content=b"path,label\n1.png,a\n2.png,b\n".replace(b",", separator))
    options = {"kind": "table", "source": "t/t.csv"}
    before = found(**options)
    write("t/2.png", content=b"longer")
    assert before != found(**options)
    write("t/2.png")
    assert before == found(**options)
    write("t/t.csv", content=b"path,label\n1.png,a\n2.png,a\n")
    assert before != found(**options)


@pytest.mark.parametrize(
    ("key", "path"), [("contents", "list.sha256"), ("boxes", "images/boxes.csv"), ("boxes", "boxes.csv")]
)
def test_it_changes_with_the_files_beside_the_source(key, path):
    write("images/a/1.png")
    options = {key: Path(path).name}
    without = found(**options)
    write(path)
    before = found(**options)
    write(path, content=b"y!")
    assert len({without, before, found(**options)}) == 3


def test_it_changes_with_the_key_and_tells_nothing_of_it():
    write("images/a/1.dcm")
    options = {"kind": "dicom", "key_file": "key"}
    write("key", content=b"secret")
    before = found(**options)
    write("key", content=b"another")
    assert found(**options) != before
    write("key", content=b"secret")
    assert found(**options) == before
    parts = [hashlib.sha256(b"secret").hexdigest(), hashlib.sha256(b"secret").hexdigest()[:16]]
    assert not any(part in before for part in parts)


def test_a_download_is_the_same_before_and_after():
    write("list.sha256", content=b"known")
    options = {"kind": "archive", "source": "a.zip", "download": URL, "contents": "list.sha256"}
    before = found(**options)
    with zipfile.ZipFile("a.zip", "w") as file:
        file.writestr("a/1.png", b"one")
    artifacts.write_json(RECORDED, {"fingerprint": "stale"})
    assert found(**options) == before
    assert found(**options | {"download": {"kaggle": "owner/name"}}) != before
    write("list.sha256", content=b"other")
    assert found(**options) != before


def test_a_download_that_cannot_be_checked_is_known_by_its_files_once_they_are_there():
    options = {"kind": "table", "source": "images.csv", "download": {"url": URL["url"], "unchecked": True}}
    before = found(**options)
    write("images.csv", content=b"path,label\n")
    there = found(**options)
    assert there != before
    artifacts.write_json(RECORDED, {"fingerprint": there})
    write("images.csv", content=b"path,label\na.png,a\n")
    assert found(**options) not in (before, there)
    Path("images.csv").unlink()  # a clone that pulled the results
    assert found(**options) == there


@pytest.mark.parametrize(
    ("download", "kept"),
    [
        (URL, "87eb10e36a7a8243bc14ee5f483e0cbb3d3e1bc623d94f7dd97d5aa4d986dec7"),
        ({"kaggle": "owner/name"}, "fdb53977e3a3cd12ddb7526b1df61a00bbefa11529e4b5c61f171a93cf7b349b"),
        ({"url": URL["url"], "unchecked": True}, "ea191853ad45b4d4851ce2136369a5c2bae5e3e8059000ff53cbb272d4476a8f"),
    ],
)
def test_what_releases_before_recorded_of_a_download_stands(download, kept):
    options = {} if "unchecked" in download else {"contents": "list.sha256"}
    write("list.sha256", content=b"known")
    assert found(kind="archive", source="a.zip", download=download, **options) == kept


def test_a_download_into_a_folder_with_boxes_is_the_same_before_and_after():
    options = {"source": "images", "download": URL, "boxes": "boxes.csv"}
    before = found(**options)
    write("images/boxes.csv", "images/a/1.png")
    assert found(**options) == before


def test_what_was_recorded_stands_where_the_source_is_gone():
    artifacts.write_json(RECORDED, {"fingerprint": "recorded"})
    assert found() == "recorded"
    write("images/a/1.png")
    assert found() != "recorded"


@pytest.mark.parametrize("download", [None, URL])
def test_what_was_recorded_stands_where_the_key_is_not_there(download):
    artifacts.write_json(RECORDED, {"fingerprint": "recorded"})
    write("images/a/1.dcm")
    options = {"kind": "dicom", "key_file": "key", "download": download}
    assert found(**options) == "recorded"
    write("key")
    assert found(**options) != "recorded"


def test_without_source_and_record_it_says_so():
    with pytest.raises(InputError) as caught:
        found()
    assert str(caught.value) == "images: not found; set data.source to the folder with one sub-folder a class"


def test_a_table_with_those_joined_to_it_and_images_above_it():
    write("in/t.csv", content=b"path,label\nx/1.png,a\n")
    write("in/more.csv", "x/1.png")
    seen = {found(kind="table", source="in/t.csv", join=["more.csv"])}
    for name in ("in/more.csv", "x/1.png"):
        write(name, content=b"other")
        seen.add(found(kind="table", source="in/t.csv", join=["more.csv"]))
    assert len(seen) == 3
