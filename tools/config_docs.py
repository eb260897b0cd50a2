"""Write docs/configuration.md: `python -m tools.config_docs` in the project folder.

Every key comes from the schema, its default from `params.yaml`, and what it means from the comment beside it in
`params.yaml`, or else in the schema.
"""

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic.fields import FieldInfo

from heatproof.config.base import Architecture, Section
from heatproof.config.stages import Family, Method, Options
from heatproof.config.study import Network, Study

PAGE = Path("docs/configuration.md")
INTRODUCTION = """\
<!-- Written by `python -m tools.config_docs` from the schema and params.yaml: edit those, then run it. -->
# Configuration

The keys of a study, the values they take, and their defaults in `params.yaml`. The file of a study,
`studies/NAME.yaml`, sets only what differs; with `extends: OTHER` it starts from another study. The command line
overrides both: `snakemake --config 'train={epochs: 5}'`. Keys without a default may be left out. `NAME` is a name of
your own.
"""
NAMES = {Architecture: "architecture", Method: "method", Family: "metric families"}
PLAIN = {str: "text", int: "integer", float: "number", bool: "`true` or `false`", Any: "any"}
BOUNDS = {annotated_types.Ge: "≥", annotated_types.Gt: ">", annotated_types.Le: "≤", annotated_types.Lt: "<"}
ABOUT = {  # pages that explain a section
    "models": "how-to/external-models.md#keys",
    "ensembles": "multilabel.md#ensembles",
    "data": "data.md",
    "train": "how-to/add-a-model.md",
    "explain": "methods.md",
    "score": "metrics.md",
    "stats": "statistics.md",
    "profiles": "profiles.md",
    "report": "report.md",
}
HEAD = "| key | values | default | meaning |\n| --- | --- | --- | --- |"
PLURAL = re.compile(r"^(text|integer|number|architecture|method)\b")
LINK = re.compile(r"docs/([\w/-]+)\.md")
COMMENT = re.compile(r"\s#\s(.*)$")


def page(params: str) -> str:
    """Return the page of a `params.yaml`, given as text."""
    defaults, notes = yaml.safe_load(params), comments(params)
    rows: dict[str, list[str]] = {}
    for key, note, kind in keys(Study):
        cells = (f"`{key}`", kind, _default(defaults, key), LINK.sub(_link, notes.get(key) or note))
        line = " | ".join(cell.replace("|", "\\|") for cell in cells)
        rows.setdefault(key.split(".")[0], []).append(f"| {line} |".replace("|  |", "| |"))
    single = [lines[0] for lines in rows.values() if len(lines) == 1]
    tables = {"Top level": single} | {name: lines for name, lines in rows.items() if len(lines) > 1}
    about = {name: [f"[More]({ABOUT[name]})", ""] if name in ABOUT else [] for name in tables}
    return "\n".join(
        [INTRODUCTION, *("\n".join([f"## {name}", "", *about[name], HEAD, *tables[name], ""]) for name in tables)]
    )


def keys(schema: type[Section], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield each key of a schema with dots between the levels, its comment in the source, and the values it takes."""
    notes = _source_comments(schema)
    for name, field in schema.model_fields.items():
        key, note = f"{prefix}{name}", notes.get(name, "")
        inner, many = _section(field.annotation)
        if name == "networks":  # of a study's file the models with a source
            yield from keys(Network, f"{prefix}models.NAME.")
        elif inner is Options:
            yield key, note, "method: its options"
        elif inner is None:
            yield key, note, values(_whole(field))
        else:
            yield from keys(inner, f"{key}.NAME." if many else f"{key}.")


def values(annotation: Any) -> str:
    """Return in words which values an annotation allows.

    >>> values(Annotated[int, annotated_types.Gt(0)] | None)
    'integer > 0, or `null`'
    >>> values(list[Literal["a", "b"]])
    'list of `a`, `b`'
    """
    if annotation in NAMES:
        return NAMES[annotation]
    if annotation in PLAIN:
        return PLAIN[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = " ".join(_bounds(parts[1:]))
        return f"{values(parts[0])} {bounds}".strip()
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, types.UnionType):
        named = ", or ".join(values(part) for part in parts if part is not type(None))
        return f"{named}, or `null`" if type(None) in parts else named
    if origin in (list, tuple):
        return f"list of {PLURAL.sub(_plural, values(parts[0]))}"
    if origin is dict:
        return f"{values(parts[0])}: {values(parts[1])}"
    return "section"


def comments(params: str) -> dict[str, str]:
    """Return key -> its comment in a YAML file, at the end of its line; of several keys in a line the first one has it.

    >>> comments("a: # of a\\n  b: {c: 1} # of b")
    {'a': 'of a', 'a.b': 'of b'}
    """
    lines, found, seen = params.splitlines(), {}, set()
    for key, number in places(yaml.compose(params)):
        if number not in seen and (comment := COMMENT.search(lines[number])):
            found[key] = comment[1]
        seen.add(number)
    return found


def places(node: yaml.Node, prefix: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield f"{prefix}{key.value}", key.start_mark.line
            yield from places(value, f"{prefix}{key.value}.")


def _plural(found: re.Match) -> str:
    return f"{found[1]}s"


def _link(found: re.Match) -> str:
    return f"[{found[1].rpartition('/')[2]}]({found[1]}.md)"


def _section(annotation: Any) -> tuple[type[Section] | None, bool]:
    """The schema within an annotation, if it is one, and whether it is that of many, by name."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    many = get_origin(annotation) is dict
    parts = get_args(annotation)[1:] if many else get_args(annotation)
    found = [inner for part in parts if (inner := _section(part)[0])]
    return (found[0], many) if found else (None, False)


def _whole(field: FieldInfo) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _bounds(metadata: tuple) -> Iterator[str]:
    for one in metadata:
        for part in one.metadata if isinstance(one, FieldInfo) else [one]:
            if type(part) in BOUNDS:
                yield f"{BOUNDS[type(part)]} {getattr(part, type(part).__name__.lower())}"


def _source_comments(schema: type[Section]) -> dict[str, str]:
    """The comments of a schema's fields in its source: at the end of the line, else above it."""
    try:
        lines = inspect.getsource(schema).splitlines()
    except (OSError, TypeError):  # made by create_model
        return {}
    found, above = {}, ""
    for line in lines:
        text = line.strip()
        if text.startswith("# "):
            above = f"{above} {text[2:]}".strip()
        elif match := re.match(r"    (\w+): ", line):
            comment = COMMENT.search(line)
            found[match[1]] = comment[1] if comment else above
            above = ""
    return found


def _default(defaults: Any, key: str) -> str:
    for part in key.split("."):
        if not isinstance(defaults, Mapping) or part not in defaults:
            return ""
        defaults = defaults[part]
    shown = yaml.safe_dump(defaults, default_flow_style=True, width=1000, sort_keys=False)
    return f"`{shown.partition(chr(10))[0]}`"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(Path("params.yaml").read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
