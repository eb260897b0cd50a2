"""What a rule says that it runs is what its command imports."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from heatproof.registry import registered
from heatproof.sources import source_files

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


IMPORTED = """
import json, sys
from heatproof.cli import main
code = main(sys.argv[1:])
loaded = [m for m in sys.modules if m.startswith("heatproof.") and getattr(sys.modules[m], "__file__", None)]
print("LOADED " + json.dumps([sys.modules[m].__file__ for m in loaded]))
print("HEAVY " + json.dumps([m for m in ("torch", "timm", "pingouin", "matplotlib", "pydantic") if m in sys.modules]))
raise SystemExit(code)
"""


def _roots(rule: str, family: str = "") -> list[str]:
    score = ["artifacts", "score.command", "score.heatmaps", "score.controls"]
    methods = registered("explain", "method")
    return {
        "data": ["data.command", "data.phantom"],
        "train": ["train.command"],
        "explain": ["explain.command", methods["gradcam"].removeprefix("heatproof.")],
        "localization": [*score, "score.localization"],
        "faithfulness": [*score, "score.faithfulness", "score.subset", "train.checkpoint", "train.model"],
        "consistency": [*score, "score.consistency"],
        "stats": ["artifacts", "stats.command", "stats.study"],
        "report": ["artifacts", "report.command", "report.inputs", "report.page"],
    }[rule]


LIGHT = {"stats": {"pingouin", "matplotlib"}, "report": {"matplotlib"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", ["data", "train", "explain", "localization", "faithfulness", "consistency", "stats", "report"]
)
def test_a_rule_lists_the_modules_that_its_command_imports(finished, rule):
    """Each command of the finished study again, as Snakemake would give it."""
    said = finished.snakemake("-n", "-p", "--forceall", "--quiet", "progress")
    stage = f"score {rule}" if rule in ("localization", "faithfulness", "consistency") else rule
    command = re.search(rf"python -m heatproof ({stage} .*?) 2>&1", said).group(1)
    quoted = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]
    done = finished.run(sys.executable, "-c", IMPORTED, *quoted)
    assert done.returncode == 0
    loaded = {Path(path).name for path in json.loads(re.search("LOADED (.*)", done.stdout).group(1))}
    heavy = set(json.loads(re.search("HEAVY (.*)", done.stdout).group(1)))
    listed = {Path(path).name for path in source_files(*_roots(rule))}
    assert loaded - {"__init__.py"} <= listed | {"cli.py"}
    assert "pydantic" not in heavy, "a job reads no configuration"
    if rule in LIGHT or rule == "data":
        assert heavy <= LIGHT.get(rule, set())
