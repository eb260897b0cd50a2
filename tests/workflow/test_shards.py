"""A study whose heatmaps and scores are made in shards: what runs, what does not, and the same bytes."""

import shutil

import pytest
from workflow.project import Project, create, jobs

pytestmark = pytest.mark.slow

MAPS = "results/heatmaps/tiny/test_resnet/0/fold0/maps.npy"
SCORES = [f"results/scores/tiny/test_resnet/0/fold0/{name}.parquet" for name in ("localization", "faithfulness")]
SHARDED = {"explain_shard": 3, "explain": 1, "score_shard": 6, "score": 2, "stats": 1, "report": 1}


@pytest.fixture(scope="module")
def sharded(tmp_path_factory) -> tuple[Project, str]:
    """The study of one checkpoint in three shards, stopped after the first and run again; and what that run said."""
    project = create(tmp_path_factory.mktemp("sharded"))
    project.edit("studies/tiny.yaml", "models: [test_resnet, test_vit]", "models: [test_resnet]")
    project.edit("studies/tiny.yaml", "seeds: [0, 1]", "seeds: [0]")
    project.edit("studies/tiny.yaml", "[localization, faithfulness, consistency]", "[localization, faithfulness]")
    project.edit("studies/tiny.yaml", "threads: 1}", "threads: 1, shards: 3}")
    project.edit("studies/tiny.yaml", "  images_per_group", "  batch_size: 4\n  images_per_group")
    project.snakemake(MAPS.replace(".npy", ".1of3"))
    return project, project.snakemake()


def planned_with(project: Project, file: str, old: str, new: str) -> dict[str, int]:
    text = (project.folder / file).read_text()
    project.edit(file, old, new)
    try:
        return project.planned()
    finally:
        (project.folder / file).write_text(text)


def test_a_run_that_was_stopped_goes_on_with_the_other_shards(sharded):
    _, said = sharded
    assert jobs(said) == SHARDED | {"audit": 1, "explain_shard": 2}


def test_a_second_run_has_nothing_to_do_with_any_number_of_shards(sharded):
    project, _ = sharded
    assert project.planned() == {}
    for count in (1, 5):
        assert planned_with(project, "studies/tiny.yaml", "shards: 3", f"shards: {count}") == {}
    left = {path.name for path in project.folder.glob("results/*/tiny/test_resnet/0/fold0/*") if path.is_dir()}
    assert not left, "shards are gone once they are joined"


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("studies/tiny.yaml", "images_per_group: 1", "images_per_group: 2", SHARDED),
        ("studies/tiny.yaml", "steps: 4", "steps: 5", {"score_shard": 3, "score": 1, "stats": 1, "report": 1}),
        ("src/heatproof/explain/cam.py", '"""Class', '"""Edited. Class', SHARDED),
    ],
)
def test_an_edit_runs_the_shards_again(sharded, file, old, new, expected):
    assert planned_with(sharded[0], file, old, new) == expected


def test_shards_keep_the_maps_of_the_methods_before(sharded, tmp_path):
    shutil.copytree(sharded[0].folder, tmp_path / "project", symlinks=True)
    project = Project(tmp_path / "project")
    project.edit("studies/tiny.yaml", "[gradcam]", "[gradcam, saliency]")
    assert jobs(project.snakemake()) == SHARDED
    for name in ("explain", "score-faithfulness"):
        for log in (project.folder / "logs/tiny/test_resnet/0/fold0").glob(f"{name}.*of3.log"):
            assert "keeps gradcam" in log.read_text() and "computes saliency" in log.read_text()
    before = project.files("heatmaps", "scores")
    for name in before:
        (project.folder / name).unlink()
    shutil.rmtree(project.folder / ".heatproof")
    project.edit("studies/tiny.yaml", "shards: 3", "shards: 1")
    project.snakemake(MAPS, *SCORES)
    assert project.files("heatmaps", "scores") == before


def test_the_bytes_are_those_of_one_piece(sharded):
    project, _ = sharded
    before = project.files("heatmaps", "scores")
    assert {MAPS, *SCORES} <= before.keys()
    for name in before:
        (project.folder / name).unlink()
    project.edit("studies/tiny.yaml", "shards: 3", "shards: 1")
    assert jobs(project.snakemake(MAPS, *SCORES)) == {"explain": 1, "score": 2}
    assert project.files("heatmaps", "scores") == before
