"""Section `stats` of the configuration."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from heatproof.registry import metrics_of, registered
from heatproof.schema_base import Distinct, Section
from heatproof.schema_models import Architecture


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


class Claim(Section):
    """What somebody says of heatmaps, to be checked on the study."""

    source: str  # a paper, a DOI
    claim: str  # in the words of its authors
    check: Literal["beat_controls", "lower", "differ", "outdo", "shows_cue"]  # stats/claims.py says when each holds
    family: Literal["localization", "faithfulness", "consistency", "robustness", "sanity"]
    method: str
    models: Annotated[list[Architecture], Distinct] = []  # none: all models of the study
    than: Annotated[list[Architecture], Distinct] = []  # `lower` alone: whom the models are held against
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
