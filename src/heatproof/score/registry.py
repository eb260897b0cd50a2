"""Metrics by name: a function becomes one by `@metric("name")` in its family's module."""

from collections.abc import Callable
from typing import Literal, TypeVar

Metric = TypeVar("Metric", bound=Callable)


def registry() -> tuple[dict[str, Metric], Callable[..., Callable[[Metric], Metric]]]:
    """An empty table of metrics and the decorator that fills it.

    `better` says which values are good ones, `none` where a metric only describes; it is read from the source, too.
    """
    metrics: dict[str, Metric] = {}

    def metric(name: str, *, better: Literal["higher", "lower", "none"] = "higher") -> Callable[[Metric], Metric]:
        def register(function: Metric) -> Metric:
            metrics[name] = function
            return function

        return register

    return metrics, metric
