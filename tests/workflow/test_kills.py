"""kill -9 at thirty random moments, of Snakemake or of any job: the same bytes at the end, without `--unlock`."""

import random
import shutil
import signal
import subprocess
import time

import psutil
import pytest
from workflow.project import Project, create

pytestmark = pytest.mark.slow

KILLS, SECONDS = 30, (1.0, 9.0)
STAGES = ("data", "models", "heatmaps", "scores", "stats")


def _jobs(snakemake: psutil.Process) -> list[psutil.Process]:
    """The commands of heatproof that run below a process."""
    found = []
    for process in snakemake.children(recursive=True):
        try:
            if process.cmdline()[1:3] == ["-m", "heatproof"]:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _run_and_kill(project: Project, draw: random.Random) -> tuple[bool, str]:
    """Whether a run was killed, or came to its end before; and what it said."""
    log = project.folder / "killed.log"
    with log.open("w") as out:
        process = project.start("snakemake", "--cores", "2", stdout=out, stderr=subprocess.STDOUT)
    try:
        process.wait(draw.uniform(*SECONDS))
    except subprocess.TimeoutExpired:
        running = _jobs(psutil.Process(process.pid))
        victim = draw.choice(running) if running and draw.random() < 0.5 else process
        victim.send_signal(signal.SIGKILL)
        process.wait(300)  # where a job was killed Snakemake ends by itself
    return process.returncode != 0, log.read_text()


def test_the_bytes_do_not_depend_on_kills(finished, tmp_path):
    draw = random.Random(6)
    project, killed = create(tmp_path / "project"), 0
    while killed < KILLS:
        was_killed, said = _run_and_kill(project, draw)
        killed += was_killed
        assert "Traceback" not in said and "unlock" not in said, said
        if not was_killed:
            assert project.files(*STAGES) == finished.files(*STAGES)
            for name in ("results", ".snakemake"):
                shutil.rmtree(project.folder / name)
    project.snakemake()
    assert project.files(*STAGES) == finished.files(*STAGES)
    assert project.planned() == {}
    time.sleep(1)
    alive = [p for p in psutil.process_iter(["cmdline"]) if str(project.folder) in " ".join(p.info["cmdline"] or ())]
    assert not alive, "no job has outlived the run"
    assert not list((project.folder / "results").rglob(".*.part"))
