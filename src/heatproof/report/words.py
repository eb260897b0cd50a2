"""Words for metrics, methods, controls and reasons, and the environment of templates."""

from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from heatproof.catalogue.families import CONTROLS as CATALOGUED
from heatproof.catalogue.families import FAMILIES, Family
from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import VARIANTS, find_metric
from heatproof.catalogue.reasons import REASONS
from heatproof.text.words import called


def environment(*packages: str) -> Environment:
    """Return an environment with the templates of packages, in order of precedence."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["breakable"] = breakable
    made.filters["called"] = called
    return made


def breakable(name: str) -> Markup:
    """Return the usual name of a model or method, or another name, which may break after an underscore."""
    return escape(called(name)).replace("_", Markup("_<wbr>"))


ACCURACY = "Accuracy: do the models perform above chance?"


class Metric(NamedTuple):
    """Name, question (`asks`) and direction (`better`) of a metric."""

    name: str
    asks: str
    better: str = "higher"

    @property
    def direction(self) -> str:
        return f"{self.better} is better" if self.better != "none" else "no direction is better"


CONTROLS = {name: control.title for name, control in CATALOGUED.items()}


def metric(name: str, better: str = "higher") -> Metric:
    """Return the words of a metric or variant (another baseline); an unknown one has its own name."""
    found = find_metric(name)
    if found is None:
        return Metric(name.replace("_", " ").capitalize(), "", better)
    if name == found.name:
        return Metric(found.title, found.question, better)
    variant = name.removeprefix(f"{found.name}_")
    return Metric(f"{found.title} ({VARIANTS.get(variant, variant.replace('_', ' '))})", found.question, better)


def method(name: str) -> str:
    """Return what a method does, with its sign convention."""
    if name not in METHODS:
        return "user-supplied heatmaps"
    found = METHODS[name]
    return found.description + ("; signed: negative values are evidence against the class" if found.signed else "")


def family(name: str) -> Family:
    """Return the words of a family; an unknown one has its own name."""
    title = name.replace("_", " ")
    return FAMILIES.get(name) or Family(name, title.capitalize(), "", title, tuple(CONTROLS))


def reason(code: str) -> str:
    """Return a reason in plain words; one of a user-supplied table unchanged."""
    return REASONS[code].text if code in REASONS else code


def inline(name: str) -> str:
    """Write a name within a sentence: without a capital, except for abbreviations."""
    return name if name[1:2].isupper() else name[:1].lower() + name[1:]
