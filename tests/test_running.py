"""One Snakemake a folder, and no job that outlives it: with processes that are really killed."""

import errno
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from heatproof.core.messages import InputError
from heatproof.store import locks

HOLDS = "import sys, time; from heatproof.store import locks; {}; print('holds', flush=True); time.sleep(600)"
MAIN, JOB = "locks.begin()", "lock = locks._take(locks.FOLDER / 'train-s-m')"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + JOB


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "_held", [])
    monkeypatch.setattr(locks, "GRACE", 0.3)


@pytest.fixture
def holder():
    """Start a process that holds a lock, and see to it that it is gone in the end."""
    started = []

    def start(what: str) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", HOLDS.format(what)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "holds\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_second_snakemake_is_refused_while_the_first_lives_and_not_after_it_was_killed(holder):
    lock = locks.SNAKEMAKES / "0.output.lock"
    lock.parent.mkdir(parents=True)
    first = holder(MAIN)
    lock.touch()
    with locks.idle() as free:
        assert not free and lock.exists(), "a lock of a Snakemake that lives"
    with pytest.raises(InputError, match=rf"another Snakemake \(process {first.pid}\) runs in this folder"):
        locks.begin()
    first.send_signal(signal.SIGKILL)
    first.wait()
    with locks.idle() as free:
        assert free and not lock.exists(), "a lock that a killed one left"
    lock.touch()
    locks.begin()
    assert not lock.exists(), "this one's own, which would outlive it"


def test_where_no_lock_is_known_those_of_snakemake_stay(monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    lock = locks.SNAKEMAKES / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with locks.idle() as free:
        assert free
    locks.begin()
    with locks.job("train-s"):
        assert lock.exists()


@pytest.mark.parametrize("how", [JOB, STUBBORN])
def test_an_orphaned_job_is_ended_before_anything_runs(holder, how, capsys):
    orphan = holder(how)
    locks.begin()
    assert orphan.wait(1) in (-signal.SIGTERM, -signal.SIGKILL)
    assert f"train-s-m: still runs (process {orphan.pid}) though its Snakemake was killed" in capsys.readouterr().err
    assert [path.name for path in locks.FOLDER.iterdir()] == [locks.MAIN]


@pytest.mark.parametrize("owner", ["elsewhere {}", f"{socket.gethostname()} 1"])
def test_what_is_no_job_of_this_machine_is_waited_for_and_not_ended(holder, owner, capsys):
    orphan = holder(JOB)
    (locks.FOLDER / "train-s-m").write_text(owner.format(orphan.pid))
    reader = subprocess.Popen(
        [sys.executable, "-c", "from heatproof.store import locks; locks.begin()"], stderr=subprocess.PIPE, text=True
    )
    assert reader.stderr.readline().endswith("waits for it\n")
    assert reader.poll() is None and orphan.poll() is None
    orphan.kill()
    assert reader.wait(20) == 0


def test_the_same_job_runs_once_at_a_time(holder):
    first = holder(JOB)
    code = "from heatproof.store import locks\nwith locks.job('train-s-m'): print('in', flush=True)"
    second = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "waits for it" in second.stderr.readline()
    assert second.poll() is None
    first.kill()
    assert second.communicate(timeout=20)[0] == "in\n"
    assert not list(locks.FOLDER.glob("train*")), "a job that has ended leaves nothing"


def test_locks_are_not_inherited_by_what_a_job_starts(holder):
    job = holder(JOB + "; import subprocess; subprocess.Popen(['sleep', '20'], stdout=subprocess.DEVNULL)")
    assert locks._locked(locks.FOLDER / "train-s-m") is None
    job.kill()
    job.wait()
    assert locks._locked(locks.FOLDER / "train-s-m").is_locked


def test_the_queue_of_a_cluster_is_cleared_before_jobs_are_waited_for(holder):
    orphan = holder(JOB)
    (locks.FOLDER / "train-s-m").write_text("node17 4242")
    locks.begin(clear=orphan.kill)  # as scancel does
    assert orphan.wait(5) == -signal.SIGKILL


def test_a_folder_that_cannot_be_written_is_named(monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match=r"heatproof/running: cannot be written.* chmod -R g\+rwX .heatproof"):
        locks.begin()
