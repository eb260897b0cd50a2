"""A small multilabel study from its table to its report: X-rays with several labels, two ensembles, profiles."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from data.multilabel import collection, study
from workflow.project import Project, create

from heatproof.catalogue.reasons import is_unsupported
from heatproof.store.artifacts import predicted, truth

pytestmark = pytest.mark.slow

ENSEMBLES = """
ensembles:
  vote: {combine: vote}
  mean: {combine: mean}
profiles: {by: [label, prediction, outcome], min_images: 2, min_patients: 2}
"""
CLASSES = 6


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    project = create(tmp_path_factory.mktemp("several") / "project")
    text = study(collection(project.folder / "images"))
    for old, new in {
        "methods: [gradcam]": "methods: [gradcam, input_x_gradient, occlusion]\n  target: either",
        "images_per_group: 1\n": "images_per_group: 1\n  options: {occlusion: {window: 0.5, stride: 0.25}}\n",
        "random_labels: true": "random_labels: true, transforms: [flip]",
        "families: [localization, faithfulness, consistency]": "families: [localization, faithfulness, consistency, "
        "robustness, sanity, complexity, agreement]",
        "  size: 64": "  size: 64\n  modality: xray\n  regions: [body, border]",
        "competence_margin: 0": "competence_margin: 0, min_patients: 2",
    }.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (project.folder / "studies/several.yaml").write_text(text + ENSEMBLES)
    project.edit("params.yaml", "studies: [tiny]", "studies: [several]")
    project.snakemake()
    return project


def read(project, path):
    return pd.read_parquet(project.folder / "results" / path)


def test_it_runs_once_and_then_has_nothing_to_do(done):
    assert done.planned() == {}
    for page in ("several.html", "several_profiles.html"):
        assert "</html>" in (done.folder / "results/report" / page).read_text(encoding="utf-8")


def test_no_patient_is_in_two_splits(done):
    manifest = read(done, "data/several/manifest.parquet")
    assert manifest.groupby("group")["fold0"].nunique().max() == 1
    assert manifest["label"].isna().all() and truth(manifest, CLASSES).any(0).all()


def test_thresholds_come_from_validation_and_the_vote_is_of_the_members(done):
    found = {}
    for model in ("test_resnet", "test_vit", "mean", "vote"):
        folder = done.folder / f"results/models/several/{model}/0/fold0"
        card, table = json.loads((folder / "card.json").read_text()), pd.read_parquet(folder / "predictions.parquet")
        probabilities = table[[f"p_{k}" for k in range(CLASSES)]].to_numpy()
        assert (predicted(table, CLASSES) == (probabilities >= card["thresholds"])).all()
        found[model] = probabilities, predicted(table, CLASSES)
    members = [found["test_resnet"], found["test_vit"]]
    np.testing.assert_allclose(found["mean"][0], np.mean([p for p, _ in members], axis=0))
    votes = np.sum([answer for _, answer in members], axis=0)
    assert (found["vote"][1] == (votes == 2)).all()  # of two members both must say so
    np.testing.assert_allclose(found["vote"][0], votes / 2)


def test_heatmaps_and_scores_are_of_labels_that_are_there_or_predicted(done):
    index = read(done, "heatmaps/several/test_vit/0/fold0/index.parquet")
    table = read(done, "models/several/test_vit/0/fold0/predictions.parquet").set_index("image_id")
    for row in index.itertuples():
        image = table.loc[row.image_id]
        assert row.target == row.label
        assert row.predicted == (row.label if image[f"predicted_{row.label}"] else -1)
        assert image[f"label_{row.label}"] or image[f"predicted_{row.label}"]
    cases = set(index[["image_id", "label"]].itertuples(index=False, name=None))
    for family in ("localization", "complexity", "agreement"):
        scores = read(done, f"scores/several/test_vit/0/fold0/{family}.parquet")
        assert set(scores[["image_id", "label"]].itertuples(index=False, name=None)) == cases
    assert not scores.duplicated(["image_id", "label", "method", "metric"]).any()


def test_an_ensemble_is_explained_and_says_what_it_cannot_carry(done):
    for model, without in {"vote": {"gradcam", "input_x_gradient"}, "mean": {"gradcam"}}.items():
        index = read(done, f"heatmaps/several/{model}/0/fold0/index.parquet")
        assert set(index.loc[index["degenerate"].map(is_unsupported), "method"]) == without
        faithfulness = read(done, f"scores/several/{model}/0/fold0/faithfulness.parquet")
        assert faithfulness.loc[faithfulness["method"] == "occlusion", "value"].notna().any()


def test_statistics_name_labels_and_ensembles(done):
    stats = done.folder / "results/stats/several"
    labels, overall = pd.read_csv(stats / "labels.csv"), pd.read_csv(stats / "multilabel.csv")
    assert set(labels["model"]) == set(overall["model"]) == {"test_resnet", "test_vit", "mean", "vote"}
    assert {"f1_micro", "f1_macro", "subset_accuracy", "auroc_macro"} <= set(overall["measure"])
    table = read(done, "models/several/mean/0/fold0/predictions.parquet")
    table = table[table["split"] == "test"]
    y, p = truth(table, CLASSES), predicted(table, CLASSES)
    row = overall[(overall["model"] == "mean") & (overall["seed"] == 0) & (overall["measure"] == "f1_micro")].iloc[0]
    assert row["value"] == pytest.approx(2 * (y & p).sum() / (y.sum() + p.sum()))
    assert row["low"] <= row["value"] <= row["high"]
    assert row["groups"] == read(done, "data/several/manifest.parquet").query("fold0 == 'test'")["group"].nunique()


def test_shards_give_the_same_bytes(done, tmp_path):
    project = Project(shutil.copytree(done.folder, tmp_path / "project", symlinks=True))
    made = [f"results/heatmaps/several/test_resnet/0/fold0/{name}" for name in ("maps.npy", "index.parquet")]
    made += [f"results/scores/several/test_resnet/0/fold0/{name}.parquet" for name in ("localization", "faithfulness")]
    before = {name: (project.folder / name).read_bytes() for name in made}
    for name in made:
        (project.folder / name).unlink()
    project.edit("studies/several.yaml", "threads: 1}", "threads: 1, shards: 3}")
    assert "3 of 3" in project.snakemake(*made)
    assert {name: (project.folder / name).read_bytes() for name in made} == before
