"""Section `score` of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import Field

from heatproof.registry import families, metrics_of
from heatproof.schema_base import Distinct, Positive, Section, one_of

Baseline = Literal["mean", "zero", "blur", "imputation"]


def _metric(family: str) -> Any:
    """A metric of the family of which one end is better."""
    return Annotated[
        str, one_of(lambda: [m for m, found in metrics_of(family).items() if found.get("better") != "none"])
    ]


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


class Primary(Section):
    """The one metric of each family that is tested; complexity has none, because nobody can say what is better."""

    localization: _metric("localization") = "relevance_rank_accuracy"
    faithfulness: _metric("faithfulness") = "srg"
    consistency: _metric("consistency") = "iou_seeds"
    agreement: _metric("agreement") = "rank_correlation_methods"
    robustness: _metric("robustness") = "rank_correlation_transforms"
    sanity: _metric("sanity") = "rank_correlation_cascade"


Family = Annotated[str, one_of(families)]


class Score(Section):
    families: Annotated[list[Family], Field(min_length=1), Distinct] = ["localization", "faithfulness", "consistency"]
    primary: Primary = Primary()
    localization: LocalizationOptions = LocalizationOptions()
    faithfulness: Faithfulness = Faithfulness()
