"""Defaults stand in params.yaml alone; those of functions, for direct use, agree with it."""

import ast
from pathlib import Path
from typing import get_args

import pytest
from pydantic_core import PydanticUndefined
from shipped import PARAMS

from heatproof.catalogue.families import families_with
from heatproof.catalogue.methods import options
from heatproof.catalogue.metrics import find_metric
from heatproof.commands.audit import SWEEP
from heatproof.config.base import Section
from heatproof.config.stages import Options
from heatproof.config.study import Study

PACKAGE = Path(__file__).parents[1] / "src/heatproof"
STAGES = ("data", "train", "explain", "score", "stats", "profiles", "report")
COMMANDS = {"data": "audit", "stats": "analyze"}  # whose options are a section's
# an option that goes by another name in the configuration
CALLED = {"threshold": "lookalike", "baseline": "baselines"}
# named as a key is, and something else: draws of a permutation test, a column, a cue, noise that is off
OTHER = {
    ("data", "p_value", "draws"),
    ("data", "Step", "split"),
    ("data", "Audit", "kind"),
    ("data", "probe", "split"),
    ("data", "apply_shortcut", "kind"),
    ("score", "road_responses", "noise"),
}


def sections(annotation: object):
    """Return the schemas of sections within an annotation, and within those."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
        for field in annotation.model_fields.values():
            yield from sections(field.annotation)
    for part in get_args(annotation):
        yield from sections(part)


def test_the_schema_has_no_values():
    found = {schema for schema in sections(Study) if schema is not Options}
    assert len(found) > 20
    for schema in found:
        for name, field in schema.model_fields.items():
            default = field.get_default()
            assert default is PydanticUndefined or default in (None, "", [], {}), f"{schema.__name__}.{name}: {default}"
    assert not Options().model_dump(exclude_none=True).get("scorecam")


def defaults(stage: str):
    """Yield function or option, parameter and default of all that a stage defines, where the default is a literal."""
    commands = [PACKAGE / f"commands/{COMMANDS[stage]}.py"] if stage in COMMANDS else []
    code = (path for path in sorted((PACKAGE / stage).rglob("*.py")) if path.name != "results.py")  # they are found
    for path in [*code, *commands]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            pairs = []
            if isinstance(node, ast.FunctionDef):
                named = [*node.args.posonlyargs, *node.args.args]
                pairs = list(zip(reversed(named), reversed(node.args.defaults), strict=False))
                pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                pairs = [(node.name, argument.arg, default) for argument, default in pairs]
            elif isinstance(node, ast.ClassDef):
                fields = (field for field in node.body if isinstance(field, ast.AnnAssign))
                pairs = [(node.name, field.target.id, field.value) for field in fields]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
                values = [keyword.value for keyword in node.keywords if keyword.arg == "default"]
                option = ast.literal_eval(node.args[0]) if values else ""
                pairs = [(option, option.lstrip("-"), value) for value in values]
            for owner, name, default in pairs:
                default = constants.get(default.id, default) if isinstance(default, ast.Name) else default
                if isinstance(default, ast.Constant) and default.value not in (None, ""):
                    yield owner, name, default.value


def values(tree: dict, key: str):
    """Yield what a key has in a section, at any depth; of a list and of what is by metric, the one that counts."""
    for name, value in tree.items():
        if name == key:
            value = value.get("default") if isinstance(value, dict) else value
            yield value[0] if isinstance(value, list) and value else value
        if isinstance(value, dict):
            yield from values(value, key)


@pytest.mark.parametrize("stage", STAGES)
def test_defaults_of_functions_and_options_are_those_of_params_yaml(stage):
    seen = set()
    for owner, name, default in defaults(stage):
        known = list(values(PARAMS[stage], CALLED.get(name, name)))
        if known and (stage, owner, name) not in OTHER:
            seen.add((owner, name))
            assert default in known, f"{owner}({name}={default}): params.yaml has {known}"
    looked_at = {
        "score": {("__init__", "tolerance")},
        "explain": {("integrated_gradients", "steps"), ("scorecam", "channels")},
        "stats": {("compare_pairs", "margin"), ("--alpha", "alpha")},
        "data": {("Settings", "draws"), ("Settings", "fit"), ("--size", "size"), ("--threshold", "threshold")},
    }
    assert looked_at.get(stage, set()) <= seen


def test_options_of_methods_are_those_of_params_yaml():
    given = PARAMS["explain"]["options"]
    assert given
    for name, found in given.items():
        assert {key: value for key, value in found.items() if key != "images"}.items() <= options(name).items(), name


def test_the_audit_of_any_folder_sweeps_as_a_study_does():
    assert list(SWEEP) == PARAMS["data"]["audit"]["sweep"]


def test_every_family_that_is_judged_has_a_primary_metric():
    primary = PARAMS["score"]["primary"]
    assert set(primary) == set(families_with("judged"))
    assert all(find_metric(metric, family).better != "none" for family, metric in primary.items())
