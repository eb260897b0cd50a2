"""`heatproof gate` on small results that are made here, and what a pipeline calls."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import minimal
import numpy as np
import pandas as pd
import pytest
import yaml

from heatproof.cli import main
from heatproof.commands import gate
from heatproof.core.messages import InputError
from heatproof.stats.results import Family, Model, StudyResults
from heatproof.store.artifacts import read_json, read_table, write_json, write_table
from heatproof.store.tables import DEALT, SCORES

ROOT = Path(__file__).parents[1]
PATIENTS = 80
IDS = [f"i{number:02}" for number in range(PATIENTS)]
METRICS = {"localization": "relevance_rank_accuracy", "faithfulness": "srg", "sanity": "rank_correlation_cascade"}


def build(root: Path, study: str = "s", model: str = "m", seed: int = 0, **shifts: float) -> Path:
    """Results of one model whose scores are drawn by seed and shifted, criterion by criterion."""
    draw = np.random.default_rng(seed)
    families = {name: Family(metric, margin=0.05, lower_is_better=name == "sanity") for name, metric in METRICS.items()}
    found = minimal.results(study, models={model: Model(competent=True)}, families=families)
    write_json(root / f"stats/{study}/summary.json", found.stored(), sort_keys=False)
    manifest = pd.DataFrame({"image_id": IDS, "sha256": "0", "source": "x", "label": 1, "group": IDS, "truth": ""})
    write_table(root / f"data/{study}/manifest.parquet", manifest.assign(width=9, height=9, fold0="test"), DEALT)
    shared = np.random.default_rng(7).uniform(0.3, 0.6, PATIENTS)
    plain = {"image_id": IDS, "group": IDS, "model": model, "seed": 0, "method": "gradcam", "reason": ""}
    for family, metrics in (
        ("localization", ("relevance_rank_accuracy", "outside_body")),
        ("faithfulness", ("srg",)),
        ("sanity", ("rank_correlation_cascade",)),
    ):
        tables = []
        for metric in metrics:
            name = family if metric == METRICS[family] else metric
            values = shared + draw.normal(0, 0.05, PATIENTS) + shifts.get(name, 0.0)
            tables.append(pd.DataFrame(plain | {"metric": metric, "value": values}))
        write_table(root / f"scores/{study}/{model}/0/fold0/{family}.parquet", pd.concat(tables), SCORES)
    return root


def changed(root: Path, family: str, edit) -> None:
    path = next(root.glob(f"scores/*/*/0/fold0/{family}.parquet"))
    write_table(path, edit(read_table(path, SCORES)), SCORES)


@pytest.fixture
def both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return build(Path("a/results")), build(Path("b/results"), seed=1)


def run(capsys, *options: str) -> tuple[int, str, str]:
    code = main(["gate", "a", "b", *options])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_candidate_that_is_as_good(both, capsys):
    code, out, _ = run(capsys)
    assert code == 0 and out.startswith("Non-inferior within the margin by every criterion that is measured (5 of 6")
    assert "Relevance on the cue (Grad-CAM): not measured (the study does not compute" in out


@pytest.mark.parametrize("criterion", ["localization", "faithfulness", "outside_body", "sanity"])
def test_a_candidate_that_is_worse_by_one_criterion(both, capsys, criterion):
    build(both[1], seed=1, **{criterion: 0.15 if criterion in ("outside_body", "sanity") else -0.15})
    code, out, _ = run(capsys)
    assert code == 1 and out.count(": worse. ") == 1
    code, out, _ = run(capsys, "--margin", f"{criterion}=0.25")
    assert code == 0 and "margin 0.25" in out
    other = "sanity" if criterion == "localization" else "localization"
    assert run(capsys, "--criteria", other)[0] == 0


def test_a_candidate_of_which_too_little_is_known(both, capsys):
    for root in both:
        for family in METRICS:
            changed(root, family, lambda table: table[table["image_id"] < "i40"])
    code, out, _ = run(capsys)
    assert code == 2 and out.startswith("Undecided (5 of 6 criteria measured). About 59 patients would decide.\n")
    build(both[1], seed=1, localization=-0.045)
    code, out, _ = run(capsys)
    assert code == 2 and "Localization (relevance rank accuracy, Grad-CAM): undecided" in out


def test_degenerate_maps(both, capsys):
    def fail(table):
        gone = table["image_id"] < "i20"
        return table.assign(value=table["value"].mask(gone), reason=table["reason"].mask(gone, "constant"))

    for family in METRICS:
        changed(both[1], family, fail)
    code, out, _ = run(capsys)
    assert code == 1 and "Worse than the margin: degenerate maps" in out and "difference 0.25 [" in out
    assert "20 images have a score in only one of the two results" in out


def test_the_same_results_pass(both, capsys):
    code = main(["gate", "a/results", "a"])
    assert code == 0 and capsys.readouterr().out.startswith("Non-inferior: both results have the same scores")


def test_other_names_of_study_and_model(both, capsys):
    build(both[1], "t", "n", seed=2, localization=-0.2)
    code, _, err = run(capsys)
    assert (code, err) == (3, "heatproof gate: CANDIDATE b: more than one study: s, t; choose one with --study\n")
    assert run(capsys, "--study", "s")[0] == 0
    assert run(capsys, "--study", "s", "t")[0] == 1
    assert run(capsys, "--study", "s", "t", "--model", "m", "n")[0] == 1
    code, _, err = run(capsys, "--study", "s", "t", "--model", "m")
    assert (code, err) == (3, "heatproof gate: --model m: CANDIDATE b: no model 'm'; choose from n\n")


def test_files_for_a_pipeline(both, capsys):
    build(both[1], seed=1, localization=-0.15, faithfulness=-0.048)
    code, out, _ = run(capsys, "--junit", "j.xml", "--markdown", "m.md")
    assert code == 1
    suite = ElementTree.parse("j.xml").getroot()
    counts = {key: int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 6, "failures": 1, "errors": 1, "skipped": 1}
    kinds = {case.get("name"): [child.tag for child in case] for case in suite}
    assert kinds == {
        "localization": ["failure"],
        "faithfulness": ["error"],
        "outside_body": ["system-out"],
        "inside_cue": ["skipped"],
        "sanity": ["system-out"],
        "degenerate": ["system-out"],
    }
    assert suite.find("testcase/failure").get("message") in out.splitlines()
    golden = Path(__file__).parent / "gate.md"
    assert Path("m.md").read_text(encoding="utf-8") == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "rise"], "--method rise: not in both results; in both: gradcam"),
        (
            ["--criteria", "locatization"],
            "--criteria locatization: no criterion 'locatization'; did you mean localization?",
        ),
        (["--criteria", "inside_cue"], "--criteria inside_cue: cannot be measured (the study does not compute these"),
        (["--margin", "much"], "--margin much: must be a number between 0 and 1, or CRITERION=NUMBER"),
        (["--margin", "0"], "--margin 0: must be a number between 0 and 1"),
        (["--margin", "sanety=0.1"], "--margin sanety=0.1: no criterion 'sanety'; did you mean sanity?"),
        (["--study", "x"], "--study x: BASELINE a: no study 'x'; choose from s"),
        (["--model", "x"], "--model x: BASELINE a: no model 'x'; choose from m"),
        (["--junit", "none/j.xml"], "--junit none/j.xml: its folder does not exist; create it first"),
        (["--images", "nowhere"], "--images: nowhere: not found"),
        (["--images", ".", "--study", "s"], "--study: with --images, give one --model and no --study"),
    ],
)
def test_options_that_cannot_be(both, capsys, options, said):
    code, out, err = run(capsys, *options)
    assert code == 3 and said in err and err.count("\n") == 1 and not out


def gone(root: Path, name: str) -> None:
    for path in root.glob(name):
        path.unlink()


def renamed(root: Path) -> None:
    for family in METRICS:
        changed(root, family, lambda table: table.assign(image_id="x" + table["image_id"]))


def another_method(root: Path) -> None:
    path = root / "stats/s/summary.json"
    write_json(path, StudyResults.of(read_json(path) | {"methods": ["rise"]}).stored(), sort_keys=False)


def another_file(root: Path) -> None:
    path = root / "data/s/manifest.parquet"
    write_table(path, read_table(path, DEALT).assign(sha256="1"), DEALT)


def without_truth(root: Path) -> None:
    for family in METRICS:
        changed(root, family, lambda table: table.assign(value=np.nan, reason="not_supported"))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda root: gone(root, "stats/s/summary.json"), "CANDIDATE b: no study with statistics; run it to its end"),
        (
            lambda root: gone(root, "scores/s/m/0/fold0/*"),
            "no scores in b/results/scores/s/m; run the study, or dvc pull",
        ),
        (renamed, "CANDIDATE b: no image in common with BASELINE a; judge both on the same images"),
        (another_method, "CANDIDATE b: no method of BASELINE a (gradcam); explain both by one"),
        (
            another_file,
            "CANDIDATE b: another file than in the baseline: i00, i01, i02 and 77 more; judge both on the same",
        ),
        (lambda root: (root / "stats/s/summary.json").write_text("{"), "b/results/stats/s/summary.json"),
    ],
)
def test_results_that_cannot_be_compared(both, capsys, edit, said):
    edit(both[1])
    code, out, err = run(capsys)
    assert code == 3 and said in err and err.count("\n") == 1 and not out


def test_nothing_that_can_be_measured(both, capsys):
    for root in both:
        without_truth(root)
    code, _, err = run(capsys)
    said = "localization, as every criterion: cannot be measured (the method does not support this architecture)"
    assert code == 3 and said in err


def test_a_checkpoint_without_images(both, capsys):
    Path("m.pth").touch()
    code = main(["gate", "m.pth", "m.pth"])
    said = "heatproof gate: BASELINE m.pth: a file; to compare two checkpoints, add --images PATH\n"
    assert (code, capsys.readouterr().err) == (3, said)


def test_another_study_of_that_name_is_kept(both, monkeypatch):
    Path("studies").mkdir()
    Path("studies/gate.yaml").write_text("models: [resnet18]\n")
    monkeypatch.setattr(gate, "study_of", lambda args: {})
    monkeypatch.setattr(gate.judging, "sized", lambda content, study: (content, {}))
    monkeypatch.setattr(gate, "resolve", lambda content: None)
    monkeypatch.setattr(gate, "runs", lambda study: [])
    parser = gate.argparse.ArgumentParser()
    gate.add_arguments(parser)
    with pytest.raises(InputError, match="exists, and is not of heatproof gate; rename it, or set --out"):
        gate.judge(parser.parse_args(["a.pth", "b.pth", "--images", "i", "--model", "resnet18"]))


ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
INSTALL, GATE = (step for step in ACTION["runs"]["steps"] if "run" in step)


def program(folder: Path, name: str, line: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / name).chmod(0o755)


def step(of: dict, **given: str) -> tuple[int, str, str]:
    """Run a step of the action as GitHub does: its exit code, outputs and summary."""
    program(Path("bin"), "heatproof", f'exec "{sys.executable}" -m heatproof "$@"')
    program(Path("bin"), "pip", 'echo "$@" >> "$GITHUB_OUTPUT"')
    inputs = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()} | given
    environment = {name: inputs[re.search(r"inputs\.(\w+)", value)[1]] for name, value in of["env"].items()}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "PATH": f"{Path('bin').resolve()}:{os.environ['PATH']}"}
    files = {name: Path(name).resolve() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.write_text("")
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", of["run"]],
        env=os.environ | environment | {name: str(path) for name, path in files.items()},
        capture_output=True,
    )
    return done.returncode, *(path.read_text(encoding="utf-8") for path in files.values())


@pytest.mark.slow
def test_the_steps_of_the_action(both):
    build(Path("c/results"), seed=1, localization=-0.15)
    build(Path("d/results"), seed=1, localization=-0.045)
    code, said, summary = step(GATE, baseline="a", candidate="b")
    assert (code, said) == (0, "verdict=non_inferior\n") and summary.startswith("# Heatmaps: non-inferior\n")
    assert ElementTree.parse("heatproof-gate.xml").getroot().get("failures") == "0"
    assert step(GATE, baseline="a", candidate="c")[:2] == (1, "verdict=worse\n")
    options = "--margin 0.3 --criteria localization sanity"
    assert step(GATE, baseline="a", candidate="c", options=options)[:2] == (0, "verdict=non_inferior\n")
    assert step(GATE, baseline="a", candidate="d")[:2] == (2, "verdict=undecided\n")
    assert step(GATE, baseline="a", candidate="d", undecided="pass")[:2] == (0, "verdict=undecided\n")
    assert step(GATE, baseline="a", candidate="no such; exit 0") == (3, "verdict=error\n", "")
    assert step(GATE, baseline="a", candidate="c", images="none", model="resnet18")[0] == 3


def test_the_action_installs_what_it_is_told_and_passes_every_input(both):
    assert step(INSTALL, version="heatproof==0.9")[:2] == (0, "install heatproof==0.9\n")
    used = {re.search(r"inputs\.(\w+)", value)[1] for of in (INSTALL, GATE) for value in of["env"].values()}
    assert used == set(ACTION["inputs"])


def test_the_hook_of_pre_commit(both):
    """It runs in a repository whose results are the candidate's."""
    (config,) = yaml.safe_load((ROOT / "examples/pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (hook,) = config["hooks"]
    assert re.search(hook["files"], "results/stats/s/summary.json") and not hook["pass_filenames"]
    build(Path("released/results"))
    program, *words = shlex.split(hook["entry"])
    assert program == "heatproof"
    for seed, shift, code in ((1, 0.0, 0), (1, -0.15, 1), (1, -0.045, 2)):
        build(Path("results"), seed=seed, localization=shift)
        assert main(words) == code
