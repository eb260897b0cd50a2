"""Which files a study has, and which of them a job reads."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from heatproof.config.load import load
from heatproof.core.messages import InputError
from heatproof.store.artifacts import Checkpoint
from heatproof.workflow import files
from heatproof.workflow.job import Job

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))
CHECKPOINT = {"model": "test_vit", "seed": "1", "fold": "fold0"}


def job(name: str = "tiny", overrides: dict | None = None, **wildcards: str) -> Job:
    studies = load(ROOT, studies=[name], overrides=overrides)
    return Job.of(studies, {"study": name, **wildcards})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_names_each_of_its_results_once(name):
    found = files.results(job(name))
    assert len(found) == len(set(found)) and set(found) <= set(files.named(job(name)))
    assert {path.parts[0] for path in found} == {"results"}


def test_results_of_the_same_kinds_whatever_the_study():
    def kinds(name: str) -> set[str]:
        return {path.name for path in files.results(job(name)) if path.parts[1] in ("data", "stats")}

    several = kinds("covid_cxr") - {"regions.npy", "layers.csv", "groups.csv", "distances.csv"}
    assert kinds("tiny") == several and {"seams.npy", "labels.csv", "multilabel.csv"} <= several


def test_random_splits_are_trained_and_no_more():
    study = {"data": {"split": {"folds": 3, "compare": "random"}}}
    found = {(path.parts[1], part) for path in files.results(job(overrides=study)) for part in path.parts[3:]}
    assert ("models", "random1") in found and ("heatmaps", "fold1") in found
    assert not {("heatmaps", "random0"), ("scores", "random0")} & found


def test_an_ensemble_has_neither_weights_nor_variants():
    study = {"ensembles": {"both": {"combine": "vote"}}, "score": {"families": ["localization", "sanity"]}}
    one = job(overrides=study, model="both", seed="0", fold="fold0")
    assert [path.name for path in files.model(one)] == ["card.json", "predictions.parquet"]
    assert not files.variants(one) and len(files.variants(one.at(model="test_vit"))) == 2
    assert [path.parts[3] for path in files.members(one)] == ["test_resnet"] * 2 + ["test_vit"] * 2
    scored = {path.stem for path in files.scores(one) if "both" in path.parts}
    assert scored == {"localization"}


def test_models_of_shuffled_labels_are_named_where_something_reads_them():
    wanted = {"explain": {"variants": {"random_labels": True}}, "score": {"families": ["sanity"]}}
    first = job(overrides=wanted, **CHECKPOINT | {"seed": "0"})
    card = Path("results/models/tiny/test_vit/0/shuffled0/card.json")
    assert files.shuffled_card(first) == [card] and card in files.named(first)
    assert files.shuffled_card(first.at(seed=1)) == []


def test_scores_across_seeds_lie_once():
    found = [path for path in files.scores(job()) if path.stem == "consistency"]
    assert found == [Path(f"results/scores/tiny/{m}/fold0/consistency.parquet") for m in ("test_resnet", "test_vit")]
    assert len(files.compared_maps(job(**CHECKPOINT))) == 2 * 2 * 2


def test_what_a_family_reads_beside_the_heatmaps():
    one = job(overrides={"data": {"regions": ["body"]}, "score": {"families": ["sanity"]}}, **CHECKPOINT)
    assert files.scored(one.at(family="localization")) == [Path("results/data/tiny/regions.npy")]
    assert [path.name for path in files.scored(one.at(family="sanity"))] == ["maps.npy", "index.parquet"]
    assert files.scored(one.at(family="complexity")) == []


def test_weights_are_there_or_made_by_a_study_of_the_run(tmp_path):
    given = {"train": {"weights": "mine-{model}-{seed}.safetensors"}}
    one = job(overrides=given, **CHECKPOINT)
    with pytest.raises(InputError, match=r"^mine-test_vit-1\.safetensors: not found; train\.weights is scratch"):
        files.weights(one)
    Path("mine-test_vit-1.safetensors").touch()
    assert files.weights(one) == [Path("mine-test_vit-1.safetensors")]
    made = {"train": {"weights": "results/models/tiny/{model}/{seed}/fold0/model.safetensors"}}
    assert files.weights(job(overrides=made, **CHECKPOINT))[0].parts[3:5] == ("test_vit", "1")
    assert files.weights(job(**CHECKPOINT)) == []
    other = {"train": {"weights": "results/models/large/{model}/{seed}/fold0/model.safetensors"}}
    with pytest.raises(InputError, match=r"not found; run the study large first, or name it in studies beside tiny$"):
        files.weights(job(overrides=other, **CHECKPOINT))


def test_external_heatmaps_are_listed_one_by_one():
    one = job(overrides={"explain": {"external": {"mine": "maps/{model}"}}}, **CHECKPOINT)
    with pytest.raises(InputError, match=r"^maps/test_vit: not found; explain\.external\.mine names"):
        files.external(one)
    Path("maps/test_vit").mkdir(parents=True)
    for name in ("b", "a"):
        np.save(f"maps/test_vit/{name}.npy", np.zeros((2, 2)))
    assert [path.name for path in files.external(one)] == ["a.npy", "b.npy"]


@pytest.mark.parametrize(("record", "count"), [(None, 3), ([], 0), (["1of2", "2of2"], 2), ("cut off", 0)])
def test_a_result_that_is_there_keeps_the_number_of_its_shards(record, count):
    one = job(overrides={"compute": {"shards": 3}}, **CHECKPOINT)
    path = files.maps(one)[0]
    if record is not None:
        for part in (path, files.record(path)):
            part.parent.mkdir(parents=True)
        path.touch()
        made = [str(path.with_suffix(f".{shard}")) for shard in record]
        files.record(path).write_text(json.dumps({"input": made}) if record != "cut off" else record)
    assert len(files.map_shards(one)) == count and files.map_shards(one.at(shard=1)) == []
    assert len(files.score_shards(one.at(family="localization"))) == 3
    assert files.score_shards(one.at(family="sanity")) == []


def test_a_job_is_made_of_its_wildcards():
    one = job(**CHECKPOINT, shard="1", shards="2")
    assert one.checkpoint == Checkpoint("tiny", "test_vit", "1", "fold0") and one.running == {"tiny"}
    assert one.recipe.epochs == yaml.safe_load((ROOT / "studies/tiny.yaml").read_text())["train"]["epochs"]


def test_the_report_reads_the_maps_of_all_seeds_where_consistency_compares_them():
    assert {path.parts[-3] for path in files.shown_maps(job())} == {"0", "1"}
    alone = job(overrides={"score": {"families": ["localization"]}})
    assert {path.parts[-3] for path in files.shown_maps(alone)} == {"0"} and files.curves(alone) == []
    assert {path.name for path in files.curves(job())} == {"faithfulness_curves.parquet"}
