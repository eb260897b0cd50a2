"""The configuration: read once, checked whole, handed to each job as its own section.

Only this module reads `params.yaml` and `studies/`. What a study does not set comes from the study that it
`extends`, if it names one, then from `params.yaml`, which has every default; what the command line sets
(`snakemake --config key=value`) goes before all of them. The papers that `stats.papers` names add their claims
to those of `params.yaml`.
"""

import difflib
import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from heatproof.config.base import architectures
from heatproof.config.study import Network, Recipe, Study, merge, with_networks
from heatproof.core.messages import InputError, setting

PAPERS = "studies/papers"  # a file for each paper: its claims, by name
PACKAGE = Path(__file__).parents[1]
SHARED = ("params.yaml", "command line")  # layers that name the studies
_YAML = {True: "yes, on and true as one value", False: "no, off and false as one value", None: "null and ~ as nothing"}


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
        root: the working directory; `params.yaml` and studies that it lacks are those that came with heatproof.
        overrides: what the command line sets, nested as in `params.yaml`; `studies` too.
        studies: which studies, whatever the files say.

    Raises:
        InputError: a line for each mistake with its file, key, value and the nearest allowed names.
    """
    overrides = dict(overrides or {})
    shared = _shared(root)
    listed = shared.pop("studies", None)
    requested = studies or overrides.pop("studies", None)
    overrides.pop("studies", None)
    chosen, source = (requested, "command line") if requested else (listed, "params.yaml")
    if chosen is None:
        unknown = ", ".join(str(key) for key in shared if key not in Study.model_fields)
        fix = f"did you mean it by {unknown}?" if unknown else "list the studies that run, such as [phantom]"
        raise InputError(f"params.yaml: studies: not set; {fix}")
    if isinstance(chosen, str):
        chosen = [name for name in re.split(r"[,\s]+", chosen.strip("[] ")) if name]
    if not isinstance(chosen, (list, tuple)) or not chosen or not all(isinstance(name, str) for name in chosen):
        raise InputError(f"{source}: studies: {chosen!r}: must be a list of names, such as [phantom]")
    known = known_studies(root)
    loaded, mistakes = {}, []
    for name in chosen:
        if name not in known:
            mistakes.append(f"{source}: studies: {name!r}: no file studies/{name}.yaml; {_nearest(name, known)}")
            continue
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, re.A):
            mistakes.append(f"studies/{name}.yaml: {name!r}: a study's name is made of letters, digits, _ . and -")
            continue
        try:
            layers = {"params.yaml": shared, **_layers(name, known), "command line": overrides}
            loaded[name] = _study({"params.yaml": shared, **_papers(root, layers), **layers})
        except InputError as error:
            mistakes.append(str(error))
    if mistakes:
        raise InputError("\n".join(dict.fromkeys("\n".join(mistakes).splitlines())))
    return loaded


def resolve(content: dict[str, Any], name: str = "", root: Path = Path()) -> Study:
    """Check what the file of a study would hold, and return the study. Mistakes name the file as `name`, if given.

    Raises:
        InputError: as `load`.
    """
    shared = _shared(root)
    shared.pop("studies", None)
    return _study({"params.yaml": shared, name: content})


def installed() -> Path:
    """Return where the project's files are, the Snakefile and all that it reads: in a wheel's package, or the clone.

    The working directory is the user's: what lies there is written there, and what it has of these goes before them.

    >>> (installed() / "Snakefile").is_file() and (installed() / "params.yaml").is_file()
    True
    """
    inside = PACKAGE / "project"
    return inside if inside.is_dir() else PACKAGE.parents[1]


def known_studies(root: Path = Path()) -> dict[str, Path]:
    """Return name -> file of the studies that can run: those of the working directory go before the installed ones.

    A working directory with a `params.yaml` of its own is a project, whose studies are its own alone.
    """
    return _files(root, "studies")


def _files(root: Path, folder: str) -> dict[str, Path]:
    places = [root] if (root / "params.yaml").is_file() else [installed(), root]
    return {path.stem: path for place in places for path in sorted((place / folder).glob("*.yaml"))}


def shipped() -> dict[str, Any]:
    """Return the `params.yaml` that came with this code."""
    return _read(installed() / "params.yaml")


def _shared(root: Path) -> dict[str, Any]:
    return _read(root / "params.yaml") if (root / "params.yaml").exists() else shipped()


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key stands once: of two sections of one name PyYAML drops the first without a word."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node, seen = super().compose_mapping_node(anchor), set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} appears twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return node


def _read(path: Path) -> dict:
    folders = {"studies": "studies/", "papers": f"{PAPERS}/"}
    name = f"{folders.get(path.parent.name, '')}{path.name}"
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), StrictLoader)
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InputError(f"{name}{where}: not YAML: {problem}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{name}: must be keys and values, not a {type(content).__name__}")
    return content


def _layers(name: str, known: dict[str, Path]) -> dict[str, dict]:
    """The file of a study after those that it extends, the first one first."""
    found: dict[str, dict] = {}
    while True:
        file = f"studies/{name}.yaml"
        content = _read(known[name])
        found = {file: content} | found
        base = content.pop("extends", None)
        if base is None:
            return found
        if not isinstance(base, str) or base not in known:
            raise InputError(f"{file}: extends: {base!r}: no file studies/{base}.yaml; {_nearest(base, known)}")
        if f"studies/{base}.yaml" in found:
            raise InputError(f"{file}: extends: {base!r}: goes round in a circle; let it extend a study that does not")
        name = base


def _papers(root: Path, layers: dict[str, dict]) -> dict[str, dict]:
    """Return the claims and findings of the papers that a study names in `stats.papers`, a layer for each paper."""
    stats = _merged(layers).get("stats")
    names = stats.get("papers") if isinstance(stats, dict) else None
    names = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []  # others: the schema
    known = _files(root, PAPERS)
    for name in names:
        if name not in known:
            remedy = f"no file {PAPERS}/{name}.yaml; {_nearest(name, known)}"
            raise InputError(_mistake(layers, ("stats", "papers"), name, remedy))
    return {f"{PAPERS}/{name}.yaml": {"stats": _by_kind(_read(known[name]))} for name in names}


def _by_kind(content: dict) -> dict[str, dict]:
    """A finding has parts or criteria; what has neither is a claim."""
    found: dict[str, dict] = {"claims": {}, "findings": {}}
    for name, one in content.items():
        of_several = isinstance(one, dict) and {"parts", "criteria"} & set(one)
        found["findings" if of_several else "claims"][name] = one
    return {kind: of for kind, of in found.items() if of}


def _merged(layers: dict[str, dict]) -> dict:
    """Return all layers as one, later ones over earlier ones."""
    merged: dict = {}
    for layer in layers.values():
        merged = merge(merged, layer)
    return merged


def _study(layers: dict[str, dict]) -> Study:
    merged = _merged(layers)
    if "networks" in merged:
        raise InputError(
            _mistake(layers, ("networks",), {}, "unknown key; models that were trained elsewhere are in models")
        )
    merged = with_networks(merged)
    try:
        study = Study.model_validate(merged, context=frozenset(merged.get("networks", ())))
    except ValidationError as error:
        raise InputError("\n".join(_explain(item, layers, Study) for item in error.errors())) from None
    mistakes = []
    named = [layer.get("profiles") for name, layer in layers.items() if name != "params.yaml"]
    overlays = [overlay for overlay in named if isinstance(overlay, dict)]
    if overlays and not study.profiles.by and not any("by" in overlay for overlay in overlays):
        fix = "by is empty, so that no profiles are made: add by: [label, prediction, outcome]"
        mistakes.append(_mistake(layers, ("profiles",), {}, fix))
    for name, recipe in study.train.models.items():
        key = ("train", "models", name)
        if name in study.networks:
            mistakes.append(_mistake(layers, key, recipe, "is judged as it is, and not trained; leave it out"))
            continue
        if name not in study.models and name.split(".")[0] not in architectures():
            mistakes.append(_mistake(layers, key, recipe, f"no such model; {_nearest(name, study.models)}"))
            continue
        try:
            study.train.recipe(name)
        except ValidationError as error:
            items = ({**item, "loc": (*key, *item["loc"])} for item in error.errors())
            mistakes += [_explain(item, layers, Recipe, skip=3) for item in items]
    if mistakes:
        raise InputError("\n".join(mistakes))
    for name in study.models:
        recipe = study.recipe(name)
        if network := study.networks.get(name):
            count = network.checkpoints or len(study.seeds)
            if count != len(study.seeds):
                fix = (
                    f"{count} checkpoint{'s' * (count > 1)}, and seeds: {study.seeds}: several checkpoints are seeds; "
                    f"put {{seed}} into the path, list a file for each, or set seeds: {list(range(count))}"
                )
                raise InputError(_mistake(layers, ("models", name), {}, fix))
        elif recipe.epochs == 0 and len(study.seeds) > 1 and "{seed}" not in recipe.weights:
            fix = "one checkpoint is not several trainings: put {seed} into the path, or set seeds: [0]"
            raise InputError(_mistake(layers, ("train", "weights"), recipe.weights, fix))
        if recipe.epochs == 0 and len(study.data.split.names + study.data.split.compared) > 1:
            fix = "an external checkpoint may be trained on images that another fold tests: set folds: 1, compare: null"
            raise InputError(_mistake(layers, ("train", "weights"), recipe.weights, fix))
        if recipe.epochs and study.data.split.test == "all":
            fix = f"no image is left to train {name} on; set train.epochs: 0 for trained checkpoints, or give shares"
            raise InputError(_mistake(layers, ("data", "split", "test"), "all", fix))
        if recipe.epochs == 0 and study.explain.variants.random_labels:
            fix = f"{name} is not trained here, so that no model of shuffled labels is beside it; set it to false"
            raise InputError(_mistake(layers, ("explain", "variants", "random_labels"), True, fix))
    for name in (name for name, stated in study.stats.published.items() if stated and study.unstated):
        fix = (
            f"what is published is of unseen images, and whether {study.unstated[0]} has seen these is not stated; set "
            f"data.split.by: column or folder, or data.split.test: all"
        )
        raise InputError(_mistake(layers, ("stats", "published", name), {}, fix))
    return study


def _explain(item: dict, layers: dict[str, dict], schema: type[BaseModel], skip: int = 0) -> str:
    """One line for one of pydantic's errors."""
    location, value = item["loc"], item["input"]
    if location[:1] == ("networks",):  # the user wrote it in `models`
        location, schema, skip = ("models", *location[1:]), Network, 2
        if location[-1] == "[key]":
            return _mistake(layers, location[:1], location[1], "a model's name is made of letters, digits, _ . and -")
        if item["type"] == "model_type":
            fix = "say where it comes from, such as torchvision:vit_b_16, or give a section with source"
            return _mistake(layers, location, value, fix)
    if item["type"] == "missing":
        return _missing(layers, location)
    if item["type"] == "extra_forbidden":
        parent: Any = schema
        for key in location[skip:-1]:
            annotation = parent.model_fields[key].annotation if key in parent.model_fields else None
            kinds = get_args(annotation) or (annotation,)  # `Download | None` is a section too
            parent = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), parent)
        allowed = [name for name in parent.model_fields if name != "networks"]
        if len(location) == 1:  # what stands beside the sections, and only in some of the files
            allowed += ["studies"] if any(location[0] in layers.get(name, {}) for name in SHARED) else ["extends"]
        return _mistake(layers, location, value, f"unknown key; {_nearest(location[-1], allowed)}")
    if item["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'|\b(\d+)\b", item["ctx"]["expected"])
        return _mistake(layers, location, value, _nearest(value, [a or b for a, b in allowed]))
    if item["type"] == "unknown_name":
        return _mistake(layers, location, value, _nearest(value, item["ctx"]["allowed"]))
    if item["type"] == "string_type" and (value is None or isinstance(value, (bool, date))):
        fix = f"YAML reads {_YAML.get(value, 'dates as dates')}, not as text; put the word in quotes"
        return _mistake(layers, location, value if value is None else str(value), fix)
    message = item["msg"].removeprefix("Value error, ")
    if not location and (
        named := re.match(r"([a-z_]+(?:\.\w+)+): ", message)
    ):  # a check of the whole study names its key
        return _mistake(layers, tuple(named[1].split(".")), {}, message.removeprefix(named[0]))
    acronym = message[1:2].isupper()
    return _mistake(layers, location, value, message if acronym else message[0].lower() + message[1:])


def _missing(layers: dict[str, dict], location: tuple) -> str:
    """One line for a key that nothing sets: with its default where this installation knows one."""

    def at(tree: Any, path: tuple) -> Any:
        for key in path:
            tree = tree.get(key) if isinstance(tree, dict) else None
        return tree

    shared, default = layers["params.yaml"], at(shipped(), location)
    if at(shared, location) is not None or (default is None and at(shared, location[:-1]) is None):
        overlays = {name: layer for name, layer in layers.items() if layer is not shared}
        return _mistake(overlays, location, {}, "not set; give it a value")
    line = yaml.safe_dump({location[-1]: default}, default_flow_style=True, sort_keys=False, width=10**6)[1:-2]
    known = default is not None and len(line) < 120
    fix = f"add `{line}`" if known else "copy it"
    return _mistake({"params.yaml": shared}, location, {}, f"not set; {fix} from the params.yaml that heatproof ships")


def _mistake(layers: dict[str, dict], location: tuple, value: Any, fix: str) -> str:
    """`file: key: value: fix`, the file being the last that sets the key or the nearest above it."""
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
    key = ".".join(str(part) for part in location if not isinstance(part, int) and part != "[key]")
    shown = "" if isinstance(value, dict) else f" {value!r}:"
    where = f"{source}: " if source else ""
    return f"{where}{setting(key) or 'the whole file'}:{shown} {fix}"


def _nearest(name: Any, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    near = difflib.get_close_matches(str(name), allowed, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    listed = ", ".join(sorted(allowed)[:12])
    return f"allowed: {listed}{', ...' if len(allowed) > 12 else ''}"
