"""What is registered by name, read from the source: finding a method or a metric must not import torch."""

import ast
import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

# maps that know nothing of the model, or the truth itself: scored beside every method (score/controls.py makes them)
CONTROLS = ("random", "lowres_noise", "center", "other_image", "mean_mask", "edges", "ceiling", "truth")

VARIED = ("robustness", "sanity")  # families that compare heatmaps with those of changed images or models
ACROSS_SEEDS = ("consistency",)  # families of a model, not of a checkpoint
ON_MODEL = ("faithfulness",)  # families that query the model
SHARDED = ("localization", "faithfulness", "complexity")  # families that take all images, one by one


@cache
def attributes(stage: str, decorator: str, files: str = "*.py") -> dict[str, dict[str, Any]]:
    """Functions under `@decorator("name", key=value, ...)` in the modules of a stage, by name.

    Returns:
        For each name the decorator's keywords, and `module`, `doc` (the docstring's first sentence) and `options` (the
        function's keyword-only arguments with their defaults).
    """
    found = {}
    for path in sorted((Path(__file__).parent / stage).glob(files)):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for call in getattr(node, "decorator_list", []):
                if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == decorator):
                    continue
                arguments = node.args
                defaults = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
                found[ast.literal_eval(call.args[0])] = {
                    **{keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords},
                    "module": f"heatproof.{stage}.{path.stem}",
                    "doc": " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split()),
                    "options": {a.arg: ast.literal_eval(value) for a, value in defaults if value is not None},
                }
    return found


def registered(stage: str, decorator: str, files: str = "*.py") -> dict[str, str]:
    """Names given to `@decorator("name")` in the modules of a stage, each with its module's name."""
    return {name: found["module"] for name, found in attributes(stage, decorator, files).items()}


def explanation_methods(names: list[str]) -> dict[str, Callable]:
    """The functions of some explanation methods, importing only the modules that they stand in."""
    return {name: importlib.import_module(registered("explain", "method")[name]).METHODS[name] for name in names}


def families() -> list[str]:
    """Families of metrics: each has a module of metrics, `score/<family>.py`, and a job, `score/jobs/<family>.py`."""
    jobs = Path(__file__).parent / "score" / "jobs"
    return sorted(path.stem for path in jobs.glob("*.py") if path.stem not in ("__init__", "common"))


def family_job(family: str) -> str:
    """Return the module that scores a family."""
    return f"heatproof.score.jobs.{family}"


def metrics_of(family: str) -> dict[str, dict[str, Any]]:
    """Metrics of a family, with their attributes: those in the modules that its job itself imports."""
    job = Path(__file__).parent / "score" / "jobs" / f"{family}.py"
    imported = set()
    for node in ast.parse(job.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name: found for name, found in attributes("score", "metric").items() if found["module"] in imported}
