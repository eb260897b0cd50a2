"""What a configuration may hold: typed, unknown keys refused. Jobs never import this module."""

import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from heatproof.errors import InputError
from heatproof.registry import registered
from heatproof.schema_base import Distinct, NonNegative, Positive, Section, check_places, one_of
from heatproof.schema_data import Data
from heatproof.schema_explain import Explain, Transform
from heatproof.schema_score import Score

Seed = Annotated[int, Field(ge=0, lt=2**31)]


def merge(base: dict, over: dict) -> dict:
    """`base` with the keys of `over`, nested ones merged, lists and values replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


@cache
def _timm_source() -> str:
    """The source of timm's models: importing timm takes seconds."""
    spec = importlib.util.find_spec("timm")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("timm is not installed: run make install")
    folder = Path(spec.submodule_search_locations[0], "models")
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))


@cache
def architectures() -> frozenset[str]:
    """Names of timm's architectures, without a tag."""
    return frozenset(re.findall(r"^@register_model\s*\ndef (\w+)\(", _timm_source(), re.M))


@cache
def tags(architecture: str) -> frozenset[str]:
    """Names with the tags of pretrained weights that timm lists for an architecture; a few are built as it runs."""
    return frozenset(re.findall(rf"""['"]({architecture}\.\w+)['"]\s*:""", _timm_source()))


def _tagged(name: str) -> str:
    """Accept resnet50 and resnet50.a1_in1k; refuse a tag that timm does not know."""
    known = tags(name.split(".")[0])
    if "." in name and (not re.fullmatch(r"\w+\.\w+", name, re.A) or (known and name not in known)):
        raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(known)})
    return name


Architecture = Annotated[str, one_of(architectures, lambda name: name.split(".")[0]), AfterValidator(_tagged)]


class Compute(Section):
    """How jobs compute: part of every result's bytes, whatever `--cores` is."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Positive = 1
    batch_size: Positive = 64
    shards: Annotated[Positive, Field(exclude=True)] = 1  # no job is told: it changes no byte


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
            raise ValueError("must be scratch, pretrained or the path of a .safetensors file")
        check_places(value)
        return value

    @model_validator(mode="after")
    def _trained(self):
        if self.epochs == 0 and not self.weights.endswith(".safetensors"):
            raise ValueError(f"epochs: 0 trains nothing, and weights: {self.weights} has no head for your classes")
        return self


class Train(Recipe):
    """The recipe of every model, and under `models` what differs for some."""

    models: dict[str, dict[str, Any]] = {}

    def recipe(self, model: str) -> Recipe:
        shared = self.model_dump(exclude={"models"})
        return Recipe.model_validate(merge(shared, self.models.get(model, {})))


class Claim(Section):
    """What somebody says of heatmaps, to be checked on the study."""

    source: str  # a paper, a DOI
    claim: str  # in the words of its authors
    check: Literal["beat_controls", "lower", "differ"]  # stats/claims.py says when each holds
    family: Literal["localization", "faithfulness", "consistency", "robustness", "sanity"]
    method: str
    models: Annotated[list[Architecture], Distinct] = []  # none: all models of the study
    than: Annotated[list[Architecture], Distinct] = []  # `lower` alone: whom the models are held against

    @model_validator(mode="after")
    def _against(self):
        if (self.check == "lower") != bool(self.than) or (self.than and not self.models):
            raise ValueError("`models` and `than` name who scores lower than whom: with check: lower, and only there")
        return self


def _reported(value: float) -> float:
    if not 0 < value <= 1:
        mend = f", such as {value / 100:g} for {value:g}%" if 1 < value <= 100 else ""
        raise ValueError(f"must be a share above 0 and at most 1{mend}")
    return value


Reported = dict[Architecture, Annotated[float, AfterValidator(_reported)]]


class Published(Section):
    """What somebody reports of architectures, to stand beside what the study measures."""

    source: str  # a paper, a DOI
    table: str = ""  # where it stands there
    note: str = ""  # what differs from this study, and what is not known of it
    accuracy: Annotated[Reported, Field(min_length=1)]
    f1_macro: Reported = {}


class Stats(Section):
    test: Literal["friedman", "rm_anova"] = "friedman"  # the one that verdicts rest on; the other stands beside it
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    interval: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    margin: dict[str, Annotated[float, Field(gt=0)]] = {"default": 0.05}  # by metric: below it nobody would care
    power: Annotated[float, Field(gt=0.5, lt=1)] = 0.8
    competence_margin: Annotated[float, Field(ge=0, lt=1)] = 0.1
    claims: dict[str, Claim | None] = {}  # null takes a claim of params.yaml back
    published: dict[str, Published | None] = {}
    seed: int = 0

    @field_validator("margin")
    @classmethod
    def _metrics(cls, margins):
        known = {"default", *registered("score", "metric")}
        for name in margins:
            if name not in known:
                raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(known)})
        return {"default": 0.05} | margins


class Report(Section):
    title: str | None = None
    question: str = "When these models show a heatmap, may anyone believe it?"
    gallery: NonNegative = 6  # cases shown without any choice
    images: NonNegative = 60  # that the page carries, with their heatmaps, for a reader to choose from


class Study(Section):
    """Everything that one study does."""

    setting: Annotated[str, Field(min_length=1)] | None = None  # what was made smaller than it should be, in a sentence
    task: Literal["multiclass", "multilabel"] = "multiclass"
    models: Annotated[list[Architecture], Field(min_length=1), Distinct]
    seeds: Annotated[list[Seed], Field(min_length=1), Distinct] = [0, 1]
    compute: Compute = Compute()
    data: Data = Data()
    train: Train = Train()
    explain: Explain = Explain()
    score: Score = Score()
    stats: Stats = Stats()
    report: Report = Report()

    @model_validator(mode="after")
    def _claimed(self):
        """A claim on a method that nobody has would be undecided for ever."""
        known = {*registered("explain", "method"), *self.explain.external}
        for name, claim in self.stats.claims.items():
            if claim and claim.method not in known:
                raise ValueError(f"stats.claims.{name}.method: {claim.method} is no method; docs/methods.md lists them")
        return self

    @field_validator("task")
    @classmethod
    def _known(cls, task):
        if task == "multilabel":
            raise ValueError("multilabel is not built yet; multiclass is")
        return task

    @model_validator(mode="after")
    def _scored_classes(self):
        for name in self.score.localization.classes or ():
            if name not in self.data.class_names:
                raise ValueError(
                    f"score.localization.classes: {name!r} is no class; allowed: {', '.join(self.data.class_names)}"
                )
        return self

    @model_validator(mode="after")
    def _primaries(self):
        """A primary metric that the study does not compute would stop it at its end."""
        variants, faithfulness = self.explain.variants, self.score.faithfulness
        made = {
            "faithfulness": {
                "road": faithfulness.road,
                "naopc": faithfulness.naopc,
                "infidelity": faithfulness.infidelity,
            },
            "localization": {f"outside_{region}": region in self.data.regions for region in ("body", "lungs")},
            "sanity": {
                "cascade": variants.randomize.cascade,
                "independent": variants.randomize.independent,
                "random_labels": variants.random_labels,
                "random_target": variants.random_target,
            },
            "robustness": {"transforms": variants.transforms, "sensitivity": variants.sensitivity}
            | {name: name in variants.transforms for name in get_args(Transform)},
        }
        for family in self.score.families:
            metric = getattr(self.score.primary, family, "")
            for part, asked in made.get(family, {}).items():
                if part in metric and not asked:
                    raise ValueError(
                        f"score.primary.{family}: {metric} is not computed; turn {part} on, or name another"
                    )
        return self

    @property
    def group_kind(self) -> str:
        """What a group is."""
        return self.data.group_kind

    @property
    def training(self) -> dict[str, Any]:
        """What `stats.setting` puts in words. Where a file with weights lies is left out: a path may tell too much."""
        recipes = {model: self.train.recipe(model) for model in self.models}
        named = {name: recipe.weights for name, recipe in recipes.items()}
        return {
            "weights": {name: "brought" if path.endswith(".safetensors") else path for name, path in named.items()},
            "epochs": {name: recipe.epochs for name, recipe in recipes.items()},
            "size": self.data.size,
            "seeds": self.seeds,
            "text": self.setting or "",
        }
