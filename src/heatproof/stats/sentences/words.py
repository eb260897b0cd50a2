"""The vocabulary of the sentences: units, controls, claims, reasons, and how numbers are written."""

from heatproof.catalogue.controls import CONTROLS
from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.metrics import METRICS
from heatproof.catalogue.reasons import REASONS, find_reason

UNITS = {"patient": "patients", "lookalike": "clusters of look-alike images", "image": "images", "group": "groups"}
ONE = {many: many.replace("clusters", "cluster") if " " in many else many[:-1] for many in UNITS.values()}
KEPT_TOGETHER = {"patient": "each patient's images", "lookalike": "look-alike images"}
ZERO = 1e-12  # below it a number is what rounding left of zero


def expected(reason: str) -> bool:
    """Whether a score was never to be had, so that its absence says nothing about the heatmaps."""
    return (found := find_reason(reason)) is not None and found.expected


def cause(reason: str) -> str:
    """Why a family cannot be judged, given the reason that most of its scores are missing for."""
    return (reason in REASONS and REASONS[reason].sentence) or reason


def control_name(name: str, family: str = "") -> str:
    """A control in words; one that a user brought goes by its own name."""
    if name not in CONTROLS:
        return name
    single = family in FAMILIES and not FAMILIES[family].pairs
    return (single and CONTROLS[name].single) or CONTROLS[name].sentence or name


def controls_named(names: list[str], family: str) -> str:
    """The controls that heatmaps are held against: by name where they are few."""
    return joined([control_name(name, family) for name in names]) if len(names) < 3 else "every control"


def claim_of(summary: dict, family: str) -> str:
    """What heatmaps do that beat the controls of a family, by its primary metric."""
    metric = summary.get("primary", {}).get(family, {}).get("metric", "")
    named = (metric in METRICS and METRICS[metric].claim) or (family in FAMILIES and FAMILIES[family].claim)
    return named or "score better than"


def interval(mean: float, low: float | None, high: float | None) -> str:
    """`0.41 [0.35, 0.47]`, or the mean alone."""
    if low is None or high is None:
        return shown(mean)
    size = max(mean, low, high, key=abs)
    return f"{shown(mean, size)} [{shown(low, size)}, {shown(high, size)}]"


def joined(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def shown(value: float, beside: float = 0.0) -> str:
    """A score or difference with two decimals, three below 0.1, three significant digits below 0.01.

    It gets the digits of a larger number that stands `beside` it.
    """
    size = max(abs(value), abs(beside))
    if size < ZERO:
        return "0.00"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}" if size >= 0.01 else f"{value:.3g}"


def unit(summary: dict) -> str:
    """What the tests of a study rest on, in the plural."""
    return UNITS[summary["groups"]["kind"]]


def units(number: int, plural: str) -> str:
    """`1 patient`, `2 clusters of look-alike images`."""
    return f"{number} {plural if number != 1 else ONE.get(plural, plural)}"


def shown_p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def plain(metric: str) -> str:
    """A metric's name as text."""
    return (metric in METRICS and METRICS[metric].short) or metric.replace("_", " ")


def span(values: list[float]) -> str:
    """`0.41 to 0.55`, or one number where both ends look alike."""
    size = max(values, key=abs)
    low, high = shown(min(values), size), shown(max(values), size)
    return low if low == high else f"{low} to {high}"


def counted(number: int, noun: str) -> str:
    """`1 pair`, `2 pairs`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
