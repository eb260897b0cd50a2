"""Section `stats` of the configuration."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from heatproof.catalogue.families import families_with
from heatproof.catalogue.metrics import METRICS, metrics_of
from heatproof.schema_base import Distinct, Section
from heatproof.schema_models import Architecture, ArchitectureOrFamily, architectures, of_families


def _reported(value: float) -> float:
    if not 0 < value <= 1:
        mend = f", such as {value / 100:g} for {value:g}%" if 1 < value <= 100 else ""
        raise ValueError(f"must be a share above 0 and at most 1{mend}")
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
        for key, told in (("f1_micro", self.f1_micro), ("f1", self.f1)):
            for model in told:
                if model.split(".")[0] not in architectures() and model not in ensembles:
                    return f"{key}.{model}: is neither a timm architecture nor one of `ensembles`"
        for model, of in self.f1.items():
            if lost := [label for label in of if label not in labels]:
                return f"f1.{model}.{lost[0]}: is no label; allowed: {', '.join(labels)}"
        return None


class Claim(Section):
    """What somebody says of heatmaps, to be checked on the study."""

    source: str  # a paper, a DOI
    claim: str  # in the words of its authors
    check: Literal["beat_controls", "lower", "differ", "outdo", "shows_cue"]  # stats/claims.py says when each holds
    family: Judged
    method: str
    models: Annotated[list[ArchitectureOrFamily], Distinct] = []  # none: all models of the study
    than: Annotated[list[ArchitectureOrFamily], Distinct] = []  # `lower` alone: the models to compare with
    methods: Annotated[list[str], Distinct] = []  # `outdo` alone: what is held against `method`
    metric: str | None = None  # of the family, if the claim is on this one alone

    @model_validator(mode="after")
    def _against(self):
        if (self.check == "lower") != bool(self.than) or (self.than and not self.models):
            raise ValueError("`models` and `than` name who scores lower than whom: with check: lower, and only there")
        if (self.check == "outdo") != bool(self.methods) or self.method in self.methods:
            raise ValueError("`methods` name what is held against `method`: with check: outdo, and only there")
        if self.metric is not None and self.metric not in (known := sorted(metrics_of(self.family))):
            raise ValueError(f"metric: {self.metric} is none of {self.family}; allowed: {', '.join(known)}")
        if self.check == "shows_cue" and self.family != "localization":
            raise ValueError("check: shows_cue asks where the heat lies: set family: localization")
        return self


class Part(Section):
    """One measure of a finding."""

    family: Judged
    metric: str | None = None  # of the family; none: the one that the study judges it by

    @model_validator(mode="after")
    def _known(self):
        if self.metric is not None and self.metric not in (known := sorted(metrics_of(self.family))):
            raise ValueError(f"metric: {self.metric} is none of {self.family}; allowed: {', '.join(known)}")
        return self


class Finding(Section):
    """What somebody says of models that takes several measures to say; stats/findings.py says when it holds."""

    source: str  # a paper, a DOI
    claim: str  # in the words of its authors
    models: Annotated[list[ArchitectureOrFamily], Field(min_length=1), Distinct]  # that are said to do better
    than: Annotated[list[ArchitectureOrFamily], Field(min_length=1), Distinct]
    methods: Annotated[list[str], Distinct] = []  # over which scores are averaged; none: all methods of the study
    parts: Annotated[list[Part], Field(min_length=2), Distinct]

    @model_validator(mode="after")
    def _apart(self):
        if both := [model for model in self.models if model in self.than]:
            raise ValueError(f"than: {both[0]} is one of `models` too; a model is not held against itself")
        return self


class Stats(Section):
    test: Literal["friedman", "rm_anova"]  # the one that verdicts rest on; the other stands beside it
    alpha: Annotated[float, Field(gt=0, lt=0.5)]
    interval: Annotated[float, Field(gt=0.5, lt=1)]
    margin: dict[str, Annotated[float, Field(gt=0)]]  # by metric: below it nobody would care
    power: Annotated[float, Field(gt=0.5, lt=1)]
    competence_margin: Annotated[float, Field(ge=0, lt=1)]
    claims: dict[str, Claim | None]  # null takes a claim of params.yaml back
    findings: dict[str, Finding | None]
    published: dict[str, Published | None]
    min_patients: Annotated[int, Field(ge=2)]  # with a label, and without it
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
