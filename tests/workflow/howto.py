"""The pages of docs/how-to at their word: their files, edits and commands, for a copy of the project."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from workflow.project import ROOT, Project

PAGES = ROOT / "docs/how-to"
BLOCK = re.compile(r"(?:^`([^`\n]+)`([^\n]*):\n\n)?^```(\w+)\n(.*?)^```$", re.M | re.S)


class Step(NamedTuple):
    """A block of a page: its file and what is said of it, its language and its text."""

    file: str
    said: str
    language: str
    text: str

    @property
    def command(self) -> bool:
        return not self.file and self.language == "bash"

    def applied(self, text: str | None) -> str:
        """What the file holds after this step; `text` is what it held, None where it was not there."""
        if self.language == "diff":
            old, new = (self._side(mark) for mark in "-+")
            count = f"\n{text}".count(f"\n{old}")
            assert text is not None and count == 1, f"{self.file} holds {count} times:\n{old}"
            return f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]
        if "at its end" in self.said:
            assert text is not None, f"{self.file} is not there"
            return text + self.text
        assert text is None, f"{self.file} is there already"
        return self.text

    def _side(self, mark: str) -> str:
        return "".join(line[1:] for line in self.text.splitlines(keepends=True) if line[0] in (" ", mark))


def steps(page: str) -> list[Step]:
    """The blocks of a page, in order."""
    return [Step(*found) for found in BLOCK.findall((PAGES / f"{page}.md").read_text(encoding="utf-8"))]


def apply(page: str, read: Callable[[str], str | None], write: Callable[[str, str], None]) -> None:
    """Make the files and edits of a page, and run nothing."""
    for step in steps(page):
        if step.file:
            write(step.file, step.applied(read(step.file)))


def follow(page: str, project: Project) -> str:
    """Do what a page says, in a project; returns what its commands said."""
    said = []
    for step in steps(page):
        if step.file:
            path = project.folder / step.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.applied(path.read_text() if path.exists() else None))
        elif step.command:
            path = f"PYTHONPATH={project.folder / 'src'}"  # an installed heatproof is this project's
            done = project.run("env", path, "bash", "-euo", "pipefail", "-c", step.text)
            said += [done.stdout, done.stderr]
    return "".join(said)


def with_tests(project: Project) -> Project:
    """Bring what only those who change the code need."""
    for name in ("tests", "docs", "bench", "tools", "Makefile"):
        source, target = ROOT / name, project.folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return project


def names() -> list[str]:
    return sorted(Path(path).stem for path in PAGES.glob("*.md"))
