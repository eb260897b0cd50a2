"""Entries and functions belong together, and entries fit each other."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from heatproof.catalogue import reasons
from heatproof.catalogue.families import BEATABLE, CONTROLS, FAMILIES, YARDSTICKS, families_with
from heatproof.catalogue.methods import METHODS, options
from heatproof.catalogue.metrics import METRICS, metrics_of
from heatproof.catalogue.reasons import REASONS, find_reason
from heatproof.catalogue.registry import methods_in, metrics_in

FOLDER = Path(reasons.__file__).parent
PACKAGE = FOLDER.parent


def functions(stage: str, table: str) -> dict[str, str]:
    """Name -> module of every function that the modules of a stage have in their tables."""
    found = {}
    for path in sorted((PACKAGE / stage).rglob("*.py")):
        if f"{table}, " in path.read_text(encoding="utf-8"):
            module = importlib.import_module(".".join(("heatproof", *path.relative_to(PACKAGE).with_suffix("").parts)))
            found |= dict.fromkeys(getattr(module, table), module.__name__)
    return found


def test_every_entry_has_its_function_and_every_function_its_entry():
    assert functions("score", "METRICS") == {name: metric.path for name, metric in METRICS.items()}
    assert functions("explain", "METHODS") == {name: method.path for name, method in METHODS.items()}


@pytest.mark.parametrize("module", ["heatproof.score.metrics.localization", "heatproof.score.metrics.complexity"])
def test_a_function_without_an_entry_is_an_error(module):
    _, metric = metrics_in(module)
    with pytest.raises(LookupError, match=f"{module}: heatproof.catalogue has no entry 'srg'"):
        metric("srg")
    with pytest.raises(LookupError, match="'warmth'"):
        methods_in("heatproof.explain.cam")[1]("warmth")


def test_a_function_is_attached_as_it_is():
    table, metric = metrics_in("heatproof.score.metrics.complexity")
    assert metric("entropy")(test_a_function_is_attached_as_it_is) is table["entropy"]


def test_options_are_those_of_the_function():
    assert options("occlusion") == {"window": 0.125, "stride": 0.0625, "baseline": "zero"} and options("gradcam") == {}
    for name, method in METHODS.items():
        assert set(method.remarks) <= set(options(name)), name


def test_families_have_their_jobs_controls_and_metrics():
    jobs = {path.stem for path in (PACKAGE / "score/jobs").glob("*.py")} - {"__init__", "common"}
    assert jobs == set(FAMILIES) == {metric.family for metric in METRICS.values()}
    for family in FAMILIES.values():
        assert set(family.judged) <= set(family.controls) <= set(CONTROLS)
        assert bool(family.judged) == bool(family.claim)
    assert families_with("rates_maps") == ("localization", "faithfulness")
    assert {*BEATABLE, *YARDSTICKS} == set(CONTROLS) and not set(BEATABLE) & set(YARDSTICKS)


def test_metrics_of_a_job_are_those_of_its_family():
    """Its job imports the modules of a family's metrics."""
    for name, family in FAMILIES.items():
        source = (PACKAGE / f"score/jobs/{name}.py").read_text(encoding="utf-8")
        for metric in metrics_of(name).values():
            assert metric.path.rpartition(".")[2] in source, f"{family.job} does not import {metric.path}"


def test_reasons_are_found_by_their_code():
    assert find_reason("no_truth") is reasons.NO_TRUTH and find_reason("mine") is None
    alone = [found for found in vars(reasons).values() if isinstance(found, reasons.Reason)]
    assert len(REASONS) == len(alone) + len(reasons.NO_REGION) + len(reasons.NOT_GIVEN)
    assert all(code.isidentifier() and found.sentence for code, found in REASONS.items())


def test_the_catalogue_imports_nothing_of_heatproof_outside_itself():
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(not name.startswith("heatproof") or name.startswith("heatproof.catalogue") for name in names)
    code = (
        "import sys; from heatproof.catalogue import reasons, registry; print({'torch', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
