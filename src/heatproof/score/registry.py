"""Metrics by name: a function becomes one by `@metric("name")` in its family's module."""

from collections.abc import Callable
from typing import TypeVar

Metric = TypeVar("Metric", bound=Callable)


def registry() -> tuple[dict[str, Metric], Callable[[str], Callable[[Metric], Metric]]]:
    """An empty table of metrics and the decorator that fills it."""
    metrics: dict[str, Metric] = {}

    def metric(name: str) -> Callable[[Metric], Metric]:
        def register(function: Metric) -> Metric:
            metrics[name] = function
            return function

        return register

    return metrics, metric
