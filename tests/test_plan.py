"""What a run will take, from costs made by hand; and the tools that read what is there."""

import argparse
import json
import math
import shutil
from dataclasses import replace

import minimal
import pandas as pd
import pytest
import shipped
import yaml
from report import audits
from shipped import PARAMS

from heatproof.commands import plan, show
from heatproof.commands.plan import JOB, ONCE, Cost, Left, count_images, estimate_bytes, estimate_seconds, explained
from heatproof.config.load import load, section
from heatproof.config.study import Study, merge
from heatproof.core.messages import InputError
from heatproof.core.statements import Statement
from heatproof.data.audit.results import Finding
from heatproof.report.paper.provenance import parameters
from heatproof.stats import results
from heatproof.stats.results import Comparison
from heatproof.stats.statements.general import comparison
from heatproof.store import artifacts
from heatproof.store.artifacts import ArtifactError
from heatproof.text.audit import sentence as audit_sentence
from heatproof.text.sentences import sentence
from heatproof.workflow.files import trainings

FAITHFULNESS = {"images": 20, "steps": 5, "road": None, "naopc": None, "infidelity": None}
BASE = {
    "models": ["test_resnet", "test_vit"],
    "compute": {"device": "cpu", "threads": 1},
    "data": {
        "size": 32,
        "phantom": {"patients": 100, "slices": 4},
        "split": {"train": 0.5, "val": 0.25, "test": 0.25},
    },
    "train": {"weights": "scratch", "epochs": 10, "models": {"test_vit": {"epochs": 1}}},
    "explain": {"images_per_group": 2, "methods": ["gradcam", "saliency"]},
    "score": {"families": ["localization", "faithfulness", "consistency"], "faithfulness": FAITHFULNESS},
}
METHODS = {"gradcam": 0.03, "saliency": 0.05}
COSTS = {"test_resnet": Cost(0.02, 0.01, 1000, METHODS), "test_vit": Cost(0.2, 0.1, 3000, METHODS)}
UNIT = 10.0


def left(trained: dict, explained: dict | None = None, varied: dict | None = None) -> Left:
    explained = trained if explained is None else explained
    return Left(trained, explained, varied or {}, explained)


def study(**changed) -> Study:
    return shipped.study(**merge(BASE, changed))


def test_images_of_a_phantom():
    assert count_images("toy", study()) == 400


def test_images_of_a_folder_are_counted_and_not_decoded(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/3.jpg", "b/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not decoded")
    data = {"kind": "folder", "source": str(tmp_path), "classes": {"a": "a", "b": "b"}}
    assert count_images("toy", study(data=data)) == 3
    gone = data | {"source": str(tmp_path / "gone")}
    with pytest.raises(InputError, match="gone: not found"):
        count_images("toy", study(data=gone))
    download = {"url": "https://example.org/a.zip", "sha256": "0" * 64}
    assert count_images("toy", study(data=data | {"download": download})) == 3
    assert count_images("toy", study(data=gone | {"download": download})) is None


def test_images_that_are_explained():
    assert explained(study(), 400) == 50  # 100 test images of 25 patients, two each
    assert explained(study(explain={"images_per_group": 9}), 400) == 100
    folder = {"kind": "folder", "source": "x", "classes": {"a": "a", "b": "b"}}
    assert explained(study(data=folder), 400) == 100
    folds = {"split": {"folds": 5}}
    assert explained(study(data=folds), 400) == 40  # 80 test images of 20 patients
    assert explained(study(data=folder | folds), 400) == 80


def test_seconds_by_hand():
    passes = 20 * (2 + 7) * 11
    start = JOB * UNIT
    trained = {"test_resnet": 10 * 400 * (0.02 * 0.5 + 0.01 * 0.25), "test_vit": 400 * (0.2 * 0.5 + 0.1 * 0.25)}
    jobs = {model: [trained[model], 0.08 * 50, cost.forward * passes, start] for model, cost in COSTS.items()}
    of_model = {model: sum(parts) + 4 * start for model, parts in jobs.items()}
    both = {model: [(0, "fold0"), (1, "fold0")] for model in COSTS}

    def seconds(todo: Left, cores: int, **changed) -> float:
        return estimate_seconds(study(**changed), COSTS, todo, 400, cores, UNIT) - ONCE * UNIT

    work = 2 * sum(of_model.values())
    assert seconds(left(both), 1) == pytest.approx(work)
    assert seconds(left(both), 2) == pytest.approx(work / 2)
    longest = max(max(parts[:3]) for parts in jobs.values()) + start
    assert seconds(left(both), 1000) == pytest.approx(longest), "not sooner than the longest job"
    assert seconds(left(both), 2, compute={"threads": 2}) == pytest.approx(work)
    some = {"test_resnet": [], "test_vit": [(1, "fold0")]}
    assert seconds(left(some), 1) == pytest.approx(of_model["test_vit"])
    scored = sum(jobs["test_vit"][1:]) + 3 * start
    assert seconds(left({}, some), 1) == pytest.approx(scored), "trained, and not yet explained"
    assert seconds(left({}), 2) == 0


def test_seconds_of_variants_by_hand():
    variants = {"images": 8, "transforms": ["flip"], "sensitivity": None, "random_target": True}
    variants |= {"randomize": {"layers": 2, "cascade": True, "independent": True}}
    asked = study(explain={"variants": variants}, score={"families": ["localization", "robustness"]})
    todo = left({}, {}, {"test_vit": [(0, "fold0")]})
    found = estimate_seconds(asked, COSTS, todo, 400, 1, UNIT)
    assert found == pytest.approx(ONCE * UNIT + 0.08 * 8 * (1 + 4 + 1) + JOB * UNIT)


def test_passes_by_hand():
    options = {"images": 20, "steps": 5, "baselines": ["mean", "blur"]}
    options |= {"road": {"images": 10, "percentiles": [20, 50]}, "infidelity": {"images": 4, "samples": 6}}
    options |= {"naopc": {"images": 2, "beam": 3, "cells": 2}}
    asked = study(score={"faithfulness": options}, explain={"external": {"mine": "mine.npz"}})
    maps = 2 + 1 + 7
    order = 2 * 3 * (4 + 3 + 2 + 1)  # best and worst, three beams, a cell less each time
    curves = 2 * 4
    by_hand = 20 * maps * 21 + 10 * maps * 2 * 2 + 4 * maps * 6 + 2 * (order + maps * curves)
    assert plan.faithfulness_passes(asked, 400) == by_hand
    assert plan.faithfulness_passes(study(score={"families": ["localization"]}), 400) == 0


def test_maps_by_hand():
    variants = {"images": 8, "transforms": ["flip", "noise"], "sensitivity": {"draws": 3}, "random_labels": True}
    variants |= {"randomize": {"layers": 4, "cascade": True, "independent": False}, "random_target": False}
    asked = {"methods": ["gradcam", "saliency"], "variants": variants}
    assert plan.explained_maps(study(explain=asked), 400) == 50 * 2
    varied = study(explain=asked, score={"families": ["sanity"]})
    assert plan.explained_maps(varied, 400) == 50 * 2 + 8 * (2 + 3 + 4 + 1) * 2
    assert trainings(varied) == [(0, "fold0"), (1, "fold0"), (0, "shuffled0")]


def test_bytes_of_folds_by_hand():
    folds = study(data={"split": {"folds": 5, "compare": "random"}})
    pixels, maps = 400 * 32 * 32 * 2, 2 * 40 * 32 * 32 * 4  # two methods
    assert estimate_bytes(folds, COSTS, 400) == pixels + 2 * 10 * (1000 + 3000) + 2 * 5 * 2 * maps + 8 * 3000


def test_bytes_by_hand():
    pixels, maps = 400 * 32 * 32 * 2, 2 * 50 * 32 * 32 * 4
    assert estimate_bytes(study(), COSTS, 400) == pixels + 2 * (1000 + 3000 + 2 * maps) + 8 * 3000


def test_a_cost_is_measured():
    cost = plan.measure("test_resnet", study(explain={"methods": ["gradcam", "attention_rollout"]}))
    assert 0 < cost.train < 5 and 0 < cost.forward < 5 and math.isfinite(cost.train)
    assert 0 < cost.methods["gradcam"] < 5 and cost.methods["attention_rollout"] == 0, "a network without attention"
    assert 4e5 < cost.checkpoint < 1e7


def test_the_machine_is_measured_once():
    assert plan.import_seconds() == plan.import_seconds(), "a second import takes no time and would say nothing"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "measure", lambda model, study: COSTS[model])
    monkeypatch.setattr(plan, "import_seconds", lambda: UNIT)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: argparse.Namespace(free=50 * 10**9))
    (tmp_path / "studies").mkdir()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(merge(PARAMS, BASE | {"studies": ["toy"]})))
    (tmp_path / "studies/toy.yaml").write_text("")
    return argparse.Namespace(studies=[], cores=2)


def test_plan_says_what_a_run_will_take(project, capsys):
    plan.run(project)
    seconds = estimate_seconds(study(), COSTS, Left.of("toy", study()), 400, 2, UNIT)
    assert capsys.readouterr().out == (
        f"toy: 4 of 4 models to train on about 400 images; about {round(seconds / 60)} minutes on 2 cores, "
        "2.5 MB of disk (50.0 GB are free)\n"
    )
    artifacts.write_json(artifacts.Checkpoint("toy", "test_vit", 1, "fold0").card, {})
    plan.run(project)
    assert capsys.readouterr().out.startswith("toy: 3 of 4 models to train on about 400 images; about ")


def test_plan_of_checkpoints_of_ones_own(project, tmp_path, capsys):
    given = "train: {weights: 'mine/{model}-{seed}.safetensors', epochs: 0, models: {test_vit: {epochs: 0}}}"
    (tmp_path / "studies/toy.yaml").write_text(given)
    plan.run(project)
    assert capsys.readouterr().out.startswith("toy: 4 trained models to explain on about 400 images; about ")
    (tmp_path / "studies/toy.yaml").write_text(given.replace("test_vit: {epochs: 0}", "test_vit: {epochs: 1}"))
    plan.run(project)
    assert capsys.readouterr().out.startswith("toy: 2 of 2 models to train and 2 trained models to explain on ")


def test_plan_counts_folds_and_random_splits(project, tmp_path, capsys):
    (tmp_path / "studies/toy.yaml").write_text("data: {split: {folds: 3, compare: random}}")
    artifacts.write_json(artifacts.Checkpoint("toy", "test_vit", 1, "random2").card, {})
    plan.run(project)
    assert capsys.readouterr().out.startswith("toy: 23 of 24 models to train on about 400 images; about ")


def test_plan_before_a_download(project, tmp_path, capsys):
    (tmp_path / "studies/toy.yaml").write_text(
        "data: {kind: archive, source: mine.zip, classes: {a: a, b: b}, "
        "download: {url: https://example.org/a.zip, sha256: %s}}" % ("a" * 64)
    )
    plan.run(project)
    assert capsys.readouterr().out == "toy: mine.zip will be downloaded first; its number of images is not known yet\n"


def test_plan_of_what_is_done(project, capsys):
    for model in BASE["models"]:
        for seed in (0, 1):
            one = artifacts.Checkpoint("toy", model, seed, "fold0")
            artifacts.write_json(one.card, {})
            for path in (one.heatmaps / "maps.npy", one.scores("faithfulness")):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    artifacts.report_path("toy").parent.mkdir(parents=True)
    artifacts.report_path("toy").write_text("")
    plan.run(project)
    assert capsys.readouterr().out == (
        "toy: all models are trained and explained, and the report exists; only changes will run\n"
    )


def test_plan_on_no_core(project):
    project.cores = 0
    with pytest.raises(InputError, match=r"^--cores 0: must be a number above 0$"):
        plan.run(project)


def test_plan_without_room(project, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: argparse.Namespace(free=10**6))
    with pytest.raises(InputError, match=r"^toy needs about 2\.5 MB and 1\.0 MB are free: free some space first$"):
        plan.run(project)


def test_show(project, capsys):
    with pytest.raises(ArtifactError, match=r"summary\.json: not found; run snakemake to make it$"):
        show.conclude(load())
    answer = [Statement("methods.several", numbers={"methods": count}) for count in (2, 3)]
    results.write(minimal.results("toy", answer=tuple(answer)))
    show.conclude(load())
    record = artifacts.folder("toy") / "provenance.json"
    assert capsys.readouterr().out == (
        f"\ntoy\n  It is unknown whether the study has changed since: {record} does not record its origin.\n"
        f"  No conclusion is possible.\n  {sentence(answer[0])}\n  {sentence(answer[1])}\n"
        "  Report: not written yet; run snakemake\n"
    )


def test_show_says_what_has_changed_since(project, tmp_path, capsys):
    folder = tmp_path / "mine"
    results.write(minimal.results("toy"))
    artifacts.write_json(artifacts.data_dir("toy") / "digest.json", {"classes": ["a"]})
    (tmp_path / "studies/toy.yaml").write_text(f"report: {{title: '{folder}/of mine'}}")
    found = json.loads(parameters(json.loads(section(load()["toy"]))))
    digest = artifacts.digest(artifacts.data_dir("toy") / "digest.json")
    record = artifacts.folder("toy") / "provenance.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"parameters": found, "data_sha256": digest}))

    def first() -> str:
        show.conclude(load())
        return capsys.readouterr().out.splitlines()[2].strip()

    assert first() == "No conclusion is possible."
    (tmp_path / "studies/toy.yaml").write_text("train: {epochs: 11}\nseeds: [0, 1, 2]\ndata: {size: 64}")
    text = first()
    assert text.startswith("OUTDATED. Changed since the report was written: ") and text.endswith(
        ". Run snakemake again."
    )
    for part in ("train.epochs (10, now 11)", "seeds ([0, 1], now [0, 1, 2])", "data.size (32, now 64)"):
        assert part in text
    artifacts.write_json(artifacts.data_dir("toy") / "digest.json", {"classes": ["b"]})
    assert ", the images. Run" in first()


def test_show_says_what_the_data_are_worth(project, capsys):
    falls = minimal.results("toy", comparison=Comparison({"a": 0.9}, {"a": 0.7}, {"a": 0.2}, ("a",)))
    results.write(replace(falls, statements=(comparison(falls),)))
    audit = audits.calm(pd.DataFrame({"group": ["p"], "label": [0]}), ["ill"])
    found = [Finding(level, Statement("copies.none", numbers={"files": 30})) for level in ("alarm", "note", "fine")]
    artifacts.write_json(artifacts.data_dir("toy") / "audit.json", replace(audit, findings=tuple(found)).stored())
    artifacts.report_path("toy").parent.mkdir(parents=True)
    artifacts.report_path("toy").touch()
    show.conclude(load())
    lines = capsys.readouterr().out.splitlines()
    alarm, fall = audit_sentence(found[0].statement), sentence(comparison(falls))
    told = [alarm, "No conclusion is possible.", fall, "Report: results/report/toy.html"]
    assert lines[3:] == [f"  {line}" for line in told]
