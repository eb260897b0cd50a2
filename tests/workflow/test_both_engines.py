"""Snakemake and DVC together: one edit runs the same jobs in both, and a clone that pulls runs none."""

import json
import re
from collections import Counter

import pytest
from workflow.project import Project

pytestmark = pytest.mark.slow

STUDY = "studies/tiny.yaml"
ORDER = ("data", "audit", "train", "explain", "score", "stats", "report")


def since(stage: str) -> dict[str, int]:
    """A job of each stage from this one on."""
    return dict.fromkeys(ORDER[ORDER.index(stage) :], 1)


PARAMETERS = {
    "data": ("patients: 45", "patients: 48", since("data")),
    "compute": ("threads: 1}", "threads: 1, batch_size: 32}", since("train")),
    "train": ("lr: 1.0e-3", "lr: 2.0e-3", since("train")),
    "explain": ("images_per_group: 1", "images_per_group: 2", since("explain")),
    "score": ("score:\n", "score:\n  localization: {tolerance: 0.1}\n", since("score")),
    "stats": ("alpha: 0.05", "alpha: 0.06", since("stats")),
    "report": ("gallery: 2", "gallery: 3", since("report")),
    "a model": ("[test_resnet]", "[test_resnet, test_vit]", since("train")),
    "a seed": ("seeds: [0]", "seeds: [0, 1]", since("train")),
}
CODE = {
    "data": ("data/synthetic/phantom.py", since("data")),
    "train": ("train/loop.py", since("train")),
    "explain": ("explain/cam.py", since("explain")),
    "score": ("score/metrics/localization.py", since("score")),
    "stats": ("stats/tests/omnibus.py", since("stats")),
    "report": ("report/page.py", since("report")),
}


def edit(project: Project, name: str) -> dict[str, int]:
    """Make one edit, and say which jobs it must run."""
    if name in PARAMETERS:
        old, new, expected = PARAMETERS[name]
        project.edit(STUDY, old, new)
        return expected
    file, expected = CODE[name.removesuffix(".py")]
    path = project.folder / "src/heatproof" / file
    path.write_text(path.read_text() + "\n# edited\n")
    return expected


def ran(said: str) -> dict[str, int]:
    """The jobs that Snakemake ran to their end."""
    return dict(Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (?!all\))(\w+)\)", said, re.M)))


EDITS = [*PARAMETERS, *(f"{name}.py" for name in CODE)]


@pytest.mark.parametrize("attempt", range(10))
def test_a_clone_that_pulls_has_nothing_to_do(recorded, clone, attempt):
    clone.run("dvc", "pull")
    said = clone.snakemake("-n")
    assert "Nothing to be done" in said and "missing provenance" not in said
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert clone.files("", "../benchmarks") == recorded.files("", "../benchmarks")


def test_an_edit_that_is_undone_leaves_a_clone_nothing_to_do(clone):
    clone.run("dvc", "pull")
    for name in EDITS:
        expected = edit(clone, name)
        assert clone.planned() == expected, name
        assert "changed" in clone.run("dvc", "status").stdout, f"{name}: dvc repro would run nothing"
        clone.run("git", "checkout", "-q", ".")
        assert clone.planned() == {}, name


@pytest.mark.parametrize("name", ["explain", "score", "report", "a seed", "stats.py"])
def test_dvc_runs_what_snakemake_plans_and_an_old_commit_has_nothing_to_do(clone, name):
    clone.run("dvc", "pull")
    expected = edit(clone, name)
    assert clone.planned() == expected
    done = clone.run("dvc", "repro")
    assert ran(done.stdout + done.stderr) == expected
    assert clone.planned() == {}
    assert clone.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    clone.run("git", "commit", "-qam", "edited")
    for commit in ("HEAD~1", "-"):
        clone.run("git", "checkout", "-q", commit)
        clone.run("dvc", "checkout")
        assert clone.planned() == {}
        assert clone.run("git", "status", "--porcelain").stdout == ""


def test_a_model_that_is_taken_out_is_read_by_nothing_and_comes_back_untrained(clone):
    clone.run("dvc", "pull")
    expected = edit(clone, "a model")
    done = clone.run("dvc", "repro")
    assert ran(done.stdout + done.stderr) == expected
    clone.run("git", "commit", "-qam", "two models")
    stages = ("models", "heatmaps", "scores", "stats")
    with_both = clone.files(*stages)
    clone.edit(STUDY, "[test_resnet, test_vit]", "[test_resnet]")
    assert clone.planned() == since("stats")
    done = clone.run("dvc", "repro")
    assert ran(done.stdout + done.stderr) == since("stats")
    assert "test_vit" not in (clone.folder / "results/report/tiny.html").read_text()
    assert clone.planned() == {}
    clone.edit(STUDY, "[test_resnet]", "[test_resnet, test_vit]")
    assert clone.planned() == since("stats"), "what was left is used again"
    done = clone.run("dvc", "repro")
    assert ran(done.stdout + done.stderr) == since("stats")
    assert clone.files(*stages) == with_both
    clone.edit(STUDY, "[test_resnet, test_vit]", "[test_resnet]")
    other = clone.folder / "results/models/other/test_vit/0/fold0/card.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}")
    clone.run("heatproof", "clean", "--remove")
    left = [str(path.relative_to(clone.folder)) for path in (clone.folder / "results").rglob("*test_vit*")]
    assert left == ["results/models/other/test_vit"], "what Snakemake has not made is left alone"


def test_snakemake_runs_and_dvc_records_it(clone):
    clone.run("dvc", "pull")
    clone.edit(STUDY, "alpha: 0.05", "alpha: 0.06")
    assert ran(clone.snakemake()) == since("stats")
    done = clone.run("dvc", "repro")
    assert ran(done.stdout + done.stderr) == {}, "Snakemake has made everything already"
    assert clone.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)
    assert "test_resnet" in str(shown)
