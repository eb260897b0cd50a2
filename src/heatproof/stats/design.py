"""What a study compares: the names and settings that every test reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Design:
    """Who is compared with whom, by which metrics, and how."""

    models: Sequence[str]
    methods: Sequence[str]
    primary: dict[str, str]  # family -> the one metric that verdicts rest on
    controls: dict[str, Sequence[str]]  # family -> the controls that a heatmap has to beat
    lower: frozenset[tuple[str, str]]  # (family, metric) of which a low value is good
    settings: dict  # section `stats`
    blind: dict[str, frozenset[str]] = field(default_factory=dict)  # family -> models that it gives no verdict on

    def margin(self, metric: str) -> float:
        """The difference below which nobody would care, in the metric's own units."""
        margins = self.settings["margin"]
        return margins.get(metric, margins["default"])

    def seen(self, family: str) -> "Design":
        """The same without the models that the family gives no verdict on."""
        return replace(self, models=[model for model in self.models if model not in self.blind.get(family, ())])

    def is_primary(self, family: str, metric: str) -> bool:
        return self.primary.get(family) == metric
