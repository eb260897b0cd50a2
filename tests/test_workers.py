"""Jobs that a server forks: the same output and exit codes as without it, and none outlives who waits for it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from heatproof.workflow import workers

SRC = Path(workers.__file__).parents[2]
# what a server of these tests imports: a command that takes a minute, or says who runs it
STAND_IN = """
    import os, pathlib, sys, time
    import heatproof.cli
    print("imported", file=sys.stderr)
    real = heatproof.cli.main

    def main(arguments):
        if arguments[2:] == ["slowly"]:
            try:
                pathlib.Path("job").write_text(str(os.getpid()))
                time.sleep(60)
            except KeyboardInterrupt:
                pathlib.Path("ended").touch()
                return 130
        if arguments[2:] == ["parent"]:
            print(os.getppid(), os.environ["MINE"], pathlib.Path.cwd().name)
            return 3
        return real(arguments)

    heatproof.cli.main = main
"""
MAIN = """
    import os, subprocess, sys, time
    from heatproof.workflow import workers
    workers.start(["stand_in"])
    {body}
"""
JOB = "[sys.executable, '-m', 'heatproof', *{}]"


@pytest.fixture
def start(tmp_path):
    """Start a process that, like Snakemake's, starts a server and then runs a body of code."""
    (tmp_path / "stand_in.py").write_text(textwrap.dedent(STAND_IN))
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{SRC}", "MINE": "kept"}

    def run(body: str) -> subprocess.Popen:
        code = textwrap.dedent(MAIN).format(body=body)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, **pipes)

    return run


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.02)
    return path.read_text()


def ended(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def gone(process: int) -> bool:
    deadline = time.monotonic() + 30
    while not ended(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["job", "score", "--help"], 0),
        (["job", "score", "nothing"], 2),
    ],
)
def test_a_job_says_and_returns_what_it_does_by_itself(start, tmp_path, arguments, code):
    alone = subprocess.run([sys.executable, "-m", "heatproof", *arguments], capture_output=True, text=True)
    out, err = start(f"sys.exit(subprocess.run({JOB.format(arguments)}).returncode)").communicate(timeout=60)
    assert alone.returncode == code
    assert (out, err.removeprefix("imported\n")) == (alone.stdout, alone.stderr)


def test_jobs_are_forks_of_one_process_that_imports_once(start, tmp_path):
    job = JOB.format(["job", "score", "parent"])
    main = start(f"sys.exit(sum(subprocess.run({job}).returncode for _ in range(2)))")
    out, err = main.communicate(timeout=60)
    first, again = out.splitlines()
    parent, variable, folder = first.split()
    assert first == again and (variable, folder) == ("kept", tmp_path.name)
    assert main.returncode == 6 and err == "imported\n" and int(parent) != main.pid


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_job_ends_with_the_process_that_waits_for_it(start, tmp_path, how):
    main = start(
        f"job = subprocess.Popen({JOB.format(['job', 'score', 'slowly'])}); open('client', 'w').write(str(job.pid));"
        " sys.exit(job.wait())"
    )
    job, client = int(wait_for(tmp_path / "job")), int(wait_for(tmp_path / "client"))
    os.kill(client, how)
    main.communicate(timeout=60)
    assert gone(job) and (tmp_path / "ended").exists()
    if how != signal.SIGKILL:
        assert main.returncode == 130, "the job's own code, once it has ended"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_snakemake(start, tmp_path, how):
    main = start(f"subprocess.run({JOB.format(['job', 'score', 'slowly'])})")
    job = int(wait_for(tmp_path / "job"))
    server = psutil.Process(job).ppid()
    main.send_signal(how)
    main.wait(60)
    assert gone(job) and gone(server) and (tmp_path / "ended").exists()
    main.communicate()


def test_a_job_that_is_killed_says_so_by_its_code(start, tmp_path):
    main = start(f"sys.exit(subprocess.run({JOB.format(['job', 'score', 'slowly'])}).returncode)")
    os.kill(int(wait_for(tmp_path / "job")), signal.SIGKILL)
    main.communicate(timeout=60)
    assert main.returncode == 137


def test_a_server_that_is_killed_is_reported(start, tmp_path):
    main = start(f"sys.exit(subprocess.run({JOB.format(['job', 'score', 'slowly'])}).returncode)")
    os.kill(psutil.Process(int(wait_for(tmp_path / "job"))).ppid(), signal.SIGKILL)
    _, err = main.communicate(timeout=60)
    assert main.returncode == 137 and "run again" in err


def test_nothing_is_handed_over_that_would_not_be_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv(workers.ADDRESS, str(tmp_path / "nobody"))
    assert workers.hand_over(["job", "train"]) is None, "no server listens"
    assert workers.hand_over(["job", "data"]) is None, "the command needs no torch"
    monkeypatch.delenv(workers.ADDRESS)
    assert workers.hand_over(["job", "train"]) is None
    server = workers.Server(None, ["heatproof.core.messages"])
    assert server._ready()
    monkeypatch.setattr(workers, "_written", lambda file: 0)
    assert not server._ready(), "the code was edited since"


def test_a_fork_that_is_stopped_before_its_command_ends_without_a_traceback():
    code = """
        import socket, sys
        from heatproof.workflow import workers

        def serve(server):
            raise KeyboardInterrupt

        workers.Server.serve = serve
        listener = socket.socket()
        sys.argv = ["workers", str(listener.detach())]
        workers._main()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )
    assert (done.returncode, done.stderr) == (130, "")
