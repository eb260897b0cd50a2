"""The sections `explain`, `score`, `stats` and `profiles` of the configuration."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model, field_serializer, field_validator, model_validator
from pydantic_core import PydanticCustomError

from heatproof.catalogue.families import CONTROLS, FAMILIES, families_with
from heatproof.catalogue.methods import METHODS, options
from heatproof.catalogue.metrics import BASELINES, CHANGES, METRICS, metrics_of
from heatproof.config.base import (
    Architecture,
    ArchitectureOrFamily,
    Distinct,
    NonNegative,
    Positive,
    Section,
    architectures,
    check_places,
    of_families,
    one_of,
)

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
    validation: NonNegative  # validation images that are explained too, to tune the threshold of `iou_tuned` on
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
    controls: bool
    road: Road | None
    naopc: Naopc | None
    infidelity: Infidelity | None


Primary = create_model(  # the one metric of each family that is tested
    "Primary", __base__=Section, **{name: (_metric(name), ...) for name in families_with("judged")}
)
Family = Annotated[str, one_of(lambda: FAMILIES)]


class Score(Section):
    families: Annotated[list[Family], Field(min_length=1), Distinct]
    primary: Primary
    localization: LocalizationOptions
    faithfulness: Faithfulness


def _reported(value: float) -> float:
    if not 0 < value <= 1:
        fix = f", such as {value / 100:g} for {value:g}%" if 1 < value <= 100 else ""
        raise ValueError(f"must be a share above 0 and at most 1{fix}")
    return value


Judged = Literal[*families_with("judged")]
ReportedShare = Annotated[float, AfterValidator(_reported)]
Reported = dict[Architecture, ReportedShare]
Named = Annotated[str, Field(min_length=1)]  # an architecture, or an ensemble of the study


class Published(Section):
    """What somebody reports of architectures, to stand beside what the study measures."""

    source: str  # a paper, a DOI
    table: str = ""  # where it stands there
    note: str = ""  # what differs from this study, and what is not known of it
    accuracy: Annotated[Reported, Field(min_length=1)] | None = None
    f1_macro: Reported = {}
    f1_micro: dict[Named, ReportedShare] = {}  # this and the next where images have several labels
    f1: dict[Named, dict[str, ReportedShare]] = {}  # of each label

    @model_validator(mode="after")
    def _something(self):
        if not (self.accuracy or self.f1_micro or self.f1):
            raise ValueError("gives no number: set accuracy, or f1_micro or f1 where images have several labels")
        return self

    def unknown(self, ensembles: Collection[str], labels: Collection[str]) -> str | None:
        """What is wrong with the names of a model or a label, in a line, given those of the study."""
        for key, stated in (("f1_micro", self.f1_micro), ("f1", self.f1)):
            for model in stated:
                if model.split(".")[0] not in architectures() and model not in ensembles:
                    return f"{key}.{model}: is neither a timm architecture nor one of `ensembles`"
        for model, of in self.f1.items():
            if lost := [label for label in of if label not in labels]:
                return f"f1.{model}.{lost[0]}: is no label; allowed: {', '.join(labels)}"
        return None


class Part(Section):
    """One measure of a finding."""

    family: Judged
    metric: str | None = None  # of the family; none: the one that the study judges it by

    @model_validator(mode="after")
    def _known(self):
        if self.metric is not None and self.metric not in (known := sorted(metrics_of(self.family))):
            raise ValueError(f"metric: {self.metric} is none of {self.family}; allowed: {', '.join(known)}")
        return self


class Claim(Part):
    """What somebody says of heatmaps, to be checked on the study: on one metric of the family, if one is named; or of
    the models that they explain."""

    family: Judged | Literal[""]
    source: str  # a paper, a DOI
    claim: str  # in the words of its authors
    check: Literal[
        "beat_controls", "lower", "differ", "outdo", "shows_cue", "falls_within"
    ]  # stats/claims/claims.py says when each holds
    method: str
    models: Annotated[list[ArchitectureOrFamily], Distinct] = []  # none: all models of the study
    than: Annotated[list[ArchitectureOrFamily], Distinct] = []  # `lower` alone: the models to compare with
    methods: Annotated[list[str], Distinct] = []  # only for `outdo`: methods compared with `method`

    @model_validator(mode="before")
    @classmethod
    def _of_models(cls, given):
        of_models = isinstance(given, dict) and given.get("check") == "falls_within"
        return {"family": "", "method": ""} | given if of_models else given

    @model_validator(mode="after")
    def _against(self):
        of_models = self.check == "falls_within"
        for key in ("family", "method"):
            if bool(getattr(self, key)) == of_models:
                raise ValueError(f"{key}: leave it out, the check is on models" if of_models else f"{key}: not set")
        if of_models and self.metric:
            raise ValueError("metric: leave it out; falls_within compares AUROC")
        if (self.check == "lower") != bool(self.than) or (self.than and not self.models):
            raise ValueError("`models` and `than` name who scores lower than whom: with check: lower, and only there")
        if (self.check == "outdo") != bool(self.methods) or self.method in self.methods:
            raise ValueError("`methods` are compared with `method`: only with check: outdo, which needs them")
        if self.check == "shows_cue" and self.family != "localization":
            raise ValueError("check: shows_cue needs family: localization")
        return self


class Criterion(Part):
    """A metric by which heatmaps have to reach a control of its family."""

    yardstick: str

    @model_validator(mode="after")
    def _controlled(self):
        if self.metric is None:
            raise ValueError(f"metric: not set; name one of {self.family}")
        if self.yardstick not in (known := FAMILIES[self.family].judged):
            raise ValueError(f"yardstick: {self.yardstick} is no control of {self.family}; allowed: {', '.join(known)}")
        return self


class Finding(Section):
    """What somebody says that takes several measures to say: of models, in parts (stats/claims/claims.py says when it
    holds), or that every method fails one of several criteria (stats/claims/checks.py)."""

    source: str  # a paper, a DOI
    claim: str  # in the words of its authors
    models: Annotated[list[ArchitectureOrFamily], Distinct] = []  # that are said to do better
    than: Annotated[list[ArchitectureOrFamily], Distinct] = []
    methods: Annotated[list[str], Distinct] = []  # over which scores are averaged; none: all methods of the study
    parts: Annotated[list[Part], Distinct] = []
    criteria: Annotated[list[Criterion], Distinct] = []

    @model_validator(mode="after")
    def _apart(self):
        if self.criteria and (self.models or self.than or self.parts):
            raise ValueError("criteria: are on every model; leave out models, than and parts")
        if not self.criteria and not (self.models and self.than):
            raise ValueError("needs `models`, `than` and `parts`, or `criteria`")
        if len(self.criteria or self.parts) < 2:
            raise ValueError(f"{'criteria' if self.criteria else 'parts'}: needs at least two")
        if both := [model for model in self.models if model in self.than]:
            raise ValueError(f"than: {both[0]} is also one of `models`; a model is not compared with itself")
        return self


class Stats(Section):
    test: Literal["friedman", "rm_anova"]  # the one that verdicts rest on; the other stands beside it
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    interval: Annotated[float, Field(gt=0.5, lt=1)]
    margin: dict[str, Annotated[float, Field(gt=0)]]  # by metric: below it nobody would care
    power: Annotated[float, Field(gt=0.5, lt=1)]
    competence_margin: Annotated[float, Field(ge=0, lt=1)]
    # files of studies/papers, whose claims and findings join the next two as the configuration is read
    papers: Annotated[list[Name], Distinct, Field(exclude=True)]
    claims: dict[str, Claim | None]  # null removes a claim of one of the papers
    findings: dict[str, Finding | None]
    published: dict[str, Published | None]
    min_patients: Annotated[int, Field(ge=2)]  # with a label, and without it
    within: str | None  # of several labels an image, a column of data.audit.columns: AUROC within each of its values
    # metrics of localization that are regressed on the geometry of true regions and on the model's confidence
    regressions: Annotated[list[Annotated[str, one_of(lambda: metrics_of("localization"))]], Distinct]
    seed: int

    @field_validator("margin")
    @classmethod
    def _metrics(cls, margins):
        known = {"default", *METRICS}
        for name in margins:
            if name not in known:
                raise PydanticCustomError("unknown_name", "unknown name", {"allowed": sorted(known)})
        if "default" not in margins:
            raise ValueError("needs default, the margin of metrics that have none of their own")
        return margins

    def on(self, models: list[str]) -> "Stats":
        """The section with the families that claims and findings name as the models that a study has of them."""

        def resolved(named: dict) -> dict:
            return {
                name: one
                and one.model_copy(update={key: of_families(getattr(one, key), models) for key in ("models", "than")})
                for name, one in named.items()
            }

        return self.model_copy(update={"claims": resolved(self.claims), "findings": resolved(self.findings)})


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
        """Return the options that the job of one model gets."""
        return self.model_dump(exclude={"layers", "top"}) | {"layers": self.layers.get(model, [])}
