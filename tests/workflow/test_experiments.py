"""DVC's experiments: one parameter changed runs what it must and no more, here and from the queue."""

import csv
import io
import time

import pytest
from workflow.project import Project
from workflow.test_both_engines import ran, since

pytestmark = pytest.mark.slow

ALPHA = "studies/tiny.yaml:stats.alpha"


@pytest.fixture
def pulled(clone) -> Project:
    clone.run("dvc", "pull")
    return clone


def shown(project: Project) -> dict[str, dict[str, str]]:
    """The rows of `dvc exp show` by name."""
    table = csv.DictReader(io.StringIO(project.run("dvc", "exp", "show", "--csv").stdout))
    return {row["Experiment"] or row["rev"]: row for row in table}


def test_an_experiment_runs_what_it_changes_and_becomes_a_branch(pulled):
    done = pulled.run("dvc", "exp", "run", "--name", "stricter", "--set-param", f"{ALPHA}=0.01")
    assert ran(done.stdout + done.stderr) == since("stats")
    assert pulled.planned() == {}
    rows = shown(pulled)
    assert rows["stricter"][ALPHA] == "0.01" and rows["master"][ALPHA] == "0.05"
    assert rows["stricter"]["balanced_accuracy.test_resnet"] == rows["master"]["balanced_accuracy.test_resnet"] != ""
    pulled.run("git", "checkout", "-q", ".")
    pulled.run("dvc", "checkout")
    assert pulled.planned() == {}
    pulled.run("dvc", "exp", "apply", "stricter")
    assert pulled.planned() == {}
    pulled.run("git", "checkout", "-q", ".")
    pulled.run("dvc", "exp", "branch", "stricter", "stricter")
    pulled.run("git", "checkout", "-q", "stricter")
    pulled.run("dvc", "checkout")
    assert pulled.planned() == {}
    assert "alpha: 0.01" in (pulled.folder / "studies/tiny.yaml").read_text()


def test_what_every_study_shares_can_be_set_and_a_key_that_is_not_written_yet_added(pulled):
    changes = ["--set-param", "report.images=59", "--set-param", "studies/tiny.yaml:+report.title=Mine"]
    done = pulled.run("dvc", "exp", "run", "--name", "title", *changes)
    assert ran(done.stdout + done.stderr) == since("report")
    assert "Mine" in (pulled.folder / "results/report/tiny.html").read_text()
    row = shown(pulled)["title"]
    assert (row["report.images"], row["studies/tiny.yaml:report.title"]) == ("59", "Mine")


def test_a_queue_runs_in_a_folder_of_its_own_and_no_more_than_it_must(pulled):
    pulled.run("dvc", "exp", "run", "--queue", "--name", "many", "--set-param", f"{ALPHA}=0.01,0.1")
    assert pulled.run("dvc", "queue", "status").stdout.count("Queued") == 2
    pulled.run("dvc", "queue", "start")
    deadline = time.monotonic() + 300
    while any(word in (said := pulled.run("dvc", "queue", "status").stdout) for word in ("Queued", "Running")):
        assert time.monotonic() < deadline, said
        time.sleep(1)
    assert said.count("Success") == 2, said
    for task in [line.split()[0] for line in said.splitlines() if "Success" in line]:
        assert ran(pulled.run("dvc", "queue", "logs", task).stdout) == since("stats")
    assert pulled.run("git", "status", "--porcelain").stdout == "" and pulled.planned() == {}
    rows = shown(pulled)
    assert sorted(row[ALPHA] for row in rows.values()) == ["0.01", "0.05", "0.05", "0.1"]
    name = next(name for name, row in rows.items() if row[ALPHA] == "0.1")
    pulled.run("dvc", "exp", "apply", name)
    assert pulled.planned() == {}
