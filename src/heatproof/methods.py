"""Single explanation methods as functions, `hp.methods.<name>(model, images, targets)`; `dir(hp.methods)` lists them.

>>> import timm
>>> import torch
>>> import heatproof as hp
>>> model = hp.Classifier(timm.create_model("test_resnet", num_classes=2))
>>> hp.methods.gradcam(model, torch.rand(1, 3, 64, 64), [1]).shape
torch.Size([1, 64, 64])
"""

from collections.abc import Callable
from functools import cache
from inspect import Parameter, signature
from typing import Any

from heatproof.catalogue.methods import METHODS, options
from heatproof.core.messages import unknown


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in METHODS:
        raise AttributeError(str(unknown("method", name, METHODS)))
    return _function(name)


def __dir__() -> list[str]:
    return sorted(METHODS)


@cache
def _function(name: str) -> Callable[..., Any]:
    """Return a method as a function, with an example that runs."""
    from heatproof.api.heatmaps import heatmaps

    entry = METHODS[name]

    def method(model: Any, images: Any, targets: Any, *, layer: Any = None, **given: Any) -> Any:
        return heatmaps(model, images, targets, [name], layer=layer, options={name: given})[name]

    known = [Parameter(key, Parameter.KEYWORD_ONLY, default=value) for key, value in options(name).items()]
    plain = [one for one in signature(method).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    network = "test_vit" if entry.module.startswith(("attention", "relevance")) else "test_resnet"
    size = ", img_size=64" if network == "test_vit" else ""
    method.__name__ = method.__qualname__ = name
    method.__module__, method.__signature__ = __name__, signature(method).replace(parameters=[*plain, *known])
    method.__doc__ = f"""Explain images by {name}: {entry.description}.

Arguments are those of `hp.heatmaps`, and the method's options.

Returns:
    Raw relevance, float32 [images, height, width].

>>> import timm
>>> import torch
>>> import heatproof as hp
>>> model = hp.Classifier(timm.create_model("{network}", num_classes=2{size}))
>>> hp.methods.{name}(model, torch.rand(1, 3, 64, 64), [1]).shape
torch.Size([1, 64, 64])
"""
    return method
