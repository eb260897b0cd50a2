"""Functions of metrics and methods: attached to their entries in the catalogue, and imported where they are used."""

import importlib
from collections.abc import Callable, Mapping

from heatproof.catalogue.methods import METHODS, Method
from heatproof.catalogue.metrics import METRICS, Metric

Table = dict[str, Callable]
Decorator = Callable[[str], Callable[[Callable], Callable]]


def metrics_in(module: str) -> tuple[Table, Decorator]:
    """Return a module's table of metrics, by name, and the decorator `@metric(name)` that fills it."""
    return _functions(METRICS, module)


def methods_in(module: str) -> tuple[Table, Decorator]:
    """Return a module's table of explanation methods, by name, and the decorator `@method(name)` that fills it."""
    return _functions(METHODS, module)


def explanation_methods(names: list[str]) -> Table:
    """Return the functions of some explanation methods, importing only the modules that they stand in."""
    return {name: importlib.import_module(METHODS[name].path).METHODS[name] for name in names}


def _functions(entries: Mapping[str, Metric | Method], module: str) -> tuple[Table, Decorator]:
    """Return an empty table, and the decorator.

    Raises:
        LookupError: of the decorator, where the catalogue has no such entry, or it names another module.
    """
    table: Table = {}

    def attach(name: str) -> Callable[[Callable], Callable]:
        if name not in entries or entries[name].path != module:
            raise LookupError(f"{module}: heatproof.catalogue has no entry {name!r} that names this module")
        return lambda function: table.setdefault(name, function)

    return table, attach
