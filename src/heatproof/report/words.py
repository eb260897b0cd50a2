"""The words for a metric, a method, a control or a reason, and what fills templates."""

from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from heatproof.catalogue.controls import CONTROLS as CATALOGUED
from heatproof.catalogue.families import FAMILIES, Family
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import VARIANTS, find_metric
from heatproof.catalogue.reasons import REASONS
from heatproof.text.words import called


def environment(*packages: str) -> Environment:
    """Return the templates of packages, in the order in which they are looked up."""
    found = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    found.filters["breakable"] = breakable
    found.filters["called"] = called
    return found


def breakable(name: str) -> Markup:
    """Return the usual name of a model or method, or another name, which may break after an underscore."""
    return escape(called(name)).replace("_", Markup("_<wbr>"))


ACCURACY = "Do the models know what they are looking at?"


class Metric(NamedTuple):
    """`asks` is the question that the metric answers; `better` the direction of a good value."""

    name: str
    asks: str
    better: str = "higher"

    @property
    def direction(self) -> str:
        return f"{self.better} is better" if self.better != "none" else "no direction is better"


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


def reason(code: str) -> str:
    """A reason in plain words; one of a table of the user's own as it stands."""
    return REASONS[code].text if code in REASONS else code


def inline(name: str) -> str:
    """A name inside a sentence; one that is written in capitals stays so."""
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]
