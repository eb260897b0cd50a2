"""Each how-to, followed to its end in a copy of the project: what it promises is there."""

import json
import re
import shutil

import pandas as pd
import pytest
from workflow.howto import follow, with_tests
from workflow.project import ROOT, create, jobs

pytestmark = pytest.mark.slow

AFTER_SCORES = {"stats": 1, "report": 1}


@pytest.fixture
def fresh(tmp_path):
    """A project as one clones it, of the default study, with nothing run."""
    project = create(tmp_path / "project")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, project.folder)
    return project


def scores(project, model, family) -> pd.DataFrame:
    return pd.read_parquet(project.folder / f"results/scores/tiny/{model}/0/fold0/{family}.parquet")


def report(project, study="tiny") -> str:
    return (project.folder / f"results/report/{study}.html").read_text(encoding="utf-8")


def test_add_a_model(project):
    said = follow("add-a-model", project)
    new = {"train": 2, "explain": 2, "score": 4, "score_seeds": 3}
    assert jobs(said) == new | AFTER_SCORES, "no other model is trained"
    card = json.loads((project.folder / "results/models/tiny/test_convnext/1/fold0/card.json").read_text())
    assert card
    assert len(pd.read_csv(project.folder / "results/models/tiny/test_convnext/0/fold0/history.csv")) == 3
    assert "test_convnext" in report(project)
    own = pd.read_csv(project.folder / "pairs.csv")
    assert set(own["a"]) == {"ours"} and set(own["b"]) == {"theirs"} and set(own["within"]) == {"gradcam", "saliency"}


def test_add_a_method(project):
    said = follow("add-a-method", with_tests(project))
    assert jobs(said) == {"explain": 4, "score": 8, "score_seeds": 2} | AFTER_SCORES, "nothing is trained"
    found = scores(project, "test_resnet", "localization")
    made = found[found["method"] == "gradcam_elementwise"]
    assert made["value"].notna().any() and "gradcam_elementwise" in report(project)


def test_add_a_metric(project):
    said = follow("add-a-metric", with_tests(project))
    assert jobs(said) == {"score": 4} | AFTER_SCORES
    found = scores(project, "test_vit", "localization").set_index(["metric", "method"])["value"]
    assert found["localization_precision", "truth"].dropna().eq(1).all()
    table = pd.read_csv(project.folder / "results/stats/tiny/metrics.csv")
    assert table.loc[table["metric"] == "localization_precision", "mean"].notna().any()
    assert "Localization precision" in report(project)


def test_add_a_data_source(fresh):
    import numpy as np

    draw, counts = np.random.default_rng(0), {"train": 30, "val": 10, "test": 20}
    images = {f"{split}_images": draw.integers(0, 256, (n, 28, 28), np.uint8) for split, n in counts.items()}
    labels = {f"{split}_labels": np.arange(n)[:, None] % 2 for split, n in counts.items()}
    (fresh.folder / "downloads").mkdir()
    np.savez(fresh.folder / "downloads/breastmnist.npz", **images, **labels)
    said = follow("add-a-data-source", with_tests(fresh))
    assert jobs(said) == {"data": 1, "audit": 1}
    manifest = pd.read_parquet(fresh.folder / "results/data/breastmnist/manifest.parquet")
    assert len(manifest) == 60 and manifest["image_id"].str.startswith("val/").sum() == 10
    assert set(manifest["fold0"]) == {"train", "val", "test"}


def test_check_your_claims(project):
    output = follow("check-your-claims", project)
    claims = pd.read_csv(project.folder / "results/stats/ours/claims.csv").set_index("name")["verdict"]
    page = (ROOT / "docs/how-to/check-your-claims.md").read_text(encoding="utf-8")
    assert claims.to_dict() == dict(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.M))
    assert re.search(r"^\d+ patients are needed to decide, by a difference of 0.05", output, re.M)
    assert output.splitlines()[-1].startswith("ours_again: 2 models x 2 seeds, 2 methods")
    source = report(project, "ours")
    assert "our maps localize lesions better than Grad-CAM" in source and "10.1000/example" in source


def test_add_a_study_and_share_its_results(fresh):
    follow("add-a-study", fresh)
    said = max((fresh.folder / ".snakemake/log").glob("*.log")).read_text()  # `heatproof run` shows no table of jobs
    assert jobs(said) == {"data": 1, "audit": 1, "train": 2, "explain": 2, "score": 2} | AFTER_SCORES
    manifest = pd.read_parquet(fresh.folder / "results/data/mine/manifest.parquet")
    assert len(manifest) == 90 and manifest["group"].nunique() == 45
    assert ((manifest["truth"] == "mask") == (manifest["label"] == 1)).all()
    assert "test_vit" in report(fresh, "mine")
    shared = follow("share-results", fresh)
    assert jobs(shared) == {}, "the clone has nothing to do"
    clone = type(fresh)(fresh.folder.parent / "clone")
    assert clone.files("stats", "report", "scores") == fresh.files("stats", "report", "scores")
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)
    assert "results/stats/mine/metrics.json" in str(shown)


def test_the_list_of_pages(fresh):
    assert "pytest" in follow("README", with_tests(fresh))
