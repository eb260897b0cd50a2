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


@pytest.fixture(scope="session")
def recorded(tmp_path_factory) -> Project:
    """The study with one model, one seed and one epoch, run by `dvc repro`, committed, and pushed to a folder."""
    project = create(tmp_path_factory.mktemp("recorded") / "project")
    project.edit("studies/tiny.yaml", "models: [test_resnet, test_vit]", "models: [test_resnet]")
    project.edit("studies/tiny.yaml", "seeds: [0, 1]", "seeds: [0]")
    project.edit("studies/tiny.yaml", "epochs: 2", "epochs: 1")
    project.edit("studies/tiny.yaml", "[localization, faithfulness, consistency]", "[localization]")
    project.run("dvc", "repro")
    project.run("dvc", "remote", "add", "--default", "store", str(project.folder.parent / "store"))
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "results")
    project.run("dvc", "push")
    return project


@pytest.fixture
def clone(recorded, tmp_path) -> Project:
    """A clone of the recorded project, which has pulled nothing yet."""
    recorded.run("git", "clone", "-q", str(recorded.folder), str(tmp_path / "clone"))
    return Project(tmp_path / "clone")
