"""The templates of the report, which the page of activation profiles extends."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


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
