"""Section `explain` of the configuration."""

from typing import Annotated, Literal

from pydantic import Field, create_model, field_serializer, field_validator

from heatproof.catalogue.controls import CONTROLS
from heatproof.catalogue.methods import METHODS, options
from heatproof.catalogue.metrics import CHANGES
from heatproof.schema_base import Distinct, Positive, Section, check_places, one_of
from heatproof.schema_models import Architecture

Method = Annotated[str, one_of(lambda: METHODS)]
Name = Annotated[str, Field(pattern=r"^\w+$")]
Transform = Literal[*CHANGES]


_KINDS = {int: Positive, float: Annotated[float, Field(ge=0)], bool: bool, str: str}


def _options() -> type[Section]:
    """A section with a key a method, and in it a key for each keyword-only argument of the method's function, and
    `images`: of the same type, unset by default, so that the number in the code stands."""
    sections = {}
    for name in METHODS:
        kinds = {key: _KINDS[type(value)] for key, value in options(name).items()} | {"images": Positive}
        section = create_model(name, __base__=Section, **{key: (kind | None, None) for key, kind in kinds.items()})
        sections[name] = (section, section())
    return create_model("Options", __base__=Section, **sections)


Options = _options()


class Sensitivity(Section):
    """Max-sensitivity: draws within a box around the image, its half side `radius` in grey levels of [0, 1]."""

    draws: Positive
    radius: Annotated[float, Field(gt=0, lt=1)]


class Randomize(Section):
    """Weights drawn anew: from the top down, each layer alone, at so many depths."""

    cascade: bool
    independent: bool
    layers: Positive


class Variants(Section):
    """Heatmaps of changed images and of changed models, for the families robustness and sanity."""

    images: Positive
    transforms: Annotated[list[Transform], Distinct]
    sensitivity: Sensitivity | None
    randomize: Randomize
    random_target: bool
    random_labels: bool


class Explain(Section):
    methods: Annotated[list[Method], Field(min_length=1), Distinct]
    external: dict[Name, str]
    options: Options
    target: Literal["label", "predicted", "either"]  # either: of several labels, those that are there or predicted
    min_grid: Positive
    layers: dict[Architecture, str]  # of other models the layer is looked for
    images_per_group: Positive
    batch_size: Positive
    variants: Variants

    @field_validator("external")
    @classmethod
    def _external(cls, external):
        for name, path in external.items():
            if name in METHODS or name in CONTROLS:
                raise ValueError(f"{name} is a name of heatproof's own; give your maps another one")
            check_places(path, f"{name}: ")
        return external

    @field_serializer("options")
    def _set(self, options):
        """What is set of the methods that run: other numbers change no job."""
        return {name: found for name in self.methods if (found := getattr(options, name).model_dump(exclude_none=True))}

    @property
    def names(self) -> list[str]:
        """Methods and the names of maps made elsewhere, in the order of tables."""
        return [*self.methods, *self.external]
