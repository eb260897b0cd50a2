"""How numbers and reasons are written on the page, the words for a metric, a method or a model, and what fills
templates."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from heatproof.catalogue.controls import CONTROLS as CATALOGUED
from heatproof.catalogue.families import FAMILIES, Family
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import VARIANTS, find_metric
from heatproof.catalogue.reasons import REASONS


def environment(*packages: str, setting_short: str = "") -> Environment:
    """Return the templates of packages, in the order in which they are looked up; `setting_short` is in every head."""
    found = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters["breakable"] = breakable
    found.globals["setting_short"] = setting_short
    return found


def breakable(name: str) -> Markup:
    """Return a long name that may break after an underscore."""
    return escape(name).replace("_", Markup("_<wbr>"))


ACCURACY = "Do the models know what they are looking at?"


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
CONTROLS = {name: control.title for name, control in CATALOGUED.items()}


def metric(name: str, better: str = "higher") -> Metric:
    """A metric's words. A variant (another baseline) is named after its metric; one that is not known here goes by
    its own name."""
    found = find_metric(name)
    if found is None:
        return Metric(name.replace("_", " ").capitalize(), "", better)
    if name == found.name:
        return Metric(found.title, found.question, better)
    variant = name.removeprefix(f"{found.name}_")
    return Metric(f"{found.title} ({VARIANTS.get(variant, variant.replace('_', ' '))})", found.question, better)


def method(name: str) -> str:
    """What a method does, with its sign convention."""
    if name not in METHODS:
        return "heatmaps made elsewhere"
    found = METHODS[name]
    return found.description + ("; signed: below zero speaks against the class" if found.signed else "")


def family(name: str) -> Family:
    """A family's words; one that is not known here goes by its own name."""
    title = name.replace("_", " ")
    return FAMILIES.get(name) or Family(name, title.capitalize(), "", title, tuple(CONTROLS))


def reason(text: str) -> str:
    """A reason in plain words: each of its parts (`degenerate map: all zero`), or as it stands."""
    parts = [part.strip() for part in text.split(":")]
    return ": ".join((part in REASONS and REASONS[part].page) or part for part in parts)


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
