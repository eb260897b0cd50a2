"""Single metrics as functions, one value for each image: `hp.metrics.<name>`; `dir(hp.metrics)` lists them.

Maps are raw relevance, float [images, height, width]. What else a metric takes depends on its family:

>>> import torch
>>> import heatproof as hp
>>> maps = torch.arange(64.0).view(1, 8, 8)
>>> hp.metrics.relevance_rank_accuracy(maps, maps > 60)  # localization: masks
tensor([1.], dtype=torch.float64)
>>> hp.metrics.sparseness(maps).shape  # complexity: nothing
torch.Size([1])
>>> hp.metrics.iou_methods(maps, maps[None])  # agreement: maps of other methods
tensor([1.], dtype=torch.float64)

Metrics of faithfulness take `model, images, targets` and the options of `hp.scores`; those of consistency, robustness
and sanity the maps of other seeds, images and weights.
"""

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from heatproof.catalogue.metrics import METRICS, Metric
from heatproof.core.messages import InputError, unknown

_MANY, _ONE = "torch.rand(3, 2, 32, 32)", "torch.rand(2, 32, 32)"
# arguments of an example, by metric or family
_EXAMPLES = {
    "localization": "maps, maps > 0.9",
    "iou_tuned": "maps, maps > 0.9, threshold=0.4",
    "complexity": "maps",
    "agreement": f"maps, {_MANY}",
    "iou_models": f"{_MANY}, torch.rand(1, 3, 2, 32, 32)",
    "rank_correlation_models": f"{_MANY}, torch.rand(1, 3, 2, 32, 32)",
    "consistency": f"{_MANY}, {_MANY}",
    "rank_correlation_transforms": "torch.rand(6, 2)",
    "max_sensitivity": f"maps, {_MANY}",
    "robustness": f"maps, {_ONE}, torch.ones(2, 32, 32, dtype=torch.bool)",
    "sanity": f"maps, {_MANY}",
    "faithfulness": "maps, model, torch.rand(2, 3, 32, 32), [0, 1], steps=4",
}
_MODEL = "\n>>> import timm\n>>> model = hp.Classifier(timm.create_model('test_resnet', num_classes=2))"


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in METRICS:
        raise AttributeError(str(unknown("metric", name, METRICS)))
    return _function(name)


def __dir__() -> list[str]:
    return sorted(METRICS)


@cache
def _function(name: str) -> Callable[..., Any]:
    """Return a metric as a function of what a user has, with an example that runs."""
    entry = METRICS[name]
    computed = importlib.import_module(entry.path).METRICS[name]
    takes = "region" if entry.region else "tuned" if entry.tuned else entry.family
    calls = {"localization": _in_masks, "region": _in_region, "complexity": _alone, "faithfulness": _queried}
    call = (calls | {"tuned": _at_threshold}).get(takes)

    def metric(*arguments: Any, **options: Any) -> Any:
        return (call or _compared)(entry, computed, *arguments, **options)

    signature = inspect.signature(call or computed)
    if call:
        signature = signature.replace(parameters=[*signature.parameters.values()][2:])  # without those of `metric`
    arguments = _EXAMPLES.get(name) or _EXAMPLES[entry.family]
    setting = _MODEL if entry.family == "faithfulness" else ""
    metric.__name__ = metric.__qualname__ = name
    metric.__module__, metric.__signature__ = __name__, signature
    metric.__doc__ = f"""{inspect.getdoc(computed)}

>>> import torch
>>> import heatproof as hp
>>> maps = {_ONE}{setting}
>>> hp.metrics.{name}({arguments}).shape
torch.Size([2])
"""
    return metric


def _in_masks(entry: Metric, computed: Callable, maps: Any, masks: Any, *, mask_threshold: float | None = None) -> Any:
    from heatproof.api.inputs import check_maps, check_masks

    maps = check_maps(maps)
    return computed(maps, check_masks(masks, tuple(maps.shape), mask_threshold))


def _at_threshold(
    entry: Metric, computed: Callable, maps: Any, masks: Any, *, threshold: float, mask_threshold: float | None = None
) -> Any:
    from numpy import full

    from heatproof.api.inputs import check_maps, check_masks
    from heatproof.score.scene import Scene

    maps = check_maps(maps)
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold: {threshold!r}; give a share of the map's range, from 0 to 1")
    masks = check_masks(masks, tuple(maps.shape), mask_threshold)
    return computed(Scene(maps, masks, full(len(maps), float(threshold))))


def _in_region(entry: Metric, computed: Callable, maps: Any, region: Any) -> Any:
    from heatproof.api.inputs import check_maps, check_masks
    from heatproof.score.scene import Truth

    maps = check_maps(maps)
    region = check_masks(region, tuple(maps.shape), name=entry.region)
    return computed(maps, Truth(~region, {entry.region: region}))


def _alone(entry: Metric, computed: Callable, maps: Any) -> Any:
    from heatproof.api.inputs import check_maps

    return computed(check_maps(maps))


def _queried(
    entry: Metric, computed: Callable, maps: Any, model: Any, images: Any, targets: Any, **options: Any
) -> Any:
    from torch import tensor

    from heatproof.api.scores import scores

    given = {"model": model, "images": images, "targets": targets}
    table = scores(maps, metrics=[entry.name], controls=False, **given, **options)
    return tensor(table["value"].to_numpy())


def _compared(entry: Metric, computed: Callable, *stacks: Any, **named: Any) -> Any:
    """Call a metric that compares maps with those of other methods, seeds, images or weights."""
    from heatproof.api.inputs import as_tensor

    stacks = [as_tensor(entry.name, stack) for stack in stacks]
    named = {name: as_tensor(name, stack) for name, stack in named.items()}
    shapes = [list(stack.shape) for stack in (*stacks, *named.values())]
    if len({tuple(shape[-3:]) for shape in shapes}) > 1:
        raise InputError(f"{entry.name}: maps of different images or sizes, {' and '.join(map(str, shapes))}")
    return computed(*stacks, **named)
