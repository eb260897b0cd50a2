"""The tiny study on a Slurm of one node, which is drained and lost on the way: the bytes of a run without a cluster."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from workflow.project import Project, create

CONF = Path("/etc/slurm/slurm.conf")
OURS = CONF.is_file() and CONF.read_text().startswith("# written by tests/cluster/slurm.sh")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not OURS, reason="no Slurm was set up: make test-cluster")]

MODELS = ("test_resnet", "test_vit")
FOLDERS = ("data", "models", "heatmaps", "scores", "stats")
# a Slurm without accounting, asked often
OPTIONS = "--slurm-status-command squeue --slurm-init-seconds-before-status-checks 2 --max-status-checks-per-second 1"


def study(folder: Path) -> Project:
    project = create(folder)
    project.edit("studies/tiny.yaml", "device: cpu", "device: auto")
    # enough for Snakemake alone to be killed for its memory, once
    project.edit("profiles/slurm/config.yaml", "stats: {mem_mb: 4000 * attempt", "stats: {mem_mb: 60 * attempt ** 6")
    return project


class Cluster:
    """A study on Slurm: its Snakemake, and all jobs of Slurm ever seen, by their number."""

    def __init__(self, project: Project, path: str):
        self.project, self.jobs = project, {}
        self.environment = os.environ | {"PATH": path}
        self.node = self.ask("sinfo", "-h", "-o", "%n").strip()

    @staticmethod
    def ask(*command: str, check: bool = True) -> str:
        return subprocess.run(command, check=check, capture_output=True, text=True).stdout

    def start(self, *targets: str) -> None:
        command = ["snakemake", "--workflow-profile", "profiles/slurm", *OPTIONS.split(), *targets]
        with (self.project.folder / "said.txt").open("a") as said:
            self.head = subprocess.Popen(
                command, cwd=self.project.folder, env=self.environment, stdout=said, stderr=said
            )

    def look(self) -> None:
        for one in self.ask("scontrol", "show", "jobs", "--oneliner").splitlines():
            job = dict(re.findall(r"(\w+)=(\S*)", one))
            if job.get("WorkDir") == str(self.project.folder):
                self.jobs[int(job["JobId"])] = job

    def of(self, rule: str, *states: str) -> list[dict[str, str]]:
        """Jobs of a rule in the order in which they were queued, all or those in some states."""
        found = [job for _, job in sorted(self.jobs.items()) if re.match(f"rule_{rule}(_|$)", job["Comment"])]
        return [job for job in found if not states or job["JobState"] in states]

    def until(self, what) -> None:
        """Wait until something is so; the study must not end before."""
        deadline = time.monotonic() + 900
        while self.look() or not what():
            assert self.head.poll() is None and time.monotonic() < deadline, self.said()
            time.sleep(0.5)

    def end(self) -> None:
        while self.head.poll() is None:
            self.look()
            time.sleep(0.5)
        assert self.head.returncode == 0, self.said()

    def set_node(self, state: str, check: bool = True) -> None:
        self.ask("scontrol", "update", f"nodename={self.node}", f"state={state}", "reason=test", check=check)

    def bring_back(self) -> None:
        """Resume the node, unless it has come back by itself: Slurm refuses to resume a node that is up."""

        def is_up() -> bool:
            if not re.match("down|drain", self.ask("sinfo", "-h", "-o", "%T")):
                return True
            self.set_node("resume", check=False)
            return False

        self.until(is_up)

    def said(self) -> str:
        return (self.project.folder / "said.txt").read_text()[-5000:]


@pytest.fixture
def cluster(tmp_path):
    """A study that can be started on the cluster, from a machine that has what tells of a GPU."""
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    made = Cluster(study(tmp_path / "cluster"), f"{tool.parent}:{os.environ['PATH']}")
    yield made
    made.set_node("resume", check=False)  # refused where the node is at work
    if made.head.poll() is None:
        made.head.send_signal(signal.SIGINT)
        made.head.wait(timeout=60)


def again(cluster: Cluster, job: dict[str, str]) -> dict[str, str]:
    """The job of Slurm that did anew what another one did not finish."""
    cluster.until(lambda: [j for j in cluster.jobs.values() if later(j, job)])
    return next(j for j in cluster.jobs.values() if later(j, job))


def later(job: dict[str, str], than: dict[str, str]) -> bool:
    return job["Comment"] == than["Comment"] and int(job["JobId"]) > int(than["JobId"])


def megabytes(job: dict[str, str]) -> int:
    number, unit = job["MinMemoryNode"][:-1], job["MinMemoryNode"][-1]
    return round(float(number) * {"M": 1, "G": 1024}[unit])


def hours(job: dict[str, str]) -> float:
    days, _, clock = job["TimeLimit"].rpartition("-")
    h, m, _ = map(int, clock.split(":"))
    return 24 * int(days or 0) + h + m / 60


def test_a_study_on_slurm_survives_its_node_and_gives_the_bytes_of_a_local_run(cluster, tmp_path):
    cluster.start()
    # drained: what runs ends in peace, what waits goes on waiting, until the node is back
    cluster.until(lambda: cluster.of("train", "RUNNING"))
    cluster.set_node("drain")
    running = cluster.of("train", "RUNNING")
    cluster.until(lambda: not [job for job in cluster.jobs.values() if job["JobState"] in ("RUNNING", "COMPLETING")])
    assert {cluster.jobs[int(job["JobId"])]["JobState"] for job in running} == {"COMPLETED"}
    assert cluster.of("train", "PENDING")
    cluster.bring_back()

    # cancelled by someone: once more, with twice the memory and time
    cluster.until(lambda: cluster.of("explain", "RUNNING"))
    cancelled = cluster.of("explain", "RUNNING")[0]
    cluster.ask("scancel", cancelled["JobId"])
    second = again(cluster, cancelled)
    assert (megabytes(second), hours(second)) == (2 * megabytes(cancelled), 2 * hours(cancelled))

    # the node is lost with its jobs
    cluster.until(lambda: cluster.of("score", "RUNNING"))
    lost = cluster.of("score", "RUNNING")[0]
    cluster.set_node("down")
    cluster.until(lambda: cluster.jobs[int(lost["JobId"])]["JobState"] == "NODE_FAIL")
    cluster.bring_back()
    assert megabytes(again(cluster, lost)) == 2 * megabytes(lost)

    # killed for its memory
    cluster.until(lambda: cluster.of("report"))
    first, *rest = cluster.of("stats")
    assert first["JobState"] != "COMPLETED" and rest[-1]["JobState"] == "COMPLETED"

    cluster.end()
    asked = {
        rule: {job.get("TresPerJob") for job in cluster.of(rule)} for rule in ("train", "explain", "data", "stats")
    }
    assert asked == {"train": {"gres:gpu:1"}, "explain": {"gres:gpu:1"}, "data": {None}, "stats": {None}}

    local = study(tmp_path / "local")
    local.snakemake()
    assert cluster.project.files(*FOLDERS) == local.files(*FOLDERS)
    assert not cluster.project.planned()


def test_a_study_whose_snakemake_was_killed_is_started_again_without_the_jobs_it_left_in_the_queue(cluster, tmp_path):
    targets = [f"results/models/tiny/{model}/{seed}/fold0/card.json" for model in MODELS for seed in (0, 1)]
    cluster.start(*targets)
    cluster.until(lambda: cluster.of("train", "RUNNING") and cluster.of("train", "PENDING"))
    cluster.head.kill()
    cluster.head.wait()
    cluster.look()
    left = {int(job["JobId"]) for job in cluster.of("train")}
    cluster.start(*targets)
    cluster.end()
    assert {cluster.jobs[number]["JobState"] for number in left} == {"CANCELLED"}
    assert len(cluster.of("train", "COMPLETED")) == len(targets)

    local = study(tmp_path / "local")
    local.snakemake(*targets)
    assert cluster.project.files("data", "models") == local.files("data", "models")
