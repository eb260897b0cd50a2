"""The documentation: the site builds, what is generated is up to date, and every block of code that can run is run.

`docs/how-to` has tests of its own (`test_howto.py`, `workflow/test_howto.py`), and so have the blocks of Python
(`test_api_analysis.py`).
"""

import doctest
import os
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from heatproof import cli
from heatproof.config.load import resolve
from heatproof.config.study import merge
from tools import config_docs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
TABLE = {"kind": "table", "source": "t.csv"}
LABELS = {"task": "multilabel", "data": TABLE | {"classes": {"Nodule": "Nodule", "Mass": "Mass"}}}
SETTINGS = {"multilabel": LABELS, "data": LABELS}  # what the studies of a page have, too
OTHERS = (".venv/bin/pip", "cd", "eval", "git", "head", "pip", "python", "source")


def blocks(page: str, *languages: str) -> list[str]:
    """The blocks of code of a page of docs/, or of README, in some languages; "" is a shell's."""
    path = ROOT / "README.md" if page == "README" else ROOT / f"docs/{page}.md"
    return [text for language, text in BLOCK.findall(path.read_text(encoding="utf-8")) if language in languages]


def commands(page: str) -> list[list[str]]:
    """The words of each command that a page shows."""
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    return [words for line in lines for part in line.split("&&") if (words := shlex.split(part, comments=True))]


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site/api/index.html").read_text(encoding="utf-8")
    assert all(f'<h2 id="{name}"' in page for name in ("api.scores.scores", "api.heatmaps.Classifier"))
    assert "&gt;&gt;&gt; " not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.S), "an example that is no code"


def test_the_page_of_the_configuration_is_up_to_date():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert (ROOT / config_docs.PAGE).read_text(encoding="utf-8") == config_docs.page(text), (
        "run `python -m tools.config_docs`"
    )
    found = doctest.testmod(config_docs)
    assert found.attempted and not found.failed


def test_the_page_of_the_configuration_has_every_default():
    text = (ROOT / config_docs.PAGE).read_text(encoding="utf-8")
    missing = [
        key
        for key, _ in config_docs.places(yaml.compose((ROOT / "params.yaml").read_text()))
        if f"| `{key}` |" not in text
        and f"| `{key}." not in text
        and not key.startswith(("explain.options.", "stats.margin."))
    ]
    assert missing == ["studies"]  # which ones run is no key of a study
    assert "| `data.split.by` | `auto`, `patient`, " in text and "| `train.lr` | number > 0 | `0.0003` |" in text


@pytest.mark.parametrize("page", [path.stem for path in PAGES])
def test_studies_that_are_shown_are_valid(page):
    for text in blocks(page, "yaml"):
        content = yaml.safe_load(text)
        if "stages" not in content:
            assert resolve(merge(SETTINGS.get(page, {}), content), page)


def test_the_stage_that_is_shown_is_that_of_dvc():
    shown, stage = (
        yaml.safe_load(text)["stages"]["study"]
        for text in (blocks("engines", "yaml")[0], (ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    )
    outputs = shown.pop("outs")
    assert outputs and all(one in stage["outs"] for one in outputs)
    assert shown == {key: stage[key] for key in shown}


@pytest.mark.parametrize("page", [path.stem for path in PAGES])
def test_commands_that_are_shown_are_understood(page, capsys):
    from dvc.cli.parser import get_main_parser
    from snakemake.cli import get_argument_parser

    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for program, *words in commands(page):
        if program == "heatproof" and words[0] != "--print-completion":
            cli._parser([words[0]]).parse_args(words)
        elif program == "snakemake":
            get_argument_parser().parse_args(words)
        elif program == "dvc":
            get_main_parser().parse_args(words)
        elif program == "make":
            assert {word for word in words if "=" not in word} <= targets
        else:
            assert program in (*OTHERS, "heatproof"), f"{page}: {program}"


def test_every_block_says_what_it_is():
    for path in PAGES:
        languages = {language for language, _ in BLOCK.findall(path.read_text(encoding="utf-8"))}
        assert languages <= {"", "text", "yaml", *(["python"] if path.stem == "python" else [])}, path.name


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the commands of the pages work on: images of two classes, scores of two models."""
    rng = np.random.default_rng(0)
    for number in range(48):
        path = tmp_path / f"test_images/{'ab'[number // 2 % 2]}/p{number // 2:02}_{number % 2}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8)).save(path)
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in sorted((tmp_path / "test_images").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "test_images"))
    rows = [
        (f"i{n}", f"p{n}", model, n % 7 + n / 50 + shift) for n in range(30) for model, shift in (("x", 0), ("y", 1))
    ]
    scores = pd.DataFrame(rows, columns=["image_id", "patient", "model", "value"]).assign(metric="my_metric")
    scores.to_csv(tmp_path / "scores.csv", index=False)
    tried = pd.concat([scores.assign(option=layer, value=scores["value"] + (layer == "b")) for layer in "ab"])
    for part in ("test", "validation"):
        apart = {name: part + tried[name] for name in ("image_id", "patient")} | {"metric": "relevance_rank_accuracy"}
        tried.assign(**apart).to_csv(tmp_path / f"{part}.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_of_scores_is_tested(folder, capsys):
    for command in commands("scores"):
        assert cli.main(command[1:]) == 0
    said = capsys.readouterr().out
    assert (folder / "scores-stats/summary.json").is_file() and "y" in said and "my_metric" in said
    assert "x: b, chosen on the validation groups" in said


def test_the_audit_runs(folder, capsys):
    for _, *words in (command for command in commands("data") if command[0] == "heatproof"):
        assert cli.main(["test_images" if word == "/data/my_images" else word for word in words]) == 0
    assert (folder / "audit.json").is_file() and "48 images in 2 classes" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README", "judge"])
def test_a_model_is_judged(folder, page):
    """The command with a smaller network, within a minute in place of ten."""
    import torch
    import torchvision

    torch.save(torchvision.models.resnet18(num_classes=2).state_dict(), "model.pth")
    command = next(words for words in commands(page) if words[:2] == ["heatproof", "judge"])
    command = [word.replace("resnet50", "resnet18") for word in command]
    command = [sys.executable, "-m", *command, "--minutes", "1", "--cores", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    report = re.search(r"^Report: (.*)$", done.stdout, re.M)[1]
    assert "torchvision" in Path(report).read_text(encoding="utf-8")
