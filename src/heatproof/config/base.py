"""What every section of the configuration is made of, and names of timm's architectures, read from its source:
importing timm takes seconds."""

import importlib.util
import re
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from heatproof.core.messages import InputError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _nothing(cls, value: Any, info: ValidationInfo) -> Any:
        """Read null as the command line gives it, which is as a text, where a key may be left out."""
        optional = cls.model_fields[info.field_name].default is None
        return None if optional and isinstance(value, str) and value.lower() in ("null", "~", "none") else value


def number(value: Any) -> Any:
    """The command line gives texts, and pydantic does not read a literal number out of one."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def check_places(path: str, name: str = "") -> None:
    """Raise ValueError unless `{model}` and `{seed}` are all that is to be filled in: formats can do more than that."""
    try:
        parts = [part for part in Formatter().parse(path) if part[1] is not None]
        known = all(field in ("model", "seed") and not spec and not conversion for _, field, spec, conversion in parts)
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{name}only {{model}} and {{seed}} may be in braces")


def one_of(names: Callable[[], Collection[str]], part: Callable[[str], str] = str) -> AfterValidator:
    """A name of which `part` is registered somewhere, or that the study gives a model itself (validation's context)."""

    def check(value: str, info: ValidationInfo) -> str:
        if value not in (info.context or ()) and part(value) not in names():
            raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(names())})
        return value

    return AfterValidator(check)


def distinct(values: list) -> list:
    twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]} appears twice")
    return values


Distinct = AfterValidator(distinct)


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
        found += [name] if name in architectures() or name in models else members
    return list(dict.fromkeys(found)) or names


@cache
def tags(architecture: str) -> frozenset[str]:
    """Names with the tags of pretrained weights that timm lists for an architecture; a few are built as it runs."""
    return frozenset(re.findall(rf"""['"]({architecture}\.\w+)['"]\s*:""", "\n".join(_timm_modules().values())))


def _tagged(name: str, info: ValidationInfo) -> str:
    """Accept resnet50 and resnet50.a1_in1k; refuse a tag that timm does not know."""
    if name in (info.context or ()):
        return name
    known = tags(name.split(".")[0])
    if "." in name and (not re.fullmatch(r"\w+\.\w+", name, re.A) or (known and name not in known)):
        raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(known)})
    return name


Architecture = Annotated[str, one_of(architectures, lambda name: name.split(".")[0]), AfterValidator(_tagged)]
ArchitectureOrFamily = Annotated[str, one_of(_named, lambda name: name.split(".")[0]), AfterValidator(_tagged)]
