"""DVC's remotes for real: what was pushed to a folder, over ssh or to S3 is cloned, pulled and found complete."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from workflow.project import Project

pytestmark = pytest.mark.slow

SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
"""

Settings = tuple[str, dict[str, str]]  # the address of a remote, and what only this machine's users know of it


@pytest.fixture
def folder(tmp_path) -> Settings:
    return str(tmp_path / "folder"), {}


@pytest.fixture
def ssh(tmp_path) -> Iterator[Settings]:
    """A server of this user's own, with keys of its own, on a free port of the loopback device."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None:
        pytest.skip("no sshd: apt-get install openssh-server")
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / key)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where root's server wants to be shut in
    port = _free_port()
    (tmp_path / "sshd_config").write_text(SSHD.format(port=port, folder=tmp_path))
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(tmp_path / "sshd_config")], stderr=subprocess.PIPE)
    try:
        _wait_for(port, server)
        yield (
            f"ssh://127.0.0.1{tmp_path}/ssh",
            {"user": getpass.getuser(), "port": str(port), "keyfile": str(tmp_path / "user_key")},
        )
    finally:
        server.terminate()
        server.communicate()


@pytest.fixture
def s3() -> Iterator[Settings]:
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    secret = {"access_key_id": "mine", "secret_access_key": "secret", "region": "us-east-1"}
    secret["endpointurl"] = "http://{}:{}".format(*server.get_host_and_port())
    names = ("aws_access_key_id", "aws_secret_access_key", "region_name", "endpoint_url")
    try:
        boto3.client("s3", **dict(zip(names, secret.values(), strict=True))).create_bucket(Bucket="bucket")
        yield "s3://bucket/heatproof", secret
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen) -> None:
    for _ in range(200):
        assert server.poll() is None, server.stderr.read().decode()
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


def _keep(project: Project, secret: dict[str, str]) -> None:
    """What only this user knows goes into .dvc/config.local, which git ignores."""
    for key, value in secret.items():
        project.run("dvc", "remote", "modify", "--local", "group", key, value)


@pytest.mark.parametrize("kind", ["folder", "ssh", "s3"])
def test_what_is_pushed_is_cloned_pulled_and_complete(recorded, tmp_path, request, kind):
    address, secret = request.getfixturevalue(kind)
    project = Project(tmp_path / "project")
    shutil.copytree(recorded.folder, project.folder, symlinks=True)
    project.run("dvc", "remote", "add", "--default", "group", address)
    project.run("dvc", "remote", "modify", "group", "verify", "true")
    project.run("git", "commit", "-qam", "a remote for the group")
    _keep(project, secret)
    assert "files pushed" in project.run("dvc", "push").stdout
    project.run("git", "clone", "-q", str(project.folder), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    _keep(clone, secret)
    assert "files added" in clone.run("dvc", "pull").stdout
    assert clone.planned() == {}
    assert clone.run("git", "status", "--porcelain").stdout == ""
    assert clone.files("", "../benchmarks") == project.files("", "../benchmarks")
    clone.run("heatproof", "verify", "--cache")
    assert "secret" not in clone.run("git", "grep", "-h", "", "--", ".dvc").stdout


def test_a_damaged_object_of_a_remote_is_refused_where_it_is_verified(recorded, tmp_path):
    shutil.copytree(recorded.folder.parent / "store", tmp_path / "store")
    recorded.run("git", "clone", "-q", str(recorded.folder), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.run("dvc", "remote", "modify", "--local", "store", "url", str(tmp_path / "store"))
    largest = max((path for path in (tmp_path / "store").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size)
    largest.chmod(0o644)
    largest.write_bytes(b"\x55" + largest.read_bytes()[1:])
    clone.run("dvc", "pull")
    done = clone.run("heatproof", "verify", "--cache", check=False)
    assert (
        done.returncode == 1
        and f"{largest.parent.name}/{largest.name}: its content does not match its name" in done.stdout
    )
    shutil.rmtree(clone.folder / ".dvc/cache")
    shutil.rmtree(clone.folder / "results")
    clone.run("dvc", "remote", "modify", "--local", "store", "verify", "true")
    assert clone.run("dvc", "pull", check=False).returncode != 0
