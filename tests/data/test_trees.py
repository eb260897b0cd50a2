"""Zip and tar archives and folders as trees of files."""

import gzip
import os
import stat
import sys
import tarfile
import time
import unicodedata
import zipfile
from pathlib import Path

import pytest
from data.making import message, patch_zip, write_folder, write_tar, write_zip

from heatproof.core.messages import listed
from heatproof.data.sources.trees import fingerprint, open_tree, place

FILES = {
    "a 1/x (1).png": b"one",
    "a 1/deep/er/y.txt": b"",
    "Läsion 肺/é.png": bytes(range(256)) * 300,
    "top": b"top",
}
WRITERS = {
    "folder": lambda folder, files: write_folder(folder / "source", files),
    "zip": lambda folder, files: write_zip(folder / "source.zip", files),
    "tar": lambda folder, files: write_tar(folder / "source.tar", files),
    "gz": lambda folder, files: write_tar(folder / "source.tar.gz", files, "w:gz"),
    "bz2": lambda folder, files: write_tar(folder / "source.tbz", files, "w:bz2"),
    "xz": lambda folder, files: write_tar(folder / "source.data", files, "w:xz"),
}


@pytest.fixture(params=WRITERS)
def write(request, tmp_path):
    return lambda files: WRITERS[request.param](tmp_path, files)


def contents(source) -> dict[str, bytes]:
    with open_tree(source) as tree:
        assert tree.names == sorted(tree.names)
        assert tree.source == source
        return {name: tree.read(name) for name in reversed(tree.names)}  # in another order than stored


def test_every_tree_is_the_same(write):
    assert contents(write(FILES)) == FILES


def test_hidden_files_are_left_out(write):
    junk = [
        "__MACOSX/a 1/._x.png",
        "a 1/.DS_Store",
        "a 1/Thumbs.db",
        "a 1/desktop.ini",
        ".cache/x.png",
        "a 1/.x.png",
    ]
    assert contents(write(FILES | dict.fromkeys(junk, b"junk"))) == FILES


def test_decomposed_names_are_composed(write):
    source = write({unicodedata.normalize("NFD", name): content for name, content in FILES.items()})
    assert contents(source) == FILES


def test_a_file_that_is_not_there(write):
    source = write(FILES)
    with open_tree(source) as tree:
        assert "nope.png" not in tree and "top" in tree
        assert message(tree.read, "nope.png") == f"{source}: nope.png: not found; fix the name or add the file"


def test_names_that_are_not_utf8(tmp_path):
    raw = b"a/\xe9.png"
    tarred = tmp_path / "a.tar"
    with tarfile.open(tarred, "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        info = tarfile.TarInfo("a/é.png")
        archive.addfile(info)
    assert list(contents(tarred)) == ["a/\\xe9.png"]
    try:
        folder = write_folder(tmp_path / "folder", {os.fsdecode(raw): b"x"})
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert contents(folder) == {"a/\\xe9.png": b"x"}
    assert len(fingerprint(folder, "folder")) == 64


def test_zip_names_without_their_flag(tmp_path):
    """Bytes of UTF-8 without the flag that says so are UTF-8; others are code page 437."""
    source = write_zip(tmp_path / "a.zip", {"肺.png": b"x"})
    assert contents(patch_zip(source, flags=0)) == {"肺.png": b"x"}
    source = write_zip(tmp_path / "b.zip", {"abc": b"x"})
    source.write_bytes(source.read_bytes().replace(b"abc", b"a\x82c"))
    assert contents(source) == {"aéc": b"x"}


def test_names_of_windows_and_with_dots(tmp_path):
    assert contents(write_zip(tmp_path / "a.zip", {"a\\b\\": b"", "a\\b\\c.png": b"x"})) == {"a/b/c.png": b"x"}
    assert contents(write_tar(tmp_path / "a.tar", {"./a//b.png": b"x"})) == {"a/b.png": b"x"}


def test_control_characters_stay_on_one_line(tmp_path):
    assert list(contents(write_tar(tmp_path / "a.tar", {"a\nb\u2028.png": b"x"}))) == ["a\\x0ab\\u2028.png"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions(tmp_path, method):
    source = tmp_path / "a.zip"
    with zipfile.ZipFile(source, "w", method) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    assert contents(source) == FILES


def test_an_archive_by_its_content(tmp_path):
    """A tar that ends in a zip is a tar; a zip behind a program is a zip."""
    inner = write_zip(tmp_path / "inner.zip", {"in.png": b"x"}).read_bytes()
    assert list(contents(write_tar(tmp_path / "a.zip", {"b.png": b"b", "z.zip": inner}))) == ["z.zip", "b.png"]
    selfish = tmp_path / "a.exe"
    selfish.write_bytes(b"MZ" + bytes(500) + inner)
    assert contents(selfish) == {"in.png": b"x"}


def test_links_inside_a_folder_are_followed(tmp_path):
    source = write_folder(tmp_path / "source", {"raw/0/a.png": b"a", "raw/1/b.png": b"b"})
    (source / "Normal").symlink_to("raw/0")
    (source / "raw/1/c.png").symlink_to(source / "raw/0/a.png")
    linked = tmp_path / "linked"
    linked.symlink_to(source)
    expected = {"raw/0/a.png": b"a", "raw/1/b.png": b"b", "raw/1/c.png": b"a", "Normal/a.png": b"a"}
    assert contents(source) == contents(linked) == expected


def test_what_is_no_file_is_left_out_of_a_folder(tmp_path):
    source = write_folder(tmp_path / "source", {"a.png": b"a"})
    os.mkfifo(source / "pipe.png")
    assert contents(source) == {"a.png": b"a"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path):
    source = write_folder(tmp_path / "source", {"a/b.png": b"a"})
    (source / "a").chmod(0)
    try:
        assert message(open_tree, source) == f"{source}: a/: cannot be read (Permission denied); fix its permissions"
    finally:
        (source / "a").chmod(stat.S_IRWXU)


def test_a_packed_tar_is_not_unpacked_for_each_file(tmp_path, monkeypatch):
    """Reading n files of a compressed tar backwards reads the packed bytes once, not n times."""
    source = write_tar(tmp_path / "a.tgz", {f"{n:03}.png": os.urandom(2000) for n in range(300)}, "w:gz")
    seen = []
    plain = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, n=-1: seen.append(len(part := plain(self, n))) or part)
    with open_tree(source) as tree:
        for name in reversed(tree.names):
            assert len(tree.read(name)) == 2000
    assert 600_000 < sum(seen) < 1_100_000


def test_a_tree_leaves_no_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    source = write_tar(tmp_path / "a.tgz", FILES, "w:gz")
    with open_tree(source) as tree:
        assert tree.read("top") == b"top"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_no_room_to_unpack(tmp_path, monkeypatch):
    source = write_tar(tmp_path / "a.tgz", FILES, "w:gz")
    monkeypatch.setattr("tempfile.tempdir", "/room")
    with Path("/dev/full").open("w+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
        assert message(open_tree, source) == (
            f"{source}: cannot be unpacked in /room (No space left on device); set TMPDIR to a folder with more room"
        )


@pytest.mark.slow
def test_50000_names_are_listed_at_once(tmp_path):
    source = write_zip(tmp_path / "a.zip", {f"{n % 7}/Bild {n}.png": b"" for n in range(50_000)})
    start = time.process_time()
    with open_tree(source) as tree:
        assert len(tree.names) == 50_000
    assert time.process_time() - start < 5


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_folder(tmp_path / "data", {"a.png": b"a"})
    assert open_tree(place("~/data"), "folder").names == ["a.png"]
    assert len(fingerprint(place("~/data"), "folder")) == 64
    assert message(place, "~nobody-of-that-name/x").startswith("~nobody-of-that-name/x: no home folder of that user")


def test_a_fingerprint_follows_the_content(write):
    source = write(FILES)
    kind = "folder" if source.is_dir() else "archive"
    first = fingerprint(source, kind)
    assert first == fingerprint(source, kind) == fingerprint(source, "dicom") and len(first) == 64
    assert len({first, *(fingerprint(write(FILES | {"top": text}), kind) for text in (b"tip", b"longer"))}) == 3


def test_junk_does_not_change_the_fingerprint_of_a_folder(tmp_path):
    source = write_folder(tmp_path / "source", FILES)
    first = fingerprint(source, "folder")
    write_folder(source, {"Thumbs.db": b"x", "a 1/.DS_Store": b"x"})
    assert fingerprint(source, "folder") == first
    (source / "top").rename(source / "tip")
    assert fingerprint(source, "folder") != first


def test_a_fingerprint_of_a_table(tmp_path):
    write_folder(tmp_path, {"a/x, y.png": b"1", "b.png": b"2", "c.png": b"3"})
    table = tmp_path / "table.csv"
    table.write_text('path,label\n"a/x, y.png",1\nb.png,0\n' + "z" * 5000 + ",0\n\0,1\n", encoding="utf-8")
    prints = [fingerprint(table, "table")]
    for name, content in {"a/x, y.png": b"11", "b.png": b"22"}.items():
        (tmp_path / name).write_bytes(content)
        prints.append(fingerprint(table, "table"))
    (tmp_path / "c.png").write_bytes(b"not of the table")
    assert fingerprint(table, "table") == prints[-1]
    table.write_text("path,label\nb.png,1\n", encoding="utf-8")
    assert len({*prints, fingerprint(table, "table")}) == 4
    gone = tmp_path / "gone.csv"
    assert message(fingerprint, gone, "table") == (
        f"{gone}: cannot be read (No such file or directory); set data.source to the path of a CSV"
    )


def test_the_first_few_of_many():
    assert listed([]) == "" and listed(["a"]) == "a" and listed("abc") == "a, b, c"
    assert listed("abcd") == "a, b, c and 1 more" and listed("abcd", 2) == "a, b and 2 more"
