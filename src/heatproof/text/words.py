"""The vocabulary of sentences: tests, metrics, controls, claims and reasons."""

from collections.abc import Sequence

from heatproof.catalogue.controls import CONTROLS
from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.metrics import METRICS
from heatproof.catalogue.reasons import REASONS
from heatproof.text.numbers import listed

TESTS = {"friedman": "Friedman's test", "rm_anova": "Repeated-measures ANOVA", "quasi_f": "Quasi-F"}


def capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def metric(name: str) -> str:
    """Name a metric within a sentence."""
    return (name in METRICS and METRICS[name].short) or name.replace("_", " ")


def control(name: str, family: str = "") -> str:
    """Name a control within a sentence; an external one goes by its own name."""
    if name not in CONTROLS:
        return name
    single = family in FAMILIES and not FAMILIES[family].pairs
    return (single and CONTROLS[name].single) or CONTROLS[name].sentence or name


def controls(names: Sequence[str], family: str) -> str:
    """Name the controls of a verdict where they are few."""
    return listed([control(name, family) for name in names]) if len(names) < 3 else "every control"


def claim(family: str, metric: str) -> str:
    """Say what heatmaps do that beat the controls of a family, by its primary metric."""
    named = (metric in METRICS and METRICS[metric].claim) or (family in FAMILIES and FAMILIES[family].claim)
    return named or "score better than"


def cause(reason: str) -> str:
    """Say why a family cannot be judged, given the reason that most of its scores are missing for."""
    return (reason in REASONS and REASONS[reason].sentence) or reason
