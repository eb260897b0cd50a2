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
def _timm_source() -> str:
    """The source of timm's models: importing timm takes seconds."""
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("timm is not installed: run make install")
    folder = Path(spec.submodule_search_locations[0], "models")
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))


@cache
def architectures() -> frozenset[str]:
    """Names of timm's architectures, without a tag."""
    return frozenset(re.findall(r"^@register_model\s*\ndef (\w+)\(", _timm_source(), re.M))


@cache
def tags(architecture: str) -> frozenset[str]:
    """Names with the tags of pretrained weights that timm lists for an architecture; a few are built as it runs."""
    return frozenset(re.findall(rf"""['"]({architecture}\.\w+)['"]\s*:""", _timm_source()))


def _tagged(name: str) -> str:
    """Accept resnet50 and resnet50.a1_in1k; refuse a tag that timm does not know."""
    known = tags(name.split(".")[0])
    if "." in name and (not re.fullmatch(r"\w+\.\w+", name, re.A) or (known and name not in known)):
        raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(known)})
    return name


Architecture = Annotated[str, one_of(architectures, lambda name: name.split(".")[0]), AfterValidator(_tagged)]
