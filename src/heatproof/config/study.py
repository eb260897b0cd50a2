"""What a configuration may hold: typed, unknown keys refused. Jobs never import this module."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from heatproof.catalogue.methods import METHODS
from heatproof.catalogue.metrics import metrics_of
from heatproof.config.base import Architecture, Distinct, NonNegative, Positive, Section, architectures, check_places
from heatproof.config.data import Data, check_task
from heatproof.config.stages import Explain, Profiles, Score, Stats, Transform
from heatproof.core.messages import InputError
from heatproof.train.specs import Spec

LEAST_SIDE = {"inception_v3": 75, "inception_v4": 75, "inception_resnet_v2": 75}  # below it nothing is left to pool
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"  # of a model's folder
PICKLED = ("pth", "pt", "ckpt", "bin", "tar")  # ends of what torch.save writes
Seed = Annotated[int, Field(ge=0, lt=2**31)]


def merge(base: dict, over: dict) -> dict:
    """`base` with the keys of `over`, nested ones merged, lists and values replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def with_networks(content: dict[str, Any]) -> dict[str, Any]:
    """Return a study's content with the models that were trained elsewhere in `networks`, and names alone in `models`.

    In `models` a list names timm's architectures, or says where a model comes from (`torchvision:vit_b_16`); a mapping
    has name: where it comes from, or a section `Network`, or nothing, where the name is timm's.

    Raises:
        InputError: two models have one name.
    """
    models = content.get("models")
    if isinstance(models, Mapping):
        given = dict(models)
    elif isinstance(models, list):
        given, specs = {}, [one for one in models if isinstance(one, str) and ("." in one or ":" in one or "/" in one)]
        for one in specs:
            with suppress(InputError):
                spec = Spec.parse(one)
                if spec.kind != "timm" or one.startswith("timm:"):
                    given[one] = spec.label
        if not given:
            return content
        names = [given.get(one, one) if isinstance(one, str) else one for one in models]
        return content | {"models": names, "networks": {name: {"source": one} for one, name in given.items()}}
    else:
        return content
    networks = {
        name: {"source": one} if isinstance(one, str) else one for name, one in given.items() if one is not None
    }
    return content | {"models": list(given), "networks": networks}


FORMS = {
    "mean": "give one number a channel, such as [0.5] or [0.485, 0.456, 0.406], for pixels in [0, 1]",
    "std": "give one number above 0 a channel, such as [0.25] or [0.229, 0.224, 0.225], for pixels in [0, 1]",
    "size": "give the side of a square, or [height, width], in pixels",
    "weights": "give the path of a file, with {seed} where there are several, or a list of one for each seed",
    "classes": "list the names of the model's outputs in order, or give each class its output, by place or name",
}


class Network(Section):
    """A model that was trained elsewhere, and is judged as it is."""

    epochs: ClassVar[int] = 0
    source: str
    weights: str | Annotated[list[str], Field(min_length=1)] | None = None  # a file; {seed}, or one for each seed
    mean: Annotated[list[float], Field(min_length=1, max_length=3)] | None = None
    std: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1, max_length=3)] | None = None
    channels: Literal[1, 3] | None = None
    size: Positive | tuple[Positive, Positive] | None = None
    output: Literal["logits", "softmax", "sigmoid"] | None = None
    part: int | str | None = None
    layer: str | None = None
    classes: list[str] | dict[str, int | str] | None = None
    arguments: dict[str, Any] = {}
    trust: list[str] = []

    @field_validator("source")
    @classmethod
    def _source(cls, value):
        Spec.parse(value)
        check_places(value)
        return value

    @field_validator("weights")
    @classmethod
    def _weights(cls, value):
        for path in [value] if isinstance(value, str) else value or []:
            check_places(path)
        return value

    @field_validator("mean", "std", "size", "weights", "classes", mode="wrap")
    @classmethod
    def _formed(cls, value, handler, info: ValidationInfo):
        """One line for what may have several forms."""
        try:
            return handler(value)
        except ValidationError as error:
            first = error.errors()[0]
            if first["type"] == "value_error":  # of a check of ours
                raise ValueError(first["msg"].removeprefix("Value error, ")) from None
            raise ValueError(FORMS[info.field_name]) from None

    @property
    def spec(self) -> Spec:
        """Where it comes from."""
        return Spec.parse(self.source)

    def of(self, model: str, seed: int | str, place: int) -> "Network":
        """Return it with the paths of one seed, which is at a place among the study's seeds."""
        weights = self.weights[place] if isinstance(self.weights, list) else self.weights
        paths = {"source": self.source, "weights": weights}
        filled = {
            key: path and path.replace("{model}", model).replace("{seed}", str(seed)) for key, path in paths.items()
        }
        return self.model_copy(update=filled)

    @property
    def checkpoints(self) -> int | None:
        """How many checkpoints are named; None: as many as there are seeds."""
        if isinstance(self.weights, list):
            return len(self.weights)
        return None if "{seed}" in f"{self.source}{self.weights}" else 1


class Compute(Section):
    """How jobs compute: part of every result's bytes, whatever `--cores` is."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Positive
    batch_size: Positive
    shards: Annotated[Positive, Field(exclude=True)]  # no job gets it: it changes no byte
    timeout: Annotated[Positive, Field(exclude=True)]


class Augment(Section):
    flip: bool
    rotate: Annotated[float, Field(ge=0, le=180)]
    scale: Annotated[float, Field(ge=0, lt=1)]
    shift: Annotated[float, Field(ge=0, lt=1)]
    intensity: Annotated[float, Field(ge=0, lt=1)]


def _converted(path: str) -> str:
    """How to make a checkpoint that torch.save wrote one that this project reads; nothing of another file."""
    name, _, end = path.rpartition(".")
    if end.lower() not in PICKLED:
        return ""
    return (
        f'; convert it: python -c \'import torch, safetensors.torch as s; d = torch.load("{path}", '
        f'map_location="cpu", weights_only=True); d = d.get("state_dict", d); '
        f's.save_file({{k: v.clone() for k, v in d.items()}}, "{name}.safetensors")\''
    )


class Recipe(Section):
    """How one model is trained."""

    weights: str  # scratch, pretrained, or the path of a .safetensors file
    epochs: NonNegative
    batch_size: Annotated[int, Field(ge=2)]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_epochs: NonNegative
    clip_norm: Annotated[float, Field(gt=0)]
    balance: bool
    precision: Literal["float32", "bfloat16"]
    augment: Augment

    @field_validator("weights")
    @classmethod
    def _weights(cls, value):
        if value not in ("scratch", "pretrained") and not value.endswith(".safetensors"):
            raise ValueError(f"must be scratch, pretrained or the path of a .safetensors file{_converted(value)}")
        check_places(value)
        return value

    @model_validator(mode="after")
    def _trained(self):
        if self.epochs == 0 and not self.weights.endswith(".safetensors"):
            raise ValueError(f"epochs: 0 trains nothing, and weights: {self.weights} has no head for your classes")
        return self


class Train(Recipe):
    """The recipe of every model, and under `models` what differs for some."""

    models: dict[str, dict[str, Any]]

    def recipe(self, model: str) -> Recipe:
        shared = self.model_dump(exclude={"models"})
        return Recipe.model_validate(merge(shared, self.models.get(model, {})))


class Ensemble(Section):
    """Models that answer as one: by majority vote, or by the mean of their probabilities."""

    combine: Literal["vote", "mean"]
    models: Annotated[list[Architecture], Distinct] = []  # none: all models of the study


class Report(Section):
    title: str | None = None
    question: str
    gallery: NonNegative  # cases shown without any choice
    images: NonNegative  # that the page carries, with their heatmaps, for a reader to choose from


class Study(Section):
    """Everything that one study does."""

    # what was made smaller than it should be, in a sentence
    setting: Annotated[str, Field(pattern=r"\S")] | None = None
    task: Literal["multiclass", "multilabel"]
    models: Annotated[list[Architecture], Field(min_length=1), Distinct]
    networks: dict[Annotated[str, Field(pattern=NAME)], Network] = Field({}, exclude_if=lambda found: not found)
    ensembles: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,60}$")], Ensemble]
    seeds: Annotated[list[Seed], Field(min_length=1), Distinct]
    compute: Compute
    data: Data
    train: Train
    explain: Explain
    score: Score
    stats: Stats
    profiles: Profiles
    report: Report

    @model_validator(mode="after")
    def _claimed(self):
        """A claim on a method that nobody has would be undecided for ever."""
        known = {*METHODS, *self.explain.external}
        for name, claim in self.stats.claims.items():
            if claim and claim.check == "falls_within" and not self.stats.within:
                raise ValueError(
                    f"stats.claims.{name}: asks for AUROC within a source; set stats.within, or leave it out"
                )
            for key, method in [("method", claim.method), *(("methods", m) for m in claim.methods)] if claim else []:
                if method and method not in known:
                    raise ValueError(f"stats.claims.{name}.{key}: {method} is no method; docs/methods.md lists them")
        return self

    @model_validator(mode="after")
    def _families(self):
        return self.model_copy(update={"stats": self.stats.on(self.models)})

    @model_validator(mode="after")
    def _tasked(self):
        """What belongs to one task alone, and what is published, which is compared with classifiers fitted here."""
        check_task(self.task, self.data)
        for name, stated in self.stats.published.items():
            if stated and stated.accuracy and self.task == "multilabel":
                raise ValueError(f"stats.published.{name}.accuracy: of several labels, give f1_micro or f1 instead")
            if stated and (wrong := stated.unknown(self.ensembles, self.data.class_names)):
                raise ValueError(f"stats.published.{name}.{wrong}")
            if stated and self.data.split.test == "all":
                raise ValueError(
                    f"stats.published.{name}: is compared with classifiers that are fitted to training images, and "
                    f"data.split.test: all leaves none; leave it out"
                )
        if self.task == "multiclass" and self.explain.target == "either":
            raise ValueError("explain.target: either is of task: multilabel, where an image can have several labels")
        within = self.stats.within
        if within and self.task == "multiclass":
            raise ValueError("stats.within: is of task: multilabel, whose models are judged by AUROC; leave it out")
        if within and within not in self.data.audit.columns:
            raise ValueError(f"stats.within: {within} is no column of data.audit.columns; name it there too")
        return self

    @model_validator(mode="after")
    def _sized(self):
        """Networks that a training job would find too large for the images."""
        for model in (model for model in self.models if model not in self.networks):
            least = next((side for name, side in LEAST_SIDE.items() if model.startswith(name)), 0)
            if self.data.size < least:
                raise ValueError(
                    f"data.size: {self.data.size}: {model} takes images of {least} pixels or more, and has a "
                    f"grid worth explaining from 128 on"
                )
        return self

    @model_validator(mode="after")
    def _layered(self):
        for section, layers in (("explain", self.explain.layers), ("profiles", self.profiles.layers)):
            if lost := [model for model in layers if model not in self.models]:
                raise ValueError(f"{section}.layers.{lost[0]}: is none of models: {', '.join(self.models)}")
        return self

    @model_validator(mode="after")
    def _ensembled(self):
        for name, ensemble in self.ensembles.items():
            if name in architectures() or name in self.models:
                raise ValueError(f"ensembles.{name}: is the name of a model; give the ensemble another one")
            if lost := [model for model in ensemble.models if model not in self.models]:
                raise ValueError(f"ensembles.{name}.models: {lost[0]} is none of models: {', '.join(self.models)}")
            if len(self.members(name)) < 2:
                raise ValueError(f"ensembles.{name}.models: one model is no ensemble; name two or more")
        return self

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
            "faithfulness": {part: getattr(faithfulness, part) for part in ("road", "naopc", "infidelity")},
            "localization": {
                name: metric.region in self.data.regions
                for name, metric in metrics_of("localization").items()
                if metric.region
            },
            "sanity": {part: getattr(variants.randomize, part) for part in ("cascade", "independent")}
            | {part: getattr(variants, part) for part in ("random_labels", "random_target")},
            "robustness": {"transforms": variants.transforms, "sensitivity": variants.sensitivity}
            | {name: name in variants.transforms for name in get_args(Transform)},
        }
        for family in self.score.families:
            metric = getattr(self.score.primary, family, "")
            for part, requested in made.get(family, {}).items():
                if part in metric and not requested:
                    raise ValueError(
                        f"score.primary.{family}: {metric} is not computed; turn {part} on, or name another"
                    )
        return self

    def members(self, ensemble: str) -> list[str]:
        """The models of an ensemble."""
        return self.ensembles[ensemble].models or self.models

    def recipe(self, model: str, seed: int | str | None = None) -> Recipe | Network:
        """Return how a model is trained, or where it comes from: the checkpoint of a seed, where one is named."""
        network = self.networks.get(model)
        if network is None or seed is None:
            return network or self.train.recipe(model)
        return network.of(model, seed, self.seeds.index(int(seed)))

    def explaining(self, model: str, without: str, validation: bool = False) -> dict[str, Any]:
        """Return section `explain` as the job of one model or ensemble needs it: with no other model's layer.

        Args:
            model: its name; the grid of an ensemble is that of its first member.
            without: the part of the section that the job does not read.
            validation: whether it explains validation images, of which there are no external maps.
        """
        first = self.members(model)[0] if model in self.ensembles else model
        named = {name: network.layer for name, network in self.networks.items() if network.layer}
        layers = {name: layer for name, layer in (named | self.explain.layers).items() if name == first}
        if validation:
            return self.explain.model_dump(exclude={without}) | {"layers": layers, "external": {}}
        return self.explain.model_dump(exclude={without, "validation"}) | {"layers": layers}

    @property
    def named(self) -> list[str]:
        """Models and ensembles: all that is explained and scored."""
        return [*self.models, *self.ensembles]

    @property
    def group_kind(self) -> str:
        """What a group is."""
        return self.data.group_kind

    @property
    def trained(self) -> list[str]:
        """The models that the study trains; all others are checkpoints that it takes as they are."""
        return [model for model in self.models if self.recipe(model).epochs]

    @property
    def unstated(self) -> list[str]:
        """Checkpoints taken as they are of which nobody has stated that they have not seen the test images.

        A split that heatproof draws does not tell what a checkpoint was trained on. Phantoms are drawn for each study
        anew, so that a checkpoint of another study of this project has seen none of them.
        """
        split = self.data.split
        if split.given or (split.test == "all" and split.unseen):
            return []
        taken = [model for model in self.models if model not in self.trained]
        if self.data.drawn and not self.data.drawn_as:
            taken = [model for model in taken if not str(self.recipe(model).weights).startswith("results/models/")]
        return taken

    @property
    def training(self) -> dict[str, Any]:
        """What `stats.setting` puts in words. Where a file with weights lies is left out: a path may tell too much."""
        recipes = {model: self.recipe(model) for model in self.models}
        named = {name: recipe.weights if recipe.epochs else ".safetensors" for name, recipe in recipes.items()}
        return {
            "weights": {name: "brought" if path.endswith(".safetensors") else path for name, path in named.items()},
            "epochs": {name: recipe.epochs for name, recipe in recipes.items()},
            "size": self.data.size,
            "seeds": self.seeds,
            "text": self.setting or "",
            **({"unstated": self.unstated} if self.unstated else {}),
        }
