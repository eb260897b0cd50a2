"""Which code a job depends on, and what is registered by name."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from heatproof.registry import explanation_methods, registered
from heatproof.sources import PACKAGE, source_files

ROOT = Path(__file__).parents[1]
STAGES = ("data", "train", "explain", "score", "stats", "report")
CHOICES = {"data.phantom", "data.images"}  # of which a data job runs one, by the study's kind


def named(stage: str) -> set[str]:
    """Modules that a stage's rules name: those in `code(...)`, and those of the lists that it is given."""
    text = (ROOT / "rules" / f"{stage}.smk").read_text()
    if stage == "score":
        text += (ROOT / "rules/common.smk").read_text().partition("SCORE_MODULES")[2]
        text += '"score.localization" "score.faithfulness" "score.consistency"'
    if stage == "explain":
        text += (ROOT / "rules/common.smk").read_text().partition("def explain_code")[2].partition("\n\n\n")[0]
        text += " ".join(f'"{name}"' for name in registered("explain", "method").values()).replace("heatproof.", "")
    found = set(re.findall(r'"((?:\w+\.)?\w+)"', text))
    return {name for name in found if (PACKAGE / Path(*name.split("."))).with_suffix(".py").is_file()}


def modules(paths: list[str]) -> set[str]:
    return {".".join(("heatproof", *Path(path).relative_to(PACKAGE).with_suffix("").parts)) for path in paths}


def imports_in_functions(path: str) -> set[str]:
    """Modules of heatproof that a file imports only as a function runs."""
    tree, found = ast.parse(Path(path).read_text()), set()
    for node in ast.walk(tree):
        if node in tree.body:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    every = modules([str(p) for p in PACKAGE.rglob("*.py") if p.name != "__init__.py"])
    return found & every


@pytest.mark.parametrize("stage", STAGES)
def test_a_rule_names_all_that_its_command_imports(stage):
    roots = named(stage)
    assert f"{stage}.command" in roots
    static = source_files(*roots)
    late = set().union(*map(imports_in_functions, static))
    assert late <= modules(static)
    snippet = f"import sys, json, heatproof.{stage}.command; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", snippet], env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    loaded = set(json.loads(done.stdout))
    files = {name for name in loaded if name.startswith("heatproof.")} - {f"heatproof.{s}" for s in STAGES}
    assert files <= modules(static)
    assert not {"heatproof.config", "heatproof.schema"} & (loaded | modules(static))  # jobs never read params.yaml
    if stage in ("data", "stats", "report"):
        assert "torch" not in loaded


def test_a_data_job_runs_the_files_of_its_rule(tmp_path):
    config = {
        "kind": "phantom", "channels": 1, "size": 32, "seed": 0, "phantom": {"patients": 9, "slices": 1},
        "split": {"train": 0.6, "val": 0.2, "test": 0.2},
    }  # fmt: skip
    snippet = f"""
import json, sys
from heatproof.cli import main
assert main(["data", "--study", "toy", "--config", {json.dumps(config)!r}]) == 0
print(json.dumps(sorted(name for name in sys.modules if name.startswith("heatproof."))))
"""
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ran = set(json.loads(done.stdout)) - {"heatproof.cli", "heatproof.data"}
    assert ran == modules(source_files("data.command", "data.phantom"))
    assert {"data.command"} | CHOICES == named("data")


def test_what_a_file_imports_counts_with_what_that_imports(tmp_path, monkeypatch):
    monkeypatch.setattr("heatproof.sources.PACKAGE", tmp_path)
    files = {
        "a.py": "import os\nfrom heatproof import b\nfrom heatproof.part.c import thing\n",
        "b.py": "import heatproof.a\n\ndef later():\n    from heatproof import unused\n",
        "part/c.py": "thing = 1\n",
        "part/unrelated.py": "",
        "unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert source_files("a") == [str(tmp_path / name) for name in ("a.py", "b.py", "part/c.py")]
    assert source_files("part.c", "unused") == [str(tmp_path / name) for name in ("part/c.py", "unused.py")]
    with pytest.raises(ModuleNotFoundError, match=r"no module heatproof\.gone"):
        source_files("a", "gone")


def test_an_edit_of_the_report_trains_nothing():
    assert not any("report" in path or "stats" in path for path in source_files(*named("train")))


def test_methods_and_metrics_are_found_without_importing_them():
    from heatproof.score import consistency, faithfulness, localization

    assert registered("explain", "method")["gradcam"] == "heatproof.explain.cam"
    for module in (consistency, faithfulness, localization):
        family = module.__name__.rpartition(".")[2]
        assert registered("score", "metric", f"{family}.py") == dict.fromkeys(module.METRICS, module.__name__)
    assert explanation_methods(["gradcam"])["gradcam"].__name__ == "gradcam"
