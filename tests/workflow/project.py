"""A project of its own, in a temporary folder and under git and DVC, with a study of a minute."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = (
    "Snakefile dvc.yaml params.yaml pyproject.toml rules profiles envs studies src .gitignore .dvcignore .dvc/config "
    ".dvc/plots"
)


@dataclass
class Project:
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        found = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "COV_"))}
        found["PATH"] = f"{Path(sys.executable).parent}:{found['PATH']}"
        found |= {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t"}
        return found | {"GIT_COMMITTER_EMAIL": "t@t", "GIT_CONFIG_GLOBAL": "/dev/null"}

    def run(self, *command: str, check: bool = True, **options) -> subprocess.CompletedProcess:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=600, **options
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: str, **options) -> subprocess.Popen:
        """Run a command beside the test, in a session of its own so that it can be interrupted alone."""
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, start_new_session=True, **options)

    def snakemake(self, *options: str, check: bool = True) -> str:
        done = self.run("snakemake", "--cores", "2", *options, check=check)
        return done.stdout + done.stderr

    def planned(self) -> dict[str, int]:
        """Jobs that a dry run would do, by rule; provenance must be whole, or a dry run is blind."""
        said = self.snakemake("-n")
        assert "missing provenance" not in said, said
        return jobs(said)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    def files(self, *folders: str) -> dict[str, bytes]:
        found = {}
        for folder in folders:
            for path in sorted((self.folder / "results" / folder).rglob("*")):
                if path.is_file() and path.name != ".gitignore":
                    found[str(path.relative_to(self.folder))] = path.read_bytes()
        return found


def jobs(said: str) -> dict[str, int]:
    """The last table of jobs that Snakemake printed, without the target rule; `score_curves` counts as `score`."""
    tables = re.findall(r"^job +count\n[- ]+\n((?:\w+ +\d+\n)+)", said, re.M)
    counts = dict(re.findall(r"^(\w+) +(\d+)$", tables[-1], re.M)) if tables else {}
    curves = int(counts.pop("score_curves", 0))
    counts |= {"score": int(counts.get("score", 0)) + curves} if curves else {}
    return {rule: int(count) for rule, count in counts.items() if rule not in ("all", "total")}


def create(folder: Path) -> Project:
    for name in FILES.split():
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    project = Project(folder)
    project.edit("params.yaml", "studies: [quickstart]", "studies: [tiny]")
    recorded = re.sub(r"  - results/stats/(?!quickstart/)\w+/metrics.json\n", "", (folder / "dvc.yaml").read_text())
    recorded = recorded[: recorded.index('  - "phantom:')].replace("quickstart", "tiny")
    (folder / "dvc.yaml").write_text(recorded)
    project.run("git", "init", "-q")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "start")
    return project
