"""Where a report comes from: code that can be had again, machine, durations; no path, and nothing of it elsewhere."""

import json
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from report.pages import Page

from heatproof.report.paper import provenance
from heatproof.store import artifacts

BLOCK = re.compile(r"<!-- provenance -->.*?<!-- /provenance -->", re.DOTALL)


def git(*arguments: str, folder: Path = Path()) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, errors="replace")
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A committed tree of code, with settings of its user that change what `git diff` prints."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    git("init", "-q")
    for key, value in {"diff.noprefix": "true", "diff.external": "false", "color.ui": "always"}.items():
        git("config", key, value)
    for name in ("kept.py", "changed.py", "removed.py", "run.sh", "empty.txt"):
        Path(name).write_text(f"# {name}\n" * 20 if name != "empty.txt" else "")
    Path("table.bin").write_bytes(bytes(range(256)))
    Path(".gitignore").write_text("ignored/\n")
    git("add", "-A")
    git("commit", "-qm", "x")
    return folder


def tree(folder: Path) -> dict[str, tuple]:
    """Every file but git's, results and what is ignored: its bytes or where it points to, and if it may be run."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.split("/")[0] in (".git", "results", "ignored") or name == "dvc.lock":
            continue
        content = path.readlink() if path.is_symlink() else path.read_bytes()
        found[name] = (content, not path.is_symlink() and bool(path.stat().st_mode & 0o100))
    return found


def change() -> None:
    """All that can happen to a tree."""
    Path("changed.py").write_bytes(b"no newline at its end, \xff no UTF-8\r\n1")
    Path("removed.py").unlink()
    Path("run.sh").chmod(0o755)
    Path("table.bin").write_bytes(bytes(range(255, -1, -1)))
    Path("kept.py").rename("moved there.py")
    Path("new/deeper").mkdir(parents=True)
    Path("new/deeper/größe \"and\" 'more'.py").write_text("1\n")
    Path("new/blank.py").touch()
    Path("new/random.bin").write_bytes(b"\0\1\2" * 99)
    Path("link").symlink_to("changed.py")
    Path("staged.py").write_text("2\n")
    git("add", "staged.py")
    for made in ("ignored/x.py", "results/x.csv", "dvc.lock"):
        Path(made).parent.mkdir(exist_ok=True)
        Path(made).write_text("made")


def test_the_code_that_made_a_report_can_be_had_again(repository, tmp_path):
    change()
    before = git("status", "--porcelain"), Path(".git/index").read_bytes(), sorted(Path(".git/objects").rglob("*"))
    found = provenance.read_revision()
    assert found.dirty and found.commit == git("rev-parse", "HEAD") and found.left_out == []
    after = git("status", "--porcelain"), Path(".git/index").read_bytes(), sorted(Path(".git/objects").rglob("*"))
    assert after == before
    clone = tmp_path / "clone"
    git("clone", "-q", str(repository), str(clone))
    (tmp_path / "changes.diff").write_bytes(found.changes)
    git("checkout", "-q", found.commit, folder=clone)
    assert tree(clone) != tree(repository)
    git("apply", str(tmp_path / "changes.diff"), folder=clone)
    assert tree(clone) == tree(repository) and len(tree(clone)) == 11


def test_a_project_in_a_folder_of_a_repository(repository, tmp_path, monkeypatch):
    Path("project/results").mkdir(parents=True)
    Path("project/code.py").write_text("1\n")
    git("add", "-A")
    git("commit", "-qm", "y")
    Path("project/code.py").write_text("2\n")
    Path("project/results/table.csv").write_text("1\n")
    Path("changed.py").write_text("of another project")
    monkeypatch.chdir("project")
    changes = provenance.read_revision().changes
    assert b"code.py" in changes and b"table.csv" not in changes and b"changed.py" not in changes
    git("clone", "-q", str(repository), str(tmp_path / "clone"))
    (tmp_path / "changes.diff").write_bytes(changes)
    git("apply", str(tmp_path / "changes.diff"), folder=tmp_path / "clone")
    assert (tmp_path / "clone/project/code.py").read_text() == "2\n"


def test_a_clean_tree_has_no_changes(repository):
    Path("results").mkdir()
    Path("results/table.csv").write_text("1")
    found = provenance.read_revision()
    assert (found.changes, found.left_out, found.dirty) == (b"", [], False)


def test_what_is_large_is_named_and_data_and_secrets_are_not(repository):
    Path("weights.bin").write_bytes(b"0" * (provenance.LARGEST_UNTRACKED + 1))
    Path("scans").mkdir()
    for number in range(3):
        Path(f"scans/{number}.png").write_bytes(b"0" * (provenance.LARGEST_UNTRACKED // 2))
    Path("other").mkdir()
    git("init", "-q", folder=Path("other"))
    Path("other/code.py").write_text("of another repository")
    for name in ("key", "images/a.png", "small.py"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("secret")
    found = provenance.read_revision(["key", str(Path("images").absolute()), "/elsewhere", "changed.py"])
    most = provenance.LARGEST_UNTRACKED
    large = {"path": "weights.bin", "bytes": most + 1, "sha256": artifacts.digest(Path("weights.bin"))}
    scans = {"path": "scans/", "bytes": 3 * (most // 2), "files": 3}
    assert found.left_out == [{"path": "other/", "bytes": 0, "files": 0}, scans, large]
    assert re.findall(rb"^diff --git a/(\S+)", found.changes, re.MULTILINE) == [b"small.py"]


@pytest.mark.parametrize("without", ["git", "repository", "commit"])
def test_without_a_commit(tmp_path, monkeypatch, without):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    if without == "git":
        monkeypatch.setenv("PATH", str(tmp_path))
    if without == "commit":
        git("init", "-q")
    assert provenance.read_revision() == provenance.Revision()


def test_where_git_fails_later_the_report_says_so(repository, monkeypatch, made):
    real = provenance._git
    monkeypatch.setattr(provenance, "_git", lambda *a, **e: None if a[0] == "add" else real(*a, **e))
    found = provenance.read_revision()
    assert found.commit and found.changes is None and found.dirty is None
    told = provenance.commit({"commit": found.commit, "dirty": found.dirty})
    assert told == f"commit {found.commit}, and git could not tell what differs from it"


def test_the_machine_has_no_name(monkeypatch):
    import getpass
    import os
    import socket

    found = provenance.describe()
    assert found["cores"] == os.cpu_count() and found["memory_gib"] > 0 and found["cpu"]
    text = " ".join([found["system"], found["cpu"], *found["gpus"]])
    assert "/" not in text.replace("w/", "") and str(Path.home()) not in text
    names = {socket.gethostname(), getpass.getuser()} - {"root"}
    assert not names & set(text.split())


def test_gpus_are_those_that_the_driver_names(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.gpus() == []
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'NVIDIA A'\necho 'NVIDIA B'\n")
    driver.chmod(0o755)
    assert provenance.gpus() == ["NVIDIA A", "NVIDIA B"]
    driver.write_text("#!/bin/sh\necho 'no devices were found'\nexit 6\n")
    assert provenance.gpus() == []


HEAD = "s\th:m:s\tmax_rss\n"


def measure(name: str, seconds: object) -> None:
    path = Path("benchmarks/tiny", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:00\t1.0\n")


def test_durations_by_hand(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert set(provenance.read("tiny", ["a"]).values()) == {None}
    measure("data.tsv", 2)
    measure("regions.tsv", 1.5)
    measure("a/0/fold0/train.tsv", 60)
    measure("a/1/fold0/train.tsv", 61.25)
    measure("gone/1/fold0/train.tsv", 99)
    measure("a/0/fold0/explain.1of2.tsv", 1)
    measure("a/0/fold0/explain-variants.tsv", 2)
    measure("a/fold0/score-consistency.tsv", "NA")
    Path("benchmarks/tiny/stats.tsv").write_text(HEAD)
    found = provenance.read("tiny", ["a"])
    assert {stage: tuple(row.values()) for stage, row in found.items() if row} == {
        "data": (2, 3.5, 2),
        "train": (2, 121.25, 61.25),
        "explain": (2, 3, 2),
    }
    measure("a/7/fold0/train.tsv", 99)
    measure("a/0/fold3/train.tsv", 99)
    measure("a/0/random0/train.tsv", 30)
    measure("a/0/fold0/score-sanity.tsv", 99)
    measure("a/0/fold0/score-localization.1of2.tsv", 3)
    found = provenance.read("tiny", ["a"], [0, 1], ["fold0"], ["localization"])
    assert found["train"]["jobs"] == 3 and found["score"] == {"jobs": 1, "total": 3, "longest": 3}


def test_every_rule_measures_its_jobs_where_the_report_looks():
    rules = Path(__file__).parents[2] / "rules"
    names = re.findall(r'log:\s+"logs/\{study\}/(\S+)\.log"', "".join(p.read_text() for p in rules.glob("*.smk")))
    known = {begin for begins in provenance.STAGES.values() for begin in begins}
    assert {re.match(r"\w+", name.rpartition("/")[2])[0] for name in names} == known


@pytest.mark.slow
def test_a_page_names_all_of_it(copied, rewrite, monkeypatch):
    Path("envs").mkdir()
    Path("envs/requirements.lock").write_text("torch==1\n")
    monkeypatch.setattr(provenance, "BENCHMARKS", Path("measured"))
    Path("measured/made_up").mkdir(parents=True)
    Path("measured/made_up/stats.tsv").write_text(f"{HEAD}75\t0:01:15\t1.0\n")
    gpu = {"cpu": "A CPU", "gpus": ["A GPU"], "cores": 3, "memory_gib": 15.6, "system": "Linux x86_64"}
    monkeypatch.setattr(provenance, "describe", lambda: gpu)
    code = provenance.Revision(
        "c0ffee", b"diff --git", [{"path": "<img src=x>.bin", "bytes": 2_000_000, "sha256": "ab"}]
    )
    monkeypatch.setattr(provenance, "read_revision", lambda data: code)
    text = Page(BLOCK.search(rewrite(copied))[0]).text
    record = json.loads(Path("results/report/made_up/provenance.json").read_text())
    assert "commit c0ffee, with changes that are not committed" in text
    again = "git checkout c0ffee, then git apply results/report/made_up/changes.diff (its SHA-256: "
    assert again + record["changes"]["sha256"] in text
    assert "<img src=x>.bin (2,000,000 bytes, SHA-256 ab)" in text
    assert (
        artifacts.digest(Path("results/data/made_up/digest.json")) == record["data_sha256"]
        and record["data_sha256"] in text
    )
    assert artifacts.digest(Path("envs/requirements.lock")) == record["lock_sha256"] and record["lock_sha256"] in text
    assert "Linux x86_64, A CPU, 3 cores, 16 GiB memory, A GPU" in text
    assert re.search(r"stats ?1 ?1 min 15 s ?1 min 15 s", text) and re.search(r"train ?– ?not recorded", text)
    assert "report (the run before this one)" in text and f"timm {record['packages']['timm']}" in text
    kept = Path("results/report/made_up/changes.diff")
    assert kept.read_bytes() == b"diff --git" and artifacts.digest(kept) == record["changes"]["sha256"]
    monkeypatch.setattr(provenance, "read_revision", lambda data: provenance.Revision("c0ffee", b""))
    text = Page(BLOCK.search(rewrite(copied))[0]).text
    assert kept.read_bytes() == b"" and "without changes" in text and "git apply" not in text
    assert json.loads(Path("results/report/made_up/provenance.json").read_text())["changes"] is None


@pytest.mark.slow
def test_nothing_else_depends_on_time_machine_place_and_code(made, report, rewrite, tmp_path, monkeypatch):
    """The files of a paper are held by test_paper, which writes them twice."""
    study = made()
    first = report(study)
    shutil.copytree("results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)

    class Later(datetime):
        @classmethod
        def now(cls, zone):
            return super().now(zone).replace(year=2050)

    monkeypatch.setattr(provenance, "datetime", Later)
    monkeypatch.setattr(
        provenance, "describe", lambda: {"system": "s", "cpu": "c", "cores": 9, "memory_gib": 1, "gpus": []}
    )
    monkeypatch.setattr(provenance, "read_revision", lambda data: provenance.Revision("c0ffee", b"x"))
    second = rewrite(study)
    assert len(BLOCK.findall(first)) == len(BLOCK.findall(second)) == 1
    assert first != second and BLOCK.sub("", first) == BLOCK.sub("", second)


def test_both_files_are_declared():
    assert [path.name for path in artifacts.provenance("tiny")] == ["provenance.json", "changes.diff"]
    assert not set(artifacts.PROVENANCE) & set(artifacts.NAMES)


def test_absolute_paths_of_the_configuration_keep_their_last_name_alone():
    config = {
        "data": {"source": "/home/me/scans", "key_file": "~/key", "contents": "lists/own.txt", "patient": r"/(P\d+)"},
        "explain": {"external": {"mine": "C:\\maps\\{model}.npz", "theirs": "maps/a.npz"}},
        "train": {"models": {"resnet50": {"weights": "/mnt/store/{model}.safetensors"}}},
        "report": {"question": "Q: how/why?", "title": None},
        "seeds": (0, 1),
    }
    shown = json.loads(provenance.parameters(config))
    assert shown["data"] == {
        "source": ".../scans",
        "key_file": ".../key",
        "contents": "lists/own.txt",
        "patient": r"/(P\d+)",
    }
    assert shown["explain"]["external"] == {"mine": ".../{model}.npz", "theirs": "maps/a.npz"}
    assert shown["train"]["models"]["resnet50"]["weights"] == ".../{model}.safetensors"
    assert shown["report"] == config["report"] and shown["seeds"] == [0, 1]
