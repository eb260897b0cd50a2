"""`heatproof run`: what it calls, passes on and shows; a stand-in takes Snakemake's place."""

import doctest
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import minimal
import pytest
import yaml
from shipped import PARAMS

from heatproof.cli import main
from heatproof.commands import run
from heatproof.config.load import load
from heatproof.stats import results

SRC = Path(__file__).parents[1] / "src"
# notes its arguments; writes what a study leaves, fails, or waits to be stopped
STAND_IN = """
import json, pathlib, sys, time
pathlib.Path("called").write_text(json.dumps(sys.argv[1:]))
if "--forever" in sys.argv:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        with open("ended", "a") as file:
            file.write("once ")
        time.sleep(0.5)
        sys.exit(1)
sys.exit(3 * ("--fail" in sys.argv))
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with two studies, the first of which is finished, and a Snakemake that is not one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/snakemake.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'modules'}:{SRC}")
    (tmp_path / "studies").mkdir()
    for name in ("toy", "other"):
        (tmp_path / f"studies/{name}.yaml").write_text("")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"studies": ["toy"]}))
    (tmp_path / "Snakefile").touch()
    results.write(minimal.results("toy"))
    return tmp_path


def called() -> list[str]:
    return yaml.safe_load(Path("called").read_text())


def test_the_command_of_snakemake(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert doctest.testmod(run).failed == 0
    assert run.command([], "all", [])[3:] == ["--cores", "all", "--logger", "heatproof"]
    assert run.command(["a", "b"], "2", ["-n"])[3:] == ["--cores", "2", "--config", "studies=a,b", "-n"]
    assert run.command([], "1", ["--logger", "other"])[3:] == ["--cores", "1", "--logger", "other"]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "--nocolor" in run.command([], "all", [])


def test_a_run_ends_with_what_came_out(project, capsys):
    assert main(["run", "toy", "--cores", "2", "--", "--keep-going"]) == 0
    assert called() == ["--cores", "2", "--logger", "heatproof", "--config", "studies=toy", "--keep-going"]
    out = capsys.readouterr().out
    assert "\ntoy\n" in out and "  No conclusion is possible.\n" in out and "  Report: " in out


def test_a_folder_without_a_project_runs_what_came_with_heatproof(tmp_path, project, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert main(["run", "tiny", "--", "-n"]) == 0
    assert called()[:2] == ["--snakefile", str(Path(__file__).parents[1] / "Snakefile")]
    (empty / "studies").mkdir()
    (empty / "studies/mine.yaml").write_text("extends: tiny\nseeds: [7]")
    assert load(studies=["mine"])["mine"].seeds == [7]


@pytest.mark.parametrize(
    ("arguments", "code"), [(["run", "--", "--fail"], 3), (["run", "--", "-n"], 0), (["run", "other"], 0)]
)
def test_the_exit_code_is_passed_on_and_nothing_shown_that_is_not_there(project, capsys, arguments, code):
    assert main(arguments) == code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "lost", "line"),
    [
        (["run"], "studies/toy.yaml", "params.yaml: studies: 'toy': no file studies/toy.yaml; allowed: other"),
        (["run", "tou"], None, "command line: studies: 'tou': no file studies/tou.yaml; did you mean toy?"),
        (["run", "--cores", "0"], None, "--cores 0: must be a number above 0, or all"),
    ],
)
def test_what_is_wrong_is_one_line(project, capsys, arguments, lost, line):
    if lost:
        (project / lost).unlink()
    assert main(arguments) == 1
    assert capsys.readouterr().err == f"heatproof run: {line}\n"


def test_without_snakemake(project, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["run"]) == 1
    assert "heatproof run: Snakemake is not installed: run `make install`" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_waits_for_snakemake_and_stops_it_once(project, how):
    command = [sys.executable, "-m", "heatproof", "run", "--", "--forever"]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not Path("called").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, how)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, Path("ended").read_text()) == (130, "once ")
    assert errors == "heatproof run: stopped; run again to continue\n"
