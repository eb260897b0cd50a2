"""What every rule declares, and the environment that it declares it for."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_environment_and_lock_hold_the_same_versions():
    lock = dict(re.findall(r"^([\w.-]+)==([\w.+-]+)", (ROOT / "envs/requirements.lock").read_text(), re.M))
    spec = yaml.safe_load((ROOT / "envs/heatproof.yaml").read_text())
    pinned = dict(line.split("==") for line in spec["dependencies"][-1]["pip"])
    declared = re.search(r"^dependencies = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S)
    names = set(re.findall(r'^    "([\w-]+)', declared.group(1), re.M))
    assert set(pinned) == names - {"snakemake", "dvc"}
    assert {name: lock[name] for name in pinned} == pinned


def test_every_rule_has_log_benchmark_threads_resources_and_environment():
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.M)[1:]:
            for key in ("input", "output", "log", "benchmark", "threads", "resources", "conda", "message", "shell"):
                assert re.search(rf"^    {key}:", rule, re.M), f"{path.name}: {rule.split(':')[0]} has no {key}"
            assert "code=" in rule
