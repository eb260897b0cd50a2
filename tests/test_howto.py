"""The how-to pages fit the code that stands: their edits apply, their code is clean, what they name is there."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from workflow.howto import PAGES, apply, names, steps
from workflow.project import ROOT

from heatproof.cli import COMMANDS


@pytest.fixture(params=names())
def page(request) -> str:
    return request.param


@pytest.fixture
def applied(page, tmp_path):
    """The files that a page makes or edits, as they are after it."""
    files = {}
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    def read(name):
        path = ROOT / name
        return files.get(name, path.read_text(encoding="utf-8") if path.exists() else None)

    apply(page, read, files.__setitem__)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return files


def test_edits_fit_and_what_they_make_is_clean(page, applied, tmp_path):
    for name, text in applied.items():
        if name.endswith(".yaml"):
            assert yaml.safe_load(text)
    python = [name for name in applied if name.endswith(".py")]
    ours = 'lint.isort.known-first-party = ["heatproof"]'  # ruff would look for the files
    for command in (["check", "--config", ours], ["format", "--check"]) if python else ():
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", *python]
        done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_blocks_without_a_file_are_commands_or_shown(page):
    for step in steps(page):
        assert step.file or step.language in ("bash", "text", "yaml"), step.text
        if not step.file and step.language == "yaml":
            assert yaml.safe_load(step.text)


def test_commands_and_tests_are_there(page, applied):
    commands = "\n".join(step.text for step in steps(page) if step.command)
    assert set(re.findall(r"^heatproof (\w+)", commands, re.M)) <= {*COMMANDS, "job"}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    for line in re.findall(r"^make (.*?)(?: *#.*)?$", commands, re.M):
        assert {word for word in line.split() if word[0] != "-"} <= targets
    for path in re.findall(r"\btests/[\w/]+\.py", commands):
        assert path in applied or (ROOT / path).is_file()


def test_what_the_text_names_is_there(page, applied):
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (PAGES / link).exists(), link
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    for path in re.findall(r"`((?:src|docs|tests|rules|studies)/[\w/.-]+?)/?`", prose):
        assert path in applied or (ROOT / path).exists(), path


def test_every_page_is_in_the_list(page):
    assert page == "README" or f"({page}.md)" in (PAGES / "README.md").read_text(encoding="utf-8")
