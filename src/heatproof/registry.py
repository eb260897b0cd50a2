"""What is registered by name, read from the source: finding a method must not import torch."""

import importlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path


@cache
def registered(stage: str, decorator: str, files: str = "*.py") -> dict[str, str]:
    """Names given to `@decorator("name")` in the modules of a stage, each with its module's name."""
    found = {}
    for path in sorted((Path(__file__).parent / stage).glob(files)):
        for name in re.findall(rf'^@{decorator}\("(\w+)"', path.read_text(encoding="utf-8"), re.M):
            found[name] = f"heatproof.{stage}.{path.stem}"
    return found


def explanation_methods(names: list[str]) -> dict[str, Callable]:
    """The functions of some explanation methods, importing only the modules that they stand in."""
    return {name: importlib.import_module(registered("explain", "method")[name]).METHODS[name] for name in names}
