import shutil

import pytest
from workflow.project import Project, create


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The study, run once by `snakemake --cores 2`."""
    project = create(tmp_path_factory.mktemp("finished"))
    project.snakemake()
    return project


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project that a test may change."""
    shutil.copytree(finished.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")
