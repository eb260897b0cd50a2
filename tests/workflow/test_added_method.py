"""A method added to a finished study, and removed: which jobs run, what they keep, and the bytes of a fresh run."""

import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from workflow.project import Project, create, jobs

pytestmark = pytest.mark.slow

CHANGED = {"explain": 4, "score": 8, "score_seeds": 2, "stats": 1, "report": 1}
STAGES = ("data", "models", "heatmaps", "scores")
METHODS = ("studies/tiny.yaml", "[gradcam]", "[gradcam, saliency]")


def kept(project: Project, name: str) -> list[str]:
    """What the logs of jobs say that they keep, with the progress before it left out."""
    found = [path.read_text() for path in sorted((project.folder / "logs/tiny").rglob(name))]
    return [line.split(": ")[-1] for log in found for line in log.splitlines() if "keeps" in line]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Project:
    """The study with both methods from the start."""
    project = create(tmp_path_factory.mktemp("fresh"))
    project.edit(*METHODS)
    project.snakemake()
    return project


def test_a_method_added_and_removed(finished, project, fresh):
    file, one, two = METHODS
    project.edit(file, one, two)
    assert jobs(project.snakemake()) == CHANGED
    assert kept(project, "explain.log") == ["keeps gradcam; computes saliency"] * 4
    scored = kept(project, "score-faithfulness.log")
    controls = "random, lowres_noise, center, other_image, edges, mean_mask, truth"
    assert scored == [f"keeps gradcam, {controls}; computes saliency"] * 4
    assert len(kept(project, "score-localization.log")) == 4 and len(kept(project, "score-consistency.log")) == 2
    assert project.files(*STAGES) == fresh.files(*STAGES)
    assert project.planned() == {}

    project.edit(file, two, one)
    assert jobs(project.snakemake()) == CHANGED
    assert kept(project, "explain.log") == ["keeps gradcam; computes nothing"] * 4
    assert project.files(*STAGES) == finished.files(*STAGES)
    assert project.planned() == {}

    project.snakemake("--forcerun", "explain")
    assert not kept(project, "explain.log"), "what is forced is computed"
    assert project.files(*STAGES) == finished.files(*STAGES)


def test_a_method_in_front_makes_the_control_anew(project):
    project.edit("studies/tiny.yaml", "[gradcam]", "[saliency, gradcam]")
    project.snakemake("--until", "score", "score_curves")
    assert kept(project, "explain.log") == ["keeps gradcam; computes saliency"] * 4
    assert {line.split("; ")[1] for line in kept(project, "score-localization.log")} == {
        "computes saliency, other_image"
    }


def test_a_killed_run_goes_on_to_the_same_bytes(project, fresh):
    project.edit(*METHODS)
    log, killed = project.folder / "killed.log", 0
    for stage in ("explain.log", "score-faithfulness.log"):
        with log.open("w") as out:
            process = project.start("snakemake", "--cores", "1", stdout=out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 300
        while process.poll() is None and "keeps" not in "".join(kept(project, stage)):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert killed == 2
    project.snakemake()
    assert project.files(*STAGES) == fresh.files(*STAGES)
    assert project.planned() == {}


def test_a_job_that_failed_runs_again_and_keeps_what_it_had(project):
    images = pd.read_parquet(project.folder / "results/data/tiny/manifest.parquet")["image_id"]
    path = project.folder / "mine.npz"
    np.savez(path, **{name: np.ones((2, 3)) for name in images})  # not square
    project.edit("studies/tiny.yaml", "  images_per_group", "  external: {mine: mine.npz}\n  images_per_group")
    before = project.files("heatmaps")
    assert "as high as wide" in project.snakemake("--keep-going", check=False)
    assert project.files("heatmaps").keys() < before.keys(), "no old file passes for a new one"
    assert project.planned() == CHANGED
    draw = np.random.default_rng(0)
    np.savez(path, **{name: draw.random((8, 8)) for name in images})
    project.snakemake("--until", "explain")
    assert kept(project, "explain.log") == ["keeps gradcam; computes mine"] * 4
