"""The command line, as a shell sees it."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from shipped import PARAMS, checked

from heatproof.cli import COMMANDS, JOBS, MOVED, SHELLS, completion, main
from heatproof.config.data import Data
from heatproof.config.load import section
from heatproof.core.messages import InputError

ROOT = Path(__file__).parents[1]
ENV = os.environ | {"PYTHONPATH": str(ROOT / "src")}


def heatproof(*arguments, **options):
    command = [sys.executable, "-m", "heatproof", *arguments]
    return subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=60, **options)


def cpu_seconds(*command: str) -> float:
    """User and system time of a command, the least of three runs."""
    taken = []
    for _ in range(3):
        before = os.times()
        subprocess.run([sys.executable, *command], env=ENV, check=True, capture_output=True)
        after = os.times()
        taken.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(taken)


def test_help_is_quick_and_imports_nothing_heavy():
    assert cpu_seconds("-m", "heatproof", "--help") - cpu_seconds("-c", "") < 0.5
    snippet = """
import sys
from heatproof.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
heavy = {"torch", "torchvision", "timm", "pandas", "numpy", "scipy", "matplotlib", "pydantic", "snakemake", "yaml"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", snippet], env=ENV, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")


def test_help_lists_what_people_type_and_no_job():
    text = heatproof("--help").stdout
    listed = re.findall(r"^    (\w+) ", text[text.index("COMMAND\n") :], re.M)
    assert (
        listed
        == ["judge", "audit", "analyze", "power", "check", "plan", "run", "show", "diff", "gate", "verify", "clean"]
        == [*COMMANDS]
    )
    assert all(f"\n  {code} " in text for code in (0, 1, 2, 3, 130))


@pytest.mark.parametrize("arguments", [[name] for name in COMMANDS] + [["job", name] for name in JOBS] + [["job"]])
def test_each_command_has_help(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    if arguments == ["job"]:
        assert all(f" {name} {job.help} " in text for name, job in JOBS.items())
    else:
        assert (COMMANDS if len(arguments) == 1 else JOBS)[arguments[-1]].sentence in text
        assert ("--log" in text) == (arguments[0] == "job")


@pytest.mark.parametrize(
    "arguments",
    [[], ["analyze"], ["job", "tarin"], ["job", "data"], ["job", "data", "--study", "x", "--config", "{"], ["--stduy"]],
)
def test_wrong_usage_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: heatproof" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["shwo", "tiny"], "shwo: no such command; did you mean show?"),
        (["quantum"], "quantum: no such command; `heatproof --help` lists them"),
        (["headline"], "headline: now `heatproof show`"),
        (["compare", "a", "b"], "compare: now `heatproof diff`"),
        (["stats", "scores.csv"], "stats: now `heatproof analyze`"),
        (["train", "--study", "x"], "train: now `heatproof job train`"),
    ],
)
def test_a_wrong_or_an_old_name_is_one_line_with_the_right_one(arguments, line, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"heatproof: {line}\n"


def test_an_old_name_leads_to_one_that_is_there():
    assert all(new in COMMANDS or new.removeprefix("job ") in JOBS for new in MOVED.values())


def completed(line: str) -> list[str]:
    """What bash offers behind a line, in the working folder."""
    words = line.split(" ")
    script = f"""{completion("bash")}
COMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}
_shtab_heatproof heatproof {words[-1]!r} {words[-2]!r}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_options_studies_and_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("studies/phantom.yaml", "studies/tiny.yaml", "scores.csv"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    assert completed("heatproof ve") == ["verify"]
    assert completed("heatproof clean --re") == ["--remove"]
    assert completed("heatproof run ") == ["phantom", "tiny"]
    assert completed("heatproof show ph") == ["phantom"]
    assert completed("heatproof analyze sc") == ["scores.csv"]


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_printed(shell, capsys):
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", shell])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "_heatproof_studies()" in text and "analyze" in text and "ensemble" not in text
    if path := shutil.which(shell):
        subprocess.run([path, "-n"], input=text, text=True, check=True)


@pytest.mark.parametrize(("variables", "red"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_errors_are_red_on_a_terminal_alone(tmp_path, variables, red):
    (tmp_path / "params.yaml").write_text("{")
    main_end, end = pty.openpty()
    command = [sys.executable, "-m", "heatproof", "check"]
    subprocess.run(command, env=ENV | variables, cwd=tmp_path, stderr=end, timeout=60)
    os.close(end)
    assert os.read(main_end, 1000).startswith(
        b"\x1b[31mheatproof check:\x1b[0m params.yaml" if red else b"heatproof check: "
    )
    os.close(main_end)


def test_bad_input_is_1_and_one_line(tmp_path):
    (tmp_path / "params.yaml").write_text("{")
    done = heatproof("check", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("heatproof check: params.yaml, line 1: not YAML") and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_only_bad_input_loses_its_traceback(monkeypatch, capsys):
    def fail(error):
        def run(args):
            raise error

        monkeypatch.setattr("heatproof.commands.check.run", run)
        return main(["check"])

    assert fail(InputError("fix this")) == 1
    assert capsys.readouterr().err == "heatproof check: fix this\n"
    assert fail(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "heatproof check: stopped; run again to continue\n"
    for error in (ValueError("a bug"), KeyError("a bug"), RuntimeError("a bug")):
        with pytest.raises(type(error), match="a bug"):
            fail(error)


@pytest.mark.slow
def test_check_says_what_would_run():
    done = heatproof("check", "iq_oth_nccd", "phantom", cwd=ROOT)
    assert done.stdout.splitlines() == [
        "iq_oth_nccd: 5 models x 2 seeds, 3 methods, localization, faithfulness, consistency, robustness, sanity, "
        "complexity; images of 64 px from downloads/iq_oth_nccd",
        "phantom: 5 models x 5 seeds, 3 methods, localization, faithfulness, consistency, robustness, sanity, "
        "complexity; images of 64 px from a phantom",
    ]
    wrong = heatproof("check", "phantm", cwd=ROOT)
    assert wrong.returncode == 1
    assert wrong.stderr == (
        "heatproof check: command line: studies: 'phantm': no file studies/phantm.yaml; did you mean phantom or "
        "phantom_vit or xray_phantom?\n"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"source": "imgz"}, "toy: imgz: not found; set data.source to the folder with one sub-folder a class"),
        (
            {"classes": {"a": "a", "b": "c"}},
            "toy: imgs: data.classes.b: no image in a folder called 'c'; folders with images there: a, b",
        ),
        (
            {"masks": "maskz"},
            "toy: imgs: data.masks: no image below a folder 'maskz'; a mask has the name of its image",
        ),
        ({"masks": "masks"}, "toy: imgs: masks/0.png: 9x9 pixels, its image has 64x64; fix or remove the mask"),
        (
            {"weights": "x.safetensors"},
            "toy: train.weights: x.safetensors: not found; give the path of a .safetensors file",
        ),
    ],
)
def test_check_opens_what_a_study_names(tmp_path, monkeypatch, capsys, changes, expected):
    for name, side in (("a/0", 64), ("b/1", 64), *([("masks/0", 9)] if "masks" in changes.get("masks", "") else [])):
        (tmp_path / "imgs" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (side, side), 255).save(tmp_path / "imgs" / f"{name}.png")
    weights = changes.pop("weights", "scratch")
    data = {"kind": "folder", "source": "imgs", "classes": {"a": "a", "b": "b"}} | changes
    study = {"data": data, "train": {"weights": weights}}
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/toy.yaml").write_text(json.dumps(study))
    (tmp_path / "params.yaml").write_text(
        json.dumps(PARAMS | {"studies": ["toy"], "models": ["resnet18"], "seeds": [0]})
    )
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == (expected is not None)
    told = capsys.readouterr()
    assert told.out.startswith("toy: 1 models x 1 seeds")
    assert told.err == ("" if expected is None else f"heatproof check: {expected}\n")


def test_check_takes_checkpoints_of_a_study_of_the_same_run_as_coming(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weights = "results/models/large/{model}/{seed}/fold0/model.safetensors"
    (tmp_path / "studies").mkdir()
    for name, start in (("large", "scratch"), ("tuned", weights)):
        (tmp_path / f"studies/{name}.yaml").write_text(json.dumps({"train": {"weights": start}}))
    params = PARAMS | {"studies": ["tuned"], "models": ["resnet18"], "seeds": [0]}
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    assert main(["check", "large", "tuned"]) == 0
    assert main(["check"]) == 1
    path = weights.format(model="resnet18", seed=0)
    said = f"heatproof check: tuned: train.weights: {path}: not found; run the study large first, or both at once\n"
    assert capsys.readouterr().err == said


def test_a_reader_that_leaves_early_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "heatproof", "check"], env=ENV, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def phantoms(patients: int) -> str:
    """The section `data` of a phantom study, as its rule hands it over."""
    data = checked(Data, "data", size=64, phantom={"patients": patients, "slices": 1})
    return section(data, {"group_kind": data.group_kind, "class_names": data.class_names})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.slow
def test_a_full_disk_is_one_line(tmp_path):
    disk = tmp_path / "results"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted: {mounted.stderr.strip()}")
    try:
        done = heatproof("job", "data", "--study", "toy", "--config", phantoms(300), cwd=tmp_path)
        assert done.returncode == 1
        file = "results/data/toy/pixels.npy"
        assert done.stderr == f"heatproof data: {file}: the disk is full: free some space and run again\n"
        assert not any(path.is_file() for path in disk.rglob("*"))
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_job_that_is_told_to_end_leaves_no_file(tmp_path):
    config = phantoms(90000)
    job = subprocess.Popen(
        [sys.executable, "-m", "heatproof", "job", "data", "--study", "long", "--config", config],
        env=ENV,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = tmp_path / "results/data/long"
    deadline = time.monotonic() + 40
    while not (folder / ".masks.npy.part").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (folder / ".masks.npy.part").exists()
    job.send_signal(signal.SIGTERM)
    _, errors = job.communicate(timeout=40)
    assert job.returncode == 130
    assert errors == "heatproof data: stopped; run again to continue\n"
    assert list(folder.iterdir()) == []


def test_the_installed_command_is_this_one():
    path = shutil.which("heatproof", path=str(Path(sys.executable).parent))
    if path is None:
        pytest.skip("heatproof is not installed here, only on the path")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, env=ENV)
    assert (done.returncode, bool(re.fullmatch(r"\d+\.\d+\.\d+(\.post\d+\.dev\d+)?\n", done.stdout))) == (0, True)
