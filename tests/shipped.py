"""Configurations for tests: the shipped params.yaml with changes."""

from heatproof.config.base import Section
from heatproof.config.load import shipped
from heatproof.config.study import Study, merge

PARAMS = {key: value for key, value in shipped().items() if key != "studies"}


def study(**changes) -> Study:
    return Study.model_validate(merge(PARAMS, changes))


def checked(schema: type[Section], name: str, **changes) -> Section:
    """Return a section of params.yaml with changes, as its schema has it."""
    return schema.model_validate(merge(PARAMS[name], changes))
