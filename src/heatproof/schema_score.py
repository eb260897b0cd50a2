"""Section `score` of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from heatproof.catalogue.families import FAMILIES
from heatproof.catalogue.metrics import BASELINES, metrics_of
from heatproof.schema_base import Distinct, Positive, Section, one_of

Baseline = Literal[*BASELINES]


def _metric(family: str) -> Any:
    """A metric of the family of which one end is better."""
    return Annotated[str, one_of(lambda: [m for m, found in metrics_of(family).items() if found.better != "none"])]


class LocalizationOptions(Section):
    classes: Annotated[list[str], Field(min_length=1), Distinct] | None = (
        None  # whose images are scored; none: all images
    )
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.067  # of the side: 15 of 224 pixels


class Road(Section):
    images: Positive = 32
    percentiles: Annotated[list[Annotated[float, Field(gt=0, lt=100)]], Field(min_length=1), Distinct] = [
        *range(10, 100, 10)
    ]
    noise: Annotated[float, Field(ge=0)] = 0.01


class Naopc(Section):
    images: Annotated[int, Field(ge=1, le=32)] = 8
    beam: Annotated[int, Field(ge=1, le=3)] = 1
    cells: Annotated[int, Field(ge=2, le=14)] = 7


class Infidelity(Section):
    images: Positive = 32
    samples: Annotated[int, Field(ge=2)] = 32


class Faithfulness(Section):
    images: Positive = 30
    steps: Annotated[int, Field(ge=2)] = 8
    baselines: Annotated[list[Baseline], Field(min_length=1), Distinct] = ["mean"]
    batch_size: Positive = 64
    road: Road | None = None
    naopc: Naopc | None = None
    infidelity: Infidelity | None = None


Primary = create_model(  # the one metric of each family that is tested
    "Primary",
    __base__=Section,
    **{name: (_metric(name), family.primary) for name, family in FAMILIES.items() if family.primary},
)
Family = Annotated[str, one_of(lambda: FAMILIES)]


class Score(Section):
    families: Annotated[list[Family], Field(min_length=1), Distinct] = ["localization", "faithfulness", "consistency"]
    primary: Primary = Primary()
    localization: LocalizationOptions = LocalizationOptions()
    faithfulness: Faithfulness = Faithfulness()
