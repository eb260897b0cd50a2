"""Names of timm's architectures, read from its source: importing timm takes seconds."""

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from heatproof.errors import InputError
from heatproof.schema_base import one_of


@cache
def _timm_modules() -> dict[str, str]:
    """The source of each module of timm's models."""
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("timm is not installed: run make install")
    folder = Path(spec.submodule_search_locations[0], "models")
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


@cache
def _families() -> dict[str, str]:
    """Architecture, without a tag -> its family: the name of timm's module, such as `resnet`, `vision_transformer`."""
    registered = r"^@register_model\s*\ndef (\w+)\("
    return {name: module for module, text in _timm_modules().items() for name in re.findall(registered, text, re.M)}


@cache
def architectures() -> frozenset[str]:
    """Names of timm's architectures, without a tag."""
    return frozenset(_families())


@cache
def _named() -> frozenset[str]:
    """Names of timm's architectures and of their families."""
    return frozenset({*_families(), *_families().values()})


def of_families(names: list[str], models: list[str]) -> list[str]:
    """Architectures that are named by themselves or by their family.

    Args:
        names: architectures and families.
        models: a family stands for those of them that belong to it.

    Returns:
        The architectures, or `names` as they are where these would be none: an empty list means all models.
    """
    found = []
    for name in names:
        members = [model for model in models if _families().get(model.split(".")[0]) == name]
        found += [name] if name in architectures() else members
    return list(dict.fromkeys(found)) or names


@cache
def tags(architecture: str) -> frozenset[str]:
    """Names with the tags of pretrained weights that timm lists for an architecture; a few are built as it runs."""
    return frozenset(re.findall(rf"""['"]({architecture}\.\w+)['"]\s*:""", "\n".join(_timm_modules().values())))


def _tagged(name: str) -> str:
    """Accept resnet50 and resnet50.a1_in1k; refuse a tag that timm does not know."""
    known = tags(name.split(".")[0])
    if "." in name and (not re.fullmatch(r"\w+\.\w+", name, re.A) or (known and name not in known)):
        raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(known)})
    return name


Architecture = Annotated[str, one_of(architectures, lambda name: name.split(".")[0]), AfterValidator(_tagged)]
ArchitectureOrFamily = Annotated[str, one_of(_named, lambda name: name.split(".")[0]), AfterValidator(_tagged)]
