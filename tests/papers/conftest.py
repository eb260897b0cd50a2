"""What the pages are made of, to be changed by a test: this repository's own results, or tables from memory."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from heatproof.profiles.files import STUDY_TABLES
from heatproof.stats.results import StudyResults
from heatproof.store.tables import TABLES
from papers.studies import Results

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The parts of this repository that the pages are made of, and the pages."""
    for name in ("README.md", "params.yaml", "docs/findings.md", "docs/findings_xray.md", "docs/claims.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("docs/findings", "papers", "results/stats", "studies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Made(Results):
    """Tables and results from memory."""

    there = True

    def __init__(self, found: StudyResults, **tables: list[dict]):
        self.study, self.found, self._made = found.study, found, tables

    def table(self, name: str) -> pd.DataFrame:
        return pd.DataFrame(self._made.get(name, []), columns=list(TABLES[name])).astype(TABLES[name])

    def profiles(self, name: str) -> pd.DataFrame:
        return pd.DataFrame(self._made.get(name, []), columns=list(STUDY_TABLES[name])).astype(STUDY_TABLES[name])


@pytest.fixture
def made():
    return Made
