"""Section `profiles` of the configuration: neuron activation profiles."""

from typing import Annotated, Literal

from pydantic import Field

from heatproof.schema_base import Distinct, Positive, Section
from heatproof.schema_models import Architecture

Kind = Literal["label", "prediction", "outcome"]


class Profiles(Section):
    by: Annotated[list[Kind], Distinct]  # none: no profiles are made
    layers: dict[
        Architecture, Annotated[list[str], Field(min_length=1), Distinct]
    ]  # of other models the ends of stages
    dead: Annotated[float, Field(ge=0)]  # a feature map that varies by no more over all test images is dead
    min_images: Positive  # a group with fewer is left out
    min_patients: Positive
    top: Positive  # feature maps that the page shows of a layer
    bootstrap: Annotated[int, Field(ge=20)]  # draws of patients

    def of(self, model: str) -> dict:
        """What the job of one model is told."""
        return self.model_dump(exclude={"layers", "top"}) | {"layers": self.layers.get(model, [])}
