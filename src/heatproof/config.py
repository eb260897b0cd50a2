"""The configuration: read once, checked whole, handed to each job as its own section.

Only this module reads `params.yaml` and `studies/`. What a study does not set comes from
`params.yaml`; what the command line sets (`snakemake --config key=value`) goes before both.
"""

import difflib
import importlib.util
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from heatproof.errors import InputError
from heatproof.registry import registered
from heatproof.schema import FAMILIES, Recipe, Study, merge


def section(*parts: Any) -> str:
    """Sections as one line of sorted JSON, the form in which a rule hands them to its job."""
    merged: dict = {}
    for part in parts:
        merged |= part.model_dump() if isinstance(part, BaseModel) else part
    return json.dumps(merged, sort_keys=True, separators=(",", ":"))


def load(
    root: Path = Path(), overrides: dict[str, Any] | None = None, studies: Iterable[str] | None = None
) -> dict[str, Study]:
    """Read and check the studies that run.

    Args:
        root: the folder with `params.yaml` and `studies/`.
        overrides: what the command line sets, nested as in `params.yaml`; `studies` too.
        studies: which studies, whatever the files say.

    Raises:
        InputError: a line for each mistake with its file, key, value and the nearest allowed names.
    """
    overrides = dict(overrides or {})
    shared = _read(root / "params.yaml")
    chosen = studies or overrides.pop("studies", None) or shared.get("studies")
    overrides.pop("studies", None)
    shared.pop("studies", None)
    if isinstance(chosen, str):
        chosen = [name for name in re.split(r"[,\s]+", chosen.strip("[] ")) if name]
    if not isinstance(chosen, (list, tuple)) or not chosen or not all(isinstance(name, str) for name in chosen):
        raise InputError(f"params.yaml: studies: {chosen!r} is not a list of names, such as [phantom]")
    known = sorted(path.stem for path in (root / "studies").glob("*.yaml"))
    loaded, mistakes = {}, []
    for name in chosen:
        if name not in known:
            mistakes.append(f"params.yaml: studies: {name!r} has no file studies/{name}.yaml; {_nearest(name, known)}")
            continue
        layers = {"params.yaml": shared, f"studies/{name}.yaml": _read(root / "studies" / f"{name}.yaml")}
        layers["command line"] = overrides
        try:
            loaded[name] = _study(layers)
        except InputError as error:
            mistakes.append(str(error))
    if mistakes:
        raise InputError("\n".join(dict.fromkeys("\n".join(mistakes).splitlines())))
    return loaded


def _read(path: Path) -> dict:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run in the folder of a heatproof project") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: not YAML: {getattr(error, 'problem', None) or error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be keys and values, not a {type(content).__name__}")
    return content


def _study(layers: dict[str, dict]) -> Study:
    merged: dict = {}
    for layer in layers.values():
        merged = merge(merged, layer)
    try:
        study = Study.model_validate(merged)
    except ValidationError as error:
        raise InputError("\n".join(_explain(item, layers, Study) for item in error.errors())) from None
    mistakes = []
    for name in study.models:
        if name.split(".")[0] not in architectures():
            mistakes.append(_mistake(layers, ("models",), name, _nearest(name, architectures())))
    for name, recipe in study.train.models.items():
        key = ("train", "models", name)
        if name not in study.models:
            mistakes.append(_mistake(layers, key, recipe, f"no such model here; {_nearest(name, study.models)}"))
            continue
        try:
            study.train.recipe(name)
        except ValidationError as error:
            items = ({**item, "loc": (*key, *item["loc"])} for item in error.errors())
            mistakes += [_explain(item, layers, Recipe, skip=3) for item in items]
    for name in study.explain.methods:
        if name not in registered("explain", "method"):
            mistakes.append(
                _mistake(layers, ("explain", "methods"), name, _nearest(name, registered("explain", "method")))
            )
    for family, metric in study.score.primary.items():
        key = ("score", "primary", family)
        if family not in FAMILIES:
            mistakes.append(_mistake(layers, key, metric, f"no such family; {_nearest(family, FAMILIES)}"))
        elif metric not in registered("score", "metric", f"{family}.py"):
            mistakes.append(
                _mistake(layers, key, metric, _nearest(metric, registered("score", "metric", f"{family}.py")))
            )
    for family in study.score.families:
        if family not in study.score.primary:
            mistakes.append(_mistake(layers, ("score", "primary"), study.score.primary, f"no metric for {family}"))
    if mistakes:
        raise InputError("\n".join(mistakes))
    return study


def _explain(item: dict, layers: dict[str, dict], schema: type[BaseModel], skip: int = 0) -> str:
    """One line for one of pydantic's errors."""
    location, value = item["loc"], item["input"]
    if item["type"] == "extra_forbidden":
        parent: Any = schema
        for key in location[skip:-1]:
            annotation = parent.model_fields[key].annotation if key in parent.model_fields else None
            parent = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else parent
        return _mistake(layers, location, value, f"unknown key; {_nearest(location[-1], parent.model_fields)}")
    if item["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'|\b(\d+)\b", item["ctx"]["expected"])
        return _mistake(layers, location, value, _nearest(value, [a or b for a, b in allowed]))
    message = item["msg"].removeprefix("Value error, ")
    return _mistake(layers, location, value, message[0].lower() + message[1:])


def _mistake(layers: dict[str, dict], location: tuple, value: Any, mend: str) -> str:
    """`file: key: value: mend`, the file being the last that sets the key or the nearest above it."""
    source, depth = "params.yaml", -1
    for name, layer in layers.items():
        here: Any = layer
        reached = 0
        for key in location:
            if not isinstance(here, dict) or key not in here:
                break
            here, reached = here[key], reached + 1
        if reached >= depth and (reached or depth < 0):
            source, depth = name, reached
    key = ".".join(map(str, location)) or "the whole file"
    shown = "" if isinstance(value, dict) else f" {value!r}"
    return f"{source}: {key}:{shown}: {mend}".replace("::", ":")


def _nearest(name: Any, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    near = difflib.get_close_matches(str(name), allowed, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    listed = ", ".join(sorted(allowed)[:12])
    return f"allowed: {listed}{', ...' if len(allowed) > 12 else ''}"


@cache
def architectures() -> frozenset[str]:
    """Names of timm's architectures, read from its source: importing timm takes seconds."""
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("timm is not installed: run make install")
    names: set[str] = set()
    for path in Path(spec.submodule_search_locations[0], "models").glob("*.py"):
        names.update(re.findall(r"^@register_model\s*\ndef (\w+)\(", path.read_text(encoding="utf-8"), re.M))
    return frozenset(names)
