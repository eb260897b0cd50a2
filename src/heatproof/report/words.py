"""How numbers and reasons are written on the page, and the words for a metric, a method or a family by its name."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from heatproof.registry import attributes
from heatproof.report.metric_words import METRICS, VARIANTS
from heatproof.report.vocabulary import (  # noqa: F401 (other modules read them from here)
    ACCURACY,
    CONTROLS,
    CONTROLS_EXPLAINED,
    FAMILIES,
    METHODS,
    YARDSTICKS,
    Family,
)


class Metric(NamedTuple):
    """`asks` is the question that the metric answers; `better` the direction of a good value."""

    name: str
    asks: str
    better: str = "higher"

    @property
    def direction(self) -> str:
        return f"{self.better} is better" if self.better != "none" else "no direction is better"


GROUPS = {
    "patient": ("patient", "patients"),
    "lookalike": ("cluster of look-alike images", "clusters of look-alike images"),
    "image": ("image", "images"),
}

_ZERO = 1e-12
_REASONS = {
    "no truth": "the image has no mask that says where the evidence is",
    "truth covers the image": "the marked region is the whole image, in which every heatmap lies",
    "no label declared for the truth": "which labels the marked regions are of is not declared (data.marks)",
    "truth of another label": "the marked region of the image is of another label",
    "one seed": "the model was trained once, so there is no second training to compare with",
    "degenerate map": "the heatmap carries no information",
    "all zero": "it is zero everywhere",
    "constant": "it has the same value everywhere",
    "not finite": "it holds values that are not numbers",
    "not supported": "the method refuses this model",
    "one of the images left out": "the method was asked to explain a part of the images only",
    "of a class not asked for": "localization is asked of images of other classes alone",
    "no other image": "there is no other image to take a map from",
}


def metric(name: str, better: str = "higher") -> Metric:
    """A metric's words. A variant (another baseline) is named after its metric; one that is not known here goes by
    its own name, and what it asks is the first line of its function's docstring."""
    if name in METRICS:
        return Metric(*METRICS[name], better)
    base = max((known for known in METRICS if name.startswith(f"{known}_")), key=len, default=None)
    found = attributes("score", "metric").get(name)
    if base and not found:
        variant = name.removeprefix(f"{base}_")
        title, asks = METRICS[base]
        return Metric(f"{title} ({VARIANTS.get(variant, variant.replace('_', ' '))})", asks, better)
    return Metric(name.replace("_", " ").capitalize(), first_sentence(found["doc"]) if found else "", better)


def method(name: str) -> str:
    """What a method does, with its sign convention."""
    if name in METHODS:
        return METHODS[name]
    found = attributes("explain", "method").get(name)
    if found is None:
        return "heatmaps made elsewhere"
    signed = "signed: below zero speaks against the class" if found.get("signed") else "never below zero"
    return "; ".join(filter(None, [inline(first_sentence(found["doc"])).removesuffix("."), signed]))


def first_sentence(text: str) -> str:
    return text.split(". ")[0].removesuffix(".") + "." if text else ""


def family(name: str) -> Family:
    """A family's words; one that is not known here goes by its own name."""
    return FAMILIES.get(name, Family(name.replace("_", " ").capitalize(), "", tuple(CONTROLS), name.replace("_", " ")))


def reason(text: str) -> str:
    """A reason in plain words: each of its parts (`degenerate map: all zero`), or as it stands."""
    return ": ".join(_REASONS.get(part.strip(), part.strip()) for part in text.split(":"))


def precision(*values: float) -> str:
    """The format that tells values of this size from zero: two decimals, three below 0.1, three significant digits
    below 0.01. Smaller than rounding leaves of zero is zero."""
    size = max(abs(value) for value in values)
    if size >= 0.1 or size < _ZERO:
        return ".2f"
    if size >= 0.01:
        return ".3f"
    return f".{2 - math.floor(math.log10(size))}f" if size >= 0.0001 else ".2e"


def number(value: float | None, *, sign: bool = False, form: str | None = None) -> str:
    """A number with a true minus sign, written as `precision` says unless `form` does; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = format(value, ("+" if sign else "") + (form or precision(value)))
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def share(value: float | None) -> str:
    """A share as a percentage that is 0% or 100% only where it is exactly that."""
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < value < 0.005:
        return "under 1%"
    return "over 99%" if 0.995 <= value < 1 else f"{value:.0%}"


def p_value(p: float | None) -> str:
    if p is None or not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval(mean: float, low: float, high: float) -> str:
    """`0.52 [0.41 to 0.63]`, without brackets where there is no interval."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(mean)
    mean, low, high = (number(value, form=precision(mean, low, high)) for value in (mean, low, high))
    return f"{mean} [{low} to {high}]"


def inline(name: str) -> str:
    """A name inside a sentence; one that is written in capitals stays so."""
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]


def count(amount: int, one: str, many: str | None = None) -> str:
    return f"{amount:,} {one if amount == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
