"""`heatproof show` without a study: the state of each study of a folder, from what lies on the disk."""

import json
import subprocess
import sys
import time
from pathlib import Path

import minimal
import pytest
import yaml
from shipped import PARAMS

from heatproof.cli import main
from heatproof.commands import show
from heatproof.config.load import load, section
from heatproof.report.paper.provenance import parameters
from heatproof.stats import results
from heatproof.store import artifacts, locks

NOW = time.mktime(time.strptime("Nov 30 18:47:00 2026", "%b %d %H:%M:%S %Y"))
LOG = """\
Building DAG of jobs...
Job stats:
job        count
-------  -------
train          4
score          2
all            1
total          7

[Mon Nov 30 18:46:00 2026]
Job 1: train small, seed 0, fold0, on toy
[Mon Nov 30 18:46:00 2026]
Job 2: train large, seed 0, fold0, on toy
[Mon Nov 30 18:46:40 2026]
Finished jobid: 1 (Rule: train)
1 of 7 steps (14%) done
[Mon Nov 30 18:46:40 2026]
Job 3: train small, seed 1, fold0, on toy
"""
ERROR = """\
[Mon Nov 30 18:46:50 2026]
Error in rule train:
    message: train large, seed 0, fold0, on toy
    jobid: 2
    log: logs/toy/large/0/fold0/train.log (check log file(s) for error details)
"""
REST = "".join(
    f"Finished jobid: {number} (Rule: {rule})\n"
    for number, rule in enumerate(["train", "train", "train", "score", "score"], 2)
)
BEGIN = "import sys; from heatproof.store import locks; locks.begin(log='snakemake.log', studies=sys.argv[1:])"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with three studies, of which none has begun."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()
    for name in ("toy", "other", "third"):
        (tmp_path / f"studies/{name}.yaml").write_text("")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS | {"studies": ["toy"]}))
    return tmp_path


def ran(log: str, *studies: str) -> None:
    """Leave what a run leaves that has ended."""
    subprocess.run([sys.executable, "-c", BEGIN, *studies], check=True)
    Path("snakemake.log").write_text(log)


def finish(study: str) -> None:
    """Leave what a finished study leaves, of its configuration as it is now."""
    artifacts.write_json(artifacts.data_dir(study) / "digest.json", {"classes": ["a"]})
    record = {
        "parameters": json.loads(parameters(json.loads(section(load(studies=[study])[study])))),
        "data_sha256": artifacts.digest(artifacts.data_dir(study) / "digest.json"),
    }
    results.write(minimal.results(study))
    artifacts.folder(study).mkdir(parents=True, exist_ok=True)
    (artifacts.folder(study) / artifacts.PROVENANCE[0]).write_text(json.dumps(record))
    artifacts.report_path(study).write_text("")


def states() -> dict[str, list[str]]:
    """Return state and details by the name of the study."""
    return {name: rest for name, *rest in (line.split(None, 2) for line in show.lines(NOW))}


def test_nothing_has_begun(folder, capsys):
    assert main(["show"]) == 0
    assert capsys.readouterr().out == "no study has begun here; `heatproof run STUDY` runs one\n"


def test_a_run_is_shown_while_it_lives_and_as_interrupted_after_it_was_killed(folder):
    code = f"{BEGIN}; import time; print('holds', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code, "toy", "other"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "holds\n"
        Path("snakemake.log").write_text(LOG)
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime((locks.FOLDER / locks.MAIN).stat().st_mtime))
        # of 3 trainings and 2 scores at 40 s on 2 cores, less the 60 and 20 s that two have run
        expected = f"1 of 6 jobs of toy and other, about 1 min left, since {begun}"
        assert states() == {name: ["running", expected] for name in ("toy", "other")}
    finally:
        process.kill()
        process.wait()
    assert {name: state for name, (state, _) in states().items()} == {"toy": "interrupted", "other": "interrupted"}


def test_looking_does_not_disturb(folder):
    ran(LOG, "toy")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    (folder / ".heatproof/running").chmod(0o555)
    assert states()["toy"][0] == "interrupted"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_failed_job_makes_its_own_study_failed(folder):
    finish("other")
    ran(LOG + ERROR, "toy", "other")
    log = "logs/toy/large/0/fold0/train.log"
    assert states()["toy"] == ["failed", f"1 of 6 jobs of toy and other, 1 job failed: {log}"]
    assert states()["other"][0] == "finished"


def test_a_finished_study_is_outdated_once_its_configuration_changes_and_interrupted_if_that_run_stops(folder):
    ran(LOG + REST, "toy")
    finish("toy")
    written = show._time(artifacts.report_path("toy").stat().st_mtime)
    assert states() == {"toy": ["finished", written]}
    (folder / "studies/toy.yaml").write_text("train: {epochs: 77}")
    was = PARAMS["train"]["epochs"]
    assert states() == {"toy": ["outdated", f"changed since {written}: train.epochs ({was}, now 77)"]}
    time.sleep(0.01)
    ran(LOG, "toy")
    assert states()["toy"][1].startswith("1 of 6 jobs, until ") and states()["toy"][0] == "interrupted"
    (folder / "studies/toy.yaml").write_text("train: {epocs: 77}")
    assert states()["toy"][0] == "invalid" and "studies/toy.yaml: train.epocs" in states()["toy"][1]


def test_results_without_a_report(folder):
    results.write(minimal.results("toy"))
    artifacts.write_json(artifacts.data_dir("third") / "digest.json", {"classes": ["a"]})
    assert states() == {
        "third": ["incomplete", "it has no report yet"],
        "toy": ["finished", "its report is not in this folder"],
    }


def test_it_needs_no_torch(folder):
    finish("toy")
    code = "import sys; from heatproof.cli import main; main(['show']); main(['show', 'toy'])"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("toy  finished  ") and done.stdout.endswith("\nFalse\n")
