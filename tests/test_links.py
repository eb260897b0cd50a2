"""How DVC puts files in place: what is a link becomes a file, and what cannot work is refused."""

import os
import subprocess

import pytest

from heatproof import links
from heatproof.errors import InputError


@pytest.mark.parametrize("make", ["hardlink_to", "symlink_to"])
def test_a_link_becomes_a_file_of_its_own(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    kept, path = tmp_path / "kept", tmp_path / "results/data/a/digest.json"
    kept.write_text("1")
    kept.chmod(0o444)
    path.parent.mkdir(parents=True)
    getattr(path, make)(kept)
    (path.parent / "gone").symlink_to("nowhere")
    links.own()
    assert not links.linked(path) and path.read_text() == "1"
    assert path.stat().st_mode & 0o200 and path.stat().st_mtime_ns == kept.stat().st_mtime_ns
    path.write_text("2")
    assert kept.read_text() == "1" and not kept.stat().st_mode & 0o200
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".part"] == []


def test_a_link_that_cannot_become_a_file_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").write_text("1")
    path = tmp_path / "results/data/digest.json"
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "kept")
    (path.parent / f".own.{os.getpid()}.part").mkdir()  # as where nothing can be written
    with pytest.raises(InputError, match=r"^results/data/digest\.json: a link .* cache\.type in \.dvc/config"):
        links.own()
    assert path.is_symlink()


@pytest.mark.parametrize(
    ("shared", "local", "refused"),
    [
        ("[cache]\n    type = reflink\n", None, ".dvc/config"),
        ("[cache]\n    type = copy\n", '[cache]\n    dir = /a\n    type = "reflink"\n', ".dvc/config.local"),
        ("[cache]\n    type = reflink\n", "[cache]\n    type = reflink,copy\n", None),
        ("['remote \"a\"']\n    url = s3://%b\n[cache]\n    type = symlink\n", None, None),
        ("[core]\n    analytics = false\n", "not a configuration", None),
    ],
)
def test_reflink_alone_is_refused_where_the_disk_has_none(tmp_path, monkeypatch, shared, local, refused):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(shared)
    if local:
        (tmp_path / ".dvc/config.local").write_text(local)
    monkeypatch.setattr(links, "_reflinks", lambda folder: False)
    if refused:
        with pytest.raises(
            InputError, match=f"^{refused}: cache.type: reflink: this disk has no reflinks, .* make it reflink,copy$"
        ):
            links.check_type()
    else:
        links.check_type()
    monkeypatch.setattr(links, "_reflinks", lambda folder: True)
    links.check_type()


def test_a_disk_is_asked_whether_it_has_reflinks(tmp_path):
    (tmp_path / "a").write_bytes(b"0" * 4096)
    done = subprocess.run(["cp", "--reflink=always", tmp_path / "a", tmp_path / "b"], capture_output=True)
    assert links._reflinks(tmp_path) == (done.returncode == 0)
