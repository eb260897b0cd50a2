"""What a configuration may hold: typed, unknown keys refused. Jobs never import this module."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]


def merge(base: dict, over: dict) -> dict:
    """`base` with the keys of `over`, nested ones merged, lists and values replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Compute(Section):
    """How jobs compute: part of every result's bytes, whatever `--cores` is."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Positive = 1
    batch_size: Positive = 64


class Phantom(Section):
    """How many synthetic patients, and slices of each."""

    patients: Annotated[int, Field(ge=9)] = 240
    slices: Positive = 3


class Split(Section):
    """Shares of the groups; whole groups only."""

    train: Share = 0.6
    val: Share = 0.2
    test: Share = 0.2

    @model_validator(mode="after")
    def _sums(self):
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError(f"train + val + test is {self.train + self.val + self.test:g}, not 1")
        if min(self.train, self.val, self.test) <= 0:
            raise ValueError("train, val and test must each be above 0")
        return self


class Data(Section):
    """Where images come from and how they become one array."""

    kind: Literal["phantom", "archive", "folder"] = "phantom"
    source: str | None = None
    classes: dict[str, str] = {}  # class name: folder name
    masks: str | None = None  # folder inside the source with masks of the same names
    patient: str | None = None  # regular expression whose first group, found in the file name, is the patient
    size: Annotated[int, Field(ge=32)] = 64
    channels: Literal[1, 3] = 1
    fit: Literal["crop", "pad", "squash"] = "crop"
    split: Split = Split()
    phantom: Phantom = Phantom()
    seed: int = 0

    @field_validator("patient")
    @classmethod
    def _pattern(cls, value):
        if value is not None:
            try:
                groups = re.compile(value).groups
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            if groups < 1:
                raise ValueError("needs a group in parentheses around the patient's id")
        return value

    @model_validator(mode="after")
    def _complete(self):
        if self.kind != "phantom":
            if not self.source:
                raise ValueError(f"data.kind {self.kind} needs data.source, the path of the {self.kind}")
            if len(self.classes) < 2:
                raise ValueError("data.classes must map at least two class names to folder names")
        return self


class Augment(Section):
    flip: bool = True
    rotate: Annotated[float, Field(ge=0, le=180)] = 10.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.1
    shift: Annotated[float, Field(ge=0, lt=1)] = 0.05
    intensity: Annotated[float, Field(ge=0, lt=1)] = 0.1


class Recipe(Section):
    """How one model is trained."""

    weights: str = "scratch"  # scratch, pretrained, or the path of a .safetensors file
    epochs: NonNegative = 12
    batch_size: Annotated[int, Field(ge=2)] = 16
    lr: Annotated[float, Field(gt=0)] = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup_epochs: NonNegative = 1
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    balance: bool = True
    augment: Augment = Augment()

    @field_validator("weights")
    @classmethod
    def _weights(cls, value):
        if value not in ("scratch", "pretrained") and not value.endswith(".safetensors"):
            raise ValueError("scratch, pretrained or the path of a .safetensors file")
        return value

    @model_validator(mode="after")
    def _trained(self):
        if self.epochs == 0 and self.weights == "scratch":
            raise ValueError("epochs: 0 trains nothing, and weights: scratch brings nothing; give a path")
        return self


class Train(Recipe):
    """The recipe of every model, and under `models` what differs for some."""

    models: dict[str, dict[str, Any]] = {}

    def recipe(self, model: str) -> Recipe:
        shared = self.model_dump(exclude={"models"})
        return Recipe.model_validate(merge(shared, self.models.get(model, {})))


class Explain(Section):
    methods: Annotated[list[str], Field(min_length=1)] = ["gradcam"]
    min_grid: Positive = 7
    images_per_group: Positive = 2
    batch_size: Positive = 32


class Faithfulness(Section):
    images: Positive = 30
    steps: Annotated[int, Field(ge=2)] = 8
    baseline: Literal["mean", "zero", "blur"] = "mean"
    batch_size: Positive = 64


FAMILIES = ("localization", "faithfulness", "consistency")


class Score(Section):
    families: list[Literal["localization", "faithfulness", "consistency"]] = list(FAMILIES)
    primary: dict[str, str] = {}
    faithfulness: Faithfulness = Faithfulness()


class Stats(Section):
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    interval: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    competence_margin: Annotated[float, Field(ge=0, lt=1)] = 0.1
    seed: int = 0


class Report(Section):
    title: str | None = None
    question: str = "When these models show a heatmap, may anyone believe it?"
    gallery: NonNegative = 6


class Study(Section):
    """Everything that one study does."""

    task: Literal["multiclass", "multilabel"] = "multiclass"
    models: Annotated[list[str], Field(min_length=1)]
    seeds: Annotated[list[NonNegative], Field(min_length=1)] = [0, 1]
    compute: Compute = Compute()
    data: Data = Data()
    train: Train = Train()
    explain: Explain = Explain()
    score: Score = Score()
    stats: Stats = Stats()
    report: Report = Report()

    @field_validator("models", "seeds")
    @classmethod
    def _distinct(cls, values):
        twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands there twice")
        return values

    @field_validator("task")
    @classmethod
    def _known(cls, task):
        if task == "multilabel":
            raise ValueError("multilabel is not built yet; multiclass is")
        return task

    @property
    def group_kind(self) -> str:
        """What a group is: a `patient`, or an `image` where no patient is known."""
        return "patient" if self.data.kind == "phantom" or self.data.patient else "image"
