"""`heatproof verify`, on results that DVC itself recorded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from heatproof import cli
from heatproof.store import artifacts
from heatproof.store.sealing import sidecar
from heatproof.workflow.files import record

CARD, TABLE = "results/models/a/card.json", "results/stats/a/summary.json"
PAGE = "results/report/a.html"
STAGE = """\
stages:
  study:
    cmd: "true"
    outs:
      - results/models
      - results/report
      - results/stats:
          cache: false
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    for name in (CARD, TABLE):
        artifacts.write_json(folder / name, {"value": name})
    (folder / PAGE).parent.mkdir()
    (folder / PAGE).write_text("<p>a page")
    (folder / "dvc.yaml").write_text(STAGE)
    for command in (["init", "--no-scm", "-q"], ["commit", "--force", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, check=True)
    return folder


@pytest.fixture
def folder(recorded, tmp_path, monkeypatch):
    shutil.copytree(recorded, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def verify(capsys, *options) -> tuple[int, str]:
    code = cli.main(["verify", *options])
    said = capsys.readouterr()
    return code, said.out + said.err


def stored(content: bytes):
    """The object of the cache that holds these bytes."""
    (found,) = [path for path in Path(".dvc/cache/files/md5").rglob("*") if path.is_file()
                and path.read_bytes() == content]  # fmt: skip
    return found


def damage(path, *, truncate=False):
    """Alter a file as a failing disk does: nothing else about it changes."""
    mode, content = path.stat().st_mode, path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(content[:-3] if truncate else content[:-3] + b"\x55" + content[-2:])
    path.chmod(mode)


def test_sound_results_and_objects_are_counted(folder, capsys):
    code, said = verify(capsys)
    assert code == 0 and said.startswith("sound: 2 results\n")
    code, said = verify(capsys, "--cache")
    assert code == 0 and "sound: 2 results, 5 objects in DVC's cache\n" in said


@pytest.mark.parametrize("truncate", [True, False])
@pytest.mark.slow
def test_a_damaged_result_is_named_with_both_ways_to_fix_it(folder, capsys, truncate):
    damage(folder / CARD, truncate=truncate)
    code, said = verify(capsys)
    assert code == 1
    assert f"{CARD}: truncated or altered since it was written" in said
    assert f"bring it back by `dvc checkout {CARD}`" in said
    assert "damaged: 1 results, 0 objects" in said and TABLE not in said
    (folder / CARD).unlink()
    subprocess.run([sys.executable, "-m", "dvc", "checkout", "-q", CARD], cwd=folder, check=True)
    assert verify(capsys)[0] == 0


def test_a_result_that_is_gone_is_named(folder, capsys):
    (folder / CARD).unlink()
    assert f"{CARD}: not found" in verify(capsys)[1]


def test_a_result_of_snakemake_without_a_digest_is_named_and_a_file_of_the_user_is_not(folder, capsys):
    (folder / "results/models/notes.txt").write_text("mine")
    sidecar(Path(CARD)).unlink()
    assert verify(capsys)[0] == 0, "who says that it is a result?"
    record(Path(CARD)).parent.mkdir(parents=True)
    record(Path(CARD)).write_text("{}")
    code, said = verify(capsys)
    assert code == 1 and f"{CARD}: .card.json.sha256 is not beside it" in said and "notes.txt" not in said


@pytest.mark.parametrize("truncate", [True, False])
def test_a_damaged_object_is_named_with_its_result(folder, capsys, truncate):
    found = stored((folder / CARD).read_bytes())
    damage(found, truncate=truncate)
    code, said = verify(capsys, "--cache")
    assert code == 1
    assert f"{found}: its content does not match its name ({CARD}); delete it, then `dvc commit --force`" in said
    assert "damaged: 0 results, 1 objects" in said
    assert verify(capsys)[0] == 0, "objects are read where that is asked for"
    found.unlink()
    subprocess.run([sys.executable, "-m", "dvc", "commit", "--force", "-q"], cwd=folder, check=True)
    assert verify(capsys, "--cache")[0] == 0


def test_what_dvc_checks_out_of_a_damaged_object_is_found(folder, capsys):
    found = stored((folder / CARD).read_bytes())
    damage(found)
    (folder / CARD).unlink()
    subprocess.run([sys.executable, "-m", "dvc", "checkout", "-q"], cwd=folder, check=True)
    assert (folder / CARD).read_bytes() == found.read_bytes(), "DVC trusts an object that is read-only"
    code, said = verify(capsys, "--cache")
    assert code == 1 and f"{CARD}: truncated or altered" in said
    assert "brings it back" not in said and f"({CARD}); delete it and the result, then `dvc pull`" in said


def test_a_damaged_list_and_an_object_of_nothing_here_are_named(folder, capsys):
    (listing,) = [path for path in Path(".dvc/cache/files/md5").rglob("*.dir") if b"card.json" in path.read_bytes()]
    damage(listing, truncate=True)
    other = stored(b"<p>a page")
    damage(other)
    (folder / "dvc.lock").write_text((folder / "dvc.lock").read_text().replace("results/report", "results/else"))
    said = verify(capsys, "--cache")[1]
    assert f"{listing}: its content does not match its name (the list of files of results/models)" in said
    assert f"{other}: its content does not match its name" in said


def test_a_page_that_is_not_the_recorded_one_is_said_and_no_damage(folder, capsys):
    (folder / PAGE).write_text("<p>another page")
    code, said = verify(capsys)
    assert code == 0 and f"1 results differ from dvc.lock ({PAGE}, ...)" in said


def test_a_result_made_again_since_is_no_damage(folder, capsys):
    artifacts.write_json(folder / CARD, {"value": "made again"})
    code, said = verify(capsys)
    assert code == 0 and "differ from dvc.lock" in said


def test_the_cache_of_no_project_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert verify(capsys) == (0, "sound: 0 results\n")
    assert verify(capsys, "--cache") == (
        1,
        "heatproof verify: .dvc: not in this folder; run this in the folder of the project\n",
    )
