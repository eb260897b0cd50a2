"""The section `data.split` of the configuration."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator, model_validator

from heatproof.data.reading.given import GIVEN
from heatproof.schema_base import Positive, Section, Share

ALL = "all"


def share_or_all(value: Any) -> float | str:
    """A share, or the word for every image, with one message for both."""
    try:
        return value if value == ALL else TypeAdapter(Share).validate_python(value)
    except ValidationError:
        raise ValueError("must be a share from 0 to 1, or all") from None


class Split(Section):
    """How images are assigned to train, val and test: whole groups with the same shares of every class, or as given."""

    # auto: patient where known, else lookalike; column, folder: the user's own split, as it is
    by: Literal["auto", "patient", "lookalike", "random", "column", "folder"]
    train: Share
    val: Share
    test: Annotated[float | str, BeforeValidator(share_or_all)]  # all: no model here has seen any of the images
    tolerance: Annotated[float, Field(gt=0, le=0.5)]  # of a split's share of a class's images
    folds: Positive  # from 3: cross-validation, each group tested once
    compare: Literal["random"] | None = None  # also train on this split, to show what it hides

    @field_validator("folds")
    @classmethod
    def _enough(cls, value):
        if value == 2:
            raise ValueError("cross-validation needs at least 3 folds: one tests, one validates, the rest train")
        return value

    @model_validator(mode="after")
    def _sums(self):
        if self.given and self.folds > 1:
            raise ValueError(f"by: {self.by} gives one split, and folds: {self.folds} needs several; set folds: 1")
        if self.test == ALL:
            if self.given:
                raise ValueError(f"test: all tests every image, and by: {self.by} gives a split; set one of them")
            if self.folds > 1 or self.compare:
                raise ValueError("test: all leaves nothing to train on; set folds: 1 and compare: null")
            return self
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train + val + test is {self.train + self.val + self.test:g}, not 1")
        if min(self.train, self.val, self.test) <= 0:
            raise ValueError("train, val and test must each be above 0")
        if self.compare == self.by:
            raise ValueError("compare: random beside by: random compares a split with itself")
        return self

    @property
    def given(self) -> bool:
        """Whether the split came with the images."""
        return self.by in GIVEN

    @property
    def names(self) -> list[str]:
        """Every way the images are dealt: `fold0`, ..., those that are explained and scored."""
        return [f"fold{index}" for index in range(self.folds)]

    @property
    def compared(self) -> list[str]:
        """`random0`, ...: trained on and tested only, to stand beside."""
        return [f"{self.compare}{index}" for index in range(self.folds)] if self.compare else []
