"""What the configuration does not name stays until somebody removes it; what a folder is called does not matter."""

import pytest
from workflow.project import Project, create

pytestmark = pytest.mark.slow

ONE = ("--config", "seeds=[0]")


def _seeds(project: Project) -> set[str]:
    return {path.name for path in (project.folder / "results/models/tiny/test_vit").iterdir()}


def test_what_is_no_longer_named_stays_and_counts_when_it_is_named_again(project, finished):
    project.snakemake(*ONE)
    assert _seeds(project) == {"0", "1"}
    project.edit("studies/tiny.yaml", "seeds: [0, 1]", "seeds: [0]")
    files = project.files("models", "heatmaps", "scores")
    assert project.planned() == {}
    assert project.files("models", "heatmaps", "scores") == files, "a dry run moves no file"
    project.edit("studies/tiny.yaml", "seeds: [0]", "seeds: [0, 1]")
    planned = project.planned()
    assert "train" not in planned and "explain" not in planned
    project.snakemake()
    stages = ("data", "models", "heatmaps", "scores", "stats")
    assert project.files(*stages) == finished.files(*stages)
    project.edit("studies/tiny.yaml", "seeds: [0, 1]", "seeds: [0]")
    assert "results/models/tiny/test_vit/1/fold0: 4, " in project.run("heatproof", "clean").stdout
    assert _seeds(project) == {"0", "1"}
    project.run("heatproof", "clean", "--remove")
    assert _seeds(project) == {"0"}


def test_the_name_of_the_folder_does_not_matter(finished, tmp_path):
    project = create(tmp_path / 'it\'s "my" $HOME & Ärzte')
    project.snakemake("--config", "models=[test_resnet]", "--until", "explain")
    place = "results/heatmaps/tiny/test_resnet/0/fold0/maps.npy"
    assert (project.folder / place).read_bytes() == (finished.folder / place).read_bytes()
    braces = create(tmp_path / "{study}")
    said = braces.snakemake("-n", check=False)
    assert "Snakemake takes braces for wildcards: give the folder another name" in said and "Traceback" not in said
