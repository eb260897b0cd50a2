"""`make reproduce`: that it finds what differs, and that nothing does."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from workflow.project import ROOT, Project, create

from heatproof.core.messages import InputError
from heatproof.store import artifacts
from tools.reproduce import compared, main

PAGE = "<p>{}</p><!-- provenance --><p>{}</p><!-- /provenance --><p>{}</p>"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def record(clone: Path, stages: dict[str, dict[str, str]]) -> Path:
    """A clone of which DVC has recorded these files: all but stats in its cache, by the hash of their list."""
    outs = []
    for stage, files in stages.items():
        listed = [{"md5": md5(text.encode()), "relpath": name} for name, text in sorted(files.items())]
        tree = json.dumps(listed, sort_keys=True).encode()
        name = md5(tree) + ".dir"
        outs.append({"path": f"results/{stage}", "md5": name})
        if stage != "stats":
            (clone / ".dvc/cache/files/md5" / name[:2]).mkdir(parents=True, exist_ok=True)
            (clone / ".dvc/cache/files/md5" / name[:2] / name[2:]).write_bytes(tree)
        for path, text in files.items():
            (clone / "results" / stage / path).parent.mkdir(parents=True, exist_ok=True)
            (clone / "results" / stage / path).write_text(text)
    (clone / "dvc.lock").write_text(yaml.safe_dump({"stages": {"study": {"outs": outs}}}))
    return clone


def stages(**changed: dict[str, str]) -> dict[str, dict[str, str]]:
    found = {stage: {"s/x/a": stage, "s/.a.sha256": "0", "other/a": "0"} for stage in artifacts.STAGES}
    found["report"] |= {"s.html": PAGE.format(1, 2, 3), "s/provenance.json": "{}", "s/changes.diff": ""}
    return {stage: files | changed.get(stage, {}) for stage, files in found.items()}


def differences(tmp_path: Path, **changed: dict[str, str]) -> list[str]:
    one, two = record(tmp_path / "one", stages()), record(tmp_path / "two", stages(**changed))
    return [f"{line.split(':')[0]}: {name}" for line, names in compared(one, two, "s") for name in names]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"heatmaps": {"s/x/a": "!"}}, ["heatmaps: s/x/a"]),
        ({"stats": {"s/x/a": "!"}}, ["stats: s/x/a"]),
        ({"models": {"s/b": "new"}}, ["models: s/b"]),
        ({"scores": {"s/.a.sha256": "1"}}, ["scores: s/.a.sha256"]),
        ({"scores": {"other/a": "1"}}, []),  # another study, which was not computed
        ({"report": {"s.html": PAGE.format(1, "other", 3)}}, []),
        ({"report": {"s.html": PAGE.format(1, 2, "other")}}, ["report: s.html"]),
        ({"report": {"s/provenance.json": "1", "s/.provenance.json.sha256": "1", "s/changes.diff": "1"}}, []),
    ],
)
def test_what_differs_between_two_clones_is_named(tmp_path, changed, expected):
    assert differences(tmp_path, **changed) == expected


def test_a_file_that_dvc_has_not_recorded_is_not_compared(tmp_path):
    one, two = record(tmp_path / "one", stages()), record(tmp_path / "two", stages())
    (two / "results/stats/s/x/a").write_text("edited")
    with pytest.raises(InputError, match="results/stats: not as DVC recorded it"):
        list(compared(one, two, "s"))


def test_a_stage_that_left_nothing_is_an_error(tmp_path):
    one, two = record(tmp_path / "one", stages()), record(tmp_path / "two", {**stages(), "scores": {}})
    with pytest.raises(InputError, match="s has not left every stage"):
        list(compared(one, two, "s"))


def test_a_study_that_is_not_in_the_commit_is_refused(tmp_path, monkeypatch, capsys):
    project = create(tmp_path / "project")
    project.run("git", "rm", "-q", "--cached", "studies/tiny.yaml")
    project.run("git", "commit", "-qm", "without")
    monkeypatch.chdir(project.folder)
    assert main(["--keep", str(tmp_path / "clones")]) == 1
    told = capsys.readouterr()
    assert "left out, as it is not committed: ?? studies/tiny.yaml" in told.out
    assert told.err == "reproduce: studies/tiny.yaml: not in the commit that is checked out; commit it first\n"


@pytest.mark.slow
def test_two_clean_clones_leave_the_same_bytes(tmp_path):
    project = create(tmp_path / "project")
    command = [sys.executable, str(ROOT / "tools/reproduce.py"), "--keep", str(tmp_path / "clones")]
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "the same bytes"
    assert sum(line.endswith("files, the same bytes") for line in lines) == len(artifacts.STAGES)
    assert any(line.startswith("models in another order") for line in lines)

    two = Project(tmp_path / "clones/two/a much deeper/folder")
    maps = "tiny/test_vit/1/fold0/maps.npy"
    path = two.folder / "results/heatmaps" / maps
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)
    two.run("dvc", "commit", "--force")
    found = {line.split(":")[0]: names for line, names in compared(tmp_path / "clones/one", two.folder, "tiny")}
    assert found.pop("heatmaps") == [maps]
    assert not any(found.values())
