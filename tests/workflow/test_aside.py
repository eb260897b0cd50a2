"""What the configuration does not name is set aside by runs, and by dry runs never."""

import shutil

import pytest
from workflow.project import Project, create

pytestmark = pytest.mark.slow

ONE = ("--config", "seeds=[0]")


def _seeds(project: Project) -> set[str]:
    return {path.name for path in (project.folder / "results/models/tiny/test_vit").iterdir()}


def test_only_a_run_moves_results(project, finished):
    said = project.snakemake(*ONE)
    assert "files that the configuration no longer names were set aside in .heatproof/removed" in said
    assert _seeds(project) == {"0"}
    planned = project.planned()
    assert "train" not in planned and "explain" not in planned, "what was set aside counts as being there"
    assert _seeds(project) == {"0"}, "a dry run puts back what it looked at"
    again = project.files("models")
    shutil.copytree(
        finished.folder / "results/models/tiny/test_vit/1", project.folder / "results/models/tiny/test_vit/1"
    )
    records = project.folder / ".heatproof/removed/.snakemake/metadata"
    shutil.copytree(records, project.folder / ".snakemake/metadata", dirs_exist_ok=True)
    assert "Nothing to be done" in project.snakemake(*ONE)
    assert project.files("models") == again, "as after a kill before the end: nothing runs, and it is tidied"
    project.snakemake()
    stages = ("data", "models", "heatmaps", "scores", "stats")
    assert project.files(*stages) == finished.files(*stages)


def test_the_name_of_the_folder_does_not_matter(finished, tmp_path):
    project = create(tmp_path / 'it\'s "my" $HOME & Ärzte')
    project.snakemake("--config", "models=[test_resnet]", "--until", "explain")
    place = "results/heatmaps/tiny/test_resnet/0/fold0/maps.npy"
    assert (project.folder / place).read_bytes() == (finished.folder / place).read_bytes()
    braces = create(tmp_path / "{study}")
    said = braces.snakemake("-n", check=False)
    assert "Snakemake takes braces for wildcards: give the folder another name" in said and "Traceback" not in said
