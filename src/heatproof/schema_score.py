"""Section `score` of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from heatproof.catalogue.families import FAMILIES, families_with
from heatproof.catalogue.metrics import BASELINES, metrics_of
from heatproof.schema_base import Distinct, Positive, Section, one_of

Baseline = Literal[*BASELINES]


def _metric(family: str) -> Any:
    """A metric of the family of which one end is better."""
    return Annotated[str, one_of(lambda: [m for m, found in metrics_of(family).items() if found.better != "none"])]


class LocalizationOptions(Section):
    # whose images are scored; none: all images
    classes: Annotated[list[str], Field(min_length=1), Distinct] | None = None
    tolerance: Annotated[float, Field(ge=0, lt=1)]  # of the side: 15 of 224 pixels


class Road(Section):
    images: Positive
    percentiles: Annotated[list[Annotated[float, Field(gt=0, lt=100)]], Field(min_length=1), Distinct]
    noise: Annotated[float, Field(ge=0)]


class Naopc(Section):
    images: Annotated[int, Field(ge=1, le=32)]
    beam: Annotated[int, Field(ge=1, le=3)]
    cells: Annotated[int, Field(ge=2, le=14)]


class Infidelity(Section):
    images: Positive
    samples: Annotated[int, Field(ge=2)]


class Faithfulness(Section):
    images: Positive
    steps: Annotated[int, Field(ge=2)]
    baselines: Annotated[list[Baseline], Field(min_length=1), Distinct]
    batch_size: Positive
    road: Road | None
    naopc: Naopc | None
    infidelity: Infidelity | None


Primary = create_model(  # the one metric of each family that is tested
    "Primary",
    __base__=Section,
    **{name: (_metric(name), ...) for name in families_with("judged")},
)
Family = Annotated[str, one_of(lambda: FAMILIES)]


class Score(Section):
    families: Annotated[list[Family], Field(min_length=1), Distinct]
    primary: Primary
    localization: LocalizationOptions
    faithfulness: Faithfulness
