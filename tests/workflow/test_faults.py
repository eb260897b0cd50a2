"""What fails beside the code: a file that is damaged, a disk that is full or read-only, a second Snakemake."""

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from workflow.project import Project, create

pytestmark = pytest.mark.slow

STAGES = ("data", "models", "heatmaps", "scores", "stats")
MAPS = "results/heatmaps/tiny/test_vit/0/fold0/maps.npy"
SCORES = "results/scores/tiny/test_vit/0/fold0/localization.parquet"
BOTH = ("truncated", "altered")


def _damage(path: Path, how: str) -> None:
    """Cut a file's end off, or turn one of its bits; its time stays, as where a disk or a copy went wrong."""
    facts, content = path.stat(), bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("how", BOTH)
@pytest.mark.parametrize(
    ("file", "old", "new"), [(MAPS, "steps: 4", "steps: 5"), (SCORES, "alpha: 0.05", "alpha: 0.06")]
)
def test_nothing_is_computed_from_a_damaged_file(project, finished, file, old, new, how):
    _damage(project.folder / file, how)
    project.edit("studies/tiny.yaml", old, new)  # so that somebody reads it
    said = project.snakemake(check=False)
    assert (
        f"{file}: truncated or altered since it was written (another SHA-256); bring it back by `dvc checkout {file}`"
        in said
    )
    assert "Traceback" not in said and said.splitlines()[-1].endswith(".log)")  # the job's own line is the last
    (project.folder / file).unlink()
    project.snakemake()
    assert (project.folder / file).read_bytes() == (finished.folder / file).read_bytes()


def test_a_second_snakemake_is_refused_and_a_dry_run_is_not(tmp_path):
    project = create(tmp_path)
    first = project.start("snakemake", "--cores", "2", stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (project.folder / "results/data").exists():
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        done = project.run("snakemake", "--cores", "1", check=False)
        assert done.returncode != 0
        assert f"another Snakemake (process {first.pid}) runs in this folder" in done.stderr
        assert "Traceback" not in done.stderr
        assert "This was a dry-run" in project.snakemake("-n")
    finally:
        first.terminate()
    assert first.wait(120) != 0


@contextmanager
def _mounted(folder: Path, size: str):
    """A small file system of its own."""
    folder.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True)
    if done.returncode:
        pytest.skip("no file system can be mounted here: needs root")
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _failed(project: Project) -> str:
    done = project.run("snakemake", "--cores", "2", check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_a_full_disk_stops_the_run_and_with_room_it_goes_on_to_the_same_bytes(finished, tmp_path):
    project = create(tmp_path / "project")
    with _mounted(project.folder / "results", "1200k") as remount:
        said = _failed(project)
        assert "the disk is full: free some space and run again" in said
        assert "Traceback" not in said
        remount("size=64m")
        project.snakemake()
        assert project.files(*STAGES) == finished.files(*STAGES)


def test_results_that_can_only_be_read_are_named_before_anything_runs(tmp_path):
    project = create(tmp_path / "project")
    with _mounted(project.folder / "results", "1m") as remount:
        remount("ro")
        said = _failed(project)
        assert "results: can be read only; make it writable" in said
        assert "Traceback" not in said and "Execute" not in said
