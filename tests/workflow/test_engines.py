"""Snakemake for real: what runs, what does not, and what is left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from workflow.project import Project, create, jobs

from heatproof.store import locks

pytestmark = pytest.mark.slow

EVERY_STAGE = {"data": 1, "audit": 1, "train": 4, "explain": 4, "score": 8, "score_seeds": 2, "stats": 1, "report": 1}
AFTER_DATA = {rule: count for rule, count in EVERY_STAGE.items() if rule not in ("data", "audit")}


def test_a_run_leaves_every_result_and_a_second_runs_nothing(finished):
    assert json.loads((finished.folder / "results/stats/tiny/summary.json").read_text())["answer"]
    report = (finished.folder / "results/report/tiny.html").read_text()
    assert "test_resnet" in report
    assert finished.planned() == {}
    assert "Nothing to be done" in finished.snakemake()


def test_jobs_of_a_run_hold_cores_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.delenv(locks.POOL)
    project = create(tmp_path / "project")
    project.snakemake("--until", "data")
    owners = [path.read_text().splitlines() for path in locks.pool().glob("core*")]
    assert [str(project.folder), "data-tiny"] in [lines[2:] for lines in owners]
    last = (project.folder / locks.FOLDER / locks.MAIN).read_text().splitlines()
    assert Path(last[1]).is_file() and last[2:] == ["tiny"]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("studies/tiny.yaml", "alpha: 0.05", "alpha: 0.06", {"stats": 1, "report": 1}),
        ("studies/tiny.yaml", "draws: 10", "draws: 11", {"audit": 1, "report": 1}),
        ("studies/tiny.yaml", "gallery: 2", "gallery: 3", {"report": 1}),
        ("studies/tiny.yaml", "epochs: 2", "epochs: 3", AFTER_DATA),
        ("studies/tiny.yaml", "steps: 4", "steps: 5", {"score": 4, "stats": 1, "report": 1}),
        (
            "studies/tiny.yaml",
            "threads: 1}",
            "threads: 1, batch_size: 32}",
            AFTER_DATA,
        ),
        ("studies/tiny.yaml", "patients: 45", "patients: 48", EVERY_STAGE),
        (
            "studies/tiny.yaml",
            "images_per_group: 1",
            "images_per_group: 2",
            {k: n for k, n in AFTER_DATA.items() if k != "train"},
        ),
        (
            "studies/tiny.yaml",
            "[test_resnet, test_vit]",
            "[test_resnet, test_vit, test_efficientnet]",
            {"train": 2, "explain": 2, "score": 4, "score_seeds": 3, "stats": 1, "report": 1},
        ),
        ("src/heatproof/score/metrics/localization.py", '"""', '"""Edited. ', {"score": 4, "stats": 1, "report": 1}),
        ("src/heatproof/stats/tests/omnibus.py", '"""', '"""Edited. ', {"stats": 1, "report": 1}),
        ("src/heatproof/data/audit/command.py", '"""', '"""Edited. ', {"audit": 1, "report": 1}),
        ("src/heatproof/report/page.py", '"""', '"""Edited. ', {"report": 1}),
        ("src/heatproof/cli.py", '"""', '"""Edited. ', {}),
    ],
)
def test_an_edit_runs_what_depends_on_it_and_no_more(project, file, old, new, expected):
    path = project.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    planned = project.planned()
    assert planned.keys() == expected.keys(), planned
    if "edited" not in new.lower():  # what an edit of code will change is only known once it has run
        assert planned | {"report": 1} == expected | {"report": 1}


@pytest.fixture(scope="session")
def crossed(tmp_path_factory) -> tuple[Project, str]:
    """Three folds beside a random split, run once; and what the run said."""
    project = create(tmp_path_factory.mktemp("crossed"))
    project.edit("studies/tiny.yaml", "models: [test_resnet, test_vit]", "models: [test_resnet]")
    project.edit("studies/tiny.yaml", "seeds: [0, 1]", "seeds: [0]")
    project.edit("studies/tiny.yaml", "test: 0.3}", "test: 0.3, folds: 3, compare: random}")
    project.edit("studies/tiny.yaml", "epochs: 2", "epochs: 1")
    project.edit("studies/tiny.yaml", "[localization, faithfulness, consistency]", "[localization]")
    return project, project.snakemake()


def test_folds_are_trained_explained_and_scored_and_random_splits_only_trained(crossed):
    project, said = crossed
    expected = {"data": 1, "audit": 1, "train": 6, "explain": 3, "score": 3, "stats": 1, "report": 1}
    assert jobs(said) == expected
    assert project.planned() == {}
    for stage, folds in {"models": ["fold", "random"], "heatmaps": ["fold"], "scores": ["fold"]}.items():
        found = {path.name for path in (project.folder / "results" / stage / "tiny/test_resnet/0").iterdir()}
        assert found == {f"{fold}{index}" for fold in folds for index in range(3)}
    asked = "results/heatmaps/tiny/test_resnet/0/random0/maps.npy"
    assert "MissingRuleException" in project.snakemake("-n", asked, check=False)


def test_every_image_is_tested_once_over_the_folds(crossed):
    project, _ = crossed
    manifest = pd.read_parquet(project.folder / "results/data/tiny/manifest.parquet")
    group = manifest.set_index("image_id")["group"]
    for kind in ("fold", "random"):
        models = project.folder / "results/models/tiny/test_resnet/0"
        parts = [pd.read_parquet(models / f"{kind}{index}/predictions.parquet") for index in range(3)]
        tested = [part.loc[part["split"] == "test", "image_id"] for part in parts]
        assert sorted(pd.concat(tested)) == sorted(manifest["image_id"])
        patients = [set(group[images]) for images in tested]
        alone = len(set.union(*patients)) == sum(map(len, patients))
        assert alone == (kind == "fold"), "a patient is tested in one fold alone, unless the split is random"
    folder = project.folder / "results/stats/tiny"
    comparison = pd.read_csv(folder / "comparison.csv")
    assert comparison["split"].tolist() == ["random", "patient"]
    assert comparison["images"].tolist() == [len(manifest)] * 2
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["images_test"] == len(manifest)
    assert [one["kind"] for one in summary["statements"] if one["kind"].startswith("splits.")]


FAMILIES = "[localization, faithfulness, consistency, robustness, sanity, complexity]"


@pytest.fixture(scope="session")
def broad(tmp_path_factory) -> tuple[Project, str]:
    """Every family of metrics and a model of shuffled labels, with a method that one network refuses and with maps made
    elsewhere; and what the run said."""
    project = create(tmp_path_factory.mktemp("broad"))
    project.edit("studies/tiny.yaml", "seeds: [0, 1]", "seeds: [0]")
    project.edit("studies/tiny.yaml", "[localization, faithfulness, consistency]", FAMILIES)
    project.edit("studies/tiny.yaml", "[gradcam]", "[gradcam, guided_backprop, integrated_gradients]")
    project.edit(
        "studies/tiny.yaml", "  images_per_group", "  options: {integrated_gradients: {steps: 2}}\n  images_per_group"
    )
    project.edit("studies/tiny.yaml", "  size: 64", "  size: 64\n  regions: [body, lungs]")
    project.snakemake("--until", "data")
    manifest = pd.read_parquet(project.folder / "results/data/tiny/manifest.parquet")
    draw = np.random.default_rng(0)
    maps = {image_id: draw.random((16, 16)) for image_id in manifest["image_id"]}
    for model in ("test_resnet", "test_vit"):
        np.savez(project.folder / f"mine-{model}.npz", **maps)
    project.edit(
        "studies/tiny.yaml", "  images_per_group", "  external: {mine: 'mine-{model}.npz'}\n  images_per_group"
    )
    return project, project.snakemake()


def test_every_family_of_metrics_and_what_a_network_refuses(broad):
    project, said = broad
    expected = {"data_regions": 1, "audit": 1, "train": 4, "explain": 2, "explain_variants": 2, "score": 10}
    assert jobs(said) == expected | {"score_seeds": 2, "stats": 1, "report": 1}
    refusals = [line for line in said.splitlines() if "guided_backprop is left out" in line]
    assert len(refusals) == 3  # of the heatmaps, of their variants, and of the model of shuffled labels
    scores = {
        path.stem: pd.read_parquet(path)
        for path in (project.folder / "results/scores/tiny/test_vit/0/fold0").glob("*.parquet")
    }
    curves = scores.pop("faithfulness_curves")
    missing = set(curves.loc[curves["deletion"].isna(), "method"])
    assert missing == {"guided_backprop", "truth"} and "mine" in set(curves["method"])  # one image has no truth
    assert set(scores) == set(FAMILIES.strip("[]").split(", ")) - {"consistency"}
    for family, table in scores.items():
        refused = table[table["method"] == "guided_backprop"]
        assert refused["value"].isna().all() and refused["reason"].isin(["no_relu", "no_truth"]).all()
        made = table[(table["method"] == "integrated_gradients") & (table["reason"] == "")]
        assert len(made) and made["value"].notna().all(), family
    assert {"ssim_random_labels", "rank_correlation_cascade"} <= set(scores["sanity"]["metric"])
    assert {"road", "naopc", "infidelity"} <= set(scores["faithfulness"]["metric"])
    assert {"outside_body", "outside_lungs"} <= set(scores["localization"]["metric"])
    mine = scores["robustness"][scores["robustness"]["method"] == "mine"]
    assert set(mine["reason"]) == {"no_variant"}
    report = (project.folder / "results/report/tiny.html").read_text()
    assert "guided_backprop" in report and "mine" in report and "integrated_gradients" in report


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "images: 3, sensitivity",
            "images: 2, sensitivity",
            {"explain_variants": 2, "score": 4, "stats": 1, "report": 1},
        ),
        ("random_labels: true", "random_labels: false", {"explain_variants": 2, "score": 4, "stats": 1, "report": 1}),
        ("regions: [body, lungs]", "regions: [body]", {"data_regions": 1, "score": 2, "stats": 1, "report": 1}),
        ("cells: 3", "cells: 4", {"score": 2, "stats": 1, "report": 1}),
        (
            "steps: 2}",
            "steps: 3}",
            {"explain": 2, "explain_variants": 2, "score": 10, "score_seeds": 2, "stats": 1, "report": 1},
        ),
    ],
)
def test_an_option_runs_what_depends_on_it_and_no_more(broad, old, new, expected):
    project, _ = broad
    assert project.planned() == {}
    project.edit("studies/tiny.yaml", old, new)
    planned = project.planned()
    project.edit("studies/tiny.yaml", new, old)
    assert planned | {"report": 1} == expected | {"report": 1}


def test_a_study_that_is_to_be_downloaded_can_be_planned(tmp_path):
    project = create(tmp_path)
    download = f"{{url: https://example.org/a.zip, sha256: {'a' * 64}}}"
    source = f"  kind: archive\n  source: mine.zip\n  classes: {{a: a, b: b}}\n  download: {download}"
    project.edit("studies/tiny.yaml", "  kind: phantom", source)
    assert project.planned() == EVERY_STAGE


def _interrupt_in_training(project: Project, how: signal.Signals) -> None:
    """Start a run, wait until a model is being trained, stop it as Ctrl-C or kill does."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    log = project.folder / "interrupted.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["snakemake", "--cores", "2"],
            cwd=project.folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while "epoch 2 of 4" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        os.killpg(process.pid, how)
        process.wait(120)
    assert process.returncode != 0


def _longer(folder: Path) -> Project:
    project = create(folder)
    project.edit("studies/tiny.yaml", "epochs: 2", "epochs: 4")
    project.edit("studies/tiny.yaml", "models: [test_resnet, test_vit]", "models: [test_resnet]")
    project.edit("src/heatproof/train/checkpoint.py", "SECONDS_BETWEEN_SAVES = 20", "SECONDS_BETWEEN_SAVES = 0")
    return project


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Project:
    project = _longer(tmp_path_factory.mktemp("undisturbed"))
    project.snakemake()
    return project


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_to_the_same_bytes(undisturbed, tmp_path, how):
    project = _longer(tmp_path)
    _interrupt_in_training(project, how)
    assert not (project.folder / "results/scores").exists()
    assert "continues after epoch" in project.snakemake()
    stages = ("data", "models", "heatmaps", "scores", "stats")
    assert project.files(*stages) == undisturbed.files(*stages)
    assert project.planned() == {}


def test_the_number_of_cores_changes_no_byte(finished, tmp_path):
    project = create(tmp_path)
    project.run("snakemake", "--cores", "1", "--until", "score", "score_curves", "score_seeds", "audit")
    stages = ("data", "models", "heatmaps", "scores")
    assert project.files(*stages) == finished.files(*stages)


def test_a_job_that_fails_says_why_and_fails_the_run(tmp_path):
    project = create(tmp_path)
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"no tensors")
    project.edit("studies/tiny.yaml", "  weights: scratch\n  epochs: 2", "  weights: mine.safetensors\n  epochs: 1")
    done = project.run("snakemake", "--cores", "2", check=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "heatproof train: mine.safetensors: cannot be read as safetensors" in said
    assert "completed successfully" not in said
    assert (project.folder / "results/data/tiny/manifest.parquet").exists(), "what was computed stays"


def test_a_weights_file_that_is_not_there_stops_before_any_job(tmp_path):
    project = create(tmp_path)
    project.edit("studies/tiny.yaml", "weights: scratch", "weights: mine-{model}.safetensors")
    done = project.run("snakemake", "--cores", "2", check=False)
    assert done.returncode != 0
    assert "mine-test_" in done.stderr and ".safetensors: not found; train.weights is scratch" in done.stderr
    assert not (project.folder / "results").exists()
