"""Results that no study names: listed, removed when requested, and otherwise left where they are."""

import shutil
from pathlib import Path

import pytest

from heatproof.cli import main
from heatproof.commands.clean import leftovers
from heatproof.config.load import load
from heatproof.store.kept import links
from heatproof.store.sealing import sidecar
from heatproof.workflow import files
from heatproof.workflow.job import Job

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A project with the study `tiny` alone."""
    (tmp_path / "studies").mkdir()
    shutil.copy(ROOT / "studies/tiny.yaml", tmp_path / "studies")
    shutil.copytree(ROOT / "studies/papers", tmp_path / "studies/papers")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text().replace("[quickstart]", "[tiny]"))
    monkeypatch.chdir(tmp_path)


def make(path: str | Path) -> Path:
    """Write a file as Snakemake leaves it: with its digest and its record."""
    path = Path(path)
    for part in (path, sidecar(path), files.record(path)):
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text("bytes")
    return path


def test_what_no_study_names_is_listed_and_removed_when_requested(capsys):
    kept = [make(path) for path in files.results(Job("tiny", load()["tiny"]))]
    gone = [make("results/models/tiny/resnet18/0/fold0/card.json"), make("results/data/other/digest.json")]
    gone += [make("results/report/other.html")]
    link, note = links(gone[0])
    link.parent.mkdir(parents=True)
    link.hardlink_to(gone[0])
    note.write_text("{}")
    notes = gone[0].with_name("notes.txt")
    notes.write_text("mine")
    assert main(["clean"]) == 0
    listed = capsys.readouterr().out
    assert "results/models/tiny/resnet18/0/fold0: 1, 5 bytes" in listed and "heatproof clean --remove" in listed
    assert all(path.exists() for path in (*kept, *gone))
    assert main(["clean", "--remove"]) == 0
    assert all(path.exists() for path in (*kept, notes)), "what Snakemake has not made is nobody's to remove"
    assert not any(part.exists() for path in gone for part in (path, sidecar(path), files.record(path)))
    assert not Path("results/data/other").exists() and not link.exists() and not note.exists()
    capsys.readouterr()
    assert main(["clean"]) == 0 and capsys.readouterr().out == "nothing to clean\n"


def test_long_names_are_found():
    path = make(f"results/heatmaps/s/{'m' * 120}/{'n' * 120}/maps.npy")
    assert len(files.record(path).parts) == 4
    assert leftovers([]) == [path]


@pytest.mark.parametrize(("whole", "named", "stays"), [(False, True, True), (True, True, False), (False, False, False)])
def test_shards_of_a_killed_run_stay_while_they_are_of_use(whole, named, stays):
    maps = Path("results/heatmaps/s/a/0/fold0/maps.npy")
    part = maps.with_suffix(".1of2") / "maps.npy"
    part.parent.mkdir(parents=True)
    part.write_text("half")
    if whole:
        make(maps)
    assert leftovers([maps] if named else []) == ([] if stays else [part.parent])


def test_nothing_is_removed_beside_a_run(monkeypatch, capsys):
    gone = make("results/data/other/digest.json")
    monkeypatch.setattr("heatproof.store.locks._locked", lambda *_, **__: None)
    assert main(["clean", "--remove"]) == 1
    assert gone.exists() and "Snakemake is running in this folder" in capsys.readouterr().err
