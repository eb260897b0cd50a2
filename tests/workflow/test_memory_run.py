"""Jobs that fail one by one while a study runs: killed for memory, or a training that diverges."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from workflow.project import Project, create

pytestmark = pytest.mark.slow

SEEDS = "seeds: [0, 1]"
CARDS = [f"results/models/tiny/{model}/0/fold0/card.json" for model in ("test_resnet", "test_vit")]


def started(folder: Path, **train) -> Project:
    """A project of one seed; `train` differs for test_vit alone."""
    project = create(folder)
    project.edit("studies/tiny.yaml", SEEDS, "seeds: [0]")
    own = ", ".join(f"{key}: {value}" for key, value in train.items())
    weights = "  weights: scratch\n"
    project.edit("studies/tiny.yaml", weights, f"{weights}  models: {{test_vit: {{{own}}}}}\n")
    return project


def pids(project: Project, *words: str) -> list[int]:
    """Python processes below the project's folder whose command line has all the words."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            here = (path / "cwd").readlink() == project.folder
            command = (path / "cmdline").read_bytes().decode().split("\0")
        except OSError:  # ended meanwhile, or another user's
            continue
        if here and "python" in command[0] and set(words) <= set(command):
            found.append(int(path.name))
    return found


def test_a_job_killed_for_memory_says_so_and_the_others_are_kept(tmp_path):
    project = started(tmp_path / "killed", epochs=12)
    reference = started(tmp_path / "reference", epochs=12)
    log = project.folder / "logs/tiny/test_vit/0/fold0/train.log"
    with (tmp_path / "out").open("w") as out:
        command = ("snakemake", "--cores", "2", "--keep-going", *CARDS)
        process = project.start(*command, stdout=out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 300
        while not (log.exists() and "epoch 2 of 12" in log.read_text()):  # the first is saved by then
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "out").read_text()
            time.sleep(0.05)
        for pid in pids(project, "train", "test_vit"):
            os.kill(pid, signal.SIGKILL)
        assert process.wait(300) != 0
    said = (tmp_path / "out").read_text()
    assert "most likely for want of memory" in said and "train.batch_size" in said, said
    assert (project.folder / CARDS[0]).exists() and not (project.folder / CARDS[1]).exists()
    again = project.snakemake(*CARDS)
    assert "continues after epoch" in again
    assert "train test_vit" in again and "train test_resnet" not in again
    reference.snakemake(*CARDS)
    assert project.files("data", "models") == reference.files("data", "models")


def test_a_training_that_diverges_stops_and_the_others_go_on(tmp_path):
    project = started(tmp_path, lr="1.0e+20", clip_norm="1.0e+20")
    done = project.run("snakemake", "--cores", "2", "--keep-going", check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "lower train.lr or train.models.test_vit.lr (1e+20) in params.yaml or the study's file" in said, said
    assert "Traceback" not in said
    results = project.folder / "results"
    assert not list(results.glob("*/tiny/test_vit/**/card.json"))
    made = project.files("models/tiny/test_resnet", "heatmaps/tiny/test_resnet", "scores/tiny/test_resnet")
    for name in ("model.safetensors", "history.csv", "maps.npy", "faithfulness.parquet", "localization.parquet"):
        assert any(path.endswith(name) for path in made), (name, sorted(made))
    project.edit("studies/tiny.yaml", "  models: {test_vit: {lr: 1.0e+20, clip_norm: 1.0e+20}}\n", "")
    said = project.snakemake()
    assert "on tiny" in said and "test_vit, seed 0" in said
    assert "train test_resnet" not in said and "explain test_resnet" not in said
    assert "faithfulness of test_resnet" not in said and "localization of test_resnet" not in said
    assert (results / "report/tiny.html").exists()
    assert project.planned() == {}
    kept = project.files("models/tiny/test_resnet", "heatmaps/tiny/test_resnet", "scores/tiny/test_resnet")
    assert made.items() <= kept.items()
