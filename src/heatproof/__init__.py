"""Can the heatmaps of an image classifier be trusted? The Python API; docs/python.md shows it at work.

>>> import heatproof as hp
>>> hp.available("families")[:3]
['localization', 'faithfulness', 'consistency']

Importing it is cheap: what needs PyTorch or pandas is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from heatproof import methods, metrics
    from heatproof.api.analysis import Findings, Judgement, analyze, audit, judge, load_study
    from heatproof.api.heatmaps import Classifier, heatmaps
    from heatproof.api.scores import score_options, scores, study_options

__all__ = [
    "Classifier",
    "Findings",
    "Judgement",
    "analyze",
    "audit",
    "available",
    "heatmaps",
    "judge",
    "load_study",
    "methods",
    "metrics",
    "score_options",
    "scores",
    "study_options",
]
_MODULES = {
    "heatproof.api.heatmaps": ("Classifier", "heatmaps"),
    "heatproof.api.scores": ("score_options", "scores", "study_options"),
    "heatproof.api.analysis": ("Findings", "Judgement", "analyze", "audit", "judge", "load_study"),
}


def available(kind: Literal["methods", "metrics", "controls", "families"], family: str | None = None) -> list[str]:
    """List the names that the API takes.

    Args:
        kind: of names.
        family: of metrics, those of one family alone.

    Raises:
        InputError: there is no such kind or family.

    >>> import heatproof as hp
    >>> hp.available("metrics", family="complexity")
    ['sparseness', 'entropy', 'effective_area']
    >>> "gradcam" in hp.available("methods") and "random" in hp.available("controls")
    True
    """
    from heatproof.catalogue.families import CONTROLS, FAMILIES
    from heatproof.catalogue.methods import METHODS
    from heatproof.catalogue.metrics import METRICS, metrics_of
    from heatproof.core.messages import unknown

    kinds = {"methods": METHODS, "metrics": METRICS, "controls": CONTROLS, "families": FAMILIES}
    if kind not in kinds:
        raise unknown("kind of name", kind, kinds)
    if family is None:
        return list(kinds[kind])
    if family not in FAMILIES or kind != "metrics":
        raise unknown("family of metrics", family, FAMILIES)
    return list(metrics_of(family))


def __getattr__(name: str) -> Any:
    """Import what the API has when it is first used."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("heatproof")
        except PackageNotFoundError:  # run from a checkout that is not installed
            return "not installed"
    if name in ("methods", "metrics"):
        return importlib.import_module(f"heatproof.{name}")
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'heatproof' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
