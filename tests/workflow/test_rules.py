"""What every rule declares, and the environment that it declares it for."""

import re
from pathlib import Path

import pytest
import yaml
from workflow.project import create, jobs

ROOT = Path(__file__).parents[2]


def test_environment_and_lock_hold_the_same_versions():
    lock = dict(re.findall(r"^([\w.-]+)==([\w.+-]+)", (ROOT / "envs/requirements.lock").read_text(), re.M))
    spec = yaml.safe_load((ROOT / "envs/heatproof.yaml").read_text())
    pinned = dict(line.split("==") for line in spec["dependencies"][-1]["pip"])
    declared = re.search(r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    names = set(re.findall(r'^    "([\w-]+)', declared.group(1), re.M))
    assert set(pinned) == names - {"snakemake", "dvc", "shtab"}
    assert {name: lock[name] for name in pinned} == pinned


def test_every_rule_has_log_threads_resources_and_environment():
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            for key in ("output", "log", "threads", "resources", "conda", "params", "message", "shell"):
                assert re.search(rf"^    {key}:", rule, re.M), f"{path.name}: {rule.split(':')[0]} has no {key}"
            assert "code=" in rule and '--log {log} 2>&1 | tee {log}"' in rule


@pytest.mark.slow
def test_a_study_reads_what_another_one_left_and_makes_it_only_in_the_same_run(tmp_path):
    project = create(tmp_path / "project")
    weights = "results/models/tiny/{model}/{seed}/fold0/model.safetensors"
    reader = {"extends": "tiny", "train": {"weights": weights, "epochs": 0}}
    reader["explain"] = {"variants": {"random_labels": False}}
    (project.folder / "studies/reader.yaml").write_text(yaml.safe_dump(reader))
    both = project.snakemake("-n", "--config", "studies=tiny,reader")
    assert jobs(both)["train"] == 8, "two models from two seeds in each study"
    alone = project.run("snakemake", "-n", "--config", "studies=reader", check=False)
    first = weights.format(model="test_resnet", seed=0)
    assert alone.returncode != 0 and "Traceback" not in alone.stderr
    assert f"{first}: not found; run the study tiny first" in alone.stdout + alone.stderr
    for model in ("test_resnet", "test_vit"):
        for seed in (0, 1):
            path = project.folder / weights.format(model=model, seed=seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert jobs(project.snakemake("-n", "--config", "studies=reader"))["train"] == 4
