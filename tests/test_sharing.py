"""Runs in several folders share the cores and memory of a machine: with jobs of real processes, some of them killed."""

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heatproof import cli
from heatproof.commands import show
from heatproof.store import locks

CORES = "import os, sys, time; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{}])\n"
HOLD = """
from heatproof.store import locks
with locks.share(sys.argv[1], int(sys.argv[2]), 0):
    print("holds", flush=True)
    begun = time.time()
    time.sleep(float(sys.argv[3]))
    print(begun, time.time(), flush=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(locks.POOL, str(tmp_path / "pool"))
    monkeypatch.setattr(locks, "PAUSE", 0.02)
    return tmp_path


@pytest.fixture
def job():
    """Start a job on the first cores, which it holds for some seconds."""
    started = []

    def start(name: str, cores: int = 1, seconds: float = 600, machine: int = 1) -> subprocess.Popen:
        command = [sys.executable, "-c", CORES.format(machine) + HOLD, name, str(cores), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_job_waits_for_the_core_of_another_and_takes_it_over_when_that_is_killed(job, tmp_path):
    first = job("train-a")
    assert first.stdout.readline() == "holds\n"
    second, third = job("train-b"), None
    expected = f"waits for a core: 1 of 1 in use by train-a in {tmp_path}\n"
    assert second.stderr.readline() == f"train-b: {expected}"
    third = job("train-c")  # behind the one that collects
    assert third.stderr.readline() == f"train-c: {expected}"
    assert [one.name for one in locks.holders()] == ["train-a"]
    first.send_signal(signal.SIGKILL)
    assert second.stdout.readline() == "holds\n" and third.poll() is None
    second.send_signal(signal.SIGKILL)
    assert third.stdout.readline() == "holds\n"
    assert [one.name for one in locks.holders()] == ["train-c"]


def test_one_that_is_killed_while_it_collects_holds_up_nobody(job):
    first = job("train-a")
    assert first.stdout.readline() == "holds\n"
    second = job("train-b")
    assert "waits for a core" in second.stderr.readline()
    third = job("train-c")
    assert "waits for a core" in third.stderr.readline()
    second.kill()
    first.kill()
    assert third.stdout.readline() == "holds\n"


def test_jobs_of_any_size_all_get_through_and_no_core_is_used_twice(job):
    machine = min(2, len(os.sched_getaffinity(0)))
    sizes = [1, 2, 1, 99, 1, 2]  # the last but two wants more than there are
    jobs = [job(f"job-{number}", size, 0.2, machine) for number, size in enumerate(sizes)]
    spans = [tuple(map(float, one.communicate(timeout=100)[0].splitlines()[1].split())) for one in jobs]
    taken = [min(size, machine) for size in sizes]
    for begun, _ in spans:
        together = sum(size for size, (start, end) in zip(taken, spans, strict=True) if start <= begun < end)
        assert together <= machine
    assert locks.holders() == []


def test_where_nothing_is_shared_no_job_waits(job, monkeypatch, tmp_path):
    monkeypatch.setenv(locks.POOL, "")
    both = [job("train-a"), job("train-b")]
    assert [one.stdout.readline() for one in both] == ["holds\n", "holds\n"]
    assert not (tmp_path / "pool").exists()


def test_a_folder_of_another_user_is_not_used(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    with locks.share("train-a", 1, 0):
        assert not list((tmp_path / "pool").iterdir())


def test_memory_is_waited_for_while_another_job_has_it_and_not_alone(job, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(locks, "_available", lambda: 300.0)
    with locks.share("explain-a", 1, 500):
        pass
    assert capsys.readouterr().err == "", "alone"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    other = job("train-a", seconds=2)
    assert other.stdout.readline() == "holds\n"
    started = time.monotonic()
    with locks.share("explain-a", 1, 500):
        assert time.monotonic() - started > 0.5 and other.wait(10) == 0
    expected = f"explain-a: waits for 500 MB of memory: 300 MB are left by train-a in {tmp_path}\n"
    assert capsys.readouterr().err == expected


def test_what_a_job_may_still_take_counts_as_taken():
    assert locks.Holder(os.getpid(), 10**6, "", "").reserved == pytest.approx(10**6, rel=0.01)
    assert locks.Holder(os.getpid(), 1, "", "").reserved == 0
    assert locks.Holder(2**22 + 1, 10**6, "", "").reserved == 0, "no such process"


def test_a_job_takes_the_cores_of_its_threads_and_the_memory_of_those_before(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    log = Path("logs/toy/resnet/1/fold0/train.log")
    parsed = argparse.Namespace(command="job", job="train", study="toy", model="resnet", seed=1, fold="fold0", log=log)
    with cli._alone(parsed):
        held = locks.holders()
        expected = locks.Holder(os.getpid(), cli.UNKNOWN, str(tmp_path), "train-toy-resnet-1-fold0")
        assert held == [expected] * 2
    for model, peak in (("resnet", 3100), ("vit", 9000)):
        path = Path(f"benchmarks/toy/{model}/0/fold0/train.tsv")
        path.parent.mkdir(parents=True)
        path.write_text(f"s\tcpu_time\tmax_rss\n1.000\t2.00\t{peak}\n")
    with cli._alone(parsed):
        assert locks.holders()[0].memory == 3100
    assert locks.holders() == []
    with cli._alone(argparse.Namespace(command="show")):
        assert locks.holders() == []


def test_show_lists_what_runs_elsewhere(job, monkeypatch, tmp_path, capsys):
    first = job("train-a")
    assert first.stdout.readline() == "holds\n"
    show.run(argparse.Namespace(studies=[]))
    assert "elsewhere" not in capsys.readouterr().out
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    show.run(argparse.Namespace(studies=[]))
    assert capsys.readouterr().out.splitlines()[1:] == [f"elsewhere: jobs in {tmp_path} use 1 core"]
